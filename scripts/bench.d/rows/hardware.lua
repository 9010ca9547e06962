--- k1 to k3: what imperfections cost inside the loop, against the ideal chip in the same run.

local mgd = require "mgd"
local contenders = require "contenders"
local tasks = require "tasks"

local hw = mgd.hw
local REPLICAS = 1024

local FULL = {
  weights = { hw.levels { bits = 6 }, hw.read_noise { sigma = 0.01 } },
  neurons = hw.neuron_spread { sigma = 0.1 },
  perturbation = hw.path { lowpass = 0.5 }, input = hw.path { lowpass = 0.5 },
  output = hw.path { lowpass = 0.5 }, cost = { hw.path { lowpass = 0.5 },
    hw.noise { sigma = 1e-4 } },
}

-- Every stage there, and nothing in it that does anything.
local NEUTRAL = {
  weights = { hw.noise { sigma = 0 }, hw.stuck {} }, neurons = hw.neuron_spread { sigma = 0 },
  perturbation = hw.path {}, input = hw.path {}, output = hw.path {}, cost = hw.noise { sigma = 0 },
  update = hw.write {},
}

local function run(stages)
  local chip = { net = tasks.small_net(tasks.nist()), seed = 7 }
  for name, models in pairs(stages) do
    chip[name] = models
  end
  chip.clock = nil -- the ideal chip has none
  return tasks.small(tasks.nist(), { replicas = REPLICAS, chip = mgd.chip(chip) })
end

local function row(id, title, label, stages, at_least)
  return {
    id = id, title = title, unit = "ns",
    targets = { { against = "ideal chip", at_least = at_least } },
    make = function()
      return { contenders.engine(label, run(stages), REPLICAS),
        contenders.engine("ideal chip", run {}, REPLICAS) }
    end,
  }
end

local crossbar = hw.presets.memristive_crossbar { net = tasks.small_net(tasks.nist()), seed = 7 }

return {
  row("k1", "49-4-4, 1,024 replicas: 6-bit weights with read noise, neuron spread, cost noise, "
    .. "one-pole paths; at most 4 × the ideal chip", "full stack", FULL, 0.25),
  row("k2", "the same with every model neutral", "neutral models", NEUTRAL, 0.97),
  row("k3", "49-4-4, 1,024 replicas: the platform memristive_crossbar: drift, shared wires, read "
    .. "noise, pulsed writes; at most 40 × the ideal chip", "crossbar", crossbar, 0.025),
}
