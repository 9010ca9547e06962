--- Experiments printed and compared.
-- @module mgd.studies.experiment.show

local hw = require "mgd.hardware.hw"
local naming = require "mgd.base.naming"
local recipe = require "mgd.runs.recipe"
local text = require "mgd.base.encoding"

local M = {}

-- ---- differences --------------------------------------------------------------------------------

local Difference = naming.class "mgd.difference"

function Difference:__tostring()
  if #self == 0 then
    return "no difference"
  end
  local lines, width = {}, 0
  for _, entry in ipairs(self) do
    width = math.max(width, #entry.path)
  end
  for i, entry in ipairs(self) do
    lines[i] = ("%-" .. width .. "s  %s  →  %s"):format(entry.path, text.value(entry.a, "–"),
      text.value(entry.b, "–"))
  end
  return table.concat(lines, "\n")
end

-- Parameters and all else that may differ: seeds, functions (one differs from another), the order
-- of the models in a stage.
local function content(exp)
  local all = exp:parameters()
  all["seeds.first"], all["seeds.count"] = exp.plain.seeds.first, exp.plain.seeds.count
  for _, path in ipairs(exp.functions) do
    all[path] = exp:written(path)
  end
  for _, entry in ipairs(hw.STAGES) do
    local names = {}
    for i, model in ipairs(exp.plain.chip[entry[1]] or {}) do
      names[i] = model.name
    end
    all["chip." .. entry[1]] = #names > 1 and table.concat(names, ", ") or nil
  end
  return all
end

--- Where two experiments differ.
-- @treturn table list of {path =, a =, b =}, by path
function M.diff(one, other)
  return setmetatable(recipe.differences(content(one), content(other)), Difference)
end

-- ---- text ---------------------------------------------------------------------------------------

--- The chip, the data, what it is trained with, and for how long.
function M.text(exp)
  local plain, all, keys = exp.plain, exp:parameters(), {}
  local lines = { "experiment " .. exp.name,
    "  " .. tostring(exp.objects.chip):gsub("\n", "\n  "), "  " .. tostring(exp.objects.data) }
  for _, path in ipairs(exp.functions) do
    all[path] = path ~= "chip" and "a function" or nil
  end
  for path in pairs(all) do
    keys[#keys + 1] = (path:find "^training%." or path:find "^stop%.") and path or nil
  end
  table.sort(keys)
  for _, path in ipairs(keys) do
    lines[#lines + 1] = ("  %-38s %s"):format(path, text.value(all[path]))
  end
  lines[#lines + 1] = ("  probes %s"):format(#plain.probes > 0
    and table.concat(plain.probes, ", ") or "none")
  lines[#lines + 1] = ("  %d steps, rows every %s, seeds %d … %d"):format(plain.steps,
    tostring(plain.every), plain.seeds.first, plain.seeds.first + plain.seeds.count - 1)
  return table.concat(lines, "\n")
end

return M
