--- Reading a circuit: what is in it, what its copies are, its waveforms, and itself as a netlist.
-- @module mgd.hardware.spice.look

local core = require "mgd.core"
local files = require "mgd.base.files"
local numbers = require "mgd.text.numbers"
local options = require "mgd.base.options"
local worker = require "mgd.hardware.spice.worker"

local M = {}

local SHOWN = 24 -- parameters that print(chip) shows
local UNITS = { r = "Ω", c = "F", l = "H", v = "V", i = "A" }

-- ---- θ and x ------------------------------------------------------------------------------------

local function flat(where, name, value, count)
  local t = options.tensor(value)
  if not t then
    options.fail(where, "%s: expected a tensor or a list of %d numbers, got %s", name, count,
      options.type_name(value))
  elseif t.size ~= count then
    options.fail(where, "%s: %d numbers: expected %d", name, t.size, count)
  end
  local list = t:to("f64"):reshape{ count }:totable()
  for i, one in ipairs(list) do
    if one ~= one or one == math.huge or one == -math.huge then
      options.fail(where, "%s: element %d is %s: expected a finite number", name, i,
        numbers.number(one))
    end
  end
  return list
end

--- What θ makes of the parameters, each in its unit; the present ones without.
function M.values(chip, where, theta)
  if theta == nil then
    return chip.circuit.values
  end
  return core.instrument.values(chip.core, flat(where, "theta", theta, chip.num_parameters))
end

local function line(list)
  local words = {}
  for i, value in ipairs(list) do
    words[i] = ("%.17g"):format(value)
  end
  return table.concat(words, " ") .. "\n"
end

local COPY = {
  { "replica", type = "integer", min = 0, default = 0,
    doc = "Which copy, with what it differs in by `spread`; 0: the netlist as it is." },
}

local RAW = {
  COPY[1],
  { "stop", type = "number", above = 0, unit = "s", doc = "Of a transient, instead of tran's." },
  { "step", type = "number", above = 0, unit = "s", doc = "The same." },
}

-- What a worker reads to do one thing once: θ, x and the copy.
local function question(values, x, replica)
  return line(values) .. line(x) .. ("%d\n"):format(replica)
end

-- ---- waveforms ----------------------------------------------------------------------------------

local function inputs_of(chip, where, x)
  local inputs = chip.circuit.inputs
  if x == nil then
    options.fail(where, "x is missing: expected %d numbers, one for each input", #inputs)
  end
  return flat(where, "x", x, #inputs)
end

--- The voltages of all nodes and the currents of all sources, of one evaluation.
-- @tparam chip chip of a netlist
-- @tparam[opt] tensor|table theta parameters (P); those of the netlist without
-- @tparam tensor|table x inputs (I)
-- @tparam[opt] table opts `replica` (0: none of the copies), and of a transient `stop`, `step`
-- @treturn table name → tensor: (1) of an operating point, (M) of a transient, with `time` (M)
-- @raise with ngspice's words where the evaluation fails
-- @usage
-- local raw = chip:raw(run:theta(), {0, 1})
-- mgd.plot{x = raw.time, y = raw.y}
function M.raw(chip, theta, x, opts)
  local where = "chip:raw"
  local opt = options.check(where, RAW, opts)
  local circuit = chip.circuit
  local analysis = circuit.analysis
  if opt.stop or opt.step then
    if analysis.kind ~= "tran" then
      options.fail(where, "options 'stop' and 'step' belong to analysis = 'tran'")
    end
    local stop = opt.stop or analysis.stop
    analysis = { kind = "tran", stop = stop, step = opt.step or math.min(analysis.step, stop),
      average = math.min(analysis.average, stop), uic = analysis.uic }
  end
  local ask = question(M.values(chip, where, theta), inputs_of(chip, where, x), opt.replica)
  local text = worker.text(circuit, { analysis = analysis })
  return files.in_folder(function(folder)
    local path = folder .. "/raw.npy"
    local names = worker.once(where, text, { "raw", path }, ask)
    local columns = core.tensor.load(path) -- (M × names)
    local raw, column = {}, 0
    for name in names:gmatch "[^\n]+" do
      column = column + 1
      raw[name] = columns[{ {}, column }]:clone()
    end
    return raw
  end)
end

-- ---- the netlist --------------------------------------------------------------------------------

-- What a copy's parameters and devices are: name → value.
local function values_of_copy(chip, where, values, replica)
  local circuit, named = chip.circuit, {}
  if replica == 0 then
    for i, parameter in ipairs(circuit.parameters) do
      named[parameter.name] = values[i]
    end
    return named
  end
  local x = {}
  for i = 1, #circuit.inputs do
    x[i] = 0
  end
  local said = worker.once(where, worker.text(circuit), { "values" }, question(values, x, replica))
  for name, value in said:gmatch "(%S+) (%S+)\n" do
    named[name] = tonumber(value)
  end
  return named
end

local NETLIST = {
  COPY[1],
  { "x", type = { "tensor", "table" }, doc = "Inputs (I); those of the netlist without." },
}

--- The netlist with these parameters, which plain ngspice runs: `ngspice -b file.cir` prints the
-- outputs.
-- @tparam chip chip of a netlist
-- @tparam[opt] tensor|table theta parameters (P); those of the netlist without
-- @tparam[opt] table opts `x`: inputs (I); `replica`: which copy, with what it differs in by
--   `spread` (0: the netlist as it is)
-- @treturn string
-- @usage mgd.files.write("trained.cir", chip:netlist(run:theta(), {x = {0, 1}}))
function M.netlist(chip, theta, opts)
  local where = "chip:netlist"
  local opt = options.check(where, NETLIST, opts)
  local circuit = chip.circuit
  local values = M.values(chip, where, theta)
  local sources
  if opt.x then
    sources = {}
    for i, value in ipairs(flat(where, "x", opt.x, #circuit.inputs)) do
      local input = circuit.inputs[i]
      sources[input.source] = input.scale * value + input.offset
    end
  end
  local names = {}
  for i, output in ipairs(circuit.outputs) do
    names[i] = output.name
  end
  return circuit.netlist:text { values = values_of_copy(chip, where, values, opt.replica),
    inputs = sources, outputs = names, analysis = circuit.analysis }
end

-- ---- showing ------------------------------------------------------------------------------------

local KINDS = { "r", "c", "l", "v", "i", "b", "e", "f", "g", "h", "d", "q", "m", "j", "x" }

local function elements_of(N)
  local counts, parts = {}, {}
  for _, element in ipairs(N.elements) do
    counts[element.kind] = (counts[element.kind] or 0) + 1
  end
  for _, kind in ipairs(KINDS) do
    if counts[kind] then
      parts[#parts + 1] = ("%d %s"):format(counts[kind], kind:upper())
      counts[kind] = nil
    end
  end
  for kind, count in pairs(counts) do
    parts[#parts + 1] = ("%d %s"):format(count, kind:upper())
  end
  return table.concat(parts, ", ")
end

local function unit_of(parameter)
  return parameter.kind == "value" and UNITS[parameter.target:match "^%a"] or ""
end

local function range_of(chip, i)
  local range = chip.circuit.range(i)
  return range and ("%s … %s%s"):format(numbers.number(range[1]), numbers.number(range[2]),
    range[3] == 1 and ", log" or "") or "any"
end

local function parameter_rows(chip)
  local rows = {}
  for i, parameter in ipairs(chip.circuit.parameters) do
    rows[i] = { name = parameter.name,
      value = numbers.number(chip.circuit.values[i]) .. " " .. unit_of(parameter),
      range = range_of(chip, i) }
  end
  return rows
end

local function change_words(rows)
  local words = {}
  for i = 1, math.min(#rows, 6) do
    local row = rows[i]
    words[i] = row.absolute and ("%s ± %s"):format(row.name, numbers.number(row.sigma))
      or ("%s ± %s %%"):format(row.name, numbers.number(100 * row.sigma))
  end
  return table.concat(words, ", ") .. (#rows > 6 and (", … %d in all"):format(#rows) or "")
end

local function analysis_words(a)
  return a.kind == "op" and "operating point" or ("transient of %s, step %s, mean of the last %s")
    :format(numbers.duration(a.stop), numbers.duration(a.step), numbers.duration(a.average))
end

local function names_of(list)
  local names = {}
  for i, one in ipairs(list) do
    names[i] = one.name
  end
  return table.concat(names, ", ")
end

local function input_words(inputs)
  local words = {}
  for i, input in ipairs(inputs) do
    local shift = input.offset ~= 0 and (" %+.6g"):format(input.offset) or ""
    words[i] = (input.scale ~= 1 or shift ~= "")
      and ("%s = %.6g·x%s"):format(input.name, input.scale, shift) or input.name
  end
  return table.concat(words, ", ")
end

--- The circuit in lines.
function M.text(chip)
  local circuit = chip.circuit
  local N = circuit.netlist
  local lines = {
    ("chip: %s, %s"):format(circuit.path, chip.instrument.identity),
    ("  elements    %s"):format(elements_of(N)),
    ("  evaluation  %s; %s a second, of %d worker%s"):format(analysis_words(circuit.analysis),
      circuit.rate and numbers.count(math.floor(circuit.rate)) or "not measured", circuit.workers,
      circuit.workers == 1 and "" or "s"),
    ("  inputs      %s"):format(input_words(circuit.inputs)),
    ("  outputs     %s"):format(names_of(circuit.outputs)),
    ("  tolerances  reltol %s, vntol %s V, abstol %s A"):format(N.options.reltol or "0.001",
      N.options.vntol or "1e-06", N.options.abstol or "1e-12"),
  }
  if #circuit.spread > 0 then
    lines[#lines + 1] = "  spread      " .. change_words(circuit.spread)
  end
  if #circuit.noise > 0 then
    lines[#lines + 1] = "  noise       " .. change_words(circuit.noise)
  end
  local rows = parameter_rows(chip)
  lines[#lines + 1] = ("  parameters  %d"):format(#rows)
  for i = 1, math.min(#rows, SHOWN) do
    local row = rows[i]
    lines[#lines + 1] = ("    %s %s %s"):format(numbers.left(row.name, 12),
      numbers.left(row.value, 16), row.range)
  end
  if #rows > SHOWN then
    lines[#lines + 1] = ("    … %d in all"):format(#rows)
  end
  return table.concat(lines, "\n")
end

return M
