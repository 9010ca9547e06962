-- 08_hardware_time.lua: what the steps of each task mean in seconds of hardware.
--
-- Claim (McCaughan et al. 2023): a chip with time constants of 10 ns or 100 ps trains faster by MGD
-- than a conventional computer does by back-propagation, although it takes more steps.
-- Partly shown, for two small tasks and 16 seeds. Where a whole step, both signs of a batch of 4 or
-- 64, is shown within one dt, hardware time is dt × steps, and at 10 ns and below less than
-- back-propagation takes here by factors of 50 and more. Hardware that shows one sample under one
-- perturbation per dt takes dt × evaluations: at 100 ps that is still far less, at 10 ns less by
-- single factors, which another machine, more threads or a larger network would change. With a chip
-- in the loop at 1 ms neither is. Not shown: that MGD takes more steps (on parity it takes as
-- many), and anything of the published image tasks. Energy and writing times are not counted. The
-- wall-clock of back-propagation is this machine's, to the same accuracy, one thread, data in
-- memory.
--
--     build/mgd-lua examples/paper/08_hardware_time.lua      about 40 s; FULL=1: more seeds

package.path = (arg[0]:match "^(.*)/" or ".") .. "/?.lua;" .. package.path
local mgd = require "mgd"
local paper = require "paper"

local numbers = require "mgd.text.numbers"

local SEEDS = paper.pick(16, 128)

local function sigmoid(sizes)
  sizes.activation, sizes.output = "sigmoid", "sigmoid"
  return mgd.nn.mlp(sizes)
end

local TASKS = {
  { name = "2-bit parity, all four right", net = sigmoid { 2, 2, 1 }, data = mgd.data.xor(),
    batch = 4,
    eta = 2, descent = 2, amplitude = 0.05, steps = 2e5, every = 100, level = 1, low = -1,
      high = 1 },
  { name = "NIST7x7, 80 %", net = sigmoid { 49, 4, 4 }, data = mgd.data.nist7x7(), batch = 64,
    eta = 1,
    descent = 1, amplitude = 0.01, steps = 2e4, every = 250, level = 0.8, low = -0.5, high = 0.5 },
}

-- Steps to the level, median over seeds that count censored ones; seconds of the wall to it.
local function steps_to(task, way)
  local opt = { net = task.net, data = task.data, batch = task.batch, replicas = SEEDS,
    init = { scheme = "uniform", low = task.low, high = task.high } }
  if way == "MGD" then
    opt.perturbation = { code = "random", amplitude = task.amplitude }
    opt.eta, opt.baseline = task.eta, "two-sided"
    local history = mgd.train(opt):run { steps = task.steps, every = task.every,
      probes = { "accuracy" }, stop = { accuracy = task.level } }
    local time = mgd.stats.time_to_solution(history.stopped, { budget = task.steps })
    return time, 2 * task.batch * time.median -- two-sided
  end
  opt.eta = task.descent
  local history = mgd.backprop(opt):run { steps = task.steps, every = task.every,
    probes = { "accuracy" }, stop = { accuracy = task.level } }
  return mgd.stats.time_to_solution(history.stopped, { budget = task.steps })
end

-- Seconds that one step of back-propagation takes here.
local function step_time(task)
  local run = mgd.backprop { net = task.net, data = task.data, batch = task.batch, eta = 0.1,
    threads = 1 }
  run:run { steps = 100, probes = {} }
  local begin, steps = mgd.clock(), 5000
  run:run { steps = steps, probes = {} }
  return (mgd.clock() - begin) / steps
end

local KINDS = { { "chip in the loop, 1 ms", 1e-3 }, { "mixed-signal, 10 ns", 1e-8 },
  { "very fast, 100 ps", 1e-10 } }
local head, rows = { "task", "MGD steps", "MGD evaluations", "back-propagation steps" }, {}
for _, kind in ipairs(KINDS) do
  head[#head + 1] = kind[1] .. " × steps"
  head[#head + 1] = "× evaluations"
end
head[#head + 1] = "back-propagation here"
local panel = { x = { label = "dt", unit = "s", log = true },
  y = { label = "time to solution", unit = "s", log = true } }
for t, task in ipairs(TASKS) do
  local mgd_steps, evaluations = steps_to(task, "MGD")
  local descent = steps_to(task, "back-propagation")
  local here = descent.median * step_time(task)
  local row = { task.name, ("%s (%d of %d)"):format(paper.number(mgd_steps.median),
    mgd_steps.solved,
    SEEDS), ("%d"):format(evaluations),
    ("%s (%d of %d)"):format(paper.number(descent.median), descent.solved, SEEDS) }
  local series = { label = task.name .. ", dt × steps", x = {}, y = {}, style = "both", colour = t }
  local serial = { label = "  dt × evaluations", x = {}, y = {}, style = "points", colour = t }
  for k, kind in ipairs(KINDS) do
    row[#row + 1] = numbers.si(mgd_steps.median * kind[2], "s")
    row[#row + 1] = numbers.si(evaluations * kind[2], "s")
    series.x[k], series.y[k] = kind[2], mgd_steps.median * kind[2]
    serial.x[k], serial.y[k] = kind[2], evaluations * kind[2]
  end
  row[#row + 1] = numbers.si(here, "s")
  rows[#rows + 1] = row
  panel[#panel + 1] = series
  panel[#panel + 1] = serial
  panel[#panel + 1] = { label = "  back-propagation here", x = { 1e-10, 1e-3 }, y = { here, here },
    style = "dashed", colour = t }
end

panel.width = 860
paper.finish("08_hardware_time", mgd.plot(panel), paper.table(head, rows))
