-- Fits of the laws of update: that they find what curves were made with, that the spreads are those
-- of the curves, and that wrong files and options are told at the caller's line.

local mgd = require "mgd"
local core = require "mgd.core"
local files = require "spec.support.idx_files"
local pulses = require "spec.support.pulses"
local live_bytes = require("spec.support.memory").live_bytes

local fit_update = require("mgd.hardware.fit").fit_update

local LAWS = {
  constant = { dw_min = 0.02, up_down = 0.1, w_min = -0.6, w_max = 0.7 },
  linear = { dw_min = 0.03, up_down = -0.1, w_min = -0.7, w_max = 0.75, gamma_up = -0.6,
    gamma_down = 0.5 },
  soft_bounds = { dw_min = 0.03, up_down = 0.05, w_min = -1.1, w_max = 1.2 },
  exponential = { dw_min = 0.02, up_down = 0.1, w_min = -1, w_max = 1, gamma_up = 12.44625,
    gamma_down = 12.78785, amplitude_up = 0.001, amplitude_down = 0.4, a = 0.244, b = 0.2425 },
  power = { dw_min = 0.04, up_down = 0.1, w_min = -1.1, w_max = 1.05, gamma_up = 1.3,
    gamma_down = 0.8 },
  ltp_ltd = { w_min = -1, w_max = 1, levels = 100, nonlinearity_up = 1.75,
    nonlinearity_down = 1.46 },
}
local NAMES = { "constant", "linear", "soft_bounds", "exponential", "power", "ltp_ltd" }
local HOLD = { exponential = { w_min = -1, w_max = 1 }, ltp_ltd = { levels = 100 } }
local COUNT = 101 -- points of a curve

local function copy(t, changes)
  local out = {}
  for key, value in pairs(t) do
    out[key] = value
  end
  for key, value in pairs(changes or {}) do
    out[key] = value
  end
  return out
end

-- The curves of a device that follows `law`.
local function device(kind, law, opts)
  local span = 0.8 * (law.w_max - law.w_min) / 2
  local middle = (law.w_max + law.w_min) / 2
  return {
    up = pulses.curve(kind, law, 1, middle - span, COUNT, opts),
    down = pulses.curve(kind, law, -1, middle + span, COUNT, opts),
  }
end

-- The options under which a file of pulses.csv has the weights that went in: 50 ± 40 is ±1.
local function known(opts)
  return copy({ g_min = 10, g_max = 90 }, opts)
end

local function fit(devices, opts)
  return fit_update(files.write(pulses.csv(devices)), known(opts))
end

local function near(wanted, got, tolerance, what)
  assert.is_true(math.abs(wanted - got) <= tolerance, ("%s: %.9g is not %.9g ± %.3g"):format(
    what or "value", got, wanted, tolerance))
end

-- `f` must raise at a line of this file what contains `wanted`.
local function raises(wanted, f)
  local ok, message = pcall(f)
  assert.is_false(ok)
  assert.is_truthy(message:find "^[^:]*hw_fit_spec%.lua:%d+: mgd%.hw%.fit_update: ", message)
  assert.is_truthy(message:find(wanted, 1, true), message)
end

describe("a law of update", function()
  it("makes the steps of its equation", function()
    for _, kind in ipairs(NAMES) do
      for w = -1.3, 1.3, 0.05 do
        for _, direction in ipairs { 1, -1 } do
          near(pulses.steps[kind](LAWS[kind], w, direction),
            core.fit.step(kind, LAWS[kind], w, direction), 1e-14, kind)
        end
      end
    end
  end)

  it("of levels without nonlinearity makes the same step everywhere", function()
    local law = copy(LAWS.ltp_ltd, { nonlinearity_up = 0, nonlinearity_down = 0 })
    near(0.02, core.fit.step("ltp_ltd", law, 0.3, 1), 1e-15)
    near(-0.02, core.fit.step("ltp_ltd", law, 0.3, -1), 1e-15)
  end)

  it("of levels goes from end to end in as many pulses", function()
    for _, direction in ipairs { 1, -1 } do
      local w = -direction
      for pulse = 1, 100 do
        w = w + core.fit.step("ltp_ltd", LAWS.ltp_ltd, w, direction)
        local nu = direction > 0 and 1.75 or 1.46
        local there = (1 - math.exp(-nu * pulse / 100)) / (1 - math.exp(-nu))
        near(direction * (2 * there - 1), w, 1e-13)
      end
    end
  end)

  it("of a table goes one pulse further between its entries", function()
    local law = { up = { -1, 0, 0.5, 0.6 }, down = { 0.6, 0.1, -1 } }
    local function step(w, direction)
      return core.fit.step("table", law, w, direction)
    end
    near(0.75, step(-0.5, 1), 1e-15) -- half of 1 and half of 0.5
    near(0.5, step(0, 1), 1e-15)
    near(0.05, step(0.55, 1), 1e-15) -- ends at the last entry
    near(0, step(0.6, 1), 0)
    near(0, step(0.9, 1), 0)
    near(1, step(-1.5, 1), 1e-15) -- before its begin: the first step
    near(-0.8, step(0.35, -1), 1e-15)
    near(-0.5, step(2, -1), 1e-15)
    near(0, step(-1, -1), 0)
  end)
end)

describe("a fit", function()
  after_each(files.clean)

  it("finds what curves without noise were made with", function()
    for _, kind in ipairs(NAMES) do
      local found = fit({ device(kind, LAWS[kind], {}) }, { law = kind, hold = HOLD[kind] })
      for name, value in pairs(found.parameters) do
        near(LAWS[kind][name], value, 1e-5, kind .. "." .. name) -- the file has 10 digits
      end
      assert.is_true(found.residual < 1e-8)
    end
  end)

  -- 12 devices of one law, readings with a noise of 0.005. With k
  -- numbers the largest of 12·k ≤ 72 normal deviates exceeds 4.5 once in 2,000 times, but the laws
  -- are not linear: 5. The numbers of a fit are correlated: two curves tell two or three things
  -- each, so the mean square of all deviations counts as one of 12·2 at least, which lies within
  -- 0.3 and 2.2 but once in 1,000.
  it("finds the numbers of every law within 5 of its standard errors", function()
    for index, kind in ipairs(NAMES) do
      local opts, devices = { normal = pulses.normal(100 + index), noise = 0.005 }, {}
      for d = 1, 12 do
        devices[d] = device(kind, LAWS[kind], opts)
      end
      local found = fit(devices, { law = kind, hold = HOLD[kind] })
      local square, count = 0, 0
      for _, name in ipairs(core.fit.parameters(kind)) do
        for _, one in ipairs(found.devices) do
          local value, err = one.parameters[name], one.errors[name]
          near(LAWS[kind][name], value, 5 * err, kind .. "." .. name)
          if not found.held[name] then
            square, count = square + ((value - LAWS[kind][name]) / err) ^ 2, count + 1
          end
        end
      end
      assert.is_true(square / count > 0.3 and square / count < 2.2, kind)
      near(0.005, found.noise, 0.0005, kind .. ": noise")
      near(0.005, found.residual, 0.0005, kind .. ": residual")
    end
  end)

  -- 12 devices with steps of 1 + 0.3·ξ. The error of c2c comes from 2,400 steps: the relative one
  -- of a standard deviation is 1/√4800 = 1.5 %, and readings make it about three times as large.
  it("tells the noise of steps from that of readings", function()
    local devices, opts = {}, { normal = pulses.normal(7), noise = 0.004, c2c = 0.3 }
    for d = 1, 12 do
      devices[d] = device("soft_bounds", LAWS.soft_bounds, opts)
    end
    local found = fit(devices, { law = "soft_bounds" })
    near(0.3, found.c2c, 4 * found.c2c_error, "c2c")
    assert.is_true(found.c2c_error < 0.03)
    near(0.004, found.noise, 0.0006, "noise")
    for name, value in pairs(LAWS.soft_bounds) do -- errors allow for residuals that are alike
      near(value, found.parameters[name], 5 * found.errors[name], name)
    end
  end)

  -- 40 devices whose dw_min spreads by 20 %: the standard deviation of 40 is known to 11 %.
  it("finds the spread between devices, and none where there is none", function()
    local devices, opts = {}, { normal = pulses.normal(11), noise = 0.002 }
    for d = 1, 40 do
      local law = copy(LAWS.soft_bounds, { dw_min = 0.03 * (1 + 0.2 * opts.normal()) })
      devices[d] = device("soft_bounds", law, opts)
    end
    local found = fit(devices, { law = "soft_bounds" })
    near(0.2, found.d2d.dw_min, 0.09, "dw_min")
    near(0, found.d2d.w_max, 0.005, "w_max")
    near(0, found.d2d.up_down, 0.01, "up_down")
    near(0.03, found.parameters.dw_min, 4 * found.errors.dw_min, "dw_min")
    near(0.2 * 0.03 / math.sqrt(40), found.errors.dw_min, 0.0005, "its error")
  end)

  it("knows no spread of a single device", function()
    local found = fit({ device("constant", LAWS.constant, {}) }, { law = "constant" })
    assert.same({}, found.d2d)
    assert.is_nil(found:options().dw_min_d2d)
  end)

  it("says which numbers the data do not tell", function()
    local law = copy(LAWS.constant, { w_min = -5, w_max = 5 }) -- bounds that no curve reaches
    local opts = { normal = pulses.normal(3), noise = 0.001 }
    local curves = { up = pulses.curve("constant", law, 1, -0.9, 60, opts),
      down = pulses.curve("constant", law, -1, 0.9, 60, opts) }
    local found = fit({ curves }, { law = "constant" })
    assert.is_true(found.errors.w_max ~= found.errors.w_max)
    assert.is_truthy(tostring(found):find("w_max%s+%S+%s+± not told"))
    near(0.02, found.parameters.dw_min, 5 * found.errors.dw_min)
  end)

  it("holds what it is told to hold", function()
    local found = fit({ device("power", LAWS.power, {}) },
      { law = "power", hold = { gamma_up = 1.3, w_min = -1.1 }, start = { gamma_down = 0.7 } })
    assert.equal(1.3, found.parameters.gamma_up)
    assert.equal(0, found.errors.gamma_up)
    near(0.8, found.parameters.gamma_down, 1e-5)
    assert.is_truthy(tostring(found):find("gamma_up%s+1.3%s+held"))
  end)

  it("takes several cycles of a device, gaps, pulses from 1, and any order", function()
    local curves, rows = device("soft_bounds", LAWS.soft_bounds, {}), {}
    for cycle = 1, 2 do
      for i = 1, COUNT, 3 + cycle do
        rows[#rows + 1] = ("a;%d;depression;%d;%.12g"):format(cycle, i, curves.down[i] + 2)
        table.insert(rows, 1, ("a;%d;+1;%d;%.12g"):format(cycle, i, curves.up[i] + 2))
      end
    end
    local text = '\239\187\191# measured on a Monday\r\n\r\n"chip";cycle;way;pulse;G / µS\r\n'
      .. table.concat(rows, "\r\n\r\n") .. "\r\n# end"
    local found = fit_update(files.write(text), { law = "soft_bounds", g_min = 1, g_max = 3,
      columns = { device = "chip", direction = "way", conductance = "G / µS" } })
    assert.equal(1, #found.devices)
    assert.equal(4, #found.devices[1].curves)
    for name, value in pairs(LAWS.soft_bounds) do
      near(value, found.parameters[name], 1e-6, name)
    end
  end)

  it("takes weights of another range", function()
    local found = fit({ device("soft_bounds", LAWS.soft_bounds, {}) },
      { law = "soft_bounds", w_low = -0.5, w_high = 0.5 })
    near(0.6, found.parameters.w_max, 1e-5)
    near(0.015, found.parameters.dw_min, 1e-5)
    near(90, found:conductance(0.5), 1e-9)
    near(-0.5, found:weight(10), 1e-12)
  end)

  it("of the table takes the mean of the curves as it is", function()
    local devices, law = {}, LAWS.soft_bounds
    for d = 1, 3 do
      devices[d] = device("soft_bounds", copy(law, { dw_min = 0.02 + 0.005 * d }), {})
    end
    local found = fit(devices, { law = "table" })
    for i = 1, COUNT do
      local mean = (devices[1].up[i] + devices[2].up[i] + devices[3].up[i]) / 3
      near(mean, found.parameters.up[i], 1e-9)
    end
    assert.equal(COUNT, #found.parameters.down)
    assert.is_true(found.d2d.dw_min > 0.01)
    local options = found:options { c2c = 0.1 }
    assert.equal(found.parameters.up, options.up)
    assert.equal(found.d2d.dw_min, options.dw_min_d2d)
    assert.equal(0.1, options.c2c)
  end)

  it("of the table smooths where it is asked to", function()
    local opts = { normal = pulses.normal(5), noise = 0.02 }
    local devices = { device("soft_bounds", copy(LAWS.soft_bounds, { dw_min = 0.01 }), opts) }
    assert.is_false(pcall(fit, devices, { law = "table" }))
    local found = fit(devices, { law = "table", smooth = 25 })
    assert.is_true(found.parameters.up[50] < found.parameters.up[51])
  end)

  it("finds in data/pulses.csv what scripts/make-pulses.lua puts there", function()
    local found = fit_update("data/pulses.csv", { law = "soft_bounds", unit = "µS" })
    assert.equal(4, #found.devices)
    near(82, found:conductance(found.parameters.w_max), 6) -- 4 devices that spread by 4 %
    near(8, found:conductance(found.parameters.w_min), 3)
    near(0.25, found.c2c, 4 * found.c2c_error, "c2c")
    local scale = 2 / (found.map.g_max - found.map.g_min)
    near(0.25 * scale, found.noise, 0.001, "noise")
    near(1.5 * scale, found.parameters.dw_min, 0.2 * 1.5 * scale, "dw_min") -- 15 %, 4 devices
  end)

  it("gives a model that goes straight into a chip", function()
    for _, law in ipairs { "constant", "linear", "soft_bounds", "power", "ltp_ltd" } do
      local model = mgd.hw.fit_update("data/pulses.csv", { law = law }):model()
      local net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" }
      local run = mgd.train { chip = mgd.chip { net = net, update = model },
        data = mgd.data.xor(), eta = 1, tau_theta = 4, init = {} }
      local before = run:theta()
      run:run { steps = 40 }
      assert.is_false(run:theta():allclose(before))
    end
  end)

  it("gives the options of a model, one gamma_d2d for both", function()
    local devices, opts = {}, { normal = pulses.normal(13), noise = 0.001 }
    for d = 1, 6 do
      devices[d] = device("power", copy(LAWS.power, { gamma_up = 1 + 0.1 * d }), opts)
    end
    local options = fit(devices, { law = "power" }):options { w_min = -2 }
    for _, name in ipairs { "dw_min", "up_down", "w_min", "w_max", "gamma_up", "gamma_down",
      "dw_min_d2d", "up_down_d2d", "w_min_d2d", "w_max_d2d", "gamma_d2d", "c2c" } do
      assert.is_number(options[name], name)
    end
    assert.equal(-2, options.w_min)
    assert.is_true(options.gamma_d2d > 0.05)
  end)

  it("prints itself as a table", function()
    local text = tostring(fit_update("data/pulses.csv", { law = "soft_bounds", unit = "µS" }))
    assert.is_truthy(text:find("soft_bounds fitted to pulses.csv: 4 devices, 808 points", 1, true))
    for _, name in ipairs { "dw_min", "up_down", "w_min", "w_max" } do
      assert.is_truthy(text:find("\n  " .. name .. " +%S+ +± %S+ +%S"), name)
    end
    for _, name in ipairs { "c2c", "noise", "residual",
      "w = %-1 at g = %S+, w = 1 at g = %S+ µS" } do
      assert.is_truthy(text:find("\n  " .. name), name)
    end
  end)
end)

describe("a plot of a fit", function()
  after_each(files.clean)

  it("is an SVG or a PNG by its ending", function()
    local found = fit_update("data/pulses.csv", { law = "soft_bounds", unit = "µS" })
    for ending, start in pairs { svg = "<?xml", png = "\137PNG" } do
      local path = files.folder() .. "/it's." .. ending
      found:plot(path)
      local file = assert(io.open(path, "rb"))
      assert.equal(start, file:read(#start))
      local rest = file:read "*a"
      file:close()
      os.remove(path)
      if ending == "svg" then
        assert.is_truthy(rest:find("conductance (µS)", 1, true))
        assert.is_truthy(rest:find("pulses", 1, true))
      end
    end
  end)

  it("is refused with another ending and where it cannot be written", function()
    local found = fit_update("data/pulses.csv", { law = "constant" })
    for path, wanted in pairs {
      ["fit.jpg"] = "the path must end in .svg, .png, .pdf or .csv, got fit.jpg",
      ["/nonexistent/fit.svg"] = "/nonexistent/fit.svg: No such file",
    } do
      local ok, message = pcall(function() found:plot(path) end)
      assert.is_false(ok)
      assert.is_truthy(message:find "^[^:]*hw_fit_spec%.lua:%d+: figure:save: ", message)
      assert.is_truthy(message:find(wanted, 1, true), message)
    end
  end)

  it("says so where gnuplot is not installed", function()
    local script = files.write(([[
      require "mgd"
      local fit = require("mgd.hardware.fit").fit_update("data/pulses.csv", {law = "constant"})
      print(pcall(fit.plot, fit, "%s/none.svg"))]]):format(files.folder()))
    local pipe = assert(io.popen(("PATH=/nonexistent '%s' %s 2>&1"):format(
      os.getenv "MGD_LUA" or arg[-1], script)))
    assert.is_truthy(pipe:read("*a"):find("gnuplot is not installed", 1, true))
    pipe:close()
  end)
end)

-- ---- what is refused ----------------------------------------------------------------------------

describe("a fit refuses", function()
  after_each(files.clean)

  local HEADER = "device,direction,pulse,conductance\n"
  local GOOD = HEADER .. "a,up,0,1\na,up,1,2\na,up,2,3\na,up,3,4\n"
    .. "a,down,0,4\na,down,1,3\na,down,2,2\na,down,3,1\n"

  local function refused(text, wanted, opts)
    local path = files.write(text)
    raises((wanted:gsub("FILE", path)), function()
      fit_update(path, copy({ law = "constant" }, opts))
    end)
  end

  local function changed(line, text)
    local n = 0
    return (GOOD:gsub("[^\n]+", function(old)
      n = n + 1
      return n == line and text or old
    end))
  end

  it("nothing of a good file", function()
    local found = fit_update(files.write(GOOD), { law = "constant" })
    near(2 / 3, found.parameters.dw_min, 1e-9)
  end)

  it("nothing of what spreadsheets make of it", function()
    local german = "sep=;\r\n" .. GOOD:gsub(",", ";"):gsub("\n", ";;\r\n")
    german = "\239\187\191" .. german:gsub("(%d)(;;)", "%1,5%2"):gsub("a;up", '"a";up') .. ";;;\r\n"
    local found = fit_update(files.write(german), { law = "constant" })
    near(2 / 3, found.parameters.dw_min, 1e-9)
    local doubled = GOOD:gsub("a,", '"5"" A",') .. GOOD:sub(#HEADER + 1):gsub("a,", '"5"" B",')
    found = fit_update(files.write(doubled), { law = "constant" })
    assert.is_truthy(tostring(found):find("2 devices, 16 points", 1, true))
  end)

  it("a head whose name for a column has a line break, naming what would map it", function()
    refused((GOOD:gsub("conductance", '"conductance\n(uS)"')),
      'Then columns = {conductance = "conductance\\n(uS)"}')
  end)

  it("a file that is not there, and a path that is no string", function()
    for path, wanted in pairs { ["/nonexistent/p.csv"] = "/nonexistent/p.csv: No such file",
      ["/tmp"] = "/tmp: Is a directory", [3] = "must be a string, got number" } do
      raises(wanted, function()
        fit_update(path, { law = "constant" })
      end)
    end
  end)

  it("a file without data", function()
    refused("", "FILE: no data")
    refused("\n# nothing\n\r\n", "FILE: no data")
    refused(HEADER, "FILE:1: no data below the column names")
  end)

  it("missing columns, naming those that are there", function()
    refused("device,direction,pulse,conductanse\na,up,0,1\n", "FILE:1: no column 'conductance'; "
      .. "there are 'device', 'direction', 'pulse', 'conductanse' (is 'conductanse' the "
      .. 'conductance? Then columns = {conductance = "conductanse"})')
    refused("a,b\n1,2\n", "no column 'direction', 'pulse', 'conductance'; there are 'a', 'b'")
    refused(GOOD, "no column 'chip'", { columns = { device = "chip" } })
    refused(GOOD, "unknown column 'puls' (did you mean 'pulse'?)", { columns = { puls = "n" } })
    refused(GOOD, "pulse must be the name of a column, got number", { columns = { pulse = 3 } })
    refused("pulse,pulse\n", "two columns are called 'pulse'")
  end)

  it("cells that are none", function()
    refused(changed(3, "a,up,1,lots"), "FILE:3: conductance: 'lots' is no finite number")
    refused(changed(3, "a,up,1,"), "FILE:3: conductance: '' is no finite number")
    refused(changed(3, "a,up,1,nan"), "FILE:3: conductance: 'nan' is no finite number")
    refused(changed(3, "a,up,1,1e999"), "'1e999' is no finite number")
    refused(changed(3, "a,up,1,-2"), "FILE:3: conductance: -2 is negative")
    refused(changed(3, "a,up,-1,2"), "FILE:3: pulse: -1 is negative")
    refused(changed(3, "a,up,1.5,2"), "FILE:3: pulse: 1.5 is no whole number")
    refused(changed(3, "a,up,1e9,2"), "FILE:3: pulse: 1000000000 is no whole number up to 1000000")
    refused(changed(3, "a,sideways,1,2"), "FILE:3: direction: 'sideways' is none; up and down are")
    refused(changed(3, "a,up,1"), "FILE:3: 3 cells, where the header has 4")
    refused(changed(3, "a,up,1,1,5"), "FILE:3: 5 cells, where the header has 4 (decimal commas "
      .. "need columns that ';' or tabs separate; a text with a comma stands in quotes)")
    refused(changed(3, 'a,up,1,"1,5"'), "FILE:3: conductance: '1,5': decimal commas need columns")
    refused(changed(3, 'a,up,1,"4""2"'), "FILE:3: conductance: '4\"2' is no finite number")
    refused(changed(3, "a,up,1,0x1F"), "FILE:3: conductance: '0x1F' is no finite number")
    refused(changed(3, "a,up,0,2"), "FILE:3: device 'a' has pulse 0 up already in line 2")
  end)

  it("too few points, and a curve without its other direction", function()
    refused(HEADER .. "a,up,0,1\na,up,1,2\n", "device 'a' has 2 points up; a fit needs at least 3")
    refused(GOOD:gsub("a,down[^\n]*\n", ""), "FILE: device 'a' has no pulses down")
    refused(GOOD .. "b,down,0,3\nb,down,1,2\nb,down,2,1\n", "device 'b' has no pulses up")
    refused(GOOD:gsub("a,%a+,3[^\n]*\n", ""), "6 points for 8 unknowns", { law = "linear" })
  end)

  it("directions that are swapped, and conductances that are all the same", function()
    local swapped = GOOD:gsub("up", "x"):gsub("down", "up"):gsub("x", "down")
    refused(swapped, "FILE: device 'a': pulses down change the weight by 0.666667 each: are the "
      .. "directions swapped")
    refused(GOOD:gsub(",%d\n", ",5\n"), "g_min (5) must be below g_max (5)")
  end)

  it("a table that does not rise or fall with every pulse", function()
    refused(changed(4, "a,up,2,2"), "FILE: the mean of the curves up does not rise at pulse 2",
      { law = "table" })
    refused(changed(9, "a,down,3,2"), "the mean of the curves down does not fall at pulse 3",
      { law = "table" })
    refused(GOOD, "option 'smooth' must be odd, got 2", { law = "table", smooth = 2 })
  end)

  it("options that are none", function()
    refused(GOOD, "did you mean 'soft_bounds'?", { law = "soft_bound" })
    refused(GOOD, "unknown option 'colums' (did you mean 'columns'?)", { colums = {} })
    refused(GOOD, "option 'smooth' has no effect", { smooth = 3 })
    refused(GOOD, "g_min (7) must be below g_max (4); measured are 1 to 4", { g_min = 7 })
    refused(GOOD, "w_low (2) must be below w_high (1)", { w_low = 2 })
    refused(GOOD, "option 'hold': the law 'constant' has no number 'w_mn' (did you mean 'w_min'?)",
      { hold = { w_mn = 1 } })
    refused(GOOD, "option 'start': dw_min must be a number > 0, got -1",
      { start = { dw_min = -1 } })
    refused(GOOD, "option 'hold': w_max must be a finite number or false, got x",
      { hold = { w_max = "x" } })
    refused(GOOD, "cannot have w_min = 0: it must be < 0", { law = "soft_bounds",
      hold = { w_min = 0 } })
  end)

  it("a search that does not converge, naming device and reason", function()
    local opts = { normal = pulses.normal(1), noise = 0.01 }
    local curves = device("exponential", LAWS.exponential, opts)
    refused(pulses.csv { curves }, "FILE: device 'd1': the fit of 'exponential' has not converged "
      .. "after 1 iterations (it still moves; residual", { law = "exponential", iterations = 1 })
  end)
end)

-- ---- memory and interrupts ----------------------------------------------------------------------

describe("a fit that fails", function()
  after_each(function()
    core.base.fail_from(0)
  end)

  local function fit_once()
    return fit_update("data/pulses.csv", { law = "soft_bounds" })
  end

  it("for want of memory is an error that leaks nothing", function()
    local before, failures = live_bytes(), 0
    for n = 1, 100 do
      core.base.fail_from(n)
      local ok, message = pcall(fit_once)
      core.base.fail_from(0)
      if ok then
        break
      end
      failures = n
      assert.is_truthy(message:find("out of memory: the curves of a fit", 1, true), message)
      assert.equal(before, live_bytes())
    end
    assert.equal(8, failures) -- a block for each device, another for its errors
  end)

  it("by an interrupt is an error that leaks nothing, and can be made again", function()
    local before = live_bytes()
    mgd.interrupt()
    assert.error_matches(fit_once, "interrupted")
    assert.equal(before, live_bytes())
    assert.equal(4, #fit_once().devices)
  end)
end)
