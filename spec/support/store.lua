-- What the specs of the run store share.

local mgd = require "mgd"

local support = {}

--- A small experiment on XOR that takes milliseconds.
function support.experiment(changes)
  local opts = {
    name = "xor", network = { 2, 2, 1, activation = "sigmoid", output = "sigmoid" }, data = "xor",
    training = { tau_theta = 4, eta = 2, perturbation = { code = "walsh", amplitude = 0.05 } },
    steps = 4000, every = 1000, stop = { cost = 0.04 }, seeds = 8,
  }
  for key, value in pairs(changes or {}) do
    opts[key] = value
  end
  return mgd.experiment(opts)
end

--- Lists over slots for a row of made-up values: exact in binary, all different.
function support.values(step, count)
  local list = {}
  for r = 1, count do
    list[r] = step + r / 1024
  end
  return list
end

return support
