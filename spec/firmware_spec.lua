--- The chip of examples/firmware, as a child process and over a pseudo-terminal.

local core = require "mgd.core"
local mgd = require "mgd"
local needs = require "spec.support.needs"
local served = require "spec.support.served"
local lines_of = require("spec.support.shell").lines_of

local frame, numbers, words = served.frame, served.numbers, served.words

local LONG = 60 -- seconds that nothing waits for unless it fails
local THETA = { 0.5, -1, 2, 0.25, -0.125, 1, 3, -2, 0.75 }
local XOR = "DATA 0 0,0,0,1,1,0,1,1 0,1,1,0"

local program

-- What it answers to a whole input.
local function answers(input)
  local ended = assert(core.process.run({ program }, input, {}, LONG))
  assert.equal("", ended.words)
  return ended.out
end

local function open()
  return mgd.chip.link({ "EXEC", program }, { timeout = LONG })
end

describe("the firmware", function()
  setup(function()
    needs.program "cc"
    program = os.tmpname()
    local out = lines_of(("cc -std=c99 -Wall -Wextra -pedantic -O2 -o '%s' "
      .. "examples/firmware/*.c -lm 2>&1"):format(program))
    assert.same({}, out)
  end)
  teardown(function()
    os.remove(program)
  end)

  it("speaks the small protocol", function()
    local requests, expected = {}, {}
    for line in ([[
      > ID
      OK mgd-lua,firmware sketch,0,1
      > *IDN?
      OK mgd-lua,firmware sketch,0,1
      > DESC
      OK parameters=9 inputs=2 outputs=1 samples=64 message=2048 perturbs=1 costs=1 ]]
      .. [[codes=sequential,walsh,random watchdog=1
      > WRITE
      OK 0,0,0,0,0,0,0,0,0
      > DATA 0 0,0,0,1,1,0,1,1 0,1,1,0
      OK
      > RUN outputs 0 1 0 1 0 0,1,2,3
      OK 0.5,0.5,0.5,0.5
      > RUN none 0 1 0 1 0 0,1,2,3
      OK 0.25
      > RUN none 0 1 0 2 0 0/1 0+ 12
      OK 0.25,0.25,0.25,0.25
      > RUN walsh 0 1 0 2 0 0,1
      OK 0.25,0.25
      > WRITE 1,2,3,4,5,6,7,8,0.1 12 1
      OK
      > WRITE
      OK 1,2,3,4,5,6,7,8,0.10000000000000001
      > SAFE
      OK
      > WRITE
      OK 0,0,0,0,0,0,0,0,0
      > SAFE 0
      OK
      > DATA 4 0.5,0.5 1
      OK]]):gmatch "[^\n]+" do
      local request = line:match "^%s*> (.*)$"
      table.insert(request and requests or expected, request or line:match "^%s*(.*)$")
    end
    local out = table.concat(expected, "\n") .. "\n"
    assert.equal(out, answers(table.concat(requests, "\n") .. "\n"))
    assert.equal(out, answers(table.concat(requests, "\r\n") .. "\r\n"))
  end)

  it("refuses what is wrong, and goes on", function()
    local input = { XOR }
    local expected = { "OK" }
    for _, case in ipairs {
      { 1, "" }, { 1, "FOO" }, { 1, "IDX" }, { 1, "\1\255\254" },
      { 2, "ID 1" }, { 2, "WRITE 1,2" }, { 2, "WRITE 1,2,3,4,5,6,7,8,x" }, { 2, "WRITE - 1" },
      { 2, "WRITE 1,2,3,4,5,6,7,8,nan" }, { 2, "SAFE x" }, { 2, "SAFE -1" }, { 2, "DATA" },
      { 2, "DATA 4 1,2,3 1" }, { 2, "RUN" }, { 2, "RUN none" }, { 2, "RUN none 0 1 0 1 0" },
      { 2, "RUN lfsr 0 1 0 1 0 0" }, { 2, "RUN none 0 1 0 1 0 0;1" },
      { 2, "RUN none 0 1 0 3 0 0/1" }, { 2, "RUN none 0 1 0 1 0 0/1" },
      { 2, "RUN none 0 1 0 1 0 0 ++" }, { 2, "RUN none 0 1 0 1 0 0 + 1 1" },
      { 2, "RUN none 0 1.5 0 1 0 0" }, { 2, "RUN none 0 1 0 1 0 0x" },
      { 3, "DATA 5 1,2 1" }, { 3, "DATA 0 " .. ("1,2,"):rep(64) .. "1,2 1" },
      { 3, "RUN none 0 1 0 1 0 64" }, { 3, "RUN none 0 1 0 1000000 0 0" },
      { 5, "WRITE " .. ("1,"):rep(2000) .. "1" },
    } do
      expected[#expected + 1] = case[1]
      input[#input + 1] = case[2]
    end
    local i = 0
    for line in answers(table.concat(input, "\n") .. "\nWRITE\n"):gmatch "[^\n]+" do
      i = i + 1
      local wanted = expected[i] or "OK 0,0,0,0,0,0,0,0,0"
      local got = type(wanted) == "number" and tonumber(line:match "^ERR (%d) %a") or line
      assert.equal(wanted, got, input[i])
    end
    assert.equal(#input + 1, i)
  end)

  it("has the engine's own patterns, bit for bit", function()
    local digit = { ["+"] = 1, ["0"] = 0, ["-"] = -1 }
    for _, code in ipairs { "sequential", "walsh", "random" } do
      for _, case in ipairs { { 1, 1, 1 }, { 2, 1, 5 }, { 3, 2, 7 }, { 9, 1, 1 }, { 16, 3, 2 ^ 40 },
        { 33, 2 ^ 26, 9 }, { 64, 1, 3 }, { 65, 4, 2 ^ 53 }, { 128, 1, 8 }, { 129, 2, 8 },
        { 300, 5, 6 } } do
        local parameters, replica, seed = case[1], case[2], case[3]
        local slots = 70
        local expected = mgd.codes.pattern(code, { parameters = parameters, slots = slots,
          seed = seed, replica = replica }):totable()
        local lines = lines_of(("'%s' %s %.0f %.0f %d %d"):format(program, code, seed, replica,
          parameters, slots))
        assert.equal(slots, #lines)
        for slot, line in ipairs(lines) do
          local got = {}
          for sign in line:gmatch "." do
            got[#got + 1] = digit[sign]
          end
          assert.same(expected[slot], got, ("%s, P = %d, slot %d"):format(code, parameters, slot))
        end
      end
    end
  end)

  it("measures what it perturbs as it does what is written", function()
    local link, amplitude = open(), 0.125
    assert.equal("OK", link:query(XOR))
    for _, code in ipairs { "sequential", "walsh", "random" } do
      assert.equal("OK", link:query("WRITE " .. words(THETA)))
      local costs = numbers(link:query(("RUN %s 11 2 5 4 %g 0,1/2,3/1,1/0 +-"):format(code,
        amplitude)))
      local s = mgd.codes.pattern(code, { parameters = 9, slots = 9, seed = 11, replica = 2 })
      for k, batch in ipairs { "0,1", "2,3", "1,1", "0" } do
        for side, sign in ipairs { 1, -1 } do
          local moved = mgd.tensor(THETA) + s[5 + k] * (sign * amplitude)
          assert.equal("OK", link:query("WRITE " .. words(moved:totable())))
          assert.same({ costs[2 * (k - 1) + side] },
            numbers(link:query("RUN none 0 1 0 1 0 " .. batch)))
        end
      end
    end
    link:close()
  end)

  -- Its exponential is the C library's: a few units in the last place.
  it("is the network mgd.nn.mlp{2, 2, 1}", function()
    local net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid", dtype = "f64" }
    net:set_theta(mgd.tensor(THETA))
    local data = mgd.data.xor()
    local y = net:forward(data.x:to "f64")
    local out = answers(XOR .. "\nWRITE " .. words(THETA) .. "\nRUN outputs 0 1 0 1 0 0,1,2,3\n")
    local got = mgd.tensor(numbers(out:match "\n(OK 0[^\n]*)\n$"))
    assert.is_true(got:allclose(y:reshape { 4 }, { rtol = 1e-14, atol = 0 }))
  end)

  it("goes to the safe state after the watchdog's silence", function()
    local link = open()
    assert.equal("OK", link:query("WRITE " .. words(THETA)))
    assert.equal("OK", link:query "SAFE 30")
    core.process.wait({}, 0.2)
    assert.equal("OK 0,0,0,0,0,0,0,0,0", link:query "WRITE")
    link:close()
  end)

  -- ---- frames -----------------------------------------------------------------------------------

  it("answers frames as it answers lines", function()
    local input, frames, texts = { XOR, "WRITE " .. words(THETA), "WRITE",
      "RUN random 3 1 0 8 0.01 0,1,2,3 0+", "FOO", "ID", "" }, {}, {}
    for i, text in ipairs(input) do
      frames[i] = frame((250 + i) % 256, text)
    end
    local i = 0
    for text in answers(table.concat(input, "\n") .. "\n"):gmatch "([^\n]*)\n" do
      i = i + 1
      texts[i] = frame((250 + i) % 256, text)
    end
    assert.equal(table.concat(texts), answers("\0" .. table.concat(frames)))
    assert.equal(table.concat(texts), answers("\0" .. table.concat(frames, "\0\0")))
  end)

  it("finds its feet after lost and changed bytes", function()
    local good, answer = frame(8, "ID"), frame(8, "OK mgd-lua,firmware sketch,0,1")
    local hurt = frame(7, "WRITE " .. words(THETA))
    for at = 1, #hurt - 1 do
      for _, bytes in ipairs { "", "\1", "\255", "\0", "\n" } do
        local changed = hurt:sub(1, at - 1) .. bytes .. hurt:sub(at + 1)
        if changed ~= hurt then
          assert.equal(answer, answers("\0" .. changed .. "\0" .. good), at)
        end
      end
    end
  end)

  it("counts a retry once, and returns the same answer", function()
    local link = open()
    local function ask(sequence, text)
      link.core:write("\0" .. frame(sequence, text), LONG)
      return link.core:take_until("\0", LONG) .. "\0"
    end
    local theta = "OK " .. words(THETA)
    assert.equal(frame(1, "OK"), ask(1, "WRITE " .. words(THETA)))
    assert.equal(frame(2, "OK"), ask(2, "SAFE 50"))
    assert.equal(frame(3, theta), ask(3, "WRITE"))
    core.process.wait({}, 0.3) -- the watchdog has set θ to 0 by now
    assert.equal(frame(3, theta), ask(3, "WRITE"))
    assert.equal(frame(4, "OK 0,0,0,0,0,0,0,0,0"), ask(4, "WRITE"))
    assert.equal(frame(4, "OK mgd-lua,firmware sketch,0,1"), ask(4, "ID")) -- no retry
    link:close()
  end)

  it("takes lines again after a silence", function()
    local link = open()
    link.core:write("\0" .. frame(1, "ID") .. "\3half of one", LONG)
    assert.equal(frame(1, "OK mgd-lua,firmware sketch,0,1"),
      link.core:take_until("\0", LONG) .. "\0")
    core.process.wait({}, 1.2)
    assert.equal("OK mgd-lua,firmware sketch,0,1", link:query "ID")
    link:close()
  end)

  it("works over a pseudo-terminal, client after client", function()
    local pipe = assert(io.popen(("echo $$; exec '%s' pty"):format(program)))
    local pid, terminal = tonumber(pipe:read "*l"), pipe:read "*l"
    for i = 1, 2 do
      local link = mgd.chip.link("ASRL" .. terminal, { timeout = LONG })
      assert.equal("OK mgd-lua,firmware sketch,0,1", link:query "ID")
      assert.equal("OK " .. (i == 1 and "0,0,0,0,0,0,0,0,0" or words(THETA)), link:query "WRITE")
      assert.equal("OK", link:query("WRITE " .. words(THETA)))
      link:close()
    end
    core.process.kill(pid, "kill")
    pipe:close()
  end)
end)
