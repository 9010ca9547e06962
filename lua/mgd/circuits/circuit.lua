--- The learning circuit: what stands at each synapse of a chip that trains by itself.
--
-- MGD needs of a parameter only that it is perturbed, that it hears one broadcast signal, and that
-- it is written. `mgd.circuit{…}` says by which circuit, in its own units (bits, volts, farads),
-- from which η, τ_θ and Δ follow. `mgd.train{circuit = c, …}` trains a network as that circuit
-- does: the digital sets bit by bit as their Verilog (`c:verilog{dir =}`), the analog ones by the
-- equations of their parts, as in their netlist (`c:spice{file =}`).
-- @module mgd.circuits.circuit

local naming = require "mgd.base.naming"
local numbers = require "mgd.text.numbers"
local options = require "mgd.base.options"
local sets = require "mgd.circuits.sets"

local M = {}

local KINDS = {
  analog = require "mgd.circuits.analog",
  digital = require "mgd.circuits.digital",
}

local NAMES, ROWS = {}, {}
for i, row in ipairs(sets) do
  NAMES[i], ROWS[row[1]] = row[1], row
end

--- What all circuits have.
M.SCHEMA = {
  { "set", type = "string", default = NAMES[1], choices = NAMES,
    doc = "Which circuit stands at each synapse." },
  { "net", type = "network", doc = "The network whose parameters the synapses are." },
  { "synapses", type = "integer", min = 1, doc = "Or how many there are, where that is enough." },
}

-- Kind → what its circuits have; and what any may have.
local SCHEMAS, ALL = {}, {}
for kind, module in pairs(KINDS) do
  SCHEMAS[kind] = {}
  for _, list in ipairs { M.SCHEMA, module.SCHEMA } do
    for _, entry in ipairs(list) do
      table.insert(SCHEMAS[kind], entry)
      ALL[#ALL + 1] = entry[1]
    end
  end
end

local Circuit = naming.class("mgd.circuit", ALL)

local function kind_of(circuit)
  return KINDS[ROWS[circuit.set].kind]
end

local function count_synapses(opt)
  if (opt.net == nil) == (opt.synapses == nil) then
    options.fail("mgd.circuit", "expected either net = … or synapses = …")
  end
  return opt.synapses or opt.net.num_parameters
end

--- Make a circuit: `mgd.circuit` is this.
-- @tparam table given `set` ("sign-sign", "accumulator", "rc", "charge-pump"), `net` or `synapses`,
--   and the options of the set
-- @treturn circuit its options as fields, and `digital`
-- @raise on options that are unknown, out of range, or do not fit each other
function M.new(given)
  local set = type(given) == "table" and given.set or NAMES[1]
  local row = ROWS[set]
  if not row then
    options.fail("mgd.circuit", "option 'set' is '%s': expected one of the table of sets in "
      .. "docs/guide/on-chip.md, '%s'", tostring(set), table.concat(NAMES, "', '"))
  end
  local opt = options.check("mgd.circuit", SCHEMAS[row.kind], given)
  opt.synapses = count_synapses(opt)
  opt.digital = row.kind == "digital"
  opt.follows = {} -- options that nobody gave, and that follow from the number of synapses
  local circuit = setmetatable(opt, Circuit)
  kind_of(circuit).check(circuit)
  return circuit
end

--- The options as plain data, of which the same circuit can be made for the same network: without
-- it, and without what follows from the number of synapses.
-- @treturn table
function Circuit:describe()
  local plain = {}
  for _, entry in ipairs(SCHEMAS[ROWS[self.set].kind]) do
    plain[entry[1]] = rawget(self, entry[1])
  end
  plain.net, plain.synapses = nil, nil
  for name in pairs(self.follows) do
    plain[name] = nil
  end
  return plain
end

--- What follows from the options, in units of the network and of time.
-- @treturn table list of {name =, value =, unit =, note =}
function Circuit:figures()
  return kind_of(self).figures(self)
end

--- The options of mgd.train that the circuit fixes.
-- @treturn table
function Circuit:training()
  return kind_of(self).training(self)
end

--- What the core knows of a digital circuit; nothing of others.
-- @treturn table
function Circuit:registers()
  return self.digital and KINDS.digital.registers(self) or {}
end

--- How many bits a digital circuit broadcasts in a step; nil of others.
-- @treturn integer|nil
function Circuit:broadcast()
  return self.digital and KINDS.digital.broadcast(self) or nil
end

--- Write the Verilog of a digital circuit; see mgd.circuits.verilog.
function Circuit:verilog(opts)
  return require("mgd.circuits.verilog").write(self, opts)
end

--- Count the cells of its Verilog; see mgd.circuits.gates.
function Circuit:gates(opts)
  return require("mgd.circuits.gates").count(self, opts)
end

--- Write the netlist of a chip of an analog circuit; see mgd.circuits.spice.
function Circuit:spice(opts)
  return require("mgd.circuits.spice").write(self, opts)
end

local NAME_WIDTH = 16 -- of a part or a figure
local PARTS = { "source", "multiplier", "integrator", "write", "storage", "shared" }

local SI = {} -- units that take prefixes
for _, unit in ipairs { "s", "Hz", "V", "A", "Ω", "F", "C", "A/V", "A/V²" } do
  SI[unit] = true
end

function Circuit:__tostring()
  local row, lines = ROWS[self.set], {}
  lines[1] = ("circuit %s: %d synapse%s"):format(self.set, self.synapses,
    self.synapses == 1 and "" or "s")
  for _, part in ipairs(PARTS) do
    lines[#lines + 1] = ("  %s %s"):format(numbers.left(part, NAME_WIDTH), row[part])
  end
  for _, figure in ipairs(self:figures()) do
    local value = type(figure.value) == "number"
      and (SI[figure.unit] and numbers.si(figure.value, figure.unit)
        or numbers.number(figure.value) .. (figure.unit and " " .. figure.unit or ""))
      or tostring(figure.value)
    lines[#lines + 1] = ("  %s %s%s"):format(numbers.left(figure.name, NAME_WIDTH),
      figure.note and numbers.left(value, 16) or value, figure.note and " " .. figure.note or "")
  end
  return table.concat(lines, "\n")
end

return M
