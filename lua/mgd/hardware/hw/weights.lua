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
local function mapping_of(context, g_max)
  context.mapped = context.mapped or context.model.name
  return context.mapping
    or mapping { mapping = "differential", g_min = 0, g_max = g_max, w_max = 1, averaging = 1 }
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

-- Warns of arrays whose wires lose more than the first order holds for.
local function check_wires(ratio, context)
  for i, call in ipairs(context.net and context.net:plan() or {}) do
    local outputs = call.shape[1] -- or channels
    local inputs = call.parameters / outputs - 1
    local worst = ratio / 2 * (outputs * (outputs + 1) + inputs * (inputs + 1)) / 2
    local array = call.kernel:find "^dense" or call.kernel:find "^conv"
    if array and worst > FIRST_ORDER then
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

  -- Laws of σ by name: fields of the primitive, from the parameters.
  local LAWS = {
    additive = function(p)
      return { noise = "additive", sigma = p.sigma }
    end,
    proportional = function(p)
      return { noise = "proportional", sigma = p.sigma }
    end,
    inverse = function(p)
      return { noise = "inverse", sigma = p.sigma, scale = p.scale }
    end,
    polynomial = function(p)
      return { noise = "polynomial", sigma = 1, c = p.coefficients, g_max = 25 }
    end,
    pcm = function()
      return { noise = "pcm_read", sigma = 1, c = { 0.0088, 0.2, 250e-9 }, g_max = 25 }
    end,
    rram = function()
      return { noise = "linear", sigma = 1, c = { 4.782, -0.009107, 0 }, g_max = 225 }
    end,
    sonos = function(p)
      local b = p.day == 0 and 176 or 207 -- nA
      return { noise = "exponential", sigma = 1, c = { p.day == 0 and 19.9 or 34.6, b, 0 },
        g_max = 1600 }
    end,
  }

  local function emit_law(p, emit, context, place, law)
    local fields = LAWS[law](p)
    if fields.g_max then
      fields.mapping = mapping_of(context, fields.g_max)
    end
    fields.g_max = nil
    fields.uniform = p.distribution == "uniform"
    emit("noise", fields, place)
  end

  local function check_law(where, p)
    local plain = p.law == "additive" or p.law == "proportional" or p.law == "inverse"
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

  local function law_params(laws, default)
    return {
      { "law", type = "string", default = default, choices = laws, shown = true,
        doc = "σ absolute, a fraction of |w|, ∝ 1/|w|, or as measured; see docs/physics." },
      { "sigma", type = "number", min = 0, doc = "σ, of the first three laws." },
      { "scale", type = "number", default = 1, above = 0, only = { "law", "inverse" },
        doc = "inverse: |w| where σ is sigma." },
      { "coefficients", type = "list", only = { "law", "polynomial" },
        doc = "{c0, c1, c2} in µS, of r = g/g_max." },
      { "distribution", type = "string", default = "normal", choices = { "normal", "uniform" },
        doc = "uniform: evenly on ±√3·σ." },
    }
  end

  local READ = law_params(
    { "additive", "proportional", "inverse", "polynomial", "pcm", "rram", "sonos" }, "additive")
  table.insert(READ, { "day", type = "integer", default = 0, min = 0, max = 5,
    only = { "law", "sonos" }, doc = "sonos: 0, or 5: days since programming." })

  register {
    name = "read_noise", stages = { "weights" },
    doc = "Noise of reading, drawn anew for every weight of every evaluation; additive normal "
      .. "noise of dense layers for every sample, too, as what it adds to each sum of products.",
    equation = "w → w + √(σ²(g⁺) + σ²(g⁻))/k·ξ;  pcm: σ = g·min(0.0088/r^0.65, 0.2)·√ln((t +"
      .. " t_r)/(2t_r)), t_r = 250 ns;  rram: σ = max(4.782 − 0.009107·g, 0) µS;  sonos:"
      .. " σ = A·(1 − e^(−I/B)), A = 19.9, B = 176 nA at day 0; 34.6, 207 at day 5",
    source = "pcm: aihwkit 1.x (1/f, t_r = 250 ns); rram: Milo et al. as in CrossSim 3; sonos: "
      .. "CrossSim 3",
    params = READ,
    check = function(where, p)
      check_law(where, p)
      if p.law == "sonos" and p.day ~= 0 and p.day ~= 5 then
        options.fail(where, "option 'day' must be 0 or 5, got %d", p.day)
      end
    end,
    compile = function(p, emit, context)
      local sums = p.law == "additive" and p.distribution == "normal"
      emit_law(p, emit, context, sums and "product" or "drive", p.law)
    end,
  }

  register {
    name = "programming_noise", stages = { "weights" },
    doc = "Noise of writing: what a weight misses its target by, drawn at each write.",
    equation = "w → w + √(σ²(g⁺) + σ²(g⁻))/k·ξ at each write;  pcm: σ = 0.26348 + 1.965·r −"
      .. " 1.1731·r² µS, r = g/g_max",
    source = "pcm: σ(µS) = 0.26348 + 1.965·r − 1.1731·r² (aihwkit 1.x, Nandakumar et al. 2019)",
    params = law_params(
      { "additive", "proportional", "inverse", "polynomial", "pcm", "rram" }, "pcm"),
    check = check_law,
    compile = function(p, emit, context)
      if p.law == "pcm" then
        p = setmetatable({ coefficients = { 0.26348, 1.965, -1.1731 } }, { __index = p })
        emit_law(p, emit, context, "write", "polynomial")
      else
        emit_law(p, emit, context, "write", p.law)
      end
    end,
  }

  -- ---- time -------------------------------------------------------------------------------------

  register {
    name = "drift", stages = { "weights" },
    doc = "Conductances fall as (t/t0)^−ν since a device was last written, each with its own ν.",
    equation = "g → g·(t/t0)^−ν for t > t0,  ν = mean(r) + sd(r)·z for each device;  t since"
      .. " its last write",
    source = "pcm: mean ν = clamp(−0.0155·ln r + 0.0244, 0.049, 0.1), sd = clamp(−0.0125·ln r − "
      .. "0.0059, 0.008, 0.045), t0 = 20 s (aihwkit 1.x)",
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
      emit("drift", { nu = p.nu, nu_spread = p.nu_spread, pcm_nu = p.law == "pcm", table = flat,
        t0 = p.t0, compensation = kinds[p.compensation],
        mapping = mapping_of(context, 25) }, "weight")
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
