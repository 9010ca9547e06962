--- Workers for specs: programs that are stateless chips on their standard input and output.

local mgd = require "mgd"
local options = require "spec.support.train".options
local tables = require "spec.support.train"
local texts = require "spec.support.texts"

local M = {}

M.SEVEN = { x = mgd.tensor { { 0, 0 }, { 0, 1 }, { 1, 0 }, { 1, 1 }, { 0.5, 0 }, { 0, 0.25 },
  { -1, 0.75 } }, y = mgd.tensor { { 0 }, { 1 }, { 1 }, { 0 }, { 1 }, { 0 }, { 1 } } }

-- Of θ, a list of 9, and x (B, 2), as Lua: 2-2-1 of sigmoids.
local OUTPUTS = [[
  return function(mgd, t, x)
    local y = {}
    for i, row in ipairs(x:totable()) do
      local a = t[9]
      for j = 0, 1 do
        local z = t[1 + 3 * j] * row[1] + t[2 + 3 * j] * row[2] + t[3 + 3 * j]
        a = a + t[7 + j] / (1 + math.exp(-z))
      end
      y[i] = { 1 / (1 + math.exp(-a)) }
    end
    return mgd.tensor(y)
  end
]]

--- The outputs of a worker that does as usual.
function M.outputs(t, x)
  return (loadstring or load)(OUTPUTS)()(mgd, t, x)
end

-- `before` is run before each evaluation,
-- with theta (P), x (B, 2) and count, the number of evaluations of this process; where it returns
-- a value, that is the output. arg[1] says which of a pool it is.
local WORKER = [[
  local mgd = require "mgd"
  local core = require "mgd.core"
  local count = 0
  local outputs = (function() %s end)()
  local function before(theta, x)
    %s
  end
  mgd.chip.serve {
    listen = "-", stateless = true, cost = false, perturbs = false, inputs = 2, outputs = 1, %s
    chip = mgd.chip { parameters = 9, evaluate = function(theta, x)
      count = count + 1
      local special = before(theta, x)
      return special and mgd.full({ x.shape[1], 1 }, special) or outputs(mgd, theta:totable(), x)
    end },
  }
]]

--- A script of a worker, at a path that is to be removed.
-- @tparam[opt] string before Lua that is run before each evaluation
-- @tparam[opt] string more options of mgd.chip.serve
function M.script(before, more)
  local path = os.tmpname()
  texts.write(path, WORKER:format(OUTPUTS, before or "", more or ""))
  return path
end

--- Calls f with the chip of so many workers and the path of their script.
function M.with(count, own, f)
  local path = M.script(own.before, own.more)
  local places = {}
  for k = 1, count do
    places[k] = { "EXEC", tables.mgd_lua, path, tostring(k) }
  end
  local chip = mgd.chip(options({ instrument = places, dialect = "lines", terminator = "\n",
    ramp = 0 }, own.chip))
  local ok, why = pcall(f, chip, path)
  pcall(chip.close, chip)
  os.remove(path)
  if not ok then
    error(why, 0)
  end
end

return M
