--- Examples, run as their headers say in a folder that looks like the repository's root; what they
-- leave stays in it.

local M = {}

local mgd_lua = os.getenv "MGD_LUA_LONG" or os.getenv "MGD_LUA" or arg[-1]
local scratch

--- Make the folder.
function M.setup()
  local pipe = assert(io.popen "pwd")
  local root = pipe:read "*l"
  pipe:close()
  scratch, mgd_lua = os.tmpname(), mgd_lua:gsub("^[^/]", root .. "/%0")
  assert(os.execute(("rm '%s' && mkdir '%s' && ln -s '%s'/* '%s'"):format(scratch, scratch, root,
    scratch)))
  os.execute(("rm -f '%s/out'"):format(scratch))
end

--- Remove it.
function M.teardown()
  os.execute(("rm -rf '%s'"):format(scratch))
end

--- Run an example.
-- @tparam string example its file in examples/, which may carry arguments
-- @tparam[opt] string environment put before the command
-- @treturn string what it prints
-- @treturn integer its exit status
function M.run(example, environment)
  local command = ("cd '%s' && %s '%s' examples/%s 2>&1"):format(scratch, environment or "",
    mgd_lua, example)
  local pipe = assert(io.popen(command))
  local text = pipe:read "*a"
  local _, _, code = pipe:close()
  return text, code
end

--- Run an example and expect these patterns in its output, in this order.
-- @tparam string example as of `run`
-- @tparam table patterns
-- @tparam[opt] string environment
-- @treturn string what it prints
function M.shows(example, patterns, environment)
  local text, code = M.run(example, environment)
  assert(code == 0, text)
  local from = 1
  for _, pattern in ipairs(patterns) do
    local _, last = text:find(pattern, from)
    assert(last, ("%s: no %q in\n%s"):format(example, pattern, text:sub(from)))
    from = last + 1
  end
  return text
end

return M
