-- 08_robustness.lua: how much hardware error multiplexed gradient descent puts up with.
--
-- XOR (2-2-1) and NIST7x7 (49-4-4), both of sigmoid units, are trained on chips with one
-- imperfection at a time, from none to so much that training fails: cost noise, write noise, spread
-- of the activations, weight bits, asymmetric updates, leaking weights, slow perturbation lines and
-- a late cost. For each value an ensemble of chips is trained side by side. A replica has solved
-- XOR once its cost is at most 0.04 (so no output is off by more than 0.4: all four are right), and
-- NIST7x7 once it gets 80 % of 502 images right, which are spread evenly over the data set. That is
-- looked at every 200 or 500 steps and without noise, as a user would test the chip with patience.
-- All values share initial θ, samples and perturbations: they differ by the chip alone.
--
--     build/mgd-lua examples/08_robustness.lua [experiment]     all without; `list` names them
--
-- The environment sets the size: REPLICAS of XOR (64; NIST7x7 has a quarter of them), and STEPS
-- (100,000), after which training is given up. All take one to two minutes on two cores. A
-- warning on stderr that C̃ may be rounding is part of the result: write noise has driven the
-- weights of some replica to where its units are saturated.
--
-- Prints a table per experiment: the share of replicas that solved the task with its 95 % interval
-- (Wilson), and the median steps to the solution with its 95 % interval (order statistics), in
-- which replicas that never solved it are later than all others. Leaves in out/, below the current
-- directory:
--     robustness_<experiment>.csv   the table
--     robustness_<experiment>.svg   the same as a plot, where gnuplot is installed
--     robustness.svg                all experiments in one picture

local mgd = require "mgd"
local hw = mgd.hw

local OUT = "out/robustness"

local function size(name, default)
  local value = math.tointeger(tonumber(os.getenv(name) or default))
  assert(value and value > 0, name .. " must be a whole number above 0")
  return value
end

local REPLICAS = size("REPLICAS", 64)
local STEPS = size("STEPS", 100000)

-- ---- tasks --------------------------------------------------------------------------------------

-- All images for training, every 88th for testing.
local function letters()
  local all = mgd.data.nist7x7()
  local some = { x = {}, y = {} }
  for i = 1, #all, 88 do
    table.insert(some.x, all.x[i]:totable())
    table.insert(some.y, all.y[i]:totable())
  end
  local test = { x = mgd.tensor(some.x, { dtype = "f32" }),
                 y = mgd.tensor(some.y, { dtype = "f32" }) }
  return mgd.data.from { x = all.x, y = all.y, test = test }
end

local TASKS = {
  {
    name = "XOR",
    net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" },
    data = mgd.data.xor(),
    replicas = REPLICAS, batch = 1, every = 200, stop = { cost = 0.04 },
    amplitude = 0.05, tau_theta = 4, eta = 2, init = 2,
    range = 8, -- weights of chips that have bounds: ±8
  },
  {
    name = "NIST7x7",
    net = mgd.nn.mlp { 49, 4, 4, activation = "sigmoid", output = "sigmoid" },
    data = letters(),
    replicas = math.max(math.floor(REPLICAS / 4), 1), batch = 8, every = 500,
    stop = { accuracy = 0.8 },
    amplitude = 0.05, tau_theta = 8, eta = 1, init = 0.5,
    range = 4,
  },
}

-- ---- experiments --------------------------------------------------------------------------------
-- `values` go from the ideal chip to the worst; `stages` makes the stages of a chip of a value.
-- A step is dt = 1 s: the time constants below are in steps.

local EXPERIMENTS = {
  {
    name = "cost_noise", title = "Cost noise", unit = "σ of each cost",
    values = { 0, 3e-4, 1e-3, 2e-3, 3e-3, 0.01, 0.03, 0.1 },
    stages = function(sigma)
      return { cost = hw.noise { sigma = sigma } }
    end,
  },
  {
    name = "write_noise", title = "Write noise", unit = "σ of each write of a weight",
    values = { 0, 0.003, 0.01, 0.03, 0.1, 0.2, 0.4 },
    stages = function(sigma)
      return { update = hw.write { noise = sigma } }
    end,
  },
  {
    name = "activation_spread", title = "Spread of activations",
    unit = "σ of gain, slope, threshold and offset",
    values = { 0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5 },
    stages = function(sigma)
      return { neurons = hw.neuron_spread { sigma = sigma } }
    end,
  },
  { -- θ is accumulated in full; the weights that multiply are rounded, and θ̃ is added behind
    name = "weight_bits", title = "Levels of weights", unit = "bits",
    values = { math.huge, 8, 7, 6, 5, 4, 3, 2 },
    stages = function(bits, task)
      return bits < math.huge
        and { weights = hw.levels { bits = bits, low = -task.range, high = task.range } } or {}
    end,
  },
  { -- pulses of 0.001 between bounds, up to 1000 a write, otherwise ideal
    name = "asymmetry", title = "Asymmetry of updates",
    unit = "α: steps up 1 + α, steps down 1 − α",
    values = { 0, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2 },
    stages = function(up_down, task)
      return { update = hw.constant_step { up_down = up_down, dw_min = 0.001, max_pulses = 1000,
        w_min = -task.range, w_max = task.range, dw_min_d2d = 0, c2c = 0, up_down_d2d = 0,
        w_min_d2d = 0, w_max_d2d = 0 } }
    end,
  },
  {
    name = "leak", title = "Leak of weights during training", unit = "lifetime τ, steps",
    values = { math.huge, 1e5, 3e4, 1e4, 5e3, 3e3, 1e3, 300 },
    stages = function(tau)
      return { weights = hw.leak { tau = tau } }
    end,
  },
  { -- every step measures C₀ for half of dt, without θ̃, and then C: the line follows in between
    name = "bandwidth", title = "Bandwidth of perturbations", unit = "τ_{bw} / τ_p",
    values = { 0, 0.1, 0.2, 0.5, 1, 2, 5 },
    settings = { tau_p = 4 },
    stages = function(ratio)
      return { perturbation = hw.path { lowpass = 4 * ratio } }
    end,
  },
  {
    name = "cost_delay", title = "Delay of the cost", unit = "delay, steps; τ_p = 4 steps",
    values = { 0, 1, 2, 3, 4, 5, 6 },
    settings = { tau_p = 4 },
    stages = function(delay)
      return { cost = hw.path { delay = delay } }
    end,
  },
}

-- ---- training -----------------------------------------------------------------------------------

-- The steps to the solution of each replica, rising; math.huge for those that never solved it.
local function train(experiment, task, value)
  local stages = experiment.stages(value, task)
  stages.net, stages.seed = task.net, 1
  local settings = {
    chip = mgd.chip(stages), data = task.data, batch = task.batch, replicas = task.replicas,
    perturbation = { code = "random", amplitude = task.amplitude },
    tau_theta = task.tau_theta, eta = task.eta,
    init = { scheme = "uniform", low = -task.init, high = task.init },
  }
  for name, setting in pairs(experiment.settings or {}) do
    settings[name] = setting
  end
  local history = mgd.train(settings):run { steps = STEPS, every = task.every, stop = task.stop }
  local steps = history.stopped:totable()
  for r, step in ipairs(steps) do
    steps[r] = step == step and step or math.huge
  end
  table.sort(steps)
  return steps
end

-- ---- statistics ---------------------------------------------------------------------------------

-- The 95 % interval of a share, k of n (Wilson 1927).
local function wilson(k, n)
  local z2 = 1.959964 ^ 2
  local centre = (k + z2 / 2) / (n + z2)
  local half = math.sqrt(z2) / (n + z2) * math.sqrt(k * (n - k) / n + z2 / 4)
  return math.max(centre - half, 0), math.min(centre + half, 1)
end

-- The median of sorted values and its interval of at least 95 %, from the j-th to the j-th last: j
-- is the largest for which a binomial (n, ½) is below j in at most 2.5 % of cases. Of less than six
-- values there is none, and the smallest and the largest take its place.
local function median(sorted)
  local n, j = #sorted, 1
  local chance = 0.5 ^ n -- of i = 0
  local below = chance
  for i = 1, math.floor(n / 2) do
    chance = chance * (n - i + 1) / i
    below = below + chance -- at most i values are below the median
    if below > 0.025 then
      break
    end
    j = i + 1
  end
  local middle = (sorted[math.floor((n + 1) / 2)] + sorted[math.floor(n / 2) + 1]) / 2
  return middle, sorted[j], sorted[n + 1 - j]
end

-- One row of a table: how an ensemble did.
local function summary(task, value, steps)
  local solved = 0
  for _, step in ipairs(steps) do
    solved = solved + (step < math.huge and 1 or 0)
  end
  local row = { task = task, value = value, replicas = #steps, rate = solved / #steps }
  row.low, row.high = wilson(solved, #steps)
  row.median, row.median_low, row.median_high = median(steps)
  return row
end

-- ---- tables -------------------------------------------------------------------------------------

local function short(value) -- 0.003, 3e-4, 1e5, ∞
  if value == math.huge then
    return "∞"
  elseif value == 0 or value >= 1e-3 and value < 1e4 then
    return ("%g"):format(value)
  end
  local exponent = math.floor(math.log(value, 10) + 1e-9)
  return ("%ge%d"):format(value / 10.0 ^ exponent, exponent)
end

local function steps_text(steps)
  return steps == math.huge and "∞" or ("%.0f"):format(steps)
end

local function print_row(row)
  print(("  %-8s %s%s   %5.1f %%  %5.1f … %5.1f %%   %9s   %9s … %9s"):format(row.task.name,
    (" "):rep(8 - utf8.len(short(row.value))), short(row.value), 100 * row.rate, 100 * row.low,
    100 * row.high, steps_text(row.median), steps_text(row.median_low),
    steps_text(row.median_high)))
end

local function write_csv(experiment, rows)
  local file = assert(io.open(("%s_%s.csv"):format(OUT, experiment.name), "w"))
  file:write "task,value,replicas,solved,solved_low,solved_high,steps,steps_low,steps_high,budget\n"
  for _, row in ipairs(rows) do
    file:write(("%s,%.15g,%d,%.15g,%.15g,%.15g,%.0f,%.0f,%.0f,%d\n"):format(row.task.name,
      row.value, row.replicas, row.rate, row.low, row.high, row.median, row.median_low,
      row.median_high, STEPS))
  end
  file:close()
end

-- ---- plots --------------------------------------------------------------------------------------
-- Values are texts that stand side by side: 0 and ∞ have no place on a logarithmic axis.

-- A column of the rows of a task: `scale` times row[name], not beyond `most`.
local function column(rows, task, name, scale, most)
  local list = {}
  for _, row in ipairs(rows) do
    if row.task == task then
      list[#list + 1] = math.min(scale * row[name], most)
    end
  end
  return list
end

local function panel(experiment, rows, title, y, names, scale, most)
  local axes = { title = title, x = experiment.unit, y = y }
  local texts = {}
  for i, value in ipairs(experiment.values) do
    texts[i] = short(value)
  end
  for t, task in ipairs(TASKS) do
    axes[t] = { x = texts, label = task.name, style = "both",
      y = column(rows, task, names[1], scale, most),
      low = column(rows, task, names[2], scale, most),
      high = column(rows, task, names[3], scale, most) }
  end
  return axes
end

local function success_panel(experiment, rows)
  return panel(experiment, rows, experiment.title,
    { label = "solved", unit = "%", range = { 0, 100 } }, { "rate", "low", "high" }, 100, 100)
end

-- Medians beyond the budget lie on its line.
local function steps_panel(experiment, rows)
  local y = { label = "median steps", log = true,
    range = { math.min(1000, STEPS / 10), 1.5 * STEPS } }
  local axes = panel(experiment, rows, nil, y, { "median", "median_low", "median_high" }, 1, STEPS)
  axes[#axes + 1] = { kind = "mark", y = STEPS, label = "budget" }
  return axes
end

local function plot(experiment, rows)
  mgd.plot { width = 880, height = 380,
    panels = { success_panel(experiment, rows), steps_panel(experiment, rows) },
  }:save(("%s_%s.svg"):format(OUT, experiment.name))
end

-- Four columns; the share solved above the steps it took, twice.
local function overview(results)
  local panels = {}
  for i, experiment in ipairs(EXPERIMENTS) do
    local place = math.floor((i - 1) / 4) * 8 + (i - 1) % 4 + 1
    panels[place] = success_panel(experiment, results[i])
    panels[place + 4] = steps_panel(experiment, results[i])
  end
  mgd.plot { panels = panels, columns = 4, width = 1360, height = 1240 }:save(OUT .. ".svg")
end

-- ---- one after the other ------------------------------------------------------------------------

local has_gnuplot = os.execute "command -v gnuplot >/dev/null 2>&1"

local function perform(experiment)
  local begin, rows = mgd.clock(), {}
  print(("\n%s (%s): %s"):format(experiment.name, experiment.title,
    experiment.unit:gsub("[{}]", "")))
  print "  task        value    solved     95 % interval      median       95 % interval   (steps)"
  for _, task in ipairs(TASKS) do
    for _, value in ipairs(experiment.values) do
      local row = summary(task, value, train(experiment, task, value))
      table.insert(rows, row)
      print_row(row)
    end
  end
  print(("  %.1f s"):format(mgd.clock() - begin))
  write_csv(experiment, rows)
  if has_gnuplot then
    plot(experiment, rows)
  end
  return rows
end

local function main(wanted)
  local names, results = {}, {}
  os.execute "mkdir -p out"
  for i, experiment in ipairs(EXPERIMENTS) do
    names[i] = experiment.name
    if not wanted or wanted == experiment.name then
      if #results == 0 then
        print(("%d replicas of XOR, %d of NIST7x7; a budget of %d steps"):format(
          TASKS[1].replicas, TASKS[2].replicas, STEPS))
      end
      results[#results + 1] = perform(experiment)
    end
  end
  if #results == 0 then
    print("experiments: " .. table.concat(names, ", "))
    os.exit(wanted == "list")
  end
  if has_gnuplot and #results == #EXPERIMENTS then
    overview(results)
  end
  print(("\nwritten: %s_%s.csv%s"):format(OUT, wanted or "<experiment>", has_gnuplot and ", .svg"
    or "; no plots: gnuplot is not installed (apt install gnuplot-nox)"))
end

main(arg and arg[1])
