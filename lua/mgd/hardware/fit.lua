--- Your own data: fits of the laws of update to measured conductance against pulses.
--
-- `fit_update` reads a CSV file with one row per point,
--
--     device,direction,pulse,conductance
--     d1,up,0,5.02
--
-- fits each device by itself (GSL, Levenberg and Marquardt), and answers a result with
--
-- - `law`, `parameters` (name → mean over devices), `errors` (name → its standard error; 0: held;
--   NaN: the data do not tell),
-- - `d2d` (name → spread between devices), `c2c`, `c2c_error`, `noise`, `residual`,
-- - `devices`: a list of `{name =, parameters =, errors =, residual =, iterations =, curves =}`,
-- - `result:plot(path)`, `result:options()` and `result:model(extra)`.
--
-- Weights: w = w_low + (w_high − w_low)(g − g_min)/(g_max − g_min), the same map for all devices.
--
-- Spreads: `d2d` is the standard deviation between devices less what the errors of the fits
-- explain, as a fraction of the mean (up_down: absolute). `c2c` is a fraction: a pulse makes
-- step·(1 + c2c·ξ), ξ standard normal. `noise` is what a reading adds, in weight units,
-- independent from reading to reading: on a chip `hw.read_noise{sigma = result.noise}`.
-- @module mgd.hardware.fit

local core = require "mgd.core"
local files = require "mgd.base.files"
local models = require "mgd.hardware.hw.models"
local naming = require "mgd.base.naming"
local options = require "mgd.base.options"
local read = require "mgd.hardware.fit_csv"
local plot = require "mgd.hardware.fit_plot"

local M = {}

local WHERE = "mgd.hw.fit_update"

-- Models by the law that they have.
local CONSTRUCTORS = {}
for _, model in ipairs(models.models()) do
  if model.law then
    CONSTRUCTORS[model.law] = model.name
  end
end

M.SCHEMA = {
  { "law", type = "string", required = true, choices = core.fit.laws(),
    doc = "Law of update; `table` takes the mean of the measured curves as it is." },
  { "columns", type = "table",
    doc = "Names of columns where they differ: `{device =, cycle =, direction =, pulse =, "
      .. "conductance =}`." },
  { "g_min", type = "number",
    doc = "Conductance that stands for `w_low`; default: the smallest measured.",
    unit = "of the file" },
  { "g_max", type = "number",
    doc = "Conductance that stands for `w_high`; default: the largest measured.",
    unit = "of the file" },
  { "w_low", type = "number", default = -1, doc = "Weight at `g_min`." },
  { "w_high", type = "number", default = 1, doc = "Weight at `g_max`." },
  { "unit", type = "string", doc = "Unit of the conductance, for the plot." },
  { "hold", type = "table",
    doc = "Numbers of the law that are not fitted: `{name = value}`. Held unless `name = false`: "
      .. "`a`, `b`, `w_min` and `w_max` (the extremes measured) of `exponential`; `levels` of "
      .. "`ltp_ltd` (the pulses of the longest curve)." },
  { "start", type = "table",
    doc = "Where the search begins: `{name = value}`; default: guessed from the curves." },
  { "iterations", type = "integer", default = 200, min = 1, max = 100000,
    doc = "Most iterations of a fit." },
  { "smooth", type = "integer", default = 1, min = 1, max = 9999, only = { "law", "table" },
    unit = "pulses", doc = "Width of the moving mean over the averaged curves; odd." },
}

-- ---- options ------------------------------------------------------------------------------------

local function member(list, wanted)
  for _, value in ipairs(list) do
    if value == wanted then
      return true
    end
  end
  return false
end

local POSITIVE = { dw_min = true, amplitude_up = true, amplitude_down = true }

-- Whether hold and start name numbers that the law has, and give numbers.
local function check_numbers(option, law, given)
  local known = core.fit.parameters(law)
  for name, value in pairs(given or {}) do
    if not member(known, name) then
      options.fail(WHERE, "option '%s': the law '%s' has no number '%s'%s", option, law,
        tostring(name), naming.hint(name, known, "it has", "it has none"))
    end
    local finite = type(value) == "number" and value - value == 0
    local fits = finite and (option == "hold" or not POSITIVE[name] or value > 0)
    if not fits and not (option == "hold" and value == false) then
      options.fail(WHERE, "option '%s': %s must be %s, got %s", option, name,
        option == "hold" and "a finite number or false" or POSITIVE[name] and "a number > 0"
          or "a finite number", tostring(value))
    end
  end
end

-- The map from conductances to weights, with what the data say where the user does not.
local function make_map(opt, curves)
  local low, high = math.huge, -math.huge
  for _, curve in ipairs(curves) do
    for _, g in ipairs(curve.g) do
      low, high = math.min(low, g), math.max(high, g)
    end
  end
  local map = { g_min = opt.g_min or low, g_max = opt.g_max or high, w_low = opt.w_low,
    w_high = opt.w_high }
  if map.g_min >= map.g_max then
    options.fail(WHERE, "g_min (%s) must be below g_max (%s); measured are %s to %s", map.g_min,
      map.g_max, low, high)
  elseif map.w_low >= map.w_high then
    options.fail(WHERE, "w_low (%s) must be below w_high (%s)", map.w_low, map.w_high)
  end
  return map
end

local function to_weight(map, g)
  return map.w_low + (map.w_high - map.w_low) * (g - map.g_min) / (map.g_max - map.g_min)
end

local function to_conductance(map, w)
  return map.g_min + (map.g_max - map.g_min) * (w - map.w_low) / (map.w_high - map.w_low)
end

-- Numbers that are held: the user's, and those that measured curves cannot tell.
local function held(opt, curves)
  local hold = {}
  if opt.law == "exponential" then
    local low, high = math.huge, -math.huge
    for _, curve in ipairs(curves) do
      for _, w in ipairs(curve.w) do
        low, high = math.min(low, w), math.max(high, w)
      end
    end
    hold = { a = 0.244, b = 0.2425, w_min = low, w_max = high }
  elseif opt.law == "ltp_ltd" then
    hold.levels = 1
    for _, curve in ipairs(curves) do
      hold.levels = math.max(hold.levels, curve.pulse[#curve.pulse] - curve.pulse[1])
    end
  end
  for name, value in pairs(opt.hold or {}) do
    hold[name] = value or nil
  end
  return hold
end

-- ---- the measured table -------------------------------------------------------------------------

-- The weight of a curve after n pulses, on straight lines between its points.
local function weight_after(curve, n)
  local pulse, at = curve.pulse, curve.pulse[1] + n
  local low, high = 1, #pulse
  while high - low > 1 do
    local middle = math.floor((low + high) / 2)
    if pulse[middle] <= at then
      low = middle
    else
      high = middle
    end
  end
  local part = (at - pulse[low]) / (pulse[high] - pulse[low])
  return curve.w[low] + part * (curve.w[high] - curve.w[low])
end

local function mean_curve(curves, direction)
  local last, out = math.huge, {}
  for _, curve in ipairs(curves) do
    if curve.direction == direction then
      last = math.min(last, curve.pulse[#curve.pulse] - curve.pulse[1])
    end
  end
  for n = 0, last do
    local sum, count = 0, 0
    for _, curve in ipairs(curves) do
      if curve.direction == direction then
        sum, count = sum + weight_after(curve, n), count + 1
      end
    end
    out[n + 1] = sum / count
  end
  return out
end

-- Means over `width` entries, over fewer towards the ends.
local function smoothed(list, width)
  local out = {}
  for i = 1, #list do
    local reach, sum = math.min((width - 1) / 2, i - 1, #list - i), 0
    for j = i - reach, i + reach do
      sum = sum + list[j]
    end
    out[i] = sum / (2 * reach + 1)
  end
  return out
end

local function measured_table(opt, file, curves)
  if opt.smooth % 2 == 0 then
    options.fail(WHERE, "option 'smooth' must be odd, got %d", opt.smooth)
  end
  local out = {}
  for name, direction in pairs { up = 1, down = -1 } do
    out[name] = smoothed(mean_curve(curves, direction), opt.smooth)
  end
  for _, name in ipairs { "up", "down" } do
    local sign, list = name == "up" and 1 or -1, out[name]
    for i = 2, #list do
      if sign * (list[i] - list[i - 1]) <= 0 then
        options.fail(WHERE, "%s: the mean of the curves %s %s at pulse %d (%s after %s, as "
          .. "weights): a table must %s with every pulse; average more cycles, leave the flat "
          .. "end out, or raise 'smooth' (%d)", file, name,
          name == "up" and "does not rise" or "does not fall", i - 1, list[i], list[i - 1],
          name == "up" and "rise" or "fall", opt.smooth)
      end
    end
  end
  return out
end

-- ---- devices ------------------------------------------------------------------------------------

-- Curves as the core takes them, device by device, in the order of the file.
local function by_device(curves)
  local devices, index = {}, {}
  for _, curve in ipairs(curves) do
    local device = index[curve.device]
    if not device then
      device = { name = curve.device, curves = {} }
      index[curve.device] = device
      devices[#devices + 1] = device
    end
    table.insert(device.curves, curve)
  end
  return devices
end

local function called(file, device)
  return ("%s: %s: device '%s'"):format(WHERE, file, device.name)
end

local function fit_devices(opt, file, devices, hold)
  local start, free = {}, {}
  for name, value in pairs(opt.start or {}) do
    start[name] = value
  end
  for name, value in pairs(hold) do
    start[name] = value
  end
  for _, name in ipairs(core.fit.parameters(opt.law)) do
    free[name] = hold[name] == nil
  end
  for _, device in ipairs(devices) do
    local fit = core.fit.device(called(file, device), opt.law, start, free, device.curves,
      opt.iterations)
    for c, curve in ipairs(device.curves) do
      curve.fit = fit.curves[c]
    end
    fit.name, fit.curves = device.name, device.curves
    for key, value in pairs(fit) do
      device[key] = value
    end
  end
  return free
end

-- Standard errors once more, with the noise of steps that all devices tell together: that of one
-- may hide behind its readings. The searches begin where they have ended.
local function refine_errors(result, opt, file, free)
  if #result.devices == 1 or result.law == "table" then
    return
  end
  for _, device in ipairs(result.devices) do
    device.errors = core.fit.device(called(file, device), result.law, device.parameters, free,
      device.curves, opt.iterations + 10, result.c2c ^ 2).errors
  end
end

-- Mean over the devices whose data tell `name`, its standard error, the variance between devices.
local function spread(devices, name)
  local told = {}
  for _, device in ipairs(devices) do
    if device.errors[name] == device.errors[name] then
      told[#told + 1] = device
    end
  end
  local known = #told > 0
  told = known and told or devices
  local n, mean, between, own = #told, 0, 0, 0
  for _, device in ipairs(told) do
    mean = mean + device.parameters[name] / n
  end
  for _, device in ipairs(told) do
    between = between + (device.parameters[name] - mean) ^ 2 / math.max(n - 1, 1)
    own = own + device.errors[name] ^ 2 / n
  end
  if not known then
    return mean, 0 / 0, between
  end
  return mean, math.sqrt(math.max(between, own) / n), math.max(between - own, 0)
end

local function relative(variance, mean)
  return variance > 0 and math.sqrt(variance) / math.abs(mean) or 0
end

local function average_laws(result)
  for _, name in ipairs(core.fit.parameters(result.law)) do
    local mean, err, between = spread(result.devices, name)
    result.parameters[name], result.errors[name] = mean, err
    if result.held[name] == nil and #result.devices > 1 then
      result.d2d[name] = name == "up_down" and math.sqrt(between) or relative(between, mean)
    end
  end
end

-- Between devices a table's steps differ: by their mean over all curves.
local function average_table(result, map)
  result.parameters = map
  local steps, mean, between = {}, 0, 0
  for d, device in ipairs(result.devices) do
    steps[d] = 0
    for _, curve in ipairs(device.curves) do
      local n = #curve.w
      steps[d] = steps[d] + math.abs(curve.w[n] - curve.w[1])
        / (curve.pulse[n] - curve.pulse[1]) / #device.curves
    end
    mean = mean + steps[d] / #result.devices
  end
  for d = 1, #steps do
    between = between + (steps[d] - mean) ^ 2 / math.max(#steps - 1, 1)
  end
  if #steps > 1 then
    result.d2d.dw_min = relative(between, mean)
  end
end

-- Noises and residual over all devices, each device by its number of points.
local function average_noise(result)
  local points, c2c, err, noise, residual = 0, 0, 0, 0, 0
  for _, device in ipairs(result.devices) do
    local n = device.points
    points = points + n
    c2c, err = c2c + n * device.c2c_squared, err + (n * device.c2c_squared_error) ^ 2
    noise, residual = noise + n * device.noise_squared, residual + n * device.residual ^ 2
  end
  err = math.sqrt(err) / points
  result.points = points
  result.c2c = math.sqrt(c2c / points)
  result.c2c_error = err > 0 and math.min(err / (2 * result.c2c), math.sqrt(err)) or 0
  result.noise = math.sqrt(noise / points)
  result.residual = math.sqrt(residual / points)
end

-- ---- the result ---------------------------------------------------------------------------------

local Fit = naming.class("mgd.fit", { "unit", "c2c", "c2c_error", "noise", "residual" })

local function padded(text, width)
  local _, continued = text:gsub("[\128-\191]", "")
  return text .. (" "):rep(width - #text + continued)
end

local function row(...)
  local cells = { ... }
  return ("  " .. padded(cells[1], 19) .. padded(cells[2], 13) .. padded(cells[3], 13)
    .. cells[4]):gsub("%s+$", "")
end

local function error_cell(self, name)
  local err = self.errors[name]
  if self.held[name] ~= nil then
    return "held"
  end
  return err ~= err and "± not told" or ("± %.2g"):format(err)
end

local function spread_cell(self, name)
  local d2d = self.d2d[name]
  if not d2d then
    return ""
  end
  return name == "up_down" and ("%.3g"):format(d2d) or ("%.1f %%"):format(100 * d2d)
end

--- The fit as a table.
function Fit:__tostring()
  local lines = { ("%s fitted to %s: %d device%s, %d points"):format(self.law, self.file,
    #self.devices, #self.devices == 1 and "" or "s", self.points) }
  if self.law == "table" then
    lines[2] = ("  %d pulses up, %d down; from device to device the steps spread by %s"):format(
      #self.parameters.up - 1, #self.parameters.down - 1,
      self.d2d.dw_min and ("%.1f %%"):format(100 * self.d2d.dw_min) or "an unknown part")
  else
    lines[2] = row("", "mean", "error", "device to device")
  end
  for _, name in ipairs(core.fit.parameters(self.law)) do
    lines[#lines + 1] = row(name, ("%.5g"):format(self.parameters[name]), error_cell(self, name),
      spread_cell(self, name))
  end
  local function add(name, value, err, meaning)
    lines[#lines + 1] = row(name, ("%.3g"):format(value), err and ("± %.2g"):format(err) or "",
      meaning)
  end
  add("c2c", self.c2c, self.c2c_error, "of a step, cycle to cycle")
  add("noise", self.noise, nil, "of a reading, weight units")
  add("residual", self.residual, nil, "rms, weight units")
  local map = self.map
  lines[#lines + 1] = ("  w = %g at g = %.5g, w = %g at g = %.5g%s"):format(map.w_low, map.g_min,
    map.w_high, map.g_max, self.unit and " " .. self.unit or "")
  return table.concat(lines, "\n")
end

--- Conductance that stands for a weight, and the other way round.
-- @tparam number w
-- @treturn number
function Fit:conductance(w)
  return to_conductance(self.map, w)
end

function Fit:weight(g)
  return to_weight(self.map, g)
end

--- What the law's constructor in `mgd.hw` takes: numbers, spreads, c2c.
-- @tparam[opt] table extra  options that are added, or that replace fitted ones
-- @treturn table
function Fit:options(extra)
  local out, d2d = {}, self.d2d
  for name, value in pairs(self.parameters) do
    out[name] = value
  end
  out.c2c = self.c2c
  for _, name in ipairs { "dw_min", "up_down", "w_min", "w_max" } do
    out[name .. "_d2d"] = d2d[name]
  end
  if d2d.gamma_up or d2d.gamma_down then -- one figure serves both
    local up, down = d2d.gamma_up or d2d.gamma_down, d2d.gamma_down or d2d.gamma_up
    local p = self.parameters -- of the mean, absolute
    out.gamma_d2d = math.sqrt(((up * p.gamma_up) ^ 2 + (down * p.gamma_down) ^ 2) / 2)
  end
  for name, value in pairs(extra or {}) do
    out[name] = value
  end
  return out
end

--- A model of update for a chip: `mgd.hw.soft_bounds{…}` or whatever was fitted.
-- @tparam[opt] table extra  options that are added, or that replace fitted ones
-- @return the model
-- @usage local chip = mgd.chip{net = net, update = fit:model()}
function Fit:model(extra)
  return models[CONSTRUCTORS[self.law]](self:options(extra))
end

--- Draw the measured points and the fit.
-- @tparam[opt] string path  of a file that is written: .svg, .png, .pdf or .csv
-- @treturn figure see mgd.plot
-- @raise on another ending, a path that cannot be written, and without gnuplot
function Fit:plot(path)
  local figure = plot(self)
  if path ~= nil then
    figure:save(path)
  end
  return figure
end

--- Fit a law of update to measured pulses.
-- @tparam string path  a CSV file: a line of column names, then a row per point. Columns: device
-- (optional), cycle (optional), direction (up, down; +1, −1; potentiation, depression), pulse (0,
-- 1, 2 … or from 1, gaps are fine), conductance. Rows in any order; `#` opens a comment.
-- @tparam table opts  see `M.SCHEMA`
-- @treturn table the result, see above
-- @raise on a file that is not as described, naming its line; on a device whose fit fails
-- @usage
-- local fit = hw.fit_update("pulses.csv", {law = "soft_bounds"})
-- print(fit)
-- fit:plot "fit.svg"
function M.fit_update(path, opts)
  files.check_path(WHERE, path)
  local opt = options.check(WHERE, M.SCHEMA, opts)
  check_numbers("hold", opt.law, opt.hold)
  check_numbers("start", opt.law, opt.start)
  local file = path:match "[^/]+$" or path
  local curves = read(WHERE, path, opt.columns or {})
  local map = make_map(opt, curves)
  for _, curve in ipairs(curves) do
    curve.w = {}
    for i, g in ipairs(curve.g) do
      curve.w[i] = to_weight(map, g)
    end
  end
  local hold = opt.law == "table" and measured_table(opt, path, curves) or held(opt, curves)
  local result = setmetatable({ law = opt.law, file = file, unit = opt.unit, map = map, held = hold,
    parameters = {}, errors = {}, d2d = {}, devices = by_device(curves) }, Fit)
  local free = fit_devices(opt, path, result.devices, hold)
  average_noise(result)
  refine_errors(result, opt, path, free)
  if opt.law == "table" then
    average_table(result, hold)
  else
    average_laws(result)
  end
  return result
end

return M
