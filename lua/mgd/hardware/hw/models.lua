--- Models of hardware: their registry, what a stage of a chip makes of them, and trying them out.
--
-- A model is plain data: a name and checked parameters. Stages take one model or a list, in the
-- order of the signal. What a stage does is compiled to the primitives of the core (mgd_hw_model),
-- each with a random stream that is named after its stage and model, so that adding a model never
-- shifts the draws of another.
-- @module mgd.hardware.hw.models

local core = require "mgd.core"
local listing = require "mgd.text.listing"
local memories = require "mgd.hardware.memory"
local naming = require "mgd.base.naming"
local options = require "mgd.base.options"
local record = require "mgd.text.record"

local hw = {}

--- Stages of a chip, in the order of the signal, and what their values are.
hw.STAGES = record.list {
  { "weights", "parameters on their way to the multipliers" },
  { "perturbation", "θ̃ on its way to the parameters" },
  { "input", "features of a sample" },
  { "neurons", "activations" },
  { "output", "outputs of the network" },
  { "cost", "the cost on its way to the parameters" },
  { "update", "changes of the parameters, and how they are written" },
}

-- Where the core places a model of a stage that does not say otherwise.
local PLACES = {
  weights = "drive", perturbation = "perturbation", input = "input", neurons = "activation",
  output = "output", cost = "cost", update = "change",
}

-- ---- models -------------------------------------------------------------------------------------

-- `departs`: of a preset whose figures were changed, what its chip warns of.
local Model = naming.class("mgd.hw.model", { "departs" })

local definition_of = record.kind("mgd.hw.model", { "params", "doc", "equation", "source", "check",
  "compile", "apply", "stages", "page", "law", "version", "validity" })

local description_of = record.kind("mgd.hw.description", { "version" })

local definitions = {}

--- Whether a value is a model.
function hw.is_model(value)
  return getmetatable(value) == Model
end

local function figure(value, unit)
  if type(value) == "table" then
    local parts = {}
    for i, element in ipairs(value) do
      parts[i] = figure(element)
      if i == 4 and #value > 5 then
        parts[5] = ("… %d in all"):format(#value)
        break
      end
    end
    for key, element in pairs(value) do
      if type(key) == "string" then
        parts[#parts + 1] = key .. " " .. figure(element)
      end
    end
    return "{" .. table.concat(parts, ", ") .. "}"
  elseif type(value) == "number" then
    value = ("%.6g"):format(value)
  end
  return tostring(value) .. (unit and unit ~= "" and " " .. unit or "")
end

--- One line: the name, then every parameter that is given or matters, with its unit.
function Model:__tostring()
  local parts = {}
  for _, entry in ipairs(definitions[self.name].params) do
    local value = self.params[entry[1]]
    if value ~= nil and (value ~= entry.default or entry.shown) then
      parts[#parts + 1] = ("%s = %s"):format(entry[1], figure(value, entry.unit))
    end
  end
  return ("%s{%s}"):format(self.name, table.concat(parts, ", "))
end

local function version_of(name)
  return definitions[name].version or 1
end

--- Name and parameters as a plain table, and `version`, that of the law, where it is above 1.
function Model:describe()
  local version = version_of(self.name)
  local plain = { name = self.name, params = {}, version = version > 1 and version or nil }
  for key, value in pairs(self.params) do
    plain.params[key] = value
  end
  return description_of(plain)
end

-- What a user gave, in tables of the model's own; tensors become lists.
local function copied(value)
  if options.is_tensor(value) then
    return value:totable()
  elseif type(value) ~= "table" then
    return value
  end
  local copy = {}
  for key, element in pairs(value) do
    copy[key] = copied(element)
  end
  return copy
end

-- Registers a model. `definition`: name, stages, doc, equation, source, params (a schema),
-- check(where, p, given) and compile(p, emit, context): emit(kind, fields[, place]) adds a
-- primitive, context.warn(format, …) what its chip warns of once, such as figures outside of the
-- law's `validity`, a sentence. `version`, 1 unless it is said, rises whenever the law computes
-- something else: what was begun under an older one is refused.
local function register(definition)
  local where = "hw." .. definition.name
  definitions[definition.name] = definition_of(definition)
  hw[definition.name] = function(given)
    local own = copied(given)
    local p = options.check(where, definition.params, own)
    if definition.check then
      definition.check(where, p, own or {})
    end
    return setmetatable({ name = definition.name, params = p }, Model)
  end
end

--- All models: a list of {name =, stages =, doc =, source =, params = schema}, by name.
-- @treturn table
function hw.models()
  local list = {}
  for _, definition in pairs(definitions) do
    list[#list + 1] = definition
  end
  table.sort(list, function(a, b)
    return a.name < b.name
  end)
  return listing(list, { "name", "stages", "doc" })
end

--- The definition of a model (name, stages, params, …), nil where there is none of that name.
function hw.known(name)
  return definitions[name]
end

--- Why what was made with a version of a model's law is not to go on here.
-- @tparam string name  of a model that is known
-- @param version  as `describe` gave it: nil is 1
-- @treturn string|nil  "made with …", to be put behind what it is about; nil where it can go on
function hw.other_version(name, version)
  local here = version_of(name)
  version = version == nil and 1 or version
  if version == here then
    return nil
  end
  local newer = type(version) == "number" and version > here
  return ("made with version %s of the law of hw.%s, which is version %d here and computes "
    .. "something else: begin again, or go on with %s"):format(figure(version), name, here,
    newer and "a newer mgd-lua" or "the mgd-lua that made it")
end

--- The model again from what `describe` gave, in this process or an earlier one.
-- @tparam table plain
-- @treturn model|nil
-- @treturn string|nil why there is none: it is not known here, or its law was another
function hw.restore(plain)
  local name = type(plain) == "table" and plain.name
  local definition = definitions[name]
  if not definition or definition.apply then
    return nil, ("its chip has a model '%s', which is unknown here")
      :format(tostring(name or plain))
  end
  local reason = hw.other_version(name, plain.version)
  if reason then
    return nil, reason
  end
  return hw[name](plain.params)
end

-- ---- compiling ----------------------------------------------------------------------------------

local function check_stage(where, stage)
  if PLACES[stage] then
    return
  end
  local known = {}
  for i, entry in ipairs(hw.STAGES) do
    known[i] = entry[1]
  end
  options.fail(where, "unknown stage '%s'%s", tostring(stage), naming.hint(stage, known, "stages"))
end

-- The list of a stage, checked.
local function models_of(where, stage, given)
  local list = hw.is_model(given) and { given } or given
  if type(list) ~= "table" then
    options.fail(where, "stage '%s' must be a model such as hw.noise{sigma = 0.1}, or a list of "
      .. "them, got %s", stage, options.type_name(given))
  end
  for key, model in pairs(list) do
    if type(key) ~= "number" or not hw.is_model(model) then
      options.fail(where, "stage '%s': %s is %s: expected a model such as hw.noise{sigma = 0.1}",
        stage, type(key) == "number" and "element " .. key or "'" .. tostring(key) .. "'",
        hw.is_model(model) and "a model at a name" or options.type_name(model))
    end
    local allowed = definitions[model.name].stages
    local fits = false
    for _, name in ipairs(allowed) do
      fits = fits or name == stage
    end
    if not fits then
      options.fail(where, "hw.%s cannot stand in stage '%s': it belongs to %s", model.name, stage,
        table.concat(allowed, ", "))
    end
  end
  return list
end

-- Compiles one stage: primitives are appended to `list`; the update's law goes to `out.update`.
local function compile_stage(where, stage, models, list, out)
  local context = { stage = stage, mapping = nil, out = out, where = where, net = out.net }
  function context.warn(format, ...)
    out.warnings[#out.warnings + 1] = context.stream .. ": " .. format:format(...)
  end
  local seen = {}
  for _, model in ipairs(models) do
    local definition = definitions[model.name]
    seen[model.name] = (seen[model.name] or 0) + 1
    local name = ("%s: %s%s"):format(stage, model.name,
      seen[model.name] > 1 and " " .. seen[model.name] or "")
    local count = {}
    context.stream, context.model = name, model
    definition.compile(model.params, function(kind, fields, place)
      count[kind] = (count[kind] or 0) + 1
      fields.kind = kind
      fields.place = place or PLACES[stage]
      fields.stream = ("%s.%s%s"):format(name, fields.stream or kind,
        count[kind] > 1 and not fields.stream and count[kind] or "")
      fields.mapping = fields.mapping or context.mapping
      if fields.place == "change" and out.update then
        options.fail(where, "stage '%s': hw.%s stands behind hw.%s, which writes: what happens to "
          .. "a change happens before", stage, model.name, out.update_name)
      end
      list[#list + 1] = fields
    end, context)
  end
end

--- Compile the stages of a chip for the core.
-- @tparam string where  opens messages
-- @tparam table stages  stage name → model or list of models
-- @tparam[opt] network net  that it is the hardware of
-- @treturn table {models = list of primitives, update = table or nil, stages = name → list,
--   warnings = list of sentences}
function hw.compile(where, stages, net)
  local out = { models = {}, stages = {}, warnings = {}, net = net }
  for stage in pairs(stages) do
    check_stage(where, stage)
  end
  for _, entry in ipairs(hw.STAGES) do
    local stage = entry[1]
    if stages[stage] ~= nil then
      out.stages[stage] = models_of(where, stage, stages[stage])
      compile_stage(where, stage, out.stages[stage], out.models, out)
    end
  end
  return out
end

local SIGNALS = { perturbation = true, input = true, neuron = true, activation = true,
  output = true, cost = true, drive = true, product = true }
local FILTERS = { low_pass = true, high_pass = true, ringing = true }
local LINES = { low_pass = true, high_pass = true, ringing = true, delay = true, slew = true,
  flicker = true }

--- Whether a primitive has a memory on the way of a signal, which the signal clock moves on.
function hw.is_line(m)
  return SIGNALS[m.place] and LINES[m.kind] or false
end

-- A time constant of a filter that does something; nil of anything else.
local function time_constant(m)
  local tau = m.kind == "ringing" and 1 / (2 * math.pi * m.frequency) or m.tau
  return FILTERS[m.kind] and SIGNALS[m.place] and tau > 0 and tau < math.huge and tau or nil
end

-- From the perturbation's line to one behind the network: exact where C is linear in θ̃, while
-- nothing tells whether it is.
local function check_series(compiled, h, warnings)
  local least, seen = math.huge, {}
  for _, m in ipairs(compiled.models) do
    local tau = time_constant(m)
    if tau then
      seen[m.place] = true
      least = tau < h / 20 and least or math.min(least, tau) -- a wire, and exact
    end
  end
  local behind = seen.cost and "cost" or seen.output and "output"
  if not (seen.perturbation and behind and least < h) then
    return
  end
  local bound = (seen.input or seen.output and seen.cost)
    and "lines in series are right to second order in dt/τ, or exact, for costs that are"
    or "lines in series are exact for a cost that is"
  local parts = math.ceil(h / least) * (compiled.substeps or 1)
  warnings[#warnings + 1] = ("perturbation to %s: %s linear in θ̃ over a step: with τ = %.3g s and "
    .. "steps of %.3g s others need %sdt ≤ %.3g s"):format(behind, bound, least, h,
    parts <= 1000 and ("substeps = %d of mgd.chip, or "):format(parts) or "", least)
end

--- What a chip cannot show, at all or at a step of `dt` seconds, as a list of sentences.
-- @tparam table compiled  what hw.compile gave, with `substeps` where there are some
-- @tparam number dt  seconds
-- @treturn table
function hw.check_time(compiled, dt)
  local warnings = {}
  for i, warning in ipairs(compiled.warnings) do
    warnings[i] = warning
  end
  local function warn(m, format, ...)
    warnings[#warnings + 1] = m.stream:gsub("%..*", "") .. ": " .. format:format(...)
  end
  for _, m in ipairs(compiled.models) do
    local h = hw.is_line(m) and dt / (compiled.substeps or 1) or dt
    if m.tau == math.huge or m.frequency == math.huge then -- there is none
      m = {}
    end
    if (m.kind == "low_pass" or m.kind == "high_pass") and m.tau > 0 and m.tau < h / 20 then
      warn(m, "a time constant of %.3g s is shorter than steps of %.3g s can show: it acts as a "
        .. "%s; it needs dt ≤ %.3g s", m.tau, h, m.kind == "low_pass" and "wire" or "block",
        20 * m.tau)
    elseif m.kind == "ringing" and m.frequency * h > 2 then
      warn(m, "ringing at %.3g Hz is faster than steps of %.3g s can show: it needs dt ≤ %.3g s",
        m.frequency, h, 0.5 / m.frequency)
    elseif m.kind == "delay" and m.tau > 0 and m.tau < h / 4 then
      warn(m, "a delay of %.3g s is shorter than steps of %.3g s can show: it does nothing; it "
        .. "needs dt ≤ %.3g s", m.tau, h, 2 * m.tau)
    elseif m.kind == "delay" and math.abs(m.tau / h * 2 - math.floor(m.tau / h * 2 + 0.5)) > 1e-9
    then
      warn(m, "a delay of %.3g s is taken as %.3g s, a multiple of half a step", m.tau,
        math.floor(m.tau / h * 2 + 0.5) * h / 2)
    elseif m.kind == "flicker" and m.f_high * h > 1 then
      warn(m, "1/f noise up to %.3g Hz reaches beyond what steps of %.3g s can show: it needs dt ≤ "
        .. "%.3g s", m.f_high, h, 1 / m.f_high)
    elseif m.kind == "drift" and m.t0 >= 1000 * dt then
      warn(m, "drift begins t0 = %.3g s after a write: weights that are written more often than "
        .. "every %.3g steps do not drift", m.t0, math.ceil(m.t0 / dt))
    end
  end
  check_series(compiled, dt / (compiled.substeps or 1), warnings)
  return warnings
end

-- ---- trying one out -----------------------------------------------------------------------------

local CONDITIONS = {
  { "dt", type = "number", default = 1, above = 0, unit = "s", doc = "Time between rows." },
  { "held", type = "number", default = 0, min = 0, unit = "s",
    doc = "Time since the devices were programmed." },
  options.stated("seed", { doc = "Of the devices and their noise." }),
  { "replica", type = "integer", default = 1, min = 1, doc = "Number of the chip." },
  { "still", type = "boolean", default = false, doc = "Settled, without noise: what probes see." },
  { "stage", type = "string", doc = "Where it stands; the first of its stages without." },
}

-- The primitives of a stage as they are tried out together: what acts before the activation and
-- what acts behind it are two places, which values pass one after the other; all others are one.
local function by_place(stage, models)
  if stage ~= "neurons" then
    return { models }
  end
  local lists, of = {}, {}
  for _, model in ipairs(models) do
    local list = of[model.place]
    if not list then
      list = {}
      lists[#lists + 1], of[model.place] = list, list
    end
    list[#list + 1] = model
  end
  return lists
end

--- What a model makes of values: rows (n), or (T, n) as time goes on by dt from row to row.
-- @tparam tensor values f32 or f64; the columns are n devices
-- @tparam[opt] table opts dt (1 s), held (0 s), seed (1), replica (1), still (false), stage
-- @treturn tensor of the same shape
-- @raise for update laws, which have `write`
-- @usage hw.path{lowpass = 3}:apply(mgd.ones{20, 1}, {dt = 1})   -- a step response
function Model:apply(values, opts)
  local where = ("hw.%s: apply"):format(self.name)
  local opt = options.check(where, CONDITIONS, opts)
  local tensor = options.tensor(values)
  if not tensor then
    options.fail(where, "expected a tensor of values, got %s", options.type_name(values))
  end
  local stage = opt.stage or definitions[self.name].stages[1]
  local compiled = hw.compile(where, { [stage] = self })
  if compiled.update then
    options.fail(where, "an update law is tried out by write(start, changes)")
  end
  local memory = memories.new()
  for _, models in ipairs(by_place(stage, compiled.models)) do
    tensor = core.hw.apply(models, opt, tensor, memory)
  end
  return tensor
end

--- What devices make of changes of their weights, one after the other.
-- @tparam tensor start  (n) weights of n devices
-- @tparam tensor changes  (T, n) changes that are asked for, row after row
-- @tparam[opt] table opts  as for `apply`; dt is the time between writes
-- @treturn tensor (T, n) weights after each
-- @usage hw.soft_bounds{dw_min = 0.01, c2c = 0}:write(mgd.zeros{1}, mgd.full({100, 1}, 0.01))
function Model:write(start, changes, opts)
  local where = ("hw.%s: write"):format(self.name)
  local opt = options.check(where, CONDITIONS, opts)
  local compiled = hw.compile(where, { update = self })
  local law = compiled.update
  if not law and self.name == "write" then -- as asked
    law = { law = "ideal", stream = "update: write" }
  end
  if not law then
    options.fail(where, "hw.%s is no update law: it is tried out by apply(values)", self.name)
  end
  start, changes = options.tensor(start), options.tensor(changes)
  if not start or not changes then
    options.fail(where, "expected tensors: weights (n), and changes (T, n)")
  end
  return core.hw.write(law, opt, start, changes)
end

-- ---- models of one's own ------------------------------------------------------------------------

local DEFINE = {
  { "name", type = "string", required = true, doc = "What messages call it." },
  { "stage", type = { "string", "table" }, required = true, doc = "Where it may stand." },
  { "params", type = "table", default = {}, doc = "Schema of its parameters; see mgd.options." },
  { "apply", type = "function", required = true,
    doc = "function(values, ctx) → values: a tensor (L, n), n values in each of L lanes." },
  { "memory", type = "boolean",
    doc = "Whether it remembers, in ctx.memory; without, whether `apply` names that." },
  { "doc", type = "string", default = "A model of the user's.", doc = "One line for hw.models()." },
}

-- What the core calls: a model that has no memory, …
local function forgetting(opt, params)
  local without = {
    __index = function(_, key)
      if key == "memory" then
        options.fail("hw." .. opt.name, "it uses ctx.memory, which nothing in 'apply' itself says: "
          .. "expected memory = true in hw.define")
      end
    end,
  }
  return function(values, ctx)
    ctx.params = params
    return opt.apply(values, setmetatable(ctx, without))
  end
end

-- … and one that has, with the run's memory, the place on the chip and the replica.
local function remembering(opt, params, stream)
  local name = "hw." .. opt.name
  return function(values, ctx, memory, chain, replica)
    local place = ("%s, %d"):format(stream, chain)
    local own = memory:of(name, place, replica, ctx.still)
    ctx.params, ctx.memory = params, own
    local out = opt.apply(values, ctx)
    if ctx.memory ~= own and not ctx.still then
      if type(ctx.memory) ~= "table" then
        options.fail(name, "ctx.memory became %s: expected a table", options.type_name(ctx.memory))
      end
      memory:set(place, replica, ctx.memory)
    end
    return out
  end
end

--- Define a model in Lua.
--
-- `apply(values, ctx)` gets a tensor (L, n), f64: n values (parameters, features, …) in each of L
-- lanes, and returns one of the same shape. ctx has
--
-- - `params`: the model's, checked;
-- - `lanes`: L; `replicas`: the number of the replica in each lane, a list;
-- - `step`; `time`: the chip's age (s); `dt`: how long the values have been held (s);
-- - `still`: a probe looks, at a chip that is settled and without noise;
-- - `rand(k)`, `randn(k)`: tensors (L, n) of uniform numbers on (0, 1), or standard normal ones:
--   the k-th of this evaluation (1 without k). What a value gets depends on seed, replica, step,
--   place in the batch and k, and not on threads or on what stands in the other lanes. When still
--   all ½ or 0;
-- - `memory`: a table of this replica's at this place of the chip, empty at first.
--
-- A model without a memory is called for many lanes at once, which are replicas, or samples, as the
-- engine packs them, and some may be there to fill up: it must treat each lane by itself. A model
-- that uses `ctx.memory` is called once for each replica and evaluation; its lanes are the samples
-- shown, in their order, and no others (parameters and costs have one lane). So replica r of an
-- ensemble remembers what the single run r does. A probe shows its set in parts, and gets a copy of
-- the memory, which is forgotten. Plain data (numbers, strings, booleans, tensors, tables of them)
-- in it are saved and resumed with the run; of models in stage `neurons` each layer has a memory of
-- its own.
--
-- Whether a model has a memory is read off `apply`: whether it names `memory`. Where another
-- function does so on its behalf, say `memory = true`.
-- @tparam table opts name, stage (one or a list), params (a schema), apply, memory
-- @treturn function constructor: called with parameters it gives a model
-- @usage
-- local squash = hw.define{name = "squash", stage = "output",
--   params = {{"gain", type = "number", default = 1}},
--   apply = function(values, ctx) return (values * ctx.params.gain):tanh() end}
-- mgd.chip{net = net, output = squash{gain = 0.5}}
function hw.define(opts)
  local opt = options.check("hw.define", DEFINE, opts)
  if not opt.name:find "^[%a_][%w_]*$" or #opt.name > 24 then -- streams are named after it
    options.fail("hw.define", "option 'name' must be a name of at most 24 letters, digits and _, "
      .. "got %q", opt.name)
  end
  local stages = type(opt.stage) == "table" and opt.stage or { opt.stage }
  for _, stage in ipairs(stages) do
    check_stage("hw.define", stage)
  end
  if #stages == 0 then
    options.fail("hw.define", "option 'stage' is an empty list")
  end
  for i, entry in ipairs(opt.params) do
    if type(entry) ~= "table" or type(entry[1]) ~= "string" then
      options.fail("hw.define", "option 'params': entry %d must be a table that begins with a name",
        i)
    end
  end
  if definitions[opt.name] and not definitions[opt.name].apply or rawget(hw, opt.name)
    and not definitions[opt.name] then
    options.fail("hw.define", "the name '%s' is taken", opt.name)
  end
  register {
    name = opt.name, stages = stages, doc = opt.doc, source = "user", params = opt.params,
    apply = opt.apply,
    compile = function(p, emit, context)
      local remembers = opt.memory
      if remembers == nil then
        remembers = memories.named_in(opt.apply)
      end
      emit("function", {
        name = "hw." .. opt.name,
        memory = remembers,
        call = (remembers and remembering or forgetting)(opt, p, context.stream),
      }, context.stage == "weights" and "drive" or nil)
    end,
  }
  return hw[opt.name]
end

-- Pages of docs/physics, each a file that registers its models.
local PAGES = {
  { "signals", require "mgd.hardware.hw.signals" },
  { "weights", require "mgd.hardware.hw.weights" },
  { "updates", require "mgd.hardware.hw.updates" },
}
for _, page in ipairs(PAGES) do
  page[2](function(definition)
    definition.page = page[1]
    register(definition)
  end, hw)
end

return hw
