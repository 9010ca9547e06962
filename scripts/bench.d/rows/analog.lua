--- o1, o2: a step of the analog engine beside one of the discrete engine without a baseline: each
-- asks for one evaluation.

local contenders = require "contenders"
local mgd = require "mgd"

-- At most 1.5 times the discrete step.
local TARGET = { against = "discrete", at_least = 0.667 }

local function pair(replicas)
  local function run(opts)
    opts.net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" }
    opts.data, opts.batch, opts.tau_x, opts.threads = mgd.data.xor(), 1, 250, 1
    opts.replicas, opts.eta = replicas, 0.01
    opts.init = { scheme = "uniform", low = -0.5, high = 0.5 }
    opts.perturbation = { code = "random", amplitude = 0.05 }
    return mgd.train(opts)
  end
  return {
    contenders.engine("analog", run { engine = "analog", tau_hp = 20, tau_theta = 64 }, replicas),
    contenders.engine("discrete", run { baseline = "none", tau_theta = 1 }, replicas),
  }
end

return {
  { id = "o1", unit = "ns", targets = { TARGET },
    title = "2-2-1 on XOR, one replica: an analog step; at most 1.5 × a discrete one without "
      .. "baseline",
    make = function()
      return pair(1)
    end },
  { id = "o2", unit = "ns", targets = { TARGET },
    title = "the same, 1,024 replicas, a step of a replica",
    make = function()
      return pair(1024)
    end },
}
