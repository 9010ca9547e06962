-- The other side of wires, in specs: spec/support/peer.py, or a script of the shell.

local core = require "mgd.core"
local needs = require "spec.support.needs"

local M = {}

local holder, places -- one program is all peers, and ends with this one

local function start()
  places = {}
  holder = require("mgd").chip.link({ "EXEC", needs.python "pty", "spec/support/peer.py" },
    { timeout = 60 })
  for kind, behaviour, place in holder:read():gmatch "(%w+) (%w+) ([^,]+)" do
    places[kind .. " " .. behaviour] = kind == "pty" and "ASRL" .. place
      or ("TCPIP::127.0.0.1::%s::SOCKET"):format(place)
  end
end

--- The address of a peer.
-- @param kind "tcp" or "pty"
-- @param behaviour as peer.py names it
function M.address(kind, behaviour)
  if not places then
    start()
  end
  return assert(places[kind .. " " .. behaviour])
end

--- Calls `use` with a link to such a peer, which is closed then.
function M.with(kind, behaviour, opts, use)
  local link = require("mgd").chip.link(M.address(kind, behaviour), opts)
  local ok, message = pcall(use, link)
  link:close()
  assert(ok, message)
end

--- Whether a process is there, other than as one that waits to be reaped.
function M.is_alive(pid)
  local file = io.open(("/proc/%s/stat"):format(pid))
  local text = file and file:read "*a"
  if file then
    file:close()
  end
  return text ~= nil and text:match "%) (%a)" ~= "Z"
end

--- Whether it ends within ten seconds.
function M.ends(pid)
  local until_then = core.base.clock() + 10
  while M.is_alive(pid) and core.base.clock() < until_then do
    core.base.sleep(0.01)
  end
  return not M.is_alive(pid)
end

return M
