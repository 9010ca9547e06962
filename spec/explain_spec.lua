-- run:explain: its figures are those of the probes, its hints come when they are due.

local mgd = require "mgd"
local hw = mgd.hw
local support = require "spec.support.train"

local options = support.options
local NET = mgd.nn.mlp{3, 5, 2, activation = "tanh"}:init{seed = 4} -- P = 32
local DATA = {x = mgd.randn({20, 3}, {seed = 1}), y = mgd.rand({20, 2}, {seed = 2})}
local BASE = {net = NET, data = DATA, shuffle = false, tau_theta = 4, tau_x = 4, eta = 0.1}

local function after(changes, steps, plan)
  local opts = options(BASE, changes)
  opts.net = not opts.chip and opts.net or nil
  local run = mgd.train(opts)
  if steps > 0 then
    run:run(options({steps = steps, probes = {"cost", "norm_G"}}, plan))
  end
  return run
end

-- Whether the report has a hint with this text.
local function hints(report, text)
  for _, hint in ipairs(report.hints) do
    if hint:find(text, 1, true) then
      return true
    end
  end
  return false
end

local function shows(report, text)
  local flat = tostring(report):gsub("%s+", " ")
  assert.is_truthy(flat:find(text, 1, true), tostring(report))
end

describe("run:explain", function()
  it("has the figures of the probes", function()
    local names = {"cost", "accuracy", "angle", "snr", "norm_G", "norm_theta", "norm_update",
      "saturated"}
    local run = mgd.train(BASE)
    local history = run:run{steps = 100, probes = names}
    local f = run:explain().figures
    for _, name in ipairs(names) do
      assert.equal(history[name][-1], f[name], name)
    end
    assert.equal(25, f.writes)
    assert.equal(5, f.units)
  end)

  it("means C and C̃ over the last steps", function()
    local run = mgd.train(options(BASE, {net = mgd.nn.mlp{3, 5, 2, dtype = "f64"}:init{seed = 4}}))
    local history = run:run{steps = 100, every = 1, probes = {"C", "C_tilde"}}
    local f, c, tilde = run:explain().figures, 0, 0
    assert.equal(100, f.signal_steps)
    for row = 2, 101 do
      c, tilde = c + history.C[row] / 100, tilde + math.abs(history.C_tilde[row]) / 100
    end
    assert.is_true(math.abs(f.C - c) < 1e-12 and math.abs(f.C_tilde - tilde) < 1e-12)
    local ulp = 2 ^ (math.floor(math.log(c) / math.log(2)) - 52)
    assert.is_true(math.abs(f.signal_ulp * ulp / tilde - 1) < 1e-9)
  end)

  it("of an ensemble has medians", function()
    local run = after({replicas = 5, init = {}}, 100, {probes = {"cost", "angle", "norm_update"}})
    local f = run:explain().figures
    for _, name in ipairs {"cost", "angle", "norm_update"} do
      assert.equal(run.history:quantile(name, 0.5)[-1], f[name], name)
    end
    shows(run:explain(), "replicas 5; 5 can go on; figures are medians")
  end)

  it("changes nothing", function()
    local a, b = mgd.train(BASE), mgd.train(BASE)
    for _ = 1, 4 do
      a:run{steps = 30, probes = {}}
      a:explain()
    end
    b:run{steps = 120, probes = {}}
    assert.same(b:theta():totable(), a:theta():totable())
  end)

  it("says what is trained, how, and how far it is", function()
    local report = after({batch = 2}, 100):explain()
    shows(report, "network 3 → dense(5) → tanh → dense(2), P = 32, f32; data from tensors, N = 20")
    shows(report, "random code, amplitude a = 0.01; G is integrated over τ_θ = 4 steps "
      .. "(4 patterns)")
    shows(report, "100 steps, 250 evaluations, 50 samples shown (2.5 epochs), 25 writes of")
    for line in (tostring(report) .. "\n"):gmatch "(.-)\n" do
      assert.is_true(require("mgd.text.numbers").width(line) <= 96, line)
    end
  end)

  it("begins with the beginning", function()
    local report = after({}, 0):explain()
    assert.is_true(hints(report, "nothing has been trained yet"))
    assert.is_nil(report.figures.angle)
  end)

  it("keeps windows from its first call on", function()
    local run = after({}, 10, {probes = {}})
    shows(run:explain(), "no window has been kept yet")
    run:run{steps = 10}
    assert.is_true(run:explain().figures.angle > 0)
  end)

  it("knows what the code makes of the angle", function()
    local function degrees(share)
      return math.deg(math.acos(math.sqrt(share)))
    end
    local function code(changes)
      return mgd.train(options(BASE, changes)):explain().figures.code_angle
    end
    assert.is_true(math.abs(code{} - degrees(4 / 35)) < 1e-9)
    assert.is_true(math.abs(code{tau_p = 2} - degrees(2 / 33)) < 1e-9)
    assert.is_true(math.abs(code{perturbation = {sparsity = 0.75}} - degrees(4 / 38)) < 1e-9)
    assert.is_true(math.abs(code{perturbation = {code = "sequential"}} - degrees(1 / 8)) < 1e-9)
    assert.equal(0, code{perturbation = {code = "walsh"}, tau_theta = 64})
    assert.is_nil(code{perturbation = {code = "sine"}, tau_theta = 100})
  end)

  it("advises on the window", function()
    local report = after({tau_theta = 1, tau_x = 1, replicas = 31, init = {}}, 50):explain()
    assert.is_true(report.figures.angle > 78)
    report = after({tau_theta = 1, tau_x = 1, net = mgd.nn.mlp{3, 50, 2}:init{},
      eta = 1e-3}, 50, {every = 1, probes = {"angle"}}):explain()
    assert.is_true(hints(report, "With P = 302 and the random code, windows of K patterns give 87° "
      .. "at K = 1, 60° at K = 101, 45° at K = 301"), tostring(report))
    report = after({perturbation = {code = "walsh"}, tau_theta = 80, tau_x = 80}, 160):explain()
    assert.is_true(hints(report, "a window of 80 patterns is no whole number of periods of the "
      .. "walsh code, 64"))
  end)

  it("tells noise of the cost from crosstalk", function()
    local still = {tau_theta = 400, tau_x = 400, eta = 0.01,
      baseline = "two-sided"}
    local chip = mgd.chip{net = NET, cost = hw.noise{sigma = 0.1}}
    local text = "G errs more than the code's crosstalk explains, as from a noise of "
    assert.is_false(hints(after(still, 2000):explain(), text))
    local report = after(options(still, {chip = chip}), 2000):explain()
    assert.is_true(hints(report, text))
    -- half of two costs with σ each: 0.1/√2 in C̃; one window of 32 parameters tells it within
    -- 1/√64 = 13 %, so within five of these
    local noise
    for _, hint in ipairs(report.hints) do
      noise = noise or tonumber(hint:match "a noise of ([%d.e-]+) on")
    end
    assert.is_true(math.abs(noise / 0.0707 - 1) < 5 * 0.13, noise)
  end)

  it("advises on the amplitude where C̃ is rounding", function()
    local report = after({perturbation = {amplitude = 1e-7}}, 40):explain()
    assert.is_true(report.figures.signal_ulp < 16)
    assert.is_true(hints(report, "units in the last place of C: mostly rounding; try amplitude = "))
    assert.is_true(hints(report, "a network of dtype f64"))
  end)

  it("looks at the size of steps", function()
    assert.is_true(hints(after({eta = 30}, 8):explain(), "of its length: large"))
    assert.is_true(hints(after({eta = 1e-7}, 8):explain(), "rounded away"))
    assert.is_true(hints(after({eta = 2e-6}, 8):explain(), "of its length: small"))
    assert.is_true(hints(after({eta = 0}, 8):explain(), "did not move θ at all"))
    for _, hint in ipairs(after({eta = 0.01}, 8):explain().hints) do
      assert.is_nil(hint:find("of its length", 1, true))
    end
  end)

  it("sees saturated units, and outputs that do not move", function()
    local stuck = mgd.nn.mlp{3, 4, 2, activation = "relu"}
    local theta = mgd.zeros{stuck.num_parameters}
    theta[{{13, 16}}] = -1000 -- biases of the hidden layer
    local report = after({net = stuck:set_theta(theta)}, 40):explain()
    assert.equal(1, report.figures.saturated)
    assert.is_true(hints(report, "100 % of the units stand at a bound"))
  end)

  it("tells of a cost that rises and of replicas that diverged", function()
    local wild = mgd.nn.mlp{3, 2}:init{seed = 1}
    assert.is_true(hints(after({net = wild, eta = 5}, 40):explain(), "the cost has risen"))
    local chip = support.counting_chip(function(k) return k == 7 and 0 / 0 or nil end)
    local run = mgd.train{chip = chip, data = support.ONE, replicas = 3, replica = 5}
    run.core:advance(10)
    local report = run:explain()
    assert.equal(1, report.figures.diverged)
    shows(report, "1 diverged, the first of them number")
    assert.is_true(hints(report, "1 of 3 diverged: a smaller η"))
  end)

  it("tells how many of the writes were carried out", function()
    local chip = mgd.chip{net = NET, update = hw.write{threshold = 0.05}}
    local report = after({chip = chip, eta = 0.05}, 400):explain()
    assert.is_true(hints(report, "of the writes were carried out"), tostring(report))
  end)

  it("spares a black box", function()
    local chip, calls = support.counting_chip()
    local run = mgd.train{chip = chip, data = support.ONE}
    run:run{steps = 10}
    local before = calls()
    local report = run:explain()
    assert.equal(before, calls())
    shows(report, "the true gradient of a black box would take 2 evaluations a sample")
    assert.is_nil(report.figures.angle)
    assert.is_nil(report.figures.saturated)
  end)
end)
