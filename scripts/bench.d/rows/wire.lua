--- w1, w2: a step of training on a chip at the end of a wire, beside the least that an exchange of
-- so many bytes costs.

local contenders = require "contenders"
local core = require "mgd.core"
local mgd = require "mgd"
local native = require "bench.native"

-- At most 1.5 times the bare exchange.
local TARGET = { against = "bare exchange", at_least = 0.667 }

local COUNTED = 200 -- steps, from which the bytes of one are known

-- θ is written and measured at every step, so a step is one exchange.
local function run_of(chip, data)
  return mgd.train { chip = chip, data = data, eta = 1e-3, tau_theta = 1, baseline = "none",
    batch = data.x.shape[1], perturbation = { code = "walsh", amplitude = 0.01 },
    init = { scheme = "uniform", low = -0.05, high = 0.05 } }
end

-- Bytes that go out and come in at a step.
local function bytes_of(chip, run)
  native.advance(run.core, 1) -- samples are sent once
  local before = core.instrument.spent(chip.core, 1)
  native.advance(run.core, COUNTED)
  local after = core.instrument.spent(chip.core, 1)
  return math.floor((after.sent - before.sent) / COUNTED + 0.5),
    math.floor((after.received - before.received) / COUNTED + 0.5)
end

local function bare(pong)
  return {
    name = "bare exchange", per = 1,
    time = function(n)
      return assert(pong:time(n))
    end,
  }
end

local SERVER = [[
local mgd = require "mgd"
mgd.chip.serve { net = mgd.nn.mlp { 2, 2, 1 }, listen = "127.0.0.1:0", threads = 1,
  on_ready = function(address)
    print(address)
    io.stdout:flush()
  end }]]

local PYTHON = [==[
from mgd_chip import serve
serve(parameters=%d, inputs=1, outputs=1, evaluate=lambda theta, x: [theta[:1]],
      stateless=True)]==]

local PARAMETERS = 1000

return {
  {
    id = "w1", unit = "µs", targets = { TARGET },
    title = "2-2-1 behind the chip server, over loopback TCP, θ written at every step; at most "
      .. "1.5 × a bare exchange of as many bytes in C",
    make = function()
      local server = mgd.chip.link { "EXEC", arg[-1], "-e", SERVER }
      local address = server:read():gsub(":", "::")
      local chip = mgd.chip { instrument = "TCPIP::" .. address .. "::SOCKET", ramp = 0 }
      local run = run_of(chip, mgd.data.xor())
      local asked, said = bytes_of(chip, run)
      local step = contenders.engine("a step", run, 1)
      step.owner = server
      return { step, bare(native.tcp_pong(asked, said)) }
    end,
  },
  {
    id = "w2", unit = "µs", targets = { TARGET },
    title = ("%d parameters, a Python program with mgd_chip.py, θ written at every step; at most "
      .. "1.5 × a bare exchange of as many bytes with Python"):format(PARAMETERS),
    make = function()
      local chip = mgd.chip { instrument = { "EXEC", "python3", "-c", PYTHON:format(PARAMETERS) },
        ramp = 0 }
      local run = run_of(chip, { x = mgd.tensor { { 1 } }, y = mgd.tensor { { 1 } } })
      local asked, said = bytes_of(chip, run)
      return { contenders.engine("a step", run, 1),
        bare(native.pipe_pong(asked, said, "python3", "scripts/bench.d/peer_pong.py")) }
    end,
  },
}
