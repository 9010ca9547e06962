--- What the chip server stands: bytes of any kind, clients that break off, crowd in or fall silent.
-- It answers with an error or not at all, and is there for the next request.

local core = require "mgd.core"
local mgd = require "mgd"
local served = require "spec.support.served"
local support = require "spec.support.train"

local nn = mgd.nn
local fails = support.fails
local here = served.here

local LONG = 20 -- seconds that nothing here takes unless it hangs

local function one(opts)
  return here(support.options({net = nn.mlp{1, 1}}, opts))
end

local function with_data(opts)
  return one(support.options({data = {x = {{1}, {2}}, y = {{1}, {2}}}}, opts))
end

-- A wire to "127.0.0.1:40123", as scripts have them.
local function connect(address)
  local host, port = address:match "^(.*):(%d+)$"
  return mgd.chip.link(("TCPIP::%s::%s::SOCKET"):format(host, port), {timeout = LONG})
end

describe("the chip server refuses", function()
  it("what is no request", function()
    local ask = one()
    assert.truthy(ask("garbage"):find "^ERR 1 no such request")
    assert.truthy(ask("x\1\2\255 ; #1"):find "^ERR 1")
    assert.truthy(ask("id"):find "^ERR 1")
    assert.is_nil(ask "  ")
  end)

  it("words that are missing, wrong, or too many", function()
    local ask = with_data()
    for line, answer in pairs{
      ["DATA"] = "ERR 2 first is missing", ["DATA 0"] = "ERR 2 x is missing",
      ["DATA 0 1"] = "ERR 2 y is missing",
      ["DATA -1 1 1"] = "ERR 2 first must be a whole number from 0 on",
      ["DATA 0 - -"] = "ERR 2 x: 0 values are no whole number of samples of 1",
      ["DATA 0 1,2 1"] = "ERR 2 y: 1 values: expected 2 for 2 samples",
      ["WRITE 1"] = "ERR 2 θ: 1 values: expected 2",
      ["WRITE 1,2,3"] = "ERR 2 θ: 3 values: expected 2",
      ["WRITE -"] = "ERR 2 θ: 0 values: expected 2", ["WRITE 1,"] = "ERR 2 θ: expected a number",
      ["WRITE 1,0x10"] = "ERR 2 θ: expected a number", ["WRITE 1,2 3"] = "ERR 2 replica is missing",
      ["WRITE 1,2 3 1 9"] = "ERR 2 1 bytes too many behind the last word",
      ["RUN walsh 1 1 0 1 0.1"] = "ERR 2 samples is missing",
      ["RUN walsh 1 1 0 1 0.1 -"] = "ERR 2 samples: expected numbers from 0 on",
      ["RUN walsh 1 1 0 3 0.1 0/1"] =
        "ERR 2 samples: 2 batches for 3 steps: expected one for all, or one for each",
      ["RUN walsh 1 1 0 2 0.1 0/0,1"] = "ERR 2 samples: batches of 1 and of 2",
      ["RUN walsh 1 1 0 1 0.1 0 ++"] = "ERR 2 signs: expected +, 0+, +-, 0, +. or .+",
      ["ID please"] = "ERR 2 6 bytes too many behind the last word",
      ["SAFE soon"] = "ERR 2 ms: expected a number",
    } do
      assert.equal(answer, ask(line))
    end
    assert.equal("OK 0,0", ask "WRITE")
  end)

  it("values out of their range", function()
    local ask = with_data()
    for line, answer in pairs{
      ["WRITE 1,nan"] = "ERR 3 θ: nan is no finite number",
      ["WRITE -inf,1"] = "ERR 3 θ: -inf is no finite number",
      ["WRITE 1,1e39"] = "ERR 3 θ: 1e+39 is too large for f32",
      ["WRITE 1,1e999"] = "ERR 3 θ: 1e999 is too large",
      ["WRITE #18\0\0\128\127\0\0\0\0"] = "ERR 3 θ: a value is not finite",
      ["RUN walsh 1 1 0 1 nan 0"] = "ERR 3 amplitude: nan is no finite number",
      ["RUN nothing 1 1 0 1 0.1 0"] = "ERR 3 code nothing is none of this chip's",
      ["RUN train 1 1 0 1 0.1 0"] = "ERR 3 code train is none of this chip's",
      ["RUN given 1 1 0 1 0.1 0"] = "ERR 3 code given: no θ̃ has been given",
      ["RUN walsh 1 1 0 1 0.1 2"] = "ERR 3 sample 2: there are 2 samples",
      ["RUN walsh 1 1 0 1 0.1 99999999999"] =
        "ERR 3 samples: no sample has a number above 4294967295",
      ["RUN walsh 1 1 0 0 0.1 0"] = "ERR 3 n must be at least 1",
      ["RUN walsh 1 1 0 9007199254740992 0.1 0"] =
        "ERR 3 slot, step and n must stay below 2^53",
      ["RUN walsh 18446744073709551616 1 0 1 0.1 0"] =
        "ERR 3 seed must be at most 18446744073709551615, got 18446744073709551616",
      ["RUN walsh 1 999999999999999 0 1 0.1 0"] = "ERR 3 replica is too large",
      ["SAFE -1"] = "ERR 3 ms must be from 0 to 1e+09",
    } do
      if line:find "9007199254740992" then -- whichever comes first
        assert.truthy(ask(line):find "^ERR 3")
      else
        assert.equal(answer, ask(line))
      end
    end
    assert.equal("OK 0,0", ask "WRITE")
  end)

  it("more than it may answer", function()
    local ask = with_data{message = 1024}
    assert.equal("ERR 3 129 steps: expected at most 128 at once", ask "RUN none 1 1 0 129 0 0")
    assert.truthy(ask("RUN none 1 1 0 128 0 0"):find "^OK 1,1,")
    assert.equal("ERR 3 100 steps: expected at most 64 at once", ask "RUN walsh 1 1 0 100 0.1 0 0+")
  end)

  it("a message that is too long, and is in step with the next line", function()
    local ask, server = one{message = 1024}
    assert.equal("ERR 5 too long a message", ask(("WRITE " .. ("1,"):rep(600))))
    assert.equal("OK 0,0", ask "WRITE")
    local answers = {}
    for _ = 1, 100 do -- a line that never ends
      answers[#answers + 1] = server:take(("x"):rep(1000))
    end
    assert.equal("ERR 5 too long a message\n", table.concat(answers))
    assert.equal("OK 0,0\n", server:take "\nWRITE\n")
  end)

  it("a block of 2 GiB, as soon as it is announced", function()
    local _, server = one()
    assert.equal("ERR 5 too long a message\n", server:take "WRITE #9999999999")
    assert.equal("", server:take(("\0"):rep(1000)))
    assert.equal("OK 0,0\n", server:take "\nWRITE\n")
    assert.equal("ERR 5 too long a message\nOK 0,0\n", server:take "WRITE #92147483648\nWRITE\n")
  end)

  it("blocks that are no numbers of the chip's", function()
    local ask = with_data()
    assert.equal("ERR 2 θ: 7 bytes are no whole number of values of 4", ask "WRITE #171234567")
    assert.equal("ERR 2 θ: 0 values: expected 2", ask "WRITE #10")
    assert.equal("ERR 2 samples: 1 in a block are no 2 batches",
      ask "RUN walsh 1 1 0 2 0.1 #14\0\0\0\0")
    assert.equal("ERR 2 θ: no whole block of bytes", ask "WRITE #0")
    assert.equal("OK", ask "WRITE #18\0\0\128\63\0\0\0\0")
  end)
end)

describe("the chip server keeps in step", function()
  it("with a message that comes byte by byte, a block with line feeds in it, and CR", function()
    local _, server = one()
    local answers = {}
    for byte in ("WRITE #18\10\13\10\0\13\10\13\10\r\nWRITE\r\n"):gmatch "." do
      answers[#answers + 1] = server:take(byte)
    end
    assert.truthy(table.concat(answers):find "^OK\nOK [%d.e-]+,[%d.e-]+\n$")
  end)

  it("with many messages at once", function()
    local _, server = one()
    local _, count = server:take(("ID\n"):rep(50000)):gsub("\n", "")
    assert.equal(50000, count)
  end)

  it("in frames, whose repetition counts once and whose damage is dropped", function()
    local _, server = with_data()
    local frame = served.frame
    local first = frame(7, "WRITE 1,2")
    local answer = server:take("\0" .. first)
    assert.equal(frame(7, "OK"), answer)
    assert.equal(frame(8, "OK"), server:take(frame(8, "WRITE 3,4")))
    assert.equal(frame(7, "OK") .. frame(7, "OK"), server:take(first .. first))
    assert.equal(frame(9, "OK 1,2"), server:take(frame(9, "WRITE")))
    local damaged = frame(10, "WRITE 5,6"):gsub("5", "6")
    assert.equal("", server:take(damaged .. damaged:sub(4) .. "\0\0"))
    assert.equal(frame(11, "OK 1,2"), server:take(frame(11, "WRITE")))
    assert.equal(frame(12, "ERR 1 no such request: expected ID, DESC, DATA, WRITE, RUN or SAFE"),
      server:take(frame(12, "NO")))
  end)

  it("with a chip that fails where there is no memory", function()
    local ask = with_data()
    assert.equal("OK 1", (ask "RUN none 1 1 0 1 0 0"))
    for n = 1, 60 do
      core.base.fail_from(n)
      local ok, answer = pcall(ask, ("RUN random %d 1 0 4 0.1 0 0+"):format(n))
      core.base.fail_from(0)
      assert.truthy(not ok or answer == nil or answer:find "^ERR 4 out of memory"
        or answer:find "^OK", answer)
    end
    assert.equal("OK 1", ask "RUN none 1 1 0 1 0 0")
  end)
end)

describe("the chip server at a port", function()
  it("is there for the next client after one that broke off, and tells a second one so", function()
    served.child({net = nn.mlp{1, 1}, listen = "127.0.0.1:0"}, function(address)
      local first = connect(address)
      assert.equal("OK 0,0", first:query "WRITE")
      local second = connect(address)
      assert.equal("ERR 4 busy: another client is connected", second:read())
      second:close()
      assert.equal("OK", first:query "WRITE 1,2")
      first.core:write("WRITE 3,", LONG) -- half a message
      first:close()
      local third = connect(address)
      assert.equal("OK 1,2", third:query "WRITE")
      third.core:write("WRITE #9999", LONG)
      third:close()
      local fourth = connect(address)
      assert.equal("OK 1,2", fourth:query "WRITE")
      fourth:close()
    end)
  end)

  it("drops a message that does not go on, and a client that says nothing", function()
    local opts = {net = nn.mlp{1, 1}, listen = "127.0.0.1:0", stall = 0.2, idle = 1}
    served.child(opts, function(address)
      local client = connect(address)
      client.core:write("WRITE 3,", LONG)
      assert.equal("ERR 2 the message was cut short", client:read())
      assert.equal("OK 0,0", client:query "WRITE")
      fails("closed", function()
        client:read()
      end)
      client:close()
    end)
  end)

  it("goes to the safe state after a silence, whether a client is there or not", function()
    local opts = {net = nn.mlp{1, 1}, listen = "127.0.0.1:0", safe = {0.5, 0.25}}
    served.child(opts, function(address)
      local client = connect(address)
      assert.equal("OK", client:query "SAFE 100")
      assert.equal("OK", client:query "WRITE 1,2")
      core.process.wait({}, 0.5)
      assert.equal("OK 0.5,0.25", client:query "WRITE")
      assert.equal("OK", client:query "WRITE 1,2")
      client:close()
      core.process.wait({}, 0.5)
      client = connect(address)
      assert.equal("OK 0.5,0.25", client:query "WRITE")
      client:close()
    end)
  end)

  it("ends with Ctrl-C, after so many requests, and after so many seconds", function()
    served.child({net = nn.mlp{1, 1}, listen = "127.0.0.1:0"}, function(address, pid)
      local client = connect(address)
      client:query "ID"
      core.process.kill(pid, "int")
      assert.equal(pid, (core.process.wait({ pid }, LONG)))
      client:close()
    end)
    served.child({net = nn.mlp{1, 1}, listen = "127.0.0.1:0", requests = 2}, function(address, pid)
      local client = connect(address)
      client:query "ID"
      assert.equal("OK 0,0", client:query "WRITE")
      local ended, status = core.process.wait({ pid }, LONG)
      assert.same({pid, 0}, {ended, status})
      client:close()
    end)
    local counts = mgd.chip.serve{net = nn.mlp{1, 1}, listen = "127.0.0.1:0", seconds = 0.05}
    assert.same({requests = 0, errors = 0, clients = 0}, counts)
  end)
end)

describe("mgd.chip.serve refuses", function()
  local net = nn.mlp{1, 1}

  it("addresses that others can reach, unless it is told so, and what is none", function()
    fails("public = true", function()
      mgd.chip.serve{net = net, listen = "0.0.0.0:0"}
    end)
    fails("expected host:port", function()
      mgd.chip.serve{net = net, listen = "somewhere"}
    end)
    fails("127.0.0.1:99999", function()
      mgd.chip.serve{net = net, listen = "127.0.0.1:99999"}
    end)
  end)

  it("chips and data that do not go together, before it listens", function()
    fails("data", function()
      mgd.chip.serve{net = net, data = {x = {{1, 2}}, y = {{1}}}}
    end)
    fails("target", function()
      mgd.chip.serve{net = net, data = {x = {{1}}, y = {{1, 2}}}}
    end)
    fails("option 'outputs' is missing", function()
      mgd.chip.serve{chip = mgd.chip{parameters = 1, evaluate = function() end}, inputs = 1}
    end)
    fails("option 'safe'", function()
      mgd.chip.serve{net = net, safe = {1}}
    end)
    fails("option 'ranges', element 1", function()
      mgd.chip.serve{net = net, ranges = {{1, 0}}}
    end)
    fails("maker,model,serial,version", function()
      mgd.chip.serve{net = net, identity = "a,b"}
    end)
    fails("either net", function()
      mgd.chip.serve{}
    end)
  end)
end)
