--- Maximal-length shift registers, as the code `lfsr` and the circuits that make it have them, and
-- Walsh counters.
-- @module mgd.circuits.registers

local core = require "mgd.core"

local M = {}

--- The taps of a register: b_k = ⊕ b_{k−t} over them. Their source stands in src/mgd/register.c.
-- @tparam integer bits m, from 2 to 30
-- @treturn table list, the longest first
function M.taps(bits)
  return core.train.register_taps(bits)
end

--- How long a register must be.
-- @tparam integer phases that it has to show
-- @treturn integer the fewest bits with so many
-- @treturn integer as many as are ample, see src/mgd/register.h
function M.bits(phases)
  return core.train.register_bits(phases)
end

--- The period of a Walsh counter.
-- @tparam integer synapses that it serves
-- @treturn integer a power of 2
function M.slots(synapses)
  local slots = 2
  while slots < synapses + 1 do
    slots = 2 * slots
  end
  return slots
end

--- The first bits of a register's sequence, which begins with m ones.
-- @tparam integer bits m
-- @tparam integer count how many
-- @treturn table b_0, b_1, … at [1], [2], …
function M.sequence(bits, count)
  local sequence, taps = {}, M.taps(bits)
  for k = 1, count do
    local sum = k <= bits and 1 or 0
    for _, tap in ipairs(k > bits and taps or {}) do
      sum = sum + sequence[k - tap]
    end
    sequence[k] = sum % 2
  end
  return sequence
end

return M
