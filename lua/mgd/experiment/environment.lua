--- Where an experiment runs: what someone needs to know who wants the same numbers, or wonders why
-- they took so long.
-- @module mgd.experiment.environment

local core = require "mgd.core"

-- The first line that a command prints, nil where it fails.
local function line_of(command)
  local pipe = io.popen(command .. " 2>/dev/null")
  local line = pipe and pipe:read "*l"
  if pipe then
    pipe:close()
  end
  return line ~= "" and line or nil
end

-- The commit that the present folder stands at; "+" after it where files have changed since.
local function commit()
  local hash = line_of "git rev-parse HEAD"
  if hash and line_of "git status --porcelain --untracked-files=no" then
    hash = hash .. "+"
  end
  return hash
end

local host, os_name, git -- do not change while the process lives, but for the folder's commit

--- The environment as a plain table.
-- @treturn table `version` of mgd-lua, `git` (commit of the present folder, with a + where it has
--   changes; nil outside of a repository), `host`, `os`, `compiler` and `isa` of the library, `lua`
return function()
  host = host or line_of "uname -n" or "unknown"
  os_name = os_name or line_of "uname -srm" or "unknown"
  git = git or commit() or ""
  return {
    version = core.base.version(),
    git = git ~= "" and git or nil,
    host = host,
    os = os_name,
    compiler = core.base.compiler(),
    isa = (core.base.isa()),
    lua = rawget(_G, "jit") and _G.jit.version or _VERSION,
  }
end
