-- Writes docs/options.md from the schemas that check the options: `make docs`, or
-- build/mgd-lua scripts/options-reference.lua > docs/options.md

local average = require "mgd.runs.average"
local budget = require "mgd.runs.budget"
local chip = require "mgd.hardware.chip"
local codes = require "mgd.codes"
local experiment = require "mgd.studies.experiment"
local fit = require "mgd.hardware.fit"
local gates = require "mgd.circuits.gates"
local layers = require "mgd.networks.layers"
local link = require "mgd.hardware.link"
local serve = require "mgd.hardware.serve"
local nn = require "mgd.networks.nn"
local options = require "mgd.base.options"
local parts = require "mgd.studies.experiment.parts"
local runner = require "mgd.studies.experiment.runner"
local plot = require "mgd.plot"
local report = require "mgd.studies.report"
local stats = require "mgd.stats"
local store = require "mgd.studies.store"
local sweep = require "mgd.studies.sweep"
local time_constants = require "mgd.studies.time_constants"
local tolerance = require "mgd.studies.tolerance"
local trace = require "mgd.runs.trace"
local train = require "mgd.runs.train"
local verilog = require "mgd.circuits.verilog"

local function cell(text)
  return (tostring(text):gsub("|", "\\|"))
end

local function default_of(entry)
  if entry.required then
    return "required"
  elseif type(entry.default) == "table" then
    local quoted = {}
    for i, value in ipairs(entry.default) do
      quoted[i] = ("%q"):format(value)
    end
    return "`{" .. table.concat(quoted, ", ") .. "}`"
  elseif type(entry.default) == "string" then
    return ("`%q`"):format(entry.default)
  elseif entry.default == nil then
    return "–"
  end
  return "`" .. tostring(entry.default) .. "`"
end

local function section(title, schema)
  print(("\n## %s\n"):format(title))
  print "| option | must be | default | unit | meaning |\n|---|---|---|---|---|"
  for _, entry in ipairs(schema) do
    local doc = entry.doc or ""
    if entry.only then
      doc = ("%s Only with `%s`."):format(doc, options.belongs(entry.only, '"'))
    end
    print(("| `%s` | %s | %s | %s | %s |"):format(entry[1], cell(options.expected(entry)),
      cell(default_of(entry)), entry.unit or "", cell(doc)))
  end
end

print [[
# Options

Written by `make docs` from the schemas that check them; do not edit. An option that is unknown, of
the wrong type, out of range, or without effect beside the others is an error at the user's line.]]
section("`mgd.train{…}`", train.SCHEMA)
section("`mgd.chip{…}`", chip.SCHEMA)
section("`clock = {…}`", chip.CLOCK)
section("`mgd.chip.link(to, {…})`", link.SCHEMA)
section("`mgd.chip.serve{…}`", serve.SCHEMA)
print "\nModels of the stages: [docs/physics](physics/README.md)."
section("`perturbation = {…}`", codes.SCHEMA)
section("`average = {…}`", average.SCHEMA)
section("`init = {…}` and `net:init{…}`", nn.INIT_SCHEMA)
print "\n`net:init` also takes `seed` (1) and `replica` (1)."
section("`nn.elman{H, …}`", layers.ELMAN)
section("`nn.ssm{…}`", layers.SSM)
section("`run:run{…}`", train.RUN_SCHEMA)
section("`run:trace{…}`", trace.SCHEMA)
section("`run:budget{…}`", budget.SCHEMA)
section("`circuit:verilog{…}`", verilog.SCHEMA)
section("`circuit:gates{…}`", gates.SCHEMA)
section("`hw.fit_update(path, {…})`", fit.SCHEMA)
section("`mgd.experiment{…}`", experiment.SCHEMA)
section("`seeds = {…}`", parts.SEEDS)
section("`exp:run{…}`", runner.SCHEMA)
section("`mgd.sweep{…}`", sweep.SCHEMA)
section("`sweep:run{…}`", sweep.RUN_SCHEMA)
section("`mgd.tolerance{…}`", tolerance.SCHEMA)
section("`mgd.time_constants{…}`", time_constants.SCHEMA)
section("`mgd.store{…}`", store.SCHEMA)
section("`mgd.plot{…}`", plot.SCHEMA)
section("`x = {…}` and `y = {…}` of a plot", plot.AXIS)
section("`mgd.report{…}`", report.SCHEMA)
section("`mgd.stats.bootstrap(x, statistic, {…})`", stats.BOOTSTRAP)
section("`mgd.stats.time_to_solution(steps, {…})`", stats.SURVIVAL)
section("`mgd.stats.power_law(x, y, {…})`", stats.POWER_LAW)
