--- Running experiments: one ensemble, recorded as it goes.
--
-- An ensemble has *groups*, {experiment =, first =, count =}: replicas of one experiment, or of
-- several that differ in nothing but η.
-- @module mgd.studies.experiment.runner

local checkpoint = require "mgd.runs.checkpoint"
local core = require "mgd.core"
local files = require "mgd.base.files"
local interrupts = require "mgd.base.interrupts"
local options = require "mgd.base.options"
local recipe = require "mgd.runs.recipe"
local store = require "mgd.studies.store.class"
local train = require "mgd.runs.train"

local M = {}

local result_of = require("mgd.text.record").kind("mgd.experiment.result", { "store" })

M.SCHEMA = {
  { "store", type = "any", doc = "A store, or the path of one: rows and results go there." },
  { "log", type = "string", doc = "A file of JSON lines; see run:run." },
  { "progress", type = "boolean", default = false,
    doc = "A line on the terminal (stderr); elsewhere one every 10 s." },
  options.stated "threads",
  { "checkpoint", type = "string",
    doc = "A file: the run is saved there as it goes, and goes on from there where there is one; "
      .. "it is removed when the run has ended." },
  { "checkpoint_every", type = "number", default = 30, above = 0, unit = "s",
    doc = "Time between two savings." },
}

-- ---- one ensemble of several experiments --------------------------------------------------------

-- Options of mgd.train for all groups.
local function train_options(groups, threads)
  local opt = groups[1].experiment:train_options()
  local replicas, eta = {}, {}
  for _, group in ipairs(groups) do
    for replica = group.first, group.first + group.count - 1 do
      replicas[#replicas + 1] = replica
      eta[#eta + 1] = group.experiment.plain.training.eta
    end
  end
  opt.replicas, opt.replica, opt.threads = #replicas, groups[1].first, threads
  if #groups > 1 then
    opt.replica, opt.eta = replicas, eta
  end
  return opt
end

-- ---- checkpoints --------------------------------------------------------------------------------

-- What functions of the experiment mgd.resume has to be given again.
local function functions_of(exp, made)
  local given = { data = made.data }
  for _, path in ipairs(exp.functions) do
    local name = path:match "[^.]+$"
    given[name] = path == "chip" and made.chip or exp:written(path)
  end
  if given.perturbation then
    given.perturbation = made.perturbation
  end
  return given
end

-- The run that was saved, and where it is another than `run`, if so.
local function saved_run(groups, opt, made, run)
  local given = functions_of(groups[1].experiment, made)
  given.threads = opt.threads
  local saved = checkpoint.resume(opt.checkpoint, given)
  local steps = groups[1].experiment.plain.steps
  local new, old = recipe.describe(run.options), recipe.describe(saved.options)
  local differs = recipe.differences(new, old)[1]
  return saved, differs and differs.path or saved.steps_done > steps and "steps" or nil
end

-- A new run, or the one that was saved.
local function make_run(groups, opt, owns_checkpoint)
  local made = train_options(groups, opt.threads)
  local run = train.new_run(train.resolve(made))
  if not (opt.checkpoint and files.exists(opt.checkpoint)) then
    return run
  end
  local ok, saved, differs = interrupts.pcall(saved_run, groups, opt, made, run)
  if ok and not differs then
    return saved
  elseif not ok and not owns_checkpoint then
    error(saved, 0)
  elseif owns_checkpoint then -- left by something else that had its name
    return run
  end
  options.fail("experiment:run", "option 'checkpoint': %s is of another run: %s differs; remove it "
    .. "or give another name", opt.checkpoint, differs)
end

-- ---- recording ----------------------------------------------------------------------------------

local NO_PROBES = { step = true, evaluations = true, time = true, wall = true }

-- The replicas that run, by their places.
local function running(run)
  local list = {}
  for r, step in ipairs(run.core:stops()) do
    list[#list + 1] = not step and r or nil
  end
  return list
end

-- Takes rows to the store, but those of a seed that had stopped by the row before; where the run
-- goes on from a checkpoint, its first row is there already.
local function recorder(run, record)
  local replicas, resumed = running(run), run.steps_done > 0
  return function(row)
    local values = {}
    for name, value in pairs(row) do
      if not NO_PROBES[name] then
        values[name] = type(value) == "table" and value or { value }
      end
    end
    if next(values) and not resumed then
      record:row(row.step, values, replicas)
    end
    replicas, resumed = running(run), false
  end
end

-- Ends the record: what came of each seed.
local function finish(run, record, history, also)
  local replicas = run.options.replicas
  local values = { wall = run.wall_before, threads = run.options.threads or core.base.threads(),
    steps = {}, cost = {}, accuracy = {} }
  for r = 1, replicas do
    local solved, diverged = history.stopped[r], history.diverged[r]
    values.steps[r] = run.core:stopped(r) or run.steps_done
    for _, name in ipairs { "cost", "accuracy" } do
      local row = history[name] and history[name][-1]
      values[name][r] = row and (replicas > 1 and row[r] or row) or 0 / 0
    end
    if solved == solved then
      record:solved(r, solved)
    elseif diverged == diverged then
      record:diverged(r, diverged)
    end
  end
  record:finish(values, also)
end

-- The function that saves a run to a checkpoint now and then. One that cannot be written costs what
-- is done since the last one, should the process end; the run itself goes on.
local function saver(run, opt, record)
  local saved, reported = core.base.clock(), false
  return opt.checkpoint and function()
    if core.base.clock() - saved <= opt.checkpoint_every then
      return
    end
    saved = core.base.clock()
    if record and not record:flush(true) then
      return -- nothing that the checkpoint takes for done may be missing
    end
    local ok, message = interrupts.pcall(run.save, run, opt.checkpoint)
    if not ok and not reported then
      reported = true
      io.stderr:write(("mgd: warning: %s; the run goes on without a checkpoint of it\n"):format(
        (tostring(message):gsub("^[^\n]-:%d+: ", "", 1))))
    end
  end
end

-- Runs to the end, a stop, or the end of the last replica.
local function go(run, exp, opt, record, on_row)
  local take, save = record and recorder(run, record), saver(run, opt, record)
  local ok, message = pcall(run.run, run, {
    steps = exp.plain.steps - run.steps_done, every = exp.plain.every, probes = exp.plain.probes,
    stop = exp.plain.stop, log = opt.log, progress = opt.progress, keep_stopped = true,
    on_row = function(row)
      if take then
        take(row)
      end
      if save then
        save()
      end
      if on_row then
        on_row(row.step)
      end
    end,
  })
  -- that the cost of every seed became infinite is a result; all else stops here
  if not ok and not tostring(message):find("the cost became", 1, true) then
    error(message, 0)
  end
end

--- Run an ensemble.
-- @tparam table groups list of {experiment =, first =, count =}
-- @tparam table opt of `M.SCHEMA`, checked; `store` is a store
-- @tparam[opt] table hooks `on_row(step)`; `on_finish()`, in the transaction that ends the record;
--   `owns_checkpoint`: a checkpoint of something else is ignored, not an error
-- @treturn run
function M.ensemble(groups, opt, hooks)
  hooks = hooks or {}
  local run = make_run(groups, opt, hooks.owns_checkpoint)
  local record = opt.store and opt.store:record(groups)
  if record then
    record:rewind(run.steps_done > 0 and run.steps_done or -1)
  end
  local ok, message = pcall(function()
    go(run, groups[1].experiment, opt, record, hooks.on_row)
    if record then
      finish(run, record, run.history, hooks.on_finish)
    end
  end)
  if not ok and record and hooks.owns_checkpoint then
    record:flush() -- what it cannot write now is made again from the checkpoint
  elseif not ok and record then
    record:stop()
  end
  if not ok then
    error(message, 0)
  end
  return run
end

--- Run an experiment; `experiment:run` is this.
function M.run(exp, opts)
  local opt = options.check("experiment:run", M.SCHEMA, opts)
  local opened
  if opt.checkpoint then
    files.check_path("experiment:run: option 'checkpoint'", opt.checkpoint)
  end
  if type(opt.store) == "string" then
    opt.store = store.open(opt.store)
    opened = opt.store
  elseif opt.store ~= nil and not store.is_store(opt.store) then
    options.fail("experiment:run", "option 'store' must be a store or the path of one, got %s",
      options.type_name(opt.store))
  end
  local seeds = exp.plain.seeds
  local ok, run = pcall(M.ensemble, { { experiment = exp, first = seeds.first,
    count = seeds.count } }, opt)
  if ok and opt.checkpoint then
    os.remove(opt.checkpoint)
  end
  if opened and not opened.reason then
    opened:close()
  end
  if not ok then
    error(run, 0)
  end
  return result_of { experiment = exp, run = run, history = run.history,
    solved = run.history.stopped, diverged = run.history.diverged, store = opt.store }
end

return M
