-- Draws docs/physics/img/NAME.svg for every model of mgd.hw:
--
--   build/mgd-lua docs/physics/figures.lua [name …]
--
-- Four kinds of figure: what a model makes of values (of five devices, or of many draws), how a
-- path answers a step, what time does to stored weights, and how pulses move a weight up and down.

local mgd = require "mgd"
local hw = mgd.hw

local FOLDER = arg[0]:gsub("[^/]*$", "") .. "img/"

-- ---- curves: lists of {title, points = {{x, y}, …}, style} --------------------------------------

-- Values through five devices (columns of one replica each), noise left in.
local function transfer(model, opts)
  local low, high = opts.low or -1.5, opts.high or 1.5
  local curves = {}
  for r = 1, opts.devices or 5 do
    local points = {}
    local x = mgd.linspace(low, high, opts.points or 121)
    local n = x.size
    local values = mgd.from({ n, 1 }, function(i)
      return x[i]
    end)
    local y = model:apply(values, { replica = r, stage = opts.stage, held = opts.held })
    for i = 1, n do
      points[i] = { x[i], y[{ i, 1 }] }
    end
    curves[r] = { title = "device " .. r, points = points, style = opts.style or "line" }
  end
  return curves
end

-- Forty devices on one line at once: for models that act between neighbours or by place.
local function along(model, opts)
  local n = 40
  local values = mgd.from({ n }, opts.value)
  local y = model:apply(values, { stage = opts.stage })
  local before, after = {}, {}
  for i = 1, n do
    before[i], after[i] = { i, values[i] }, { i, y[i] }
  end
  return { { title = "ideal", points = before, style = "both" },
    { title = "with the model", points = after, style = "both" } }
end

local function steps(models, opts)
  local curves = {}
  for k, entry in ipairs(models) do
    local points, rows = {}, opts.rows or 250
    local signal = mgd.from({ rows, 1 }, function(i)
      return opts.pulse and i > rows / 2 and 0 or 1
    end)
    local y = entry[2]:apply(signal, { dt = opts.dt or 0.03 })
    for i = 1, rows do
      points[i] = { i * (opts.dt or 0.03), y[{ i, 1 }] }
    end
    curves[k] = { title = entry[1], points = points, style = "line" }
  end
  return curves
end

local function held(model, opts)
  local curves = {}
  for k, w in ipairs(opts.weights) do
    local points = {}
    for i = 0, 60 do
      local t = opts.from * (opts.to / opts.from) ^ (i / 60)
      local y = model:apply(mgd.full({ 200 }, w), { held = t, stage = "weights" })
      points[#points + 1] = { t, y:mean(), y:std() }
    end
    curves[k] = { title = ("w = %g"):format(w), points = points, style = "line" }
  end
  return curves
end

local function pulses(model)
  local curves = {}
  local range = model.params.w_max and model.params.w_max - model.params.w_min or 1
  local start = model.params.w_min or model.params.up and model.params.up[1] or 0
  local nominal = model.params.dw_min or range / ((model.params.levels or 9) - 1)
  local up = math.floor(2 * range / nominal)
  for r = 1, 5 do
    local changes = mgd.from({ 2 * up, 1 }, function(i)
      return i <= up and nominal or -nominal
    end)
    local w = model:write(mgd.full({ 1 }, start), changes, { replica = r })
    local points = { { 0, start } }
    for i = 1, 2 * up do
      points[i + 1] = { i, w[{ i, 1 }] }
    end
    curves[r] = { title = "device " .. r, points = points, style = "line" }
  end
  return curves
end

-- ---- recipes ------------------------------------------------------------------------------------

local VALUE = { x = "value", y = "result" }
local WEIGHT = { x = "stored weight w", y = "weight as read" }
local TIME = { x = "time (s)", y = "result" }
local PULSES = { x = "pulses: up, then down", y = "weight w" }
local SINCE = { x = "time since the write (s)", y = "weight, mean and spread", log = true }

local function values(model, opts)
  return function()
    return transfer(model, opts or {})
  end
end

local function law(name, extra)
  return { PULSES, function()
    local p = { w_min = -1, w_max = 1, dw_min = 0.02 }
    for key, value in pairs(extra or {}) do
      p[key] = value
    end
    return pulses(hw[name](p))
  end }
end

local RECIPES = {
  dac = { VALUE, values(hw.dac { bits = 3, asymmetry = 0.1, noise = 0.01 }) },
  adc = { VALUE, values(hw.adc { bits = 4, bound = 1, gain_spread = 0.1, offset_spread = 0.1,
    s_shape = 0.3 }) },
  noise = { VALUE, values(hw.noise { sigma = 0.1, law = "proportional" },
    { devices = 1, style = "points", points = 300 }) },
  flicker = { { x = "time (s)", y = "noise" }, function()
    return steps({ { "σ = 1, 0.02 … 5 Hz", hw.flicker { sigma = 1, f_low = 0.02, f_high = 5 } } },
      { rows = 600, dt = 0.05 })
  end },
  gain = { VALUE, values(hw.gain { spread = 0.1, offset_spread = 0.1 }) },
  clamp = { VALUE, values(hw.clamp { low = -1, high = 0.7 }, { devices = 1 }) },
  saturation = { VALUE, values(hw.saturation { limit = 1 }, { devices = 1, low = -3, high = 3 }) },
  s_shape = { VALUE, values(hw.s_shape { strength = 0.5 }, { devices = 1, low = -3, high = 3 }) },
  path = { TIME, function()
    return steps({
      { "lowpass τ = 1 s", hw.path { lowpass = 1 } },
      { "lowpass of 3 poles", hw.path { lowpass = { tau = 1 / 3, poles = 3 } } },
      { "highpass τ = 1 s", hw.path { highpass = 1 } },
      { "ringing 1 Hz, ζ = 0.2", hw.path { ringing = { frequency = 1, damping = 0.2 } } },
      { "delay 1 s, slew 1/s", hw.path { delay = 1, slew = 1 } },
    }, { pulse = true })
  end },
  neuron_spread = { { x = "what enters, x", y = "what leaves, f the identity" },
    values(hw.neuron_spread { sigma = 0.2 }, { stage = "neurons" }) },
  dead = { { x = "neuron", y = "output" }, function()
    return along(hw.dead { fraction = 0.2 }, { stage = "neurons", value = function(i)
      return 0.5 + 0.4 * math.sin(i / 4)
    end })
  end },
  amplitude = { { x = "perturbation", y = "as it arrives" },
    values(hw.amplitude { spread = 0.1, mismatch = 0.3 }) },
  missing = { { x = "parameter", y = "perturbation" }, function()
    return along(hw.missing { fraction = 0.2 }, { value = function(i)
      return i % 3 == 0 and 1 or -1
    end })
  end },
  crosstalk = { { x = "device on the line", y = "value" }, function()
    return along(hw.crosstalk { k = 0.2 }, { value = function(i)
      return i % 10 == 5 and 1 or 0
    end })
  end },
  levels = { WEIGHT, values(hw.levels { bits = 4 }, { devices = 1 }) },
  conductance = { WEIGHT, values(hw.conductance { levels = 5 }, { devices = 1 }) },
  read_noise = { WEIGHT, values(hw.read_noise { law = "sonos" },
    { devices = 1, style = "points", points = 300, low = -1, high = 1 }) },
  programming_noise = { { x = "weight asked for", y = "weight written" },
    values(hw.programming_noise { law = "pcm" },
      { devices = 1, style = "points", points = 300, low = -1, high = 1 }) },
  drift = { SINCE, function()
    return held(hw.drift { law = "pcm" }, { weights = { 0.8, 0.2, -0.5 }, from = 1, to = 1e7 })
  end },
  leak = { SINCE, function()
    return held(hw.leak { tau = 10, spread = 0.2, reset = 0.1 },
      { weights = { 0.8, 0.2, -0.5 }, from = 0.1, to = 100 })
  end },
  diffusion = { SINCE, function()
    return held(hw.diffusion { sigma = 0.02 },
      { weights = { 0.8, 0.2, -0.5 }, from = 0.1, to = 100 })
  end },
  stuck = { { x = "device", y = "weight" }, function()
    return along(hw.stuck { low = 0.1, high = 0.1, random = 0.1 }, { value = function(i)
      return 0.5 * math.sin(i / 4)
    end })
  end },
  ir_drop = { { x = "input along the wire of one output", y = "weight" }, function()
    return along(hw.ir_drop { ratio = 5e-4 }, { value = function()
      return 0.8
    end })
  end },
  write = { { x = "write", y = "weight" }, function()
    local curves = {}
    for r = 1, 3 do
      local w = hw.write { noise = 0.02, threshold = 0.001 }:write(mgd.zeros { 1 },
        mgd.full({ 100, 1 }, 0.01), { replica = r })
      local points = {}
      for i = 1, 100 do
        points[i] = { i, w[{ i, 1 }] }
      end
      curves[r] = { title = "device " .. r, points = points, style = "line" }
    end
    return curves
  end },
  constant_step = law "constant_step",
  linear_step = law("linear_step", { gamma_up = -0.5, gamma_down = 0.5 }),
  soft_bounds = law "soft_bounds",
  exponential_step = law "exponential_step",
  power_step = law("power_step", { gamma_up = 2, gamma_down = 2 }),
  ltp_ltd = { PULSES, function()
    return pulses(hw.ltp_ltd { w_min = 0, w_max = 1, c2c = 0.2 })
  end },
  pulse_table = { PULSES, function()
    return pulses(hw.pulse_table {
      up = { -1, -0.3, 0.2, 0.5, 0.7, 0.8 }, down = { 0.8, 0.1, -0.4, -0.7, -0.9, -1 },
    })
  end },
}

-- ---- drawing ------------------------------------------------------------------------------------

-- Points {x, y} or {x, y, spread} as a series.
local function series_of(curve)
  local s = { label = curve.title, style = curve.style, x = {}, y = {} }
  for i, point in ipairs(curve.points) do
    s.x[i], s.y[i] = point[1], point[2]
    if point[3] then
      s.low, s.high = s.low or {}, s.high or {}
      s.low[i], s.high[i] = point[2] - point[3], point[2] + point[3]
    end
  end
  return s
end

local function draw(name, axes, curves)
  local panel = { x = { label = axes.x, log = axes.log }, y = axes.y, width = 640, height = 360 }
  for k, curve in ipairs(curves) do
    panel[k] = series_of(curve)
  end
  mgd.plot(panel):save(FOLDER .. name .. ".svg")
end

for _, model in ipairs(hw.models()) do
  local recipe = RECIPES[model.name]
  local wanted = #arg == 0
  for _, name in ipairs(arg) do
    wanted = wanted or name == model.name
  end
  if recipe and wanted then
    draw(model.name, recipe[1], recipe[2]())
  elseif not recipe then
    io.stderr:write("no figure of hw." .. model.name .. "\n")
  end
end
