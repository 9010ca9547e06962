-- NumPy files: byte-level fixtures built here, and NumPy itself where Python has it.

local needs = require "spec.support.needs"
local mgd = require "mgd"
local texts = require "spec.support.texts"

local little, read = texts.little, texts.read

local paths = {}

local function new_path()
  local path = os.tmpname()
  paths[#paths + 1] = path
  return path
end

local function write(bytes)
  local path = new_path()
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
  return path
end

local function exists(path)
  local file = io.open(path, "rb")
  return file ~= nil and file:close()
end

-- An NPY file with this dictionary and these data.
local function npy(dictionary, data, version)
  local header = dictionary .. "\n"
  local width = (version or 1) == 1 and 2 or 4
  return "\147NUMPY" .. string.char(version or 1, 0) .. little(#header, width) .. header .. data
end

local function dictionary(descr, shape, fortran)
  return ("{'descr': '%s', 'fortran_order': %s, 'shape': %s, }"):format(
    descr, fortran and "True" or "False", shape)
end

local function load(dict, data, version)
  return mgd.load(write(npy(dict, data, version)))
end

local function fails(pattern, bytes)
  local path = write(bytes)
  local ok, message = pcall(mgd.load, path)
  assert.is_false(ok)
  assert.is_truthy(message:find(path, 1, true), "no path in: " .. message)
  assert.is_truthy(message:find(pattern, 1, true),
                   ("expected %q in %q"):format(pattern, message))
end

after_each(function()
  for _, path in ipairs(paths) do
    os.remove(path)
  end
  paths = {}
end)

-- IEEE 754 bit patterns, most significant byte first, written out by hand.
local F64_1_5 = "\63\248\0\0\0\0\0\0" -- 1.5
local F64_MINUS_2 = "\192\0\0\0\0\0\0\0"
local F32_1_5 = "\63\192\0\0"

describe("load", function()
  it("reads f8 and f4 in both byte orders", function()
    assert.same({1.5, -2}, load(dictionary(">f8", "(2,)"), F64_1_5 .. F64_MINUS_2):totable())
    assert.same({1.5}, load(dictionary("<f8", "(1,)"), F64_1_5:reverse()):totable())
    local single = load(dictionary(">f4", "(1,)"), F32_1_5)
    assert.equal("f32", single.dtype)
    assert.equal(1.5, single[1])
    assert.equal(1.5, load(dictionary("<f4", "(1,)"), F32_1_5:reverse())[1])
  end)

  it("reads i4 and u1", function()
    local t = load(dictionary("<i4", "(2,)"), "\1\2\0\0\255\255\255\255")
    assert.equal("i32", t.dtype)
    assert.same({513, -1}, t:totable())
    assert.same({1, 128}, load(dictionary(">i4", "(2,)"), "\0\0\0\1\0\0\0\128"):totable())
    local u = load(dictionary("|u1", "(3,)"), "\0\7\255")
    assert.equal("u8", u.dtype)
    assert.same({0, 7, 255}, u:totable())
  end)

  it("reads the other integers into i32", function()
    for _, case in ipairs{
      {"|i1", "\255\5", {-1, 5}}, {"<i2", "\255\255\1\1", {-1, 257}},
      {">u2", "\255\255\0\1", {65535, 1}}, {"<u4", "\1\0\0\0\2\0\0\0", {1, 2}},
      {"<i8", ("\255"):rep(8) .. "\3" .. ("\0"):rep(7), {-1, 3}},
      {">u8", ("\0"):rep(7) .. "\9" .. ("\0"):rep(7) .. "\8", {9, 8}},
    } do
      local t = load(dictionary(case[1], "(2,)"), case[2])
      assert.equal("i32", t.dtype)
      assert.same(case[3], t:totable())
    end
  end)

  it("reads integers that do not fit i32 into f64 when that is exact", function()
    local t = load(dictionary("<u4", "(2,)"), "\255\255\255\255\1\0\0\0")
    assert.equal("f64", t.dtype)
    assert.same({2 ^ 32 - 1, 1}, t:totable())
    assert.equal(2 ^ 60, load(dictionary(">i8", "(1,)"), "\16\0\0\0\0\0\0\0")[1])
    assert.equal(-2 ^ 63, load(dictionary(">i8", "(1,)"), "\128\0\0\0\0\0\0\0")[1])
  end)

  it("refuses integers that f64 cannot hold", function()
    fails("fits neither i32 nor, exactly, f64",
          npy(dictionary(">i8", "(1,)"), "\0\32\0\0\0\0\0\1")) -- 2^53 + 1
    fails("fits neither", npy(dictionary(">u8", "(1,)"), ("\255"):rep(8)))
    fails("fits neither", npy(dictionary(">i8", "(1,)"), "\127" .. ("\255"):rep(7)))
  end)

  it("knows types by their other names", function()
    local bytes = ("\1\0\0\0\0\0\0\0")
    for name, wanted in pairs { ["?"] = "u8", ["|?"] = "u8", bool = "u8", B = "u8", uint8 = "u8",
      b = "i32", h = "i32", H = "i32", i = "i32", I = "i32", l = "i32", q = "i32", L = "i32",
      Q = "i32", int16 = "i32", ["=i4"] = "i32", i8 = "i32", ["|i1"] = "i32", ["<q"] = "i32" } do
      local width = ({ h = 2, H = 2, int16 = 2, i = 4, I = 4, ["=i4"] = 4, l = 8, q = 8, L = 8,
        Q = 8, i8 = 8, ["<q"] = 8 })[name] or 1
      local t = load(dictionary(name, "(1,)"), bytes:sub(1, width))
      assert.equal(wanted, t.dtype, name)
      assert.same({ 1 }, t:totable(), name)
    end
    assert.same({ 1.5 }, load(dictionary("d", "(1,)"), "\0\0\0\0\0\0\248\63"):totable())
    assert.same({ 1.5 }, load(dictionary("=f8", "(1,)"), "\0\0\0\0\0\0\248\63"):totable())
    assert.same({ 1.5 }, load(dictionary(">f", "(1,)"), "\63\192\0\0"):totable())
    assert.same({ 1 }, load(dictionary("float16", "(1,)"), "\0\60"):totable())
    assert.same({ -2 }, load(dictionary(">h", "(1,)"), "\255\254"):totable())
  end)

  it("says what a file is that holds no single array", function()
    fails("not an NPY file (it is a ZIP of arrays, NPZ: unzip it and load the .npy files",
      "PK\3\4" .. ("\0"):rep(40))
    fails("not an NPY file (it is gzipped: gunzip it first)", "\31\139\8" .. ("\0"):rep(40))
    fails("not an NPY file (wrong first bytes)", ("\0"):rep(40))
  end)

  it("reads bool into u8 and f2 into f32", function()
    local flags = load(dictionary("|b1", "(2,)"), "\0\1")
    assert.equal("u8", flags.dtype)
    assert.same({0, 1}, flags:totable())
    -- 1, −2, the largest 65504, the smallest normal 2⁻¹⁴, the smallest 2⁻²⁴, inf, nan
    local half = load(dictionary("<f2", "(7,)"),
                      "\0\60\0\192\255\123\0\4\1\0\0\124\0\126")
    assert.equal("f32", half.dtype)
    assert.same({1, -2, 65504, 2 ^ -14, 2 ^ -24, 1 / 0}, half[{{1, 6}}]:totable())
    assert.is_true(half[7] ~= half[7])
  end)

  it("reads versions 2.0 and 3.0", function()
    for version = 2, 3 do
      assert.same({7}, load(dictionary("|u1", "(1,)"), "\7", version):totable())
    end
  end)

  it("reads Fortran order into rows", function()
    local t = load(dictionary("|u1", "(2, 3)", true), "\1\4\2\5\3\6")
    assert.same({{1, 2, 3}, {4, 5, 6}}, t:totable())
    assert.same({1, 2, 3, 4, 5, 6}, t:reshape{6}:totable())
  end)

  it("reads scalars and empty arrays", function()
    assert.equal(7, load(dictionary("|u1", "()"), "\7"):item())
    assert.same({0, 3}, load(dictionary("<f8", "(0, 3)"), "").shape)
  end)

  it("reads every spelling of the dictionary", function()
    for _, dict in ipairs{
      [[{"shape": (2,), "fortran_order": False, "descr": "|u1"}]],
      [[{'descr':'u1','fortran_order':False,'shape':(2,)}]],
      [[  { 'descr' : '|u1' , 'fortran_order' : True , 'shape' : ( 2 , ) , }   ]],
      [[{'descr': '=u1', 'fortran_order': False, 'shape': (2L,), }]],
      [[{'descr': '<u1', 'fortran_order': False, 'shape': (2L, 1L), }]],
    } do
      assert.same({3, 4}, load(dict, "\3\4"):reshape{2}:totable())
    end
  end)
end)

describe("load refuses", function()
  local good = npy(dictionary("<f8", "(2, 2)"), ("\0"):rep(32))

  it("a missing file", function()
    local ok, message = pcall(mgd.load, "/nonexistent/x.npy")
    assert.is_false(ok)
    assert.is_truthy(message:find("cannot read /nonexistent/x.npy: No such file", 1, true))
  end)

  it("a directory", function()
    assert.is_false(pcall(mgd.load, "/"))
  end)

  it("other files", function()
    fails("not an NPY file", "PK\3\4 a zip archive, perhaps an npz")
    fails("too few", "")
    fails("too few", "\147NUM")
  end)

  it("unknown versions", function()
    fails("NPY version 4.0", (good:gsub("^(......).", "%1\4")))
    fails("NPY version 1.1", (good:gsub("^(.......).", "%1\1")))
  end)

  it("truncation anywhere", function()
    for length = 0, #good - 1 do
      local path = write(good:sub(1, length))
      local ok, message = pcall(mgd.load, path)
      assert.is_false(ok, "accepted after " .. length .. " bytes")
      assert.is_truthy(message:find(path, 1, true))
    end
    fails("truncated: shape 2x2 of f8 takes 32 bytes of data, the file holds 31", good:sub(1, -2))
  end)

  it("trailing bytes", function()
    fails("trailing bytes", good .. "x")
  end)

  it("a header longer than the file", function()
    fails("truncated: a header of 4294967295 bytes",
          "\147NUMPY\2\0\255\255\255\255{'descr': '<f8'}")
  end)

  it("absurd shapes, before anything is allocated", function()
    fails("too large to address", npy(dictionary("<f8", "(4294967296, 4294967296)"), ""))
    fails("a dimension is too large", npy(dictionary("<f8", "(99999999999999999999,)"), ""))
    fails("truncated", npy(dictionary("<f8", "(100000000000,)"), ""))
    fails("more than 8 dimensions", npy(dictionary("|u1", "(1,1,1,1,1,1,1,1,1)"), "x"))
    fails("expected a dimension", npy(dictionary("|u1", "(-1,)"), "x"))
  end)

  it("element types that are no numbers", function()
    fails("holds Python objects", npy(dictionary("|O", "(1,)"), ("\0"):rep(8)))
    fails("dtype '<c16' is not supported", npy(dictionary("<c16", "(1,)"), ("\0"):rep(16)))
    fails("dtype '<U3' is not supported", npy(dictionary("<U3", "(1,)"), ("\0"):rep(12)))
    fails("a structured dtype",
          npy("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,)}", ("\0"):rep(8)))
  end)

  it("broken dictionaries", function()
    fails("key 'shape' is missing", npy("{'descr': '|u1', 'fortran_order': False}", "x"))
    fails("key 'descr' comes twice", npy("{'descr': '|u1', 'descr': '|u1'}", "x"))
    fails("unknown key 'size'", npy("{'size': 3}", "x"))
    fails("expected '{'", npy("hello", "x"))
    fails("expected ':'", npy("{'descr' '|u1'}", "x"))
    fails("a string without its end", npy("{'descr", "x"))
    fails("must be True or False", npy("{'fortran_order': 1}", "x"))
    fails("something follows the dictionary", npy(dictionary("|u1", "(1,)") .. " 5", "x"))
    fails("NPY header, byte", npy("{'descr': '|u1', 'shape': (1", "x"))
    fails("NPY header, byte", npy("", "x"))
  end)

  it("what is no path", function()
    assert.is_false(pcall(mgd.load, 3))
    assert.is_false(pcall(mgd.load, "a\0b"))
  end)
end)

describe("save", function()
  it("writes version 1.0 with a header of a multiple of 64 bytes", function()
    local path = new_path()
    mgd.tensor({{1, 2, 3}, {4, 5, 6}}, {dtype = "u8"}):save(path)
    local bytes = read(path)
    assert.equal("\147NUMPY\1\0", bytes:sub(1, 8))
    local length = bytes:byte(9) + 256 * bytes:byte(10)
    assert.equal(0, (10 + length) % 64)
    assert.equal("\n", bytes:sub(10 + length, 10 + length))
    assert.equal("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }",
                 bytes:sub(11, 10 + length):match "^(.-)%s*$")
    assert.equal("\1\2\3\4\5\6", bytes:sub(11 + length))
  end)

  it("is read back, for every type and for shapes from scalar to eight dimensions", function()
    local path = new_path()
    for _, dtype in ipairs{"f64", "f32", "i32", "u8"} do
      for _, shape in ipairs{{}, {5}, {0}, {2, 3}, {1, 2, 1, 2, 1, 2, 1, 3}} do
        local t = mgd.full(shape, 3, {dtype = dtype})
        t:save(path)
        local back = mgd.load(path)
        assert.equal(dtype, back.dtype)
        assert.same(shape, back.shape)
        assert.is_true(back:allclose(t, {rtol = 0}))
      end
    end
  end)

  it("keeps every bit of special values", function()
    local path = new_path()
    mgd.tensor{-0.0, 1 / 0, -1 / 0, 0 / 0, 2 ^ -1074, 0.1}:save(path)
    local t = mgd.load(path)
    assert.equal(-1 / 0, 1 / t[1])
    assert.same({1 / 0, -1 / 0}, t[{{2, 3}}]:totable())
    assert.is_true(t[4] ~= t[4])
    assert.same({2 ^ -1074, 0.1}, t[{{5, 6}}]:totable())
  end)

  it("writes views row by row", function()
    local path = new_path()
    mgd.tensor{{1, 2, 3}, {4, 5, 6}}:transpose():save(path)
    assert.same({{1, 4}, {2, 5}, {3, 6}}, mgd.load(path):totable())
  end)

  it("replaces an older file and leaves no other behind", function()
    local path = new_path()
    mgd.zeros{100}:save(path)
    mgd.ones{2}:save(path)
    assert.same({1, 1}, mgd.load(path):totable())
    local listing = io.popen("ls -d '" .. path .. "'*")
    assert.equal(path .. "\n", listing:read "*a")
    listing:close()
  end)

  it("tells where it cannot write, and cleans up", function()
    local ok, message = pcall(function() mgd.ones{2}:save "/nonexistent/x.npy" end)
    assert.is_false(ok)
    assert.is_truthy(message:find("cannot write /nonexistent/x.npy: No such file", 1, true))
    local directory = new_path()
    os.remove(directory)
    os.execute("mkdir '" .. directory .. "'")
    assert.is_false(pcall(function() mgd.ones{2}:save(directory) end))
    local listing = io.popen("ls -d '" .. directory .. "'*")
    assert.equal(directory .. "\n", listing:read "*a")
    listing:close()
    assert.is_truthy(exists(directory))
  end)
end)

describe("NumPy", function()
  local function run(script)
    local path = write("import sys\nimport numpy as np\n" .. script)
    local pipe = io.popen(needs.python "numpy" .. " " .. path .. " 2>&1")
    local output = pipe:read "*a"
    pipe:close()
    return output
  end

  it("reads what we write", function()
    needs.python "numpy"
    local path = new_path()
    for dtype, expected in pairs{f64 = "float64", f32 = "float32", i32 = "int32", u8 = "uint8"} do
      mgd.arange(24, {dtype = dtype}):reshape{2, 3, 4}:transpose(1, 3):save(path)
      assert.equal(expected .. " (4, 3, 2) True\n", run(([[
a = np.load(%q)
b = np.arange(24).reshape(2, 3, 4).swapaxes(0, 2)
print(a.dtype, a.shape, np.array_equal(a, b))
]]):format(path)))
    end
    mgd.tensor(2.5):save(path)
    assert.equal("() 2.5\n", run(("a = np.load(%q)\nprint(a.shape, a)\n"):format(path)))
  end)

  it("writes what we read: every type, order and version", function()
    needs.python "numpy"
    local path = new_path()
    local names = run(([[
from numpy.lib import format
i = 0
for descr in "<f8 >f8 <f4 >f4 <f2 >f2 <i8 >i8 <i4 >i4 <i2 |i1 <u8 <u4 >u2 |u1 |b1".split():
    for order in "CF":
        for version in ((1, 0), (2, 0), (3, 0)):
            a = np.asarray(np.arange(-6, 18).clip(0 if descr[1] in "ub" else -6, 18), order="C")
            a = np.array(a.reshape(2, 3, 4).astype(descr), order=order)
            i += 1
            with open(%q + str(i), "wb") as f:
                format.write_array(f, a, version=version)
            print(descr)
]]):format(path))
    local i = 0
    for descr in names:gmatch "%S+" do
      i = i + 1
      paths[#paths + 1] = path .. i
      local kind = descr:sub(2, 2)
      local expected = mgd.from({2, 3, 4}, function(a, b, c)
        local value = -6 + (a - 1) * 12 + (b - 1) * 4 + (c - 1)
        if kind == "u" or kind == "b" then
          value = math.max(value, 0)
        end
        return kind == "b" and math.min(value, 1) or value
      end)
      local t = mgd.load(path .. i)
      assert.same({2, 3, 4}, t.shape)
      assert.is_true(t:allclose(expected, {rtol = 0}), descr)
    end
    assert.equal(17 * 2 * 3, i)
  end)

  it("agrees on half precision, all 65536 patterns", function()
    needs.python "numpy"
    local half, double = new_path(), new_path()
    run(([[
a = np.arange(65536, dtype=np.uint16).view(np.float16)
a = a[~np.isnan(a)]
with open(%q, "wb") as f: np.save(f, a)
with open(%q, "wb") as f: np.save(f, a.astype(np.float64))
]]):format(half, double))
    local t = mgd.load(half)
    assert.equal(65536 - 2 * 1023, t.size)
    assert.is_true(t:allclose(mgd.load(double), {rtol = 0}))
  end)
end)
