--- q1, q2: a step of the digital learning circuits beside one of the discrete engine that measures
-- two-sided as they do.

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

local function trio(replicas)
  local net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" }
  local function circuit(set)
    return contenders.engine(set, run(replicas, { circuit = mgd.circuit { set = set, net = net } }),
      replicas)
  end
  return {
    contenders.engine("float", run(replicas, { net = net, baseline = "two-sided", eta = 0.01,
      perturbation = { code = "random", amplitude = 0.125 } }), replicas),
    circuit "sign-sign", circuit "accumulator",
  }
end

return {
  { id = "q1", unit = "ns", targets = { { against = "float", at_least = 0.5 } },
    title = "2-2-1 on XOR, 1,024 replicas, four samples, two-sided: digital circuits at least half "
      .. "as fast as the discrete engine, a step of a replica",
    make = function()
      return trio(1024)
    end },
  { id = "q2", unit = "ns",
    title = "the same, one replica",
    make = function()
      return trio(1)
    end },
}
