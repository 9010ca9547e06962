--- The processes that evaluate netlists: their specification, and where their program is.
-- @module mgd.hardware.spice.worker

local core = require "mgd.core"
local files = require "mgd.base.files"
local options = require "mgd.base.options"
local program = require "mgd.base.program"

local M = {}

local GROWS = 256 -- MiB by which a process may grow until it is started anew
local MOST = 2 ^ 40 -- that is no limit

local function number(value)
  return value and ("%.17g"):format(value) or "-"
end

local function analysis_line(a)
  if a.kind == "op" then
    return "analysis op"
  end
  return ("analysis tran %.17g %.17g %.17g%s"):format(a.step, a.stop, a.average,
    a.uic and " uic" or "")
end

local function add_targets(lines, word, targets)
  for _, target in ipairs(targets) do
    lines[#lines + 1] = ("%s %s %s %s %s"):format(word, target.name, target.kind, target.target,
      number(target.value))
  end
end

local function add_changes(lines, word, rows)
  for _, row in ipairs(rows) do
    lines[#lines + 1] = ("%s %s %.17g %s"):format(word, row.name, row.sigma,
      row.absolute and "absolute" or "relative")
  end
end

--- The specification of a worker, as src/spice/specification.h has it.
-- @tparam table circuit see mgd.hardware.spice.settings
-- @tparam[opt] table changes `analysis`; `options`: a list of options of ngspice, "reltol=1e-6"
-- @tparam[opt=256] number grows MiB by which it may grow until it ends; math.huge for any
-- @treturn string
function M.text(circuit, changes, grows)
  changes = changes or {}
  local lines = { "mgd-spice 1", analysis_line(changes.analysis or circuit.analysis),
    "seconds " .. number(circuit.time_limit), "grows " .. number(math.min(grows or GROWS, MOST)),
    "retry " .. (circuit.retry and 1 or 0), "on_failure " .. circuit.on_failure,
    ("seed %.0f"):format(circuit.seed) }
  if circuit.library then
    lines[#lines + 1] = "library " .. circuit.library
  end
  for _, option in ipairs(changes.options or {}) do
    lines[#lines + 1] = "option " .. option
  end
  add_targets(lines, "parameter", circuit.parameters)
  add_targets(lines, "device", circuit.devices)
  add_changes(lines, "spread", circuit.spread)
  add_changes(lines, "noise", circuit.noise)
  for _, input in ipairs(circuit.inputs) do
    lines[#lines + 1] = ("input %s %.17g %.17g"):format(input.source, input.scale, input.offset)
  end
  for _, output in ipairs(circuit.outputs) do
    lines[#lines + 1] = "output " .. output.rpn
  end
  lines[#lines + 1] = "netlist"
  return table.concat(lines, "\n") .. "\n" .. circuit.netlist:worker_text()
end

--- The program of the workers, beside the core's module.
-- @treturn string
-- @raise where it is not there
function M.program()
  local path = core.base.path()
  local found = path and path:gsub("[^/]*$", "") .. "spice-worker"
  if not found or not files.exists(found) then
    options.fail("mgd.chip", "the program of netlists, spice-worker, is not beside %s",
      path or "the core's module")
  end
  return found
end

--- Run a worker once, to its end.
-- @tparam string where opens messages
-- @tparam string text its specification
-- @tparam table words further words: what it is to do
-- @tparam string input
-- @treturn string what it prints
-- @raise with its own words
function M.once(where, text, words, input)
  return files.in_folder(function(folder)
    local path = folder .. "/circuit"
    files.write(where, path, text)
    local command = { M.program(), path }
    for _, word in ipairs(words) do
      command[#command + 1] = word
    end
    local result, reason = program.run(command, { input = input })
    local said = result and (result.words:match "^%s*(.-)%s*$")
    if not result or result.status ~= 0 then
      options.fail(where, "%s", said and said ~= "" and said or reason
        or "the worker ended without a word")
    end
    return result.out
  end)
end

return M
