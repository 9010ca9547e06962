--- Chips of the small protocol in Lua, at the end of functions: bytes stay in this process.

local core = require "mgd.core"
local mgd = require "mgd"
local options = require "spec.support.train".options

local fakes = {}

--- What a chip of two parameters answers: verbs to answers, or to functions(line) → answer.
fakes.USUAL = {
  ID = "OK acme,fake,0,1",
  DESC = "OK parameters=2 inputs=2 outputs=1 samples=100",
  DATA = "OK", SAFE = "OK",
  WRITE = function(line)
    return line == "WRITE" and "OK 0,0" or "OK"
  end,
  RUN = function(line)
    local samples = select(2, line:match("^RUN %S+ %S+ %S+ %S+ %S+ %S+ (%S+)"):gsub("%d+", ""))
    return "OK " .. ("0.5,"):rep(samples):sub(1, -2)
  end,
}

--- Functions of a wire whose every line goes to answer(line), which returns bytes or nil. Nothing
-- is waited for that does not come by itself.
function fakes.wire(answer)
  local waiting = ""
  return {
    write = function(bytes)
      for line in bytes:gmatch "[^\n]+" do
        waiting = waiting .. (answer(line) or "")
      end
    end,
    read = function(most, seconds)
      if waiting == "" then
        core.process.wait({}, seconds)
        return ""
      end
      local bytes = waiting:sub(1, most)
      waiting = waiting:sub(most + 1)
      return bytes
    end,
  }
end

--- The usual answer to a line, but for what `answers` has instead; nil: none.
function fakes.answer(answers, line)
  local verb = line:match "^%S+"
  local answer = answers[verb] or fakes.USUAL[verb]
  if type(answer) == "function" then
    answer = answer(line)
  end
  return answer and answer .. "\n"
end

--- A chip that answers so; with `own` options of mgd.chip.
-- @return the chip, and the list of all lines that it is sent
function fakes.chip(answers, own)
  local seen = {}
  local chip = mgd.chip(options({
    ramp = 0, timeout = 0.3, patience = 0.2, dialect = "lines", terminator = "\n",
    instrument = fakes.wire(function(line)
      seen[#seen + 1] = line
      return fakes.answer(answers, line)
    end),
  }, own))
  return chip, seen
end

return fakes
