--- Experiments as data: everything that a training run depends on, in one table.
--
--     local exp = mgd.experiment{
--       name = "xor", data = "xor",
--       network = {2, 2, 1, activation = "sigmoid", output = "sigmoid"},
--       training = {tau_theta = 4, eta = 2, perturbation = {code = "walsh", amplitude = 0.05}},
--       steps = 1e5, every = 100, stop = {cost = 0.04}, seeds = 16}
--     local result = exp:run()
--
-- An experiment is checked when it is made, and never changes: `exp:with{…}` is a new one. It is
-- printed, compared and saved as the *resolved* table, in which every default is filled in.
-- @module mgd.studies.experiment

local class = require "mgd.studies.experiment.class"
local environment = require "mgd.studies.experiment.environment"
local naming = require "mgd.base.naming"
local runner = require "mgd.studies.experiment.runner"

--- Run the experiment; see mgd.studies.experiment.runner.
-- @tparam[opt] table opts `store`, `log`, `progress`, `threads`, `checkpoint`
-- @treturn result `experiment`, `run`, `history`, `solved` and `diverged`: tensors (R) of the step
--   at which a seed fulfilled `stop`, and at which it diverged; nan where neither
function class.Experiment:run(opts)
  return runner.run(self, opts)
end

return naming.module("mgd.experiment", {
  SCHEMA = class.SCHEMA,
  environment = environment, -- of this process
  from_plain = class.from_plain,
  is_experiment = class.is_experiment,
  load = class.load,
  new = class.new,
  with_stop = class.with_stop,
}, { call = class.new })
