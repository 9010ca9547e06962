-- Netlists that are wrong, without end, or programs: a message with file and line, never a crash.

local cards = require "mgd.hardware.spice.cards"
local errors = require "spec.support.errors"
local folder = require "spec.support.folder"
local netlist = require "mgd.hardware.spice.netlist"

local fails_here = errors.fails_here


local write = folder.write

-- Expects a netlist, below a line of a title, to be refused with these words; a number at their
-- front is the line that is named.
local function refuses(texts, text, opts)
  local path = write("net.cir", "title\n" .. text)
  texts = type(texts) == "table" and texts or { texts }
  if type(texts[1]) == "number" then
    texts = { ("spec: %s:%d: "):format(path, texts[1]), texts[2] }
  end
  return fails_here(texts, netlist.read, "spec", path, opts)
end

local function reads(text, opts)
  return netlist.read("spec", write("net.cir", "title\n" .. text), opts)
end

local R = "r1 a 0 1k\n"

describe("a netlist that", function()
  setup(folder.make)
  teardown(folder.remove)

  it("would be executed is refused with file and line", function()
    refuses({ 3, "'.control': ngspice executes what stands between" }, R .. ".control\nshell ls\n")
    refuses({ 2, "what stands behind '*#'" }, "*#shell touch x\n" .. R)
    refuses({ 2, "'! touch x': this is a command" }, "! touch x\n" .. R)
    refuses({ 2, "'pre_osdi x.osdi': this is a command" }, "pre_osdi x.osdi\n" .. R)
    refuses({ 2, "'codemodel x.cm': this is a command" }, "codemodel x.cm\n" .. R)
    refuses({ 2, "'.shell ls': this is a command" }, ".shell ls\n" .. R)
    refuses({ 2, "ngspice knows no '.exec'" }, ".exec ls\n" .. R)
    refuses({ 2, "ngspice knows no '.includes'" }, ".includes x\n" .. R)
    write("inc.cir", "* comment\n .CONTROL\n")
    refuses({ folder.name .. "/inc.cir:2: ' .CONTROL'" }, ".include inc.cir\n")
    fails_here({ "/script.cir:1: '*ng_script'", "allow_control = true" }, netlist.read, "spec",
      write("script.cir", "*ng_script\nshell ls\n"))
  end)

  it("has names that ngspice's commands execute or take apart cannot be trained by them", function()
    local N = reads("r`ls` a 0 1k\nv$x a 0 1\n.param p>f=1\n.model m&x d is=1f\nd1 a 0 m&x\n")
    for _, name in ipairs { "r*", "d1.is" } do
      fails_here("means something else in ngspice's commands: rename it", N.parameters, N, "spec",
        name)
    end
    fails_here("'v$x': '$' means something else", N.inputs, N, "spec", "v*")
    fails_here("'>' means something else", N.parameters, N, "spec", "p*")
  end)

  it("would open files or load programs is refused", function()
    refuses({ 3, "a model 'filesource' opens files" }, R .. ".model m\n+ filesource(f=\"x\")\n")
    refuses("a model 'd_source' opens files", R .. ".model m d_source(input_file=\"x\")\n")
    refuses("a model 'd_process' opens files or runs programs", R .. ".model m d_process\n")
    refuses("the kind of the model is no plain word", R .. ".param k=\"d_process\"\n.model m {k}\n")
    refuses("it names a file to open", R .. ".model m something(x_file = \"x\")\n")
    refuses("it names a file to open", R .. "v1 b 0 PWL file=\"x\"\n")
    refuses("option 'rawfile' changes how ngspice reads or writes files",
      R .. ".options reltol=1e-4 rawfile=x\n")
  end)

  it("is trusted is read with what it executes", function()
    local N = reads(".control\nop ; keep $this\n.endc\n" .. R
      .. ".model m filesource(file=\"x\")\n", { allow_control = true })
    errors.contains(N:worker_text(), "\n.control\nop ; keep $this\n.endc\n", "filesource")
    refuses({ 2, "ngspice knows no '.exec'" }, ".exec ls\n", { allow_control = true })
  end)

  it("draws random numbers is refused, but for functions and models of such names", function()
    refuses({ 2, "'agauss' draws random numbers" }, "r1 a 0 {agauss(1k, 10, 3)}\n")
    refuses({ 3, "'unif' draws random numbers" }, R .. ".param x={1 + UNIF (1, 2)}\n")
    refuses({ 2, "'trnoise' draws random numbers" }, "v1 a 0 DC 0 TRNOISE(1 1n 0 0)\n")
    refuses({ 2, "an EXTERNAL source asks the program" }, "v1 a 0 DC 0 EXTERNAL\n")
    refuses({ 3, "'limit' draws" }, R .. "r2 a 0 {limit(1k, 10)}\n")
    reads(R .. ".func gauss(x) {x}\nr2 a 0 {gauss(3)}\nb1 c 0 v=limit(v(a), 0, max(1, 2))\n")
    reads(R .. ".model m limit(gain=2)\nr2 a gauss 1k\n")
  end)

  it("includes without end, or what is no file, ends in a message", function()
    refuses({ 2, "net.cir includes itself" }, ".include net.cir\n")
    write("a.inc", ".include b.inc\n")
    write("b.inc", "* x\n.include ./a.inc\n")
    refuses("files are included within each other deeper than 32", ".include a.inc\n")
    refuses({ 2, "/none.inc: No such file or directory" }, ".include none.inc\n")
    refuses({ 2, "it is a folder" }, (".inc '%s'\n"):format(folder.name))
    refuses({ 2, "/dev/zero: it is not a regular file" }, ".include /dev/zero\n")
    refuses({ 2, "expected a file, not a program or an address" }, ".include |ls\n")
    refuses({ 2, "expected a file, not a program or an address" }, ".include http://x/y\n")
    refuses({ 2, "the name of a file is missing" }, ".include\n")
    fails_here("/none.cir: No such file or directory", netlist.read, "spec",
      folder.name .. "/none.cir")
    write("c.lib", ".lib one\n.lib c.lib one\n.endl\n.lib two\n")
    refuses({ folder.name .. "/c.lib:2: ", "c.lib includes itself" }, ".lib c.lib one\n")
    refuses("c.lib:4: section 'two' has no .endl", ".lib c.lib two\n")
    refuses({ 2, "c.lib has no section 'on' (did you mean 'one'?" }, ".lib c.lib on\n")
    refuses({ 2, "expected a file and the name of a section of it" }, ".lib c.lib\n")
  end)

  it("includes twice in each of many files, or nests subcircuits so, ends in a message", function()
    local lines, elements = cards.MOST.lines, cards.MOST.elements
    finally(function()
      cards.MOST.lines, cards.MOST.elements = lines, elements
    end)
    cards.MOST.lines, cards.MOST.elements = 10000, 2000 -- or it would take seconds
    local text = "x1 a s1\n"
    for i = 1, 30 do
      write("bomb" .. i, (".include bomb%d\n"):format(i + 1):rep(2))
      text = text .. (".subckt s%d a\nx1 a s%d\nx2 a s%d\n.ends\n"):format(i, i + 1, i + 1)
    end
    write("bomb31", ("*\n"):rep(4000)) -- 2³⁰ times
    refuses("the netlist with what it includes has more than 10000 lines", ".include bomb1\n")
    refuses("the netlist has more than 2000 elements", text .. ".subckt s31 a\n" .. R .. ".ends\n")
    refuses({ 4, "x1: subcircuit 's' contains itself" },
      R .. ".subckt s a\nx1 a s\n.ends\nx1 a s\n")
    refuses("subcircuits are defined within each other deeper than 50", (".subckt s a\n"):rep(60))
  end)

  it("is no text, or holds what is none, is refused", function()
    refuses("net.cir:3: this is no text: it has a zero byte", R .. "r2 a 0 \0001k\n")
    refuses("a line has more than 1024 KiB", "r1 a 0 " .. ("1"):rep(2 ^ 20))
    refuses({ 2, "a name has at most 200 characters" }, "r" .. ("1"):rep(1000) .. " a 0 1\n")
    refuses({ 2, "ngspice ends a file at a line that begins with '@'" }, "@\n" .. R)
    refuses({ 2, "'=5': a card begins with a letter or a dot" }, "=5\n" .. R)
    refuses("there are no elements in it", "* nothing\n")
    assert.equal(1, #reads("r1 a 0 {{{'\"\n").elements)
    assert.equal(1000, reads("r1 a 0\r\n+ 1k\r").elements[1].value)
  end)

  it("lacks a title, or begins with a card that counts, is refused with that reason", function()
    local path = write("net.cir", ".include x\n" .. R)
    fails_here("net.cir:1: '.include x': the first line of a netlist is its title", netlist.read,
      "spec", path)
    local N = netlist.read("spec", write("net.cir", "V1 b 0 1\n" .. R))
    fails_here("'v1' stands in the first line of " .. path .. ", which is its title", N.parameters,
      N, "spec", "v1")
  end)

  it("is not closed, or is no circuit, is refused with the card at fault", function()
    refuses({ 2, "there is nothing before it to go on with" }, "+ 1k\n" .. R)
    refuses({ 3, "subcircuit 's' has no .ends" }, R .. ".subckt s a\nr1 a 0 1k\n")
    refuses({ 3, ".ends without .subckt" }, R .. ".ends\n")
    refuses({ 2, "the name of the subcircuit is missing" }, ".subckt\n" .. R)
    refuses("the netlist ends between .if and .endif", ".if (1)\n" .. R)
    refuses({ 3, "there are two elements 'r1': the other one is at " }, R .. "R1 b 0 1k\n")
    refuses({ 5, "there are two subcircuits 's'" },
      R .. ".subckt s a\n.ends\n.subckt S a\n.ends\n")
    refuses({ 2, "x1: there is no subcircuit 'cel' (did you mean 'cell'?" },
      "x1 a cel\n.subckt cell a\n.ends\n" .. R)
    refuses({ 2, "x1 has 3 nodes, its subcircuit 'cell' has 1: a" },
      "x1 a b c cell\n.subckt cell a\n.ends\n" .. R)
    refuses({ 3, "q1: there is no model 'npm' (there are: npn1)" },
      R .. "q1 a b 0 npm\n.model npn1 npn\n")
    refuses({ 2, "'# what': a card begins with a letter" },
      "# what\n" .. R)
    refuses({ 2, "expected 2 nodes, as of any resistor" }, "r1 a\n")
    refuses({ 2, "the name of its model is missing" }, "d1 a b\n")
    refuses({ 3, "expected .model NAME KIND" }, R .. ".model m\n")
  end)
end)
