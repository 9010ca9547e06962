-- Exports of a store, read by readers of their own: CSV cell by cell, NPZ by the sections of ZIP
-- and NPY that it consists of; and by Python's zipfile, where there is one.

local mgd = require "mgd"
local files = require "spec.support.idx_files"
local support = require "spec.support.store"
local texts = require "spec.support.texts"

local folder, store

local NAMES = { "eins", 'zwei "2", zwei', "drei\nτ", "𝛈" }
local COSTS = { 0.1, 1 / 3, 2 ^ -1074, 1.7976931348623157e308 }

setup(function()
  folder, store = files.folder(), mgd.store()
  for i, name in ipairs(NAMES) do
    local exp = support.experiment { name = name }:with { ["training.eta"] = i / 10 }
    local record = store:record { { experiment = exp, first = 1, count = 1 } }
    if i % 2 == 0 then
      record:solved(1, i * 100)
    end
    record:finish { wall = 1, threads = 1, steps = { i * 1000 }, cost = { COSTS[i] },
      accuracy = { 0 / 0 } }
  end
end)

teardown(function()
  store:close()
  os.execute("rm -rf " .. folder)
  files.clean()
end)

-- Number of the experiment in row `row` of an export: rows are in order of bytes of the names.
local ORDER = { 3, 1, 2, 4 }
local COLUMNS = { "experiment", "training.eta", "solved", "state", "cost", "accuracy", "steps" }

describe("CSV", function()
  local function fields(text)
    local rows, row, at = {}, {}, 1
    while at <= #text do
      local cell, last
      if text:sub(at, at) == '"' then
        local stop = at
        repeat
          stop = text:find('"', stop + 1, true)
          local quoted = text:sub(stop + 1, stop + 1) == '"'
          stop = quoted and stop + 1 or stop
        until not quoted
        cell, last = text:sub(at + 1, stop - 1):gsub('""', '"'), stop
      else
        cell = text:match("^[^,\n]*", at)
        last = at + #cell - 1
      end
      row[#row + 1] = cell
      if text:sub(last + 1, last + 1) == "\n" then
        rows[#rows + 1], row = row, {}
      end
      at = last + 2
    end
    return rows
  end

  it("has every value as it was, and nothing where it is unknown", function()
    store:export(folder .. "/runs.csv", { columns = COLUMNS })
    local rows = fields(texts.read(folder .. "/runs.csv"))
    assert.equal(5, #rows)
    assert.same(COLUMNS, rows[1])
    for row, i in ipairs(ORDER) do
      local cells = rows[row + 1]
      assert.equal(NAMES[i], cells[1])
      assert.equal(("%g"):format(i / 10), cells[2]) -- as short as can be
      assert.equal(i % 2 == 0 and ("%d"):format(i * 100) or "", cells[3])
      assert.equal(i % 2 == 0 and "solved" or "unsolved", cells[4])
      assert.equal(COSTS[i], tonumber(cells[5]))
      assert.equal("", cells[6])
      assert.equal(i * 1000, tonumber(cells[7]))
    end
  end)

  it("takes conditions, and may be empty", function()
    store:export(folder .. "/one.csv", { where = { experiment = "eins" }, columns = { "eta" } })
    assert.equal("eta\n0.1\n", texts.read(folder .. "/one.csv"))
    store:export(folder .. "/none.csv", { where = { eta = 7 }, columns = { "eta", "cost" } })
    assert.equal("eta,cost\n", texts.read(folder .. "/none.csv"))
  end)
end)

describe("NPZ", function()
  local function number(bytes, at, count)
    local value = 0
    for i = count - 1, 0, -1 do
      value = value * 256 + bytes:byte(at + i)
    end
    return value
  end

  -- CRC-32 bit by bit, as ITU-T V.42 defines it; arithmetic only, as LuaJIT has no operators.
  local function xor(a, b)
    local out, bit = 0, 1
    for _ = 1, 32 do
      out = out + (a % 2 ~= b % 2 and bit or 0)
      a, b, bit = math.floor(a / 2), math.floor(b / 2), bit * 2
    end
    return out
  end

  local function crc32(bytes)
    local crc = 0xffffffff
    for i = 1, #bytes do
      crc = xor(crc, bytes:byte(i))
      for _ = 1, 8 do
        local odd = crc % 2 == 1
        crc = math.floor(crc / 2)
        crc = odd and xor(crc, 0xedb88320) or crc
      end
    end
    return xor(crc, 0xffffffff)
  end

  -- Entries of a ZIP file by name; every number in it that there is to check is checked.
  local function entries(bytes)
    local tail = #bytes - 21
    assert.equal("PK\5\6", bytes:sub(tail, tail + 3))
    local count, length = number(bytes, tail + 10, 2), number(bytes, tail + 12, 4)
    local at, found, names = number(bytes, tail + 16, 4) + 1, {}, {}
    assert.equal(tail, at + length)
    for i = 1, count do
      assert.equal("PK\1\2", bytes:sub(at, at + 3))
      local crc, size, n = number(bytes, at + 16, 4), number(bytes, at + 20, 4),
        number(bytes, at + 28, 2)
      assert.equal(0, number(bytes, at + 10, 2)) -- stored
      local name = bytes:sub(at + 46, at + 45 + n)
      local here = number(bytes, at + 42, 4) + 1
      assert.equal("PK\3\4", bytes:sub(here, here + 3))
      assert.equal(bytes:sub(at + 6, at + 29), bytes:sub(here + 4, here + 27))
      assert.equal(name, bytes:sub(here + 30, here + 29 + n))
      local content = bytes:sub(here + 30 + n, here + 29 + n + size)
      assert.equal(crc, crc32(content))
      found[name], names[i], at = content, name, at + 46 + n
    end
    return found, names
  end

  -- The header of an NPY file and what follows it.
  local function npy(bytes)
    assert.equal("\147NUMPY\1\0", bytes:sub(1, 8))
    local length = number(bytes, 9, 2)
    assert.equal(0, (10 + length) % 64)
    return bytes:sub(11, 10 + length), bytes:sub(11 + length)
  end

  -- UTF-32, little-endian, padded with zeros, as UTF-8.
  local function text_of(bytes)
    local out = {}
    for at = 1, #bytes, 4 do
      local code = number(bytes, at, 4)
      if code >= 0x10000 then
        out[#out + 1] = string.char(0xf0 + math.floor(code / 2 ^ 18),
          0x80 + math.floor(code / 2 ^ 12) % 64, 0x80 + math.floor(code / 64) % 64,
          0x80 + code % 64)
      elseif code >= 0x80 then
        assert.is_true(code < 0x800)
        out[#out + 1] = string.char(0xc0 + math.floor(code / 64), 0x80 + code % 64)
      elseif code > 0 then
        out[#out + 1] = string.char(code)
      end
    end
    return table.concat(out)
  end

  it("is a ZIP file of NPY files: numbers as f64, text as Unicode", function()
    local path = folder .. "/runs.npz"
    store:export(path, { columns = COLUMNS })
    local found, names = entries(texts.read(path))
    for i, name in ipairs(COLUMNS) do
      assert.equal(name .. ".npy", names[i])
    end
    local head, body = npy(found["experiment.npy"])
    assert.is_truthy(head:find("'descr': '<U14'", 1, true), head)
    assert.is_truthy(head:find("'shape': (4,)", 1, true), head)
    assert.equal(4 * 14 * 4, #body)
    for row, i in ipairs(ORDER) do
      assert.equal(NAMES[i], text_of(body:sub((row - 1) * 56 + 1, row * 56)))
    end
    for name, expected in pairs { ["training.eta"] = function(i) return i / 10 end,
      cost = function(i) return COSTS[i] end, steps = function(i) return i * 1000 end,
      solved = function(i) return i % 2 == 0 and i * 100 or 0 / 0 end } do
      head = npy(found[name .. ".npy"])
      assert.is_truthy(head:find("'<f8'", 1, true), head)
      local file = folder .. "/one.npy"
      texts.write(file, found[name .. ".npy"])
      local column = mgd.load(file):totable()
      for row, i in ipairs(ORDER) do
        local value = expected(i)
        assert.is_true(column[row] == value or value ~= value and column[row] ~= column[row])
      end
    end
  end)

  it("is read by Python", function()
    local path = folder .. "/python.npz"
    store:export(path, { columns = { "cost", "state" } })
    require("spec.support.needs").python "zipfile"
    local pipe = assert(io.popen(("python3 -m zipfile -t %s 2>&1"):format(path)))
    local out = pipe:read "*a"
    pipe:close()
    assert.equal("Done testing\n", out)
  end)
end)

describe("store:export", function()
  it("says what it can write, and where it cannot, at the caller's line", function()
    for path, text in pairs {
      ["runs.xlsx"] = "the path must end in .csv or .npz, got runs.xlsx",
      [folder .. "/none/runs.csv"] = "No such file or directory",
    } do
      local ok, message = pcall(function()
        store:export(path, { columns = { "cost" } })
      end)
      assert.is_false(ok)
      assert.is_truthy(message:find "^[^\n]*store_export_spec%.lua:%d+: store:export: ", message)
      assert.is_truthy(message:find(text, 1, true), message)
    end
    assert.has_error(function()
      store:export(folder .. "/a.csv", { columns = { "csot" } })
    end)
    assert.is_nil(texts.read(folder .. "/a.csv"))
  end)
end)
