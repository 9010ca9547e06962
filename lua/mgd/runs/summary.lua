--- What print shows of a run: what is trained, on what, and how.
-- @module mgd.runs.summary

local average = require "mgd.runs.average"
local codes = require "mgd.codes"
local each = require "mgd.runs.each"
local learning = require "mgd.runs.learning"
local numbers = require "mgd.text.numbers"
local schedules = require "mgd.codes.schedules"
local signals = require "mgd.codes.signals"
local statistics = require "mgd.stats.values"
local text = require "mgd.base.encoding"

local M = {}

-- How G comes about.
local function method_text(o)
  local p = o.perturbation
  if o.engine == "chip" then
    return ("  engine chip, τ_x = %s steps; perturbation, integration and update"):format(
      schedules.text(o.tau_x))
  elseif o.engine == "backprop" then
    return ("  back-propagation, τ_x = %s steps"):format(schedules.text(o.tau_x))
  elseif o.engine == "circuit" then
    local window = o.circuit.set == "sign-sign" and "writes when a counter overflows"
      or ("τ_θ = %s"):format(schedules.text(o.tau_theta))
    return ("  circuit %s, %s code, amplitude %s, %s, τ_x = %s steps"):format(o.circuit.set,
      p.code, schedules.text(p.amplitude), window, schedules.text(o.tau_x))
  end
  local lines = {
    ("  %s engine, %s code over %s, %s %s, %sconvention %s"):format(o.engine, codes.name(p),
      learning.by_nodes(o) and "nodes" or "parameters",
      p.norm and "norm" or "amplitude", schedules.text(p.norm or p.amplitude),
      o.baseline and ("baseline %s, "):format(o.baseline) or "", o.convention),
    ("  τ_p = %s, τ_θ = %s, τ_x = %s steps"):format(schedules.text(o.tau_p),
      schedules.text(o.tau_theta), schedules.text(o.tau_x)),
  }
  if o.tau_hp then
    lines[2] = lines[2]:gsub(" steps$", (", τ_hp = %s steps"):format(text.number(o.tau_hp)))
  end
  if o.signals then
    lines[#lines + 1] = ("  %d cost signals besides the whole cost"):format(
      signals.count(o.signals))
  end
  if o.tolerance then
    lines[#lines + 1] = ("  integrator %s, tolerance %s"):format(o.integrator,
      text.number(o.tolerance))
  end
  if o.circuit then
    table.insert(lines, 1, "  circuit " .. o.circuit.set)
  end
  return table.concat(lines, "\n")
end

-- How θ is written; nothing of a chip that does it by itself.
local function update_text(o)
  if not o.optimizer then
    return o.circuit and "  registers of " .. o.circuit.weight_bits .. " bits" or "  on the chip"
  end
  return ("  optimizer %s, %s%s"):format(o.optimizer,
    o.pulse and "pulses of " .. text.number(o.pulse)
    or each.has_eta(o) and each.eta_text(o) or "η = " .. schedules.text(o.eta),
    o.average and "; " .. average.text(o.average) or "")
end

--- A run in lines.
-- @tparam run run
-- @treturn string
function M.text(run)
  local o, learns = run.options, learning.text(run)
  return table.concat({
    ("run of %s"):format(tostring(o.chip)),
    ("  data %s, batch %d, cost %s"):format(o.data.name, o.batch,
      type(o.cost) == "string" and o.cost or "a function"),
    method_text(o) .. (learns and "\n" .. learns or ""),
    update_text(o),
    ("  %s, seed %d; %d steps done, %s evaluations"):format(each.replicas_text(o), o.seed,
      run.steps_done, numbers.count((statistics.median(run.core:counters().evaluations)))),
  }, "\n")
end

return M
