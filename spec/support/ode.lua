-- The equations of the analog engine in continuous time, solved in plain Lua, and runs of them.

local assert = require "luassert"
local mgd = require "mgd"
local distance = require("spec.support.reference").distance
local options = require("spec.support.train").options

local function value(schedule, n)
  return type(schedule) == "function" and schedule(n) or schedule
end

-- θ after o.steps steps, by the classical method of fourth order with o.substeps in a step. `o`
-- holds options of mgd.train, samples in their own order, and theta, n (samples) and
-- cost_at(θ, {numbers of samples}).
local function continuous(o)
  local p, batch = #o.theta, o.batch or 1
  local code = o.perturbation.code
  local spread = o.perturbation.amplitude_spread
  local s = mgd.codes.pattern({code = code, amplitude_spread = spread}, {parameters = p,
    slots = o.steps, seed = o.seed, replica = o.replica}):totable()
  local square = ({sequential = 1 / p, sine = 0.5})[code] or 1
  if o.convention == "published" then
    square = square * p
  end
  local y, shown, held = {[2 * p + 1] = 0}, nil, 0 -- θ, G, u
  for i = 1, p do
    y[i], y[p + i] = o.theta[i], 0
  end
  for n = 0, o.steps - 1 do
    local a, tau_theta, eta = o.perturbation.amplitude, value(o.tau_theta, n), value(o.eta, n)
    local pattern = s[math.floor(n / o.tau_p) + 1]

    local function signal(x)
      local at = {}
      for i = 1, p do
        at[i] = x[i] + a * pattern[i]
      end
      return o.cost_at(at, shown) - x[2 * p + 1]
    end

    local function moved(h, k)
      local out = {}
      for i = 1, #y do
        out[i] = y[i] + h * k[i]
      end
      return out
    end

    local function slope(x)
      local tilde, out = signal(x), {}
      local e = math.max(-(o.clamp or 1e9), math.min(o.clamp or 1e9, tilde)) / (a * square)
      for i = 1, p do
        out[i] = -eta * (x[p + i] + (o.weight_decay or 0) * x[i])
        local own = spread and 1 / pattern[i] or pattern[i]
        out[p + i] = (e * own - x[p + i]) / tau_theta
      end
      out[2 * p + 1] = tilde / o.tau_hp
      return out
    end

    if n == 0 or n % o.tau_x == 0 and batch ~= o.n then
      shown = {}
      for b = 1, batch do
        shown[b] = (math.floor(n / o.tau_x) * batch + b - 1) % o.n + 1
      end
      y[2 * p + 1] = 0
      y[2 * p + 1] = signal(y) - held
    end
    local h = 1 / (o.substeps or 20)
    for _ = 1, o.substeps or 20 do
      local k1 = slope(y)
      local k2 = slope(moved(h / 2, k1))
      local k3 = slope(moved(h / 2, k2))
      local k4 = slope(moved(h, k3))
      for i = 1, #y do
        y[i] = y[i] + h / 6 * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i])
      end
    end
    held = signal(y)
  end
  return {table.unpack(y, 1, p)}, held
end

local function sigmoid(x)
  return 1 / (1 + math.exp(-x))
end

-- XOR on a 2-2-1 network of sigmoids, P = 9.
local xor = mgd.data.xor{dtype = "f64"}
local net = mgd.nn.mlp{2, 2, 1, activation = "sigmoid", output = "sigmoid", dtype = "f64"}
  :init{scheme = "normal", std = 1, seed = 3}
local xs, ys = xor.x:totable(), xor.y:totable()

local XOR = {net = net, data = xor, theta = net:theta():totable(), n = #xs, shuffle = false,
  engine = "analog", perturbation = {code = "walsh", amplitude = 0.1}, tau_hp = 6, tau_theta = 4,
  tau_x = 5, tau_p = 2, eta = 0.1, steps = 24, seed = 3,
  cost_at = function(t, samples)
    local sum = 0
    for _, k in ipairs(samples) do
      local x = xs[k]
      local h1 = sigmoid(t[1] * x[1] + t[2] * x[2] + t[5])
      local h2 = sigmoid(t[3] * x[1] + t[4] * x[2] + t[6])
      sum = sum + (sigmoid(t[7] * h1 + t[8] * h2 + t[9]) - ys[k][1]) ^ 2
    end
    return sum / #samples
  end}

local KNOWN = {theta = true, n = true, steps = true, cost_at = true, substeps = true}

-- A run of such a problem.
local function train(o)
  local opts = {}
  for name, option in pairs(o) do
    if not KNOWN[name] then
      opts[name] = option
    end
  end
  return mgd.train(opts)
end

local function agree(problem, changes, tolerance)
  local o = options(problem, changes)
  local expected, signal = continuous(o)
  local run = train(o)
  local history = run:run{steps = o.steps, probes = {"C_tilde"}}
  local error = distance(expected, run:theta():totable())
  assert.is_true(error < (tolerance or 1e-7), ("%s: θ differs by %g"):format(o.integrator, error))
  assert.is_true(math.abs(history.C_tilde[2] - signal) < (tolerance or 1e-7))
  assert.is_true(distance(o.theta, expected) > 1e-3, "θ hardly moved")
  return run
end

return { XOR = XOR, agree = agree, continuous = continuous, train = train }
