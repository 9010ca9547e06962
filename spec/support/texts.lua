-- Files of the specs, as texts.

local M = {}

-- The text of a file, nil where there is none.
function M.read(path)
  local file = io.open(path, "rb")
  local bytes = file and file:read "*a"
  if file then
    file:close()
  end
  return bytes
end

function M.write(path, bytes)
  local file = assert(io.open(path, "wb"))
  assert(file:write(bytes))
  assert(file:close())
end

-- Names in a folder, in order, as one text.
function M.list(folder)
  local pipe = assert(io.popen("ls -A '" .. folder .. "'"))
  local names = pipe:read "*a"
  pipe:close()
  return names
end

-- `n` as `count` bytes, least significant first.
function M.little(n, count)
  local bytes = {}
  for i = 1, count do
    bytes[i] = string.char(n % 256)
    n = math.floor(n / 256)
  end
  return table.concat(bytes)
end

return M
