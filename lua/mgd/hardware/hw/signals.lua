--- Models of signals: converters, noise, gains and bounds, paths, neurons, perturbations.
-- @module mgd.hardware.hw.signals

local options = require "mgd.base.options"

local SIGNALS = { "input", "output", "cost", "perturbation", "weights", "neurons", "update" }
local MAX_BITS = 24

local function low_below_high(where, p, low, high)
  low, high = low or "low", high or "high"
  if p[low] and p[high] and p[low] >= p[high] then
    options.fail(where, "option '%s' must be below '%s', got %s and %s", low, high, p[low], p[high])
  end
end

-- The levels of a converter: origin, step, lowest and highest count. Around zero there is a level
-- at zero, and 2^bits − 1 of them; else 2^bits.
local function converter(bits, low, high)
  if low == -high and bits > 1 then
    local most = 2 ^ (bits - 1) - 1
    return { offset = 0, step = high / most, low = -most, high = most }
  end
  return { offset = low, step = (high - low) / (2 ^ bits - 1), low = 0, high = 2 ^ bits - 1 }
end

local BITS = { "bits", type = "integer", min = 1, max = MAX_BITS, shown = true,
  doc = "Resolution; without it nothing is quantised." }
local STOCHASTIC = { "stochastic", type = "boolean", default = false,
  doc = "Round up with the chance of the rest, instead of to the nearest." }

local MANAGEMENT = { none = 0, noise = 1, bound = 2 }

local function quantise(p, levels)
  levels.stochastic = p.stochastic
  levels.management = MANAGEMENT[p.management or "none"]
  return levels
end

local function check_management(where, p, low, high)
  if p.management ~= "none" and (p.bits or 1) < 2 then
    options.fail(where, "management = '%s' needs bits of at least 2", p.management)
  elseif p.management ~= "none" and p.stochastic then
    options.fail(where, "option 'stochastic' has no effect with management = '%s'", p.management)
  elseif p.management ~= "none" and low ~= -high then
    options.fail(where, "management = '%s' needs a range around 0, got %s to %s", p.management, low,
      high)
  end
end

local function needs_bits(where, p)
  if p.stochastic and not p.bits then
    options.fail(where, "option 'stochastic' has no effect without 'bits'")
  end
end

-- A time constant from a number, {tau =} or {frequency =}; n equal poles together have −3 dB there.
local function time_constant(where, name, value, schema, poles)
  if type(value) ~= "table" then
    if value < 0 or value ~= value then
      options.fail(where, "option '%s' must be a time constant ≥ 0 s, got %s", name,
        tostring(value))
    end
    return value, poles
  end
  local p = options.check(where .. ": " .. name, schema, value)
  if (p.tau == nil) == (p.frequency == nil) then
    options.fail(where .. ": " .. name, "expected one of tau (s) and frequency (Hz)")
  end
  poles = p.poles or poles
  return p.tau or math.sqrt(2 ^ (1 / poles) - 1) / (2 * math.pi * p.frequency), poles
end

local TAU = { "tau", type = "number", min = 0, unit = "s", doc = "Time constant of each pole." }
local FREQUENCY = { "frequency", type = "number", above = 0, unit = "Hz", doc = "−3 dB." }
local LOW_PASS = { TAU, FREQUENCY,
  { "poles", type = "integer", default = 1, min = 1, max = 8, doc = "Equal poles in a row." } }
local HIGH_PASS = { TAU, FREQUENCY }
local RINGING = {
  { "frequency", type = "number", required = true, above = 0, unit = "Hz", doc = "f0." },
  { "damping", type = "number", required = true, above = 0, doc = "ζ; below 1 it rings." },
}
local RANGE = {
  { "low", type = "number", required = true, doc = "Lowest." },
  { "high", type = "number", required = true, doc = "Highest." },
}

local function range_of(where, name, given)
  local p = given
  if given[1] ~= nil then
    if options.length(where, ("option '%s'"):format(name), given) > 2 then
      options.fail(where .. ": " .. name, "expected {low, high}, two numbers")
    end
    p = { low = given[1], high = given[2] }
  end
  p = options.check(where .. ": " .. name, RANGE, p)
  low_below_high(where .. ": " .. name, p)
  return p.low, p.high
end

return function(register, hw)
  -- ---- converters -------------------------------------------------------------------------------

  register {
    name = "dac", stages = SIGNALS,
    doc = "Digital-to-analog converter; for weights it drives θ + θ̃.",
    equation = "v → a(clip(round(v/s), ∓n)·s) + σ·ξ,  s = bound/n, n = 2^(bits−1) − 1,  a(v) ="
      .. " v·(1 ± asymmetry/2)",
    source = "aihwkit 1.x (defaults 7 bits, bound 1)",
    params = {
      { "bits", type = "integer", default = 7, min = 1, max = MAX_BITS, shown = true,
        doc = "Resolution: 2^bits − 1 levels with one at zero (two for 1 bit)." },
      { "bound", type = "number", default = 1, above = 0, doc = "Levels from −bound to bound." },
      STOCHASTIC,
      { "asymmetry", type = "number", default = 0, min = -1, max = 1,
        doc = "Positive values are 1 + asymmetry/2 too large, negative ones as much too small." },
      { "noise", type = "number", default = 0, min = 0, doc = "σ that is added, absolute." },
      { "management", type = "string", default = "none", choices = { "none", "noise" },
        doc = "noise: the values of a sample are scaled to the bound by the largest, and back." },
    },
    check = function(where, p)
      check_management(where, p, -p.bound, p.bound)
    end,
    compile = function(p, emit)
      emit("quantise", quantise(p, converter(p.bits, -p.bound, p.bound)))
      emit("asymmetry", { strength = p.asymmetry })
      emit("noise", { noise = "additive", sigma = p.noise })
    end,
  }

  register {
    name = "adc", stages = SIGNALS,
    doc = "Analog-to-digital converter: gain, offset, s-shape, noise, then levels and clipping.",
    equation = "v → clip(round(u/s), ∓n)·s,  u = h/(1 + n_s·|h|) + σ·ξ,  h = v·(1 +"
      .. " gain_spread·z) + offset + offset_spread·z′",
    source = "aihwkit 1.x (9 bits, bound 12, noise 0.06 there); v/(1 + n·|v|) for the s-shape",
    params = {
      BITS,
      { "bound", type = "number", default = 12, above = 0, shown = true,
        doc = "Range −bound … bound, unless low and high are given." },
      { "low", type = "number", doc = "Lowest value." },
      { "high", type = "number", doc = "Highest value." },
      STOCHASTIC,
      { "noise", type = "number", default = 0, min = 0, doc = "σ before the levels, absolute." },
      { "gain_spread", type = "number", default = 0, min = 0, doc = "d2d spread of the gain 1." },
      { "offset", type = "number", default = 0, doc = "Added to every value." },
      { "offset_spread", type = "number", default = 0, min = 0, doc = "d2d, absolute." },
      { "s_shape", type = "number", default = 0, min = 0, doc = "n of v/(1 + n·|v|)." },
      { "management", type = "string", default = "none", choices = { "none", "bound" },
        doc = "bound: a sample's values are halved until none is clipped, and doubled again." },
    },
    check = function(where, p, given)
      if (p.low == nil) ~= (p.high == nil) then
        options.fail(where, "options 'low' and 'high' go together")
      elseif p.low and given.bound then
        options.fail(where, "option 'bound' has no effect beside 'low' and 'high'")
      end
      p.bound = not p.low and p.bound or nil -- so that `describe` gives what makes the model again
      low_below_high(where, p)
      needs_bits(where, p)
      check_management(where, p, p.low or -p.bound, p.high or p.bound)
    end,
    compile = function(p, emit)
      local low, high = p.low or -p.bound, p.high or p.bound
      emit("affine", { gain = 1, gain_spread = p.gain_spread, offset = p.offset,
        offset_spread = p.offset_spread })
      emit("compress", { strength = p.s_shape })
      emit("noise", { noise = "additive", sigma = p.noise })
      if p.bits then
        emit("quantise", quantise(p, converter(p.bits, low, high)))
      else
        emit("clamp", { low = low, high = high })
      end
    end,
  }

  -- ---- noise ------------------------------------------------------------------------------------

  register {
    name = "noise", stages = SIGNALS,
    doc = "White noise, drawn anew for every value of every evaluation. Of weights all samples of "
      .. "an evaluation share it; noise that each has for itself is hw.read_noise.",
    equation = "v → v + σ(v)·ξ,  σ(v) = sigma,  sigma·|v|  or  sigma·scale/max(|v|, scale/100)",
    source = "σ, σ·|v| or σ·s²/|v| with s = scale (CrossSim's inverse proportional)",
    params = {
      { "sigma", type = "number", required = true, min = 0, shown = true,
        doc = "σ: absolute, or a fraction of |v| (proportional), or at |v| = scale (inverse)." },
      { "law", type = "string", default = "additive",
        choices = { "additive", "proportional", "inverse" }, doc = "How σ follows the value." },
      { "scale", type = "number", default = 1, above = 0, only = { "law", "inverse" },
        doc = "inverse: where σ is sigma; |v| counts as scale/100 at least." },
      { "distribution", type = "string", default = "normal", choices = { "normal", "uniform" },
        doc = "uniform: evenly on ±√3·σ." },
    },
    compile = function(p, emit)
      emit("noise", { noise = p.law, sigma = p.sigma, scale = p.scale,
        uniform = p.distribution == "uniform" })
    end,
  }

  register {
    name = "flicker", stages = SIGNALS,
    doc = "1/f noise: relaxations with corner frequencies spread evenly over log f. Of weights it "
      .. "is slow noise of reading: all samples that are shown at one time share it, and it goes "
      .. "on from one evaluation to the next; what is white is hw.read_noise.",
    equation = "v → v + Σ_k s_k,  s_k ← a_k·s_k + √(1 − a_k²)·sigma/√K·ξ,  a_k ="
      .. " e^(−2π·f_k·h),  f_k from f_low to f_high",
    source = "van der Ziel, Physica 16, 359 (1950)",
    params = {
      { "sigma", type = "number", required = true, min = 0, shown = true, doc = "Total rms." },
      { "f_low", type = "number", required = true, above = 0, unit = "Hz", doc = "Lowest corner." },
      { "f_high", type = "number", required = true, above = 0, unit = "Hz",
        doc = "Highest corner." },
      { "relaxations", type = "integer", default = 6, min = 1, max = 8, doc = "How many." },
    },
    check = function(where, p)
      low_below_high(where, p, "f_low", "f_high")
    end,
    compile = function(p, emit)
      emit("flicker", { sigma = p.sigma, f_low = p.f_low, f_high = p.f_high,
        poles = p.relaxations })
    end,
  }

  -- ---- gains and bounds -------------------------------------------------------------------------

  register {
    name = "gain", stages = SIGNALS,
    doc = "Gain and offset errors of each line.",
    equation = "v → v·(gain + spread·z) + offset + offset_spread·z′",
    source = "–",
    params = {
      { "gain", type = "number", default = 1, doc = "Factor." },
      { "spread", type = "number", default = 0, min = 0, doc = "d2d spread of it, absolute." },
      { "offset", type = "number", default = 0, doc = "Added." },
      { "offset_spread", type = "number", default = 0, min = 0, doc = "d2d, absolute." },
    },
    compile = function(p, emit)
      emit("affine", { gain = p.gain, gain_spread = p.spread, offset = p.offset,
        offset_spread = p.offset_spread })
    end,
  }

  register {
    name = "clamp", stages = SIGNALS, doc = "Hard bounds.",
    equation = "v → min(max(v, low), high)",
    source = "–",
    params = {
      { "low", type = "number", default = -math.huge, infinite = true, doc = "Lowest value." },
      { "high", type = "number", default = math.huge, infinite = true, doc = "Highest value." },
    },
    check = function(where, p)
      low_below_high(where, p)
    end,
    compile = function(p, emit)
      emit("clamp", { low = p.low, high = p.high })
    end,
  }

  register {
    name = "saturation", stages = SIGNALS,
    doc = "Soft bounds: limit·tanh(v/limit).",
    equation = "v → limit·tanh(v/limit)",
    source = "–",
    params = { { "limit", type = "number", required = true, above = 0, infinite = true,
      shown = true, doc = "Largest output." } },
    compile = function(p, emit)
      emit("saturate", { strength = p.limit })
    end,
  }

  register {
    name = "s_shape", stages = SIGNALS,
    doc = "Compression v/(1 + n·|v|).",
    equation = "v → v/(1 + strength·|v|)",
    source = "aihwkit 1.x",
    params = { { "strength", type = "number", required = true, min = 0, shown = true,
      doc = "n, per unit of the value." } },
    compile = function(p, emit)
      emit("compress", { strength = p.strength })
    end,
  }

  -- ---- paths ------------------------------------------------------------------------------------

  register {
    name = "path", stages = { "perturbation", "input", "output", "cost", "update" },
    version = 2, -- 1: filters one after the other; lines began at 0
    doc = "A signal path: gain and offset, AC coupling, low-pass, ringing, delay, slew rate, "
      .. "noise, clamp, bits, in this order.",
    equation = "gain → high-pass → low-pass → ringing → delay → slew → noise → clamp → bits; "
      .. " filters: ẋ = A·x + b·u, d(h) = e^(A·h)·d(0), d = x − x at rest under u;  driven: x(h) = "
      .. "e^(A·h)·x(0) + ∫₀ʰ e^(A·(h−t))·b·(c(0) + (c(h) − c(0))·s(t)) dt,  s(t) = (1 − e^(−t/τ))/"
      .. "(1 − e^(−h/τ)), or t/h",
    source = "linear systems; the integral by C. Van Loan, IEEE Trans. Autom. Control 23, 395 "
      .. "(1978); no other toolkit has it",
    validity = "exact for any dt where the input is held over a step: filters in a row (of one "
      .. "path or several, plain gains between, 16 poles together at most) are one system; slew "
      .. "rate; delay, to multiples of dt/2. From the path of the perturbation to the next behind "
      .. "the network: exact for one pole and a cost linear in θ̃; of second order in dt/τ for "
      .. "several poles, a slew rate, a path of the input between, a second path behind, and "
      .. "costs that are not linear (`substeps` of mgd.chip); of first order where the "
      .. "perturbation jumps (AC coupling or a delay alone) or the chip has models in Lua. In a "
      .. "run paths begin at rest, as where the first value has stood for ever; those of "
      .. "perturbation and update begin at 0, as in `apply`",
    params = {
      { "gain", type = "number", default = 1, doc = "Factor." },
      { "gain_spread", type = "number", default = 0, min = 0, doc = "d2d, absolute." },
      { "offset", type = "number", default = 0, doc = "Added." },
      { "offset_spread", type = "number", default = 0, min = 0, doc = "d2d, absolute." },
      { "highpass", type = { "number", "table" }, unit = "s",
        doc = "AC coupling: τ, or {tau =} or {frequency =}." },
      { "lowpass", type = { "number", "table" }, unit = "s",
        doc = "τ, or {tau = | frequency =, poles = 1…8}; frequency: −3 dB of all poles together." },
      { "bandwidth", type = "number", above = 0, infinite = true, unit = "Hz",
        doc = "−3 dB of a low-pass of one pole, instead of lowpass: τ = 1/(2π·bandwidth)." },
      { "ringing", type = "table", doc = "Second order: {frequency = f0, damping = ζ}." },
      { "delay", type = "number", default = 0, min = 0, unit = "s", doc = "Rounded to dt/2." },
      { "slew", type = "number", default = math.huge, above = 0, infinite = true, unit = "1/s",
        doc = "Fastest change." },
      { "noise", type = "number", default = 0, min = 0, doc = "σ that is added." },
      { "clamp", type = "table", doc = "{low, high}." },
      { "bits", type = "integer", min = 1, max = MAX_BITS, doc = "Levels over `range`." },
      { "range", type = "table", doc = "{low, high} of the levels." },
    },
    check = function(where, p)
      if p.lowpass and p.bandwidth then
        options.fail(where, "options 'lowpass' and 'bandwidth' say the same: expected one of them")
      end
      if p.lowpass then
        local tau, poles = time_constant(where, "lowpass", p.lowpass, LOW_PASS, 1)
        p.lowpass = poles > 1 and { tau = tau, poles = poles } or tau
      end
      p.highpass = p.highpass and time_constant(where, "highpass", p.highpass, HIGH_PASS, 1)
      if p.highpass == 0 then
        options.fail(where, "option 'highpass' must be a time constant > 0 s, got 0")
      end
      p.ringing = p.ringing and options.check(where .. ": ringing", RINGING, p.ringing)
      for _, name in ipairs { "clamp", "range" } do
        p[name] = p[name] and { range_of(where, name, p[name]) }
      end
      if (p.bits == nil) ~= (p.range == nil) then
        options.fail(where, "options 'bits' and 'range' go together: one has no effect without the "
          .. "other")
      end
    end,
    compile = function(p, emit)
      emit("affine", { gain = p.gain, gain_spread = p.gain_spread, offset = p.offset,
        offset_spread = p.offset_spread })
      emit("high_pass", { tau = p.highpass or math.huge })
      local tau = p.bandwidth and 1 / (2 * math.pi * p.bandwidth) or p.lowpass or 0
      local low = type(tau) == "table" and tau or { tau = tau, poles = 1 }
      emit("low_pass", { tau = low.tau, poles = low.poles })
      local ringing = p.ringing or { frequency = math.huge, damping = 1 }
      emit("ringing", { frequency = ringing.frequency, damping = ringing.damping })
      emit("delay", { tau = p.delay })
      emit("slew", { strength = p.slew })
      emit("noise", { noise = "additive", sigma = p.noise })
      if p.clamp then
        emit("clamp", { low = p.clamp[1], high = p.clamp[2] })
      end
      if p.bits then
        emit("quantise", converter(p.bits, p.range[1], p.range[2]))
      end
    end,
  }

  -- ---- neurons ----------------------------------------------------------------------------------

  register {
    name = "neuron_spread", stages = { "neurons" },
    doc = "y = L·f(k·(x − x0)) + y0, four numbers for each neuron; with the sigmoid it is the "
      .. "published logistic.",
    equation = "y = L·f(k·(x − x0)) + y0,  L = gain + s·z₁, k = slope + s·z₂, x0 = threshold +"
      .. " s·z₃, y0 = offset + s·z₄",
    source = "McCaughan et al., APL Mach. Learn. 1, 026118 (2023): x0, y0 ~ N(0, σ), "
      .. "k, L ~ N(1, σ)",
    params = {
      { "sigma", type = "number", min = 0, shown = true, doc = "All four spreads at once." },
      { "gain", type = "number", default = 1, doc = "Mean of L." },
      { "gain_spread", type = "number", min = 0, doc = "d2d of L." },
      { "slope", type = "number", default = 1, doc = "Mean of k." },
      { "slope_spread", type = "number", min = 0, doc = "d2d of k." },
      { "threshold", type = "number", default = 0, doc = "Mean of x0." },
      { "threshold_spread", type = "number", min = 0, doc = "d2d of x0." },
      { "offset", type = "number", default = 0, doc = "Mean of y0." },
      { "offset_spread", type = "number", min = 0, doc = "d2d of y0." },
    },
    check = function(where, p)
      local all = p.gain_spread and p.slope_spread and p.threshold_spread and p.offset_spread
      if p.sigma and all then
        options.fail(where, "option 'sigma' has no effect: all four spreads are given")
      end
    end,
    compile = function(p, emit)
      local s = p.sigma or 0
      emit("shift", { gain = p.slope, gain_spread = p.slope_spread or s, offset = p.threshold,
        offset_spread = p.threshold_spread or s }, "neuron")
      emit("affine", { gain = p.gain, gain_spread = p.gain_spread or s, offset = p.offset,
        offset_spread = p.offset_spread or s })
    end,
  }

  register {
    name = "dead", stages = { "neurons", "output" },
    doc = "A share of dead neurons.",
    equation = "y → value with probability fraction, for each neuron",
    source = "–",
    params = {
      { "fraction", type = "number", required = true, min = 0, max = 1, shown = true,
        doc = "Chance of each neuron to be dead." },
      { "value", type = "number", default = 0, doc = "What a dead one gives." },
    },
    compile = function(p, emit)
      emit("stuck", { fraction = { p.fraction, 0, 0 }, low = p.value, high = p.value })
    end,
  }

  -- ---- perturbations ----------------------------------------------------------------------------

  register {
    name = "amplitude", stages = { "perturbation" },
    doc = "Errors of the perturbation's amplitude.",
    equation = "θ̃ → θ̃·(1 + spread·z)·(1 ± m/2),  m = mismatch + mismatch_spread·z′, + for"
      .. " positive θ̃;  then levels",
    source = "–",
    params = {
      { "spread", type = "number", default = 0, min = 0, shown = true,
        doc = "d2d, as a fraction of the amplitude." },
      { "mismatch", type = "number", default = 0, min = -2, max = 2,
        doc = "+a is 1 + mismatch/2 of a, −a is 1 − mismatch/2 of it." },
      { "mismatch_spread", type = "number", default = 0, min = 0, doc = "d2d of it." },
      { "bits", type = "integer", min = 1, max = MAX_BITS, doc = "Levels from −bound to bound." },
      { "bound", type = "number", above = 0, doc = "Largest perturbation that the bits give." },
    },
    check = function(where, p)
      if (p.bits == nil) ~= (p.bound == nil) then
        options.fail(where, "options 'bits' and 'bound' go together: one has no effect without the "
          .. "other")
      end
    end,
    compile = function(p, emit)
      emit("affine", { gain = 1, gain_spread = p.spread, offset = 0, offset_spread = 0 })
      emit("asymmetry", { strength = p.mismatch, strength_spread = p.mismatch_spread })
      if p.bits then
        emit("quantise", converter(p.bits, -p.bound, p.bound))
      end
    end,
  }

  register {
    name = "missing", stages = { "perturbation" },
    doc = "A share of parameters that no perturbation reaches.",
    equation = "θ̃ → 0 with probability fraction, for each line",
    source = "–",
    params = { { "fraction", type = "number", required = true, min = 0, max = 1, shown = true,
      doc = "Chance of each line to be missing." } },
    compile = function(p, emit)
      emit("stuck", { fraction = { p.fraction, 0, 0 }, low = 0, high = 0 })
    end,
  }

  register {
    name = "crosstalk", stages = { "weights", "perturbation", "update" },
    doc = "A share of each neighbour's value on the same line reaches a device.",
    equation = "v_i → v_i + k·(v_{i−1} + v_{i+1})  along a line",
    source = "–",
    params = { { "k", type = "number", required = true, min = 0, max = 0.5, shown = true,
      doc = "Share, of each of the two neighbours." } },
    compile = function(p, emit)
      emit("crosstalk", { strength = p.k })
    end,
  }

  hw.converter = converter
end
