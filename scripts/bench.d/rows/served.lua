--- v1, v2: a chip behind the chip server that perturbs by itself, beside the same chip in process:
-- samples sent once, steps in bursts, θ written once a window.

local contenders = require "contenders"
local mgd = require "mgd"

-- At most twice the step in process.
local TARGET = { against = "in process", at_least = 0.5 }

local STEPS = 1000 -- in a window

-- The server is a child of the bench, which ends with it.
local SERVER = [[
local mgd = require "mgd"
mgd.chip.serve { net = mgd.nn.mlp { 784, 32, 10 }, listen = "-", threads = 1 }]]

local function run_of(chip, code)
  return mgd.train {
    chip = chip or mgd.chip { net = mgd.nn.mlp { 784, 32, 10 } }, threads = 1, eta = 1e-3,
    tau_theta = STEPS,
    data = { x = mgd.rand({ 6000, 784 }, { seed = 1, dtype = "f32" }),
      y = mgd.rand({ 6000, 10 }, { seed = 2, dtype = "f32" }) },
    perturbation = { code = code, amplitude = 0.01 },
    init = { scheme = "uniform", low = -0.05, high = 0.05 },
  }
end

local function pair(code)
  local served = mgd.chip { instrument = { "EXEC", arg[-1], "-e", SERVER } }
  return {
    contenders.engine("served", run_of(served, code), 1),
    contenders.engine("in process", run_of(nil, code), 1),
  }
end

return {
  {
    id = "v1", unit = "µs", targets = { TARGET },
    title = "784-32-10, one thread, windows of 1,000 steps, random code: a step through the chip "
      .. "server; at most 2 × one in process",
    make = function()
      return pair "random"
    end,
  },
  {
    id = "v2", unit = "µs", targets = { TARGET },
    title = "the same, walsh code",
    make = function()
      return pair "walsh"
    end,
  },
}
