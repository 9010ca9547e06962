--- spice-worker: a netlist behind the small protocol.

local core = require "mgd.core"
local mgd = require "mgd"
local files = require "spec.support.texts"
local worker = require "spec.support.spice_worker"

local answers, numbers = worker.answers, worker.numbers

-- y = v1·r2/(r1 + r2)
local DIVIDER = [[
parameter upper value r1 1000
parameter lower value r2 -
input v1 2 0.5
output v:y
output v:a v:y -
output i:v1]]
local NETLIST = "divider\nv1 a 0 0\nr1 a y 1k\nr2 y 0 3k\n"

local function sigmoid(x)
  return 1 / (1 + math.exp(-x))
end

describe("spice-worker", function()
  teardown(worker.clean)

  it("describes the netlist as a chip without state", function()
    local said = answers(worker.specification(DIVIDER, NETLIST), { "ID", "DESC", "WRITE" })
    assert.truthy(said[1]:find("^OK ngspice,netlist,%x+,%d+"), said[1])
    assert.truthy(said[2]:find("^OK parameters=2 inputs=1 outputs=3 targets=3 dtype=f64 blocks=1 "
      .. "order=little samples=1000000 message=67108864 stateless=1 watchdog=1 halves=1$"), said[2])
    assert.equal("OK 1000,3000", said[3]) -- the second one is what ngspice says
  end)

  it("computes what a divider does, at the θ that it is given", function()
    local said = answers(worker.specification(DIVIDER, NETLIST), { "DATA 0 1,-2 -",
      "RUN outputs 0 0 0 1 0 0,1", "WRITE 500,1500", "RUN none 0 1 0 2 0 0/1 0+", "SAFE",
      "RUN outputs 0 0 0 1 0 1" })
    -- ngspice's gmin and tolerances stay below 1e-9 of these volts
    for i, expected in ipairs { 1.875, 0.625, -6.25e-4, -2.625, -0.875, 8.75e-4 } do
      assert.near(expected, numbers(said[2])[i], 1e-9)
    end
    local twice = numbers(said[4])
    assert.equal(12, #twice)
    for i, expected in ipairs { 1.875, 0.625, -1.25e-3, 1.875, 0.625, -1.25e-3, -2.625 } do
      assert.near(expected, twice[i], 1e-9)
    end
    assert.near(8.75e-4, numbers(said[6])[3], 1e-9)
  end)

  it("sets fields of devices, parameters of models and .param", function()
    local said = answers(worker.specification([[
      parameter width field m1[w] -
      parameter threshold model nch:vto 1
      parameter load param rl 1e4
      input vg 1 0
      output v:d]], "a transistor\n.param rl=5k\nvdd vdd 0 5\nvg g 0 0\nrd vdd d {rl}\n"
      .. "m1 d g 0 0 nch w=10u l=10u\n.model nch nmos vto=0.5 kp=100u\n"),
      { "WRITE", "DATA 0 1.5 -", "RUN outputs 0 0 0 1 0 0", "WRITE 2e-5,0.9,2000",
        "RUN outputs 0 0 0 1 0 0", "WRITE 1e-5,1,1e4", "RUN outputs 0 0 0 1 0 0" })
    assert.near(1e-5, numbers(said[1])[1], 1e-20) -- as ngspice reads 10u
    -- saturated: 5 − r·kp/2·w/l·(vg − vto)²; ngspice stops within reltol = 1e-3
    assert.near(5 - 1e4 * 50e-6 * 0.25, numbers(said[3])[1], 1e-3)
    assert.near(5 - 2e3 * 50e-6 * 2 * 0.36, numbers(said[5])[1], 1e-3)
    assert.equal(said[3], said[7])
  end)

  it("reads outputs from expressions", function()
    local said = answers(worker.specification([[
      parameter r1 value r1 1000
      input v1 1 0
      output v:a 2 * neg abs sqrt exp ln tanh
      output v:a 0.25 min 3 max 1 - 4 /
      output v:0 v:a +]], "one resistor\nv1 a 0 0\nr1 a 0 1k\n"),
      { "DATA 0 0.5 -", "RUN outputs 0 0 0 1 0 0" })
    assert.same({ math.tanh and math.tanh(1) or (math.exp(2) - 1) / (math.exp(2) + 1), 0.5, 0.5 },
      numbers(said[2]))
  end)

  it("averages the end of a transient, which begins at rest", function()
    local function mean(uic)
      local said = answers(worker.specification("analysis tran 1e-5 2e-3 1e-3" .. uic .. [[

        parameter bias value vb 1
        input v1 1 0.5
        output v:y]], "a low-pass of 1 ms\nv1 a b 0\nvb b 0 1\nr1 a y 1k\nc1 y 0 1u\n"),
        { "DATA 0 1 -", "RUN outputs 0 0 0 1 0 0" })
      return numbers(said[2])[1]
    end
    -- towards 2.5 V, from 1 (v1 is 0 in the netlist) or 0: the mean of exp(−t/τ) from τ to 2τ is
    -- left; the input takes a step of 1e-5 s, and reltol is 1e-3
    local left = math.exp(-1) - math.exp(-2)
    assert.near(2.5 - 1.5 * left, mean "", 5e-3)
    assert.near(2.5 - 2.5 * left, mean " uic", 5e-3)
  end)

  it("takes options that count more than the netlist's", function()
    local function at(options)
      return numbers(answers(worker.specification(options .. [[

        parameter r1 value r1 1000
        input v1 1 0
        output v:y]], "a diode\n.options reltol=0.5 abstol=1e-3 vntol=0.1\nv1 a 0 0\nr1 a y 1k\n"
        .. "d1 y 0 d\n.model d d is=1e-14\n"), { "DATA 0 5 -", "RUN outputs 0 0 0 1 0 0" })[2])[1]
    end
    local close = at "option reltol=1e-9 abstol=1e-18 vntol=1e-12"
    local vt = 1.380649e-23 * 300.15 / 1.602176634e-19
    -- 1e-5 of the current: ngspice's constants are of 2014
    assert.near((5 - close) / 1e3, 1e-14 * (math.exp(close / vt) - 1), 5e-8)
    assert.truthy(math.abs(close - at "") > 1e-3)
  end)

  it("writes all vectors of an analysis to a file", function()
    local path, out = worker.specification(DIVIDER, NETLIST .. "r3 y 1 1k\n"), os.tmpname()
    local ended = worker.run(path, "1000 3000\n1\n0\n", "raw", out)
    assert.same({ 0, "a\ny\n1\nv1#branch\n" }, { ended.status, ended.out })
    local t = mgd.load(out)
    assert.same({ 1, 4 }, t.shape)
    assert.near(1.875, t[{ 1, 2 }], 1e-9)
    local late = worker.specification("analysis tran 1e-5 1e-3 0 uic\n" .. DIVIDER, NETLIST)
    ended = worker.run(late, "1000,3000\n1\n0\n", "raw", out)
    assert.equal("time", ended.out:match "^%w+")
    t = mgd.load(out)
    assert.equal(1e-3, t[{ -1, 1 }])
    assert.truthy(t.shape[1] > 10)
    os.remove(out)
  end)

  it("shows what a replica's parameters and devices are", function()
    local path = worker.specification(DIVIDER .. "\nspread upper 10 absolute", NETLIST)
    local ended = worker.run(path, "500 3000\n1\n0\n", "values")
    assert.same({ 0, "upper 500\nlower 3000\n" }, { ended.status, ended.out })
    ended = worker.run(path, "500 3000\n1\n2\n", "values")
    local upper, lower = ended.out:match "^upper (%S+)\nlower (%S+)\n$"
    assert.near(500, tonumber(upper), 50)
    assert.not_equal("500", upper)
    assert.equal("3000", lower)
  end)

  it("draws devices for each replica, and noise for each measurement", function()
    local path = worker.specification([[
      seed 3
      parameter r1 value r1 1000
      device r2 value r2 3000
      input v1 1 0
      output v:y
      spread r2 0.1 relative
      noise r1 5 absolute]], NETLIST)
    local requests = { "DATA 0 1,1 -" }
    for replica = 0, 200 do
      requests[#requests + 1] = ("RUN outputs 9 %d 0 1 0 0,1"):format(replica)
    end
    for _, run in ipairs { "9 0 0 1 0 0 + 4", "9 0 0 1 0 1 + 4", "9 0 0 2 0 0 + 3",
      "9 0 0 1 0 0 0+ 4", "8 0 0 1 0 0 + 4" } do
      requests[#requests + 1] = "RUN none " .. run
    end
    local said = answers(path, requests)
    assert.same(said, answers(path, requests))
    assert.near(0.75, numbers(said[2])[1], 1e-9) -- nothing is drawn for replica 0
    local z = {}
    for replica = 1, 200 do
      local y = numbers(said[replica + 2])
      assert.equal(y[1], y[2])
      z[replica] = (1000 * y[1] / (1 - y[1]) - 3000) / 300
    end
    local drawn = mgd.tensor(z)
    -- of 200 normal numbers: mean and standard deviation within four of their own deviations
    assert.near(0, drawn:mean(), 4 / math.sqrt(200))
    assert.near(1, drawn:std(), 4 / math.sqrt(400))
    local first, sample, steps = numbers(said[203]), numbers(said[204]), numbers(said[205])
    local halves, seed = numbers(said[206]), numbers(said[207])
    assert.equal(first[1], steps[2])
    assert.equal(first[1], halves[1])
    for _, other in ipairs { sample[1], steps[1], halves[2], seed[1] } do
      assert.not_equal(first[1], other)
      assert.near(0.75, other, 0.01)
    end
  end)

  it("computes a network of behavioural sources", function()
    local said = answers(worker.specification([[
      parameter w1 value vw1 1.5
      parameter w2 value vw2 -2
      parameter b value vb 0.25
      input vx1 1 0
      input vx2 1 0
      output v:y]], [[
      one neuron
      vx1 x1 0 0
      vx2 x2 0 0
      vw1 w1 0 0
      vw2 w2 0 0
      vb b 0 0
      b1 y 0 v = 1/(1+exp(-(v(w1)*v(x1)+v(w2)*v(x2)+v(b))))
      ]]), { "DATA 0 0.5,1,1,-1 -", "RUN outputs 0 0 0 1 0 0,1" })
    assert.near(sigmoid(-1), numbers(said[2])[1], 1e-9)
    assert.near(sigmoid(3.75), numbers(said[2])[2], 1e-9)
  end)

  it("leaves nothing behind", function()
    local folder = os.tmpname()
    os.remove(folder)
    os.execute(("mkdir '%s'"):format(folder))
    local path = worker.specification(DIVIDER, NETLIST)
    local ended = core.process.run({ worker.program, path }, "ID\n", { TMPDIR = folder }, 60)
    assert.same({ 0, "" }, { ended.status, files.list(folder) })
    os.execute(("rmdir '%s'"):format(folder))
  end)
end)
