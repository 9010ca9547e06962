--- Sweeps: one experiment at many points, each with many seeds.
--
--     local sweep = mgd.sweep{
--       name = "eta", base = exp, seeds = 64, grid = {["training.eta"] = {0.1, 0.3, 1, 3}},
--       store = "runs.db"}
--     local result = sweep:run{workers = 2, progress = true}
--     print(result)
--
-- Seeds, and points that differ in η only, are trained as ensembles; what remains is spread over
-- processes. All goes to the store, so that a sweep which was stopped, by whatever, goes on where
-- it was: run the same script again.
-- @module mgd.studies.sweep

local core = require "mgd.core"
local batches = require "mgd.studies.sweep.batches"
local experiment = require "mgd.studies.experiment"
local Ledger = require "mgd.studies.sweep.ledger"
local naming = require "mgd.base.naming"
local options = require "mgd.base.options"
local paths = require "mgd.studies.experiment.paths"
local points = require "mgd.studies.sweep.points"
local probes = require "mgd.runs.probes"
local progress = require "mgd.runs.progress"
local record = require "mgd.text.record"
local results = require "mgd.studies.sweep.result"
local stores = require "mgd.studies.store"
local workers = require "mgd.studies.sweep.workers"

local M = {}

local WHERE = "mgd.sweep"

M.SCHEMA = {
  { "name", type = "string",
    doc = "Of the sweep in the store; the base's without. Its experiments are NAME/0001, …" },
  { "base", type = "any", required = true, doc = "The experiment that the points change." },
  { "grid", type = "table", doc = "{path = list of values, …}: every combination." },
  { "random", type = "table",
    doc = "{n =, seed = 1, path = range, …}: drawn evenly. A range is {low, high}, with "
      .. "log = true, integer = true; or {choices = list}." },
  { "sobol", type = "table",
    doc = "{n =, skip = 0, path = range, …}: points of Sobol's sequence." },
  { "halton", type = "table", doc = "The same with Halton's." },
  { "list", type = "list", doc = "{{path = value, …}, …}: the points themselves." },
  { "seeds", type = "integer", min = 1, doc = "Replicas of each point; the base's seeds without." },
  { "store", type = "any", doc = "A store or the path of one; in memory without." },
}

M.RUN_SCHEMA = {
  { "workers", type = "integer", min = 1, doc = "Processes; one for each processor without." },
  { "threads", type = "integer", default = 1, min = 1, doc = "Threads of each process." },
  { "progress", type = "boolean", default = false,
    doc = "A line on the terminal (stderr); elsewhere one every 10 s." },
  { "checkpoint_every", type = "number", default = 30, above = 0, unit = "s",
    doc = "Time between two checkpoints of each process." },
}

local Sweep = naming.class("mgd.sweep")

-- ---- making -------------------------------------------------------------------------------------

-- The one kind of points that is given, and the points.
local function points_of(opt)
  local kind
  for _, name in ipairs(points.KINDS) do
    if opt[name] and kind then
      options.fail(WHERE, "both '%s' and '%s' are given: expected one of them", kind, name)
    end
    kind = opt[name] and name or kind
  end
  if not kind then
    options.fail(WHERE, "no points: expected one of %s", table.concat(points.KINDS, ", "))
  end
  return points[kind](WHERE, opt[kind])
end

-- Points by canonical paths, and the paths that some point changes.
local function canonical(base, list)
  local seen, changed = {}, {}
  for i, point in ipairs(list) do
    local out = {}
    for full, given in pairs(paths.by_path(base.spec, WHERE, point)) do
      if full == "name" or full:find "^seeds" then
        options.fail(WHERE, "'%s' cannot be a point's: %s", given.path, full == "name"
          and "names are made of the sweep's" or "option 'seeds' says how many")
      end
      out[full] = given.value
      if not seen[full] then
        seen[full], changed[#changed + 1] = true, full
      end
    end
    list[i] = out
  end
  table.sort(changed)
  return changed
end

-- The experiment, with what tells a diverged run where it does not say so itself.
local function guarded(base)
  local stop = base:get "stop"
  return stop and stop.diverged ~= nil and base
    or base:with { ["stop.diverged"] = probes.DIVERGED }
end

-- A point's value; one of the whole section `stop` has the base's limit where it does not say one.
local function value_for(base, path, value)
  if path ~= "stop" or type(value) ~= "table" or value.diverged ~= nil then
    return value
  end
  local copy = { diverged = base:get "stop.diverged" }
  for key, element in pairs(value) do
    copy[key] = element
  end
  return copy
end

local function experiments_of(base, name, list)
  local exps = {}
  for i, point in ipairs(list) do
    local changes = { name = ("%s/%04d"):format(name, i) }
    for path, value in pairs(point) do
      changes[path] = value_for(base, path, value)
    end
    exps[i] = base:with(changes)
  end
  return exps
end

--- Make a sweep. Every point's experiment is checked.
-- @tparam table opts see `M.SCHEMA`
-- @treturn sweep with `name`, `points` (list of {path = value}), `experiments`, `paths`
-- @raise on unknown paths, with a suggestion; on values that are wrong at some point
function M.new(opts)
  local opt = options.check(WHERE, M.SCHEMA, opts)
  local base = opt.base
  if not experiment.is_experiment(base) then
    options.fail(WHERE, "option 'base' must be an experiment, got %s", options.type_name(base))
  end
  base:need_plain(WHERE)
  base = guarded(base)
  local self = setmetatable({ name = opt.name or base.name, base = base }, Sweep)
  self.points = record.list(points_of(opt))
  self.paths = canonical(base, self.points)
  self.experiments = experiments_of(base, self.name, self.points)
  local seeds = base.plain.seeds
  self.first = seeds.first
  self.last = seeds.first + (opt.seeds or seeds.count) - 1
  if opt.store ~= nil and type(opt.store) ~= "string" and not stores.is_store(opt.store) then
    options.fail(WHERE, "option 'store' must be a store or the path of one, got %s",
      options.type_name(opt.store))
  end
  self.store = stores.is_store(opt.store) and opt.store or stores.open(opt.store or ":memory:")
  return self
end

function Sweep:__tostring()
  return ("sweep %s: %d points of %s, seeds %d … %d; %s"):format(self.name, #self.points,
    #self.paths > 0 and table.concat(self.paths, ", ") or "nothing", self.first, self.last,
    tostring(self.store))
end

-- ---- running ------------------------------------------------------------------------------------

local function shower(ledger, wanted)
  local line = wanted and progress.overall()
  return line and function()
    if line:due() then
      line:draw(ledger:progress())
    end
  end, line
end

-- Says what could not be run.
local function tell(ledger)
  local failures = ledger:failures()
  if #failures > 0 then
    io.stderr:write(("mgd: warning: %d batches of the sweep could not be run; the first says: %s\n")
      :format(#failures, failures[1].message))
  end
  return failures
end

--- Run what is not done.
-- Ctrl-C raises; what is done stays done.
-- @tparam[opt] table opts see `M.RUN_SCHEMA`
-- @treturn result see mgd.studies.sweep.result
function Sweep:run(opts)
  local opt = options.check("sweep:run", M.RUN_SCHEMA, opts)
  local ledger = Ledger.open(self, self.store, function(first, last)
    return batches.plan(self.experiments, first, last)
  end)
  local show, line = shower(ledger, opt.progress)
  local ok, message = pcall(workers.run, ledger, { threads = opt.threads,
    workers = opt.workers or core.base.threads(), checkpoint_every = opt.checkpoint_every,
    on_row = show })
  if line then
    line:finish()
  end
  if not ok then
    local _, _, finished, count = ledger:progress()
    io.stderr:write(("mgd: the sweep stopped: %d of %d batches are done; it goes on when it is run "
      .. "again\n"):format(finished, count))
    error(message, 0)
  end
  return results.new(self, ledger.id, tell(ledger))
end

--- What the store knows so far, without running anything.
-- @treturn result
function Sweep:result()
  local id = Ledger.find(self, self.store, "sweep:result")
  if not id then
    options.fail("sweep:result", "sweep '%s' has not been run yet", self.name)
  end
  return results.new(self, id, {})
end

return naming.module("mgd.sweep", M, { call = M.new })
