--- Netlists as chips: their outputs are the circuit's, their bits those of θ, x and seed, and what
-- comes out runs in plain ngspice.

local check = require "mgd.hardware.spice.check"
local errors = require "spec.support.errors"
local folder = require "spec.support.folder"
local mgd = require "mgd"
local train = require "spec.support.train"

local options, write = train.options, folder.write

-- y = x·b/(a + b), and an output that is twice as much.
local DIVIDER = [[
* a divider
vx x 0 0
ra x y 1k
rb y 0 3k
rc x z 1k
rd z 0 1k
.end
]]

-- 2-2-1, for XOR.
local NETWORK = [[
* two behavioural neurons and one
vx1 x1 0 0
vx2 x2 0 0
vw1 w1 0 1.1
vw2 w2 0 -0.9
vw3 w3 0 -0.8
vw4 w4 0 1.2
vb1 b1 0 -0.5
vb2 b2 0 -0.4
vu1 u1 0 1
vu2 u2 0 1.1
vc c 0 -0.6
bh1 h1 0 v=1/(1+exp(-4*(v(w1)*v(x1)+v(w2)*v(x2)+v(b1))))
bh2 h2 0 v=1/(1+exp(-4*(v(w3)*v(x1)+v(w4)*v(x2)+v(b2))))
by y 0 v=1/(1+exp(-4*(v(u1)*v(h1)+v(u2)*v(h2)+v(c))))
.end
]]

local RC = [[
* a line
vx x 0 0.25
r1 x y 1k
c1 y 0 1n
.end
]]

local DIODES = [[
* two diodes below a resistor
vx x 0 1
ra x y 1k
d1 y z dm
d2 z 0 dm
rb z 0 10k
.model dm d(is=1e-14)
]]

local X = { { 1, 0 }, { -2, 0 } }

describe("a netlist as a chip", function()
  setup(folder.make)
  teardown(folder.remove)

  local function divider(changes)
    return mgd.chip(options({ spice = write("divider.cir", DIVIDER), parameters = { "ra", "rb" },
      inputs = "vx", outputs = { "y", "v(x) - y" }, workers = 1 }, changes))
  end

  local function network(changes)
    return mgd.chip(options({ spice = write("network.cir", NETWORK), workers = 1,
      parameters = { "vw*", "vb*", "vu*", "vc" }, inputs = { "vx1", "vx2" }, outputs = "y" },
      changes))
  end

  local function line(changes)
    return mgd.chip(options({ spice = write("line.cir", RC), parameters = "r1", inputs = "vx",
      outputs = "y", workers = 1, analysis = "tran", tran = { stop = 1e-6, step = 1e-8 } },
      changes))
  end

  local VOLTS = mgd.data.from { x = { { 1 }, { -2 } }, y = X }

  local function outputs(chip, changes)
    local run = mgd.train(options({ chip = chip, data = VOLTS, eta = 0,
      perturbation = { amplitude = 1e-3 } }, changes))
    return run:predict(VOLTS.x), run
  end

  local XOR = { data = mgd.data.xor(), batch = 4, shuffle = false, baseline = "two-sided",
    eta = 0.1, tau_theta = 1, seed = 3, perturbation = { code = "random", amplitude = 0.02 } }

  local function trained(chip, steps, changes)
    local run = mgd.train(options(options(XOR, { chip = chip }), changes))
    local history = run:run { steps = steps, probes = { "C" }, every = 10 }
    return run, history
  end

  -- What a function writes to standard error.
  local function heard(f)
    local words, ok, message = errors.heard(f)
    assert(ok, message)
    return words
  end

  -- ---- outputs ------------------------------------------------------------------------------

  it("has the outputs of the circuit, at the netlist's own values", function()
    local y = outputs(divider())
    for b, x in ipairs { 1, -2 } do -- gmin and reltol stay below 1e-8 of these volts
      assert.near(0.75 * x, y[b][1], 1e-8)
      assert.near(0.25 * x, y[b][2], 1e-8)
    end
  end)

  it("maps θ onto ranges, by names and patterns, linear and logarithmic", function()
    local chip = divider { theta = { 0.5, 0 }, ranges = { ra = { 0, 4000 },
      ["rb"] = { 10, 1000, scale = "log" } } }
    local a, b = 3000, 100
    assert.near(b / (a + b), outputs(chip)[1][1], 1e-8)
    chip:close()
  end)

  it("scales and shifts its inputs", function()
    local y = outputs(divider { inputs = { { "vx", scale = 0.5, offset = 0.1 } } })
    assert.near(0.75 * 0.6, y[1][1], 1e-8)
    assert.near(0.75 * -0.9, y[2][1], 1e-8)
  end)

  it("is the mean over the end of a transient that begins at rest", function()
    local y = outputs(line(), { data = mgd.data.from { x = VOLTS.x, y = { { 0 }, { 0 } } } })
    local tau, rise, from, to = 1e-6, 1e-8, 0.9e-6, 1e-6
    local function mean(x) -- of a ramp's answer, after the ramp: exact for a line of one pole
      local k = (x - 0.25) * tau / rise * (math.exp(rise / tau) - 1)
      return x - k * tau * (math.exp(-from / tau) - math.exp(-to / tau)) / (to - from)
    end
    assert.near(mean(1), y[1][1], 2e-3) -- the integration's error: reltol is 1e-3
    assert.near(mean(-2), y[2][1], 4e-3)
  end)

  it("learns XOR, with the same bits for any number of workers and after their deaths", function()
    local expected, history = trained(network(), 60)
    assert.is_true(history.C[-1] < history.C[2])
    for _, count in ipairs { 2, 3 } do
      assert.is_true(expected:theta():allclose(trained(network { workers = count }, 60):theta(),
        { rtol = 0, atol = 0 }))
    end
    local chip = network { workers = 2 }
    local run = trained(chip, 20)
    os.execute(("pkill -KILL -f 'spice-worker %s'"):format(chip.circuit.temporary))
    run:run { steps = 40, probes = { "C" } }
    assert.is_true(expected:theta():allclose(run:theta(), { rtol = 0, atol = 0 }))
    assert.is_true(chip:timing().reconnections >= 2)
  end)

  it("has workers that are programs, started again by the netlist's name", function()
    local said = train.subprocess(([[
      local mgd = require "mgd"
      local chip = mgd.chip { spice = "%s", parameters = "ra", inputs = "vx", outputs = "y",
        workers = 1 }
      local data = mgd.data.from { x = { { 1 } }, y = { { 1 } } }
      local run = mgd.train { chip = chip, data = data, eta = 1 }
      run:run { steps = 2, probes = {} }
      os.execute("pkill -KILL -f 'spice-worker " .. chip.circuit.temporary .. "'")
      run:run { steps = 2, probes = {} }
    ]]):format(write("a.cir", DIVIDER)))
    errors.contains(said, "a.cir: the program was ended by signal 9", "; it was started again")
  end)

  it("trains copies in parallel as it trains each alone", function()
    local function ensemble(workers, changes)
      local chip = network { workers = workers, seed = 5, noise = { ["vw*"] = 0.01 },
        spread = { ["vu*"] = 0.1, ["vb*"] = { sigma = 0.05, absolute = true } } }
      return trained(chip, 20, changes):theta()
    end
    local all = ensemble(3, { replicas = 4 })
    assert.is_true(all:allclose(ensemble(1, { replicas = 4 }), { rtol = 0, atol = 0 }))
    for r = 1, 4 do
      assert.is_true(all[r]:allclose(ensemble(2, { replica = r }), { rtol = 0, atol = 0 }))
    end
    assert.is_false(all[1]:allclose(all[2], { rtol = 0, atol = 1e-3 }))
  end)

  it("goes on with the same bits from a checkpoint", function()
    local expected = trained(network(), 60)
    local run = trained(network(), 25)
    run:save(folder.name .. "/run.mgd")
    local said = heard(function()
      run = mgd.resume(folder.name .. "/run.mgd", { chip = network() })
      run:run { steps = 35, probes = { "C" } }
    end)
    assert.equal("", said)
    assert.is_true(expected:theta():allclose(run:theta(), { rtol = 0, atol = 0 }))
  end)

  it("leaves no file once it is closed", function()
    local chip = divider()
    local temporary = chip.circuit.temporary
    assert(io.open(temporary)):close()
    chip.core:__gc()
    assert.is_nil(io.open(temporary))
  end)

  -- ---- copies -------------------------------------------------------------------------------

  it("gives replicas devices of their own, which are those of single runs", function()
    local function chip(workers)
      return divider { spread = { ["r*"] = 0.1 }, seed = 7, workers = workers }
    end
    local all = outputs(chip(2), { replicas = 5 })
    for r = 1, 5 do
      assert.equal(all[r][1][1], outputs(chip(1), { replica = r })[1][1])
    end
    assert.not_equal(all[1][1][1], all[2][1][1])
    assert.not_equal(all[1][1][1], outputs(divider { spread = { ["r*"] = 0.1 }, seed = 8 })[1][1])
  end)

  it("spreads by σ", function()
    -- 400 copies of b/(a + b) at b = 3a: dy = 0.1875·(z_b − z_a)·σ, so y has the deviation
    -- 0.1875·√2·σ; that of a sample of 400 has the deviation of 3.5 % (5 σ: 18 %)
    local y = outputs(divider { spread = { ra = 0.02, rb = { sigma = 60, absolute = true } } },
      { replicas = 400 })
    local sum, squares = 0, 0
    for r = 1, 400 do
      local d = y[r][1][1] - 0.75
      sum, squares = sum + d, squares + d * d
    end
    assert.near(1, math.sqrt(squares / 400) / (0.1875 * math.sqrt(2) * 0.02), 0.18)
    assert.near(0, sum / 400, 5 * 0.1875 * math.sqrt(2) * 0.02 / 20)
  end)

  it("has noise in measurements only, of the run's seed", function()
    local function costs(seed, workers)
      local chip = divider { noise = { ra = 0.05 }, workers = workers }
      local run = mgd.train { chip = chip, data = VOLTS, batch = 2, eta = 0, seed = seed,
        shuffle = false, perturbation = { amplitude = 1e-6 } }
      return run:run { steps = 8, every = 1, probes = { "C", "cost" } }
    end
    local one, other, third = costs(1, 1), costs(1, 2), costs(2, 1)
    assert.same(one.C:totable(), other.C:totable())
    assert.not_same(one.C:totable(), third.C:totable())
    assert.not_equal(one.C[3], one.C[4])
    assert.equal(one.cost[3], one.cost[4])
  end)

  -- ---- reading ------------------------------------------------------------------------------

  it("writes a netlist that plain ngspice runs to the same outputs", function()
    local chip = divider { ranges = { 100, 10000, scale = "log" } }
    local theta = mgd.tensor { -0.25, 0.5 }
    local text = chip:netlist(theta, { x = { -2 } })
    local raw = chip:raw(theta, { -2 })
    local pipe = io.popen("ngspice -b " .. write("trained.cir", text) .. " 2>&1")
    local said = pipe:read "*a"
    pipe:close()
    local printed = tonumber(said:match "\n%s*y%s+=?%s*([-%d.e+]+)")
    assert.is_truthy(printed, said)
    assert.near(raw.y[1], printed, 5e-6) -- it prints six digits
    local a, b = 1000 * 10 ^ -0.25, 1000 * 10 ^ 0.5
    assert.near(-2 * b / (a + b), raw.y[1], 1e-7)
  end)

  it("writes one copy of it", function()
    local chip = divider { spread = { ra = 0.1, temperature = 5 } }
    local nominal, copy = chip:netlist(), chip:netlist(nil, { replica = 2 })
    assert.truthy(nominal:find("\nra x y 1000\n", 1, true), nominal)
    local a = tonumber(copy:match "\nra x y (%S+)\n")
    assert.not_equal(1000, a)
    assert.near(1000, a, 600) -- 6 σ
    assert.truthy(copy:find "temp=", copy)
    local y = outputs(divider { spread = { ra = 0.1 } }, { replica = 2 })
    assert.near(3000 / (3000 + a), y[1][1], 1e-8)
  end)

  it("shows waveforms", function()
    local raw = line():raw(nil, { 1 }, { stop = 5e-6 })
    assert.equal(0, raw.time[1])
    assert.near(5e-6, raw.time[-1], 1e-15)
    assert.near(0.25, raw.y[1], 1e-9)
    assert.near(1, raw.y[-1], 0.75 * math.exp(-5) + 2e-3)
  end)

  it("prints what is in it", function()
    local text = tostring(divider { ranges = { { 100, 1e5, scale = "log" }, { 0, 5000 } },
      spread = { ["r*"] = 0.05 } })
    errors.contains(text, "divider.cir", "4 R, 1 V", "operating point", "inputs      vx",
      "y, v(x) - y", "reltol 0.001", "ra ± 5 %", "1000 Ω", "100 … 100000, log", "0 … 5000")
  end)

  -- ---- what cannot work ---------------------------------------------------------------------

  it("says before the first step that an output depends on nothing", function()
    local said = heard(function()
      local chip = divider { outputs = { "y", "z" } }
      mgd.train { chip = chip, data = VOLTS, eta = 0.1, perturbation = { amplitude = 1 } }
        :run { steps = 1, probes = {} }
    end)
    errors.contains(said, "output 'z' is the same whatever θ is")
  end)

  -- A look is a conversation, and those of the chip may start anew between two of its messages.
  it("looks at an amplitude with a worker of its own", function()
    local chip = divider { outputs = { "y", "z" }, timeout = 2 }
    local function signal(name)
      os.execute(("pkill -%s -f '[s]pice-worker %s'"):format(name, chip.circuit.temporary))
    end
    signal "STOP"
    local ok, found = pcall(check.amplitude, chip, { 1000, 1000 }, 1, VOLTS)
    signal "CONT"
    assert.is_true(ok, found)
    assert.same({ "output 'z' is the same whatever θ is: no parameter reaches it" }, found)
  end)

  it("says before the first step that tolerances drown an amplitude", function()
    local function warned(tolerances)
      return heard(function()
        local chip = mgd.chip { spice = write("diodes.cir", DIODES .. tolerances .. "\n.end\n"),
          parameters = { "ra", "rb" }, inputs = "vx", outputs = "y", workers = 1,
          ranges = { 100, 1e5, scale = "log" } }
        local data = mgd.data.from { x = { { 1 }, { 3 } }, y = { { 0 }, { 1 } } }
        mgd.train { chip = chip, data = data, eta = 0.1, perturbation = { amplitude = 1e-3 } }
          :run { steps = 1, probes = {} }
      end)
    end
    errors.contains(warned ".options reltol=0.05 vntol=0.01", "an amplitude of 0.001 moves",
      "reltol 0.05, vntol 0.01 V, abstol 1e-12 A", "of that an error",
      "'.options reltol=5e-05")
    assert.equal("", warned ".options reltol=1e-5")
  end)

  it("is advised how long its transient must be", function()
    local data = mgd.data.from { x = { { 0 }, { 1 } }, y = { { 0 }, { 1 } } }
    local chip = line { ranges = { 500, 2000, scale = "log" } }
    local advice = mgd.advise { chip = chip, data = data, evaluations = 4000 }
    local found
    for _, flag in ipairs(advice.flags) do
      found = flag.name == "transient" and flag.text or found
    end
    assert.truthy(found and found:find "expected [%d.]+ µs", found)
    -- 1 % of the way is left after 4.6 τ, at the latest a step of √2 later
    local stop = tonumber(found:match "expected ([%d.]+) µs")
    assert.is_true(stop > 4 and stop < 4.6 * 1.5, found)
    assert.near(stop * 1e-6, advice.stop, 0.01e-6)
  end)
end)
