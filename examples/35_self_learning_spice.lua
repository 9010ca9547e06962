-- 35_self_learning_spice.lua: a chip of nine synapses learns XOR in ngspice, all by itself.
--
-- The circuit of set `rc` stands at each weight of a 2-2-1 network: a multiplier, a leaky
-- integrator and a capacitor. What the chip has once is a shift register that perturbs, the cost,
-- and its high-pass. circuit:spice writes it as a netlist, which shows itself the four samples in
-- turn and learns in a transient of 8 ms; mgd.train{circuit = …} computes the same by the equations
-- of the analog engine. Each seed draws where weights begin. Printed for each: whether XOR is
-- learnt, by ngspice and by the engine, and the largest difference of any weight, over the first
-- 50 τ_θ and over all of it.
--
-- Takes about 40 seconds on one core; SEEDS=n tries n seeds instead of five, CLOCKS=n ends after
-- n µs. Leaves the netlists out/self_learning_SEED.cir, which need nothing but `ngspice -b`, and,
-- where gnuplot is installed, out/self_learning.svg: all nine weights of the first seed, by both.
--
--     build/mgd-lua examples/35_self_learning_spice.lua
--
-- Needs the program ngspice (Debian: ngspice).

local mgd = require "mgd"

local SEEDS = tonumber(os.getenv "SEEDS") or 5
local CLOCKS = tonumber(os.getenv "CLOCKS") or 8000 -- of 1 µs
local FIRST = 800 -- 50 τ_θ
local GOOD = 0.01 -- mean-square error

local net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid", dtype = "f64" }
local xor = mgd.data.xor { dtype = "f64" }
local circuit = mgd.circuit { set = "rc", net = net }
print(circuit)

-- Rows of θ as the engine has them, where ngspice printed some.
local function by_engine(rows)
  local run = mgd.train { circuit = circuit, data = xor, shuffle = false, integrator = "rkf45",
    tolerance = 1e-6 }
  local steps = run.options.tau_x -- a row for each sample that was shown
  return mgd.from({ rows, net.num_parameters }, (function()
    local row, theta = 0, nil
    return function(t, i)
      if t ~= row then
        run:run { steps = steps }
        row, theta = t, run:theta()
      end
      return theta[i]
    end
  end)())
end

local function cost(theta)
  net:set_theta(theta)
  return (select(2, net:gradient(xor.x, xor.y, "mse")))
end

-- The first row from which on the cost stays good, in clocks.
local function learnt_at(theta)
  local at
  for t = theta.shape[1], 1, -1 do
    if cost(theta[t]) > GOOD then
      break
    end
    at = t * circuit.sample_clocks
  end
  return at
end

-- ---- training -----------------------------------------------------------------------------------

os.execute "mkdir -p out"
print(("\n%d clocks of 1 µs, learnt: a cost of at most %g from there on"):format(CLOCKS, GOOD))
print "seed   ngspice: cost  learnt at   engine: cost  learnt at   θ differs: in 50 τ_θ   in all"

local traces, learnt = {}, { 0, 0 }
for seed = 1, SEEDS do
  net:init { scheme = "uniform", low = -1, high = 1, seed = seed }
  local netlist = circuit:spice { file = ("out/self_learning_%d.cir"):format(seed), data = xor,
    clocks = CLOCKS }
  local trace = netlist:run()
  local rows = trace.theta.shape[1]
  local engine = by_engine(rows)
  local difference = (trace.theta - engine):abs()
  local at = { learnt_at(trace.theta), learnt_at(engine) }
  for k = 1, 2 do
    learnt[k] = learnt[k] + (at[k] and 1 or 0)
  end
  print(("%4d %15.5f %10s %14.5f %10s %19.3f %8.3f"):format(seed, cost(trace.theta[-1]),
    at[1] or "–", cost(engine[-1]), at[2] or "–",
    difference[{ { 1, math.min(rows, FIRST / circuit.sample_clocks) } }]:max(), difference:max()))
  traces[seed] = { time = trace.time, spice = trace.theta, engine = engine }
end
print(("learnt: %d of %d by ngspice, %d of %d by the engine"):format(learnt[1], SEEDS, learnt[2],
  SEEDS))

-- ---- the figure ---------------------------------------------------------------------------------

-- Columns from first to last of the traces: ngspice as lines, some rows of the engine as points.
local function panel(title, trace, first, last, names)
  local series = { title = title, x = { label = "time", unit = "ms" }, y = { label = "θ" } }
  local every = math.max(1, math.floor(trace.time.size / 40))
  for i = first, last do
    local x, y = {}, {}
    for t = every, trace.time.size, every do
      x[#x + 1], y[#y + 1] = trace.time[t] * 1e3, trace.engine[t][i]
    end
    local colour = i - first + 1
    series[#series + 1] = { x = trace.time * 1e3, y = trace.spice:transpose()[i], colour = colour }
    series[#series + 1] = { x = x, y = y, colour = colour, style = "points", label = names[i] }
  end
  return series
end

local names = { "w11", "w12", "w21", "w22", "b1", "b2", "w31", "w32", "b3" }
local figure = mgd.plot { panels = {
  panel("Hidden layer; lines are ngspice", traces[1], 1, 6, names),
  panel("Output; points are the engine", traces[1], 7, 9, names),
} }
local ok, message = pcall(figure.save, figure, "out/self_learning.svg")
print(ok and "written: out/self_learning.svg" or message)
