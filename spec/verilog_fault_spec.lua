--- Verilog and its gates where something is missing or fails: one message at the user's line, and
-- nothing half written.

local core = require "mgd.core"
local errors = require "spec.support.errors"
local files = require "mgd.base.files"
local folder = require "spec.support.folder"
local mgd = require "mgd"

local mgd_lua = os.getenv "MGD_LUA" or arg[-1]

-- What gates() says where this is the PATH.
local function gates_with(path)
  folder.write("gates.lua", [[
local circuit = require("mgd").circuit { synapses = 2 }
local ok, message = pcall(function()
  circuit:gates()
end)
io.write(tostring(ok), " ", tostring(message), "\n")
]])
  local pipe = assert(io.popen(("PATH='%s' '%s' '%s/gates.lua' 2>&1"):format(path, mgd_lua,
    folder.name)))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

describe("Verilog", function()
  setup(folder.make)
  teardown(folder.remove)

  it("is of digital circuits alone", function()
    local analog = { set = "rc", digital = false, synapses = 9 }
    errors.fails({ "'rc' is analog", "sign-sign, accumulator" },
      require("mgd.circuits.verilog").write, analog, { dir = folder.name .. "/analog" })
    assert.same({}, core.files.list(folder.name .. "/analog"))
  end)

  it("leaves nothing where the folder cannot be made or filled", function()
    local circuit = mgd.circuit { synapses = 2 }
    local file = folder.write("file", "text")
    errors.fails_here("it is a file, not a folder", circuit.verilog, circuit, { dir = file })
    errors.fails_here("file", circuit.verilog, circuit, { dir = file .. "/within" })
    errors.fails_here("option 'dir' is missing", circuit.verilog, circuit, {})
    errors.fails_here("where there is no run: it belongs to run = a run",
      circuit.verilog, circuit, { dir = folder.name .. "/new", steps = 3 })
    errors.fails_here("unknown option 'folder'", circuit.verilog, circuit, { folder = "x" })
    assert.equal("text", files.read("spec", file))
    local full = folder.name .. "/full"
    os.execute(("mkdir -p '%s/chip.v/within'"):format(full)) -- which no file can replace
    errors.fails_here("chip.v: it is a folder", circuit.verilog, circuit,
      { dir = full, overwrite = true })
    for _, name in ipairs(core.files.list(full)) do
      assert.is_nil(name:find "^%.", name)
    end
  end)

  it("is counted with a message where yosys is missing or fails", function()
    errors.contains(gates_with "/nonexistent", "false", "gates.lua:3: circuit:gates",
      "yosys is not installed (apt install yosys)")
    folder.write("yosys", "#!/bin/sh\necho 'ERROR: no such pass: synth_ice40' >&2\nexit 1\n")
    os.execute(("chmod +x '%s/yosys'"):format(folder.name))
    errors.contains(gates_with(folder.name .. ":/bin:/usr/bin"), "false",
      "yosys failed: ERROR: no such pass: synth_ice40: it ended with status 1")
    folder.write("yosys", "#!/bin/sh\necho 'Statistics of another kind'\n")
    errors.contains(gates_with(folder.name .. ":/bin:/usr/bin"), "false",
      "yosys printed no statistics of the module 'synapse'",
      "it printed: Statistics of another kind")
  end)
end)
