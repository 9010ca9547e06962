--- The advisor's report.
-- @module mgd.runs.advise.report

local M = {}

local function figure(name, value, unit)
  local text
  if type(value) == "table" then
    text = ("%.3g [%.3g, %.3g]"):format(value.value, value.low, value.high)
  else
    text = ("%.3g"):format(value)
  end
  return ("  %-28s %s%s"):format(name, text, unit and " " .. unit or "")
end

local function add(lines, name, value, unit)
  if value ~= nil then
    lines[#lines + 1] = figure(name, value, unit)
  end
end

--- The advice in words and figures.
-- @tparam advice advice
-- @treturn string
function M.text(advice)
  local m = advice.measured
  local lines = { ("advice after %d evaluations of a sample (budget %d): %s"):format(
    advice.evaluations, advice.budget, advice.works and "MGD should work"
    or "MGD will not work as it is") }
  lines[#lines + 1] = "measured"
  add(lines, "cost", m.cost)
  add(lines, "noise of the cost", m.noise)
  add(lines, "resolution of the cost", m.resolution)
  add(lines, "best constant answer", m.constant)
  add(lines, "settling", m.settling, "steps")
  add(lines, "settling of a batch", m.sample_settling, "steps")
  add(lines, "norm of the gradient", m.gradient)
  add(lines, "curvature, mean", m.curvature)
  add(lines, "curvature, largest", m.curvature and m.curvature.largest)
  add(lines, "signal", m.signal)
  add(lines, "noise over signal", m.noise_to_signal)
  if #advice.reasons > 0 then
    lines[#lines + 1] = "recommended"
  end
  for _, reason in ipairs(advice.reasons) do
    lines[#lines + 1] = "  " .. reason
  end
  if advice.training then
    lines[#lines + 1] = ("  the training takes %d evaluations of a sample, the advice took %d")
      :format(advice.training, advice.evaluations)
  end
  for _, what in ipairs(advice.unmeasured) do
    lines[#lines + 1] = "not measured, for want of budget: " .. what
  end
  for _, flag in ipairs(advice.flags) do
    lines[#lines + 1] = ("warning, %s: %s"):format(flag.name, flag.text)
  end
  return table.concat(lines, "\n")
end

return M
