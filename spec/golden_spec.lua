-- Results are kept, bit for bit, whatever is moved in the sources.

local golden = require "spec.support.golden"

describe("the bits of", function()
  local runs, kept = golden.runs(), {}
  for line in io.lines "spec/golden.txt" do
    local digest, name = line:match "^(%x+)  (.+)$"
    kept[name] = digest
  end

  for _, name in ipairs(golden.names(runs)) do
    it(name .. " replica(s) are those in spec/golden.txt", function()
      assert.equal(kept[name], runs[name]())
    end)
  end

  it("all runs are kept, and no others", function()
    assert.same(golden.names(runs), golden.names(kept))
  end)
end)
