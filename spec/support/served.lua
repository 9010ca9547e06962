-- Chips behind servers, for specs: in this process, or in a child at a port.

local core = require "mgd.core"
local mgd = require "mgd"
local serve = require "mgd.hardware.serve"
local tables = require "spec.support.train"

local M = {}

--- A server in this process: function(line) → its answer, without its end; nil where there is none.
function M.here(opts)
  local server = serve.open(opts)
  local function ask(line)
    local answer = server:take(line .. "\n")
    return answer ~= "" and answer:gsub("\n$", "") or nil
  end
  return ask, server
end

--- The numbers of an answer.
function M.numbers(answer)
  local out = {}
  for word in assert(answer:match "^OK (.*)$", answer):gmatch "[^,]+" do
    out[#out + 1] = tonumber(word)
  end
  return out
end

--- Numbers as the small protocol has them.
function M.words(list)
  local out = {}
  for i, value in ipairs(list) do
    out[i] = ("%.17g"):format(value)
  end
  return table.concat(out, ",")
end

--- A server in a child: calls f(address, pid), then ends it.
function M.child(opts, f)
  local path = os.tmpname()
  local pid = core.process.fork()
  if pid == 0 then
    local own = tables.options(opts, { on_ready = function(address)
      local file = io.open(path .. ".new", "w")
      file:write(address)
      file:close()
      os.rename(path .. ".new", path)
    end })
    local ok, why = pcall(mgd.chip.serve, own)
    if not ok and not why:find "interrupted" then
      io.stderr:write("child: ", tostring(why), "\n")
    end
    core.process.leave(ok and 0 or 99)
  end
  local address, until_time = "", mgd.clock() + 20
  while address == "" and mgd.clock() < until_time do
    local file = assert(io.open(path))
    address = file:read "*a"
    file:close()
    core.process.wait({}, 0.01)
  end
  local ok, why = pcall(f, address, pid)
  core.process.kill(pid, "kill")
  core.process.wait({ pid }, 20)
  os.remove(path)
  if not ok then
    error(why, 0)
  end
end

return M
