-- What CONTRIBUTING.md says on adding a kind is so: its worked diffs touch no file but those that
-- it names, and a copy of the tree with all of them builds and has the kinds.

local how_to_add = require "spec.support.how_to_add"
local needs = require "spec.support.needs"

-- Each: its paragraph, its diff, the name of the number of kinds where there is one, and what can
-- then be done.
local KINDS = {
  {
    title = "A perturbation code", diff = "code",
    script = [[
      local mgd = require "mgd"
      local shown = mgd.codes.pattern("bipolar", { parameters = 2, slots = 4 })
      assert(shown:allclose(mgd.tensor { { 1, 0 }, { 0, 1 }, { -1, 0 }, { 0, -1 } }))
      local report = mgd.codes.check("bipolar", 3)
      assert(report.period == 6 and report.angle < 1e-6)
      local net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" }
      local run = mgd.train { net = net, data = mgd.data.xor(), tau_theta = 18, eta = 1,
        perturbation = { code = "bipolar", amplitude = 0.01 }, init = {}, replicas = 20 }
      run:run { steps = 36 }
      assert(not pcall(mgd.codes.pattern, { code = "bipolar", sparsity = 0.5 },
        { parameters = 2, slots = 4 }))
    ]],
  },
  {
    title = "A layer or an activation", diff = "layer", counts = "MGD_LAYER_COUNT",
    script = [[
      local mgd = require "mgd"
      local function outputs(activation)
        local net = mgd.nn.mlp { 3, 8, output = activation }
        net:init { seed = 1 }
        return net:forward(mgd.tensor { { -8, 1, 2 } }):totable()[1]
      end
      local leaky = outputs "leaky"
      for i, y in ipairs(outputs "identity") do
        assert(leaky[i] == (y > 0 and y or y / 8))
      end
      local mlp = mgd.nn.mlp { 2, 3, 1, activation = "leaky" }
      mgd.train { net = mlp, data = mgd.data.xor(), eta = 0.1, engine = "backprop", init = {} }
        :run { steps = 8 }
    ]],
  },
  {
    title = "A hardware primitive", diff = "primitive", counts = "MGD_HW_KIND_COUNT",
    script = [[
      local mgd = require "mgd"
      local dead = mgd.hw.dead_zone { width = 0.5 }
      local seen = dead:apply(mgd.tensor { -1, -0.25, 0, 0.25, 0.5 })
      assert(seen:allclose(mgd.tensor { -1, 0, 0, 0, 0.5 }, { rtol = 0, atol = 0 }))
      local net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" }
      local run = mgd.train { chip = mgd.chip { net = net, output = dead }, data = mgd.data.xor(),
        eta = 1, init = {} }
      run:run { steps = 8 }
    ]],
  },
  {
    title = "A law of update", diff = "law", counts = "MGD_HW_LAW_COUNT",
    script = [[
      local core, mgd = require "mgd.core", require "mgd"
      local law = { dw_min = 0.1, up_down = 0, w_min = -1, w_max = 2 }
      assert(math.abs(core.fit.step("parabolic", law, 1, 1) - 0.075) < 1e-15)
      law.dw_min_d2d, law.w_min_d2d, law.w_max_d2d, law.up_down_d2d, law.c2c = 0, 0, 0, 0, 0
      local device = mgd.hw.parabolic_step(law)
      local f64 = { dtype = "f64" }
      local w = device:write(mgd.ones({ 1 }, f64), mgd.full({ 1, 1 }, 0.1, f64)):totable()
      assert(math.abs(w[1][1] - 1.075) < 1e-12)
      local curves = {}
      for i, direction in ipairs { 1, -1 } do
        local at, curve = -0.8 * direction, { direction = direction, pulse = {}, w = {} }
        for pulse = 1, 30 do
          curve.pulse[pulse], curve.w[pulse] = pulse, at
          at = at + core.fit.step("parabolic", law, at, direction)
        end
        curves[i] = curve
      end
      local free = { dw_min = true, up_down = true, w_min = true, w_max = true }
      local fit = core.fit.device("fit", "parabolic", {}, free, curves, 100)
      assert(math.abs(fit.parameters.dw_min - 0.1) < 1e-6)
    ]],
  },
  {
    title = "An optimizer", diff = "optimizer",
    script = [[
      local mgd = require "mgd"
      local function after(more)
        local net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", dtype = "f64" }:init { seed = 1 }
        local before = net:theta()
        local run = mgd.train { net = net, data = mgd.data.xor(), tau_theta = 4, eta = 0.125,
          optimizer = "signum", momentum = more.momentum, seed = 1 }
        run:run { steps = more.steps }
        return run:theta() - before
      end
      local one = after { momentum = 0.9, steps = 4 }
      assert(one:abs():allclose(mgd.full({ one.size }, 0.125, { dtype = "f64" })))
      assert(after { momentum = 0, steps = 400 }:abs():max() > 0.125)
    ]],
  },
}

describe("how to add", function()
  for _, kind in ipairs(KINDS) do
    it(kind.title:gsub("^A", "a") .. ": the page names all files that its diff touches", function()
      local touched = how_to_add.touched(kind.diff)
      assert.is_true(#touched > 0)
      for _, path in ipairs(touched) do
        assert(how_to_add.is_named(kind.title, path), "CONTRIBUTING.md does not name " .. path)
      end
    end)
  end

  if os.getenv "MGD_SANITIZE" then -- the copy takes the objects of a plain build
    return
  end

  it("kinds: a copy of the tree with all of them builds, and has them", function()
    if not os.getenv "MGD_LUA" then
      return pending "it is for a build of this tree: make test"
    end
    needs.program "patch"
    local folder = how_to_add.build(KINDS)
    finally(function()
      os.execute(("rm -rf '%s'"):format(folder))
    end)
    for _, kind in ipairs(KINDS) do
      how_to_add.run(folder, kind.script)
    end
  end)
end)
