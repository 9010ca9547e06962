--- Experiments: made, changed, compared, printed and saved. What runs them stands above.
-- @module mgd.studies.experiment.class

local core = require "mgd.core"
local data = require "mgd.data"
local each = require "mgd.runs.each"
local files = require "mgd.studies.experiment.files"
local json = require "mgd.text.json"
local naming = require "mgd.base.naming"
local options = require "mgd.base.options"
local parts = require "mgd.studies.experiment.parts"
local paths = require "mgd.studies.experiment.paths"
local probes = require "mgd.runs.probes"
local recipe = require "mgd.runs.recipe"
local runs = require "mgd.runs.run"
local record = require "mgd.text.record"
local show = require "mgd.studies.experiment.show"
local train = require "mgd.runs.train"
local values = require "mgd.studies.experiment.values"

local M = {}

local WHERE = "mgd.experiment"

local parameters_of = record.kind "mgd.parameters"
local resolved_of = record.kind("mgd.resolved", { "evaluations", "network", "stop" })

M.SCHEMA = {
  { "name", type = "string", required = true, doc = "What it is called in stores and reports." },
  { "network", type = { "network", "any" },
    doc = "Options of nn.mlp ({2, 2, 1, activation = …}) or of nn.sequential, or a network; that "
      .. "of the chip without." },
  { "chip", type = { "chip", "any" }, doc = "Options of mgd.chip, or a chip; ideal without." },
  { "data", type = { "dataset", "any" }, required = true,
    doc = "A name (\"xor\"), {name, options …}, or a data set." },
  { "training", type = "table", default = {},
    doc = "Options of mgd.train, but for the chip, the data, replicas and threads. A network is "
      .. "made anew for each run and has no θ to begin with, so parameters are always drawn: init "
      .. "is {scheme = \"uniform\"} without." },
  { "steps", type = "integer", min = 1, doc = "Steps of a run; needed without evaluations." },
  { "evaluations", type = "integer", min = 1,
    doc = "As many steps as ask at most so many evaluations of a seed, each of one sample under "
      .. "one perturbation or none; with steps, whichever ends first." },
  { "every", type = { "integer", "string" }, min = 1, unit = "steps", choices = { "powers", "log" },
    doc = "Rows of the history; see run:run. A hundredth of the steps without." },
  { "probes", type = "table", default = { "cost", "accuracy" }, doc = "See run:run." },
  { "stop", type = "table",
    doc = "{accuracy = at least, cost = at most, …}: solved, per seed; and {diverged = factor}, "
      .. "see run:run." },
  { "seeds", type = { "integer", "table" }, default = 1, min = 1,
    doc = "n: replicas 1 … n; or {first =, count =}." },
}

-- Fields stand in a table of their own, so that to set one is an error: `spec` (one form of what
-- was written), `plain` (resolved), `objects` (chip and data), `functions` (what has no text),
-- `name`, `hash` once it was asked for.
local HELD = {}

local function hash_of(self)
  self:need_plain "experiment.hash"
  local content = self:resolved()
  content.name, content.seeds = nil, nil
  return core.base.sha256(json.encode(content))
end

local PROPERTIES = {
  hash = function(self) -- what identifies it: neither its name nor how many seeds it has
    local made = rawget(self, HELD)
    made.hash = made.hash or hash_of(self)
    return made.hash
  end,
}
for _, name in ipairs { "name", "spec", "plain", "objects", "functions" } do
  PROPERTIES[name] = function(self)
    return rawget(self, HELD)[name]
  end
end

local Experiment = naming.class("mgd.experiment", {}, PROPERTIES)

--- Whether a value is an experiment.
function M.is_experiment(value)
  return type(value) == "table" and getmetatable(value) == Experiment
end

--- An option that must be an experiment which says what a solution is.
-- @tparam string where opens messages
-- @param value of the option
-- @treturn experiment
function M.with_stop(where, value)
  if not M.is_experiment(value) then
    options.fail(where, "option 'experiment' must be an experiment, got %s",
      options.type_name(value))
  elseif not probes.has_conditions(value:get "stop") then
    options.fail(where, "the experiment has no 'stop', which says what a solution is")
  end
  return value
end

-- ---- making -------------------------------------------------------------------------------------

-- The spec, in its one form, of what a user wrote.
local function spec_of(given)
  local opt = options.check(WHERE, M.SCHEMA, given)
  if opt.name == "" then
    options.fail(WHERE, "option 'name' is empty")
  end
  local net
  opt.network = opt.network ~= nil and parts.network(opt.network) or nil
  opt.chip, net = parts.chip(opt.chip)
  opt.network = parts.same_network(opt.network, net)
  if getmetatable(opt.chip) ~= nil and opt.network then
    options.fail(WHERE, "option 'network' has no effect: the chip is a function")
  elseif getmetatable(opt.chip) == nil and not opt.network then
    options.fail(WHERE, "option 'network' is missing: expected options of nn.mlp such as {2, 2, 1}")
  end
  opt.data = parts.data(opt.data)
  opt.training = parts.training(opt.training)
  if not opt.steps and not opt.evaluations then
    options.fail(WHERE, "option 'steps' is missing: it must be an integer ≥ 1; or say how many "
      .. "evaluations")
  elseif not opt.evaluations then
    opt.every = opt.every or math.max(1, math.floor(opt.steps / 100))
  end
  opt.probes = probes.list(WHERE, opt.probes)
  opt.stop = opt.stop and probes.check_stop(WHERE .. ": stop", opt.stop)
  opt.stop = opt.stop and next(opt.stop) and opt.stop or nil
  opt.seeds = parts.seeds(opt.seeds)
  return opt
end

-- Options of mgd.train for the replicas of a spec.
local function train_options(spec)
  local opt = recipe.copy(spec.training)
  opt.chip = parts.make_chip(spec.chip, spec.network and parts.make_network(spec.network))
  opt.data = parts.make_data(spec.data,
    data.is_dataset(spec.data) and "" or json.encode(spec.data, { where = WHERE .. ": data" }))
  if opt.chip.net and opt.init == nil then
    opt.init = { scheme = "uniform" }
  end
  opt.replica, opt.replicas = spec.seeds.first, spec.seeds.count
  return opt
end

-- Names of what is a function and so cannot be written down.
local function functions_of(self, names)
  local list = {}
  if self.objects.chip.has_function then
    list[1] = "chip"
  end
  for _, name in ipairs(names) do
    list[#list + 1] = "training." .. name
  end
  return list
end

-- One replica's run, not yet begun; it repeats no warnings.
local function one_run(spec)
  local opt = train_options(spec)
  opt.replicas, opt.threads = 1, 1
  return train.new_run(train.resolve(opt), true)
end

-- Steps of a run: as many as are said, and as ask for at most so many evaluations.
local function steps_of(spec, run)
  local steps = spec.evaluations and runs.steps_within(WHERE, run, spec.evaluations) or math.huge
  if steps < 1 then
    options.fail(WHERE, "option 'evaluations': %d are not enough for one step", spec.evaluations)
  end
  return math.min(spec.steps or math.huge, steps)
end

-- Checks everything once, by the very functions that a run goes through.
local function resolve(self)
  local spec = self.spec
  if each.has_eta(spec.training) or options.is_tensor(spec.training.eta) then
    options.fail(WHERE, "training: option 'eta' is a list: expected one η for all seeds; a sweep "
      .. "varies it: mgd.sweep{base = …, grid = {[\"training.eta\"] = {…}}}")
  end
  local checked = train.resolve(train_options(spec))
  local run = one_run(spec) -- the core checks what it is given
  local steps = steps_of(spec, run)
  local training, functions = recipe.training(checked, true)
  for name in pairs(parts.ELSEWHERE) do
    training[name] = nil
  end
  self.objects = { chip = checked.chip, data = checked.data }
  self.functions = functions_of(self, functions)
  self.plain = parts.canonical {
    name = spec.name, network = spec.network, chip = recipe.chip(checked.chip),
    data = recipe.data(checked.data), training = training, steps = steps,
    evaluations = spec.evaluations, every = spec.every or math.max(1, math.floor(steps / 100)),
    probes = spec.probes, stop = spec.stop, seeds = spec.seeds,
  }
end

--- Make an experiment.
-- @tparam table opts see `M.SCHEMA`
-- @treturn experiment with fields `name` and `hash`
-- @raise on every option that is unknown or wrong, as mgd.train, mgd.chip and nn would
-- @usage local exp = mgd.experiment{name = "xor", network = {2, 2, 1}, data = "xor", steps = 1e4}
function M.new(opts)
  local spec = spec_of(opts)
  local made = { spec = spec, name = spec.name }
  resolve(made)
  return setmetatable({ [HELD] = made }, Experiment)
end

-- ---- looking ------------------------------------------------------------------------------------

--- Fails, naming what is a function and so cannot be written down.
function Experiment:need_plain(where)
  if #self.functions > 0 then
    options.fail(where, "%s is a function, which cannot be written down: the experiment runs, but "
      .. "it has no text to be saved, stored or compared by", table.concat(self.functions, " and "))
  end
end

--- What was written for something that has no text: the function, or the chip.
function Experiment:written(path)
  local name = path:match "^training%.(.*)$"
  if not name then
    return self.spec.chip
  end
  local training = self.spec.training
  local value = training[name]
  if value == nil and type(training.perturbation) == "table" then
    value = training.perturbation[name]
  elseif name == "perturbation" and type(value) == "table" then
    value = value.code
  end
  return value
end

--- Everything that the experiment depends on, defaults filled in, as plain data.
-- @treturn table `name`, `network`, `chip`, `data`, `training`, `steps`, `evaluations` where they
--   were said, `every`, `probes`, `stop`, `seeds`; functions are left out
function Experiment:resolved()
  return resolved_of(recipe.copy(self.plain))
end

function Experiment.__newindex(_, name)
  options.fail(WHERE, "an experiment never changes: expected exp:with{%s = …} for another",
    tostring(name))
end

function Experiment.__eq(a, b)
  return a.name == b.name and #a.functions == 0 and #b.functions == 0
    and json.encode(a.plain) == json.encode(b.plain)
end

--- The parameters by canonical path.
-- @treturn table path → number, string or boolean; lists as JSON
-- @usage exp:parameters()["training.eta"]
function Experiment:parameters()
  return parameters_of(values.parameters(self.plain))
end

--- The canonical path of a parameter; see mgd.studies.experiment.paths for the short forms.
-- @tparam string path
-- @treturn string
function Experiment:path(path)
  return table.concat(paths.resolve(self.spec, "experiment:path", path), ".")
end

--- A parameter's value.
-- @tparam string path
-- @return number, string, boolean, a list or a section; nil where it is not set
function Experiment:get(path)
  return values.read(self.plain, paths.resolve(self.spec, "experiment:get", path))
end

-- Changes in order: the network before the chip, sections before what is in them, the first of two
-- models before the second.
local function changes_of(self, where, changes)
  local list = {}
  for full, change in pairs(paths.by_path(self.spec, where, changes)) do
    local order = full:gsub("%d+", function(digits)
      return ("%09d"):format(digits)
    end)
    change.order = change.words[1] == "network" and " " .. order or order
    list[#list + 1] = change
  end
  table.sort(list, function(a, b)
    return a.order < b.order
  end)
  return list
end

--- A changed copy.
-- @tparam table changes path → value; a value may be a whole section
-- @treturn experiment
-- @raise on an unknown path, with a suggestion, and on every value that is wrong
-- @usage exp:with{["training.eta"] = 0.1, ["cost.noise"] = 1e-3, name = "noisy"}
function Experiment:with(changes)
  local where = "experiment:with"
  if type(changes) ~= "table" then
    options.fail(where, "expected a table of path = value, got %s", options.type_name(changes))
  end
  local spec = recipe.copy(self.spec)
  for _, change in ipairs(changes_of(self, where, changes)) do
    values.set(spec, where, change.words, change.value)
  end
  return M.new(spec)
end

-- ---- comparing, printing, saving ----------------------------------------------------------------

--- Where two experiments differ.
-- @tparam experiment other
-- @treturn table list of {path =, a =, b =} in order of paths, which prints as a table
function Experiment:diff(other)
  if not M.is_experiment(other) then
    options.fail("experiment:diff", "expected an experiment, got %s", options.type_name(other))
  end
  return show.diff(self, other)
end

Experiment.__tostring = show.text

--- Write the resolved experiment to a file, as Lua or as JSON.
-- @tparam string path ends in .lua or .json
-- @raise where something of it is a function, or the data have no recipe
function Experiment:save(path)
  local where = "experiment:save"
  local format = files.format_of(where, path)
  self:need_plain(where)
  if not self.plain.data.options then
    options.fail(where,
      "the data are tensors of yours, which have no recipe: use a set of mgd.data")
  end
  files.write(where, path, format, self.plain)
end

--- The experiment again from what `resolved` gave, here or where another version of a law was; or
-- from what somebody wrote.
-- @tparam table content
-- @treturn experiment
-- @raise on a model whose law had another version
function M.from_plain(content)
  content = recipe.copy(content)
  parts.date_models(content)
  if type(content.training) == "table" then
    recipe.restore_training(content.training)
  end
  return M.new(content)
end

--- Read an experiment that was saved, or written by hand: a table of its options. Lua text is data:
-- it runs with nothing around it.
-- @tparam string path ends in .lua or .json
-- @treturn experiment
function M.load(path)
  local where = "mgd.experiment.load"
  return M.from_plain(files.read(where, path, files.format_of(where, path)))
end

--- Evaluations that the first steps of a seed's run ask of the chip: of one sample each, under one
-- perturbation or none.
-- @tparam table steps list of numbers of steps; nan and infinite ones are their own evaluations
-- @treturn table list; nan throughout where the engine counts them as it goes
-- @usage exp:evaluations{1000}[1]
function Experiment:evaluations(steps)
  local run, list = one_run(self.spec).core, {}
  for i, n in ipairs(steps) do
    list[i] = n - n == 0 and run:evaluations(math.ceil(n)) or n
  end
  return list
end

--- A run of one seed, not yet begun, to be looked at.
function Experiment:one_run()
  return one_run(self.spec)
end

--- Options of mgd.train that the experiment stands for, made anew.
function Experiment:train_options()
  return train_options(self.spec)
end

M.Experiment = Experiment

return M
