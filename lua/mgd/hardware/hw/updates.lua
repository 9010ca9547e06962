--- Update laws: what devices make of the change of their weight that is asked for.
-- @module mgd.hardware.hw.updates

local options = require "mgd.base.options"

-- What decides whether a device is written, for every law.
local GATE = {
  { "threshold", type = "number", default = 0, min = 0, doc = "Smaller changes are not written." },
  { "interval", type = "number", default = 0, min = 0, unit = "s",
    doc = "Time between two writes of a device, at least." },
  { "accumulate", type = "boolean", default = false,
    doc = "What is not written is kept and added to the next change." },
  { "endurance", type = "number", above = 0, unit = "writes",
    doc = "A device stands still after so many." },
  { "endurance_spread", type = "number", default = 0, min = 0, doc = "d2d, as a fraction." },
}

local function pulses(extra, over)
  local params = {
    { "dw_min", type = "number", default = 0.001, above = 0, shown = true,
      doc = "Step of a pulse, in units of weight." },
    { "dw_min_d2d", type = "number", default = 0.3, min = 0, doc = "d2d, a fraction of it." },
    { "c2c", type = "number", default = 0.3, min = 0,
      doc = "Noise of each pulse, a fraction of its step." },
    { "up_down", type = "number", default = 0, min = -1, max = 1,
      doc = "Steps up are 1 + this, steps down 1 − this." },
    { "up_down_d2d", type = "number", default = 0.01, min = 0, doc = "d2d of it, absolute." },
    { "w_min", type = "number", default = -0.6, doc = "Lower bound." },
    { "w_max", type = "number", default = 0.6, doc = "Upper bound." },
    { "w_min_d2d", type = "number", default = 0.3, min = 0, doc = "d2d, a fraction of |w_min|." },
    { "w_max_d2d", type = "number", default = 0.3, min = 0, doc = "d2d, a fraction of |w_max|." },
    { "max_pulses", type = "integer", default = 31, min = 1, max = 65535,
      doc = "Pulses of one write, at most." },
    { "stochastic", type = "boolean", default = true,
      doc = "A fraction of a pulse becomes one by chance, or else the nearest number." },
  }
  for _, list in ipairs { extra, GATE } do
    for _, entry in ipairs(list) do
      params[#params + 1] = entry
    end
  end
  local kept = {}
  for _, entry in ipairs(params) do
    local own = over and over[entry[1]]
    if own ~= false then
      local copy = {}
      for key, value in pairs(entry) do
        copy[key] = value
      end
      copy.default = own == nil and copy.default or own
      kept[#kept + 1] = copy
    end
  end
  return kept
end

local function check_gate(where, p)
  if p.endurance_spread > 0 and not p.endurance then
    options.fail(where, "option 'endurance_spread' has no effect without 'endurance'")
  end
end

local function check_bounds(where, p)
  check_gate(where, p)
  if p.w_min >= p.w_max then
    options.fail(where, "option 'w_min' must be below 'w_max', got %s and %s", p.w_min, p.w_max)
  end
end

-- The one law of a chip; hw.write beside a law would be a second one.
local function set_law(context, law, p, fields)
  if context.out.update then
    options.fail(context.where, "stage 'update' has two laws, hw.%s and hw.%s: expected one",
      context.out.update_name, context.model.name)
  end
  local update = { law = law, stream = context.stream }
  for key, value in pairs(p) do
    update[key] = value
  end
  for key, value in pairs(fields or {}) do
    update[key] = value
  end
  context.out.update, context.out.update_name = update, context.model.name
end

-- The change by one pulse at weight w; Δ = dw_min and β = up_down with their spreads, c2c·step·ξ on
-- top of each.
local EQUATIONS = {
  constant = "up +Δ(1 + β), down −Δ(1 − β)",
  linear = "up Δ(1 + β)(1 + γ_up·w), down −Δ(1 − β)(1 + γ_down·w)",
  soft_bounds = "up Δ(1 + β)(1 − w/w_max), down −Δ(1 − β)(1 − w/w_min)",
  exponential = "up Δ(1 + β)·max(0, 1 − A_up·e^(γ_up·z)), down −Δ(1 − β)·max(0, 1 −"
    .. " A_down·e^(−γ_down·z)),  z = 2a·w/(w_max − w_min) + b",
  power = "up Δ(1 + β)·((w_max − w)/(w_max − w_min))^γ_up, down −Δ(1 − β)·((w −"
    .. " w_min)/(w_max − w_min))^γ_down",
  ltp_ltd = "w(p) = w_min + (w_max − w_min)·(1 − e^(−ν·p/N))/(1 − e^−ν); a pulse goes from w"
    .. " to the place one further",
}

local function law(name, kind, doc, source, extra, over, check)
  return {
    name = name, law = kind, stages = { "update" }, doc = doc, equation = EQUATIONS[kind],
    source = source, params = pulses(extra, over),
    check = function(where, p)
      check_bounds(where, p)
      if check then
        check(where, p)
      end
    end,
    compile = function(p, _, context)
      set_law(context, kind, p)
    end,
  }
end

-- A measured curve: at least three points, all further in one direction.
local function curve(where, name, list, sign)
  if type(list) ~= "table" or #list < 3 then
    options.fail(where, "option '%s' must be a list of at least 3 weights, got %d", name,
      type(list) == "table" and #list or 0)
  end
  for i, value in ipairs(list) do
    if type(value) ~= "number" or value ~= value or math.abs(value) == math.huge
      or i > 1 and sign * value <= sign * list[i - 1] then
      options.fail(where, "option '%s' must %s: entry %d is %s after %s", name,
        sign > 0 and "rise" or "fall", i, tostring(value), tostring(list[i - 1]))
    end
  end
end

return function(register)
  local WRITE = {
    { "resolution", type = "number", default = 0, min = 0,
      doc = "Changes are multiples of this; 0: any." },
    { "stochastic", type = "boolean", default = false, doc = "Round to them at random." },
    { "noise", type = "number", default = 0, min = 0,
      doc = "σ of each write, absolute, independent for each parameter." },
    { "proportional", type = "number", default = 0, min = 0,
      doc = "σ as a fraction of the change." },
  }
  for _, entry in ipairs(GATE) do
    WRITE[#WRITE + 1] = entry
  end
  register {
    name = "write", stages = { "update" },
    doc = "Weights that take the change itself: with noise, resolution, threshold, interval, "
      .. "endurance.",
    equation = "w → w + q(Δ) + √(noise² + (proportional·Δ)²)·ξ,  q rounds to multiples of"
      .. " resolution; written where |Δ| ≥ threshold, interval has passed and endurance"
      .. " is left",
    source = "McCaughan et al. 2023 (σ_θ, but drawn for each parameter)",
    params = WRITE,
    check = function(where, p)
      check_gate(where, p)
      if p.stochastic and p.resolution == 0 then
        options.fail(where, "option 'stochastic' has no effect without 'resolution'")
      end
    end,
    compile = function(p, _, context)
      local figures = p.resolution + p.noise + p.proportional + p.threshold + p.interval
      if figures > 0 or p.endurance or p.accumulate then
        set_law(context, "ideal", p, { sigma = p.noise })
      end
    end,
  }

  register(law("constant_step", "constant", "Pulses of a constant step between bounds.",
    "aihwkit 1.x", {}))
  register(law("linear_step", "linear", "A step that follows the weight: Δ·(1 + γ·w).",
    "aihwkit 1.x", {
      { "gamma_up", type = "number", default = 0, doc = "γ of steps up, per unit of weight." },
      { "gamma_down", type = "number", default = 0, doc = "γ of steps down." },
      { "gamma_d2d", type = "number", default = 0.05, min = 0, doc = "d2d of both, absolute." },
    }))
  register(law("soft_bounds", "soft_bounds",
    "Steps that shrink towards the bounds: up Δ·(1 − w/w_max), down Δ·(1 − w/w_min).",
    "Fusi and Abbott 2007; aihwkit 1.x", {}, nil, function(where, p)
      if p.w_min >= 0 or p.w_max <= 0 then
        options.fail(where, "bounds must lie on both sides of 0, got %s and %s", p.w_min, p.w_max)
      end
    end))
  register(law("exponential_step", "exponential",
    "Up Δ·(1 − A·e^(γ·z)), down Δ·(1 − A·e^(−γ·z)), z = 2a·w/(w_max − w_min) + b.",
    "aihwkit 1.x (Gong et al. 2018)", {
      { "amplitude_up", type = "number", default = 0.00081, doc = "A of steps up." },
      { "amplitude_down", type = "number", default = 0.36833, doc = "A of steps down." },
      { "gamma_up", type = "number", default = 12.44625, doc = "γ of steps up." },
      { "gamma_down", type = "number", default = 12.78785, doc = "γ of steps down." },
      { "a", type = "number", default = 0.244, doc = "a." },
      { "b", type = "number", default = 0.2425, doc = "b." },
      { "gamma_d2d", type = "number", default = 0, min = 0, doc = "d2d of both γ, absolute." },
    }))
  register(law("power_step", "power",
    "Up Δ·((w_max − w)/(w_max − w_min))^γ, down Δ·((w − w_min)/(w_max − w_min))^γ.",
    "aihwkit 1.x", {
      { "gamma_up", type = "number", default = 1, doc = "γ of steps up." },
      { "gamma_down", type = "number", default = 1, doc = "γ of steps down." },
      { "gamma_d2d", type = "number", default = 0.1, min = 0, doc = "d2d of both, absolute." },
    }))
  register(law("ltp_ltd", "ltp_ltd",
    "Curves of potentiation and depression: after p of N pulses w = w_min + (w_max − w_min)·"
      .. "(1 − e^(−ν·p/N))/(1 − e^−ν), mirrored for depression.",
    "DNN+NeuroSim 2.1 (A = N/ν; nonlinearities 1.75 and 1.46, 32 levels)", {
      { "levels", type = "integer", default = 32, min = 2, shown = true, doc = "N." },
      { "nonlinearity_up", type = "number", default = 1.75, above = 0, doc = "ν of potentiation." },
      { "nonlinearity_down", type = "number", default = 1.46, above = 0, doc = "ν of depression." },
    }, { dw_min = false, dw_min_d2d = false, up_down = false, up_down_d2d = false, w_min_d2d = 0,
      w_max_d2d = 0, c2c = 0.1 }))
  register {
    name = "pulse_table", law = "table", stages = { "update" },
    doc = "A measured curve in each direction: a pulse finds its place by straight lines and goes "
      .. "one further.",
    equation = "w → c(c⁻¹(w) + 1), c the measured curve of the direction",
    source = "measurements; see hw.fit_update",
    params = pulses({
      { "up", type = { "list", "tensor" }, required = true,
        doc = "Weights after pulse 0, 1, 2, …, rising." },
      { "down", type = { "list", "tensor" }, required = true, doc = "The same, falling." },
    }, { dw_min = false, dw_min_d2d = false, up_down = false, up_down_d2d = false, w_min = false,
      w_max = false, w_min_d2d = false, w_max_d2d = false }),
    check = function(where, p)
      check_gate(where, p)
      curve(where, "up", p.up, 1)
      curve(where, "down", p.down, -1)
    end,
    compile = function(p, _, context)
      set_law(context, "table", p, {
        w_min = math.min(p.up[1], p.down[#p.down]), w_max = math.max(p.up[#p.up], p.down[1]),
      })
    end,
  }
end
