-- Memory below Lua: how much is in use, and operations whose allocations fail.

local assert = require "luassert"
local core = require "mgd.core"

local M = {}

local MOST = 1000 -- allocations of an operation

function M.live_bytes()
  collectgarbage()
  collectgarbage()
  return core.base.memory().live_bytes
end

-- Runs `operation` with its n-th and later allocations failing, n = 1, 2, … until it succeeds. Each
-- failure must be an "out of memory" error that leaks nothing. Returns how many there were, and
-- what the operation returned at last.
-- opts: `next`: function(n) → the next n; `unchanged`: called after each failure.
function M.survive(operation, opts)
  opts = opts or {}
  local before, n = M.live_bytes(), 1
  while n <= MOST do
    core.base.fail_from(n)
    local ok, result = pcall(operation)
    core.base.fail_from(0)
    if ok then
      return n - 1, result
    end
    assert.is_truthy(tostring(result):find("out of memory", 1, true), tostring(result))
    result = nil -- luacheck: ignore
    assert.equal(before, M.live_bytes(), "allocation " .. n .. " leaks")
    if opts.unchanged then
      opts.unchanged()
    end
    n = opts.next and opts.next(n) or n + 1
  end
  error(("still failing after %d allocations"):format(MOST))
end

return M
