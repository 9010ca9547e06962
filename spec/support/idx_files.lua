-- Small IDX files for specs, plain and gzipped; everything written is removed by `clean`.

local files = {}

local written, folders = {}, {}

function files.write(bytes, path)
  path = path or os.tmpname()
  written[#written + 1] = path
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
  return path
end

-- A new folder, with a name of its own unless `path` gives one.
function files.folder(path)
  if not path then
    path = os.tmpname()
    os.remove(path)
  end
  assert(os.execute("mkdir " .. path))
  folders[#folders + 1] = path
  return path
end

function files.gzip(bytes)
  local path = files.write(bytes)
  local pipe = assert(io.popen("gzip -9 -n -c " .. path, "r"))
  local out = pipe:read "*a"
  pipe:close()
  return out
end

local function word(n)
  return string.char(
    math.floor(n / 2 ^ 24) % 256,
    math.floor(n / 2 ^ 16) % 256,
    math.floor(n / 2 ^ 8) % 256,
    n % 256
  )
end

-- header(0x08, {3, 28, 28})
function files.header(kind, shape)
  local parts = { string.char(0, 0, kind, #shape) }
  for _, n in ipairs(shape) do
    parts[#parts + 1] = word(n)
  end
  return table.concat(parts)
end

-- u8 values as f(i), i = 0, 1, …, row-major
function files.u8(shape, f)
  local size, values = 1, {}
  for _, n in ipairs(shape) do
    size = size * n
  end
  for i = 1, size do
    values[i] = string.char(f(i - 1))
  end
  return files.header(8, shape) .. table.concat(values)
end

-- A folder in the layout of Fashion-MNIST: 5 training and 2 test images, pixel i being i % 256 and
-- label i being i % 10. `change[name]` replaces the bytes of a file; false leaves the file out.
function files.fashion(change)
  local folder = files.folder()
  local function ramp(i)
    return i % 256
  end
  local function label(i)
    return i % 10
  end
  local sets = {
    ["train-images-idx3-ubyte"] = files.u8({ 5, 28, 28 }, ramp),
    ["train-labels-idx1-ubyte"] = files.u8({ 5 }, label),
    ["t10k-images-idx3-ubyte"] = files.u8({ 2, 28, 28 }, ramp),
    ["t10k-labels-idx1-ubyte"] = files.u8({ 2 }, label),
  }
  for name, bytes in pairs(sets) do
    local new = change and change[name]
    if new ~= false then
      files.write(files.gzip(new or bytes), folder .. "/" .. name .. ".gz")
    end
  end
  return folder
end

function files.clean()
  for _, path in ipairs(written) do
    os.remove(path)
  end
  for i = #folders, 1, -1 do -- the inner ones first
    os.remove(folders[i])
  end
  written, folders = {}, {}
end

return files
