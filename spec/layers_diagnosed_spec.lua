-- A run by the layers of its network: probes of the history and figures of run:explain, against
-- calculations of their own.

local mgd = require "mgd"
local files = require "spec.support.idx_files"
local support = require "spec.support.train"

local fails_here, options = support.fails_here, support.options

local function network(dtype)
  return mgd.nn.mlp { 3, 4, 2, activation = "tanh", dtype = dtype or "f64" }:init { seed = 4 }
end

local DATA = { x = mgd.randn({ 20, 3 }, { seed = 1 }), y = mgd.rand({ 20, 2 }, { seed = 2 }) }
local LAYERS = { dense1 = { 1, 16 }, dense2 = { 17, 26 } } -- of θ
local BASE = { data = DATA, shuffle = false, batch = 3, tau_x = 2, tau_theta = 6, eta = 0.5 }

local PROBES = { "layer_norm_g", "layer_norm_error", "layer_snr", "layer_snr_evaluation",
  "layer_snr_image" }

describe("probes by layer", function()
  it("are |g|, |G − g| and signal to noise of the window, a column for each layer", function()
    for _, convention in ipairs { "gradient", "published" } do
      local net = network()
      local run = mgd.train(options(BASE, { net = net, convention = convention }))
      run:run { steps = 6, probes = { "layer_snr" } }
      local theta = run:theta()
      local history = run:run { steps = 6, probes = PROBES }
      local other = network():set_theta(theta) -- of steps 6 … 11: samples 10 … 18
      local g = other:gradient(DATA.x[{ { 10, 18 } }], DATA.y[{ { 10, 18 } }])
      local factor = convention == "published" and net.num_parameters / 6 or 1
      local wrong = run:gradient() * factor - g
      for name, range in pairs(LAYERS) do
        local signal, noise = g[{ range }]:norm(), wrong[{ range }]:norm()
        local expected = { signal, noise, (signal / noise) ^ 2, (signal / noise) ^ 2 / (3 * 9),
          (signal / noise) ^ 2 / (3 * 6) } -- six costs of a batch of 3, and C₀ of each of 3
        for i, probe in ipairs(PROBES) do
          local got = history[probe .. "." .. name][2]
          assert.is_true(math.abs(got / expected[i] - 1) < 1e-9, probe)
        end
      end
    end
  end)

  it("are nan before a window has ended, and of each replica of an ensemble", function()
    local run = mgd.train(options(BASE, { net = network(), replicas = 3, init = {} }))
    local history = run:run { steps = 12, every = 3, probes = { "layer_snr" } }
    assert.same({ 5, 3 }, history["layer_snr.dense1"].shape)
    assert.is_true(history["layer_snr.dense1"][2][1] ~= history["layer_snr.dense1"][2][1])
    for r = 1, 3 do
      local one = mgd.train(options(BASE, { net = network(), replica = r, init = {} }))
      local own = one:run { steps = 12, every = 3, probes = { "layer_snr" } }
      assert.equal(own["layer_snr.dense2"][5], history["layer_snr.dense2"][5][r])
    end
  end)

  it("go into rows, CSV and logs, and through quantiles and tables", function()
    local folder, rows = files.folder(), {}
    local run = mgd.train(options(BASE, { net = network(), replicas = 2, init = {} }))
    local history = run:run { steps = 12, every = 6, probes = { "layer_snr", "snr" },
      log = folder .. "/log", on_row = function(row) rows[#rows + 1] = row end }
    assert.equal(history["layer_snr.dense1"][3][2], rows[3]["layer_snr.dense1"][2])
    assert.is_nil(rows[3]["layer_norm_g.dense1"])
    history:save_csv(folder .. "/history.csv")
    local head = io.lines(folder .. "/history.csv")()
    assert.is_truthy(head:find("layer_snr.dense1", 1, true), head)
    assert.is_truthy(tostring(history):find("layer_snr.dense2", 1, true))
    assert.equal(history["layer_snr.dense1"][3][1] / 2 + history["layer_snr.dense1"][3][2] / 2,
      history:quantile("layer_snr.dense1", 0.5)[3])
    assert.is_truthy(io.open(folder .. "/log"):read "*a":find('"layer_snr.dense1":', 1, true))
    os.execute("rm -rf " .. folder)
  end)

  it("are recorded, and replayed", function()
    local folder = files.folder()
    local opts = options(BASE, { net = network() })
    local run = mgd.train(options(opts, { record = folder .. "/run.mgdrec" }))
    local history = run:run { steps = 12, probes = { "layer_snr" } }
    local chip = mgd.chip.replay(folder .. "/run.mgdrec")
    local again = mgd.train(options(chip.replays:options(), { data = DATA }))
    local replayed = again:run { steps = 12, probes = { "layer_snr" } }
    assert.equal(history["layer_snr.dense2"][2], replayed["layer_snr.dense2"][2])
    os.execute("rm -rf " .. folder)
  end)

  it("are refused where no layers are known, and stop nothing", function()
    local chip = mgd.chip { parameters = 2, evaluate = function(theta, x)
      return (x * theta):sum(2):reshape { x.shape[1], 1 }
    end }
    local run = mgd.train { chip = chip, data = mgd.data.xor() }
    fails_here("probes by layer need a network", function()
      run:run { steps = 1, probes = { "layer_snr" } }
    end)
    fails_here("unknown option 'layer_snr'", function()
      mgd.train(options(BASE, { net = network() })):run { steps = 1, stop = { layer_snr = 1 } }
    end)
  end)
end)
