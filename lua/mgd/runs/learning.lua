--- How layers learn: the options `learn`, `layers`, `gate`, `keep` and `stages` of `mgd.train`.
--
--     learn = {"conv3", "dense1"}                    all others stand still
--     layers = {conv3 = {perturb = "nodes", amplitude = 0.02, eta = 1e-3, weight_decay = 0}}
--     stages = {{learn = "dense1", steps = 1e4}, {learn = "conv3", steps = 1e4, eta = 1e-3}}
--
-- A layer that stands still is neither perturbed nor written. What it gives depends on the sample
-- alone, so an ideal chip that is simulated computes it once for each training sample and keeps it;
-- evaluations count as the hardware makes them all the same.
-- @module mgd.runs.learning

local each = require "mgd.runs.each"
local numbers = require "mgd.text.numbers"
local options = require "mgd.base.options"
local parts = require "mgd.networks.parts"
local schedules = require "mgd.codes.schedules"

local M = {}

local WHERE = "mgd.train"
local PERTURBS = { "parameters", "nodes" }

--- What a layer may have of its own.
M.LAYER = {
  { "amplitude", type = "number", min = 0,
    doc = "a of its parameters, or nodes; 0: it is not perturbed. Where the run's is a schedule it "
      .. "changes alike, from this on." },
  { "eta", type = "number", min = 0,
    doc = "η; where the run's is a schedule it changes alike, from this on." },
  { "weight_decay", type = "number", min = 0, doc = "λ." },
  { "perturb", type = "string", choices = PERTURBS,
    doc = "By its parameters, or by its nodes; in one run layers may differ." },
}

local LEARN = { "learn", type = { "string", "integer", "list" },
  doc = "The layers that learn, by name or number, see net:parts(); all others stand still: they "
    .. "are neither perturbed nor written. Without it all learn." }
local LAYERS = { "layers", type = "table",
  doc = "What is a layer's own: {conv1 = {amplitude =, eta =, weight_decay =, perturb =}}, or a "
    .. "list with a table for each layer that has parameters." }
local KEEP = { "keep", type = "boolean",
  doc = "Outputs of layers that stand still are kept, a set for each training sample, where they "
    .. "depend on the sample alone: without it if they fit into a quarter of the machine's memory; "
    .. "true: or an error says how many bytes that takes; false: never. On ideal chips." }

--- Entries of the schema of mgd.train.
M.SCHEMA = {
  LEARN,
  LAYERS,
  options.stated("gate", { default = false }),
  KEEP,
  { "stages", type = "list",
    doc = "One after the other, {learn =, layers =, gate =, keep =, amplitude =, eta =, "
      .. "weight_decay =, steps =}: what a stage does not say is as for the run. Steps are a "
      .. "multiple of tau_theta; the last stage needs none and goes on. Moments of the optimizer "
      .. "begin anew, and schedules of a stage count its own steps." },
}

local AMPLITUDE = { "amplitude", type = { "number", "schedule" }, above = 0, doc = "a." }
local ETA = { "eta", type = { "number", "schedule" }, min = 0, doc = "η." }

--- What a stage may have of its own.
M.STAGE = {
  { "steps", type = "integer", min = 1, unit = "steps", doc = "How long." },
  LEARN,
  LAYERS,
  { "gate", type = "boolean", doc = "As for the run." },
  KEEP,
  AMPLITUDE,
  ETA,
  { "weight_decay", type = "number", min = 0, doc = "λ." },
}

-- ---- stages -------------------------------------------------------------------------------------

--- The stage that a step lies in.
-- @tparam table opt options of mgd.train
-- @tparam integer step
-- @treturn integer its number; 1 without stages
-- @treturn integer its first step
-- @treturn number the first step behind it; infinite for the last one
function M.stage_at(opt, step)
  local first = 0
  for number, stage in ipairs(opt.stages or {}) do
    local last = number < #opt.stages and first + stage.steps or math.huge
    if step < last then
      return number, first, last
    end
    first = last
  end
  return 1, 0, math.huge
end

-- Options of the run as they are in a stage.
local function in_stage(opt, number)
  local own = opt.stages and opt.stages[number] or {}
  local perturbation = opt.perturbation or {}
  local function of(name, otherwise)
    if own[name] ~= nil then
      return own[name]
    end
    return otherwise
  end
  return { learn = of("learn", opt.learn), layers = of("layers", opt.layers),
    gate = of("gate", opt.gate), keep = of("keep", opt.keep), eta = of("eta", opt.eta),
    weight_decay = of("weight_decay", opt.weight_decay),
    amplitude = of("amplitude", perturbation.amplitude), norm = perturbation.norm,
    perturb = opt.perturb, own = own,
    where = opt.stages and ("%s: stages: stage %d"):format(WHERE, number) or WHERE }
end

-- ---- rules --------------------------------------------------------------------------------------

--- How the layers of a run learn, in a few words; nil where all learn alike.
-- @tparam run run
-- @treturn string|nil
function M.text(run)
  local opt = run.options
  local stage = in_stage(opt, run.stage)
  if not stage.learn and not stage.layers and not opt.stages and not opt.gate then
    return nil
  end
  local lines, names = {}, {}
  for i, part in ipairs(stage.learn and parts.find(WHERE, opt.chip.net, stage.learn) or {}) do
    names[i] = part.name
  end
  lines[1] = ("  %slearn %s%s"):format(opt.stages and ("stage %d of %d: "):format(run.stage,
    #opt.stages) or "", #names > 0 and table.concat(names, ", ") or "all layers",
    stage.gate and ", gated" or "")
  local values, bytes = run.core:kept()
  if values then
    lines[2] = ("  kept: %d values of each of %s samples, %s"):format(values,
      numbers.count(opt.data.x.shape[1]), numbers.si(bytes, "B"))
  elseif stage.learn then
    lines[2] = ("  not kept: %s"):format(bytes)
  end
  return table.concat(lines, "\n")
end

-- A layer's own value as a factor of the run's, which may be a schedule: of its first value.
local function factor_of(stage, name, own, value)
  if own == nil then
    return 1
  end
  local where = ("%s: layers: %s"):format(stage.where, name)
  if type(value) == "function" or (type(value) == "table" and type(value[1]) ~= "string") then
    options.fail(where, "the run's %s is %s, which has no first value to be compared with: "
      .. "expected a number or a schedule such as {\"cosine\", …}", name,
      type(value) == "function" and "a function" or "a list")
  elseif value == nil then
    options.fail(where, "expected the run to have an %s of its own%s", name,
      stage.norm and ", and not a norm" or "")
  end
  local first = type(value) == "table" and schedules.schedule(value)(0) or value
  if first == 0 then
    options.fail(where, "the run's %s is 0: expected one above 0 of which %s is a share", name,
      tostring(own))
  end
  return own / first
end

-- What the options say of each part, by its number.
local function layers_of(stage, net)
  local where, by_number = stage.where .. ": layers", {}
  local given = stage.layers and parts.values(where, net, stage.layers, {}) or {}
  for number, part in ipairs(parts.of(where, net)) do
    local own, label = given[number] or {}, ("%s: %s"):format(where, part.name)
    if type(own) ~= "table" then
      options.fail(label, "expected a table such as {eta = 1e-3}, got %s", options.type_name(own))
    end
    by_number[number] = options.check(label, M.LAYER, own)
  end
  return by_number
end

local function learning_of(stage, net)
  local learns = {}
  if type(stage.learn) == "table" and #stage.learn == 0 then
    options.fail(stage.where, "option 'learn' names no layer: expected at least one that learns")
  end
  for _, part in ipairs(parts.find(stage.where .. ": learn", net, stage.learn)) do
    learns[part.number] = true
  end
  return learns
end

-- Parts that are perturbed by nodes have some; others say how they learn instead.
local function check_nodes(stage, net, rules)
  for i, part in ipairs(net and net:parts() or {}) do
    local by_nodes = not rules or (rules[i].perturb == "nodes" and not rules[i].still)
    if by_nodes and part.nodes == 0 then
      options.fail(stage.where, "perturb = \"nodes\": layer '%s' (%s) has no nodes that can be "
        .. "perturbed: expected layers = {%s = {perturb = \"parameters\"}}, or that it stands "
        .. "still", part.name, part.kind, part.name)
    end
  end
end

-- A rule for every part; nil where all learn alike, as the options of the run say.
local function rules_of(stage, net, by_nodes)
  local as_run = not by_nodes or stage.perturb == "nodes"
  if not stage.learn and not stage.layers and as_run then
    return nil
  end
  local learns = stage.learn and learning_of(stage, net)
  local by_number = layers_of(stage, net)
  local rules = {}
  for i, part in ipairs(parts.of(stage.where, net)) do
    local own = by_number[i]
    local still = learns ~= nil and not learns[part.number]
    if still and next(own) then
      options.fail(stage.where .. ": layers", "layer '%s' stands still: expected it in learn, or "
        .. "nothing of its own", part.name)
    end
    rules[i] = { first = part.first - 1, count = part.parameters, still = still,
      perturb = own.perturb or stage.perturb,
      amplitude = factor_of(stage, "amplitude", own.amplitude, stage.amplitude),
      eta = factor_of(stage, "eta", own.eta, stage.eta),
      weight_decay = own.weight_decay or stage.weight_decay or 0 }
  end
  return rules
end

-- How many the code perturbs: parameters, or nodes and parameters beside them.
local function count_of(rules, chip, by_nodes)
  if not by_nodes then
    return chip.num_parameters
  elseif not rules then
    return chip.num_nodes
  end
  local count, list = 0, chip.net:parts()
  for i, rule in ipairs(rules) do
    if not rule.still and rule.amplitude > 0 then
      count = count + (rule.perturb == "nodes" and list[i].nodes or rule.count)
    end
  end
  return count
end

--- Whether any layer is perturbed by its nodes, in any stage: then the run is.
-- @tparam table opt options of mgd.train
-- @treturn boolean
function M.by_nodes(opt)
  local function says(layers)
    for _, own in pairs(layers or {}) do
      if type(own) == "table" and own.perturb == "nodes" then
        return true
      end
    end
    return false
  end
  local found = opt.perturb == "nodes" or says(opt.layers)
  for _, stage in ipairs(opt.stages or {}) do
    found = found or says(stage.layers)
  end
  return found
end

-- From the stage's first step on.
local function from_step(value, first)
  if type(value) == "function" and first > 0 then
    return function(step)
      return value(step - first)
    end
  end
  local compiled = schedules.compile(value)
  if type(compiled) == "table" then
    compiled.from = first
  end
  return compiled
end

--- What the core takes in the stage that a step lies in.
-- @tparam table opt resolved options of mgd.train
-- @tparam integer step
-- @treturn table {rules =, perturb =, gate =, keep =}, and where the stage has its own `amplitude`,
--   `eta` and `weight_decay`
-- @treturn integer how many values its patterns have
function M.compile(opt, step)
  local number, first = M.stage_at(opt, step)
  local stage, by_nodes = in_stage(opt, number), M.by_nodes(opt)
  local rules = rules_of(stage, opt.chip.net, by_nodes)
  if by_nodes and opt.chip.num_nodes > 0 then
    check_nodes(stage, opt.chip.net, rules)
  end
  return {
    rules = rules, perturb = by_nodes and "nodes" or opt.perturb, gate = stage.gate,
    keep = stage.keep == nil and "fitting" or stage.keep and "always" or "never",
    amplitude = stage.own.amplitude and from_step(stage.own.amplitude, first),
    eta = stage.own.eta and from_step(stage.own.eta, first),
    weight_decay = stage.own.weight_decay,
  }, count_of(rules, opt.chip, by_nodes)
end

-- ---- checks -------------------------------------------------------------------------------------

local DISCRETE = { discrete = true, backprop = true }

local function check_stage(opt, number, given)
  local where = ("%s: stages: stage %d"):format(WHERE, number)
  if type(given) ~= "table" then
    options.fail(where, "expected a table such as {learn = \"dense1\", steps = 1e4}, got %s",
      options.type_name(given))
  end
  local stage = options.check(where, M.STAGE, given)
  if not stage.steps and number < #opt.stages then
    options.fail(where, "option 'steps' is missing: all stages but the last one need it")
  end
  local window = opt.tau_theta
  if stage.steps and type(window) ~= "number" then
    options.fail(where, "stages go with a constant tau_theta")
  elseif stage.steps and stage.steps % window ~= 0 then
    options.fail(where, "%d steps end within a window: expected a multiple of tau_theta = %d",
      stage.steps, window)
  end
  if stage.amplitude and opt.perturbation and opt.perturbation.norm then
    options.fail(where, "option 'amplitude': the run's perturbation has a norm")
  end
  if stage.eta and (opt.optimizer == "pulses" or each.has_eta(opt)) then
    options.fail(where, "option 'eta' has no effect: %s", opt.optimizer == "pulses"
      and "pulses have steps of their own" or "replicas have an eta of their own each")
  end
  stage.eta = schedules.check(where, "eta", stage.eta, ETA)
  stage.amplitude = schedules.check(where, "amplitude", stage.amplitude, AMPLITUDE)
  return stage
end

--- Check the options of how layers learn, of every stage.
-- @tparam table opt options of mgd.train; changed
function M.check(opt)
  if opt.stages then
    if #opt.stages == 0 then
      options.fail(WHERE, "option 'stages' is empty: expected a list of tables such as "
        .. "{learn = \"dense1\", steps = 1e4}")
    elseif opt.record then
      options.fail(WHERE, "option 'record' does not go with stages: a recording has one set of "
        .. "options")
    end
    local stages = {}
    for number, given in ipairs(opt.stages) do
      stages[number] = check_stage(opt, number, given)
    end
    opt.stages = stages
  end
  if (opt.learn or opt.layers or opt.stages) and not DISCRETE[opt.engine] then
    options.fail(WHERE, "learn, layers and stages go with the engines discrete and backprop, got "
      .. "%s", opt.engine)
  elseif opt.gate and not M.by_nodes(opt) then
    options.fail(WHERE, "option 'gate' has no effect beside perturb = \"parameters\": a gate "
      .. "belongs to a node")
  end
  local code, first, values = opt.perturbation and opt.perturbation.code, 0
  repeat
    local _, count = M.compile(opt, first)
    local number, _, last = M.stage_at(opt, first)
    if values and count ~= values and type(code) ~= "string" then
      options.fail(("%s: stages: stage %d"):format(WHERE, number), "it perturbs %d values and the "
        .. "first one %d, but a code in Lua gives as many in all stages", count, values)
    end
    values, first = count, last
  until last == math.huge
end

return M
