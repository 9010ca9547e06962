--- q1, q2, q3: a step of the digital learning circuits beside one of the discrete engine that
-- measures two-sided as they do.

local contenders = require "contenders"
local mgd = require "mgd"

local INIT = { scheme = "uniform", low = -0.5, high = 0.5 }

local function run(replicas, own)
  local opt = { data = mgd.data.xor(), batch = 4, shuffle = false, threads = 1,
    replicas = replicas, init = INIT }
  for name, value in pairs(own) do
    opt[name] = value
  end
  return mgd.train(opt)
end

-- The circuit `set`, then the engine.
local function pair(set, replicas)
  local net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" }
  return {
    contenders.engine(set, run(replicas, { circuit = mgd.circuit { set = set, net = net } }),
      replicas),
    contenders.engine("discrete", run(replicas, { net = net, baseline = "two-sided", eta = 0.01,
      perturbation = { code = "random", amplitude = 0.125 } }), replicas),
  }
end

local TARGET = { against = "discrete", at_least = 0.5 }

local function row(id, title, set, replicas)
  return { id = id, unit = "ns", targets = { TARGET }, title = title,
    make = function()
      return pair(set, replicas)
    end }
end

return {
  row("q1", "2-2-1 on XOR, four samples, two-sided, 1,024 replicas, a step of a replica: votes are "
    .. "counted at least half as fast as the discrete engine learns", "sign-sign", 1024),
  row("q2", "the same, by accumulators", "accumulator", 1024),
  row("q3", "votes, one replica", "sign-sign", 1),
}
