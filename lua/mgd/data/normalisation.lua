--- Normalisation: the means and deviations of a training set, and what inputs are by them.
-- @module mgd.data.normalisation

local core = require "mgd.core"
local naming = require "mgd.base.naming"
local options = require "mgd.base.options"
local text = require "mgd.base.encoding"

local M = {}

local WHERE = "normalise"
local ROUNDING = 1e-12 -- of the largest value: what deviates less is constant

M.SCHEMA = {
  { "per", type = "string", default = "feature", choices = { "feature", "channel", "set" },
    doc = "A mean and a deviation for each feature, for each channel (the first dimension of a "
      .. "sample), or one of each for all." },
}

local Normalisation = naming.class "mgd.normalisation"

-- What has its own figures: how many values of each sample share them.
local function shared_by(per, x, size)
  return per == "feature" and 1 or per == "set" and size or size / x.shape[2]
end

-- `reduce` over samples and what shares figures: (groups).
local function over(x, each, reduce)
  local n = x.shape[1]
  local size = x.size / n
  if each == 1 then
    return x:reshape { n, size }[reduce](x:reshape { n, size }, 1)
  elseif each == size then
    return x:reshape { x.size, 1 }[reduce](x:reshape { x.size, 1 }, 1)
  end
  local parts = x:reshape { n * size / each, each }
  parts = parts[reduce](parts, 2):reshape { n, size / each }
  return parts[reduce](parts, 1)
end

-- Figures (groups) as they go along with the samples of x.
local function along(figures, x, per)
  if per == "set" then
    return figures[1]
  end
  local shape = {}
  for i = 2, #x.shape do
    shape[i - 1] = (per == "feature" or i == 2) and x.shape[i] or 1
  end
  return figures:reshape(shape)
end

--- The figures of a training set.
-- @tparam tensor x (N, …)
-- @tparam string per "feature", "channel" or "set"
-- @treturn normalisation {mean =, std = (tensors that go along with a sample, or numbers; f64; the
--   deviation of what is constant counts as 1), per =, features = (how many figures), constant =
--   (of these, those of what is constant), shape = (of a sample)}
-- @raise on values whose square is no number any more, and on channels of samples that have none
function M.of(x, per)
  local shape = { (table.unpack or unpack)(x.shape, 2) }
  if per == "channel" and #shape < 2 then
    options.fail(WHERE, "per = \"channel\" is for samples of two dimensions or more, as images "
      .. "have: these have the shape %s", table.concat(x.shape, "×", 2))
  end
  local values = core.tensor.zeros(x.shape):copy_(x) -- f64, changed in place: sets can be large
  local each = shared_by(per, x, x.size / x.shape[1])
  local highest, lowest = over(values, each, "max"):totable(), over(values, each, "min"):totable()
  local mean = over(values, each, "mean")
  values:sub_(along(mean, x, per))
  values:mul_(values)
  local std, constant = over(values, each, "mean"):sqrt():totable(), 0
  for i, value in ipairs(std) do
    local largest = math.max(highest[i], -lowest[i])
    if value ~= value or value == math.huge then
      options.fail(WHERE, "%s %d reaches %s, whose square is no number any more: expected smaller "
        .. "values", per == "channel" and "channel" or "feature", i, text.number(largest))
    elseif value <= ROUNDING * largest then
      std[i], constant = 1, constant + 1
    end
  end
  return setmetatable({ mean = along(mean, x, per),
    std = along(core.tensor.tensor(std, { dtype = "f64" }), x, per), per = per, features = #std,
    constant = constant, shape = shape }, Normalisation)
end

--- Inputs by the figures of the training set, (x − mean)/std: new ones for a trained network.
-- @tparam tensor x (B, …), samples of the same shape, in the units of the set that was normalised
--   (bytes of images there as bytes here)
-- @treturn tensor a new one, of the type of x; f32 of integers
-- @raise where the samples have another shape
-- @usage local y = run:predict(set.normalisation:apply(photos))
function Normalisation:apply(x)
  local expected = table.concat(self.shape, "×")
  if not options.is_tensor(x) or table.concat(x.shape, "×", 2) ~= expected then
    options.fail("normalisation:apply", "expected a tensor (B, %s), got %s", expected,
      options.is_tensor(x) and table.concat(x.shape, "×") or options.type_name(x))
  end
  local dtype = x.dtype == "f64" and "f64" or "f32"
  return core.tensor.zeros(x.shape):copy_(x):sub_(self.mean):div_(self.std):to(dtype)
end

--- `per feature, 35 of 784 constant`
function Normalisation:__tostring()
  local rest = self.constant > 0
    and (", %d of %d constant"):format(self.constant, self.features) or ""
  return ("per %s%s"):format(self.per, rest)
end

return M
