-- What the specs of recurrent networks share.

local mgd = require "mgd"

local nn = mgd.nn
local unpack = table.unpack or unpack

local support = {}

-- name, input, recurrent layer
support.LAYERS = {
  { "elman, tanh", { 6, 3 }, function(o) return nn.elman { 5, output = o } end },
  { "elman, relu", { 9, 4 },
    function(o) return nn.elman { 7, activation = "relu", output = o } end },
  { "elman, sigmoid, one feature", { 5 },
    function(o) return nn.elman { 4, activation = "sigmoid", output = o } end },
  { "elman of one step", { 1, 3 }, function(o) return nn.elman { 2, output = o } end },
  { "elman of many inputs", { 3, 70 }, function(o) return nn.elman { 66, output = o } end },
  { "ssm", { 7, 3 }, function(o) return nn.ssm { states = 6, output = o } end },
  { "ssm of one feature", { 11 }, function(o) return nn.ssm { states = 9, output = o } end },
  { "ssm drawn", { 4, 2 },
    function(o) return nn.ssm { states = 5, init = "scheme", output = o } end },
  { "ssm of one state", { 2, 1 }, function(o) return nn.ssm { states = 1, output = o } end },
}

-- Such a layer and a read-out of `answers` columns.
function support.network(case, output, dtype, answers)
  local dense = nn.dense(answers or 3)
  local net = nn.sequential { input = case[2], dtype = dtype, case[3](output),
    output == "all" and nn.each_step { dense } or dense }
  return net:init { scheme = "glorot_normal", seed = 11 }
end

-- Visits all of them with both outputs.
function support.each(visit)
  for _, case in ipairs(support.LAYERS) do
    for _, output in ipairs { "last", "all" } do
      visit(case, output, case[1] .. ", " .. output)
    end
  end
end

function support.samples(net, n, seed)
  return mgd.randn({ n, unpack(net.input) }, { seed = seed or 3 }):to(net.dtype)
end

-- Targets for all outputs: (N, K), or (N, T, K).
function support.targets(net, n, answers)
  local sequence = net.layers[1].every
  local shape = sequence and { n, net.input[1], answers } or { n, answers }
  return mgd.rand(shape, { seed = 4 }):to(net.dtype)
end

-- The largest difference of two tensors.
function support.worst(a, b)
  return ((a - b):abs()):max()
end

return support
