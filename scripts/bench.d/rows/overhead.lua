--- e, f: what Lua and the start of the interpreter cost.

local contenders = require "contenders"
local native = require "bench.native"
local tasks = require "tasks"

local function lua_and_c()
  local run = tasks.small(tasks.xor()) -- one for both: not even the addresses differ
  return {
    {
      name = "run:run",
      time = function(n)
        local begin = native.processor_time()
        run:run { steps = n }
        return native.processor_time() - begin
      end,
    },
    {
      name = "mgd_run_advance",
      time = function(n)
        return (select(2, native.advance(run.core, n)))
      end,
    },
  }
end

local function programs()
  local program = contenders.program
  local list = {
    program('mgd-lua -e ""', arg[-1], "-e", ""),
    program("mgd-lua -e 'require \"mgd\"'", arg[-1], "-e", 'require "mgd"'),
  }
  for _, stock in ipairs { "lua5.4", "lua" } do
    if native.spawn(stock, "-e", 'os.exit(_VERSION == "Lua 5.4")') then
      table.insert(list, program(stock .. ' -e ""', stock, "-e", ""))
      break
    end
  end
  return list
end

return {
  {
    id = "e1", title = "2-2-1 on XOR, one replica: a step from Lua and from C, processor time",
    unit = "ns", more_rounds = 16, share = 0.5,
    targets = { { against = "mgd_run_advance", at_least = 0.99 } },
    make = lua_and_c,
  },
  {
    id = "e2", title = "a call of run:run for no steps, its probes included", unit = "µs",
    make = function()
      local run = tasks.small(tasks.xor())
      return {
        contenders.clocked("run:run{steps = 0}", function()
          run:run { steps = 0 }
        end),
      }
    end,
  },
  {
    id = "f", title = "start-up of the interpreter, to the end of the process", unit = "ms",
    targets = { { against = 'mgd-lua -e ""', below = 15 } },
    make = programs,
  },
}
