--- Models of weights: conductances, levels, noise of reading and programming, drift, faults, wires.
-- @module mgd.hardware.hw.weights

local options = require "mgd.base.options"

-- Laws of conductances take this mapping where none was given.
local function mapping(m)
  return {
    differential = m.mapping == "differential", g_min = m.g_min, g_max = m.g_max,
    w_min = m.mapping == "differential" and 0 or -m.w_max,
    per_weight = (m.g_max - m.g_min) / (m.mapping == "differential" and 1 or 2) / m.w_max,
    averaging = m.averaging,
  }
end

-- That of a model which goes by one: what hw.conductance said, or this.
local function mapping_of(context, g_min, g_max)
  context.mapped = context.mapped or context.model.name
  return context.mapping
    or mapping { mapping = "differential", g_min = g_min, g_max = g_max, w_max = 1, averaging = 1 }
end

-- A table that rises, with at least `least` entries.
local function rising(where, name, list, least)
  if type(list) ~= "table" or #list < least then
    options.fail(where, "option '%s' must be a list of at least %d numbers that rise, got %d", name,
      least, type(list) == "table" and #list or 0)
  end
  for i, value in ipairs(list) do
    if type(value) ~= "number" or value ~= value or math.abs(value) == math.huge
      or i > 1 and value <= list[i - 1] then
      options.fail(where, "option '%s' must rise: entry %d is %s after %s", name, i,
        tostring(value), tostring(list[i - 1]))
    end
  end
end

-- N levels from low to high, of a count or a table.
local function emit_levels(emit, levels, low, high, stochastic, place)
  if type(levels) == "table" then
    emit("levels", { table = levels }, place)
  else
    emit("quantise", { offset = low, step = (high - low) / (levels - 1), low = 0,
      high = levels - 1, stochastic = stochastic }, place)
  end
end

-- Where first order would be off by more than a percent if all devices conducted half of the most.
local FIRST_ORDER = 0.5

-- Layers that are arrays of wires, by what their calls begin with: how many biases an output has,
-- which are no devices of its wire.
local ARRAYS = { dense = 1, conv2d = 1, elman = 1, ssm = 0 }

-- Warns of arrays whose wires lose more than the first order holds for.
local function check_wires(ratio, context)
  for i, call in ipairs(context.net and context.net:plan() or {}) do
    local kind = call.kernel:match "^%w+"
    local outputs = kind == "conv2d" and call.shape[1] or call.shape[#call.shape]
    local inputs = ARRAYS[kind] and call.parameters / outputs - ARRAYS[kind] or 0
    local worst = ratio / 2 * (outputs * (outputs + 1) + inputs * (inputs + 1)) / 2
    if ARRAYS[kind] and worst > FIRST_ORDER then
      context.warn("ratio·S comes to %.2g in layer %d, %d×%d devices, where half of the largest "
        .. "current flows: the first order holds to 1 %% up to %s; solve = \"nodal\" solves the "
        .. "circuit", worst, i, outputs, inputs, FIRST_ORDER)
    end
  end
end

local MAPPING = { "mapping", type = "string", default = "differential", shown = true,
  choices = { "differential", "single", "offset" },
  doc = "g⁺ − g⁻; one device from −w_max to w_max; the same against a reference column." }

return function(register)
  register {
    name = "levels", stages = { "weights" }, doc = "Finite levels of the weights.",
    equation = "w → the nearest of N levels from low to high (or of the table)",
    source = "CrossSim 3, NeuroSim 2.1",
    params = {
      { "bits", type = "integer", min = 1, max = 24, doc = "2^bits levels; around zero one less." },
      { "levels", type = "integer", min = 2, max = 2 ^ 24, doc = "Their number." },
      { "table", type = "list", doc = "The levels themselves, rising." },
      { "low", type = "number", default = -1, shown = true, doc = "Lowest level." },
      { "high", type = "number", default = 1, shown = true, doc = "Highest level." },
      { "stochastic", type = "boolean", default = false, doc = "Round at random." },
      { "of", type = "string", default = "stored", choices = { "stored", "sum" },
        doc = "stored: θ alone, θ̃ is added behind; sum: θ + θ̃." },
    },
    check = function(where, p, given)
      local count = (p.bits and 1 or 0) + (p.levels and 1 or 0) + (p.table and 1 or 0)
      if count ~= 1 then
        options.fail(where, "expected one of bits, levels and table, got %d of them", count)
      end
      if p.low >= p.high then
        options.fail(where, "option 'low' must be below 'high', got %s and %s", p.low, p.high)
      end
      if p.table then
        rising(where, "table", p.table, 2)
        for _, name in ipairs { "stochastic", "low", "high" } do
          if given[name] then
            options.fail(where, "option '%s' has no effect with a table", name)
          end
          p[name] = nil -- so that what `describe` gives makes the model again
        end
      end
    end,
    compile = function(p, emit)
      local place = p.of == "stored" and "weight" or "drive"
      local count = p.table or p.levels or (p.low == -p.high and p.bits > 1 and 2 ^ p.bits - 1)
        or 2 ^ p.bits
      if type(count) == "number" and p.low == -p.high and count % 2 == 1 then
        local most = (count - 1) / 2
        emit("quantise", { offset = 0, step = p.high / most, low = -most, high = most,
          stochastic = p.stochastic }, place)
      else
        emit_levels(emit, count, p.low, p.high, p.stochastic, place)
      end
    end,
  }

  register {
    name = "conductance", stages = { "weights" },
    doc = "Weights as conductances: their range and levels, and the mapping that all laws of "
      .. "conductances behind it in the list go by.",
    equation = "g± = g_min + k·max(±w, 0), w = (g⁺ − g⁻)/k, k = (g_max − g_min)/w_max; "
      .. " single, offset: g = g_min + k·(w + w_max), k = (g_max − g_min)/(2·w_max)",
    source = "CrossSim 3 (core mappings), aihwkit 1.x (inference converters)",
    params = {
      MAPPING,
      { "g_min", type = "number", default = 0, min = 0, unit = "µS",
        doc = "Smallest conductance." },
      { "g_max", type = "number", default = 25, above = 0, unit = "µS", shown = true,
        doc = "Largest conductance." },
      { "w_max", type = "number", default = 1, above = 0, shown = true,
        doc = "Weight at g_max; beyond ±w_max weights are cut." },
      { "levels", type = { "integer", "list" }, min = 2,
        doc = "Levels of a device, from g_min to g_max: their number, or conductances, rising." },
      { "pairs", type = "integer", default = 1, min = 1, doc = "Devices in parallel: σ/√pairs." },
      { "slices", type = "integer", default = 1, min = 1,
        doc = "Devices that hold slices of a weight, each `slice_bits` bits below the last." },
      { "slice_bits", type = "integer", default = 2, min = 1, max = 8, doc = "Bits of a slice." },
    },
    check = function(where, p)
      if p.g_min >= p.g_max then
        options.fail(where, "option 'g_min' must be below 'g_max', got %s and %s", p.g_min, p.g_max)
      end
      if type(p.levels) == "table" then
        rising(where, "levels", p.levels, 2)
        if p.levels[1] < p.g_min or p.levels[#p.levels] > p.g_max then
          options.fail(where, "option 'levels' goes from %s to %s, beyond %s … %s, g_min … g_max",
            p.levels[1], p.levels[#p.levels], p.g_min, p.g_max)
        end
      end
    end,
    compile = function(p, emit, context)
      if context.mapped then
        options.fail(context.where, "stage 'weights': hw.conductance stands behind hw.%s, which %s",
          context.mapped, context.mapped == "conductance" and "is one already" or "goes by it")
      end
      context.mapped = "conductance"
      local squares, sum = 0, 0 -- of the weights that slices have
      for k = 0, p.slices - 1 do
        squares = squares + 2 ^ (-2 * k * p.slice_bits)
        sum = sum + 2 ^ (-k * p.slice_bits)
      end
      p = setmetatable({ averaging = math.sqrt(squares / p.pairs) / sum }, { __index = p })
      context.mapping = mapping(p)
      emit("clamp", { low = -p.w_max, high = p.w_max }, "weight")
      if type(p.levels) == "table" then
        local table_of, m = {}, context.mapping
        -- of a pair, the other device stands at the lowest level
        local origin = m.differential and p.levels[1] or p.g_min
        for _, g in ipairs(p.levels) do
          local w = (g - origin) / m.per_weight + m.w_min
          table_of[#table_of + 1] = w
          if m.differential and w ~= 0 then
            table_of[#table_of + 1] = -w
          end
        end
        table.sort(table_of)
        emit("levels", { table = table_of }, "weight")
      elseif p.levels then
        local count = p.mapping == "differential" and 2 * p.levels - 1 or p.levels
        emit_levels(emit, count, -p.w_max, p.w_max, false, "weight")
      end
    end,
  }

  -- ---- noise ------------------------------------------------------------------------------------

  local AIHWKIT = "IBM/aihwkit 4545f11, src/aihwkit/inference/noise/pcm.py"
  local CROSSSIM = "sandialabs/cross-sim 0a2eb1e, simulator/devices/custom/"

  -- PCM figures are those of devices with g_max = 25 µS.
  local PCM_G_MAX = 25

  local function warn_of_pcm(context, m)
    if m.g_max < PCM_G_MAX / 2 or m.g_max > 2 * PCM_G_MAX then
      context.warn("the PCM law was measured on devices of g_max = %g µS and is scaled to %g µS, "
        .. "which is far from that", PCM_G_MAX, m.g_max)
    end
  end

  -- Errors of SONOS devices (nA) by days since programming: A and B, and the coefficients of I^0 …
  -- I^10 of what the mean has drifted by.
  local SONOS = {
    [0] = { a = 19.88665, b = 176.3115, drift = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 } },
    { a = 25.59102, b = 186.85544, drift = { 1.72684e-1, 5.72552e-2, -6.85715e-4, 3.50271e-6,
      -9.37682e-9, 1.40575e-11, -1.19803e-14, 5.41293e-18, -8.85448e-22, -1.66869e-25,
      5.95180e-29 } },
    { a = 28.72753, b = 193.56834, drift = { 2.50712e-1, 6.62195e-2, -6.83218e-4, 2.99442e-6,
      -6.78255e-9, 7.70482e-12, -3.04983e-15, -2.15919e-18, 2.94617e-21, -1.23359e-24,
      1.85329e-28 } },
    { a = 31.04318, b = 198.90332, drift = { -1.75300e-2, 9.76883e-2, -9.63791e-4, 4.55551e-6,
      -1.22391e-8, 1.93786e-11, -1.85899e-14, 1.07659e-17, -3.58211e-21, 5.96785e-25,
      -3.30410e-29 } },
    { a = 33.76214, b = 204.77023, drift = { 4.03338e-2, 1.03111e-1, -1.04740e-3, 4.83961e-6,
      -1.28132e-8, 1.99484e-11, -1.85139e-14, 1.00008e-17, -2.84944e-21, 3.01008e-25,
      1.18747e-29 } },
    { a = 34.57909, b = 207.34309, drift = { 3.19927e-1, 1.06596e-1, -1.04054e-3, 4.50290e-6,
      -1.10352e-8, 1.56477e-11, -1.27592e-14, 5.45513e-18, -7.26841e-22, -2.43893e-25,
      7.14608e-29 } },
  }
  local SONOS_MOST, SONOS_MOST_DRIFTED = 3200, 1800 -- nA

  -- nA of a device of 1 µS
  local function sonos_current(p)
    return 1000 * p.v_read
  end

  local function warn_of_sonos(p, context, m)
    local most = m.g_max * sonos_current(p)
    if most > SONOS_MOST then
      context.warn("the SONOS law holds for currents of up to %d nA, and %g µS read at %g V are %g "
        .. "nA", SONOS_MOST, m.g_max, p.v_read, most)
    end
  end

  -- A law between two whole days lies on the straight line between theirs; in µS.
  local function sonos_at(p)
    local before = math.min(math.floor(p.day), 4)
    local x, scale = p.day - before, sonos_current(p)
    local from, to = SONOS[before], SONOS[before + 1]
    local drift = p.day > 0 and {} or nil
    for i = 1, drift and #from.drift or 0 do
      drift[i] = (from.drift[i] + x * (to.drift[i] - from.drift[i])) * scale ^ (i - 2)
    end
    return { (from.a + x * (to.a - from.a)) / scale, (from.b + x * (to.b - from.b)) / scale, 0 },
      drift
  end

  -- Fields of a law's primitive by its name, from the parameters: laws of weights, which both kinds
  -- of noise have, …
  local PLAIN = {
    additive = function(p)
      return { noise = "additive", sigma = p.sigma }
    end,
    proportional = function(p)
      return { noise = "proportional", sigma = p.sigma }
    end,
    inverse = function(p)
      return { noise = "inverse", sigma = p.sigma, scale = p.scale }
    end,
  }

  -- … and laws of conductances, with the mapping that they go by.
  local READ_LAWS = {
    polynomial = function(p, context)
      return { noise = "polynomial", c = p.coefficients, mapping = mapping_of(context, 0, 25) }
    end,
    pcm = function(_, context)
      local m = mapping_of(context, 0, PCM_G_MAX)
      warn_of_pcm(context, m)
      return { noise = "pcm_read", c = { 0.0088, 0.2, 250e-9 }, mapping = m }
    end,
    sonos = function(p, context)
      local m, scale = mapping_of(context, 0, 16), sonos_current(p)
      warn_of_sonos(p, context, m)
      return { noise = "exponential", c = { 12.58037 / scale, 215.36557 / scale, 0 }, mapping = m }
    end,
  }

  local RRAM = { g_min = 50, g_max = 225 } -- µS

  local PROGRAMMING_LAWS = {
    polynomial = READ_LAWS.polynomial,
    pcm = function(_, context)
      local m = mapping_of(context, 0, PCM_G_MAX)
      local scale = m.g_max / PCM_G_MAX
      warn_of_pcm(context, m)
      return { noise = "polynomial", mapping = m,
        c = { 0.26348 * scale, 1.965 * scale, -1.1731 * scale } }
    end,
    rram = function(_, context)
      local m = mapping_of(context, RRAM.g_min, RRAM.g_max)
      if m.g_min < RRAM.g_min or m.g_max > RRAM.g_max then
        options.fail(context.where, "stage 'weights': hw.programming_noise: law = 'rram' holds for "
          .. "%d … %d µS, and hw.conductance has g_min = %s, g_max = %s: expected g_min ≥ %d and "
          .. "g_max ≤ %d", RRAM.g_min, RRAM.g_max, m.g_min, m.g_max, RRAM.g_min, RRAM.g_max)
      end
      return { noise = "linear", c = { 4.782321, -0.009107, 0 }, mapping = m }
    end,
    sonos = function(p, context)
      local m = mapping_of(context, 0, 16)
      local most = m.g_max * sonos_current(p)
      if p.day > 0 and most > SONOS_MOST_DRIFTED then
        options.fail(context.where, "stage 'weights': hw.programming_noise: law = 'sonos' holds "
          .. "for currents of up to %d nA after day 0, and %s µS read at v_read = %s V are %s nA: "
          .. "expected g_max·v_read ≤ %g", SONOS_MOST_DRIFTED, m.g_max, p.v_read, most,
          SONOS_MOST_DRIFTED / 1000)
      end
      warn_of_sonos(p, context, m)
      local c, drift = sonos_at(p)
      return { noise = "exponential", c = c, table = drift, mapping = m }
    end,
  }

  local function check_law(where, p)
    local plain = PLAIN[p.law] ~= nil
    if plain and not p.sigma then
      options.fail(where, "option 'sigma' is missing: the law '%s' needs it", p.law)
    elseif not plain and p.sigma then
      options.fail(where, "option 'sigma' has no effect with law = '%s', which has its own", p.law)
    end
    if p.coefficients then
      for i = 1, 3 do
        local c = p.coefficients[i]
        if type(c) ~= "number" or c ~= c or math.abs(c) == math.huge or #p.coefficients ~= 3 then
          options.fail(where, "option 'coefficients' must be three numbers: c0 + c1·r + c2·r²")
        end
      end
    elseif p.law == "polynomial" then
      options.fail(where, "option 'coefficients' is missing: σ = c0 + c1·r + c2·r² in µS")
    end
  end

  local function law_params(laws, default, hints)
    return {
      { "law", type = "string", default = default, choices = laws, hints = hints, shown = true,
        doc = "σ absolute, a fraction of |w|, ∝ 1/|w|, or as measured; see docs/physics." },
      { "sigma", type = "number", min = 0, doc = "σ, of the first three laws." },
      { "scale", type = "number", default = 1, above = 0, only = { "law", "inverse" },
        doc = "inverse: |w| where σ is sigma." },
      { "coefficients", type = "list", only = { "law", "polynomial" },
        doc = "{c0, c1, c2} in µS, of r = g/g_max." },
      { "v_read", type = "number", default = 0.1, above = 0, unit = "V", only = { "law", "sonos" },
        doc = "sonos: at which conductances are read, whose currents the law is of." },
      { "distribution", type = "string", default = "normal", choices = { "normal", "uniform" },
        doc = "uniform: evenly on ±√3·σ." },
    }
  end

  register {
    name = "read_noise", stages = { "weights" }, version = 2,
    doc = "White noise of reading: every product of a weight has a draw of its own, for each "
      .. "sample that is shown, at each place of a convolution and each step of a sequence. Behind "
      .. "layers that are sums of products the sums' noise is drawn, normal, with the variance of "
      .. "the terms; where it is uniform, dense layers have each term drawn. In elman, ssm and "
      .. "mzi_mesh each weight is drawn once for a sample. It acts at the multipliers, last, "
      .. "wherever it stands in the list. Noise with a time constant is hw.flicker in the same "
      .. "stage: all samples that are shown at one time share it.",
    equation = "w → w + √(σ²(g⁺) + σ²(g⁻))/k·ξ;  pcm: σ = g·min(0.0088/r^0.65, 0.2)·√ln((t +"
      .. " t_r)/(2t_r)), t_r = 250 ns, r = g/g_max of the device when it was programmed, t since"
      .. " then (0 before t_r);  sonos: σ = 12.58037 nA·(1 − e^(−I/215.36557 nA)), I = g·v_read;"
      .. "  a sum of products: y → y + √(Σ σ²(w)·x²)·ξ",
    source = "pcm: " .. AIHWKIT .. ", apply_drift_noise_to_conductance (Nandakumar et al., ICECS "
      .. "2019), which draws it once for all samples; sonos: " .. CROSSSIM .. "SONOS.py, "
      .. "read_noise (Agrawal et al., IEDM 2022, fig. 11b), drawn at every product of matrix and "
      .. "vector",
    validity = "pcm: g_max near 25 µS, to others it is scaled, and t ≥ 20 s; both sources also cut "
      .. "g at 0, which is left out here and moves a pcm device's mean by less than 0.1 % of g_max "
      .. "in a year; sonos: currents of up to 3,200 nA.",
    params = law_params({ "additive", "proportional", "inverse", "polynomial", "pcm", "sonos" },
      "additive", { rram = "is an error of programming: hw.programming_noise{law = 'rram'}" }),
    check = check_law,
    compile = function(p, emit, context)
      local law = PLAIN[p.law] or READ_LAWS[p.law]
      local fields = law(p, context)
      fields.sigma = fields.sigma or 1
      fields.uniform = p.distribution == "uniform"
      emit("noise", fields, "product")
    end,
  }

  local PROGRAMMING = law_params(
    { "additive", "proportional", "inverse", "polynomial", "pcm", "rram", "sonos" }, "pcm")
  table.insert(PROGRAMMING, { "day", type = "number", default = 0, min = 0, max = 5,
    only = { "law", "sonos" }, unit = "d", doc = "sonos: days since programming." })

  register {
    name = "programming_noise", stages = { "weights" }, version = 2,
    doc = "Noise of writing: what a weight misses its target by, drawn at each write. By laws of "
      .. "conductances each device of a pair is drawn by itself, and none ends below 0, which "
      .. "moves the mean where σ is not small beside g. A weight is kept as what the devices make "
      .. "of it together. With pairs or slices σ is that of their mean, which is cut at 0.",
    equation = "w → w + σ(w)·ξ;  laws of conductances: g → max(m + σ(m)·ξ, 0) for g⁺ and g⁻, m = g;"
      .. "  pcm: σ = (0.26348 + 1.965·r − 1.1731·r²)·g_max/25, r = g/g_max;  rram: σ = "
      .. "max(4.782321 − 0.009107·g, 0) µS;  sonos: σ = A·(1 − e^(−I/B)), I = g·v_read, A = "
      .. "19.88665, B = 176.3115 nA on day 0 to 34.57909, 207.34309 on day 5, and m = I + a "
      .. "polynomial of degree 10 of I from day 1 on, days between on straight lines",
    source = "pcm: " .. AIHWKIT .. ", apply_programming_noise_to_conductance (Nandakumar et al., "
      .. "ICECS 2019); rram: " .. CROSSSIM .. "RRAM_Milo.py, programming_error (Milo et al., IRPS "
      .. "2021, fig. 4); sonos, errors of writing and differences between devices together: "
      .. CROSSSIM .. "SONOS.py, drift_error (Agrawal et al., IEDM 2022, fig. 10)",
    validity = "pcm: g_max near 25 µS, to others it is scaled; rram: 50 … 225 µS, refused beyond; "
      .. "sonos: currents of up to 3,200 nA, after day 0 1,800 nA, refused beyond; σ of a "
      .. "polynomial or rram beyond g_min … g_max is that at the end of the range.",
    params = PROGRAMMING,
    check = check_law,
    compile = function(p, emit, context)
      local plain = PLAIN[p.law]
      local fields = (plain or PROGRAMMING_LAWS[p.law])(p, context)
      fields.uniform = p.distribution == "uniform"
      emit(plain and "noise" or "program", fields, "write")
    end,
  }

  -- ---- time -------------------------------------------------------------------------------------

  register {
    name = "drift", stages = { "weights" }, version = 2,
    doc = "Conductances fall as (t/t0)^−ν since a device was last written, each with its own ν. "
      .. "Compensation is by a reference read without noise at every read: one factor for the chip "
      .. "(aihwkit: for each tile), or for each output.",
    equation = "g → g·(t/t0)^−ν for t > t0,  ν = |mean(g) + sd(g)·z| for each device, g as it was"
      .. " programmed;  t since its last write;  pcm: mean = clamp(−0.0155·ln r + 0.0244, 0.049,"
      .. " 0.1), sd = clamp(−0.0125·ln r − 0.0059, 0.008, 0.045), r = g/g_max",
    source = AIHWKIT .. ", generate_drift_coefficients (there of the target of programming, and "
      .. "drawn at each) and apply_drift_noise_to_conductance, t0 = 20 s; table: "
      .. "CustomDriftPCMLikeNoiseModel in the same file; compensation: "
      .. "src/aihwkit/inference/compensation/drift.py",
    validity = "t ≥ t0: before that conductances stay as they were written; pcm: g_max near 25 µS, "
      .. "to others r scales.",
    params = {
      { "law", type = "string", default = "power", choices = { "power", "pcm", "table" },
        shown = true, doc = "One ν, the PCM law of r = g/g_max, or measured points." },
      { "nu", type = "number", min = 0, only = { "law", "power" }, doc = "Mean ν." },
      { "nu_spread", type = "number", min = 0, default = 0, only = { "law", "power" },
        doc = "d2d of ν, absolute." },
      { "table", type = "list", only = { "law", "table" },
        doc = "{{g, mean ν, sd of ν}, …}, g rising; straight lines between." },
      { "t0", type = "number", default = 20, above = 0, unit = "s", doc = "Drift begins then." },
      { "compensation", type = "string", default = "none", choices = { "none", "global", "column" },
        doc = "A reference read scales all weights, or each output's, to what Σ|w| was." },
    },
    check = function(where, p)
      if p.law == "power" and not p.nu then
        options.fail(where, "option 'nu' is missing: the exponent of the drift")
      end
      if p.law == "table" then
        local g = {}
        for i, row in ipairs(type(p.table) == "table" and p.table or {}) do
          local whole = type(row) == "table" and #row == 3
          for k = 1, 3 do
            whole = whole and type(row[k]) == "number" and row[k] == row[k] and row[k] >= 0
          end
          if not whole then
            options.fail(where, "option 'table': row %d must be {g, mean ν, sd of ν}, each ≥ 0", i)
          end
          g[i] = row[1]
        end
        rising(where, "table", g, 2)
      end
    end,
    compile = function(p, emit, context)
      local flat
      for _, row in ipairs(p.table or {}) do
        flat = flat or {}
        for k = 1, 3 do
          flat[#flat + 1] = row[k]
        end
      end
      local kinds = { none = 0, global = 1, column = 2 }
      local m = mapping_of(context, 0, PCM_G_MAX)
      if p.law == "pcm" then
        warn_of_pcm(context, m)
      end
      emit("drift", { nu = p.nu, nu_spread = p.nu_spread, pcm_nu = p.law == "pcm", table = flat,
        t0 = p.t0, compensation = kinds[p.compensation], mapping = m }, "weight")
    end,
  }

  register {
    name = "leak", stages = { "weights" },
    doc = "Stored weights go to a reset value as e^(−t/τ), as the charge of a capacitor does.",
    equation = "w → reset + (w − reset)·e^(−t/τ),  τ = tau·(1 + spread·z), not below tau/20",
    source = "aihwkit 1.x (capacitor: 10^6 steps)",
    params = {
      { "tau", type = "number", required = true, above = 0, infinite = true, unit = "s",
        shown = true, doc = "Lifetime." },
      { "spread", type = "number", default = 0, min = 0, doc = "d2d, as a fraction of tau." },
      { "reset", type = "number", default = 0, doc = "Where it ends." },
      { "reset_spread", type = "number", default = 0, min = 0, doc = "d2d, absolute." },
    },
    compile = function(p, emit)
      for _, place in ipairs { "memory", "weight" } do -- what is stored, and what is read meanwhile
        emit("leak", { tau = p.tau, tau_spread = p.spread, offset = p.reset,
          offset_spread = p.reset_spread, stream = "leak" }, place)
      end
    end,
  }

  register {
    name = "diffusion", stages = { "weights" },
    doc = "Stored weights walk at random: σ·√t. Between two writes they stand still.",
    equation = "w → w + sigma·√t·ξ",
    source = "aihwkit 1.x",
    params = { { "sigma", type = "number", required = true, min = 0, unit = "/√s", shown = true,
      doc = "rms change in one second." } },
    compile = function(p, emit)
      emit("diffusion", { sigma = p.sigma }, "memory")
    end,
  }

  -- ---- faults and wires -------------------------------------------------------------------------

  register {
    name = "stuck", stages = { "weights" },
    doc = "Shares of devices that stand at a low value, a high one, or anywhere between, whatever "
      .. "is written or perturbed.",
    equation = "w → at_low, at_high, or evenly between, with probabilities low, high, random,"
      .. " for each device",
    source = "MemTorch, CrossSim 3",
    params = {
      { "low", type = "number", default = 0, min = 0, max = 1, doc = "Share stuck at at_low." },
      { "high", type = "number", default = 0, min = 0, max = 1, doc = "Share stuck at at_high." },
      { "random", type = "number", default = 0, min = 0, max = 1, doc = "Share stuck between." },
      { "at_low", type = "number", default = -1, doc = "Weight of the low ones." },
      { "at_high", type = "number", default = 1, doc = "Weight of the high ones." },
    },
    check = function(where, p)
      if p.low + p.high + p.random > 1 then
        options.fail(where, "the shares low, high and random add up to %s: expected at most 1",
          p.low + p.high + p.random)
      end
      if p.at_low >= p.at_high then
        options.fail(where, "option 'at_low' must be below 'at_high', got %s and %s", p.at_low,
          p.at_high)
      end
    end,
    compile = function(p, emit)
      emit("stuck", { fraction = { p.low, p.high, p.random }, low = p.at_low, high = p.at_high })
    end,
  }

  register {
    name = "ir_drop", stages = { "weights" }, version = 2,
    doc = "Voltage lost on the wires of each layer's array, which all its devices share: to first "
      .. "order, or by solving the circuit. Positive and negative weights lie in two arrays; all "
      .. "inputs count as on. Not of affine layers and meshes.",
    equation = "g_oi → g_oi/(1 + ratio·S_oi),  S_oi = Σ_k g_ki·(min(o, k) + 1) + Σ_l g_ol·(I −"
      .. " max(i, l)),  o, i from 0, g in units of g_max;  nodal: y = T·x of the circuit of wires"
      .. " and devices",
    source = "Kirchhoff's laws; the first order is 1 − ratio·S, summed as a series resistance is; "
      .. "drivers before output 0, amplifiers behind input I − 1",
    validity = "first_order: below 1 % of the current where ratio·S is below 0.5; see "
      .. "docs/physics/wires.md",
    params = {
      { "ratio", type = "number", required = true, min = 0, shown = true,
        doc = "Resistance of a wire segment over that of a device at the largest conductance." },
      { "w_max", type = "number", above = 0,
        doc = "Weight of the largest conductance; defaults to that of hw.conductance, or 1." },
      { "solve", type = "string", default = "first_order", choices = { "first_order", "nodal" },
        doc = "nodal: the circuit itself, at each evaluation; for small arrays." },
    },
    compile = function(p, emit, context)
      local own = context.mapping
      local w_max = own and (own.g_max - own.g_min) / own.per_weight + own.w_min
      if own and p.w_max and math.abs(p.w_max - w_max) > 1e-12 * w_max then
        options.fail(context.where, "stage 'weights': hw.ir_drop: option 'w_max' is %s, and %s in "
          .. "hw.conductance before it: expected one of them", p.w_max, w_max)
      end
      context.mapped = context.mapped or "ir_drop"
      if p.solve == "first_order" then
        check_wires(p.ratio, context)
      end
      emit(p.solve == "nodal" and "nodal" or "ir_drop", { strength = p.ratio,
        mapping = own or mapping { mapping = "differential", g_min = 0, g_max = 1,
          w_max = p.w_max or 1, averaging = 1 } })
    end,
  }
end
