-- What specs of models of hardware ask of devices.

local assert = require "luassert"
local core = require "mgd.core"
local mgd = require "mgd"
local near = require("spec.support.statistics").near

local hw = mgd.hw

local M = {}

-- Devices of a statistical check.
M.N = os.getenv "MGD_SPEC_QUICK" and 2000 or 20000

function M.constant(n, value, dtype)
  return mgd.full({ 1, n }, value, { dtype = dtype or "f64" })
end

-- What n devices make of a value, as a list.
function M.spread(model, value, opts, n)
  return model:apply(M.constant(n or M.N, value), opts):totable()[1]
end

-- What the devices make of a list of values, as a list.
function M.row(model, values, opts, dtype)
  return model:apply(mgd.tensor({ values }, { dtype = dtype or "f64" }), opts):totable()[1]
end

-- The same of several models of one stage.
function M.chain(stages, values, opts)
  local compiled = hw.compile("spec", stages)
  return core.hw.apply(compiled.models, opts or {}, values):totable()
end

function M.all_near(expected, actual, tolerance, what)
  assert.equal(#expected, #actual)
  for i = 1, #expected do
    near(expected[i], actual[i], tolerance * math.max(1, math.abs(expected[i])),
      (what or "element") .. " " .. i)
  end
end

function M.map(list, f)
  local out = {}
  for i, x in ipairs(list) do
    out[i] = f(x, i)
  end
  return out
end

function M.share(list, f)
  local count = 0
  for _, x in ipairs(list) do
    count = count + (f(x) and 1 or 0)
  end
  return count / #list
end

function M.is_share(p, list, f, what)
  near(p, M.share(list, f), 4 * math.sqrt(p * (1 - p) / #list), what)
end

-- Numbers of either type, and values on both sides of every bound.
M.TYPES = { "f64", "f32" }
M.GRID = { -1.5, -1, -0.75, -0.3, -0.01, 0, 0.01, 0.2, 0.5, 0.75, 1, 1.5 }

return M
