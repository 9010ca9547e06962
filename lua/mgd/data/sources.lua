--- Data sets that lie in files: MNIST, Fashion-MNIST, CIFAR-10; and where those files are found.
-- @module mgd.data.sources

local core = require "mgd.core"
local files = require "mgd.base.files"
local options = require "mgd.base.options"
local set = require "mgd.data.set"

local DTYPE, copy, make, times = set.DTYPE, set.copy, set.make, set.times

local M = {}

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
M.mnist = idx_loader("mnist", MNIST)

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
M.fashion_mnist = idx_loader("fashion_mnist", FASHION)

--- Read an IDX file, plain or gzipped, as it is.
-- @tparam string path
-- @treturn tensor u8, i32 (from signed integers of 8, 16 and 32 bits), f32 or f64, with one to four
-- dimensions
-- @raise on a file that is missing, cut short, corrupt or longer than its header says
function M.read_idx(path)
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
function M.cifar10(opts)
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

return M
