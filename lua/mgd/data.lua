--- Data sets: inputs `x` (N, …) and targets `y` (N, K), or (N, T, K) where there is an answer for
-- every step of a sequence, and a test set where there is one.
--
-- Every function here answers a data set object:
--
-- - `name`, `x`, `y`, and `test` (`{x =, y =}` or nil);
-- - `recipe`: from which `mgd.data.restore` makes it again; nil for tensors of the user's own;
-- - `#set`, the number of samples (`#set.x` under LuaJIT);
-- - `set:fingerprint()`, `set:subset{first =, last =}`, `set:split{test = 0.2}`, `set:normalise()`.
--
-- Tensors are f32 unless f64 is asked for, or given to `mgd.data.from`.
-- @module mgd.data

local core = require "mgd.core"
local files = require "mgd.files"
local naming = require "mgd.naming"
local options = require "mgd.options"
local record = require "mgd.record"
local sequences = require "mgd.sequences"
local text = require "mgd.text"

local data = {}

local DTYPE = {
  "dtype",
  type = "string",
  default = "f32",
  choices = { "f32", "f64" },
  doc = "Type of x and y.",
}

-- ---- the data set object ----------------------------------------------------------------------

local test_of = record.kind "mgd.data.test"
local recipe_of = record.kind "mgd.data.recipe"

local Dataset = naming.class("mgd.dataset", { "test", "recipe" })

local ROUNDING = 1e-12 -- of the largest value: what deviates less is constant

local function contiguous(t)
  return core.data.is_contiguous(t) and t or t:clone()
end

local function times(shape, first)
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
    times(self.x.shape, 2),
    times(self.y.shape, 2)
  )
  return self.test and string.format("%s, test %d", line, #self.test.x) or line
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
  return setmetatable({
    name = self.name,
    x = self.x[range],
    y = self.y[range],
    test = self.test,
    normalisation = self.normalisation,
    recipe = recipe,
  }, Dataset)
end

-- ---- training and test ------------------------------------------------------------------------

local SPLIT = {
  { "test", type = "number", required = true, above = 0,
    doc = "Share of the samples that become the test set, below 1." },
  { "seed", type = "integer", default = 1, min = -2 ^ 53, max = 2 ^ 53,
    doc = "Of the order in which samples are dealt out." },
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
  if opt.test >= 1 then
    options.fail(where, "option 'test' must be a share of the samples between 0 and 1, got %.17g",
      opt.test)
  elseif self.test then
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
  return setmetatable(set, Dataset)
end

local NORMALISE = {
  { "per", type = "string", default = "feature", choices = { "feature", "set" },
    doc = "A mean and a deviation for each feature, or one of each for all." },
}

-- (x − mean)/std of a tensor, in its own type.
local function scaled(x, mean, std)
  local type_of = x.dtype
  return ((x:to "f64" - mean) / std):to(type_of)
end

--- Inputs of mean 0 and standard deviation 1 over the training set; the test set goes by the same
-- figures.
--
-- A feature that is constant over the training set becomes 0 there: its deviation counts as 1.
-- @tparam[opt] table opts
-- @tparam[opt="feature"] string opts.per  "feature": each by itself; "set": one mean and one
--   deviation
-- @treturn dataset with `normalisation`: {mean =, std =, per =}, tensors of a sample's shape, or
--   numbers; tensors of its own, f64 figures
-- @usage local set = mgd.data.from{x = x, y = y}:split{test = 0.2}:normalise()
function Dataset:normalise(opts)
  local opt = options.check("normalise", NORMALISE, opts)
  local x = self.x:to "f64"
  local n, shape = x.shape[1], x.shape
  local size = x.size / n
  local flat = opt.per == "feature" and x:reshape { n, size } or x:reshape { x.size, 1 }
  local mean = flat:mean(1)
  local centred = flat - mean
  local std = (centred * centred):mean(1):sqrt():totable()
  local largest = flat:abs():max(1):totable()
  for i, value in ipairs(std) do
    if value ~= value or value == math.huge then
      options.fail("normalise", "feature %d reaches %s, whose square is no number any more: "
        .. "expected smaller values", i, text.number(largest[i]))
    end
    std[i] = value > ROUNDING * largest[i] and value or 1
  end
  std = core.tensor.tensor(std, { dtype = "f64" })
  if opt.per == "set" then
    mean, std = mean[1], std[1]
  else
    local sample = {}
    for i = 2, #shape do
      sample[i - 1] = shape[i]
    end
    mean, std = mean:reshape(sample), std:reshape(sample)
  end
  return setmetatable({
    name = self.name,
    x = scaled(self.x, mean, std),
    y = self.y,
    test = self.test and { x = scaled(self.test.x, mean, std), y = self.test.y },
    normalisation = { mean = mean, std = std, per = opt.per },
    recipe = self.recipe
      and recipe_of { name = "normalised", options = { of = self.recipe, per = opt.per } },
  }, Dataset)
end

local function make(name, given, set)
  set.name = name
  set.recipe = recipe_of { name = name, options = given or {} }
  return setmetatable(set, Dataset)
end

--- Whether a value is a data set made here.
-- @param value anything
-- @treturn boolean
function data.is_dataset(value)
  return type(value) == "table" and getmetatable(value) == Dataset
end

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

local function copy(given)
  local out = {}
  for key, value in pairs(given or {}) do
    out[key] = value
  end
  return out
end

local function as(t, dtype)
  return t.dtype == dtype and t or t:to(dtype)
end

local function converted(name, given, dtype, x, y)
  return make(name, copy(given), { x = as(x, dtype), y = as(y, dtype) })
end

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

-- ---- files ------------------------------------------------------------------------------------

local ENOENT, ENOTDIR = 2, 20

-- Whether a file can be opened; where it cannot, but is not simply absent, the reason; and whether
-- it is something that cannot be read, as a folder, which opens, too.
local function exists(path)
  local file, message, code = io.open(path, "rb")
  if not file then
    return false, code ~= ENOENT and code ~= ENOTDIR and message:sub(#path + 3) or nil
  end
  local bytes, reason = file:read(1)
  file:close()
  return true, nil, bytes == nil and reason ~= nil
end

-- The names that a file of a source goes by: gzipped or not; with a dot before "idx", as older
-- unpackers make it; in a folder of its own name, as archives of many folders hold it.
local function names_of(source, name)
  if not source.idx then
    return { name }
  end
  local dotted, names = name:gsub("%-idx", ".idx"), {}
  for _, form in ipairs { name, dotted, name .. "/" .. name, dotted .. "/" .. dotted } do
    names[#names + 1] = form .. ".gz"
    names[#names + 1] = form
  end
  return names
end

-- The path of a source's file in a folder; or nil and why it cannot be opened.
local function file_in(folder, source, name)
  local unread, why
  for _, form in ipairs(names_of(source, name)) do
    local path = folder .. "/" .. form
    local here, reason, unreadable = exists(path)
    if here and not unreadable then
      return path
    end
    unread, why = unread or here and path or nil, why or reason
  end
  return unread, why -- what reads it says why it cannot
end

-- The paths of a source's files in `folder`; or nil and the names of those that are missing.
local function files_in(folder, source)
  local found, missing = {}, {}
  for _, name in ipairs(source.names) do
    local path, reason = file_in(folder, source, name)
    found[#found + 1] = path
    if not path then
      missing[#missing + 1] = reason and name .. " (" .. reason .. ")" or name
    end
  end
  if #missing > 0 then
    return nil, missing
  end
  return found
end

-- Where to look, in order.
local function folders_of(source, path)
  local places, home = { path }, os.getenv "XDG_DATA_HOME"
  if not path then
    if not home or home == "" then
      home = (os.getenv "HOME" or "") .. "/.local/share"
    end
    if os.getenv "MGD_DATA" then
      places[1] = os.getenv "MGD_DATA" .. "/" .. source.folder
    end
    places[#places + 1] = "data/" .. source.folder
    places[#places + 1] = home .. "/mgd-lua/" .. source.folder
    places[#places + 1] = source.system
  end
  local folders = {}
  for _, place in ipairs(places) do
    folders[#folders + 1] = place
    for _, inner in ipairs(source.subfolders) do
      folders[#folders + 1] = place .. "/" .. inner
    end
  end
  return folders
end

local function lacking(folder, names)
  local last = names[#names]
  if #names > 1 then
    last = table.concat(names, ", ", 1, #names - 1) .. " and " .. last
  end
  return folder .. ", which lacks " .. last
end

-- The paths of a source's files, all of them from the first folder that has all.
local function find_files(where, source, path)
  if path then
    files.check_path(where, path)
  end
  local folders, searched = folders_of(source, path), {}
  local begun, first = false, nil -- begun: some folder has some of them
  for i, folder in ipairs(folders) do
    local found, missing = files_in(folder, source)
    if found then
      return found
    end
    searched[i], first = folder, first or missing
    if #missing < #source.names then
      searched[i] = lacking(folder, missing)
      begun = true
    end
  end
  if path and not begun then
    searched[1] = lacking(path, first)
  end
  return options.fail(
    where,
    "the data set is not here. %s. Searched: %s",
    source.bring,
    table.concat(searched, "; ")
  )
end

-- ---- MNIST and Fashion-MNIST ------------------------------------------------------------------

local IDX_NAMES = {
  "train-images-idx3-ubyte",
  "train-labels-idx1-ubyte",
  "t10k-images-idx3-ubyte",
  "t10k-labels-idx1-ubyte",
}

local MNIST = {
  folder = "mnist",
  subfolders = { "raw", "MNIST/raw" }, -- as torchvision keeps it
  names = IDX_NAMES,
  idx = true,
  bring = "`scripts/fetch-data mnist` brings it; or put the four files of "
    .. "https://ossci-datasets.s3.amazonaws.com/mnist/ into a folder named here",
}

local FASHION = {
  folder = "fashion-mnist",
  subfolders = { "raw", "FashionMNIST/raw" },
  system = "/usr/share/datasets/fashion-mnist",
  names = IDX_NAMES,
  idx = true,
  bring = "`apt install dataset-fashion-mnist` or `scripts/fetch-data fashion-mnist` brings it",
}

local function load_pair(where, images, labels, dtype)
  local x = core.data.idx_images(images, dtype)
  local shape = x.shape
  if #shape ~= 3 or shape[2] ~= 28 or shape[3] ~= 28 then
    options.fail(where, "%s holds %s, not N×28×28 images", images, times(shape, 1))
  end
  local y = core.data.idx_labels(labels, 10, dtype)
  if #y ~= shape[1] then
    options.fail(where, "%s holds %d images, %s %d labels", images, shape[1], labels, #y)
  end
  return x:reshape { shape[1], 1, 28, 28 }, y
end

-- A loader of four IDX files.
local function idx_loader(name, source)
  local where = "mgd.data." .. name
  return function(opts)
    local opt = options.check(where, {
      { "path", type = "string", doc = "Folder that holds the four IDX files." },
      DTYPE,
    }, opts)
    local paths = find_files(where, source, opt.path)
    local test = {}
    test.x, test.y = load_pair(where, paths[3], paths[4], opt.dtype)
    local x, y = load_pair(where, paths[1], paths[2], opt.dtype)
    return make(name, copy(opts), { x = x, y = y, test = test })
  end
end

--- MNIST (LeCun, Cortes and Burges 1998): 28×28 grey images of handwritten digits, ten classes.
-- x (60000, 1, 28, 28) in [0, 1]; y (60000, 10), one-hot, the digit 0 first; test: 10,000 more.
--
-- The four IDX files, gzipped or plain, `train-images-idx3-ubyte` or `train-images.idx3-ubyte`, are
-- taken from the first of these folders that has them, or from its subfolder `raw` or `MNIST/raw`:
-- `path` (then no other); `$MGD_DATA/mnist`; `data/mnist`; `$XDG_DATA_HOME/mgd-lua/mnist`
-- (`~/.local/share` where that is unset), which is where `scripts/fetch-data mnist` puts them.
-- @function mnist
-- @tparam[opt] table opts
-- @tparam[opt] string opts.path  folder that holds the four files
-- @tparam[opt="f32"] string opts.dtype  "f32" or "f64"
-- @treturn dataset
-- @raise when the files are missing (with what brings them), cut short, corrupt, or do not go
-- together
data.mnist = idx_loader("mnist", MNIST)

--- Fashion-MNIST (Xiao, Rasul and Vollgraf 2017): 28×28 grey images of clothes, ten classes.
-- x (60000, 1, 28, 28) in [0, 1]; y (60000, 10), one-hot; test: 10,000 more. A network with
-- `input = {28, 28}` takes the images as sequences: a row is a step of 28 features; one with
-- `input = {784, 1}` pixel by pixel.
--
-- The four IDX files, under the names of MNIST's, are taken from the first of these folders that
-- has them, or from its subfolder `raw` or `FashionMNIST/raw`: `path` (then no other);
-- `$MGD_DATA/fashion-mnist`; `data/fashion-mnist`; `$XDG_DATA_HOME/mgd-lua/fashion-mnist`
-- (`~/.local/share` where that is unset), which is where `scripts/fetch-data` puts them;
-- `/usr/share/datasets/fashion-mnist` (Debian).
-- @function fashion_mnist
-- @tparam[opt] table opts
-- @tparam[opt] string opts.path  folder that holds the four files
-- @tparam[opt="f32"] string opts.dtype  "f32" or "f64"
-- @treturn dataset
-- @raise when the files are missing (with the commands that bring them), cut short, corrupt, or do
-- not go together
data.fashion_mnist = idx_loader("fashion_mnist", FASHION)

--- Read an IDX file, plain or gzipped, as it is.
-- @tparam string path
-- @treturn tensor u8, i32 (from signed integers of 8, 16 and 32 bits), f32 or f64, with one to four
-- dimensions
-- @raise on a file that is missing, cut short, corrupt or longer than its header says
function data.read_idx(path)
  return core.data.idx_read(path)
end

-- ---- CIFAR-10 ---------------------------------------------------------------------------------

local CIFAR10 = {
  folder = "cifar10",
  subfolders = { "cifar-10-batches-bin" }, -- as the official archive unpacks
  names = {
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
    "test_batch.bin",
  },
  bring = "`scripts/fetch-data cifar-10` brings it; or unpack the binary version "
    .. "(cifar-10-binary.tar.gz) from https://www.cs.toronto.edu/~kriz/cifar.html into a folder "
    .. "named here",
}

--- CIFAR-10 (Krizhevsky 2009): 32×32 colour images of animals and vehicles, ten classes.
-- x (50000, 3, 32, 32) in [0, 1], the channels being red, green, blue; y (50000, 10), one-hot in
-- the order airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck; test: 10,000
-- more.
--
-- The six files of the binary version are taken from the first of these folders that has them:
-- `path` (then no other); `$MGD_DATA/cifar10`; `data/cifar10`; `$XDG_DATA_HOME/mgd-lua/cifar10`
-- (`~/.local/share` where that is unset), which is where `scripts/fetch-data` puts them; in each
-- of them, or in its subfolder `cifar-10-batches-bin`, as the archive unpacks. Files with fewer
-- records are taken as they are, so excerpts work.
-- @tparam[opt] table opts
-- @tparam[opt] string opts.path  folder that holds the six files
-- @tparam[opt="f32"] string opts.dtype  "f32" or "f64"
-- @treturn dataset
-- @raise when files are missing (all named, with what brings them), hold no whole number of records
-- of 3073 bytes, or a label above 9
-- @usage local set = mgd.data.cifar10{path = "/data/cifar-10-batches-bin"}
function data.cifar10(opts)
  local where = "mgd.data.cifar10"
  local opt = options.check(where, {
    { "path", type = "string", doc = "Folder that holds the six binary files." },
    DTYPE,
  }, opts)
  local paths = find_files(where, CIFAR10, opt.path)
  local test = {}
  test.x, test.y = core.data.cifar10(opt.dtype, paths[6])
  local x, y = core.data.cifar10(opt.dtype, paths[1], paths[2], paths[3], paths[4], paths[5])
  return make("cifar10", copy(opts), { x = x, y = y, test = test })
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
  return test_of { x = as_float(as(test.x, set.x.dtype)),
    y = as_float(as(test.y, set.y.dtype)) }
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
  return setmetatable(set, Dataset)
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
    opt.test = copy(opt.test)
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
