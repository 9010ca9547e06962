--- spice-worker by itself: specifications, and what it answers.

local core = require "mgd.core"
local files = require "spec.support.texts"

local M = {}

local LONG = 60 -- seconds that nothing waits for unless it fails

M.program = (os.getenv "MGD_LUA" or "build/mgd-lua"):gsub("mgd%-lua$", "mgd/spice-worker")

local written = {}

--- A file with a specification.
-- @tparam string lines its head
-- @tparam string netlist a title first
function M.specification(lines, netlist)
  local path = os.tmpname()
  written[#written + 1] = path
  files.write(path, ("mgd-spice 1\n%s\nnetlist\n%s"):format(lines, netlist):gsub("\n +", "\n"))
  return path
end

--- Runs it on a file with an input.
-- @treturn table `out`, `words`, `status`
function M.run(path, input, ...)
  return assert(core.process.run({ M.program, path, ... }, input, {}, LONG))
end

--- What it answers to requests: a list.
function M.answers(path, requests)
  local answers = {}
  for line in M.run(path, table.concat(requests, "\n") .. "\n").out:gmatch "[^\n]*" do
    answers[#answers + 1] = line
  end
  while answers[#answers] == "" do
    answers[#answers] = nil
  end
  return answers
end

--- The numbers of an answer.
function M.numbers(answer)
  local out = {}
  for number in assert(answer:match "^OK (.*)", answer):gmatch "[^,]+" do
    out[#out + 1] = tonumber(number)
  end
  return out
end

function M.clean()
  for i, path in ipairs(written) do
    os.remove(path)
    written[i] = nil
  end
end

return M
