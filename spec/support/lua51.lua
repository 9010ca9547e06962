-- What specs expect of Lua 5.4's standard library and LuaJIT lacks: how a subprocess ended, and
-- numbers as bytes.

local M = {}

-- true or nil, "exit" or "signal", its number: what Lua 5.4 makes of the status of wait(2).
local function ended(status)
  local signal = status % 128
  if signal ~= 0 then
    return nil, "signal", signal
  end
  local code = math.floor(status / 256)
  return code == 0 or nil, "exit", code
end

local execute, popen = os.execute, io.popen

local function new_execute(command)
  if not command then
    return execute() ~= 0
  end
  return ended(execute(command))
end

-- The shell leaves the status of the command in a file, since LuaJIT's pipes do not tell it.
local Pipe = {}
Pipe.__index = Pipe

for _, name in ipairs { "read", "write", "lines", "flush", "setvbuf" } do
  Pipe[name] = function(self, ...)
    return self.file[name](self.file, ...)
  end
end

function Pipe:close()
  self.file:close()
  local status = assert(io.open(self.path))
  local code = tonumber(status:read "*a")
  status:close()
  os.remove(self.path)
  return code == 0 or nil, "exit", code
end

local function new_popen(command, mode)
  local path = os.tmpname()
  local file, message = popen(("( %s\n); echo $? >'%s'"):format(command, path), mode or "r")
  return file and setmetatable({ file = file, path = path }, Pipe), message
end

-- Of the formats of string.pack those that specs use: little-endian f64 and unsigned of 32 bits, in
-- the order of this machine, which is theirs.
local TYPES = { d = "double", I4 = "uint32_t" }

local function pack(format, ...)
  local ffi = require "ffi"
  local bytes, values = {}, { ... }
  for name in format:gmatch "%a%d*" do
    local number = ffi.new(TYPES[name] .. "[1]", values[#bytes + 1])
    bytes[#bytes + 1] = ffi.string(number, ffi.sizeof(number))
  end
  return table.concat(bytes)
end

local function unpack_one(format, bytes)
  local ffi = require "ffi"
  local number = ffi.new(TYPES[format:match "%a%d*"] .. "[1]")
  ffi.copy(number, bytes, ffi.sizeof(number))
  return tonumber(number[0]), ffi.sizeof(number) + 1
end

--- Put them in place.
function M.install()
  os.execute, io.popen = new_execute, new_popen -- luacheck: ignore 122
  string.pack, string.unpack = pack, unpack_one -- luacheck: ignore 122
end

return M
