--- Presets: named devices and whole platforms, with the source of their figures.
--
-- A device preset is an update law with what else its kind of weight does; a platform is a table
-- of stages and a clock for mgd.chip. Both are plain models: print them, change them, combine them.
--
--     local chip = mgd.chip(hw.presets.memristive_crossbar{net = net, seed = 7})
--     local chip = mgd.chip{net = net, update = hw.presets.reram_es()}
-- @module mgd.hardware.hw.presets

local listing = require "mgd.text.listing"
local naming = require "mgd.base.naming"
local options = require "mgd.base.options"

return function(hw)
  local presets, list = {}, {}

  local function add(entry)
    list[#list + 1] = entry
    presets[entry.name] = entry.make
  end

  -- ---- devices ----------------------------------------------------------------------------------

  local AIHWKIT = "IBM aihwkit 1.x, "

  -- An update law of that name with these figures; options given to the preset change them.
  local function device(name, law, figures, doc, source)
    add {
      name = name, kind = "device", doc = doc, source = source,
      make = function(given)
        local p = {}
        for key, value in pairs(figures) do
          p[key] = value
        end
        for key, value in pairs(given or {}) do
          p[key] = value
        end
        return hw[law](p)
      end,
    }
  end

  device("reram_es", "exponential_step", { dw_min = 0.00135, dw_min_d2d = 0.2, c2c = 5,
    up_down_d2d = 0.05, w_min = -0.5, w_max = 0.5, w_min_d2d = 0.2, w_max_d2d = 0.2 },
    "ReRAM, exponential step", AIHWKIT .. "ReRamESPresetDevice (Gong et al., VLSI 2018)")
  device("reram_sb", "soft_bounds", { dw_min = 0.002, dw_min_d2d = 0.1, c2c = 1,
    up_down_d2d = 0.01, w_min = -1.25, w_max = 0.75, w_min_d2d = 0.3, w_max_d2d = 0.3 },
    "ReRAM, soft bounds", AIHWKIT .. "ReRamSBPresetDevice (Gong et al., VLSI 2018)")
  device("capacitor", "linear_step", { dw_min = 0.005, dw_min_d2d = 0.07, c2c = 0.04, up_down = 0,
    up_down_d2d = 0.06, w_min = -1, w_max = 1, w_min_d2d = 0.07, w_max_d2d = 0.07,
    gamma_up = -0.05, gamma_down = 0.05, gamma_d2d = 0.01 },
    "Capacitor cell; its leak is hw.leak{tau = 1e6·dt}",
    AIHWKIT .. "CapacitorPresetDevice (Li et al., VLSI 2018); lifetime 10^6 steps")
  device("ecram", "linear_step", { dw_min = 0.002, dw_min_d2d = 0.1, c2c = 0.3, up_down_d2d = 0.01,
    w_min = -1, w_max = 1, w_min_d2d = 0.05, w_max_d2d = 0.05, gamma_up = -0.75,
    gamma_down = 0.75, gamma_d2d = 0.05 },
    "Electrochemical RAM", AIHWKIT .. "EcRamPresetDevice (Tang et al., IEDM 2018)")
  device("ecram_mo", "linear_step", { dw_min = 2.82e-4, dw_min_d2d = 0.06, c2c = 0.8,
    up_down_d2d = 0.05, w_min = -1, w_max = 1, w_min_d2d = 0.1, w_max_d2d = 0.1,
    gamma_up = -0.23, gamma_down = 0.23, gamma_d2d = 0.1, max_pulses = 255 },
    "Metal-oxide electrochemical RAM", AIHWKIT .. "EcRamMOPresetDevice (Kim et al., IEDM 2019)")
  device("gokmen_vlasov", "constant_step", { dw_min = 0.0016, dw_min_d2d = 0.3, c2c = 0.3,
    up_down_d2d = 0.01, w_min = -0.6, w_max = 0.6, w_min_d2d = 0.3, w_max_d2d = 0.3 },
    "The specification of a resistive processing unit",
    AIHWKIT .. "GokmenVlasovPresetDevice (Gokmen and Vlasov, Front. Neurosci. 10, 333, 2016)")
  device("pcm", "exponential_step", { dw_min = 0.01, dw_min_d2d = 0.1, c2c = 0.5, up_down_d2d = 0,
    w_min = 0, w_max = 1, w_min_d2d = 0, w_max_d2d = 0.2, amplitude_up = 0.2,
    amplitude_down = 0.2, gamma_up = 1.6, gamma_down = 1.6, a = 1, b = 0 },
    "Phase-change memory, one device, written up only for long",
    AIHWKIT .. "PCMPresetDevice (Ambrogio et al.; dw_min 0.01); exponent simplified")
  device("reram_array_om", "soft_bounds", { dw_min = 0.0949, dw_min_d2d = 0.7829, c2c = 0.4158,
    up_down_d2d = 0.01, w_min = -1, w_max = 1, w_min_d2d = 0.4295, w_max_d2d = 0.4295 },
    "ReRAM array, optimised material",
    AIHWKIT .. "ReRamArrayOMPresetDevice (Gong et al., IEDM 2022)")
  device("hfo2_array", "soft_bounds", { dw_min = 0.4622, dw_min_d2d = 0.7125, c2c = 0.2174,
    up_down_d2d = 0.01, w_min = -1, w_max = 1, w_min_d2d = 0.3, w_max_d2d = 0.3 },
    "HfO2 ReRAM array, the baseline",
    AIHWKIT .. "ReRamArrayHfO2PresetDevice (Gong et al., IEDM 2022)")

  add {
    name = "hermes_pcm", kind = "weights", doc = "Differential pairs of phase-change memory: "
      .. "conductances to 25 µS, programming noise, 1/f read noise, drift with global compensation",
    source = "the PCM figures of aihwkit 1.x (Nandakumar et al. 2019; Joshi et al. 2020), as of "
      .. "the Hermes core (Khaddam-Aljameh et al., JSSC 2022)",
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
      name = name, kind = "platform", doc = doc, source = source,
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
    .. "swing, one broadcast cost over a wire of limited bandwidth", "summed-weight neuron "
    .. "perturbation and weight perturbation chips (Jabri and Flower 1992; Cauwenberghs 1996); "
    .. "figures of their order",
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
    .. "read noise, drift, IR drop, pulsed asymmetric writes, converters", "CrossSim 3, aihwkit "
    .. "1.x; perturbative training on crossbars as by Prezioso et al. 2015, McCaughan et al. 2023",
    function()
      return {
        weights = {
          hw.conductance { mapping = "differential", g_min = 1, g_max = 100, w_max = 4 },
          hw.programming_noise { law = "proportional", sigma = 0.02 },
          hw.drift { law = "power", nu = 0.01, nu_spread = 0.003, t0 = 1 },
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
    .. "constant and crosstalk, quantised drivers, detector noise", "Clements et al., Optica 3, "
    .. "1460 (2016); Pai et al., Science 380, 398 (2023); thermal figures of their order",
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
    .. "thresholds", "time constants of McCaughan et al. 2023 (very fast hardware); figures of the "
    .. "order of superconducting loop neurons (Shainline et al. 2019)",
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
    .. "converters and computes the cost, a millisecond a step", "time constants of McCaughan et "
    .. "al. 2023 (slow chip-in-the-loop)",
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

  -- hw.presets() lists all, as {name =, kind = "device" | "weights" | "platform", doc =, source =};
  -- hw.presets.NAME{…} makes one.
  return naming.module("mgd.hw.presets", presets, { call = function()
    local copy = {}
    for i, entry in ipairs(list) do
      copy[i] = { name = entry.name, kind = entry.kind, doc = entry.doc, source = entry.source }
    end
    return listing(copy, { "name", "kind", "doc" }, "mgd.hw.preset")
  end })
end
