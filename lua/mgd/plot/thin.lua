--- Long lines, thinned to what can be seen.
--
-- Of all rows that fall on one column of pixels, the first and the last stay, and those with the
-- lowest and the highest value: the picture does not change (the M4 aggregation of Jugel et al.,
-- Proc. VLDB 7, 797, 2014).
-- @module mgd.plot.thin

local axes = require "mgd.plot.axes"
local finite = require("mgd.plot.text").finite

local MOST = 4000 -- rows that are left as they are

local function is_rising(rows)
  for i = 2, #rows do
    local risen = rows[i][1] >= rows[i - 1][1] -- not beside a nan
    if not risen then
      return false
    end
  end
  return true
end

-- Rows first … last lie on one column of pixels.
local function keep_of(rows, first, last, kept)
  local keep = { [first] = true, [last] = true }
  local lowest = { rows[first][2], rows[first][3], rows[first][4] }
  local highest, low_at, high_at = { lowest[1], lowest[2], lowest[3] }, {}, {}
  for i = first, last do
    for k = 1, 3 do -- y, low, high
      local value = rows[i][k + 1]
      if value < lowest[k] then
        lowest[k], low_at[k] = value, i
      elseif value > highest[k] then
        highest[k], high_at[k] = value, i
      end
    end
  end
  for k = 1, 3 do
    keep[low_at[k] or first], keep[high_at[k] or first] = true, true
  end
  for i = first, last do
    kept[#kept + 1] = keep[i] and rows[i] or nil
  end
end

--- Rows of a line.
-- @tparam table rows list of {x, y, low, high}
-- @tparam table axis of x, as of mgd.plot.axes
-- @tparam number pixels along it
-- @treturn table the same, or fewer rows
return function(rows, axis, pixels)
  if #rows <= MOST or not is_rising(rows) then
    return rows
  end
  local function place(x)
    return math.floor(axes.fraction(axis, x) * pixels)
  end
  local function whole(row)
    return finite(row[1]) and finite(row[2]) and finite(row[3]) and finite(row[4])
  end
  local kept, first = {}, 1
  while first <= #rows do
    local last = first
    if whole(rows[first]) then
      local column = place(rows[first][1])
      while rows[last + 1] and whole(rows[last + 1]) and place(rows[last + 1][1]) == column do
        last = last + 1
      end
    end
    keep_of(rows, first, last, kept)
    first = last + 1
  end
  return kept
end
