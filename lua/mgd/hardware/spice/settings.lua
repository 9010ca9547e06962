--- What of a netlist is parameter, input and output, how it is evaluated, and in what its copies
-- differ: the options of `mgd.chip{spice = …}`.
-- @module mgd.hardware.spice.settings

local cards = require "mgd.hardware.spice.cards"
local core = require "mgd.core"
local naming = require "mgd.base.naming"
local netlist = require "mgd.hardware.spice.netlist"
local options = require "mgd.base.options"

local M = {}

local WHERE = "mgd.chip"

local DEFAULTS = { analysis = "op", retry = true, time_limit = 10, scale = 1, offset = 0 }

local TRAN = {
  { "stop", type = "number", required = true, above = 0, unit = "s", doc = "Its end." },
  { "step", type = "number", above = 0, unit = "s",
    doc = "What ngspice's own steps begin with and are at most; a 200th of stop." },
  { "average", type = "number", above = 0, unit = "s",
    doc = "The last part, whose mean is the output; a tenth of stop." },
  { "uic", type = "boolean", default = false,
    doc = "Whether all begins at the initial conditions; else inputs step from their values in the "
      .. "netlist, where the circuit is at rest." },
}

local INPUT = {
  { "scale", type = "number", doc = "Of this one." },
  { "offset", type = "number", doc = "Of this one." },
  positional = { type = "string" },
}

local CHANGE = {
  { "sigma", type = "number", required = true, min = 0, doc = "Standard deviation." },
  { "absolute", type = "boolean", default = false,
    doc = "In the unit of the value; else a share of it." },
}

-- ---- lists --------------------------------------------------------------------------------------

local function list_of(name, value, what)
  if value == nil then
    options.fail(WHERE, "option '%s' is missing: %s", name, what)
  end
  local list = type(value) == "table" and value or { value }
  options.length(WHERE, name, list)
  if #list == 0 then
    options.fail(WHERE, "option '%s' is empty: %s", name, what)
  end
  return list
end

local function names_of(name, value, what)
  local list = list_of(name, value, what)
  for i, one in ipairs(list) do
    if type(one) ~= "string" then
      options.fail(WHERE, "option '%s', element %d: expected a string, got %s", name, i,
        options.type_name(one))
    end
  end
  return list
end

-- The names and patterns of a table by these, sorted, so that the order of everything is the same
-- each time.
local function patterns_of(name, given)
  for pattern in pairs(given) do
    if type(pattern) ~= "string" then
      options.fail(WHERE, "option '%s': expected names or patterns, got %s", name,
        tostring(pattern))
    end
  end
  return cards.keys(given)
end

local function read_inputs(opt, N)
  local list = list_of("inputs", opt.inputs, "which sources are the features?")
  local names, own = {}, {}
  for i, one in ipairs(list) do
    one = type(one) == "table" and one or { one }
    own[i] = options.check(("%s: inputs: element %d"):format(WHERE, i), INPUT, one)
    names[i] = own[i][1]
    if not names[i] then
      options.fail(WHERE, "option 'inputs', element %d: expected the name of a source", i)
    end
  end
  local inputs = N:inputs(WHERE, names)
  for i, input in ipairs(inputs) do
    input.scale = own[i].scale or opt.scale
    input.offset = own[i].offset or opt.offset
  end
  return inputs
end

local function check_apart(parameters, inputs)
  local taken = {}
  for _, input in ipairs(inputs) do
    if taken[input.source] then
      options.fail(WHERE, "inputs: '%s' stands there twice", input.name)
    end
    taken[input.source] = true
  end
  for _, parameter in ipairs(parameters) do
    if parameter.kind == "value" and taken[parameter.target] then
      options.fail(WHERE, "'%s' is a parameter and an input: expected one of the two",
        parameter.name)
    end
  end
end

-- ---- analysis -----------------------------------------------------------------------------------

local function read_analysis(opt)
  if opt.analysis ~= "tran" then
    if opt.tran then
      options.fail(WHERE, "option 'tran' belongs to analysis = 'tran'")
    end
    return { kind = "op" }
  elseif not opt.tran then
    options.fail(WHERE, "option 'tran' is missing: expected {stop = …} in seconds")
  end
  local tran = options.check(WHERE .. ": tran", TRAN, opt.tran)
  local stop = tran.stop
  local step, average = tran.step or stop / 200, tran.average or stop / 10
  if step > stop then
    options.fail(WHERE .. ": tran", "step = %g is longer than stop = %g", step, stop)
  elseif average > stop then
    options.fail(WHERE .. ": tran", "average = %g is longer than stop = %g", average, stop)
  end
  return { kind = "tran", stop = stop, step = step, average = average, uic = tran.uic }
end

-- ---- ranges -------------------------------------------------------------------------------------

--- Whether `ranges` names parameters: {["rw*"] = {low, high, scale =}}.
local function by_name(ranges)
  return naming.is_plain(ranges) and type(next(ranges)) == "string" and ranges[1] == nil
    and ranges.scale == nil
end

-- As instruments have them: one for each, in the order of θ.
local function read_ranges(opt, N, parameters)
  if not opt.ranges or not by_name(opt.ranges) then
    return opt.ranges
  end
  local list = {}
  for _, pattern in ipairs(patterns_of("ranges", opt.ranges)) do
    for _, target in ipairs(N:parameters(WHERE .. ": ranges", { pattern })) do
      for i, parameter in ipairs(parameters) do
        if parameter.kind == target.kind and parameter.target == target.target then
          if list[i] then
            options.fail(WHERE, "ranges: '%s' has more than one range, the second by '%s'",
              parameter.name, pattern)
          end
          list[i] = opt.ranges[pattern]
        end
      end
    end
  end
  for i, parameter in ipairs(parameters) do
    if not list[i] then
      options.fail(WHERE, "ranges: '%s' has none: expected one for each parameter",
        parameter.name)
    end
  end
  return list
end

-- ---- spread and noise ---------------------------------------------------------------------------

local TEMPERATURE = { name = "temperature", kind = "option", target = "temp", value = 27 }

-- Rows {name =, sigma =, absolute =}; what is moved and is no parameter is added to `devices`.
local function read_changes(name, given, N, known, devices)
  local rows, seen = {}, {}
  for _, pattern in ipairs(patterns_of(name, given or {})) do
    local value = given[pattern]
    local where = ("%s: %s: '%s'"):format(WHERE, name, pattern)
    local own = options.check(where, CHANGE, type(value) == "number" and { sigma = value } or value)
    local heat = pattern == "temperature"
    if heat and type(value) == "table" and value.absolute == false then
      options.fail(where, "a temperature has an absolute spread, in kelvin")
    end
    for _, target in ipairs(heat and { TEMPERATURE } or N:targets(where, { pattern })) do
      local key = target.kind .. " " .. target.target
      if seen[key] then
        options.fail(where, "'%s' has one by '%s' already", target.name, seen[key])
      end
      seen[key] = pattern
      if not known[key] then
        known[key] = target
        devices[#devices + 1] = target
      end
      rows[#rows + 1] = { name = known[key].name, sigma = own.sigma,
        absolute = own.absolute or heat }
    end
  end
  return rows
end

-- ---- all ----------------------------------------------------------------------------------------

local function check_own(opts)
  for _, name in ipairs { "net", "evaluate", "instrument", "nodes", "products", "describe",
    "dialect", "terminator" } do
    if opts[name] ~= nil then
      options.fail(WHERE, "option '%s' does not go with 'spice'", name)
    end
  end
end

--- Read the netlist and what the options of `mgd.chip` say of it.
-- @tparam table opts as given
-- @tparam table opt checked
-- @treturn table `netlist`, `parameters`, `inputs`, `outputs`, `analysis`, `devices`, `spread`,
--   `noise`, `ranges` and further options
function M.read(opts, opt)
  check_own(opts)
  local own = {}
  for name, value in pairs(DEFAULTS) do
    own[name] = value
  end
  for name, value in pairs(opt) do
    own[name] = value
  end
  local N = netlist.read(WHERE, own.spice, { allow_control = own.allow_control or false })
  local names = names_of("parameters", own.parameters, "which values are to be trained?")
  local known, devices = {}, {}
  local parameters = N:parameters(WHERE, names)
  for _, parameter in ipairs(parameters) do
    known[parameter.kind .. " " .. parameter.target] = parameter
  end
  local inputs = read_inputs(own, N)
  check_apart(parameters, inputs)
  local outputs = N:outputs(WHERE, names_of("outputs", own.outputs, "which nodes are read?"))
  local ranges = read_ranges(own, N, parameters)
  local spread = read_changes("spread", own.spread, N, known, devices)
  local noise = read_changes("noise", own.noise, N, known, devices)
  return { path = own.spice, netlist = N, parameters = parameters, inputs = inputs,
    outputs = outputs, analysis = read_analysis(own), ranges = ranges, devices = devices,
    spread = spread, noise = noise, on_failure = own.on_failure, retry = own.retry,
    time_limit = own.time_limit, seed = own.seed, library = own.library,
    workers = own.workers or core.base.threads() }
end

return M
