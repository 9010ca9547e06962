-- 29_spice_devices.lua: a crossbar of resistors and differential pairs learns XOR.
--
-- The netlist, examples/spice/crossbar.cir, is one of devices: 48 resistors between 10 kΩ and 1 MΩ
-- are the weights, five differential pairs of level-1 MOSFETs the units. A resistor matters by its
-- ratio to others, so θ is its logarithm; the same circuit with the ohms themselves as θ shows
-- what that is worth. Then the trained circuit is looked at: what plain ngspice says of it, and
-- what it makes of voltages between the levels that it was trained on. Takes about ten seconds.
--
--     build/mgd-lua examples/29_spice_devices.lua
--
-- Leaves out/spice_devices.svg, where gnuplot is installed. SEEDS=n tries n seeds instead of ten.

local mgd = require "mgd"

local SEEDS = tonumber(os.getenv "SEEDS") or 10
local MOST = 1000      -- steps
local GOOD = 0.03      -- mean-square error, of outputs that are to be 0 or 1

local function crossbar(scale)
  return mgd.chip {
    spice = "examples/spice/crossbar.cir",
    parameters = { "r??_*" },                -- r1p_x1, r1p_x2, …, ryn_h4n
    ranges = { 10e3, 1e6, scale = scale },   -- Ω
    inputs = { "vx1", "vx2" },
    scale = 0.6, offset = 1.2,               -- 0 and 1 are 1.2 V and 1.8 V
    outputs = { "0.5 + (yp - yn) / 0.8" },   -- −0.4 V and 0.4 V are 0 and 1
  }
end

local data = mgd.data.xor()

local function train(chip, seed)
  local run = mgd.train {
    chip = chip, data = data, batch = 4, seed = seed,
    baseline = "two-sided", perturbation = { code = "random", amplitude = 0.05 }, eta = 0.06,
    init = { scheme = "uniform", low = -0.5, high = 0.5 },
  }
  local steps = 0
  repeat
    run:run { steps = 20 }
    steps = steps + 20
  until steps >= MOST or run:evaluate().cost < GOOD
  return run, steps
end

local function compare(scale)
  local chip = crossbar(scale)
  if scale == "log" then
    print(chip)
    print "\nθ of     solved     steps (median)  evaluations   seconds"
  end
  local solved, evaluations, began, best = {}, 0, mgd.clock(), nil
  for seed = 1, SEEDS do
    local run, steps = train(chip, seed)
    evaluations = evaluations + run:counters().evaluations
    if run:evaluate().cost < GOOD then
      solved[#solved + 1] = steps
      best = best or run
    end
  end
  table.sort(solved)
  print(("%-8s %2d of %2d %12s %18.0f %10.1f"):format(scale == "log" and "ln R" or "R", #solved,
    SEEDS, solved[math.ceil(#solved / 2)] or "–", evaluations, mgd.clock() - began))
  return chip, best
end

local chip, run = compare "log"
compare("linear"):close()

-- ---- the trained circuit in plain ngspice -------------------------------------------------------

local function by_ngspice(file, netlist)
  local f = assert(io.open(file, "w"))
  f:write(netlist)
  f:close()
  local pipe = io.popen("ngspice -b " .. file .. " 2>/dev/null")
  local printed = pipe:read "*a":match "Index.-\n0%s+(%S+)"
  pipe:close()
  return printed or "not installed"
end

os.execute "mkdir -p out"
print "\n    x1      x2     XOR   yp        yn        output    ngspice -b"
for i = 1, 4 do
  local x = data.x[{ { i, i } }]
  local raw = chip:raw(run:theta(), x)
  local file = ("out/crossbar_%.0f%.0f.cir"):format(x[1][1], x[1][2])
  print(("%4.1f V  %4.1f V %5.0f   %.4f V  %.4f V  %.6f  %s"):format(raw.x1[1], raw.x2[1],
    data.y[i][1], raw.yp[1], raw.yn[1], run:predict(x)[1][1],
    by_ngspice(file, chip:netlist(run:theta(), { x = x }))))
end

-- ---- between the levels -------------------------------------------------------------------------

local POINTS = 25
local volts = mgd.linspace(1.2, 1.8, POINTS)
local x = mgd.zeros { POINTS * POINTS, 2 }
for i = 1, POINTS do
  for j = 1, POINTS do
    local row = x[(i - 1) * POINTS + j]
    row[1], row[2] = (volts[j] - 1.2) / 0.6, (volts[i] - 1.2) / 0.6
  end
end
local y = (run:predict(x):reshape { POINTS, POINTS } - 0.5) * 0.8
local figure = mgd.plot {
  title = "A crossbar that has learnt XOR",
  x = { label = "v(x1)", unit = "V" }, y = { label = "v(x2)", unit = "V" },
  { kind = "heat", x = volts, y = volts, z = y, label = "v(yp) − v(yn), V" },
}
local ok, message = pcall(figure.save, figure, "out/spice_devices.svg")
print(ok and "written: out/spice_devices.svg" or message)
chip:close()
