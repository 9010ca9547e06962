--- Baselines: what MGD is compared with, as runs of the same kind.
--
-- Each takes the options of mgd.train that mean something to it and gives a run with the same
-- methods, probes, histories and checkpoints. All but back-propagation are corners of MGD: points
-- in the space of code, τ_p and τ_θ that have names of their own.
-- @module mgd.runs.baselines

local options = require "mgd.base.options"
local train = require "mgd.runs.train"

local M = {}

-- Options of mgd.train under other names, or with a value that makes the corner.
local function fill(where, given, fixed, own)
  if type(given) ~= "table" then
    options.fail(where, "expected a table of options, got %s", options.type_name(given))
  end
  local opts = {}
  for name, value in pairs(given) do
    if fixed[name] ~= nil then
      options.fail(where, "option '%s' has no effect: it is %s here; mgd.train takes any", name,
        type(fixed[name]) == "table" and "part of the method" or tostring(fixed[name]))
    end
    opts[name] = value
  end
  for name in pairs(own or {}) do
    opts[name] = nil
  end
  for name, value in pairs(fixed) do
    opts[name] = value
  end
  return opts
end

local AMPLITUDE = { "amplitude", type = { "number", "schedule" }, above = 0, default = 0.01 }

-- The options that belong to the method, checked.
local function own_options(where, given, ...)
  local schema, values = {}, {}
  for i, entry in ipairs { ... } do
    schema[i] = entry
    values[entry[1]] = type(given) == "table" and given[entry[1]] or nil
  end
  return options.check(where, schema, values)
end

--- Stochastic gradient descent by back-propagation: G is the true gradient of each batch.
-- @tparam table opts as mgd.train, without what concerns perturbations: `net` or `chip`, `data`,
--   `cost`, `batch`, `eta`, `optimizer`, `init`, `replicas`, …
-- @treturn run whose step is one batch, and one write of θ
-- @usage mgd.backprop{net = net, data = data, batch = 100, eta = 1}:run{steps = 1000}
function M.backprop(opts)
  return train.train(fill("mgd.backprop", opts, { engine = "backprop" }))
end

--- Gradient descent by finite differences: one parameter after the other is changed by `amplitude`,
-- P steps make one gradient, of one batch, and one write of θ.
--
-- The corner of MGD with the sequential code and τ_θ = τ_x = P steps; forward differences take
-- P + 1 evaluations of a batch for a write, central ones 2·P.
-- @tparam table opts as mgd.train, and `amplitude` (0.01), `central` (false)
-- @treturn run
function M.finite_difference(opts)
  local where = "mgd.finite_difference"
  local own = own_options(where, opts, AMPLITUDE, { "central", type = "boolean", default = false })
  local filled = fill(where, opts, { engine = "discrete", tau_p = 1, tau_theta = 1, tau_x = 1,
    baseline = own.central and "two-sided" or "measured", convention = "gradient",
    perturbation = { code = "sequential", amplitude = own.amplitude } }, own)
  local subject = filled.chip or filled.net
  local window = type(subject) == "table" and subject.num_parameters or 1 -- else train refuses it
  filled.tau_theta, filled.tau_x = window, window
  return train.train(filled)
end

--- Simultaneous perturbation stochastic approximation (Spall 1992): all parameters at once, by
-- random signs, both ways, and a write after every step.
--
-- The corner of MGD with the random code, two-sided, τ_p = τ_θ = 1. Spall's gains are schedules:
-- `eta = {"spsa", a, A = …}`, `amplitude = {"spsa", c, exponent = 0.101}`.
-- @tparam table opts as mgd.train, and `amplitude` (0.01)
-- @treturn run
function M.spsa(opts)
  local where = "mgd.spsa"
  local own = own_options(where, opts, AMPLITUDE)
  return train.train(fill(where, opts, { engine = "discrete", tau_p = 1, tau_theta = 1,
    baseline = "two-sided", convention = "gradient",
    perturbation = { code = "random", amplitude = own.amplitude } }, own))
end

--- Coordinate descent: one parameter after the other is changed, and written at once.
--
-- The corner of MGD with the sequential code and τ_p = τ_θ = 1. G is a mean with ⟨θ̃²⟩ = a²/P, so a
-- step is η·P·∂C/∂θ_i: P steps move as far as one of gradient descent with η·P.
-- @tparam table opts as mgd.train, and `amplitude` (0.01)
-- @treturn run
function M.coordinate_descent(opts)
  local where = "mgd.coordinate_descent"
  local own = own_options(where, opts, AMPLITUDE)
  return train.train(fill(where, opts, { engine = "discrete", tau_p = 1, tau_theta = 1,
    baseline = "measured", convention = "gradient",
    perturbation = { code = "sequential", amplitude = own.amplitude } }, own))
end

return M
