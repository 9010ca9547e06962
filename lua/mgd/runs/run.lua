--- Runs: what `mgd.train{…}` makes. `run:run{…}` advances one and returns the history of its
-- probes. Equations and step order: McCaughan et al., APL Machine Learning 1, 026118 (2023).
-- @module mgd.runs.run

local average = require "mgd.runs.average"
local codes = require "mgd.codes"
local core = require "mgd.core"
local data = require "mgd.data"
local each = require "mgd.runs.each"
local hardware = require "mgd.runs.hardware"
local history = require "mgd.runs.history"
local logs = require "mgd.runs.log"
local hw = require "mgd.hardware.hw"
local learning = require "mgd.runs.learning"
local memory = require "mgd.hardware.memory"
local naming = require "mgd.base.naming"
local options = require "mgd.base.options"
local probes = require "mgd.runs.probes"
local progress = require "mgd.runs.progress"
local recipe = require "mgd.runs.recipe"
local recording = require "mgd.runs.recording"
local record = require "mgd.text.record"
local schedules = require "mgd.codes.schedules"
local settings = require "mgd.runs.settings"
local summary = require "mgd.runs.summary"

local M = {}

local names = {}
for i, entry in ipairs(settings.SCHEMA) do
  names[i] = entry[1]
end
local options_of = record.kind("mgd.train.options", names)

local counters_of = record.kind "mgd.counters"
local evaluation_of = record.kind "mgd.evaluation"

local PROPERTIES = {
  steps_done = function(run)
    return run.core:steps_done()
  end,
  warning = function(run)
    return rawget(run, "divergence") or run.core:warning()
  end,
}

local Run = naming.class("mgd.run", { "breaks", "history", "recording" }, PROPERTIES)

--- The number of replica r, by which its random numbers are drawn.
function Run:number(r)
  return each.number(self.options, r)
end

function Run:__tostring()
  return summary.text(self)
end

-- ---- making -------------------------------------------------------------------------------------

-- What changes from stage to stage, in that of a step; and how many values a pattern has.
local function stage_options(opt, step)
  local flat, values = learning.compile(opt, step)
  local perturbation = opt.perturbation or {}
  if opt.optimizer == "pulses" then -- signs, with steps of their own
    flat.eta = opt.pulse
  elseif each.has_eta(opt) then
    flat.eta = 1
  end
  flat.is_norm = perturbation.norm ~= nil
  flat.amplitude = flat.amplitude or schedules.compile(perturbation.norm or perturbation.amplitude)
  flat.eta = flat.eta or schedules.compile(opt.eta)
  flat.weight_decay = flat.weight_decay or opt.weight_decay
  return flat, values
end

-- The core takes one flat table.
local function core_options(opt, step)
  local chip = opt.chip
  local stage, values = stage_options(opt, step)
  local slots = stage.perturb == "nodes" and opt.batch or 1 -- of a step, one after the other
  local perturbation = opt.perturbation and codes.compile("mgd.train: perturbation",
    opt.perturbation, values, type(opt.tau_p) == "number" and opt.tau_p * opt.dt / slots or nil,
    chip.net) or {}
  local flat = {}
  local registers = opt.circuit and opt.circuit:registers() or {}
  for _, source in ipairs { perturbation, registers, opt.average or {}, opt, stage } do
    for key, value in pairs(source) do
      flat[key] = value
    end
  end
  flat.baseline = opt.baseline or "none"
  flat.optimizer = opt.optimizer == "pulses" and "sign" or opt.optimizer
  if each.has_eta(opt) then
    flat.eta_factors = core.tensor.tensor(opt.eta, { dtype = "f64" })
  end
  if type(opt.replica) == "table" then
    flat.replica, flat.numbers = opt.replica[1], core.tensor.tensor(opt.replica, { dtype = "f64" })
  end
  for _, name in ipairs { "tau_p", "tau_theta", "tau_x" } do
    flat[name] = schedules.compile(flat[name])
  end
  return flat
end

--- A run from resolved options; how train and resume make one. A quiet one repeats no warnings.
-- @tparam table opt
-- @tparam[opt] boolean quiet
-- @tparam[opt=0] integer step that it will go on from
function M.new(opt, quiet, step)
  local run = { wall_before = 0, diverged = 0, known_diverged = {}, replayed = {} }
  run.dt_known, opt.dt_known = opt.dt_known, nil
  run.options = options_of(opt)
  for _, warning in ipairs(quiet and {} or hw.check_time(opt.chip.compiled, opt.dt)) do
    options.warn("%s", warning)
  end
  if opt.chip.replays then
    opt.chip.replays:check(run.options)
  end
  local flat = core_options(opt, step or 0)
  run.stage = learning.stage_at(opt, step or 0)
  run.memory = memory.new()
  flat.memory = run.memory
  run.core = core.run.new(opt.chip.core, flat, opt.data.x, opt.data.y)
  run.recording = opt.record and recording.new(run, opt.record)
  return setmetatable(run, Run)
end

-- ---- looking ------------------------------------------------------------------------------------

--- Present parameters.
-- @tparam[opt] table opts `average` (false): their average over the writes so far, see the option
--   `average` of mgd.train; θ itself before the first write that counts
-- @treturn tensor (P), or (R, P) for an ensemble
-- @raise where the run keeps no average, or a replica has diverged
function Run:theta(opts)
  return self.core:theta(average.look("run:theta", self, opts).average)
end

--- Give the run other parameters; it goes on from them.
--
-- They are there at once, as initial values are: devices are set, with no law of writing. G, the
-- window, moments of the optimizer, the last costs and the average begin anew, paths, lines and
-- what writing leaves behind are as at a start, and replicas that had diverged may go on. Steps,
-- the order of samples, patterns, schedules and counters go on.
-- @tparam tensor|table theta (P), the same for all replicas, or (R, P)
-- @treturn run itself
-- @raise while it runs; where it is recorded or replays a recording; within a window of a run with
--   stages; on another shape, and numbers that are not finite. Nothing has changed then.
-- @usage run:set_theta(mgd.load "theta.npy")
function Run:set_theta(theta)
  if self.running then
    options.fail("run:set_theta", "the run is running: expected a call between two of run:run")
  elseif self.options.stages and self.steps_done % self.options.tau_theta ~= 0 then
    options.fail("run:set_theta", "step %d lies within a window, and windows end where stages do: "
      .. "expected a multiple of tau_theta = %d", self.steps_done, self.options.tau_theta)
  elseif self.options.chip.replays then
    options.fail("run:set_theta", "the chip answers as it was recorded, to the θ of that run alone")
  end
  theta = type(theta) == "table" and core.tensor.tensor(theta) or theta
  if not options.is_tensor(theta) then
    options.fail("run:set_theta", "expected a tensor (P) or (R, P), got %s",
      options.type_name(theta))
  end
  self.core:set_theta(theta)
  self.memory:clear()
  self.diverged, self.known_diverged, self.divergence = 0, {}, nil
  return self
end

--- G of the last completed window; zeros before one has ended. Windows are kept from the first call
-- on, or from the start when a probe needs G.
-- @treturn tensor (P), or (R, P) for an ensemble
function Run:gradient()
  self.core:keep_gradient()
  return self.core:gradient()
end

--- Mean cost and accuracy over a data set.
-- @tparam[opt] table set a data set or {x =, y =}; the test set, or else the training set, without
-- @tparam[opt] table opts `average` (false): with the average of θ, as run:theta has it
-- @treturn table {cost =, accuracy =}: numbers, or tensors (R) for an ensemble
-- @usage print(run:evaluate(nil, {average = true}).accuracy)
function Run:evaluate(set, opts)
  local own = self.options.data
  set = data.given("run:evaluate", set) or own.test or own
  local opt = average.look("run:evaluate", self, opts)
  local cost, accuracy = self.core:evaluate(set.x, set.y, nil, nil, opt.average)
  if self.options.replicas == 1 then
    return evaluation_of { cost = cost[1], accuracy = accuracy[1] }
  end
  return evaluation_of { cost = core.tensor.tensor(cost),
    accuracy = core.tensor.tensor(accuracy) }
end

--- Outputs of the chip as it is trained so far, with all that is wrong with its devices: settled,
-- and without noise unless that is asked for. The run goes on to the same bits afterwards.
-- @tparam tensor x inputs (B, …)
-- @tparam[opt] table opts `noise` (false): with the chip's noise, drawn anew at each call;
--   `average` (false): with the average of θ, as run:theta has it
-- @treturn tensor (B, O), or (B, T, O) with an answer for every step; (R, B, O) for an ensemble
-- @raise on inputs of another shape than the chip's, or that are not finite
-- @usage local y = run:predict(mgd.tensor{{0, 1}})
function Run:predict(x, opts)
  return require("mgd.runs.predictions").predict(self, x, opts)
end

--- Which classes are taken for which, over a data set.
-- @tparam[opt] table set a data set or {x =, y =}; the test set, or else the training set, without
-- @tparam[opt] table opts `average` (false): with the average of θ, as run:theta has it
-- @treturn tensor (K, K) i32: rows are true classes, columns the chip's answers; (R, K, K) for an
--   ensemble. One output has two classes: up to ½, and above.
-- @usage print(run:confusion())
function Run:confusion(set, opts)
  return require("mgd.runs.predictions").confusion(self, set, opts)
end

--- What the run has asked of the chip so far.
--
-- Evaluations are forward passes of one sample, under one perturbation or none; writes are of one
-- parameter; energy follows from the figures of the chip's clock. `time` is dt × steps, whatever is
-- evaluated in a step; `time_serial` is dt × evaluations, for hardware that shows one sample under
-- one perturbation per dt.
-- @treturn table `evaluations`, `writes_mean` and `writes_max` (of a parameter), `pulses` (of all
--   parameters), `endurance_left` (1: none used), `energy` (J), `time` and `time_serial` (s):
--   numbers, or tensors (R)
function Run:counters()
  local counters = self.core:counters()
  local clock, replicas = self.options.chip.clock, self.options.replicas
  local parameters = self.options.chip.num_parameters
  counters.energy, counters.time, counters.time_serial = {}, {}, {}
  for r = 1, replicas do
    local steps = self.core:stopped(r) or self.steps_done
    local time = steps * self.options.dt
    counters.time[r], counters.time_serial[r] = time, counters.evaluations[r] * self.options.dt
    counters.energy[r] = counters.evaluations[r] * clock.energy.evaluation
      + counters.writes_mean[r] * parameters * clock.energy.write
      + counters.pulses[r] * clock.energy.pulse + time * clock.power
  end
  for name, values in pairs(counters) do
    counters[name] = replicas == 1 and values[1] or core.tensor.tensor(values)
  end
  return counters_of(counters)
end

-- Reports on perturbations apply to what this program perturbs.
local function need_perturbation(run, where, instead)
  if not run.options.perturbation then
    options.fail(where, "%s: %s", run.options.engine == "chip"
      and "the chip trains by itself, and how it perturbs is its own"
      or "back-propagation perturbs nothing", instead)
  end
end

--- The state of the run in words and figures; see `mgd.runs.explain`.
-- @treturn report prints as a text; `figures`, `hints`
-- @usage print(run:explain())
function Run:explain()
  need_perturbation(self, "run:explain", "run:evaluate() has the cost")
  return require("mgd.runs.explain").explain(self, function(given)
    return M.new(settings.resolve(given), true)
  end)
end

--- What the run costs on hardware, so far, for a plan and to a target; see `mgd.runs.budget`.
-- @tparam[opt] table opts `dt`, `energy`, `power`, `steps`, `target`, `cost_bits`
-- @treturn budget prints as a table
-- @usage print(run:budget{dt = 10e-9, steps = 1e6, target = {accuracy = 0.9}})
function Run:budget(opts)
  need_perturbation(self, "run:budget", "run:counters() has what was done")
  return require("mgd.runs.budget").budget(self, opts)
end

--- Advance the run, and keep what was measured and what became of θ in every step; see
-- `mgd.runs.trace`.
-- @tparam table opts `steps`; `replica` (1)
-- @treturn trace `theta`, `costs`, `first`
-- @usage print(run:trace{steps = 10}.costs[1][1])
function Run:trace(opts)
  return require("mgd.runs.trace").trace(self, opts)
end

--- Save everything that is needed to continue bit for bit; see `mgd.resume`.
-- @tparam string path
function Run:save(path)
  require("mgd.runs.save").save(self, path)
end

-- ---- advancing ----------------------------------------------------------------------------------

M.SCHEMA = {
  { "steps", type = "integer", min = 0, doc = "How many more steps; needed without evaluations." },
  { "evaluations", type = "integer", min = 0,
    doc = "As many steps more as ask at most so many evaluations of a replica, each of one sample "
      .. "under one perturbation or none; with steps, whichever ends first." },
  { "every", type = { "integer", "string" }, min = 1, unit = "steps", choices = { "powers", "log" },
    doc = "Probe at multiples of this, besides the first and the last step; powers: at 1, 10, 100, "
      .. "…; log: at ten steps a decade. With stop, a hundredth of the steps without." },
  { "probes", type = "table",
    doc = "Names: " .. table.concat(probes.names, ", ") .. ". Cost and accuracy without; C and "
      .. "C_tilde of an instrument, which cost no evaluations." },
  { "stop", type = { "function", "table" },
    doc = "{accuracy = at least, cost = at most, …}, per replica, or function(row) → true; "
      .. "{diverged = 1e6} ends a replica whose cost exceeds so many times the largest of its "
      .. "first window." },
  { "progress", type = "boolean", default = false,
    doc = "A line on the terminal (stderr); elsewhere one every 10 s." },
  { "log", type = "string",
    doc = "A file that gets a JSON object a line as it goes; see mgd.log." },
  { "on_row", type = "function",
    doc = "function(row), called after each row: numbers, or lists of R numbers, by probe." },
  { "keep_stopped", type = "boolean", default = false,
    doc = "Replicas that an earlier call stopped do not go on." },
}

local PER_DECADE = { powers = 1, log = 10 } -- rows

-- Where the next row is due after `step`.
local function next_row(step, every, last)
  if not every then
    return last
  elseif PER_DECADE[every] then
    local k, row = 0, 1
    while row <= step do
      k = k + 1
      row = math.floor(10 ^ (k / PER_DECADE[every]) + 0.5)
    end
    return math.min(row, last)
  end
  return math.min((math.floor(step / every) + 1) * every, last)
end

--- The most steps that ask at most so many more evaluations.
-- @tparam string where opens messages
-- @tparam run run
-- @tparam integer evaluations
-- @treturn integer
-- @raise where the engine counts evaluations as it goes
function M.steps_within(where, run, evaluations)
  local done = run.steps_done
  local function asked(steps)
    return run.core:evaluations(done + steps) - run.core:evaluations(done)
  end
  if asked(1) ~= asked(1) then
    options.fail(where, "option 'evaluations': this engine counts them as it goes: expected "
      .. "steps = …")
  end
  local low, high = 0, math.floor(evaluations / run.options.batch) -- each step asks for a batch
  while low < high do
    local middle = math.ceil((low + high) / 2)
    if asked(middle) <= evaluations then
      low = middle
    else
      high = middle - 1
    end
  end
  return low
end

-- Says at once that replicas have diverged: all of them in the log, the first one on stderr.
local function tell_diverged(run, log)
  for r = 1, run.options.replicas do
    local step, cost, reference = run.core:diverged(r)
    if step and not run.known_diverged[r] then
      run.known_diverged[r] = true
      if log then
        log:diverged(r, step, cost, reference)
      end
      if not run.divergence and cost - cost == 0 then
        run.divergence = ("replica %d (seed %d) diverges: its cost is %.3g at step %d, and was at "
          .. "most %.3g in its first window; a smaller eta may help"):format(run:number(r),
          run.options.seed, cost, step, reference)
        io.stderr:write("mgd: warning: ", run.divergence, "\n")
      end
    end
  end
end

-- Where a stage has ended the next begins. Returns the step behind it.
local function enter_stage(run)
  local number, _, last = learning.stage_at(run.options, run.steps_done)
  if number ~= run.stage then
    run.core:restage((stage_options(run.options, run.steps_done)))
    run.stage = number
  end
  return last
end

-- Advances to step `target`, in slices where a progress line wants to live; on failure: false, a
-- message and the kind of failure.
local function advance(run, last, line, log)
  local slice, replays = math.huge, run.options.chip.replays
  repeat
    local target = math.min(last, enter_stage(run))
    local before, begin = run.steps_done, core.base.clock()
    if line then
      slice = math.max(1, math.floor(line:rate() * 0.2))
    end
    local recorded = replays and replays.last > before and replays.last - before or math.huge
    local ok, message, why = run.core:advance(math.min(target - before, slice, recorded))
    tell_diverged(run, log)
    if run.recording then
      run.recording:tell()
    end
    if not ok then
      return false, message, why
    end
    if line then
      line:advanced(run.steps_done - before, core.base.clock() - begin, run.steps_done)
    end
    enter_stage(run) -- a run that is saved here goes on in the next one
  until run.steps_done >= last or run.steps_done == before
  return true
end

-- What a user should know after a run, on stderr: a warning that is new, replicas that diverged.
local function tell(run, warned)
  local warning = run.core:warning()
  if warning and not warned then
    io.stderr:write("mgd: warning: ", warning, "\n")
  end
  local count, first = 0, nil
  for r = 1, run.options.replicas do
    local step, finite = run.core:stopped(r)
    if step and not finite then
      count = count + 1
      first = first or ("replica %d at step %d"):format(run:number(r), step)
    end
  end
  local named = run.divergence and count == 1
  if count > run.diverged and count < run.options.replicas and not named then
    io.stderr:write(("mgd: warning: %d of %d replicas diverged (first: %s, seed %d); they keep the "
      .. "θ that they had\n")
      :format(count, run.options.replicas, first, run.options.seed))
  end
  run.diverged = count
end

--- Advance the run.
--
-- Rows of the history are taken at the present step, at multiples of `every` (or at the powers of
-- ten, `every = "powers"`, or at ten steps a decade, `every = "log"`), and at the last step.
-- Replicas that fulfil `stop` keep their θ for the rest of this call; it ends when all have. Ctrl-C
-- and failures raise; `run.history` keeps the rows so far and the run can go on.
-- @tparam table opts `steps` or `evaluations`, `every`, `probes` ({"cost", "accuracy"}), `stop`,
--   `progress` (false), `log`, `on_row`, `keep_stopped` (false)
-- @treturn history `step`, `evaluations`, `time` (hardware seconds, dt × steps), `wall` (seconds)
--   and each probe, as tensors (T), or (T, R) for probes of an ensemble
-- @usage run:run{steps = 1e5, every = 1000, probes = {"cost", "angle"}, stop = {accuracy = 0.95}}
function Run:run(opts)
  local opt = options.check("run:run", M.SCHEMA, opts)
  local replays = self.options.chip.replays
  if replays and opts.probes == nil then
    opt.probes = replays:probes()
  end
  if self.running then
    options.fail("run:run", "it is running already: what it calls meanwhile (on_row, stop, …) may "
      .. "look at it and train other runs, but not go on with this one")
  end
  if not opt.steps and not opt.evaluations then
    options.fail("run:run", "option 'steps' is missing: it must be a whole number ≥ 0; or say how "
      .. "many evaluations")
  elseif opt.evaluations then
    opt.steps = math.min(opt.steps or math.huge, M.steps_within("run:run", self, opt.evaluations))
  end
  opt.every = opt.every or opt.stop and math.max(1, math.floor(opt.steps / 100))
  if not opt.keep_stopped then
    self.core:go_on()
  end
  local usual = self.options.chip.instrument and hardware.PROBES or { "cost", "accuracy" }
  local taken = probes.prepare(self, opt.probes or usual, opt.stop)
  local rows = history.new(taken.names, self.options.replicas)
  local line = opt.progress and progress.new(self, opt.steps)
  local begin, last = core.base.clock(), self.steps_done + opt.steps
  local warned = self.core:warning()
  local log = opt.log and logs.open(self, opt.log, (recipe.training(self.options)))

  local function probe()
    local row = taken:row(core.base.clock() - begin + self.wall_before)
    rows:add(row)
    if self.recording then
      self.recording:row(taken.names, row)
    end
    if line then
      line:probed(row)
    end
    local over, shown = taken:stopped(row), probes.plain(row, self.options.replicas)
    if log then
      log:row(shown)
    end
    if opt.on_row then
      opt.on_row(shown)
    end
    return over
  end

  -- To the last step or a stop; nil, or why the core could not go on.
  local function go()
    self.running = true
    if self.recording then
      self.recording:begin(opt.steps)
    end
    local over = probe()
    while not over and self.steps_done < last do
      local ok, message, why = advance(self, next_row(self.steps_done, opt.every, last), line,
        log)
      if not ok and why ~= "nonfinite" then
        return message
      end
      over = probe()
      if not ok then
        return message
      end
    end
    return select(2, self.core:advance(0)) -- says so when no replica has a finite cost
  end

  -- Whatever happens, an interrupt at any place too, the rows are kept.
  hardware.begin(self)
  hardware.announce(self, taken.wanted, opt.every, opt.steps)
  local went, message = pcall(go)
  self.running = nil
  if self.recording then
    self.recording:pause()
  end
  hardware.finish(self, not went or message ~= "")
  if line then
    line:finish()
  end
  self.wall_before = self.wall_before + core.base.clock() - begin
  self.history = rows.complete > 0 and rows:finish(self) or nil
  if self.history then
    self.history.counters = self:counters()
  end
  tell(self, warned)
  if log then
    log:finish(message)
  end
  if not went then
    error(message, 0)
  elseif message ~= "" then
    options.fail("run:run", "%s", message)
  end
  return self.history
end

return M
