local mgd = require "mgd"
local core = require "mgd.core"
local files = require "spec.support.idx_files"
local cifar = require "spec.support.cifar_files"

local function fashion_is_here()
  return (pcall(mgd.data.fashion_mnist))
end

describe("mgd.data.xor", function()
  it("has its four samples in counting order", function()
    local set = mgd.data.xor()
    assert.same({ { 0, 0 }, { 0, 1 }, { 1, 0 }, { 1, 1 } }, set.x:totable())
    assert.same({ { 0 }, { 1 }, { 1 }, { 0 } }, set.y:totable())
    assert.equal("f32", set.x.dtype)
    assert.equal("f32", set.y.dtype)
  end)

  it("comes in f64 too", function()
    local set = mgd.data.xor { dtype = "f64" }
    assert.equal("f64", set.x.dtype)
    assert.equal("f64", set.y.dtype)
  end)
end)

describe("mgd.data.parity", function()
  it("counts ones modulo two, most significant bit first", function()
    local set = mgd.data.parity { bits = 4 }
    assert.same({ 16, 4 }, set.x.shape)
    assert.same({ 16, 1 }, set.y.shape)
    for i = 1, 16 do
      local value, ones = 0, 0
      for j = 1, 4 do
        value = 2 * value + set.x[i][j]
        ones = ones + set.x[i][j]
      end
      assert.equal(i - 1, value)
      assert.equal(ones % 2, set.y[i][1])
    end
  end)

  it("has a narrowest and a widest word", function()
    assert.same({ 2, 1 }, mgd.data.parity({ bits = 1 }).x.shape)
    assert.has_error(function()
      mgd.data.parity { bits = 21 }
    end)
    assert.has_error(function()
      mgd.data.parity {}
    end)
  end)
end)

describe("mgd.data.nist7x7", function()
  local set = mgd.data.nist7x7()

  it("has exactly 44,136 images", function()
    assert.same({ 44136, 49 }, set.x.shape)
    assert.same({ 44136, 4 }, set.y.shape)
  end)

  it("has 11,034 images of each letter, in the order N, I, S, T", function()
    for letter = 1, 4 do
      local first = (letter - 1) * 11034
      assert.equal(11034, set.y[{ { first + 1, first + 11034 }, letter }]:sum())
    end
    assert.equal(44136, set.y:sum())
  end)

  it("draws the first glyph at the top left", function()
    assert.same({
      { 1, 0, 0, 0, 1, 0, 0 },
      { 1, 1, 0, 0, 1, 0, 0 },
      { 1, 0, 1, 0, 1, 0, 0 },
      { 1, 0, 0, 1, 1, 0, 0 },
      { 1, 0, 0, 0, 1, 0, 0 },
      { 0, 0, 0, 0, 0, 0, 0 },
      { 0, 0, 0, 0, 0, 0, 0 },
    }, set.x[1]:reshape({ 7, 7 }):totable())
  end)

  it("flips none, then each pixel, then each pair", function()
    local clean = set.x[1]:totable()
    local function flipped(i)
      local places = {}
      for p, value in ipairs(set.x[i]:totable()) do
        if value ~= clean[p] then
          places[#places + 1] = p
        end
      end
      return places
    end
    assert.same({ 1 }, flipped(2))
    assert.same({ 49 }, flipped(50))
    assert.same({ 1, 2 }, flipped(51))
    assert.same({ 48, 49 }, flipped(1226))
  end)

  it("moves the glyph to nine positions", function()
    local first = set.x[1]:reshape { 7, 7 }
    for row = 0, 2 do
      for column = 0, 2 do
        local moved = set.x[(row * 3 + column) * 1226 + 1]:reshape { 7, 7 }
        local window = moved[{ { row + 1, row + 5 }, { column + 1, column + 5 } }]
        assert.same(first[{ { 1, 5 }, { 1, 5 } }]:totable(), window:totable())
        assert.equal(first:sum(), moved:sum())
      end
    end
  end)

  it("holds zeros and ones alone", function()
    assert.equal(0, set.x:min())
    assert.equal(1, set.x:max())
    assert.equal(set.x:sum(), (set.x * set.x):sum())
  end)

  it("never shows one image under two letters", function()
    -- Two flips on each side bridge at most 4 pixels.
    local clean = {}
    for i = 0, 35 do
      clean[i] = set.x[i * 1226 + 1]:totable()
    end
    for a = 0, 35 do
      for b = 0, 35 do
        if math.floor(a / 9) ~= math.floor(b / 9) then
          local distance = 0
          for p = 1, 49 do
            distance = distance + math.abs(clean[a][p] - clean[b][p])
          end
          assert.is_true(distance >= 6)
        end
      end
    end
  end)
end)

describe("MNIST's four files", function()
  after_each(files.clean)

  -- The same files under other names: `name` of a file's usual one, below a folder.
  local function renamed(name)
    local from, folder = files.fashion(), files.folder()
    for _, usual in ipairs { "train-images-idx3-ubyte", "train-labels-idx1-ubyte",
      "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte" } do
      local to = folder .. "/" .. name(usual)
      assert(os.execute(("mkdir -p '%s' && gzip -dc '%s/%s.gz' > '%s'"):format(to:match "^(.*)/",
        from, usual, to)))
      if to:find "%.gz$" then
        assert(os.execute(("mv '%s' '%s' && gzip '%s'"):format(to, to:sub(1, -4), to:sub(1, -4))))
      end
    end
    return folder
  end

  it("are read under each of their names, gzipped or not, wherever unpackers put them", function()
    local wanted = mgd.data.fashion_mnist { path = files.fashion() }
    local names = {
      function(usual) return usual end,
      function(usual) return usual .. ".gz" end,
      function(usual) return (usual:gsub("%-idx", ".idx")) end,
      function(usual) return usual:gsub("%-idx", ".idx") .. ".gz" end,
      function(usual) return usual .. "/" .. usual end,
      function(usual) return "raw/" .. usual end,
    }
    for _, name in ipairs(names) do
      local folder = renamed(name)
      for _, set in ipairs { mgd.data.mnist { path = folder },
        mgd.data.fashion_mnist { path = folder } } do
        assert.same(wanted:fingerprint(), set:fingerprint())
      end
      os.execute("rm -r " .. folder)
    end
    local folder = renamed(function(usual) return "MNIST/raw/" .. usual end) -- as torchvision does
    local set = mgd.data.mnist { path = folder, dtype = "f64" }
    assert.equal("data set mnist: 5 samples of 1×28×28, targets 10, test 2", tostring(set))
    assert.equal(set:fingerprint(), mgd.data.restore(set.recipe):fingerprint())
    os.execute("rm -r " .. folder)
  end)
end)

describe("mgd.data.fashion_mnist", function()
  after_each(files.clean)

  it("reads the four files of a folder", function()
    local set = mgd.data.fashion_mnist { path = files.fashion() }
    assert.same({ 5, 1, 28, 28 }, set.x.shape)
    assert.same({ 5, 10 }, set.y.shape)
    assert.same({ 2, 1, 28, 28 }, set.test.x.shape)
    assert.same({ 2, 10 }, set.test.y.shape)
    assert.equal("f32", set.x.dtype)
    assert.is_true(math.abs(set.x[1][1][10][4] - 255 / 255) < 1e-6) -- pixel 9·28 + 3 = 255
    assert.equal(0, set.x[1][1][1][1])
    assert.equal(1, set.y[3][3])
    assert.equal(5, set.y:sum())
  end)

  it("comes in f64 too", function()
    local set = mgd.data.fashion_mnist { path = files.fashion(), dtype = "f64" }
    assert.equal(1 / 255, set.x[1][1][1][2])
    assert.equal("f64", set.test.y.dtype)
  end)

  it("has 60,000 and 10,000 images, 6,000 and 1,000 of each class", function()
    if not fashion_is_here() then
      pending "no Fashion-MNIST here: scripts/deps installs it (package dataset-fashion-mnist)"
      return
    end
    local set = mgd.data.fashion_mnist()
    assert.same({ 60000, 1, 28, 28 }, set.x.shape)
    assert.same({ 10000, 1, 28, 28 }, set.test.x.shape)
    assert.equal(0, set.x:min())
    assert.equal(1, set.x:max())
    for class = 1, 10 do
      assert.equal(6000, set.y:sum(1)[class])
      assert.equal(1000, set.test.y:sum(1)[class])
    end
    assert.equal(1, set.y[1][10]) -- the first training image is an ankle boot
    assert.equal(
      "data set fashion_mnist: 60000 samples of 1×28×28, targets 10, test 10000",
      tostring(set)
    )
  end)
end)

describe("mgd.data.cifar10", function()
  after_each(files.clean)

  -- The image at `place` is image n of the files, under label n % 10.
  local function check_sample(set, place, n)
    for _, at in ipairs { { 0, 0, 0 }, { 0, 0, 31 }, { 0, 1, 0 }, { 1, 17, 4 }, { 2, 31, 31 } } do
      local c, i, j = at[1], at[2], at[3]
      local expected = cifar.pixel(n, c, i, j) / 255
      assert.near(expected, set.x[{ place, c + 1, i + 1, j + 1 }], 1e-7)
    end
    for class = 0, 9 do
      assert.equal(class == n % 10 and 1 or 0, set.y[place][class + 1])
    end
  end

  it("reads the six files of a folder, in order", function()
    local set = mgd.data.cifar10 { path = cifar.folder() }
    assert.same({ 15, 3, 32, 32 }, set.x.shape)
    assert.same({ 15, 10 }, set.y.shape)
    assert.same({ 2, 3, 32, 32 }, set.test.x.shape)
    assert.same({ 2, 10 }, set.test.y.shape)
    assert.equal("f32", set.x.dtype)
    assert.equal("f32", set.y.dtype)
    for n = 0, 14 do
      check_sample(set, n + 1, n)
    end
    check_sample(set.test, 1, 20)
    check_sample(set.test, 2, 21)
    assert.equal(
      "data set cifar10: 15 samples of 3×32×32, targets 10, test 2",
      tostring(set)
    )
  end)

  it("has every pixel of red, green and blue, row by row", function()
    local set = mgd.data.cifar10 { path = cifar.folder(), dtype = "f64" }
    local image = set.x[3]:totable() -- the second record of the second file
    for c = 0, 2 do
      for i = 0, 31 do
        for j = 0, 31 do
          assert.equal(cifar.pixel(2, c, i, j) / 255, image[c + 1][i + 1][j + 1])
        end
      end
    end
  end)

  it("maps 0 and 255 to 0 and 1 exactly", function()
    local record = "\9" .. ("\0"):rep(3071) .. "\255"
    local set = mgd.data.cifar10 { path = cifar.folder { ["test_batch.bin"] = record } }
    assert.equal(1, set.test.x[1][3][32][32])
    assert.equal(1, set.test.x:sum())
    assert.equal(1, set.test.y[1][10])
  end)

  it("comes in f64 too", function()
    local set = mgd.data.cifar10 { path = cifar.folder(), dtype = "f64" }
    assert.equal("f64", set.x.dtype)
    assert.equal("f64", set.y.dtype)
    assert.equal("f64", set.test.x.dtype)
    assert.equal("f64", set.test.y.dtype)
    assert.equal(cifar.pixel(14, 2, 31, 31) / 255, set.x[15][3][32][32])
    assert.equal(15, set.y:sum())
  end)

  it("reads a file of more records than are read at once", function()
    local many = cifar.records(10, 0):rep(13) -- 130 records
    local set = mgd.data.cifar10 { path = cifar.folder { ["data_batch_1.bin"] = many } }
    assert.equal(144, #set.x)
    for _, place in ipairs { 1, 64, 65, 128, 129, 130 } do
      check_sample(set, place, (place - 1) % 10)
    end
    check_sample(set, 131, 1)
  end)

  it("is found in the folder that the archive unpacks to", function()
    local outer = files.folder()
    cifar.folder(nil, outer .. "/cifar-10-batches-bin")
    assert.equal(15, #mgd.data.cifar10({ path = outer }).x)
  end)

  it("is looked for in $MGD_DATA, then in $XDG_DATA_HOME", function()
    local ours, home = files.folder(), files.folder()
    files.folder(home .. "/mgd-lua")
    cifar.folder(nil, home .. "/mgd-lua/cifar10")
    local variables = { MGD_DATA = ours, XDG_DATA_HOME = home }
    local getenv = stub(os, "getenv", function(name)
      return variables[name]
    end)
    finally(function()
      getenv:revert()
    end)
    if not io.open("data/cifar10", "rb") then -- which comes between the two
      assert.equal(15, #mgd.data.cifar10().x)
    end
    cifar.folder({ ["data_batch_5.bin"] = cifar.records(1, 0) }, ours .. "/cifar10")
    assert.equal(11, #mgd.data.cifar10().x)
  end)

  it("is made again from its recipe, whole or in part", function()
    local set = mgd.data.cifar10 { path = cifar.folder(), dtype = "f64" }
    local part = set:subset { first = 4, last = 6 }
    assert.same({ 3, 3, 32, 32 }, part.x.shape)
    check_sample(part, 1, 3)
    for _, one in ipairs { set, part } do
      local again = mgd.data.restore(one.recipe)
      assert.equal(one:fingerprint(), again:fingerprint())
      assert.equal(tostring(one), tostring(again))
    end
  end)

  it("trains, and a checkpoint brings it back", function()
    local path = os.tmpname()
    finally(function()
      os.remove(path)
    end)
    local run = mgd.train {
      net = mgd.nn.mlp { 3072, 10, output = "identity" },
      data = mgd.data.cifar10 { path = cifar.folder() },
      cost = "cross_entropy",
      perturbation = { code = "random", amplitude = 1e-3 },
      eta = 1e-4,
      batch = 4,
    }
    run:run { steps = 2 }
    run:save(path)
    local again = mgd.resume(path)
    run:run { steps = 3 }
    again:run { steps = 3 }
    assert.same(run:theta():totable(), again:theta():totable())
  end)

  -- The data set itself, which no package brings, where somebody has fetched it.
  local here, set = pcall(mgd.data.cifar10)
  local whole = here and #set.x >= 50000
  local it_is = whole and it or function() end

  it_is("has 50,000 and 10,000 images, 5,000 and 1,000 of each class", function()
    assert.same({ 50000, 3, 32, 32 }, set.x.shape)
    assert.same({ 10000, 3, 32, 32 }, set.test.x.shape)
    for class = 1, 10 do
      assert.equal(5000, set.y:sum(1)[class])
      assert.equal(1000, set.test.y:sum(1)[class])
    end
    assert.equal(1, set.y[1][7]) -- the first training image is a frog
  end)
end)

describe("mgd.data.from", function()
  local x = mgd.tensor { { 1, 2 }, { 3, 4 }, { 5, 6 } }
  local y = mgd.tensor { { 0 }, { 1 }, { 0 } }

  it("takes floating tensors as they are", function()
    local set = mgd.data.from { x = x, y = y }
    assert.equal("f64", set.x.dtype)
    assert.same(x:totable(), set.x:totable())
    assert.is_nil(set.recipe)
    assert.equal("data set from tensors: 3 samples of 2, targets 1", tostring(set))
  end)

  it("shares memory with them, but for views with gaps", function()
    local wide = mgd.zeros { 3, 4 }
    local whole = mgd.data.from { x = wide, y = y }
    local part = mgd.data.from { x = wide[{ { 1, 3 }, { 2, 3 } }], y = y }
    wide[1][2] = 5
    assert.equal(5, whole.x[1][2])
    assert.same({ { 0, 0 }, { 0, 0 }, { 0, 0 } }, part.x:totable())
  end)

  it("turns integers into f32", function()
    local set = mgd.data.from { x = x:to "u8", y = y:to "i32" }
    assert.equal("f32", set.x.dtype)
    assert.equal("f32", set.y.dtype)
    assert.same(x:totable(), set.x:totable())
  end)

  it("turns labels into one-hot rows", function()
    local labels = mgd.tensor({ 2, 1, 3 }, { dtype = "i32" })
    local rows = { { 0, 1, 0 }, { 1, 0, 0 }, { 0, 0, 1 } }
    assert.same(rows, mgd.data.from({ x = x, y = labels }).y:totable())
    assert.same(rows, mgd.data.from({ x = x, y = labels:to "f64", classes = 3 }).y:totable())
    assert.same({ 3, 5 }, mgd.data.from({ x = x, y = labels:to "u8", classes = 5 }).y.shape)
  end)

  it("reads labels through a view with strides", function()
    local pairs_ = mgd.tensor({ { 2, 9 }, { 1, 9 }, { 3, 9 } }, { dtype = "i32" })
    local set = mgd.data.from { x = x, y = pairs_[{ { 1, 3 }, 1 }] }
    assert.same({ { 0, 1, 0 }, { 1, 0, 0 }, { 0, 0, 1 } }, set.y:totable())
  end)

  it("gives the test set the types of the training set", function()
    local set = mgd.data.from {
      x = x,
      y = y,
      test = { x = x[{ { 1, 2 } }]:to "f32", y = y[{ { 1, 2 } }]:to "u8" },
      name = "mine",
    }
    assert.equal("f64", set.test.x.dtype)
    assert.equal("f64", set.test.y.dtype)
    assert.equal("data set mine: 3 samples of 2, targets 1, test 2", tostring(set))
  end)

  it("gives test labels the classes of the training labels", function()
    local set = mgd.data.from {
      x = x,
      y = mgd.tensor({ 2, 1, 3 }, { dtype = "i32" }),
      test = { x = x[{ { 1, 1 } }], y = mgd.tensor({ 1 }, { dtype = "i32" }) },
    }
    assert.same({ { 1, 0, 0 } }, set.test.y:totable())
  end)
end)

describe("a data set", function()
  it("has a length", function()
    local set = mgd.data.parity { bits = 4 }
    assert.equal(16, #set.x)
    if not jit then -- whose tables ignore __len
      assert.equal(16, #set)
    end
  end)

  it("is known as one", function()
    assert.is_true(mgd.data.is_dataset(mgd.data.xor()))
    assert.is_false(mgd.data.is_dataset { x = 1, y = 2 })
    assert.is_false(mgd.data.is_dataset(mgd.zeros { 2 }))
  end)

  it("is made again from its recipe", function()
    for _, set in ipairs {
      mgd.data.xor(),
      mgd.data.parity { bits = 3, dtype = "f64" },
      mgd.data.parity({ bits = 5 }):subset { first = 3, last = 9 },
    } do
      local again = mgd.data.restore(set.recipe)
      assert.equal(set:fingerprint(), again:fingerprint())
      assert.equal(tostring(set), tostring(again))
    end
  end)

  it("keeps its recipe when the caller changes the options later", function()
    local given = { bits = 3 }
    local set = mgd.data.parity(given)
    given.bits = 4
    assert.equal(set:fingerprint(), mgd.data.restore(set.recipe):fingerprint())
  end)

  it("has a fingerprint that every value, shape and type enters", function()
    local x, y = mgd.zeros { 4, 6 }, mgd.zeros { 4, 1 }
    local seen = {}
    local function add(set)
      local print = set:fingerprint()
      assert.truthy(print:match "^%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x$")
      assert.is_nil(seen[print])
      seen[print] = true
    end
    add(mgd.data.from { x = x, y = y })
    add(mgd.data.from { x = x:reshape { 4, 3, 2 }, y = y })
    add(mgd.data.from { x = x:to "f32", y = y })
    add(mgd.data.from { x = x, y = y, test = { x = x, y = y } })
    for i = 1, 4 do
      for j = 1, 6 do
        local other = x:clone()
        other[i][j] = 1e-300
        add(mgd.data.from { x = other, y = y })
      end
      local other = y:clone()
      other[i][1] = 1
      add(mgd.data.from { x = x, y = other })
    end
  end)

  it("has the same fingerprint for the same values, whatever the strides", function()
    local wide = mgd.from({ 4, 6 }, function(i, j)
      return i * j
    end)
    local view = wide[{ { 1, 4 }, { 2, 3 } }]
    assert.equal(core.data.hash(view:clone()), core.data.hash(view))
  end)

  it("gives a range of its samples without a copy", function()
    local set = mgd.data.parity { bits = 3 }
    local part = set:subset { first = 3, last = 4 }
    assert.same({ { 0, 1, 0 }, { 0, 1, 1 } }, part.x:totable())
    assert.same({ { 1 }, { 0 } }, part.y:totable())
    part.x[1][1] = 7
    assert.equal(7, set.x[3][1])
  end)
end)
