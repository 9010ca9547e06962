-- Pulses on devices that follow the laws of update, written out once more: what fits are tried on.

local pulses = {}

local exp, max, min = math.exp, math.max, math.min

local function clip(law, w)
  return max(law.w_min, min(law.w_max, w))
end

local function full(law, direction)
  return direction * law.dw_min * (1 + direction * law.up_down)
end

-- One step of each law: (law, w, direction) → change of w.
local steps = {}

function steps.constant(law, w, direction)
  return clip(law, w + full(law, direction)) - w
end

function steps.linear(law, w, direction)
  local gamma = direction > 0 and law.gamma_up or law.gamma_down
  return clip(law, w + full(law, direction) * max(0, 1 + gamma * w)) - w
end

function steps.soft_bounds(law, w, direction)
  return full(law, direction) * (1 - w / (direction > 0 and law.w_max or law.w_min))
end

function steps.exponential(law, w, direction)
  local z = 2 * law.a * w / (law.w_max - law.w_min) + law.b
  local lost = direction > 0 and law.amplitude_up * exp(law.gamma_up * z)
    or law.amplitude_down * exp(-law.gamma_down * z)
  return clip(law, w + full(law, direction) * max(0, 1 - lost)) - w
end

function steps.power(law, w, direction)
  local range = law.w_max - law.w_min
  if direction > 0 then
    return full(law, 1) * max(0, (law.w_max - w) / range) ^ law.gamma_up
  end
  return full(law, -1) * max(0, (w - law.w_min) / range) ^ law.gamma_down
end

function steps.ltp_ltd(law, w, direction)
  local range, n = law.w_max - law.w_min, law.levels
  if direction > 0 then
    local nu = law.nonlinearity_up
    local top = law.w_min + range / (1 - exp(-nu))
    return clip(law, w + (top - w) * (1 - exp(-nu / n))) - w
  end
  local nu = law.nonlinearity_down
  local bottom = law.w_max - range / (1 - exp(-nu))
  return clip(law, w + (bottom - w) * (1 - exp(-nu / n))) - w
end

pulses.steps = steps

--- Standard normal numbers by a generator of our own: the same everywhere.
function pulses.normal(seed)
  local state = seed
  local function uniform() -- Park and Miller 1988
    state = state * 48271 % 2147483647
    return state / 2147483647
  end
  for _ = 1, 20 do
    uniform()
  end
  return function()
    return math.sqrt(-2 * math.log(uniform())) * math.cos(2 * math.pi * uniform())
  end
end

--- `count` weights of a curve from `start` on: step·(1 + c2c·ξ), and a reading adds noise·ξ.
function pulses.curve(kind, law, direction, start, count, opts)
  local w, out = start, {}
  local normal = opts.normal or function()
    return 0
  end
  for i = 1, count do
    out[i] = w + (opts.noise or 0) * normal()
    w = w + steps[kind](law, w, direction) * (1 + (opts.c2c or 0) * normal())
  end
  return out
end

--- A file of curves; `devices` is a list of {up = {…}, down = {…}} of weights, shown as
-- conductances 50 + 40·w. Returns its text.
function pulses.csv(devices)
  local lines = { "device,direction,pulse,conductance" }
  for d, device in ipairs(devices) do
    for _, direction in ipairs { "up", "down" } do
      for i, w in ipairs(device[direction]) do
        lines[#lines + 1] = ("d%d,%s,%d,%.10g"):format(d, direction, i - 1, 50 + 40 * w)
      end
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

return pulses
