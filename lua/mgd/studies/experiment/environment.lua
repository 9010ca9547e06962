--- Where an experiment runs: what someone needs to know who wants the same numbers, or wonders why
-- they took so long.
-- @module mgd.studies.experiment.environment

local core = require "mgd.core"
local program = require "mgd.base.program"
local record = require "mgd.text.record"

-- A folder that came from somewhere may be a repository whose configuration names programs. Of what
-- git runs by itself, these take away the watcher of files, the fetching of absent objects and
-- repositories without a .git; nothing is written, so that no hook runs.
local GIT = { "git", "--no-pager", "--no-optional-locks", "-c", "core.fsmonitor=", "-c",
  "safe.bareRepository=explicit" }
local ENVIRONMENT = { GIT_ALLOW_PROTOCOL = "", GIT_NO_LAZY_FETCH = "1", GIT_OPTIONAL_LOCKS = "0",
  GIT_TERMINAL_PROMPT = "0", GIT_EXTERNAL_DIFF = false, LC_ALL = "C" }
local SECONDS = 10

local function git(...)
  local words = {}
  for _, list in ipairs { GIT, { ... } } do
    for _, word in ipairs(list) do
      words[#words + 1] = word
    end
  end
  return program.run(words, { env = ENVIRONMENT, seconds = SECONDS })
end

-- Whether the repository itself, rather than its user, names filters: comparing a file with what is
-- committed would run them.
local function has_filters()
  local result = git("config", "--show-scope", "--includes", "--get-regexp", "^filter\\.")
  if not result or result.status ~= 0 and result.status ~= 1 then
    return true -- older than --show-scope
  end
  local lines = "\n" .. result.out
  return lines:find "\nlocal%s" ~= nil or lines:find "\nworktree%s" ~= nil
end

-- "+" where files have changed since the commit, "?" where that cannot be asked.
local function changes()
  if has_filters() then
    return "?"
  end
  local result = git("status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all")
  return not (result and result.status == 0) and "?" or result.out ~= "" and "+" or ""
end

-- The commit that the present folder stands at.
local function commit()
  local result = git("rev-parse", "--verify", "--quiet", "HEAD")
  local hash = result and result.status == 0 and result.out:match "^%x+"
  return hash and hash .. changes()
end

local host, os_name, present -- do not change while the process lives, but for the folder's commit

local environment_of = record.kind("mgd.environment", { "git" })

--- The environment as a table that prints.
-- @treturn table `version` of mgd-lua, `git` (commit of the present folder; with a + where it has
--   changes, a ? where that cannot be asked, as the repository has programs of its own as filters;
--   nil outside of a repository), `host`, `os`, `compiler` and `isa` of the library, `lua`
return function()
  if not host then
    host, os_name = core.base.host()
  end
  present = present or commit() or ""
  return environment_of {
    version = core.base.version(),
    git = present ~= "" and present or nil,
    host = host,
    os = os_name,
    compiler = core.base.compiler(),
    isa = (core.base.isa()),
    lua = rawget(_G, "jit") and _G.jit.version or _VERSION,
  }
end
