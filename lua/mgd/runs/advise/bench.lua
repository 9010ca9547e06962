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
    drift = 0, costs = {}, room = hardware.room(opt.chip) }, Bench)
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

--- Costs at n steps of a run that writes nothing, after a lead-in of `lead` steps in which the
-- chip comes to rest, in whole slots.
-- @tparam integer n
-- @tparam table changes options of mgd.train: code, baseline, τ_p, τ_x; without an amplitude θ
--   is not perturbed
-- @treturn[1] table C of each step (of θ + θ̃)
-- @treturn[1] table C̃ of each step
-- @treturn[2] nil when a cost is not finite, or the chip has no room for the amplitude
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
  local slot = math.max(given.tau_p or 1, given.tau_x < NEVER and given.tau_x or 1)
  local lead = math.ceil(self.lead / slot) * slot
  local per_step = (given.baseline == "none" and 1 or 2) * self.opt.batch
  if (lead + n) * per_step > self:left() then
    options.fail("mgd.advise", "evaluations = %d are too few for this chip, whose cost takes %d "
      .. "steps to come to rest: expected several times as many", self.budget,
      math.max(slot, self.lead))
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
-- or where `sample` is true a batch.
-- @treturn[1] table rows of C
-- @treturn[1] table rows of C̃
-- @treturn[2] nil when a cost is not finite
function Bench:held(slots, hold, amplitude, sample, baseline)
  local c, c_tilde = self:measure(slots * hold, { amplitude = amplitude, baseline = baseline,
    tau_p = not sample and hold or nil, tau_x = sample and hold or nil })
  if c then
    return in_rows(c, slots, hold), in_rows(c_tilde, slots, hold)
  end
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

--- Mean cost of a run over (at most 512 of) the training samples, counted.
function Bench:evaluate(run)
  local data = self.opt.data
  local count = math.min(data.x.shape[1], EVALUATED)
  if not self.x then
    self.x, self.y = spread(data.x, count), spread(data.y, count)
  end
  self.spent = self.spent + count
  return run.core:evaluate(self.x, self.y)[1]
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
