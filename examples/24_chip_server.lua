-- 24_chip_server.lua: one training script, the chip in this process and behind the chip server.
--
-- The chip has imperfections: 8-bit weights, noise, and pulses that write it. Served by a child of
-- this script, on its standard input and output, it is an instrument: it gets the code, the seed
-- and the slot, and returns costs. Both runs end with the same bits. Takes a second.
--
--     build/mgd-lua examples/24_chip_server.lua
--
-- With a port in place of "-", `listen = "127.0.0.1:5025"`, the chip may be on another machine:
-- instrument = "TCPIP::host::5025::SOCKET".

local mgd = require "mgd"
local hw = mgd.hw

local function make_chip()
  local net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" }
  net:init { scheme = "uniform", low = -0.5, high = 0.5, seed = 3 }
  return mgd.chip {
    net = net, seed = 7,
    weights = hw.levels { bits = 8, low = -8, high = 8 },
    output = hw.noise { sigma = 1e-3 },
    update = hw.soft_bounds { dw_min = 0.002, w_min = -8, w_max = 8 },
  }
end

if arg[1] == "serve" then
  mgd.chip.serve { chip = make_chip(), listen = "-" }
  return
end

local function train(chip)
  local run = mgd.train {
    chip = chip, data = mgd.data.xor(), batch = 4, seed = 2,
    perturbation = { code = "walsh", amplitude = 0.1 }, tau_theta = 16, eta = 4,
  }
  local history = run:run { steps = 16000, every = 4000, probes = { "C", "C_tilde" } }
  print(history)
  return run:theta()
end

print "in this process:"
local here = train(make_chip())

print "\nbehind the chip server:"
local chip = mgd.chip { instrument = { "EXEC", arg[-1], arg[0], "serve" } }
print(chip)
local there = train(chip)
chip:close()

print(("\nthe same bits: %s"):format(here:allclose(there, { rtol = 0, atol = 0 })))
