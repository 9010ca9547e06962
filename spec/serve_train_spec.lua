--- One training script, the chip in process or behind the chip server: the same bits.

local mgd = require "mgd"
local served = require "spec.support.served"
local support = require "spec.support.train"

local hw, nn = mgd.hw, mgd.nn
local options = support.options

local function network(dtype)
  local net = nn.mlp{2, 3, 1, activation = "sigmoid", output = "sigmoid", dtype = dtype}
  net:init{scheme = "uniform", low = -1, high = 1, seed = 4}
  return net
end

local function ideal(dtype)
  return mgd.chip{net = network(dtype)}
end

-- What it measures depends on what was measured before, and what is written on how it was.
local function imperfect(dtype)
  return mgd.chip{
    net = network(dtype), seed = 7,
    weights = {hw.leak{tau = 500, spread = 0.2}, hw.diffusion{sigma = 0.001}},
    perturbation = {hw.amplitude{spread = 0.1, mismatch = 0.1}, hw.path{lowpass = 0.4}},
    output = {hw.noise{sigma = 0.001}},
    cost = {hw.noise{sigma = 0.01}, hw.path{lowpass = 0.4}},
    update = {hw.soft_bounds{dw_min = 0.01, w_min = -2, w_max = 2, c2c = 0.1}},
  }
end

-- θ and the costs on the way.
local function train(chip, changes)
  local run = mgd.train(options({chip = chip, data = mgd.data.xor(), eta = 0.5, tau_theta = 8,
    seed = 5, replica = 3, perturbation = {code = "random", amplitude = 0.05}}, changes))
  local history = run:run{steps = 160, every = 20, probes = {"C", "C_tilde"}}
  return {run:theta():totable(), history.C:totable(), history.C_tilde:totable()}
end

local function resource(address)
  local host, port = address:match "^(.*):(%d+)$"
  return host and ("TCPIP::%s::%s::SOCKET"):format(host, port) or "ASRL" .. address
end

-- Trains in process, and by a server; `serving` and `using` are further options of the two sides.
local function assert_same(make, dtype, changes, serving, using)
  local right = train(make(dtype), changes)
  local server = options({chip = make(dtype), listen = "127.0.0.1:0"}, serving)
  served.child(server, function(address)
    local chip = mgd.chip(options({instrument = resource(address)}, using))
    local ok, got = pcall(train, chip, changes)
    chip:close()
    assert.same({true, right}, {ok, got})
  end)
end

describe("a run through the chip server has the bits of one in process", function()
  local VARIANTS = {
    ["the walsh code"] = {perturbation = {code = "walsh", amplitude = 0.02}},
    ["batches that stay for some steps"] = {tau_x = 4, batch = 2},
    ["both sides of θ"] = {baseline = "two-sided", batch = 4},
    ["an amplitude that changes"] = {perturbation = {code = "random",
      amplitude = {"exponential", 0.05, factor = 0.5, every = 100}}},
    ["writes at every step"] = {tau_theta = 1, batch = 4},
    ["the analog engine"] = {engine = "analog", tau_theta = 10, batch = 4},
  }

  for name, changes in pairs(VARIANTS) do
    it("with " .. name, function()
      assert_same(ideal, "f32", changes)
      assert_same(imperfect, "f64", changes)
    end)
  end

  it("in every dialect", function()
    for _, dialect in ipairs{"scpi", "lines", "frames"} do
      assert_same(ideal, "f32", {}, {}, {dialect = dialect})
      assert_same(imperfect, "f32", {}, {}, {dialect = dialect})
    end
  end)

  it("over a pseudo-terminal", function()
    for _, dialect in ipairs{"lines", "frames"} do
      assert_same(ideal, "f32", {}, {listen = "pty"}, {dialect = dialect})
    end
  end)

  it("where the chip of the server is an instrument itself", function()
    local function far(f) -- f(chip), whose chip is behind a server
      served.child({chip = ideal "f32", listen = "127.0.0.1:0"}, function(address)
        f(mgd.chip{instrument = resource(address)})
      end)
    end
    local right = train(ideal "f32")
    far(function(chip)
      served.child({chip = chip, inputs = 2, outputs = 1, listen = "127.0.0.1:0"}, function(address)
        local outer = mgd.chip{instrument = resource(address)}
        assert.same(right, train(outer))
        outer:close()
      end)
      chip:close()
    end)
  end)

  it("where the server was killed on the way, and came back at its port", function()
    local opts = {chip = ideal "f32", listen = "127.0.0.1:0"}
    local address, pid = served.start(opts)
    local chip = mgd.chip{instrument = resource(address)}
    local run = mgd.train{chip = chip, data = mgd.data.xor(), tau_theta = 8, seed = 5,
      eta = 0.1, perturbation = {code = "random", amplitude = 0.05}}
    run:run{steps = 80, probes = {"C"}}
    served.stop(pid)
    local _, second = served.start(options(opts, {listen = address}))
    run:run{steps = 80, probes = {"C"}}
    local there = run:theta():totable()
    chip:close()
    served.stop(second)
    run = mgd.train{chip = ideal "f32", data = mgd.data.xor(), tau_theta = 8, seed = 5, eta = 0.1,
      perturbation = {code = "random", amplitude = 0.05}}
    run:run{steps = 160, probes = {"C"}}
    assert.same(run:theta():totable(), there)
  end)

  it("where the server neither perturbs nor costs", function()
    assert_same(ideal, "f64", {}, {perturbs = false})
    assert_same(ideal, "f64", {}, {perturbs = false, cost = false})
    assert_same(ideal, "f32", {batch = 3}, {perturbs = false, cost = false})
    local function without_path(dtype) -- of θ̃, which such a chip does not see by itself
      return mgd.chip{net = network(dtype), seed = 7, output = {hw.noise{sigma = 0.001}},
        input = {hw.path{lowpass = 0.3}}, cost = {hw.noise{sigma = 0.01}, hw.path{lowpass = 0.4}}}
    end
    assert_same(without_path, "f64", {}, {perturbs = false})
  end)
end)
