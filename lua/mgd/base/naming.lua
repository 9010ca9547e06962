--- Names that are not there: what a misspelt word was meant to be, and objects and modules that say
-- so instead of being nil without a word.
--
-- `naming.class` makes a metatable whose objects raise where a field is read that none of their
-- kind has, and whose methods notice when they are called with a dot; `naming.module` does the same
-- for modules, whose functions are not called with a colon. A name that is known but has no value
-- (a probe that was not taken) is nil. Only strings that look like names raise: numbers, what
-- begins with an underscore (`__pairs`, `_class`: how other libraries look at tables), what
-- this library or those ask that compare tables, and rawget, pairs and next never do.
-- @module mgd.base.naming

local core = require "mgd.core"

local naming = {}

-- ---- words --------------------------------------------------------------------------------------

--- Number of edits (insert, delete, replace, swap neighbours) that turn `a` into `b`.
-- Optimal string alignment, Damerau 1964; case is ignored.
-- @tparam string a
-- @tparam string b
-- @treturn number
function naming.distance(a, b)
  a, b = a:lower(), b:lower()
  local before, above, row = {}, {}, {}
  for j = 0, #b do
    above[j] = j
  end
  for i = 1, #a do
    row[0] = i
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      row[j] = math.min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        row[j] = math.min(row[j], before[j - 2] + 1)
      end
    end
    before, above, row = above, row, before
  end
  return above[#b]
end

--- The name in a list that `word` was probably meant to be: within a third of edits, or else one
-- that begins with the word, or has it among its parts (`parameters` for `num_parameters`).
-- @tparam string word
-- @tparam table list of strings
-- @treturn string|nil  nil when nothing is near
function naming.nearest(word, list)
  local best, best_distance
  for _, name in ipairs(list) do
    local distance = naming.distance(word, name)
    if not best_distance or distance < best_distance then
      best, best_distance = name, distance
    end
  end
  if best and best_distance <= math.max(1, math.floor(#word / 3)) then
    return best
  end
  for _, name in ipairs(list) do
    if #word >= 2 and name:sub(1, #word) == word then
      return name
    end
  end
  for _, name in ipairs(list) do
    if #word >= 3 and ("_" .. name .. "_"):find("_" .. word .. "_", 1, true) then
      return name
    end
  end
end

--- What to say behind an unknown word: " (did you mean 'x'?)", or else all that there is.
-- @param word anything; only a string is near to another
-- @tparam table list of strings
-- @tparam[opt] string all opens the list of all, as in " (stages: …)"; nothing is said without
-- @tparam[opt] string none in brackets where there are none
-- @treturn string begins with a space, or ""
function naming.hint(word, list, all, none)
  local near = type(word) == "string" and naming.nearest(word, list)
  if near then
    return (" (did you mean '%s'?)"):format(near)
  elseif none and #list == 0 then
    return (" (%s)"):format(none)
  end
  return all and (" (%s: %s)"):format(all, table.concat(list, ", ")) or ""
end

-- ---- unknown names ------------------------------------------------------------------------------

local MOST = 16 -- names that are listed where none is near

-- Adds the names among the keys of a table.
local function add_names(list, seen, t)
  for key in next, t do
    if type(key) == "string" and key:find "^%a" and key ~= "core" and not seen[key] then
      seen[key], list[#list + 1] = true, key
    end
  end
end

-- Whether a key is what somebody might have meant as a name.
local function is_name(key)
  return type(key) == "string" and key:find "^%a[%w_]*$" ~= nil
end

local OWN = debug.getinfo(1, "S").source
local LIBRARY = OWN:gsub("base/naming%.lua$", "")

-- Errors are reported at the first line outside of this folder, whichever module came first.
core.set_library(LIBRARY)

-- Libraries that compare or print tables: they ask one for the keys of another.
local INSPECTORS = { luassert = true, busted = true, inspect = true, pl = true, serpent = true }

-- Whether a file is one of theirs: it is where the name of a module that was loaded says, so that a
-- user's own script in a folder of such a name is none.
local function is_inspector(source)
  local rest = source:match "^@(.*)%.lua$"
  while rest do
    if INSPECTORS[rest:match "^[^/]*"] then
      local module = rest:gsub("/", ".")
      if package.loaded[module] or package.loaded[module:match "^(.*)%.init$" or module] then
        return true
      end
    end
    rest = rest:match "^[^/]*/(.*)$"
  end
  return false
end

-- Whether the code that asks is one of those, or of this library, which knows what it may miss.
local function is_inspected()
  local level = 2
  local info = debug.getinfo(level, "S")
  while info and (info.what == "C" or info.source == OWN) do
    level = level + 1
    info = debug.getinfo(level, "S")
  end
  local source = info and info.source or ""
  return source:sub(1, #LIBRARY) == LIBRARY or is_inspector(source)
end

-- Raises at the user's line: `what` has no `key`, but what the tables have as keys.
local function fail_unknown(what, key, ...)
  if is_inspected() then
    return nil
  end
  local list, seen = {}, {}
  for _, t in ipairs { ... } do
    add_names(list, seen, t)
  end
  table.sort(list)
  core.fail(("%s has no '%s'%s"):format(what, key,
    naming.hint(key, list, #list <= MOST and "it has" or nil)))
end

-- How a call with a first argument is written: run:run{…}, run:theta(), net:forward(…).
local function call_text(name, count, first)
  if count ~= 1 then
    return name .. (count == 0 and "()" or "(…)")
  end
  local plain = type(first) == "table" and getmetatable(first) == nil
  return name .. (plain and "{…}" or type(first) == "string" and " \"…\"" or "(…)")
end

local texts = setmetatable({}, { __mode = "k" }) -- function of the library → how it is called

--- How a function of the library is called: "function mgd.train(opts)"; nil for others.
-- @param value anything
-- @treturn string|nil
function naming.function_text(value)
  return value ~= nil and texts[value] or nil
end

-- The names of parameters, as far as Lua knows them.
local function parameters(f)
  local list = {}
  local name = debug.getlocal(f, 1)
  while name do
    list[#list + 1] = name
    name = debug.getlocal(f, #list + 1)
  end
  return list, #list == 0 and debug.getinfo(f, "S").what == "C"
end

local function describe(guarded, name, f, skip)
  local list, unknown = parameters(f)
  texts[guarded] = ("function %s(%s)"):format(name,
    unknown and "…" or table.concat(list, ", ", skip + 1))
  return guarded
end

-- ---- classes ------------------------------------------------------------------------------------

local kinds = setmetatable({}, { __mode = "k" }) -- metatable → what its objects are called

--- What kind of object of the library a value is: "network", "chip", "dataset", "run", …
-- @param value anything
-- @treturn string|nil
function naming.kind(value)
  local meta = type(value) == "table" and getmetatable(value)
  return meta and kinds[meta] or nil
end

--- Whether a value is a plain table: without a metatable, or with that of a mere record.
-- @param value anything
-- @treturn boolean
function naming.is_plain(value)
  local meta = type(value) == "table" and getmetatable(value)
  return meta == nil or type(meta) == "table" and meta.__is_record == true
end

local function guard_method(class, noun, name, f)
  return describe(function(self, ...)
    if getmetatable(self) ~= class then
      local count = select("#", ...) + (self == nil and 0 or 1)
      core.fail(("%s.%s: call it with a colon, %s"):format(noun, name,
        call_text(noun .. ":" .. name, count, self)))
    end
    return f(self, ...)
  end, noun .. ":" .. name, f, 1)
end

local function set_of(list)
  local set = {}
  for _, name in ipairs(list or {}) do
    set[name] = true
  end
  return set
end

--- Make a class: a metatable for `setmetatable(fields, class)`. Methods are written into it.
-- @tparam string name "mgd.run": messages use its last part
-- @tparam[opt] table optional names of fields that may be nil
-- @tparam[opt] table properties name → function(self): fields that are worked out when asked for
-- @tparam[opt] boolean plain its objects are tables of values, which may stand for options
-- @treturn table
function naming.class(name, optional, properties, plain)
  local noun = name:match "[^.]+$"
  local class, known = {}, set_of(optional)
  properties = properties or {}
  class.__name = name

  function class:__index(key)
    local method = class[key]
    if method ~= nil then
      return method
    elseif properties[key] then
      return properties[key](self)
    elseif known[key] or not is_name(key) then
      return nil
    end
    return fail_unknown(noun, key, self, class, known, properties)
  end

  kinds[class] = not plain and noun or nil
  return setmetatable(class, {
    __newindex = function(_, key, value)
      if type(value) == "function" and is_name(key) then
        value = guard_method(class, noun, key, value)
      end
      rawset(class, key, value)
    end,
  })
end

-- ---- modules ------------------------------------------------------------------------------------

local modules = setmetatable({}, { __mode = "k" }) -- table → name
local WIDTH = 78 -- of the list of a module's names

-- "module mgd.nn" and, below it, the names that it has.
local function module_text(name, ...)
  local list, seen = {}, {}
  for _, t in ipairs { ... } do
    add_names(list, seen, t)
  end
  table.sort(list)
  local lines, line = { "module " .. name }, " "
  for i, word in ipairs(list) do
    word = " " .. word .. (i < #list and "," or "")
    if #line + #word > WIDTH then
      lines[#lines + 1], line = line, " "
    end
    line = line .. word
  end
  lines[#lines + 1] = #list > 0 and line or nil
  return table.concat(lines, "\n")
end

-- A function that notices when it gets the module to which it belongs.
local function guard_function(name, f)
  local owner = name:match "^(.*)%."
  return describe(function(...)
    if owner and modules[(...)] == owner then
      core.fail(("%s: call it with a dot, %s"):format(name:gsub("%.([%w_]+)$", ":%1"),
        call_text(name, select("#", ...) - 1, (select(2, ...)))))
    end
    return f(...)
  end, name, f, 0)
end

--- Make a table a module, whose functions are called with a dot and whose unknown names raise.
-- @tparam string name "mgd.nn"
-- @tparam table module
-- @tparam[opt] table opts `call`: function(…) that the module itself is called as; `later`: names
--   that may be nil; `load`: function(name) → value, for what is loaded when it is asked for;
--   `loads`: the names of those, to suggest
-- @treturn table the module
function naming.module(name, module, opts)
  opts = opts or {}
  local later, loads = set_of(opts.later), opts.loads or {}
  for key, value in pairs(module) do
    if type(value) == "function" then
      module[key] = guard_function(name .. "." .. key, value)
    end
  end
  modules[module] = name
  local call = opts.call and guard_function(name, opts.call)
  return setmetatable(module, {
    __name = name,
    __call = call and function(_, ...)
      return call(...)
    end,
    __index = function(_, key)
      if loads[key] then
        local value = opts.load(key)
        value = type(value) == "function" and guard_function(name .. "." .. key, value) or value
        module[key] = value
        return value
      elseif not later[key] and is_name(key) then
        return fail_unknown(name, key, module, later, loads)
      end
    end,
    __pairs = opts.loads and function()
      for key in next, loads do
        local _ = module[key]
      end
      return next, module
    end,
    __tostring = function()
      return module_text(name, module, loads)
    end,
  })
end

-- Objects of the core (tensors) ask here, too.
core.set_unknown(function(what, key, methods, fields)
  if is_name(key) then
    fail_unknown(what, key, methods, set_of(fields))
  end
end)

return naming
