-- Checkpoints with a right checksum that no run:save has written: their text and their states are
-- refused with the file's name, at the user's line, before memory is taken for what they claim.

local core = require "mgd.core"
local json = require "mgd.text.json"
local mgd = require "mgd"

local path = os.tmpname()

-- The message of mgd.resume for a checkpoint of `run` whose text and tensors were changed.
local function refused(run, change)
  run:save(path)
  local text, entries = core.checkpoint.read(path)
  local names, tensors, saved = {}, {}, json.decode(text)
  for i, entry in ipairs(entries) do
    names[i], tensors[i] = entry[1], entry[2]
  end
  change(saved, names, tensors)
  core.checkpoint.write(path, json.encode(saved), names, tensors)
  local ok, message = pcall(function() return mgd.resume(path) end)
  os.remove(path)
  assert.is_false(ok)
  assert.is_truthy(message:find("^[^\n]-checkpoint_forged_spec.lua:%d+: mgd.resume: "), message)
  assert.is_truthy(message:find(path, 1, true), message)
  return message
end

local function ideal(opts)
  opts = opts or {}
  opts.net, opts.data, opts.init, opts.threads = mgd.nn.mlp { 2, 3, 1 }, mgd.data.xor(), {}, 1
  return mgd.train(opts)
end

describe("a forged checkpoint is refused", function()
  local function says(part, change, opts)
    local message = refused(ideal(opts), change)
    assert.is_truthy(message:find(part, 1, true), message)
    assert.is_nil(message:find "attempt to" or message:find "bad argument", message)
  end

  it("where parts of its text are of other types", function()
    says("not of this library", function(saved) saved.options.perturbation = true end)
    says("a model 'true', which is unknown",
      function(saved) saved.chip.stages = { weights = { true } } end)
    says("", function(saved) saved.options.eta = { schedule = { true, {} } } end)
    says("", function(saved) saved.chip.input = { "many" } end)
    says("", function(saved) saved.chip.layers = { true } end)
    says("", function(saved) saved.data.recipe = { name = {} } end)
  end)

  it("where its text tells of more than its tensors are", function()
    says("state: theta is 1x13 of f32: expected 3000000x13",
      function(saved) saved.options.replicas = 3e6 end)
    says("theta is 1x13 of f32: expected 1x14", function(saved) saved.chip.parameters = 14 end)
    says("expected shape 900150001", function(saved)
      saved.chip.layers[1] = { kind = "dense", outputs = 30000 }
      table.insert(saved.chip.layers, 2, { kind = "dense", outputs = 30000 })
    end)
  end)

  it("where its data set is another one", function()
    says("mgd.data.parity", function(saved) saved.data.recipe = { name = "parity" } end)
    says("", function(saved)
      saved.data.recipe = { name = "fashion_mnist", options = { path = "/nowhere" } }
    end)
  end)

  it("where its devices are in no possible state", function()
    for _, value in ipairs { 0 / 0, 1e300, -5 } do
      local run = mgd.train { chip = mgd.chip { net = mgd.nn.mlp { 2, 3, 1 },
        update = mgd.hw.soft_bounds { endurance = 100 } }, data = mgd.data.xor(), init = {},
        threads = 1 }
      run:run { steps = 3, probes = {} }
      local message = refused(run, function(_, names, tensors)
        for i, name in ipairs(names) do
          if name == "run.chip" then
            tensors[i] = mgd.full({ 1, tensors[i].shape[2] }, value, { dtype = "f64" })
          end
        end
      end)
      assert.is_truthy(message:find("the devices of replica 1 are in no possible state", 1, true))
    end
  end)
end)
