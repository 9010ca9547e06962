--- Instruments when things go wrong: chips that vanish, lie, are slow or never answer; hosts that
-- are interrupted, ended or killed in the middle of a batch.

local core = require "mgd.core"
local mgd = require "mgd"
local errors = require "spec.support.errors"
local fakes = require "spec.support.fakes"
local needs = require "spec.support.needs"
local served = require "spec.support.served"
local tables = require "spec.support.train"
local texts = require "spec.support.texts"

local nn = mgd.nn
local fails, options = errors.fails, tables.options
local fake, USUAL = fakes.chip, fakes.USUAL

local function network()
  local net = nn.mlp{2, 2, 1, activation = "sigmoid", output = "sigmoid"}
  return net:init{scheme = "uniform", low = -1, high = 1, seed = 4}
end

local RUN = {data = mgd.data.xor(), eta = 0.5, tau_theta = 4, seed = 5,
  perturbation = {code = "walsh", amplitude = 0.02}}

local function socket(address)
  return "TCPIP::" .. address:gsub(":", "::") .. "::SOCKET"
end

local function theta_of(chip, steps)
  local run = mgd.train(options(RUN, {chip = chip}))
  run:run{steps = steps}
  return run:theta():totable(), run
end

local TWO = {data = {x = mgd.tensor{{1, 0}, {0, 1}}, y = mgd.tensor{{1}, {0}}},
  perturbation = {code = "walsh", amplitude = 0.1}}

local function run_of(chip, changes)
  return mgd.train(options(options(TWO, {chip = chip}), changes))
end

describe("an instrument by functions", function()
  it("is a chip like any other", function()
    local chip, seen = fake{}
    run_of(chip):run{steps = 4}
    chip:close()
    assert.equal("SAFE", seen[#seen])
  end)

  it("with a law of writing is placed at its safe values, not pulsed there", function()
    local theta = "0,0"
    local chip, seen = fake({
      DESC = "OK parameters=2 inputs=2 outputs=1 samples=100 writes=1",
      WRITE = function(line)
        theta = line:match "^WRITE (%S+)" or theta
        return line == "WRITE" and "OK " .. theta or "OK"
      end,
    }, {safe = 0.5, ramp = 0.04})
    run_of(chip, {tau_theta = 2}):run{steps = 4}
    local trained = #seen
    chip:close()
    local updates = 0
    for i, line in ipairs(seen) do
      local words = select(2, line:gsub("%S+", "")) -- an update says its step and replica
      updates = updates + (line:find "^WRITE " and words == 4 and 1 or 0)
      assert.falsy(i > trained and words == 4)
    end
    assert.equal(2, updates)
    assert.same({"WRITE 0.5,0.5", "SAFE"}, {seen[#seen - 1], seen[#seen]})
  end)

  it("that describes nothing is described by its user", function()
    local chip = fake({DESC = "ERR 1 no such request"},
      {describe = {parameters = 2, inputs = 2, outputs = 1, samples = 9}})
    assert.equal(2, chip.num_parameters)
    fails("no such request", function() fake{DESC = "ERR 1 no such request"} end)
  end)
end)

describe("an answer", function()
  local cases = {
    {"of the wrong number of values", {RUN = "OK 1,2,3"}, "3 numbers: expected 1"},
    {"that is no number", {RUN = "OK many"}, "numbers with commas"},
    {"that is garbage", {RUN = "\1\2\3"}, "expected OK or ERR"},
    {"that never comes", {RUN = function() end}, "expected 1"},
    {"that never ends", {RUN = function() return ("1,"):rep(1e5) end}, "limit", {limit = 10000}},
    {"with a block of 2 GiB", {RUN = "OK #92147483648"}, "length that is allowed",
      {limit = 10000}},
    {"that is an error", {RUN = "ERR 4 the laser is off"}, "the laser is off"},
    {"to WRITE with an error", {WRITE = function(line)
      return line == "WRITE" and "OK 0,0" or "ERR 3 too high"
    end}, "too high"},
  }
  for _, case in ipairs(cases) do
    it(case[1] .. " is reported, and the chip left safe", function()
      local chip, seen = fake(case[2], case[4])
      local run = run_of(chip)
      fails(case[3], function() run:run{steps = 4} end)
      assert.equal(0, run.steps_done)
      assert.equal("SAFE", seen[#seen])
      chip:close()
    end)
  end

  it("that is an error ends advice, too, and the chip is left safe", function()
    local chip, seen = fake{RUN = "ERR 4 the laser is off"}
    fails("the laser is off", mgd.advise, {chip = chip, data = TWO.data})
    assert.equal("SAFE", seen[#seen])
    chip:close()
    fails("mgd.advise: the chip was closed", mgd.advise, {chip = chip, data = TWO.data})
  end)

  it("of a chip that trains by itself is nothing to advise on", function()
    local chip = fake{DESC = "OK parameters=2 inputs=2 outputs=1 costs=1 integrates=1 writes=1"}
    fails("the chip trains by itself", mgd.advise, {chip = chip, data = TWO.data})
    chip:close()
  end)

  it("that is not a number stops the run at its step, with θ as it was", function()
    local count = 0
    local chip = fake{RUN = function(line)
      count = count + 1
      return count > 6 and "OK nan" or USUAL.RUN(line)
    end}
    local run = run_of(chip)
    fails("the cost became nan", function() run:run{steps = 40} end)
    assert.truthy(run:theta():sum() == run:theta():sum())
    chip:close()
  end)

  it("that is late but comes is not taken for another's", function()
    local held, costs = nil, {}
    local chip = fake{RUN = function(line)
      costs[#costs + 1] = line
      if #costs == 3 then
        held = true
        return nil -- lost for good: the request is made again
      end
      return USUAL.RUN(line)
    end}
    local run = run_of(chip, {eta = 0})
    run:run{steps = 6}
    assert.truthy(held)
    assert.equal(6, run.steps_done)
    chip:close()
  end)

  it("that stays the same is said to be no signal", function()
    local chip = fake{}
    local run = run_of(chip)
    run:run{steps = 200}
    assert.truthy(run.warning:find("exactly 0", 1, true))
    chip:close()
  end)
end)

describe("a chip that is lost", function()
  it("is looked for, and the run goes on with nothing counted twice", function()
    local expected, run = theta_of(mgd.chip{net = network()}, 400)
    local path = os.tmpname()
    local function serve(listen)
      local pid = core.process.fork()
      if pid == 0 then
        pcall(mgd.chip.serve, {chip = mgd.chip{net = network()}, listen = listen,
          on_ready = function(address)
            texts.write(path .. ".new", address)
            os.rename(path .. ".new", path)
          end})
        core.process.leave(0)
      end
      local until_time = mgd.clock() + 20
      while texts.read(path) == "" and mgd.clock() < until_time do
        core.process.wait({}, 0.01)
      end
      return pid, texts.read(path)
    end
    local first, address = serve "127.0.0.1:0"
    local chip = mgd.chip{instrument = socket(address), ramp = 0, patience = 20}
    local second
    local wired = mgd.train(options(RUN, {chip = chip}))
    wired:run{steps = 400, every = 100, on_row = function(row)
      if row.step == 200 then
        core.process.kill(first, "kill")
        core.process.wait({first}, 20)
        texts.write(path, "")
        second = serve(address)
      end
    end}
    assert.same(expected, wired:theta():totable())
    assert.equal(run:counters().evaluations, wired:counters().evaluations)
    chip:close()
    core.process.kill(second, "kill")
    core.process.wait({second}, 20)
    os.remove(path)
  end)

  it("for good ends the run, which says so", function()
    served.child({chip = mgd.chip{net = network()}, listen = "127.0.0.1:0"}, function(address, pid)
      local chip = mgd.chip{instrument = socket(address), ramp = 0, patience = 0.3}
      local run = mgd.train(options(RUN, {chip = chip}))
      run:run{steps = 8}
      core.process.kill(pid, "kill")
      core.process.wait({pid}, 20)
      fails(address:match ":(%d+)", function() run:run{steps = 8} end)
      assert.equal(8, run.steps_done)
    end)
  end)
end)

describe("drift", function()
  -- A chip whose outputs move by 0.1 after so many requests.
  local function drifting(after, own)
    local count = 0
    return fake({RUN = function()
      count = count + 1
      return count > after and "OK 0.6" or "OK 0.5"
    end}, own)
  end

  it("stops the run where it is to", function()
    local chip = drifting(20, {watch = {every = 4, tolerance = 0.01}})
    local run = run_of(chip)
    fails("the chip has drifted: at step", function() run:run{steps = 100} end)
    chip:close()
  end)

  it("is taken for granted where it is to", function()
    local chip = drifting(20, {watch = {every = 4, tolerance = 0.01, action = "rebaseline"}})
    run_of(chip):run{steps = 100}
    assert.equal(1, core.instrument.spent(chip.core, 1).drifts)
    chip:close()
  end)
end)

describe("a chip that", function()
  it("is slow but not too slow is waited for", function()
    local chip = fake{RUN = function(line)
      core.process.wait({}, 0.05)
      return USUAL.RUN(line)
    end}
    local run = run_of(chip)
    run:run{steps = 3}
    assert.equal(3, run.steps_done)
    chip:close()
  end)

  it("ends its lines otherwise is found out", function()
    for terminator, name in pairs{["\r\n"] = '"\\r\\n"', ["\n"] = '"\\n"'} do
      local script = ([[
        read_line() {
          IFS= read -r line || exit
          case $line in *"$cr") ;; *) return 1 ;; esac
        }
        cr=$(printf '%s')
        while :; do
          if read_line; then
            case ${line%%"$cr"} in
              ID) echo "OK acme,shell,0,1" ;;
              DESC) echo "OK parameters=1 inputs=1 outputs=1" ;;
              WRITE) echo "OK 0" ;;
              *) echo OK ;;
            esac
          fi
        done]]):format(terminator == "\r\n" and "\\r" or "")
      local chip = mgd.chip{instrument = {"EXEC", "sh", "-c", script}, dialect = "lines"}
      assert.equal(name, chip:about().terminator)
      chip:close()
    end
  end)
end)

-- ---- programs -----------------------------------------------------------------------------------

local PYTHON = [==[
import os, sys
from mgd_chip import serve
count = 0
def evaluate(theta, x):
    global count
    count += 1
    print("spoken in evaluate", count)
    os.system("echo spoken by a child >&1")
    %s
    return [[theta[0] * row[0] + theta[1]] for row in x]
serve(parameters=2, inputs=1, outputs=1, evaluate=evaluate, theta=[0.5, 0.0])
]==]

describe("a program in Python", function()
  local data = {x = mgd.tensor{{0}, {1}}, y = mgd.tensor{{1}, {0}}}

  local function trained(fault)
    local path = os.tmpname()
    texts.write(path, PYTHON:format(fault))
    local chip = mgd.chip{instrument = {"EXEC", "python3", path}, ramp = 0, patience = 20}
    local run = mgd.train{chip = chip, data = data, batch = 2, eta = 0.2, tau_theta = 2,
      perturbation = {code = "walsh", amplitude = 0.1}}
    local ok, why = pcall(run.run, run, {steps = 20})
    local theta = run:theta():totable()
    chip:close()
    os.remove(path)
    os.remove(path .. ".gone")
    return ok, why, theta, run
  end

  it("may print what it likes", function()
    needs.program "python3"
    assert.truthy(trained "pass")
  end)

  it("that raises ends the run with its message, and lives on", function()
    needs.program "python3"
    local ok, why, _, run = trained "if count == 5: raise ValueError('too hot')"
    assert.falsy(ok)
    assert.truthy(why:find("ValueError: too hot", 1, true))
    assert.truthy(run.steps_done < 20)
  end)

  it("that exits is started again, and the run goes on", function()
    needs.program "python3"
    local _, _, expected = trained "pass"
    local ok, why, theta = trained [[if count == 5 and not os.path.exists(__file__ + ".gone"):
        open(__file__ + ".gone", "w").close()
        os._exit(3)]]
    assert.truthy(ok, why)
    assert.same(expected, theta)
  end)
end)

-- ---- hosts that end -----------------------------------------------------------------------------

-- A script in the interpreter that trains for ever on an instrument whose watchdog sleeps, ended by
-- a signal; the θ that the chip has afterwards, and the exit status.
local SCRIPT = [[
  local mgd = require "mgd"
  local chip = mgd.chip{instrument = "%s", safe = 0.25, ramp = 0.2, guard = true}
  local run = mgd.train{chip = chip, data = mgd.data.xor(), eta = 0.5, tau_theta = 4,
    perturbation = {code = "walsh", amplitude = 0.02}}
  run:run{steps = 1e9, every = 100, on_row = function(row)
    if row.step == 200 then
      io.open("%s", "w"):close()
    end
  end}]]

local function ended_by(signal)
  local safe, expected = mgd.full({9}, 0.25), "OK " .. ("0.25,"):rep(9):sub(1, -2)
  served.child({chip = mgd.chip{net = network()}, listen = "127.0.0.1:0", cost = false,
    perturbs = false, safe = safe}, function(address)
    local mark, script = os.tmpname(), os.tmpname()
    os.remove(mark)
    texts.write(script, SCRIPT:format(socket(address), mark))
    local pipe = io.popen(("sh -c 'echo $$; exec %s %s' 2>&1"):format(tables.mgd_lua, script))
    local pid = tonumber(pipe:read "*l")
    local until_time = mgd.clock() + 30
    while not io.open(mark) and mgd.clock() < until_time do
      core.process.wait({}, 0.02)
    end
    core.process.kill(pid, signal)
    pipe:close()
    local theta
    repeat -- until the guard has been there
      local opened, link = pcall(mgd.chip.link, socket(address), {timeout = 2})
      if opened then
        theta = select(2, pcall(link.query, link, "WRITE"))
        link:close()
      end
      core.process.wait({}, 0.2)
    until theta == expected or mgd.clock() > until_time
    assert.equal(expected, theta)
    os.remove(mark)
    os.remove(script)
  end)
end

describe("a host that is asked to end while it ramps", function()
  it("does so when the chip is safe", function()
    served.child({chip = mgd.chip{net = network()}, listen = "127.0.0.1:0", cost = false,
      perturbs = false}, function(address)
      local script = os.tmpname()
      texts.write(script, ([[
        local mgd = require "mgd"
        local process = require("mgd.core").process
        local chip = mgd.chip{instrument = "%s", safe = 0.25, ramp = 0.6, guard = false}
        mgd.train{chip = chip, data = mgd.data.xor(), eta = 0.5, tau_theta = 4,
          perturbation = {code = "walsh", amplitude = 0.02}}:run{steps = 8}
        local host = process.pid()
        if process.fork() == 0 then
          process.wait({}, 0.2)
          process.kill(host, "term")
          process.leave(0)
        end
        chip:safe()
        while true do end]]):format(socket(address)))
      local pipe = io.popen(("sh -c '%s %s; echo $?' 2>/dev/null"):format(tables.mgd_lua, script))
      assert.equal("143\n", pipe:read "*a")
      pipe:close()
      os.remove(script)
    end)
  end)
end)

describe("a host that ends in the middle of a batch leaves the chip in its safe state", function()
  for _, signal in ipairs{"int", "term", "kill"} do
    it("by SIG" .. signal:upper(), function()
      ended_by(signal)
    end)
  end
end)
