--- Digital circuits as Verilog-2001 that simulators run and synthesisers take: a module in each
-- file, a text `chip.txt` of what the host must know, and a testbench made of a run.
-- @module mgd.circuits.verilog

local chip = require "mgd.circuits.verilog.chip"
local core = require "mgd.circuits.verilog.core"
local cost_unit = require "mgd.circuits.verilog.cost_unit"
local digital = require "mgd.circuits.digital"
local encoding = require "mgd.base.encoding"
local files = require "mgd.base.files"
local options = require "mgd.base.options"
local products = require "mgd.circuits.verilog.products"
local registers = require "mgd.circuits.registers"
local source = require "mgd.circuits.verilog.source"
local synapse = require "mgd.circuits.verilog.synapse"
local testbench = require "mgd.circuits.verilog.testbench"

local M = {}

local WHERE = "circuit:verilog"

M.SCHEMA = {
  { "dir", type = "string", required = true,
    doc = "The folder, which is made; where it is there it must be empty." },
  { "overwrite", type = "boolean", default = false,
    doc = "The folder may hold files: those of these names are replaced, others stay." },
  { "run", type = "run",
    doc = "A run of the circuit that has not begun: it is advanced, and becomes a testbench." },
  { "steps", type = "integer", default = 1000, min = 1, only = { "run", "run" },
    doc = "By how many steps." },
  { "replica", type = "integer", default = 1, min = 1, only = { "run", "run" },
    doc = "Which replica of an ensemble becomes the testbench." },
}

-- What a register of the interface holds, and what simulators take.
local MOST = { synapses = 2047, weight_bits = 31, cost_bits = 32, tau_theta = 2 ^ 31 - 1 }

-- ---- parameters ---------------------------------------------------------------------------------

-- Bits of the numbers from 0 to n, one at least.
local function bits_of(n)
  local bits = 1
  while 2 ^ bits <= n do
    bits = bits + 1
  end
  return bits
end

-- Zeros at the end of both numbers.
local function common_zeros(a, b)
  local zeros = 0
  while a % 2 ^ (zeros + 1) == 0 and b % 2 ^ (zeros + 1) == 0 do
    zeros = zeros + 1
  end
  return zeros
end

local SET = {}

SET["sign-sign"] = function(c)
  local low = common_zeros(c.amplitude, c.step)
  return { COUNTER_BITS = c.counter_bits, STEP = c.step, LOW = low,
    SUM = low > 0 and "{high, w[LOW-1:0]}" or "high" }
end

function SET.accumulator(c)
  -- What is more than the accumulator's whole range, or than any cost, saturates all the same.
  local magnitude = math.min(c.magnitude_bits, c.accumulator_bits, c.cost_bits)
  return { ACCUMULATOR_BITS = c.accumulator_bits, MAGNITUDE_BITS = magnitude, SHIFT = c.shift,
    TAU_THETA = c.tau_theta, WINDOW_BITS = bits_of(c.tau_theta - 1),
    HALF = c.shift > 0 and "next[SHIFT-1]" or "1'b0",
    BEYOND = magnitude < c.cost_bits and "|distance[COST_BITS-1:MAGNITUDE_BITS]" or "1'b0" }
end

-- A register whose sequence has `taps` taps, of neighbouring phases.
local function register(c, taps)
  local stages, next_bit, digits = math.max(c.register_bits, taps), {}, {}
  for i, tap in ipairs(registers.taps(c.register_bits)) do
    next_bit[i] = ("stage[STAGES-%d]"):format(tap)
  end
  for i, bit in ipairs(registers.sequence(c.register_bits, stages)) do
    digits[stages + 1 - i] = bit
  end
  return { REGISTER_BITS = c.register_bits, STAGES = stages, NEXT = table.concat(next_bit, " ^ "),
    START = ("%d'b%s"):format(stages, table.concat(digits)) }
end

local SOURCE = {}

function SOURCE.lfsr(c)
  return register(c, c.synapses)
end

function SOURCE.walsh(c)
  return { SLOT_BITS = bits_of(c.synapses) }
end

function SOURCE.outer(c)
  local list, taps = products.of(c.net, c.synapses)
  local values = register(c, taps)
  values.PRODUCTS = products.text(list)
  return values
end

-- ---- texts --------------------------------------------------------------------------------------

-- The comments of parameters, one below the other whatever the values are.
local function with_aligned_comments(text)
  local width = 0
  for code in text:gmatch "\n( +parameter [^\n]-) *//" do
    width = math.max(width, #code)
  end
  return (text:gsub("(\n)( +parameter [^\n]-) *//", function(start, code)
    return start .. code .. (" "):rep(width - #code + 2) .. "//"
  end))
end

-- A text whose names in @…@ stand for values.
local function filled(text, values)
  return with_aligned_comments((text:gsub("@([A-Z_]+)@", function(name)
    return tostring(values[name])
  end)))
end

local WIDTH = { magnitude = "[MAGNITUDE_BITS-1:0]" } -- of lines; others are single wires

-- One text for each name: $ is the name, $$ so padded that values align, # the width, % the value.
local function each(names, values, format, separator)
  local parts, longest = {}, 0
  for _, name in ipairs(names) do
    longest = math.max(longest, #name)
  end
  for i, name in ipairs(names) do
    local padded = name .. (" "):rep(longest - #name)
    parts[i] = format:gsub("%$%$", padded):gsub("[$#%%]", { ["$"] = name,
      ["#"] = ("%-20s"):format(WIDTH[name] or ""), ["%"] = tostring(values[name]) })
  end
  return table.concat(parts, separator)
end

-- Parameters of a module, SYNAPSES first.
local function declared(names, values)
  return each(names, values, "    parameter $$ = %", ",\n")
end

local function without_doubles(...)
  local list, seen = {}, {}
  for _, names in ipairs { ... } do
    for _, name in ipairs(names) do
      list[#list + 1] = not seen[name] and name or nil
      seen[name] = true
    end
  end
  return list
end

local function core_text(set, values)
  values.PARAMETERS = declared(without_doubles({ "SYNAPSES" }, set.parameters), values)
  values.LINES = each(set.lines, values, "    input  wire # $,", "\n")
  values.PASSED = each(set.parameters, values, "                .$($)", ",\n")
  values.CONNECTED = each(set.lines, values, ".$($)", ", ")
  return filled(core.text, values)
end

local function chip_text(set, costs, values)
  values.PARAMETERS = declared(without_doubles({ "SYNAPSES" }, set.parameters,
    costs.parameters), values)
  values.LINES = each(costs.lines, values, "    wire # $;", "\n")
  values.COST_PASSED = each(costs.parameters, values, "        .$($)", ",\n")
  values.COST_CONNECTED = each(costs.lines, values, ".$($)", ", ")
  values.CORE_PASSED = each(without_doubles({ "SYNAPSES" }, set.parameters), values,
    "        .$($)", ",\n")
  values.CORE_CONNECTED = each(set.lines, values, ".$($)", ", ")
  return filled(chip.text, values)
end

local FIELDS = { "set", "synapses" }
for _, entry in ipairs(digital.SCHEMA) do
  FIELDS[#FIELDS + 1] = entry[1]
end

-- A line "key value" of each field that the circuit has.
local function fields_text(circuit)
  local lines = {}
  for _, name in ipairs(FIELDS) do
    local value = circuit[name]
    if value ~= nil then
      lines[#lines + 1] = ("%s %s"):format(name, encoding.value(value))
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

local function check(where, circuit)
  if not circuit.digital then
    options.fail(where, "a circuit of the set '%s' is analog: Verilog is of the digital sets "
      .. "(sign-sign, accumulator)", circuit.set)
  end
  for name, most in pairs(MOST) do
    if (circuit[name] or 0) > most then
      options.fail(where, "%s = %.0f: the registers of the chip take at most %.0f", name,
        circuit[name], most)
    end
  end
end

--- The files of a circuit.
-- @tparam string where opens messages
-- @tparam circuit circuit digital
-- @treturn table name → text
-- @raise on analog circuits, and on those that are too large for the register interface
function M.texts(where, circuit)
  check(where, circuit)
  local values = { SYNAPSES = circuit.synapses, WEIGHT_BITS = circuit.weight_bits,
    AMPLITUDE = circuit.amplitude, COST_BITS = circuit.cost_bits, SET = circuit.set,
    SOURCE = circuit.source }
  for _, part in ipairs { SET[circuit.set](circuit), SOURCE[circuit.source](circuit) } do
    for name, value in pairs(part) do
      values[name] = value
    end
  end
  local set, costs = synapse[circuit.set], cost_unit[circuit.set]
  return {
    ["synapse.v"] = filled(set.text, values),
    ["cost_unit.v"] = filled(costs.text, values),
    ["source.v"] = filled(source[circuit.source], values),
    ["core.v"] = core_text(set, values),
    ["chip.v"] = chip_text(set, costs, values),
    ["chip.txt"] = fields_text(circuit),
  }
end

--- The Verilog of the modules alone, without testbench and `chip.txt`.
M.MODULES = { "chip.v", "core.v", "synapse.v", "cost_unit.v", "source.v" }

--- Write a circuit as Verilog: `circuit:verilog{dir = …}` is this.
--
-- The folder gets `chip.v` (the top, with the register interface), `core.v`, `synapse.v`,
-- `cost_unit.v` and `source.v`, and `chip.txt`, the fields of the circuit for the host. With a run,
-- `testbench.v` and its two files of numbers as well: it sends the costs of the run to the chip,
-- and compares the weights of every step.
-- @tparam circuit circuit
-- @tparam table opts `dir`; `overwrite` (false); `run`, a run of this circuit that has not begun,
--   `steps` (1000) by which it is advanced, and `replica` (1), of an ensemble
-- @raise on an analog circuit, on a folder that holds anything, and on a run of something else; no
--   file is there then
-- @usage
-- local run = mgd.train{circuit = circuit, data = mgd.data.xor(), batch = 4}
-- circuit:verilog{dir = "out/rtl", run = run, steps = 10000}
function M.write(circuit, opts)
  local opt = options.check(WHERE, M.SCHEMA, opts)
  local texts = M.texts(WHERE, circuit)
  if opt.run ~= nil then
    local trace = testbench.trace(WHERE, circuit, opt)
    for name, text in pairs(testbench.texts(circuit, trace)) do
      texts[name] = text
    end
  end
  files.write_folder(WHERE, opt.dir, texts, { overwrite = opt.overwrite, stale = testbench.FILES })
end

return M
