-- 31_spice_transient.lua: a circuit with delays, and how long to wait for it.
--
-- The crossbar of example 29 with the capacitances of its wires, examples/spice/crossbar_rc.cir. An
-- evaluation is a transient: at rest with both inputs at 1.2 V, then a sample is applied, and the
-- output is the mean over the end of the transient. Ask for too long a one, and much of
-- ngspice's time is spent on a circuit that stands still; for too short a one, and what is learnt
-- is right only at the moment of the reading. The advisor measures when the outputs have settled.
-- Takes about ten seconds.
--
--     build/mgd-lua examples/31_spice_transient.lua
--
-- Leaves out/spice_transient.svg, where gnuplot is installed.

local mgd = require "mgd"

local STEPS = tonumber(os.getenv "STEPS") or 300
local LONG, SHORT = 1e-6, 60e-9 -- s: a careful guess, and a hasty one

local function crossbar(stop)
  return mgd.chip {
    spice = "examples/spice/crossbar_rc.cir",
    parameters = { "r??_*" },
    ranges = { 10e3, 1e6, scale = "log" },
    inputs = { "vx1", "vx2" },
    scale = 0.6, offset = 1.2,
    outputs = { "0.5 + (yp - yn) / 0.8" },
    analysis = "tran",
    tran = { stop = stop, step = 10e-9 },
  }
end

local data = mgd.data.xor()
local INIT = { scheme = "uniform", low = -0.5, high = 0.5 }

local function make_run(chip, eta)
  return mgd.train {
    chip = chip, data = data, batch = 4, seed = 1,
    baseline = "two-sided", perturbation = { code = "random", amplitude = 0.05 }, eta = eta,
    init = INIT,
  }
end

local function train(chip)
  local run = make_run(chip, 0.06)
  local began = mgd.clock()
  run:run { steps = STEPS }
  return run, mgd.clock() - began
end

-- ---- how long does it take to settle? -----------------------------------------------------------

local long = crossbar(LONG)
local advice = mgd.advise { chip = long, data = data, init = INIT, batch = 1, evaluations = 2000 }
local STOP = advice.stop
print(("the advisor, of a transient of %.0f ns: %.0f ns are enough"):format(LONG * 1e9, STOP * 1e9))

-- ---- three waits --------------------------------------------------------------------------------

print "\n  stop     cost as read   all right   cost once settled   all right   ms a transient"
local theta = {}
for _, stop in ipairs { LONG, STOP, SHORT } do
  local chip = stop == LONG and long or crossbar(stop)
  local run, seconds = train(chip)
  theta[stop] = run:theta()
  local read = run:evaluate()
  local settled = make_run(long, 0):set_theta(run:theta()):evaluate()
  print(("%5.0f ns %13.4f %11s %18.4f %11s %15.2f"):format(stop * 1e9, read.cost,
    read.accuracy == 1 and "yes" or "no", settled.cost, settled.accuracy == 1 and "yes" or "no",
    1e3 * seconds / run:counters().evaluations))
  if chip ~= long then
    chip:close()
  end
end

-- ---- waveforms ----------------------------------------------------------------------------------

local function waves(stop)
  local panel = { title = ("θ learnt at %.0f ns"):format(stop * 1e9),
    x = { label = "time", unit = "ns" }, y = { label = "v(yp) − v(yn)", unit = "V" } }
  for i = 1, 4 do
    local x = data.x[i]
    local raw = long:raw(theta[stop], x, { stop = STOP })
    panel[i] = { x = 1e9 * raw.time, y = raw.yp - raw.yn,
      label = ("%.0f xor %.0f"):format(x[1], x[2]) }
  end
  panel[5] = { kind = "mark", x = 1e9 * stop, label = "read" }
  return panel
end

local figure = mgd.plot { title = "A crossbar with delays", columns = 2,
  panels = { waves(STOP), waves(SHORT) } }
os.execute "mkdir -p out"
local ok, message = pcall(figure.save, figure, "out/spice_transient.svg")
print(ok and "\nwritten: out/spice_transient.svg" or message)
long:close()
