--- l1 to l3: node perturbation beside parameter perturbation in the same run.

local contenders = require "contenders"
local tasks = require "tasks"

-- At most 1.5 times the step with parameters.
local TARGET = { against = "parameters", at_least = 0.667 }

local function pair(make)
  return {
    contenders.engine("nodes", make { perturb = "nodes" }),
    contenders.engine("parameters", make {}),
  }
end

return {
  {
    id = "l1", unit = "ms", targets = { TARGET },
    title = "CNN of Fashion-MNIST, batch 1000, one thread: a step that perturbs nodes; at most "
      .. "1.5 × one that perturbs parameters",
    make = function()
      return pair(function(extra)
        return tasks.convolution(tasks.fashion, extra)
      end)
    end,
  },
  {
    id = "l2", unit = "µs",
    title = "784-32-10, batch 128, one thread: the same, measured baseline, sgd",
    make = function()
      return pair(function(extra)
        extra.baseline, extra.optimizer = "measured", "sgd"
        return tasks.large(extra)
      end)
    end,
  },
  {
    id = "l3", unit = "ms", targets = { TARGET },
    title = "CNN of Fashion-MNIST, batch 128, one thread, the last two layers learn from kept "
      .. "features: a step of gated nodes; at most 1.5 × one with parameters",
    make = function()
      local function learning(extra)
        extra.batch, extra.learn = 128, { "conv3", "dense1" }
        return tasks.convolution(tasks.fashion, extra)
      end
      return {
        contenders.engine("gated nodes", learning { perturb = "nodes", gate = true }),
        contenders.engine("nodes", learning { perturb = "nodes" }),
        contenders.engine("parameters", learning {}),
      }
    end,
  },
}
