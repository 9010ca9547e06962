--- Clients of the chip server that nobody here wrote, or that come by another way than a port:
-- PyVISA, a pseudo-terminal, a child process; and the session that the chip contract shows.

local mgd = require "mgd"
local needs = require "spec.support.needs"
local served = require "spec.support.served"
local read = require("spec.support.texts").read

local nn = mgd.nn
local LONG = 20 -- seconds that nothing here takes unless it hangs

-- The sessions of the chip contract: lists of {request, answer or nil}.
local function transcripts()
  local found = {}
  for block in read "docs/guide/chip-contract.md":gmatch "```text\n(> .-)```" do
    local session = {}
    for line in block:gmatch "[^\n]+" do
      local request = line:match "^> (.*)"
      if request then
        session[#session + 1] = {request}
      else
        session[#session][2] = line
      end
    end
    found[#found + 1] = session
  end
  return found
end

-- The chip of one parameter that they speak with.
local function of_one_parameter(identity)
  return {inputs = 1, outputs = 1, cost = false, perturbs = false, identity = identity,
    chip = mgd.chip{parameters = 1, evaluate = function(theta, x)
      return x * theta[1]
    end}}
end

describe("the chip contract", function()
  it("shows a session by SCPI as it goes", function()
    local ask = served.here(of_one_parameter())
    local session = transcripts()[2]
    assert.equal(4, #session)
    for _, pair in ipairs(session) do
      assert.equal(pair[2], ask(pair[1]))
    end
  end)

  it("shows a session in the small protocol, whose chip needs no more than it has", function()
    local ask = served.here(of_one_parameter "example,one,0,1")
    for _, pair in ipairs(transcripts()[1]) do
      local answer = ask(pair[1])
      if pair[1] ~= "DESC" then
        assert.equal(pair[2], answer)
      end
    end
  end)
end)

describe("the chip server speaks with", function()
  it("PyVISA", function()
    local python = needs.python "pyvisa_py"
    local opts = {net = nn.mlp{2, 2, 1, dtype = "f64"}, data = mgd.data.xor(),
      listen = "127.0.0.1:0"}
    served.child(opts, function(address)
      local host, port = address:match "^(.*):(%d+)$"
      local pipe = io.popen(("%s spec/support/visa_client.py TCPIP::%s::%s::SOCKET 2>&1")
        :format(python, host, port))
      local text = pipe:read "*a"
      pipe:close()
      assert.equal("all well\n", text)
    end)
  end)

  it("whoever opens its pseudo-terminal", function()
    served.child({net = nn.mlp{1, 1}, listen = "pty"}, function(path)
      assert.truthy(path:find "^/dev/")
      local link = mgd.chip.link("ASRL" .. path, {timeout = LONG})
      assert.equal("OK 0,0", link:query "WRITE")
      assert.equal("OK", link:query "WRITE #18\0\0\128\63\10\13\128\63")
      assert.truthy(link:query "WRITE":find "^OK 1,1%.0")
      link:close()
      link = mgd.chip.link("ASRL" .. path, {timeout = LONG})
      assert.truthy(link:query "WRITE":find "^OK 1,1%.0")
      link:close()
    end)
  end)

  it("as many as it is to, and then returns", function()
    local script = [[
      io.stdout:setvbuf "line"
      local mgd = require "mgd"
      local counts = mgd.chip.serve{inputs = 1, outputs = 1, listen = "127.0.0.1:0", clients = 2,
        on_ready = function(_, resource) print(resource) end,
        chip = mgd.chip{parameters = 1, evaluate = function(_, x) return x end}}
      print(counts.clients, counts.requests)]]
    local server = mgd.chip.link({"EXEC", os.getenv "MGD_LUA" or arg[-1], "-e", script},
      {timeout = LONG})
    local resource = server:read()
    for _ = 1, 2 do
      local client = mgd.chip.link(resource, {timeout = LONG})
      assert.equal("1", client:query "*OPC?")
      client:close()
    end
    assert.equal("2\t2", server:read())
    server:close()
  end)

  it("its parent on standard input and output, which nothing else is written to", function()
    local script = os.tmpname()
    local file = assert(io.open(script, "w"))
    file:write [[
      local mgd = require "mgd"
      print "before"
      local counts = mgd.chip.serve{inputs = 1, outputs = 1, listen = "-",
        chip = mgd.chip{parameters = 1, evaluate = function(theta, x)
          print "measuring"
          io.write "still"
          return x * theta[1]
        end}, on_ready = function() print "ready" end}
      io.stderr:write(counts.requests, " requests\n")]]
    file:close()
    local interpreter = os.getenv "MGD_LUA" or arg[-1]
    local link = mgd.chip.link({"EXEC", "sh", "-c", '"$0" "$1" 2>/dev/null', interpreter, script},
      {timeout = LONG})
    assert.equal("before", link:read()) -- it serves from then on
    assert.equal("OK", link:query "DATA 0 3 -")
    assert.equal("OK", link:query "WRITE 2")
    assert.equal("OK 6", link:query "RUN outputs 0 0 0 1 0 0")
    assert.equal("6", link:query "OUTP:DATA? (@0)")
    link:close()
    os.remove(script)
  end)
end)
