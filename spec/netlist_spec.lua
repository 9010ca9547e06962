-- Netlists of SPICE as mgd.chip{spice = …} reads and writes them, against ngspice itself.

local errors = require "spec.support.errors"
local folder = require "spec.support.folder"
local netlist = require "mgd.hardware.spice.netlist"
local words = require "mgd.hardware.spice.words"

local fails_here = errors.fails_here

local count = 0

local write = folder.write

local function read(text, opts)
  count = count + 1
  return netlist.read("spec", write(("n%d.cir"):format(count), text), opts)
end

-- What plain `ngspice -b` prints for a netlist.
local function ngspice(text)
  local path = write("run.cir", text)
  local pipe = assert(io.popen(("cd %s && HOME=%s ngspice -n -b %s 2>&1"):format(folder.name,
    folder.name, path)))
  local printed = pipe:read "*a"
  pipe:close()
  return printed
end

-- The numbers of the first row that .print prints.
local function printed_row(text)
  local printed = ngspice(text)
  local row, values = printed:match "\nIndex[^\n]*\n%-+\n0%s+([^\n]*)", {}
  for word in (row or error(printed)):gmatch "%S+" do
    values[#values + 1] = tonumber(word)
  end
  return values
end

-- The cards of a netlist, as ngspice lists them once it has flattened it.
local function listed(text)
  local cards = {}
  for line in ngspice(text .. ".control\nlisting e\n.endc\n"):gmatch "\n%s*%d+ : ([^\n]*)" do
    cards[#cards + 1] = line:find "^%a" and line or nil
  end
  return cards
end

local function joined(list, field)
  local all = {}
  for i, one in ipairs(list) do
    local value = one[field]
    all[i] = type(value) == "number" and ("%g"):format(value) or tostring(value)
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
]]

-- A subcircuit that is defined within another is expanded before that one, and named so.
local LEXICAL = [[
A title
v1 in 0 1
x1 in out outer
x2 out 0 outer
.subckt outer a b
.subckt inner a b
.model dd d is=1f
d1 a m dd
r1 m b 1k
.ends
x1 a n inner
r2 n b 1k
.ends
]]

describe("a netlist", function()
  setup(folder.make)
  teardown(folder.remove)

  it("has numbers with SPICE's suffixes, and units behind them", function()
    local wanted = { ["1k"] = 1e3, ["2.2meg"] = 2.2e6, ["10uF"] = 1e-5, ["1mil"] = 25.4e-6,
      ["-3e-4"] = -3e-4, ["5Volts"] = 5, ["1d-3"] = 1e-3, [".5"] = 0.5, ["{ 1.5e3k }"] = 1.5e6,
      ["10Mohm"] = 0.01, ["1a"] = 1e-18 }
    for text, value in pairs(wanted) do
      assert.equal(value, words.number(text), text)
    end
    for _, text in ipairs { "1+2", "rr", "-", "", "1k2", "{rr}", "'a*b'", "1e99999999k1" } do
      assert.is_nil(words.number(text), text)
    end
  end)

  it("is flattened as ngspice flattens it", function()
    for _, text in ipairs { NESTED, LEXICAL } do
      local list, theirs = read(text).elements, {}
      for _, card in ipairs(listed(text)) do
        theirs[#theirs + 1] = card:match "^([a-wyz]%S*) %S+ %S+"
      end
      assert.equal(table.concat(theirs, " "), joined(list, "spice"))
    end
  end)

  it("names elements as people do, with their values, models and nodes", function()
    local N = read(NESTED)
    local by_name = {}
    for _, element in ipairs(N.elements) do
      by_name[element.name] = element
    end
    local m1, r1 = by_name["x2.m1"], by_name["x2.r1"]
    assert.equal("x2:nch", m1.model)
    assert.same({ "x2.m", "out", "a", "a" }, m1.nodes)
    assert.same({ w = 1e-5, l = 1e-6 }, m1.fields)
    assert.is_nil(r1.value) -- an expression
    assert.equal(5000, by_name["x1.x3.r9"].value)
    assert.same({ "a", "0" }, by_name.rl.nodes)
    assert.equal(2000, N.params.rr.value)
    assert.is_nil(N.params.gain.value)
  end)

  it("tells nodes, models and values apart in the cards of all elements", function()
    local N = read [[
title
Vs s 0 SIN(0 1 1k) AC 1
Va a 0 AC 1
Vd d 0 DC=2.5 PULSE(0 1 0)
r2 a b rmod w=1u l=2u
r3 a b 3k tc1=1m
r4 a b r=4k
r5 a b {v(a)*1k}
c1 a b c=1p
e1 b 0 a 0 2
e2 c 0 vcvs a 0 3
e3 e 0 value={v(a)*2}
g1 b 0 poly(1) a 0 1 2
f1 b 0 vs 0.5
q1 a b 0 sub qmod 2
d1 a b dmod area=3
s1 a b s 0 smod
w1 a b vs wmod
k1 la lb 0.9
b1 z 0 v=v(a)
m1 a b s 0 mbin w=1u
.model rmod r rsh=10
.model qmod npn
.model dmod d
.model smod sw
.model wmod csw
.model mbin.2 nmos
.options reltol=1e-5 savecurrents
]]
    local seen = {}
    for _, e in ipairs(N.elements) do
      seen[e.name] = ("%s %s %s"):format(tostring(e.value), tostring(e.model),
        table.concat(e.nodes, ","))
    end
    assert.equal("nil nil s,0", seen.vs)
    assert.equal("0 nil a,0", seen.va)
    assert.equal("2.5 nil d,0", seen.vd)
    assert.is_truthy(seen.r3:find "^3000")
    assert.is_truthy(seen.r4:find "^4000")
    assert.equal("nil nil a,b", seen.r5)
    assert.equal("1e-12 nil a,b", seen.c1)
    assert.is_truthy(seen.e1:find "^2.* b,0,a,0$")
    assert.is_truthy(seen.e2:find "^3.* c,0,a,0$")
    assert.equal("nil nil e,0", seen.e3)
    assert.equal("nil nil b,0", seen.g1)
    assert.equal("0.5 nil b,0", seen.f1)
    assert.equal("nil rmod a,b", seen.r2)
    assert.equal("nil qmod a,b,0,sub", seen.q1)
    assert.equal("nil dmod a,b", seen.d1)
    assert.equal("nil mbin.2 a,b,s,0", seen.m1) -- of models for several sizes
    assert.equal("nil smod a,b,s,0", seen.s1)
    assert.equal("nil wmod a,b", seen.w1)
    assert.is_truthy(seen.k1:find "^0.9")
    assert.same({ reltol = 1e-5, savecurrents = true }, N.options)
  end)

  it("expands includes and sections of libraries beside the file that names them", function()
    assert(os.execute("mkdir " .. folder.name .. "/deep"))
    write("deep/lib.txt", ".lib fast\n.include 'part.inc'\n.lib lib.txt slow\n.endl\n"
      .. ".LIB slow\nr3 b 0 3k\n.endl fast\nr4 not 0 1k\n")
    write("deep/part.inc", "r2 a b 2k\n")
    local N = read("title\nv1 a 0 1 ; .include nothing\n.lib \"deep/lib.txt\" FAST\n"
      .. ".end\nr5 b 0 1k\n")
    assert.equal("v1 r2 r3 r5", joined(N.elements, "name")) -- ngspice reads on behind .end
    assert.equal(folder.name .. "/deep/part.inc", N.lines[2].file)
    assert.equal(1, N.lines[2].line)
  end)

  it("drops analyses and what they print, and takes the title from .title", function()
    local N = read "title\n.title another\nv1 a 0 1\nr1 a 0 1k\n.op\n.print dc v(a)\n.end\n"
    assert.equal("another", N.title)
    assert.equal(".op .print dc v(a) .end", joined(N.dropped, "text"))
    assert.equal("mgd: another\nv1 a 0 1\nr1 a 0 1k\n", N:worker_text())
  end)
end)

describe("parameters of a netlist", function()
  setup(folder.make)
  teardown(folder.remove)

  it("are values, fields, models and .param, in the order given", function()
    local found = read(NESTED):parameters("spec", { "x?.x3.*", "v1", "X1.m1.w", "np.bf", "{rr}",
      "gain" })
    assert.equal("x1.x3.r9 x1.x3.c1 x2.x3.r9 x2.x3.c1 v1 x1.m1.w np.bf rr gain",
      joined(found, "name"))
    assert.equal("r.x1.x3.r9 c.x1.x3.c1 r.x2.x3.r9 c.x2.x3.c1 v1 m.x1.m1[w] np:bf rr gain",
      joined(found, "target"))
    assert.equal("value value value value value field model param param", joined(found, "kind"))
    assert.equal("5000 1e-12 5000 1e-12 1 1e-05 100 2000 nil", joined(found, "value"))
  end)

  it("of devices that only models have give each device a model of its own", function()
    local N = read(NESTED)
    local found = N:parameters("spec", { "x*.m*.vto", "x1.m1.kp" })
    assert.equal("x1.m1.vto x2.m1.vto x1.m1.kp", joined(found, "name"))
    assert.equal("x1:nch__m1:vto x2:nch__m1:vto x1:nch__m1:kp", joined(found, "target"))
    assert.equal("0.5 0.5 nil", joined(found, "value"))
    -- ngspice alters one of them, and not the other
    local script = N:worker_text() .. ".control\nop\naltermod x1:nch__m1 vto = 0.3\nop\n"
      .. "print @m.x1.m1[von] @m.x2.m1[von]\n.endc\n"
    local one, two = ngspice(script):match "%[von%] = (%S+)%s+%S+ = (%S+)"
    assert.equal("3.000000e-01 5.000000e-01", one .. " " .. two)
  end)

  it("of devices have such a model in every instance of a subcircuit", function()
    local N = read [[
Two inverters
.model nch nmos level=1 vto=0.5
.subckt inverter in out
m1 out in 0 0 nch w=1u l=1u
.ends
x1 a b inverter
x2 b c inverter
]]
    assert.equal("x1.m1.vto x2.m1.vto", joined(N:targets("spec", { "x*.m1.vto" }), "name"))
    local _, models = N:worker_text():gsub("%.model", "")
    assert.equal(2, models)
  end)

  it("of instances become .param of the top level", function()
    local N = read(NESTED)
    local found = N:parameters("spec", { "x?.g" })
    assert.equal("x1.g x2.g", joined(found, "name"))
    assert.equal("param param", joined(found, "kind"))
    assert.equal("1 3", joined(found, "value"))
    assert.equal("x1.g", N:parameters("spec", "x1.g")[1].name)
    errors.contains(N:worker_text(), "\nx1 out 0 cell g={x1__g}\n", "\nx2 out a CELL  g={x2__g}\n",
      "\n.param x1__g=1\n")
    local printed = ngspice(N:worker_text() .. ".control\nalterparam " .. found[2].target
      .. " = 5\nreset\nprint @r.x1.r1[resistance] @r.x2.r1[resistance]\n.endc\n")
    errors.contains(printed, "@r.x1.r1[resistance] = 2.000000e+03",
      "@r.x2.r1[resistance] = 1.000000e+04")
    errors.contains(N:text { values = { ["x2.g"] = 7 } }, "\n.param x2__g=7\n")
  end)

  it("that are set are what ngspice's own `alter` sets", function()
    local N = read(NESTED)
    local values = { ["x2.x3.r9"] = 1234.5, ["x1.m1.w"] = 2e-5, ["q1.bf"] = 55, r1 = 777,
      ["x2.m1.vto"] = 0.41, rr = 2500 }
    local written = N:text { values = values, inputs = { v1 = 1.25 }, analysis = "op",
      outputs = { "out", "a - out", "i(v1)", "x2.m" } }
    local alters = {}
    for name, value in pairs(values) do
      local target = N:parameters("spec", name)[1]
      local model, field = target.target:match "^(.*):([^:]*)$"
      if target.kind == "param" then
        table.insert(alters, 1, ("alterparam %s = %g\nreset"):format(name, value))
      elseif target.kind == "model" then
        alters[#alters + 1] = ("altermod %s %s = %g"):format(model, field, value)
      else
        alters[#alters + 1] = ("alter %s = %g"):format(target.kind == "field"
          and "@" .. target.target or target.target, value)
      end
    end
    local printed = ngspice(N:worker_text() .. ".control\n" .. table.concat(alters, "\n")
      .. "\nalter v1 = 1.25\nop\nprint v(out) v(a)-v(out) i(v1) v(x2.m)\n.endc\n")
    local theirs = {}
    for word in printed:gmatch "%) = (%-?%d%S*)" do
      theirs[#theirs + 1] = tonumber(word)
    end
    local ours = printed_row(written)
    assert.equal(4, #theirs, printed)
    for i = 1, 4 do -- both print 7 digits
      assert.near(theirs[i], ours[i], 2e-6 * math.abs(theirs[i]))
    end
  end)

  it("are written into the cards as they are, into copies only where instances differ", function()
    local N = read(NESTED)
    local text = N:text { values = { ["x1.x3.r9"] = 7, rr = 3, ["np.vaf"] = 50 } }
    errors.contains(text, ".param rr=3 gain={2*rr}\n", ".model np npn vaf=50  bf=100\n",
      "\nx1 out 0 cell__x1\n", "\nx2 out a CELL  g=3\n", "\nx3 m q inner__x1_x3\n",
      "\n.subckt inner__x1_x3 a b\nr9 a b 7\n", "\nr9 a b 5k\n")
    local single = read "title\nv1 a 0 1\nx1 a cell\n.subckt cell p\nr1 p 0 1k\n.ends\n"
    assert.equal("title\n* by me\nv1 a 0 1\nx1 a cell\n.subckt cell p\nr1 p 0 2\n.ends\n.end\n",
      single:text { values = { ["x1.r1"] = 2 }, comment = "by me" })
  end)

  it("are written with a temperature, and with inputs that step in a transient", function()
    local N = read "title\nv1 a 0 DC 0.5 SIN(0 1 1k)\nr1 a b 1k\nc1 b 0 1u\n.temp 50\n"
    local text = N:text { values = { temperature = 35 }, inputs = { v1 = 2 }, outputs = { "b" },
      analysis = { step = 1e-4, stop = 1e-3 } }
    assert.is_nil(text:find ".temp 50")
    errors.contains(text, "\nv1 a 0 DC 0.5 PWL(0 0.5 0.0001 2)\n", "\n.options temp=35\n")
    local printed = ngspice(text)
    assert.is_truthy(printed:find("TEMP = 35", 1, true), printed)
    local last
    for _, v in printed:gmatch "\n%d+%s+(%S+)%s+(%S+)" do
      last = tonumber(v)
    end
    -- a ramp of 1.5 V in a tenth of τ = 1 ms, looked at after τ
    local ramp = (1.5 / 0.1) * (math.exp(-0.9) - math.exp(-1))
    assert.near(2 - ramp, last, 2e-3)
  end)

  it("that are wrong are named, with what is there and a suggestion", function()
    local N = read(NESTED)
    local function fails(texts, names)
      fails_here(texts, N.parameters, N, "spec", names)
    end
    fails("there is nothing called 'x1.r2' (did you mean 'x1.r1'?", "x1.r2")
    fails("there is nothing called 'zz*' (there are: v1, r1, x1.r1", "zz*")
    fails("'x1.m1' is a MOSFET and has no value, but x1.m1.w, x1.m1.l", { "r1", "x1.m1" })
    fails("'r1' is named twice: by 'r1' and by 'r*'", { "r1", "r*" })
    fails("'rl.wit': rl is a resistor and has no 'wit' (did you mean 'rl.w'?", "rl.wit")
    fails("x1 is an instance of subcircuit 'cell'", "x1.nothing")
    fails("element 2: expected a name, got number", { "r1", 2 })
    fails("expected a list of names, got number", 2)
    N:parameters("spec", "np.bf")
    fails("'q1.bf' needs a model of q1's own, which 'np.bf' would no longer change", "q1.bf")
  end)
end)

describe("inputs and outputs of a netlist", function()
  local N

  setup(function()
    folder.make()
    N = read(NESTED .. "i5 0 3 sin(0 1 1)\nr5 3 out+ 1k\nr6 out+ 0 1k\n"
      .. "b1 z 0 v=v(a)\ne1 y 0 a 0 2\n")
  end)

  teardown(function()
    folder.remove()
  end)

  it("are sources, and expressions of nodes and currents", function()
    local inputs = N:inputs("spec", { "i5", "V1" })
    assert.equal("i5 v1", joined(inputs, "source"))
    assert.equal("sin nil", joined(inputs, "waveform"))
    local wanted = { y = "v:y", ["y - a"] = "v:y v:a -", ["v(y, a)"] = "v:y v:a -", ["3"] = "v:3",
      ["3*v(3)"] = "3 v:3 *", ["out+"] = "v:out+", ["v(out+)/1k"] = "v:out+ 1000 /",
      ["-(y+1)*2"] = "v:y 1 + neg 2 *", ["max(x1.m, gnd)"] = "v:x1.m 0 max", ["i(V1)"] = "i:v1",
      ["a - y - 1e-3"] = "v:a v:y - 0.001 -", ["tanh(i(e1))"] = "i:e1 tanh" }
    for given, rpn in pairs(wanted) do
      local output = N:outputs("spec", given)[1]
      assert.equal(given, output.name)
      assert.equal(rpn, output.rpn:gsub("0%.001%d+", "0.001"))
    end
  end)

  it("print as the same numbers from ngspice", function()
    local row = printed_row(N:text { analysis = "op",
      outputs = { "y", "2 * a", "abs(a - y) + 1", "-(a - 2*y)/4", "i(v1)" } })
    assert.near(row[1], row[2], 1e-6)
    assert.near(1 + row[1] / 2, row[3], 1e-6)
    assert.near(row[1] * 3 / 8, row[4], 1e-6)
  end)

  it("that are wrong are named, with what is there and a suggestion", function()
    local function fails(text, method, given)
      fails_here(text, N[method], N, "spec", given)
    end
    fails("there is no source 'v7' (did you mean 'v1'?", "inputs", "v7")
    fails("'r1' is a resistor: expected a voltage or current source", "inputs", "r1")
    fails("'v1' is named twice", "inputs", { "v1", "v1" })
    fails("output 'ouut': there is no node 'ouut' (did you mean 'out'?", "outputs", "ouut")
    fails("there is no node 'v1' (the current of v1 is i(v1))", "outputs", "v1")
    fails("the current of 'r1', a resistor, is no unknown of ngspice: put a voltage source of 0 V",
      "outputs", "i(r1)")
    fails("there is no element 'v2' (did you mean 'v1'?", "outputs", "i(v2)")
    fails("there is no function 'atan' (there are: abs, exp", "outputs", "atan(y)")
    fails("max takes 2 arguments", "outputs", "max(y)")
    fails("')' is missing at character 3", "outputs", "(y")
    fails("expected an operator at ' a'", "outputs", "y a")
    fails("it ends too early", "outputs", "y +")
    fails("it is nested deeper than 100", "outputs", ("("):rep(1000))
    fails("an output is empty", "outputs", "")
  end)
end)
