--- Netlists that cannot be chips, evaluations that fail, and what a netlist must not do: each is an
-- error at the user's line, or is dropped and counted where that is asked for.

local errors = require "spec.support.errors"
local folder = require "spec.support.folder"
local mgd = require "mgd"
local options = require "spec.support.train".options

local fails_here = errors.fails_here

local DIVIDER = [[
* a divider
vx x 0 0
ra x y 1k
rb y 0 3k
.end
]]

-- Its matrix is singular where r2 is the only way to ground and the switch of a source is off.
local FLOATING = [[
* a node that only a capacitor holds
vx x 0 1
ra x y 1k
rb y 0 1k
i1 0 z 1m
c1 z 0 1n
.end
]]

-- No solution exists: y = exp(y) + ra/1000.
local UNSOLVABLE = [[
* an equation without a solution where ra is above −1
vx x 0 0
ra x 0 1k
va a 0 -2
b1 y 0 v=exp(v(y))+v(a)
.end
]]

describe("mgd.chip refuses", function()
  setup(folder.make)
  teardown(folder.remove)

  local function opts(changes, text)
    return options({ spice = folder.write("a.cir", text or DIVIDER), parameters = { "ra", "rb" },
      inputs = "vx", outputs = "y", workers = 1 }, changes)
  end

  local cases = {
    { "a file that is not there", { spice = "/nowhere/a.cir" }, "/nowhere/a.cir" },
    { "an element that is not there", { parameters = "rx" }, { "'rx'", "vx, ra, rb" } },
    { "a pattern that matches nothing", { parameters = "m*" }, "m*" },
    { "a node that is not there", { outputs = "z" }, { "'z'", "y" } },
    { "an input that is no source", { inputs = "ra" }, "'ra'" },
    { "an input that is a parameter", { parameters = { "vx", "ra" } },
      "'vx' is a parameter and an input" },
    { "the same input twice", { inputs = { "vx", "vx" } }, "'vx'" },
    { "no parameters", { parameters = {} }, "option 'parameters' is empty" },
    { "a transient without its length", { analysis = "tran" }, "option 'tran' is missing" },
    { "tran of an operating point", { tran = { stop = 1 } }, "option 'tran' belongs to" },
    { "an average that is longer than its transient",
      { analysis = "tran", tran = { stop = 1, average = 2 } }, "average = 2 is longer" },
    { "a parameter without a range", { ranges = { ra = { 1, 2 } } }, "'rb' has none" },
    { "two ranges of a parameter", { ranges = { ra = { 1, 2 }, ["r*"] = { 1, 2 } } },
      "'ra' has more than one range" },
    { "a value of the netlist outside its range", { ranges = { ["r*"] = { 10, 2000 } } },
      "'rb' is 3000 in the netlist, outside its range from 10 to 2000" },
    { "a spread of nothing", { spread = { ["q*"] = 0.1 } }, "q*" },
    { "a spread that is no number", { spread = { ra = "much" } }, "spread" },
    { "a network as well", { net = true }, "net" },
    { "a stage of imperfections", { weights = {} }, "option 'weights' has no effect on a netlist" },
    { "a library that is not there", { library = "/nowhere/libngspice.so" },
      { "/nowhere/libngspice.so", "apt install libngspice0" } },
  }
  for _, case in ipairs(cases) do
    it(case[1], function()
      fails_here(case[3], mgd.chip, opts(case[2]))
    end)
  end

  it("options of netlists elsewhere", function()
    fails_here("option 'spread' goes with 'spice'", mgd.chip,
      { parameters = 1, evaluate = print, spread = {} })
    fails_here("option 'outputs' goes with 'spice'", mgd.chip,
      { parameters = 1, evaluate = print, outputs = { "y" } })
  end)

  it("methods of netlists on other chips", function()
    local chip = mgd.chip { parameters = 1, evaluate = print }
    fails_here("the chip is no netlist", chip.raw, chip)
    fails_here("the chip is no netlist", chip.netlist, chip)
  end)

  it("θ and x of another size", function()
    local chip = mgd.chip(opts())
    fails_here("theta: 1 numbers: expected 2", chip.netlist, chip, { 1 })
    fails_here("x: 2 numbers: expected 1", chip.raw, chip, nil, { 1, 2 })
    fails_here("x is missing", chip.raw, chip)
    fails_here("element 2 is nan", chip.raw, chip, { 1, 0 / 0 }, { 1 })
    fails_here("expected a value above 0", chip.raw, chip, { -5, 1 }, { 1 })
  end)

  it("nothing where θ begins at the end of a range that leads to 0", function()
    local chip = mgd.chip(opts { ranges = { 10, 5000 } })
    local run = mgd.train { chip = chip, eta = 0.1, batch = 1, init = { scheme = "uniform",
      low = -1, high = -0.999 }, perturbation = { amplitude = 0.1 },
      data = mgd.data.from { x = { { 1 } }, y = { { 0 } } } }
    run:run { steps = 2, probes = {} }
    assert.equal(2, run.steps_done)
  end)

  -- ---- evaluations that fail ----------------------------------------------------------------

  local SET = mgd.data.from { x = { { 0 }, { 1 } }, y = { { 0 }, { 1 } } }

  local function run_of(chip, changes)
    return mgd.train(options({ chip = chip, data = SET, batch = 2, eta = 0.1,
      baseline = "two-sided", perturbation = { code = "random", amplitude = 0.01 } }, changes))
  end

  it("a singular matrix, with ngspice's words", function()
    local chip = mgd.chip(opts({ outputs = { "y", "z" } }, FLOATING))
    local data = mgd.data.from { x = { { 0 } }, y = { { 0, 0 } } }
    local message = fails_here({ "ngspice", "z" }, function()
      run_of(chip, { data = data, batch = 1 }):run { steps = 1, probes = {} }
    end)
    assert.truthy(message:lower():find "singular", message)
  end)

  local function unsolvable(changes)
    return mgd.chip(opts(options({ parameters = "va", outputs = "y", ranges = { -4, 0 } }, changes),
      UNSOLVABLE))
  end

  it("an equation without a solution, naming the evaluation", function()
    local chip = unsolvable()
    fails_here({ "ngspice", "sample 0", "y has not settled", "va = -0." }, function()
      run_of(chip, { init = { scheme = "uniform", low = 0.9, high = 0.95 } })
        :run { steps = 1, probes = {} }
    end)
    local raw = chip:raw({ 0 }, { 0 }) -- y = exp(y) − 2
    assert.near(raw.y[1], math.exp(raw.y[1]) - 2, 1e-3)
  end)

  it("nothing where failed steps are dropped, and counts them", function()
    local chip = unsolvable { on_failure = "skip", retry = false }
    -- solved below −1, which is θ = 0.5: both sides of 0.5 ± 0.01 are needed
    local run = run_of(chip, { init = { scheme = "uniform", low = 0.3, high = 0.31 }, eta = 0,
      perturbation = { code = "random", amplitude = 0.15 } })
    run:run { steps = 10, probes = { "C" } }
    local before = run:theta()[1]
    run:set_theta { 0.45 }
    run:run { steps = 10, probes = { "C" } }
    assert.equal(10, chip:timing().failures)
    assert.near(0.3, before, 0.011)
  end)

  it("an evaluation that does not end", function()
    fails_here({ "a.cir", "longer than 0.6 s" }, mgd.chip, opts { analysis = "tran",
      tran = { stop = 1, step = 1e-9 }, time_limit = 0.2, patience = 1 })
  end)

  -- ---- what a netlist must not do -----------------------------------------------------------

  it("commands, unless they are allowed", function()
    local text = DIVIDER:gsub("%.end", (".control\nshell touch %s/done\n.endc\n.end"):format(
      folder.name))
    fails_here(".control", mgd.chip, opts(nil, text))
    assert.is_nil(io.open(folder.name .. "/done"))
  end)

  it("to run what lies in the present folder, or at home", function()
    folder.write(".spiceinit", "shell touch " .. folder.name .. "/done\n")
    local out = io.popen(("cd '%s' && HOME='%s' '%s' -e 'print(require([[mgd]]).chip{spice = "
      .. "[[a.cir]], parameters = [[ra]], inputs = [[vx]], outputs = [[y]]}.num_parameters)' 2>&1")
      :format(folder.name, folder.name, os.getenv "MGD_LUA"))
    folder.write("a.cir", DIVIDER)
    assert.equal("1\n", out:read "*a")
    out:close()
    assert.is_nil(io.open(folder.name .. "/done"))
  end)
end)
