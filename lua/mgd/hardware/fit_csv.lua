--- Measured pulses from a CSV file, checked row by row, for `mgd.hardware.fit`.
-- @module mgd.hardware.fit_csv

local csv = require "mgd.text.csv"
local naming = require "mgd.base.naming"
local options = require "mgd.base.options"

local LEAST_POINTS = 3
local MOST_PULSES = 1e6

local COLUMNS = { "device", "cycle", "direction", "pulse", "conductance" }
local IN_LUA = { ["\n"] = "\\n", ['"'] = '\\"', ["\\"] = "\\\\" } -- within quotes
local OPTIONAL = { device = "1", cycle = "1" } -- what stands in a column that is not there

local DIRECTIONS = {
  up = 1, ["+1"] = 1, ["1"] = 1, potentiation = 1, ltp = 1, set = 1,
  down = -1, ["-1"] = -1, ["−1"] = -1, depression = -1, ltd = -1, reset = -1,
}

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
local function find_columns(where, path, header, mapping)
  local names, places = {}, {}
  for i, cell in ipairs(header) do
    if places[cell] then
      options.fail(where, "%s:%d: two columns are called '%s'", path, header.line, cell)
    elseif cell ~= "" then
      places[cell] = i
      names[#names + 1] = cell
    end
  end
  local out, missing, nearest = {}, {}, nil
  for _, name in ipairs(COLUMNS) do
    local wanted = mapping[name] or name
    out[name] = places[wanted]
    if not out[name] and (mapping[name] or not OPTIONAL[name]) then
      missing[#missing + 1] = "'" .. wanted .. "'"
      local near = naming.nearest(wanted, names)
      local text = near and near:gsub('[\n"\\]', IN_LUA)
      nearest = nearest or near and ("is '%s' the %s? Then columns = {%s = \"%s\"}"):format(text,
        name, name, text)
    end
  end
  if #missing > 0 then
    options.fail(where, "%s:%d: no column %s; there are '%s' (%s)", path, header.line,
      table.concat(missing, ", "), (table.concat(names, "', '"):gsub("\n", "\\n")),
      nearest or "the option 'columns' maps other names")
  end
  return out
end

local function number_in(where, place, name, rows, cell)
  local value, reason = rows:number(cell)
  if reason then
    options.fail(where, "%s: %s: '%s': %s", place, name, cell, reason)
  elseif not value or value - value ~= 0 then
    options.fail(where, "%s: %s: '%s' is no finite number", place, name, cell)
  elseif value < 0 then
    options.fail(where, "%s: %s: %s is negative", place, name, cell)
  end
  return value
end

-- As many cells as names; empty ones behind them, which spreadsheets write, do not count.
local function check_width(where, place, cells, header, separator)
  local count = #cells
  while count > #header and cells[count] == "" do
    count = count - 1
  end
  if count ~= #header then
    options.fail(where, "%s: %d cells, where the header has %d%s", place, count, #header,
      count > #header and separator == "," and " (decimal commas need columns that ';' or tabs "
        .. "separate; a text with a comma stands in quotes)" or "")
  end
end

local function check_pulse(where, place, pulse)
  if pulse ~= math.floor(pulse) or pulse > MOST_PULSES then
    options.fail(where, "%s: pulse: %s is no whole number up to %d", place, pulse, MOST_PULSES)
  end
end

-- One row as {device, cycle, direction, pulse, g}.
local function parse(where, path, rows, cells, columns)
  local place = ("%s:%d"):format(path, cells.line)
  check_width(where, place, cells, rows[1], rows.separator)
  local direction = DIRECTIONS[cells[columns.direction]:lower()]
  if not direction then
    options.fail(where, "%s: direction: '%s' is none; up and down are (or +1 and -1, potentiation "
      .. "and depression)", place, cells[columns.direction])
  end
  local out = {
    device = columns.device and cells[columns.device] or OPTIONAL.device,
    cycle = columns.cycle and cells[columns.cycle] or OPTIONAL.cycle,
    direction = direction,
    pulse = number_in(where, place, "pulse", rows, cells[columns.pulse]),
    g = number_in(where, place, "conductance", rows, cells[columns.conductance]),
    line = cells.line,
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
-- @raise on a file that is not as `mgd.hardware.fit` describes it, naming the line
return function(where, path, mapping)
  check_mapping(where, mapping)
  local rows = csv.read(where, path)
  if #rows == 0 then
    options.fail(where, "%s: no data: a line of column names and a row per point are expected",
      path)
  end
  local columns, points = find_columns(where, path, rows[1], mapping), {}
  if #rows == 1 then
    options.fail(where, "%s:%d: no data below the column names", path, rows[1].line)
  end
  for i = 2, #rows do
    points[i - 1] = parse(where, path, rows, rows[i], columns)
  end
  local curves = group(where, path, points)
  check_curves(where, path, curves)
  return curves
end
