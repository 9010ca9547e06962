-- Draws docs/figures/angle-NETWORK.svg: the angle between G and the gradient
-- against the integration time τ_θ, for every code. docs/angles.md shows and explains them.
--
--   build/mgd-lua docs/angles.lua [NETWORK [MOST [CODE]]]      all without; about three minutes
--
-- Nothing is learnt (η = 0), one sample is shown for the whole window: all of the angle is the
-- code's. Networks are in f64, both sides are measured and amplitudes are small, so that bias and
-- rounding do not hide the fall. MOST is the longest window, in units of P: of the CNN 10 without,
-- and each unit takes a second or two. Prints a table; with CODE, of this one and without a figure.
-- (A warning that C̃ is 0 is right: the sequential code comes to filters whose units are all dead.)

local mgd = require "mgd"
local nn = mgd.nn

local FOLDER = arg[0]:gsub("[^/]*$", "") .. "figures/"
local FLOOR = 1e-6 -- degrees; the arc cosine of a double tells no smaller angle from 0

-- ---- networks -----------------------------------------------------------------------------------
-- Each replica has θ and a sample of its own; what is shown is their median. `grid`: windows in a
-- decade; `most`: the longest, in units of P.

local function perceptron(sizes)
  sizes.activation, sizes.output, sizes.dtype = "sigmoid", "sigmoid", "f64"
  return nn.mlp(sizes)
end

-- The network of examples/06_cnn.lua.
local function convolutional()
  local layers = { input = { 1, 28, 28 }, dtype = "f64" }
  for _, channels in ipairs { 16, 32, 32 } do
    for _, layer in ipairs { nn.conv2d { channels, kernel = 3 }, nn.relu(), nn.maxpool2d(2) } do
      table.insert(layers, layer)
    end
  end
  table.insert(layers, nn.flatten())
  table.insert(layers, nn.dense(10))
  return nn.sequential(layers)
end

-- The mean image is taken off, as there. Blank pixels would put units exactly on the kink of relu,
-- where the cost has no gradient.
local function images()
  local all = mgd.data.fashion_mnist { dtype = "f64" }
  return { x = all.x[{ { 1, 100 } }] - all.x:mean(1), y = all.y[{ { 1, 100 } }] }
end

local NETWORKS = {
  { name = "xor", title = "XOR, 2-2-1, P = 9", net = perceptron { 2, 2, 1 },
    data = function() return mgd.data.xor { dtype = "f64" } end, cost = "mse",
    init = { scheme = "uniform", low = -1, high = 1 },
    amplitude = 1e-3, replicas = 31, grid = 4, most = 1000 },
  { name = "nist7x7", title = "NIST7x7, 49-4-4, P = 220", net = perceptron { 49, 4, 4 },
    data = function() return mgd.data.nist7x7 { dtype = "f64" } end, cost = "mse",
    init = { scheme = "uniform", low = -0.5, high = 0.5 },
    amplitude = 1e-3, replicas = 7, grid = 4, most = 316 },
  { name = "cnn", title = "CNN on Fashion-MNIST, P = 14378", net = convolutional(),
    data = images, cost = "cross_entropy", init = { scheme = "he_normal" },
    amplitude = 1e-5, replicas = 1, grid = 2, most = 10 },
}

-- ---- codes --------------------------------------------------------------------------------------

local SETTINGS = { lfsr = { balanced = true } } -- orthogonal, as the others are over whole periods

-- Slots after which codes repeat themselves and are orthogonal: of P parameters.
local PERIODS = {
  sequential = function(p)
    return p
  end,
  walsh = function(p)
    return 2 ^ math.ceil(math.log(p + 1, 2))
  end,
  lfsr = function(p) -- one slot more than the register's
    return 2 ^ math.ceil(math.log(p + 2, 2))
  end,
}

local function codes()
  for _, entry in ipairs(mgd.codes.SCHEMA) do
    if entry[1] == "code" then
      return entry.choices
    end
  end
end

-- ---- measuring ----------------------------------------------------------------------------------

local function median(values)
  table.sort(values)
  return values[math.floor((#values + 1) / 2)]
end

-- In degrees, median over replicas. One whose G is still zero shows no direction: 90.
local function angle(network, code, window)
  local perturbation = { code = code, amplitude = network.amplitude }
  for name, value in pairs(SETTINGS[code] or {}) do
    perturbation[name] = value
  end
  local history = mgd.train { net = network.net, data = network.set, cost = network.cost,
    init = network.init, replicas = network.replicas, perturbation = perturbation,
    baseline = "two-sided", eta = 0, tau_theta = window, tau_x = window,
  }:run { steps = window, probes = { "angle" } }
  local values = network.replicas > 1 and history.angle[-1]:totable() or { history.angle[-1] }
  for r, value in ipairs(values) do
    values[r] = value == value and math.max(value, FLOOR) or 90
  end
  return median(values)
end

-- Points {τ_θ, degrees} of a code: at windows of a geometric row, and of whole periods.
local function measure(network, code)
  local p, period = network.net.num_parameters, PERIODS[code]
  local curve = { code = code, any = {}, whole = {} }
  local last, windows = 0, {}
  for k = -2 * network.grid, math.huge do
    local ratio = 10 ^ (k / network.grid)
    if ratio > network.most * 1.001 then
      break
    end
    local window = math.max(1, math.floor(p * ratio + 0.5))
    local decade = k >= 0 and k % network.grid == 0
    if period and decade then -- here whole periods are of more interest
      window = math.floor(period(p) * ratio + 0.5)
    end
    if window > last then
      table.insert(windows, { window, decade, ratio })
      last = window
    end
  end
  for _, entry in ipairs(windows) do
    local point = { entry[1], angle(network, code, entry[1]) }
    table.insert(entry[2] and period and curve.whole or curve.any, point)
    if entry[2] then
      curve[math.floor(entry[3])] = point[2] -- for the table: at 1, 10, 100 times P or the period
    end
  end
  return curve
end

-- ---- table --------------------------------------------------------------------------------------

local function degrees(value)
  if not value then
    return "–"
  elseif value < 1e-3 then
    return "< 0.001"
  end
  return (value >= 0.1 and "%.1f" or "%.2g"):format(value)
end

local function print_table(network, curves)
  print(("\n| %s | P | 10·P | 100·P |\n|---|---|---|---|"):format(network.title))
  for _, curve in ipairs(curves) do
    print(("| `%s` | %s | %s | %s |"):format(curve.code, degrees(curve[1]), degrees(curve[10]),
      degrees(curve[100])))
  end
end

-- ---- drawing ------------------------------------------------------------------------------------

local function curve_series(points, series)
  series.x, series.y = {}, {}
  for i, point in ipairs(points) do
    series.x[i], series.y[i] = point[1], point[2]
  end
  return series
end

-- The angle that P − 1 parameters cause in each other, `factor` of it for slots that resemble their
-- neighbours.
local function expected(network, factor, series)
  local points, p = {}, network.net.num_parameters
  for i = 0, 80 do
    local window = (network.most * p) ^ (i / 80)
    points[i + 1] = { window, math.deg(math.acos(math.sqrt(window / (window + (p - 1) * factor)))) }
  end
  series.style = "dashed"
  return curve_series(points, series)
end

local function draw(network, curves)
  local panel = { title = network.title, width = 760, height = 420,
    x = { label = "integration time τ_θ", unit = "steps; τ_p = 1", log = true },
    y = { label = "angle between G and gradient", unit = "degrees", log = true,
      range = { 5e-7, 200 } },
    { kind = "mark", x = network.net.num_parameters, label = "P" } }
  for i, curve in ipairs(curves) do
    table.insert(panel, curve_series(curve.any, { label = curve.code, colour = i, style = "both" }))
    if #curve.whole > 0 then
      table.insert(panel, curve_series(curve.whole, { label = curve.code .. ", whole periods",
        colour = i, style = "points" }))
    end
  end
  for i, curve in ipairs(curves) do -- Σ (1 − |d|/L)² over d, with L = 16, is 10.7
    local factor = curve.code == "random" and 1 or curve.code == "brownian" and 10.7
    if factor then
      table.insert(panel, expected(network, factor, { label = curve.code .. ", expected",
        colour = i }))
    end
  end
  mgd.plot(panel):save(FOLDER .. "angle-" .. network.name .. ".svg")
end

-- ---- one after the other ------------------------------------------------------------------------

local wanted, most, only = arg[1], tonumber(arg[2]), arg[3]
for _, network in ipairs(NETWORKS) do
  if not wanted or wanted == network.name then
    network.set, network.most = network.data(), most or network.most
    local curves = {}
    for _, code in ipairs(only and { only } or codes()) do
      local begin = mgd.clock()
      table.insert(curves, measure(network, code))
      io.stderr:write(("%s, %s: %.1f s\n"):format(network.name, code, mgd.clock() - begin))
    end
    print_table(network, curves)
    if not only then
      draw(network, curves)
    end
  end
end
