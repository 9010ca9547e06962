-- Lines in series, from the perturbation's to those of outputs and cost, against the continuous
-- answer; how lines begin; substeps.
--
-- Networks are f64, and costs linear in the outputs (l2 of one output far above its target), so
-- that the exact answer is that of two filters in a row, here in closed form.

local mgd = require "mgd"
local stats = require "spec.support.statistics"

local near = stats.near
local hw, nn = mgd.hw, mgd.nn

local SET = mgd.data.from {
  x = mgd.tensor { { 0.3, -0.2 }, { -0.7, 0.9 }, { 0.5, 0.4 } },
  y = mgd.tensor { { -5 }, { -6 }, { -7 } },
}
local A = 0.02 -- of the perturbation

local function linear_net()
  local net = nn.sequential { input = { 2 }, nn.dense(1), dtype = "f64" }
  return net:set_theta(mgd.tensor { 0.4, -0.3, 0.2 })
end

local function merged(...)
  local all = {}
  for _, given in ipairs { ... } do
    for key, value in pairs(given) do
      all[key] = value
    end
  end
  return all
end

local function train(stages, options)
  return mgd.train(merged({ chip = mgd.chip(merged({ net = linear_net() }, stages)), data = SET,
    cost = "l2", shuffle = false, perturbation = { code = "sequential", amplitude = A },
    baseline = not (options and options.engine) and "none" or nil, tau_p = 2, tau_theta = 4,
    tau_x = 3, eta = 2e-4, threads = 1 }, options or {}))
end

-- C of each of `steps` steps, and θ before each.
local function costs(run, steps)
  local c, theta = {}, {}
  for n = 1, steps do
    theta[n] = run:theta():totable()
    c[n] = run:run { steps = 1, probes = { "C" } }.C[-1]
  end
  return c, theta
end

-- C = θ₁x₁ + θ₂x₂ + θ₃ − ŷ, and its slopes.
local function linear(theta, sample)
  local x, y = SET.x[sample], SET.y[sample][1]
  local slopes = { x[1], x[2], 1 }
  return theta[1] * slopes[1] + theta[2] * slopes[2] + theta[3] - y, slopes
end

-- What a pole of τ makes of its state z in time h, its input going from A + B to A as A +
-- B·e^(−t/τ₁): z' = (A + B·e^(−t/τ₁) − z)/τ.
local function pole(z, tau, h, a, b, tau1)
  local e, e1 = math.exp(-h / tau), math.exp(-h / tau1)
  local way = tau == tau1 and h / tau * e or (e1 - e) * tau1 / (tau1 - tau)
  return a + (z - a) * e + b * way
end

-- The same with a line of τ₁ for each parameter before it, and the samples and windows of `train`,
-- by ticks of h: `signs` says what is asked of θ̃ in each tick of a step, of which the last, or
-- number `shown`, is kept.
local function exact(tau1, tau2, dt, theta, steps, signs, shown)
  local s, z, out = { 0, 0, 0 }, nil, {}
  for n = 1, steps do
    local sample = math.floor((n - 1) / 3) % 3 + 1
    local cost, slopes = linear(theta[n], sample)
    local which = math.floor((n - 1) / 2) % 3 + 1
    z = z or cost
    for tick, sign in ipairs(signs) do
      local a, b = cost, 0
      for i = 1, 3 do
        local u = i == which and sign * A or 0
        a, b = a + slopes[i] * u, b + slopes[i] * (s[i] - u)
        s[i] = u + (s[i] - u) * math.exp(-dt / #signs / tau1)
      end
      z = pole(z, tau2, dt / #signs, a, b, tau1)
      out[n] = (tick <= (shown or tick)) and z or out[n]
    end
  end
  return out
end

-- What a function of time makes of a pole's state z in time h, by Runge and Kutta's method: 400
-- parts, each of less than τ/100, leave an error far below 1e-9.
local function integrated(z, tau, h, input)
  local parts = 400
  local d = h / parts
  local function slope(t, x) return (input(t) - x) / tau end
  for k = 0, parts - 1 do
    local t = k * d
    local k1 = slope(t, z)
    local k2 = slope(t + d / 2, z + d / 2 * k1)
    local k3 = slope(t + d / 2, z + d / 2 * k2)
    local k4 = slope(t + d, z + d * k3)
    z = z + d / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
  end
  return z
end

describe("lines in series", function()
  for _, pair in ipairs { { 1, 2 }, { 2, 0.7 }, { 1, 1 } } do
    it(("perturbation τ = %g, cost τ = %g: exact for a linear chip, whatever dt"):format(pair[1],
      pair[2]), function()
      for _, dt in ipairs { 0.1, 0.5, 1, 3, 10 } do
        local stages = { perturbation = hw.path { lowpass = pair[1] },
          cost = hw.path { lowpass = pair[2] } }
        local measured, theta = costs(train(stages, { dt = dt }), 30)
        local expected = exact(pair[1], pair[2], dt, theta, 30, { 1 })
        for n = 1, 30 do
          near(expected[n], measured[n], 1e-13 * expected[n], ("dt = %g, step %d"):format(dt, n))
        end
      end
    end)
  end

  it("exact where both sides share a step", function()
    local stages = { perturbation = hw.path { lowpass = 1.3 }, cost = hw.path { lowpass = 0.6 } }
    -- the same run with sides in steps of their own: what is left at the end of a step is C(−)
    local measured = costs(train(stages, { baseline = "two-sided", eta = 0 }), 12)
    local theta = {}
    for n = 1, 12 do
      theta[n] = { 0.4, -0.3, 0.2 }
    end
    local expected = exact(1.3, 0.6, 1, theta, 12, { 1, -1 }, 1)
    for n = 1, 12 do
      near(expected[n], measured[n], 1e-13 * expected[n], n)
    end
  end)

  it("exact for the analog engine, which writes at every step", function()
    local stages = { perturbation = hw.path { lowpass = 1.3 }, cost = hw.path { lowpass = 0.6 } }
    local measured, theta = costs(train(stages, { engine = "analog", tau_hp = 5, eta = 1e-3,
      tau_p = 2, tau_x = 3 }), 20)
    local expected = exact(1.3, 0.6, 1, theta, 20, { 1 })
    for n = 1, 20 do
      near(expected[n], measured[n], 1e-13 * expected[n], n)
    end
  end)

  -- An output's line sees y = C + ŷ, which jumps with the sample's slopes alone; behind it the cost
  -- is that of the sample that is shown.
  it("exact for an output's line", function()
    for _, dt in ipairs { 0.3, 1, 4 } do
      local stages = { perturbation = hw.path { lowpass = 1.5 },
        output = hw.path { lowpass = 0.8 } }
      local measured, theta = costs(train(stages, { dt = dt }), 24)
      local s, z = { 0, 0, 0 }, nil
      for n = 1, 24 do
        local sample = math.floor((n - 1) / 3) % 3 + 1
        local cost, slopes = linear(theta[n], sample)
        local target = SET.y[sample][1]
        local y, b, which = cost + target, 0, math.floor((n - 1) / 2) % 3 + 1
        z = z or y
        for i = 1, 3 do
          local u = i == which and A or 0
          y, b = y + slopes[i] * u, b + slopes[i] * (s[i] - u)
          s[i] = u + (s[i] - u) * math.exp(-dt / 1.5)
        end
        z = pole(z, 0.8, dt, y, b, 1.5)
        near(z - target, measured[n], 1e-13 * measured[n], ("dt = %g, step %d"):format(dt, n))
      end
    end
  end)

  -- Exact means that steps of a quarter give the same costs at the same times.
  it("exact for filters of any kind behind one pole", function()
    local line = hw.path { gain = 0.5, highpass = 20, lowpass = { tau = 0.4, poles = 2 },
      ringing = { frequency = 0.3, damping = 0.2 } }
    local function run(parts)
      return costs(train({ perturbation = hw.path { lowpass = 1.3 }, cost = line }, { eta = 0,
        dt = 1 / parts, tau_p = 2 * parts, tau_theta = 4 * parts, tau_x = 3 * parts }), 12 * parts)
    end
    local whole, quarters = run(1), run(4)
    for n = 1, 12 do
      near(quarters[4 * n], whole[n], 1e-12, n)
    end
  end)

  -- The way of two poles, or of two lines behind the network, is taken as a straight line: an error
  -- of second order, a quarter at half the step. Asymptotically; at these steps at most 0.35.
  it("right to second order else", function()
    local function errors(stages)
      local function run(parts)
        return costs(train(stages, { eta = 0, dt = 0.25 / parts, tau_p = 8 * parts,
          tau_theta = 16 * parts, tau_x = 12 * parts }), 40 * parts)
      end
      local fine, out = run(64), {}
      for k, parts in ipairs { 1, 2, 4 } do
        local c, sum = run(parts), 0
        for n = 1, 40 do
          sum = sum + math.abs(c[n * parts] - fine[n * 64])
        end
        out[k] = sum
      end
      return out
    end
    local pole1, pole2 = hw.path { lowpass = 1 }, hw.path { lowpass = 0.6 }
    for name, stages in pairs {
      ["two poles"] = { perturbation = hw.path { lowpass = { tau = 0.5, poles = 2 } },
        cost = pole1 },
      ["output and cost"] = { perturbation = pole1, output = pole2, cost = pole1 },
      ["input and cost"] = { perturbation = pole1, input = pole2, cost = pole1 },
      ["all four"] = { perturbation = pole1, input = pole2, output = pole2, cost = pole1 },
    } do
      local e = errors(stages)
      assert(e[1] > 0 and e[2] < 0.35 * e[1] and e[3] < 0.35 * e[2], ("%s: %g, %g, %g"):format(name,
        e[1], e[2], e[3]))
    end
  end)

  -- C = tanh(θ₁x₁ + …) − ŷ under perturbations of 0.5, by integrating the line.
  it("that are not linear: substeps", function()
    local net = nn.sequential { input = { 2 }, nn.dense(1), nn.tanh(), dtype = "f64" }
    net:set_theta(mgd.tensor { 0.4, -0.3, 0.2 })
    local function run(substeps)
      local chip = mgd.chip { net = net, perturbation = hw.path { lowpass = 1 },
        cost = hw.path { lowpass = 0.7 }, substeps = substeps }
      return costs(train({}, { chip = chip, eta = 0, dt = 2,
        perturbation = { code = "sequential", amplitude = 0.8 } }), 18)
    end
    local s, z, expected = { 0, 0, 0 }, nil, {}
    for n = 1, 18 do
      local sample, which = math.floor((n - 1) / 3) % 3 + 1, math.floor((n - 1) / 2) % 3 + 1
      local cost, slopes = linear({ 0.4, -0.3, 0.2 }, sample)
      local target = SET.y[sample][1]
      local function c(t)
        local sum = cost + target
        for i = 1, 3 do
          local u = i == which and 0.8 or 0
          sum = sum + slopes[i] * (u + (s[i] - u) * math.exp(-t))
        end
        local e = math.exp(-2 * sum)
        return (1 - e) / (1 + e) - target
      end
      z = integrated(z or c(0), 0.7, 2, c)
      for i = 1, 3 do
        local u = i == which and 0.8 or 0
        s[i] = u + (s[i] - u) * math.exp(-2)
      end
      expected[n] = z
    end
    local before
    for _, substeps in ipairs { 1, 2, 4, 8, 64 } do
      local measured, worst = run(substeps), 0
      for n = 1, 18 do
        worst = math.max(worst, math.abs(measured[n] - expected[n]))
      end
      assert(not before or worst < 0.6 * before, ("%d substeps: %g after %g"):format(substeps,
        worst, before or 0))
      before = worst
    end
    assert(before < 2e-5, before)
  end)
end)

describe("substeps", function()
  local function chip(substeps)
    return mgd.chip { net = linear_net(), perturbation = hw.path { lowpass = 1, delay = 0.5 },
      weights = hw.read_noise { sigma = 0.01 }, output = hw.flicker { sigma = 0.01, f_low = 0.01,
      f_high = 1 }, cost = { hw.noise { sigma = 0.01 }, hw.path { lowpass = 2 } },
      substeps = substeps }
  end

  it("are described, shown, saved and counted as one", function()
    assert.equal(3, chip(3):describe().substeps)
    assert.is_nil(chip(1):describe().substeps)
    assert.truthy(tostring(chip(3)):find("substeps      3 of each tick", 1, true))
    local one, three = train({}, { chip = chip(1) }), train({}, { chip = chip(3) })
    one:run { steps = 7 }
    three:run { steps = 7 }
    assert.equal(one:counters().evaluations, three:counters().evaluations)
    local path = os.tmpname()
    three:save(path)
    local resumed = mgd.resume(path)
    os.remove(path)
    assert.equal(3, resumed.options.chip.substeps)
    three:run { steps = 10 }
    resumed:run { steps = 10 }
    assert.same(three:theta():totable(), resumed:theta():totable())
  end)

  -- Noise is held over a tick, whatever parts of it are evaluated: behind a pole of τ its spread is
  -- σ·√(a/(2 − a)), a = 1 − e^(−dt/τ). 4,000 steps, of which 1/a are one draw: ± 4 %, taken twice.
  it("leave noise what it is", function()
    local net = linear_net()
    local function spread(substeps)
      local noisy = mgd.chip { net = net, substeps = substeps,
        cost = { hw.noise { sigma = 0.1 }, hw.path { lowpass = 1 } } }
      local run = train({}, { chip = noisy, eta = 0, tau_x = 1e6, perturbation = {
        code = "sequential", amplitude = 1e-9 } })
      local values = {}
      for i, c in ipairs(run:run { steps = 4000, every = 1, probes = { "C" } }.C:totable()) do
        values[i] = i > 1 and c or nil
      end
      return stats.moments({ table.unpack(values, 2) }).sd
    end
    local a = 1 - math.exp(-1)
    near(0.1 * math.sqrt(a / (2 - a)), spread(1), 0.08 * 0.1 * math.sqrt(a / (2 - a)))
    near(spread(1), spread(4), 1e-9)
  end)

  it("are refused where no signal remembers", function()
    local ok, message = pcall(mgd.chip, { net = linear_net(), substeps = 2,
      weights = hw.levels { bits = 6 }, update = hw.path { lowpass = 2 } })
    assert.is_false(ok)
    assert.truthy(message:find("option 'substeps' has no effect", 1, true), message)
  end)

  it("end the warning of lines that are faster than a step", function()
    local function warnings(tau, substeps)
      local c = mgd.chip { net = linear_net(), perturbation = hw.path { lowpass = tau },
        cost = hw.path { lowpass = 5 }, substeps = substeps }
      return table.concat(hw.check_time(c.compiled, 2), "\n")
    end
    assert.equal("perturbation to cost: lines in series are exact for a cost that is linear in θ̃ "
      .. "over a step: with τ = 0.5 s and steps of 2 s others need substeps = 4 of mgd.chip, or "
      .. "dt ≤ 0.5 s", warnings(0.5, 1))
    assert.equal("", warnings(0.5, 4))
    assert.equal("", warnings(2, 1))
  end)
end)

describe("a run's lines begin at rest", function()
  local function first(stages, steps, options)
    return costs(train(stages, merged({ eta = 0 }, options or {})), steps or 1)
  end

  it("where the first value has stood for ever", function()
    local theta = { 0.4 + A, -0.3, 0.2 } -- θ̃ is there at once
    local c = linear(theta, 1)
    for _, line in ipairs { hw.path { lowpass = 1e4 },
      hw.path { lowpass = { tau = 50, poles = 3 } },
      hw.path { ringing = { frequency = 0.01, damping = 0.1 } }, hw.path { delay = 7 },
      hw.path { slew = 0.001 }, { hw.path { lowpass = 9 }, hw.path { delay = 3, lowpass = 8 } } } do
      for step, value in ipairs(first({ cost = line }, 2)) do
        near(c, value, 1e-13 * c, tostring(line) .. step)
      end
      near(c, first({ output = line })[1], 1e-13 * c)
      near(c, first({ input = line })[1], 1e-13 * c)
    end
    assert.equal(0, first({ cost = hw.path { highpass = 9 } })[1])
    near(linear({ 0, 0, 0.2 }, 1), first({ input = hw.path { highpass = 9 } })[1], 1e-13 * c)
  end)

  it("but for that of the perturbation, which is silent", function()
    local c0, c1 = linear({ 0.4, -0.3, 0.2 }, 1), linear({ 0.4 + A, -0.3, 0.2 }, 1)
    local line = { perturbation = hw.path { lowpass = 3 } }
    near(c0 + (c1 - c0) * (1 - math.exp(-1 / 3)), first(line)[1], 1e-13 * c0)
    near(c0, first { perturbation = hw.path { delay = 1 } }[1], 1e-13 * c0)
  end)

  -- Once G of the first window was 13 times what it is, as the line of the cost rose from 0.
  it("and the first windows hear what later ones hear", function()
    local set = mgd.data.from { x = SET.x[{ { 1, 1 } }], y = SET.y[{ { 1, 1 } }] }
    local run = train({ cost = hw.path { lowpass = 8 } }, { data = set, baseline = "measured",
      eta = 1e-6, tau_p = 4, tau_theta = 12, tau_x = 1 })
    local moves, before = {}, run:theta()
    for window = 1, 6 do
      run:run { steps = 12 }
      moves[window], before = (run:theta() - before) / -1e-6, run:theta()
    end
    local gradient = math.sqrt(0.3 ^ 2 + 0.2 ^ 2 + 1)
    for window = 1, 5 do
      assert(moves[window]:norm() < gradient, window)
      assert((moves[window] - moves[6]):norm() < 0.5 * gradient, window)
    end
  end)

  it("in every run of a chip, and not where one goes on", function()
    local chip = mgd.chip { net = linear_net(), cost = hw.path { lowpass = 4 } }
    local whole = costs(train({}, { chip = chip, eta = 0 }), 12)
    local second = train({}, { chip = chip, eta = 0 })
    assert.same({ table.unpack(whole, 1, 6) }, (costs(second, 6)))
    local path = os.tmpname()
    second:save(path)
    assert.same({ table.unpack(whole, 7) }, (costs(mgd.resume(path), 6)))
    os.remove(path)
  end)
end)

describe("lines give the same bits", function()
  local noisy = { weights = { hw.read_noise { sigma = 0.01 }, hw.leak { tau = 100 } },
    perturbation = { hw.path { lowpass = 1.5 }, hw.noise { sigma = 0.001 } },
    cost = { hw.noise { sigma = 0.001 }, hw.path { lowpass = 2, highpass = 30, delay = 1 },
      hw.noise { sigma = 0.001 } } }
  local behind = hw.path { lowpass = 1.2 }
  local KINDS = { cost = {}, substeps = { substeps = 3 }, output = { output = behind },
    input = { input = hw.path { lowpass = 0.8 } },
    all = { input = hw.path { lowpass = 0.8 }, output = behind } }

  local function run(extra, options)
    local net = nn.mlp { 2, 3, 1, activation = "tanh", output = "sigmoid" }
    net:init { scheme = "uniform", seed = 3 }
    local chip = mgd.chip(merged({ net = net, seed = 5 }, noisy, extra))
    return mgd.train(merged({ chip = chip, data = mgd.data.xor(), eta = 0.1, tau_p = 2,
      tau_theta = 6, tau_x = 3, batch = 2, seed = 4, threads = 1,
      perturbation = { code = "random", amplitude = 0.02 } }, options))
  end

  local function all_costs(trained)
    return trained:run { steps = 30, every = 1, probes = { "C" } }.C
  end

  for name, extra in pairs(KINDS) do
    it(name .. ": in lanes, one by one, in parts, resumed, by any number of threads", function()
      local single = all_costs(run(extra, { replica = 3 })):totable()
      local many = all_costs(run(extra, { replicas = 19, threads = 3 }))
      for n = 2, 31 do
        assert.equal(single[n], many[{ n, 3 }])
      end
      local parts = run(extra, { replica = 3 })
      assert.same({ table.unpack(single, 2, 14) }, (costs(parts, 13)))
      local path = os.tmpname()
      parts:save(path)
      assert.same({ table.unpack(single, 15) }, (costs(mgd.resume(path), 17)))
      os.remove(path)
      local shared = run(extra, { batch = 4, threads = 3 })
      assert.same(all_costs(run(extra, { batch = 4 })):totable()[31], all_costs(shared)[-1])
    end)

    -- The moment before a step is evaluated once more where samples or θ may have changed. Where
    -- they have not, it is what it was, with all noise.
    it(name .. ": where nothing has changed after all", function()
      local set = mgd.data.from { x = mgd.tensor { { 0.3, -0.2 } }, y = mgd.tensor { { 0.7 } } }
      local once = { data = set, eta = 0, batch = 1, shuffle = true, baseline = "two-sided" }
      assert.same(all_costs(run(extra, merged(once, { tau_x = 1000 }))):totable()[31],
        all_costs(run(extra, merged(once, { tau_x = 1 })))[-1])
    end)
  end
end)
