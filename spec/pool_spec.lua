--- Pools: stateless chips that share out the work of one, with the bits of one; workers that die,
-- hang, fail or plan to end.

local errors = require "spec.support.errors"
local mgd = require "mgd"
local options = require "spec.support.train".options
local workers = require "spec.support.workers"

local fails = errors.fails

local RUN = {data = workers.SEVEN, batch = 3, eta = 0.5, tau_theta = 4, seed = 5,
  perturbation = {code = "walsh", amplitude = 0.02},
  init = {scheme = "uniform", low = -1, high = 1}}

-- Numbers as text, in which nan is nan.
local function digits(tensor)
  local out = {}
  for i, value in ipairs(tensor:reshape{-1}:totable()) do
    out[i] = ("%.17g"):format(value)
  end
  return table.concat(out, " ")
end

-- All that a run says.
local function trained(chip, changes, steps)
  local run = mgd.train(options(options(RUN, {chip = chip}), changes))
  local history = run:run{steps = steps or 24, every = 6,
    probes = {"C", "C_tilde", "cost", "angle"}}
  return {theta = digits(run:theta()), C = digits(history.C), cost = digits(history.cost),
    tilde = digits(history.C_tilde), angle = digits(history.angle)}, run
end

local function in_pool(count, changes, own)
  local out
  workers.with(count, own or {}, function(chip)
    out = trained(chip, changes)
  end)
  return out
end

describe("a pool has the bits of one chip", function()
  local variants = {
    {"with a measured baseline", {}},
    {"two-sided, with more chips than points", {baseline = "two-sided", tau_theta = 1}},
    {"without a baseline, on the whole set", {baseline = "none", batch = 7, shuffle = false}},
    {"of several replicas", {replicas = 3}},
  }
  for _, variant in ipairs(variants) do
    it(variant[1], function()
      local expected = in_pool(1, variant[2])
      for _, count in ipairs{2, 3, 5} do
        assert.same(expected, in_pool(count, variant[2]))
      end
    end)
  end

  it("where it keeps fewer samples than there are", function()
    local expected = in_pool(1)
    assert.same(expected, in_pool(3, {}, {more = "samples = 2,"}))
  end)
end)

-- ---- workers that end ---------------------------------------------------------------------------

-- Lua of a worker: `what` once, in whichever of them comes there first, at its n-th evaluation.
local function once(n, what)
  return ([[
    local mark = arg[0] .. ".mark"
    if count == %d and not io.open(mark) then
      io.open(mark, "w"):close()
      %s
    end]]):format(n, what)
end

-- What a run says whose workers do something `once`, and on how many of them; what is printed is
-- dropped.
local function disturbed(before, own, changes)
  local out
  workers.with(2, options({before = before}, own), function(chip, path)
    out = trained(chip, changes)
    out.reconnections = chip:timing().reconnections
    os.remove(path .. ".mark")
  end)
  return out
end

local KILL = 'core.process.kill(core.process.pid(), "kill") core.process.wait({}, 10)'
local HANG = "core.process.wait({}, 30)"

describe("a worker", function()
  local expected = in_pool(1)

  local function assert_same(out)
    out.reconnections = nil
    assert.same(expected, out)
  end

  it("that is killed in the middle changes no bit", function()
    for _, n in ipairs{1, 20, 90} do
      local out = disturbed(once(n, KILL))
      assert.equal(1, out.reconnections, n)
      assert_same(out)
    end
  end)

  it("that hangs is started again", function()
    local out = disturbed(once(20, HANG), {chip = {timeout = 0.3}})
    assert.equal(1, out.reconnections)
    assert_same(out)
  end)

  it("may end by itself, as often as it plans to", function()
    local out = disturbed("if count == 40 then core.process.leave(0) end", {chip = {patience = 0}})
    assert.truthy(out.reconnections > 2)
    assert_same(out)
  end)

  it("that dies over and over ends the run, which says how", function()
    workers.with(2, {before = "if x[1][1] < 0 then core.process.leave(7) end"}, function(chip)
      fails("the program ended with status 7", trained, chip)
      fails("the program ended with status 7", trained, chip)
    end)
  end)
end)
