-- The digital learning circuits in plain Lua, synapse by synapse and bit by bit: what the engine in
-- C and the Verilog are compared with. Written to be read; exact for registers of up to 52 bits.
--
--   local chip = reference.new({ synapses = 9, register_bits = 7 }, { 0, -12, … }) -- weights
--   chip:shown(1)                       → w + A·s of each synapse
--   chip:step(reference.code(chip, C₊), reference.code(chip, C₋))
--   chip.w, chip.c (counters, or accumulators), chip.steps

local reference = {}
local Chip = {}
Chip.__index = Chip

local DEFAULTS = {
  set = "sign-sign", weight_bits = 12, lsb = 2 ^ -8, amplitude = 32, cost_bits = 16, cost_range = 1,
  source = "lfsr", counter_bits = 5, step = 8, magnitude_bits = 8, accumulator_bits = 16, shift = 0,
  tau_theta = 1,
}

-- Stages of maximal-length registers that are fed back (Alfke, XAPP 052).
local TAPS = {
  [2] = { 2, 1 }, [3] = { 3, 2 }, [4] = { 4, 3 }, [5] = { 5, 3 }, [6] = { 6, 5 }, [7] = { 7, 6 },
  [8] = { 8, 6, 5, 4 }, [9] = { 9, 5 }, [10] = { 10, 7 }, [11] = { 11, 9 },
  [12] = { 12, 6, 4, 1 }, [13] = { 13, 4, 3, 1 }, [14] = { 14, 5, 3, 1 }, [15] = { 15, 14 },
  [16] = { 16, 15, 13, 4 }, [17] = { 17, 14 }, [18] = { 18, 11 }, [19] = { 19, 6, 2, 1 },
  [20] = { 20, 17 }, [21] = { 21, 19 }, [22] = { 22, 21 }, [23] = { 23, 18 },
  [24] = { 24, 23, 22, 17 }, [25] = { 25, 22 }, [26] = { 26, 6, 2, 1 }, [27] = { 27, 5, 2, 1 },
  [28] = { 28, 25 }, [29] = { 29, 27 }, [30] = { 30, 6, 4, 1 },
}

local function clamp(x, low, high) return math.max(low, math.min(high, x)) end
local function power(n) return math.floor(2 ^ n) end -- an integer in Lua 5.4, too
local function saturate(x, bits) return clamp(x, -power(bits - 1), power(bits - 1) - 1) end
local function sign(x) return x > 0 and 1 or x < 0 and -1 or 0 end

-- To the nearest integer, ties to the even one.
local function round(x)
  local below = math.floor(x)
  if x - below == 0.5 then return below % 2 == 0 and below or below + 1 end
  return x - below < 0.5 and below or below + 1
end

--- Q(C): the integer of B bits that the host sends for a cost.
function reference.code(fields, cost)
  local bits = fields.cost_bits or DEFAULTS.cost_bits
  local x = cost / (fields.cost_range or DEFAULTS.cost_range) * 2 ^ bits
  return x >= 2 ^ bits and power(bits) - 1 or clamp(round(x), 0, power(bits) - 1)
end

--- w of a parameter: clamp(rint(θ/lsb)).
function reference.weight(fields, theta)
  local bits = fields.weight_bits or DEFAULTS.weight_bits
  return saturate(round(theta / (fields.lsb or DEFAULTS.lsb)), bits)
end

-- b_k of the register: ones at first, then the parity of the bits t places before.
local function register_bit(chip, k)
  local b, taps = chip.bits, TAPS[chip.register_bits]
  for n = #b + 1, k + 1 do -- b[n] is b_{n − 1}
    local sum = 0
    for _, t in ipairs(taps) do sum = sum + (n > chip.register_bits and b[n - t] or 0) end
    b[n] = n > chip.register_bits and sum % 2 or 1
  end
  return b[k + 1]
end

local function parity_of_and(a, b)
  local sum = 0
  while a > 0 and b > 0 do
    sum = sum + (a % 2) * (b % 2)
    a, b = math.floor(a / 2), math.floor(b / 2)
  end
  return sum % 2
end

-- Row and column source of each synapse: `layers` lists {outputs, inputs} of dense layers, whose
-- weights come row by row, then the biases, which have no column.
local function outer_sources(layers)
  local sources, first = {}, 0
  for _, layer in ipairs(layers) do
    local rows, columns = layer[1], layer[2]
    for i = 0, rows - 1 do
      for j = 0, columns - 1 do
        sources[#sources + 1] = { first + i, first + rows + j }
      end
    end
    for i = 0, rows - 1 do sources[#sources + 1] = { first + i } end
    first = first + rows + columns
  end
  return sources
end

-- The bit of synapse i (from 0) in a slot: 1 is the sign −1.
local BIT = {}
function BIT.lfsr(chip, slot, i) return register_bit(chip, slot + i) end
function BIT.outer(chip, slot, i)
  local source = chip.sources[i + 1]
  local row = register_bit(chip, slot + source[1])
  return source[2] and (row + register_bit(chip, slot + source[2])) % 2 or row
end
function BIT.walsh(chip, slot, i)
  local period = 2
  while period < chip.synapses + 1 do period = 2 * period end
  return parity_of_and(i + 1, slot % period)
end

--- Signs of all synapses in a slot, +1 or −1.
function Chip:source(slot)
  local s = {}
  for i = 1, self.synapses do s[i] = 1 - 2 * BIT[self.source_kind](self, slot, i - 1) end
  return s
end

--- What the chip shows: w in phase 0, w + A·s in phase 1, w − A·s in phase 2.
function Chip:shown(phase)
  local s, towards, out = self:source(self.steps), ({ [0] = 0, 1, -1 })[phase], {}
  for i, w in ipairs(self.w) do out[i] = w + towards * self.amplitude * s[i] end
  return out
end

local WRITE = {}

WRITE["sign-sign"] = function(chip, s, D)
  local vote, overflow = sign(D), power(chip.counter_bits - 1)
  if vote == 0 then return end
  for i = 1, chip.synapses do
    local p = vote * s[i]
    local c = chip.c[i] + p
    if math.abs(c) == overflow then
      chip.w[i], c = saturate(chip.w[i] + p * chip.step_size, chip.weight_bits), 0
    end
    chip.c[i] = c
  end
end

WRITE.accumulator = function(chip, s, D)
  local magnitude = math.min(math.abs(D), power(chip.magnitude_bits) - 1)
  local half = chip.shift > 0 and power(chip.shift - 1) or 0
  for i = 1, chip.synapses do
    local a = saturate(chip.c[i] + sign(D) * s[i] * magnitude, chip.accumulator_bits)
    if (chip.steps + 1) % chip.tau_theta == 0 then
      local change = math.floor((a + half) / power(chip.shift))
      chip.w[i], a = saturate(chip.w[i] + change, chip.weight_bits), 0
    end
    chip.c[i] = a
  end
end

--- One step, of the two costs as integers: Q(C₊) and Q(C₋).
function Chip:step(plus, minus)
  WRITE[self.set](self, self:source(self.steps), minus - plus)
  self.steps = self.steps + 1
end

--- Sets a weight (i from 1), which clears the synapse's counter.
function Chip:write(i, w) self.w[i], self.c[i] = w, 0 end

--- A chip of so many `synapses`, or of dense `layers` ({outputs, inputs} each). Fields as those of
-- `mgd.circuit`; weights are integers, 0 by default.
function reference.new(fields, weights)
  local chip = setmetatable({ bits = {}, w = {}, c = {}, steps = 0 }, Chip)
  for name, value in pairs(DEFAULTS) do
    if name ~= "source" and name ~= "step" then chip[name] = fields[name] or value end
  end
  chip.source_kind, chip.step_size = fields.source or DEFAULTS.source, fields.step or DEFAULTS.step
  chip.sources = fields.layers and outer_sources(fields.layers)
  chip.synapses = fields.synapses or #chip.sources
  chip.register_bits = fields.register_bits
  for i = 1, chip.synapses do chip.w[i], chip.c[i] = weights and weights[i] or 0, 0 end
  return chip
end

return reference
