--- Files as a whole: one that is written replaces what is there at once, or not at all.
-- @module mgd.files

local options = require "mgd.options"

local M = {}

--- Whether there is a file that can be read.
function M.exists(path)
  local file = io.open(path, "rb")
  if file then
    file:close()
  end
  return file ~= nil
end

--- Write a file.
-- @tparam string where opens messages
-- @tparam string path
-- @tparam string text
-- @raise with the system's words; nothing has changed then
function M.write(where, path, text)
  local part = path .. ".part"
  local file, message = io.open(part, "wb")
  if not file then
    options.fail(where, "%s", (message:gsub("%.part: ", ": ", 1)))
  end
  local written, why = file:write(text)
  local closed, more = file:close()
  local done = written and closed
  if done then
    done, why = os.rename(part, path)
  end
  if not done then
    os.remove(part)
    options.fail(where, "%s: %s", path, why or more)
  end
end

return M
