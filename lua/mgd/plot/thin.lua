--- Of many rows, those that can be seen: a figure of a million values stays small.
--
-- Places are shares of the axes, from 0 to 1.
-- @module mgd.plot.thin

local M = {}

local MOST = 4000       -- rows of a line that are left as they are
local MOST_SPOTS = 12000 -- points of a series, and corners of a line that turns back

local function is_rising(rows)
  for i = 2, #rows do
    local risen = rows[i][1] >= rows[i - 1][1] -- not beside a nan
    if not risen then
      return false
    end
  end
  return true
end

local function is_gap(row)
  return row[1] ~= row[1] or row[2] ~= row[2]
end

-- Of rows that lie on one column of pixels the first and the last stay, and those with the lowest
-- and the highest y, low and high.
local function keep_extremes(rows, kept)
  local keep, low_at, high_at = { [1] = true, [#rows] = true }, { 1, 1, 1 }, { 1, 1, 1 }
  for i, row in ipairs(rows) do
    for k = 1, 3 do
      local value = row[k + 1]
      if value < rows[low_at[k]][k + 1] then
        low_at[k] = i
      elseif value > rows[high_at[k]][k + 1] then
        high_at[k] = i
      end
    end
  end
  for k = 1, 3 do
    keep[low_at[k]], keep[high_at[k]] = true, true
  end
  for i, row in ipairs(rows) do
    kept[#kept + 1] = keep[i] and row or nil
  end
end

-- Rows first … last lie on one column; gaps within it cannot be seen, those at its ends can.
local function keep_of(rows, first, last, kept)
  local known = {}
  for i = first, last do
    known[#known + 1] = not is_gap(rows[i]) and rows[i] or nil
  end
  kept[#kept + 1] = is_gap(rows[first]) and rows[first] or nil
  if #known > 0 then
    keep_extremes(known, kept)
    kept[#kept + 1] = is_gap(rows[last]) and rows[last] or nil
  end
end

-- The picture does not change (the M4 aggregation of Jugel et al., Proc. VLDB 7, 797, 2014).
local function by_columns(rows, pixels)
  local kept, first = {}, 1
  while first <= #rows do
    local last, column = first, math.floor(rows[first][1] * pixels)
    while rows[last + 1] and math.floor(rows[last + 1][1] * pixels) == column do
      last = last + 1
    end
    keep_of(rows, first, last, kept)
    first = last + 1
  end
  return kept
end

-- Rows that are more than `reach` away from the one before; a gap for each run of gaps.
local function by_distance(rows, reach)
  local kept, x, y, gap = {}, nil, nil, nil
  for i, row in ipairs(rows) do
    local hole = is_gap(row)
    if i == 1 or i == #rows or hole ~= gap
      or not hole and (math.abs(row[1] - x) > reach or math.abs(row[2] - y) > reach) then
      kept[#kept + 1] = row
      x, y, gap = row[1], row[2], hole
    end
  end
  return kept
end

local FURTHEST = 4 -- pixels that a line may be off

--- Rows of a line.
-- @tparam table rows list of {x, y, low, high}; x or y nan is a gap
-- @tparam number pixels along x
-- @treturn table the same, or fewer rows
function M.line(rows, pixels)
  if #rows <= MOST then
    return rows
  elseif is_rising(rows) then
    return by_columns(rows, pixels)
  end
  local kept, reach = rows, 0.5 / pixels
  while #kept > MOST_SPOTS and reach * pixels <= FURTHEST do
    kept, reach = by_distance(kept, reach), 2 * reach
  end
  local step = math.ceil(#kept / MOST_SPOTS)
  if step == 1 then
    return kept
  end
  local some = {} -- strokes all over the picture: those of every so many rows look the same
  for i = 1, #kept - step, step do
    some[#some + 1], some[#some + 2] = kept[i], kept[i + 1]
  end
  return some
end

--- Rows of points: of those that would cover each other the first stays.
-- @tparam table rows list of {x, y, …}
-- @tparam number pixels along x
-- @treturn table the same, or fewer rows
function M.points(rows, pixels)
  local kept, size = rows, 1 / pixels
  while #kept > MOST_SPOTS and size < 1 do
    local seen, rest = {}, {}
    for _, row in ipairs(kept) do
      local place = not is_gap(row) and math.floor(row[1] / size) * 1e8
        + math.floor(row[2] / size)
      if place and not seen[place] then
        seen[place], rest[#rest + 1] = true, row
      end
    end
    kept, size = rest, 2 * size
  end
  return kept
end

local MOST_CELLS = 16384

--- Rows and columns of a map, so many of which are drawn as one.
-- @tparam integer columns
-- @tparam integer rows
-- @treturn integer columns of a cell
-- @treturn integer rows of a cell
function M.cells(columns, rows)
  local wide, high = 1, 1
  while math.ceil(columns / wide) * math.ceil(rows / high) > MOST_CELLS do
    if columns / wide >= rows / high then
      wide = wide + 1
    else
      high = high + 1
    end
  end
  return wide, high
end

return M
