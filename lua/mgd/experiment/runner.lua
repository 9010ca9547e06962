--- Running an experiment: a run of mgd.train for all its seeds, recorded as it goes.
-- @module mgd.experiment.runner

local core = require "mgd.core"
local options = require "mgd.options"
local train = require "mgd.train"

local unpack = table.unpack or rawget(_G, "unpack") -- LuaJIT

local M = {}

M.SCHEMA = {
  { "store", type = "any", doc = "Where rows and results go; see mgd.store." },
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

local NO_PROBES = { step = true, time = true, wall = true }

-- Takes rows to the store, but those of a seed that had stopped by the row before; where the run
-- goes on from a checkpoint, its first row is there already.
local function recorder(run, record)
  local last = run.steps_done > 0 and "first" or -1
  return function(row)
    local values = {}
    for name, value in pairs(last ~= "first" and row or {}) do
      if not NO_PROBES[name] then
        local list = type(value) == "table" and { unpack(value) } or { value }
        for r = 1, #list do
          local step = run.core:stopped(r)
          list[r] = step and step <= last and 0 / 0 or list[r]
        end
        values[name] = list
      end
    end
    if next(values) then
      record:row(row.step, values)
    end
    last = row.step
  end
end

-- Ends the record: what came of each seed.
local function finish(run, record, history)
  local replicas, first = run.options.replicas, run.options.replica
  local values = { wall = run.wall_before, steps = {}, cost = {}, accuracy = {} }
  for r = 1, replicas do
    local solved, diverged = history.stopped[r], history.diverged[r]
    values.steps[r] = run.core:stopped(r) or run.steps_done
    for _, name in ipairs { "cost", "accuracy" } do
      local row = history[name] and history[name][-1]
      values[name][r] = row and (replicas > 1 and row[r] or row) or 0 / 0
    end
    if solved == solved then
      record:solved(first + r - 1, solved)
    elseif diverged == diverged then
      record:diverged(first + r - 1, diverged)
    end
  end
  record:finish(values)
end

-- A new run, or the one that was saved.
local function make_run(exp, opt)
  local made = exp:train_options()
  made.threads = opt.threads
  if opt.checkpoint and exists(opt.checkpoint) then
    return require("mgd.checkpoint").resume(opt.checkpoint, { threads = opt.threads,
      chip = made.chip.has_function and made.chip or nil, data = made.data })
  end
  return train.new_run(train.resolve(made))
end

--- Run an experiment; `experiment:run` is this.
function M.run(exp, opts)
  local opt = options.check("experiment:run", M.SCHEMA, opts)
  if opt.store then
    exp:need_plain "experiment:run: store"
  end
  local run = make_run(exp, opt)
  local record = opt.store and opt.store:record(exp, exp.plain.seeds)
  if record and run.steps_done > 0 then
    record:rewind(run.steps_done)
  end
  local take, saved = record and recorder(run, record), core.base.clock()
  local ok, message = pcall(run.run, run, {
    steps = exp.plain.steps - run.steps_done, every = exp.plain.every, probes = exp.plain.probes,
    stop = exp.plain.stop, log = opt.log, progress = opt.progress, keep_stopped = true,
    on_row = function(row)
      if take then
        take(row)
      end
      if opt.checkpoint and core.base.clock() - saved > opt.checkpoint_every then
        run:save(opt.checkpoint)
        saved = core.base.clock()
      end
    end,
  })
  -- that the cost of every seed became infinite is a result; all else stops here
  if not ok and not tostring(message):find("the cost became", 1, true) then
    error(message, 0)
  end
  local history = run.history
  if record then
    finish(run, record, history)
  end
  return { experiment = exp, run = run, history = history, solved = history.stopped,
    diverged = history.diverged }
end

return M
