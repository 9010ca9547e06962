-- 30_spice_spread.lua: chips that differ, trained one by one, against one θ copied to all.
--
-- Twenty copies of the crossbar of example 29, as fabrication would leave them: resistors within
-- σ = 10 %, and threshold voltages of all transistors within σ of 10, 20 and 40 mV. One θ is
-- learnt on the netlist as it is drawn, and written to all of them. Then each chip is trained on
-- itself for a few steps from there, and for as many as the first one from random values.
-- Takes about half a minute on two cores.
--
--     build/mgd-lua examples/30_spice_spread.lua
--
-- Leaves out/spice_spread.svg, where gnuplot is installed. CHIPS=n makes n copies,
-- STEPS=n trains for n steps from random values.

local mgd = require "mgd"

local CHIPS = tonumber(os.getenv "CHIPS") or 20
local NOMINAL, TOUCH = 600, 50 -- steps
local STEPS = tonumber(os.getenv "STEPS") or 300
local RESISTORS = 0.1
local THRESHOLDS = { 0.01, 0.02, 0.04 } -- V

local function crossbar(spread)
  return mgd.chip {
    spice = "examples/spice/crossbar.cir",
    parameters = { "r??_*" },
    ranges = { 10e3, 1e6, scale = "log" },
    inputs = { "vx1", "vx2" },
    scale = 0.6, offset = 1.2,
    outputs = { "0.5 + (yp - yn) / 0.8" },
    spread = spread,
    seed = 7, -- which chips fabrication makes
  }
end

local function train(options)
  options.data, options.batch, options.seed = mgd.data.xor(), 4, 1
  options.baseline, options.eta = "two-sided", options.eta or 0.06
  options.perturbation = { code = "random", amplitude = 0.05 }
  options.init = { scheme = "uniform", low = -0.5, high = 0.5 }
  return mgd.train(options)
end

-- All chips begin with one θ (P).
local function copied(chips, theta, eta)
  local run = train { chip = chips, replicas = CHIPS, eta = eta }
  run:set_theta(mgd.zeros { CHIPS, #theta } + theta)
  return run
end

-- ---- three ways ---------------------------------------------------------------------------------

local WAYS = { "of the netlist, copied to all", "then trained chip by chip",
  "trained chip by chip from random" }
local right, costs = { {}, {}, {} }, {}

local function report(way, sigma, steps, run)
  local row, solved = run:evaluate(), 0
  for chip = 1, CHIPS do
    solved = solved + (row.accuracy[chip] == 1 and 1 or 0)
  end
  table.insert(right[way], solved)
  costs[way] = row.cost:totable()
  table.sort(costs[way])
  print(("%3.0f mV   %-33s %5d %8d of %d %12.4f %9.4f"):format(1000 * sigma, WAYS[way], steps,
    solved, CHIPS, costs[way][math.ceil(CHIPS / 2)], costs[way][CHIPS]))
end

local nominal = crossbar()
local run = train { chip = nominal }
run:run { steps = NOMINAL }
print(("as drawn: cost %.5f after %d steps\n"):format(run:evaluate().cost, NOMINAL))
local theta = run:theta()
nominal:close()

print "σ of VT  θ                                 steps   XOR right  cost: median     worst"
for _, sigma in ipairs(THRESHOLDS) do
  local chips = crossbar {
    ["r??_*"] = RESISTORS,
    ["x*.rl?"] = RESISTORS,                            -- loads
    ["x*.m?.vto"] = { sigma = sigma, absolute = true }, -- V
  }
  local one = copied(chips, theta, 0)
  report(1, sigma, 0, one)
  local touched = copied(chips, theta)
  touched:run { steps = TOUCH }
  report(2, sigma, TOUCH, touched)
  local each = train { chip = chips, replicas = CHIPS }
  each:run { steps = STEPS }
  report(3, sigma, STEPS, each)
  chips:close()
end

-- ---- plot ---------------------------------------------------------------------------------------

local millivolts, numbers = {}, {}
for k, sigma in ipairs(THRESHOLDS) do
  millivolts[k] = 1000 * sigma
end
for chip = 1, CHIPS do
  numbers[chip] = chip
end
local shares = { title = "Chips that compute XOR", x = { label = "σ of the thresholds", unit = "mV",
  range = { 0, 42 } }, y = { label = ("of %d"):format(CHIPS), range = { 0, CHIPS + 1 } } }
local sorted = { title = ("Chips at σ = %d mV, by cost"):format(millivolts[#millivolts]),
  x = "chip", y = { label = "cost", log = true } }
for way, name in ipairs(WAYS) do
  shares[way] = { x = millivolts, y = right[way], label = name }
  sorted[way] = { x = numbers, y = costs[way] }
end
local figure = mgd.plot { title = "One θ for all chips, or one for each", columns = 2,
  panels = { shares, sorted } }
os.execute "mkdir -p out"
local ok, message = pcall(figure.save, figure, "out/spice_spread.svg")
print(ok and "\nwritten: out/spice_spread.svg" or message)
