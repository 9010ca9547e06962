--- mgd: multiplexed gradient descent from Lua.
--
-- `local mgd = require "mgd"` gives one table: tensors at its top level, networks in `mgd.nn`, data
-- sets in `mgd.data`, chips by `mgd.chip{…}`, training by `mgd.train{…}`. Nothing global is set.
-- @module mgd

local source = debug.getinfo(1, "S").source:gsub("init%.lua$", "")
if source:sub(1, 1) == "@" then
  dofile(source:sub(2) .. "searcher.lua")
end

local core = require "mgd.core"
local naming = require "mgd.base.naming"

local mgd = {
  version = core.base.version(),
  nn = require "mgd.networks.nn",
  data = require "mgd.data",
  codes = require "mgd.codes",
  hw = require "mgd.hardware.hw",
  chip = require "mgd.hardware.chip",
  train = require("mgd.runs.train").train,
  schedule = require("mgd.codes.schedules").schedule,
  clock = core.base.clock,
  interrupt = core.base.interrupt,
}

for name, baseline in pairs(require "mgd.runs.baselines") do
  mgd[name] = baseline
end

local CONSTRUCTORS = {
  "tensor", "zeros", "ones", "full", "arange", "linspace", "eye", "rand", "randn", "from", "load",
}
for _, name in ipairs(CONSTRUCTORS) do
  mgd[name] = core.tensor[name]
end

-- Loaded when it is asked for: a chip that trains has no use for reports.
local LATER = {
  advise = { "mgd.runs.advise", "advise" },
  circuit = { "mgd.circuits.circuit", "new" },
  experiment = { "mgd.studies.experiment" },
  halton = { "mgd.stats", "halton" },
  json = { "mgd.text.json" },
  plot = { "mgd.plot" },
  report = { "mgd.studies.report", "write" },
  resume = { "mgd.runs.checkpoint", "resume" },
  sobol = { "mgd.stats", "sobol" },
  stats = { "mgd.stats" },
  store = { "mgd.studies.store" },
  sweep = { "mgd.studies.sweep" },
  time_constants = { "mgd.studies.time_constants", "measure" },
  tolerance = { "mgd.studies.tolerance", "measure" },
}

-- Chips are of a lower room than runs, of which a recording is one.
rawset(mgd.chip, "replay", function(path)
  return require("mgd.runs.replay").replay(path)
end)

return naming.module("mgd", mgd, {
  loads = LATER,
  load = function(name)
    local place = LATER[name]
    local module = require(place[1])
    return place[2] and module[place[2]] or module
  end,
  later = { "ffi", "gsl", "mpi", "repl", "save" },
})
