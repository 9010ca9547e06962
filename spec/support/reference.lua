-- Multiplexed gradient descent written once more in plain Lua, in double precision, one replica and
-- one parameter at a time: what the engines have to agree with. Sources: McCaughan et al., APL
-- Machine Learning 1, 026118 (2023), for the steps of both engines; Spall, IEEE Trans. Aerosp.
-- Electron. Syst. 34, 817 (1998), for the gains of SPSA.
--
-- A problem `o` is a table with the options of mgd.train, samples in their own order, and besides
--   theta    table (P), where the run begins
--   n        number of samples N
--   cost_at  function(theta, samples) → C, samples being a list of numbers from 1
--   steps    how many
-- Only the unit patterns come from the library: mgd.codes.pattern.

local assert = require "luassert"
local mgd = require "mgd"
local support = require "spec.support.train"

local reference = {}

-- ---- schedules ----------------------------------------------------------------------------------

local SCHEDULES = {
  constant = function(s) return s[2] end,
  step = function(s, n) return s[2] * s.factor ^ math.floor(n / s.every) end,
  exponential = function(s, n) return s[2] * s.factor ^ (n / (s.every or 1)) end,
  cosine = function(s, n)
    local to, share = s.to or 0, math.min(1, n / s.steps)
    return to + (s[2] - to) * (1 + math.cos(math.pi * share)) / 2
  end,
  inverse = function(s, n) return s[2] / (1 + s.decay * n / (s.every or 1)) end,
  spsa = function(s, n)
    return s[2] / ((s.A or 0) + 1 + n / (s.every or 1)) ^ (s.exponent or 0.602)
  end,
}

-- The value of a number, a function or a named schedule at a step.
function reference.value(schedule, step)
  if type(schedule) == "number" then
    return schedule
  elseif type(schedule) == "function" then
    return schedule(step)
  end
  return SCHEDULES[schedule[1]](schedule, step)
end

-- Periods of a time constant: `begins(n)`, to be asked at every step in turn, says whether one
-- begins there; `index` is its number from 0, `last` its last step.
local function timer(tau)
  local t = {index = -1, last = -1}
  function t.begins(n)
    if n <= t.last then
      return false
    end
    t.index = t.index + 1
    t.last = n + math.max(1, math.floor(reference.value(tau, n) + 0.5)) - 1
    return true
  end
  return t
end

-- ---- codes --------------------------------------------------------------------------------------

-- ⟨s²⟩ of the reference document: 1 for ±1, ½ for sines; 1/P for sequential.
local MEAN_SQUARE = {walsh = 1, random = 1, sine = 0.5}

-- Patterns of a run: s(slot), ⟨s²⟩, and the amplitude a at a step.
local function patterns(o)
  local code, p = {}, #o.theta
  for key, value in pairs(o.perturbation) do
    code[key] = value
  end
  code.code, code.amplitude, code.norm = code.code or "random", nil, nil
  local constant = type(o.tau_p) == "number" and type(o.tau_theta) == "number"
  local rows = mgd.codes.pattern(code, {parameters = p, slots = o.steps, replica = o.replica,
    tau_p = constant and o.tau_p or 1,
    tau_theta = constant and math.max(1, math.floor(o.tau_theta)) or 1,
    seed = o.seed}):totable()
  local mean_square = code.code == "sequential" and 1 / p
    or MEAN_SQUARE[code.code] * (1 - (code.sparsity or 0))
  local function amplitude(step)
    if o.perturbation.norm then
      return reference.value(o.perturbation.norm, step) / math.sqrt(p * mean_square)
    end
    return reference.value(o.perturbation.amplitude, step)
  end
  return rows, mean_square, amplitude
end

-- ---- writing θ ----------------------------------------------------------------------------------

local function sign(x)
  return x > 0 and 1 or x < 0 and -1 or 0
end

local function limited(x, most)
  return most and math.max(-most, math.min(most, x)) or x
end

-- The step of θ that an optimizer makes of g, per parameter; state: {m =, v =} of it, from zero.
local STEPS = {
  sgd = function(g) return g end,
  momentum = function(g, state, o)
    state.v = (o.momentum or 0.9) * state.v + g
    return state.v
  end,
  nesterov = function(g, state, o)
    state.v = (o.momentum or 0.9) * state.v + g
    return g + (o.momentum or 0.9) * state.v
  end,
  adam = function(g, state, o, write)
    local b1, b2 = o.beta1 or 0.9, o.beta2 or 0.999
    state.m = b1 * state.m + (1 - b1) * g
    state.v = b2 * state.v + (1 - b2) * g * g
    return state.m / (1 - b1 ^ write) / (math.sqrt(state.v / (1 - b2 ^ write))
      + (o.epsilon or 1e-8))
  end,
  sign = sign,
}

-- A function write(theta, g, step) that changes theta as the options say.
function reference.writer(o)
  local state, writes = {}, 0
  for i = 1, #o.theta do
    state[i] = {m = 0, v = 0}
  end
  return function(theta, g, step)
    writes = writes + 1
    local used, norm = {}, 0
    for i = 1, #theta do
      used[i] = limited(g[i], o.clip)
      norm = norm + used[i] ^ 2
    end
    local shrink = o.clip_norm and math.sqrt(norm) > o.clip_norm
      and o.clip_norm / math.sqrt(norm) or 1
    if o.optimizer == "pulses" then
      for i = 1, #theta do
        local hit = math.abs(used[i] * shrink) > (o.threshold or 0)
        theta[i] = theta[i] - (hit and o.pulse * sign(used[i]) or 0)
      end
      return
    end
    local eta = reference.value(o.eta, step)
    for i = 1, #theta do
      local change = STEPS[o.optimizer or "sgd"](used[i] * shrink, state[i], o, writes)
      theta[i] = theta[i] - eta * (change + (o.weight_decay or 0) * theta[i])
    end
  end
end

-- ---- engines ------------------------------------------------------------------------------------

local function copy(values)
  return {table.unpack(values)}
end

local function zeros(p)
  local out = {}
  for i = 1, p do
    out[i] = 0
  end
  return out
end

-- Numbers of the samples of batch number `index`.
local function batch_of(o, index)
  local samples, size = {}, o.batch or 1
  for b = 1, size do
    samples[b] = (index * size + b - 1) % o.n + 1
  end
  return samples
end

-- θ + factor·s
local function moved(theta, factor, s)
  local out = {}
  for i = 1, #theta do
    out[i] = theta[i] + factor * s[i]
  end
  return out
end

-- What is common to the engines: time constants with their defaults.
local function begin(o)
  local copied = {tau_p = 1, tau_theta = 1, tau_x = 1, seed = 1, replica = 1}
  for key, value in pairs(o) do
    copied[key] = value
  end
  return copied, copy(o.theta), zeros(#o.theta)
end

--- The discrete engine.
-- @return θ, the log {{theta =, samples =}, …} of all measurements in their order, and the steps
--   that wrote θ
function reference.discrete(problem)
  local o, theta, g = begin(problem)
  local s, mean_square, amplitude = patterns(o)
  local slots, windows, shows = timer(o.tau_p), timer(o.tau_theta), timer(o.tau_x)
  local write, settle, baseline = reference.writer(o), o.settle or 0, o.baseline or "measured"
  local log, wrote = {}, {}
  local samples, a, c0, wait, counted, stale

  local function measure(at)
    log[#log + 1] = {theta = at, samples = samples}
    return o.cost_at(at, samples)
  end

  for n = 0, o.steps - 1 do
    if shows.begins(n) then
      samples, wait, stale = batch_of(o, shows.index), settle, true
    end
    if slots.begins(n) then
      a = amplitude(n)
    end
    if windows.begins(n) then -- θ was written
      g, counted, wait, stale = zeros(#theta), 0, settle, true
    end
    if wait > 0 then
      wait = wait - 1
    else
      local pattern = s[slots.index + 1]
      if baseline == "measured" and stale then
        c0 = measure(copy(theta))
      end
      stale, counted = false, counted + 1
      local signal = measure(moved(theta, a, pattern))
      if baseline == "measured" then
        signal = signal - c0
      elseif baseline == "two-sided" then
        signal = (signal - measure(moved(theta, -a, pattern))) / 2
      end
      signal = limited(signal, o.clamp)
      for i = 1, #theta do
        local square = a * a * mean_square * (o.convention == "published" and #theta or 1)
        g[i] = g[i] + signal * a * pattern[i] / square
      end
    end
    if n == windows.last then
      for i = 1, #theta do
        g[i] = o.convention == "published" and g[i] or g[i] / math.max(counted, 1)
      end
      write(theta, g, n)
      wrote[#wrote + 1] = n
    end
  end
  return theta, log, wrote, g
end

-- Whether showing batch after batch changes what is shown.
local function jumps(o, n)
  return n == 0 or (o.batch or 1) ~= o.n
end

--- The analog engine with its first-order filters, step dt = 1.
-- @return θ, the log of all measurements, and the signals C̃
function reference.analog(problem)
  local o, theta, g = begin(problem)
  local s, mean_square, amplitude = patterns(o)
  local slots, shows = timer(o.tau_p), timer(o.tau_x)
  local write, alpha = reference.writer(o), o.tau_hp / (o.tau_hp + 1)
  local log, signals, high, before = {}, {}, 0, nil
  local samples, a
  for n = 0, o.steps - 1 do
    local new = shows.begins(n)
    if new then
      samples = batch_of(o, shows.index)
    end
    if slots.begins(n) then
      a = amplitude(n)
    end
    local pattern = s[slots.index + 1]
    local at = moved(theta, a, pattern)
    log[#log + 1] = {theta = at, samples = samples}
    local c = o.cost_at(at, samples)
    if new and jumps(o, n) then
      before = c
    end
    high, before = alpha * (high + c - before), c
    signals[n + 1] = high
    local tau = reference.value(o.tau_theta, n)
    for i = 1, #theta do
      local square = a * a * mean_square * (o.convention == "published" and #theta or 1)
      local e = limited(high, o.clamp) * a * pattern[i] / square
      g[i] = g[i] + (e - g[i]) / (tau + 1)
    end
    write(theta, g, n)
  end
  return theta, log, signals, g
end

--- The continuous equations of the analog engine, pattern and sample held in each step, by the
-- classical Runge-Kutta method of fourth order with `substeps` (20) in a step:
--   C̃ = C(θ + θ̃) − u, du/dt = C̃/τ_hp, dG/dt = (C̃·θ̃/⟨θ̃²⟩ − G)/τ_θ, dθ/dt = −η·G.
-- u is shifted at a change of sample, so that C̃ does not jump.
-- @return θ
function reference.continuous(problem)
  local o, theta = begin(problem)
  local s, mean_square, amplitude = patterns(o)
  local slots, shows = timer(o.tau_p), timer(o.tau_x)
  local p, samples, a, pattern = #theta, nil, nil, nil
  local state = zeros(2 * p + 1) -- θ, G, u
  for i = 1, p do
    state[i] = theta[i]
  end

  local function cost(x)
    local at = {}
    for i = 1, p do
      at[i] = x[i] + a * pattern[i]
    end
    return o.cost_at(at, samples)
  end

  local function slope(x, n)
    local out, signal, eta = {}, cost(x) - x[2 * p + 1], reference.value(o.eta, n)
    for i = 1, p do
      out[i] = -eta * x[p + i]
      out[p + i] = (signal * pattern[i] / (a * mean_square) - x[p + i]) / o.tau_theta
    end
    out[2 * p + 1] = signal / o.tau_hp
    return out
  end

  local function substep(x, h, n)
    local k1 = slope(x, n)
    local k2 = slope(moved(x, h / 2, k1), n)
    local k3 = slope(moved(x, h / 2, k2), n)
    local k4 = slope(moved(x, h, k3), n)
    local out = {}
    for i = 1, #x do
      out[i] = x[i] + h / 6 * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i])
    end
    return out
  end

  local substeps = o.substeps or 20
  for n = 0, o.steps - 1 do
    local new, held = shows.begins(n), n > 0 and cost(state) - state[2 * p + 1] or 0
    if new then
      samples = batch_of(o, shows.index)
    end
    if slots.begins(n) then
      a = amplitude(n)
    end
    pattern = s[slots.index + 1]
    if new and jumps(o, n) then
      state[2 * p + 1] = cost(state) - held
    end
    for _ = 1, substeps do
      state = substep(state, 1 / substeps, n)
    end
  end
  for i = 1, p do
    theta[i] = state[i]
  end
  return theta
end

--- Descent along a given gradient: `o.gradient_at(theta, samples)` → table (P), at every step.
-- @return θ
function reference.descent(problem)
  local o, theta = begin(problem)
  local shows, write, samples = timer(o.tau_x), reference.writer(o), nil
  for n = 0, o.steps - 1 do
    samples = shows.begins(n) and batch_of(o, shows.index) or samples
    write(theta, o.gradient_at(theta, samples), n)
  end
  return theta
end

-- ---- problems -----------------------------------------------------------------------------------

local function tanh(x)
  local e = math.exp(-2 * math.abs(x))
  return (x < 0 and -1 or 1) * (1 - e) / (1 + e)
end

local ACTIVATIONS = {
  identity = function(x) return x end,
  tanh = tanh,
  sigmoid = function(x) return 1 / (1 + math.exp(-x)) end,
}

-- Outputs of a chain of dense layers; θ per layer: weights (out × in), then biases.
local function forward(sizes, activation, output, theta, x)
  local at = 0
  for l = 2, #sizes do
    local ins, outs, y = sizes[l - 1], sizes[l], {}
    local act = ACTIVATIONS[l == #sizes and output or activation]
    for o = 1, outs do
      local sum = theta[at + ins * outs + o]
      for i = 1, ins do
        sum = sum + theta[at + (o - 1) * ins + i] * x[i]
      end
      y[o] = act(sum)
    end
    at, x = at + (ins + 1) * outs, y
  end
  return x
end

--- A dense network in f64 on samples x (N, I), y (N, O), and what the reference needs of it.
-- @return {net =, data =, theta =, n =, cost_at = mean square error, gradient_at =}
function reference.problem(sizes, activation, output, set, seed)
  local spec = copy(sizes)
  spec.activation, spec.dtype = activation, "f64"
  spec.output = output ~= "identity" and output or nil
  local net = mgd.nn.mlp(spec):init{scheme = "normal", std = 0.8, seed = seed}
  local xs, ys = set.x:totable(), set.y:totable()
  local probe = mgd.nn.mlp(spec)
  return {
    net = net, data = set, theta = net:theta():totable(), n = #xs, shuffle = false,
    cost_at = function(theta, samples)
      local sum = 0
      for _, k in ipairs(samples) do
        local y = forward(sizes, activation, output, theta, xs[k])
        for i = 1, #y do
          sum = sum + (y[i] - ys[k][i]) ^ 2 / #y
        end
      end
      return sum / #samples
    end,
    gradient_at = function(theta, samples)
      local x, y = {}, {}
      for i, k in ipairs(samples) do
        x[i], y[i] = xs[k], ys[k]
      end
      probe:set_theta(mgd.tensor(theta))
      return (probe:gradient(mgd.tensor(x), mgd.tensor(y), "mse")):totable()
    end,
  }
end

--- 2-2-1 on XOR, P = 9.
function reference.xor()
  local set = mgd.data.xor{dtype = "f64"}
  return reference.problem({2, 2, 1}, "sigmoid", "sigmoid", {x = set.x, y = set.y}, 5)
end

--- 3-2-2 on five random samples, P = 14.
function reference.small()
  return reference.problem({3, 2, 2}, "tanh", "identity",
    {x = mgd.randn({5, 3}, {seed = 31}), y = mgd.rand({5, 2}, {seed = 32})}, 33)
end

--- A chip in Lua, y = Σ w_i·θ_i + c_i·θ_i², whose cost is its output; w + 2c·θ is the gradient.
function reference.bowl(w, c)
  local function value(theta)
    local sum = 0
    for i = 1, #w do
      sum = sum + w[i] * theta[i] + c[i] * theta[i] ^ 2
    end
    return sum
  end
  return {
    chip = mgd.chip{parameters = #w, evaluate = function(theta, x)
      return mgd.full({x.shape[1], 1}, value(theta:totable()))
    end},
    data = {x = mgd.zeros{1, 1}, y = mgd.zeros{1, 1}}, theta = zeros(#w), n = 1, shuffle = false,
    cost = function(y) return y[1][1] end,
    cost_at = function(theta) return value(theta) end,
  }
end

-- ---- comparing ----------------------------------------------------------------------------------

local OWN = {theta = true, n = true, cost_at = true, gradient_at = true, steps = true,
  substeps = true}

--- A problem with other options.
reference.with = support.options

--- The options among them that mgd.train knows; those that are false in place of a number are left
-- out.
function reference.options(o)
  local out = {}
  for key, value in pairs(o) do
    if not OWN[key] and (value or key == "shuffle") then
      out[key] = value
    end
  end
  return out
end

--- Largest difference of two tables of numbers; infinite where one is NaN.
function reference.distance(a, b)
  local worst = 0
  for i = 1, math.max(#a, #b) do
    local d = math.abs(a[i] - b[i])
    worst = d == d and math.max(worst, d) or math.huge
  end
  return worst
end

--- Trains as `o` says and compares θ with what is expected of it.
-- @tparam table o a problem
-- @tparam table expected θ
-- @tparam number tolerance of the largest difference
-- @tparam number least that θ has to move, so that something is compared
-- @treturn run
function reference.agree(o, expected, tolerance, least)
  local run = mgd.train(reference.options(o))
  run.core:advance(o.steps)
  local error = reference.distance(expected, run:theta():totable())
  assert.is_true(error < tolerance, ("θ differs by %g"):format(error))
  local learned = reference.distance(o.theta, expected)
  assert.is_true(learned > least, ("θ moved by %g"):format(learned))
  return run
end

return reference
