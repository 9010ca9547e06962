--- The data set object, and how one is made: see mgd.data, which has all of its makers.
-- @module mgd.data.set

local core = require "mgd.core"
local naming = require "mgd.base.naming"
local normalisation = require "mgd.data.normalisation"
local options = require "mgd.base.options"
local record = require "mgd.text.record"

local M = {}

--- The option of all makers.
M.DTYPE = {
  "dtype",
  type = "string",
  default = "f32",
  choices = { "f32", "f64" },
  doc = "Type of x and y.",
}

local test_of = record.kind "mgd.data.test"
local recipe_of = record.kind "mgd.data.recipe"

local Dataset = naming.class("mgd.dataset", { "test", "recipe", "normalisation" })

local function contiguous(t)
  return core.data.is_contiguous(t) and t or t:clone()
end

function M.times(shape, first)
  return #shape < first and "1" or table.concat(shape, "×", first)
end

function Dataset:__len()
  return #self.x
end

function Dataset:__tostring()
  local line = string.format(
    "data set %s: %d samples of %s, targets %s",
    self.name,
    #self.x,
    M.times(self.x.shape, 2),
    M.times(self.y.shape, 2)
  )
  line = self.test and string.format("%s, test %d", line, #self.test.x) or line
  return self.normalisation and ("%s, normalised %s"):format(line, tostring(self.normalisation))
    or line
end

--- A 64-bit hash over types, shapes and values of x, y and the test set.
-- Two data sets that differ anywhere differ here (but for one chance in 2^64). Checkpoints use it.
-- @treturn string 16 hexadecimal digits
function Dataset:fingerprint()
  if self.test then
    return core.data.hash(self.x, self.y, self.test.x, self.test.y)
  end
  return core.data.hash(self.x, self.y)
end

--- The samples first … last as a data set of their own; the test set stays as it is.
-- The tensors are views: nothing is copied.
-- @tparam table opts
-- @tparam[opt=1] integer opts.first  1-based
-- @tparam[opt=N] integer opts.last   inclusive
-- @treturn dataset
-- @raise on a range that is empty or outside 1 … N
-- @usage local small = mgd.data.nist7x7():subset{last = 1226}   -- the letter N, top left
function Dataset:subset(opts)
  local where, n = "subset", #self.x
  local opt = options.check(where, {
    { "first", type = "integer", default = 1, min = 1, max = n, doc = "First sample." },
    { "last", type = "integer", default = n, min = 1, max = n, doc = "Last sample." },
  }, opts)
  if opt.first > opt.last then
    options.fail(where, "first (%d) comes after last (%d)", opt.first, opt.last)
  end
  local range = { { opt.first, opt.last } }
  local recipe = self.recipe
    and recipe_of { name = "subset",
      options = { of = self.recipe, first = opt.first, last = opt.last } }
  return M.new {
    name = self.name,
    x = self.x[range],
    y = self.y[range],
    test = self.test,
    normalisation = self.normalisation,
    recipe = recipe,
  }
end

-- ---- training and test ------------------------------------------------------------------------

local SPLIT = {
  { "test", type = "number", required = true, above = 0, below = 1,
    doc = "Share of the samples that become the test set." },
  options.stated("seed", { doc = "Of the order in which samples are dealt out." }),
}

--- Deal the samples out, in a random order, to a training set and a test set.
--
-- The first ⌊N·test + ½⌋ of the order are the test set, at least one sample; at least one is left
-- to be trained on. The order follows from the seed and N alone.
-- @tparam table opts
-- @tparam number opts.test  share, in (0, 1)
-- @tparam[opt=1] integer opts.seed
-- @treturn dataset with `test`; tensors of its own
-- @raise where there is a test set already, where the share is none, or with a single sample
-- @usage local set = mgd.data.from{x = x, y = y}:split{test = 0.2, seed = 1}
function Dataset:split(opts)
  local where, n = "split", #self.x
  local opt = options.check(where, SPLIT, opts)
  if self.test then
    options.fail(where, "the data set has a test set already, of %d samples", #self.test.x)
  elseif n < 2 then
    options.fail(where, "a single sample cannot be both trained on and tested with")
  end
  local order = core.data.permutation(n, opt.seed)
  local count = math.min(math.max(math.floor(n * opt.test + 0.5), 1), n - 1)
  local function part(first, last)
    local numbers = order[{ { first, last } }]:clone()
    return { x = core.data.rows(contiguous(self.x), numbers),
      y = core.data.rows(contiguous(self.y), numbers) }
  end
  local set, recipe = part(count + 1, n), self.recipe
  set.name, set.test = self.name, part(1, count)
  set.normalisation = self.normalisation
  set.recipe = recipe
    and recipe_of { name = "split", options = { of = recipe, test = opt.test, seed = opt.seed } }
  return M.new(set)
end

--- Inputs of mean 0 and standard deviation 1 over the training set; the test set goes by the same
-- figures.
--
-- A feature that is constant over the training set becomes 0 there: its deviation counts as 1.
-- Images of mgd.data are 0 … 1 before; bytes that mgd.data.from was given are 0 … 255.
-- @tparam[opt] table opts
-- @tparam[opt="feature"] string opts.per  "feature": each by itself; "channel": those of a channel
--   (the first dimension of a sample) together; "set": one mean and one deviation
-- @treturn dataset tensors of its own, with `normalisation`: {mean =, std =, per =, constant = (how
--   many never change), features = (of so many)}, tensors that go along with a sample, or numbers,
--   f64; `set.normalisation:apply(x)` treats new inputs alike
-- @raise on values whose square is no number any more
-- @usage local set = mgd.data.from{x = x, y = y}:split{test = 0.2}:normalise()
function Dataset:normalise(opts)
  local opt = options.check("normalise", normalisation.SCHEMA, opts)
  local figures = normalisation.of(self.x, opt.per)
  return M.new {
    name = self.name,
    x = figures:apply(self.x),
    y = self.y,
    test = self.test and { x = figures:apply(self.test.x), y = self.test.y },
    normalisation = figures,
    recipe = self.recipe
      and recipe_of { name = "normalised", options = { of = self.recipe, per = opt.per } },
  }
end

--- A data set of these fields: `name`, `x`, `y`, `test`; without a recipe.
function M.new(set)
  set.test = set.test and test_of(set.test)
  return setmetatable(set, Dataset)
end

--- The same with the recipe that the maker `name` and its options are.
function M.make(name, given, set)
  set.name = name
  set.recipe = recipe_of { name = name, options = given or {} }
  return M.new(set)
end

--- Whether a value is a data set made here.
-- @param value anything
-- @treturn boolean
function M.is_dataset(value)
  return type(value) == "table" and getmetatable(value) == Dataset
end

--- Options as they were given, for recipes.
function M.copy(given)
  local out = {}
  for key, value in pairs(given or {}) do
    out[key] = value
  end
  return out
end

--- The tensor in that dtype, without a copy where it has it.
function M.as(t, dtype)
  return t.dtype == dtype and t or t:to(dtype)
end

--- Tensors as a data set of that dtype.
function M.converted(name, given, dtype, x, y)
  return M.make(name, M.copy(given), { x = M.as(x, dtype), y = M.as(y, dtype) })
end

return M
