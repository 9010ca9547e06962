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

-- Of laws by pulses: what a device's steps are, …
local STEPS = {
  { "dw_min", type = "number", default = 0.001, above = 0, shown = true,
    doc = "Δ, the step of a pulse, in units of weight." },
  { "dw_min_d2d", type = "number", default = 0.3, min = 0, doc = "d2d, a fraction of it." },
  { "dw_min_shape", type = "string", default = "normal", choices = { "normal", "lognormal" },
    doc = "Of its d2d: Δ·(1 + dw_min_d2d·z), or Δ·e^(dw_min_d2d·z)." },
  { "c2c", type = "number", default = 0.3, min = 0, doc = "Noise of each pulse, a fraction." },
  { "c2c_of", type = "string", default = "step", choices = { "step", "full step" },
    doc = "Of the step at that weight, or of the step where nothing limits it, Δ·(1 ± β)." },
  { "up_down", type = "number", default = 0, min = -1, max = 1,
    doc = "β: steps up are 1 + β, steps down 1 − β." },
  { "up_down_d2d", type = "number", default = 0.01, min = 0, doc = "d2d of it, absolute." },
  { "imbalance", type = "string", default = "symmetric", choices = { "symmetric", "one-sided" },
    doc = "What β does: one-sided, the weaker direction alone is weaker, up 1 + min(β, 0), down 1 "
      .. "− max(β, 0), and its d2d is added: |… ± up_down_d2d·z|·Δ." },
}

-- … where they end, …
local BOUNDS = {
  { "w_min", type = "number", default = -0.6, doc = "Lower bound." },
  { "w_max", type = "number", default = 0.6, doc = "Upper bound." },
  { "w_min_d2d", type = "number", default = 0.3, min = 0, doc = "d2d, a fraction of |w_min|." },
  { "w_max_d2d", type = "number", default = 0.3, min = 0, doc = "d2d, a fraction of |w_max|." },
  { "fold", type = "boolean", default = false,
    doc = "Steps, bounds and γ that their d2d would turn round keep sign and size, |…|. Else steps "
      .. "are 0, bounds a twentieth of the mean, and γ turns round." },
}

-- … and how they make a weight.
local CELL = {
  { "write_noise", type = "number", default = 0, min = 0,
    doc = "σ of what is read, absolute, drawn at each write: what is stored does not have it." },
  { "cell", type = "string", default = "single", choices = { "single", "pair" },
    doc = "One device, or the difference of two that pulses raise alone, from 0 (w_min) on." },
  { "reference", type = "number", default = 0, only = { "cell", "single" },
    doc = "r: a weight is that of the device, on which the law acts, less r." },
  { "reference_d2d", type = "number", default = 0, min = 0, only = { "cell", "single" },
    doc = "d2d of r, absolute." },
  { "refresh_upper", type = "number", default = 0.75, min = 0, only = { "cell", "pair" },
    doc = "Both devices are set back where one exceeds this part of w_max …" },
  { "refresh_lower", type = "number", default = 0.25, min = 0, only = { "cell", "pair" },
    doc = "… and the other this, and their difference is written anew by pulses." },
  { "reset", type = "number", default = 0, only = { "cell", "pair" },
    doc = "Weight of a device that was set back." },
  { "reset_d2d", type = "number", default = 0, min = 0, only = { "cell", "pair" },
    doc = "d2d of it, absolute." },
  { "reset_noise", type = "number", default = 0, min = 0, only = { "cell", "pair" },
    doc = "σ of it, drawn anew each time." },
  { "nominal", type = "number", above = 0,
    doc = "Step of a pulse that the controller reckons with, where it is not Δ." },
  { "max_pulses", type = "integer", default = 31, min = 1, max = 65535,
    doc = "Pulses of one write, at most." },
  { "stochastic", type = "boolean", default = true,
    doc = "A fraction of a pulse becomes one by chance, or else the nearest number." },
}

local SYMMETRY = { "subtract_symmetry", type = "boolean", default = false,
  only = { "cell", "single" },
  doc = "Adds to r the device's symmetry point, where steps up and down are equal." }

-- The schema of a law: what all have, less what `over` says is false, with its other defaults.
local function pulses(extra, over)
  local params = {}
  for _, list in ipairs { STEPS, BOUNDS, CELL, extra, GATE } do
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
      if own ~= nil then
        copy.default = own
      end
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
  if p.cell == "pair" and p.w_min ~= 0 then
    options.fail(where, "option 'w_min' must be 0 with cell = 'pair', whose devices pulses raise "
      .. "alone; got %s", p.w_min)
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
  update.one_sided = p.imbalance == "one-sided"
  update.dw_min_lognormal = p.dw_min_shape == "lognormal"
  update.c2c_of_full = p.c2c_of == "full step"
  update.pair = p.cell == "pair"
  update.gamma_up_d2d = p.gamma_d2d
  update.gamma_down_d2d = p.gamma_down_d2d or p.gamma_d2d
  for key, value in pairs(fields or {}) do
    update[key] = value
  end
  context.out.update, context.out.update_name = update, context.model.name
end

-- Figures that lie beyond what the law is for: one that says what it is of a device's own model,
-- then those of all.
local function warn_of(p, context, own)
  if context.model.departs then
    context.warn("%s: not of its source any more", context.model.departs)
  end
  if own then
    own(p, context.warn)
  end
  local range = p.w_max - p.w_min
  if p.dw_min and p.dw_min > range then
    context.warn("dw_min = %g is more than the whole range, %g: it should be a small part of it",
      p.dw_min, range)
  elseif p.dw_min and p.c2c * p.dw_min > range / 4 then
    context.warn("the noise of a pulse, c2c·dw_min = %g, is more than a quarter of the range, %g: "
      .. "bounds cut it off behind the last of several alone", p.c2c * p.dw_min, range)
  end
end

-- A law by pulses: name, law (of the core), doc, equation, source, validity, and what its schema
-- has beside and instead of that of all; check(where, p), warn(p, warn), version.
local function law(t)
  return {
    name = t.name, law = t.law, stages = { "update" }, doc = t.doc, equation = t.equation,
    source = t.source, params = pulses(t.params or {}, t.over), version = t.version,
    validity = t.validity,
    check = function(where, p)
      check_bounds(where, p)
      if t.check then
        t.check(where, p)
      end
    end,
    compile = function(p, _, context)
      warn_of(p, context, t.warn)
      set_law(context, t.law, p)
    end,
  }
end

-- Both ends of the range in the direction of a pulse.
local function each_end(p, visit)
  for _, name in ipairs { "up", "down" } do
    for _, bound in ipairs { "w_min", "w_max" } do
      visit(name, p[bound], bound)
    end
  end
end

local function gammas(up, down, d2d, unit)
  return { "gamma_up", type = "number", default = up, doc = "γ of steps up" .. unit },
    { "gamma_down", type = "number", default = down, doc = "γ of steps down." },
    { "gamma_d2d", type = "number", default = d2d, min = 0, doc = "d2d of both, absolute." },
    { "gamma_down_d2d", type = "number", min = 0,
      doc = "d2d of γ of steps down, where it is another." }
end

local AIHWKIT = "IBM/aihwkit 4545f11, src/rpucuda/"

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

  register(law {
    name = "constant_step", law = "constant", doc = "Pulses of a constant step between bounds.",
    equation = "up +Δ(1 + β), down −Δ(1 − β)",
    source = AIHWKIT .. "rpu_constantstep_device.cpp (Gokmen and Vlasov, Front. Neurosci. 10, 333, "
      .. "2016)",
    validity = "for steps well below the range, Δ ≪ w_max − w_min",
  })
  local linear = { gammas(0, 0, 0.05, ", per unit of weight.") }
  linear[#linear + 1] = SYMMETRY
  register(law {
    name = "linear_step", law = "linear", version = 2, params = linear,
    doc = "A step that follows the weight: Δ·(1 + γ·w).",
    equation = "up Δ(1 + β)·max(0, 1 + γ_up·w), down −Δ(1 − β)·max(0, 1 + γ_down·w)",
    source = AIHWKIT .. "rpu_linearstep_device.cpp (Rasch et al., AICAS 2021), where γ is the part "
      .. "lost at the bound: γ_up here is −gamma_up/w_max there, γ_down −gamma_down/w_min",
    validity = "for 1 + γ·w > 0 between the bounds: beyond, the step is 0",
    warn = function(p, warn)
      each_end(p, function(name, w, bound)
        local gamma = p["gamma_" .. name]
        if 1 + gamma * w < 0 then
          warn("steps %s end at w = %g, before %s = %g: 1 + gamma_%s·w should be positive between "
            .. "the bounds", name, -1 / gamma, bound, w, name)
        end
      end)
    end,
  })
  register(law {
    name = "soft_bounds", law = "soft_bounds", version = 2, params = { SYMMETRY },
    doc = "Steps that shrink towards the bounds: up Δ·(1 − w/w_max), down Δ·(1 − w/w_min).",
    equation = "up Δ(1 + β)(1 − w/w_max), down −Δ(1 − β)(1 − w/w_min)",
    source = "Fusi and Abbott, Nat. Neurosci. 10, 485 (2007); " .. AIHWKIT
      .. "rpu_softbounds_reference_device.cpp",
    validity = "for w_min < 0 < w_max and Δ < |w_min|, Δ < w_max: a larger step reaches the bound "
      .. "at once",
    check = function(where, p)
      if p.w_min >= 0 or p.w_max <= 0 then
        options.fail(where, "bounds must lie on both sides of 0, got %s and %s", p.w_min, p.w_max)
      end
    end,
    warn = function(p, warn)
      local bound = math.min(p.w_max, -p.w_min)
      if p.dw_min >= bound then
        warn("dw_min = %g reaches the bound at %g with one pulse: it should be less", p.dw_min,
          bound)
      end
    end,
  })
  local exponential = { gammas(12.44625, 12.78785, 0, ".") }
  for i, entry in ipairs {
    { "amplitude_up", type = "number", default = 0.00081, doc = "A of steps up." },
    { "amplitude_down", type = "number", default = 0.36833, doc = "A of steps down." },
    { "a", type = "number", default = 0.244, doc = "a." },
    { "b", type = "number", default = 0.2425, doc = "b." },
    { "c2c_add", type = "number", default = 0, min = 0,
      doc = "σ of a pulse is c2c·(|step| + c2c_add + c2c_slope·|w|)." },
    { "c2c_slope", type = "number", default = 0, min = 0, doc = "See c2c_add." } } do
    table.insert(exponential, i, entry)
  end
  register(law {
    name = "exponential_step", law = "exponential", version = 2, params = exponential,
    doc = "Up Δ·(1 − A·e^(γ·z)), down Δ·(1 − A·e^(−γ·z)), z = 2a·w/(w_max − w_min) + b.",
    equation = "up Δ(1 + β)·max(0, 1 − A_up·e^(γ_up·z)), down −Δ(1 − β)·max(0, 1 −"
      .. " A_down·e^(−γ_down·z)),  z = 2a·w/(w_max − w_min) + b",
    source = AIHWKIT .. "rpu_expstep_device.cpp (Gong et al., Nat. Commun. 9, 2102, 2018)",
    validity = "where A·e^(±γ·z) < 1 somewhere between the bounds, in both directions: else no "
      .. "pulse moves the weight. A may be negative, and steps are more than Δ then",
    warn = function(p, warn)
      local most = {}
      each_end(p, function(name, w)
        local z = 2 * p.a * w / (p.w_max - p.w_min) + p.b
        local e = math.exp((name == "up" and p.gamma_up or -p.gamma_down) * z)
        most[name] = math.max(most[name] or 0, 1 - p["amplitude_" .. name] * e)
      end)
      for _, name in ipairs { "up", "down" } do
        if most[name] == 0 then
          warn("steps %s are 0 wherever the weight is between its bounds: 1 − amplitude_%s·e^(…) "
            .. "should be positive somewhere", name, name)
        end
      end
    end,
  })
  register(law {
    name = "power_step", law = "power", version = 2, params = { gammas(1, 1, 0.1, ".") },
    doc = "Up Δ·((w_max − w)/(w_max − w_min))^γ, down Δ·((w − w_min)/(w_max − w_min))^γ.",
    equation = "up Δ(1 + β)·((w_max − w)/(w_max − w_min))^γ_up, down −Δ(1 − β)·((w −"
      .. " w_min)/(w_max − w_min))^γ_down",
    source = AIHWKIT .. "rpu_powstep_device.cpp",
    validity = "for γ ≥ 0: a negative one has steps without end near the bound",
    warn = function(p, warn)
      for _, name in ipairs { "gamma_up", "gamma_down" } do
        if p[name] < 0 then
          warn("%s = %g: steps grow without end towards the bound; it should be from 0 on", name,
            p[name])
        end
      end
    end,
  })
  register(law {
    name = "ltp_ltd", law = "ltp_ltd", version = 2,
    doc = "Curves of potentiation and depression: after p of N pulses w = w_min + (w_max − w_min)·"
      .. "(1 − e^(−ν·p/N))/(1 − e^−ν), mirrored for depression.",
    equation = "w(p) = w_min + (w_max − w_min)·(1 − e^(−ν·p/N))/(1 − e^−ν); a pulse goes from w"
      .. " to the place one further",
    source = "DNN+NeuroSim 2.1 (A = N/ν; nonlinearities 1.75 and 1.46, 32 levels)",
    validity = "for ν > 0",
    params = {
      { "levels", type = "integer", default = 32, min = 2, shown = true, doc = "N." },
      { "nonlinearity_up", type = "number", default = 1.75, above = 0, doc = "ν of potentiation." },
      { "nonlinearity_down", type = "number", default = 1.46, above = 0, doc = "ν of depression." },
    },
    over = { dw_min = false, dw_min_d2d = false, dw_min_shape = false, up_down = false,
      up_down_d2d = false, imbalance = false, c2c_of = false, w_min_d2d = 0, w_max_d2d = 0,
      c2c = 0.1 },
  })
  register {
    name = "pulse_table", law = "table", stages = { "update" }, version = 2,
    doc = "A measured curve in each direction: a pulse finds its place by straight lines and goes "
      .. "one further.",
    equation = "w → c(c⁻¹(w) + 1), c the measured curve of the direction",
    source = "measurements; see hw.fit_update",
    validity = "between the ends of both curves: beyond them a pulse changes nothing",
    params = pulses({
      { "up", type = { "list", "tensor" }, required = true,
        doc = "Weights after pulse 0, 1, 2, …, rising." },
      { "down", type = { "list", "tensor" }, required = true, doc = "The same, falling." },
    }, { dw_min = false, dw_min_d2d = false, dw_min_shape = false, up_down = false,
      up_down_d2d = false, imbalance = false, c2c_of = false, w_min = false, w_max = false,
      w_min_d2d = false, w_max_d2d = false, fold = false }),
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
