-- A learning circuit as the program that Verilator would make, without Verilator: two synapses of 8
-- bits, in Lua 5.4. MGD_RTL says what goes wrong: "NAME" or "NAME STEP".

local trouble, when = (os.getenv "MGD_RTL" or ""):match "^(%a*) ?(%d*)$"
when = tonumber(when)
local fixed = { 0x4D474431, 2, 8, 16, 4 }
if trouble == "fixed" then
  fixed[when] = 0xFFFF
elseif trouble == "wide" then
  fixed[3] = 24
end
local weights, steps, phase = { 0, 0 }, 0, 0

local function say(bytes)
  io.write(bytes)
  io.flush()
end

local function take(count)
  local bytes = count > 0 and io.read(count) or ""
  if #bytes < count then
    os.exit(0)
  end
  return bytes
end

local MISBEHAVES = {
  ["dies"] = function()
    os.exit(3)
  end,
  crashes = function()
    os.execute "kill -KILL $PPID"
  end,
  hangs = function()
    os.execute "exec sleep 60"
  end,
  rubbish = function()
    say(("what is this? "):rep(100))
  end,
}

local function write(address, value)
  if address == 8 then
    phase = value
  elseif address == 10 then
    steps, phase = steps + 1, 0
    if steps == when and MISBEHAVES[trouble] then
      MISBEHAVES[trouble]()
    end
  elseif address >= 0x1000 and trouble ~= "deaf" then
    weights[address - 0xFFF] = value
  end
end

local function read(address)
  if address < 5 then
    return fixed[address + 1]
  end
  return (weights[address - 0xFFF] + ({ [0] = 0, 4, -4 })[phase]) % 2 ^ 32
end

if trouble == "mute" then
  os.execute "exec sleep 60"
elseif trouble == "early" then
  os.exit(7)
end
say(trouble == "foreign" and "not a word of it" or "mgd-rtl1")
while true do
  local words, status = {}, 0
  for _ = 1, ("=I4"):unpack(take(4)) do
    local kind, address, value = ("=I2I2I4"):unpack(take(8))
    if kind == 0 then
      write(address, value)
    elseif kind == 1 then
      for i = 0, value - 1 do
        words[#words + 1] = ("=I4"):pack(math.tointeger(read(address + i)))
      end
    elseif kind == 3 and steps > 0 and steps == when then
      status = trouble == "busy" and 1 or trouble == "finishes" and 2 or 0
    end
  end
  say(("=I4I4"):pack(status, #words) .. table.concat(words))
end
