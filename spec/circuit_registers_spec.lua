-- Shift registers of circuits, against the code lfsr.

local mgd = require "mgd"
local registers = require "mgd.circuits.registers"

describe("registers of circuits", function()
  it("show the sequence of the code lfsr", function()
    for m = 2, 24 do
      local slots = math.min(2 ^ m - 1, 500)
      local code = mgd.codes.pattern({ code = "lfsr", bits = m }, { parameters = 2, slots = slots })
      local engine, bits = code:totable(), registers.sequence(m, slots + 1)
      for k = 1, slots do
        assert.equal(1 - 2 * bits[k], engine[k][1])
        assert.equal(1 - 2 * bits[k + 1], engine[k][2])
      end
    end
  end)

  it("have the taps that the sequence follows", function()
    local bits = registers.sequence(15, 1000)
    for k = 16, 1000 do
      local sum = 0
      for _, tap in ipairs(registers.taps(15)) do
        sum = sum + bits[k - tap]
      end
      assert.equal(sum % 2, bits[k])
    end
  end)
end)
