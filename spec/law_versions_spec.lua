-- Versions of laws: what was begun under another version of a model's law does not go on, whatever
-- it was kept in, and says which model, which version it was made with and which there is here.

local core = require "mgd.core"
local json = require "mgd.text.json"
local mgd = require "mgd"
local hw = mgd.hw
local write = require("mgd.base.files").write

-- What `body` returns while the laws of some models have other versions.
local function with_versions(versions, body)
  local before = {}
  for name, version in pairs(versions) do
    before[name] = hw.known(name).version
    hw.known(name).version = version
  end
  local results = { pcall(body) }
  for name in pairs(versions) do
    hw.known(name).version = before[name]
  end
  assert(results[1], results[2])
  return results[2]
end

local OLDER = "made with version 1 of the law of hw.noise, which is version 2 here and computes "
  .. "something else: begin again, or go on with the mgd-lua that made it"
local NEWER = "made with version 2 of the law of hw.noise, which is version 1 here and computes "
  .. "something else: begin again, or go on with a newer mgd-lua"

-- The message of `body` under a version of the law of hw.noise.
local function message_under(version, body)
  return with_versions({ noise = version }, function()
    local ok, message = pcall(body)
    assert.is_false(ok, "it went on")
    return message
  end)
end

local function says(part, version, body)
  local message = message_under(version, body)
  assert.is_truthy(message:find(part, 1, true), message)
  assert.is_truthy(message:find "^[^\n]-law_versions_spec.lua:%d+: ", message)
end

local function noisy(opts)
  opts = opts or {}
  opts.net = mgd.nn.mlp { 2, 2, 1 }
  opts.cost = { hw.noise { sigma = 0.01 } }
  return mgd.chip(opts)
end

local function trained(chip, opts)
  opts = opts or {}
  opts.chip, opts.data, opts.threads = chip, mgd.data.xor(), 1
  return mgd.train(opts)
end

local function experiment(name)
  return mgd.experiment { name = name or "noisy", network = { 2, 2, 1 }, data = "xor", steps = 8,
    every = 4, chip = { cost = { name = "noise", params = { sigma = 0.01 } } } }
end

local path
before_each(function()
  path = os.tmpname()
end)
after_each(function()
  os.remove(path)
end)

describe("the version of a law", function()
  it("stands in a description where it is above 1", function()
    local model = hw.noise { sigma = 0.1 }
    assert.is_nil(model:describe().version)
    assert.equal(2, with_versions({ noise = 2 }, function()
      return model:describe().version
    end))
  end)

  it("is 1 in a description that says none", function()
    local plain = hw.noise { sigma = 0.1 }:describe()
    assert.is_true(hw.is_model(hw.restore(plain)))
    with_versions({ noise = 2 }, function()
      local model, reason = hw.restore(plain)
      assert.is_nil(model)
      assert.equal(OLDER, reason)
    end)
  end)

  it("changes neither hash nor text of what has no changed model", function()
    local exp = experiment()
    local hash, text = exp.hash, json.encode(exp:resolved())
    with_versions({ constant_step = 2 }, function()
      assert.equal(hash, experiment().hash)
      assert.equal(text, json.encode(experiment():resolved()))
    end)
    with_versions({ noise = 2 }, function()
      assert.not_equal(hash, experiment().hash)
    end)
  end)
end)

describe("another version of a law refuses", function()
  it("a checkpoint, with its file", function()
    trained(noisy()):save(path)
    says("mgd.resume: " .. path .. ": " .. OLDER, 2, function()
      return mgd.resume(path)
    end)
    assert.equal(0, mgd.resume(path).steps_done)
  end)

  it("a checkpoint of a newer one", function()
    with_versions({ noise = 2 }, function()
      trained(noisy()):save(path)
      assert.equal(0, mgd.resume(path).steps_done)
    end)
    says(NEWER, 1, function()
      return mgd.resume(path)
    end)
  end)

  it("a checkpoint that is forged to have another one", function()
    trained(noisy()):save(path)
    local text, entries = core.checkpoint.read(path)
    local saved, names, tensors = json.decode(text), {}, {}
    for i, entry in ipairs(entries) do
      names[i], tensors[i] = entry[1], entry[2]
    end
    for version, words in pairs { [0] = "version 0", [3] = "version 3", ["two"] = "version two" } do
      saved.chip.stages.cost[1].version = version
      core.checkpoint.write(path, json.encode(saved), names, tensors)
      says("made with " .. words .. " of the law of hw.noise, which is version 1 here", nil,
        function()
          return mgd.resume(path)
        end)
    end
  end)

  it("a checkpoint of a law of writing", function()
    trained(mgd.chip { net = mgd.nn.mlp { 2, 2, 1 }, update = hw.soft_bounds {} }):save(path)
    local version = hw.known("soft_bounds").version
    with_versions({ soft_bounds = version + 1 }, function()
      local ok, message = pcall(mgd.resume, path)
      assert.is_false(ok)
      assert.is_truthy(message:find(("version %d of the law of hw.soft_bounds"):format(version), 1,
        true), message)
    end)
  end)

  it("a checkpoint that is given a chip with the changed model, and no other chip", function()
    trained(noisy()):save(path)
    says(OLDER, 2, function()
      return mgd.resume(path, { chip = noisy() })
    end)
    with_versions({ noise = 2 }, function()
      local quiet = mgd.chip { net = mgd.nn.mlp { 2, 2, 1 }, output = hw.s_shape { strength = 1 } }
      assert.equal(0, mgd.resume(path, { chip = quiet }).steps_done)
    end)
  end)

  it("a checkpoint of a chip with a function in Lua", function()
    local twice = hw.define { name = "spec_twice", stage = "output", apply = function(values)
      return values * 2
    end }
    trained(noisy { output = twice {} }):save(path)
    assert.equal(0, mgd.resume(path, { chip = noisy { output = twice {} } }).steps_done)
    says(OLDER, 2, function()
      return mgd.resume(path, { chip = noisy { output = twice {} } })
    end)
    with_versions({ noise = 2 }, function()
      trained(noisy { output = twice {} }):save(path)
      assert.equal(0, mgd.resume(path, { chip = noisy { output = twice {} } }).steps_done)
    end)
    says(NEWER, nil, function()
      return mgd.resume(path, { chip = noisy { output = twice {} } })
    end)
  end)

  it("a recording", function()
    os.remove(path)
    trained(noisy(), { record = path }):run { steps = 4 }
    says("mgd.chip.replay: " .. path .. ": " .. OLDER, 2, function()
      return mgd.chip.replay(path)
    end)
    os.remove(path)
    with_versions({ noise = 2 }, function()
      trained(noisy(), { record = path }):run { steps = 4 }
      assert.equal(4, mgd.chip.replay(path).replays.last)
    end)
    says(NEWER, nil, function()
      return mgd.chip.replay(path)
    end)
  end)
end)

describe("an experiment in a file", function()
  for _, ending in ipairs { ".lua", ".json" } do
    it("that was saved is refused under another version: " .. ending, function()
      local name = path .. ending
      experiment():save(name)
      assert.equal(experiment(), mgd.experiment.load(name))
      says("stage 'cost': " .. OLDER .. "; a model without 'version' is by the present law", 2,
        function()
          return mgd.experiment.load(name)
        end)
      with_versions({ noise = 2 }, function()
        experiment():save(name)
        assert.equal(experiment(), mgd.experiment.load(name))
      end)
      says(NEWER, nil, function()
        return mgd.experiment.load(name)
      end)
      os.remove(name)
    end)
  end

  it("that somebody wrote means the present law, unless it says another", function()
    local name = path .. ".lua"
    local text = [[return { name = "noisy", network = {2, 2, 1}, data = "xor", steps = 8, every = 4,
      chip = { cost = { { name = "noise", params = { sigma = 0.01 }%s } } } }]]
    write("spec", name, text:format "")
    with_versions({ noise = 2 }, function()
      assert.equal(experiment().hash, mgd.experiment.load(name).hash)
    end)
    write("spec", name, text:format ", version = 1")
    assert.equal(experiment().hash, mgd.experiment.load(name).hash)
    says(OLDER, 2, function()
      return mgd.experiment.load(name)
    end)
    os.remove(name)
  end)

  it("keeps the present law where a parameter of it is changed", function()
    with_versions({ noise = 2 }, function()
      local exp = experiment():with { ["cost.noise"] = 0.1, ["output.noise"] = 0.2 }
      assert.equal(2, exp:resolved().chip.cost[1].version)
      assert.equal(2, exp:resolved().chip.output[1].version)
    end)
  end)
end)

describe("a store whose runs were made under another version of a law", function()
  local store
  before_each(function()
    store = mgd.store ":memory:"
  end)
  after_each(function()
    store:close()
  end)

  it("takes no more runs of such an experiment, under its name", function()
    experiment():run { store = store, threads = 1 }
    says("store: :memory: holds an experiment named 'noisy' that was " .. OLDER
      .. "; give this one a name of its own, by exp:with{name = …}", 2, function()
        return experiment():run { store = store, threads = 1 }
      end)
    with_versions({ noise = 2 }, function()
      experiment "again":run { store = store, threads = 1 }
    end)
    says("holds an experiment named 'again' that was " .. NEWER, nil, function()
      return experiment "again":run { store = store, threads = 1 }
    end)
  end)

  it("makes no such experiment again, and still reads its results", function()
    experiment():run { store = store, threads = 1 }
    says("store:experiment: 'noisy' was " .. OLDER
      .. "; store:query and store:summary still read its results", 2, function()
        return store:experiment "noisy"
      end)
    with_versions({ noise = 2 }, function()
      assert.equal(1, store:summary("noisy").runs)
      assert.equal(1, #store:query { where = { ["cost.noise.sigma"] = 0.01 } }.steps)
    end)
  end)

  it("neither goes on with such a sweep nor shows it as the present one", function()
    local function sweep(name)
      return mgd.sweep { name = name, base = experiment(), store = store,
        grid = { ["training.eta"] = { 0.1, 0.2 } } }
    end
    local options = { workers = 1, threads = 1 }
    sweep "eta":run(options)
    local refusal = "the store has a sweep named 'eta' that was " .. OLDER
      .. "; give this one a name of its own"
    says("sweep:run: " .. refusal, 2, function()
      return sweep "eta":run(options)
    end)
    says("sweep:result: " .. refusal, 2, function()
      return sweep "eta":result()
    end)
    with_versions({ noise = 2 }, function()
      sweep "present":run(options)
      assert.equal(2, #sweep "present":result().points)
    end)
    says("a sweep named 'present' that was " .. NEWER, nil, function()
      return sweep "present":run(options)
    end)
    assert.equal(2, #sweep "eta":result().points)
  end)
end)
