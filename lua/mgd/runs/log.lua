--- The log of a run: JSON lines, for jq, pandas and whatever else follows a file.
--
-- One object a line, appended and flushed at once, with `event` and `step` in each:
--
--     {"event":"start","step":0,"date":…,"version":…,"chip":…,"data":…,"options":{…},"replicas":…}
--     {"event":"row","step":100,"evaluations":200,"time":…,"wall":…,"cost":0.21,"accuracy":0.5}
--     {"event":"diverged","step":64,"replica":3,"cost":5.1e12,"reference":0.31}
--     {"event":"stopped","step":100,"replica":3,"finite":true}
--     {"event":"warning","step":128,"message":…}
--     {"event":"end","step":1000,"wall":…,"message":…}
--
-- Probes are numbers, or arrays over the replicas of an ensemble; what is not finite is null.
-- @module mgd.runs.log

local core = require "mgd.core"
local files = require "mgd.base.files"
local json = require "mgd.text.json"
local options = require "mgd.base.options"

local Log = {}
Log.__index = Log

local function write(log, event)
  event.step = event.step or log.run.steps_done
  local ok, message = log.file:write(json.encode(event, { strict = true }), "\n")
  if ok then
    ok, message = log.file:flush()
  end
  if not ok then
    options.fail("run:run", "option 'log': %s: %s", log.path, tostring(message))
  end
end

--- Takes a row, and says which replicas have stopped since the last one.
-- @tparam table row `step`, `evaluations`, `time`, `wall`, probes
function Log:row(row)
  local event = { event = "row" }
  for name, value in pairs(row) do
    event[name] = value
  end
  write(self, event)
  for r = 1, self.run.options.replicas do
    local step, finite = self.run.core:stopped(r)
    if step and not self.stopped[r] then
      self.stopped[r] = true
      write(self, { event = "stopped", step = step, finite = finite,
        replica = self.run:number(r) })
    end
  end
  if self.run.warning and not self.warned then
    self.warned = true
    write(self, { event = "warning", message = self.run.warning })
  end
end

--- Says that a replica has diverged, soon after it has.
-- @tparam integer r
-- @tparam integer step
-- @tparam number cost at that step
-- @tparam number reference what its first window costs
function Log:diverged(r, step, cost, reference)
  write(self, { event = "diverged", step = step, replica = self.run:number(r), cost = cost,
    reference = reference })
end

--- The last line; closes the file.
-- @tparam[opt] string message why the run ended early
function Log:finish(message)
  write(self, { event = "end", wall = self.run.wall_before, message = message ~= "" and message
    or nil })
  self.file:close()
end

local M = {}

--- Begin a log, behind what the file holds already.
-- @tparam run run
-- @tparam string path
-- @tparam table described options as plain data
-- @treturn log
function M.open(run, path, described)
  files.check_path("run:run: option 'log'", path)
  local file, message = io.open(path, "ab")
  if not file then
    options.fail("run:run", "option 'log': %s", message)
  end
  local o = run.options
  local log = setmetatable({ run = run, path = path, file = file, stopped = {}, warned = false },
    Log)
  write(log, { event = "start", date = os.date "!%Y-%m-%dT%H:%M:%SZ", options = described,
    version = core.base.version(), chip = tostring(o.chip), data = o.data.name,
    replicas = o.replicas })
  return log
end

return M
