--- Probes: what a run shows of itself at the rows of its history.
-- @module mgd.runs.probes

local average = require "mgd.runs.average"
local by_layer = require "mgd.runs.by_layer"
local core = require "mgd.core"
local options = require "mgd.base.options"
local record = require "mgd.text.record"

local M = {}

M.names = {
  "cost", "accuracy", "train_cost", "train_accuracy", "average_cost", "average_accuracy", "C",
  "C_tilde", "signal_ulp", "angle", "snr", "error_correlation", "angle_set", "norm_G",
  "norm_theta", "norm_update", "saturated",
}

for _, name in ipairs(by_layer.PROBES) do
  table.insert(M.names, name)
end

--- Euclidean norm of each replica's row.
-- @tparam tensor t (P), or (R, P) for an ensemble
-- @tparam integer replicas
-- @treturn table list of R numbers
function M.norms(t, replicas)
  local values = {}
  for r = 1, replicas do
    values[r] = (replicas > 1 and t[r] or t):norm()
  end
  return values
end

-- ---- errors of G --------------------------------------------------------------------------------

local NAN = -(0 / 0) -- with the sign that prints as "nan"
local WINDOWS = 32 -- of which errors are compared, at most
local FEWEST = 8
local STILL = 1e-6 -- of the largest spread: what is less is rounding

-- How much the errors of G go together, from the directions of E = G − g, E/|E| (P), in M windows:
-- with their lengths, parameters would seem to be correlated that are but loud together. Each
-- parameter's are taken from their mean over the windows and divided by their spread, which gives
-- Z (M, P); R = ZᵀZ/M are the correlations. Σ r² over all pairs follows from the small matrix ZZᵀ
-- as well. Chance makes r² of two parameters 1/(M − 1) where there is nothing: that is taken off
-- (Ezekiel's adjusted r²). Parameters whose error never changes have no correlation and do not
-- count.
local function correlation(errors)
  local m = #errors
  if m < FEWEST then
    return NAN
  end
  local z = core.tensor.zeros { m, errors[1].size }
  for i, row in ipairs(errors) do
    z[i] = row
  end
  z = z - z:mean(1)
  local spread = (z * z):mean(1):sqrt()
  local moves = (spread - STILL * spread:max()):sign():clamp(0, 1)
  local p = moves:sum()
  z = z * moves / (spread + 1 - moves)
  local gram = z:matmul(z:transpose())
  local square = (gram:dot(gram) / m ^ 2 - p) / (p * (p - 1))
  return p > 1 and math.sqrt(math.max(0, 1 - (1 - square) * (m - 1) / (m - 2))) or NAN
end

-- Adds the error of a window that has not been seen yet, and answers the correlation.
local function correlations(self, errors)
  local run, values = self.run, {}
  local tau = run.options.tau_theta
  local window = run.steps_done - run.steps_done % tau
  self.errors = self.errors or {}
  for r = 1, run.options.replicas do
    local seen, length = self.errors[r] or {}, errors[r]:norm()
    local step = run.core:stopped(r) or window
    self.errors[r] = seen
    if seen.window ~= step - step % tau and length > 0 then -- not NaN: one was kept
      seen.window = step - step % tau
      seen[#seen + 1] = errors[r] / length
      if #seen > WINDOWS then
        table.remove(seen, 1)
      end
    end
    values[r] = correlation(seen)
  end
  return values
end

-- ---- groups -------------------------------------------------------------------------------------

-- A group answers one list of R numbers for each of its probes; behind them one with `layers` has
-- a table by the names of probes by layer, with such a list for each layer. It may be given lists
-- of those that are known already: of replicas that have stopped. `asks`: it asks the chip.
local GROUPS = {
  { probes = { "cost", "accuracy" }, asks = true,
    measure = function(self, cost, accuracy)
      local set = self.run.options.data.test or self.run.options.data
      return self.run.core:evaluate(set.x, set.y, cost, accuracy)
    end },
  { probes = { "train_cost", "train_accuracy" }, asks = true,
    measure = function(self, cost, accuracy)
      local set = self.run.options.data
      return self.run.core:evaluate(set.x, set.y, cost, accuracy)
    end },
  { probes = { "average_cost", "average_accuracy" }, asks = true, averages = true,
    measure = function(self, cost, accuracy)
      local set = self.run.options.data.test or self.run.options.data
      for r = 1, self.run.options.replicas do
        if self.run.core:diverged(r) then
          cost[r], accuracy[r] = NAN, NAN
        end
      end
      return self.run.core:evaluate(set.x, set.y, cost, accuracy, true)
    end },
  { probes = { "C", "C_tilde", "signal_ulp" },
    measure = function(self)
      return self.run.core:signal()
    end },
  { probes = { "angle", "snr", "error_correlation" }, layers = by_layer.PROBES,
    keeps_gradient = true, asks = true,
    measure = function(self)
      local wanted = self.wanted
      local angle, snr, errors = self.run.core:angle(false,
        wanted.error_correlation or wanted.layers)
      return angle, snr, wanted.error_correlation and correlations(self, errors),
        wanted.layers and by_layer.measure(self.run, errors)
    end },
  { probes = { "angle_set" }, keeps_gradient = true, asks = true,
    measure = function(self)
      return (self.run.core:angle(true))
    end },
  { probes = { "norm_G" }, keeps_gradient = true,
    measure = function(self)
      return M.norms(self.run.core:gradient(), self.run.options.replicas)
    end },
  { probes = { "norm_theta" },
    measure = function(self)
      return M.norms(self.run.core:theta(), self.run.options.replicas)
    end },
  { probes = { "norm_update" }, keeps_gradient = true,
    measure = function(self)
      return self.run.core:update_norm()
    end },
  { probes = { "saturated" }, asks = true,
    measure = function(self)
      local set = self.run.options.data.test or self.run.options.data
      return (self.run.core:saturated(set.x, set.y))
    end },
}

-- ---- stopping -----------------------------------------------------------------------------------

local STOP = {}
for _, name in ipairs(M.names) do
  local least = name:find "accuracy" ~= nil
  STOP[#STOP + 1] = not name:find "^layer_" and { name, type = "number", least = least,
    doc = least and "Stop at this or more." or "Stop at this or less." } or nil
end

M.STOP = STOP

-- ---- divergence ---------------------------------------------------------------------------------

--- A replica has diverged whose cost exceeds this many times the largest of its first window, where
-- `stop.diverged` says no other.
M.DIVERGED = 1e6

local DIVERGED = { "diverged", type = { "number", "boolean" }, above = 1,
  doc = "End a replica whose cost exceeds this many times the largest of its first window." }

--- What `stop` may hold: conditions, and when a replica has diverged.
M.STOP_OPTIONS = { DIVERGED }
for i, entry in ipairs(STOP) do
  M.STOP_OPTIONS[i + 1] = entry
end

--- Check a table of stop conditions.
-- @tparam string where opens messages
-- @tparam table stop
-- @treturn table checked
function M.check_stop(where, stop)
  local checked = options.check(where, M.STOP_OPTIONS, stop)
  if checked.diverged == true then
    options.fail(where, "option 'diverged' must be a number > 1, or false, got true")
  end
  return checked
end

--- Whether a table of stop conditions says what a solution is.
function M.has_conditions(stop)
  for name in pairs(stop or {}) do
    if name ~= "diverged" then
      return true
    end
  end
  return false
end

local NAMES = {}
for i, name in ipairs(M.names) do
  NAMES[i] = { name, type = "boolean" }
end

-- The set of names, checked.
local function check_names(where, names)
  local wanted = {}
  for key, name in pairs(names) do
    if type(key) ~= "number" or type(name) ~= "string" then
      options.fail(where, "probe %s must be a name, got %s", tostring(key),
        options.type_name(name))
    end
    wanted[name] = true
  end
  options.check(where .. ": probes", NAMES, wanted)
  return wanted
end

--- A list of names, checked, each once and in one order.
-- @tparam string where opens messages
-- @tparam table names
-- @treturn table list
function M.list(where, names)
  local wanted, list = check_names(where, names), {}
  for _, name in ipairs(M.names) do
    list[#list + 1] = wanted[name] and name or nil
  end
  return list
end

-- ---- taking rows --------------------------------------------------------------------------------

local Probes = {}
Probes.__index = Probes

-- The columns that a group has of what is wanted.
local function columns_of(run, group, wanted)
  local columns = {}
  for _, name in ipairs(group.probes) do
    columns[#columns + 1] = wanted[name] and name or nil
  end
  for _, name in ipairs(group.layers or {}) do
    for _, column in ipairs(wanted[name] and by_layer.columns(run, name) or {}) do
      columns[#columns + 1] = column
    end
  end
  return columns
end

-- A chip that replays a recording has those probes of itself that were recorded.
local function check_recorded(run, wanted)
  local replays = run.options.chip.replays
  local names, recorded = replays:probes()
  for _, group in ipairs(GROUPS) do
    for _, name in ipairs(group.asks and columns_of(run, group, wanted) or {}) do
      if not recorded[name] then
        options.fail("run:run", "probe '%s' needs the chip, and was not recorded in %s, which has "
          .. "%s: expected these, probes of the run alone (C, C_tilde, norm_theta, …), or the chip "
          .. "itself", name, replays.path, #names > 0 and table.concat(names, ", ") or "none")
      end
    end
  end
end

--- Whether G counts votes, whose sum has a direction but no size.
-- @tparam table opt resolved options of mgd.train
-- @treturn boolean
function M.of_votes(opt)
  return opt.circuit ~= nil and opt.circuit.set == "sign-sign"
end

--- Check names and stop conditions, and make ready.
-- @tparam run run
-- @tparam table names
-- @tparam table|function|nil stop probes it names are taken too
function M.prepare(run, names, stop)
  local wanted = check_names("run:run", names)
  local conditions = type(stop) == "table" and M.check_stop("run:run: stop", stop) or {}
  local factor = conditions.diverged
  conditions.diverged = nil
  run.core:watch(factor or M.DIVERGED, factor and true or false)
  for name in pairs(conditions) do
    wanted[name] = true
  end
  for _, name in ipairs(by_layer.PROBES) do
    wanted.layers = wanted.layers or wanted[name]
  end
  if (wanted.layers or wanted.snr or wanted.error_correlation) and M.of_votes(run.options) then
    options.fail("run:run", "G of the circuit sign-sign counts votes, which have no size to "
      .. "compare with the gradient's: expected the probe angle")
  end
  if wanted.layers and not by_layer.parts(run) then
    options.fail("run:run", "probes by layer need a network, whose layers are known: this chip is "
      .. "a function of θ")
  end
  if run.options.chip.replays then
    check_recorded(run, wanted)
  end
  local self = setmetatable({ run = run, names = {}, groups = {}, conditions = conditions,
    wanted = wanted }, Probes)
  self.decide = type(stop) ~= "table" and stop or nil
  for _, group in ipairs(GROUPS) do
    for _, name in ipairs(columns_of(run, group, wanted)) do
      self.names[#self.names + 1] = name
      self.groups[group] = true
    end
    if self.groups[group] and group.keeps_gradient then
      run.core:keep_gradient()
    end
    if self.groups[group] and group.averages then
      average.need("run:run: probe 'average_cost'", run)
    end
  end
  return self
end

-- What the last row shows of replicas that had stopped by then: their θ has not changed since.
local function known(last, stops, name)
  local values = {}
  for r, value in ipairs(last and last[name] or {}) do
    local step = stops[r]
    values[r] = step and step <= last.step and value or nil
  end
  return values
end

-- Puts into a row what was recorded of a group's columns at this step; NaN where they were not.
local function take_recorded(row, columns, recorded, replicas)
  for _, name in ipairs(columns) do
    row[name] = recorded and recorded[name] or {}
    for r = #row[name] + 1, replicas do
      row[name][r] = NAN
    end
  end
end

-- Puts what a group measures into a row.
function Probes:take(row, group, stops)
  local before = {}
  for i, name in ipairs(group.probes) do
    before[i] = known(self.last, stops, name)
  end
  local measured = { group.measure(self, before[1], before[2]) }
  for i, name in ipairs(group.probes) do
    row[name] = measured[i]
  end
  for name, layers in pairs(group.layers and measured[#group.probes + 1] or {}) do
    for l, column in ipairs(self.wanted[name] and by_layer.columns(self.run, name) or {}) do
      row[column] = layers[l]
    end
  end
end

-- Evaluations up to the present step; a list of R numbers where the engine counts as it goes.
local function evaluations_of(run)
  local count = run.core:evaluations(run.steps_done)
  return count == count and count or run.core:counters().evaluations
end

--- Take a row: `step`, `evaluations`, `time`, `wall`, and for each probe a list of R numbers.
function Probes:row(wall)
  local run = self.run
  local replays = run.options.chip.replays
  local recorded = replays and replays:next_row(run)
  local stops = run.core:stops()
  local row = { step = run.steps_done, evaluations = evaluations_of(run),
    time = run.steps_done * run.options.dt, wall = wall }
  for _, group in ipairs(GROUPS) do
    if self.groups[group] and replays and group.asks then
      take_recorded(row, columns_of(run, group, self.wanted), recorded, run.options.replicas)
    elseif self.groups[group] then
      self:take(row, group, stops)
    end
  end
  self.last = row
  return row
end

--- Whether numbers fulfil all conditions; NaN fulfils none.
-- @tparam table conditions name → bound, checked against M.STOP
-- @tparam function value name → number or nil
function M.fulfilled(conditions, value)
  for _, entry in ipairs(STOP) do
    local bound, is = conditions[entry[1]], value(entry[1])
    if bound and not (entry.least and is >= bound or not entry.least and is <= bound) then
      return false
    end
  end
  return true
end

local row_of = record.kind("mgd.row", M.names)

--- The row as users see it: numbers, or lists of R numbers for an ensemble.
function M.plain(row, replicas)
  if replicas > 1 then
    return row_of(row)
  end
  local numbers = {}
  for name, value in pairs(row) do
    numbers[name] = type(value) == "table" and value[1] or value
  end
  return row_of(numbers)
end

--- Whether the run is to end after this row; replicas that fulfil every condition are stopped.
function Probes:stopped(row)
  local run, all, r = self.run, true, nil
  local any = next(self.conditions) ~= nil
  local function value(name)
    return row[name] and row[name][r]
  end
  for index, step in ipairs(run.core:stops()) do
    r = index
    if not step and any and M.fulfilled(self.conditions, value) then
      run.core:stop(r)
    elseif not step then
      all = false
    end
  end
  return all or (self.decide ~= nil and self.decide(M.plain(row, run.options.replicas)) and true
    or false)
end

return M
