--- Several cost signals, each demodulated by itself: the option `signals` of `mgd.train`.
--
-- With the cost mse the whole cost is a sum over outputs, C = Σ_o C_o. A *signal* is the share of
-- some outputs in it, and a parameter that hears one integrates e = C̃_s·θ̃/⟨θ̃²⟩ in place of
-- C̃·θ̃/⟨θ̃²⟩. Where it acts through these outputs alone, its gradient is the same and what the
-- other outputs would add to C̃ does not disturb it.
-- @module mgd.codes.signals

local options = require "mgd.base.options"
local parts = require "mgd.networks.parts"

local M = {}

local WHERE = "mgd.train: signals"

M.SCHEMA = {
  { "outputs", type = { "integer", "list" }, required = true,
    doc = "The outputs that are heard: k, or {first, last}." },
  { "layers", type = { "string", "integer", "list" },
    doc = "Who hears them: a layer with parameters by its name or its number among them, or "
      .. "{first, last}; or …" },
  { "parameters", type = { "integer", "list" }, doc = "… parameters of θ, k or {first, last}." },
}

-- {first, last} of k or {first, last}.
local function range_of(name, value)
  if type(value) == "number" then
    value = { value, value }
  end
  local first, last = value[1], value[2]
  local whole = #value == 2 and type(first) == "number" and type(last) == "number"
    and first % 1 == 0 and last % 1 == 0
  if not whole or first < 1 or last < first then
    options.fail(WHERE, "%s must be a number from 1 on, or {first, last}", name)
  end
  return { first, last }
end

-- Each output's own weights and bias in the last layer.
local function by_output(chip)
  local layers = parts.of(WHERE, chip.net)
  local last = layers[#layers]
  if last.kind ~= "dense" then
    options.fail(WHERE, "\"outputs\" needs a dense layer at the end, whose rows hear one output "
      .. "each: this network ends with %s (%s); expected a list", last.name, last.kind)
  end
  local outputs = last.outputs
  local inputs, signals = last.parameters / outputs - 1, {}
  for o = 1, outputs do
    local weights, bias = last.first + (o - 1) * inputs, last.first + outputs * inputs + o - 1
    signals[o] = { outputs = { o, o }, parameters = { weights, weights + inputs - 1 } }
    signals[outputs + o] = { outputs = { o, o }, parameters = { bias, bias } }
  end
  return signals
end

-- The first and the last of the layers that hear a signal.
local function layers_of(chip, given)
  local pair = type(given) == "table" and given or { given, given }
  if #pair ~= 2 then
    options.fail(WHERE, "layers must be a name or a number, or {first, last} of such")
  end
  local first = parts.find(WHERE, chip.net, pair[1])[1]
  local until_last = parts.find(WHERE, chip.net, pair[2])
  local last = until_last[#until_last]
  if last.number < first.number then
    options.fail(WHERE, "layers {'%s', '%s'}: expected {first, last}, in the order of θ",
      first.name, last.name)
  end
  return first, last
end

local function entry_of(chip, given)
  local entry = options.check(WHERE, M.SCHEMA, given)
  if (entry.layers == nil) == (entry.parameters == nil) then
    options.fail(WHERE, "expected either layers = … or parameters = … for each signal")
  end
  local signal = { outputs = range_of("outputs", entry.outputs) }
  if entry.parameters then
    signal.parameters = range_of("parameters", entry.parameters)
    return signal
  end
  local first, last = layers_of(chip, entry.layers)
  signal.parameters = { first.first, last.first + last.parameters - 1 }
  return signal
end

--- Signals from the option: "outputs", or a list of {outputs =, layers = | parameters =}.
-- @tparam chip chip
-- @tparam string|table given
-- @treturn table list of {outputs = {first, last}, parameters = {first, last}}, in the order of θ
function M.resolve(chip, given)
  if given == "outputs" then
    return by_output(chip)
  elseif type(given) == "string" or #given == 0 then
    options.fail(WHERE, "expected \"outputs\" or a list of {outputs = …, layers = …}")
  end
  local signals = {}
  for i, entry in ipairs(given) do
    if type(entry) ~= "table" then
      options.fail(WHERE, "signal %d must be a table, got %s", i, options.type_name(entry))
    end
    signals[i] = entry_of(chip, entry)
  end
  table.sort(signals, function(a, b)
    return a.parameters[1] < b.parameters[1]
  end)
  return signals
end

--- How many different signals there are besides the whole cost.
-- @tparam table signals as resolved
-- @treturn number
function M.count(signals)
  local seen, count = {}, 0
  for _, signal in ipairs(signals) do
    local key = signal.outputs[1] .. ":" .. signal.outputs[2]
    count = count + (seen[key] and 0 or 1)
    seen[key] = true
  end
  return count
end

return M
