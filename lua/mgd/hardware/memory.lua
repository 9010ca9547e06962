--- What models of the user's remember: a table for each replica of a run, at each place of its chip
-- where such a model stands.
--
-- It is plain data: tables, numbers, strings, booleans and tensors, so that it can be put aside
-- before a request that may fail, and saved with the run.
-- @module mgd.hardware.memory

local options = require "mgd.base.options"

local M = {}

local Memory = {}
Memory.__index = Memory

--- Nothing remembered yet.
-- @treturn memory `places`: place → {name =, replica → table}
function M.new()
  return setmetatable({ places = {}, kept = {} }, Memory)
end

-- A copy that shares no table or tensor with the original.
local function copied(value, seen)
  if options.is_tensor(value) then
    seen[value] = seen[value] or value:clone()
  elseif type(value) ~= "table" then
    return value
  elseif not seen[value] then
    local copy = {}
    seen[value] = copy
    for key, element in pairs(value) do
      copy[copied(key, seen)] = copied(element, seen)
    end
  end
  return seen[value]
end

--- A replica's table at a place.
-- @tparam string name of the model, for messages
-- @tparam string place
-- @tparam integer replica
-- @tparam boolean still a probe looks: what it changes is forgotten
-- @treturn table
function Memory:of(name, place, replica, still)
  local tables = self.places[place] or { name = name }
  self.places[place] = tables
  tables[replica] = tables[replica] or {}
  return still and copied(tables[replica], {}) or tables[replica]
end

--- Forget all.
function Memory:clear()
  self.places, self.kept = {}, {}
end

--- Another table in the place of a replica's.
function Memory:set(place, replica, value)
  self.places[place][replica] = value
end

--- Put aside what a replica remembers, for `undo`.
function Memory:keep(replica)
  local kept = {}
  for place, tables in pairs(self.places) do
    kept[place] = copied(tables[replica], {})
  end
  self.kept[replica] = kept
end

--- What was put aside takes its place again.
function Memory:undo(replica)
  for place, tables in pairs(self.places) do
    tables[replica] = self.kept[replica][place]
  end
  self.kept[replica] = nil
end

-- ---- as text ------------------------------------------------------------------------------------

-- A value is written as a list that begins with its kind, or as a word whose first letter says it:
--   i5, f0.5 numbers; sTEXT; true, false; {"t", key, value, …}; x3 the third tensor; r2 the second
--   table of the replica once more.
-- Whole numbers that are floats stay so, where Lua tells them apart.

local function number_text(value)
  local integer = math.type and math.type(value) == "integer"
  return integer and "i" .. tostring(value) or "f" .. ("%.17g"):format(value)
end

local function string_text(value) -- a text may hold any byte
  return "s" .. value:gsub("[^%w ]", function(byte)
    return ("%%%02x"):format(byte:byte())
  end)
end

-- Where in a table, as one would write it.
local function inner(path, key)
  if type(key) == "string" and key:find "^[%a_][%w_]*$" then
    return path .. "." .. key
  end
  return ("%s[%s]"):format(path, type(key) == "string" and ("%q"):format(key) or tostring(key))
end

local encode

local function encode_table(self, value, path)
  if self.open[value] then
    options.fail("run:save", "%s is a table that stands within itself: memory must be plain data",
      path)
  elseif self.known[value] then
    return "r" .. self.known[value]
  elseif getmetatable(value) ~= nil then
    options.fail("run:save", "%s is a table with a metatable, which cannot be saved: expected "
      .. "plain data", path)
  end
  self.count = self.count + 1
  self.known[value], self.open[value] = self.count, true
  local list, keys = { "t" }, {}
  for key in pairs(value) do
    if type(key) ~= "number" and type(key) ~= "string" and type(key) ~= "boolean" then
      options.fail("run:save", "%s has a %s as a key, which cannot be saved: expected numbers and "
        .. "strings", path, options.type_name(key))
    end
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b) -- equal memories are equal files
    if type(a) == type(b) and type(a) ~= "boolean" then
      return a < b
    end
    return type(a) .. tostring(a) < type(b) .. tostring(b)
  end)
  for _, key in ipairs(keys) do
    list[#list + 1] = encode(self, key, path)
    list[#list + 1] = encode(self, value[key], inner(path, key))
  end
  self.open[value] = nil
  return list
end

function encode(self, value, path)
  if type(value) == "number" then
    return number_text(value)
  elseif type(value) == "string" then
    return string_text(value)
  elseif type(value) == "boolean" then
    return value
  elseif options.is_tensor(value) then
    if not self.tensors[value] then
      self.list[#self.list + 1] = value
      self.tensors[value] = #self.list
    end
    return "x" .. self.tensors[value]
  elseif type(value) == "table" then
    return encode_table(self, value, path)
  end
  options.fail("run:save", "%s is a %s, which cannot be saved: expected plain data (numbers, "
    .. "strings, booleans, tensors and tables of them)", path, options.type_name(value))
end

--- All of it as plain data for a file.
-- @tparam function number replica → its number, for messages
-- @treturn table|nil list of {place, name, replica, value}; nil where nothing is remembered
-- @treturn table list of tensors
-- @raise on what is no plain data, naming where in the memory
function Memory:encode(number)
  local entries, list = {}, {}
  local places = {}
  for place in pairs(self.places) do
    places[#places + 1] = place
  end
  table.sort(places)
  for _, place in ipairs(places) do
    local tables, replicas = self.places[place], {}
    for replica in pairs(tables) do
      replicas[#replicas + 1] = type(replica) == "number" and replica or nil
    end
    table.sort(replicas)
    for _, replica in ipairs(replicas) do
      local path = ("%s, replica %d: memory"):format(tables.name, number(replica))
      entries[#entries + 1] = { place, tables.name, replica,
        encode({ open = {}, known = {}, count = 0, tensors = {}, list = list }, tables[replica],
          path) }
    end
  end
  return #entries > 0 and entries or nil, list
end

-- ---- and back -----------------------------------------------------------------------------------

local decode

local function decode_table(self, list)
  local value = {}
  self.count = self.count + 1
  self.known[self.count] = value
  for i = 2, #list, 2 do
    local key = decode(self, list[i])
    if key == nil or key ~= key or list[i + 1] == nil then
      error(self)
    end
    value[key] = decode(self, list[i + 1])
  end
  return value
end

local DECODERS = {
  i = function(_, text)
    return math.tointeger and math.tointeger(tonumber(text)) or tonumber(text)
  end,
  f = function(_, text)
    local words = { inf = math.huge, ["-inf"] = -math.huge, nan = 0 / 0, ["-nan"] = 0 / 0 }
    local value = words[text] or tonumber(text)
    return value and value + 0.0
  end,
  s = function(_, text)
    return (text:gsub("%%(%x%x)", function(digits)
      return string.char(tonumber(digits, 16))
    end))
  end,
  x = function(self, text)
    return self.tensors[tonumber(text)]
  end,
  r = function(self, text)
    return self.known[tonumber(text)]
  end,
}

function decode(self, value)
  if type(value) == "boolean" then
    return value
  elseif type(value) == "table" and value[1] == "t" then
    return decode_table(self, value)
  end
  local decoder = type(value) == "string" and DECODERS[value:sub(1, 1)]
  local decoded = decoder and decoder(self, value:sub(2))
  if decoded == nil then
    error(self) -- no message: the caller's is better
  end
  return decoded
end

--- What `encode` gave, back in place.
-- @tparam any entries
-- @tparam table tensors list
-- @tparam integer replicas of the run
-- @treturn boolean false where it is nothing of the kind
function Memory:decode(entries, tensors, replicas)
  for _, entry in ipairs(type(entries) == "table" and entries or { false }) do
    local place, name, replica, value
    if type(entry) == "table" then
      place, name, replica, value = entry[1], entry[2], entry[3], entry[4]
    end
    if type(place) ~= "string" or type(name) ~= "string" or type(replica) ~= "number"
      or not (replica >= 1 and replica <= replicas) then
      return false
    end
    local ok, decoded = pcall(decode, { known = {}, count = 0, tensors = tensors }, value)
    if not ok or type(decoded) ~= "table" then
      return false
    end
    self:of(name, place, replica)
    self:set(place, replica, decoded)
  end
  return true
end

--- Whether a function names `memory`: what it reads of its ctx stands among its constants.
-- @tparam function f
-- @treturn boolean false, too, where that cannot be seen, as with functions in C
function M.named_in(f)
  local ok, code = pcall(string.dump, f, true)
  return ok and code:find("memory", 1, true) ~= nil
end

--- Tensors of a checkpoint, in order of what `encode` listed.
function M.tensors_of(tensors)
  local list = {}
  while tensors["memory." .. #list + 1] do
    list[#list + 1] = tensors["memory." .. #list + 1]
  end
  return list
end

return M
