--- Values that statistics take: tensors and lists, as lists of numbers; and results that print.
-- @module mgd.stats.values

local numbers = require "mgd.text.numbers"
local quantiles = require("mgd.core").stats.quantiles
local naming = require "mgd.base.naming"
local options = require "mgd.base.options"

local M = {}

local texts = setmetatable({}, { __mode = "k" }) -- result → function(result) → string

local Result = naming.class "mgd.stats.result"

function Result:__tostring()
  return texts[self](self)
end

--- Values as a list.
-- @tparam string where opens messages
-- @param x a tensor or a list
-- @tparam integer least how many there must be
-- @tparam[opt] integer most
-- @tparam[opt] boolean nan they may be nan
-- @treturn table
function M.list(where, x, least, most, nan)
  local list = options.is_tensor(x) and x:to("f64"):reshape { x.size }:totable() or x
  if type(list) ~= "table" then
    options.fail(where, "expected values as a tensor or a list, got %s", options.type_name(x))
  end
  local count = options.length(where, nil, list)
  for i = 1, count do
    local value = list[i]
    if type(value) ~= "number" then
      options.fail(where, "element %d is %s: expected a number", i, options.type_name(value))
    elseif value ~= value and not nan then
      options.fail(where, "element %d is nan", i)
    end
  end
  if count < least or most and count > most then
    options.fail(where, "expected %s%d value%s, got %d", most and "" or "at least ", least,
      least == 1 and "" or "s", count)
  end
  return list
end

--- What a run has of its replicas as a list: a number of one, a tensor (R) of many.
-- @tparam number|tensor x
-- @treturn table
function M.of_replicas(x)
  return type(x) == "number" and { x } or x:totable()
end

--- The values of a list that are not nan.
-- @tparam table list
-- @treturn table
function M.known(list)
  local out = {}
  for _, value in ipairs(list) do
    out[#out + 1] = value == value and value or nil
  end
  return out
end

--- A quantile of the values that are not nan.
-- @tparam table list
-- @tparam number q from 0 to 1
-- @treturn number nan where there are none
-- @treturn integer how many there are
function M.quantile(list, q)
  local known = M.known(list)
  return #known > 0 and quantiles(known, { q })[1] or 0 / 0, #known
end

--- Their median.
function M.median(list)
  return M.quantile(list, 0.5)
end

--- A value with its interval for people: "15 (12 … 19 at 95 %)".
-- @tparam number value
-- @tparam number low
-- @tparam number high
-- @tparam number level from 0 to 1
-- @treturn string
function M.interval(value, low, high, level)
  return ("%s (%s … %s at %g %%)"):format(numbers.number(value), numbers.number(low),
    numbers.number(high), 100 * level)
end

--- A result that prints.
-- @tparam table fields
-- @tparam function text of the result → string
function M.make(fields, text)
  texts[fields] = text
  return setmetatable(fields, Result)
end

return M
