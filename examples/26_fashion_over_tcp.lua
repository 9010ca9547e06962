-- 26_fashion_over_tcp.lua: Fashion-MNIST on a chip at the other end of a TCP connection.
--
-- The network of 05_fashion_mnist.lua, 784-32-10, is trained twice by one script: as a chip in
-- this process, and as an instrument behind the chip server, a process of its own. That chip
-- perturbs and costs by itself: images and labels are uploaded once, and then a message asks for
-- as many steps as fit between two writes of θ and brings their costs back. Both runs end with
-- the same bits. Takes about eight seconds; with 60,000 steps, for a test accuracy of 79 %, two
-- minutes.
--
--     build/mgd-lua examples/26_fashion_over_tcp.lua [steps]
--
-- The chip may be on another machine: serve it with listen = "host:5025" and public = true there.

local mgd = require "mgd"

local function make_chip()
  local net = mgd.nn.mlp { 784, 32, 10, activation = "tanh" }
  return mgd.chip { net = net:init { scheme = "glorot_normal", seed = 1 } }
end

if arg[1] == "serve" then
  io.stdout:setvbuf "line"
  mgd.chip.serve { chip = make_chip(), cost = "cross_entropy", listen = "127.0.0.1:0", clients = 1,
    on_ready = function(_, resource) print(resource) end } -- for the process that started it
  return
end

local STEPS = math.tointeger(tonumber(arg[1] or 1600))
local BATCH = 128
local TAU_THETA = 8 -- steps between two writes of θ: one message
assert(STEPS and STEPS > TAU_THETA, "usage: 26_fashion_over_tcp.lua [steps]")

local data = mgd.data.fashion_mnist()
local mean_image = data.x:mean(1)
data.x:sub_(mean_image)
data.test.x:sub_(mean_image)
print(data)

-- The training script, which does not know what kind of chip it has.
local function train(chip)
  local run = mgd.train {
    chip = chip, data = data, cost = "cross_entropy", batch = BATCH, tau_x = 1,
    perturbation = { code = "random", amplitude = 1e-3 }, baseline = "two-sided",
    tau_theta = TAU_THETA, optimizer = "adam", eta = { "cosine", 1e-2, steps = STEPS },
  }
  local function seconds_of(steps)
    local begin = mgd.clock()
    run:run { steps = steps, probes = { "C", "C_tilde" }, progress = true }
    return mgd.clock() - begin
  end
  local first, rest = seconds_of(TAU_THETA), seconds_of(STEPS - TAU_THETA)
  return { theta = run:theta(), first = first, rest = rest, accuracy = run:evaluate().accuracy }
end

print(("\nin this process: %d steps of %d images"):format(STEPS, BATCH))
local here = train(make_chip())

print "\nbehind TCP:"
local server = mgd.chip.link({ "EXEC", arg[-1], arg[0], "serve" }, { timeout = 30 })
local chip = mgd.chip { instrument = server:read() }
print(chip)
local there = train(chip)
print(chip:timing())
chip:close()
server:close()

print(("\n%-32s %14s %10s"):format("", "this process", "TCP"))
print(("%-32s %12.2f %% %8.2f %%"):format("test accuracy", 100 * here.accuracy,
  100 * there.accuracy))
print(("%-32s %12.2f s %8.2f s"):format("first window, with the upload", here.first, there.first))
print(("%-32s %12.2f s %8.2f s, ratio %.2f"):format("all others", here.rest, there.rest,
  there.rest / here.rest))
print(("the same bits: %s"):format(here.theta:allclose(there.theta, { rtol = 0, atol = 0 })))
