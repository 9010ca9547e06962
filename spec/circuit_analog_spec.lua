-- Analog learning circuits: what their figures are for training, and what is refused.

local fails = require("spec.support.errors").fails_here
local mgd = require "mgd"

local INIT = { scheme = "uniform", low = -1, high = 1 }
local XOR = mgd.data.xor { dtype = "f64" }

local function mlp()
  return mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid", dtype = "f64" }
end

local function with(own, base)
  local out = {}
  for _, source in ipairs { base, own } do
    for name, value in pairs(source) do
      out[name] = value
    end
  end
  return out
end

local function circuit(set, own)
  return mgd.circuit(with(own or {}, { set = set, synapses = 9 }))
end

-- θ of two runs, which must be the same bits.
local function same_bits(a, b, steps)
  a:run { steps = steps }
  b:run { steps = steps }
  assert.same(a:theta():totable(), b:theta():totable())
end

describe("the circuit rc", function()
  it("is the analog engine, by figures that are worked out by hand", function()
    -- 40 mV of 100 mV; 1 MΩ · 8 pF of 1/8 µs; 50 µA/V² · 1 V · 40 mV · 0.4 · 1 MΩ = 0.8 V for a
    -- gradient of 1, 0.35 µA/V · 0.8 V / (10 pF · 100 mV) = 0.28 a µs; 1/(0.28/µs · 0.1 s)
    local t = circuit("rc"):training()
    assert.equal("analog", t.engine)
    assert.same({ "lfsr", 15 }, { t.perturbation.code, t.perturbation.bits })
    assert.near(0.4, t.perturbation.amplitude, 1e-12)
    assert.same({ 8, 64 }, { t.tau_p, t.tau_x })
    for name, value in pairs { dt = 1.25e-7, tau_hp = 64, tau_theta = 128, eta = 0.035,
      weight_decay = 1 / 28000 } do
      assert.near(value, t[name], 1e-9 * value, name)
    end
  end)

  it("trains as that engine does, to the bit", function()
    local c = mgd.circuit { set = "rc", net = mlp() }
    local own = { data = XOR, init = INIT, replicas = 3, seed = 5 }
    same_bits(mgd.train(with(own, { circuit = c })),
      mgd.train(with(own, with({ net = c.net }, c:training()))), 500)
  end)

  it("has weights that leak away with τ_leak", function()
    -- learning is next to nothing: θ = θ₀·(1 − dt/τ)ⁿ, here over one τ
    local c = circuit("rc", { gm = 1e-15, multiplier = 1e-12, c_weight = 1e-12, r_leak = 1e8 })
    local net = mlp()
    net:init(with({ seed = 3 }, INIT))
    local run = mgd.train { circuit = c, net = net, data = XOR }
    run:run { steps = 800 }
    local left = (1 - 1.25e-7 / 1e-4) ^ 800
    assert.near(0, (run:theta() - net:theta() * left):abs():max(), 1e-6)
  end)

  it("has none where no resistor leaks", function()
    assert.equal(0, circuit("rc", { r_leak = math.huge }):training().weight_decay)
  end)

  it("learns XOR from a sample at a time", function()
    -- 63 of the first 64 learn within 8,000 clocks; of 32 at p = 0.9, fewer than 23 in 1 of 400
    local run = mgd.train { circuit = mgd.circuit { set = "rc", net = mlp() }, data = XOR,
      shuffle = false, init = INIT, replicas = 32 }
    local history = run:run { steps = 64000, every = 640, stop = { cost = 0.02 } }
    local learnt = 0
    for _, step in ipairs(history.stopped:totable()) do
      learnt = learnt + (step == step and 1 or 0)
    end
    assert.is_true(learnt >= 23, learnt)
  end)
end)

describe("the circuit charge-pump", function()
  it("is the discrete engine that goes by signs", function()
    -- 100 nA for 100 ns into 10 pF is 1 mV, of 100 mV
    local t = circuit("charge-pump"):training()
    assert.same({ "discrete", "sign", "measured", 1, 1, 8 },
      { t.engine, t.optimizer, t.baseline, t.tau_p, t.tau_theta, t.tau_x })
    assert.near(0.01, t.eta, 1e-12)
    assert.near(1e-6, t.dt, 1e-18)
    assert.near(1e-6 / 0.1 / 0.01, t.weight_decay, 1e-12)
    local c = mgd.circuit { set = "charge-pump", net = mlp() }
    local own = { data = XOR, init = INIT, batch = 4 }
    same_bits(mgd.train(with(own, { circuit = c })),
      mgd.train(with(own, with({ net = c.net }, c:training()))), 300)
  end)

  it("moves each weight by I·t/C, in each step", function()
    local c = mgd.circuit { set = "charge-pump", net = mlp(), r_leak = math.huge, current = 2e-8,
      pulse = 5e-7 }
    local run = mgd.train { circuit = c, data = XOR, batch = 4, init = INIT }
    local before = run:theta()
    for _ = 1, 20 do
      run:run { steps = 1 }
      local moved = (run:theta() - before):abs()
      assert.near(0.01, moved:min(), 1e-12)
      assert.near(0.01, moved:max(), 1e-12)
      before = run:theta()
    end
  end)

  it("leaks between pulses", function()
    local function after(r_leak)
      local c = mgd.circuit { set = "charge-pump", net = mlp(), r_leak = r_leak }
      local run = mgd.train { circuit = c, data = XOR, batch = 4, init = INIT }
      local before = run:theta()
      run:run { steps = 1 }
      return run:theta(), before
    end
    local tight, before = after(math.huge)
    local leaks = after(1e8) -- τ = 1 ms: a step of 1 µs takes a thousandth
    assert.near(0, (tight - leaks - before * 1e-3):abs():max(), 1e-12)
  end)
end)

describe("an analog circuit", function()
  it("prints figures with units, and what follows", function()
    local text = tostring(circuit "rc")
    for _, part in ipairs { "c_hp +8 pF", "gm +350 nA/V", "multiplier +50 µA/V²", "a +0.4",
      "τ_hp +8 µs", "τ_θ +16 µs", "η +0.28", "Δ +1.2 ", "τ_leak +100 ms" } do
      assert.is_truthy(text:find("\n  " .. part), part .. "\n" .. text)
    end
    text = tostring(circuit "charge-pump")
    for _, part in ipairs { "current +100 nA", "charge +10 fC", "write +1 mV", "Δ +1.2 ",
      "η +0.01 " } do
      assert.is_truthy(text:find("\n  " .. part), part .. "\n" .. text)
    end
  end)

  it("goes on from a checkpoint, bit for bit", function()
    for _, set in ipairs { "rc", "charge-pump" } do
      local run = mgd.train { circuit = mgd.circuit { set = set, net = mlp() }, data = XOR,
        init = INIT }
      run:run { steps = 100 }
      local path = os.tmpname()
      run:save(path)
      local again = mgd.resume(path)
      os.remove(path)
      same_bits(run, again, 100)
    end
  end)

  it("leaves nothing that it fixes to mgd.train", function()
    local c = mgd.circuit { set = "rc", net = mlp() }
    for name, value in pairs { eta = 0.1, tau_hp = 5, tau_theta = 5, tau_p = 2, tau_x = 4, dt = 1,
      engine = "discrete", optimizer = "sign", weight_decay = 0.1,
      perturbation = { amplitude = 0.1 } } do
      fails({ "option '" .. name .. "' is given beside circuit" }, mgd.train,
        { circuit = c, data = XOR, [name] = value })
    end
  end)
end)

describe("an analog circuit refuses", function()
  local function refuses(set, own, ...)
    fails({ "mgd.circuit: ", ... }, mgd.circuit, with(own, { set = set, synapses = 9 }))
  end

  it("figures of nothing, or less", function()
    for name, set in pairs { c_hp = "rc", r_theta = "rc", gm = "rc", multiplier = "rc",
      amplitude = "rc", clock = "rc", current = "charge-pump", c_weight = "charge-pump" } do
      refuses(set, { [name] = 0 }, "'" .. name .. "' must be a number > 0, got 0")
      refuses(set, { [name] = -1e-12 }, "'" .. name .. "' must be a number > 0")
    end
  end)

  it("figures in another unit", function()
    refuses("rc", { c_hp = 8 }, "c_hp = 8 F is beyond what circuits have, 1e-18 F to 1 mF",
      "expected a figure in F, such as 8e-12")
    refuses("rc", { gm = 350 }, "gm = 350 A/V is beyond")
    refuses("rc", { r_hp = 1e-6 }, "r_hp = 1e-06 Ω is beyond")
    refuses("charge-pump", { current = 100 }, "current = 100 A is beyond")
    refuses("charge-pump", { clock = 1e-6 }, "clock = 1e-06 Hz is beyond")
  end)

  it("a time constant below the step", function()
    refuses("rc", { c_hp = 1e-15 }, "r_hp·c_hp = 1 MΩ · 1 fF = 1 ns",
      "the step, 1/(clock·steps) = 1/(1 MHz · 8), is 125 ns: expected a longer time constant")
    refuses("rc", { r_theta = 1e3 }, "r_theta·c_theta = 1 kΩ · 16 pF = 16 ns")
    refuses("rc", { r_leak = 1e3 }, "r_leak·c_weight = 1 kΩ · 10 pF = 10 ns")
    refuses("charge-pump", { r_leak = 1e4 }, "r_leak·c_weight", "a clock is 1 µs")
    refuses("charge-pump", { pulse = 2e-6 }, "pulse = 2 µs is longer than a clock of 1 µs")
  end)

  it("samples that change with each pattern", function()
    refuses("rc", { sample_clocks = 1 }, "sample_clocks = 1", "expected at least 2")
    for _, clocks in ipairs { 2, 4, 8 } do -- the eighth function changes after 8 clocks
      refuses("rc", { source = "walsh", sample_clocks = clocks }, "sample_clocks = " .. clocks,
        "the slowest of 9 Walsh functions", "expected their period, 16")
    end
    circuit("rc", { source = "walsh", sample_clocks = 6 })
    circuit("rc", { source = "walsh", sample_clocks = 16 })
  end)

  it("a register that repeats a phase before all synapses are served", function()
    refuses("rc", { register_bits = 3 }, "register_bits = 3: the register has 7 phases",
      "before 9 synapses are served: expected at least 4 bits")
    circuit("rc", { register_bits = 4 })
  end)

  it("options of another set", function()
    refuses("rc", { current = 1e-9 }, "option 'current' has no effect with set = 'rc'")
    refuses("charge-pump", { c_hp = 1e-9 }, "option 'c_hp' has no effect with set = 'charge-pump'")
    refuses("rc", { weight_bits = 8 }, "unknown option 'weight_bits'")
    refuses("rc", { source = "walsh", register_bits = 8, sample_clocks = 16 },
      "option 'register_bits' has no effect")
  end)
end)
