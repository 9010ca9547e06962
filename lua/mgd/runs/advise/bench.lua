--- The advisor's bench: short runs that write nothing, on which costs are measured, counted.
--
-- A run of the bench is a run of mgd.train whose window never ends, so that θ stays what it was.
-- Every run begins at the same θ: the one drawn from seed and `init`, or the chip's own.
-- @module mgd.runs.advise.bench

local core = require "mgd.core"
local hardware = require "mgd.runs.hardware"
local options = require "mgd.base.options"
local train = require "mgd.runs.train"

local Bench = {}
Bench.__index = Bench

local NEVER = 2 ^ 50 -- steps
local NO_AMPLITUDE = 1e-20 -- θ + θ̃ is θ to the last digit

--- A bench.
-- @tparam table opt `chip`, `data`, `cost`, `label_smoothing`, `batch`, `init`, `seed`,
--   `threads`, `evaluations`
function Bench.new(opt)
  return setmetatable({ opt = opt, spent = 0, budget = opt.evaluations, lead = 0,
    costs = {}, unmeasured = {}, room = hardware.room(opt.chip) }, Bench)
end

--- A run of this task with further options.
-- @tparam table changes options of mgd.train
-- @treturn run
function Bench:open(changes)
  local opt = self.opt
  local given = { chip = opt.chip, data = opt.data, cost = opt.cost, batch = opt.batch,
    label_smoothing = opt.label_smoothing, init = opt.init, seed = opt.seed,
    threads = opt.threads }
  for name, value in pairs(changes) do
    given[name] = value
  end
  local run = train.new_run(train.resolve(given), self.opened)
  self.opened = true -- what there is to warn of has been said
  return run
end

--- Advance a new run, and count what it asks of the chip.
-- @tparam run run
-- @tparam integer steps
-- @tparam[opt] function each called after each step
-- @treturn boolean false when the cost was not finite
-- @raise when the chip does not answer, or Ctrl-C was pressed
function Bench:advance(run, steps, each)
  local ok, message, why = true, nil, nil
  for _ = 1, each and steps or 1 do
    ok, message, why = run.core:advance(each and 1 or steps)
    if not ok then
      break
    end
    if each then
      each()
    end
  end
  self.spent = self.spent + run:counters().evaluations
  if why == "interrupt" then
    options.fail("mgd.advise", "%s", message)
  elseif not ok and why ~= "nonfinite" then
    options.fail("mgd.advise", "the chip does not answer: %s", message)
  end
  return ok
end

--- Note what the budget is too small for.
-- @tparam string format what is not measured
function Bench:note(format, ...)
  local what = format:format(...)
  for _, noted in ipairs(self.unmeasured) do
    if noted == what then
      return
    end
  end
  table.insert(self.unmeasured, what)
end

-- Evaluations of a batch that a step takes.
local function per_step(baseline, window)
  return baseline == "two-sided" and 2 or baseline == "measured" and 1 + 1 / window or 1
end

Bench.per_step = per_step

--- Costs at n steps of a run that writes nothing, after a lead-in of `lead` steps in which the
-- chip comes to rest, in whole slots and windows.
-- @tparam integer n
-- @tparam table changes options of mgd.train: code, baseline, τ_p, τ_x, τ_θ, settle; without an
--   amplitude θ is not perturbed; `skip`: slots of the lead-in, so that two runs show the same
--   patterns
-- @treturn[1] table C of each step (of θ + θ̃)
-- @treturn[1] table C̃ of each step
-- @treturn[2] nil when a cost is not finite, the chip has no room for the amplitude, or the budget
--   is too small (which is noted)
function Bench:measure(n, changes)
  local given = { eta = 0, tau_theta = NEVER, tau_x = NEVER, baseline = "none" }
  for name, value in pairs(changes) do
    given[name] = value
  end
  local a = given.amplitude or NO_AMPLITUDE
  if a > self.room then
    return nil
  end
  given.amplitude, given.perturbation = nil, { code = "random", amplitude = a }
  local skip = given.skip
  given.skip = nil
  local window = math.min(given.tau_theta, given.tau_x)
  local slot = math.max(given.tau_p or 1, window < NEVER and window or 1)
  local lead = (skip or math.ceil(self.lead / slot)) * slot
  if (lead + n) * per_step(given.baseline, window) * self.opt.batch > self:left() then
    self:note("costs of a chip that takes %d steps to come to rest: %d evaluations of a sample "
      .. "were left", math.max(slot, self.lead), self:left())
    return nil
  end
  local run = self:open(given)
  local c, c_tilde, step = {}, {}, 0
  local finite = self:advance(run, lead + n, function()
    step = step + 1
    if step <= lead then
      return
    end
    local costs, signals = run.core:signal()
    c[#c + 1], c_tilde[#c_tilde + 1] = costs[1], signals[1]
    self.costs[#self.costs + 1] = costs[1]
  end)
  if finite then
    return c, c_tilde
  end
end

-- Rows of `hold` values.
local function in_rows(list, slots, hold)
  local rows = {}
  for j = 1, slots do
    rows[j] = {}
    for k = 1, hold do
      rows[j][k] = list[(j - 1) * hold + k]
    end
  end
  return rows
end

--- The same in slots of `hold` steps, one row of `hold` values each: a slot holds a perturbation,
-- or where `sample` is true a batch. The first `skip` slots are not returned.
-- @treturn[1] table rows of C
-- @treturn[1] table rows of C̃
-- @treturn[2] nil when a cost is not finite
function Bench:held(slots, hold, amplitude, sample, skip)
  local c, c_tilde = self:measure(slots * hold, { amplitude = amplitude, skip = skip,
    tau_p = not sample and hold or nil, tau_x = sample and hold or nil })
  if c then
    return in_rows(c, slots, hold), in_rows(c_tilde, slots, hold)
  end
end

--- C̃ of the steps of the first `slots` patterns, demodulated as a training would.
-- @tparam integer slots
-- @tparam table way `baseline`, `tau_p`, `patterns` of a window, `settle`
-- @tparam number amplitude
-- @treturn[1] table rows of C̃, 0 where a step does not count
-- @treturn[1] table how many steps of each row count
-- @treturn[2] nil as of `measure`
function Bench:demodulated(slots, way, amplitude)
  local window = way.patterns * way.tau_p
  local _, c_tilde = self:measure(slots * way.tau_p, { amplitude = amplitude, skip = 0,
    baseline = way.baseline, tau_p = way.tau_p, tau_theta = window,
    settle = way.settle > 0 and way.settle or nil })
  if not c_tilde then
    return nil
  end
  local rows, counts = in_rows(c_tilde, slots, way.tau_p), {}
  for j, row in ipairs(rows) do
    counts[j] = 0
    for k = 1, way.tau_p do
      if ((j - 1) * way.tau_p + k - 1) % window >= way.settle then
        counts[j] = counts[j] + 1
      else
        row[k] = 0
      end
    end
  end
  return rows, counts
end

local EVALUATED = 512 -- samples, at most

-- Rows of a tensor (N, …), evenly spread.
local function spread(t, count)
  local shape = { count }
  for d = 2, t.ndim do
    shape[d] = t.shape[d]
  end
  local out = core.tensor.zeros(shape, { dtype = t.dtype })
  for i = 1, count do
    local row = math.floor((i - 1) * t.shape[1] / count) + 1
    out[{ { i, i } }] = t[{ { row, row } }]
  end
  return out
end

--- The training samples that are evaluated, at most 512 of them.
-- @treturn tensor x
-- @treturn tensor y
function Bench:samples()
  local data = self.opt.data
  if not self.x then
    local count = math.min(data.x.shape[1], EVALUATED)
    self.x, self.y = spread(data.x, count), spread(data.y, count)
  end
  return self.x, self.y
end

--- Mean cost of a run over these samples, counted.
function Bench:evaluate(run)
  local x, y = self:samples()
  self.spent = self.spent + x.shape[1]
  return run.core:evaluate(x, y)[1]
end

--- Evaluations of a sample that are left.
function Bench:left()
  return self.budget - self.spent
end

--- The unit in the last place of a cost of this size, as the chip computes it.
function Bench:ulp(cost)
  local net = self.opt.chip.net
  return math.abs(cost) * (net and net.dtype == "f32" and 2 ^ -24 or 2 ^ -53)
end

return Bench
