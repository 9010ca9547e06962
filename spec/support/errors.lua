-- Errors that calls must raise.

local assert = require "luassert"

local M = {}

-- Expects a text to hold others.
function M.contains(text, ...)
  for _, part in ipairs { ... } do
    assert.is_truthy(text:find(part, 1, true), text)
  end
end

-- Expects f(…) to raise; the message must hold a text, or each of a list.
function M.fails(texts, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok, "no error")
  message = tostring(message)
  for _, text in ipairs(type(texts) == "table" and texts or { texts }) do
    assert.is_truthy(message:find(text, 1, true), ("expected %q in %q"):format(text, message))
  end
  return message
end

local LIBRARY = debug.getinfo(require("mgd.base.options").fail, "S").source:match "^(.*/)base/"

-- The file of a function of the specs; nil of the library's, and of tables that are called.
local function file_of(f)
  local info = type(f) == "function" and debug.getinfo(f, "S")
  local own = info and info.what ~= "C" and info.source:sub(1, #LIBRARY) ~= LIBRARY
  return own and info.short_src or nil
end

-- The same, and that the message stands at the user's line: where a chunk of its own calls f, or in
-- f itself where that is a function of the spec.
function M.fails_here(texts, f, ...)
  local call = assert((loadstring or load)("local f = ...\n\nf(select(2, ...))", "=user"))
  local message, own = M.fails(texts, call, f, ...), file_of(f)
  if not own or message:match "^([^\n]-):%d+: " ~= own then -- or f has ended with a tail call
    assert.equal("user:3:", message:match "^[^ ]+", message)
  end
  return message
end

-- The message of f, which is of one line, at the user's.
function M.failure(f)
  local message = M.fails_here({}, f)
  assert.is_nil(message:find("\n", 1, true), message)
  return message
end

-- What a call writes to stderr, whether it returned, and what it returned or raised.
function M.heard(f, ...)
  local real, words = io.stderr, {}
  io.stderr = { write = function(_, ...) -- luacheck: ignore 122
    words[#words + 1] = table.concat { ... }
  end }
  local ok, result = pcall(f, ...)
  io.stderr = real -- luacheck: ignore 122
  return table.concat(words), ok, result
end

return M
