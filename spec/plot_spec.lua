-- mgd.plot: what a figure takes, its axes and legends, and the pictures that come of it. Pictures
-- are read back from their SVG; without gnuplot those specs are pending.

local mgd = require "mgd"
local axes = require "mgd.plot.axes"
local support = require "spec.support.train"
local text = require "mgd.plot.text"

local fails = support.fails
local NAN = 0 / 0

local needs = require "spec.support.needs"

-- The SVG of a figure, as it stands in a page.
local function svg(opts)
  needs.program "gnuplot"
  return mgd.plot(opts):svg()
end

-- Points of the first path that is drawn in the first colour: lists of x and y in pixels.
local function first_curve(picture)
  local plot = picture:match 'gnuplot_plot_1".*$'
  local path = plot:match "<path stroke='rgb%(  0, 114, 178%)'%s+d='([^']*)'"
  local points = {}
  for command, x, y in path:gmatch "([ML])(%d+%.?%d*),(%d+%.?%d*)" do
    points[#points + 1] = { command = command, x = tonumber(x), y = tonumber(y) }
  end
  return points
end

local function rows(csv)
  local list = {}
  for line in csv:gmatch "[^\n]+" do
    list[#list + 1] = line
  end
  return list
end

-- ---- what is drawn ------------------------------------------------------------------------------

describe("a picture", function()
  it("has its points where the axes say", function()
    local points = first_curve(svg { width = 600, height = 400,
      x = { range = { 0, 4 } }, y = { range = { 0, 10 } },
      { x = { 0, 1, 2, 3, 4 }, y = { 0, 5, 2.5, 10, 0 } } })
    assert.equal(5, #points)
    local left, bottom = points[1].x, points[1].y
    local wide, high = points[5].x - left, points[4].y - bottom
    assert.is_true(wide > 400 and high < -250)
    for i, y in ipairs { 0, 5, 2.5, 10, 0 } do -- pixels have two decimals
      assert.near(left + wide * (i - 1) / 4, points[i].x, 0.02)
      assert.near(bottom + high * y / 10, points[i].y, 0.02)
    end
  end)

  it("has logarithms on a logarithmic axis", function()
    local points = first_curve(svg { y = { log = true }, { y = { 1e-3, 1e-1, 1 } } })
    local decade = (points[2].y - points[1].y) / 2
    assert.near(points[2].y + decade, points[3].y, 0.03)
  end)

  it("has gaps where values are nan or infinite", function()
    local points = first_curve(svg { { y = { 1, 2, NAN, 3, 2, math.huge, 1, 1 } } })
    local moves = {}
    for i, point in ipairs(points) do
      moves[#moves + 1] = point.command == "M" and i or nil
    end
    assert.equal(6, #points)
    assert.same({ 1, 3, 5 }, moves)
  end)

  it("has the corners of steps", function()
    local points = first_curve(svg { { y = { 0, 1, 0 }, style = "steps" } })
    assert.equal(5, #points)
    assert.equal(points[1].y, points[2].y)
    assert.equal(points[2].x, points[3].x)
  end)

  it("has points of their own on several named lines, which tell them apart in grey", function()
    local function points(opts)
      return select(2, svg(opts):gsub("<use [^>]*transform='translate", "")) -- others define shapes
    end
    local line = {}
    for i = 1, 61 do
      line[i] = math.sin(i / 10)
    end
    assert.equal(0, points { { y = line, label = "a" } })
    assert.equal(0, points { { y = line }, { y = line } })
    -- about six on each line, and one in the legend
    local two = points { { y = line, label = "a" }, { y = line, label = "b" } }
    assert.is_true(two >= 2 * 5 and two <= 2 * 8, two)
  end)

  it("keeps what can be seen of a long line", function()
    local y = {}
    for i = 1, 50000 do
      y[i] = math.sin(i / 5000)
    end
    y[31234], y[40000] = 5, -5 -- one step each
    local opts = { { y = y } }
    local points = first_curve(svg(opts))
    assert.is_true(#points < 5000)
    local low, high = math.huge, -math.huge
    for _, point in ipairs(points) do
      low, high = math.min(low, point.y), math.max(high, point.y)
    end
    local zero, unit = (low + high) / 2, (high - low) / 10
    local near_top = 0
    for i, point in ipairs(points) do -- the rest is where it was, and only two leave it
      near_top = near_top + (math.abs(point.y - zero) > 1.01 * unit and 1 or 0)
      assert.is_true(i == 1 or point.x >= points[i - 1].x)
    end
    assert.equal(2, near_top)
    assert.equal(50001, #rows(mgd.plot(opts):csv()))
  end)

  it("has a band between low and high, and bars of points", function()
    local picture = svg { { y = { 2, 2 }, low = { 1, 1 }, high = { 3, 3 } } }
    local polygon = picture:match "<polygon[^>]*fill%-opacity = '0.18[^>]*points = '([^']*)'"
    local heights = {}
    for _, y in polygon:gmatch "(%d+%.%d+),(%d+%.%d+)" do
      heights[tonumber(y)] = true
    end
    local line = first_curve(picture:gsub('gnuplot_plot_2"', 'gnuplot_plot_1"'))
    local list = {}
    for y in pairs(heights) do
      list[#list + 1] = y
    end
    assert.equal(2, #list)
    assert.near(line[1].y, (list[1] + list[2]) / 2, 0.02)
    local bars = svg { { y = { 2, 2 }, low = { 1, 1 }, high = { 3, 3 }, style = "points" } }
    assert.is_nil(bars:find("<polygon", 1, true))
    local bar = first_curve(bars)
    assert.equal(bar[1].x, bar[2].x)
    assert.near(math.abs(list[1] - list[2]), math.abs(bar[1].y - bar[2].y), 20)
  end)

  it("of (T, R) has the median and the quartiles", function()
    local y = mgd.tensor { { 1, 2, 3, 4, 9 }, { 2, 4, 6, 8, 10 }, { 1, NAN, 3, NAN, 5 } }
    assert.same({ "panel,series,x,y,low,high,z", "1,1,0,3,2,4,", "1,1,10,6,4,8,", "1,1,20,3,2,4," },
      rows(mgd.plot { { x = { 0, 10, 20 }, y = y } }:csv()))
    fails("whose band is that of its quartiles", mgd.plot, { { y = y, low = y, high = y } })
  end)

  it("has texts as they were written, whatever is in them", function()
    local picture = svg { title = "it's <100 %> & \"more\"",
      x = { label = "learning_rate", unit = "1/s" }, y = "τ_θ",
      { y = { 1, 2 }, label = "a{b}^@~" }, { y = { 2, 3 }, label = "100 %d $p1s1" } }
    for _, words in ipairs { "it's &lt;100 %> &amp; \"more\"", "learning_rate (1/s)", ">θ<",
      "a{b}^@~", "100 %d $p1s1" } do
      assert.is_truthy(picture:find(words, 1, true), words)
    end
  end)

  it("may stand beside others in one page: its ids are its own", function()
    local first, second = svg { { y = { 1, 2 } } }, svg { { y = { 1, 2 } } }
    local seen = {}
    for _, picture in ipairs { first, second } do
      for id in picture:gmatch "%sid=['\"]([^'\"]+)" do
        assert.is_nil(seen[id], id)
        seen[id] = true
      end
      for id in picture:gmatch "href=['\"]#([^'\"]+)" do
        assert.is_true(seen[id], id)
      end
      assert.equal("<svg role", picture:sub(1, 9))
      assert.is_nil(picture:find("<script", 1, true))
    end
  end)

  it("is the same at every drawing", function()
    local figure = mgd.plot { { y = { 1, 2 } } }
    needs.program "gnuplot"
    local one, two = figure:svg():gsub("f%d+%-", ""), figure:svg():gsub("f%d+%-", "")
    assert.equal(one, two)
  end)
end)

describe("heat maps", function()
  local z = mgd.tensor { { 1, 2, NAN }, { 4, 5, 6 } }

  it("have a rectangle for each cell, missing ones in grey", function()
    local picture = svg { { kind = "heat", x = { 1, 2, 4 }, y = { "a", "b" }, z = z } }
    local _, grey = picture:gsub("<polygon fill = 'rgb%(232, 232, 232%)'", "")
    assert.equal(1, grey)
    for value = 4, 6 do
      assert.is_truthy(picture:find(">" .. value .. "</tspan>", 1, true))
    end
    assert.is_truthy(picture:find("rgb( 68,   1,  84)", 1, true)) -- the ends of viridis: 1 and 6
    assert.is_truthy(picture:find("rgb(253, 231,  37)", 1, true))
  end)

  it("have the line of a height", function()
    local with = svg { { kind = "heat", x = { 1, 2 }, y = { 1, 2 }, contour = 2.5,
      z = mgd.tensor { { 1, 2 }, { 3, 4 } } } }
    assert.is_truthy(with:find("<path stroke='rgb%(255, 255, 255%)'"))
  end)

  it("refuse another shape, and company", function()
    fails("series 1: 'z' is 2×3: expected (2, 2), rows of y by columns of x", mgd.plot,
      { { kind = "heat", x = { 1, 2 }, y = { 1, 2 }, z = z } })
    fails("a heat map takes a panel of its own", mgd.plot,
      { { kind = "heat", x = { 1, 2, 3 }, y = { 1, 2 }, z = z }, { y = { 1 } } })
  end)
end)

describe("histograms", function()
  it("count in bins that all of a panel share", function()
    local csv = rows(mgd.plot { { kind = "histogram", values = { 0, 1, 1.5, 4 }, bins = 4 },
      { kind = "histogram", values = { 3.5, NAN, 2 } } }:csv())
    assert.same({ "1,1,0.5,1,0,1,", "1,1,1.5,2,1,2,", "1,1,2.5,0,2,3,", "1,1,3.5,1,3,4,",
      "1,2,0.5,0,0,1,", "1,2,1.5,0,1,2,", "1,2,2.5,1,2,3,", "1,2,3.5,1,3,4," },
      { table.unpack(csv, 2) })
  end)

  it("have as many bins as Freedman and Diaconis ask for", function()
    local values = {}
    for i = 0, 999 do
      values[i + 1] = i / 999
    end
    -- IQR ½ of 1,000 values: 2 · ½ / 10 = 0.1
    assert.equal(11, #rows(mgd.plot { { kind = "histogram", values = values } }:csv()))
  end)

  it("hold one value, and equal ratios on a logarithmic axis", function()
    assert.equal(2, #rows(mgd.plot { { kind = "histogram", values = { 3, 3 } } }:csv()))
    local csv = rows(mgd.plot { x = { log = true },
      { kind = "histogram", values = { 1, 10, 100 }, bins = 2 } }:csv())
    assert.same({ "1,1,5.5,1,1,10,", "1,1,55,2,10,100," }, { csv[2], csv[3] })
  end)
end)

describe("boxes", function()
  it("have Tukey's whiskers", function()
    local figure = mgd.plot { { kind = "box", groups = {
      { label = "a", values = { 1, 2, 3, 4, 5, 20 } } } } }
    local box = figure.panels[1].series[1].boxes[1]
    -- quartiles of type 7: 2.25 and 4.75; the reach 1.5 · 2.5 ends at 8.5
    assert.same({ 2.25, 3.5, 4.75, 1, 5 }, { box.q1, box.median, box.q3, box.low, box.high })
    assert.same({ 20 }, box.beyond)
    assert.equal("1,1,a,20,,,", rows(figure:csv())[7])
  end)
end)

-- ---- axes ---------------------------------------------------------------------------------------

describe("an axis", function()
  local function axis(name, opts, pixels)
    return axes.resolve(mgd.plot(opts).panels[1], name, pixels or 500)
  end

  local function texts(resolved)
    local list = {}
    for _, tick in ipairs(resolved.ticks) do
      list[#list + 1] = not tick.minor and tick[2] or nil
    end
    return list
  end

  it("has a label, with a unit", function()
    local x = axis("x", { x = { label = "τ_p", unit = "steps" }, { y = { 1 } } })
    assert.equal("τ_p (steps)", x.label)
    assert.equal("cost", axis("y", { y = "cost", { y = { 1 } } }).label)
  end)

  it("has a label of its own without", function()
    local h = { x = { 0, 100, 200 }, y = { 1, 2, 3 } }
    assert.equal("step", axis("x", { h }).label)
    assert.equal("index", axis("x", { { y = { 1, 2 } } }).label)
    assert.equal("value", axis("x", { { x = { 0.5, 1 }, y = { 1, 2 } } }).label)
    assert.equal("cost", axis("y", { { y = { 1, 2 }, label = "cost" } }).label)
    local two = axis("y", { { y = { 1 }, label = "a" }, { y = { 1 }, label = "b" } })
    assert.equal("value", two.label)
    assert.equal("count", axis("y", { { kind = "histogram", values = { 1 }, label = "a" } }).label)
  end)

  it("has ticks at 1, 2 or 5 times a power of ten", function()
    assert.same({ "0", "0.2", "0.4", "0.6", "0.8", "1.0" },
      texts(axis("x", { x = { range = { 0, 1 } }, { y = { 1 } } })))
    assert.same({ "0", "10,000", "20,000" },
      texts(axis("x", { x = { range = { 0, 25000 } }, { y = { 1 } } }, 250)))
    assert.same({ "−2", "−1", "0", "1", "2" },
      texts(axis("x", { x = { range = { -2, 2 } }, { y = { 1 } } })))
    assert.same({ "0", "10^{6}", "2·10^{6}" },
      texts(axis("x", { x = { range = { 0, 2e6 } }, { y = { 1 } } }, 200)))
  end)

  it("has no ticks between whole steps", function()
    assert.same({ "1", "2", "3" }, texts(axis("x", { { y = { 1, 2, 3 } } })))
  end)

  it("has ticks at decades where it is logarithmic, in between where it is short", function()
    assert.same({ "0.001", "0.01", "0.1", "1" },
      texts(axis("y", { y = { log = true, range = { 1e-3, 1 } }, { y = { 1 } } })))
    assert.same({ "10^{−9}", "10^{−6}", "10^{−3}", "10^{0}" },
      texts(axis("y", { y = { log = true, range = { 1e-9, 1 } }, { y = { 1 } } }, 200)))
    assert.same({ "2", "5", "10", "20" },
      texts(axis("y", { y = { log = true, range = { 2, 30 } }, { y = { 1 } } })))
    assert.same({ "0.90", "0.92", "0.94", "0.96", "0.98", "1.00" },
      texts(axis("y", { y = { log = true, range = { 0.9, 1 } }, { y = { 1 } } }, 300)))
  end)

  it("holds all values, bands and marks", function()
    local y = axis("y", { { y = { 5, 6 }, low = { 4, 4.5 }, high = { 7, 7 } },
      { kind = "mark", y = 9 } })
    assert.is_true(y.low <= 4 and y.low > 3 and y.high >= 9 and y.high < 10)
    assert.equal(0, axis("y", { { y = { 0.1, 1 } } }).low) -- a small foot is not cut off
    local one = axis("y", { { y = { 3, 3 } } })
    assert.is_true(one.low < 3 and one.high > 3)
  end)

  it("takes texts as categories", function()
    local x = axis("x", { { x = { "walsh", "sine" }, y = { 1, 2 }, style = "bars" } })
    assert.same({ "walsh", "sine" }, texts(x))
    assert.same({ 0.5, 2.5 }, { x.low, x.high })
    assert.equal("1,1,walsh,1,,,", rows(mgd.plot { { x = { "walsh" }, y = { 1 } } }:csv())[2])
  end)
end)

describe("texts", function()
  it("have scripts where one letter or a number carries them", function()
    for given, wanted in pairs { ["τ_θ (steps)"] = "τ_{θ}\194\160(steps)", ["10^4"] = "10^{4}",
      ["10^-3"] = "10^{-3}", ["x_{max}"] = "x_{max}", learning_rate = "learning\\_rate",
      ["w_out"] = "w\\_out", ["a & b"] = "a \\& b" } do
      assert.equal(wanted, text.enhanced(given))
    end
  end)
end)

-- ---- legends and panels -------------------------------------------------------------------------

describe("panels", function()
  local layout = require "mgd.plot.layout"

  local function panel(labels, extra)
    local p = extra or {}
    for i, label in ipairs(labels) do
      p[i] = { y = { i, 1e5 }, label = label }
    end
    return p
  end

  it("are in line, whatever they hold", function()
    local cells = layout.of(mgd.plot { columns = 2, panels = { panel({ "a", "b" }, { title = "A" }),
      panel { "c" }, panel { "d" }, panel({ "e", "f", "g" }, { x = "x" }) } })
    assert.equal(cells[1].top, cells[2].top)
    assert.equal(cells[3].bottom, cells[4].bottom)
    assert.equal(cells[1].left, cells[3].left)
    assert.equal(cells[2].right, cells[4].right)
    assert.is_true(cells[1].bottom > cells[3].top)
  end)

  it("share a legend where they name the same", function()
    local cells = layout.of(mgd.plot { panels = { panel { "a", "b" }, panel { "a", "b" } } })
    assert.equal("shared", cells[1].legend)
    assert.is_nil(cells[2].legend)
    local other = layout.of(mgd.plot { panels = { panel { "a", "b" }, panel { "a", "c" } } })
    assert.same({ "top", "top" }, { other[1].legend, other[2].legend })
  end)

  it("have legends outside of the axes, and none for a single series", function()
    local cell = layout.of(mgd.plot(panel { "a", "b" }))[1]
    assert.equal("right", cell.legend)
    assert.is_true(cell.right < 680 - 40)
    assert.is_nil(layout.of(mgd.plot(panel { "a" }))[1].legend)
    assert.equal("top", layout.of(mgd.plot(panel { ("long"):rep(15), "b" }))[1].legend)
    assert.equal("below", layout.of(mgd.plot(panel({ "a" }, { legend = "below" })))[1].legend)
    assert.is_nil(layout.of(mgd.plot(panel({ "a", "b" }, { legend = "none" })))[1].legend)
  end)
end)

-- ---- histories, files, the terminal -------------------------------------------------------------

describe("a history", function()
  local history = mgd.train { data = mgd.data.xor(), replicas = 4, tau_theta = 4, eta = 1,
    net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" },
    init = { scheme = "uniform", low = -1, high = 1 },
  }:run { steps = 100, every = 20, probes = { "cost", "angle" } }

  it("is drawn probe by probe", function()
    local figure = mgd.plot.history(history)
    assert.equal("figure of 2 panels, 2 series: fig:show(), fig:save(\"name.svg\")",
      tostring(figure))
    assert.equal("angle (degrees)", axes.resolve(figure.panels[2], "y", 300).label)
    local csv = rows(mgd.plot.history(history, { "cost" }):csv())
    assert.equal(1 + 6, #csv)
    local median = mgd.stats.median(history.cost[-1])
    assert.equal(median, tonumber(csv[7]:match "^1,1,100,([^,]+),"))
  end)

  it("names the probes that it has not", function()
    local against = rows(mgd.plot.history(history, { "cost" }, { x = "evaluations" }):csv())
    assert.equal(history.evaluations[2], tonumber(against[3]:match "^[^,]*,[^,]*,([^,]*),"))
    fails("the history has no probe 'norm'", mgd.plot.history, history, { "norm" })
    fails("expected the history of a run, got nil", mgd.plot.history)
  end)
end)

describe("a figure is written", function()
  for ending, start in pairs { svg = "<?xml", png = "\137PNG", pdf = "%PDF", csv = "panel" } do
    it("as " .. ending, function()
      if ending ~= "csv" then
        needs.program "gnuplot"
      end
      local path = os.tmpname()
      os.remove(path)
      path = path .. " it's." .. ending
      mgd.plot { title = "τ_θ", { y = { 1, 2, 3 } } }:save(path)
      local file = assert(io.open(path, "rb"))
      local content = file:read "*a"
      file:close()
      os.remove(path)
      assert.equal(start, content:sub(1, #start))
    end)
  end

  it("into a terminal of characters", function()
    needs.program "gnuplot"
    local out = support.subprocess [[
      local mgd = require "mgd"
      mgd.plot {title = "τ_θ", y = {label = "cost", log = true},
        {y = {1e-9, 1e-6, 1e-3}, label = "rises", low = {1e-9, 1e-6, 1e-3}, high = {1e-8, 1e-5, 1}},
        {y = {1e-7, 1e-7, 1e-7}, label = "stays"}}:show()
      local z = mgd.tensor {{7, 8}, {9, 0 / 0}}
      mgd.plot {{kind = "heat", x = {1, 2}, y = {1, 2}, z = z}}:show()]]
    for _, words in ipairs { "τ_θ", "rises", "stays", "1e-8", "cost", "index", "7 ", "8 ", "9 " } do
      assert.is_truthy(out:find(words, 1, true), words .. " is missing in\n" .. out)
    end
    assert.is_nil(out:find "%f[%a]nan")
    assert.is_nil(out:find("{", 1, true))
    for line in out:gmatch "[^\n]+" do
      assert.is_true(select(2, line:gsub("[^\128-\191]", "")) <= 80)
    end
  end)
end)
