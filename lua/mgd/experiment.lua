--- Experiments as data: everything that a training run depends on, in one table.
--
--     local exp = mgd.experiment{
--       name = "xor", network = {2, 2, 1, activation = "sigmoid", output = "sigmoid"}, data = "xor",
--       training = {tau_theta = 4, eta = 2, perturbation = {code = "walsh", amplitude = 0.05}},
--       steps = 1e5, every = 100, stop = {cost = 0.04}, seeds = 16}
--     local result = exp:run()
--
-- An experiment is checked when it is made, and never changes: `exp:with{…}` is a new one. It is
-- printed, compared and saved as the *resolved* table, in which every default is filled in.
-- @module mgd.experiment

local core = require "mgd.core"
local data = require "mgd.data"
local each = require "mgd.each"
local environment = require "mgd.experiment.environment"
local json = require "mgd.json"
local options = require "mgd.options"
local parts = require "mgd.experiment.parts"
local paths = require "mgd.experiment.paths"
local probes = require "mgd.probes"
local train = require "mgd.train"

local M = {}

local WHERE = "mgd.experiment"

M.SCHEMA = {
  { "name", type = "string", required = true, doc = "What it is called in stores and reports." },
  { "network", type = "any",
    doc = "Options of nn.mlp ({2, 2, 1, activation = …}) or of nn.sequential, or a network." },
  { "chip", type = "any", doc = "Options of mgd.chip but for net, or a chip; ideal without." },
  { "data", type = "any", required = true,
    doc = "A name (\"xor\"), {name, options …}, or a data set." },
  { "training", type = "table", default = {},
    doc = "Options of mgd.train, but for the chip, the data, replicas and threads. Parameters are "
      .. "always drawn: init is {scheme = \"uniform\"} without." },
  { "steps", type = "integer", required = true, min = 1, doc = "Steps of a run." },
  { "every", type = { "integer", "string" }, min = 1, unit = "steps", choices = { "powers", "log" },
    doc = "Rows of the history; see run:run. A hundredth of the steps without." },
  { "probes", type = "table", default = { "cost", "accuracy" }, doc = "See run:run." },
  { "stop", type = "table", doc = "{accuracy = at least, cost = at most, …}: solved, per seed." },
  { "seeds", type = { "integer", "table" }, default = 1, min = 1,
    doc = "n: replicas 1 … n; or {first =, count =}." },
}

local Experiment = {}
Experiment.__index = Experiment
Experiment.__name = "mgd.experiment"

--- Whether a value is an experiment.
function M.is_experiment(value)
  return type(value) == "table" and getmetatable(value) == Experiment
end

-- ---- making -------------------------------------------------------------------------------------

local SEEDS = {
  { "first", type = "integer", default = 1, min = 1, doc = "Number of the first replica." },
  { "count", type = "integer", required = true, min = 1, doc = "How many." },
}

local function seeds_of(given)
  if type(given) == "number" then
    return { first = 1, count = given }
  end
  return options.check(WHERE .. ": seeds", SEEDS, given)
end

-- The spec, in its one form, of what a user wrote.
local function spec_of(given)
  local opt = options.check(WHERE, M.SCHEMA, given)
  if opt.name == "" then
    options.fail(WHERE, "option 'name' is empty")
  end
  opt.network = opt.network ~= nil and parts.network(opt.network) or nil
  opt.chip = parts.chip(opt.chip)
  opt.data = parts.data(opt.data)
  opt.training = parts.training(opt.training)
  opt.every = opt.every or math.max(1, math.floor(opt.steps / 100))
  opt.probes = parts.copy(opt.probes)
  opt.stop = opt.stop and options.check(WHERE .. ": stop", probes.STOP, opt.stop)
  opt.seeds = seeds_of(opt.seeds)
  return opt
end

-- Options of mgd.train for the replicas of a spec.
local function train_options(spec)
  local opt = parts.copy(spec.training)
  local net
  if getmetatable(spec.chip) == nil then
    if spec.network == nil then
      options.fail(WHERE, "option 'network' is missing: expected options of nn.mlp such as {2, 2, 1}")
    end
    net = parts.make_network(spec.network)
  end
  opt.chip = parts.make_chip(spec.chip, net)
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

local function plain_data(set)
  return set.recipe or { name = set.name, fingerprint = set:fingerprint() }
end

local function plain_chip(chip)
  if not chip.net then
    return { parameters = chip.num_parameters }
  end
  local plain = chip:describe()
  for stage, models in pairs(plain) do
    if type(models) == "table" and #models == 0 and stage ~= "clock" then
      plain[stage] = nil
    end
  end
  return plain
end

-- One replica's run, which nothing comes of: the core checks what it is given.
local function one_run(spec)
  local opt = train_options(spec)
  opt.replicas, opt.threads = 1, 1
  train.new_run(train.resolve(opt), true)
end

-- Equal numbers as one: whole floats as integers, where Lua tells them apart.
local function canonical(value)
  if type(value) == "number" and math.type then
    return math.tointeger(value) or value
  elseif type(value) ~= "table" then
    return value
  end
  local out = {}
  for key, element in pairs(value) do
    out[key] = canonical(element)
  end
  return out
end

-- Checks everything once, by the very functions that a run goes through.
local function resolve(self)
  local spec = self.spec
  local checked = train.resolve(train_options(spec))
  if each.has_eta(checked) then
    options.fail(WHERE, "training: option 'eta' is a list: expected one η for all seeds; a sweep "
      .. "varies it: mgd.sweep{base = …, grid = {[\"training.eta\"] = {…}}}")
  end
  one_run(spec)
  local training, functions = train.describe(checked)
  for name in pairs(parts.ELSEWHERE) do
    training[name] = nil
  end
  self.objects = { chip = checked.chip, data = checked.data }
  self.functions = functions_of(self, functions)
  self.plain = canonical {
    name = spec.name, network = spec.network, chip = plain_chip(checked.chip),
    data = plain_data(checked.data), training = training, steps = spec.steps, every = spec.every,
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
  local self = setmetatable({ spec = spec, name = spec.name }, Experiment)
  resolve(self)
  return self
end

-- ---- looking ------------------------------------------------------------------------------------

--- Fails, naming what is a function and so cannot be written down.
function Experiment:need_plain(where)
  if #self.functions > 0 then
    options.fail(where, "%s is a function, which cannot be written down: the experiment runs, but "
      .. "it has no text to be saved, stored or compared by", table.concat(self.functions, " and "))
  end
end

--- Everything that the experiment depends on, defaults filled in, as plain data.
-- @treturn table `name`, `network`, `chip`, `data`, `training`, `steps`, `every`, `probes`, `stop`,
--   `seeds`; functions are left out
function Experiment:resolved()
  return parts.copy(self.plain)
end

-- What identifies the experiment: neither its name nor how many seeds it has.
local function hash_of(self)
  self:need_plain "experiment.hash"
  local content = self:resolved()
  content.name, content.seeds = nil, nil
  return core.base.sha256(json.encode(content))
end

function Experiment:__index(name)
  if name == "hash" then
    local hash = hash_of(self)
    rawset(self, "hash", hash)
    return hash
  end
  return Experiment[name]
end

function Experiment.__eq(a, b)
  return a.name == b.name and #a.functions == 0 and #b.functions == 0
    and json.encode(a.plain) == json.encode(b.plain)
end

-- Adds the scalars of a table by path; lists of scalars as text.
local function flatten(out, path, value)
  if type(value) ~= "table" then
    out[path] = value
  elseif #value > 0 then
    out[path] = json.encode(value)
  else
    for key, element in pairs(value) do
      flatten(out, path .. "." .. key, element)
    end
  end
end

--- The parameters by canonical path.
-- @treturn table path → number, string or boolean
-- @usage exp:parameters()["training.eta"]
function Experiment:parameters()
  local out, chip = {}, self.plain.chip
  for _, name in ipairs { "network", "data", "training", "steps", "every", "stop" } do
    flatten(out, name, self.plain[name])
  end
  for key, value in pairs(chip) do
    if type(value) == "table" and value[1] and value[1].name then
      local count = {}
      for _, model in ipairs(value) do
        count[model.name] = (count[model.name] or 0) + 1
        local suffix = count[model.name] > 1 and count[model.name] or ""
        flatten(out, ("chip.%s.%s%s"):format(key, model.name, suffix), model.params)
      end
    else
      flatten(out, "chip." .. key, value)
    end
  end
  return out
end

--- The canonical path of a parameter; see mgd.experiment.paths for the short forms.
-- @tparam string path
-- @treturn string
function Experiment:path(path)
  return table.concat(paths.resolve(self.spec, "experiment:path", path), ".")
end

--- A parameter's value.
-- @tparam string path
-- @return number, string, boolean, or nil where it is not set
function Experiment:get(path)
  local words = paths.resolve(self.spec, "experiment:get", path)
  local value = self:parameters()[table.concat(words, ".")]
  if value == nil and words[1] ~= "chip" then
    value = self.plain
    for _, word in ipairs(words) do
      value = type(value) == "table" and value[word] or nil
    end
    value = parts.copy(value)
  end
  return value
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
  local spec, list = parts.copy(self.spec), {}
  for path, value in pairs(changes) do
    list[#list + 1] = { words = paths.resolve(self.spec, where, path), value = value }
  end
  table.sort(list, function(a, b) -- sections before what is in them
    return table.concat(a.words, ".") < table.concat(b.words, ".")
  end)
  for _, change in ipairs(list) do
    paths.set(spec, where, change.words, change.value)
    if change.words[1] == "chip" and #change.words == 1 then
      spec.chip = parts.chip(change.value)
    elseif change.words[1] == "training" and #change.words == 1 then
      spec.training = parts.training(change.value)
    end
  end
  return M.new(spec)
end

-- ---- comparing and printing ---------------------------------------------------------------------

local Difference = {}
Difference.__index = Difference

local function shown(value)
  if type(value) == "number" then
    return ("%.6g"):format(value)
  end
  return value == nil and "–" or tostring(value)
end

function Difference:__tostring()
  if #self == 0 then
    return "no difference"
  end
  local lines, width = {}, 0
  for _, entry in ipairs(self) do
    width = math.max(width, #entry.path)
  end
  for i, entry in ipairs(self) do
    lines[i] = ("%-" .. width .. "s  %s  →  %s"):format(entry.path, shown(entry.a), shown(entry.b))
  end
  return table.concat(lines, "\n")
end

--- Where two experiments differ.
-- @tparam experiment other
-- @treturn table list of {path =, a =, b =} in order of paths, which prints as a table
function Experiment:diff(other)
  if not M.is_experiment(other) then
    options.fail("experiment:diff", "expected an experiment, got %s", options.type_name(other))
  end
  local a, b, list = self:parameters(), other:parameters(), {}
  a["seeds.first"], a["seeds.count"] = self.spec.seeds.first, self.spec.seeds.count
  b["seeds.first"], b["seeds.count"] = other.spec.seeds.first, other.spec.seeds.count
  for path, value in pairs(a) do
    if b[path] ~= value then
      list[#list + 1] = { path = path, a = value, b = b[path] }
    end
  end
  for path, value in pairs(b) do
    if a[path] == nil then
      list[#list + 1] = { path = path, b = value }
    end
  end
  table.sort(list, function(x, y)
    return x.path < y.path
  end)
  return setmetatable(list, Difference)
end

function Experiment:__tostring()
  local spec, all, keys = self.spec, self:parameters(), {}
  local lines = { "experiment " .. self.name, "  " .. tostring(self.objects.chip):gsub("\n", "\n  "),
    "  " .. tostring(self.objects.data) }
  for path in pairs(all) do
    if path:find "^training" or path:find "^stop" then
      keys[#keys + 1] = path
    end
  end
  table.sort(keys)
  for _, path in ipairs(keys) do
    lines[#lines + 1] = ("  %-38s %s"):format(path, shown(all[path]))
  end
  lines[#lines + 1] = ("  %d steps, rows every %s, seeds %d … %d"):format(spec.steps,
    tostring(spec.every), spec.seeds.first, spec.seeds.first + spec.seeds.count - 1)
  return table.concat(lines, "\n")
end

-- ---- saving -------------------------------------------------------------------------------------

-- Plain data as Lua.
local function lua_text(value, indent)
  if type(value) ~= "table" then
    if type(value) == "string" then
      return (("%q"):format(value):gsub("\\\n", "\\n"))
    elseif value == math.huge or value == -math.huge then
      return value > 0 and "1e999" or "-1e999"
    end
    return type(value) == "number" and json.encode(value) or tostring(value)
  end
  local keys, lines, inner = {}, {}, indent .. "  "
  for key in pairs(value) do
    if type(key) == "string" then
      keys[#keys + 1] = key
    end
  end
  table.sort(keys)
  for _, element in ipairs(value) do
    lines[#lines + 1] = lua_text(element, inner)
  end
  for _, key in ipairs(keys) do
    local name = key:find "^[%a_][%w_]*$" and key or ("[%q]"):format(key)
    lines[#lines + 1] = name .. " = " .. lua_text(value[key], inner)
  end
  local flat = "{" .. table.concat(lines, ", ") .. "}"
  if #flat + #indent < 80 and not flat:find "\n" then
    return flat
  end
  return "{\n" .. inner .. table.concat(lines, ",\n" .. inner) .. ",\n" .. indent .. "}"
end

local function format_of(where, path)
  local ending = type(path) == "string" and path:match "%.(%a+)$"
  if ending ~= "lua" and ending ~= "json" then
    options.fail(where, "the path must end in .lua or .json, got %s", tostring(path))
  end
  return ending
end

--- Write the resolved experiment to a file, as Lua or as JSON.
-- @tparam string path ends in .lua or .json
-- @raise where something of it is a function, or the data have no recipe
function Experiment:save(path)
  local where = "experiment:save"
  local format = format_of(where, path)
  self:need_plain(where)
  if not self.plain.data.options then
    options.fail(where, "the data are tensors of yours, which have no recipe: use a set of mgd.data")
  end
  local text = format == "json" and json.encode(self.plain, { indent = 2 }) .. "\n"
    or "-- An experiment of mgd-lua: mgd.experiment.load reads it.\nreturn "
      .. lua_text(self.plain, "") .. "\n"
  local file, message = io.open(path, "wb")
  if not file then
    options.fail(where, "%s", message)
  end
  local written, why = file:write(text)
  local closed, more = file:close()
  if not written or not closed then
    options.fail(where, "%s: %s", path, why or more)
  end
end

--- The experiment again from what `resolved` gave.
function M.from_plain(content)
  for name, value in pairs(type(content.training) == "table" and content.training or {}) do
    content.training[name] = require("mgd.schedules").restore(value)
  end
  return M.new(content)
end

--- Read an experiment that was saved, or written by hand: a table of its options. Lua text is data:
-- it runs with nothing around it.
-- @tparam string path ends in .lua or .json
-- @treturn experiment
function M.load(path)
  local where = "mgd.experiment.load"
  local format = format_of(where, path)
  local file, message = io.open(path, "rb")
  if not file then
    options.fail(where, "%s", message)
  end
  local text = file:read "*a"
  file:close()
  local content
  if format == "json" then
    content = json.decode(text, function(at)
      options.fail(where, "%s: no JSON, at byte %d", path, at)
    end)
  else
    local chunk, why = load(text, "=" .. path, "t", {})
    if not chunk then
      options.fail(where, "%s", why)
    end
    local ok, result = pcall(chunk)
    if not ok then
      options.fail(where, "%s", tostring(result))
    end
    content = result
  end
  if type(content) ~= "table" then
    options.fail(where, "%s: expected a table of options, got %s", path, type(content))
  end
  return M.from_plain(content)
end

--- The environment of this process; see mgd.experiment.environment.
M.environment = environment

--- Options of mgd.train that the experiment stands for, made anew.
function Experiment:train_options()
  return train_options(self.spec)
end

--- Run the experiment; see mgd.experiment.runner.
-- @tparam[opt] table opts `store`, `log`, `progress`, `threads`, `checkpoint`
-- @treturn result `experiment`, `run`, `history`, `solved` and `diverged`: tensors (R) of the step at
--   which a seed fulfilled `stop`, and at which its cost was not finite; nan where neither
function Experiment:run(opts)
  return require("mgd.experiment.runner").run(self, opts)
end

return setmetatable(M, {
  __call = function(_, opts)
    return M.new(opts)
  end,
})
