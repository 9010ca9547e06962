-- Perturbations from Lua: functions and coroutines; what is refused, and that nothing has changed
-- then; the same bits whatever the layout.

local mgd = require "mgd"
local core = require "mgd.core"
local files = require "spec.support.idx_files"
local support = require "spec.support.train"

local fails, options = support.fails, support.options
local nan, inf = 0 / 0, math.huge

local NET = {2, 2, 1, activation = "sigmoid", output = "sigmoid", dtype = "f64"} -- P = 9
local P = 9

local function given(perturbation, more)
  return options({net = mgd.nn.mlp(NET), data = mgd.data.xor{dtype = "f64"}, init = {}, eta = 0.5,
    seed = 9, tau_theta = 8, perturbation = perturbation}, more)
end

local function trained(perturbation, more, steps)
  local run = mgd.train(given(perturbation, more))
  run.core:advance(steps or 200)
  return run:theta()
end

-- Row i + 1 of the Hadamard matrix of order 16, from sums of ±1.
local function walsh(slot)
  return mgd.from({P}, function(i)
    local a, b, sign = i, slot % 16, 1
    while a > 0 and b > 0 do
      sign = a % 2 == 1 and b % 2 == 1 and -sign or sign
      a, b = math.floor(a / 2), math.floor(b / 2)
    end
    return sign
  end)
end

-- Fair signs of each slot, drawn by mgd.randn.
local function signs(slot)
  local t = mgd.randn({P}, {seed = slot + 1})
  return t / t:abs()
end

local function as_coroutine(f, last)
  return coroutine.create(function()
    for slot = 0, last or math.huge do
      coroutine.yield(f(slot))
    end
  end)
end

local LAYOUTS = {
  {}, {tau_p = 3, tau_theta = 24, tau_x = 6}, {replicas = 20}, {replicas = 20, tau_p = 2},
  {batch = 30, threads = 2}, {optimizer = "adam"}, {baseline = "two-sided"},
  {convention = "published", eta = 0.1}, {tau_theta = 100},
}

describe("walsh written in Lua", function()
  for i, more in ipairs(LAYOUTS) do
    it(("trains as the built-in code, unit by unit to the bit (%d)"):format(i), function()
      local own = trained({code = "walsh", amplitude = 0.02}, more)
      assert.same(own:totable(), trained({code = walsh, amplitude = 0.02}, more):totable())
    end)

    -- θ̃ itself: the amplitude is multiplied in at another place, so signals differ by a rounding.
    it(("and as θ̃ itself within 1e-12 (%d)"):format(i), function()
      local own = trained({code = "walsh", amplitude = 0.02}, more)
      local theta = trained(function(slot) return walsh(slot) * 0.02 end, more)
      assert.is_true(own:allclose(theta, {rtol = 1e-12, atol = 1e-12}))
    end)
  end

  it("with a norm, amplitudes and a spread trains as the built-in code, too", function()
    for _, more in ipairs {{norm = 0.05}, {amplitudes = {0.01, 0.03}},
      {amplitude = 0.02, amplitude_spread = 0.3}} do
      local own = trained(options({code = "walsh"}, more), {replicas = 20})
      local user = trained(options({code = walsh}, more), {replicas = 20})
      assert.is_true(own:allclose(user, {rtol = 1e-12, atol = 1e-12}))
    end
  end)

  it("as a coroutine, in f32 and with its period declared gives the same", function()
    local own = trained({code = walsh, amplitude = 0.02}):totable()
    assert.same(own, trained({code = as_coroutine(walsh), amplitude = 0.02}):totable())
    assert.same(own, trained({code = function(slot) return walsh(slot):to "f32" end,
      amplitude = 0.02}):totable())
    assert.same(own, trained({code = walsh, amplitude = 0.02, period = 16}):totable())
    assert.same(own, trained({code = walsh, amplitude = 0.02, energy = 1}):totable())
    assert.same(own, trained({code = setmetatable({}, {__call = function(_, slot)
      return walsh(slot)
    end}), amplitude = 0.02}):totable())
  end)
end)

describe("a code in Lua", function()
  it("is called once for each slot, in order, with the time that it begins", function()
    local asked, times = {}, {}
    local run = mgd.train(given({code = function(slot, time)
      asked[#asked + 1], times[#times + 1] = slot, time
      return signs(slot)
    end, window = 64}, {tau_p = 3, dt = 0.5, replicas = 33, threads = 3}))
    assert.equal(64, #asked) -- looked at
    run.core:advance(100)
    run.core:advance(1)
    run.core:advance(399)
    -- none twice, none in between left out; up to as many ahead as are kept
    assert.is_true(#asked >= math.ceil(500 / 3) and #asked <= math.ceil(500 / 3) + 32)
    for k, slot in ipairs(asked) do
      assert.equal(k - 1, slot)
      assert.equal(slot * 1.5, times[k])
    end
  end)

  it("may return the same tensor every time, or a view", function()
    local buffer, wide = mgd.zeros{P}, mgd.zeros{P, 3}
    local own = trained{code = signs, amplitude = 0.02}:totable()
    assert.same(own, trained{code = function(slot)
      buffer[{{1, P}}] = signs(slot)
      return buffer
    end, amplitude = 0.02}:totable())
    assert.same(own, trained{code = function(slot)
      wide[{{1, P}, 2}] = signs(slot)
      return wide[{{1, P}, 2}]
    end, amplitude = 0.02}:totable())
  end)

  -- G over a whole period of walsh with amplitudes of its own is w, exactly: each parameter is
  -- divided by its own energy.
  it("is demodulated by the energy of each parameter", function()
    local w, own = mgd.linspace(-1, 1, P), mgd.linspace(0.01, 0.05, P)
    local chip = mgd.chip{parameters = P, evaluate = function(theta)
      return mgd.full({1, 1}, w:dot(theta))
    end}
    local run = mgd.train{chip = chip, data = {x = mgd.zeros{1, 1}, y = mgd.zeros{1, 1}},
      cost = function(y) return y[1][1] end, eta = 0, tau_theta = 16, tau_x = 16,
      perturbation = function(slot) return walsh(slot) * own end}
    run:gradient()
    run.core:advance(16)
    assert.is_true(run:gradient():allclose(w, {rtol = 1e-9, atol = 1e-12}))
  end)

  it("is printed by codes.pattern and looked at by codes.check", function()
    local opts = {parameters = P, slots = 16}
    local own = mgd.codes.pattern("walsh", opts)
    assert.same(own:totable(), mgd.codes.pattern(walsh, opts):totable())
    assert.same(own[{{5, 16}}]:totable(),
      mgd.codes.pattern(as_coroutine(walsh), {parameters = P, slots = 12, first = 4}):totable())
    for _, code in ipairs {walsh, {code = walsh, period = 16}, as_coroutine(walsh)} do
      local r = mgd.codes.check(code, P, 64)
      assert.equal(16, r.period)
      assert.is_true(r.mean.largest == 0 and r.correlation.largest == 0 and r.angle < 1e-5)
    end
    local r = mgd.codes.check(function(slot) return signs(slot) + 0.5 end, P, 1000)
    -- rms of ±1 + ½ is √1.25; the mean of 1,000 signs scatters by 0.03, over it
    assert.is_true(math.abs(r.mean.rms - 0.5 / math.sqrt(1.25)) < 4 * 0.03 / math.sqrt(P))
  end)
end)

describe("the same bits of a code in Lua", function()
  it("for replicas side by side and alone, for any number of threads", function()
    for _, perturbation in ipairs {{code = signs, amplitude = 0.02},
      {code = signs, amplitude = 0.02, amplitude_spread = 0.3},
      {code = function(slot) return signs(slot) * mgd.linspace(0.01, 0.03, P) end}} do
      for _, more in ipairs {{}, {tau_p = 5, tau_theta = 40}, {tau_theta = 1}} do
        local all = trained(perturbation, options(more, {replicas = 20}))
        for threads = 2, 3 do
          assert.same(all:totable(), trained(perturbation,
            options(more, {replicas = 20, threads = threads})):totable())
        end
        for r = 1, 20, 9 do
          assert.same(all[r]:totable(),
            trained(perturbation, options(more, {replica = r})):totable())
        end
      end
      local batch = {batch = 50, tau_theta = 50}
      local one = trained(perturbation, options(batch, {threads = 1})):totable()
      assert.same(one, trained(perturbation, options(batch, {threads = 3})):totable())
    end
  end)

  it("however the steps are cut", function()
    local whole = trained({code = signs, amplitude = 0.02}, {tau_p = 3}, 500):totable()
    local run = mgd.train(given({code = signs, amplitude = 0.02}, {tau_p = 3}))
    for _, steps in ipairs {1, 2, 94, 3, 100, 300} do
      run.core:advance(steps)
    end
    assert.same(whole, run:theta():totable())
  end)

  it("with a function that is interrupted by Ctrl-C", function()
    local whole = trained({code = signs, amplitude = 0.02}, {replicas = 20}, 500):totable()
    local calls, once = 0, true
    local run = mgd.train(given({code = function(slot)
      calls = calls + 1
      if calls == 300 and once then
        once = false
        mgd.interrupt()
      end
      return signs(slot)
    end, amplitude = 0.02, window = 16}, {replicas = 20}))
    local ok, message = pcall(run.run, run, {steps = 500})
    assert.is_false(ok)
    assert.is_truthy(tostring(message):find("interrupted", 1, true), message)
    assert.is_true(run.steps_done < 500)
    run:run{steps = 500 - run.steps_done}
    assert.same(whole, run:theta():totable())
  end)

  for name, again in pairs {
    ["a function"] = function() return {code = signs, amplitude = 0.02, window = 64} end,
    ["a coroutine"] = function()
      return {code = as_coroutine(signs), amplitude = 0.02, window = 64}
    end,
    ["a bare function"] = function() return signs end,
  } do
    it("when saved and resumed, given again: " .. name, function()
      local path = files.folder() .. "/run.ckpt"
      finally(files.clean)
      local straight, stopped = mgd.train(given(again())), mgd.train(given(again()))
      straight:run{steps = 300}
      for _, stop in ipairs {30, 130} do -- among those looked at, and behind
        stopped:run{steps = stop - stopped.steps_done}
        stopped:save(path)
        fails("the run had functions, which a file cannot hold: give perturbation again",
          mgd.resume, path)
        local resumed = mgd.resume(path, {perturbation = again()})
        resumed:run{steps = 300 - stop}
        assert.same(straight:theta():totable(), resumed:theta():totable())
      end
    end)
  end
end)

-- ---- what is refused ----------------------------------------------------------------------------

describe("mgd.train refuses", function()
  local function constant(value)
    return function() return value end
  end
  local function with(i, value)
    return function(slot)
      local t = signs(slot)
      t[i] = value
      return t
    end
  end
  local cases = {
    {"a wrong length", "slot 0: got a tensor of 1 dimensions with 8 values: expected shape (9)",
      constant(mgd.ones{8})},
    {"a column", "slot 0: got a tensor of 2 dimensions with 9 values", constant(mgd.ones{9, 1})},
    {"no tensor", "slot 0: it returned a nil: expected a tensor", constant(nil)},
    {"a number", "slot 0: it returned a number: expected a tensor", constant(3)},
    {"nan", "slot 0: value 4 is nan: expected finite numbers", with(4, nan)},
    {"an infinity", "slot 0: value 9 is -inf: expected finite numbers", with(9, -inf)},
    {"an error", "slot 2: ", function(slot)
      return slot < 2 and signs(slot) or error "the generator is off"
    end},
    {"a constant", "parameter 1 has the mean 0.5, 1 of its root mean square, over 4096 slots: "
      .. "expected at most 0.05 (mean_limit)", constant(mgd.full({9}, 0.5))},
    {"an offset of one parameter", "parameter 3 has the mean", function(slot)
      local t = signs(slot)
      t[3] = t[3] + 0.3
      return t
    end},
    {"a walsh code with an offset, over its period",
      "parameter 1 has the mean 0.1, 0.0995 of its root mean square, over 16 slots",
      {code = function(slot) return walsh(slot) + 0.1 end, period = 16}},
    {"a parameter that stands still", "parameter 5 is not perturbed in 4096 slots", with(5, 0)},
    {"a period that is none", "period = 8 slots was declared, but slot 8 differs from slot 0",
      {code = walsh, period = 8}},
    {"energies of another length", "option 'energy' must be a number or a tensor (9), got 3",
      {code = walsh, energy = mgd.ones{3}}},
    {"an energy of 0", "option 'energy' must be a number > 0 or a tensor, got 0",
      {code = walsh, energy = 0}},
    {"energies of 0", "option 'energy' must be more than 0 for every parameter, got -1",
      {code = walsh, energy = mgd.tensor{1, -1, 1, 1, 1, 1, 1, 1, 1}}},
    {"a coroutine that ends", "slot 2: the coroutine ended at slot 2: expected it to yield",
      as_coroutine(signs, 1)},
    {"a function that yields", "slot 0: attempt to yield", function()
      return coroutine.yield(mgd.ones{9})
    end},
    {"amplitude and norm", "are both given", {code = walsh, amplitude = 1, norm = 1}},
    {"options of others", "it belongs to code = 'brownian'", {code = walsh, length = 3}},
    {"period of others", "it belongs to code = a function or a coroutine",
      {code = "walsh", period = 16}},
    {"a number for a code", "must be", {code = 3}},
  }

  for _, case in ipairs(cases) do
    it(case[1], function()
      local net = mgd.nn.mlp(NET):init{seed = 1}
      local theta = net:theta():totable()
      collectgarbage()
      collectgarbage()
      local before = core.base.memory().live_bytes
      local message = fails(case[2], function()
        mgd.train(given(case[3], {net = net}))
      end)
      assert.is_truthy(message:find("codes_user_spec.lua:%d+: mgd%.train"), message)
      assert.same(theta, net:theta():totable())
      collectgarbage()
      collectgarbage()
      assert.is_true(core.base.memory().live_bytes <= before + 4096)
    end)
  end

  -- 256 signs have a mean of 0 ± 1/16, so that 0.12 is nothing for one of them; for 400 it is.
  it("means of many that would be chance in one", function()
    local chip = mgd.chip{parameters = 400, evaluate = function() return mgd.zeros{1, 1} end}
    fails("the parameters have means of 0.1", function()
      mgd.train{chip = chip, data = mgd.data.xor(), perturbation = {window = 256,
        code = function(slot)
          local t = mgd.randn({400}, {seed = slot + 1})
          return t / t:abs() + 0.12
        end}}
    end)
  end)

  it("but not a mean that it is told to accept, nor an orthogonal code so", function()
    local function sequential(slot)
      local t = mgd.zeros{P}
      t[slot % P + 1] = 0.02
      return t
    end
    fails("0.333 of its root mean square", trained, {code = sequential, period = P})
    local own = trained({code = "sequential", amplitude = 0.02}, {tau_theta = P})
    local user = trained({code = sequential, period = P, mean_limit = 0.5}, {tau_theta = P})
    assert.is_true(own:allclose(user, {rtol = 1e-12, atol = 1e-12}))
  end)

  it("but not walks that are slow, whose sample has a mean by chance", function()
    for seed = 1, 5 do
      local run = mgd.train(given{code = function(slot)
        return mgd.codes.pattern("brownian", {parameters = P, slots = 1, first = slot,
          seed = seed})[1]
      end, window = 512})
      assert.equal(0, run.steps_done)
    end
  end)

  it("and warns of parameters that are perturbed alike", function()
    local out = support.subprocess [[
      local mgd = require "mgd"
      mgd.train{net = mgd.nn.mlp{2, 2, 1}, data = mgd.data.xor(), perturbation = function(slot)
        local t = mgd.randn({9}, {seed = slot + 1})
        t[7] = t[2]
        return t
      end}
    ]]
    assert.is_truthy(out:find("mgd: warning: mgd.train: perturbation: parameters 2 and 7 are "
      .. "perturbed nearly alike (correlation 1): G cannot tell them apart", 1, true), out)
  end)
end)

describe("a run whose code fails at slot 40", function()
  local function failing(how)
    local armed = {true}
    return given({code = function(slot)
      local t = signs(slot)
      if slot == 40 and armed[1] then
        return how(t)
      end
      return t
    end, amplitude = 0.02, window = 16}, {replicas = 3}), armed
  end

  for name, case in pairs {
    ["by an error"] = {"perturbation: slot 40: ", function() error "gone" end},
    ["by a table as error"] = {"slot 40: it raised an error object", function() error {} end},
    ["by no tensor"] = {"slot 40: it returned a boolean", function() return false end},
    ["by nan"] = {"slot 40: value 2 is nan: expected finite numbers", function(t)
      t[2] = nan
      return t
    end},
    ["by a wrong length"] = {"slot 40: got a tensor of 1 dimensions with 8 values",
      function(t) return t[{{1, 8}}] end},
    ["by integers"] = {"slot 40: got a tensor of integers: expected f64 or f32",
      function() return mgd.ones({9}, {dtype = "i32"}) end},
    ["by yielding"] = {"slot 40: it yielded: expected it to return", function()
      return coroutine.yield(1)
    end},
  } do
    it(name .. " stands before it, and goes on to the same bits", function()
      local opts, armed = failing(case[2])
      local whole = trained({code = signs, amplitude = 0.02}, {replicas = 3}, 100):totable()
      local run = mgd.train(opts)
      local ran = coroutine.wrap(function()
        local ok, message = pcall(run.run, run, {steps = 100}) -- no tail call: it has a line
        return ok, message
      end)
      local ok, message = ran()
      assert.is_false(ok)
      assert.is_truthy(tostring(message):find(case[1], 1, true), message)
      assert.is_truthy(tostring(message):find("codes_user_spec.lua:%d+: run:run: "), message)
      assert.equal(40, run.steps_done)
      local theta, steps = run:theta():totable(), run.steps_done
      assert.is_false(pcall(run.run, run, {steps = 100 - steps})) -- once more
      assert.same(theta, run:theta():totable())
      assert.equal(steps, run.steps_done)
      armed[1] = false
      run:run{steps = 100 - steps}
      assert.same(whole, run:theta():totable())
    end)
  end
end)
