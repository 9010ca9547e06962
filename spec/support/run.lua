-- Runs busted in this very interpreter: MGD_LUA spec/support/run.lua [busted options] [specs]

-- Not in the one that .busted names for those who call busted itself.
table.insert(arg, 1, "--ignore-lua")

-- Temporary files lie where TMPDIR says: scripts/specs removes that folder afterwards.
local folder, popen = os.getenv "TMPDIR", io.popen
if folder and folder ~= "" then
  function os.tmpname() -- luacheck: ignore 122
    local pipe = assert(popen('mktemp "$TMPDIR/lua_XXXXXX"'))
    local path = pipe:read "*l"
    pipe:close()
    return assert(path, "no temporary file in " .. folder)
  end
end

if _VERSION == "Lua 5.1" then
  require("spec.support.lua51").install()
end

require "busted.runner" { standalone = false }
