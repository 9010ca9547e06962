--- What is different where a run trains a real chip: evaluations take time, what was done cannot be
-- undone, and the chip is left in its safe state when something goes wrong.
-- @module mgd.runs.hardware

local core = require "mgd.core"
local options = require "mgd.base.options"
local text = require "mgd.text.numbers"

local M = {}

--- Whether a chip integrates and writes by itself.
-- @tparam chip chip
-- @treturn boolean
function M.integrates(chip)
  return chip.rtl ~= nil or chip.instrument ~= nil and chip.instrument.integrates
end

--- Probes that cost nothing: what the run has measured anyway.
M.PROBES = { "C", "C_tilde" }

-- Evaluations of one sample that a row of these probes takes.
local function evaluations_of(run, wanted)
  local o = run.options
  local training = o.data.x.shape[1]
  local test = o.data.test and o.data.test.x.shape[1] or training
  local gradient = 2 * o.chip.num_parameters
  local count = 0
  if wanted.cost or wanted.accuracy then
    count = count + test
  end
  if wanted.train_cost or wanted.train_accuracy then
    count = count + training
  end
  if wanted.average_cost or wanted.average_accuracy then
    count = count + test
  end
  if wanted.angle or wanted.snr or wanted.error_correlation or wanted.layers then
    local shown = type(o.tau_theta) == "number" and type(o.tau_x) == "number"
      and math.ceil(o.tau_theta / o.tau_x) or 1
    count = count + gradient * math.min(training, shown * o.batch)
  end
  if wanted.angle_set then
    count = count + gradient * training
  end
  return count
end

-- Seconds of one request, as the chip says or as its requests took so far.
local function seconds_of(chip)
  local spent = core.instrument.spent(chip.core, 1)
  local measured = spent.requests > 0 and spent.seconds / spent.requests or 0
  return math.max(chip.instrument.latency, measured)
end

local SLOW = 1 -- s that the advisor may take before anything is said

--- The largest amplitude that the ranges and limits of a chip have room for.
-- @tparam chip chip
-- @treturn number ∞ of a chip in process
function M.room(chip)
  return chip.instrument and core.instrument.room(chip.core) or math.huge
end

--- Say on stderr what the advisor will take of an instrument, where that is long.
-- @tparam table opt `chip`, `evaluations`, `batch`
function M.announce_advice(opt)
  local seconds = opt.chip.instrument and opt.evaluations / opt.batch * seconds_of(opt.chip) or 0
  if seconds > SLOW then
    io.stderr:write(("mgd: mgd.advise: up to %s evaluations: about %s\n"):format(
      text.number(opt.evaluations), text.duration(seconds)))
  end
end

--- Say on stderr what probes of an instrument will take.
-- @tparam run run
-- @tparam table wanted set of names
-- @tparam integer|string|nil every steps between rows
-- @tparam integer steps
function M.announce(run, wanted, every, steps)
  local chip = run.options.chip
  local rows = type(every) == "number" and math.ceil(steps / every) + 1 or 2
  local count = chip.instrument and evaluations_of(run, wanted) or 0
  if count > 0 then
    local names = {}
    for name in pairs(wanted) do
      names[#names + 1] = name
    end
    table.sort(names)
    io.stderr:write(("mgd: probes %s: %s evaluations a row, %s rows: up to %s\n"):format(
      table.concat(names, ", "), text.number(count), text.number(rows),
      text.duration(count * rows * seconds_of(chip))))
  end
end

--- Warn of what cannot work with a chip, before the first step.
-- @tparam table opt resolved options
function M.check(opt)
  local chip = opt.chip
  local amplitude = chip.instrument and opt.perturbation and opt.perturbation.amplitude
  if type(amplitude) ~= "number" then
    return
  end
  local parameter, step, change = core.instrument.coarse(chip.core, amplitude)
  if parameter then
    io.stderr:write(("mgd: warning: an amplitude of %s moves parameter %d by %s%s, less than its "
      .. "resolution %s: the chip cannot feel it\n"):format(text.number(amplitude), parameter,
      text.number(change), chip.instrument.unit ~= "" and " " .. chip.instrument.unit or "",
      text.number(step)))
  end
end

--- Note that a run does not go on as if nothing had happened, in `run.breaks`, a list of
-- {step =, reason =}.
function M.note_break(run, reason)
  run.breaks = rawget(run, "breaks") or {}
  run.breaks[#run.breaks + 1] = { step = run.steps_done, reason = reason }
  io.stderr:write(("mgd: warning: a break in the history at step %d: %s\n")
    :format(run.steps_done, reason))
end

-- Connections that were opened again, of all chips of a list.
local function reconnections(chip)
  local count = 0
  for k = 1, chip.num_instruments do
    count = count + core.instrument.spent(chip.core, k).reconnections
  end
  return count
end

-- What cannot be learned from a netlist is said before the first step.
local function check_netlist(run)
  local o = run.options
  local amplitude = o.perturbation and o.perturbation.amplitude
  if not o.chip.circuit or run.steps_done > 0 or type(amplitude) ~= "number" or amplitude <= 0 then
    return
  end
  local spice = require "mgd.hardware.spice" -- loaded with the first netlist
  local theta = run:theta() -- (P), or (R × P)
  theta = (#theta.shape > 1 and theta[1] or theta):totable()
  for _, words in ipairs(spice.amplitude(o.chip, theta, amplitude, o.data)) do
    io.stderr:write("mgd: warning: ", words, "\n")
  end
end

-- The last run on a circuit in Verilog, whose state is as that has left it.
local last_runs = setmetatable({}, { __mode = "kv" })

-- A circuit goes on from where the same run has left it; else it gets θ and begins anew.
local function begin_rtl(run)
  local chip = run.options.chip
  if run.steps_done and run.steps_done > 0
      and not (last_runs[chip] == run and core.rtl.goes_on(chip.core)) then
    M.note_break(run, "the circuit begins anew at θ: what it had integrated is lost, and its "
      .. "source is at its first slot again")
  end
  last_runs[chip] = run
end

--- One run at a time uses an instrument, unless it is stateless, or a circuit in Verilog.
-- @tparam run run or what else uses `options.chip`
-- @tparam[opt="run:run"] string where
function M.begin(run, where)
  where = where or "run:run"
  local chip = run.options.chip
  local about = chip.instrument or chip.rtl
  if not about then
    return
  elseif chip.closed then
    options.fail(where, "the chip was closed")
  elseif chip.used_by and not about.stateless then
    options.fail(where, "another run uses the chip at this moment: %s is one chip; expected to "
      .. "wait until that has ended", chip.rtl and "a circuit" or "an instrument")
  end
  chip.used_by = run
  if chip.rtl then
    return begin_rtl(run)
  end
  chip.reconnected = reconnections(chip)
  chip.began = core.base.clock()
  if run.theta then
    check_netlist(run)
  end
end

--- The end of a call of run:run; after a failure or Ctrl-C the chip goes to its safe state.
-- @tparam run run
-- @tparam boolean failed
function M.finish(run, failed)
  local chip = run.options.chip
  chip.used_by = nil
  if not chip.instrument then
    return
  end
  chip.ran = (chip.ran or 0) + core.base.clock() - chip.began
  if (chip.instrument.integrates or chip.instrument.writes)
      and reconnections(chip) > chip.reconnected then
    M.note_break(run, "the chip has a state of its own and was connected to again")
  end
  if failed and not chip.closed then
    local ok, message = pcall(core.instrument.safe, chip.core)
    if not ok then
      io.stderr:write("mgd: warning: the safe state was not reached: ", message, "\n")
    end
  end
end

return M
