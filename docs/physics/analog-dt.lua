-- Draws docs/physics/img/analog_dt.svg, how the analog engine's error falls with dt while the times
-- of its circuit stay as they are, and prints the table of docs/physics/exactness.md:
--
--   build/mgd-lua docs/physics/analog-dt.lua                   about 10 s
--
-- One pattern lasts τ_p = n·dt, and n goes from 2 to 512. Two errors, both relative:
--
-- G  on a chip whose cost is linear in θ, with η = 0, against the closed form: between two edges of
--    the code the high-pass decays as e^(−t/τ_hp) and the low-pass follows it.
-- θ  of a 2-2-1 network on XOR that learns, against the same equations in continuous time, solved
--    by GSL's Prince–Dormand pair (rk8pd) to a tolerance of 1e-12.

local mgd = require "mgd"

local FOLDER = arg[0]:gsub("[^/]*$", "") .. "img/"

local TAU_HP, TAU_THETA = 4, 16 -- in units of τ_p
local STEPS = { 2, 4, 8, 16, 32, 64, 128, 256, 512 } -- n, of a pattern

-- ---- G of a linear chip -------------------------------------------------------------------------

local GRADIENT = { 1, -0.5, 2 }
local AMPLITUDE, SLOTS = 0.01, 61 -- slots: in the middle of a period of the code

-- Rows 1, 2 and 4 of an 8 × 8 Hadamard matrix.
local function pattern(slot)
  local signs = {}
  for i = 1, 3 do
    signs[i] = AMPLITUDE * (math.floor(slot / 2 ^ (i - 1)) % 2 == 0 and 1 or -1)
  end
  return signs
end

local function measured_gradient(n)
  local chip = mgd.chip { parameters = 3, evaluate = function(theta, x)
    local sum = 0
    for i, g in ipairs(GRADIENT) do
      sum = sum + g * theta[i]
    end
    return x * 0 + sum
  end }
  local run = mgd.train { chip = chip, engine = "analog", eta = 0, tau_p = n, tau_hp = TAU_HP * n,
    tau_theta = TAU_THETA * n, cost = function(y) return y[1] end,
    data = { x = mgd.zeros { 1, 1 }, y = mgd.zeros { 1, 1 } },
    perturbation = { code = pattern, period = 8, energy = AMPLITUDE ^ 2 } }
  run:gradient()
  run:run { steps = SLOTS * n, probes = { "norm_G" } }
  return run:gradient():totable()
end

-- C̃ and G at the end of the last slot. In a slot C̃ = h·e^(−t/τ_hp), and G follows q·C̃ with τ_θ.
local function exact_gradient()
  local high, g, before = 0, { 0, 0, 0 }, nil
  local a, b = 1 / TAU_HP, 1 / TAU_THETA
  for slot = 0, SLOTS - 1 do
    local signs, jump = pattern(slot), 0
    for i, sign in ipairs(signs) do
      jump = jump + GRADIENT[i] * (before and sign - before[i] or 0) -- the first is not seen
    end
    high, before = high + jump, signs
    for i, sign in ipairs(signs) do
      local drive = high * sign / AMPLITUDE ^ 2
      g[i] = g[i] * math.exp(-b) + drive * b / (b - a) * (math.exp(-a) - math.exp(-b))
    end
    high = high * math.exp(-a)
  end
  return g
end

-- ---- θ of a network that learns -----------------------------------------------------------------

local PATTERNS = 512 -- to learn for

local net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid", dtype = "f64" }
net:init { scheme = "uniform", low = -1, high = 1, seed = 2 }

local function learnt(n, integrator)
  local run = mgd.train { net = net, data = mgd.data.xor { dtype = "f64" }, batch = 4,
    engine = "analog", integrator = integrator, tolerance = integrator and 1e-12,
    perturbation = { code = "walsh", amplitude = 0.02 }, tau_p = n, tau_hp = TAU_HP * n,
    tau_theta = TAU_THETA * n, eta = 0.5 / n }
  run:run { steps = PATTERNS * n, probes = {} }
  return run:theta()
end

-- ---- the figure ---------------------------------------------------------------------------------

local function difference(a, b)
  return (mgd.tensor(a) - mgd.tensor(b)):norm() / mgd.tensor(b):norm()
end

local exact, continuous = exact_gradient(), learnt(8, "rk8pd")
local travelled = (continuous - net:theta()):norm()
local again = (learnt(2, "rk8pd") - continuous):norm() / travelled

local x, of_g, of_theta = {}, {}, {}
print "| dt/τ_p | error of G | ratio | error of θ | ratio |\n|---|---|---|---|---|"
for k, n in ipairs(STEPS) do
  x[k], of_g[k] = 1 / n, difference(measured_gradient(n), exact)
  of_theta[k] = (learnt(n) - continuous):norm() / travelled
  local function ratio(list)
    return k > 1 and ("%.2f"):format(list[k - 1] / list[k]) or "–"
  end
  print(("| 1/%d | %.3g | %s | %.3g | %s |"):format(n, of_g[k], ratio(of_g), of_theta[k],
    ratio(of_theta)))
end
print(("\nθ in continuous time, with steps of τ_p/2 and of τ_p/8: apart by %.1g"):format(again))

local slope = {}
for k in ipairs(x) do
  slope[k] = of_g[#x] * x[k] / x[#x]
end
mgd.plot {
  title = "The analog engine against continuous time", legend = "right",
  x = { label = "dt/τ_p", log = true }, y = { label = "relative error", log = true },
  { label = "G, linear chip", x = x, y = of_g, style = "both" },
  { label = "θ, XOR learning", x = x, y = of_theta, style = "both" },
  { label = "first order in dt", x = x, y = slope, style = "dashed" },
}:save(FOLDER .. "analog_dt.svg")
