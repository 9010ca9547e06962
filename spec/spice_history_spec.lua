--- An evaluation of a netlist is a function of θ and x: what came before leaves no bit behind.
--
-- Each circuit is evaluated at a few points by a process of its own for each, and by one process in
-- an order in which each point comes after others, failures and retries among them.

local worker = require "spec.support.spice_worker"

local POINTS, ORDER = 5, { 1, 2, 1, 3, 2, 4, 5, 4, 3, 5, 5, 1, 4, 2, 5, 3, 1 }

-- Numbers in [0, 1) that are the same everywhere.
local function generator(seed)
  return function()
    seed = (seed * 16807) % 2147483647
    return seed / 2147483647
  end
end

local function points_of(circuit)
  local random, points = generator(circuit.seed or 1), {}
  for k = 1, POINTS do
    local theta, x = { circuit.theta and circuit.theta[k] }, {}
    for i = 1, circuit.parameters or 0 do
      theta[i] = ("%.17g"):format(circuit.low * (circuit.high / circuit.low) ^ random())
    end
    for i = 1, circuit.inputs do
      x[i] = ("%.17g"):format(4 * random() - 2)
    end
    points[k] = { "WRITE " .. table.concat(theta, ","), "DATA 0 " .. table.concat(x, ",") .. " -",
      "RUN outputs 0 0 0 1 0 0" }
  end
  return points
end

-- Compares; returns how many of the points fail.
local function has_no_history(circuit)
  local path = worker.specification(circuit.lines, circuit.netlist)
  local points, alone, requests, failures = points_of(circuit), {}, {}, 0
  for k, point in ipairs(points) do
    alone[k] = worker.answers(path, point)[3]
    failures = failures + (alone[k]:find "^ERR" and 1 or 0)
  end
  for _, k in ipairs(ORDER) do
    table.move(points[k], 1, 3, #requests + 1, requests)
  end
  local answers = worker.answers(path, requests)
  for i, k in ipairs(ORDER) do
    assert.equal(alone[k], answers[3 * i])
  end
  return failures
end

-- Resistors into pairs of transistors: every other point needs gmin stepping.
local function crossbar()
  local lines, netlist = {}, { "crossbar", "vdd vdd 0 3", "mb bias bias 0 0 nch w=20u l=2u",
    "ib 0 bias 50u", ".model nch nmos level=1 vto=0.5 kp=200u lambda=0.02 gamma=0.4 phi=0.7" }
  for j = 1, 6 do
    for i = 1, 3 do
      lines[#lines + 1] = ("parameter r%d%d value r%d%d 1e5"):format(i, j, i, j)
      netlist[#netlist + 1] = ("r%d%d x%d n%d 1e5"):format(i, j, i, j)
    end
    netlist[#netlist + 1] = ("m%d o%d n%d s%d 0 nch w=20u l=1u\nrd%d vdd o%d 20k\nrl%d n%d 0 20k")
      :format(j, j, j, math.ceil(j / 2), j, j, j, j)
  end
  for i = 1, 3 do
    lines[#lines + 1] = ("input vx%d 1 1\noutput v:o%d v:o%d -"):format(i, 2 * i - 1, 2 * i)
    netlist[#netlist + 1] = ("vx%d x%d 0 0\nmt%d s%d bias 0 0 nch w=20u l=2u"):format(i, i, i, i)
  end
  return { lines = table.concat(lines, "\n"), netlist = table.concat(netlist, "\n"),
    parameters = 18, inputs = 3, low = 1e4, high = 1e6 }
end

local AMPLIFIERS = {
  parameters = 3, inputs = 1, low = 1e2, high = 1e6, seed = 4,
  lines = [[
    parameter r1 value r.x1.r1 1000
    parameter r2 value r2 1000
    parameter rl value rl 1000
    input vin 1 0
    output v:o]],
  netlist = [[
    a trigger and an amplifier, of macro models with limits
    .subckt oa p n o
    e1 a 0 p n 1e5
    r1 a b 1k
    d1 b c dz
    d2 d b dz
    vc c 0 10
    vd d 0 -10
    e2 e 0 b 0 1
    ro e o 75
    .model dz d n=0.1
    .ends
    vin i 0 0
    x1 q i s oa
    r1 s q 10k
    r2 q 0 10k
    rl s m 10k
    rg m o 47k
    x2 0 m o oa
    ]],
}

-- The conductance at y is 1/r − a mS: nothing is there where both are 1, and ngspice steps its
-- sources.
local SINGULAR = {
  theta = { "0.5,1000", "1,1000", "0.75,30", "0.9,300", "-3,1000" }, inputs = 1,
  lines = [[
    parameter a value va 1
    parameter r value r1 1000
    input vx 1 0
    output v:y
    output i:vd]],
  netlist = [[
    a negative resistor
    vx x 0 0
    va a 0 0
    r1 y 0 1k
    b1 y 0 i = -v(a)*v(y)/1k
    r2 x z 1k
    d1 z q dm
    vd q 0 0
    g1 y 0 z 0 1m
    .model dm d is=1e-18
    ]],
}

-- The first, third and fourth need retries, as spice_worker_fault_spec.lua has them.
local LADDER = {
  theta = { "0.000253,8.43e10,387", "1,2,3", "1.74,4.45e12,1.35e4", "3.25e6,3.85e-5,7.26e-7",
    "1e6,1e3,1e9" }, inputs = 1, lines = [[
    parameter r1 value r1 1
    parameter r2 value r2 1
    parameter r3 value r3 1
    input v1 1 0
    output v:b
    output v:d]],
  netlist = [[
    a ladder that is hard to climb
    v1 a 0 1
    r1 a b 1
    r2 b c 1
    r3 c d 1
    g1 d 0 b c 1e-9
    g2 b 0 d c -1e-3
    d1 d 0 dm
    c1 d 0 1p
    .model dm d is=1e-18
    ]],
}

describe("an evaluation of a netlist", function()
  teardown(worker.clean)

  it("has no history: sources with feedback, diodes", function()
    has_no_history { parameters = 2, inputs = 1, low = 0.1, high = 3, lines = [[
      parameter a value va 1
      parameter r value r1 1000
      input vx 1 0
      output v:y
      output v:z]], netlist = [[
      a bistable circuit
      vx x 0 0
      va a 0 0
      r1 z q 1k
      d1 q 0 dm
      b1 y 0 v = tanh(3*v(a)*v(z) + v(x))
      b2 z 0 v = tanh(3*v(y) - v(x)*v(q))
      .model dm d is=1e-15 n=1.2 rs=2
      ]] }
  end)

  it("has no history: transistors that need gmin stepping", function()
    assert.equal(0, has_no_history(crossbar()))
  end)

  it("has no history: widths, models, .param and temperature", function()
    has_no_history { parameters = 5, inputs = 1, low = 0.5, high = 20, lines = [[
      parameter w field m1[w] 1e-5
      parameter l field m1[l] 1e-6
      parameter vt model pch:vto -0.6
      parameter rl param rl 1e3
      parameter t option temp 27
      input vin 1 1.5
      output v:o
      output i:vdd]], netlist = [[
      an inverter with feedback
      .param rl=1meg
      vdd vdd 0 3
      vin i 0 0
      rf o g {rl}
      ri i g 100k
      m1 o g 0 0 nch w=10u l=1u
      m2 o g vdd vdd pch w=20u l=1u
      .model nch nmos level=3 vto=0.5 uo=600 tox=10n nsub=1e16
      .model pch pmos level=3 vto=-0.6 uo=200 tox=10n nsub=1e16
      ]] }
  end)

  it("has no history: amplifiers, with retries and without", function()
    for _, retry in ipairs { "retry 0\n", "retry 1\n" } do
      has_no_history(setmetatable({ lines = retry .. AMPLIFIERS.lines }, { __index = AMPLIFIERS }))
    end
  end)

  it("has no history: singular matrices and source stepping", function()
    assert.equal(1, has_no_history(SINGULAR))
  end)

  it("has no history: retries, one of them a transient", function()
    has_no_history(LADDER)
  end)

  it("has no history: transients", function()
    has_no_history { parameters = 2, inputs = 1, low = 1e2, high = 1e5, lines = [[
      analysis tran 1e-8 1e-6 2e-7
      parameter r1 value r1 1000
      parameter rl value rl 1000
      input vx 1 0
      output v:y
      output v:z]], netlist = [[
      what remembers
      vx x 0 0
      r1 x y 1k
      c1 y 0 1n
      l1 y z 1u
      rl z 0 50
      d1 y 0 dm
      t1 z 0 t 0 z0=50 td=10n
      rt t 0 50
      .model dm d is=1e-15 cjo=10p tt=1n
      ]] }
  end)
end)
