-- Circuits as Verilog, with testbenches of what the reference computes, and simulators.

local files = require "mgd.base.files"
local program = require "mgd.base.program"
local reference = require "spec.support.circuit_reference"
local testbench = require "mgd.circuits.verilog.testbench"
local verilog = require "mgd.circuits.verilog"

local M = {}

M.MODULES = verilog.MODULES

-- Costs that a chip may be sent, with ties and both ends; the same from any interpreter.
local function cost_stream(bits)
  local state, most = 12345, 2 ^ bits - 1
  local function draw(n)
    state = (state * 16807) % 2147483647
    return state % n
  end
  local before = 0
  return function()
    local kind = draw(8)
    if kind == 0 then
      before = draw(2) * most
    elseif kind > 2 then -- near the last one; at 1 and 2: as it was
      before = kind < 6 and math.min(most, before + draw(4)) or draw(math.min(most, 2 ^ 30) + 1)
    end
    return before
  end
end

-- What the reference makes of such costs: the trace of a testbench.
function M.trace(circuit, steps, layers)
  local fields = { layers = layers }
  for _, name in ipairs { "set", "synapses", "weight_bits", "lsb", "amplitude", "cost_bits",
    "cost_range", "source", "register_bits", "counter_bits", "step", "magnitude_bits",
    "accumulator_bits", "shift", "tau_theta" } do
    fields[name] = circuit[name]
  end
  local chip, draw = reference.new(fields), cost_stream(circuit.cost_bits)
  for i = 1, circuit.synapses do
    chip:write(i, (i * 7) % 2 ^ circuit.weight_bits - 2 ^ (circuit.weight_bits - 1))
  end
  local trace = { costs = {}, weights = {} }
  for step = 1, steps + 1 do
    trace.weights[step] = {}
    for i, w in ipairs(chip.w) do
      trace.weights[step][i] = w
    end
    if step <= steps then
      local plus, minus = draw(), draw()
      chip:step(plus, minus)
      table.insert(trace.costs, plus)
      table.insert(trace.costs, minus)
    end
  end
  return trace
end

-- Writes a circuit and its testbench into a folder.
function M.write(circuit, dir, trace)
  local texts = verilog.texts("spec", circuit)
  for name, text in pairs(testbench.texts(circuit, trace)) do
    texts[name] = text
  end
  files.write_folder("spec", dir, texts)
end

local function run(words, opts)
  local result = assert(program.run(words, opts))
  assert(result.status == 0, table.concat(words, " ") .. ":\n" .. result.words .. result.out)
  return result.out
end

M.run = run

-- The sources in a folder, without and with the testbench.
function M.sources(dir, with_testbench)
  local list = {}
  for i, name in ipairs(verilog.MODULES) do
    list[i] = dir .. "/" .. name
  end
  list[#list + 1] = with_testbench and dir .. "/testbench.v" or nil
  return list
end

-- Words, and those of a list behind them.
function M.words(words, list)
  for _, word in ipairs(list) do
    words[#words + 1] = word
  end
  return words
end

-- What the testbench in a folder prints under Icarus.
function M.icarus(dir)
  run(M.words({ "iverilog", "-g2005", "-Wall", "-o", dir .. "/testbench.vvp" },
    M.sources(dir, true)))
  return run { "sh", "-c", ("cd '%s' && vvp testbench.vvp"):format(dir) }
end

return M
