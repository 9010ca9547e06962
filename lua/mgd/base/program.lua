--- Other programs, each run to its end: nothing else in the library starts one.
--
-- No shell reads the words, the present folder is not searched, and what goes in and comes out goes
-- through files without names: a program that dies or hangs is an error with its words, and leaves
-- nothing behind.
-- @module mgd.base.program

local core = require "mgd.core"
local options = require "mgd.base.options"

local M = {}

local SECONDS = 600 -- for a program that nobody has given a time
local SHOWN = 3     -- last lines of its words, in messages

--- Whether there is such a program in an absolute folder of the PATH.
function M.installed(name)
  return core.process.find(name) ~= nil
end

--- Run a program.
-- @tparam table words the program and its arguments
-- @tparam[opt] table opts `input`: a text; `env`: changes of the environment, name → text, or false
--   to take it away; `seconds`: after which it is ended
-- @treturn table|nil `out`, `words` (on standard error), and `status`, or `signal`, or `late`
-- @treturn string why it could not be started
-- @raise "interrupted" after Ctrl-C, which ends it
function M.run(words, opts)
  opts = opts or {}
  local env = {}
  for name, text in pairs(opts.env or {}) do
    env[name] = text
  end
  return core.process.run(words, opts.input, env, opts.seconds or SECONDS)
end

--- What a program prints; nil where it fails or is not there.
function M.out(words, opts)
  local result = M.run(words, opts)
  return result and result.status == 0 and result.out or nil
end

-- The last lines of what a program had to say.
local function last_words(text)
  local lines = {}
  for line in text:gmatch "[^\r\n]+" do
    if line:find "%S" then
      lines[#lines + 1] = line:match "^%s*(.-)%s*$"
    end
  end
  return table.concat(lines, "; ", math.max(1, #lines - SHOWN + 1))
end

local function ending_of(result, seconds)
  if result.late then
    return ("it was ended after %g s"):format(seconds or SECONDS)
  elseif result.signal then
    return ("it was ended by signal %d (%s)"):format(result.signal, result.signal_name)
  end
  return result.status and result.status ~= 0 and ("it ended with status %d"):format(result.status)
    or "it wrote nothing"
end

--- What a program prints, which must be something.
-- @tparam string where opens messages
-- @tparam table words as for run
-- @tparam[opt] table opts as for run; `package`: what brings the program
-- @treturn string
-- @treturn string its words on standard error
-- @raise where it is not installed, and with its last words and how it ended where it failed
function M.need(where, words, opts)
  local result, reason = M.run(words, opts)
  if not result then
    local package = not M.installed(words[1]) and opts and opts.package
    options.fail(where, package and "%s is not installed (apt install %s)"
      or "%s cannot be started: %s", words[1], package or reason)
  elseif result.out ~= "" and (result.status or 0) == 0 and not (result.late or result.signal) then
    return result.out, result.words
  end
  local said = last_words(result.words)
  options.fail(where, "%s failed: %s%s", words[1], said ~= "" and said .. ": " or "",
    ending_of(result, opts and opts.seconds))
end

return M
