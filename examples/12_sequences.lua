-- 12_sequences.lua: a recurrent network that reads images row by row, trained by MGD.
--
-- An image of Fashion-MNIST is a sequence of 28 steps of 28 pixels, one row after the other. A
-- linear state-space layer, s_t = A·s_{t−1} + B·u_t with 32 states, reads it; a small ReLU network
-- tells from the last state what the image shows. MGD perturbs all 3,306 parameters at once, A and
-- B among them: every evaluation runs the whole sequence, from a state of 0, so that a perturbation
-- of A acts at each of its steps. The perturbation (1e-5) and the integration time (64 steps) are
-- those of published work on such networks (O'Loughlin et al. 2025).
--
-- First, G is compared with the gradient of back-propagation through time while it is integrated.
-- Then the network is trained by MGD, to 73 % on the test set (chance: 10 %), and by
-- back-propagation through time with a twentieth of the steps, to 86 %. Takes about 40 seconds on
-- one core.
--
--     build/mgd-lua examples/12_sequences.lua [ssm|elman]
--     STEPS=1e6 build/mgd-lua examples/12_sequences.lua      longer (60,000 without)
--
-- `elman` takes h_t = tanh(Wx·x_t + Wh·h_{t−1} + b) in place of the state-space layer, with random
-- weights in place of HiPPO's memory to begin with: 52 % in as many steps. The same numbers every
-- time, but for the seconds. Leaves the history in out/sequences_history.csv. Ctrl-C
-- ends the training it falls into; the rest goes on with what there is.

local mgd = require "mgd"
local nn = mgd.nn

local LAYER = arg and arg[1] or "ssm"
local STEPS = math.tointeger(tonumber(os.getenv "STEPS" or 60000))
assert(LAYER == "ssm" or LAYER == "elman", "usage: 12_sequences.lua [ssm|elman]")
assert(STEPS and STEPS >= 100, "STEPS must be an integer of at least 100")
local BATCH, TAU_THETA, AMPLITUDE = 128, 64, 1e-5
local ETA = LAYER == "ssm" and 3e-3 or 2e-3

-- True when `work` came to its end, false when Ctrl-C cut it short; other errors go on.
local function finished(work)
  local ok, message = pcall(work)
  if not ok and not tostring(message):find "interrupted" then
    error(message, 0)
  end
  return ok
end

-- ---- data and network ---------------------------------------------------------------------------

local data = mgd.data.fashion_mnist() -- x (60000, 1, 28, 28): rows of 28 pixels
local mean_image = data.x:mean(1) -- inputs around zero: fewer directions in which noise can harm
data.x:sub_(mean_image)
data.test.x:sub_(mean_image)

local net = nn.sequential {
  input = { 28, 28 }, -- T steps of F features: the images as they are
  LAYER == "ssm" and nn.ssm { states = 32 } or nn.elman { 32 },
  nn.dense(32), nn.relu(), nn.dense(10),
}
net:init { scheme = "glorot_normal", seed = 1 } -- A and B of the ssm are HiPPO's under any scheme
local start = net:theta()
print(data)
print(net:plan())

-- ---- G against back-propagation through time ----------------------------------------------------
-- On one batch, with θ held still. For random signs and a cost that is linear within 1e-5,
-- cos(angle) = √(K/(K + P − 1)) after K steps.

local P = net.num_parameters
print "\nangle between G and the gradient of back-propagation through time"
print(("  %14s %12s %12s"):format("integrated for", "measured", "expected"))
for _, steps in ipairs { 64, 1024, math.min(16384, STEPS) } do
  local run = mgd.train { net = net, data = data, cost = "cross_entropy", batch = BATCH,
    perturbation = { amplitude = AMPLITUDE }, baseline = "two-sided", tau_x = steps,
    tau_theta = steps }
  local angle = run:run { steps = steps, probes = { "angle" } }.angle[-1]
  print(("  %8d steps %11.1f° %11.1f°"):format(steps, angle,
    math.deg(math.acos(math.sqrt(steps / (steps + P - 1))))))
end

-- ---- multiplexed gradient descent ---------------------------------------------------------------

local run = mgd.train {
  net = net,
  data = data,
  cost = "cross_entropy",
  batch = BATCH,
  perturbation = { code = "random", amplitude = AMPLITUDE },
  tau_theta = TAU_THETA,
  baseline = "two-sided",
  optimizer = "adam",
  eta = function(step) -- falls to 0 along half a cosine
    return ETA * 0.5 * (1 + math.cos(math.pi * step / STEPS))
  end,
}

print(("\nmultiplexed gradient descent: %d steps of %d images, θ written every %d"):format(STEPS,
  BATCH, TAU_THETA))
finished(function()
  run:run { steps = STEPS, every = math.max(math.floor(STEPS / 10), 1), progress = true }
end)
local history = run.history
print(history)
os.execute "mkdir -p out"
history:save_csv "out/sequences_history.csv"

-- ---- back-propagation through time --------------------------------------------------------------
-- The reference: Adam, too, from the same θ, on batches of as many images.

local steps = math.floor(STEPS / 20)
print(("\nback-propagation through time: %d steps of %d images"):format(steps, BATCH))
net:set_theta(start)
local reference = mgd.backprop {
  net = net, data = data, cost = "cross_entropy", batch = BATCH, shuffle = false,
  optimizer = "adam",
  eta = function(step)
    return 3e-3 * (1 - (step + 1) / steps)
  end,
}
local begin = mgd.clock()
finished(function()
  reference:run { steps = steps, probes = {} }
end)
local seconds, done = mgd.clock() - begin, reference.steps_done
local baseline = reference:evaluate()
net:set_theta(run:theta()) -- the network keeps what MGD has found

-- ---- table --------------------------------------------------------------------------------------

print(("\n  %-28s %12s %18s"):format("rows of " .. data.name, "MGD", "back-propagation"))
for _, line in ipairs {
  { "test accuracy", "%.1f %%", 100 * history.accuracy[-1], 100 * baseline.accuracy },
  { "test cost (cross-entropy)", "%.3f", history.cost[-1], baseline.cost },
  { ("steps of %d images"):format(BATCH), "%d", run.steps_done, done },
  { "wall-clock", "%.1f s", history.wall[-1], seconds },
} do
  print(("  %-28s %12s %18s"):format(line[1], line[2]:format(line[3]), line[2]:format(line[4])))
end
print "\nwritten: out/sequences_history.csv"
