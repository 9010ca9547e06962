--- Reporting: rows of results as a table for terminals, as Markdown, and as JSON.
--
-- A row is {id =, title =, unit =, entries = {{name =, median =, min =, max =, ratio =}, …},
-- targets = {{text =, met =}, …}}; ratio is a spread; min, max and ratio may be missing. An entry
-- {name =, absent =} says why it has no figures; `met` is missing from a target against it.

local report = {}

-- Seconds per unit into what is shown; rates turn the order of smallest and largest around.
local UNITS = {
  ns = function(seconds) return seconds * 1e9 end,
  ["µs"] = function(seconds) return seconds * 1e6 end,
  ms = function(seconds) return seconds * 1e3 end,
  ["GFLOP/s"] = function(seconds) return 1e-9 / seconds end,
  ["GB/s"] = function(seconds) return 1e-9 / seconds end,
}

local function entry(result, show)
  if result.absent then
    return { name = result.name, absent = result.absent }
  end
  local low, high = show(result.seconds.min), show(result.seconds.max)
  return {
    name = result.name,
    median = show(result.seconds.median),
    min = math.min(low, high),
    max = math.max(low, high),
    ratio = result.ratio,
  }
end

--- Entries of a row from what measure.compare returned.
function report.entries(results, unit)
  local entries = {}
  for i, result in ipairs(results) do
    entries[i] = entry(result, UNITS[unit])
  end
  entries[1].ratio = nil
  return entries
end

local function number(value)
  if not value then
    return ""
  end
  if value == 0 then
    return "0"
  end
  local digits = math.max(0, 2 - math.floor(math.log(math.abs(value), 10)))
  return ("%." .. digits .. "f"):format(value)
end

local function ratio(e)
  local r = e.ratio
  return r and ("%s (%s … %s)"):format(number(r.median), number(r.min), number(r.max)) or ""
end

local function verdict(target)
  local met = target.met
  return target.text .. (met == nil and ", not measured" or met and ", met" or ", MISSED")
end

-- ---- terminal ----------------------------------------------------------------------------------

local function pad(text, width, right)
  local space = (" "):rep(width - utf8.len(text))
  return right and space .. text or text .. space
end

local function line(name, unit, median, min, max, ratios)
  return (pad(name, 36) .. pad(median, 9, true) .. pad(min, 9, true) .. pad(max, 9, true) .. " "
    .. pad(unit, 9) .. ratios):gsub("%s+$", "")
end

--- The lines of one row.
function report.terminal(row)
  local lines = { ("%-4s%s"):format(row.id, row.title) }
  for _, e in ipairs(row.entries) do
    local name = "      " .. e.name
    lines[#lines + 1] = e.absent and pad(name, 36) .. "  absent: " .. e.absent
      or line(name, row.unit, number(e.median), number(e.min), number(e.max), ratio(e))
  end
  for _, target in ipairs(row.targets) do
    lines[#lines + 1] = "      target: " .. verdict(target)
  end
  return table.concat(lines, "\n") .. "\n"
end

--- The lines above the first row.
function report.terminal_head(machine)
  return report.machine(machine) .. "\n\n" .. line("", "", "median", "min", "max", "ratio") .. "\n"
end

function report.machine(m)
  return ("%s, %d cores (load %s at the start), kernels %s, %s, %s"):format(m.cpu, m.cores,
    m.load or "unknown", m.isa, m.compiler, m.date)
end

--- The line below the last row: the versions of the peers.
function report.foot(versions)
  return #versions > 0 and "\nPeers: " .. table.concat(versions, ", ") .. ".\n" or ""
end

-- ---- Markdown ----------------------------------------------------------------------------------

function report.markdown_head(machine)
  return report.machine(machine) .. ".\n\n| row | | median | min | max | unit | ratio | target |\n"
    .. "|---|---|--:|--:|--:|---|---|---|\n"
end

function report.markdown(row)
  local lines, verdicts = {}, {}
  for i, target in ipairs(row.targets) do
    verdicts[i] = verdict(target)
  end
  for i, e in ipairs(row.entries) do
    lines[i] = "| " .. table.concat({
      i == 1 and ("**%s** %s"):format(row.id, row.title) or "",
      e.name, number(e.median), number(e.min), number(e.max), e.absent and "" or row.unit,
      e.absent and "absent: " .. e.absent or ratio(e),
      i == #row.entries and table.concat(verdicts, "; ") or "",
    }, " | ") .. " |"
  end
  return table.concat(lines, "\n") .. "\n"
end

-- ---- JSON --------------------------------------------------------------------------------------

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  return keys
end

--- A value as JSON: arrays are tables with [1], or empty.
function report.json(value, indent)
  indent = indent or ""
  local kind, inner, parts = type(value), indent .. "  ", {}
  if kind == "string" then
    return '"' .. value:gsub('[%c"\\]', function(c)
      return ("\\u%04x"):format(c:byte())
    end) .. '"'
  elseif kind == "number" then
    return value ~= value and "null" or math.type(value) == "integer" and ("%d"):format(value)
      or math.abs(value) == math.huge and "null" or ("%.9g"):format(value)
  elseif kind ~= "table" then
    return tostring(value)
  elseif value[1] ~= nil or next(value) == nil then
    for i, item in ipairs(value) do
      parts[i] = inner .. report.json(item, inner)
    end
    return "[\n" .. table.concat(parts, ",\n") .. "\n" .. indent .. "]"
  end
  for i, key in ipairs(sorted_keys(value)) do
    parts[i] = ('%s"%s": %s'):format(inner, key, report.json(value[key], inner))
  end
  return "{\n" .. table.concat(parts, ",\n") .. "\n" .. indent .. "}"
end

return report
