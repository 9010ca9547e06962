-- Writes data/pulses.csv: build/mgd-lua scripts/make-pulses.lua > data/pulses.csv
--
-- No measurement but a simulation, so that fits can be tried on something whose answer is known.
-- Devices with soft bounds,
--
--     up    g ← g + u·(1 − (g − m)/(top − m))·(1 + 0.25·ξ)
--     down  g ← g − d·(1 − (m − g)/(m − bottom))·(1 + 0.25·ξ)       m = 45 µS
--
-- each read with noise 0.25·ξ µS; u, d, top and bottom differ from device to device, by 15, 15, 4
-- and 15 per cent (standard deviation); ξ standard normal. Conductances in µS.

local SEED, DEVICES, PULSES, MIDDLE = 1, 4, 100, 45
local MEAN = { up = 1.6, down = 1.4, top = 82, bottom = 8 } -- µS

local state = SEED

local function uniform() -- Park and Miller 1988: x ← 48271·x mod 2^31 − 1
  state = state * 48271 % 2147483647
  return state / 2147483647
end

local function normal() -- Box and Muller 1958
  return math.sqrt(-2 * math.log(uniform())) * math.cos(2 * math.pi * uniform())
end

print(([[
# Simulated, not measured: soft bounds, by the formula in scripts/make-pulses.lua, which wrote this.
# Seed %d, %d devices, %d pulses each way; conductance in µS.
device,direction,pulse,conductance]]):format(SEED, DEVICES, PULSES))
for _ = 1, 20 do -- small seeds begin with small numbers
  uniform()
end
for d = 1, DEVICES do
  local up, down = MEAN.up * (1 + 0.15 * normal()), MEAN.down * (1 + 0.15 * normal())
  local top, bottom = MEAN.top * (1 + 0.04 * normal()), MEAN.bottom * (1 + 0.15 * normal())
  local g = bottom + 0.5
  for i = 0, PULSES do
    print(("d%d,up,%d,%.3f"):format(d, i, g + 0.25 * normal()))
    g = g + up * (1 - (g - MIDDLE) / (top - MIDDLE)) * (1 + 0.25 * normal())
  end
  for i = 0, PULSES do
    print(("d%d,down,%d,%.3f"):format(d, i, g + 0.25 * normal()))
    g = g - down * (1 - (MIDDLE - g) / (MIDDLE - bottom)) * (1 + 0.25 * normal())
  end
end
