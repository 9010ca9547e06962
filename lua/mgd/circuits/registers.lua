--- Maximal-length shift registers, as the code `lfsr` and the circuits that make it have them.
-- @module mgd.circuits.registers

local M = {}

-- Taps of registers of 2 … 30 bits whose period is 2^m − 1, those of src/mgd/code_lfsr.c: P. Alfke,
-- "Efficient Shift Registers, LFSR Counters, and Long Pseudo-Random Sequence Generators", Xilinx
-- XAPP 052 (1996).
local TAPS = {
  [2] = { 2, 1 }, [3] = { 3, 2 }, [4] = { 4, 3 }, [5] = { 5, 3 }, [6] = { 6, 5 }, [7] = { 7, 6 },
  [8] = { 8, 6, 5, 4 }, [9] = { 9, 5 }, [10] = { 10, 7 }, [11] = { 11, 9 },
  [12] = { 12, 6, 4, 1 }, [13] = { 13, 4, 3, 1 }, [14] = { 14, 5, 3, 1 }, [15] = { 15, 14 },
  [16] = { 16, 15, 13, 4 }, [17] = { 17, 14 }, [18] = { 18, 11 }, [19] = { 19, 6, 2, 1 },
  [20] = { 20, 17 }, [21] = { 21, 19 }, [22] = { 22, 21 }, [23] = { 23, 18 },
  [24] = { 24, 23, 22, 17 }, [25] = { 25, 22 }, [26] = { 26, 6, 2, 1 }, [27] = { 27, 5, 2, 1 },
  [28] = { 28, 25 }, [29] = { 29, 27 }, [30] = { 30, 6, 4, 1 },
}

--- The taps of a register: b_k = ⊕ b_{k−t} over them.
-- @tparam integer bits m, from 2 to 30
-- @treturn table list, the longest first
function M.taps(bits)
  return TAPS[bits]
end

--- The first bits of a register's sequence, which begins with m ones.
-- @tparam integer bits m
-- @tparam integer count how many
-- @treturn table b_0, b_1, … at [1], [2], …
function M.sequence(bits, count)
  local sequence = {}
  for k = 1, count do
    local sum = k <= bits and 1 or 0
    for _, tap in ipairs(k > bits and TAPS[bits] or {}) do
      sum = sum + sequence[k - tap]
    end
    sequence[k] = sum % 2
  end
  return sequence
end

return M
