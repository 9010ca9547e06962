--- Option tables, checked in one place.
--
-- A schema is an ordered list of entries, so that help and the reference can be written from it:
--
--     local schema = {
--       { "tau_p", type = "integer", default = 1, min = 1, unit = "steps",
--         doc = "Steps for which one perturbation is held." },
--       { "eta", type = { "number", "function" }, required = true, above = 0,
--         doc = "Learning rate, or a function of the step." },
--       { "optimizer", type = "string", default = "sgd", choices = { "sgd", "adam" },
--         doc = "Update rule." },
--     }
--     local opt = options.check("mgd.train", schema, given)
--
-- Fields of an entry: the name at [1]; `type`, one of "number", "integer", "string", "boolean",
-- "table", "list" (a table of elements 1, 2, … alone), "function" (anything callable),
-- "coroutine", "schedule" (a function of the step or a table, which mgd.codes.schedules checks),
-- "tensor" (or a list of numbers, of which it is made), "network", "chip", "circuit", "dataset",
-- "run", "any", or a list of these; `default`; `required`; `min`, `max` (inclusive) and `above`,
-- `below` (exclusive) for numbers; `infinite = true` where an infinity makes sense; `choices` for
-- strings, and `hints` for some that are none, as in "got 'sgf', which …";
-- `only = { "optimizer", "adam" }` where it has an effect only beside that value of an entry above
-- it, or beside one of several, or of that type; `unit` and `doc` for people. NaN is never a number
-- here.
--
-- `schema.positional` admits an array part: `true` copies it as it is, a table of the entry's
-- fields checks each element. A list with a hole is an error wherever it stands: in the array part,
-- as an option, or within one.
--
-- What the core has a table of, the options of training, it states itself: `options.stated`.
-- @module mgd.base.options

local naming = require "mgd.base.naming"
local text = require "mgd.base.encoding"

local unpack = table.unpack or rawget(_G, "unpack") -- LuaJIT

local options = {}

local PHRASES = {
  any = "a value",
  boolean = "true or false",
  chip = "a chip",
  circuit = "a circuit",
  coroutine = "a coroutine",
  dataset = "a data set",
  ["function"] = "a function",
  integer = "an integer",
  list = "a list",
  network = "a network",
  number = "a number",
  run = "a run",
  schedule = "a schedule",
  string = "a string",
  table = "a table",
  tensor = "a tensor",
}

local EXACT = 2 ^ 53 -- beyond it floats skip integers

-- Arguments of a format, numbers at %s as text: 0.99999999 is not told as 1.
local function with_numbers(format, ...)
  local list, i = { ... }, 0
  for kind in format:gmatch "%%[-+ #0]*%d*%.?%d*(.)" do
    i = i + (kind ~= "%" and 1 or 0)
    if kind == "s" and type(list[i]) == "number" then
      list[i] = text.number(list[i])
    end
  end
  return unpack(list, 1, select("#", ...))
end

--- Raise an error at the user's line (frames inside the library are skipped).
-- @tparam string where  the function that found the fault, e.g. "mgd.train"
-- @tparam string format what is wrong, which value, what would be right, as for string.format;
--   a number at %s keeps its value
-- @param ... its arguments
-- @raise always: "FILE:LINE: WHERE: …"
function options.fail(where, format, ...)
  local message = select("#", ...) > 0 and string.format(format, with_numbers(format, ...))
    or format
  return require("mgd.core").fail(where .. ": " .. message)
end

local told = {}

--- Warn on stderr, once of the same.
-- @tparam string format as of string.format
-- @param ... its arguments
function options.warn(format, ...)
  local warning = format:format(...)
  if not told[warning] then
    told[warning] = true
    io.stderr:write("mgd: warning: ", warning, "\n")
  end
end

--- Whether a value is a tensor.
-- @param value anything
-- @treturn boolean
function options.is_tensor(value)
  return type(value) == "userdata" and require("mgd.core").tensor.is_tensor(value)
end

-- How many elements 1, 2, … a table has. A hole is an error that names its index.
local function count_elements(where, label, value)
  local count, last, hole = 0, 0, 1
  for key in pairs(value) do
    if type(key) == "number" and key >= 1 and key % 1 == 0 then
      count, last = count + 1, math.max(last, key)
    end
  end
  if count < last then
    while value[hole] ~= nil do
      hole = hole + 1
    end
    options.fail(where, "%sa list with holes: element %.14g is nil, element %.14g is not",
      label and label .. ": " or "", hole, last)
  end
  return count
end

--- The length of a list. `{a, condition and b or nil, c}` leaves a hole, at which `#` and `ipairs`
-- may end: what stands behind it is never dropped without a word.
-- @tparam string where opens messages
-- @tparam string|nil label what the list is: "option 'q'"
-- @tparam table list
-- @treturn integer
-- @raise on a hole, and on a key that is no place in a list
function options.length(where, label, list)
  local count = count_elements(where, label, list)
  for key in pairs(list) do
    if type(key) ~= "number" or key < 1 or key % 1 ~= 0 then
      options.fail(where, "%s'%s' among the elements of a list", label and label .. ": " or "",
        tostring(key))
    end
  end
  return count
end

-- Fails for a hole in a table or in the plain tables within it, but for those `seen`.
local function check_holes(where, label, value, seen)
  seen[value] = true
  count_elements(where, label, value)
  for key, element in pairs(value) do
    if type(element) == "table" and getmetatable(element) == nil and not seen[element] then
      local name = type(key) == "number" and ("element %.14g"):format(key)
        or ("%s'%s'"):format(label and "" or "option ", tostring(key))
      check_holes(where, label and label .. ": " .. name or name, element, seen)
    end
  end
end

--- A tensor, where one is wanted: a list of numbers, nested for more dimensions, is made one.
-- @param value anything
-- @treturn tensor|nil nil where it is neither
-- @raise as mgd.tensor does, on a list that is wrong
function options.tensor(value)
  if type(value) == "table" and getmetatable(value) == nil then
    return require("mgd.core").tensor.tensor(value)
  end
  return options.is_tensor(value) and value or nil
end

--- The type of a value as messages name it: `type(value)`, or "tensor", "coroutine", "network", …
-- @param value anything
-- @treturn string
function options.type_name(value)
  return options.is_tensor(value) and "tensor"
    or type(value) == "thread" and "coroutine" or naming.kind(value) or type(value)
end

local function quoted(list)
  local out = {}
  for i, name in ipairs(list) do
    out[i] = "'" .. name .. "'"
  end
  return out
end

local function joined(words, last)
  if #words < 2 then
    return words[1] or ""
  end
  return table.concat(words, ", ", 1, #words - 1) .. last .. words[#words]
end

local function types_of(entry)
  local kinds = entry.type or "any"
  return type(kinds) == "table" and kinds or { kinds }
end

-- "in [0, 1)": a range that ends before its upper end, which no single comparison says.
local function interval_of(entry)
  local low = entry.above or entry.min
  return entry.below and low and ("in %s%s, %s)"):format(entry.above and "(" or "[",
    text.number(low), text.number(entry.below))
end

local function range_of(entry)
  if interval_of(entry) then
    return " " .. interval_of(entry)
  end
  local bounds = {}
  for _, bound in ipairs { { ">", entry.above }, { "≥", entry.min }, { "≤", entry.max },
    { "<", entry.below } } do
    if bound[2] then
      bounds[#bounds + 1] = ("%s %s"):format(bound[1], text.number(bound[2]))
    end
  end
  return #bounds > 0 and " " .. table.concat(bounds, " and ") or ""
end

--- What an entry accepts, in words: "an integer ≥ 1", "a number > 0 or a function".
-- @tparam table entry  of a schema
-- @treturn string
function options.expected(entry)
  local words, kinds = {}, types_of(entry)
  for _, kind in ipairs(kinds) do
    local word = assert(PHRASES[kind], "unknown type in schema")
    if kind == "number" or kind == "integer" then
      word = word .. range_of(entry)
    elseif kind == "string" and entry.choices then
      word = joined(quoted(entry.choices), " or ")
    end
    words[#words + 1] = (kind ~= "any" or #kinds == 1) and word or nil
  end
  return joined(words, " or ")
end

local function in_range(entry, value)
  return (not entry.above or value > entry.above)
    and (not entry.min or value >= entry.min)
    and (not entry.max or value <= entry.max)
    and (not entry.below or value < entry.below)
end

local function callable(value)
  local meta = getmetatable(value)
  return type(value) == "function" or type(meta) == "table" and meta.__call ~= nil
end

local function one_of(choices, value)
  for _, choice in ipairs(choices) do
    if choice == value then
      return true
    end
  end
  return false
end

-- Each answers (accepted, value to keep, "value" when the type was right but the value was not).
local checks = {}

function checks.any(_, value)
  return true, value
end

function checks.boolean(_, value)
  return type(value) == "boolean", value
end

-- What can be called comes out as a function, which is what the core takes.
checks["function"] = function(_, value)
  if type(value) ~= "function" and callable(value) then
    return true, function(...)
      return value(...)
    end
  end
  return type(value) == "function", value
end

function checks.schedule(_, value)
  if type(value) == "table" and not callable(value) then
    return true, value
  end
  return checks["function"](nil, value)
end

function checks.coroutine(_, value)
  return type(value) == "thread", value
end

function checks.list(_, value)
  return type(value) == "table", value
end

function checks.table(_, value)
  return type(value) == "table", value
end

function checks.tensor(_, value)
  local tensor = options.tensor(value)
  return tensor ~= nil, tensor
end

for _, kind in ipairs { "chip", "circuit", "dataset", "network", "run" } do
  checks[kind] = function(_, value)
    return naming.kind(value) == kind, value
  end
end

function checks.string(entry, value)
  if type(value) ~= "string" then
    return false
  end
  return not entry.choices or one_of(entry.choices, value), value, "value"
end

function checks.number(entry, value)
  if type(value) ~= "number" then
    return false
  end
  local finite = value == value and (entry.infinite or math.abs(value) ~= math.huge)
  return finite and in_range(entry, value), value, "value"
end

function checks.integer(entry, value)
  if type(value) ~= "number" then
    return false
  end
  if entry.infinite and math.abs(value) == math.huge then
    return in_range(entry, value), value, "value"
  end
  local exact = math.type and math.type(value) == "integer"
  if not exact and not (value == math.floor(value) and math.abs(value) <= EXACT) then
    return false, nil, "value"
  end
  return in_range(entry, value), math.tointeger and math.tointeger(value) or value, "value"
end

local function shown(value)
  if type(value) == "string" then
    return string.format("%q", value)
  elseif type(value) == "number" then
    return value ~= value and "NaN" or text.number(value)
  end
  return tostring(value)
end

local function check_value(where, label, entry, value)
  local wrong_value = false
  for _, kind in ipairs(types_of(entry)) do
    local accepted, kept, reason = checks[kind](entry, value)
    if accepted then
      if kind == "list" then
        options.length(where, label, kept)
      end
      return kept
    end
    wrong_value = wrong_value or reason == "value"
  end
  local got = wrong_value and shown(value) or options.type_name(value)
  local hint = ""
  if entry.choices and type(value) == "string" then
    hint = entry.hints and entry.hints[value] and ", which " .. entry.hints[value]
      or naming.hint(value, entry.choices)
  end
  local wanted = wrong_value and #types_of(entry) == 1 and interval_of(entry)
    or options.expected(entry)
  return options.fail(where, "%s must be %s, got %s%s", label, wanted, got, hint)
end

local function fail_unknown(where, schema, key)
  if type(key) == "number" then
    return options.fail(
      where,
      "unexpected value at [%s]: options are given by name",
      shown(key)
    )
  end
  local known = {}
  for i, entry in ipairs(schema) do
    known[i] = entry[1]
  end
  return options.fail(where, "unknown option '%s'%s", tostring(key),
    naming.hint(key, known, "options", "it takes none"))
end

local function check_keys(where, schema, given, positional)
  local known, unknown = {}, {}
  for _, entry in ipairs(schema) do
    known[entry[1]] = true
  end
  for key in pairs(given) do
    local element = type(key) == "number"
      and key >= 1
      and key <= positional
      and key == math.floor(key)
    if not known[key] and not element then
      unknown[#unknown + 1] = key
    end
  end
  if #unknown > 0 then
    table.sort(unknown, function(a, b) -- so that the same mistake always reads the same
      return tostring(a) < tostring(b)
    end)
    fail_unknown(where, schema, unknown[1])
  end
end

--- What an entry's `only` names: "code = 'walsh' or 'lfsr'".
-- @tparam table only  of an entry
-- @tparam[opt] string quote  around values; ' without
-- @treturn string
function options.belongs(only, quote)
  local words = {}
  for i = 2, #only do
    local kind = only[i] == "function" or only[i] == "coroutine" or only[i] == "run"
    words[i - 1] = kind and PHRASES[only[i]] or (quote or "'") .. only[i] .. (quote or "'")
  end
  return only[1] .. " = " .. joined(words, " or ")
end

-- Whether a value is among those that `only` names, or of such a type.
local function effective(only, present)
  for i = 2, #only do
    if present == only[i] or type(present) ~= "string" and options.type_name(present) == only[i]
    then
      return true
    end
  end
  return false
end

local function fail_without_effect(where, name, only, present)
  local other = type(present) == "string" and "'" .. present .. "'" or options.type_name(present)
  options.fail(where, "option '%s' has no effect %s: it belongs to %s", name,
    present == nil and "here, where there is no " .. only[1]
      or ("with %s = %s"):format(only[1], other),
    options.belongs(only))
end

local function takes(entry, kind)
  return one_of(types_of(entry), kind)
end

-- The option to which an object of the library belongs, where it was given as another, or as the
-- table of options itself: net = for a network; nil where it may stand there or belongs nowhere.
local function place_of(schema, value, entry)
  local kind = naming.kind(value)
  if not kind or entry and takes(entry, kind) then
    return nil
  end
  for _, other in ipairs(schema) do
    if takes(other, kind) then
      return other[1]
    end
  end
end

local function check_place(where, schema, value, entry)
  local place = place_of(schema, value, entry)
  if place then
    options.fail(where, "option '%s' must be %s, got %s (did you mean %s = …?)", entry[1],
      options.expected(entry), PHRASES[naming.kind(value)], place)
  end
end

local of_core -- by name, asked for when the first schema is made of them

--- An entry that the core states, for a schema that adds what is Lua's alone.
-- @tparam string name of an option of training
-- @tparam[opt] table own fields that are added, or stand in place of the core's; `default = false`:
--   there is none
-- @treturn table a new entry: type, unit, range, choices, default and doc
-- @usage local schema = { options.stated("momentum", { only = { "optimizer", "momentum" } }) }
function options.stated(name, own)
  of_core = of_core or require("mgd.core").train.options()
  local entry = {}
  for _, source in ipairs { assert(of_core[name], name), own or {} } do
    for key, value in pairs(source) do
      entry[key] = value
    end
  end
  if own and own.default == false then
    entry.default = nil
  end
  return entry
end

--- Check an option table against a schema.
-- @tparam string where  the function that was called, e.g. "mgd.train": opens every message
-- @tparam table schema  list of entries, see above
-- @tparam table|nil given  what the user wrote; nil counts as an empty table
-- @treturn table a new table with the defaults filled in; integers are integers even when given as
-- 1e5, and `given` itself is never changed
-- @raise on an unknown name (with a suggestion), a missing option, a wrong type or value
-- @usage local opt = options.check("hw.adc", { { "bits", type = "integer", min = 1 } }, given)
function options.check(where, schema, given)
  if given == nil then
    given = {}
  elseif type(given) ~= "table" or naming.kind(given) then
    local place = place_of(schema, given)
    options.fail(where, "expected a table of options, got %s%s", options.type_name(given),
      place and (" (did you mean {%s = …}?)"):format(place) or "")
  end
  local positional = schema.positional and count_elements(where, nil, given) or 0
  check_keys(where, schema, given, positional)
  check_holes(where, nil, given, {})
  local out = {}
  for i = 1, positional do
    out[i] = given[i]
    if type(schema.positional) == "table" then
      out[i] = check_value(where, "element " .. i, schema.positional, given[i])
    end
  end
  for _, entry in ipairs(schema) do
    local name, value = entry[1], given[entry[1]]
    if entry.only and not effective(entry.only, out[entry.only[1]]) then
      if value ~= nil then
        fail_without_effect(where, name, entry.only, out[entry.only[1]])
      end
    elseif value ~= nil then
      check_place(where, schema, value, entry)
      out[name] = check_value(where, "option '" .. name .. "'", entry, value)
    elseif entry.required then
      options.fail(where, "option '%s' is missing: it must be %s", name, options.expected(entry))
    else
      out[name] = entry.default
    end
  end
  return out
end

return options
