--- Logs: JSON lines of a run, whatever becomes of it.

local mgd = require "mgd"
local support = require "spec.support.train"

local fails = support.fails

local path

local function settings(changes)
  return support.options({
    net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" }, data = mgd.data.xor(),
    eta = 2, tau_theta = 4, perturbation = { code = "walsh", amplitude = 0.05 },
    init = { scheme = "uniform" },
  }, changes)
end

local function events()
  local list = {}
  for line in io.lines(path) do
    list[#list + 1] = mgd.json.decode(line, function(at)
      error("no JSON at byte " .. at .. ": " .. line)
    end)
  end
  return list
end

local function of_kind(list, kind)
  local out = {}
  for _, event in ipairs(list) do
    out[#out + 1] = event.event == kind and event or nil
  end
  return out
end

describe("a log", function()
  before_each(function()
    path = os.tmpname()
    os.remove(path)
  end)

  after_each(function()
    os.remove(path)
  end)

  it("says what runs, each row, and the end", function()
    local run = mgd.train(settings())
    local history = run:run { steps = 50, every = 20, log = path }
    local list = events()
    assert.same("start", list[1].event)
    assert.same(mgd.version, list[1].version)
    assert.same(4, list[1].options.tau_theta)
    assert.same("walsh", list[1].options.perturbation.code)
    assert.truthy(list[1].date:find "^%d+%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$")
    local rows = of_kind(list, "row")
    assert.same(4, #rows)
    for t, row in ipairs(rows) do
      assert.same(history.step[t], row.step)
      assert.same(history.cost[t], row.cost)
      assert.same(history.accuracy[t], row.accuracy)
      assert.is_number(row.wall)
    end
    assert.same("end", list[#list].event)
    assert.same(50, list[#list].step)
    assert.is_nil(list[#list].message)
  end)

  it("has lists for ensembles, and says who stopped", function()
    local run = mgd.train(settings { replicas = 5, replica = 3 })
    local history = run:run { steps = 4000, every = 100, stop = { cost = 0.1 }, log = path }
    local list = events()
    for _, row in ipairs(of_kind(list, "row")) do
      assert.same(5, #row.cost)
    end
    local stopped = of_kind(list, "stopped")
    local count = 0
    for r = 1, 5 do
      local step = history.stopped[r]
      if step == step then
        count = count + 1
        local found
        for _, event in ipairs(stopped) do
          found = found or event.replica == r + 2 and event
        end
        assert.same(step, found.step)
        assert.is_true(found.finite)
      end
    end
    assert.is_true(count > 0)
    assert.same(count, #stopped)
  end)

  it("goes on behind what is there", function()
    local run = mgd.train(settings())
    run:run { steps = 20, every = 20, log = path }
    run:run { steps = 20, every = 20, log = path }
    local list = events()
    assert.same(2, #of_kind(list, "start"))
    assert.same(20, of_kind(list, "start")[2].step)
    assert.same(40, list[#list].step)
  end)

  it("has null for what is not finite, and the reason of an early end", function()
    local run = mgd.train(settings { eta = 1e38, replicas = 2, net = mgd.nn.mlp { 2, 2, 1 } })
    pcall(run.run, run, { steps = 400, every = 4, log = path })
    local list = events()
    assert.same("end", list[#list].event)
    for line in io.lines(path) do
      assert.is_nil(line:find("nan", 1, true) or line:find(":inf", 1, true), line)
    end
  end)

  it("says which replicas diverged, and when", function()
    local run = mgd.train(settings { eta = 3, replicas = 8, replica = 1,
      net = mgd.nn.mlp { 2, 2, 2, 1, activation = "relu" },
      perturbation = { code = "random", amplitude = 0.05 } })
    local history = run:run { steps = 400, every = 10, log = path }
    local list, count = events(), 0
    for _, event in ipairs(of_kind(list, "stopped")) do
      assert.is_false(event.finite)
      assert.same(history.diverged[event.replica], event.step)
      count = count + 1
    end
    assert.is_true(count > 0 and count < 8) -- η is so large that some seeds grow beyond all numbers
    assert.same(run.warning, of_kind(list, "warning")[1].message)
    assert.same(1, #of_kind(list, "warning"))
  end)

  it("says so when the disk is full", function()
    local full = io.open("/dev/full", "ab")
    if not full then
      pending "needs /dev/full"
      return
    end
    full:close()
    fails("option 'log': /dev/full: No space left on device", function()
      mgd.train(settings()):run { steps = 20, log = "/dev/full" }
    end)
  end)

  it("is refused where it cannot be written, before anything runs", function()
    local run = mgd.train(settings())
    local message = fails("option 'log': /nowhere/x.jsonl: No such file", function()
      run:run { steps = 20, log = "/nowhere/x.jsonl" }
    end)
    assert.truthy(message:find("log_spec.lua", 1, true))
    assert.same(0, run.steps_done)
  end)

  it("belongs to experiments, too", function()
    mgd.experiment { name = "x", data = "xor", network = { 2, 1 }, steps = 20, every = 10,
      training = { perturbation = { amplitude = 0.1 } } }:run { log = path }
    assert.same(3, #of_kind(events(), "row"))
  end)
end)

describe("run:run", function()
  it("calls on_row with each row", function()
    local seen = {}
    local history = mgd.train(settings()):run { steps = 30, every = 10, on_row = function(row)
      seen[#seen + 1] = { row.step, row.cost }
    end }
    assert.same(4, #seen)
    for t, pair in ipairs(seen) do
      assert.same({ history.step[t], history.cost[t] }, pair)
    end
  end)

  it("lets stopped replicas rest where keep_stopped says so", function()
    local function twice(keep)
      local run = mgd.train(settings { replicas = 4 })
      run:run { steps = 3000, every = 100, stop = { cost = 0.1 } }
      local before = run:theta()
      local stops = run.core:stops()
      run:run { steps = 100, keep_stopped = keep }
      local moved = 0
      for r = 1, 4 do
        if stops[r] then
          moved = moved + (run:theta()[r]:allclose(before[r], { rtol = 0, atol = 0 }) and 0 or 1)
        end
      end
      return moved
    end
    assert.same(0, twice(true))
    assert.is_true(twice(false) > 0)
  end)
end)
