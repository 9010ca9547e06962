-- Circuits in Verilog that cannot be built, and programs of circuits that go wrong. Verilator is
-- the real one, or a script that puts spec/support/rtl_worker.lua in its place.

local core = require "mgd.core"
local errors = require "spec.support.errors"
local folder = require "spec.support.folder"
local lines_of = require("spec.support.shell").lines_of
local memory = require "spec.support.memory"
local mgd = require "mgd"

local mgd_lua = os.getenv "MGD_LUA" or arg[-1]
local root = lines_of("pwd")[1]

-- What the program says when it is ended would come at any moment among what a script prints.
local VERILATOR = [[
#!/bin/sh
if [ "$1" = --version ]; then echo "${VERSION:-Verilator 5.006 2023-01-22}"; exit; fi
while [ "$1" != -Mdir ]; do shift; done
echo "all: ; $BUILDS" > "$2/Vmgd_rtl.mk"
echo "#!/bin/sh" > "$2/worker"
echo "exec '$MGD_LUA' ']] .. root .. [[/spec/support/rtl_worker.lua' 2>/dev/null" >> "$2/worker"
chmod +x "$2/worker"
]]

local HEAD = [[
local mgd = require "mgd"
local core = require "mgd.core"
local net = mgd.nn.mlp { 1, 1 }
local function chip(timeout)
  return mgd.chip { verilog = "rtl", net = net, lsb = 0.25, timeout = timeout }
end
local function train(chip)
  return mgd.train { chip = chip, data = { x = mgd.tensor { { 1 } }, y = mgd.tensor { { 1 } } } }
end
]]

-- What a script prints and says, in the spec's folder, where rtl/chip.v is `source`.
local function run(script, environment, source)
  folder.write("rtl/chip.v", source or "module chip; endmodule\n")
  folder.write("script.lua", HEAD .. script)
  local pipe = assert(io.popen(("cd '%s' && MGD_LUA='%s' PATH='%s/bin:'$PATH "
    .. "XDG_CACHE_HOME='%s/cache' %s '%s' script.lua 2>&1"):format(folder.name, mgd_lua,
    folder.name, folder.name, environment or "", mgd_lua)))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

-- Expects the script to fail at its line `line`, and to leave nothing half made.
local function fails(texts, script, environment, source)
  local text = run(script, environment, source)
  for _, expected in ipairs(type(texts) == "table" and texts or { texts }) do
    errors.contains(text, expected)
  end
  errors.contains(text, "script.lua:10: ")
  for _, name in ipairs(core.files.list(folder.name .. "/cache/mgd-lua/verilog")) do
    assert.equal(64, #name)
  end
  return text
end

describe("a program of a circuit that", function()
  setup(function()
    mgd_lua = mgd_lua:gsub("^[^/]", root .. "/%0")
    folder.make()
    assert(os.execute(("mkdir '%s/bin' '%s/rtl'"):format(folder.name, folder.name)))
    assert(os.execute("chmod +x " .. folder.write("bin/verilator", VERILATOR)))
  end)
  teardown(folder.remove)

  local OPENING = {
    { "ends at once is reported with how it ended", "early",
      "rtl: chip: the program ended with status 7" },
    { "says nothing is waited for as long as timeout says", "mute",
      "rtl: chip: nothing came within 0.3 s" },
    { "is none is refused", "foreign", 'its program does not begin with "mgd-rtl1"' },
    { "is no learning circuit is refused", "fixed 1",
      "register 0x0000 (ID) reads 0x0000FFFF: expected 0x4D474431" },
    { "has other synapses is refused", "fixed 2",
      "it has 65535 synapses (register 0x0001): expected 2" },
    { "has impossible weights is refused", "fixed 3",
      "register 0x0002 (WEIGHT_BITS) reads 65535: expected from 2 to 31" },
    { "has weights finer than the network's reals is refused", "wide",
      "(WEIGHT_BITS) reads 24, and a network of f32 holds no more than 23: expected a network of" },
    { "has impossible costs is refused", "fixed 4",
      "register 0x0003 (COST_BITS) reads 65535: expected from 1 to 32" },
  }
  for _, case in ipairs(OPENING) do
    it(case[1], function()
      fails(case[3], case[2] == "mute" and "chip(0.3)" or "chip()",
        ("MGD_RTL='%s'"):format(case[2]))
    end)
  end

  -- In the fifth step; the next run starts a new program, which gets the weights of θ.
  local RUNNING = {
    { "ends in the middle of a run", "dies", "the program ended with status 3" },
    { "crashes", "crashes", "the program was ended by signal 9" },
    { "hangs", "hangs", "nothing came within " },
    { "prints rubbish", "rubbish", "rtl: chip: its program returned " },
    { "stays busy", "busy", "it is still busy after 1000000 clocks: register 0x000B" },
    { "calls $finish", "finishes", "it called $finish" },
  }
  for _, case in ipairs(RUNNING) do
    it(case[1] .. " ends the run, and is started anew", function()
      local text = run(([[
local made = chip(%d)
local run = train(made)
run:run { steps = 2, probes = {} }
local theta = run:theta():totable()
print(pcall(run.run, run, { steps = 8, probes = {} }))
print(run.steps_done >= 2 and run.steps_done < 5, core.rtl.goes_on(made.core))
run:run { steps = 2, probes = {} }
print(theta[1] == run:theta():totable()[1], #run.breaks, core.rtl.goes_on(made.core))
]]):format(case[2] == "hangs" and 2 or 20), ("MGD_RTL='%s 5'"):format(case[2]))
      errors.contains(text, "false\tscript.lua:", case[3], "\ntrue\tfalse\n",
        ": the circuit begins anew at θ", "a break in the history at step ", "\ntrue\t1\ttrue\n")
    end)
  end

  it("does not take weights is found out", function()
    errors.contains(run("net:set_theta(mgd.tensor({1, 2}, {dtype = 'f32'}))\n"
      .. "print(pcall(train(chip()).run, train(chip()), {steps = 1}))", "MGD_RTL=deaf"),
      "register 0x1000 was written 4 and shows 0")
  end)

  it("hangs ends the run soon after Ctrl-C", function()
    local text = run([[
local made = chip(60)
os.execute "(sleep 1; kill -INT $PPID) &"
print(pcall(train(made).run, train(made), { steps = 8, probes = {} }))
print(core.rtl.goes_on(made.core))
]], "MGD_RTL='hangs 5'")
    errors.contains(text, "interrupted at step ", "\nfalse\n")
  end)

  it("is built once for all who ask", function()
    local text = run([[
print(chip().rtl.seconds ~= nil, chip().rtl.seconds)
]], "VERSION='Verilator 5.020 2024-01-01'")
    assert.equal("true\tnil\n", text)
  end)
end)

describe("a circuit in Verilog that", function()
  setup(function()
    folder.make()
    assert(os.execute(("mkdir '%s/bin' '%s/rtl' '%s/empty'"):format(folder.name, folder.name,
      folder.name)))
  end)
  teardown(folder.remove)

  local PORTS = "module chip (input clk, input rst, input [15:0] addr, input write,\n"
    .. "input [31:0] wdata, output [31:0] rdata);\nassign rdata = 0;\n"

  it("has an error is refused with Verilator's words", function()
    fails({ "rtl: verilator failed: %Error: rtl/chip.v:4:", "syntax error" }, "chip()", nil,
      PORTS .. "wire = ;\nendmodule\n")
  end)

  it("lacks a port is refused", function()
    fails({ "verilator failed", "Pin not found: 'wdata'" }, "chip()", nil,
      (PORTS:gsub("input %[31:0%] wdata, ", "") .. "endmodule\n"))
  end)

  it("has ports of another width is refused", function()
    fails({ "module 'chip' has not the ports of a circuit: Input port connection 'addr' expects 8 "
      .. "bits" }, "chip()", nil,
      (PORTS:gsub("%[15:0%]", "[7:0]") .. "endmodule\n"))
  end)

  it("uses a module that is not there is refused", function()
    fails({ "verilator failed", "'synapse'" }, "chip()", nil,
      PORTS .. "synapse s ();\nendmodule\n")
  end)

  it("has no such top module is refused, comments or not", function()
    fails("rtl: none of its 1 Verilog source (*.v, *.sv) has a module 'chip'", "chip()", nil,
      "module chips; endmodule // module chip\n/* module chip */\n")
  end)

  it("is not there is an error", function()
    local function missing(dir, message)
      fails(message, ("mgd.chip { verilog = '%s', net = net, lsb = 1 }"):format(dir))
    end
    missing("nowhere", "verilog: expected a folder of Verilog sources: nowhere: No such file")
    missing("script.lua", "script.lua: it is a file")
    fails("nowhere: No such file", "mgd.chip { verilog = 'nowhere', net = net }") -- before its lsb
    missing("empty", "empty: none of its 0 Verilog sources (*.v, *.sv) has a module 'chip'")
    missing("", "the path is empty")
  end)

  it("has a chip.txt with a scale that is none is refused", function()
    folder.write("rtl/chip.txt", "lsb much\n")
    fails("rtl/chip.txt: 'lsb' must be a number above 0, got 'much'",
      "mgd.chip { verilog = 'rtl', net = net }")
    os.remove(folder.name .. "/rtl/chip.txt")
  end)

  it("finds no Verilator, or none that will do, is refused", function()
    local function as(version)
      assert(os.execute("chmod +x " .. folder.write("bin/verilator", VERILATOR)))
      return "VERSION='" .. version .. "'"
    end
    fails("verilator is too old: expected version 4.200 or later, got 4.038", "chip()",
      as "Verilator 4.038 2020-07-11 rev v4.036-114-g0cd4a57ad")
    fails("verilator is none: it calls itself 'Icarus'", "chip()", as "Icarus")
    os.remove(folder.name .. "/bin/verilator")
    fails("verilator is not installed (apt install verilator)", "chip()", "PATH=/nowhere")
  end)

  it("has no place for its program is refused", function()
    assert(os.execute("chmod +x " .. folder.write("bin/verilator", VERILATOR)))
    fails("there is no place for what Verilator makes: /dev/null/x", "chip()",
      "XDG_CACHE_HOME=/dev/null/x")
    fails("expected XDG_CACHE_HOME or HOME to be an absolute folder", "chip()",
      "XDG_CACHE_HOME=here HOME=there")
    fails("/my cache/mgd-lua/verilog: expected XDG_CACHE_HOME to be a folder without blanks",
      "chip()", "XDG_CACHE_HOME='/my cache'")
  end)

  it("finds no C++ compiler is refused with the words of make", function()
    fails({ "rtl: make failed: make: no-such-compiler: No such file" }, "chip()",
      "VERSION='Verilator 5.002' BUILDS='no-such-compiler -c worker.cpp'")
  end)
end)

describe("an allocation that fails on a circuit in Verilog", function()
  local net, chip = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" }, nil
  after_each(function()
    core.base.fail_from(0)
  end)

  local function make()
    return mgd.chip { verilog = "examples/rtl", net = net, lsb = 2 ^ -8 }
  end

  it("in mgd.chip is an error that leaks nothing", function()
    chip = make()
    assert.is_true(memory.survive(make) > 4)
  end)

  it("in mgd.train and a run is an error that leaks nothing", function()
    assert.is_true(memory.survive(function()
      return mgd.train { chip = chip, data = mgd.data.xor(), batch = 4 }
    end) > 8)
    local one = mgd.train { chip = chip, data = mgd.data.xor(), batch = 4 }
    assert.is_true(memory.survive(function()
      return one:run { steps = 2, probes = {} } and nil
    end) > 0)
  end)
end)
