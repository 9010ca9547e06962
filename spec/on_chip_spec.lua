-- The examples of the chapter on learning circuits run, for a look.

local example = require "spec.support.example"

local shows = example.shows

describe("example", function()
  setup(example.setup)
  teardown(example.teardown)

  it("36_on_chip_map draws widths of registers of both digital circuits", function()
    shows("36_on_chip_map.lua", {
      "XOR +sign%-sign +weight bits +%d+",
      "XOR +accumulator +register bits +%d+",
      "written: out/on%-chip%-xor.svg",
      "letters +accumulator +cost bits +%d+",
      "written: out/on%-chip%-letters.svg",
      "written: out/on%-chip%-gates.svg",
    }, "STEPS=60 XOR=4 LETTERS=2 POINTS=1")
  end)

  it("37_on_chip goes from widths to area, memory, time and energy", function()
    shows("37_on_chip.lua", {
      "sign%-sign on 49%-4%-4, P = 220",
      "bits +12, 3, 16, 14 +8, 2, 10, 9",
      "accuracy after 1000 steps +%% +%d+%.%d +%d+%.%d",
      "memory of a parameter +bits +15 +10",
      "flip%-flops of a synapse +16 +11",
      "gates of a synapse +1%d%d +1%d%d",
      "energy of learning +µJ",
    }, "STEPS=1000")
  end)
end)
