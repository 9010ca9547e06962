--- Pools: stateless chips that share out the work of one, with the bits of one; workers that die,
-- hang, fail or plan to end.

local errors = require "spec.support.errors"
local fakes = require "spec.support.fakes"
local mgd = require "mgd"
local tables = require "spec.support.train"
local texts = require "spec.support.texts"
local workers = require "spec.support.workers"

local fails, options = errors.fails, tables.options

local RUN = {data = workers.SEVEN, batch = 3, eta = 0.5, tau_theta = 4, seed = 5,
  perturbation = {code = "walsh", amplitude = 0.02},
  init = {scheme = "uniform", low = -1, high = 1}}

-- Seconds that a worker has to start and to answer; those of sanitizers are slow.
local PATIENT = os.getenv "MGD_SANITIZE" and 10 or 1

-- Numbers as text, in which nan is nan.
local function digits(tensor)
  local out = {}
  for i, value in ipairs(tensor:reshape{-1}:totable()) do
    out[i] = ("%.17g"):format(value)
  end
  return table.concat(out, " ")
end

-- All that a run says.
local function trained(chip, changes, steps)
  local run = mgd.train(options(options(RUN, {chip = chip}), changes))
  local history = run:run{steps = steps or 16, every = 8,
    probes = {"C", "C_tilde", "cost", "angle"}}
  return {theta = digits(run:theta()), C = digits(history.C), cost = digits(history.cost),
    tilde = digits(history.C_tilde), angle = digits(history.angle)}, run
end

local function in_pool(count, changes, own)
  local out
  workers.with(count, own or {}, function(chip)
    out = trained(chip, changes)
  end)
  return out
end

describe("a pool has the bits of one chip", function()
  local variants = {
    {"with a measured baseline", {}},
    {"two-sided, with more chips than points", {baseline = "two-sided", tau_theta = 1}},
    {"without a baseline, on the whole set", {baseline = "none", batch = 7, shuffle = false}},
    {"of several replicas", {replicas = 3}},
  }
  for _, variant in ipairs(variants) do
    it(variant[1], function()
      local expected = in_pool(1, variant[2])
      for _, count in ipairs{2, 5} do
        assert.same(expected, in_pool(count, variant[2]))
      end
    end)
  end

  it("where it keeps fewer samples than there are", function()
    local expected = in_pool(1)
    assert.same(expected, in_pool(3, {}, {more = "samples = 2,"}))
  end)
end)

-- ---- workers that end ---------------------------------------------------------------------------

-- Lua of a worker: `what` once, in the first of them, at its n-th evaluation.
local function once(n, what)
  return ([[
    local mark = arg[0] .. ".mark"
    if count == %d and arg[1] == "1" and not io.open(mark) then
      io.open(mark, "w"):close()
      %s
    end]]):format(n, what)
end

-- What a run says whose workers do something `once`, and on how many of them; what is printed is
-- dropped.
local function disturbed(before, own, changes)
  local out
  workers.with(2, options({before = before}, own), function(chip, path)
    out = trained(chip, changes)
    out.reconnections = chip:timing().reconnections
    os.remove(path .. ".mark")
  end)
  return out
end

local KILL = 'core.process.kill(core.process.pid(), "kill") core.process.wait({}, 10)'
local HANG = "core.process.wait({}, 30)"

describe("a worker", function()
  local expected = in_pool(1)

  local function assert_same(out)
    out.reconnections = nil
    assert.same(expected, out)
  end

  it("that is killed in the middle changes no bit", function()
    for _, n in ipairs{1, 25} do
      local out = disturbed(once(n, KILL))
      assert.equal(1, out.reconnections, n)
      assert_same(out)
    end
  end)

  it("that hangs is started again", function()
    local out = disturbed(once(20, HANG), {chip = {timeout = PATIENT}})
    assert.equal(1, out.reconnections)
    assert_same(out)
  end)

  it("may end by itself, as often as it plans to", function()
    local out = disturbed("if count == 15 then core.process.leave(0) end", {chip = {patience = 0}})
    assert.truthy(out.reconnections > 2)
    assert_same(out)
  end)

  it("that plans to end is not talked about", function()
    local path = workers.script "if count == 10 then core.process.leave(0) end"
    local out = tables.subprocess(([[
      local mgd = require "mgd"
      local worker = {"EXEC", %q, %q}
      local chip = mgd.chip{instrument = {worker, worker}, dialect = "lines", terminator = "\n"}
      mgd.train{chip = chip, data = mgd.data.xor(), eta = 0.5,
        init = {scheme = "uniform", low = -1, high = 1}}:run{steps = 40}
      print(chip:timing().reconnections > 2)
      chip:close()]]):format(tables.mgd_lua, path))
    os.remove(path)
    assert.equal("true\n", out)
  end)

  it("that dies over and over ends the run, which says how", function()
    workers.with(2, {before = [[
      for _, row in ipairs(x:totable()) do
        if row[1] < 0 then core.process.leave(7) end
      end]]}, function(chip)
      fails("the program ended with status 7", trained, chip)
      fails("the program ended with status 7", trained, chip)
    end)
  end)
end)

-- ---- what is asked ------------------------------------------------------------------------------

describe("a chip whose replicas differ", function()
  local TWO = {data = {x = mgd.tensor{{1, 0}, {0, 1}}, y = mgd.tensor{{1}, {0}}}, batch = 2,
    shuffle = false, seed = 9, replicas = 2, replica = 7,
    perturbation = {code = "walsh", amplitude = 0.1}}

  -- Requests to measure of a run of one step and of what is evaluated afterwards.
  local function asked(words)
    local chip, seen = fakes.chip{
      DESC = "OK parameters=2 inputs=2 outputs=1 samples=100 stateless=1" .. words}
    local run = mgd.train(options(TWO, {chip = chip}))
    run:run{steps = 1}
    local steps = #seen
    run:evaluate()
    run:predict(TWO.data.x)
    local out = {{}, {}}
    for i, line in ipairs(seen) do
      if line:find "^RUN" then
        table.insert(out[i > steps and 2 or 1], line)
      end
    end
    chip:close()
    return out[1], out[2]
  end

  it("is asked for the outputs of each", function()
    local steps, sets = asked ""
    for i, number in ipairs{7, 7, 8, 8} do -- θ, and θ + θ̃
      assert.equal(("RUN outputs 0 %d 0 1 0 0,1"):format(number), steps[#steps - 4 + i])
    end
    for i, number in ipairs{7, 8, 7, 8} do
      assert.equal(("RUN outputs 0 %d 0 1 0 2,3"):format(number), sets[i])
    end
    assert.equal(4, #sets)
  end)

  it("measures with its noise, of which evaluations have none", function()
    local steps, sets = asked " noisy=1 halves=1"
    for i, words in ipairs{"7 0 1 0 0,1 +.", "7 0 1 0 0,1 .+", "8 0 1 0 0,1 +.",
      "8 0 1 0 0,1 .+"} do
      assert.equal("RUN none 9 " .. words, steps[#steps - 4 + i])
    end
    assert.equal("RUN outputs 0 7 0 1 0 2,3", sets[1])
  end)
end)

-- ---- anything at all ----------------------------------------------------------------------------

-- A worker without the library, y = θ₁·x₁ + θ₂·x₂, which does something else now and then: arg[1]
-- and how often it was started, in the file arg[2], say what and when; rate 0: never.
local HOSTILE = [[
  local file = io.open(arg[2], "a+")
  file:write "."
  file:flush()
  local state, rate = tonumber(arg[1]) + 7919 * file:seek "end", tonumber(arg[3])
  file:close()
  local function random(n)
    state = state * 16807 % 2147483647
    return state % n + 1
  end
  local function numbers(text)
    local out = {}
    for word in text:gmatch "[^,]+" do
      out[#out + 1] = tonumber(word)
    end
    return out
  end
  local theta, x = {0, 0}, {}
  local answers = {
    ID = function() return "OK acme,hostile,0,1" end,
    DESC = function() return "OK parameters=2 inputs=2 outputs=1 samples=100 stateless=1" end,
    SAFE = function() return "OK" end,
    DATA = function(words)
      local first, rows = words:match "^(%d+) (%S+)"
      for i, value in ipairs(numbers(rows)) do
        x[2 * first + i] = value
      end
      return "OK"
    end,
    WRITE = function(words)
      theta = words == "" and theta or numbers(words)
      return words == "" and ("OK %.17g,%.17g"):format(theta[1], theta[2]) or "OK"
    end,
    RUN = function(words)
      local out = {}
      for i, k in ipairs(numbers(words:match "(%S+)$")) do
        out[i] = ("%.17g"):format(theta[1] * x[2 * k + 1] + theta[2] * x[2 * k + 2])
      end
      return "OK " .. table.concat(out, ",")
    end,
  }
  local ways = {
    function() os.exit(3) end,
    function() os.exit(0) end,
    function(answer) return answer .. "\n" .. answer end,
    function(answer) io.write(answer:sub(1, #answer / 2)) os.exit(1) end,
    function() return "\1\2\3" end,
    function(answer) return answer .. ",1" end,
    function() return "OK" end,
    function() return ("OK 1,"):rep(3000) end,
    function() end,
  }
  for line in io.lines() do
    local verb, words = line:match "^(%S+) ?(.*)$"
    local answer = answers[verb](words)
    if rate > 0 and (verb == "RUN" or verb == "DATA") and random(rate) == 1 then
      answer = ways[random(#ways)](answer)
    end
    if answer then
      io.write(answer, "\n")
    end
    io.flush()
  end
]]

describe("workers that do anything at all", function()
  local FOUR = {data = {x = mgd.tensor{{1, 0}, {0, 1}, {0.5, 2}, {-1, 0.3}},
    y = mgd.tensor{{1}, {0}, {0.25}, {1}}}, batch = 3, eta = 0.1, tau_theta = 4,
    perturbation = {code = "walsh", amplitude = 0.1}}

  -- θ and costs of a run; where it failed the error.
  local function converse(count, seed, rate)
    local script, starts = os.tmpname(), os.tmpname()
    texts.write(script, HOSTILE)
    local places = {}
    for k = 1, count do
      places[k] = {"EXEC", tables.mgd_lua, script, tostring(seed * 100 + k), starts,
        tostring(rate)}
    end
    local chip = mgd.chip{instrument = places, dialect = "lines", terminator = "\n", ramp = 0,
      timeout = PATIENT / 2, patience = 1, limit = 4096}
    local run = mgd.train(options(FOUR, {chip = chip}))
    local ok, why = pcall(run.run, run, {steps = 40, every = 8, probes = {"C", "cost", "angle"}})
    local history = run.history
    local out = ok and {digits(run:theta()), digits(history.C), digits(history.cost),
      digits(history.angle)}
    pcall(chip.close, chip)
    os.remove(script)
    os.remove(starts)
    return out, why
  end

  it("end the run with a message, or change no bit of it", function()
    local expected = converse(1, 1, 0)
    local whole = 0
    for seed = 1, 6 do
      local out, why = converse(3, seed, seed % 3 == 0 and 12 or 60)
      if out then
        assert.same(expected, out, seed)
        whole = whole + 1
      else
        assert.equal("string", type(why))
      end
    end
    assert.truthy(whole > 0)
  end)
end)
