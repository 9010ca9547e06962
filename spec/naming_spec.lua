-- Misspelt names, methods called with a dot and functions called with a colon.

local mgd = require "mgd"
local naming = require "mgd.base.naming"
local idx_files = require "spec.support.idx_files"
local texts = require "spec.support.texts"
local train = require "spec.support.train"

local fails = train.fails

local net = mgd.nn.mlp { 2, 2, 1 }
local chip, data = mgd.chip { net = net }, mgd.data.xor()
local run = mgd.train { net = net, data = data }
local history = run:run { steps = 2 }
local experiment = mgd.experiment { name = "e", network = { 2, 2, 1 }, data = "xor", steps = 5 }
local store = mgd.store()
local t = mgd.ones { 2, 2 }

describe("a word is near to", function()
  it("a name with few other letters, one that begins so, one of whose parts it is", function()
    assert.equal("accuracy", naming.nearest("acuracy", { "cost", "accuracy" }))
    assert.equal("steps_done", naming.nearest("steps", { "core", "steps_done" }))
    assert.equal("num_parameters", naming.nearest("parameters", { "core", "num_parameters" }))
    assert.is_nil(naming.nearest("colour", { "cost", "accuracy" }))
  end)

  it("nothing, where all names are listed", function()
    assert.equal(" (did you mean 'cost'?)", naming.hint("cots", { "cost", "step" }, "it has"))
    assert.equal(" (it has: cost, step)", naming.hint("colour", { "cost", "step" }, "it has"))
    assert.equal(" (it has none)", naming.hint("colour", {}, "it has", "it has none"))
    assert.equal("", naming.hint(7, { "cost" }))
  end)
end)

describe("a misspelt name is an error that says what was meant, of", function()
  local cases = {
    ["mgd has no 'tran' (did you mean 'train'?)"] = { mgd, "tran" },
    ["mgd has no 'repot' (did you mean 'report'?)"] = { mgd, "repot" },
    ["mgd.hw has no 'levls' (did you mean 'levels'?)"] = { mgd.hw, "levls" },
    ["mgd.hw.presets has no 'reram' (did you mean"] = { mgd.hw.presets, "reram" },
    ["mgd.data has no 'xr' (did you mean 'xor'?)"] = { mgd.data, "xr" },
    ["mgd.nn has no 'mpl' (did you mean 'mlp'?)"] = { mgd.nn, "mpl" },
    ["mgd.stats has no 'meen' (did you mean 'mean'?)"] = { mgd.stats, "meen" },
    ["mgd.plot has no 'histroy' (did you mean 'history'?)"] = { mgd.plot, "histroy" },
    ["run has no 'steps' (did you mean 'steps_done'?)"] = { run, "steps" },
    ["run has no 'evalute' (did you mean 'evaluate'?)"] = { run, "evalute" },
    ["history has no 'acuracy' (did you mean 'accuracy'?)"] = { history, "acuracy" },
    ["history has no 'costs' (did you mean 'cost'?)"] = { history, "costs" },
    ["network has no 'parameters' (did you mean 'num_parameters'?)"] = { net, "parameters" },
    ["layer has no 'output' (did you mean 'outputs'?)"] = { net.layers[1], "output" },
    ["chip has no 'num_parameter' (did you mean 'num_parameters'?)"] = { chip, "num_parameter" },
    ["dataset has no 'fingerpint' (did you mean 'fingerprint'?)"] = { data, "fingerpint" },
    ["experiment has no 'hsh' (did you mean 'hash'?)"] = { experiment, "hsh" },
    ["store has no 'querry' (did you mean 'query'?)"] = { store, "querry" },
    ["figure has no 'safe' (did you mean 'save'?)"] = { mgd.plot { { y = { 1, 2 } } }, "safe" },
    ["model has no 'aply' (did you mean 'apply'?)"] = { mgd.hw.levels { bits = 3 }, "aply" },
    ["result has no 'hihg' (did you mean 'high'?)"] = { mgd.stats.success(1, 2), "hihg" },
    ["tensor has no 'mena' (did you mean 'mean'?)"] = { t, "mena" },
    ["tensor has no 'shap' (did you mean 'shape'?)"] = { t, "shap" },
  }
  for message, case in pairs(cases) do
    it(message:match "^%S+" .. "." .. case[2], function()
      fails(message, function() return case[1][case[2]] end)
    end)
  end

  it("the line on which it stands", function()
    local _, message = pcall(function()
      local nothing = history.acuracy
      return nothing
    end)
    assert.truthy(message:find("^[^:]*naming_spec.lua:%d+: history has no"), message)
  end)
end)

describe("a name without a value is nil where", function()
  it("a probe was not taken, an option not given", function()
    assert.is_nil(history.angle)
    assert.is_nil(data.test)
    assert.is_nil(mgd.train { net = net, data = data }.history)
    assert.is_nil(mgd.chip { parameters = 1, evaluate = function() end }.net)
  end)

  it("it is agreed for later", function()
    assert.is_nil(mgd.mpi)
    assert.is_nil(mgd.ffi)
    assert.is_nil(mgd.gsl)
  end)

  it("it is no name: a number, or what other libraries look at objects by", function()
    for _, object in ipairs { mgd, mgd.nn, run, history, net, experiment } do
      assert.is_nil(object[1])
      assert.is_nil(object.__pairs)
      assert.is_nil(object._class)
      assert.is_nil(object["no name"])
      assert.is_nil(object[0.5])
      assert.is_nil(object[true])
      assert.is_nil(rawget(object, "colour"))
      for key in pairs(object) do
        assert.is_not_nil(key)
      end
      next(object)
    end
    assert.is_nil(t.__pairs)
  end)

  it("assertions look at an object", function()
    assert.are_not.equal(run, history)
    assert.are_not.same(net, chip)
    assert.are.same(mgd.hw.levels { bits = 3 }, mgd.hw.levels { bits = 3 })
  end)
end)

describe("an unknown name", function()
  it("raises in a script that lies in a folder that is called as such a library", function()
    local folder = idx_files.folder()
    os.execute(("mkdir -p '%s/pl/busted'"):format(folder))
    local path = folder .. "/pl/busted/script.lua"
    texts.write(path, "local history = ...\nreturn history.costs\n")
    fails("script.lua:2: history has no 'costs' (did you mean 'cost'?)", loadfile(path), history)
    os.execute(("rm -r '%s'"):format(folder))
  end)
end)

describe("a method called with a dot", function()
  local function says(message, f)
    fails(message, f)
  end

  it("says so, and how it is called", function()
    says("run.run: call it with a colon, run:run{…}", function() return run.run { steps = 1 } end)
    says("run.theta: call it with a colon, run:theta()", function() return run.theta() end)
    says("network.forward: call it with a colon, network:forward(…)", function()
      return net.forward(t)
    end)
    says("store.query: call it with a colon, store:query{…}", function() return store.query {} end)
    says('figure.save: call it with a colon, figure:save "…"', function()
      return mgd.plot { { y = { 1, 2 } } }.save "x.svg"
    end)
    says("history.quantile: call it with a colon, history:quantile(…)", function()
      return history.quantile("cost", 0.5)
    end)
    says("dataset.subset: call it with a colon", function() return data.subset { last = 1 } end)
    says("experiment.with: call it with a colon", function() return experiment.with {} end)
    says("model.apply: call it with a colon", function()
      return mgd.hw.levels { bits = 3 }.apply(t)
    end)
  end)

  it("says so of tensors", function()
    says("sum: expected a tensor, got no value: call it with a colon, tensor:sum(…)", function()
      return t.sum()
    end)
    says("call it with a colon, tensor:reshape(…)", function() return t.reshape { 4 } end)
    says("call it with a colon, tensor:exp_(…)", function() return t.exp_() end)
    says("call it with a colon, tensor:add(…)", function() return t.add(t) end)
    says("call it with a colon, tensor:add_(…)", function() return t.add_(1) end)
    says("call it with a colon, tensor:save(…)", function() return t.save "x.npy" end)
  end)

  it("is right where the object comes first", function()
    assert.equal(9, run.theta(run).size)
    assert.equal(4, t.sum(t))
  end)
end)

describe("a function called with a colon", function()
  it("says so, and how it is called", function()
    fails("mgd:train: call it with a dot, mgd.train{…}", function() return mgd:train {} end)
    fails("mgd.nn:mlp: call it with a dot, mgd.nn.mlp{…}", function()
      return mgd.nn:mlp { 2, 2, 1 }
    end)
    fails("mgd.stats:mean: call it with a dot, mgd.stats.mean(…)", function()
      return mgd.stats:mean(t)
    end)
    fails("mgd:store: call it with a dot, mgd.store", function() return mgd:store() end)
    fails("mgd:chip: call it with a dot, mgd.chip{…}", function() return mgd:chip { net = net } end)
    fails("mgd:zeros: call it with a dot, mgd.zeros{…}", function() return mgd:zeros { 2 } end)
    fails("mgd:finite_difference: call it with a dot, mgd.finite_difference{…}", function()
      return mgd:finite_difference {}
    end)
    fails("mgd.hw:levels: call it with a dot", function() return mgd.hw:levels { bits = 3 } end)
    fails("mgd.data:xor: call it with a dot, mgd.data.xor()", function()
      return mgd.data:xor()
    end)
  end)
end)

describe("an object given as another option", function()
  it("names the option to which it belongs", function()
    fails("option 'chip' must be a chip, got a network (did you mean net = …?)", mgd.train,
      { chip = net, data = data })
    fails("option 'net' must be a network, got a chip (did you mean chip = …?)", mgd.train,
      { net = chip, data = data })
    fails("option 'data' must be a data set or a table, got a network (did you mean net = …?)",
      mgd.train, { data = net })
    fails("option 'chip' must be a chip, got a network (did you mean net = …?)", mgd.advise,
      { chip = net, data = data })
    fails("option 'net' must be a network, got chip", mgd.chip, { net = chip })
    fails("option 'chip' must be a chip, got a network (did you mean network = …?)",
      mgd.experiment, { name = "e", chip = net, data = "xor", steps = 1 })
    fails("option 'network' must be a network, got a chip (did you mean chip = …?)",
      mgd.experiment, { name = "e", network = chip, data = "xor", steps = 1 })
  end)

  it("or that it is no table of options", function()
    fails("expected a table of options, got network (did you mean {net = …}?)", mgd.train, net)
    fails("expected a table of options, got network (did you mean {net = …}?)", mgd.chip, net)
    fails("expected a table of options, got chip", mgd.nn.mlp, chip)
  end)
end)
