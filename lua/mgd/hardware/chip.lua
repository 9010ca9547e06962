--- Chips: what MGD trains. A network, ideal or on hardware with imperfections; or anything at all
-- written in Lua.
-- @module mgd.hardware.chip

local core = require "mgd.core"
local hw = require "mgd.hardware.hw"
local instrument = require "mgd.hardware.instrument"
local naming = require "mgd.base.naming"
local options = require "mgd.base.options"
local record = require "mgd.text.record"
local spice_schema = require "mgd.hardware.spice.schema"
local verilog_schema = require "mgd.hardware.verilog.schema"

local Chip = naming.class("mgd.chip",
  { "circuit", "closed", "instrument", "net", "ran", "replays", "rtl", "used_by" })

local ENERGY = {
  { "evaluation", type = "number", default = 0, min = 0, unit = "J",
    doc = "One forward pass of one sample." },
  { "write", type = "number", default = 0, min = 0, unit = "J",
    doc = "One write of one parameter." },
  { "pulse", type = "number", default = 0, min = 0, unit = "J", doc = "One pulse." },
}

local CLOCK = {
  { "dt", type = "number", above = 0, unit = "s",
    doc = "Time of an engine step: the default of mgd.train's dt." },
  { "energy", type = "table", default = {}, doc = "{evaluation =, write =, pulse =} in joules." },
  { "power", type = "number", default = 0, min = 0, unit = "W", doc = "Drawn all the time." },
}

local SCHEMA = {
  { "net", type = "network", doc = "The network." },
  options.stated("seed", { doc = "Seed of the devices: replicas are different chips." }),
  { "weights", type = "any", doc = "Models of weights: levels, noise, drift, faults, wires." },
  { "neurons", type = "any", doc = "Models of activations." },
  { "input", type = "any", doc = "Models on the way of a sample to the network." },
  { "output", type = "any", doc = "Models on the way of the outputs to the cost." },
  { "perturbation", type = "any", doc = "Models on the way of θ̃ to the parameters." },
  { "cost", type = "any", doc = "Models on the way of the cost to the parameters." },
  { "update", type = "any", doc = "How parameters are written: a law, and what comes before." },
  { "clock", type = "table", doc = "{dt =, energy = {…}, power =}." },
  { "substeps", type = "integer", default = 1, min = 1, max = 1000,
    doc = "Parts of each tick of its signals, with an evaluation in each: lines in series, errors "
      .. "of which fall as dt/substeps." },
  { "parameters", type = { "integer", "string", "list" }, min = 1,
    doc = "Number of parameters P of a chip in Lua; of a netlist the names, or patterns, of "
      .. "elements (\"vw1\", \"rw*\"), of their parameters (\"m3.w\"), and of .param." },
  { "inputs", type = { "string", "list" },
    doc = "Of a netlist: its sources in the order of the features, names or {name, scale =, "
      .. "offset =}." },
  { "outputs", type = { "string", "list" },
    doc = "Of a netlist: nodes, their differences and other expressions, currents i(source)." },
  { "evaluate", type = "function",
    doc = "function(theta, x) → y: outputs (B, O) for parameters (P) and samples (B, …), f64; of a "
      .. "chip with nodes function(theta, x, xi), with xi (B, M) added to them, nil at rest." },
  { "nodes", type = "integer", min = 1,
    doc = "Number of nodes M of a chip in Lua, which perturb = \"nodes\" perturbs." },
  { "products", type = "function",
    doc = "function(theta, x, e) → (P): for each parameter e (B, M) of its node times what that "
      .. "reads by it, summed over the batch." },
  { "theta", type = "tensor",
    doc = "Present parameters (P) of a chip in Lua, zeros without; or of an instrument that cannot "
      .. "be asked for them." },
}

for _, schema in ipairs { spice_schema.SCHEMA, verilog_schema.SCHEMA, instrument.SCHEMA } do
  for _, entry in ipairs(schema) do
    SCHEMA[#SCHEMA + 1] = entry
  end
end

-- Loaded with the first netlist.
local function spice()
  return require "mgd.hardware.spice"
end

-- The same with the first circuit in Verilog.
local function verilog()
  return require "mgd.hardware.verilog"
end

local description_of = record.kind("mgd.chip.description", (function()
  local names = { "substeps" }
  for _, entry in ipairs(hw.STAGES) do
    names[#names + 1] = entry[1]
  end
  return names
end)())

-- The names of hw.STAGES that are given.
local function stages_of(opt)
  local stages = {}
  for _, entry in ipairs(hw.STAGES) do
    stages[entry[1]] = opt[entry[1]]
  end
  return stages
end

-- An instrument is described by itself; options of its wire go with nothing else.
local function check_instrument(opts, opt)
  if opt.instrument and opt.nodes then
    options.fail("mgd.chip", "option 'nodes' does not go with 'instrument': the protocol has no "
      .. "nodes yet; a chip that perturbs its own can be driven by 'evaluate' and 'products'")
  end
  for _, name in ipairs { "net", "evaluate", "parameters" } do
    if opt.instrument and opt[name] then
      options.fail("mgd.chip", "option '%s' does not go with 'instrument', which says so itself",
        name)
    end
  end
  local stage = opt.instrument and next(stages_of(opt))
  if stage then
    options.fail("mgd.chip", "option '%s' has no effect on an instrument: its imperfections are "
      .. "its own", stage)
  end
  for _, entry in ipairs(opt.instrument and {} or instrument.SCHEMA) do
    if opts[entry[1]] ~= nil then
      options.fail("mgd.chip", "option '%s' goes with 'instrument'", entry[1])
    end
  end
end

local function check_parts(opt)
  if opt.net == nil == (opt.evaluate == nil) then
    options.fail("mgd.chip", "expected either net = …, instrument = …, spice = …, verilog = … or "
      .. "parameters = … with evaluate = …")
  end
  if opt.net and (opt.parameters or opt.theta) then
    options.fail("mgd.chip", "options 'parameters' and 'theta' go with 'evaluate', not with 'net'")
  end
  if opt.parameters and type(opt.parameters) ~= "number" then
    options.fail("mgd.chip", "option 'parameters' must be an integer, got %s: names go with "
      .. "'spice'", options.type_name(opt.parameters))
  end
  if opt.evaluate and not opt.parameters then
    options.fail("mgd.chip", "option 'parameters' is missing: how many does 'evaluate' take?")
  end
  if (opt.nodes == nil) ~= (opt.products == nil) then
    options.fail("mgd.chip", "options 'nodes' and 'products' go together: how many nodes are "
      .. "there, and what do they multiply?")
  elseif opt.nodes and not opt.evaluate then
    options.fail("mgd.chip", "option 'nodes' goes with 'evaluate': a network's are its own")
  end
  local stage = opt.evaluate and next(stages_of(opt))
  if stage then
    options.fail("mgd.chip", "option '%s' has no effect on a chip in Lua: what it does is up to "
      .. "'evaluate'", stage)
  end
end

local function check_clock(given)
  local clock = options.check("mgd.chip: clock", CLOCK, given)
  clock.energy = options.check("mgd.chip: clock: energy", ENERGY, clock.energy)
  return clock
end

-- ---- showing ------------------------------------------------------------------------------------

local function clock_figures(clock)
  local parts = {}
  if clock.dt then
    parts[1] = ("dt = %.6g s"):format(clock.dt)
  end
  for _, entry in ipairs(ENERGY) do
    if clock.energy[entry[1]] > 0 then
      parts[#parts + 1] = ("%s = %.6g J"):format(entry[1], clock.energy[entry[1]])
    end
  end
  if clock.power > 0 then
    parts[#parts + 1] = ("power = %.6g W"):format(clock.power)
  end
  return table.concat(parts, ", ")
end

--- The network, then one line for each model, stage by stage, with its figures and units.
function Chip:__tostring()
  if self.circuit then
    return spice().text(self)
  elseif self.rtl then
    return verilog().text(self)
  elseif self.instrument then
    return ("chip: %s, %s, %d parameters"):format(self.instrument.address,
      self.instrument.identity, self.num_parameters)
  elseif self.replays then
    return "chip: " .. tostring(self.replays)
  elseif not self.net then
    return ("chip: a Lua function of %d parameters%s"):format(self.num_parameters,
      self.num_nodes > 0 and (", %d nodes"):format(self.num_nodes) or "")
  end
  local lines = { ("chip: %s, %s"):format(self.ideal and "ideal" or "seed " .. self.seed,
    tostring(self.net)) }
  for _, entry in ipairs(hw.STAGES) do
    local stage = entry[1]
    for i, model in ipairs(self.stages[stage] or {}) do
      lines[#lines + 1] = ("  %-13s %s"):format(i == 1 and stage or "", tostring(model))
    end
  end
  local clock = clock_figures(self.clock)
  if clock ~= "" then
    lines[#lines + 1] = ("  %-13s %s"):format("clock", clock)
  end
  if self.substeps > 1 then
    lines[#lines + 1] = ("  %-13s %d of each tick"):format("substeps", self.substeps)
  end
  return table.concat(lines, "\n")
end

--- Every stage with its models, as plain tables: stage → list of {name =, params =}; besides,
-- `seed` and `clock`, and `substeps` where there are some.
-- @treturn table
function Chip:describe()
  local plain = description_of { seed = self.seed, clock = self.clock,
    substeps = self.substeps > 1 and self.substeps or nil }
  for stage, models in pairs(self.stages) do
    plain[stage] = {}
    for i, model in ipairs(models) do
      plain[stage][i] = model:describe()
    end
  end
  return plain
end

-- ---- time ---------------------------------------------------------------------------------------

--- Let time pass at rest: what is stored leaks, diffuses and drifts, in all runs on this chip.
-- @tparam number seconds ≥ 0
-- @treturn chip itself
function Chip:advance(seconds)
  options.check("chip:advance", { { "seconds", type = "number", required = true, min = 0 } },
    { seconds = seconds })
  self.core:advance(seconds)
  return self
end

--- Seconds since the chip was made: dt for each step of its runs, and the times at rest.
-- @treturn number
function Chip:age()
  return self.core:age()
end

for name, method in pairs(instrument.methods) do
  Chip[name] = method
end

--- Close a chip for good: an instrument, in its safe state, or the program of a circuit in Verilog.
function Chip:close()
  if self.rtl then
    core.rtl.close(self.core)
    self.closed = true
  else
    instrument.methods.close(self)
  end
end

-- Of netlists: mgd.hardware.spice.look documents them.
for _, name in ipairs { "raw", "netlist" } do
  Chip[name] = function(self, ...)
    if not self.circuit then
      options.fail("chip:" .. name, "the chip is no netlist: expected one of "
        .. "mgd.chip{spice = …}")
    end
    return spice()[name](self, ...)
  end
end

-- ---- making -------------------------------------------------------------------------------------

-- Chips whose stages hold a function cannot be saved, nor can those outside of this process.
local function has_function(compiled)
  for _, model in ipairs(compiled.models) do
    if model.kind == "function" then
      return true
    end
  end
  return false
end

-- Parts of a tick show nothing where no signal has a memory.
local function check_substeps(opt, compiled)
  local remembers = opt.substeps == 1
  for _, model in ipairs(compiled.models) do
    remembers = remembers or hw.is_line(model) or model.memory
  end
  if not remembers then
    options.fail("mgd.chip", "option 'substeps' has no effect: no model on the way of a signal has "
      .. "a memory")
  end
end

local function open_instrument(chip, opt)
  if not chip.circuit then
    return instrument.open(opt)
  end
  return spice().open(chip.circuit, function()
    return instrument.open(opt)
  end)
end

local function make_core(chip, opt)
  if opt.verilog then
    local made
    made, chip.rtl = verilog().open(opt)
    return made
  end
  if opt.instrument then
    local made, about, count = open_instrument(chip, opt)
    chip.instrument, chip.num_instruments = about, count
    chip.num_parameters = about.parameters
    return made
  elseif not opt.net then
    return core.chip.external(opt.parameters, opt.evaluate, opt.theta, opt.nodes, opt.products)
  elseif chip.ideal then
    return core.chip.ideal(opt.net.core)
  end
  return core.hw.chip(opt.net.core, chip.compiled.models, chip.compiled.update, chip.seed,
    chip.substeps)
end

-- What is given is a chip of one kind; the circuit of a netlist, whose options become those of an
-- instrument.
local function check_kind(opts, opt)
  if opt.spice then
    local stage = next(stages_of(opt))
    if stage then
      options.fail("mgd.chip", "option '%s' has no effect on a netlist: its imperfections are "
        .. "its own, and those of 'spread' and 'noise'", stage)
    end
    verilog_schema.check_absent(opts)
    return spice().prepare(opts, opt)
  end
  spice_schema.check_absent(opts)
  if opt.verilog then
    return verilog().check(opts, opt)
  end
  verilog_schema.check_absent(opts)
  check_instrument(opts, opt)
  if not opt.instrument then
    check_parts(opt)
  end
end

--- Make a chip.
--
-- With `net` alone it is ideal. Each stage takes one model of mgd.hw or a list, in the order of the
-- signal: `weights`, `perturbation`, `input`, `neurons`, `output`, `cost`, `update`. Replicas of an
-- ensemble are different chips: their devices are drawn from `seed` and the replica's number.
--
-- A signal's lines are exact for values that are held over a tick, and from the perturbation's line
-- to the next one behind the network for a cost that is linear in θ̃. `substeps = n` evaluates the
-- network n times in each tick, for costs that are not: see docs/physics/convergence.md. Noise is
-- drawn once for a tick whatever n is, and what the hardware evaluates is counted as without it.
--
-- With `spice` the chip is a netlist, which processes of ngspice evaluate: `parameters`, `inputs`
-- and `outputs` name what is in it; mgd.hardware.spice.schema has its other options, and
-- docs/guide/25-spice.md goes through all of it. With `instrument` it is at the end of a wire. With
-- `verilog` it is a learning circuit, which Verilator compiles and which learns by itself; `net` is
-- evaluated on the weights that it shows, see docs/guide/26-rtl.md.
-- @tparam table opts `net`, `seed` (1), stages, `clock`, `substeps` (1); or `parameters` P and
--   `evaluate = function(theta, x) return y end`, with θ (P), x (B, …) and y (B, O) in f64, and
--   optionally `theta`, its present parameters. `evaluate` gets copies, is called in the order of
--   time, and must not yield. A chip whose nodes can be perturbed says how many, `nodes` M, and has
--   `evaluate = function(theta, x, xi)` add ξ (B, M) to them, nil at rest, and `products =
--   function(theta, x, e) return g end`: g (P) = Σ_b e_bj·x_bi, with e (B, M), for the parameter by
--   which node j reads x_bi, 1 for a bias; nodes that share a parameter add up
-- @treturn chip with fields `num_parameters` P and `num_nodes` M: the pre-activations that
--   `perturb = "nodes"` perturbs, 0 where the chip shows none
-- @raise on a model in a stage where it cannot be, and on every option that is wrong
-- @usage
-- mgd.chip{net = net, seed = 7, weights = hw.levels{bits = 6}, cost = hw.noise{sigma = 1e-4}}
-- mgd.chip{parameters = 2, evaluate = function(theta, x) return x * theta[1] + theta[2] end}
-- mgd.chip{spice = "net.cir", parameters = "rw*", inputs = {"vx1", "vx2"}, outputs = "y",
--   ranges = {1e4, 1e6, scale = "log"}}
-- mgd.chip{verilog = "rtl", top = "chip", net = net, lsb = 2 ^ -8, cost_range = 1}
local function new(opts)
  local opt = options.check("mgd.chip", SCHEMA, opts)
  local circuit = check_kind(opts, opt)
  local chip = setmetatable({ net = opt.net, seed = opt.seed, circuit = circuit }, Chip)
  chip.clock = check_clock(opt.clock)
  chip.compiled = hw.compile("mgd.chip", stages_of(opt), opt.net)
  check_substeps(opt, chip.compiled)
  chip.substeps, chip.compiled.substeps = opt.substeps, opt.substeps
  chip.stages = chip.compiled.stages
  chip.ideal = opt.net ~= nil and not opt.verilog and #chip.compiled.models == 0
    and not chip.compiled.update
  chip.has_function = not opt.net or opt.verilog ~= nil or has_function(chip.compiled)
  chip.num_parameters = opt.net and opt.net.num_parameters or opt.parameters
  chip.core = make_core(chip, opt)
  chip.num_nodes = chip.core:num_nodes()
  if circuit then
    spice().finish(chip, opt)
  end
  return chip
end

-- Loaded when it is asked for.
local LATER = {
  link = function()
    return require("mgd.hardware.link").open
  end,
  serve = function()
    return require("mgd.hardware.serve").serve
  end,
}

return naming.module("mgd.chip", {
  SCHEMA = SCHEMA,
  CLOCK = CLOCK,
  ENERGY = ENERGY,
  is_chip = function(value)
    return type(value) == "table" and getmetatable(value) == Chip
  end,
}, {
  call = new,
  loads = LATER,
  load = function(name)
    return LATER[name]()
  end,
})
