--- Running experiments: one ensemble, recorded as it goes.
--
-- An ensemble has *slots*, {experiment =, first =, count =}: replicas of one experiment, or of
-- several that differ in nothing but η.
-- @module mgd.experiment.runner

local core = require "mgd.core"
local options = require "mgd.options"
local train = require "mgd.train"

local M = {}

M.SCHEMA = {
  { "store", type = "any", doc = "A store, or the path of one: rows and results go there." },
  { "log", type = "string", doc = "A file of JSON lines; see run:run." },
  { "progress", type = "boolean", default = false, doc = "A line on the terminal." },
  { "threads", type = "integer", min = 1, doc = "MGD_THREADS, or all processors, without." },
  { "checkpoint", type = "string",
    doc = "A file: the run is saved there as it goes, and goes on from there where there is one." },
  { "checkpoint_every", type = "number", default = 30, above = 0, unit = "s",
    doc = "Time between two savings." },
}

local function exists(path)
  local file = io.open(path, "rb")
  if file then
    file:close()
  end
  return file ~= nil
end

-- ---- one ensemble of several experiments ----------------------------------------------------------

-- Options of mgd.train for all slots.
local function train_options(slots, threads)
  local opt = slots[1].experiment:train_options()
  local replicas, eta = {}, {}
  for _, slot in ipairs(slots) do
    for replica = slot.first, slot.first + slot.count - 1 do
      replicas[#replicas + 1] = replica
      eta[#eta + 1] = slot.experiment.spec.training.eta
    end
  end
  opt.replicas, opt.replica, opt.threads = #replicas, slots[1].first, threads
  if #slots > 1 then
    opt.replica, opt.eta = replicas, eta
  end
  return opt
end

-- A new run, or the one that was saved.
local function make_run(slots, opt)
  local made = train_options(slots, opt.threads)
  if opt.checkpoint and exists(opt.checkpoint) then
    return require("mgd.checkpoint").resume(opt.checkpoint, { threads = opt.threads,
      chip = made.chip.has_function and made.chip or nil, data = made.data })
  end
  return train.new_run(train.resolve(made))
end

-- ---- recording ----------------------------------------------------------------------------------

local NO_PROBES = { step = true, time = true, wall = true }

-- The slots that run.
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
  local slots, resumed = running(run), run.steps_done > 0
  return function(row)
    local values = {}
    for name, value in pairs(row) do
      if not NO_PROBES[name] then
        values[name] = type(value) == "table" and value or { value }
      end
    end
    if next(values) and not resumed then
      record:row(row.step, values, slots)
    end
    slots, resumed = running(run), false
  end
end

-- Ends the record: what came of each seed.
local function finish(run, record, history, also)
  local replicas = run.options.replicas
  local values = { wall = run.wall_before, threads = run.options.threads, steps = {}, cost = {},
    accuracy = {} }
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

-- Runs to the end, a stop, or the end of the last replica.
local function go(run, exp, opt, record, on_row)
  local take, saved = record and recorder(run, record), core.base.clock()
  local ok, message = pcall(run.run, run, {
    steps = exp.plain.steps - run.steps_done, every = exp.plain.every, probes = exp.plain.probes,
    stop = exp.plain.stop, log = opt.log, progress = opt.progress, keep_stopped = true,
    on_row = function(row)
      if take then
        take(row)
      end
      if opt.checkpoint and core.base.clock() - saved > opt.checkpoint_every then
        if record then
          record:flush(true) -- nothing that the checkpoint takes for done may be lost
        end
        run:save(opt.checkpoint)
        saved = core.base.clock()
      end
      if on_row then
        on_row(row.step)
      end
    end,
  })
  -- that the cost of every seed became infinite is a result; all else stops here
  if not ok and not tostring(message):find("the cost became", 1, true) then
    if record then
      record:flush()
    end
    error(message, 0)
  end
end

--- Run an ensemble.
-- @tparam table slots list of {experiment =, first =, count =}
-- @tparam table opt of `M.SCHEMA`, checked; `store` is a store
-- @tparam[opt] table hooks `on_row(step)`; `on_finish()`, in the transaction that ends the record
-- @treturn run
function M.ensemble(slots, opt, hooks)
  hooks = hooks or {}
  local run = make_run(slots, opt)
  local record = opt.store and opt.store:record(slots)
  if record then
    record:rewind(run.steps_done > 0 and run.steps_done or -1)
  end
  go(run, slots[1].experiment, opt, record, hooks.on_row)
  if record then
    finish(run, record, run.history, hooks.on_finish)
  end
  return run
end

--- Run an experiment; `experiment:run` is this.
function M.run(exp, opts)
  local opt = options.check("experiment:run", M.SCHEMA, opts)
  local opened
  if type(opt.store) == "string" then
    opt.store = require("mgd.store").open(opt.store)
    opened = opt.store
  elseif opt.store ~= nil and not require("mgd.store").is_store(opt.store) then
    options.fail("experiment:run", "option 'store' must be a store or the path of one, got %s",
      options.type_name(opt.store))
  end
  local seeds = exp.plain.seeds
  local ok, run = pcall(M.ensemble, { { experiment = exp, first = seeds.first,
    count = seeds.count } }, opt)
  if opened and not opened.reason then
    opened:close()
  end
  if not ok then
    error(run, 0)
  end
  return { experiment = exp, run = run, history = run.history, solved = run.history.stopped,
    diverged = run.history.diverged, store = opt.store }
end

return M
