--- Tolerance maps and time-constant maps: what is measured is what the sweeps say, and the
-- tolerance is read off as defined.

local mgd = require "mgd"
local support = require "spec.support.train"

local fails = support.fails

local function parity(changes)
  local opt = {
    name = "parity", data = "xor",
    network = { 2, 8, 1, activation = "sigmoid", output = "sigmoid" },
    training = { batch = 4, eta = 1, perturbation = { code = "random", amplitude = 0.05 },
      init = { scheme = "uniform", low = -2, high = 2 } },
    steps = 4000, every = 200, probes = { "accuracy" }, stop = { accuracy = 1 },
  }
  for key, value in pairs(changes or {}) do
    opt[key] = value
  end
  return mgd.experiment(opt)
end

describe("mgd.tolerance", function()
  it("reads success and tolerance off a sweep", function()
    local map = mgd.tolerance { experiment = parity(), seeds = 32, workers = 1, vary = {
      ["cost.noise"] = { 1e-4, 1e-3, 1e-1, 1 } } }
    local v = map.variations[1]
    assert.same({ "chip.cost.noise.sigma", "cost.noise" }, { v.path, v.name })
    for i, value in ipairs(v.values) do
      local alone = parity():with { ["cost.noise"] = value, seeds = 32 }:run {}
      local solved = 0
      for _, step in ipairs(alone.solved:totable()) do
        solved = solved + (step == step and 1 or 0)
      end
      assert.same(solved / 32, v.success[i].rate)
      assert.same(solved, v.time[i].solved)
    end
    assert.is_true(v.success[1].rate >= 0.95 and v.success[4].rate < 0.95)
    local expected
    for i = 1, 4 do
      if v.success[i].rate < 0.95 then
        break
      end
      expected = v.values[i]
    end
    assert.same(expected, v.tolerance)
    assert.is_true(v.tolerance_high >= v.tolerance)
    assert.truthy(tostring(map):find("cost.noise: ", 1, true))
  end)

  it("ends at the first value that fails, whichever way values go", function()
    local last = require("mgd.studies.tolerance").last
    local function rates(...)
      local list = {}
      for i, rate in ipairs { ... } do
        list[i] = { rate = rate, low = rate - 0.1, high = rate + 0.1 }
      end
      return list
    end
    local success = rates(1, 0.96, 0.9, 1) -- the last one lies beyond a gap
    assert.same(6, last({ 8, 6, 5, 4 }, success, "rate", 0.95))
    assert.same(0.2, last({ 0.1, 0.2, 0.3, 0.4 }, success, "rate", 0.95))
    assert.same(4, last({ 8, 6, 5, 4 }, success, "high", 0.95))
    assert.is_nil(last({ 8, 6, 5, 4 }, success, "low", 0.95))
    assert.same(8, last({ 8, 6 }, rates(0.95, 0.9499), "rate", 0.95))
  end)

  it("has none where the mildest value fails, all where the harshest does not", function()
    local map = mgd.tolerance { experiment = parity(), seeds = 16, workers = 1, vary = {
      ["cost.noise"] = { 1, 10 }, ["update.noise"] = { 1e-9, 1e-8 } } }
    local by_name = {}
    for _, v in ipairs(map.variations) do
      by_name[v.name] = v
    end
    assert.is_nil(by_name["cost.noise"].tolerance)
    assert.same(1e-8, by_name["update.noise"].tolerance)
    local text = tostring(map)
    assert.truthy(text:find("cost.noise: none", 1, true), text)
    assert.truthy(text:find("(the harshest tried)", 1, true), text)
  end)

  it("measures pairs in full", function()
    local map = mgd.tolerance { experiment = parity { steps = 400 }, seeds = 8, workers = 1,
      vary = { ["cost.noise"] = { 1e-4, 1 }, eta = { 1, 0.1, 0.01 } }, pairs = { { "eta",
        "cost.noise" } } }
    local pair = map.pairs[1]
    assert.same(6, #pair.success)
    assert.same({ "training.eta", "chip.cost.noise.sigma" }, { pair[1].path, pair[2].path })
    local k = 0
    for _, eta in ipairs { 1, 0.1, 0.01 } do
      for _, noise in ipairs { 1e-4, 1 } do
        k = k + 1
        local alone = parity { steps = 400 }:with { eta = eta, ["cost.noise"] = noise,
          seeds = 8 }:run {}
        local solved = 0
        for _, step in ipairs(alone.solved:totable()) do
          solved = solved + (step == step and 1 or 0)
        end
        assert.same(solved / 8, pair.success[k])
      end
    end
    local csv = map:plot():csv()
    assert.truthy(csv:find("success", 1, true))
  end)

  it("spreads ranges out, from mild to harsh either way", function()
    local map = mgd.tolerance { experiment = parity { steps = 2, every = 1 }, seeds = 1,
      workers = 1, vary = {
      ["cost.noise"] = { from = 1e-4, to = 1e-2, n = 3, log = true },
      ["weights.bits"] = { from = 8, to = 4, n = 9, integer = true } } }
    for _, v in ipairs(map.variations) do
      if v.name == "cost.noise" then
        assert.near(1e-3, v.values[2], 1e-12)
      elseif v.name == "weights.bits" then
        assert.same({ 8, 7, 6, 5, 4 }, v.values)
      end
    end
  end)

  for what, case in pairs {
    ["an experiment without a stop"] = { { experiment = function()
      return mgd.experiment { name = "x", data = "xor", network = { 2, 1 }, steps = 10,
        training = { perturbation = { amplitude = 0.1 } } }
    end, vary = { eta = { 1 } } }, "has no 'stop'" },
    ["nothing to vary"] = { { vary = {} }, "option 'vary' is empty" },
    ["an unknown path"] = { { vary = { ["cost.nose"] = { 1 } } }, "did you mean 'noise'" },
    ["no values"] = { { vary = { eta = {} } }, "there are no values" },
    ["values that turn back"] = { { vary = { eta = { 1, 2, 1.5 } } }, "value 3, 1.5, turns back" },
    ["a logarithmic range from 0"] = { { vary = { eta = { from = 0, to = 1, log = true } } },
      "both ends must be above 0" },
    ["one parameter by two names"] = { { vary = { eta = { 1 }, ["training.eta"] = { 2 } } },
      "parameter 'training.eta' is given twice, as 'eta' and as 'training.eta'" },
    ["a pair that is not varied"] = { { vary = { eta = { 1 } }, pairs = { { "eta",
      "cost.noise" } } },
      "expected two of the paths of 'vary', got cost.noise" },
    ["no experiment"] = { { experiment = 3, vary = { eta = { 1 } } },
      "must be an experiment, got number" },
  } do
    it("refuses " .. what, function()
      local opt = { experiment = parity { steps = 2, every = 1 } }
      for key, value in pairs(case[1]) do
        opt[key] = type(value) == "function" and value() or value
      end
      fails(case[2], mgd.tolerance, opt)
    end)
  end
end)

describe("mgd.time_constants", function()
  it("is a sweep over three constants", function()
    local map = mgd.time_constants { experiment = parity(), seeds = 8, workers = 1, tau_p = { 4,
      1 },
      tau_theta = { 1, 8 }, tau_x = { 1, 16 } }
    assert.same({ 2, 2, 2 }, map.success.shape)
    assert.same({ 1, 4 }, map.axes.tau_p)
    for k, tau_x in ipairs { 1, 16 } do
      for j, tau_p in ipairs { 1, 4 } do
        for i, tau_theta in ipairs { 1, 8 } do
          local alone = parity():with { tau_p = tau_p, tau_theta = tau_theta, tau_x = tau_x,
            seeds = 8 }
            :run {}
          local solved = 0
          for _, step in ipairs(alone.solved:totable()) do
            solved = solved + (step == step and 1 or 0)
          end
          assert.same(solved / 8, map.success[{ k, j, i }])
        end
      end
    end
    assert.truthy(tostring(map):find("τ_x = 16", 1, true))
    assert.same(2, #map:plot().panels)
  end)

  it("shows that a slow line needs perturbations that are held", function()
    -- τ = 16 steps; 32 seeds: success 0.12 against 0.75 and more; a difference of 0.35 is 4 σ
    local slow = parity { steps = 20000,
      chip = { perturbation = mgd.hw.path { bandwidth = 0.01 } } }
    local map = mgd.time_constants { experiment = slow, seeds = 32, tau_p = { 1, 16 },
      tau_theta = { 64 }, tau_x = { 64 } }
    assert.is_true(map.success[{ 1, 2, 1 }] - map.success[{ 1, 1, 1 }] > 0.35, tostring(map))
  end)

  it("leaves empty what the engine refuses", function()
    local map = mgd.time_constants { experiment = parity { steps = 2, every = 1 }, seeds = 1,
      workers = 1,
      tau_theta = { 0.5, 2 } }
    assert.same(1, #map.refused)
    assert.truthy(tostring(map):find("cannot be trained", 1, true))
  end)

  it("refuses what makes no map", function()
    fails("element 1 is x: expected a number of steps", mgd.time_constants,
      { experiment = parity(), tau_p = { "x" } })
    fails("option 'tau_x' has no values", mgd.time_constants, { experiment = parity(), tau_x = {} })
    fails("no combination can be trained", mgd.time_constants,
      { experiment = parity(), tau_theta = { 0.5 } })
  end)
end)
