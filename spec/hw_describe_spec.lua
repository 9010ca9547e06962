-- Models again from what describes them: checkpoints, stores and experiments keep no more.
--
-- Every model, with each of the ways in which its parameters go together.

local mgd = require "mgd"

local hw = mgd.hw

local VARIANTS = {
  adc = { { bits = 4 }, { bits = 4, management = "bound" }, { bits = 3, low = 0, high = 1 }, {} },
  amplitude = { {}, { bits = 3, bound = 2 } },
  clamp = { { low = -1, high = 1 } },
  conductance = { {}, { levels = 8 }, { pairs = 2 }, { slices = 2, slice_bits = 3 },
    { mapping = "single" }, { mapping = "offset" } },
  constant_step = { {}, { threshold = 0.1 }, { endurance = 1e6, endurance_spread = 0.1 } },
  crosstalk = { { k = 0.1 } },
  dac = { { bits = 4 }, { bits = 4, management = "noise" },
    { bits = 3, bound = 2, stochastic = true } },
  dead = { { fraction = 0.1 } },
  diffusion = { { sigma = 0.1 } },
  drift = { { nu = 0.05 }, { nu = 0.1, compensation = "global" },
    { law = "table", table = { { 1, 0.1, 0.01 }, { 2, 0.05, 0.01 } } }, { law = "pcm" } },
  exponential_step = { {}, { dw_min = 0.01 } },
  flicker = { { sigma = 1, f_low = 1, f_high = 10 } },
  gain = { {}, { spread = 0.1 } },
  ir_drop = { { ratio = 1e-3 }, { ratio = 1e-3, w_max = 2 } },
  leak = { { tau = 1 }, { tau = math.huge } },
  levels = { { bits = 3 }, { levels = 5 }, { levels = 4, low = 0 }, { table = { -1, 0, 0.5 } },
    { table = mgd.tensor { -1, 0, 0.5 }, of = "sum" } },
  linear_step = { {}, { gamma_up = -0.1 } },
  ltp_ltd = { {}, { levels = 16 } },
  missing = { { fraction = 0.1 } },
  neuron_spread = { {}, { sigma = 0.1 }, { gain_spread = 0.1 } },
  noise = { { sigma = 0.1 }, { sigma = 0.1, law = "proportional" },
    { sigma = 0.1, law = "inverse", scale = 2 }, { sigma = 0.1, distribution = "uniform" } },
  path = { {}, { lowpass = 1 }, { lowpass = { frequency = 1 } },
    { lowpass = { tau = 1, poles = 2 } }, { bandwidth = 1 }, { bandwidth = math.huge },
      { highpass = { frequency = 1 } },
    { ringing = { frequency = 1, damping = 0.1 } }, { clamp = { -1, 1 } },
    { bits = 3, range = { low = -1, high = 1 } }, { slew = 3, delay = 1 } },
  power_step = { {} },
  programming_noise = { { law = "pcm" }, { law = "polynomial", coefficients = { 1, 2, 3 } },
    { law = "additive", sigma = 0.1 }, { law = "inverse", sigma = 0.1 }, { law = "rram" },
    { law = "sonos", day = 1.5, v_read = 0.05 } },
  pulse_table = { { up = { -1, 0, 0.5, 1 }, down = mgd.tensor { 1, 0, -0.5, -1 } } },
  read_noise = { { sigma = 0.1 }, { law = "pcm" }, { law = "sonos", v_read = 0.05 },
    { sigma = 0.1, law = "inverse", scale = 2 } },
  s_shape = { { strength = 1 } },
  saturation = { { limit = 1 } },
  soft_bounds = { {}, { w_min = -0.5 } },
  stuck = { { low = 0.1 }, { high = 0.1, at_high = 2 }, { random = 0.1 } },
  write = { {}, { resolution = 0.1, stochastic = true }, { noise = 0.1 }, { interval = 3 },
    { accumulate = true, threshold = 0.1 } },
}

local function text_of(model)
  return mgd.json.encode(model:describe())
end

describe("a model's description", function()
  for _, definition in ipairs(hw.models()) do
    if definition.source ~= "user" then
      it(("makes hw.%s again"):format(definition.name), function()
        local variants = assert(VARIANTS[definition.name], "no variants here")
        for _, params in ipairs(variants) do
          local model = hw[definition.name](params)
          local again = hw.restore(mgd.json.decode(text_of(model)))
          assert.same(text_of(model), text_of(again))
          assert.same(tostring(model), tostring(again))
        end
      end)
    end
  end

  -- Levels of a table and the range of a converter came back with defaults that had no effect
  -- beside them, which was an error: no checkpoint of such a chip could be resumed.
  it("lets the checkpoints of such chips be resumed", function()
    local path = os.tmpname()
    local run = mgd.train { chip = mgd.chip { net = mgd.nn.mlp { 2, 2, 1 }, seed = 3,
      weights = hw.levels { table = { -1, -0.2, 0, 0.2, 1 }, of = "sum" },
      output = hw.adc { bits = 6, low = -1, high = 2 } }, data = mgd.data.xor(),
      perturbation = { amplitude = 0.1 }, init = { scheme = "uniform" } }
    run:run { steps = 40 }
    run:save(path)
    local again = mgd.resume(path)
    os.remove(path)
    run:run { steps = 40 }
    again:run { steps = 40 }
    assert.same(run:theta():totable(), again:theta():totable())
  end)
end)
