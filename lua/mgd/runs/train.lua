--- Training by multiplexed gradient descent.
--
-- `mgd.train{…}` makes a run, see mgd.runs.run; its options are in mgd.runs.settings.
-- @module mgd.runs.train

local hardware = require "mgd.runs.hardware"
local runs = require "mgd.runs.run"
local settings = require "mgd.runs.settings"

local M = {
  SCHEMA = settings.SCHEMA,
  OPTIMIZERS = settings.OPTIMIZERS,
  RUN_SCHEMA = runs.SCHEMA,
  resolve = settings.resolve,
  new_run = runs.new,
}

--- Make a run. Nothing is trained until `run:run{…}`, and the network itself changes only by
-- `net:set_theta(run:theta())`.
-- @tparam table opts see `M.SCHEMA`: `net` or `chip`, `data`, `cost`, `batch`, `shuffle`,
--   `engine`, `perturbation`, `tau_p`, `tau_theta`, `tau_x`, `eta`, `baseline`, `convention`,
--   `optimizer`, `clamp`, `clip`, `settle`, `init`, `replicas`, `replica`, `seed`, `dt`, `threads`
-- @treturn run with `steps_done`, `options`, `history` (of the last `run:run`) and methods
-- @raise on every option that is unknown, of the wrong type or out of range
function M.train(opts)
  local opt = settings.resolve(opts)
  hardware.check(opt)
  return runs.new(opt)
end

return M
