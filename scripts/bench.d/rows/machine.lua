--- m: what the machine can do at most, in the same run as everything else.

local contenders = require "contenders"

local CORES = contenders.CORES
local MEMORY = 256 << 20 -- bytes: much more than caches hold
local CACHE = 192 << 10 -- of each thread: more than the first cache holds, less than the second

-- With one thread, and with all.
local function both(contender)
  return function()
    local list = { contender(1) }
    if CORES > 1 then
      list[2] = contender(CORES)
    end
    return list
  end
end

return {
  {
    id = "m1", title = "the machine: multiply-adds of f32", unit = "GFLOP/s",
    make = both(contenders.peak),
  },
  {
    id = "m2", title = "the machine: reading 256 MiB", unit = "GB/s",
    make = both(function(threads)
      return contenders.reading(threads, MEMORY)
    end),
  },
  {
    id = "m3", title = "the machine: reading 192 KiB per thread", unit = "GB/s",
    make = both(function(threads)
      return contenders.reading(threads, CACHE * threads)
    end),
  },
}
