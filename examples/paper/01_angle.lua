-- 01_angle.lua: the angle between G and the gradient against integration time, for each code.
--
-- Claim (McCaughan et al. 2023): whatever the code, G turns towards the gradient as it is
-- integrated for longer, and the angle falls to zero; orthogonal codes get there at the end of
-- their period.
-- Partly shown, on 2-bit parity (2-2-1, P = 9), 4-bit parity (4-4-1, P = 25) and NIST7x7 (49-4-4,
-- one image, P = 220). Shown: the angle falls with the integration time for the four codes tried.
-- Walsh and sine fall at the end of their period to what rounding and curvature leave. Of the
-- sequential code that end is not shown: windows are powers of two, which hold no whole period of P
-- steps, so it goes on falling as what the rest leaves. Medians of the random code, of 16 seeds,
-- lie within 10 % of cos² = K/(K + P − 1) over K patterns, the law for a cost that is linear; no
-- interval is given here, and spec/codes_spec.lua tests the law.
-- One sample or batch is shown throughout; median and quartiles over seeds; f64, two-sided, so a
-- step is two evaluations of each sample of the batch.
--
--     build/mgd-lua examples/paper/01_angle.lua        about 20 s; FULL=1: longer windows, 7 codes

package.path = (arg[0]:match "^(.*)/" or ".") .. "/?.lua;" .. package.path
local mgd = require "mgd"
local paper = require "paper"

local SEEDS, LONGEST = paper.pick(16, 64), paper.pick(14, 18)
local CODES = paper.pick({ "sequential", "walsh", "random", "sine" },
  { "sequential", "walsh", "random", "sine", "gaussian", "brownian", "lfsr" })

local function sigmoid(sizes)
  sizes.activation, sizes.output, sizes.dtype = "sigmoid", "sigmoid", "f64"
  return mgd.nn.mlp(sizes)
end

local TASKS = {
  { title = "2-bit parity, P = 9", net = sigmoid { 2, 2, 1 }, data = mgd.data.xor(), batch = 4 },
  { title = "4-bit parity, P = 25", net = sigmoid { 4, 4, 1 }, data = mgd.data.parity { bits = 4 },
    batch = 16 },
  { title = "NIST7x7, P = 220", net = sigmoid { 49, 4, 4 }, data = mgd.data.nist7x7(), batch = 1 },
}

-- Angles of all seeds over one window, in degrees; without any G yet, 90.
local function angles(task, code, window)
  local run = mgd.train { net = task.net, data = task.data, batch = task.batch, shuffle = false,
    perturbation = { code = code, amplitude = 1e-3 }, baseline = "two-sided", eta = 0,
    tau_theta = window, tau_x = window, init = { scheme = "uniform", low = -1, high = 1 },
    replicas = SEEDS }
  local row = run:run { steps = window, probes = { "angle" } }.angle[-1]:totable()
  for r, value in ipairs(row) do
    row[r] = value == value and math.max(value, 1e-5) or 90
  end
  return row
end

local panels, rows = {}, {}
for _, task in ipairs(TASKS) do
  local panel = { title = task.title, x = { label = "integration time τ_θ", unit = "steps",
    log = true },
    y = { label = "angle", unit = "degrees", log = true } }
  for _, code in ipairs(CODES) do
    local windows, values = {}, {}
    for k = 0, LONGEST do
      windows[#windows + 1] = 2 ^ k
      values[#values + 1] = angles(task, code, math.tointeger(2 ^ k))
    end
    panel[#panel + 1] = paper.band(windows, mgd.tensor(values, { dtype = "f64" }), { label = code })
    local row = { task.title, code }
    for _, k in ipairs { 0, 4, 8, 12, LONGEST } do
      row[#row + 1] = paper.number(panel[#panel].y[k + 1], "%.3g")
    end
    rows[#rows + 1] = row
  end
  local expected, windows, p = {}, {}, task.net.num_parameters
  for k = 0, LONGEST do
    windows[k + 1], expected[k + 1] = 2 ^ k, math.deg(math.acos(math.sqrt(2 ^ k / (2 ^ k + p - 1))))
  end
  panel[#panel + 1] = { x = windows, y = expected, label = "expected, random", style = "dashed",
    colour = 7 }
  panels[#panels + 1] = panel
end

paper.finish("01_angle", mgd.plot { panels = panels, height = 400 },
  paper.table({ "task", "code", "τ_θ = 1", "16", "256", "4096", ("%d"):format(2 ^ LONGEST) },
    rows))
