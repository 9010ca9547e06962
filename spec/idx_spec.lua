local mgd = require "mgd"
local files = require "spec.support.idx_files"

describe("mgd.data.read_idx", function()
  after_each(files.clean)

  it("reads bytes in one to four dimensions", function()
    for _, shape in ipairs { { 7 }, { 3, 2 }, { 2, 3, 4 }, { 2, 1, 3, 2 } } do
      local t = mgd.data.read_idx(files.write(files.u8(shape, function(i)
        return 255 - i
      end)))
      assert.equal("u8", t.dtype)
      assert.same(shape, t.shape)
      local flat = t:reshape { t.size }
      assert.equal(255, flat[1])
      assert.equal(256 - t.size, flat[-1])
    end
  end)

  it("reads gzipped files alike", function()
    local bytes = files.u8({ 40, 50 }, function(i)
      return i * i % 251
    end)
    local plain = mgd.data.read_idx(files.write(bytes))
    local packed = mgd.data.read_idx(files.write(files.gzip(bytes)))
    assert.same(plain:totable(), packed:totable())
  end)

  it("reads a gzip file of several members", function()
    local bytes = files.u8({ 30 }, function(i)
      return i
    end)
    local packed = files.gzip(bytes:sub(1, 6)) .. files.gzip(bytes:sub(7))
    local t = mgd.data.read_idx(files.write(packed))
    assert.equal(29, t[30])
  end)

  it("reads more than one buffer of input", function()
    local random, bytes = 1, {}
    for i = 1, 200000 do
      random = random * 16807 % 2147483647
      bytes[i] = string.char(random % 256)
    end
    local whole = files.header(8, { 200000 }) .. table.concat(bytes)
    for _, content in ipairs { whole, files.gzip(whole) } do
      local t = mgd.data.read_idx(files.write(content))
      assert.equal(bytes[1]:byte(), t[1])
      assert.equal(bytes[200000]:byte(), t[200000])
    end
  end)

  it("widens short integers, gzipped and more than a buffer of them", function()
    local bytes = {}
    for i = 1, 70000 do
      bytes[i] = string.char(i % 256, i * 7 % 256)
    end
    bytes = table.concat(bytes)
    for _, content in ipairs { files.header(0x0B, { 70000 }) .. bytes,
      files.gzip(files.header(0x09, { 2, 70000 }) .. bytes) } do
      local t = mgd.data.read_idx(files.write(content))
      local width = t.ndim == 1 and 2 or 1
      local flat = t:reshape { t.size }
      for _, i in ipairs { 1, 2, 3, 32767, 65536, 69999, t.size } do
        local a, b = bytes:byte((i - 1) * width + 1, i * width)
        local value = b and a * 256 + b or a
        local sign = 256 ^ width / 2
        assert.equal(value >= sign and value - 2 * sign or value, flat[i])
      end
    end
  end)

  it("reads big-endian integers and floats", function()
    local function read(kind, shape, bytes)
      return mgd.data.read_idx(files.write(files.header(kind, shape) .. bytes))
    end
    local i32 = read(0x0C, { 2 }, "\0\0\1\2\255\255\255\254")
    assert.equal("i32", i32.dtype)
    assert.same({ 258, -2 }, i32:totable())
    local i8 = read(0x09, { 5 }, "\0\1\127\128\255")
    assert.equal("i32", i8.dtype)
    assert.same({ 0, 1, 127, -128, -1 }, i8:totable())
    local i16 = read(0x0B, { 2, 2 }, "\1\2\127\255\128\0\255\254")
    assert.equal("i32", i16.dtype)
    assert.same({ { 258, 32767 }, { -32768, -2 } }, i16:totable())
    local f32 = read(0x0D, { 1 }, "\63\192\0\0")
    assert.equal("f32", f32.dtype)
    assert.equal(1.5, f32[1])
    local f64 = read(0x0E, { 1 }, "\191\240\0\0\0\0\0\0")
    assert.equal("f64", f64.dtype)
    assert.equal(-1, f64[1])
  end)
end)
