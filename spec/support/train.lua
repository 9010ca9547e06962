-- What the specs of training runs share.

local assert = require "luassert"
local core = require "mgd.core"
local errors = require "spec.support.errors"
local mgd = require "mgd"
local mgd_lua = os.getenv "MGD_LUA" or arg[-1]

local support = { mgd_lua = mgd_lua, fails = errors.fails, fails_here = errors.fails_here }

function support.options(base, changes)
  local out = {}
  for _, source in ipairs {base, changes or {}} do
    for key, value in pairs(source) do
      out[key] = value
    end
  end
  return out
end

-- Runs a script in a fresh interpreter; all that it prints, stderr included.
function support.subprocess(script, environment)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(script)
  file:close()
  local pipe = assert(io.popen(("%s '%s' %s 2>&1"):format(environment or "", mgd_lua, path)))
  local out = pipe:read "*a"
  pipe:close()
  os.remove(path)
  return out
end

-- Runs a script once for each instruction set of this machine: it prints the same each time, which
-- is so many hashes, a line each.
function support.same_on_every_isa(count, script)
  local _, available = core.base.isa()
  local expected
  for _, isa in ipairs(available) do
    local out = support.subprocess(script, "MGD_ISA=" .. isa)
    expected = expected or out
    assert.equal(count, select(2, out:gsub("%x+\n", "")), out)
    assert.equal(expected, out)
  end
end

-- A chip y = θ₁ that returns `value(k)` at its k-th evaluation where that is not nil.
function support.counting_chip(value)
  local calls = 0
  return mgd.chip{parameters = 1, evaluate = function(theta, x)
    calls = calls + 1
    local special = value and value(calls)
    return mgd.full({x.shape[1], 1}, special or theta[1])
  end}, function() return calls end
end

-- The text of a flag of an advice; nil where it has none of that name.
function support.flag(advice, name)
  for _, entry in ipairs(advice.flags) do
    if entry.name == name then
      return entry.text
    end
  end
end

-- One sample: x = 0, y = 1.
support.ONE = {x = mgd.zeros{1, 1}, y = mgd.ones{1, 1}}

return support
