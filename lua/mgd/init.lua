--- mgd: multiplexed gradient descent from Lua.
--
-- `local mgd = require "mgd"` gives one table: tensors at its top level, networks in `mgd.nn`, data
-- sets in `mgd.data`, chips by `mgd.chip{…}`, training by `mgd.train{…}`. Nothing global is set.
-- @module mgd

local core = require "mgd.core"

-- Errors are reported at the first line outside of this folder.
core.set_library((debug.getinfo(1, "S").source:gsub("init%.lua$", "")))

local stats = require "mgd.stats"

local mgd = {
  version = core.base.version(),
  nn = require "mgd.nn",
  data = require "mgd.data",
  codes = require "mgd.codes",
  hw = require "mgd.hw",
  chip = require "mgd.chip",
  advise = require("mgd.advise").advise,
  train = require("mgd.train").train,
  experiment = require "mgd.experiment",
  json = require "mgd.json",
  store = require "mgd.store",
  stats = stats,
  plot = require "mgd.plot",
  report = require("mgd.report").write,
  sweep = require "mgd.sweep",
  time_constants = require("mgd.time_constants").measure,
  tolerance = require("mgd.tolerance").measure,
  sobol = stats.sobol,
  halton = stats.halton,
  schedule = require("mgd.schedules").schedule,
  resume = require("mgd.checkpoint").resume,
  clock = core.base.clock,
  interrupt = core.base.interrupt,
}

for name, baseline in pairs(require "mgd.baselines") do
  mgd[name] = baseline
end

local CONSTRUCTORS = {
  "tensor", "zeros", "ones", "full", "arange", "linspace", "eye", "rand", "randn", "from", "load",
}
for _, name in ipairs(CONSTRUCTORS) do
  mgd[name] = core.tensor[name]
end

return mgd
