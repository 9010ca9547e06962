-- Draws docs/physics/img/convergence.svg, the error of each line at a fixed time against dt/τ, and
-- prints the tables of docs/physics/convergence.md:
--
--   build/mgd-lua docs/physics/convergence.lua                 about 10 s
--
-- held    a step at t = 0, which is what a line sees of a held value, at t = 4 τ, against closed
--         forms: of the models by themselves. 1/f noise by the correlation of 4,096 lines over 4 τ.
-- moving  sin(t/τ) at the same time, held over each step as signals are, against steps of τ/4096.
-- series  the cost behind lines of perturbation and cost (τ, and 0.7 τ) at the end of each of 12
--         patterns that last 4 τ, in units of what the first of them moves it by: of a chip that is
--         linear in θ̃ and of one that is not, tanh under perturbations of 0.8, against steps of
--         τ/256, in the last case with 16 substeps.

local mgd = require "mgd"
local core = require "mgd.core"
local hw, nn = mgd.hw, mgd.nn

local FOLDER = arg[0]:gsub("[^/]*$", "") .. "img/"
local PARTS = { 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64 } -- of τ that are a step
local T = 4 -- τ

-- The value of `models` at T where `input(t)` goes in, in steps of 1/parts of τ = 1 s.
local function through(models, parts, input)
  local compiled = hw.compile("convergence", { cost = models })
  local x = mgd.from({ T * parts, 1 }, function(i) return input(i / parts) end)
  return core.hw.apply(compiled.models, { dt = 1 / parts }, x)[{ T * parts, 1 }]
end

-- ---- one stage ----------------------------------------------------------------------------------

local function poles(n, t)
  local term, sum = 1, 0
  for k = 1, n do
    term, sum = term * t / k, sum + term
  end
  return 1 - math.exp(-t) * sum
end

local W = math.sqrt(1 - 0.04)
local STAGES = {
  { "low-pass, 1 pole", hw.path { lowpass = 1 }, poles(1, T) },
  { "low-pass, 2 poles", hw.path { lowpass = { tau = 1, poles = 2 } }, poles(2, T) },
  { "low-pass, 4 poles", hw.path { lowpass = { tau = 1, poles = 4 } }, poles(4, T) },
  { "low-pass, 8 poles", hw.path { lowpass = { tau = 1, poles = 8 } }, poles(8, T) },
  { "high-pass", hw.path { highpass = 1 }, math.exp(-T) },
  { "ringing, ζ = 0.2", hw.path { ringing = { frequency = 1 / (2 * math.pi), damping = 0.2 } },
    1 - math.exp(-0.2 * T) * (math.cos(W * T) + 0.2 / W * math.sin(W * T)) },
  { "two lines, τ and τ/2", { hw.path { lowpass = 1 }, hw.path { lowpass = 0.5 } },
    1 - 2 * math.exp(-T) + math.exp(-2 * T) },
  { "slew rate 0.2/τ", hw.path { slew = 0.2 }, 0.2 * T },
  { "delay 1.3 τ", hw.path { delay = 1.3 }, 1 },
}

local function held(stage, parts)
  return math.abs(through(stage[2], parts, function() return 1 end) - stage[3])
end

local function moving(stage, parts)
  stage.fine = stage.fine or through(stage[2], 4096, math.sin)
  return math.abs(through(stage[2], parts, math.sin) - stage.fine)
end

-- Corners 0.05/(2π), …: the correlation over T is the mean of e^(−2π·f·T).
local LINES, RELAXATIONS = 4096, 3
local function flicker(parts)
  local model = hw.flicker { sigma = 1, f_low = 0.01, f_high = 0.1, relaxations = RELAXATIONS }
  local rows = T * parts
  local y = model:apply(mgd.zeros({ rows + 1, LINES }), { dt = 1 / parts })
  local sum, exact = y[1]:dot(y[rows + 1]) / LINES, 0
  for k = 0, RELAXATIONS - 1 do
    local f = 0.01 * 10 ^ (k / (RELAXATIONS - 1))
    exact = exact + math.exp(-2 * math.pi * f * T) / RELAXATIONS
  end
  return math.abs(sum - exact)
end

-- ---- from perturbation to cost ------------------------------------------------------------------

local SET = mgd.data.from {
  x = mgd.tensor { { 0.3, -0.2 }, { -0.7, 0.9 }, { 0.5, 0.4 } },
  y = mgd.tensor { { -5 }, { -6 }, { -7 } },
}
local PATTERNS = 12

-- Costs at the end of each pattern; samples change with every third one.
local function costs(lines, parts)
  local layers = { input = { 2 }, nn.dense(1), dtype = "f64" }
  layers[2] = lines.bends and nn.tanh() or nil
  local net = nn.sequential(layers):set_theta(mgd.tensor { 0.4, -0.3, 0.2 })
  local chip = mgd.chip { net = net, perturbation = lines.perturbation, input = lines.input,
    output = lines.output, cost = lines.cost, substeps = lines.substeps }
  local run = mgd.train { chip = chip, data = SET, cost = "l2", shuffle = false, eta = 0,
    baseline = "none", dt = 1 / parts, tau_p = T * parts, tau_theta = T * parts,
    tau_x = 3 * T * parts, perturbation = { code = "sequential", amplitude = 0.8 } }
  return run:run { steps = PATTERNS * T * parts, every = T * parts, probes = { "C" } }.C
end

local one, two, later = hw.path { lowpass = 1 }, hw.path { lowpass = { tau = 1, poles = 2 } },
  hw.path { lowpass = 0.7 }
local SERIES = {
  { "linear", perturbation = one, cost = later },
  { "linear, 2 poles first", perturbation = two, cost = later },
  { "linear, output and cost", perturbation = one, output = later, cost = later },
  { "linear, all four", perturbation = one, input = later, output = later, cost = later },
}
for _, substeps in ipairs { 1, 2, 4, 8 } do
  SERIES[#SERIES + 1] = { ("tanh, substeps = %d"):format(substeps), perturbation = one,
    cost = later, substeps = substeps, bends = true }
end

local function series(lines, parts)
  if not lines.fine then
    local substeps = lines.substeps
    lines.substeps = lines.bends and 16 or nil
    lines.fine, lines.substeps = costs(lines, 256), substeps
  end
  local c, worst = costs(lines, parts), 0
  local scale = math.abs(lines.fine[3] - lines.fine[2])
  for k = 2, PATTERNS + 1 do
    worst = math.max(worst, math.abs(c[k] - lines.fine[k]) / scale)
  end
  return worst
end

-- ---- figure and tables --------------------------------------------------------------------------

local function text(parts)
  return parts > 1 and ("1/%d"):format(parts) or ("%g"):format(1 / parts)
end

-- One panel and its table: `list` by `error_of`.
local function panel(title, list, error_of)
  local p = { title = title, x = { label = "dt/τ", log = true },
    y = { label = "error", log = true }, legend = "right" }
  local rows = { {} }
  for k, entry in ipairs(list) do
    local s = { label = entry[1], x = {}, y = {}, style = k > 8 and "dashed" or "both" }
    rows[1][k] = entry[1]
    for i, parts in ipairs(PARTS) do
      local e = error_of(entry, parts)
      s.x[i], s.y[i] = 1 / parts, math.max(e, 1e-17)
      rows[i + 1] = rows[i + 1] or {}
      rows[i + 1][k] = e < 1e-12 and "–" or ("%.2g"):format(e)
    end
    p[k] = s
  end
  print(("\n### %s\n\n| dt/τ | %s |\n|---|%s"):format(title, table.concat(rows[1], " | "),
    ("---|"):rep(#list)))
  for i, parts in ipairs(PARTS) do
    print(("| %s | %s |"):format(text(parts), table.concat(rows[i + 1], " | ")))
  end
  return p
end

local with_noise = { table.unpack(STAGES) }
with_noise[#with_noise + 1] = { "1/f noise" }
local panels = {
  panel("Held", with_noise, function(stage, parts)
    return stage[2] and held(stage, parts) or flicker(parts)
  end),
  panel("Moving", STAGES, moving),
  panel("Series", SERIES, series),
}
mgd.plot { panels = panels, columns = 1, width = 760, height = 1000 }:save(FOLDER
  .. "convergence.svg")
