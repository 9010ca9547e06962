--- The numbers of a figure as CSV.
-- @module mgd.plot.csv

local csv = require "mgd.text.csv"

local NAMES = { "panel", "series", "x", "y", "low", "high", "z" }

-- Rows of a series: x, y, low, high, z.
local ROWS = {}

function ROWS.line(s, add, categories)
  for i, y in ipairs(s.y) do
    add(categories and categories[i] or s.x[i], y, s.low and s.low[i], s.high and s.high[i])
  end
end

function ROWS.histogram(s, add) -- the middle of a bin, its count, and its ends
  for i, count in ipairs(s.y) do
    add(s.x[i], count, s.edges[i], s.edges[i + 1])
  end
end

function ROWS.heat(s, add)
  for j, y in ipairs(s.y) do
    for i, x in ipairs(s.x) do
      add(x, y, nil, nil, s.z[j][i])
    end
  end
end

function ROWS.box(s, add) -- what the boxes are made of
  for _, box in ipairs(s.boxes) do
    for _, value in ipairs(box.values) do
      add(box.label, value)
    end
  end
end

function ROWS.mark(s, add)
  add(s.x, s.y)
end

--- All series, one below the other.
-- @treturn string with the columns panel, series, x, y, low, high, z
return function(figure)
  local rows = {}
  for p, panel in ipairs(figure.panels) do
    for k, s in ipairs(panel.series) do
      ROWS[s.kind](s, function(x, y, low, high, z)
        rows[#rows + 1] = { panel.title or p, s.label or k, x, y, low, high, z }
      end, panel.categories)
    end
  end
  return csv.text(NAMES, rows)
end
