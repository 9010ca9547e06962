--- Checkpoints: a run in a file, to be continued bit for bit.
--
-- A checkpoint is one file: a text that says what was trained and how, and the tensors that the run
-- consists of. `run:save(path)` replaces the file whole or not at all; `mgd.resume(path)` refuses a
-- file that was damaged anywhere. The text is data and nothing else: reading a checkpoint runs no
-- code from it.
--
-- What it holds: the options of `mgd.train`; the network of an ideal chip, with its present
-- parameters; the recipe and the fingerprint of the data set, or its tensors where it has no
-- recipe; the state of the run: parameters, G, the optimizer's moments, the step; and what models
-- of the user's remember. Functions (a chip in Lua, `eta`, `cost`) cannot be saved and are given
-- again to `mgd.resume`.
-- @module mgd.runs.checkpoint

local chips = require "mgd.hardware.chip"
local core = require "mgd.core"
local data = require "mgd.data"
local files = require "mgd.base.files"
local hardware = require "mgd.runs.hardware"
local hw = require "mgd.hardware.hw"
local interrupts = require "mgd.base.interrupts"
local json = require "mgd.text.json"
local memories = require "mgd.hardware.memory"
local options = require "mgd.base.options"
local recipe = require "mgd.runs.recipe"
local save = require "mgd.runs.save"
local train = require "mgd.runs.train"

local M = { save = save.save }

local SCHEMA = {
  { "chip", type = "any", doc = "What is trained; needed when it was a chip in Lua." },
  { "net", type = "any", doc = "Instead of chip: a network, trained as an ideal chip." },
  { "data", type = "table", doc = "The same data set, from elsewhere." },
  { "cost", type = { "string", "function" }, doc = "Needed when it was a function." },
  { "eta", type = { "number", "schedule" }, doc = "Needed when it was a function." },
  { "tau_p", type = { "integer", "schedule" }, doc = "Needed when it was a function." },
  { "tau_theta", type = { "number", "schedule" }, doc = "Needed when it was a function." },
  { "tau_x", type = { "integer", "schedule" }, doc = "Needed when it was a function." },
  { "amplitude", type = { "number", "schedule" }, doc = "Needed when it was a function." },
  { "norm", type = { "number", "schedule" }, doc = "Needed when it was a function." },
  { "perturbation", type = { "table", "string", "function", "coroutine" },
    doc = "Needed when it was a function or a coroutine; these begin at slot 0 again." },
  { "threads", type = "integer", min = 1, doc = "As in mgd.train: changes no result." },
  { "record", type = "string",
    doc = "As in mgd.train: a new file, or the run's own recording, in which it goes on." },
}

local DAMAGED = "%s: it is damaged, or not of this library"

local EXAMPLES = {
  cost = "cost = function(y, target) … end",
  perturbation = "perturbation = function(slot, time) … end",
}

-- Fails, naming everything at once, when something that a file cannot hold has not been given.
local function check_given(saved, opt, path)
  local names, examples = {}, {}
  local wired, rtl = saved.chip.instrument, saved.chip.rtl
  if not saved.chip.layers and not opt.chip and not opt.net then
    names[1] = "chip"
    examples[1] = wired and ('chip = mgd.chip{instrument = "%s"}'):format(tostring(wired.address))
      or rtl and ('chip = mgd.chip{verilog = "%s", …}'):format(tostring(rtl.dir))
      or ("chip = mgd.chip{parameters = %d, evaluate = …}"):format(saved.chip.parameters)
  end
  for _, name in ipairs(saved.functions) do
    if opt[name] == nil then
      names[#names + 1] = name
      examples[#examples + 1] = EXAMPLES[name] or name .. " = function(step) … end"
    end
  end
  if #names > 0 then
    options.fail("mgd.resume", "%s: the run had %s, which a file cannot hold: give %s "
      .. 'again: mgd.resume("%s", {%s})', path, wired and "an instrument"
      or rtl and "a circuit in Verilog" or "functions",
      table.concat(names, " and "), path, table.concat(examples, ", "))
  end
end

local function check_parameters(saved, opt, path)
  local given = opt.chip or opt.net
  local count = type(given) == "table" and given.num_parameters
  if count and count ~= saved.chip.parameters then -- other values are mgd.train's to refuse
    options.fail("mgd.resume", "the chip given has %d parameters, the one saved in %s had %d",
      count, path, saved.chip.parameters)
  end
end

-- The data set that was given, made again, or saved: the very same, or an error.
local function find_data(saved, given, tensors, path)
  local set
  if given then
    set = data.is_dataset(given) and given or data.from(given)
  elseif saved.data.recipe then
    set = data.restore(saved.data.recipe)
  else
    set = data.from {
      x = tensors["data.x"],
      y = tensors["data.y"],
      test = tensors["data.test.x"] and { x = tensors["data.test.x"], y = tensors["data.test.y"] },
      name = saved.data.name,
    }
  end
  local fingerprint = set:fingerprint()
  if fingerprint ~= saved.data.fingerprint then
    options.fail("mgd.resume", "%s: the data set %s is not the one that the run was trained on: "
      .. "its fingerprint is %s, that of the one saved %s; give that one: "
      .. 'mgd.resume("%s", {data = …})', path, given and "given" or set.name, fingerprint,
      saved.data.fingerprint, path)
  end
  return set
end

-- The version of a model's law in the chip that was saved; nil where it had no such model. Of a
-- chip with a function, which may have had any, only versions above 1 are known.
local function saved_version(saved, stage, name)
  if not saved.layers then
    return saved.versions and saved.versions[name] or 1
  end
  for _, model in ipairs(saved.stages and saved.stages[stage] or {}) do
    if model.name == name then
      return model.version or 1
    end
  end
end

-- A chip that is given goes on by the laws that the saved one had.
local function check_versions(saved, given, path)
  for stage, models in pairs(chips.is_chip(given) and given.net and given.stages or {}) do
    for _, model in ipairs(models) do
      local version = saved_version(saved, stage, model.name)
      local reason = version and hw.other_version(model.name, version)
      if reason then
        options.fail("mgd.resume", "%s: %s", path, reason)
      end
    end
  end
end

-- The chip again, its network with the parameters that were saved.
local function make_chip(saved, theta, path)
  local net = recipe.make_network(saved, function(layer)
    options.fail("mgd.resume", "%s: its network has a layer '%s', which is unknown here", path,
      tostring(type(layer) == "table" and layer.kind))
  end)
  local plain = recipe.copy(saved.stages or {})
  plain.seed, plain.clock, plain.substeps = saved.seed, saved.clock, saved.substeps
  return recipe.make_chip(plain, net:set_theta(theta), function(_, plain_model)
    local model, reason = hw.restore(plain_model)
    return model or options.fail("mgd.resume", "%s: %s", path, reason)
  end)
end

-- What the parts of the text must look like.
local PARTS = {
  { "options", {} },
  { "functions", { positional = { type = "string" } } },
  { "chip", {
    { "parameters", type = "integer", required = true, min = 1 },
    { "instrument", type = "table" },
    { "rtl", type = "table" },
    { "seed", type = "integer" },
    { "dtype", type = "string" },
    { "input", type = "table" },
    { "layers", type = "table" },
    { "stages", type = "table" },
    { "clock", type = "table" },
    { "substeps", type = "integer" },
    { "versions", type = "table" },
  } },
  { "data", {
    { "name", type = "string", required = true },
    { "fingerprint", type = "string", required = true },
    { "recipe", type = "table" },
  } },
}

local function check_saved(saved, path)
  local is_table = type(saved) == "table"
  if is_table and type(saved.format) == "number" and saved.format ~= save.FORMAT then
    options.fail("mgd.resume", "%s was written by mgd %s, in the %s format %d: this one, %s, reads "
      .. "format %d", path, tostring(saved.mgd), saved.format > save.FORMAT and "newer" or "older",
      saved.format, core.base.version(), save.FORMAT)
  end
  for _, part in ipairs(PARTS) do
    local name, schema = part[1], part[2]
    if not is_table or type(saved[name]) ~= "table" then
      options.fail("mgd.resume", "%s: not the checkpoint of a run: it has no '%s'", path, name)
    end
    if name ~= "options" then -- mgd.train's to check
      options.check(("mgd.resume: %s: %s"):format(path, name), schema, saved[name])
    end
  end
end

-- A text may ask for any amount of memory: what it says is compared with the tensors that the file
-- holds before anything is made of it.
local function check_shapes(saved, tensors, path)
  local theta, replicas = tensors["run.theta"], saved.options.replicas
  local shape = theta and theta.shape or {}
  replicas = replicas == nil and 1 or replicas
  if shape[1] ~= replicas or shape[2] ~= saved.chip.parameters or #shape ~= 2 then
    options.fail("mgd.resume", "%s: state: theta is %s of %s: expected %sx%d", path,
      theta and table.concat(shape, "x") or "missing", theta and theta.dtype or "nothing",
      type(replicas) == "number" and ("%.14g"):format(replicas) or tostring(replicas),
      saved.chip.parameters)
  end
end

-- The text of a file as a table, and its tensors by name.
local function parse(path, text, entries)
  local saved, tensors = json.decode(text, function(at)
    options.fail("mgd.resume", "%s: not the text of a checkpoint, at byte %d of it", path, at)
  end), {}
  check_saved(saved, path)
  for _, entry in ipairs(entries) do
    tensors[entry[1]] = entry[2]
  end
  check_shapes(saved, tensors, path)
  return saved, tensors
end

local function restore_state(run, tensors, path)
  if tensors["run.window_gradient"] then
    run.core:keep_gradient()
  end
  local state, known = {}, {}
  for i, entry in ipairs(run.core:state()) do
    local name = "run." .. entry[1]
    state[i], known[name] = tensors[name], true
    if not state[i] then
      options.fail("mgd.resume", "%s: not the checkpoint of such a run: it lacks '%s'", path,
        entry[1])
    end
  end
  for name in pairs(tensors) do
    if name:find "^run%." and not known[name] then
      options.fail("mgd.resume", "%s: not the checkpoint of such a run: it holds '%s'", path,
        name:sub(5))
    end
  end
  run.core:set_state(state)
end

-- Another instrument than before, or one that has lost its state, is a break in the history.
local function check_instrument(run, saved)
  local before, now = saved.instrument, run.options.chip.instrument
  local rtl = run.options.chip.rtl
  if rtl and saved.rtl and saved.rtl.key ~= rtl.key then
    hardware.note_break(run, "the circuit is not made of the same sources, by the same Verilator")
  elseif not now then
    return
  elseif before and before.identity ~= now.identity then
    hardware.note_break(run, ("the chip is '%s', and was '%s'"):format(now.identity,
      tostring(before.identity)))
  elseif before and before.description ~= now.said then
    hardware.note_break(run, ("the chip describes itself as '%s', and did as '%s'"):format(now.said,
      tostring(before.description)))
  elseif now.integrates or now.writes then
    hardware.note_break(run, "the chip has a state of its own, which no checkpoint holds")
  end
end

-- What `make` returns. Whatever goes wrong in it is reported with the file's name: errors of the
-- library stand at the user's line; all others come of a text that run:save has not written.
local function made_of(path, make)
  local ok, made = interrupts.pcall(make)
  if ok then
    return made
  end
  local message, _, here = tostring(made), pcall(core.fail, "")
  local expected = message:sub(1, #here) == here
  if not expected then
    options.fail("mgd.resume", DAMAGED, path)
  end
  local text = message:sub(#here + 1)
  if text:sub(1, 10) == "mgd.resume" or text:find(path, 1, true) then
    error(message, 0)
  end
  options.fail("mgd.resume", "%s: %s", path, text)
end

-- A run from a file, with options that take the place of what was saved.
local function resume(path, opt, text, entries)
  local saved, tensors = parse(path, text, entries)
  check_given(saved, opt, path)
  check_parameters(saved, opt, path)
  check_versions(saved.chip, opt.chip, path)
  local resolved = saved.options
  if resolved.perturbation and type(resolved.perturbation) ~= "table" then
    options.fail("mgd.resume", DAMAGED, path)
  end
  recipe.restore_training(resolved)
  if tensors["perturbation.amplitudes"] then
    resolved.perturbation.amplitudes = tensors["perturbation.amplitudes"]
  end
  for _, name in ipairs { "chip", "net", "cost", "eta", "tau_p", "tau_theta", "tau_x",
    "perturbation", "threads", "record" } do
    if opt[name] ~= nil then
      resolved[name] = opt[name]
    end
  end
  for _, name in ipairs { "amplitude", "norm" } do
    if opt[name] ~= nil then -- of a run without a perturbation of its own it is refused below
      resolved.perturbation = resolved.perturbation or {}
      resolved.perturbation[name] = opt[name]
    end
  end
  if not opt.chip and not opt.net then
    resolved.chip = make_chip(saved.chip, tensors["chip.theta"], path)
  end
  resolved.data = find_data(saved, opt.data, tensors, path)
  local run = train.new_run(train.resolve(resolved), false, tonumber(saved.step))
  hardware.check(run.options)
  restore_state(run, tensors, path)
  if resolved.stages and saved.step ~= run.steps_done then
    options.fail("mgd.resume", DAMAGED, path)
  end
  if saved.memory ~= nil and not run.memory:decode(saved.memory, memories.tensors_of(tensors),
    run.options.replicas) then
    options.fail("mgd.resume", "%s: not the checkpoint of such a run: its 'memory' is none", path)
  end
  check_instrument(run, saved.chip)
  run.wall_before = tonumber(saved.wall) or 0
  return run
end

--- Continue a saved run: `mgd.resume` is this.
--
-- The run that comes back is where the saved one was, in every bit, and goes on as that would have,
-- with any number of threads. Its network is a new one: `run.options.chip.net`.
-- @tparam string path
-- @tparam[opt] table given  what takes the place of what was saved: `chip` (or `net`), `cost`,
--   `eta`, `tau_p`, `tau_theta`, `tau_x`, `amplitude`, `norm` and `perturbation`, which are needed
--   where they were functions; `data`, the same data set from elsewhere; `threads`; `record`
-- @treturn run
-- @raise on a file that is missing, damaged, or no checkpoint; on functions that were not given; on
--   a chip with another number of parameters; on another data set, or one that is missing here; on
--   a model whose law had another version
-- @usage local run = mgd.resume "x.ckpt"
-- @usage local run = mgd.resume("x.ckpt", {eta = function(step) return 0.5 / (1 + step) end})
function M.resume(path, given)
  files.check_path("mgd.resume", path)
  local opt = options.check("mgd.resume", SCHEMA, given)
  local text, entries = core.checkpoint.read(path)
  return made_of(path, function()
    return resume(path, opt, text, entries)
  end)
end

return M
