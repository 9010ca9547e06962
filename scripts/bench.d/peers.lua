--- Peers: the same task as others would do it, as contenders (see measure.lua).
--
-- A task is {sizes = {I, …, O}, set = data set}: one replica, sigmoids, mse, batch 1, random code,
-- τ_p = τ_x = τ_θ = 1, measured baseline, sgd. Peers in other languages join here: a function of
-- the task that returns a contender, or nil and why it is absent.

local native = require "bench.native"

local peers = {}

peers.AMPLITUDE, peers.ETA = 0.01, 0.05

--- The scalar loop: contenders "scalar C -O2" and "scalar C -O3 native".
function peers.scalar(task)
  local function contender(name, method)
    local run = native.scalar(task.sizes, task.set.x, task.set.y, peers.AMPLITUDE, peers.ETA)
    return {
      name = name,
      time = function(n)
        return run[method](run, n)
      end,
    }
  end
  return contender("scalar C -O2", "o2"), contender("scalar C -O3 native", "native")
end

return peers
