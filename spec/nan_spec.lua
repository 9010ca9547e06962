--- A chip that diverged is seen to diverge: no model, activation or layer makes a number of a nan,
-- with any set of instructions, in either precision; and it spoils no lane but its own.

local support = require "spec.support.train"

-- A line for each nan that became a number, and for each number that a nan elsewhere changed.
local SCRIPT = [==[
local mgd = require "mgd"
local hw, nn, nan = mgd.hw, mgd.nn, 0 / 0
local N, PLACES = 40, { 1, 7, 16, 17, 33, 40 }

local function fault(...)
  print(table.concat({ ... }, " "))
end

-- Values from −1.5 to 1.5, and the same with nan at PLACES.
local function values(dtype)
  local plain = mgd.linspace(-1.5, 1.5, N, { dtype = dtype }):reshape { 1, N }
  local spoilt = plain:clone()
  for _, place in ipairs(PLACES) do
    spoilt[1][place] = nan
  end
  return plain, spoilt
end

local function check(what, expected, made, alone)
  local e, m, is = expected:totable(), made:totable(), {}
  for _, place in ipairs(PLACES) do
    is[place] = true
  end
  for i = 1, N do
    if is[i] and m[i] == m[i] then
      fault(what, "made", m[i], "of the nan at", i)
    elseif not is[i] and alone and m[i] ~= e[i] then
      fault(what, "made", m[i], "instead of", e[i], "at", i)
    end
  end
end

local MODELS = {
  hw.dac(), hw.dac { bits = 3, stochastic = true },
  hw.adc(), hw.adc { bits = 3, stochastic = true },
  hw.clamp { low = 0, high = 1 }, hw.clamp { low = -1, high = 0 }, hw.conductance(),
  hw.conductance { levels = 4 }, hw.drift { nu = 0.1 }, hw.drift { law = "pcm" },
  hw.leak { tau = 1 },
  hw.drift { law = "table", table = { { 0, 0.1, 0 }, { 25, 0.05, 0 } } },
  hw.levels { bits = 2 }, hw.levels { table = { -1, 0, 1 } }, hw.diffusion { sigma = 0.1 },
  hw.programming_noise(), hw.read_noise { sigma = 0.1, law = "proportional" },
  hw.s_shape { strength = 1 }, hw.saturation { limit = 1 }, hw.gain { gain = 2 },
  hw.noise { sigma = 0.1 }, hw.flicker { sigma = 0.1, f_low = 0.01, f_high = 0.1 },
  hw.amplitude(), hw.path { clamp = { 0, 1 } },
  hw.path { bits = 3, range = { -1, 1 } }, hw.path { slew = 0.1 }, hw.path { lowpass = 3 },
  hw.path { highpass = 3 }, hw.path { ringing = { frequency = 0.1, damping = 0.5 } },
}
local TOGETHER = { hw.crosstalk { k = 0.1 }, hw.ir_drop { ratio = 0.1 },
  hw.ir_drop { ratio = 0.1, solve = "nodal" }, hw.dac { management = "noise" },
  hw.adc { bits = 4, management = "bound" } }
local LAWS = {
  hw.constant_step(), hw.linear_step(), hw.soft_bounds(), hw.exponential_step(), hw.power_step(),
  hw.ltp_ltd(), hw.pulse_table { up = { -1, 0, 0.5, 1 }, down = { 1, 0, -0.5, -1 } }, hw.write(),
}

for _, dtype in ipairs { "f32", "f64" } do
  local plain, spoilt = values(dtype)
  for _, opts in ipairs { { held = 100 }, { still = true } } do
    for _, model in ipairs(MODELS) do
      check(dtype .. " " .. tostring(model), model:apply(plain, opts)[1],
        model:apply(spoilt, opts)[1], true)
    end
    for _, model in ipairs(TOGETHER) do
      check(dtype .. " " .. tostring(model), plain[1], model:apply(spoilt, opts)[1], false)
    end
  end
  local zeros = mgd.zeros({ N }, { dtype = dtype })
  for _, law in ipairs(LAWS) do
    local what = dtype .. " " .. tostring(law)
    check(what .. ", change", law:write(zeros, plain)[1], law:write(zeros, spoilt)[1], true)
    local to = mgd.full({ 1, N }, 0.2, { dtype = dtype })
    check(what .. ", weight", law:write(plain[1] * 0.1, to)[1], law:write(spoilt[1] * 0.1, to)[1],
      true)
  end
end

-- Networks: sample by sample in lanes; all that a nan reaches is nan.
local function networks(dtype)
  local list = {}
  for _, kind in ipairs { "identity", "sigmoid", "tanh", "relu", "softplus" } do
    list[kind] = nn.mlp { 4, 3, 2, activation = kind, output = kind, dtype = dtype }
    list[kind .. " alone"] = nn.sequential { input = 4, nn.residual { nn.dense(4) }, nn[kind](),
      dtype = dtype }
  end
  for _, pool in ipairs { "maxpool2d", "avgpool2d" } do
    list[pool] = nn.sequential { input = { 1, 2, 2 }, nn.affine(), nn[pool](2), dtype = dtype }
    list["relu and " .. pool] = nn.sequential { input = { 1, 4, 1 }, dtype = dtype,
      nn.conv2d { 2, kernel = { 1, 1 } }, nn.relu(), nn[pool] { kernel = { 2, 1 } }, nn.dense(2) }
  end
  list.residual = nn.sequential { input = 4, nn.residual { nn.dense(4), nn.tanh() },
    nn.sigmoid(), dtype = dtype }
  list.affine = nn.sequential { input = { 1, 2, 2 }, nn.affine(), nn.relu(), nn.dense(1),
    dtype = dtype }
  list.elman = nn.sequential { input = { 2, 2 }, nn.elman { 3 }, nn.dense(2), dtype = dtype }
  return list
end

for _, dtype in ipairs { "f32", "f64" } do
  for name, net in pairs(networks(dtype)) do
    net:init { scheme = "uniform", low = 0.5, high = 1, seed = 3 }
    local shape = net.inputs == 4 and (name:find "pool" or name == "affine") and
      (name:find "^relu" and { N, 1, 4, 1 } or { N, 1, 2, 2 }) or name == "elman" and { N, 2, 2 }
      or { N, 4 }
    local x = mgd.rand(shape, { dtype = dtype })
    local spoilt = x:clone()
    for _, place in ipairs(PLACES) do
      spoilt[place] = mgd.full(shape[3] and { shape[2], shape[3], shape[4] } or { 4 }, nan)
    end
    local y, z = net:forward(x):reshape { N, net.outputs }, net:forward(spoilt)
    z = z:reshape { N, net.outputs }
    for o = 1, net.outputs do
      check(dtype .. " " .. name, y:transpose()[o], z:transpose()[o], true)
    end
  end
end

-- Ensembles, whose parameters are private to lanes; and costs.
for _, kind in ipairs { "identity", "sigmoid", "tanh", "relu", "softplus" } do
  for _, cost in ipairs { "mse", "l2", "cross_entropy" } do
    local net = nn.mlp { 2, 3, 2, activation = kind }
    net:set_theta(mgd.full({ net.num_parameters }, nan, { dtype = "f32" }))
    local run = mgd.train { net = net, replicas = 20, cost = cost,
      data = { x = mgd.rand { 4, 2 }, y = mgd.eye(4)[{ {}, { 1, 2 } }] },
      perturbation = { amplitude = 0.1 } }
    for _, value in ipairs(run:evaluate().cost:totable()) do
      if value == value then
        fault(kind, cost, "cost", value)
      end
    end
  end
end
print "done"
]==]

describe("a nan", function()
  for _, isa in ipairs { "portable", "avx2", "avx512" } do
    it("stays one on its way through every model and layer, " .. isa, function()
      local out = support.subprocess(SCRIPT, "MGD_ISA=" .. isa)
      if out:find "MGD_ISA" then
        pending("this machine has no " .. isa)
        return
      end
      assert.equal("done\n", out)
    end)
  end
end)
