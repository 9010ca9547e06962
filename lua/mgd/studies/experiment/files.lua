--- Experiments in files, as Lua or as JSON.
-- @module mgd.studies.experiment.files

local files = require "mgd.base.files"
local interrupts = require "mgd.base.interrupts"
local json = require "mgd.text.json"
local options = require "mgd.base.options"

local M = {}

local WIDTH = 80
local WORDS = { ["and"] = true, ["break"] = true, ["do"] = true, ["else"] = true,
  ["elseif"] = true, ["end"] = true, ["false"] = true, ["for"] = true, ["function"] = true,
  ["goto"] = true, ["if"] = true, ["in"] = true, ["local"] = true, ["nil"] = true, ["not"] = true,
  ["or"] = true, ["repeat"] = true, ["return"] = true, ["then"] = true, ["true"] = true,
  ["until"] = true, ["while"] = true }

-- ---- writing ------------------------------------------------------------------------------------

local function scalar(value)
  if type(value) == "string" then
    return (("%q"):format(value):gsub("\\\n", "\\n"))
  end
  return type(value) == "number" and json.encode(value) or tostring(value)
end

local function key_text(key)
  return key:find "^[%a_][%w_]*$" and not WORDS[key] and key or "[" .. scalar(key) .. "]"
end

-- Plain data as Lua; on one line where there is room.
local function lua_text(value, indent)
  if type(value) ~= "table" then
    return scalar(value)
  end
  local keys, lines, inner = {}, {}, indent .. "  "
  for key in pairs(value) do
    keys[#keys + 1] = type(key) == "string" and key or nil
  end
  table.sort(keys)
  for _, element in ipairs(value) do
    lines[#lines + 1] = lua_text(element, inner)
  end
  for _, key in ipairs(keys) do
    lines[#lines + 1] = key_text(key) .. " = " .. lua_text(value[key], inner)
  end
  local flat = "{" .. table.concat(lines, ", ") .. "}"
  if #flat + #indent < WIDTH and not flat:find "\n" then
    return flat
  end
  return "{\n" .. inner .. table.concat(lines, ",\n" .. inner) .. ",\n" .. indent .. "}"
end

--- "lua" or "json", as the path ends.
function M.format_of(where, path)
  local ending = type(path) == "string" and path:match "%.(%a+)$"
  if ending ~= "lua" and ending ~= "json" then
    options.fail(where, "the path must end in .lua or .json, got %s",
      type(path) == "string" and path or options.type_name(path))
  end
  return ending
end

--- Write plain data.
function M.write(where, path, format, plain)
  local text = format == "json" and json.encode(plain, { indent = 2 }) .. "\n"
    or "-- An experiment of mgd-lua: mgd.experiment.load reads it.\nreturn "
      .. lua_text(plain, "") .. "\n"
  files.write(where, path, text, { durable = true })
end

-- ---- reading ------------------------------------------------------------------------------------

-- What a chunk with nothing around it returns; a first line that begins with # is a comment, as it
-- is for loadfile.
local function run(where, path, text)
  local chunk, why = load((text:gsub("^#[^\n]*", "--", 1)), "=?", "t", {})
  local ok, result = false, why
  if chunk then
    ok, result = interrupts.pcall(chunk)
  end
  if ok then
    return result or options.fail(where, "%s returns nothing", path)
  end
  result = tostring(result):gsub("^%?:", function() -- Lua would cut a long path
    return path .. ":"
  end)
  return options.fail(where, "%s", result)
end

--- Read a table that was written, or that somebody wrote by hand. Lua text is data: it runs with
-- nothing around it.
function M.read(where, path, format)
  local text = files.read(where, path)
  local content
  if format == "json" then
    content = json.decode(text, function(at, why)
      local _, breaks = text:sub(1, at - 1):gsub("\n", "")
      options.fail(where, "%s:%d: no JSON, at byte %d: %s", path, breaks + 1, at, why)
    end)
  else
    content = run(where, path, text)
  end
  if type(content) ~= "table" then
    options.fail(where, "%s: expected a table of options, got %s", path, type(content))
  end
  return content
end

return M
