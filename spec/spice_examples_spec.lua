-- The examples of netlists learn what they say, and plain ngspice agrees with what they learnt.

local example = require "spec.support.example"

local shows = example.shows

-- Rows that end in a class, further columns, the chip's output and that of `ngspice -b`.
local function agrees_with_ngspice(text)
  local rows = 0
  for class, chip, plain in text:gmatch "\n[^\n]* ([01]) [^\n]-(%S+)  (%d%.%d+e[-+]%d+)" do
    chip, plain = tonumber(chip), tonumber(plain)
    assert.near(chip, plain, 2e-6) -- six digits of one, six places of the other
    assert.equal(tonumber(class), plain > 0.5 and 1 or 0)
    rows = rows + 1
  end
  assert.equal(4, rows, text)
end

describe("example", function()
  setup(example.setup)
  teardown(example.teardown)

  it("28_spice_xor learns XOR, and plain ngspice computes it", function()
    local text = shows("28_spice_xor.lua", {
      "elements    11 V, 3 B",
      "inputs      vx1 = 2·x %-1, vx2 = 2·x %-1",
      "2000 +16000 +%S+ +0%.00[0-2]%d+ +1\n",
      "written: out/xor_00",
    })
    agrees_with_ngspice(text)
  end)

  it("29_spice_devices learns XOR in logarithms of resistors", function()
    local text = shows("29_spice_devices.lua", {
      "elements    58 R, 4 V, 1 I, 16 M",
      "r1p_x1 +100000 Ω +10000 … 1e%+06, log",
      "ln R +1 of  1 +[1-5]%d%d ",
      "\nR +[01] of  1",
    }, "SEEDS=1")
    agrees_with_ngspice(text)
  end)

  it("30_spice_spread shows chips that differ trained one by one", function()
    local text = shows("30_spice_spread.lua", {
      "as drawn: cost 0%.00[01]%d+ after 600 steps",
      "20 mV +of the netlist, copied to all +0 +%d of 4",
      "20 mV +then trained chip by chip +50 +%d of 4",
      "20 mV +trained chip by chip from random +20 +%d of 4",
    }, "CHIPS=4 STEPS=20")
    local copied = text:match "40 mV +of [^\n]- of 4 +([%d.]+)"
    local trained = text:match "40 mV +then [^\n]- of 4 +([%d.]+)"
    assert.is_true(tonumber(trained) < 0.5 * tonumber(copied), text) -- 0.02 of it
  end)

  it("31_spice_transient waits as long as the advisor says", function()
    shows("31_spice_transient.lua", {
      "the advisor, of a transient of 1000 ns: [2-7]%d%d ns are enough",
      "1000 ns +0%.%d+",
      "60 ns +0%.%d+",
    }, "STEPS=4")
  end)

  it("35_self_learning_spice learns XOR in ngspice as in the engine", function()
    local text = shows("35_self_learning_spice.lua", {
      "τ_leak +100 ms",
      "\n +1 +0%.00[45]%d+ +4%d%d%d +0%.00[45]%d+ +4%d%d%d +0%.0[012]%d +0%.0%d%d\n",
      "learnt: 1 of 1 by ngspice, 1 of 1 by the engine",
    }, "SEEDS=1 CLOCKS=4800")
    assert.is_truthy(text:find("written: out/self_learning.svg", 1, true))
  end)
end)
