-- 28_spice_xor.lua: a netlist learns XOR, and plain ngspice confirms it.
--
-- The chip is a file, examples/spice/xor_behavioural.cir: two hidden units and an output, made of
-- behavioural sources, and nine voltage sources for the weights. Nothing here knows what is in it.
-- The script names the sources that MGD trains, the two that are the inputs, and the node that is
-- the output; ngspice finds an operating point for each evaluation. At the end
-- the netlist is written with the values that it has learnt, and `ngspice -b` computes XOR by
-- itself. Takes about two seconds.
--
--     build/mgd-lua examples/28_spice_xor.lua [seed]
--
-- Needs ngspice's shared library (Debian: libngspice0); the last part the program ngspice.

local mgd = require "mgd"

local chip = mgd.chip {
  spice = "examples/spice/xor_behavioural.cir",
  parameters = { "vw*", "vb*" },
  inputs = { "vx1", "vx2" },
  scale = 2, offset = -1, -- the features 0 and 1 are −1 V and 1 V
  outputs = { "y" },
  ranges = { -10, 10 },   -- V: what θ from −1 to 1 stands for
}
print(chip)

local data = mgd.data.xor()
local run = mgd.train {
  chip = chip,
  data = data,
  batch = 4,
  baseline = "two-sided",
  perturbation = { code = "random", amplitude = 0.01 }, -- of the range's half: 0.1 V
  eta = 0.02,
  init = { scheme = "uniform", low = -0.03, high = 0.03 },
  seed = tonumber(arg[1]) or 1,
}
print(run:run { steps = 2000, every = 200, probes = { "cost", "accuracy" } })
print(chip:timing())

-- ---- the same circuit without mgd ---------------------------------------------------------------

-- What plain ngspice prints for a netlist.
local function by_ngspice(file, netlist)
  local f = assert(io.open(file, "w"))
  f:write(netlist)
  f:close()
  local pipe = io.popen("ngspice -b " .. file .. " 2>/dev/null")
  local printed = pipe:read "*a":match "Index.-\n0%s+(%S+)"
  pipe:close()
  return printed or "not installed"
end

os.execute "mkdir -p out"
print "\n    x1   x2   XOR   chip      ngspice -b"
for i = 1, 4 do
  local x = data.x[{ { i, i } }]
  local file = ("out/xor_%.0f%.0f.cir"):format(x[1][1], x[1][2])
  print(("%5.0f %4.0f %5.0f   %.6f  %s"):format(x[1][1], x[1][2], data.y[i][1],
    run:predict(x)[1][1], by_ngspice(file, chip:netlist(run:theta(), { x = x }))))
end
print "written: out/xor_00.cir … out/xor_11.cir"
chip:close()
