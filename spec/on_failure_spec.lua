--- Measurements that fail, and cost a step or the run: on_failure.

local errors = require "spec.support.errors"
local fakes = require "spec.support.fakes"
local mgd = require "mgd"
local options = require "spec.support.train".options
local workers = require "spec.support.workers"

local fails = errors.fails

local RUN = {data = workers.SEVEN, eta = 0.5, seed = 5,
  perturbation = {code = "walsh", amplitude = 0.02},
  init = {scheme = "uniform", low = -1, high = 1}}

-- The same chip in this process; evaluate(theta, x) → y or nil, where it is not as usual.
local function here(special)
  return mgd.chip{parameters = 9, evaluate = function(theta, x)
    local t = theta:totable()
    return special(t, x) or workers.outputs(t, x)
  end}
end

local function theta_of(chip, changes, steps)
  local run = mgd.train(options(options(RUN, {chip = chip}), changes))
  local history = run:run{steps = steps or 40, every = 1, probes = {"C_tilde"}}
  return run:theta():totable(), history.C_tilde:totable(), run
end

local SKIP = {on_failure = "skip", describe = {fails = true}}

-- Whether some sample cannot be measured, which about one of fifteen cannot at any θ.
local IS_BAD = [[
  for _, row in ipairs(x:totable()) do
    if math.sin(1e4 * theta[1] + 10 * row[1] + 20 * row[2]) > 0.98 then
      %s
    end
  end]]
local is_bad = (loadstring or load)(("local theta, x = ... %s"):format(IS_BAD:format "return true"))

-- Where one of the samples is the last of the seven.
local IF_NEGATIVE = "for _, row in ipairs(x:totable()) do if row[1] < 0 then %s end end"

-- A window is θ, then so many perturbed ones: what one of these cannot say is taken from θ, and
-- nothing counts of a window whose θ cannot be measured.
local function forgiving(steps)
  local calls, base = 0, nil
  return here(function(t, x)
    local first = calls % (steps + 1) == 0
    calls = calls + 1
    if first then
      base = is_bad(t, x) and mgd.full({x.shape[1], 1}, 0.5) or workers.outputs(t, x)
      return base
    end
    local lost = base[1][1] == 0.5 and base[2][1] == 0.5
    return (lost or is_bad(t, x)) and base or nil
  end)
end

describe("a step whose measurement fails", function()
  local window = {batch = 3, tau_theta = 4, tau_x = 4, seed = 11}
  local expected, tilde = theta_of(forgiving(4), window)

  it("writes nothing, nor do those compared with a θ that could not be measured", function()
    local zeros = 0
    for step = 2, #tilde do
      zeros = zeros + (tilde[step] == 0 and 1 or 0)
    end
    assert.truthy(zeros > 5 and zeros < 30, zeros)
    for _, count in ipairs{1, 3} do
      workers.with(count, {before = IS_BAD:format "return 0 / 0", chip = SKIP}, function(chip)
        local theta, own = theta_of(chip, window)
        assert.same(expected, theta)
        assert.same(table.concat(tilde, " ", 2), table.concat(own, " ", 2))
        assert.equal(zeros, chip:about().failures)
        assert.equal(zeros, chip:timing().failures)
        assert.truthy(tostring(chip:timing()):find(zeros .. " steps dropped", 1, true))
      end)
    end
  end)

  it("may be one that the chip reports", function()
    workers.with(2, {before = IS_BAD:format "error 'no convergence'", chip = SKIP}, function(chip)
      assert.same(expected, (theta_of(chip, window)))
    end)
  end)

  it("counts by both of its points where it is two-sided", function()
    workers.with(2, {before = IF_NEGATIVE:format "return 0 / 0", chip = SKIP}, function(chip)
      local _, own = theta_of(chip, {baseline = "two-sided", shuffle = false}, 14)
      for step = 1, 14 do
        assert.equal(step % 7 == 0, own[step + 1] == 0, step)
      end
    end)
  end)

  it("is the same after a checkpoint", function()
    local path = os.tmpname()
    workers.with(2, {before = IS_BAD:format "return 0 / 0", chip = SKIP}, function(chip)
      for _, steps in ipairs{3, 18, 21} do
        local run = mgd.train(options(options(RUN, {chip = chip}), window))
        run:run{steps = steps}
        run:save(path)
        local again = mgd.resume(path, {chip = chip})
        again:run{steps = 40 - steps}
        assert.same(expected, again:theta():totable())
      end
    end)
    os.remove(path)
  end)

  it("may have cost a worker twice", function()
    local one = {batch = 1, shuffle = false}
    local function dropped(before)
      local out
      workers.with(2, {before = before, chip = SKIP}, function(chip)
        out = {theta_of(chip, one, 8)}
      end)
      return out[1]
    end
    assert.same(dropped(IF_NEGATIVE:format "return 0 / 0"),
      dropped(IF_NEGATIVE:format "core.process.leave(7)"))
  end)
end)

describe("failures", function()
  it("end the run with the chip's words where they are to", function()
    workers.with(2, {before = "error 'no convergence'"}, function(chip)
      fails("no convergence", theta_of, chip)
    end)
    workers.with(2, {before = "return 0 / 0", chip = {describe = {fails = true}}}, function(chip)
      fails("the measurement of sample", theta_of, chip)
    end)
  end)

  it("end it at its first step, and when there are too many", function()
    workers.with(1, {before = "error 'no convergence'", chip = SKIP}, function(chip)
      fails("the first measurement failed at step 0: EXEC", theta_of, chip)
    end)
    workers.with(2, {before = "if count > 20 then error 'no convergence' end", chip = SKIP},
      function(chip)
        fails("100 steps in a row failed, the last one at step", theta_of, chip, {}, 200)
      end)
  end)

  it("are explained by the chip where it can", function()
    local function failing(answers)
      answers.DESC = "OK parameters=9 inputs=2 outputs=1 samples=100 stateless=1 fails=1"
      answers.WRITE = function(line)
        return line == "WRITE" and "OK 0,0,0,0,0,0,0,0,0" or "OK"
      end
      answers.RUN = "OK nan"
      return (fakes.chip(answers, {on_failure = "skip"}))
    end
    fails("step 0: m1 is off", theta_of, failing{WHY = "OK m1 is off"})
    fails("the measurement of sample", theta_of, failing{WHY = "ERR 1 no such request"})
    fails("the measurement of sample", theta_of, failing{WHY = "OK"})
  end)

  it("make nan of a probe, and no error", function()
    workers.with(2, {before = IF_NEGATIVE:format "return 0 / 0", chip = SKIP}, function(chip)
      local run = mgd.train(options(RUN, {chip = chip, shuffle = false}))
      local said = run:evaluate(workers.SEVEN)
      assert.truthy(said.cost ~= said.cost and said.accuracy ~= said.accuracy)
      assert.truthy(run:evaluate(mgd.data.xor()).cost < 1)
    end)
  end)
end)
