-- A folder for the files of a spec: `setup(folder.make)` and `teardown(folder.remove)`.

local core = require "mgd.core"

local M = {}

function M.make()
  M.name = assert(core.files.make_folder())
end

function M.remove()
  os.execute(("rm -rf '%s'"):format(M.name))
end

-- Writes a file into it, any bytes, and returns its path.
function M.write(name, text)
  local path = M.name .. "/" .. name
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

return M
