--- spice-worker: what goes wrong, and in whose words it says so.

local core = require "mgd.core"
local files = require "spec.support.texts"
local mgd = require "mgd"
local worker = require "spec.support.spice_worker"

local answers = worker.answers

local LONG = 60
local LINES = "parameter r1 value r1 1000\ninput v1 1 0\noutput v:y\n"
local DIVIDER = "divider\nv1 a 0 0\nr1 a y 1k\nr2 y 0 1k\n"

local RUN = { "DATA 0 1,2 -", "RUN outputs 0 0 0 1 0 1" }

-- The answer to a measurement of this netlist, or to the first request where it does not start.
local function answer(lines, netlist, requests)
  local said = answers(worker.specification(lines, netlist), requests or RUN)
  return said[1]:find "^ERR" and said[1] or said[#said]
end

local function fails(text, lines, netlist, requests)
  local said = answer(lines, netlist, requests)
  assert.equal("ERR 4 spice: ", said:sub(1, 13), said)
  for part in (text .. "…"):gmatch "(.-)…" do
    assert.truthy(said:find(part, 1, true), said)
  end
end

-- A folder that is removed with what is in it.
local function in_folder(work)
  local folder = os.tmpname()
  os.remove(folder)
  os.execute(("mkdir '%s'"):format(folder))
  local ok, problem = pcall(work, folder)
  os.execute(("rm -rf '%s'"):format(folder))
  assert(ok, problem)
end

describe("spice-worker", function()
  teardown(worker.clean)

  it("says that ngspice is missing, is another library, or does not come", function()
    fails("ngspice's shared library is not here (…/none.so…): install it, on Debian and Ubuntu: "
      .. "apt install libngspice0", "library /none.so\n" .. LINES, DIVIDER)
    fails("libm.so.6 is no ngspice, or one that is too old: it has no function ngSpice_Init",
      "library libm.so.6\n" .. LINES, DIVIDER)
  end)

  it("reports a netlist that ngspice does not take", function()
    fails("can't find model 'nomodel'…m1 a y 0 0 nomodel", LINES,
      DIVIDER .. "m1 a y 0 0 nomodel\n")
    fails("r9: ngspice: Error: no such device or model name r9",
      "parameter r9 value r9 5\n" .. LINES, DIVIDER)
    fails("w: ngspice: Error: no such parameter nix",
      "parameter w field r1[nix] 5\n" .. LINES, DIVIDER)
    fails("x: the netlist does not say its value",
      "parameter x field r1[nix] -\n" .. LINES, DIVIDER)
    fails("output 2: the circuit has no nix", LINES .. "output v:a v:nix -", DIVIDER)
  end)

  it("reports a singular matrix, and its node", function()
    fails("sample 1: ngspice: Warning: singular matrix:  check node z", LINES,
      DIVIDER .. "c1 z 0 1p\nc2 z a 1p\n")
    fails("singular matrix:  check node v1#branch", LINES, DIVIDER .. "v2 a 0 3\n")
  end)

  it("reports that nothing converges, and the nodes that do not settle", function()
    for _, retry in ipairs { "retry 0\n", "retry 1\n" } do
      fails("sample 1: ngspice: y has not settled…Too many iterations without convergence…"
        .. "op simulation(s) aborted", retry .. LINES, DIVIDER .. "b1 y 0 i = v(y)*v(y) + 1\n")
    end
  end)

  it("tries again, in other ways", function()
    local requests, failed = {}, 0
    for theta, x in pairs { ["0.000253,8.43e10,387"] = 1.18, ["6.34e-9,2.07e11,0.00838"] = 1.96,
      ["1.74,4.45e12,1.35e4"] = 1.79, ["3.25e6,3.85e-5,7.26e-7"] = 0.51 } do
      requests[#requests + 1] = "WRITE " .. theta
      requests[#requests + 1] = ("DATA 0 %g -"):format(x)
      requests[#requests + 1] = "RUN outputs 0 0 0 1 0 0"
    end
    local function run(retry)
      return answers(worker.specification(retry .. [[
        parameter r1 value r1 1
        parameter r2 value r2 1
        parameter r3 value r3 1
        input v1 1 0
        output v:b]], [[
        a ladder that is hard to climb
        v1 a 0 1
        r1 a b 1
        r2 b c 1
        r3 c d 1
        g1 d 0 b c 1e-9
        g2 b 0 d c -1e-3
        d1 d 0 dm
        c1 d 0 1p
        .model dm d is=1e-18
        ]]), requests)
    end
    local once, again = run "retry 0\n", run "retry 1\n"
    for i = 3, #requests, 3 do
      failed = failed + (once[i]:find "^ERR" and 1 or 0)
      assert.truthy(again[i]:find "^OK", again[i])
    end
    assert.truthy(failed > 0) -- all four of them here
  end)

  it("reports a transient that gets stuck", function()
    fails("Timestep too small; time = 5e-07…trouble with node \"y\"",
      "analysis tran 1e-9 1e-6 1e-7\n" .. LINES,
      DIVIDER .. "c1 y 0 1n\nb1 y 0 i = time > 0.5u ? v(y)*v(y)*1e6 + 1e6 : 0\n")
  end)

  it("refuses values that ngspice takes and computes nonsense with", function()
    fails("sample 1…r1 = -3: expected a value above 0", LINES, DIVIDER,
      { "DATA 0 1,2 -", "WRITE -3", "RUN outputs 0 0 0 1 0 1" })
    fails("w = 0: expected a value above 0", "parameter w field m1[w] 0\n" .. LINES,
      DIVIDER .. "m1 a y 0 0 n w=1u l=1u\n.model n nmos\n")
  end)

  it("reports outputs that are no numbers", function()
    fails("sample 1: output 2 is nan", LINES .. "output v:y neg sqrt", DIVIDER)
  end)

  it("goes on after a failure, or returns nan where it is to skip", function()
    local requests = { "DESC", "DATA 0 1 -", "WRITE -3", "RUN outputs 0 0 0 1 0 0", "WRITE 1000",
      "RUN outputs 0 0 0 1 0 0" }
    assert.equal("OK 0.5", answer(LINES, DIVIDER, requests))
    local said = answers(worker.specification("on_failure skip\n" .. LINES, DIVIDER), requests)
    assert.truthy(said[1]:find " fails=1")
    assert.same({ "OK nan", "OK", "OK 0.5" }, { said[4], said[5], said[6] })
  end)

  it("ends an evaluation that takes too long, tells who waits, and cleans up", function()
    in_folder(function(folder)
      -- a transient with as many pulses as the parameter says
      local path = worker.specification("analysis tran 0.1 1 0\nseconds 0.3\n"
        .. "parameter period param period 1\ninput v1 1 0\noutput v:y\n",
        "slow\n.param period=1\nv1 a 0 0\nv2 b 0 pulse(0 1 0 1n 1n 5n {period})\n"
        .. "r1 a y 1k\nr2 b y 1k\n")
      local ended = core.process.run({ worker.program, path }, "DATA 0 1,2 -\n"
        .. "RUN outputs 0 0 0 1 0 0\nWRITE 1e-8\nRUN outputs 0 0 0 1 0 1\nWRITE 0\n",
        { TMPDIR = folder }, LONG)
      assert.same({ 1, "OK\nOK 0.5\nOK\nERR 4 spice: sample 1: an evaluation took longer than "
        .. "0.3 s and was ended, with its process\n", "" },
        { ended.status, ended.out, files.list(folder) })
    end)
  end)

  it("says that ngspice gives up or crashes, and ends", function()
    in_folder(function(folder)
      for line, said in pairs {
        [".control\nquit\n.endc"] = "the netlist as it stands: ngspice gave up, and its process",
        [".model "] = "", -- "ngspice crashed, with signal 11": 39.3 does, others may say why
      } do
        local path = worker.specification(LINES, DIVIDER .. line .. "\n")
        local ended = core.process.run({ worker.program, path }, "ID\n", { TMPDIR = folder }, LONG)
        assert.equal(1, ended.status)
        assert.equal("ERR 4 spice: " .. said, ended.out:sub(1, 13 + #said))
        assert.equal("", files.list(folder))
      end
    end)
  end)

  it("ends between two requests once it has grown, and when its input ends", function()
    -- less than a page: one evaluation is enough
    local path = worker.specification("grows 1e-6\n" .. LINES, DIVIDER)
    local link = mgd.chip.link({ "EXEC", worker.program, path }, { timeout = LONG })
    assert.equal("OK", link:query "DATA 0 1 -")
    local ok, problem = pcall(function()
      for _ = 1, 1000 do
        assert.equal("OK 0.5", link:query "RUN outputs 0 0 0 1 0 0")
        core.process.wait({}, 0.01)
      end
    end)
    link:close()
    assert.is_false(ok)
    assert.falsy(problem:find "Expected")
  end)

  it("runs no file that it finds: not here, not at home", function()
    in_folder(function(folder)
      for _, name in ipairs { ".spiceinit", "spice.rc", "spinit" } do
        files.write(folder .. "/" .. name, ("* a trap\nshell touch '%s/ran'\n"):format(folder))
      end
      local path = worker.specification(LINES, DIVIDER)
      local ended = core.process.run({ "/bin/sh", "-c",
        ("cd '%s' && exec '%s' '%s'"):format(folder, worker.program:find "^/" and worker.program
          or "$OLDPWD/" .. worker.program, path) }, table.concat(RUN, "\n") .. "\n",
        { HOME = folder, SPICE_USERINIT_DIR = folder, SPICE_SCRIPTS = folder,
          SPICE_LIB_DIR = folder, USERPROFILE = folder, OLDPWD = false }, LONG)
      assert.equal("OK\nOK 1\n", ended.out)
      assert.is_nil(files.read(folder .. "/ran"))
    end)
  end)

  it("names the line of a specification that is wrong", function()
    for line, expected in pairs {
      ["nix 3"] = "no such word, got 'nix 3'",
      ["seconds 0"] = "expected a number above 0, got 0",
      ["seconds ten"] = "expected a number, got 'ten'",
      ["seconds"] = "expected a number, got 'nothing'",
      ["retry 2"] = "expected 0 or 1, got '2'",
      ["analysis ac"] = "analysis: expected op or tran, got 'ac'",
      ["analysis tran 1 2 3"] = "analysis: expected an average of 0 to STOP",
      ["seed -1"] = "seed: expected a whole number, got '-1'",
      ["parameter p"] = "expected value, field, model, param or option, got 'nothing'",
      ["parameter p model nch 1"] = "expected a target such as nch:vto, got 'nch'",
      ["spread nix 1 relative"] = "expected a parameter or device, got 'nix'",
      ["noise r1 1 often"] = "expected relative or absolute, got 'often'",
      ["retry 1 1"] = "expected no more words, got '1'",
      ["output v:y +"] = "output: '+' needs 2 values before it",
      ["output 1 2"] = "output: '1 2' leaves 2 values: expected 1",
      ["output v:"] = "output: expected v:NODE, i:SOURCE, a number or an operator, got 'v:'",
    } do
      fails(expected, LINES .. line, DIVIDER)
    end
  end)

  it("returns a message for specifications that are damaged", function()
    local whole = files.read(worker.specification("seed 3\nanalysis tran 1e-6 1e-5 1e-6\n" .. LINES
      .. "device r2 value r2 -\nspread r2 0.1 relative\nnoise r1 1 absolute\noption reltol=1e-4",
      DIVIDER))
    local path = worker.specification(LINES, DIVIDER)
    local state = 7
    local function random(n)
      state = (state * 16807) % 2147483647
      return state % n + 1
    end
    for _ = 1, 40 do
      local at, count = random(#whole), random(8)
      files.write(path, whole:sub(1, at - 1)
        .. (random(2) == 1 and string.char(random(96) + 31) or "") .. whole:sub(at + count))
      local ended = worker.run(path, "ID\n")
      assert.is_nil(ended.signal)
      assert.truthy(ended.out:find "^OK ngspice" or ended.out:find "^ERR 4 spice: ", ended.out)
    end
  end)
end)
