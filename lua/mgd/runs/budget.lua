--- What a run costs on hardware: evaluations, writes, bits, time, energy.
--
-- Conventions. An evaluation is a forward pass of one sample, under one perturbation or none. A
-- measurement is one cost of a whole
-- batch: C and C₀ are measurements of their own. Every measured cost is broadcast once, `cost_bits`
-- bits on a line that all P parameters hear, so P times as many bits are received. A perturbation
-- cycle is one pattern, shown for τ_p. A step takes dt whatever is measured in it: `time` is
-- dt × steps. Hardware that shows one sample under one perturbation per dt takes dt × evaluations:
-- `time_serial`. Hardware kinds: McCaughan et al., APL Machine Learning 1, 026118 (2023).
-- @module mgd.runs.budget

local average = require "mgd.runs.average"
local chips = require "mgd.hardware.chip"
local core = require "mgd.core"
local grid = require "mgd.text.grid"
local numbers = require "mgd.text.numbers"
local signals = require "mgd.codes.signals"
local naming = require "mgd.base.naming"
local number_text = require("mgd.base.encoding").number
local options = require "mgd.base.options"
local probes = require "mgd.runs.probes"
local record = require "mgd.text.record"
local settings = require "mgd.runs.settings"
local statistics = require "mgd.stats.values"

local of_replicas = statistics.of_replicas

local M = {}

M.SCHEMA = {
  { "dt", type = "number", above = 0, unit = "s", doc = "Time of a step; the run's own without." },
  { "energy", type = "table", default = {},
    doc = "{evaluation =, write =, pulse =} in joules; those of the chip's clock without." },
  { "power", type = "number", min = 0, unit = "W",
    doc = "Drawn all the time; that of the chip's clock without." },
  { "steps", type = "integer", min = 1, doc = "A plan: so many steps from the beginning." },
  { "target", type = "table",
    doc = "Conditions as in `stop`: what it took to their first crossing in run.history." },
  { "cost_bits", type = "integer", default = 32, min = 1, max = 1024, unit = "bits",
    doc = "In which one cost is broadcast; not of digital circuits, which broadcast bits of "
      .. "their own." },
}

-- Kinds of hardware: name and the seconds of a step.
M.HARDWARE = {
  { "chip_in_the_loop", 1e-3, "chip in the loop" },
  { "mixed_signal", 10e-9, "mixed-signal on-chip" },
  { "very_fast", 100e-12, "very fast" },
}

-- ---- counting -----------------------------------------------------------------------------------

-- What each window has cost replica r so far: writes of a parameter and pulses of all. Before the
-- first window every parameter is taken to be written once, and pulses are not known where the chip
-- has any.
local function rates(run, counters, r, steps)
  local windows = math.floor(steps / run.options.tau_theta)
  if windows > 0 then
    return { writes = counters.writes_mean[r] / windows, most = counters.writes_max[r] / windows,
             pulses = counters.pulses[r] / windows }
  end
  local compiled = run.options.chip.compiled
  return { writes = 1, most = 1, pulses = compiled and compiled.update and 0 / 0 or 0 }
end

-- Evaluations of the first n steps of replica r, which has done some: where the engine counts as it
-- goes, as many a step as so far.
local function evaluations_of(run, counters, r, n, done)
  local known = run.core:evaluations(n)
  return known == known and known or counters.evaluations[r] * n / math.max(done, 1)
end

-- The figures of so many steps, which ask for so many evaluations; NaN steps give NaN.
local function count(run, costs, steps, evaluations, rate)
  local o, p = run.options, run.options.chip.num_parameters
  local nothing = steps ~= steps and 0 / 0 or 0
  local n = steps == steps and steps or 0
  local windows = math.floor(n / o.tau_theta)
  local out = {
    steps = steps,
    evaluations = evaluations + nothing,
    cycles = math.ceil(n / o.tau_p) + nothing,
    writes = windows * rate.writes + nothing,
    writes_max = windows * rate.most + nothing,
    pulses = windows * rate.pulses + nothing,
    samples = math.ceil(n / o.tau_x) * o.batch + nothing,
    time = steps * costs.dt,
    time_serial = evaluations * costs.dt + nothing,
  }
  local own = o.circuit and o.circuit:broadcast()
  local words = own and steps * own or out.evaluations / o.batch * costs.cost_bits -- of one signal
  out.bits = words * (1 + (o.signals and signals.count(o.signals) or 0))
  out.bits_received = words * p
  if costs.known then
    local function joules(number, each)
      return each > 0 and number * each or 0
    end
    out.energy = joules(out.evaluations, costs.energy.evaluation)
      + joules(out.writes * p, costs.energy.write) + joules(out.pulses, costs.energy.pulse)
      + out.time * costs.power + nothing
  end
  for _, kind in ipairs(M.HARDWARE) do
    out[kind[1]], out[kind[1] .. "_serial"] = steps * kind[2], out.evaluations * kind[2]
  end
  return out
end

-- Reals at each parameter: θ, G, what the optimizer remembers, the average.
local function memory_of(o)
  local reals = 2 + average.memory(o)
  for _, entry in ipairs(settings.OPTIMIZERS) do
    reals = reals + (entry[1] == o.optimizer and entry.memory or 0)
  end
  return reals
end

-- One section of the budget, its figures as lists of R numbers.
local function section(run, costs, counters, steps_of, wall_of, gradient)
  local lists = {}
  for r = 1, run.options.replicas do
    local done = run.core:stopped(r) or run.steps_done
    local steps = steps_of(r, done)
    local evaluations = evaluations_of(run, counters, r, steps == steps and steps or 0, done)
    local counted = count(run, costs, steps, evaluations, rates(run, counters, r, done))
    counted.simulation = wall_of(r, steps)
    counted.backprop = gradient and math.ceil(steps / run.options.tau_x) * gradient
    for name, value in pairs(counted) do
      lists[name] = lists[name] or {}
      lists[name][r] = value
    end
  end
  return lists
end

-- ---- what it is compared with -------------------------------------------------------------------

local TIMED = 5e-3 -- seconds of timing, at least

-- Seconds of one gradient of a batch by back-propagation on this machine, the fastest of some; nil
-- where there is no network, or a cost that only Lua knows.
local function time_gradient(run)
  local o = run.options
  local net = o.chip.net
  if not net or type(o.cost) ~= "string" then
    return nil
  end
  local n = math.min(o.batch, o.data.x.shape[1])
  local x, y = o.data.x[{ { 1, n } }]:to(net.dtype), o.data.y[{ { 1, n } }]:to(net.dtype)
  local how = { cost = o.cost, label_smoothing = o.label_smoothing or 0 }
  local best, begin = math.huge, core.base.clock()
  for _ = 1, 1000 do
    local before = core.base.clock()
    net.core:gradient(x, y, how)
    local after = core.base.clock()
    best = math.min(best, after - before)
    if after - begin > TIMED then
      break
    end
  end
  return best * o.batch / n
end

-- ---- making -------------------------------------------------------------------------------------

local Budget = naming.class("mgd.budget", { "planned", "target", "gradient", "conditions" })

-- dt, joules and watts: given here, or else the chip's.
local function check_costs(run, opt)
  local clock = run.options.chip.clock
  local energy = {}
  for name, value in pairs(options.check("run:budget: energy", chips.ENERGY, opt.energy)) do
    energy[name] = opt.energy[name] and value or clock.energy[name]
  end
  local timed = opt.dt ~= nil or run.dt_known
  if opt.power and opt.power > 0 and not timed then
    options.fail("run:budget", "option 'power' needs 'dt', the seconds of a step, which neither "
      .. "mgd.train nor the chip's clock were given")
  end
  local costs = { dt = opt.dt or run.options.dt, timed = timed, cost_bits = opt.cost_bits,
                  energy = energy, power = timed and (opt.power or clock.power) or 0 }
  costs.known = costs.power > 0
  for _, value in pairs(energy) do
    costs.known = costs.known or value > 0
  end
  return costs
end

local section_of = record.kind("mgd.costs", { "energy", "backprop" })

-- Numbers, or tensors (R).
local function finish(run, lists)
  local out = {}
  for name, values in pairs(lists) do
    out[name] = run.options.replicas == 1 and values[1] or core.tensor.tensor(values)
  end
  return section_of(out)
end

-- The step of the first crossing of each replica, and the wall-clock seconds at its row.
local function crossing(run, target)
  if not run.history then
    options.fail("run:budget", "option 'target': the run has no history to look at yet: "
      .. "run:run{…} first")
  end
  local steps = of_replicas(run.history:time_to_solution(target).first)
  local step, wall, at = run.history.step:totable(), run.history.wall:totable(), {}
  for t, value in ipairs(step) do
    at[value] = wall[t]
  end
  return steps, function(r)
    return at[steps[r]] or 0 / 0
  end
end

--- Make the budget of a run.
--
-- Writes and pulses of a plan are as many in each window as they were so far. What it took to a
-- target is read from the rows of the history and never extrapolated: NaN where it was not reached.
-- `backprop` is one gradient by back-propagation on this machine for each batch that was shown, not
-- what back-propagation would need to learn as much; the gradient is timed for a few milliseconds.
-- @tparam run run
-- @tparam[opt] table opts `dt`, `energy`, `power`, `steps`, `target`, `cost_bits` (32)
-- @treturn budget `done`, `planned` (with `steps`), `target` (with `target`): tables of `steps`,
--   `evaluations`, `cycles`, `writes` and `writes_max` (of a parameter), `pulses` (of all),
--   `samples` (shown), `bits`, `bits_received`, `time` (s, dt × steps), `energy` (J; nil where no
--   figure was given), `chip_in_the_loop`, `mixed_signal`, `very_fast` (s, a step of each × steps);
--   these four with `_serial` behind their names (s, × evaluations: one sample under one
--   perturbation per dt); `simulation` (s of wall-clock), `backprop` (s; nil for black boxes):
--   numbers, or tensors (R) for an ensemble. `gradient`: the seconds of one gradient;
--   `memory`: the values that each parameter remembers on a chip: θ, G, those of the optimizer, the
--   average.
-- @usage print(run:budget{dt = 10e-9, energy = {evaluation = 2e-12}, target = {accuracy = 0.9}})
function M.budget(run, opts)
  local opt = options.check("run:budget", M.SCHEMA, opts)
  local costs = check_costs(run, opt)
  local steps, wall_at
  if opt.target then
    steps, wall_at = crossing(run, opt.target)
  end
  local counters = run.core:counters()
  local gradient = time_gradient(run)
  local pace = run.wall_before / math.max(run.steps_done, 1)
  local budget = { run = run, costs = costs, gradient = gradient, conditions = opt.target,
                   memory = memory_of(run.options) }
  local function add(name, steps_of, wall_of)
    budget[name] = finish(run, section(run, costs, counters, steps_of, wall_of, gradient))
  end
  add("done", function(_, done)
    return done
  end, function()
    return run.wall_before
  end)
  if opt.steps then
    add("planned", function()
      return opt.steps
    end, function(_, planned)
      return run.steps_done > 0 and planned * pace or 0 / 0
    end)
  end
  if opt.target then
    add("target", function(r)
      return steps[r]
    end, wall_at)
  end
  return setmetatable(budget, Budget)
end

-- ---- showing ------------------------------------------------------------------------------------

local function seconds_of(value)
  return value == value and numbers.duration(value) or "not known"
end

local function joules_of(value)
  return numbers.si(value, "J")
end

local function bits_of(value)
  return numbers.si(value, "bit")
end

local LABEL, CELL = 38, 20

-- Name, label and format of each row; those that say nothing are left out.
local function rows_of(budget)
  local o, costs = budget.run.options, budget.costs
  local rows = {
    { "steps", "steps", numbers.count },
    { "evaluations", "evaluations, of one sample each", numbers.count },
    { "cycles", "perturbation cycles", numbers.count },
    { "writes", "writes of a parameter" .. (probes.of_votes(o) and ", at most" or ""),
      numbers.count },
    { "writes_max", "  of the most written one", numbers.count,
      when = statistics.median(of_replicas(budget.done.writes_max))
        > statistics.median(of_replicas(budget.done.writes)) },
    { "pulses", "pulses, all parameters", numbers.count,
      when = statistics.median(of_replicas(budget.done.pulses)) ~= 0 },
    { "samples", "samples shown", numbers.count },
    { "bits", o.circuit and o.circuit:broadcast() and ("broadcast, %d bit a step"):format(
      o.circuit:broadcast()) or ("broadcast, %d bit a cost"):format(costs.cost_bits), bits_of },
    { "bits_received", ("  received by P = %s"):format(
      numbers.count(o.chip.num_parameters)), bits_of },
  }
  local function add_time(name, label, dt, when)
    rows[#rows + 1] = { name, ("%s %s × steps"):format(label, numbers.si(dt, "s")), seconds_of,
      when = when }
    rows[#rows + 1] = { name .. "_serial", "  × evaluations", seconds_of, when = when }
  end
  add_time("time", "hardware time, dt =", costs.dt, costs.timed)
  for _, kind in ipairs(M.HARDWARE) do
    add_time(kind[1], kind[3] .. ",", kind[2])
  end
  rows[#rows + 1] = { "energy", "energy", joules_of, when = costs.known }
  rows[#rows + 1] = { "simulation", "simulation here", seconds_of }
  rows[#rows + 1] = { "backprop", "back-propagation here, each batch once", seconds_of,
    when = budget.gradient ~= nil }
  return rows
end

local function target_text(conditions)
  local parts = {}
  for name, bound in pairs(conditions) do
    parts[#parts + 1] = ("%s %s %s"):format(name, name:find "accuracy" and "≥" or "≤",
      number_text(bound))
  end
  table.sort(parts)
  return "to " .. table.concat(parts, ", ")
end

-- What is not in the table.
local function notes_of(budget)
  local notes, replicas = {}, budget.run.options.replicas
  if replicas > 1 then
    notes[#notes + 1] = ("medians of %d replicas; the simulation is of all of them together")
      :format(replicas)
  end
  if budget.target then
    local reached = select(2, statistics.median(of_replicas(budget.target.steps)))
    local steps = numbers.count(budget.run.history.step[-1])
    if replicas > 1 then
      notes[#notes + 1] = ("target: first reached by %d of %d within %s steps, by the rows of the "
        .. "history; of the others nothing is known"):format(reached, replicas, steps)
    elseif reached == 0 then
      notes[#notes + 1] = ("target: not reached within %s steps, by the rows of the history; "
        .. "nothing is extrapolated"):format(steps)
    end
  end
  local o = budget.run.options
  notes[#notes + 1] = ("memory: %d values at each parameter, θ and G%s%s"):format(budget.memory,
    budget.memory > 2 + average.memory(o) and ", what " .. o.optimizer .. " remembers" or "",
    o.average and ", the average of θ" or "")
  notes[#notes + 1] = "× steps: all that a step asks is shown within one dt; × evaluations: one "
    .. "sample under one perturbation per dt"
  if not budget.costs.timed then
    notes[#notes + 1] = "hardware time: not known; dt = seconds of a step"
  end
  if not budget.costs.known then
    notes[#notes + 1] = "energy: not known; energy = {evaluation =, write =, pulse =} in joules"
  end
  notes[#notes + 1] = budget.gradient
    and ("back-propagation: %s for the gradient of a batch of %d on this machine")
      :format(numbers.duration(budget.gradient), budget.run.options.batch)
    or "back-propagation: not known, for the chip or the cost is a black box"
  return notes
end

--- A table: what was done, a plan, the way to a target, side by side.
function Budget:__tostring()
  local o = self.run.options
  local sections = { { self.done, "so far" }, { self.planned, "planned" },
                     { self.target, self.conditions and target_text(self.conditions) } }
  local lines = { ("budget: P = %s, batch %d, τ_p = %d, τ_θ = %d, τ_x = %d steps"):format(
    numbers.count(o.chip.num_parameters), o.batch, o.tau_p, o.tau_theta, o.tau_x) }
  local shown = {} -- a planned section or a target may be missing
  for _, entry in ipairs { sections[1], sections[2], sections[3] } do
    shown[#shown + 1] = entry[1] and entry or nil
  end
  local rows, right = {}, {}
  local label_width = LABEL + CELL * #shown <= grid.columns() and LABEL or 0
  local function add(label, cell)
    local row = { numbers.left(label, label_width) }
    for i, entry in ipairs(shown) do
      row[i + 1], right[i + 1] = numbers.right(cell(entry), CELL), true
    end
    rows[#rows + 1] = row
  end
  add("", function(entry)
    return "  " .. entry[2]
  end)
  for _, row in ipairs(rows_of(self)) do
    if row.when ~= false then
      add(row[2], function(entry)
        local median, n = statistics.median(of_replicas(entry[1][row[1]]))
        local missed = n == 0 and entry[1] == self.target
        return missed and (row[1] == "steps" and "not reached" or "–") or row[3](median)
      end)
    end
  end
  for _, line in ipairs(grid.lines(rows, { right = right, gap = 0 })) do
    lines[#lines + 1] = line
  end
  for _, note in ipairs(notes_of(self)) do
    lines[#lines + 1] = note
  end
  return table.concat(lines, "\n")
end

return M
