-- The layers of a network that have parameters: what they are called, where they lie in θ, and how
-- options find them.

local mgd = require "mgd"
local parts = require "mgd.networks.parts"
local fails = require("spec.support.errors").fails_here

local nn = mgd.nn

local function conv(channels)
  return nn.conv2d{channels, kernel = 3, padding = 1}
end

-- A nest of every kind, 2×6×6 → 3.
local function nested()
  return nn.sequential{input = {2, 6, 6},
    conv(2), nn.relu(),
    nn.residual{conv(2):named "inner", nn.affine(), nn.concat{conv(1), {conv(1), nn.tanh()}}}
      :named "block",
    nn.maxpool2d(2), nn.reshape{3, 6},
    nn.each_step{nn.dense(4), nn.sigmoid()}:named "steps", nn.dense(3)}
end

local function column(list, name)
  local out = {}
  for i, part in ipairs(list) do
    out[i] = part[name]
  end
  return out
end

local function names(list)
  return table.concat(column(list, "name"), " ")
end

describe("net:parts()", function()
  it("lists the layers with parameters, in the order of θ, through nests", function()
    local net = nested()
    local list = net:parts()
    assert.equal("conv1 inner affine1 conv3 conv4 dense1 dense2", names(list))
    assert.same({1, 2, 3, 4, 5, 6, 7}, column(list, "number"))
    local sizes = {2 * 2 * 9 + 2, 2 * 2 * 9 + 2, 4, 2 * 9 + 1, 2 * 9 + 1, 4 * 6 + 4, 3 * 12 + 3}
    assert.same(sizes, column(list, "parameters"))
    local first = 1
    for i, part in ipairs(list) do
      assert.equal(first, part.first)
      first = first + sizes[i]
    end
    assert.equal(net.num_parameters, first - 1)
    -- Those of steps are not perturbed by node, as one neuron would be at every step.
    assert.same({72, 72, 0, 36, 36, 0, 3}, column(list, "nodes"))
    assert.same({2, 2, nil, 1, 1, 4, 3}, column(list, "outputs"))
  end)

  it("adds up to the nodes of a chip", function()
    local net = nn.sequential{input = {1, 9, 9}, conv(3), nn.relu(), nn.maxpool2d(2), nn.dense(5)}
    local sum = 0
    for _, part in ipairs(net:parts()) do
      sum = sum + part.nodes
    end
    assert.equal(mgd.chip{net = net}.num_nodes, sum)
  end)

  it("prints a line for each", function()
    local net = nn.sequential{input = 3, nn.dense(4):named "first", nn.tanh(), nn.dense(2)}
    local text = tostring(net:parts())
    assert.truthy(text:find "1  first +dense +1 +16 +4 +0")
    assert.truthy(text:find "2  dense2 +dense +17 +10 +2 +0")
    assert.truthy(tostring(net):find("3 → first: dense(4) → tanh → dense(2)", 1, true))
  end)
end)

describe("layer:named", function()
  it("gives a copy that is called so", function()
    local layer = nn.dense(4)
    local first, second = layer:named "first", layer:named "second"
    local net = nn.sequential{input = 3, first, second, layer}
    assert.equal("first second dense3", names(net:parts()))
  end)

  it("refuses what is no name", function()
    for _, name in ipairs{"", "2nd", "a b", "conv-1"} do
      fails("layer:named: expected a name of letters, digits and underscores", function()
        nn.dense(4):named(name)
      end)
    end
    fails("such as \"first\", got number", function() nn.dense(4):named(2) end)
  end)

  it("refuses a name that another layer of the network has", function()
    fails("network: layer 1 (dense) and layer 2 (residual), layer 1 (tanh) are both called 'a'",
      function()
        nn.sequential{input = 3, nn.dense(3):named "a", nn.residual{nn.tanh():named "a"}}
      end)
    fails("layer 1 (dense) is called 'dense2', the name of layer 3 (dense), which got", function()
      nn.sequential{input = 3, nn.dense(3):named "dense2", nn.tanh(), nn.dense(3)}
    end)
  end)

  describe("in files", function()
    local path

    before_each(function()
      path = os.tmpname()
      os.remove(path)
      path = path .. ".json"
    end)
    after_each(function() os.remove(path) end)

    it("survives a checkpoint", function()
      local net = nn.sequential{input = 2, nn.dense(2):named "hidden", nn.sigmoid():named "bend",
        nn.residual{nn.dense(2)}:named "block", nn.dense(1)}
      mgd.train{net = net, data = mgd.data.xor(), eta = 0.1, init = {}}:save(path)
      local again = mgd.resume(path).options.chip.net
      assert.equal("hidden dense2 dense3", names(again:parts()))
      assert.equal(tostring(net), tostring(again))
      assert.same({"block"}, again:parts()[2].within)
    end)

    it("survives a saved experiment", function()
      local net = nn.sequential{input = 2, nn.dense(2):named "hidden", nn.sigmoid(), nn.dense(1)}
      mgd.experiment{name = "named", network = net, data = "xor", seeds = 1, steps = 8, every = 8,
        training = {eta = 0.1, init = {}}}:save(path)
      assert.equal("hidden", mgd.experiment.load(path):resolved().network.layers[1].name)
    end)
  end)
end)

describe("parts.find", function()
  local net = nested()

  local function find(given)
    return names(parts.find("here", net, given))
  end

  it("takes a name, a number, or a list, in the order of θ", function()
    assert.equal("inner", find "inner")
    assert.equal("conv4", find(5))
    assert.equal("conv1 inner dense2", find{"dense2", 1, "inner"})
    assert.equal("", find{})
  end)

  it("takes the name of a nest for all layers in it", function()
    assert.equal("inner affine1 conv3 conv4", find "block")
    assert.equal("dense1 dense2", find{"dense2", "steps"})
  end)

  it("refuses what is no layer with parameters, at the caller's line", function()
    fails("here: no layer with parameters is called 'iner' (did you mean 'inner'?)", find, "iner")
    fails("here: no layer with parameters is called 'xyz' (layers: conv1, inner, block, affine1, "
      .. "conv3, conv4, dense1, steps, dense2)", find, "xyz")
    fails("here: layer 8: the network has 7 with parameters (conv1, inner", find, 8)
    fails("here: layer 1.5: the network has 7 with parameters", find, 1.5)
    fails("here: expected the name or the number of a layer, got boolean", find, {true})
    fails("here: layer 'inner' is named twice", find, {"inner", "block"})
    fails("here: no layers are known here: this chip is a function of θ", function()
      parts.find("here", nil, 1)
    end)
  end)
end)

describe("parts.values", function()
  local net = nn.sequential{input = 3, nn.dense(2):named "a", nn.residual{nn.dense(2)}:named "b",
    nn.dense(2)}

  it("takes a list for all, or values by name", function()
    assert.same({1, 2, 3}, parts.values("here", net, {1, 2, 3}))
    assert.same({5, 0.5, 0.5}, parts.values("here", net, {a = 5}, 0.5))
    assert.same({1, "x", 7}, parts.values("here", net, {b = "x", dense3 = 7}, 1))
  end)

  it("refuses another number of values, and unknown names", function()
    fails("here: 2 numbers: expected 3, one for each layer with parameters (a, dense2, b, dense3)",
      parts.values, "here", net, {1, 2})
    fails("here: no layer with parameters is called 'dense4' (did you mean 'dense2'?)",
      parts.values, "here", net, {dense4 = 2})
    fails("here: layer 'dense2' is named twice", parts.values, "here", net, {b = 2, dense2 = 1})
  end)
end)

describe("options that name layers", function()
  local function xor_net()
    return nn.sequential{input = 2, nn.dense(2):named "hidden", nn.sigmoid(), nn.dense(1)}
      :init{seed = 1}
  end

  local function trained(more)
    local run = mgd.train{net = xor_net(), data = mgd.data.xor(), eta = 0.1, tau_theta = 4,
      perturbation = {code = "walsh", amplitude = 0.01, amplitudes = more.amplitudes},
      signals = more.signals}
    run:run{steps = 12}
    return run:theta():totable()
  end

  it("amplitudes and signals by name are those by number", function()
    assert.same(trained{amplitudes = {1, 3}}, trained{amplitudes = {dense2 = 3}})
    assert.not_same(trained{amplitudes = {3, 1}}, trained{amplitudes = {dense2 = 3}})
    local function signals(layers)
      return {signals = {{outputs = 1, layers = layers}}}
    end
    assert.same(trained(signals(1)), trained(signals "hidden"))
    assert.same(trained(signals{1, 2}), trained(signals{"hidden", "dense2"}))
  end)

  it("say what is wrong with them", function()
    fails("amplitudes: no layer with parameters is called 'dense3' (did you mean 'dense2'?)",
      trained, {amplitudes = {dense3 = 1}})
    fails("amplitudes: option 'layer hidden' must be a number > 0, got 0", trained,
      {amplitudes = {hidden = 0}})
    fails("signals: layers {'dense2', 'hidden'}: expected {first, last}, in the order of θ",
      trained, {signals = {{outputs = 1, layers = {"dense2", "hidden"}}}})
    fails("signals: no layer with parameters is called 'hiden' (did you mean 'hidden'?)", trained,
      {signals = {{outputs = 1, layers = "hiden"}}})
  end)
end)
