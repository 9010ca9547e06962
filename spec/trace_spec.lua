--- run:trace: what was measured, and what became of θ, step by step.

local errors = require "spec.support.errors"
local files = require "mgd.base.files"
local folder = require "spec.support.folder"
local mgd = require "mgd"

local function new_run(changes)
  local opt = { net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" },
    data = mgd.data.xor(), batch = 4, baseline = "two-sided", eta = 1, seed = 3,
    perturbation = { code = "walsh", amplitude = 0.02 },
    init = { scheme = "uniform", low = -1, high = 1 } }
  for name, value in pairs(changes or {}) do
    opt[name] = value
  end
  return mgd.train(opt)
end

describe("run:trace", function()
  setup(folder.make)
  teardown(folder.remove)

  it("has θ before the first step and after each, and the costs that moved it", function()
    local trace, run = new_run():trace { steps = 6 }, new_run()
    assert.equal(0, trace.first)
    assert.equal(7, #trace.theta)
    local pattern = mgd.codes.pattern("walsh", { parameters = 9, slots = 6 }):totable()
    for step = 1, 6 do
      assert.same(run:theta():totable(), trace.theta[step])
      local plus, minus = trace.costs[step][1], trace.costs[step][2]
      assert.equal(2, #trace.costs[step])
      run:run { steps = 1, probes = {} }
      for i, before in ipairs(trace.theta[step]) do -- a write of G in f32
        local g = (plus - minus) / 2 * pattern[step][i] / 0.02
        assert.near(before - g, trace.theta[step + 1][i], 1e-5)
      end
    end
  end)

  it("traces a replica, and leaves the run to go on as it would", function()
    local run, other = new_run { replicas = 3 }, new_run { replica = 2 }
    run:run { steps = 5 }
    other:run { steps = 5 }
    local trace = run:trace { steps = 4, replica = 2 }
    assert.equal(5, trace.first)
    assert.same(other:trace({ steps = 4 }).costs, trace.costs)
    assert.equal(9, run.steps_done)
    assert.is_nil(run.recording)
    run:run { steps = 3 }
    assert.same(other:trace({ steps = 6 }).theta[7], run:trace({ steps = 3, replica = 2 }).theta[4])
    run:set_theta(run:theta()) -- a run that is recorded takes none
    errors.fails_here("the run has 3", run.trace, run, { steps = 1, replica = 4 })
    errors.fails_here("option 'steps' is missing", run.trace, run, {})
  end)

  it("reads a recording that the run has anyway", function()
    local path = folder.name .. "/run.mgdrec"
    local trace = new_run({ record = path }):trace { steps = 4 }
    assert.same(new_run():trace({ steps = 4 }).costs, trace.costs)
    assert.is_true(files.exists(path))
  end)
end)
