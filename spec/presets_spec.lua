-- Presets are those of their source: every figure of a device stands in data/presets.csv with its
-- name and value there and the formula that restates it, and steps, noise and spreads are those of
-- the source's own formulas, written out below with the source's own parameters.
--
-- n = 20,000 devices, 4 standard errors, as in hw_models_spec.lua.

local mgd = require "mgd"
local devices = require "spec.support.models"
local stats = require "spec.support.statistics"

local near, normal = stats.near, stats.normal
local hw = mgd.hw
local N = devices.N

-- ---- the table ----------------------------------------------------------------------------------

local COLUMNS = { "preset", "figure", "value", "formula", "parameter", "given", "class", "file" }

-- preset → list of rows
local function read_table()
  local presets, head = {}, nil
  for line in io.lines "data/presets.csv" do
    if line:sub(1, 1) ~= "#" then
      local row, i = {}, 0
      for cell in (line .. ","):gmatch "(.-)," do
        i = i + 1
        row[COLUMNS[i]] = cell
      end
      assert(i == #COLUMNS, line)
      if head then
        presets[row.preset] = presets[row.preset] or {}
        table.insert(presets[row.preset], row)
      else
        head = line
        assert.equal(table.concat(COLUMNS, ","), line)
      end
    end
  end
  return presets
end

local TABLE = read_table()

-- A number as the source writes it, 0.3 / 1.25 or -1.0; nil of a word.
local function number_of(text)
  local a, b = text:match "^(%S+) / (%S+)$"
  return a and tonumber(a) / tonumber(b) or tonumber(text)
end

-- The parameters of the source that a preset's rows give.
local function source_of(preset)
  local given = { exp = math.exp }
  for _, row in ipairs(TABLE[preset]) do
    if row.parameter ~= "" then
      given[row.parameter] = number_of(row.given) or row.given
    end
  end
  return given
end

local function evaluate(formula, given)
  local f = assert(load("return " .. formula, formula, "t", given))
  return f()
end

-- What a figure is without a row: nothing that does anything.
local NEUTRAL = { threshold = 0, interval = 0, accumulate = false, endurance_spread = 0,
  write_noise = 0, cell = "single", reference = 0, reference_d2d = 0, subtract_symmetry = false }

local function same(value, figure, where)
  if type(figure) == "number" then
    near(tonumber(value), figure, 1e-12 * math.max(1, math.abs(figure)), where)
  else
    assert.equal(value, tostring(figure), where)
  end
end

local function device_presets()
  local list = {}
  for _, preset in ipairs(hw.presets()) do
    if preset.kind == "device" then
      list[#list + 1] = preset.name
    end
  end
  return list
end

describe("the table of presets", function()
  it("has every figure of every device, and no other", function()
    for _, name in ipairs(device_presets()) do
      local figures, listed = hw.presets[name]().params, {}
      for _, row in ipairs(TABLE[name]) do
        local where = name .. "." .. row.figure
        assert.is_nil(listed[row.figure], where)
        listed[row.figure] = true
        assert.is_not_nil(figures[row.figure], where)
        same(row.value, figures[row.figure], where)
      end
      for figure, value in pairs(figures) do
        if not listed[figure] then
          assert.equal(NEUTRAL[figure], value, name .. "." .. figure .. " has no row")
        end
      end
    end
  end)

  it("restates each by its formula from what the source gives", function()
    for preset, rows in pairs(TABLE) do
      local given = source_of(preset)
      for _, row in ipairs(rows) do
        local value = tonumber(row.value)
        if value then
          near(value, evaluate(row.formula, given), 1e-12 * math.max(1, math.abs(value)),
            preset .. "." .. row.figure)
        else
          assert.equal(row.value, row.formula)
        end
        assert(row.class ~= "" and row.file:find "^src/%S+%.%a+$", preset .. "." .. row.figure)
      end
    end
  end)

  it("has a preset for every row, and rows for every preset that is sourced", function()
    local standing = {}
    for _, preset in ipairs(hw.presets()) do
      standing[preset.name] = preset.standing
      assert(preset.standing == "sourced" or preset.standing == "illustrative")
      assert.equal(preset.standing == "sourced", TABLE[preset.name] ~= nil, preset.name)
      assert.equal(preset.kind == "platform", preset.standing == "illustrative", preset.name)
    end
    for preset in pairs(TABLE) do
      assert.equal("sourced", standing[preset])
    end
  end)

  it("names the class of each in its source", function()
    for _, preset in ipairs(hw.presets()) do
      if preset.kind == "device" then
        local class = TABLE[preset.name][1].class
        class = class == "PCMPresetDevice" and "PCMPresetUnitCell" or class
        assert.truthy(preset.source:find("IBM/aihwkit 4545f11", 1, true), preset.name)
        assert.truthy(preset.source:find(class, 1, true), preset.name)
      end
    end
  end)

  it("has what else is sourced", function()
    local leak = hw.presets.capacitor_leak { dt = 2e-6 }
    assert.same({ tau = 2, spread = 0.3 }, { tau = leak.params.tau, spread = leak.params.spread })
    assert.equal(25, hw.presets.hermes_pcm()[1].params.g_max)
  end)
end)

-- ---- laws of the source -------------------------------------------------------------------------

-- Scales of both directions without spread.
local function scales(s)
  local up = (s.up_down > 0 and 1 or 1 + s.up_down) * s.dw_min
  local down = (s.up_down > 0 and 1 - s.up_down or 1) * s.dw_min
  return up, down
end

-- class of model → function(source's parameters, w, up) → mean step, σ of a pulse
local LAWS = {}

function LAWS.constant_step(s, _, up)
  local scale_up, scale_down = scales(s)
  local scale = up and scale_up or scale_down
  return up and scale or -scale, s.dw_min_std * scale
end

function LAWS.linear_step(s, w, up)
  local scale_up, scale_down = scales(s)
  local slope = up and -s.gamma_up * scale_up / s.w_max or -s.gamma_down * scale_down / s.w_min
  local scale = up and scale_up or scale_down
  local step = slope * w + scale
  return up and step or -step, s.dw_min_std * (s.mult_noise == "True" and step or scale)
end

function LAWS.soft_bounds(s, w, up)
  local scale_up, scale_down = scales(s)
  local scale = up and scale_up or scale_down
  local step = scale * (1 - w / (up and s.w_max or s.w_min))
  return up and step or -step, s.dw_min_std * scale -- mult_noise = False in all of them
end

function LAWS.exponential_step(s, w, up)
  local scale_up, scale_down = scales(s)
  local z = 2 * w / (s.w_max - s.w_min) * s.a + s.b
  local step = up and math.max(1 - s.A_up * math.exp(s.gamma_up * z), 0) * scale_up
    or math.max(1 - s.A_down * math.exp(s.gamma_down * -z), 0) * scale_down
  return up and step or -step,
    s.dw_min_std * (step + s.dw_min_std_add + s.dw_min_std_slope * math.abs(w))
end

-- The preset without spreads of devices and write noise; `more` beside.
local function bare(name, more)
  local p = { dw_min_d2d = 0, up_down_d2d = 0, w_min_d2d = 0, w_max_d2d = 0, write_noise = 0,
    stochastic = false, nominal = hw.presets[name]().params.dw_min }
  local preset = hw.presets[name]()
  for _, key in ipairs { "gamma_d2d", "gamma_down_d2d", "reference_d2d", "reset_d2d" } do
    if preset.params[key] then
      p[key] = 0
    end
  end
  for key, value in pairs(more or {}) do
    p[key] = value
  end
  return hw.presets[name](p), preset.name
end

local function write(model, start, change, n)
  local ones = mgd.ones({ n or 1 }, { dtype = "f64" })
  local out = model:write(ones * start, (ones * change):reshape { 1, n or 1 }):totable()
  return out[1]
end

-- Some weights between the bounds: of a pair, of the device that a pulse raises.
local function weights(s)
  local list = {}
  for i, part in ipairs { 0.1, 0.3, 0.5, 0.8 } do
    list[i] = s.w_min + part * (s.w_max - s.w_min)
  end
  return list
end

describe("presets of devices", function()
  for _, name in ipairs(device_presets()) do
    it(name .. ": mean steps up and down are those of its source", function()
      local model, law = bare(name, { c2c = 0 })
      local s = source_of(name)
      for _, w in ipairs(weights(s)) do
        local pulse = s.dw_min
        near(w + LAWS[law](s, w, true), write(model, w, pulse)[1], 1e-12, "up at " .. w)
        if name == "pcm" then -- pulses down raise the other device, from 0 or from what it has
          near(-w - LAWS[law](s, w, true), write(model, -w, -pulse)[1], 1e-12, "down at " .. -w)
          near(w - LAWS[law](s, 0, true), write(model, w, -pulse)[1], 1e-12, "down at " .. w)
        else
          near(w + LAWS[law](s, w, false), write(model, w, -pulse)[1], 1e-12, "down at " .. w)
        end
      end
    end)

    it(name .. ": noise of a pulse is that of its source", function()
      local model, law = bare(name)
      local s = source_of(name)
      for _, part in ipairs { 0.4, 0.6 } do
        local w = s.w_min + part * (s.w_max - s.w_min)
        for _, up in ipairs { true, name == "pcm" } do
          local step, sigma = LAWS[law](s, w, up)
          assert(4.5 * sigma < math.min(part, 1 - part) * (s.w_max - s.w_min)) -- bounds are far
          normal(write(model, w, up and s.dw_min or -s.dw_min, N), w + step, sigma,
            ("%s at %g"):format(up and "up" or "down", w))
        end
      end
    end)
  end

  it("spread of steps: the gain of a device, and its imbalance beside", function()
    for _, name in ipairs { "gokmen_vlasov", "capacitor", "ecram" } do
      local s = source_of(name)
      local p = hw.presets[name]().params
      local model = bare(name, { c2c = 0, dw_min_d2d = p.dw_min_d2d, up_down_d2d = p.up_down_d2d })
      local up, down = write(model, 0, s.dw_min, N), write(model, 0, -s.dw_min, N)
      local sd = s.dw_min * math.sqrt(s.dw_min_dtod ^ 2 + s.up_down_dtod ^ 2)
      normal(up, s.dw_min, sd, name .. ", up")
      normal(down, -s.dw_min, sd, name .. ", down")
      near((s.up_down_dtod ^ 2 - s.dw_min_dtod ^ 2) / (s.up_down_dtod ^ 2 + s.dw_min_dtod ^ 2),
        stats.correlation(up, down), 4 / math.sqrt(N), name)
    end
  end)

  it("spread of steps of arrays: e^(dtod·z) of the gain", function()
    for _, name in ipairs { "reram_array_om", "hfo2_array" } do
      local s, logs = source_of(name), {}
      -- small steps at 0, so that bounds, at 1, stay out of it
      local model = bare(name, { c2c = 0, dw_min = s.dw_min / 1000, nominal = s.dw_min / 1000,
        dw_min_d2d = s.dw_min_dtod, subtract_symmetry = false })
      for i, w in ipairs(write(model, 0, s.dw_min / 1000, N)) do
        logs[i] = math.log(w / s.dw_min * 1000)
      end
      normal(logs, 0, s.dw_min_dtod, name)
    end
  end)

  it("write noise is write_noise_std·dw_min of what is read, and does not add up", function()
    for _, name in ipairs { "reram_es", "reram_sb", "reram_array_om", "hfo2_array" } do
      local s = source_of(name)
      local sigma = s.write_noise_std * s.dw_min
      local noise = hw.presets[name]().params.write_noise
      local model, law = bare(name, { c2c = 0, write_noise = noise })
      local changes = mgd.zeros({ 6, N }, { dtype = "f64" })
      local w = 0
      for t = 1, 6 do
        local up = t % 3 > 0
        changes[t] = mgd.ones({ N }, { dtype = "f64" }) * (up and s.dw_min or -s.dw_min)
        w = w + LAWS[law](s, w, up)
      end
      local out = model:write(mgd.zeros({ N }, { dtype = "f64" }), changes):totable()
      normal(out[6], w, sigma, name)
      near(0, stats.correlation(out[5], out[6]), 4 / math.sqrt(N), name)
    end
  end)

  it("arrays are read against their symmetry points, with an error of reference_std", function()
    -- bounds and steps spread: the symmetry point in the source's formula, from the devices'
    -- own steps at two weights, is where this preset has its 0
    local name = "reram_array_om"
    local s, p = source_of(name), hw.presets[name]().params
    local spread = { c2c = 0, dw_min = 0.001, nominal = 0.001, dw_min_d2d = 0.1, w_min_d2d = 0.2,
      w_max_d2d = 0.2, up_down_d2d = 0.1, dw_min_shape = "lognormal" }
    local own, w = {}, 0.05
    for _, subtract in ipairs { false, true } do
      spread.subtract_symmetry = subtract
      local model = bare(name, spread)
      local up, down = write(model, 0, 0.001, N), write(model, 0, -0.001, N)
      local up_at, down_at = write(model, w, 0.001, N), write(model, w, -0.001, N)
      own[subtract] = { up = up, down = down, up_at = up_at, down_at = down_at }
    end
    local a, b = own[false], own[true]
    for i = 1, 200 do
      local scale_up, scale_down = a.up[i], -a.down[i]
      local slope_up = (a.up_at[i] - w - a.up[i]) / w
      local slope_down = (a.down_at[i] - w - a.down[i]) / w
      -- (scale_up − scale_down)/(scale_up/w_max − scale_down/w_min)
      local point = (scale_up - scale_down) / (-slope_up + -slope_down)
      near(scale_up + slope_up * point, b.up[i], 1e-10, "step up at the symmetry point")
      near(-(scale_up + slope_up * point), b.down[i], 1e-10, "step down at the symmetry point")
    end
    assert.equal(s.reference_std, p.reference_d2d)
    assert.is_true(p.subtract_symmetry)
  end)

  it("phase-change pairs are set back and written anew as in the source", function()
    -- w⁺/w_max > 0.75 and w⁻/w_max > 0.25, or the other way round; both become `reset`, and the
    -- difference is written by pulses that are reckoned with the source's granularity
    local s = source_of "pcm"
    local granularity = hw.presets.pcm().params.nominal
    local model = bare("pcm", { c2c = 0, reset_noise = 0, nominal = granularity })
    local g, changes, x = { 0, 0 }, {}, 0.3
    local function raise(k, n)
      for _ = 1, n do
        g[k] = math.min(g[k] + LAWS.exponential_step(s, g[k], true), s.w_max)
      end
    end
    for t = 1, 150 do
      x = 3.9 * x * (1 - x)
      changes[t] = { (x - 0.5) * 0.4 }
    end
    local out = model:write(mgd.zeros({ 1 }, { dtype = "f64" }),
      mgd.tensor(changes, { dtype = "f64" })):totable()
    local resets = 0
    for t, row in ipairs(out) do
      local change = changes[t][1]
      raise(change > 0 and 1 or 2, math.floor(math.abs(change) / granularity + 0.5))
      local high, low = math.max(g[1], g[2]), math.min(g[1], g[2])
      if high / s.w_max > s.refresh_upper_thres and low / s.w_max > s.refresh_lower_thres then
        local w = g[1] - g[2]
        g = { s.reset, s.reset }
        raise(w > 0 and 1 or 2, math.min(math.floor(math.abs(w) / granularity + 0.5), 31))
        resets = resets + 1
      end
      near(g[1] - g[2], row[1], 1e-9, "write " .. t)
    end
    assert(resets > 5)
  end)

  it("remembers what was changed of it", function()
    assert.is_nil(hw.presets.ecram { dw_min = 0.002, max_pulses = 100 }.departs)
    assert.equal("hw.presets.ecram with another c2c", hw.presets.ecram { c2c = 0 }.departs)
  end)
end)
