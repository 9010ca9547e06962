-- Netlists of SPICE as mgd.chip{spice = …} reads them, against ngspice itself.

local files = require "mgd.base.files"
local netlist = require "mgd.hardware.spice.netlist"
local words = require "mgd.hardware.spice.words"

local folder
local count = 0

local function write(name, text)
  local path = folder .. "/" .. name
  files.write("spec", path, text)
  return path
end

local function read(text, opts)
  count = count + 1
  return netlist.read("spec", write(("n%d.cir"):format(count), text), opts)
end

-- What plain `ngspice -b` prints for a netlist.
local function ngspice(text)
  local path = write("run.cir", text)
  local pipe = assert(io.popen(("cd %s && HOME=%s ngspice -n -b %s 2>&1"):format(folder, folder,
    path)))
  local printed = pipe:read "*a"
  pipe:close()
  return printed
end

-- The numbers of the first row of .print.
local function printed_row(text)
  local row, values = ngspice(text):match "Index[^\n]*\n%-+\n0%s+([^\n]*)", {}
  for word in (row or ""):gmatch "%S+" do
    values[#values + 1] = tonumber(word)
  end
  return values
end

local function names(list, field)
  local all = {}
  for i, one in ipairs(list) do
    all[i] = tostring(one[field or "name"])
  end
  return table.concat(all, " ")
end

local NESTED = [[
A title
.param rr=2k gain={2*rr}
v1 in 0 dc 1
r1 in out 1k
x1 out 0 cell
x2 out a CELL
+ g=3        ; of the instance
.subckt cell p q g=1
.model nch nmos (level=1 vto=0.5)
r1 p m {rr*g}
m1 m p q q nch w=10u
* a comment within a card
+ l=1u
x3 m q inner
.ends
.subckt inner a b
r9 a b 5k
c1 a b 1p $ and one behind
.ends
rl a gnd 1k
q1 in out 0 np
.model np npn bf=100
.op
.end
]]

describe("a netlist", function()
  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
  end)

  teardown(function()
    os.execute("rm -r " .. folder)
  end)

  it("has numbers with SPICE's suffixes, and units behind them", function()
    local wanted = { ["1k"] = 1e3, ["2.2meg"] = 2.2e6, ["10uF"] = 1e-5, ["1mil"] = 25.4e-6,
      ["-3e-4"] = -3e-4, ["5Volts"] = 5, ["1d-3"] = 1e-3, [".5"] = 0.5, ["{1.5e3k}"] = 1.5e6,
      ["10Mohm"] = 0.01, ["1a"] = 1e-18 }
    for text, value in pairs(wanted) do
      assert.are.equal(value, words.number(text), text)
    end
    for _, text in ipairs { "1+2", "rr", "-", "", "1k2", "{rr}", "'a*b'" } do
      assert.is_nil(words.number(text), text)
    end
  end)

  it("is flattened as ngspice flattens it", function()
    local list = read(NESTED).elements
    local printed = ngspice(NESTED:gsub("%.op\n", ".control\nlisting e\n.endc\n"))
    local theirs = {}
    for line in printed:gmatch "\n%s*%d+ : ([^\n]*)" do
      if line:find "^%a" and line ~= "a title" then
        theirs[#theirs + 1] = line:match "^(%S+)"
      end
    end
    assert.are.equal("v1 r1 x1.r1 x1.m1 x1.x3.r9 x1.x3.c1 x2.r1 x2.m1 x2.x3.r9 x2.x3.c1 rl q1",
      names(list))
    assert.are.equal(table.concat(theirs, " "), names(list, "spice"))
  end)

  it("gives devices models of their own, in every instance of a subcircuit", function()
    local N = read [[
Two inverters
.model nch nmos level=1 vto=0.5
.subckt inverter in out
m1 out in 0 0 nch w=1u l=1u
.ends
x1 a b inverter
x2 b c inverter
]]
    assert.equal("x1.m1.vto x2.m1.vto", names(N:targets("spec", { "x*.m1.vto" })))
    local _, models = N:worker_text():gsub("%.model", "")
    assert.equal(2, models)
  end)
end)
