--- Ctrl-C is no failure of what it ends: how the library catches errors.
--
-- Whatever answers a request to stop counts it (`core.base.interrupts`): a call that failed while
-- the count grew was interrupted, whatever its message says.
-- @module mgd.base.interrupts

local core = require "mgd.core"

local M = {}

--- How many requests have been answered so far.
M.count = core.base.interrupts

-- Under an interpreter other than mgd-lua, Ctrl-C is an error of that interpreter's.
local function is_foreign(message)
  return type(message) == "string" and message:find "interrupted!$" ~= nil
end

local function pass_on(before, ok, ...)
  if not ok and (M.count() ~= before or is_foreign((...))) then
    error((...), 0)
  end
  return ok, ...
end

--- As `pcall`, but Ctrl-C goes through it.
-- @tparam function f
-- @param ... its arguments
-- @treturn boolean whether it raised no error
-- @return its results, or the error
function M.pcall(f, ...)
  return pass_on(M.count(), pcall(f, ...))
end

return M
