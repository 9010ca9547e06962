--- Traces: what the chip of a run answered and what became of θ, step by step.
-- @module mgd.runs.trace

local core = require "mgd.core"
local files = require "mgd.base.files"
local options = require "mgd.base.options"
local record = require "mgd.text.record"
local recording = require "mgd.runs.recording"

local M = {}

M.SCHEMA = {
  { "steps", type = "integer", required = true, min = 1, doc = "By which the run is advanced." },
  { "replica", type = "integer", default = 1, min = 1, doc = "Which one is traced." },
}

local trace_of = record.kind "mgd.trace"

-- Calls body(path) while the run is recorded there: into its own recording, where it has one.
local function recorded(run, body)
  if run.recording then
    return body(run.recording.path)
  end
  return files.in_folder(function(folder)
    local path = folder .. "/trace.mgdrec"
    run.recording = recording.new(run, path)
    local ok, result = pcall(body, path)
    run.recording:finish()
    return ok and result or error(result, 0)
  end)
end

-- θ of the replica that is traced.
local function theta_of(run, replica)
  local theta = run:theta()
  return (run.options.replicas > 1 and theta[replica] or theta):totable()
end

--- Advance a run, and keep every step: `run:trace` is this.
-- @tparam run run
-- @tparam table given `steps`; `replica` (1)
-- @treturn trace `theta`: θ before the first step and after each, lists of P numbers; `costs`: what
--   was measured in each step, in order, lists of numbers; `first`: the step at which it begins
-- @raise where the run cannot be recorded, and as run:run does
-- @usage local trace = run:trace{steps = 100}
function M.trace(run, given)
  local opt = options.check("run:trace", M.SCHEMA, given)
  if opt.replica > run.options.replicas then
    options.fail("run:trace", "option 'replica' is %d: the run has %d", opt.replica,
      run.options.replicas)
  end
  local first = run.steps_done
  return recorded(run, function(path)
    local trace = { first = first, costs = {}, theta = {} }
    run:run { steps = opt.steps, every = 1, probes = {}, on_row = function()
      table.insert(trace.theta, theta_of(run, opt.replica))
    end }
    local read = core.recording.read(path)
    for step = 1, opt.steps do
      trace.costs[step] = read:costs(first + step - 1, opt.replica)
    end
    return trace_of(trace)
  end)
end

return M
