--- Throw-away trials beside a run: which layer makes how much of C̃², and what a gate would save.
--
-- To first order C̃ is the sum of what the layers make of it, whose perturbations are independent,
-- so ⟨C̃²⟩ is the sum of theirs, a²·Σ(∂C/∂θᵢ)² or a²·Σ(∂C/∂zⱼ)² over the layer. Every layer's G
-- hears all of C̃, and its noise goes as ⟨C̃²⟩: what a layer makes of it is noise of the others.
-- A trial is a run of its own that begins at θ of the run, perturbs one layer alone and writes
-- nothing; nothing of the run changes.
-- @module mgd.runs.layer_trials

local by_layer = require "mgd.runs.by_layer"
local chips = require "mgd.hardware.chip"
local hw = require "mgd.hardware.hw"
local interrupts = require "mgd.base.interrupts"
local learning = require "mgd.runs.learning"
local options = require "mgd.base.options"
local recipe = require "mgd.runs.recipe"
local schedules = require "mgd.codes.schedules"

local M = {}

--- Patterns that a layer is perturbed by: each with a batch of the run's, or where nodes are
-- perturbed with one sample, whose cost a node hears.
M.PATTERNS = 64

local NEVER = 2 ^ 50 -- steps
local NO_AMPLITUDE = 1e-20 -- θ + θ̃ is θ to the last digit

-- ---- what a trial is made of --------------------------------------------------------------------

-- The chip once more, as it is when made: a run would age this one. nil where it cannot be.
local function copy_of(chip)
  if not chip.net or chip.has_function or chip.instrument then
    return nil
  elseif chip.ideal then
    return chips { net = chip.net }
  end
  return recipe.make_chip(recipe.chip(chip), chip.net, function(_, plain)
    local model, reason = hw.restore(plain)
    return model or options.fail("run:explain", "%s", reason)
  end)
end

-- a at the present step; nil where a function of the user's says it.
local function amplitude_of(run, stage)
  local a = stage.amplitude or run.options.perturbation.amplitude
  if type(a) == "table" then
    return schedules.schedule(a)(run.steps_done)
  end
  return type(a) == "number" and a or nil
end

-- The factor of a that the option `amplitudes` has for a part.
local function factor_of(perturbation, number, part)
  local factors = perturbation.amplitudes
  if options.is_tensor(factors) then
    local own = factors[{ { part.first, part.first + part.parameters - 1 } }]:to "f64"
    return own:norm() / math.sqrt(part.parameters)
  end
  return factors and factors[number] or 1
end

--- How the layers of a run learn at its present step.
-- @tparam run run
-- @treturn table|nil a list by layer of {learns =, perturb =, amplitude = a, or nil where it is not
--   known, gate =}; nil where no layers are known
function M.ways(run)
  local o, parts = run.options, by_layer.parts(run)
  if not parts or not o.perturbation then
    return nil
  end
  local stage = learning.compile(o, run.steps_done)
  local a, ways = amplitude_of(run, stage), {}
  for i, part in ipairs(parts) do
    local rule = stage.rules and stage.rules[i]
      or { perturb = stage.perturb or "parameters", amplitude = 1 }
    ways[i] = { learns = not rule.still and rule.amplitude > 0, perturb = rule.perturb,
      gate = rule.perturb == "nodes" and stage.gate or false,
      amplitude = a and a * rule.amplitude * factor_of(o.perturbation, i, part) }
  end
  return ways
end

--- A run that may have a gate; nil where no layer that learns has one, which the core knows.
-- @tparam function open () → the run
-- @treturn run|nil
function M.opened(open)
  local ok, made = interrupts.pcall(open)
  if not ok and not tostring(made):find("train: gate: no layer", 1, true) then
    error(made, 0)
  end
  return ok and made or nil
end

local Trials = {}
Trials.__index = Trials

--- Trials beside a run, at θ of one of its replicas.
-- @tparam run run
-- @tparam integer r replica
-- @tparam table ways as `M.ways` gives them
-- @tparam function open (options of mgd.train) → a run
-- @treturn trials|nil nil where there are none: for instruments and chips with functions, and costs
--   that are functions
function M.new(run, r, ways, open)
  if type(run.options.cost) ~= "string" or not copy_of(run.options.chip) then
    return nil
  end
  local theta = run.core:theta()
  return setmetatable({ run = run, ways = ways, open_run = open,
    theta = run.options.replicas > 1 and theta[r] or theta }, Trials)
end

-- A run of the same task that writes nothing.
function Trials:open(changes)
  local run, o = self.run, self.run.options
  local given = { chip = copy_of(o.chip), data = o.data, cost = o.cost,
    label_smoothing = o.label_smoothing, batch = o.batch, shuffle = o.shuffle, seed = o.seed,
    threads = o.threads, eta = 0, dt = run.dt_known and o.dt or nil, keep = false,
    baseline = o.baseline ~= "none" and o.baseline or "two-sided", tau_theta = NEVER }
  for name, value in pairs(changes) do
    given[name] = value
  end
  return self.open_run(given):set_theta(self.theta)
end

-- Advances a trial step by step; C̃, and |C̃| in units in the last place of C. nil where a cost is
-- not finite.
local function signals_of(bench, steps)
  local list, ulps = {}, {}
  for i = 1, steps do
    local ok, message, why = bench.core:advance(1)
    if why == "interrupt" then
      options.fail("run:explain", "%s", message)
    elseif not ok then
      return nil
    end
    local _, c_tilde, units = bench.core:signal()
    list[i], ulps[i] = c_tilde[1], units[1]
  end
  return list, ulps
end

-- ---- shares of C̃² ------------------------------------------------------------------------------

-- Mean of the squares and its standard error.
local function power_of(list)
  local mean, spread = 0, 0
  for _, value in ipairs(list) do
    mean = mean + value ^ 2 / #list
  end
  for _, value in ipairs(list) do
    spread = spread + (value ^ 2 - mean) ^ 2 / (#list - 1)
  end
  return mean, math.sqrt(spread / #list)
end

-- Shares of the sum, and their errors by those of all powers, that of the noise among them.
local function set_shares(list, sum, errors)
  for i, entry in ipairs(list) do
    if entry.signal and sum > 0 then
      local share = entry.signal ^ 2 / sum
      local squares = 0
      for k, error_ in pairs(errors) do
        squares = squares + ((k == i and 1 - share or share) * error_) ^ 2
      end
      entry.share, entry.share_error = share, math.sqrt(squares) / sum
    end
  end
end

-- C̃ of one layer alone, of its own amplitude or another: mean of its squares, the standard error
-- of that, the same mean in units in the last place, and the evaluations that this took; nil where
-- a cost is not finite.
function Trials:listen(layer, amplitude)
  local way = self.ways[layer]
  local bench = self:open { learn = layer, perturb = way.perturb,
    batch = learning.by_nodes(self.run.options) and 1 or nil, -- what a node hears
    perturbation = { code = "random", amplitude = amplitude or way.amplitude } }
  local list, ulps = signals_of(bench, M.PATTERNS)
  if not list then
    return nil
  end
  local power, error_ = power_of(list)
  return power, error_, (power_of(ulps)), bench.core:counters().evaluations[1]
end

-- Whether there is anything to share, of known size.
local function can_share(ways)
  local learners, all_known = 0, true
  for _, way in ipairs(ways) do
    learners = learners + (way.learns and 1 or 0)
    all_known = all_known and (not way.learns or way.amplitude ~= nil)
  end
  return learners > 1 and all_known
end

-- What C̃ is where nothing is perturbed: noise of the chip. As `listen` returns it.
function Trials:noise()
  for layer, way in ipairs(self.ways) do
    if way.learns and not self.run.options.chip.ideal then
      return self:listen(layer, NO_AMPLITUDE)
    end
  end
  return 0, 0, 0, 0
end

--- What each layer makes of C̃², and the chip by its noise.
-- @treturn[1] table by layer {share =, share_error = (standard), signal = root mean square of its
--   own C̃, signal_ulp =}; an empty one of layers that are not perturbed
-- @treturn[1] integer evaluations that this took
-- @treturn[1] number the share of the noise
-- @treturn[2] nil where it is not measured: with amplitudes that are functions, and norms, and of
--   fewer than two layers that learn
function Trials:shares()
  local noise, noise_error, _, evaluations
  if can_share(self.ways) then
    noise, noise_error, _, evaluations = self:noise()
  end
  if not noise then
    return nil
  end
  local out, errors, sum = {}, { noise = noise_error }, noise
  for i, way in ipairs(self.ways) do
    out[i] = {}
    if way.learns then
      local power, error_, ulps, asked = self:listen(i)
      if not power then
        return nil
      end
      power, errors[i] = math.max(0, power - noise), error_
      out[i].signal, out[i].signal_ulp = math.sqrt(power), math.sqrt(ulps)
      sum, evaluations = sum + power, evaluations + asked
    end
  end
  set_shares(out, sum, errors)
  return out, evaluations, sum > 0 and noise / sum or 0
end

-- ---- a gate -------------------------------------------------------------------------------------

-- Σ|G − g|² of the layers that learn, over a window of the run's length; nil where it is not known.
function Trials:error_of(changes)
  local bench = M.opened(function()
    return self:open(changes)
  end)
  if not bench then
    return nil
  end
  bench.core:keep_gradient()
  local ok, message, why = bench.core:advance(self.run.options.tau_theta)
  if why == "interrupt" then
    options.fail("run:explain", "%s", message)
  elseif not ok then
    return nil
  end
  local _, _, errors = bench.core:angle(false, true)
  local squares = 0
  for l, part in ipairs(by_layer.parts(self.run)) do
    local own = { { part.first, part.first + part.parameters - 1 } }
    squares = squares + (self.ways[l].learns and errors[1][own]:norm() ^ 2 or 0)
  end
  return squares
end

--- How much of |G − g|² a gate would leave, in a window of the run's own length: the same patterns
-- with and without one.
-- @treturn number|nil nil where it is not measured: where layers differ in how they are perturbed
function Trials:gated()
  local learn, amplitude = {}, nil
  for i, way in ipairs(self.ways) do
    if way.learns and (way.perturb ~= "nodes" or not way.amplitude
        or amplitude and amplitude ~= way.amplitude) then
      return nil
    elseif way.learns then
      learn[#learn + 1], amplitude = i, way.amplitude
    end
  end
  if type(self.run.options.tau_theta) ~= "number" then
    return nil
  end
  local errors = {}
  for i, gate in ipairs { false, true } do
    errors[i] = self:error_of { perturb = "nodes", learn = learn, gate = gate,
      tau_theta = self.run.options.tau_theta,
      perturbation = { code = "random", amplitude = amplitude } }
  end
  return errors[1] and errors[2] and errors[2] / errors[1]
end

return M
