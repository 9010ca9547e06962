--- What yosys counts in the Verilog of a circuit.

local errors = require "spec.support.errors"
local mgd = require "mgd"

describe("gates of a circuit", function()
  it("are registers of the widths that were asked for, and the adder of a synapse once", function()
    local circuit = mgd.circuit { synapses = 12, register_bits = 7, weight_bits = 10,
      counter_bits = 4, cost_bits = 9 }
    local gates = circuit:gates()
    assert.equal(10 + 4, gates.synapse.flip_flops)
    assert.equal(12, gates.source.flip_flops) -- a tap for each synapse
    assert.equal(1, gates.source_per_synapse.flip_flops)
    assert.equal(2 * 9, gates.cost_unit.flip_flops)
    assert.equal(32 + 2 + 1, gates.registers.flip_flops) -- STEPS, PHASE, BUSY
    -- Adder 8 (the three lowest bits take no part), next weight 10, counter 4, and a few more: two
    -- adders would take 18 and more beside these.
    assert.is_true(gates.synapse.luts > 22 and gates.synapse.luts < 40, tostring(gates))
    assert.is_true(gates.synapse.gates > 4 * gates.synapse.luts, tostring(gates))
    local chip = gates.chip
    for _, column in ipairs { "flip_flops", "luts", "carries", "gates" } do
      assert.equal(12 * gates.synapse[column] + gates.source[column] + gates.cost_unit[column]
        + gates.registers[column], chip[column])
    end
    errors.contains(tostring(gates), "sign-sign, lfsr, 12 synapses", "a synapse", "chip of 12")
  end)
end)
