--- Experiments in files: the same bits again, in files that others can read.

local mgd = require "mgd"
local support = require "spec.support.train"

local fails = support.fails
local hw, nn = mgd.hw, mgd.nn

local function base(changes)
  local opt = {
    name = "xor", data = "xor", network = { 2, 2, 1 }, steps = 60, every = 20,
    training = { eta = 0.5, perturbation = { code = "walsh", amplitude = 0.05 } }, seeds = 2,
  }
  for key, value in pairs(changes or {}) do
    opt[key] = value
  end
  return mgd.experiment(opt)
end

local function theta(exp)
  return exp:run({ threads = 1 }).run:theta():totable()
end

local SAVED = {
  layers = { network = { input = 2, nn.dense(4), nn.relu(), nn.residual { nn.dense(4), nn.tanh() },
    nn.dense(1) } },
  ["a tensor of amplitudes"] = { training = { perturbation = { code = "random", amplitude = 0.1,
    amplitudes = mgd.tensor({ 1, 2, 3, 4, 5, 6, 7, 8, 1 / 3 }, { dtype = "f32" }) } } },
  ["amplitudes of layers"] = { training = { perturbation = { code = "random", amplitude = 0.1,
    amplitudes = { 1, 0.1 } } } },
  schedules = { training = { eta = { "cosine", 0.1, steps = 60 }, perturbation = {
    code = "random", amplitude = { "exponential", 0.1, factor = 0.5, every = 30 } } } },
  ["chips with infinities and tables"] = { chip = { seed = 2, clock = { dt = 1e-6 },
    perturbation = hw.path { slew = 1e9 }, cost = hw.path { bandwidth = math.huge },
    weights = hw.levels { table = { -1, 0, 1 }, of = "sum" },
    output = hw.adc { bits = 4, low = -2, high = 2 } } },
  signals = { network = { 49, 4, 4 }, data = mgd.data.nist7x7():subset { first = 1, last = 50 },
    training = { signals = "outputs", perturbation = { amplitude = 0.1 } } },
  nodes = { training = { perturb = "nodes", perturbation = { code = "random", amplitude = 0.1 } } },
  ["the analog engine"] = { training = { engine = "analog", tau_theta = 5, tau_x = 5, tau_hp = 3,
    perturbation = { code = "sine", amplitude = 0.1 } } },
  ["odd names"] = { name = 'a "b"\n\\c\r end \0 ü' },
  ["words of Lua for names"] = { name = "end", probes = {}, every = "log" },
  ["large seeds"] = { training = { seed = 2 ^ 52 + 1, perturbation = { amplitude = 0.1 } } },
}

describe("an experiment in a file", function()
  local path

  before_each(function()
    path = os.tmpname()
  end)

  after_each(function()
    for _, ending in ipairs { "", ".lua", ".json" } do
      os.remove(path .. ending)
    end
  end)

  local function write(text)
    local file = assert(io.open(path .. ".lua", "wb"))
    file:write(text)
    file:close()
    return path .. ".lua"
  end

  for what, changes in pairs(SAVED) do
    it("is the same and runs the same: " .. what, function()
      local exp = base(changes)
      for _, ending in ipairs { ".lua", ".json" } do
        exp:save(path .. ending)
        local again = mgd.experiment.load(path .. ending)
        assert.is_true(again == exp)
        assert.equal(exp.hash, again.hash)
        assert.same(theta(exp), theta(again))
        again:save(path .. ending) -- over itself
        assert.is_true(mgd.experiment.load(path .. ending) == exp)
      end
    end)
  end

  -- The file of an experiment, changed by f.
  local function altered(ending, f)
    base():save(path .. ending)
    local file = assert(io.open(path .. ending, "rb"))
    local text = f(file:read "*a")
    file:close()
    file = assert(io.open(path .. ending, "wb"))
    file:write(text)
    file:close()
    return path .. ending
  end

  it("may begin with a byte order mark, and have line ends of all kinds", function()
    for _, ending in ipairs { ".lua", ".json" } do
      local file = altered(ending, function(text)
        return "\239\187\191" .. text:gsub("\n", "\r\n")
      end)
      assert.is_true(mgd.experiment.load(file) == base())
    end
  end)

  it("may begin with a line for the shell, in Lua", function()
    assert.is_true(mgd.experiment.load(altered(".lua", function(text)
      return "\239\187\191#!/usr/bin/env mgd-lua\n" .. text
    end)) == base())
    fails(path .. ".lua:2:", mgd.experiment.load, write "#!/bin/lua\nreturn {")
  end)

  it("is UTF-8", function()
    for _, ending in ipairs { ".lua", ".json" } do
      fails(path .. ending .. ": this is UTF-16 text: save it as UTF-8", mgd.experiment.load,
        altered(ending, function(text)
          return "\255\254" .. text:gsub(".", "%0\0")
        end))
    end
  end)

  it("has its name as it was written, beyond U+FFFF too", function()
    local names = {}
    for i, escape in ipairs { "\\ud83d\\udd2c", "\\ud83d\\ude80" } do
      names[i] = mgd.experiment.load(altered(".json", function(text)
        local name = '\n  "name": "xor"'
        local at, stop = text:find(name, 1, true)
        return text:sub(1, at - 1) .. '\n  "name": "lab ' .. escape .. '"' .. text:sub(stop + 1)
      end)).name
    end
    assert.same({ "lab \240\159\148\172", "lab \240\159\154\128" }, names)
  end)

  it("says in which line it is no JSON, and why", function()
    fails(path .. ".json:3: no JSON, at byte ", mgd.experiment.load, altered(".json", function()
      return '{\n"name": "x",\n"steps": 0x10}\n'
    end))
  end)

  it("is JSON by the letter: no words but true, false and null", function()
    base(SAVED["chips with infinities and tables"]):save(path .. ".json")
    local file = io.open(path .. ".json")
    local text = file:read "*a"
    file:close()
    assert.truthy(text:find("1e999", 1, true)) -- a number, which is ∞ as a double
    local rest = text:gsub('"[^"]*"', ""):gsub("%-?%d[%d.]*[eE]?[+-]?%d*", "")
    for word in rest:gmatch "%a+" do
      assert.truthy(word == "true" or word == "false" or word == "null", word)
    end
  end)

  it("stays as it was where the new one cannot be written", function()
    local file = path .. ".json"
    base():save(file)
    local own = base { training = { eta = function() return 1 end,
      perturbation = { amplitude = 0.1 } } }
    fails("training.eta is a function", own.save, own, file)
    assert.is_true(mgd.experiment.load(file) == base())
    fails("/nowhere/x.json", function()
      base():save "/nowhere/x.json"
    end)
  end)

  local DAMAGED = {
    ["return {"] = "<eof>",
    [""] = "returns nothing",
    ["return 3"] = "expected a table of options, got number",
    ["\27Lua"] = jit and "wrong mode" or "attempt to load a binary chunk",
    ["return { name = os.getenv 'HOME' }"] = "global 'os'",
    ["return { name = 'x', data = 'xor', network = {2, 1}, steps = 3, steeps = 4 }"] =
      "unknown option 'steeps' (did you mean 'steps'?)",
    ["return { name = 'x', data = 'xor', network = {2, 1}, steps = 3, training = 4 }"] =
      "option 'training' must be a table, got number",
  }
  for text, message in pairs(DAMAGED) do
    it(("is refused, at the caller's line: %q"):format(text), function()
      local line
      local said = fails(message, function()
        line = debug.getinfo(1, "l").currentline + 1
        local _ = mgd.experiment.load(write(text))
      end)
      assert.truthy(said:find("experiment_files_spec.lua:" .. line .. ": ", 1, true), said)
    end)
  end

  it("is named by a path", function()
    fails("the path must end in .lua or .json, got nil", mgd.experiment.load)
    fails("the path must end in .lua or .json, got x.txt", function()
      base():save "x.txt"
    end)
  end)
end)
