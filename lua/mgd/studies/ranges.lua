--- Values along a range of numbers: those of sweeps and of tolerances.
-- @module mgd.studies.ranges

local options = require "mgd.base.options"

local M = {}

--- The value at u between two numbers, which may be as far apart as numbers can be.
-- @tparam number first the value at u = 0
-- @tparam number last the value at u = 1; on a logarithmic scale both are above 0
-- @tparam number u from 0 to 1
-- @tparam[opt] boolean log evenly on a logarithmic scale
-- @treturn number finite
function M.at(first, last, u, log)
  if log then
    local factor = last / first
    if factor > 0 and factor < math.huge then
      return first * factor ^ u
    end
    return math.exp((1 - u) * math.log(first) + u * math.log(last))
  end
  local span = last - first
  return math.abs(span) < math.huge and first + u * span or (1 - u) * first + u * last
end

--- The ends of a range as whole numbers within it.
-- @tparam string where opens messages
-- @tparam number first
-- @tparam number last above or below the first
-- @treturn number
-- @treturn number
-- @raise where there is none
function M.whole(where, first, last)
  local low, high = math.ceil(math.min(first, last)), math.floor(math.max(first, last))
  if low > high then
    options.fail(where, "there is no whole number from %.14g to %.14g", first, last)
  end
  if first < last then
    return low, high
  end
  return high, low
end

return M
