--- Processes that work on the batches of a sweep, one batch each at a time.
--
-- A batch belongs to whoever holds the lock on its file, which ends with the process: what a worker
-- leaves behind that was killed, another takes up from its last checkpoint. A store in memory lies
-- in a file meanwhile; one that could not be written is this process's own, which does it all.
-- @module mgd.studies.sweep.workers

local core = require "mgd.core"
local files = require "mgd.base.files"
local runner = require "mgd.studies.experiment.runner"
local interrupts = require "mgd.base.interrupts"
local stores = require "mgd.studies.store"

local process = core.process

local M = {}

local POLL = 0.2      -- seconds between two looks at the workers
local SHOW_EVERY = 1  -- seconds between two notes of how far a batch has come
local MOST_DEATHS = 3 -- of workers in a row, without a batch done between them

-- ---- one batch ----------------------------------------------------------------------------------

-- Beside the store, as SQLite's own files are.
local function file_of(ledger, number, kind)
  return ("%s-sweep%d-%04d.%s"):format(ledger.store.path, ledger.id, number, kind)
end

local function run_batch(ledger, number, opt)
  local durable = not ledger.store.in_memory and not opt.temporary
  local checkpoint = durable and file_of(ledger, number, "checkpoint") or nil
  local shown = core.base.clock()
  runner.ensemble(ledger:groups(number), { store = ledger.store, threads = opt.threads,
    checkpoint = checkpoint, checkpoint_every = opt.checkpoint_every }, {
    owns_checkpoint = true,
    on_row = function(step)
      if core.base.clock() - shown > SHOW_EVERY then
        ledger:at(number, step)
        shown = core.base.clock()
      end
      if opt.on_row then
        opt.on_row()
      end
    end,
    on_finish = function()
      ledger:done(number)
    end,
  })
  if checkpoint then
    os.remove(checkpoint)
  end
end

-- Runs a batch unless another process has it. A failure is noted, and the sweep goes on.
local function try_batch(ledger, number, opt)
  local path = file_of(ledger, number, "lock")
  local lock, refusal = ledger.store.in_memory, nil
  if not lock then
    lock, refusal = process.lock(path)
  end
  if refusal then -- where no file can be made, the store itself can hardly be written
    ledger.store:to_memory(refusal)
    lock = true
  elseif not lock then
    return false
  end
  if ledger:is_open(number) then -- it may have been done since the list was read
    local ok, message = interrupts.pcall(run_batch, ledger, number, opt)
    if not ok then
      ledger:failed(number, tostring(message))
    end
  end
  if lock ~= true then
    os.remove(path)
    lock:release()
  end
  return true
end

-- Batch after batch until none is left that others do not have.
local function work(ledger, opt)
  local found = true
  while found do
    found = false
    for _, number in ipairs(ledger:open()) do
      if try_batch(ledger, number, opt) then
        found = true
        break
      end
    end
    if ledger.store.reason and opt.leave_disk then
      return
    end
  end
end

-- ---- processes ----------------------------------------------------------------------------------

-- In the child: works with a connection of its own, and leaves. The first one reports a lock that
-- all of them wait for.
local function child(ledger, opt, number)
  local before = interrupts.count()
  local ok, message = pcall(function()
    local patience = number == 1 and ledger.store.patience or math.huge
    local store = stores.open { path = ledger.store.path, patience = patience }
    work(ledger:with(store), { threads = opt.threads, checkpoint_every = opt.checkpoint_every,
      temporary = opt.temporary, leave_disk = true })
    store:close()
  end)
  if not ok and interrupts.count() == before then
    io.stderr:write("mgd: worker: ", tostring(message), "\n")
  end
  process.leave(ok and 0 or 1)
end

-- Starts workers, whose numbers are added to `pids`. A connection must not be shared with a child:
-- it is closed while children are made, and open again afterwards even where Ctrl-C fell into that.
-- Where a later one cannot be made, those that there are do all.
local function start(ledger, opt, count, pids)
  collectgarbage()
  collectgarbage() -- what is the parent's to finalise shall not be a child's as well
  ledger.store:disconnect()
  local made, message = pcall(function()
    for number = 1, count do
      local ok, pid = pcall(process.fork)
      if ok and pid == 0 then
        child(ledger, opt, number)
      end
      pids[#pids + 1] = ok and pid or nil
    end
  end)
  ledger.store:connect()
  if not made then
    error(message, 0)
  end
end

local function remove(pids, gone)
  for i, pid in ipairs(pids) do
    if pid == gone then
      table.remove(pids, i)
      return
    end
  end
end

local function stop(pids)
  for _, pid in ipairs(pids) do
    process.kill(pid, "term")
  end
  while #pids > 0 do
    remove(pids, (process.wait(pids, 1)))
  end
end

-- What became of a worker: whether another is to take its place.
local function after(ledger, state, signal)
  if not signal then
    return false
  end
  local open = #ledger:open()
  state.deaths = open < state.open and 1 or state.deaths + 1
  state.open = open
  io.stderr:write(("mgd: warning: a worker of the sweep was killed by signal %d: others take up "
    .. "its points\n"):format(signal))
  if state.deaths >= MOST_DEATHS then
    error(("sweep:run: %d workers in a row were killed, the last by signal %d, with nothing done "
      .. "between them (not enough memory? then fewer workers)"):format(state.deaths, signal), 0)
  end
  return open > 0
end

-- Until all have ended; `pids` holds those that have not.
local function watch(ledger, opt, pids)
  local state = { deaths = 0, open = #ledger:open() }
  while #pids > 0 do
    local pid, _, signal = process.wait(pids, POLL)
    if pid then
      remove(pids, pid)
      if after(ledger, state, signal) then
        start(ledger, opt, 1, pids)
      end
    end
    if opt.on_row then
      opt.on_row()
    end
  end
end

local function share_out(ledger, opt)
  local pids = {}
  local ok, message = pcall(function()
    start(ledger, opt, math.min(opt.workers, #ledger:open()), pids)
    watch(ledger, opt, pids)
  end)
  if not ok then
    stop(pids)
    for _, number in ipairs(opt.temporary and ledger:open() or {}) do
      os.remove(file_of(ledger, number, "lock"))
    end
    error(message, 0)
  end
end

-- Files of processes that were killed: just after a batch was done, or within a checkpoint.
local function sweep_up(ledger)
  for number = 1, ledger:count() do
    local checkpoint = file_of(ledger, number, "checkpoint")
    os.remove(checkpoint)
    files.sweep_up(checkpoint)
    os.remove(file_of(ledger, number, "lock"))
  end
end

--- Do all batches that are open.
-- @tparam ledger ledger
-- @tparam table opt `workers`, `threads` of each, `checkpoint_every`, `on_row()`: called often
function M.run(ledger, opt)
  local store = ledger.store
  if opt.workers > 1 and #ledger:open() > 1 and not store.reason then
    if store.in_memory then
      store:in_file(function()
        if not store.in_memory then
          opt.temporary = true
          share_out(ledger, opt)
        end
      end)
    else
      share_out(ledger, opt)
    end
  end
  -- what is left: all of it with one worker; else what the workers could not write
  local alone = { threads = opt.workers > 1 and opt.workers * (opt.threads or 1) or opt.threads,
    checkpoint_every = opt.checkpoint_every, on_row = opt.on_row }
  work(ledger, alone)
  while #ledger:open() > 0 do -- another sweep of this name is at work on these
    process.wait({}, POLL)
    if opt.on_row then
      opt.on_row()
    end
    work(ledger, alone)
  end
  if not store.in_memory then
    sweep_up(ledger)
  end
end

return M
