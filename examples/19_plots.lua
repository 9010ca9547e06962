-- 19_plots.lua: every kind of plot, of one small study.
--
-- XOR on a 2-2-1 network: 128 seeds with each of three perturbation codes and with each of three
-- learning rates, and a grid of learning rates and integration times. What comes out is drawn as
-- lines with bands, points with error bars, bars, histograms, boxes and a heat map, in one figure
-- of six panels, and once more as characters in the terminal. Takes two or three seconds.
--
--     build/mgd-lua examples/19_plots.lua
--
-- Leaves in out/, below the current directory:
--     plots.svg, plots.pdf, plots.png   the figure, where gnuplot is installed
--     plots.csv                         its numbers

local mgd = require "mgd"

local STEPS = 20000

-- ---- the study ----------------------------------------------------------------------------------

local function train(code, eta, tau_theta, seeds)
  return mgd.train {
    net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" },
    data = mgd.data.xor(), replicas = seeds, eta = eta, tau_theta = tau_theta,
    perturbation = { code = code, amplitude = 0.05 },
    init = { scheme = "uniform", low = -1, high = 1 },
  }:run { steps = STEPS, every = 250, probes = { "cost" }, stop = { cost = 0.04 } }
end

local function solved(history)
  local steps = {}
  for _, step in ipairs(history.stopped:totable()) do
    steps[#steps + 1] = step == step and step or nil
  end
  return steps
end

local CODES = { "walsh", "sequential", "random" }
local TIMES, RATES = { 1, 2, 4, 8, 16 }, { 0.5, 1, 2, 4 }

local curves, points, rates, steps, boxes = {}, {}, {}, {}, {}
for c, code in ipairs(CODES) do
  local history = train(code, 2, 4, 128)
  steps[c] = solved(history)
  boxes[c] = { label = code, values = steps[c] }
  rates[c] = mgd.stats.success(#steps[c], 128)
end

for k, eta in ipairs { 0.25, 1, 4 } do
  local history = train("walsh", eta, 4, 128)
  curves[k] = { x = history.step, y = history.cost, label = ("η = %g"):format(eta) }
end

-- The share of 32 seeds that solve it, in %, with its interval.
local function share(code, eta, tau_theta)
  local s = mgd.stats.success(#solved(train(code, eta, tau_theta, 32)), 32)
  return 100 * s.rate, 100 * s.low, 100 * s.high
end

for c, code in ipairs { "walsh", "random" } do
  local series = { x = TIMES, y = {}, low = {}, high = {}, label = code, style = "points" }
  for i, time in ipairs(TIMES) do
    series.y[i], series.low[i], series.high[i] = share(code, 2, time)
  end
  points[c] = series
end
local shares = mgd.from({ #RATES, #TIMES }, function(j, i)
  return (share("walsh", RATES[j], TIMES[i]))
end)

-- ---- the figure ---------------------------------------------------------------------------------

local bars = { x = CODES, y = {}, low = {}, high = {}, style = "bars" }
for c, s in ipairs(rates) do
  bars.y[c], bars.low[c], bars.high[c] = 100 * s.rate, 100 * s.low, 100 * s.high
end

local SOLVED = { label = "solved", unit = "%", range = { 0, 100 } }

curves.title = "Lines: medians and quartiles" -- which a series of (T, R) is drawn as
curves.x, curves.y = "step", { label = "cost", unit = "mse" }

points.title = "Points: 95 % intervals of 32 seeds"
points.x, points.y = { label = "τ_θ", unit = "steps", log = true, ticks = TIMES }, SOLVED
points[#points + 1] = { kind = "mark", y = 50, label = "half" }

local figure = mgd.plot {
  title = "XOR, 2-2-1: every kind of plot", columns = 3,
  panels = {
    curves,
    points,
    { title = "Heat map: walsh, % solved", x = "τ_θ (steps)", y = "η",
      { kind = "heat", x = TIMES, y = RATES, z = shares, label = "solved", unit = "%",
        range = { 0, 100 } } },
    { title = "Histograms", x = "steps to the solution",
      { kind = "histogram", values = steps[1], label = "walsh" },
      { kind = "histogram", values = steps[3], label = "random" } },
    { title = "Boxes", y = { label = "steps to the solution", log = true },
      { kind = "box", groups = boxes } },
    { title = "Bars: 95 % intervals of 128 seeds", y = SOLVED, bars },
  },
}
print(figure)

os.execute "mkdir -p out"
for _, ending in ipairs { "csv", "svg", "pdf", "png" } do
  local ok, message = pcall(figure.save, figure, "out/plots." .. ending)
  if not ok then
    print(message) -- no gnuplot
    return
  end
end
print "written: out/plots.csv, .svg, .pdf, .png\n"

mgd.plot(curves):show()
