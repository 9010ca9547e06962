-- Every value of the library prints, and tables fit the terminal.

local grid = require "mgd.text.grid"
local json = require "mgd.text.json"
local listing = require "mgd.text.listing"
local mgd = require "mgd"
local numbers = require "mgd.text.numbers"
local train = require "spec.support.train"

local net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" }
local data = mgd.data.xor()

local function new_run(replicas)
  local run = mgd.train { net = net, data = data, replicas = replicas,
    init = { scheme = "uniform" } }
  run:run { steps = 200, every = 50 }
  return run
end

local function lines_of(text)
  local lines = {}
  for line in (text .. "\n"):gmatch "(.-)\n" do
    lines[#lines + 1] = line
  end
  return lines
end

local function widest(lines)
  local most = 0
  for _, line in ipairs(lines) do
    most = math.max(most, numbers.width(line))
  end
  return most
end

describe("a table of text", function()
  local rows = { { "name", "first", "second" }, { "a", "1", "22" }, { "b", "333", "4" } }

  it("stands in lines where it fits", function()
    assert.same({ "name  first  second", "a         1      22", "b       333       4" },
      grid.lines(rows, { right = { false, true, true }, width = 80 }))
  end)

  it("goes on in blocks below, each with the first column", function()
    assert.same(
      { "name  first", "a     1", "b     333", "", "name  second", "a     22", "b     4" },
      grid.lines(rows, { width = 15 }))
  end)

  it("cuts cells that are too long even so, by characters", function()
    local long = { { "key", "value" }, { "a", ("ä"):rep(100) } }
    local lines = grid.lines(long, { width = 30 })
    assert.equal("a    " .. ("ä"):rep(24) .. "…", lines[2])
    assert.equal(30, widest(lines))
  end)

  it("is never wider than the terminal", function()
    for width = 20, 140, 3 do
      local wide = { {}, {} }
      for c = 1, 12 do
        wide[1][c], wide[2][c] = ("heading %d"):format(c), ("x"):rep(c * c)
      end
      assert.is_true(widest(grid.lines(wide, { width = width })) <= width, width)
    end
  end)

  it("shows a cell of several lines in one, and what a list holds", function()
    local text = tostring(listing({ { a = "one\ntwo", b = { 1, 2 } } }, { "a", "b" }))
    assert.equal("a        b\none two  {1, 2}", text)
  end)
end)

describe("what comes out of a run prints", function()
  local one, many = new_run(1), new_run(3)

  local function says(value, ...)
    local text = tostring(value)
    assert.is_nil(text:find "^table: ", text)
    for _, words in ipairs { ... } do
      assert.truthy(text:find(words, 1, true), text)
    end
  end

  it("counters and evaluations, of one and of many", function()
    says(one:counters(), "counters\n", "  evaluations     400", "  writes_mean     200")
    says(many:counters(), "tensor 3 f64 400  400  400")
    says(one.history.counters, "  evaluations     400")
    says(one:evaluate(), "evaluation\n", "  cost      ")
    says(one.history:time_to_solution { cost = 1 }, "solution\n", "  first              0")
  end)

  it("budgets and reports, and their parts", function()
    says(one:budget().done, "costs\n", "  evaluations              400")
    says(one:explain().figures, "figures\n", "  cost  ")
  end)

  it("models and presets of hardware, plans", function()
    says(mgd.hw.models(), "name", "stages", "doc", "soft_bounds")
    says(mgd.hw.models()[1], "model\n", "  name      adc")
    says(mgd.hw.presets(), "chip_in_the_loop")
    says(mgd.hw.presets()[1], "preset\n", "  kind      device", "  standing  sourced")
    says(net:plan()[1], "call\n", "  kernel      dense")
  end)

  it("what runs, chips, models, codes and experiments were made of", function()
    local exp = mgd.experiment { name = "xor", network = { 2, 2, 1 }, data = "xor", steps = 20 }
    local model = mgd.hw.levels { bits = 3 }
    local chip = mgd.chip { net = net, weights = model }
    says(one.options, "options\n", "  engine        discrete")
    says(chip:describe(), "description\n", "  weights  ")
    says(model:describe(), "description\n", "  name    levels")
    says(exp:resolved(), "resolved\n", "  steps     20")
    says(exp:parameters(), "parameters\n", "  training.eta ")
    says(mgd.codes.check("walsh", 3).energy, "energy\n", "  least")
    local tiny = { x = { { 1 } }, y = { { 1 } } }
    says(mgd.data.from { x = tiny.x, y = tiny.y, test = tiny }.test, "test\n", "  x  tensor 1×1")
    local function again(changed_chip) -- they may stand for options
      return mgd.experiment { name = "again", network = { 2, 2, 1 }, data = "xor", steps = 20,
        chip = changed_chip }
    end
    again(chip:describe())
    again { weights = model:describe() }
    mgd.chip { net = net, clock = chip:describe().clock }
  end)

  it("lists that belong to objects, and the rows of a run", function()
    says(net.layers, "  1  dense(", "\n  2  ")
    says(net:plan():time {}, "  1  ")
    says(mgd.hw.STAGES, "  1  {weights, ")
    says(mgd.data.xor().recipe, "recipe\n  name     xor")
    local base = mgd.experiment { name = "e", network = { 2, 2, 1 }, data = "xor", steps = 5 }
    local points = mgd.sweep { base = base, grid = { eta = { 1, 2 } } }.points
    says(points, "  1  {training.eta = 1}\n  2  ")
    assert.equal(2, #mgd.sweep { base = base, list = points }.points)
    mgd.train { net = net, data = data }:run { steps = 1, on_row = function(row)
      says(row, "row\n  accuracy  ")
      assert.is_nil(row.angle)
      train.fails("row has no 'costs' (did you mean 'cost'?)", function()
        return row.costs
      end)
    end }
  end)

  it("modules, with the names that they have", function()
    assert.truthy(tostring(mgd.hw.presets):find "^module mgd.hw.presets\n  analog_vlsi, capacitor,")
    assert.truthy(tostring(mgd):find "^module mgd\n.* chip,.* store,.* train,")
    for line in tostring(mgd.hw):gmatch "[^\n]+" do
      assert.is_true(#line <= 78)
    end
  end)

  it("what a store knows", function()
    local store = mgd.store()
    local exp = mgd.experiment { name = "xor", network = { 2, 2, 1 }, data = "xor", steps = 20,
      stop = { cost = 0.01 }, seeds = 2 }
    exp:run { store = store }
    says(store:environments "xor", "version", "compiler")
    says(store:environments("xor")[1], "environment\n", "  version   " .. mgd.version)
    says(store:summary "xor", "summary\n", "  experiment  xor")
    says(store:metrics { experiment = "xor", name = "cost" }, "metric\n", "  replica  {1, 2}")
  end)

  it("and stays a plain table of its values", function()
    local result = one:evaluate()
    local copy = {}
    for name, value in pairs(result) do
      copy[name] = value
    end
    assert.same({ accuracy = result.accuracy, cost = result.cost }, copy)
    assert.equal(json.encode(copy), json.encode(result))
    assert.same(result, one:evaluate())
    assert.equal(result.cost, one:evaluate().cost)
    train.fails("evaluation has no 'acuracy' (did you mean 'accuracy'?)", function()
      return result.acuracy
    end)
    train.fails("counters has no 'writes' (did you mean 'writes_max'?)", function()
      return one:counters().writes
    end)
  end)

  it("in few words, whatever it holds", function()
    local set = mgd.data.from { x = mgd.zeros { 100000, 3 }, y = mgd.zeros { 100000, 1 } }
    assert.is_true(#tostring(set) < 200)
    assert.is_true(#tostring(many:counters()) < 2000)
  end)
end)

describe("at any width of the terminal", function()
  local script = [[
    local mgd = require "mgd"
    local net = mgd.nn.mlp { 2, 2, 1 }
    local run = mgd.train { net = net, data = mgd.data.xor(), replicas = 3,
      init = { scheme = "uniform" } }
    run:run { steps = 100, every = 10, probes = { "cost", "accuracy", "angle" } }
    print(run.history)
    print(net:plan())
    print(mgd.hw.models())
    print(mgd.hw.models()[1])
    print(run:counters())
    print(run:explain())
  ]]

  for _, columns in ipairs { 60, 80, 120 } do
    it(columns .. ", tables fit", function()
      local out = train.subprocess(script, "COLUMNS=" .. columns)
      for _, line in ipairs(lines_of(out)) do
        -- lines of words, which any terminal wraps: what was made of which network, what it cost
        local words = line:find "^plan of" or line:find "^so far"
        assert.is_truthy(words or numbers.width(line) <= columns, line)
      end
      assert.truthy(out:find("soft_bounds", 1, true), out)
    end)
  end
end)

describe("an interactive session shows", function()
  local function shown(expression)
    local out = train.subprocess(([[
      local pipe = io.popen("echo '%s' | " .. arg[-1] .. " -i 2>&1")
      io.write((pipe:read "*a"))
    ]]):format(expression))
    return out:match "> (.-)\n> "
  end

  it("functions of the library by name and parameters", function()
    assert.equal("function mgd.train(opts)", shown "mgd.train")
    assert.equal("function mgd.zeros(…)", shown "mgd.zeros")
    assert.equal("function dataset:subset(opts)", shown "mgd.data.xor().subset")
    assert.truthy(shown "print":find "^function: ")
  end)

  it("what is in plain tables", function()
    assert.equal("{1, 2, 3}", shown "{1, 2, 3}")
    assert.equal("table\n  a  1\n  b  {c = 2}", shown "{b = {c = 2}, a = 1}")
    assert.truthy(shown "{}":find "^table: ")
  end)
end)
