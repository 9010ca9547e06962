--- Saving a run; mgd.runs.checkpoint says what is in the file, and goes on from it.
-- @module mgd.runs.save

local core = require "mgd.core"
local files = require "mgd.base.files"
local json = require "mgd.text.json"
local options = require "mgd.base.options"
local recipe = require "mgd.runs.recipe"

local M = {}

M.FORMAT = 3 -- of the text; that of the file around it is the core's

-- Versions above 1 of the laws of a chip's models, by name; nil where there are none.
local function versions_of(chip)
  local versions = {}
  for _, models in pairs(chip.stages) do
    for _, model in ipairs(models) do
      versions[model.name] = model:describe().version
    end
  end
  return next(versions) and versions or nil
end

-- The recipe of the chip, as the format has it.
local function saved_chip(chip)
  if chip.has_function then
    return chip.net and not chip.rtl
      and { parameters = chip.num_parameters, versions = versions_of(chip) }
      or recipe.chip(chip)
  end
  local plain, stages = recipe.network(chip.net), recipe.chip(chip)
  plain.parameters, plain.seed, plain.clock = chip.num_parameters, chip.seed, chip.clock
  plain.substeps = stages.substeps
  stages.seed, stages.clock, stages.substeps = nil, nil, nil
  plain.stages = stages
  return plain
end

-- Tensors of the file: parallel lists of names and values.
local function collect_tensors(run)
  local names, values = {}, {}
  local function add(name, value)
    names[#names + 1], values[#values + 1] = name, value
  end
  local opt = run.options
  if not opt.chip.has_function then
    add("chip.theta", opt.chip.net:theta())
  end
  local perturbation = opt.perturbation or {}
  if options.is_tensor(perturbation.amplitudes) and type(perturbation.code) == "string" then
    add("perturbation.amplitudes", perturbation.amplitudes)
  end
  if not opt.data.recipe then
    add("data.x", opt.data.x)
    add("data.y", opt.data.y)
    if opt.data.test then
      add("data.test.x", opt.data.test.x)
      add("data.test.y", opt.data.test.y)
    end
  end
  for _, entry in ipairs(run.core:state()) do
    add("run." .. entry[1], entry[2])
  end
  return names, values
end

--- Save a run; `run:save(path)` is this.
--
-- The file is written beside `path` and takes its place only once it is complete and on the disk: a
-- failure, Ctrl-C or a power cut leaves the older file as it was.
-- @tparam run run  at any step, with stopped replicas too
-- @tparam string path
-- @raise when the file cannot be written, or the run is running; when a model of yours remembers
--   what is no plain data, naming it
function M.save(run, path)
  files.check_path("run:save", path)
  local opt = run.options
  local plain, functions = recipe.training(opt)
  plain.dt = run.dt_known and plain.dt or nil
  local names, tensors = collect_tensors(run)
  local memory, remembered = run.memory:encode(function(r)
    return run:number(r)
  end)
  for i, tensor in ipairs(remembered) do
    names[#names + 1], tensors[#tensors + 1] = "memory." .. i, tensor
  end
  core.checkpoint.write(path, json.encode({
    format = M.FORMAT,
    mgd = core.base.version(),
    options = plain,
    functions = functions,
    chip = saved_chip(opt.chip),
    data = { name = opt.data.name, fingerprint = opt.data:fingerprint(), recipe = opt.data.recipe },
    wall = run.wall_before,
    step = opt.stages and run.steps_done or nil,
    memory = memory,
  }, { where = "run:save" }), names, tensors)
end

return M
