-- Wrong files, wrong values, no memory: each gives one clear error at the caller's line and leaks
-- nothing.

local mgd = require "mgd"
local core = require "mgd.core"
local files = require "spec.support.idx_files"
local cifar = require "spec.support.cifar_files"
local live_bytes = require("spec.support.memory").live_bytes
local contains = require("spec.support.errors").contains

-- The message of the error that `f` raises, which must point into this file and leak nothing.
local function failure(f, ...)
  local before = live_bytes()
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.equal(before, live_bytes())
  return message
end

local function read_failure(bytes)
  local path = files.write(bytes)
  local message = failure(function()
    mgd.data.read_idx(path)
  end)
  assert.truthy(message:find "data_fault_spec%.lua:%d+: ")
  assert.truthy(message:find(path, 1, true))
  return message
end

local function ramp(i)
  return i % 256
end

describe("a faulty IDX file", function()
  after_each(files.clean)

  local good = files.u8({ 3, 4, 5 }, ramp)

  it("is refused when it is missing, a folder, or empty", function()
    contains(
      failure(function()
        mgd.data.read_idx "/nonexistent/file"
      end),
      "/nonexistent/file: No such file or directory"
    )
    contains(
      failure(function()
        mgd.data.read_idx "/tmp"
      end),
      "/tmp: Is a directory"
    )
    contains(read_failure "", "it is empty")
  end)

  it("is refused when the path is no string", function()
    contains(
      failure(function()
        mgd.data.read_idx(3)
      end),
      "mgd.data.read_idx: the path must be a string, got number"
    )
  end)

  it("is refused when it is cut anywhere", function()
    for length = 1, #good - 1 do
      read_failure(good:sub(1, length))
    end
    contains(read_failure(good:sub(1, 3)), "not an IDX file: only 3 bytes long")
    contains(read_failure(good:sub(1, 9)), "cut short within its header of 16 bytes")
    contains(read_failure(good:sub(1, -2)), "cut short: the header promises 3x4x5 (60 bytes)")
  end)

  it("is refused when its gzip stream is cut anywhere", function()
    local packed = files.gzip(good)
    for length = 1, #packed - 1 do
      read_failure(packed:sub(1, length))
    end
    contains(read_failure(packed:sub(1, -2)), "gzip data cut short after 76 uncompressed bytes")
    contains(read_failure(packed:sub(1, 10)), "gzip data cut short after 0 uncompressed bytes")
  end)

  it("is refused when a wrong byte in its gzip stream changes it", function()
    local packed = files.gzip(good)
    local content = mgd.data.read_idx(files.write(good)):totable()
    for i = 1, #packed do
      for _, flip in ipairs { 1, 128 } do
        local byte = packed:byte(i)
        local wrong = byte % (2 * flip) < flip and byte + flip or byte - flip
        local path =
          files.write(packed:sub(1, i - 1) .. string.char(wrong) .. packed:sub(i + 1))
        local ok, t = pcall(mgd.data.read_idx, path)
        if ok then -- the time stamp, the system, padding bits: not the content
          assert.same(content, t:totable())
        end
      end
    end
  end)

  it("is refused when the gzip checksum is wrong", function()
    local packed = files.gzip(good)
    local last = packed:byte(-8)
    local wrong = packed:sub(1, -9) .. string.char((last + 1) % 256) .. packed:sub(-7)
    contains(read_failure(wrong), "incorrect data check")
  end)

  it("is refused when bytes follow", function()
    contains(
      read_failure(good .. "x"),
      "bytes follow the 60 that its header promises (3x4x5)"
    )
    contains(read_failure(files.gzip(good .. "x")), "bytes follow the 60")
    contains(read_failure(files.gzip(good) .. "rubbish"), "corrupt gzip data")
  end)

  it("is refused when it opens with something else", function()
    contains(
      read_failure "\137PNG and so on",
      "not an IDX file: it starts with the bytes 89 50 4e 47"
    )
    contains(read_failure(files.gzip "hello world"), "not an IDX file")
  end)

  it("is refused with a type that the format does not have", function()
    for _, kind in ipairs { 0, 7, 0x0A, 0x0F, 0xFF } do
      contains(
        read_failure(files.header(kind, { 1 }) .. "\0\0\0\0\0\0\0\0"),
        string.format("IDX has no type 0x%02x", kind)
      )
    end
  end)

  it("is refused when integers that are widened are cut short, or too many", function()
    for kind, bytes in pairs { [0x09] = 1, [0x0B] = 2 } do
      local whole = files.header(kind, { 3 }) .. ("\1"):rep(3 * bytes)
      contains(read_failure(whole:sub(1, -2)), "cut short")
      contains(read_failure(files.gzip(whole:sub(1, -2))), "cut short")
      contains(read_failure(whole .. "\1"), "bytes follow")
    end
    -- four times as much memory as the file: not before the file is known to be that long
    contains(read_failure(files.header(0x09, { 65535, 65535 }) .. "\1"), "cut short")
  end)

  it("is refused with no dimension, with five, or with an empty one", function()
    contains(read_failure(files.header(8, {}) .. "x"), "0 dimensions; 1 to 4 can be read")
    contains(
      read_failure(files.header(8, { 1, 1, 1, 1, 1 }) .. "x"),
      "5 dimensions; 1 to 4 can be read"
    )
    contains(read_failure(files.header(8, { 3, 0 })), "dimension 2 is 0")
  end)

  it("is refused when its dimensions overflow", function()
    local most = 2 ^ 32 - 1
    contains(read_failure(files.header(8, { most, most, most })), "overflow the address space")
    contains(read_failure(files.header(0x0E, { most, most, 2, 2 })), "overflow")
  end)

  it("is refused before memory is taken when it promises more than it can hold", function()
    contains(
      read_failure(files.header(8, { 60000, 28, 28 }) .. "xyz"),
      "the header promises 60000x28x28 (47040000 bytes), which a file of 19 bytes cannot hold"
    )
    contains(read_failure(files.gzip(files.header(8, { 2 ^ 31, 28 }))), "cannot hold")
  end)

  it("is told by the end of a path that is very long", function()
    local path = "/" .. ("é"):rep(2000) .. "/train-images-idx3-ubyte"
    contains(
      failure(function()
        mgd.data.read_idx(path)
      end),
      "/train-images-idx3-ubyte: File name too long"
    )
  end)
end)

describe("a faulty MNIST", function()
  after_each(files.clean)

  it("says how to bring it where it is missing, and what a folder lacks", function()
    local message = failure(function()
      mgd.data.mnist { path = "/nonexistent" }
    end)
    contains(message, "mgd.data.mnist: the data set is not here. `scripts/fetch-data mnist`")
    contains(message, "https://ossci-datasets.s3.amazonaws.com/mnist/")
    local folder = files.fashion { ["t10k-labels-idx1-ubyte"] = false }
    contains(failure(function()
      mgd.data.mnist { path = folder }
    end), folder .. ", which lacks t10k-labels-idx1-ubyte")
  end)
end)

describe("a faulty Fashion-MNIST", function()
  after_each(files.clean)

  local function load_failure(change)
    local folder = files.fashion(change)
    local message = failure(function()
      mgd.data.fashion_mnist { path = folder }
    end)
    assert.truthy(message:find "data_fault_spec%.lua:%d+: ")
    return message
  end

  it("says how to bring it where it is missing", function()
    local message = failure(function()
      mgd.data.fashion_mnist { path = "/nonexistent" }
    end)
    contains(message, "mgd.data.fashion_mnist: the data set is not here")
    contains(message, "`apt install dataset-fashion-mnist`")
    contains(message, "`scripts/fetch-data fashion-mnist`")
    contains(message, "Searched: /nonexistent")
  end)

  it("says which files a folder lacks", function()
    contains(
      failure(function()
        mgd.data.fashion_mnist { path = "/nonexistent" }
      end),
      "/nonexistent, which lacks train-images-idx3-ubyte, train-labels-idx1-ubyte, "
        .. "t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte"
    )
    contains(load_failure { ["t10k-labels-idx1-ubyte"] = false }, "lacks t10k-labels-idx1-ubyte")
  end)

  it("is refused when images and labels differ in number", function()
    local message = load_failure { ["train-labels-idx1-ubyte"] = files.u8({ 4 }, ramp) }
    contains(message, "holds 5 images")
    contains(message, "4 labels")
  end)

  it("is refused when a label is out of range", function()
    local message = load_failure {
      ["train-labels-idx1-ubyte"] = files.u8({ 5 }, function(i)
        return i == 3 and 10 or 0
      end),
    }
    contains(message, "train-labels-idx1-ubyte.gz: label 10 at [4]")
    contains(message, "is not one of the integers 0 to 9")
  end)

  it("is refused when its images are no 28×28 bytes", function()
    contains(
      load_failure { ["t10k-images-idx3-ubyte"] = files.u8({ 2, 27, 28 }, ramp) },
      "holds 2×27×28, not N×28×28 images"
    )
    contains(
      load_failure { ["t10k-images-idx3-ubyte"] = files.header(0x0C, { 1 }) .. "\0\0\0\0" },
      "expected a u8 tensor, got i32"
    )
    contains(
      load_failure { ["t10k-labels-idx1-ubyte"] = files.u8({ 2, 1 }, ramp) },
      "labels must have one dimension, got shape 2x1"
    )
  end)

  it("is refused when a file is cut short", function()
    local cut = files.u8({ 5, 28, 28 }, ramp):sub(1, -2)
    contains(
      load_failure { ["train-images-idx3-ubyte"] = cut },
      "cut short: the header promises 5x28x28 (3920 bytes), 3919 are there"
    )
  end)
end)

describe("a faulty CIFAR-10", function()
  after_each(files.clean)

  local function load_failure(change)
    local folder = cifar.folder(change)
    local message = failure(function()
      mgd.data.cifar10 { path = folder }
    end)
    assert.truthy(message:find "data_fault_spec%.lua:%d+: ")
    contains(message, folder)
    return message
  end

  it("says how to bring it, and all files, where it is missing", function()
    local message = failure(function()
      mgd.data.cifar10 { path = "/nonexistent" }
    end)
    contains(message, "mgd.data.cifar10: the data set is not here")
    contains(message, "`scripts/fetch-data cifar-10`")
    contains(message, "https://www.cs.toronto.edu/~kriz/cifar.html")
    contains(
      message,
      "Searched: /nonexistent, which lacks data_batch_1.bin, data_batch_2.bin, "
        .. "data_batch_3.bin, data_batch_4.bin, data_batch_5.bin and test_batch.bin; "
        .. "/nonexistent/cifar-10-batches-bin"
    )
  end)

  it("says which files a folder lacks", function()
    contains(
      load_failure { ["data_batch_2.bin"] = false, ["test_batch.bin"] = false },
      ", which lacks data_batch_2.bin and test_batch.bin; "
    )
    local outer = files.folder()
    cifar.folder({ ["data_batch_5.bin"] = false }, outer .. "/cifar-10-batches-bin")
    local message = failure(function()
      mgd.data.cifar10 { path = outer }
    end)
    contains(message, outer .. "; ")
    contains(message, "/cifar-10-batches-bin, which lacks data_batch_5.bin")
  end)

  it("says why a file that is there cannot be opened", function()
    local folder = cifar.folder { ["data_batch_3.bin"] = false }
    local loop = folder .. "/data_batch_3.bin"
    assert(os.execute("ln -s data_batch_3.bin " .. loop))
    local message = failure(function()
      mgd.data.cifar10 { path = folder }
    end)
    os.remove(loop)
    contains(message, ", which lacks data_batch_3.bin (Too many levels of symbolic links)")
  end)

  it("is refused when a file is a folder", function()
    local folder = cifar.folder { ["data_batch_4.bin"] = false }
    files.folder(folder .. "/data_batch_4.bin")
    contains(
      failure(function()
        mgd.data.cifar10 { path = folder }
      end),
      "/data_batch_4.bin: Is a directory"
    )
  end)

  it("is refused when a file is no regular file", function()
    local folder = cifar.folder { ["test_batch.bin"] = false }
    local device = folder .. "/test_batch.bin"
    assert(os.execute("ln -s /dev/null " .. device))
    local message = failure(function()
      mgd.data.cifar10 { path = folder }
    end)
    os.remove(device)
    contains(message, "/test_batch.bin: not a regular file")
  end)

  it("is refused when a file is empty", function()
    for _, name in ipairs(cifar.names) do
      contains(
        load_failure { [name] = "" },
        "/" .. name .. ": not a CIFAR-10 file: it is empty"
      )
    end
  end)

  it("is refused when a file is no whole number of records", function()
    local two = cifar.records(2, 0)
    for _, case in ipairs {
      { two:sub(1, 1), "its 1 bytes are 0 records of 3073 bytes and 1 bytes left over" },
      { two:sub(1, 3072), "its 3072 bytes are 0 records of 3073 bytes and 3072 bytes left over" },
      { two:sub(1, -2), "its 6145 bytes are 1 records of 3073 bytes and 3072 bytes left over" },
      { two .. "x", "its 6147 bytes are 2 records of 3073 bytes and 1 bytes left over" },
    } do
      for _, name in ipairs { "data_batch_5.bin", "test_batch.bin" } do
        local message = load_failure { [name] = case[1] }
        contains(message, "/" .. name .. ": cut short, or not a CIFAR-10 file: " .. case[2])
      end
    end
  end)

  it("is refused when a label is out of range", function()
    for _, label in ipairs { 10, 255 } do
      local bad = cifar.records(69, 0) .. cifar.record(label, 0) .. cifar.records(1, 0)
      contains(
        load_failure { ["data_batch_2.bin"] = bad },
        "/data_batch_2.bin: the label of record 70 is "
          .. label
          .. ", which is not one of 0 to 9"
      )
    end
    contains(
      load_failure { ["test_batch.bin"] = cifar.record(17, 0) },
      "/test_batch.bin: the label of record 1 is 17, which is not one of 0 to 9"
    )
  end)

  it("is refused with wrong options", function()
    contains(
      failure(function()
        mgd.data.cifar10 { path = "x", dtype = "u8" }
      end),
      "mgd.data.cifar10: option 'dtype' must be 'f32' or 'f64'"
    )
    contains(
      failure(function()
        mgd.data.cifar10 { folder = "x" }
      end),
      "mgd.data.cifar10: unknown option 'folder'"
    )
    contains(
      failure(function()
        mgd.data.cifar10 { path = cifar.folder() .. "\0" }
      end),
      "mgd.data.cifar10: the path holds a zero byte"
    )
  end)
end)

describe("faulty tensors", function()
  local x = mgd.ones { 3, 2, 2 }
  local y = mgd.ones { 3, 1 }
  local nan, inf = 0 / 0, math.huge

  local function from_failure(given, part)
    local message = failure(function()
      mgd.data.from(given)
    end)
    assert.truthy(message:find "data_fault_spec%.lua:%d+: mgd%.data%.from: ")
    contains(message, part)
  end

  it("are refused when they are none", function()
    from_failure({ x = "1, 2", y = y }, "option 'x' must be a tensor, got string")
    from_failure({ x = x }, "option 'y' is missing: it must be a tensor")
    from_failure({ x = x, y = y, test = { x = x } }, "test: option 'y' is missing")
    from_failure({ x = x, y = y, clases = 2 }, "did you mean 'classes'?")
  end)

  it("are refused with values that are not finite", function()
    local bad = x:clone()
    bad[2][1][2] = nan
    bad[3][1][1] = inf
    from_failure({ x = bad, y = y }, "x is NaN at [2, 1, 2]: every value must be finite")
    from_failure({ x = bad:to "f32", y = y }, "x is NaN at [2, 1, 2]")
    from_failure({ x = x, y = y, test = { x = bad, y = y } }, "test.x is NaN at [2, 1, 2]")
    local bad_y = y:clone()
    bad_y[3][1] = -inf
    from_failure({ x = x, y = bad_y }, "y is infinite at [3, 1]")
    from_failure({ x = x, y = y, test = { x = x, y = bad_y } }, "test.y is infinite at [3, 1]")
  end)

  it("are refused with shapes that do not go together", function()
    from_failure({ x = mgd.ones { 3 }, y = y }, "x must have the shape (N, …)")
    from_failure({ x = x, y = mgd.ones { 2, 1 } }, "x has 3 samples, y has 2")
    from_failure({ x = x, y = mgd.ones { 3, 1, 1, 1 } }, "y must have the shape (N, K), "
      .. "or (N, T, K) with an answer for every step, got 3×1×1×1")
    from_failure(
      { x = x, y = y, test = { x = mgd.ones { 3, 4 }, y = y } },
      "test.x has samples of 4, x has samples of 2×2"
    )
    from_failure(
      { x = x, y = y, test = { x = x, y = mgd.ones { 3, 2 } } },
      "test.y has samples of 2, y has samples of 1"
    )
    from_failure(
      { x = x, y = y, test = { x = x, y = mgd.ones { 2, 1 } } },
      "test.x has 3 samples, test.y has 2"
    )
  end)

  it("are refused with labels out of range", function()
    local function labels(...)
      return mgd.tensor({ ... }, { dtype = "i32" })
    end
    from_failure(
      { x = x, y = labels(1, 4, 2), classes = 3 },
      "y: label 4 at [2] is not one of the integers 1 to 3"
    )
    from_failure(
      { x = x, y = labels(1, 2, 0) },
      "y: label 0 at [3] is not one of the integers 1 to 2"
    )
    from_failure(
      { x = x, y = mgd.tensor { 1, 1.5, 2 }, classes = 2 },
      "y: label 1.5 at [2] is not one of the integers 1 to 2"
    )
    from_failure({ x = x, y = mgd.tensor { 1, 2, nan }, classes = 2 }, "nan at [3]")
    from_failure(
      { x = x, y = labels(1, 2, 1), test = { x = x, y = labels(1, 3, 1) } },
      "test.y: label 3 at [2] is not one of the integers 1 to 2"
    )
  end)

  it("are refused where labels and targets cannot be told apart", function()
    from_failure({ x = x, y = mgd.ones { 3 } }, "for class labels 1 … K say classes = K")
    from_failure({ x = x, y = y, classes = 3 }, "y has 1 columns, but classes = 3")
  end)
end)

describe("a faulty range or recipe", function()
  it("is refused", function()
    local set = mgd.data.xor()
    contains(
      failure(function()
        set:subset { first = 3, last = 2 }
      end),
      "subset: first (3) comes after last (2)"
    )
    contains(
      failure(function()
        set:subset { last = 5 }
      end),
      "option 'last' must be an integer ≥ 1 and ≤ 4, got 5"
    )
    contains(
      failure(function()
        mgd.data.restore { name = "nothing" }
      end),
      "mgd.data.restore: expected the recipe of a data set"
    )
  end)
end)

describe("no memory", function()
  after_each(function()
    core.base.fail_from(0)
    files.clean()
  end)

  -- Every allocation from the n-th on fails, for n = 1, 2, … until the call succeeds.
  local function exhaust(f)
    local before = live_bytes()
    for n = 1, 200 do
      core.base.fail_from(n)
      local ok, message = pcall(f)
      core.base.fail_from(0)
      if ok then
        assert.is_true(n > 1)
        assert.equal(before, live_bytes())
        return
      end
      contains(tostring(message), "out of memory")
      assert.equal(before, live_bytes())
    end
    error "still failing after 200 allocations"
  end

  it("leaks nothing while reading a plain or gzipped file", function()
    local bytes = files.u8({ 100, 100 }, ramp)
    local plain, packed = files.write(bytes), files.write(files.gzip(bytes))
    exhaust(function()
      mgd.data.read_idx(plain)
    end)
    exhaust(function()
      mgd.data.read_idx(packed)
    end)
  end)

  it("leaks nothing while generating", function()
    exhaust(function()
      mgd.data.parity { bits = 3, dtype = "f64" }
    end)
    exhaust(function()
      mgd.data.nist7x7()
    end)
  end)

  it("leaks nothing while loading Fashion-MNIST", function()
    local folder = files.fashion()
    exhaust(function()
      mgd.data.fashion_mnist { path = folder }
    end)
  end)

  it("leaks nothing while loading CIFAR-10", function()
    for _, dtype in ipairs { "f32", "f64" } do
      local folder = cifar.folder()
      exhaust(function()
        mgd.data.cifar10 { path = folder, dtype = dtype }
      end)
    end
  end)

  it("leaks nothing while checking tensors", function()
    local wide = mgd.ones { 6, 4 }
    local x, y = wide[{ { 1, 6 }, { 2, 3 } }], mgd.ones({ 6 }):to "i32"
    exhaust(function()
      mgd.data.from({ x = x, y = y, test = { x = x, y = y } }):fingerprint()
    end)
  end)
end)
