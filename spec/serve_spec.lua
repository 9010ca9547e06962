--- The chip server: what it answers, in all dialects, and that its costs are those of a run in
-- process, bit for bit.

local mgd = require "mgd"
local served = require "spec.support.served"
local support = require "spec.support.train"

local hw, nn = mgd.hw, mgd.nn
local options = support.options
local here, numbers, words = served.here, served.numbers, served.words

local function network(dtype)
  local net = nn.mlp{2, 3, 1, activation = "sigmoid", output = "sigmoid", dtype = dtype}
  net:init{scheme = "uniform", low = -1, high = 1, seed = 4}
  return net
end

-- One model of most kinds, with figures at which it does something; and devices that are written.
local function imperfect(dtype)
  return mgd.chip{
    net = network(dtype), seed = 7,
    weights = {hw.leak{tau = 500, spread = 0.2}, hw.diffusion{sigma = 0.001},
      hw.flicker{sigma = 0.01, f_low = 0.01, f_high = 0.4, relaxations = 3}},
    perturbation = {hw.amplitude{spread = 0.1, mismatch = 0.1}, hw.path{lowpass = 0.4}},
    input = {hw.path{lowpass = {tau = 0.3, poles = 2}}},
    output = {hw.noise{sigma = 0.001}},
    cost = {hw.noise{sigma = 0.01}, hw.path{lowpass = 0.4}},
    update = {hw.soft_bounds{dw_min = 0.01, w_min = -2, w_max = 2, c2c = 0.1}},
  }
end

-- The numbers of a batch of each step, as the small protocol has them: in order.
local function batches(first, steps, batch, samples)
  local out = {}
  for k = 0, steps - 1 do
    local list = {}
    for b = 0, batch - 1 do
      list[b + 1] = ((first + k) * batch + b) % samples
    end
    out[k + 1] = table.concat(list, ",")
  end
  return table.concat(out, "/")
end

local WINDOW, STEPS = 8, 32

-- What a run in process measures at each step, nothing being learnt: C, C̃ and θ at the end.
local function in_process(chip, changes)
  local run = mgd.train(options({chip = chip, data = mgd.data.xor(), shuffle = false, eta = 0,
    tau_theta = WINDOW, seed = 5, replica = 3}, changes))
  local history = run:run{steps = STEPS, every = 1, probes = {"C", "C_tilde"}}
  return history.C:totable(), history.C_tilde:totable(), run:theta():totable()
end

-- The same by requests.
local function by_requests(ask, code, batch)
  local c, c_tilde = {}, {}
  for first = 0, STEPS - 1, WINDOW do
    local costs = numbers(ask(("RUN %s 5 3 %d %d 0.05 %s 0+"):format(code, first, WINDOW,
      batches(first, WINDOW, batch, 4))))
    for k = 1, WINDOW do
      c[first + k] = costs[2 * k]
      c_tilde[first + k] = costs[2 * k] - costs[2 * k - 1]
    end
    local theta = ask "WRITE"
    assert.equal("OK", ask(("WRITE %s %d 3"):format(theta:match "^OK (.*)", first + WINDOW - 1)))
  end
  return c, c_tilde, numbers(ask "WRITE")
end

local function assert_same_bits(make, code, dtype, batch)
  local c, c_tilde, theta = in_process(make(dtype),
    {perturbation = {code = code, amplitude = 0.05}, batch = batch})
  local ask = here{chip = make(dtype), data = mgd.data.xor()}
  local served_c, served_tilde, served_theta = by_requests(ask, code, batch)
  for step = 1, STEPS do
    assert.equal(c[step + 1], served_c[step])
    assert.equal(c_tilde[step + 1], served_tilde[step])
  end
  assert.same(theta, mgd.tensor(served_theta, {dtype = dtype}):totable()) -- 9 digits of an f32
end

local function ideal(dtype)
  return mgd.chip{net = network(dtype)}
end

describe("the chip server measures", function()
  for _, code in ipairs{"walsh", "random", "sequential", "gaussian", "lfsr", "brownian"} do
    it("what a run in process does: " .. code, function()
      assert_same_bits(ideal, code, "f32", 1)
      assert_same_bits(ideal, code, "f64", 3)
    end)
  end

  it("the same bits on a chip that remembers and is written in its own way", function()
    assert_same_bits(imperfect, "random", "f32", 1)
    assert_same_bits(imperfect, "walsh", "f64", 2)
  end)

  it("the same in blocks, whose costs are f64 always", function()
    local ask = here{chip = ideal "f32", data = mgd.data.xor()}
    local text = numbers(ask "RUN walsh 5 3 0 2 0.05 0,1/2,3 +-")
    local block = ask("RUN walsh 5 3 0 2 0.05 #216" .. string.rep("\0", 4) .. "\1\0\0\0"
      .. "\2\0\0\0\3\0\0\0 +-")
    assert.equal(#"OK #232" + 4 * 8, #block)
    for k = 1, 4 do
      assert.equal(text[k], served.double(block, #"OK #232" + 1 + (k - 1) * 8))
    end
  end)

  it("outputs, settled and without noise", function()
    local chip = imperfect "f64"
    local run = mgd.train{chip = chip, data = mgd.data.xor(), seed = 5, eta = 0}
    local ask = here{chip = chip, data = mgd.data.xor()}
    assert.same(run:predict(mgd.data.xor().x):reshape{4}:totable(),
      numbers(ask "RUN outputs 5 1 0 1 0 0,1,2,3"))
  end)

  it("at θ itself, and at a θ̃ that is given", function()
    local ask = here{chip = ideal "f64", data = mgd.data.xor()}
    local theta = numbers(ask "WRITE")
    local cost = numbers(ask "RUN none 1 1 0 1 0 0,1,2,3")[1]
    local given = {}
    for i = 1, #theta do
      given[i], theta[i] = i * 0.01, theta[i] + i * 0.01
    end
    ask(("PAR:PERT (%s)"):format(words(given)))
    local plus = tonumber(ask 'COST? GIVEN,1,1,0,1,1,(@0,1,2,3),"+"')
    assert.equal("OK", ask("WRITE " .. words(theta)))
    assert.equal(plus, numbers(ask "RUN none 1 1 0 1 0 0,1,2,3")[1])
    assert.not_equal(plus, cost)
  end)

  it("outputs where it has no costs, and refuses codes where it does not perturb", function()
    local ask = here{chip = ideal "f64", data = mgd.data.xor(), cost = false, perturbs = false}
    assert.is_nil(ask("DESC"):find "costs=1" or ask("DESC"):find "perturbs=1")
    assert.equal(8, #numbers(ask "RUN none 1 1 0 2 0 0,1,2,3"))
    assert.equal("ERR 3 code walsh is none of this chip's", ask "RUN walsh 1 1 0 1 0.1 0")
  end)
end)

describe("the chip server serves", function()
  it("a chip in Lua, whose errors are answers", function()
    local ask = here{inputs = 1, outputs = 1, chip = mgd.chip{parameters = 1,
      evaluate = function(theta, x)
        if theta[1] > 1 then
          error("too hot", 0)
        end
        return x * theta[1]
      end}}
    assert.equal("OK", ask "DATA 0 1,2 0,0")
    assert.equal("OK", ask "WRITE 0.5")
    assert.equal("OK 0.625", ask "RUN none 0 0 0 1 0 0,1")
    assert.equal("OK", ask "WRITE 2")
    assert.equal("ERR 4 chip: evaluate: too hot", ask "RUN none 0 0 0 1 0 0,1")
    assert.is_nil(ask "COST? none,0,0,0,1,0,(@0)")
    assert.equal('-240,"Hardware error;chip: evaluate: too hot"', ask "SYST:ERR?")
    assert.equal("OK", ask "WRITE 0.25")
    assert.equal("OK 0.25,0.5", ask "RUN outputs 0 0 0 1 0 0,1")
  end)

  it("a cost in Lua", function()
    local ask = here{chip = mgd.chip{parameters = 1, evaluate = function(theta, x)
      return x * theta[1]
    end}, inputs = 1, outputs = 1, cost = function(y, target)
      return (y - target):abs():sum()
    end}
    assert.truthy(ask("DESC"):find "costs=1 cost=own")
    ask "DATA 0 1,2 0,0"
    ask "WRITE 3"
    assert.equal("OK 9", ask "RUN none 0 0 0 1 0 0,1")
  end)

  it("all the dialects on one connection", function()
    local ask = here{net = nn.mlp{1, 1}}
    assert.equal("OK mgd-lua,chip server,0,1.0", ask "ID")
    assert.equal("mgd-lua,chip server,0,1.0", ask "*idn?")
    assert.equal(ask("DESC"):sub(4), ask "chip:describe?")
    assert.equal('0,"No error"', ask ":SYSTEM:ERR?")
    assert.equal("OK", ask "DATA 0 0.5,1 -")
    assert.is_nil(ask "inp:data 1,(2),(3);:PAR:WRIT (2, 0)")
    assert.equal("1,4;2,0", ask "OUTP:DATA? (@0,1);:PAR:WRIT?")
  end)

  it("samples that come later, and only as often as they were sent", function()
    local ask = here{chip = ideal "f64", samples = 3}
    assert.equal("OK", ask "DATA 0 0,0,0,1 0,1")
    assert.equal("OK", ask "DATA 2 1,1 -")
    local before = ask "RUN none 1 1 0 1 0 0,1"
    assert.equal("ERR 3 sample 2 has no target", ask "RUN none 1 1 0 1 0 0,2")
    assert.equal("OK", ask "DATA 2 1,1 0")
    assert.equal(before, ask "RUN none 1 1 0 1 0 0,1")
    assert.equal(2, #numbers(ask "RUN none 1 1 0 2 0 2/2"))
    assert.equal("ERR 3 sample 4 is too many: expected at most 3", ask "DATA 2 1,1,0,0 0,0")
    assert.equal("ERR 3 first must be at most 3, the number of samples so far", ask "DATA 4 1,1 0")
  end)

  it("θ of its safe state, and all as at the start after *RST", function()
    local ask = here{net = nn.mlp{1, 1}, safe = {0.5, -0.5},
      data = {x = {{1}, {2}}, y = {{1}, {2}}}}
    assert.is_nil(ask "PAR:WRIT (1,2);:INP:DATA 0,(7),(7)")
    assert.equal("OK", ask "SAFE")
    assert.equal("OK 0.5,-0.5", ask "WRITE")
    assert.is_nil(ask "*RST;*WAI")
    assert.equal("0,0;0", ask "PAR:WRIT?;:OUTP:DATA? (@0)")
    ask "WRITE 1,0"
    assert.equal("OK 1,2", ask "RUN outputs 0 0 0 1 0 0,1")
  end)

  it("what it says of its parameters", function()
    local ask = here{net = nn.mlp{1, 1}, ranges = {{0, 5}, {1, 1e4, scale = "log"}}, unit = "V",
      resolution = 0.25, identity = "lab,mesh,7,2"}
    assert.truthy(ask("DESC"):find(" ranges=0:5:linear,1:10000:log resolution=0.25 unit=V$"))
    assert.equal("lab,mesh,7,2", ask "*IDN?")
  end)
end)

local ONE, MINUS_TWO = "\0\0\128\63", "\0\0\0\192" -- as f32

describe("the SCPI of the chip server", function()
  local ask

  before_each(function()
    ask = here{net = nn.mlp{1, 1}}
  end)

  it("has what every instrument has", function()
    assert.equal("128;0", ask "*ESR?;*ESR?")
    assert.is_nil(ask "*OPC;*ESE 1")
    assert.equal("32;1;1;0", ask "*STB?;*OPC?;*ESR?;*TST?")
    assert.is_nil(ask "*CLS")
  end)

  it("puts errors into a queue, the oldest first, with their kinds", function()
    ask "*ESR?"
    assert.is_nil(ask "FOO:BAR 1;:PAR:WRIT;:PAR:WRIT (1,x);:OUTP:DATA? (@7)")
    assert.equal('-113,"Undefined header;FOO:BAR"', ask "SYST:ERR?")
    assert.truthy(ask("SYST:ERR:NEXT?"):find '^%-109,"Missing parameter;')
    assert.equal('-100,"Command error;theta: expected a number"', ask "SYST:ERR?")
    assert.truthy(ask("SYST:ERR?"):find '^%-222,"Data out of range;')
    assert.equal('0,"No error"', ask "SYST:ERR?")
    assert.equal("48", ask "*ESR?")
  end)

  it("keeps no more errors than there is room for", function()
    for _ = 1, 40 do
      ask "NO:SUCH"
    end
    for _ = 1, 15 do
      assert.truthy(ask("SYST:ERR?"):find "^%-113")
    end
    assert.equal('-350,"Queue overflow"', ask "SYST:ERR?")
    assert.equal('0,"No error"', ask "SYST:ERR?")
  end)

  it("answers in blocks after FORMat REAL", function()
    assert.is_nil(ask "PAR:WRIT (1,-2);:FORM REAL,32")
    assert.equal("#18" .. ONE .. MINUS_TWO .. ";REAL", ask "PAR:WRIT?;:FORM?")
    assert.is_nil(ask("FORM ASC;:PAR:WRIT #18" .. MINUS_TWO .. ONE))
    assert.equal("-2,1", ask "PAR:WRIT?")
  end)

  it("takes headers on from the one before, and from the root", function()
    assert.equal("0,0;0,0;0,0", ask "PAR:WRIT?;WRIT?;:PARAMETER:WRITE?")
  end)
end)
