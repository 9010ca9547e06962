--- What commands of the shell print.
-- @module spec.support.shell

local M = {}

--- The lines that a command prints.
function M.lines_of(command)
  local pipe = assert(io.popen(command))
  local lines = {}
  for line in pipe:lines() do
    lines[#lines + 1] = line
  end
  pipe:close()
  return lines
end

return M
