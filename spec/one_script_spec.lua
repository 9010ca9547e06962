--- One training script, unchanged, on a chip in process, through the server, as a Python program,
-- as the firmware sketch, and from a recording.

local mgd = require "mgd"
local needs = require "spec.support.needs"
local served = require "spec.support.served"

local function network()
  return mgd.nn.mlp{2, 2, 1, activation = "sigmoid", output = "sigmoid", dtype = "f64"}
end

-- The script.
local function train(chip, record)
  local run = mgd.train{
    chip = chip, data = mgd.data.xor(), batch = 4, eta = 4, tau_theta = 8, seed = 1,
    perturbation = {code = "walsh", amplitude = 0.01},
    init = {scheme = "uniform", low = -1, high = 1}, record = record,
  }
  local history = run:run{steps = 8000, every = 1000, probes = {"C", "C_tilde"}}
  return {theta = run:theta(), C = history.C, C_tilde = history.C_tilde}
end

local function furthest(a, b)
  local most = 0
  for name, values in pairs(a) do
    most = math.max(most, (values - b[name]):abs():max())
  end
  return most
end

describe("one script trains", function()
  local here

  setup(function()
    here = train(mgd.chip{net = network()})
    assert.truthy(here.C[-1] < 0.01) -- it has learnt
  end)

  it("a chip behind the server, to the same bits", function()
    served.child({chip = mgd.chip{net = network()}, listen = "127.0.0.1:0"}, function(address)
      local chip = mgd.chip{ramp = 0,
        instrument = "TCPIP::" .. address:gsub(":", "::") .. "::SOCKET"}
      assert.equal(0, furthest(here, train(chip)))
      chip:close()
    end)
  end)

  it("a recording, to the same bits", function()
    local path = os.tmpname()
    os.remove(path)
    assert.equal(0, furthest(here, train(mgd.chip{net = network()}, path)))
    assert.equal(0, furthest(here, train(mgd.chip.replay(path))))
    os.remove(path)
  end)

  -- The perturbations are the same to the bit. exp of another library differs in the last place,
  -- 1e-16 of a cost, which G divides by the amplitude 0.01; 1000 writes with η = 4 add up to
  -- 1000·4·1e-16/0.01 = 4e-11, and more as they feed on each other.
  local ROUNDING = 1e-8

  it("a Python program, to rounding", function()
    needs.program "python3"
    local chip = mgd.chip{ramp = 0, instrument = "EXEC::python3 examples/chips/function.py"}
    local there = train(chip)
    chip:close()
    assert.truthy(furthest(here, there) < ROUNDING)
  end)

  it("the firmware sketch, to rounding", function()
    local program = os.tmpname()
    assert(os.execute("cc -O2 -o " .. program .. " examples/firmware/*.c -lm"))
    for _, dialect in ipairs{"lines", "frames"} do
      local chip = mgd.chip{ramp = 0, dialect = dialect, instrument = {"EXEC", program}}
      local there = train(chip)
      chip:close()
      assert.truthy(furthest(here, there) < ROUNDING)
    end
    os.remove(program)
  end)
end)
