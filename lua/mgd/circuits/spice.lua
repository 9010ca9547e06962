--- A whole learning chip as a netlist: `circuit:spice{file = "chip.cir"}` of a circuit of set rc.
--
-- Nothing outside of it takes part: the netlist shows the samples in turn, perturbs by flip-flops
-- or square waves, computes its cost, and learns while ngspice simulates a transient. Weights are
-- charges of capacitors; neurons are behavioural sources.
--
-- Where the sample changes, a switch holds the high-passed cost while the coupling capacitor
-- charges to the cost of the new sample, which the analog engine has as C_before = C.
-- @module mgd.circuits.spice

local core = require "mgd.core"
local data = require "mgd.data"
local files = require "mgd.base.files"
local naming = require "mgd.base.naming"
local netlist = require "mgd.circuits.netlist"
local numbers = require "mgd.text.numbers"
local options = require "mgd.base.options"
local program = require "mgd.base.program"

local M = {}

local WHERE = "circuit:spice"
local MOST_SAMPLES = 256 -- each has a source that shows it
local MOST_WEIGHTS = 1000
local MOST_EDGE = 1 / 20  -- of a clock

local SCHEMA = {
  { "file", type = "string", required = true, doc = "Where the netlist goes." },
  { "data", type = "dataset", doc = "What is learnt, shown in this order; XOR." },
  { "theta", type = "tensor", doc = "Where weights begin, (P); the network's present ones." },
  { "clocks", type = "integer", default = 10000, min = 1, doc = "How long it learns." },
  { "every", type = "integer", min = 1,
    doc = "Clocks between rows of what ngspice prints; sample_clocks." },
  { "edge", type = "number", above = 0, unit = "s",
    doc = "How long edges of perturbations and samples last; a 500th of a clock." },
}

local RUN_SCHEMA = {
  { "seconds", type = "number", default = 600, above = 0, unit = "s",
    doc = "After which ngspice is ended." },
}

-- ---- what can be written ------------------------------------------------------------------------

-- Layers of neurons: {inputs =, outputs =, activation =}.
local function read_layers(net)
  local layers = {}
  for i, layer in ipairs(net.layers) do
    local last = layers[#layers]
    if layer.kind == "dense" and (not last or last.activation) then
      layers[#layers + 1] = { inputs = last and last.outputs or net.inputs,
        outputs = layer.outputs }
    elseif netlist.ACTIVATIONS[layer.kind] and last and not last.activation then
      last.activation = layer.kind
    else
      options.fail(WHERE, "layer %d of the network is %s: expected dense layers, each with a "
        .. "sigmoid or tanh behind it", i, layer.kind)
    end
  end
  if not layers[#layers].activation then
    options.fail(WHERE, "the network ends in a dense layer: expected a sigmoid or tanh behind it")
  end
  return layers
end

-- Numbers that ngspice takes.
local function check_finite(name, tensor)
  for i, value in ipairs(tensor:reshape { tensor.size }:totable()) do
    if value ~= value or math.abs(value) == math.huge then
      options.fail(WHERE, "number %d of %s is %s: expected a finite number", i, name, value)
    end
  end
end

local function check_data(net, set)
  local n = set.x.shape[1]
  if set.x.size ~= n * net.inputs or set.y.size ~= n * net.outputs then
    options.fail(WHERE, "data of %d features and %d targets, for a network of %d and %d",
      set.x.size / n, set.y.size / n, net.inputs, net.outputs)
  elseif n > MOST_SAMPLES then
    options.fail(WHERE, "data of %d samples: expected at most %d, each having a source",
      n, MOST_SAMPLES)
  end
  check_finite("data.x", set.x)
  check_finite("data.y", set.y)
end

local function check_theta(net, theta)
  if net.num_parameters > MOST_WEIGHTS then
    options.fail(WHERE, "a network of %d parameters: expected at most %d", net.num_parameters,
      MOST_WEIGHTS)
  elseif theta.size ~= net.num_parameters then
    options.fail(WHERE, "theta has %d values, and the network %d parameters", theta.size,
      net.num_parameters)
  end
  check_finite("theta", theta)
end

local function settings(circuit, given)
  local opt = options.check(WHERE, SCHEMA, given)
  local net = circuit.net
  if circuit.set ~= "rc" then
    options.fail(WHERE, "set '%s' has no netlist: expected set 'rc'", circuit.set)
  elseif not net then
    options.fail(WHERE, "the circuit has synapses and no network: expected mgd.circuit{net = …}")
  end
  opt.layers = read_layers(net)
  opt.data = opt.data or data.xor()
  check_data(net, opt.data)
  opt.theta = opt.theta or net:theta()
  check_theta(net, opt.theta)
  opt.every = opt.every or circuit.sample_clocks
  if opt.every > opt.clocks then
    options.fail(WHERE, "every = %d is beyond clocks = %d: expected at most that", opt.every,
      opt.clocks)
  end
  opt.edge = opt.edge or 1 / (500 * circuit.clock)
  if opt.edge > MOST_EDGE / circuit.clock then
    options.fail(WHERE, "edge = %s: expected at most %s, a 20th of a clock",
      numbers.si(opt.edge, "s"), numbers.si(MOST_EDGE / circuit.clock, "s"))
  end
  return opt
end

-- ---- running ------------------------------------------------------------------------------------

--- A netlist that was written: `file`, and `circuit`, `clocks`, `every` as it has them.
local Netlist = naming.class "mgd.circuits.netlist"

function Netlist:__tostring()
  return ("netlist %s of %d synapses: it learns for %d clocks, with a row every %d"):format(
    self.file, self.circuit.synapses, self.clocks, self.every)
end

-- The rows of numbers that ngspice prints, an index before each.
local function rows_of(text, columns)
  local rows = {}
  for line in text:gmatch "[^\n]+" do
    local row = {}
    for word in line:gmatch "%S+" do
      row[#row + 1] = tonumber(word)
      if not row[#row] then
        break
      end
    end
    if #row == columns + 1 and row[1] == #rows then
      rows[#rows + 1] = row
    end
  end
  return rows
end

--- Simulate it by the program ngspice.
-- @tparam[opt] table opts `seconds` (600), after which ngspice is ended
-- @treturn table `time` (T) in s, `theta` (T, P) as weights, not volts, and `cost` (T), that of the
--   sample shown, with perturbations on
-- @raise where ngspice is not installed, fails, or is too slow, with its words
function Netlist:run(opts)
  local opt = options.check("netlist:run", RUN_SCHEMA, opts)
  local out, words = program.need("netlist:run", { "ngspice", "-n", "-b", self.file },
    { seconds = opt.seconds, package = "ngspice" })
  local p = self.circuit.synapses
  local rows, expected = rows_of(out, p + 2), math.floor(self.clocks / self.every)
  if #rows < expected then
    options.fail("netlist:run", "ngspice ended after %d of %d rows: %s", #rows, expected,
      words:match "[^\n]*[Ee]rror[^\n]*" or words:match "[^\n]*abort[^\n]*" or "it gave no reason")
  end
  local trace = { time = {}, theta = {}, cost = {} }
  for t = 1, expected do -- one more stands at the end
    local row = rows[t]
    trace.time[t], trace.theta[t] = row[2], {}
    for i = 1, p do
      trace.theta[t][i] = row[i + 2] / self.circuit.volts_per_weight
    end
    trace.cost[t] = row[p + 3] / self.circuit.volts_per_cost
  end
  for name, list in pairs(trace) do
    trace[name] = core.tensor.tensor(list)
  end
  return trace
end

--- Write a netlist of a chip that learns by itself, `ngspice -b FILE` being all that it needs.
-- @tparam circuit circuit of set rc, with a network of dense layers, each with a sigmoid or tanh
-- @tparam table given `file` (required); `data` (XOR), shown in this order, `sample_clocks` each;
--   `theta`, where weights begin (the network's); `clocks` (10000), how long it learns; `every`
--   (sample_clocks), the clocks between the rows that ngspice prints: time, weights in V, cost in
--   V; `edge` in s (a 500th of a clock), for which perturbations and samples change
-- @treturn netlist with `file`, and `run{seconds =}`
-- @raise for another set, another network, data that do not fit, and a file that cannot be written
-- @usage local trace = circuit:spice{file = "chip.cir", clocks = 10000}:run()
function M.write(circuit, given)
  local opt = settings(circuit, given)
  files.write(WHERE, opt.file, netlist.text(circuit, opt))
  return setmetatable({ file = opt.file, circuit = circuit, clocks = opt.clocks,
    every = opt.every }, Netlist)
end

return M
