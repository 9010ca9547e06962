--- Python programs as chips: mgd_chip.py, in the words of the small protocol.

local core = require "mgd.core"
local mgd = require "mgd"
local needs = require "spec.support.needs"
local python = require "spec.support.python"
local read = require("spec.support.texts").read

local block, samples = python.block, python.samples

local LINE = [==[
def evaluate(theta, x):
    return [[row[0] * theta[0] + theta[1]] for row in x]
serve(parameters=2, inputs=1, outputs=1, evaluate=evaluate)
]==]

-- Requests and answers, line by line, as the contract shows them.
local function talks(source, numpy, lines)
  local input, expected = {}, {}
  for line in lines:gmatch "[^\n]+" do
    local text = line:match "^%s*> (.*)$"
    table.insert(text and input or expected, text or line:match "^%s*(.*)$")
  end
  table.insert(input, "")
  table.insert(expected, "")
  local program = python.program(source, numpy)
  local out, words = python.answers(program, table.concat(input, "\n"))
  assert.equal(table.concat(expected, "\n"), out, words)
end

for _, numpy in ipairs { false, true } do
  describe("a Python program " .. (numpy and "with" or "without") .. " NumPy", function()
    setup(function()
      needs.program "python3"
      if numpy then
        needs.python "numpy"
      end
    end)
    teardown(python.clean)

    it("speaks the small protocol", function()
      talks(LINE:gsub("%)\n$", ", identity='me,line,1,2', ranges=['0:5:log', '0:1:linear'],\n"
        .. "      resolution=0.25, unit='V', stateless=True)\n"), numpy, [[
        > ID
        OK me,line,1,2
        > *IDN?
        OK me,line,1,2
        > DESC
        OK parameters=2 inputs=1 outputs=1 targets=1 dtype=f64 blocks=1 order=little ]]
        .. [[samples=2147483648 message=67108864 costs=0 cost=own integrates=0 writes=0 ]]
        .. [[watchdog=1 stateless=1 ranges=0:5:log,0:1:linear resolution=0.25 unit=V
        > DATA 0 0.5,1 -
        OK
        > DATA 2 3 7
        OK
        > WRITE
        OK 0,0
        > WRITE 2,0.1 12 1
        OK
        > WRITE
        OK 2,0.10000000000000001
        > WRITE 2,1
        OK
        > RUN none 0 1 0 1 0 0,1
        OK 2,3
        > RUN outputs 7 1 0 1 0.5 2,2 0
        OK 7,7
        > RUN none 0 1 4 3 0 0/1/2 + 4
        OK 2,3,7
        > RUN none 0 1 0 2 0 0,1/2,0 0+
        OK 2,3,2,3,7,2,7,2
        > RUN none 0 1 0 2 0 1
        OK 3,3
        > SAFE
        OK
        > SAFE 0
        OK]])
    end)

    it("takes blocks, with ends of lines in them, and answers with blocks", function()
      local link = python.link(LINE, numpy)
      link:write("DATA 0 " .. block(2, 3) .. " -\nWRITE " .. block(1, 2.5e-308 * 10) .. " 1 1")
      assert.same({ "OK", "OK" }, { link:read(), link:read() })
      -- 0x0A0A0A0A0A0A0A0A, and a sample number 10 of eleven
      local odd = ("<d"):unpack(("\n"):rep(8))
      link:write("WRITE " .. block(odd, 0) .. "\nRUN none 0 1 0 1 0 " .. samples(1, 0))
      assert.equal("OK", link:read())
      assert.equal("OK " .. block(3 * odd, 2 * odd), link:read { count = 3 + 4 + 16 })
      assert.equal("", link:read())
      link:write("DATA 2 " .. block(0, 0, 0, 0, 0, 0, 0, 0, 5) .. " -\nWRITE 1,0")
      assert.same({ "OK", "OK" }, { link:read(), link:read() })
      assert.equal("OK 5", link:query "RUN none 0 1 0 1 0 10")
      link:write("RUN none 0 1 0 2 0 " .. samples(10, 0) .. " +")
      assert.equal("OK " .. block(5, 2), link:read { count = 3 + 4 + 16 })
      assert.equal("", link:read())
      link:close()
    end)

    it("takes messages that are longer than its buffer, and many at once", function()
      local count = 60000
      local link = python.link(("serve(parameters=%d, inputs=1, outputs=1,\n"):format(count)
        .. "  evaluate=lambda theta, x: [[theta[0] + theta[-1] + sum(theta)] for _ in x])", numpy)
      local ones = ("<d"):pack(1):rep(count)
      local pair = ("WRITE #6%d%s\nRUN none 0 1 0 1 0 0\n"):format(#ones, ones)
      link:write("DATA 0 7 -\n" .. pair:rep(3) .. "ID")
      assert.equal("OK", link:read())
      for _ = 1, 3 do
        assert.same({ "OK", "OK 60002" }, { link:read(), link:read() })
      end
      assert.is_truthy(link:read():find "^OK mgd%-lua,lua_")
      local text = ("0.5,"):rep(count - 1) .. "0.25"
      assert.equal("OK", link:query("WRITE " .. text))
      assert.equal("OK " .. text, link:query "WRITE")
      link:close()
    end)

    it("evaluates sample by sample", function()
      talks("serve(parameters=1, inputs=2, outputs=2,\n"
        .. "      evaluate_sample=lambda theta, x: (theta[0] * x[0], x[1]))", numpy, [[
        > DATA 0 1,2,3,4 -
        OK
        > WRITE 10
        OK
        > RUN none 0 1 0 1 0 1,0
        OK 30,4,10,2]])
    end)

    it("may return numbers in place of rows of one", function()
      talks("serve(parameters=1, inputs=1, outputs=1,\n"
        .. "      evaluate=lambda theta, x: [row[0] for row in x])", numpy, [[
        > DATA 0 1,2 -
        OK
        > RUN none 0 1 0 1 0 0,1
        OK 1,2]])
    end)

    it("evaluates points together that come together", function()
      local link = python.link([==[
def many(thetas, x):
    return [[[100 * len(thetas) + theta[0] + row[0]] for row in x] for theta in thetas]
serve(parameters=1, inputs=1, outputs=1, evaluate_many=many)]==], numpy)
      assert.equal("OK", link:query "DATA 0 0.25,0.5 -")
      assert.equal("OK 100.25,100.5", link:query "RUN none 0 1 0 1 0 0,1") -- by the same function
      link:write("WRITE 1\nRUN none 0 1 0 1 0 0\nWRITE 2\nRUN none 0 1 0 1 0 0\nWRITE 3\n"
        .. "RUN none 0 1 0 1 0 0\nRUN outputs 0 1 0 1 0 1\nWRITE")
      local answers = {}
      for i = 1, 8 do
        answers[i] = link:read()
      end
      assert.same({ "OK", "OK 301.25", "OK", "OK 302.25", "OK", "OK 303.25", "OK 103.5", "OK 3" },
        answers)
      link:close()
    end)

    it("costs by itself", function()
      talks("def cost(theta, x, y):\n"
        .. "    return sum((theta[0] * a[0] - b[0]) ** 2 for a, b in zip(x, y)) / len(x)\n"
        .. "serve(parameters=1, inputs=1, cost=cost, targets=1)", numpy, [[
        > DATA 0 1,2 2,8
        OK
        > WRITE 2
        OK
        > RUN none 0 1 0 1 0 0,1
        OK 8
        > RUN none 0 1 0 2 0 0/1 0+
        OK 0,0,16,16
        > RUN outputs 0 1 0 1 0 0
        ERR 2 ValueError: no code 'outputs' here]])
    end)

    it("trains itself", function()
      talks([==[
def train(theta, batches, seed, slot, step, amplitude, **others):
    moved = [theta[0] + sum(y[0][0] - x[0][0] for x, y in batches)]
    return moved, slot, step + amplitude, sum(len(x) for x, y in batches)
serve(parameters=1, inputs=1, outputs=1, evaluate=lambda theta, x: x, train=train)]==], numpy, [[
        > DATA 0 1,2 3,3
        OK
        > RUN train 5 1 7 3 0.5 0/1/0 + 9
        OK 7,9.5,3
        > WRITE
        OK 5
        > RUN train 5 1 7 2 0.5 0,1
        OK 7,7.5,4
        > WRITE
        OK 9]])
    end)

    it("writes to a device and reads from it", function()
      talks([==[
device = [3, 4]
def write(theta):
    device[:] = [round(value) for value in theta]
serve(parameters=2, inputs=1, outputs=1, evaluate=lambda theta, x: [[device[0]] for _ in x],
      read=lambda: device, write=write, writes=True)]==], numpy, [[
        > WRITE
        OK 3,4
        > WRITE 0.75,2.1
        OK
        > WRITE
        OK 1,2
        > DATA 0 0 -
        OK
        > RUN none 0 1 0 1 0 0
        OK 1]])
    end)

    it("has precision f32 where it says so", function()
      talks("serve(parameters=1, inputs=1, outputs=1, evaluate=lambda theta, x: x, dtype='f32',\n"
        .. "      theta=[0.1])", numpy, [[
        > WRITE
        OK 0.100000001
        > DATA 0 0.2 -
        OK
        > RUN none 0 1 0 1 0 0
        OK 0.200000003]])
    end)
  end)
end

describe("a Python program", function()
  local path

  setup(function()
    needs.program "python3"
  end)
  before_each(function()
    path = os.tmpname()
  end)
  after_each(function()
    os.remove(path)
  end)
  teardown(python.clean)

  -- A chip that adds a word to the file when it goes to the safe state.
  local function careful(rest)
    return ("def note(word):\n    with open(%q, 'a') as file:\n        file.write(word + ' ')\n")
      :format(path) .. (rest or "") .. "serve(parameters=1, inputs=1, outputs=1,\n"
      .. "      evaluate=lambda theta, x: x, safe=lambda: note('safe'))\n"
  end

  local function wait_for(text)
    for _ = 1, 3000 do
      if read(path) == text then
        return
      end
      core.process.wait({}, 0.01)
    end
    assert.equal(text, read(path))
  end

  it("keeps standard output to itself: what others print goes to standard error", function()
    local out, words = python.answers(python.program([[
print("before")
from mgd_chip import serve
import os, subprocess
print("after")
def evaluate(theta, x):
    print("printed")
    os.write(1, b"written\n")
    subprocess.run(["echo", "by a child"])
    return x
serve(parameters=1, inputs=1, outputs=1, evaluate=evaluate)]]),
      "DATA 0 1 -\nRUN none 0 1 0 1 0 0\n")
    assert.equal("OK\nOK 1\n", out)
    for _, text in ipairs { "before\n", "after\n", "printed\n", "written\n", "by a child\n" } do
      assert.is_truthy(words:find(text, 1, true), words)
    end
  end)

  it("keeps it from modules, too, behind a link", function()
    local link = python.link("from mgd_chip import serve\nprint('noise', flush=True)\n"
      .. "serve(parameters=1, inputs=1, outputs=1, evaluate=lambda theta, x: x)")
    assert.equal("OK 0", link:query "WRITE")
    link:close()
  end)

  it("keeps standard input from what it calls", function()
    local out = python.answers(python.program("def evaluate(theta, x):\n"
      .. "    return [[float(input() or 1)] if sys.stdin.isatty() else [len(sys.stdin.read())]]\n"
      .. "serve(parameters=1, inputs=1, outputs=1, evaluate=evaluate)"),
      "DATA 0 1 -\nRUN none 0 1 0 1 0 0\nWRITE\n")
    assert.equal("OK\nOK 0\nOK 0\n", out)
  end)

  it("goes to its safe state on request and at the end of its input", function()
    local link = python.link(careful())
    assert.equal("OK", link:query "SAFE")
    assert.equal("safe ", read(path))
    assert.equal("OK 0", link:query "WRITE")
    link:close()
    wait_for "safe safe "
  end)

  it("has a watchdog, which acts once in a silence", function()
    local link = python.link(careful())
    assert.equal("OK", link:query "SAFE 20")
    wait_for "safe "
    core.process.wait({}, 0.1)
    assert.equal("OK 0", link:query "WRITE")
    wait_for "safe safe "
    assert.equal("OK", link:query "SAFE 0")
    link:close()
  end)

  it("may say what θ is in the safe state", function()
    talks("serve(parameters=2, inputs=1, outputs=1, evaluate=lambda theta, x: x,\n"
      .. "      theta=[1, 2], safe=lambda: [0, 0.5])", false, [[
      > WRITE
      OK 1,2
      > SAFE
      OK
      > WRITE
      OK 0,0.5]])
  end)

  it("serves one client after the other on a socket", function()
    local words = python.program("import os\nprint(os.getpid(), file=sys.stderr, flush=True)\n"
      .. careful():gsub("%)\n$", ", listen='127.0.0.1:0')\n"))
    local pipe = assert(io.popen(("%s '%s' 2>&1"):format(words[1], words[2])))
    local pid = tonumber(pipe:read "*l")
    local port = pipe:read "*l":match "^listening at 127%.0%.0%.1:(%d+)$"
    local first = mgd.chip.link("TCPIP::127.0.0.1::" .. port .. "::SOCKET")
    assert.equal("OK", first:query "WRITE 5")
    local second = mgd.chip.link("TCPIP::127.0.0.1::" .. port .. "::SOCKET")
    second:write "WRITE"
    first:close()
    assert.equal("OK 5", second:read())
    assert.equal("safe ", read(path))
    core.process.kill(pid)
    assert.same({}, { pipe:read "*l" })
    pipe:close()
    second:close()
    assert.equal("safe safe ", read(path))
  end)
end)
