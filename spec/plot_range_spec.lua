-- mgd.plot at the ends of what numbers are: ranges that overflow, axes of nearly one value, texts
-- of any bytes, figures of many values. Each is a picture, or an error at the caller's line.

local mgd = require "mgd"
local axes = require "mgd.plot.axes"
local support = require "spec.support.train"
local text = require "mgd.plot.text"

local NAN, INF = 0 / 0, math.huge

local has_gnuplot = os.execute "command -v gnuplot >/dev/null 2>&1"
local has_xmllint = os.execute "command -v xmllint >/dev/null 2>&1"

local function svg(opts)
  if not has_gnuplot then
    pending "gnuplot is not here"
  end
  return mgd.plot(opts):svg()
end

-- Whether XML readers take the saved figure.
local function is_well_formed(opts)
  local path = os.tmpname()
  os.remove(path)
  mgd.plot(opts):save(path .. ".svg")
  local file = assert(io.open(path .. ".svg", "rb"))
  local content = file:read "*a"
  file:close()
  local read = not has_xmllint or os.execute("xmllint --noout " .. path .. ".svg 2>/dev/null")
  os.remove(path .. ".svg")
  return read and (not utf8 or utf8.len(content) ~= nil) -- LuaJIT has none
end

local function refused(wanted, opts)
  local message = support.fails(wanted, function()
    mgd.plot(opts)
  end)
  assert.is_truthy(message:find "^spec/plot_range_spec%.lua:%d+: mgd%.plot", message)
end

local function axis(name, opts, pixels)
  return axes.resolve(mgd.plot(opts).panels[1], name, pixels or 300)
end

local function labels(resolved)
  local list = {}
  for _, tick in ipairs(resolved.ticks) do
    list[#list + 1] = not tick.minor and tick[2] or nil
  end
  return list
end

local function all_differ(list)
  local seen = {}
  for _, value in ipairs(list) do
    if seen[value] then
      return false
    end
    seen[value] = true
  end
  return #list >= 2
end

describe("an axis of any range", function()
  local log = { log = true }

  it("is drawn where it is logarithmic, however wide", function()
    for _, y in ipairs { { 1e-3, 1, 1e306 }, { 1e-200, 1e200 }, { 5e-324, 1, 1e300 },
      { 5e-324, 1.7976931348623157e308 }, { 5e-324 }, { 1e308, 1.7e308 } } do
      local resolved = axis("y", { y = log, { y = y } })
      assert.is_true(resolved.low > 0 and resolved.high < INF)
      assert.is_true(#resolved.ticks < 100 and #labels(resolved) >= 1)
      assert.is_truthy(svg { y = log, x = log, { x = y, y = y, style = "both" } })
    end
  end)

  it("is drawn where it is linear, however wide or narrow", function()
    for _, y in ipairs { { -1e308, 1e308 }, { -1.7e308, 1.7e308, 0 }, { 0, 5e-324 }, { 5e-324 },
      { 1.7976931348623157e308 }, { 0.1 + 0.2, 0.3 }, { 1e16, 1e16 + 2 } } do
      local resolved = axis("y", { { y = y } })
      assert.is_true(resolved.low < resolved.high and resolved.high < INF)
      assert.is_true(all_differ(labels(resolved)), table.concat(labels(resolved), " "))
      assert.is_truthy(svg { { x = y, y = y, style = "points" } })
    end
  end)

  it("places values by what they are", function()
    local points = {}
    local picture = svg { y = log, { y = { 1e-300, 1, 1e300 } } }
    local path = picture:match "<path stroke='rgb%(  0, 114, 178%)'%s+d='([^']*)'"
    for x, y in path:gmatch "[ML](%d+%.?%d*),(%d+%.?%d*)" do
      points[#points + 1] = { tonumber(x), tonumber(y) }
    end
    assert.equal(3, #points)
    assert.near((points[1][2] + points[3][2]) / 2, points[2][2], 0.03)
  end)

  it("has ticks that differ, counted from a number that its label names", function()
    local times = axis("x", { x = { label = "time", unit = "s" },
      { x = { 1700000000.25, 1700000000.5, 1700000001 }, y = { 1, 2, 3 } } })
    assert.equal("time − 1,700,000,001 (s)", times.label)
    assert.is_true(all_differ(labels(times)))
    local costs = axis("y", { y = "cost", { y = { 0.5, 0.5 + 1e-12, 0.5 + 2e-12 } } })
    assert.equal("cost − 0.5", costs.label)
    assert.is_true(all_differ(labels(costs)))
    local below = axis("y", { { y = { -1e9 - 1, -1e9 } } })
    assert.is_truthy(below.label:find("value + 1,000,000,", 1, true), below.label)
    assert.equal("cost", axis("y", { y = "cost", { y = { 0.91, 0.92 } } }).label)
  end)

  it("is refused where its range is none", function()
    for _, range in ipairs { { 0, INF }, { -INF, INF }, { 1, 1 }, { 2, 1 }, { NAN, 1 } } do
      refused("axis 'y': range must be {low, high}, two finite numbers, the lower first, got {",
        { y = { range = range }, { y = { 1, 2 } } })
      refused("series 1: 'range': range must be {low, high}, two finite numbers",
        { { kind = "heat", x = { 1 }, y = { 1 }, z = mgd.ones { 1, 1 }, range = range } })
    end
    refused("axis 'x': tick 1 is inf: expected a finite number",
      { x = { ticks = { INF } }, { y = { 1 } } })
  end)

  it("needs a point", function()
    refused("series 1: 'x' has no finite value", { { x = { NAN, NAN }, y = { 1, 2 } } })
    refused("no point has a finite 'x' and a finite 'y'", { { x = { NAN, 1 }, y = { 1, NAN } } })
  end)
end)

describe("heat maps", function()
  local function heat(z, more)
    local s = { kind = "heat", x = { 1, 2 }, y = { 1, 2 }, z = mgd.tensor(z, { dtype = "f64" }) }
    for key, value in pairs(more or {}) do
      s[key] = value
    end
    return { s }
  end

  it("are drawn where nothing has a colour, and where all have the same", function()
    local _, grey = svg(heat({ { 0, 0 }, { 0, 0 } }, { log = true }))
      :gsub("<polygon fill = 'rgb%(232, 232, 232%)'", "")
    assert.equal(4, grey)
    assert.is_truthy(svg(heat { { 1e308, 1e308 }, { 1e308, 1e308 } }))
    assert.is_truthy(svg(heat({ { -1e308, 1e308 }, { NAN, INF } }, { contour = 1 })))
    assert.is_truthy(svg(heat({ { 1, 1 }, { 1, 1 } }, { contour = 1 })))
    assert.is_truthy(svg(heat({ { 1, 2 }, { 3, 4 } }, { contour = { 99 } })))
  end)

  it("have names of columns that differ, with their values in the CSV", function()
    local figure = mgd.plot { { kind = "heat", x = { 1700000001, 1700000002 }, y = { 1, 2 },
      z = mgd.ones { 2, 2 } } }
    assert.same({ "1700000001", "1700000002" }, labels(axes.resolve(figure.panels[1], "x", 300)))
    assert.is_truthy(figure:csv():find("\n1,1,1700000002,1,,,1\n", 1, true))
  end)
end)

describe("a single point of a line", function()
  local function marks(opts)
    return select(2, svg(opts):gsub("<use [^>]*transform='translate", ""))
  end

  it("is a marker", function()
    assert.equal(1, marks { { y = { 3 } } })
    assert.equal(1, marks { { y = { 3 }, style = "steps" } })
    assert.equal(0, marks { { y = { 3, 4 } } })
  end)

  it("is one between gaps, too", function()
    assert.equal(2, marks { { y = { 1, NAN, 2, 3, NAN, 4 } } })
  end)
end)

describe("histograms", function()
  local function counts(values, opts)
    local figure = mgd.plot { x = opts and opts.x, { kind = "histogram", values = values } }
    return figure.panels[1].series[1].y
  end

  it("of values most of which are equal have several bars", function()
    local values = {}
    for i = 1, 1000 do
      values[i] = i <= 900 and 1 or 1 + (i - 900) / 50
    end
    local bars = counts(values)
    assert.is_true(#bars >= 10 and #bars <= 200, #bars)
    local used = 0
    for _, n in ipairs(bars) do
      used = used + (n > 0 and 1 or 0)
    end
    assert.is_true(used >= 10, used)
  end)

  it("have no more bars than can be seen, however far one value is away", function()
    local values = { 1e12 }
    for i = 1, 1000 do
      values[i + 1] = i
    end
    assert.equal(200, #counts(values))
    assert.is_true(#counts { 1, 1, 1, 1, 1, 1, 1, 1, 1e300 } <= 200)
  end)

  it("hold every value once, whatever their range", function()
    for _, values in ipairs { { -1.7e308, 0, 1.7e308 }, { 1.7976931348623157e308 }, { 5e-324 },
      { 0, 5e-324 }, { 1, 1 + 2 ^ -52, 1 } } do
      local sum = 0
      for _, n in ipairs(counts(values)) do
        sum = sum + n
      end
      assert.equal(#values, sum)
      assert.is_truthy(svg { { kind = "histogram", values = values } })
    end
  end)
end)

describe("texts", function()
  local TEXTS = { "50%", "5% sure", "%d %s %%", "f''(x)", "'quoted'", "'", '"', "a\\nb\\", "{", "}",
    "@a", "x^", "`id`", "$x", "\181A", "\255\254", "\1\27\0", "two\nlines", "EOD", "" }

  it("are what they are: titles, labels, units, names, ticks, boxes, marks", function()
    for _, words in ipairs(TEXTS) do
      if not has_gnuplot then
        pending "gnuplot is not here"
      end
      local line = { x = { "a", words }, y = { 1, 2 }, label = words }
      assert.is_true(is_well_formed { title = words, panels = {
        { title = words, x = words, y = { label = words, unit = words }, line, line },
        { x = { label = "x", ticks = { { 1, words } } }, { y = { 1, 2 } },
          { kind = "mark", y = 1, label = words } },
        { { kind = "box", groups = { { label = words, values = { 1, 2, 3 } } } } },
        { { kind = "heat", x = { words }, y = { 1 }, z = mgd.ones { 1, 1 }, unit = words } },
      } }, words)
    end
  end)

  it("are read back as they were written", function()
    local picture = svg { title = "'quoted' 100%", y = "f''(x)",
      x = { label = "5% sure", ticks = { { 1, "50%" } } },
      { y = { 1, 2 }, label = "`id` \"a\" \\n" }, { y = { 2, 2 }, label = "1 \181A" } }
    for _, words in ipairs { "'quoted' 100%", "5% sure", ">50%<", "f''(x)", "`id` \"a\" \\n",
      "1 µA" } do
      assert.is_truthy(picture:find(words, 1, true), words)
    end
  end)

  it("are cut where they have no room", function()
    local long = ("long "):rep(300)
    assert.is_true(#svg { title = long, x = long, { x = { long, "b" }, y = { 1, 2 }, label = long },
      { x = { long, "b" }, y = { 1, 2 } } } < 30000)
    assert.equal("abc…", text.short("abcdef", 4))
    assert.equal("τ_θτ", text.short("τ_θτ", 4))
  end)
end)

describe("figures of many values", function()
  local N = 40000
  local x, y, noise, gaps = {}, {}, {}, {}
  for i = 1, N do
    local random = (i * 7919 % N) / N
    x[i], y[i], noise[i] = i, math.sin(i / 5000) + random, (i * 104729 % N) / N
    gaps[i] = i % 2 == 0 and NAN or y[i]
  end

  for name, series in pairs {
    points = { x = noise, y = y, style = "points" },
    ["points with bars"] = { x = noise, y = y, low = noise, high = y, style = "points" },
    ["points on a line"] = { x = x, y = y, style = "both" },
    steps = { x = x, y = y, style = "steps" },
    bars = { x = x, y = y, style = "bars" },
    bands = { x = x, y = y, low = noise, high = y },
    gaps = { x = x, y = gaps },
    ["lines that turn back"] = { x = noise, y = y },
    ["boxes with many values beyond"] = { kind = "box",
      groups = { { label = "a", values = (function()
        local list = {}
        for i = 1, N do
          list[i] = i % 5 == 0 and 10 + i or noise[i]
        end
        return list
      end)() } } },
    maps = { kind = "heat", x = mgd.arange(1, 201), y = mgd.arange(1, 201),
      z = mgd.tensor(y):reshape { 200, 200 } },
  } do
    it("stay small: " .. name, function()
      local size = #svg { series }
      assert.is_true(size < 3e6, size)
      assert.is_true(size > 8000, size)
    end)
  end
end)
