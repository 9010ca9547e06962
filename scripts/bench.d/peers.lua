--- Peers: the same tasks as others would do them, as contenders (see measure.lua).
--
-- Small tasks are one replica, sigmoids, mse, batch 1, random code, τ_p = τ_x = τ_θ = 1, measured
-- baseline, sgd. A peer that is not there is a contender whose time is nil and why.

local native = require "bench.native"

local peers = {
  AMPLITUDE = 0.01,
  ETA = 0.05,
  versions = {}, -- of those that were started, each once
}

local PYTHONS = { "python3", "/usr/bin/python3" } -- packages serve the system's own
local SCRIPT = "scripts/bench.d/peers.py"

--- The scalar loop: contenders "scalar C -O2" and "scalar C -O3 native".
-- @tparam table task {sizes = {I, …, O}, set = data set}
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

--- The scalar loop for images: a step of `batch` of them, of which a whole one has `whole`.
-- @tparam table shape {side =, channels = {…}, widths = {…}, two_sided = 0 or 1}
-- @tparam table set data set
-- @tparam tensor theta where it starts, (P)
function peers.scalar_image(shape, set, theta, batch, whole)
  shape.batch = batch
  local function contender(name, method)
    local run = native.image(shape, set.x, set.y, theta, 0.001, 0.001)
    return {
      name = name,
      per = batch / whole,
      time = function(n)
        return run[method](run, n)
      end,
    }
  end
  return contender("scalar C -O2", "o2"), contender("scalar C -O3 native", "native")
end

local function note(version)
  for _, noted in ipairs(peers.versions) do
    if noted == version then
      return
    end
  end
  table.insert(peers.versions, version)
end

-- A child by the first Python that has the library, or nil and why there is none.
local function start(library, ...)
  local reason
  for _, python in ipairs(PYTHONS) do
    local child, why = native.child(python, SCRIPT, library, "1", ...)
    local hello
    if child then
      hello, why = child:request "hello"
    end
    local version = hello and hello:match "^ready (.*)"
    if version then
      note(version)
      return child
    end
    reason = hello and hello:gsub("^absent: ", "") or why
  end
  return nil, reason
end

-- Contenders on one thread, by one child that starts when it is first asked.
local function served(name, library, ...)
  local options = { ... }
  local child, absent
  local function seconds(request)
    if not child and not absent then
      child, absent = start(library, table.unpack(options))
    end
    if not child then
      return nil, absent
    end
    local answer, why = child:request(request)
    return tonumber(answer), why or answer
  end
  return function(task, per, qualifier)
    return {
      name = name .. (qualifier or ""),
      per = per,
      time = function(n)
        return seconds(("%s %d"):format(task, n))
      end,
    }
  end
end

--- Tasks of peers.py by these libraries: peers.numpy(task, units in a piece, end of the name).
peers.numpy = served("NumPy", "numpy")
peers.torch = served("PyTorch", "torch")
peers.torch_default_malloc = served("PyTorch, default malloc", "torch", "--default-malloc")

return peers
