-- 11_analog.lua: a circuit that never stops to measure: the analog engine on XOR.
--
-- The discrete engine measures a baseline C₀, compares, integrates a window and writes θ. A circuit
-- would rather do all of it at once: a high-pass (τ_hp) on the broadcast cost in place of the
-- baseline, a low-pass (τ_θ) at each parameter in place of the window, and a θ that always moves.
-- Three tables, of ensembles of 2-2-1 networks of sigmoid units (P = 9):
--
--     1. both engines side by side, at the same learning rate per unit of time;
--     2. τ_hp: how much of the gradient it lets through, expected and measured, and what that does
--        to training: too short starves it, too long lets the drift of the cost in;
--     3. perturbation lines of finite bandwidth (mgd.hw.path), in series with the high-pass.
--
-- Takes 10 to 20 seconds on one core.
--
--     build/mgd-lua examples/11_analog.lua

local mgd = require "mgd"

local REPLICAS, STEPS, DT = 64, 200000, 1e-6
local TAU_THETA, ETA = 256, 8 -- η of a window; the analog engine moves by η/τ_θ in each step

local net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" }
local xor = mgd.data.xor()

-- Options of all runs here, with changes.
local function options(changes)
  local opts = {
    data = xor,
    perturbation = { code = "random", amplitude = 0.02 },
    tau_theta = TAU_THETA,
    init = { scheme = "uniform", low = -1, high = 1 },
    replicas = REPLICAS,
    dt = DT,
  }
  for name, value in pairs(changes) do
    opts[name] = value
  end
  opts.net = not opts.chip and net or nil
  return opts
end

-- How many replicas reach a cost of 0.02, after how many steps and evaluations; the median counts
-- those that never do as later than all others.
local function train(changes)
  local history = mgd.train(options(changes)):run { steps = STEPS, every = 1000,
    stop = { cost = 0.02 } }
  local steps, solved = history.stopped:totable(), 0
  for r, step in ipairs(steps) do
    solved = solved + (step == step and 1 or 0)
    steps[r] = step == step and step or math.huge
  end
  table.sort(steps)
  local median = steps[math.floor((#steps + 1) / 2)]
  local evaluations = math.huge
  for t, step in ipairs(history.step:totable()) do
    evaluations = step == median and history.evaluations[t] or evaluations
  end
  local function text(count)
    return count < math.huge and ("%.0f"):format(count) or "∞"
  end
  return solved, text(median), text(evaluations), median * DT, evaluations * DT
end

-- ---- 1. two engines -----------------------------------------------------------------------------

print(("%d replicas of XOR, at most %d steps of %g µs; solved: cost ≤ 0.02"):format(REPLICAS, STEPS,
  DT * 1e6))
print "\n1. the same circuit in two engines, a sample shown for 16 steps"
print "   engine      solved   median steps   evaluations    dt × steps   dt × evaluations"
for _, engine in ipairs {
  { "discrete", { eta = ETA } },
  { "analog", { engine = "analog", tau_hp = 16, eta = ETA / TAU_THETA } },
} do
  engine[2].tau_x = 16
  local solved, steps, evaluations, time, serial = train(engine[2])
  print(("   %-10s %3d of %d %14s %13s %10.0f ms %15.0f ms"):format(engine[1], solved, REPLICAS,
    steps, evaluations, time * 1e3, serial * 1e3))
end

-- ---- 2. the high-pass ---------------------------------------------------------------------------
-- In a slot of τ_p steps the perturbed line rises to its value and the high-pass lets the change
-- through, less and less of it. What is left of a unit step, on average over the slot, is the share
-- of ∂C/∂θ that G shows: slots do not know of each other, so nothing else correlates.

local function share(tau_p, tau_hp, lowpass)
  local keep, alpha = lowpass and math.exp(-1 / lowpass) or 0, tau_hp / (tau_hp + 1)
  local line, signal, sum = 0, 0, 0
  for _ = 1, tau_p do
    local before = line
    line = 1 - keep * (1 - line)
    signal = alpha * (signal + line - before)
    sum = sum + signal
  end
  return sum / tau_p
end

-- The same, measured: nothing is learnt, and G along the gradient g is G·g/|g|².
local function measured_share(changes)
  local opts = options(changes)
  opts.eta, opts.tau_theta, opts.init = 0, 16000, nil
  net:init { scheme = "uniform", low = -1, high = 1, seed = 5 }
  local run = mgd.train(opts)
  run:run { steps = 80000, probes = { "norm_G" } } -- a probe of G keeps G
  local g = net:gradient(xor.x, xor.y, "mse")
  return run:gradient():mean(1):dot(g) / g:dot(g)
end

local TAU_P = 16
print(("\n2. the high-pass, τ_p = %d steps, all four samples at once"):format(TAU_P))
print "   τ_hp/τ_p   amplitude   share of ∂C/∂θ in G     solved   median steps"
print "                          expected  measured"
for _, row in ipairs { { 0.25, 0.02 }, { 1, 0.02 }, { 4, 0.02 }, { 16, 0.02 }, { 16, 0.1 } } do
  local tau_hp, amplitude = row[1] * TAU_P, row[2]
  local settings = { engine = "analog", batch = 4, tau_p = TAU_P, tau_hp = tau_hp,
    eta = ETA / TAU_THETA, perturbation = { code = "random", amplitude = amplitude } }
  local solved, steps = train(settings)
  print(("   %8g %11g %10.2f %9.2f %8d of %d %14s"):format(row[1], amplitude,
    share(TAU_P, tau_hp), measured_share(settings), solved, REPLICAS, steps))
end
print "   (a long τ_hp lets in the drift of the cost as θ moves: more than small θ̃ cause)"

-- ---- 3. the line of the perturbations -----------------------------------------------------------

print(("\n3. perturbation lines with a low-pass, τ_p = %d steps, τ_hp = 4·τ_p"):format(TAU_P))
print "   τ_line/τ_p  share of ∂C/∂θ in G     solved   median steps"
print "               expected  measured"
for _, ratio in ipairs { 0, 0.1, 0.3, 1, 3 } do
  local line = ratio > 0 and ratio * TAU_P or nil
  local chip = mgd.chip { net = net,
    perturbation = line and mgd.hw.path { lowpass = line * DT } or nil }
  local settings = { chip = chip, engine = "analog", batch = 4, tau_p = TAU_P, tau_hp = 4 * TAU_P,
    eta = ETA / TAU_THETA }
  local solved, steps = train(settings)
  print(("   %8g %11.2f %9.2f %8d of %d %14s"):format(ratio,
    share(TAU_P, 4 * TAU_P, line), measured_share(settings), solved, REPLICAS, steps))
end
