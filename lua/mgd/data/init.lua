--- Data sets: inputs `x` (N, …) and targets `y` (N, K), or (N, T, K) where there is an answer for
-- every step of a sequence, and a test set where there is one.
--
-- Every function here returns a data set object:
--
-- - `name`, `x`, `y`, and `test` (`{x =, y =}` or nil);
-- - `recipe`: from which `mgd.data.restore` makes it again; nil for tensors of the user's own;
-- - `#set`, the number of samples (`#set.x` under LuaJIT);
-- - `set:fingerprint()`, `set:subset{first =, last =}`, `set:split{test = 0.2}`, `set:normalise()`.
--
-- Tensors are f32 unless f64 is asked for, or given to `mgd.data.from`.
-- @module mgd.data

local core = require "mgd.core"
local naming = require "mgd.base.naming"
local options = require "mgd.base.options"
local sequences = require "mgd.data.sequences"
local sets = require "mgd.data.set"
local sources = require "mgd.data.sources"

local DTYPE, converted, times = sets.DTYPE, sets.converted, sets.times

local data = {
  is_dataset = sets.is_dataset,
  mnist = sources.mnist,
  fashion_mnist = sources.fashion_mnist,
  cifar10 = sources.cifar10,
  read_idx = sources.read_idx,
}

--- The data set that a function was given, or made of what it was given; nil of nil.
-- @tparam string where opens messages
-- @tparam[opt] table set a data set, or {x =, y =}
-- @treturn dataset|nil
function data.given(where, set)
  if set == nil or data.is_dataset(set) then
    return set
  elseif not naming.is_plain(set) or type(set) ~= "table" or #set > 0 then
    options.fail(where, "expected a data set, or {x =, y =}, got %s", options.type_name(set))
  end
  return data.from(set)
end

-- ---- computed ---------------------------------------------------------------------------------

--- Two-bit parity: x (4, 2) in the order 00, 01, 10, 11; y (4, 1).
-- @tparam[opt] table opts
-- @tparam[opt="f32"] string opts.dtype  "f32" or "f64"
-- @treturn dataset
function data.xor(opts)
  local opt = options.check("mgd.data.xor", { DTYPE }, opts)
  return converted("xor", opts, opt.dtype, core.data.parity(2))
end

--- n-bit parity: all 2^n words in counting order, most significant bit first, as 0 and 1.
-- x (2^n, n); y (2^n, 1): 1 where the number of ones is odd.
-- @tparam table opts
-- @tparam integer opts.bits  n, from 1 to 20
-- @tparam[opt="f32"] string opts.dtype  "f32" or "f64"
-- @treturn dataset
-- @raise when bits is missing or out of range
function data.parity(opts)
  local opt = options.check("mgd.data.parity", {
    { "bits", type = "integer", required = true, min = 1, max = 20, doc = "Number of inputs." },
    DTYPE,
  }, opts)
  return converted("parity", opts, opt.dtype, core.data.parity(opt.bits))
end

--- NIST7x7: 44,136 images of the letters N, I, S, T on 7×7 pixels, computed in milliseconds.
-- x (44136, 49) of 0 and 1, row by row; y (44136, 4), one-hot in the order N, I, S, T.
--
-- The published set is not public. Its size is that of 4 letters × 9 positions of a 5×5 glyph ×
-- (1 + 49 + 1176) ways to flip none, one or two of the 49 pixels, which is what this makes. The
-- glyphs are our own, so accuracies compare in kind with published ones, not digit by digit.
--
-- Order: letter; position (rows, then columns); no flip, each pixel, each pair of pixels.
-- @tparam[opt] table opts
-- @tparam[opt="f32"] string opts.dtype  "f32" or "f64"
-- @treturn dataset
function data.nist7x7(opts)
  local opt = options.check("mgd.data.nist7x7", { DTYPE }, opts)
  return converted("nist7x7", opts, opt.dtype, core.data.nist7x7())
end

-- ---- tensors of the user's own ----------------------------------------------------------------

local function is_float(t)
  return t.dtype == "f32" or t.dtype == "f64"
end

local function check_inputs(where, name, x)
  if x.ndim < 2 or x.size == 0 then
    options.fail(
      where,
      "%s must have the shape (N, …) with N ≥ 1 samples, got %s",
      name,
      times(x.shape, 1)
    )
  end
  core.data.check_finite(where .. ": " .. name, x)
end

-- The targets as (N, K) or (N, T, K) floats; labels from … become one-hot rows.
local function targets(where, name, y, classes, from, dtype)
  if y.ndim == 1 then
    if not classes and is_float(y) then
      options.fail(
        where,
        "%s has one dimension: targets have the shape (N, K); "
          .. "for class labels %d … %s say classes = K",
        name,
        from,
        from == 1 and "K" or "K − 1"
      )
    end
    return core.data.one_hot(where .. ": " .. name, y, classes, dtype, from)
  end
  if y.ndim ~= 2 and y.ndim ~= 3 then
    options.fail(where, "%s must have the shape (N, K), or (N, T, K) with an answer for every "
      .. "step, got %s", name, times(y.shape, 1))
  end
  if classes and y.shape[y.ndim] ~= classes then
    options.fail(where, "%s has %d columns, but classes = %d", name, y.shape[y.ndim], classes)
  end
  core.data.check_finite(where .. ": " .. name, y)
  return y
end

local function check_length(where, x_name, x, y_name, y)
  if y.ndim < 1 or #x ~= #y then
    options.fail(
      where,
      "%s has %d samples, %s has %d",
      x_name,
      #x,
      y_name,
      y.ndim < 1 and 1 or #y
    )
  end
end

local function check_same_sample(where, name, test, train)
  local same = #test.shape == #train.shape
  for i = 2, #train.shape do
    same = same and test.shape[i] == train.shape[i]
  end
  if not same then
    options.fail(
      where,
      "test.%s has samples of %s, %s has samples of %s",
      name,
      times(test.shape, 2),
      name,
      times(train.shape, 2)
    )
  end
end

local FROM = {
  { "x", type = "tensor", required = true, doc = "Inputs, shape (N, …)." },
  { "y", type = "tensor", required = true,
    doc = "Targets (N, K) or (N, T, K), or class labels 1 … K (N)." },
  { "test", type = "table", doc = "A test set {x =, y =} of the same kind." },
  { "classes", type = "integer", min = 1, doc = "K, where y holds class labels." },
  { "classes_from", type = "integer", default = 1, min = 0, max = 1,
    doc = "The first label: 1, or 0 for labels 0 … K − 1." },
  { "name", type = "string", default = "from tensors", doc = "Shown when printed." },
}

local FROM_TEST = {
  { "x", type = "tensor", required = true, doc = "Test inputs (M, …)." },
  { "y", type = "tensor", required = true, doc = "Test targets (M, K), or class labels (M)." },
}

-- `t` itself, or its values as f32, or side by side where it is a view with gaps.
local function as_float(t)
  if not is_float(t) then
    return t:to "f32"
  end
  return core.data.is_contiguous(t) and t or t:clone()
end

-- The number of classes: as given, or the largest label where `y` holds integer labels.
local function count_classes(opt)
  if opt.classes or opt.y.ndim ~= 1 or is_float(opt.y) or opt.y.size == 0 then
    return opt.classes
  end
  local largest = opt.y:max()
  largest = type(largest) == "number" and largest or largest:item()
  return math.max(largest + 1 - opt.classes_from, 1)
end

local function checked_test(where, given, set, classes, from)
  local test = options.check(where .. ": test", FROM_TEST, given)
  check_inputs(where, "test.x", test.x)
  check_length(where, "test.x", test.x, "test.y", test.y)
  check_same_sample(where, "x", test.x, set.x)
  test.y = targets(where, "test.y", test.y, classes, from, set.y.dtype)
  check_same_sample(where, "y", test.y, set.y)
  return { x = as_float(sets.as(test.x, set.x.dtype)), y = as_float(sets.as(test.y, set.y.dtype)) }
end

-- What mgd.data.from and mgd.data.sequences have in common.
local function from_tensors(where, opt)
  check_inputs(where, "x", opt.x)
  check_length(where, "x", opt.x, "y", opt.y)
  local classes = count_classes(opt)
  local x = as_float(opt.x)
  local y = targets(where, "y", opt.y, classes, opt.classes_from, x.dtype)
  local set = { name = opt.name, x = x, y = as_float(y) }
  set.test = opt.test and checked_test(where, opt.test, set, classes, opt.classes_from)
  return sets.new(set)
end

--- A data set from tensors.
-- f32 and f64 tensors are taken as they are, without a copy (but for views with gaps); integers
-- become f32. The test set takes the types of the training set.
-- @tparam table opts
-- @tparam tensor opts.x  inputs, shape (N, …)
-- @tparam tensor opts.y  targets, shape (N, K); or (N, T, K), an answer for every step of a
-- sequence; or class labels 1 … K, shape (N), which become one-hot rows
-- @tparam[opt] table opts.test  `{x =, y =}`, of the same shapes but for the number of samples
-- @tparam[opt] integer opts.classes  K, where y holds labels (default: as many as the largest, for
--   i32
-- and u8)
-- @tparam[opt=1] integer opts.classes_from  the first label: 0 where they are 0 … K − 1
-- @tparam[opt="from tensors"] string opts.name  shown when printed
-- @treturn dataset
-- @raise on values that are not finite, labels out of range, shapes that do not go together
-- @usage local set = mgd.data.from{x = mgd.rand{100, 8}, y = labels:to "i32", classes = 3}
function data.from(opts)
  local where = "mgd.data.from"
  return from_tensors(where, options.check(where, FROM, opts))
end

-- ---- sequences --------------------------------------------------------------------------------

local SEQUENCES = {
  { "x", type = { "table", "tensor" }, required = true,
    doc = "Sequences (T, F), or (T) of one feature, in a list; or a tensor (N, T, F)." },
  { "y", type = { "table", "tensor" }, required = true,
    doc = "Targets (N, K) or (N, T, K), class labels 1 … K (N), or a list of tensors (T, K)." },
}
for i = 3, #FROM do
  SEQUENCES[i] = FROM[i]
end

-- A list of numbers or of lists is one tensor, a list of tensors is stacked.
local function as_one(value)
  local list = type(value) == "table" and #value > 0 and not options.is_tensor(value[1])
  return list and options.tensor(value) or value
end

local function stack_fields(where, prefix, set)
  set.x, set.y = as_one(set.x), as_one(set.y)
  if type(set.x) == "table" or options.is_tensor(set.x) then
    set.x = sequences.stack(where, prefix .. "x", set.x)
  end
  if type(set.y) == "table" then
    set.y = sequences.stack(where, prefix .. "y", set.y)
  end
end

--- A data set of sequences of one length.
-- @tparam table opts
-- @param opts.x  a list of N tensors (T, F), or (T) of one feature; or a tensor (N, T, F) or (N, T)
-- @param opts.y  targets (N, K), an answer at the end; or (N, T, K) or a list of N tensors (T, K),
-- one for every step; or class labels 1 … K, shape (N)
-- @tparam[opt] table opts.test  `{x =, y =}` of the same kind
-- @tparam[opt] integer opts.classes  as for mgd.data.from, and so are `classes_from` and `name`
-- @treturn dataset x (N, T, F)
-- @raise on sequences of unlike lengths or features, naming the first such, and as mgd.data.from
-- @usage local set = mgd.data.sequences{x = {mgd.rand{28, 3}, mgd.rand{28, 3}}, y = mgd.eye(2)}
function data.sequences(opts)
  local where = "mgd.data.sequences"
  local opt = options.check(where, SEQUENCES, opts)
  stack_fields(where, "", opt)
  if opt.test then
    opt.test = sets.copy(opt.test)
    stack_fields(where, "test.", opt.test)
  end
  return from_tensors(where, opt)
end

-- ---- recipes ----------------------------------------------------------------------------------

--- What makes the data sets that have recipes: name → function of its options.
local makers = {
  xor = data.xor,
  parity = data.parity,
  nist7x7 = data.nist7x7,
  mnist = data.mnist,
  fashion_mnist = data.fashion_mnist,
  cifar10 = data.cifar10,
}

data.makers = makers

function makers.subset(opt)
  return data.restore(opt.of):subset { first = opt.first, last = opt.last }
end

function makers.split(opt)
  return data.restore(opt.of):split { test = opt.test, seed = opt.seed }
end

function makers.normalised(opt)
  return data.restore(opt.of):normalise { per = opt.per }
end

--- Makers that are asked of another set.
data.derived = { subset = true, split = true, normalised = true }

--- Make a data set again from its recipe, as checkpoints do.
-- @tparam table recipe  the field of that name of a data set: `{name =, options =}`
-- @treturn dataset
-- @raise on a recipe that is none
function data.restore(recipe)
  local where = "mgd.data.restore"
  if type(recipe) ~= "table" or not makers[recipe.name] then
    options.fail(where, "expected the recipe of a data set, got %s", options.type_name(recipe))
  end
  return makers[recipe.name](recipe.options)
end

return naming.module("mgd.data", data)
