--- Measured pulses from a CSV file, checked row by row, for `mgd.fit`.
-- @module mgd.fit_csv

local naming = require "mgd.naming"
local options = require "mgd.options"

local LEAST_POINTS = 3
local MOST_PULSES = 1e6

local COLUMNS = { "device", "cycle", "direction", "pulse", "conductance" }
local OPTIONAL = { device = "1", cycle = "1" } -- what stands in a column that is not there

local DIRECTIONS = {
  up = 1, ["+1"] = 1, ["1"] = 1, potentiation = 1, ltp = 1, set = 1,
  down = -1, ["-1"] = -1, ["−1"] = -1, depression = -1, ltd = -1, reset = -1,
}

-- The cells of a line; quotes keep separators.
local function split(line, separator)
  local cells, at = {}, 1
  while true do
    local quoted, after = line:match('^%s*"([^"]*)"%s*()', at)
    local stop = line:find(separator, quoted and after or at, true)
    local cell = quoted or line:sub(at, (stop or 0) - 1)
    cells[#cells + 1] = cell:match "^%s*(.-)%s*$"
    if not stop then
      return cells
    end
    at = stop + 1
  end
end

-- The lines that hold something, each with its number.
local function lines_of(where, path)
  local file, message = io.open(path, "rb")
  if not file then
    options.fail(where, "%s", message)
  end
  local text, reason = file:read "*a"
  file:close()
  if not text then
    options.fail(where, "%s: %s", path, reason)
  end
  local out, number = {}, 0
  text = text:gsub("^\239\187\191", ""):gsub("\r\n?", "\n")
  for line in (text .. "\n"):gmatch "(.-)\n" do
    number = number + 1
    if line:find "%S" and not line:find "^%s*#" then
      out[#out + 1] = { number = number, text = line }
    end
  end
  return out
end

local function check_mapping(where, columns)
  for key, value in pairs(columns) do
    local known = false
    for _, name in ipairs(COLUMNS) do
      known = known or name == key
    end
    if not known then
      options.fail(where, "option 'columns': unknown column '%s'%s", tostring(key),
        naming.hint(key, COLUMNS, "there are"))
    elseif type(value) ~= "string" then
      options.fail(where, "option 'columns': %s must be the name of a column, got %s", key,
        options.type_name(value))
    end
  end
end

-- Where each column stands: name → index; nil for optional ones that are not there.
local function find_columns(where, path, header, separator, mapping)
  local cells, places = split(header.text, separator), {}
  for i, cell in ipairs(cells) do
    if places[cell] then
      options.fail(where, "%s:%d: two columns are called '%s'", path, header.number, cell)
    end
    places[cell] = i
  end
  local out, missing, nearest = {}, {}, nil
  for _, name in ipairs(COLUMNS) do
    local wanted = mapping[name] or name
    out[name] = places[wanted]
    if not out[name] and (mapping[name] or not OPTIONAL[name]) then
      missing[#missing + 1] = "'" .. wanted .. "'"
      local near = naming.nearest(wanted, cells)
      nearest = nearest or near and ("is '%s' the %s? Then columns = {%s = \"%s\"}"):format(near,
        name, name, near)
    end
  end
  if #missing > 0 then
    options.fail(where, "%s:%d: no column %s; there are '%s' (%s)", path, header.number,
      table.concat(missing, ", "), table.concat(cells, "', '"),
      nearest or "the option 'columns' maps other names")
  end
  return out, #cells
end

local function number_in(where, place, name, cell)
  local value = tonumber(cell)
  if not value or value - value ~= 0 then
    options.fail(where, "%s: %s: '%s' is no finite number", place, name, cell)
  elseif value < 0 then
    options.fail(where, "%s: %s: %s is negative", place, name, cell)
  end
  return value
end

local function check_pulse(where, place, pulse)
  if pulse ~= math.floor(pulse) or pulse > MOST_PULSES then
    options.fail(where, "%s: pulse: %s is no whole number up to %d", place, pulse, MOST_PULSES)
  end
end

-- One row as {device, cycle, direction, pulse, g}.
local function parse(where, path, line, separator, columns, width)
  local cells, place = split(line.text, separator), ("%s:%d"):format(path, line.number)
  if #cells ~= width then
    options.fail(where, "%s: %d cells, where the header has %d", place, #cells, width)
  end
  local direction = DIRECTIONS[cells[columns.direction]:lower()]
  if not direction then
    options.fail(where, "%s: direction: '%s' is none; up and down are (or +1 and -1, potentiation "
      .. "and depression)", place, cells[columns.direction])
  end
  local out = {
    device = columns.device and cells[columns.device] or OPTIONAL.device,
    cycle = columns.cycle and cells[columns.cycle] or OPTIONAL.cycle,
    direction = direction,
    pulse = number_in(where, place, "pulse", cells[columns.pulse]),
    g = number_in(where, place, "conductance", cells[columns.conductance]),
    line = line.number,
  }
  check_pulse(where, place, out.pulse)
  return out
end

-- Rows to curves in the order in which they begin; each by pulses.
local function group(where, path, rows)
  local curves, index = {}, {}
  for _, row in ipairs(rows) do
    local key = row.device .. "\0" .. row.cycle .. "\0" .. row.direction
    local curve = index[key]
    if not curve then
      curve = { device = row.device, cycle = row.cycle, direction = row.direction, rows = {} }
      index[key] = curve
      curves[#curves + 1] = curve
    end
    table.insert(curve.rows, row)
  end
  for _, curve in ipairs(curves) do
    table.sort(curve.rows, function(a, b)
      if a.pulse ~= b.pulse then
        return a.pulse < b.pulse
      end
      return a.line < b.line
    end)
    curve.pulse, curve.g = {}, {}
    for i, row in ipairs(curve.rows) do
      curve.pulse[i], curve.g[i] = row.pulse, row.g
      if i > 1 and row.pulse == curve.pulse[i - 1] then
        options.fail(where, "%s:%d: device '%s' has pulse %d %s already in line %d: a column "
          .. "'cycle' tells repetitions apart", path, row.line, row.device, row.pulse,
          row.direction > 0 and "up" or "down", curve.rows[i - 1].line)
      end
    end
    curve.rows = nil
  end
  return curves
end

local function check_curves(where, path, curves)
  local seen, order = {}, {}
  for _, curve in ipairs(curves) do
    local way = curve.direction > 0 and "up" or "down"
    if #curve.pulse < LEAST_POINTS then
      options.fail(where, "%s: device '%s' has %d point%s %s; a fit needs at least %d", path,
        curve.device, #curve.pulse, #curve.pulse == 1 and "" or "s", way, LEAST_POINTS)
    end
    if not seen[curve.device] then
      seen[curve.device] = {}
      order[#order + 1] = curve.device
    end
    seen[curve.device][way] = true
  end
  for _, device in ipairs(order) do
    for _, way in ipairs { "up", "down" } do
      if not seen[device][way] then
        options.fail(where, "%s: device '%s' has no pulses %s: a law is fitted to both directions",
          path, device, way)
      end
    end
  end
end

--- Read a file.
-- @tparam string where  opens every message
-- @tparam string path
-- @tparam table mapping  column → its name in the file
-- @treturn table list of curves {device =, cycle =, direction = ±1, pulse = {…}, g = {…}}
-- @raise on a file that is not as `mgd.fit` describes it, naming the line
return function(where, path, mapping)
  check_mapping(where, mapping)
  local lines = lines_of(where, path)
  if #lines == 0 then
    options.fail(where, "%s: no data: a line of column names and a row per point are expected",
      path)
  end
  local separator = lines[1].text:match "[,;\t]" or ","
  local columns, width = find_columns(where, path, lines[1], separator, mapping)
  if #lines == 1 then
    options.fail(where, "%s:%d: no data below the column names", path, lines[1].number)
  end
  local rows = {}
  for i = 2, #lines do
    rows[i - 1] = parse(where, path, lines[i], separator, columns, width)
  end
  local curves = group(where, path, rows)
  check_curves(where, path, curves)
  return curves
end
