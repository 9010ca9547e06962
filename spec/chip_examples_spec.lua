--- The chips of examples/chips, spoken to in the small protocol.

local core = require "mgd.core"
local mgd = require "mgd"
local needs = require "spec.support.needs"
local served = require "spec.support.served"

local numbers, words = served.numbers, served.words

local LONG = 60 -- seconds that nothing waits for unless it fails

local function answers(program, input)
  return assert(core.process.run(program, input, {}, LONG))
end

local function network()
  local net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid", dtype = "f64" }
  net:init { scheme = "uniform", low = -2, high = 2, seed = 3 }
  return net
end

describe("the chip of", function()
  -- Python's exponential is the C library's: a few units in the last place.
  it("function.py is the network mgd.nn.mlp{2, 2, 1}", function()
    needs.program "python3"
    local net = network()
    local ended = answers({ "python3", "examples/chips/function.py" },
      ("DATA 0 0,0,0,1,1,0,1,1 -\nWRITE %s\nRUN outputs 0 1 0 1 0 0,1,2,3\n"):format(
        words(net:theta():totable())))
    local got = mgd.tensor(numbers(ended.out:match "^OK\nOK\n(OK [^\n]*)\n$"))
    local y = net:forward(mgd.data.xor().x:to "f64"):reshape { 4 }
    assert.is_true(got:allclose(y, { rtol = 1e-14, atol = 0 }))
  end)

  it("line.awk needs no library", function()
    needs.program "awk"
    local interactive = answers({ "awk", "-W", "interactive", "BEGIN { exit }" }, "").status == 0
    local chip = mgd.chip { instrument = "EXEC::awk " .. (interactive and "-W interactive " or "")
      .. "-f examples/chips/line.awk" }
    for _, case in ipairs {
      { "ID", "mgd-lua,line of awk,0,1" },
      { "DESC", "parameters=2 inputs=1 outputs=1 samples=1000 stateless=1" },
      { "DATA 0 0.5,1 -", "" }, { "WRITE 2,1", "" }, { "WRITE", "2,1" },
      { "RUN none 0 1 0 1 0 0,1", "2,3" }, { "RUN none 0 1 0 2 0 0/1 0+", "2,2,3,3" },
      { "RUN none 0 1 0 2 0 1", "3,3" }, { "SAFE", "" },
    } do
      assert.equal(case[2], chip:query(case[1]), case[1])
    end
    local ok, why = pcall(chip.query, chip, "FOO")
    assert.is_false(ok)
    assert.is_truthy(why:find("no such request", 1, true), why)
    chip:close()
  end)

  -- Numbers travel with 17 digits both ways: the bits are those of the network itself.
  it("instrument.py drives an instrument through PyVISA", function()
    local python = needs.python "pyvisa_py"
    local net = network()
    served.child({ chip = mgd.chip { net = net }, listen = "127.0.0.1:0" },
      function(address)
        local resource = "TCPIP::" .. address:gsub(":(%d+)$", "::%1::SOCKET")
        local program = { python, "examples/chips/instrument.py", resource }
        local theta = { 1, 0.5, -1, 2, 0.1, -0.2, 3, -1.5, 0.25 }
        net:set_theta(mgd.tensor(theta))
        local ended = answers(program, ("ID\nDATA 0 0,0,0,1,1,0,1,1 -\nWRITE %s\nWRITE\n"
          .. "RUN outputs 0 1 0 1 0 0,3,1\n"):format(words(theta)))
        assert.is_truthy(ended.out ~= "", ended.words)
        local id, back, outputs =
          ended.out:match "^OK ([^\n]*)\nOK\nOK\n(OK [^\n]*)\n(OK [^\n]*)\n$"
        assert.is_truthy(id:find("^mgd%-lua,"))
        assert.same(theta, numbers(back))
        local y = net:forward(mgd.tensor { { 0, 0 }, { 1, 1 }, { 0, 1 } })
        assert.same(y:reshape { 3 }:totable(), numbers(outputs))
      end)
  end)

  it("torch_module.py is a module of PyTorch, or says that there is none", function()
    needs.program "python3"
    local ended = answers({ "python3", "examples/chips/torch_module.py" },
      "DATA 0 0,1 -\nRUN outputs 0 1 0 1 0 0\n")
    if ended.status == 3 then
      assert.is_truthy(ended.words:find("python3-torch", 1, true), ended.words)
    else
      assert.is_truthy(ended.out:find "^OK\nOK 0%.%d+\n$", ended.out .. ended.words)
    end
  end)
end)
