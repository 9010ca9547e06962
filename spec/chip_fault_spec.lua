-- Faults of simulated chips: allocations that fail, and interrupts in the middle of a run.

local mgd = require "mgd"
local core = require "mgd.core"
local support = require "spec.support.train"
local memory = require "spec.support.memory"

local hw = mgd.hw
local options = support.options
local quick = os.getenv "MGD_SPEC_QUICK" ~= nil

local net = mgd.nn.mlp{2, 3, 1, activation = "sigmoid", output = "sigmoid"}
net:init{seed = 1}

local STAGES = {
  weights = {hw.levels{table = {-1, 0, 1}}, hw.drift{law = "table",
    table = {{0, 0.1, 0}, {25, 0.05, 0.01}}, compensation = "global"},
    hw.flicker{sigma = 0.01, f_low = 0.1, f_high = 0.4}, hw.read_noise{sigma = 0.01}},
  neurons = hw.neuron_spread{sigma = 0.1}, input = hw.path{lowpass = {tau = 1, poles = 3}},
  perturbation = hw.path{delay = 1}, cost = hw.noise{sigma = 1e-4},
  update = hw.pulse_table{up = {-1, 0, 0.5, 1}, down = {1, 0, -0.5, -1}, accumulate = true},
}

-- Every allocation up to the 8th, then one in seven where specs are quick.
local function survive(operation)
  return memory.survive(operation, { next = function(n)
    return n + (quick and n > 8 and 7 or 1)
  end })
end

describe("an allocation that fails on a simulated chip", function()
  after_each(function()
    core.base.fail_from(0)
  end)

  local function chip()
    return mgd.chip(options(STAGES, {net = net}))
  end

  it("in mgd.chip is an error that leaks nothing", function()
    assert.is_true(survive(chip) > 0)
  end)

  for _, replicas in ipairs{1, 20} do
    it(("in mgd.train, %d replicas, is an error that leaks nothing"):format(replicas), function()
      local made = chip()
      assert.is_true(survive(function()
        return mgd.train{chip = made, data = mgd.data.xor(), replicas = replicas, threads = 2}
      end) > 20)
    end)

    it(("in probes, %d replicas, is an error that leaks nothing"):format(replicas), function()
      local run = mgd.train{chip = chip(), data = mgd.data.xor(), replicas = replicas, threads = 2}
      run:gradient()
      run:run{steps = 20, probes = {}}
      assert.is_true(survive(function()
        return run:evaluate() and nil
      end) > 0)
    end)

    it(("in diagnostics, %d replicas, is an error that leaks nothing"):format(replicas), function()
      local xor = mgd.data.xor()
      local read = hw.read_noise{sigma = 0.1}
      for _, opts in ipairs{{net = net}, {chip = chip()},
                            {chip = mgd.chip{net = net, weights = read}}} do
        local run = mgd.train(options(opts, {data = xor, replicas = replicas}))
        run:gradient()
        run:run{steps = 20, probes = {}}
        assert.is_true(survive(function()
          return run.core:saturated(xor.x, xor.y) and run.core:update_norm()
            and run.core:angle(false, true) and nil
        end) > 3)
      end
    end)
  end

  it("in hw.apply and hw.write is an error that leaks nothing", function()
    local values = mgd.ones{3, 40}
    assert.is_true(survive(function()
      return STAGES.weights[2]:apply(values)
    end) > 0)
    assert.is_true(survive(function()
      return STAGES.update:write(mgd.zeros{40}, values)
    end) > 0)
  end)
end)

describe("a run on a simulated chip that is interrupted", function()
  it("goes on to the same bits", function()
    for _, replicas in ipairs{1, 40} do
      local armed = false
      local function make()
        return mgd.train{chip = mgd.chip(options(STAGES, {net = net})), data = mgd.data.xor(),
          replicas = replicas, init = {}, threads = 2, tau_theta = 3,
          eta = function(step)
            if step >= 50 and armed then
              armed = false
              mgd.interrupt()
            end
            return 0.5
          end}
      end
      local whole = make()
      whole:run{steps = 300}
      armed = true
      local run = make()
      support.fails("interrupted", run.run, run, {steps = 300})
      run:run{steps = 300 - run.steps_done}
      assert.same(whole:theta():totable(), run:theta():totable())
    end
  end)
end)
