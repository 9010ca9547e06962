-- paper.lua: what the scripts of this folder share: presets, and where figures and tables go.
--
--     FULL=1 build/mgd-lua examples/paper/01_angle.lua      the long preset
--     OUT=folder build/mgd-lua examples/paper/01_angle.lua  instead of build/paper

local mgd = require "mgd"

local paper = { full = (os.getenv "FULL" or "") ~= "" and os.getenv "FULL" ~= "0" }

local OUT = os.getenv "OUT" or "build/paper"

--- The value of the preset that runs.
function paper.pick(quick, full)
  return paper.full and full or quick
end

--- A number for a table; ∞ is a time to what was not reached.
function paper.number(value, format)
  if value == nil or value ~= value then
    return "–"
  end
  return value == math.huge and "∞" or (format or "%.4g"):format(value)
end

--- The median over seeds of a comparison of two columns, pair by pair, with its 95 % interval
-- (bootstrap); seeds of which one is not known, or infinite, are left out.
-- @treturn string
function paper.paired(a, b, compare, format)
  local list = {}
  for i = 1, #a do
    local value = compare(a[i], b[i])
    list[#list + 1] = value - value == 0 and value or nil
  end
  local median = mgd.stats.bootstrap(list, "median", { seed = 1 })
  format = format or "%.3g"
  return ("%s (%s … %s), %d pairs"):format(paper.number(median.value, format),
    paper.number(median.low, format), paper.number(median.high, format), #list)
end

--- A table in Markdown.
function paper.table(head, rows)
  local lines = { "| " .. table.concat(head, " | ") .. " |", "|" .. ("---|"):rep(#head) }
  for _, row in ipairs(rows) do
    lines[#lines + 1] = "| " .. table.concat(row, " | ") .. " |"
  end
  return table.concat(lines, "\n")
end

--- Median and quartiles over seeds: columns of (T, R), as the series of a plot.
function paper.band(steps, values, series)
  local q = mgd.stats.bands(values)
  series.x, series.y, series.low, series.high = steps, q[2], q[1], q[3]
  return series
end

--- Write NAME.svg and NAME.md, and print the table.
function paper.finish(name, figure, text)
  os.execute(("mkdir -p '%s'"):format(OUT))
  local base = OUT .. "/" .. name
  figure:save(base .. ".svg")
  local file = assert(io.open(base .. ".md", "w"))
  file:write(text, "\n")
  file:close()
  print(text)
  print(("\n%s.svg, %s.md (%s preset)"):format(base, base, paper.full and "full" or "quick"))
end

package.loaded.paper = paper
return paper
