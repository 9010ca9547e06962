--- Presets: named devices and whole platforms, with the source of their figures.
--
-- A device preset is an update law with what else its kind of weight does; a platform is a table
-- of stages and a clock for mgd.chip. Both are plain models: print them, change them, combine them.
--
--     local chip = mgd.chip(hw.presets.memristive_crossbar{net = net, seed = 7})
--     local chip = mgd.chip{net = net, update = hw.presets.reram_es()}
--
-- Presets that are *sourced* have their figures from the class of a simulator, restated for the
-- laws here: `data/presets.csv` has each with its name and value there. Those that are
-- *illustrative* have figures of a likely order, from no one measurement.
-- @module mgd.hardware.hw.presets

local listing = require "mgd.text.listing"
local naming = require "mgd.base.naming"
local options = require "mgd.base.options"

-- What a user may change of a device and leave it as it was measured: how it is written.
local CONTROLLER = {}
for _, name in ipairs { "nominal", "max_pulses", "stochastic", "threshold", "interval",
  "accumulate", "endurance", "endurance_spread" } do
  CONTROLLER[name] = true
end

return function(hw)
  local presets, list = {}, {}

  local function add(entry)
    list[#list + 1] = entry
    presets[entry.name] = entry.make
  end

  -- ---- devices ----------------------------------------------------------------------------------

  local CLASSES = "IBM/aihwkit 4545f11, src/aihwkit/simulator/presets/"

  -- An update law of that name with these figures; options given to the preset change them.
  local function device(name, law, class, paper, doc, figures)
    local file = class == "PCMPresetUnitCell" and "compounds.py" or "devices.py"
    add {
      name = name, kind = "device", standing = "sourced", doc = doc,
      source = ("%s%s, %s (%s)"):format(CLASSES, file, class, paper),
      make = function(given)
        local p, departs = {}, {}
        -- as in all devices there: src/rpucuda/rpu_pulsed_device.cpp, populate
        p.imbalance, p.fold = "one-sided", true
        for key, value in pairs(figures) do
          p[key] = value
        end
        for key, value in pairs(given or {}) do
          if value ~= p[key] and not CONTROLLER[key] then
            departs[#departs + 1] = key
          end
          p[key] = value
        end
        local model = hw[law](p)
        table.sort(departs)
        model.departs = departs[1] and ("hw.presets.%s with another %s"):format(name,
          table.concat(departs, ", "))
        return model
      end,
    }
  end

  local GONG = "Gong et al., Nat. Commun. 9, 2102, 2018"
  device("reram_es", "exponential_step", "ReRamESPresetDevice", GONG, "ReRAM, exponential step", {
    dw_min = 0.00135, dw_min_d2d = 0.2, up_down = 0.259359, up_down_d2d = 0.05,
    w_min = -1, w_max = 1, w_min_d2d = 0.3, w_max_d2d = 0.3,
    a = -0.5, b = -0.5, gamma_up = 5, gamma_down = 5, gamma_d2d = 0,
    amplitude_up = -1.18445, amplitude_down = -0.081404,
    c2c = 5, write_noise = 75 * 0.00135,
    nominal = (1 - 0.259359) * 0.00135 * (1 + 0.081404 * math.exp(2.5)) })
  device("reram_sb", "soft_bounds", "ReRamSBPresetDevice", GONG,
    "ReRAM, soft bounds, less a reference at its symmetry point, which is not modelled", {
    dw_min = 0.002, dw_min_d2d = 0.3, up_down = 0, up_down_d2d = 0.01,
    w_min = -0.75, w_max = 1.25, w_min_d2d = 0.3 / 0.75, w_max_d2d = 0.3 / 1.25,
    c2c = 3.75, c2c_of = "full step", write_noise = 56 * 0.002 })
  device("capacitor", "linear_step", "CapacitorPresetDevice", "Li et al., VLSI 2018",
    "Capacitor cell; its leak is hw.presets.capacitor_leak", {
    dw_min = 0.005, dw_min_d2d = 0.1, up_down = 0, up_down_d2d = 0.06,
    w_min = -1, w_max = 1, w_min_d2d = 0.07, w_max_d2d = 0.07,
    gamma_up = -0.05, gamma_down = 0.05, gamma_d2d = 0.01, gamma_down_d2d = 0.01,
    c2c = 0.3, c2c_of = "full step" })
  device("ecram", "linear_step", "EcRamPresetDevice", "Tang et al., IEDM 2018",
    "Electrochemical RAM with lithium", {
    dw_min = 0.002, dw_min_d2d = 0.1, up_down = 0, up_down_d2d = 0.01,
    w_min = -0.8276, w_max = 1.1724, w_min_d2d = 0.05, w_max_d2d = 0.05,
    gamma_up = -0.1153 / 1.1724, gamma_down = 0.5085 / 0.8276, gamma_d2d = 0.05 / 1.1724,
    gamma_down_d2d = 0.05 / 0.8276, c2c = 0.3 })
  device("ecram_mo", "linear_step", "EcRamMOPresetDevice", "Kim et al., IEDM 2019",
    "Electrochemical RAM of metal oxide", {
    dw_min = 2.8214e-4, dw_min_d2d = 0.1, up_down = 0, up_down_d2d = 0.01,
    w_min = -0.8286, w_max = 1.1714, w_min_d2d = 0.05, w_max_d2d = 0.05,
    gamma_up = -0.4152 / 1.1714, gamma_down = 0.7342 / 0.8286, gamma_d2d = 0.05 / 1.1714,
    gamma_down_d2d = 0.05 / 0.8286, c2c = 2 })
  device("idealized", "constant_step", "IdealizedPresetDevice",
    "Rasch, Gokmen and Haensch, IEEE Design & Test, 2019",
    "A resistive processing unit of 10,000 states without imbalance", {
    dw_min = 0.0002, dw_min_d2d = 0.3, up_down = 0, up_down_d2d = 0,
    w_min = -1, w_max = 1, w_min_d2d = 0.3, w_max_d2d = 0.3, c2c = 0.3 })
  device("gokmen_vlasov", "constant_step", "GokmenVlasovPresetDevice",
    "Gokmen and Vlasov, Front. Neurosci. 10, 333, 2016",
    "The specification of a resistive processing unit", {
    dw_min = 0.0016, dw_min_d2d = 0.3, up_down = 0, up_down_d2d = 0.01,
    w_min = -1, w_max = 1, w_min_d2d = 0.3, w_max_d2d = 0.3, c2c = 0.3 })
  device("pcm", "exponential_step", "PCMPresetUnitCell",
    "Nandakumar et al., Front. Neurosci. 14, 406, 2020",
    "Pairs of phase-change devices that pulses raise alone, set back when both are high", {
    dw_min = 0.01, dw_min_d2d = 0.2, up_down = 0, up_down_d2d = 0.05,
    w_min = 0, w_max = 2, w_min_d2d = 0, w_max_d2d = 0.1,
    a = -1, b = 0, gamma_up = 2.5, gamma_down = 2.5, gamma_d2d = 0,
    amplitude_up = -27.235, amplitude_down = -2.235, c2c = 0.6, c2c_add = 0.042, c2c_slope = 0.108,
    cell = "pair", refresh_upper = 0.75, refresh_lower = 0.25,
    reset = 0.01, reset_d2d = 0.02, reset_noise = 0.01, nominal = 0.01 * (1 + 2.235) })

  local IEDM = "Gong, Rasch et al., IEDM 2022"
  device("reram_array_om", "soft_bounds", "ReRamArrayOMPresetDevice", IEDM,
    "ReRAM array, optimised material; beside it hw.stuck{random = 0.1348, at_low = -0.01, at_high "
      .. "= 0.01} for its corrupt devices", {
    dw_min = 0.0949, dw_min_d2d = 0.7829, dw_min_shape = "lognormal", up_down = 0,
    up_down_d2d = 0.01, w_min = -1, w_max = 1, w_min_d2d = 0.5695, w_max_d2d = 0.3499,
    c2c = 0.4158, c2c_of = "full step", write_noise = 1.4113 * 0.0949, subtract_symmetry = true,
    reference_d2d = 0.05 })
  device("hfo2_array", "soft_bounds", "ReRamArrayHfO2PresetDevice", IEDM,
    "ReRAM array of HfO2, the baseline; beside it hw.stuck{random = 0.0977, at_low = -0.01, "
      .. "at_high = 0.01} for its corrupt devices", {
    dw_min = 0.4622, dw_min_d2d = 0.7125, dw_min_shape = "lognormal", up_down = 0,
    up_down_d2d = 0.01, w_min = -1, w_max = 1, w_min_d2d = 0.5990, w_max_d2d = 0.4295,
    c2c = 0.2174, c2c_of = "full step", write_noise = 0.5841 * 0.4622, subtract_symmetry = true,
    reference_d2d = 0.05 })

  add {
    name = "capacitor_leak", kind = "weights", standing = "sourced",
    doc = "What a capacitor loses beside hw.presets.capacitor: 1/lifetime of it in each step of dt",
    source = CLASSES .. "devices.py, CapacitorPresetDevice (Li et al., VLSI 2018)",
    make = function(given)
      local p = options.check("hw.presets.capacitor_leak", {
        { "dt", type = "number", default = 1, above = 0, unit = "s", doc = "Of a step." },
        { "lifetime", type = "number", default = 1e6, above = 1, unit = "steps",
          doc = "In steps, of which each is a mini-batch there." },
      }, given)
      return hw.leak { tau = p.lifetime * p.dt, spread = 0.3 }
    end,
  }

  add {
    name = "hermes_pcm", kind = "weights", standing = "sourced",
    doc = "Differential pairs of phase-change memory: conductances to 25 µS, programming noise, "
      .. "1/f read noise, drift with global compensation",
    source = "IBM/aihwkit 4545f11, src/aihwkit/inference/noise/pcm.py and converter/conductance.py "
      .. "(Nandakumar et al., ICECS 2019; Joshi et al., Nat. Commun. 11, 2473, 2020)",
    make = function(given)
      local p = options.check("hw.presets.hermes_pcm", {
        { "w_max", type = "number", default = 1, above = 0, doc = "Weight at 25 µS." },
        { "pairs", type = "integer", default = 1, min = 1, doc = "Devices in parallel." },
      }, given)
      return {
        hw.conductance { mapping = "differential", g_max = 25, w_max = p.w_max, pairs = p.pairs },
        hw.programming_noise { law = "pcm" },
        hw.drift { law = "pcm", compensation = "global" },
        hw.read_noise { law = "pcm" },
      }
    end,
  }

  -- ---- platforms --------------------------------------------------------------------------------

  local PLATFORM = {
    { "net", type = "any", required = true, doc = "The network." },
    options.stated("seed", { doc = "Of the devices." }),
  }

  -- What is given to the preset beside net and seed replaces a stage, or adds one.
  local function platform(name, doc, source, stages)
    add {
      name = name, kind = "platform", standing = "illustrative", doc = doc, source = source,
      make = function(given)
        local where = "hw.presets." .. name
        if type(given) ~= "table" then
          options.fail(where, "expected {net = …, seed = …}, got %s", options.type_name(given))
        end
        local base, chip = {}, stages()
        for _, entry in ipairs(PLATFORM) do
          base[entry[1]] = given[entry[1]]
        end
        for key, value in pairs(options.check(where, PLATFORM, base)) do
          chip[key] = value
        end
        for key, value in pairs(given) do
          chip[key] = value -- mgd.chip checks the names
        end
        return chip
      end,
    }
  end

  platform("analog_vlsi", "Capacitors as weights: they leak, circuits have offsets and limited "
    .. "swing, one broadcast cost over a wire of limited bandwidth", "after "
    .. "weight perturbation chips (Jabri and Flower 1992; Cauwenberghs 1996); no figure is theirs",
    function()
      local dt = 1e-5
      return {
        weights = { hw.leak { tau = 2, spread = 0.2 }, hw.clamp { low = -5, high = 5 },
          hw.gain { offset_spread = 0.02 } },
        perturbation = { hw.amplitude { spread = 0.05, mismatch_spread = 0.02 } },
        neurons = { hw.neuron_spread { sigma = 0.05 } },
        output = { hw.path { lowpass = dt / 5, offset_spread = 0.01 } },
        cost = { hw.path { lowpass = dt / 5 }, hw.noise { sigma = 1e-4 } },
        update = { hw.write { noise = 1e-4 } },
        clock = { dt = dt, energy = { evaluation = 1e-9, write = 1e-12 } },
      }
    end)
  platform("memristive_crossbar", "Differential pairs of resistive devices: programming noise, "
    .. "read noise, drift, IR drop, pulsed asymmetric writes, converters", "after "
    .. "crossbars as of Prezioso et al. 2015 and McCaughan et al. 2023; no figure is theirs",
    function()
      return {
        weights = {
          hw.conductance { mapping = "differential", g_min = 1, g_max = 100, w_max = 4 },
          hw.programming_noise { law = "proportional", sigma = 0.02 },
          hw.drift { law = "power", nu = 0.01, nu_spread = 0.003, t0 = 1e-4 },
          hw.ir_drop { ratio = 2e-4, w_max = 4 }, hw.read_noise { sigma = 0.002 },
          hw.stuck { low = 0.002, random = 0.003, at_low = -4, at_high = 4 },
        },
        input = { hw.dac { bits = 7 } },
        cost = { hw.noise { sigma = 1e-4 } },
        update = hw.soft_bounds { dw_min = 0.004, dw_min_d2d = 0.2, c2c = 0.3, up_down = 0.02,
          up_down_d2d = 0.02, w_min = -4, w_max = 4, w_min_d2d = 0.1, w_max_d2d = 0.1,
          endurance = 1e9, max_pulses = 255 },
        clock = { dt = 1e-6, energy = { evaluation = 1e-10, pulse = 1e-12 } },
      }
    end)
  platform("photonic_mesh", "Phases of Mach-Zehnder interferometers: heaters with a thermal time "
    .. "constant and crosstalk, quantised drivers, detector noise", "after "
    .. "Clements et al., Optica 3, 1460 (2016), and Pai et al., Science 380, 398 (2023); no figure "
    .. "is theirs",
    function()
      local dt = 1e-4
      return {
        weights = { hw.dac { bits = 12, bound = 6.5 }, hw.crosstalk { k = 0.01 } },
        perturbation = { hw.path { lowpass = dt / 5 } },
        output = { hw.noise { sigma = 1e-3 }, hw.path { lowpass = dt / 10 } },
        cost = { hw.noise { sigma = 1e-5 } },
        clock = { dt = dt, power = 0.1, energy = { evaluation = 1e-12 } },
      }
    end)
  platform("superconducting_fast", "Josephson and nanowire circuits: 100 ps steps, few bits, noisy "
    .. "thresholds", "after the very fast hardware of McCaughan et al. 2023 and loop neurons of "
    .. "Shainline et al. 2019; no figure is theirs, dt is of the order of the former's",
    function()
      local dt = 1e-10
      return {
        weights = { hw.levels { bits = 8, low = -6, high = 6 } },
        neurons = { hw.neuron_spread { sigma = 0.05 }, hw.noise { sigma = 1e-3 } },
        perturbation = { hw.path { lowpass = dt / 5 } },
        cost = { hw.path { lowpass = dt / 5 }, hw.noise { sigma = 1e-4 } },
        update = { hw.write { noise = 1e-4 } },
        clock = { dt = dt, energy = { evaluation = 1e-15, write = 1e-18 } },
      }
    end)
  platform("chip_in_the_loop", "A bench: a computer writes weights by converters, reads outputs by "
    .. "converters and computes the cost, a millisecond a step", "after the slow hardware of "
    .. "McCaughan et al. 2023; no figure is theirs, dt is of the order of theirs",
    function()
      return {
        weights = {
          hw.dac { bits = 16, bound = 8 }, hw.gain { spread = 0.02, offset_spread = 0.02 },
        },
        input = { hw.dac { bits = 12 } },
        output = { hw.adc { bits = 14, bound = 4, noise = 1e-4 } },
        neurons = { hw.neuron_spread { sigma = 0.05 } },
        clock = { dt = 1e-3, energy = { evaluation = 1e-6 }, power = 1 },
      }
    end)

  -- hw.presets() lists all, as {name =, kind = "device" | "weights" | "platform", standing =
  -- "sourced" | "illustrative", doc =, source =}; hw.presets.NAME{…} makes one.
  return naming.module("mgd.hw.presets", presets, { call = function()
    local copy = {}
    for i, entry in ipairs(list) do
      copy[i] = { name = entry.name, kind = entry.kind, standing = entry.standing, doc = entry.doc,
        source = entry.source }
    end
    return listing(copy, { "name", "kind", "standing", "doc" }, "mgd.hw.preset")
  end })
end
