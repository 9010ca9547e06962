--- Where `mgd_chip.py` is, by which a Python program becomes a chip.
-- @module mgd.hardware.python

local files = require "mgd.base.files"

local LIBRARY = debug.getinfo(1, "S").source:match "^@(.*)hardware/python%.lua$"

-- Seen from lua/mgd of the sources, and from share/lua/5.4/mgd of an installation.
local PLACES = { "../../src/python", "../../../mgd-lua/python" }

local M = {}

--- The folder to put into PYTHONPATH.
-- @treturn[1] string
-- @treturn[2] nil where the file is not installed
function M.folder()
  for _, place in ipairs(PLACES) do
    if LIBRARY and files.exists(LIBRARY .. place .. "/mgd_chip.py") then
      return LIBRARY .. place
    end
  end
  return nil
end

return M
