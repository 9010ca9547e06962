--- What a digital circuit takes of a chip: flip-flops, look-up tables and gates of its parts, as
-- the synthesiser yosys counts them in its Verilog.
--
-- Two syntheses, with the modules kept apart: for the cells of a Lattice iCE40 (`synth_ice40`), and
-- for plain D flip-flops with gates of two inputs (AND, NAND, OR, NOR, XOR, XNOR) and inverters,
-- each of which counts as one gate. The enables and clears that flip-flops of an FPGA bring with
-- them are gates in the second.
-- @module mgd.circuits.gates

local files = require "mgd.base.files"
local grid = require "mgd.text.grid"
local naming = require "mgd.base.naming"
local numbers = require "mgd.text.numbers"
local options = require "mgd.base.options"
local program = require "mgd.base.program"
local verilog = require "mgd.circuits.verilog"

local M = {}

local WHERE = "circuit:gates"

M.SCHEMA = {
  { "seconds", type = "number", default = 600, above = 0, unit = "s",
    doc = "After which yosys is ended: a large chip takes minutes." },
}

local FPGA = "synth_ice40 -noflatten -top chip"
local GATES = "synth -noabc -top chip; dfflegalize -cell $_DFF_P_ x; opt_expr; "
  .. "abc -g AND,NAND,OR,NOR,XOR,XNOR; opt_clean"

local COUNTED = { "synapse", "source", "cost_unit", "core", "chip" } -- modules

local COLUMNS = { "flip_flops", "luts", "carries", "gates" }

-- ---- yosys --------------------------------------------------------------------------------------

-- Which of our modules a name of yosys' stands for: \synapse, $paramod$1b…\synapse, or
-- $paramod\synapse\WEIGHT_BITS=….
local function module_of(name)
  name = name:gsub("^%$paramod[^\\]*", ""):gsub("^\\", "")
  return name:match "^[%w_]+"
end

-- Module → cell → how many of them, of the last statistics that yosys printed.
local function cells_of(out)
  local modules, module = {}, nil
  for line in out:gmatch "[^\n]+" do
    local title = line:match "^=== (.-) ===$"
    if title then
      module = {}
      modules[module_of(title)] = module
    elseif module then
      local cell, count = line:match "^%s+([%$%w_]+)%s+(%d+)%s*$"
      if not cell then -- later versions have the number first
        count, cell = line:match "^%s+(%d+)%s+.-([%$%w_]+)%s*$"
      end
      if cell then
        module[cell] = (module[cell] or 0) + tonumber(count)
      end
    end
  end
  return modules
end

local function synthesise(sources, script, seconds)
  local read = {}
  for i, path in ipairs(sources) do
    read[i] = ('read_verilog "%s"'):format(path)
  end
  local out = program.need(WHERE, { "yosys", "-q", "-p", ("%s; %s; tee -o /dev/stdout stat")
    :format(table.concat(read, "; "), script) }, { package = "yosys", seconds = seconds })
  local cells = cells_of(out)
  for _, name in ipairs(COUNTED) do
    if not cells[name] then
      options.fail(WHERE, "yosys printed no statistics of the module '%s': expected a version "
        .. "whose `stat` is read here, such as 0.23; it printed: %s", name,
        out:match "^%s*([^\n]*)")
    end
  end
  return cells
end

local function sum_of(cells, pattern)
  local sum = 0
  for cell, count in pairs(cells) do
    sum = sum + (cell:find(pattern) and count or 0)
  end
  return sum
end

-- ---- counting -----------------------------------------------------------------------------------

local function figures(fpga, gates)
  return { flip_flops = sum_of(fpga, "^SB_DFF"), luts = sum_of(fpga, "^SB_LUT4$"),
    carries = sum_of(fpga, "^SB_CARRY$"),
    gates = sum_of(gates, "^%$_X?N?AND_$") + sum_of(gates, "^%$_X?N?OR_$")
      + sum_of(gates, "^%$_NOT_$") }
end

-- One set of figures of several, each so many times.
local function total(list)
  local sum = {}
  for _, column in ipairs(COLUMNS) do
    sum[column] = 0
    for _, entry in ipairs(list) do
      sum[column] = sum[column] + entry[1][column] * entry[2]
    end
  end
  return sum
end

-- Names of the parts, and what they are called where they are printed.
local PARTS = { "synapse", "source", "source_per_synapse", "cost_unit", "registers", "chip" }
local CALLED = {
  synapse = "a synapse", source = "source", source_per_synapse = "  of it, a synapse",
  cost_unit = "cost unit", registers = "registers and bus",
}

local Gates = naming.class("mgd.gates", {})

--- A row for each part.
function Gates:__tostring()
  local rows = { { ("%s, %s, %d synapses"):format(self.set, self.source_kind, self.synapses),
    "flip-flops", "LUT4", "carries", "gates" } }
  for i, part in ipairs(PARTS) do
    local row = { CALLED[part] or ("chip of %d"):format(self.synapses) }
    for c, column in ipairs(COLUMNS) do
      row[c + 1] = numbers.number(self[part][column])
    end
    rows[i + 1] = row
  end
  return table.concat(grid.lines(rows, { right = { false, true, true, true, true } }), "\n")
end

--- Count the cells of a circuit: `circuit:gates` is this.
-- @tparam circuit circuit digital
-- @tparam[opt] table opts `seconds` (600)
-- @treturn gates `synapse`, `source`, `source_per_synapse` (its share), `cost_unit`, `registers`
--   (the interface to the host, with the bus of the weights) and `chip` (all of them, with as many
--   synapses as there are), each {flip_flops =, luts =, carries =, gates =}; prints as a table
-- @raise on an analog circuit, where yosys is not installed, and with its words where it fails
-- @usage print(mgd.circuit{synapses = 9}:gates())
function M.count(circuit, opts)
  local opt = options.check(WHERE, M.SCHEMA, opts)
  local texts = verilog.texts(WHERE, circuit)
  local cells = files.in_folder(function(folder)
    local sources = {}
    for i, name in ipairs(verilog.MODULES) do
      sources[i] = folder .. "/" .. name
      files.write(WHERE, sources[i], texts[name])
    end
    return { synthesise(sources, FPGA, opt.seconds), synthesise(sources, GATES, opt.seconds) }
  end)
  local function of(module)
    return figures(cells[1][module], cells[2][module])
  end
  local made = { set = circuit.set, source_kind = circuit.source, synapses = circuit.synapses,
    synapse = of "synapse", source = of "source", cost_unit = of "cost_unit" }
  made.source_per_synapse = total { { made.source, 1 / circuit.synapses } }
  made.registers = total { { of "chip", 1 }, { of "core", 1 } }
  made.chip = total { { made.synapse, circuit.synapses }, { made.source, 1 },
    { made.cost_unit, 1 }, { made.registers, 1 } }
  return setmetatable(made, Gates)
end

return M
