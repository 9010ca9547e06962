--- u1, u2, u3, u4: runs that are trained from a recording, and what recording costs.

local contenders = require "contenders"
local mgd = require "mgd"
local native = require "bench.native"
local tasks = require "tasks"

local STEP = 15e-6 -- seconds of a step whose chip is behind a wire, at least
local SHARE = 0.01 -- of it that recording may take

-- A chip with noise and a law of writing.
local function simulated()
  return mgd.chip {
    net = tasks.small_net(tasks.xor()), seed = 1, cost = mgd.hw.noise { sigma = 1e-3 },
    update = mgd.hw.soft_bounds { dw_min = 1e-3 },
  }
end

local function small(replicas)
  return function(extra)
    extra.replicas, extra.tau_theta = replicas, 16
    extra.chip = extra.chip or simulated()
    return tasks.small(tasks.xor(), extra)
  end
end

local function large(extra)
  local opts = tasks.large_options { batch = 64, optimizer = "sgd" }
  for name, value in pairs(extra) do
    opts[name] = value
  end
  opts.net = not opts.chip and opts.net or nil
  return mgd.train(opts)
end

-- The first `steps` of a run from its recording, again and again.
local function replay(make, steps, per)
  local path = os.tmpname()
  make({ record = path }):run { steps = steps, probes = {} }
  local chip, run = mgd.chip.replay(path), nil
  os.remove(path)
  return {
    name = "replay", per = per,
    time = function(n)
      local seconds = 0
      while n > 0 do
        if not run or run.steps_done == steps then
          run = make { chip = chip }
        end
        local piece = math.min(n, steps - run.steps_done)
        seconds = seconds + native.advance(run.core, piece)
        n = n - piece
      end
      return seconds
    end,
  }
end

local function pair(make, steps, per)
  return { replay(make, steps, per), contenders.engine("simulation", make {}, per) }
end

-- A step of 2-2-1 on an ideal chip with and without recording; the same run, so that the difference
-- is what recording costs. The medians of turns that alternate.
local function recording_entries()
  local path, turns, steps = os.tmpname(), 21, 20000
  local run = tasks.small(tasks.xor(), { record = path })
  local plain = tasks.small(tasks.xor())
  run:run { steps = steps, probes = {} }
  run.recording:begin(steps)
  local more = {}
  for i = 1, turns do
    local without = native.advance(plain.core, steps)
    more[i] = (native.advance(run.core, steps) - without) / steps
  end
  run.recording:pause()
  os.remove(path)
  table.sort(more)
  return { { name = "one replica", median = more[(turns + 1) / 2] * 1e9 } }
end

local TARGET = { against = "simulation", at_least = 1 }

return {
  { id = "u1", unit = "ns", targets = { TARGET },
    title = "2-2-1 on XOR, a chip with noise and a law of writing: a step from its recording",
    make = function()
      return pair(small(1), 20000, 1)
    end },
  { id = "u2", unit = "ns", targets = { TARGET }, title = "the same, 256 replicas, per replica",
    make = function()
      return pair(small(256), 500, 256)
    end },
  { id = "u3", unit = "µs", targets = { TARGET },
    title = "784-32-10 without imperfections, batches of 64: a step from its recording",
    make = function()
      return pair(large, 500, 1)
    end },
  { id = "u4", unit = "ns", targets = { { at_most = SHARE * STEP * 1e9 } },
    title = "recording a step; at most 1 % of one of 15 µs, whose chip is behind a wire",
    entries = recording_entries },
}
