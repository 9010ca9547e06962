--- Schedules: values that change as training goes on.
--
-- `eta`, `amplitude`, `norm`, `tau_p`, `tau_theta` and `tau_x` take a number, a function of the
-- step, or one of these tables; n is the engine step, from 0, and t = n/every:
--
--     {"constant", v}                                   v
--     {"step", v, factor = 0.5, every = 1e4}            v·factor^⌊t⌋
--     {"exponential", v, factor = 0.5, every = 1e4}     v·factor^t
--     {"cosine", v, to = 0, steps = 1e5}                half a cosine from v to `to`, which stays
--     {"inverse", v, decay = 0.1, every = 1e3}          v/(1 + decay·t)
--     {"spsa", v, A = 100, exponent = 0.602}            v/(A + 1 + t)^exponent
--
-- The last are the gains of SPSA (Spall, IEEE Trans. Aerosp. Electron. Syst. 34, 817, 1998): 0.602
-- for η, 0.101 for the amplitude. η is asked at the steps that write θ, an amplitude at the first
-- step of each slot, a time constant at the first step of what it lasts, and rounded. A table says
-- the same in a file: runs with functions can be saved, but need them again to go on.
-- @module mgd.codes.schedules

local core = require "mgd.core"
local options = require "mgd.base.options"
local text = require "mgd.base.encoding"

local M = {}

local EVERY = { "every", type = "number", above = 0, default = 1, unit = "steps",
  doc = "Steps of one unit of t." }

-- Parameters of each kind, and what the core calls them.
local KINDS = {
  constant = {},
  step = {
    { "factor", type = "number", required = true, min = 0, doc = "Of each stair." },
    { "every", type = "number", required = true, above = 0, unit = "steps", doc = "Of a stair." },
  },
  exponential = {
    { "factor", type = "number", required = true, min = 0, doc = "What `every` steps leave." },
    EVERY,
  },
  cosine = {
    { "to", type = "number", default = 0, min = 0, doc = "Where it ends." },
    { "steps", type = "number", required = true, above = 0, unit = "steps", doc = "How long." },
  },
  inverse = {
    { "decay", type = "number", required = true, min = 0, doc = "For each unit of t." },
    EVERY,
  },
  spsa = {
    { "A", type = "number", default = 0, min = 0, doc = "Stability constant, in units of t." },
    { "exponent", type = "number", default = 0.602, min = 0,
      doc = "0.602 for η, 0.101 for amplitudes." },
    EVERY,
  },
}

local NAMES = { "constant", "step", "exponential", "cosine", "inverse", "spsa" }

--- Check a schedule.
-- @tparam string where who asks
-- @tparam string name of the option
-- @tparam number|function|table value
-- @tparam[opt] table entry bounds of a number: `min`, `above`
-- @treturn number|function|table the same, defaults filled in
function M.check(where, name, value, entry)
  if type(value) ~= "table" then
    return value
  end
  local label = ("%s: %s"):format(where, name)
  local kind = value[1]
  options.check(label, { { "kind", type = "string", choices = NAMES, required = true } },
    { kind = kind })
  local schema = { positional = true }
  for i, parameter in ipairs(KINDS[kind]) do
    schema[i] = parameter
  end
  local checked = options.check(label, schema, value)
  local number = { "value", type = "number", required = true, min = entry and entry.min,
    above = entry and entry.above }
  options.check(label, { number }, { value = checked[2] })
  if #checked > 2 then
    options.fail(label, "%d values are given by place: expected the kind and one number", #checked)
  end
  return checked
end

--- A schedule as plain data with names alone, for checkpoints, and back; all else as it is.
function M.describe(value)
  if type(value) ~= "table" or not KINDS[value[1]] then
    return value
  end
  local plain = { schedule = { value[1], value[2] } }
  for _, entry in ipairs(KINDS[value[1]]) do
    plain[entry[1]] = value[entry[1]]
  end
  return plain
end

function M.restore(plain)
  if type(plain) ~= "table" or type(plain.schedule) ~= "table" then
    return plain
  end
  local value = {}
  for key, part in pairs(plain) do
    value[key] = part
  end
  value[1], value[2], value.schedule = plain.schedule[1], plain.schedule[2], nil
  return value
end

--- What the core takes.
function M.compile(value)
  if type(value) ~= "table" then
    return value
  end
  return { kind = value[1], value = value[2], to = value.to, offset = value.A,
    factor = value.factor or value.decay or value.exponent, every = value.every or value.steps }
end

--- A schedule as a function, to be looked at.
-- @tparam number|function|table value as `eta` of mgd.train
-- @treturn function step → value
-- @usage print(mgd.schedule{"cosine", 0.1, steps = 1e5}(5e4)) --> 0.05
function M.schedule(value)
  if type(value) ~= "number" and type(value) ~= "function" and type(value) ~= "table" then
    options.fail("mgd.schedule", "expected a number, a function or a table such as "
      .. '{"cosine", 0.1, steps = 1e5}, got %s', options.type_name(value))
  end
  local checked = M.check("mgd.schedule", "schedule", value)
  if type(checked) == "function" then
    return checked
  end
  local compiled = { schedule = M.compile(checked) }
  return function(step)
    return core.train.schedule(compiled, step)
  end
end

--- A schedule in a word or two: "0.1", "a function", "cosine from 0.1".
function M.text(value)
  if type(value) == "number" then
    return text.number(value)
  end
  return type(value) == "table" and ("%s from %s"):format(value[1], text.number(value[2]))
    or "a function"
end

return M
