--- Perturbation codes, to be looked at.
--
-- `sequential` (TDMA): parameter k mod P alone in slot k. `walsh` (CDMA): rows 2 … P + 1 of a
-- Hadamard matrix. `random` (CDMA, SPSA): fair signs, Philox bits. `sine` (FDMA): one frequency per
-- parameter. Source: McCaughan et al., APL Machine Learning 1, 026118 (2023).
-- @module mgd.codes

local core = require "mgd.core"
local options = require "mgd.options"
local schedules = require "mgd.schedules"

local codes = {}

--- Schema of `perturbation = {…}` in mgd.train.
codes.SCHEMA = {
  { "code", type = "string", default = "random",
    choices = { "sequential", "walsh", "random", "sine" }, doc = "Which code." },
  { "amplitude", type = { "number", "schedule" }, above = 0,
    doc = "a, per parameter: ±a, or a·sin; a number or a schedule, asked at the first step of each "
      .. "slot. Either this or norm; 0.01 without both." },
  { "norm", type = { "number", "schedule" }, above = 0,
    doc = "Δ, root mean square norm of the whole perturbation: a·√P for ±a, a·√(P/2) for sines, "
      .. "a for sequential." },
  { "order", type = "string", default = "natural", choices = { "natural", "shuffled" },
    only = { "code", "sequential" },
    doc = "sequential: parameters one after the other, or in an order drawn from the seed." },
  { "alternate", type = "boolean", default = false, only = { "code", "walsh" },
    doc = "walsh: flip all signs from period to period, which removes the second-order bias." },
  { "sparsity", type = "number", default = 0, min = 0, only = { "code", "random" },
    doc = "random: fraction of zeros, in [0, 1); the variance is accounted for." },
  { "low", type = "number", only = { "code", "sine" }, above = 0, unit = "cycles per step",
    doc = "sine: lowest frequency; without low and high, the integer bins of τ_θ where P fit." },
  { "high", type = "number", only = { "code", "sine" }, above = 0, unit = "cycles per step",
    doc = "sine: highest frequency." },
}

--- Check a `perturbation` table and fill in its defaults.
-- @tparam string where who asks
-- @tparam table given
-- @treturn table
function codes.check(where, given)
  local opt = options.check(where, codes.SCHEMA, given)
  if opt.amplitude and opt.norm then
    options.fail(where, "amplitude = %s and norm = %s are both given: expected one of them",
      schedules.text(opt.amplitude), schedules.text(opt.norm))
  end
  if opt.sparsity and opt.sparsity >= 1 then
    options.fail(where, "option 'sparsity' must be in [0, 1), got %g", opt.sparsity)
  end
  if (opt.low == nil) ~= (opt.high == nil) then
    options.fail(where, "options 'low' and 'high' go together: a band needs both")
  end
  if not opt.norm then
    opt.amplitude = opt.amplitude or 0.01
  end
  local positive = { above = 0 }
  opt.amplitude = schedules.check(where, "amplitude", opt.amplitude, positive)
  opt.norm = schedules.check(where, "norm", opt.norm, positive)
  opt.shuffled = opt.order == "shuffled"
  return opt
end

local PATTERN = {
  { "parameters", type = "integer", required = true, min = 1, doc = "P." },
  { "slots", type = "integer", required = true, min = 1, doc = "How many slots." },
  { "first", type = "integer", default = 0, min = 0, doc = "The first slot." },
  { "tau_p", type = "integer", default = 1, min = 1, unit = "steps", doc = "Steps in a slot." },
  { "tau_theta", type = "integer", default = 1, min = 1, unit = "steps",
    doc = "Steps in a window: sets the bins of sines." },
  { "seed", type = "integer", default = 1, min = -2 ^ 53, max = 2 ^ 53, doc = "Seed of the run." },
  { "replica", type = "integer", default = 1, min = 1, doc = "Which replica's random signs." },
}

--- The unit patterns of a code, as the engine will use them: times the amplitude they are θ̃.
-- @tparam table perturbation as in mgd.train: `code`, `order`, `alternate`, `sparsity`, `low`,
--   `high`
-- @tparam table opts `parameters`, `slots`, `first` (0), `tau_p` (1), `tau_theta` (1), `seed` (1),
--   `replica` (1)
-- @treturn tensor (slots, P), f64
function codes.pattern(perturbation, opts)
  local code = codes.check("codes.pattern: perturbation", perturbation)
  local opt = options.check("codes.pattern", PATTERN, opts)
  for _, name in ipairs { "tau_p", "tau_theta", "seed", "replica" } do
    code[name] = opt[name]
  end
  return core.run.pattern(opt.parameters, code, opt.first, opt.slots)
end

return codes
