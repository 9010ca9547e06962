-- mgd.plot: what is refused, with its message at the caller's line, and what happens without
-- gnuplot.

local mgd = require "mgd"
local support = require "spec.support.train"

local NAN = 0 / 0

-- The message of mgd.plot(opts); it must name this file.
local function refused(wanted, opts)
  local message = support.fails(wanted, function()
    mgd.plot(opts)
  end)
  assert.is_truthy(message:find "^spec/plot_fault_spec%.lua:%d+: mgd%.plot", message)
end

describe("mgd.plot refuses", function()
  it("what it does not know, with a suggestion", function()
    refused("unknown option 'titel' (did you mean 'title'?)", { titel = "a", { y = { 1 } } })
    refused("series 1: unknown option 'lable' (did you mean 'label'?)",
      { { y = { 1 }, lable = "a" } })
    refused("x: unknown option 'units' (did you mean 'unit'?)",
      { x = { units = "s" }, { y = { 1 } } })
    refused("series 2: unknown kind 'pie': expected one of line, heat, histogram, box, mark",
      { { y = { 1 } }, { kind = "pie" } })
    refused("style", { { y = { 1 }, style = "dotted" } })
  end)

  it("a figure of nothing", function()
    refused("there is nothing to draw: expected series such as {x = …, y = …}", {})
    refused("option 'panels' is empty", { panels = {} })
    refused("panel 2: there is nothing to draw", { panels = { { { y = { 1 } } }, {} } })
    refused("series are given beside 'panels'", { { y = { 1 } }, panels = { { { y = { 1 } } } } })
  end)

  it("series that are none", function()
    refused("series 1: expected a table such as {x = …, y = …}, got number", { 3 })
    refused("series 1: expected a table such as {x = …, y = …}, got tensor", { mgd.zeros { 3 } })
    refused("series 1: 'y' must be a tensor or a list of numbers, got function", { { y = print } })
    refused("series 1: 'y': element 2 is string: expected a number", { { y = { 1, "2" } } })
    refused("series 1: 'y' has no values", { { y = {} } })
  end)

  it("unequal lengths", function()
    refused("series 1: 'x' has 3 values, 'y' has 2", { { x = { 1, 2, 3 }, y = { 1, 2 } } })
    refused("series 2: 'high' has 1 values, 'y' has 2",
      { { y = { 1, 2 } }, { y = { 1, 2 }, low = { 0, 0 }, high = { 3 } } })
    refused("series 1: 'low' and 'high' belong together", { { y = { 1, 2 }, low = { 0, 0 } } })
    refused("panel 1: series 1: 'x' has 1 values", { panels = { { { x = { 1 }, y = { 1, 2 } } } } })
  end)

  it("values of which none can be drawn", function()
    refused("series 1: 'y' has no finite value", { { y = { NAN, NAN } } })
    refused("series 1: 'y' has no finite value", { { y = { math.huge } } })
    refused("'z' has no finite value",
      { { kind = "heat", x = { 1 }, y = { 1 }, z = mgd.tensor { { NAN } } } })
    refused("'values' has no finite value", { { kind = "histogram", values = { NAN } } })
    refused("group 'a' has no finite value",
      { { kind = "box", groups = { { label = "a", values = { NAN } } } } })
  end)

  it("what has no place on a logarithmic axis", function()
    local log = { log = true }
    refused("'y': element 2 is 0, which a logarithmic axis has no place for",
      { y = log, { y = { 1, 0 } } })
    refused("'x': element 1 is -1", { x = log, { x = { -1, 1 }, y = { 1, 1 } } })
    refused("'values': element 2 is -3", { x = log, { kind = "histogram", values = { 1, -3 } } })
    refused("'values': element 1 is 0",
      { y = log, { kind = "box", groups = { { label = "a", values = { 0, 1 } } } } })
    refused("axis 'y': a logarithmic range must begin above 0, got 0",
      { y = { log = true, range = { 0, 1 } }, { y = { 1 } } })
    refused("bars begin at 0", { y = log, { y = { 1 }, style = "bars" } })
    refused("counts begin at 0", { y = log, { kind = "histogram", values = { 1 } } })
    refused("is 0, which a logarithmic axis", { y = log, { y = { 1 } }, { kind = "mark", y = 0 } })
  end)

  it("ranges that are none", function()
    refused("axis 'x': range must be {low, high}", { x = { range = { 1 } }, { y = { 1 } } })
    refused("axis 'x': range must be {low, high}", { x = { range = { 2, 1 } }, { y = { 1 } } })
    refused("axis 'x': range must be {low, high}", { x = { range = { NAN, 1 } }, { y = { 1 } } })
    refused("axis 'x': tick 2 must be a number or {value, text}",
      { x = { ticks = { 1, "two" } }, { y = { 1, 2 } } })
    refused("'log' has no effect", { x = { log = true },
      { kind = "heat", x = { 1 }, y = { 1 }, z = mgd.ones { 1, 1 } } })
  end)

  it("categories that do not agree", function()
    refused("'x': element 2 is 'c', in the series before it 'b'",
      { { x = { "a", "b" }, y = { 1, 2 } }, { x = { "a", "c" }, y = { 1, 2 } } })
    refused("'x' must be the texts that the series before it have",
      { { x = { "a", "b" }, y = { 1, 2 } }, { x = { 1, 2 }, y = { 1, 2 } } })
    refused("'x': element 2 is number: expected a text", { { x = { "a", 2 }, y = { 1, 2 } } })
    refused("texts in 'x' have no place on an axis with 'log'",
      { x = { log = true }, { x = { "a" }, y = { 1 } } })
  end)

  it("a mark that is nowhere, or everywhere", function()
    refused("a mark is at x = or at y =", { { y = { 1 } }, { kind = "mark", label = "a" } })
    refused("a mark is at x = or at y =", { { y = { 1 } }, { kind = "mark", x = 1, y = 1 } })
  end)
end)

describe("a low end below 0 on a logarithmic axis", function()
  it("is drawn as far as the value", function()
    local figure = mgd.plot { y = { log = true }, { y = { 2 }, low = { -1 }, high = { 3 } } }
    assert.is_truthy(figure:csv():find("1,1,1,2,2,3,", 1, true))
  end)
end)

describe("fig:save", function()
  local figure = mgd.plot { { y = { 1, 2 } } }

  it("refuses other endings, and folders that are not there", function()
    for _, path in ipairs { "fig.jpg", "fig", "" } do
      local message = support.fails("the path must end in .svg, .png, .pdf or .csv, got " .. path,
        function() figure:save(path) end)
      assert.is_truthy(message:find "^spec/plot_fault_spec%.lua:%d+: figure:save")
    end
    support.fails("got nil", figure.save, figure)
    support.fails("/nonexistent/fig.csv: No such file", figure.save, figure, "/nonexistent/fig.csv")
  end)
end)

describe("without gnuplot", function()
  local folder

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute(("mkdir '%s'"):format(folder)))
  end)

  after_each(function()
    os.execute(("rm -rf '%s'"):format(folder))
  end)

  local function without(lines)
    return support.subprocess(([[
      local mgd = require "mgd"
      local fig = mgd.plot {{y = {1, 2}, label = "a"}}
      %s]]):format(lines:gsub("DIR", folder)), "PATH=/nonexistent")
  end

  it("a figure says so, and leaves the numbers beside", function()
    local out = without [[print(pcall(fig.save, fig, "DIR/fig.svg"))]]
    assert.is_truthy(out:find("figure:save: gnuplot is not installed (apt install gnuplot-nox): "
      .. "the numbers are in " .. folder .. "/fig.csv", 1, true), out)
    local file = assert(io.open(folder .. "/fig.csv"))
    assert.equal("panel,series,x,y,low,high,z\n1,a,1,1,,,\n1,a,2,2,,,\n", file:read "*a")
    file:close()
    assert.is_nil(io.open(folder .. "/fig.svg"))
  end)

  it("the numbers are shown in the terminal, and CSV is written", function()
    local out = without [[fig:show() fig:save "DIR/a.csv"]]
    assert.is_truthy(out:find("1,a,2,2,,,", 1, true), out)
    assert.is_truthy(out:find("mgd: gnuplot is not installed", 1, true), out)
    assert.is_truthy(io.open(folder .. "/a.csv")):close()
  end)

  it("a page gets no picture", function()
    assert.is_truthy(without [[print(pcall(fig.svg, fig))]]:find(
      "figure:svg: gnuplot is not installed", 1, true))
  end)
end)

describe("a gnuplot that fails", function()
  -- What saving a figure says when gnuplot is this script; nothing may be left of it.
  local function complaint(script)
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute(("mkdir '%s'"):format(folder)))
    local file = assert(io.open(folder .. "/gnuplot", "w"))
    file:write("#!/bin/sh\n", script, "\n")
    file:close()
    assert(os.execute(("chmod +x '%s/gnuplot'"):format(folder)))
    local out = support.subprocess(([[
      local mgd = require "mgd"
      local fig = mgd.plot {{y = mgd.linspace(0, 1, 30000)}}
      print(pcall(function() fig:save "%s/fig.svg" end))]]):format(folder),
      ("PATH='%s':$PATH"):format(folder))
    assert.is_nil(io.open(folder .. "/fig.svg"))
    os.execute(("rm -rf '%s'"):format(folder))
    return out
  end

  it("is reported with its words, and no file is left", function()
    assert.is_truthy(complaint("cat >/dev/null; echo 'no such terminal' >&2; exit 1"):find(
      "figure:save: gnuplot failed: no such terminal: it ended with status 1", 1, true))
  end)

  it("or ends before it has read anything does not end the script", function()
    for script, wanted in pairs {
      ["exit 1"] = "it ended with status 1", ["exit 0"] = "it wrote nothing",
      ["kill -9 $$"] = "it was ended by signal 9 (Killed)",
      ["exec <&- ; echo out of memory >&2; exit 7"] = "out of memory: it ended with status 7",
    } do
      local out = complaint(script)
      assert.is_truthy(out:find("figure:save: gnuplot failed: " .. wanted, 1, true), out)
    end
  end)
end)
