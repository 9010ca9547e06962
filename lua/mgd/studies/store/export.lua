--- A store's content for other tools: CSV, NumPy's NPZ, and one hash of all that matters.
-- Its functions are methods of the store.
-- @module mgd.studies.store.export

local core = require "mgd.core"
local csv = require "mgd.text.csv"
local files = require "mgd.base.files"
local options = require "mgd.base.options"

local Export = {}

-- ---- CSV ----------------------------------------------------------------------------------------

local function csv_of(names, columns, count)
  local rows = {}
  for i = 1, count do
    rows[i] = {}
    for k, name in ipairs(names) do
      rows[i][k] = columns[name][i]
    end
  end
  return csv.text(names, rows)
end

-- ---- NPZ: a ZIP file of NPY files, stored as they are ------------------------------------------

local function bytes_of(value, count)
  local bytes = {}
  for i = 1, count do
    bytes[i] = string.char(value % 256)
    value = math.floor(value / 256)
  end
  return table.concat(bytes)
end

-- The characters of UTF-8 text; a byte that belongs to none stands for itself, as in Latin-1.
local function characters(text)
  local list, at = {}, 1
  while at <= #text do
    local first = text:byte(at)
    local more = first >= 0xf0 and 3 or first >= 0xe0 and 2 or first >= 0xc2 and 1 or 0
    local code = more > 0 and first % 2 ^ (6 - more) or first
    local tail = text:match("^[\128-\191]*", at + 1)
    if #tail < more then
      more, code = 0, first
    end
    for i = 1, more do
      code = code * 64 + tail:byte(i) % 64
    end
    list[#list + 1] = code
    at = at + 1 + more
  end
  return list
end

-- Text as NumPy's arrays of Unicode characters, each as wide as the longest.
local function npy_of_text(list, count)
  local width, rows, cells = 1, {}, {}
  for row = 1, count do
    rows[row] = characters(list[row] or "")
    width = math.max(width, #rows[row])
  end
  for row = 1, count do
    for i, code in ipairs(rows[row]) do
      rows[row][i] = bytes_of(code, 4)
    end
    cells[row] = table.concat(rows[row]) .. ("\0"):rep(4 * (width - #rows[row]))
  end
  local head = ("{'descr': '<U%d', 'fortran_order': False, 'shape': (%d,), }"):format(width, count)
  head = head .. (" "):rep(64 - (10 + #head + 1) % 64) .. "\n"
  return "\147NUMPY\1\0" .. bytes_of(#head, 2) .. head .. table.concat(cells)
end

-- NPY of a tensor, by way of the file that a tensor writes.
local function npy_of(tensor)
  return files.in_folder(function(folder)
    local path = folder .. "/column.npy"
    tensor:save(path)
    return files.bytes("store:export", path)
  end)
end

local EPOCH = 33 -- 1980-01-01, the first date that ZIP knows

-- PKWARE's APPNOTE 6.3.3, sections 4.3.7, 4.3.12 and 4.3.16; method 0.
local function zip(entries)
  local parts, directory, offset = {}, {}, 0
  for i, entry in ipairs(entries) do
    local common = bytes_of(20, 2) .. bytes_of(0, 2) .. bytes_of(0, 2) .. bytes_of(0, 2)
      .. bytes_of(EPOCH, 2) .. bytes_of(core.base.crc32(entry.bytes), 4)
      .. bytes_of(#entry.bytes, 4) .. bytes_of(#entry.bytes, 4) .. bytes_of(#entry.name, 2)
      .. bytes_of(0, 2)
    parts[i] = "PK\3\4" .. common .. entry.name .. entry.bytes
    directory[i] = "PK\1\2" .. bytes_of(20, 2) .. common .. bytes_of(0, 2) .. bytes_of(0, 2)
      .. bytes_of(0, 2) .. bytes_of(0, 4) .. bytes_of(offset, 4) .. entry.name
    offset = offset + #parts[i]
  end
  local list = table.concat(directory)
  return table.concat(parts) .. list .. "PK\5\6" .. bytes_of(0, 4) .. bytes_of(#entries, 2):rep(2)
    .. bytes_of(#list, 4) .. bytes_of(offset, 4) .. bytes_of(0, 2)
end

local function npz_of(names, columns, count)
  local entries = {}
  for i, name in ipairs(names) do
    local column = columns[name]
    entries[i] = { name = name .. ".npy",
      bytes = type(column) == "table" and npy_of_text(column, count) or npy_of(column) }
  end
  return zip(entries)
end

--- Write columns of runs to a file: CSV, or NPZ for numpy.load. Arguments as for query.
-- @tparam string path ends in .csv or .npz
-- @tparam[opt] table opts `where` and `columns`
-- @usage store:export("runs.npz", {columns = {"training.eta", "solved"}})
function Export:export(path, opts)
  local where = "store:export"
  local ending = type(path) == "string" and path:match "%.(%a+)$"
  if ending ~= "csv" and ending ~= "npz" then
    options.fail(where, "the path must end in .csv or .npz, got %s", tostring(path))
  end
  local names, lists, count = self:columns(where, opts)
  local text
  if ending == "csv" then
    local columns = {}
    for i, name in ipairs(names) do
      columns[name] = lists[i]
    end
    text = csv_of(names, columns, count)
  else
    text = npz_of(names, self:as_tensors(names, lists, count), count)
  end
  files.write(where, path, text, { durable = true })
end

-- ---- the digest ---------------------------------------------------------------------------------

-- What an undisturbed and an interrupted sweep, on this machine and another, have in common: all
-- but times, dates, places, numbers that follow the order of writing.
local CONTENT = {
  "SELECT name, hash, resolved FROM experiments ORDER BY name",
  [[SELECT e.name, p.path, p.value FROM parameters p JOIN experiments e ON e.id = p.experiment
    ORDER BY e.name, p.path]],
  [[SELECT e.name, r.replica, r.state, r.solved, r.diverged, r.steps, r.cost, r.accuracy FROM runs r
    JOIN experiments e ON e.id = r.experiment ORDER BY e.name, r.replica]],
  [[SELECT e.name, r.replica, n.name, m.step, m.value FROM experiments e
    JOIN runs r ON r.experiment = e.id JOIN metrics m ON m.run = r.id JOIN names n ON n.id = m.name
    ORDER BY e.name, r.replica, n.name, m.step]],
  [[SELECT e.name, a.replica, a.kind, a.sha256, a.bytes FROM artefacts a
    JOIN experiments e ON e.id = a.experiment ORDER BY e.name, a.replica, a.kind, a.sha256]],
  "SELECT name, hash, definition FROM sweeps ORDER BY name",
  [[SELECT s.name, p.number, e.name FROM points p JOIN sweeps s ON s.id = p.sweep
    JOIN experiments e ON e.id = p.experiment ORDER BY s.name, p.number]],
  [[SELECT s.name, b.number, b.state FROM batches b JOIN sweeps s ON s.id = b.sweep
    ORDER BY s.name, b.number]],
}

local function exact(value)
  return type(value) == "number" and ("%.17g"):format(value) or tostring(value)
end

--- A hash of what the store says: two stores of the same content have the same, whenever, wherever
-- and in which order it was written.
-- @treturn string SHA-256 in hexadecimal digits
function Export:digest()
  self:need_open "store:digest"
  local hashes = {}
  for i, text in ipairs(CONTENT) do
    local statement, parts, hash = self:prepare(text), {}, ""
    local width = #statement:names()
    for row in statement:rows() do
      for c = 1, width do
        parts[#parts + 1] = exact(row[c])
      end
      if #parts > 50000 then
        parts, hash = {}, core.base.sha256(hash .. table.concat(parts, "\0"))
      end
    end
    hashes[i] = core.base.sha256(hash .. table.concat(parts, "\0"))
  end
  return core.base.sha256(table.concat(hashes))
end

return Export
