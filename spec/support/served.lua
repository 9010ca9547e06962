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

-- CRC-16/CCITT-FALSE, bit by bit without bit operators.
local function crc(text)
  local sum = 0xFFFF
  for i = 1, #text do
    local byte = text:byte(i)
    for bit = 7, 0, -1 do
      local turned = (sum >= 0x8000) ~= (math.floor(byte / 2 ^ bit) % 2 == 1)
      sum = sum * 2 % 0x10000
      if turned then -- exclusive or with 0x1021: bits 12, 5 and 0
        for _, place in ipairs { 12, 5, 0 } do
          sum = sum + (math.floor(sum / 2 ^ place) % 2 == 1 and -1 or 1) * 2 ^ place
        end
      end
    end
  end
  return string.char(math.floor(sum / 256), sum % 256)
end

--- A message as a frame: COBS of sequence, message and CRC, and a zero.
function M.frame(sequence, message)
  local text = string.char(sequence) .. message
  local out = {}
  for piece in (text .. crc(text) .. "\0"):gmatch "(%Z*)%z" do
    while #piece >= 254 do
      out[#out + 1] = "\255" .. piece:sub(1, 254)
      piece = piece:sub(255)
    end
    out[#out + 1] = string.char(#piece + 1) .. piece
  end
  return table.concat(out) .. "\0"
end

--- The f64 at a place of a text, low byte first.
function M.double(text, at)
  local byte, mantissa = { text:byte(at, at + 7) }, 0
  for i = 1, 6 do
    mantissa = mantissa + byte[i] * 256 ^ (i - 1)
  end
  mantissa = mantissa + byte[7] % 16 * 256 ^ 6
  local exponent = byte[8] % 128 * 16 + math.floor(byte[7] / 16)
  local value = exponent == 0 and mantissa * 2 ^ -1074
    or (1 + mantissa / 2 ^ 52) * 2 ^ (exponent - 1023)
  return byte[8] >= 128 and -value or value
end

--- Numbers as the small protocol has them.
function M.words(list)
  local out = {}
  for i, value in ipairs(list) do
    out[i] = ("%.17g"):format(value)
  end
  return table.concat(out, ",")
end

--- Starts a server in a child: its address, and its process.
function M.start(opts)
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
  os.remove(path)
  return address, pid
end

--- Ends it at once.
function M.stop(pid)
  core.process.kill(pid, "kill")
  core.process.wait({ pid }, 20)
end

--- A server in a child: calls f(address, pid), then ends it.
function M.child(opts, f)
  local address, pid = M.start(opts)
  local ok, why = pcall(f, address, pid)
  M.stop(pid)
  if not ok then
    error(why, 0)
  end
end

return M
