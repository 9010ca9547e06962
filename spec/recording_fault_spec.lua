-- Recordings that are damaged, cut short or forged, disks that are full, processes that are killed:
-- what was whole stays of use, everything else is one clear error, and nothing leaks.

local mgd = require "mgd"
local core = require "mgd.core"
local json = require "mgd.text.json"
local memory = require "spec.support.memory"
local contains = require("spec.support.errors").contains
local texts = require "spec.support.texts"

local little = texts.little

local LUA = os.getenv "MGD_LUA" or "build/mgd-lua"
local HEAD = 12 -- bytes before the contents of a chunk

local folder, path

before_each(function()
  folder = core.files.make_folder()
  path = folder .. "/session.mgdrec"
end)

after_each(function()
  core.base.fail_from(0)
  os.execute("rm -rf " .. folder)
end)

local function options_of(changes)
  local opt = { data = mgd.data.xor(), tau_theta = 4, eta = 0.5, threads = 1,
    net = not (changes or {}).chip and mgd.nn.mlp { 2, 2, 1 }:init { seed = 1 } or nil }
  for key, value in pairs(changes or {}) do
    opt[key] = value
  end
  return opt
end

local function record(changes, steps)
  local opt = options_of(changes)
  opt.record = path
  local run = mgd.train(opt)
  run:run { steps = steps or 20, every = 10 }
  return run
end

local function replay(changes)
  local opt = options_of(changes)
  opt.chip, opt.net = mgd.chip.replay(path), nil
  return mgd.train(opt)
end

-- The message of what `f` raises, at a line of this file and without a leak.
local function failure(f, ...)
  local before = memory.live_bytes()
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.is_truthy(message:find "^[^\n]*recording_fault_spec%.lua:%d+: [^\n]+$", message)
  assert.equal(before, memory.live_bytes())
  return message
end

-- The error that a file of these bytes gives.
local function refused(bytes)
  texts.write(path, bytes)
  local message = failure(function()
    mgd.chip.replay(path)
  end)
  contains(message, path)
  return message
end

-- The chunks of a recording, and a file of such.
local function chunks_of(bytes)
  local list, at = {}, 9
  while at <= #bytes do
    local length = 0
    for i = 7, 0, -1 do
      length = length * 256 + bytes:byte(at + i)
    end
    list[#list + 1] = bytes:sub(at + HEAD, at + HEAD + length - 1)
    at = at + HEAD + length
  end
  return list
end

local function file_of(chunks)
  local parts = { "\139MGR\r\n\26\n" }
  for _, contents in ipairs(chunks) do
    parts[#parts + 1] = little(#contents, 8) .. little(core.base.crc32(contents), 4) .. contents
  end
  return table.concat(parts)
end

describe("a recording that was cut short", function()
  it("is of use up to its last whole chunk, wherever it ends", function()
    local run = mgd.train(options_of { record = path })
    local theta, ends = {}, {}
    for i = 1, 4 do
      run:run { steps = 5, probes = {} } -- a chunk each
      theta[i * 5], ends[i] = run:theta(), #texts.read(path)
    end
    local bytes = texts.read(path)
    for cut = ends[1], #bytes do
      texts.write(path, bytes:sub(1, cut))
      local chip = mgd.chip.replay(path)
      local last = 0
      for i = 1, 4 do
        last = cut >= ends[i] and i * 5 or last
      end
      assert.equal(last, chip.replays.last)
      assert.equal(cut ~= ends[last / 5], chip.replays.cut)
      if cut % 97 == 0 then
        local again = replay()
        again:run { steps = last, probes = {} }
        assert.equal(0, (again:theta() - theta[last]):norm())
      end
    end
  end)

  it("or ends with what is none, likewise", function()
    local run = record()
    local bytes = texts.read(path)
    for _, tail in ipairs { "\0", ("\255"):rep(1000), bytes, little(5, 8) .. "1234" .. "hello" } do
      texts.write(path, bytes .. tail)
      assert.equal(20, mgd.chip.replay(path).replays.last)
    end
    local again = replay()
    again:run { steps = 20, every = 10 }
    assert.equal(0, (again:theta() - run:theta()):norm())
  end)

  it("is of no use before its head is whole", function()
    record()
    local bytes = texts.read(path)
    local head = 8 + HEAD + #chunks_of(bytes)[1]
    contains(refused "", "the file is empty")
    contains(refused(bytes:sub(1, 5)), "not a recording (too short)")
    contains(refused(bytes:sub(1, 8)), "a recording that ends before its head")
    for _, cut in ipairs { 9, 19, 20, 100, head - 1 } do
      contains(refused(bytes:sub(1, cut)), "a damaged recording: its head is not whole")
    end
  end)

  it("is cut behind its last whole chunk before a run goes on in it", function()
    local checkpoint = folder .. "/run.ckpt"
    local run = record()
    run:save(checkpoint)
    texts.write(path, texts.read(path) .. "what a crash left")
    local resumed = mgd.resume(checkpoint, { record = path })
    resumed:run { steps = 20, every = 10 }
    local chip = mgd.chip.replay(path)
    assert.is_false(chip.replays.cut)
    assert.equal(40, chip.replays.last)
  end)
end)

describe("a recording with wrong bytes", function()
  it("ends before them, wherever they are", function()
    record()
    local bytes = texts.read(path)
    local head = 8 + HEAD + #chunks_of(bytes)[1]
    for at = 1, #bytes, 7 do
      local changed = bytes:sub(1, at - 1) .. string.char((bytes:byte(at) + 1) % 256)
        .. bytes:sub(at + 1)
      if at <= head then
        refused(changed)
      else
        texts.write(path, changed)
        assert.equal(0, mgd.chip.replay(path).replays.last % 20)
      end
    end
  end)

  it("is refused where it is another file", function()
    contains(refused "a text of some length", "not a recording (wrong first bytes)")
    os.remove(path)
    contains(failure(function()
      mgd.chip.replay(path)
    end), "No such file")
    contains(failure(function()
      mgd.chip.replay(folder)
    end), "not a regular file")
    failure(function()
      mgd.chip.replay(5)
    end)
  end)
end)

describe("a forged recording", function()
  -- The text of the head begins behind 70 bytes; its length is the last 8 of them.
  local function with_text(change)
    record()
    local chunks = chunks_of(texts.read(path))
    local head, length = chunks[1], 0
    for i = 70, 63, -1 do
      length = length * 256 + head:byte(i)
    end
    local plain = json.decode(head:sub(71, 70 + length))
    change(plain)
    local text = json.encode(plain)
    chunks[1] = head:sub(1, 62) .. little(#text, 8) .. text .. head:sub(71 + length)
    return file_of(chunks)
  end

  it("is refused where its text makes no sense", function()
    for part, change in pairs {
      ["format 7"] = function(p) p.format = 7 end,
      ["network has a layer 'anything'"] = function(p) p.network.layers[1].kind = "anything" end,
      ["option 'training'"] = function(p) p.training = 5 end,
      ["option 'fingerprint'"] = function(p) p.data.fingerprint = nil end,
      ["its chip has a model 'nothing'"] = function(p)
        p.chip.weights = { { name = "nothing", params = {} } }
      end,
      ["10 parameters in its text, and 9"] = function(p) p.parameters = 10 end,
      ["expected shape"] = function(p) p.network.layers[1].outputs = 3 end,
      ["layer 'false'"] = function(p) p.network.layers = { true } end,
      ["input dimension 1"] = function(p) p.network.input = { "many" } end,
    } do
      contains(refused(with_text(change)), part)
    end
  end)

  it("is refused where its head tells of more than it holds", function()
    record()
    local chunks = chunks_of(texts.read(path))
    local head = chunks[1]
    for _, at in ipairs { 7, 15, 55, 63 } do -- parameters, replicas, rows of θ, length of the text
      for _, number in ipairs { little(2 ^ 40, 8), ("\255"):rep(8), little(2 ^ 61, 8) } do
        chunks[1] = head:sub(1, at - 1) .. number .. head:sub(at + 8)
        contains(refused(file_of(chunks)), "its head makes no sense")
      end
    end
    chunks[1] = little(9, 4) .. head:sub(5)
    contains(refused(file_of(chunks)), "a recording of version 9; this program reads version 1")
  end)

  it("ends before a record that makes no sense", function()
    record()
    local good = texts.read(path)
    local number = "\255\255\255\255\255\255\255\255\127"
    for _, contents in ipairs {
      "\9", "\0", "\1", "\1" .. number, "\1\20\1\1\0\1", "\1\20" .. number .. number,
      "\1\21\1\1\0\2" .. ("\0"):rep(20), -- a gap
      "\1\20\1\1\2\2" .. ("\0"):rep(20), -- of replica 2
      "\1\20\1\1\1\2" .. ("\0"):rep(20), -- of replica −1
      "\1\20\1\1\0\0" .. ("\0"):rep(20), -- no points
      "\2\20\0\0", "\2\20\0\7\0", "\2\20\0\0\1\9\0\0\0\0", "\2\20\0\0\99",
      "\3\20\5", "\3\20", "\5\20" .. number, "\5\20\1" .. number,
      "\5\20\1\4cost1234", "\6", ("\255"):rep(100),
    } do
      local chunks = chunks_of(good)
      chunks[#chunks + 1] = contents
      texts.write(path, file_of(chunks))
      local replays = mgd.chip.replay(path).replays
      assert.equal(20, replays.last)
      assert.is_true(replays.cut)
    end
  end)
end)

describe("memory that is missing", function()
  it("is reported, and nothing leaks", function()
    record({ replicas = 3 }, 20)
    memory.survive(function()
      mgd.chip.replay(path)
    end)
  end)

  it("ends the recording, not the run", function()
    local run = mgd.train(options_of { record = path })
    run:run { steps = 10, probes = {} }
    local opt = options_of { record = path }
    memory.survive(function()
      mgd.train(opt)
    end)
  end)
end)

describe("a place where no recording can be", function()
  it("is refused when the run is made, and left as it was", function()
    texts.write(path, "my thesis")
    local function make(at)
      return failure(function()
        mgd.train(options_of { record = at })
      end)
    end
    contains(make(path), "cannot write " .. path .. ": it is there already and is no recording")
    contains(make(folder), "Is a directory")
    contains(make "/dev/full", "it is not a regular file")
    assert.equal("my thesis", texts.read(path))
    local run = mgd.train(options_of { record = folder .. "/none/x.mgdrec" })
    contains(failure(run.run, run, { steps = 1 }), "No such file")
    run = mgd.train(options_of { record = folder .. "/x.mgdrec" })
    texts.write(folder .. "/x.mgdrec", "something that came later")
    contains(failure(run.run, run, { steps = 1 }), "is no recording")
    assert.equal("something that came later", texts.read(folder .. "/x.mgdrec"))
  end)

  it("is one that another run is writing", function()
    local other, message
    local opt = options_of { record = path, chip = mgd.chip { parameters = 1,
      evaluate = function(theta, x)
        if not message then
          message = select(2, pcall(other.run, other, { steps = 1 }))
        end
        return x:sum(2):reshape { x.shape[1], 1 } * theta[1]
      end } }
    other = mgd.train(opt)
    local run = mgd.train(opt)
    run:run { steps = 5, probes = {} }
    contains(message, "another run is writing it")
    other:run { steps = 5, probes = {} } -- in its place
    local warned = core.recording.news(run.core)
    assert.is_nil(warned)
    run:run { steps = 5, probes = {} }
    assert.equal(5, mgd.chip.replay(path).replays.last)
  end)
end)

-- What a script prints, all of it, and how it ended.
local function shell(script, before)
  texts.write(folder .. "/script.lua", ([[
    local mgd = require "mgd"
    local run = mgd.train { net = mgd.nn.mlp { 2, 2, 1 }:init { seed = 1 }, data = mgd.data.xor(),
      tau_theta = 4, eta = 0.5, threads = 1, record = %q }
    %s]]):format(path, script))
  local pipe = io.popen(("%s %s %s/script.lua 2>&1"):format(before or "", LUA, folder))
  local output = pipe:read "*a"
  pipe:close()
  return output
end

describe("a full disk", function()
  it("ends the recording with one warning, and not the run", function()
    local output = shell("run:run { steps = 50000, every = 10000 } "
      .. "run:run { steps = 50000 } print(run.steps_done)", "ulimit -f 200;")
    contains(output, "mgd: warning: the recording " .. path .. " ends here: File too large; the "
      .. "run goes on without it")
    assert.equal(1, select(2, output:gsub("warning", "")))
    contains(output, "\n100000\n")
    local replays = mgd.chip.replay(path).replays
    assert.is_false(replays.cut)
    assert.is_true(replays.last > 1000 and replays.last < 100000)
    local again = replay()
    again:run { steps = replays.last }
  end)

  it("does so before its first step, too", function()
    local output = shell("run:run { steps = 100 } print(run.steps_done)", "ulimit -f 0;")
    contains(output, "File too large; the run goes on without it")
    contains(output, "\n100\n")
  end)
end)

describe("a process that is killed", function()
  it("loses no more than the last second", function()
    shell [[
      local begin = mgd.clock()
      run:run { steps = 1e9, every = 1000, probes = { "C" }, stop = function(row)
        if mgd.clock() - begin > 1.5 then
          os.execute("kill -9 " .. require("mgd.core").process.pid())
        end
      end }]]
    local replays = mgd.chip.replay(path).replays
    assert.is_true(replays.last > 100)
    local again = replay()
    again:run { steps = replays.last, probes = { "C_tilde" } }
    assert.equal(replays.last, again.steps_done)
  end)
end)

describe("Ctrl-C", function()
  it("leaves a recording in which the run goes on", function()
    local changes = { chip = mgd.chip { net = mgd.nn.mlp { 2, 2, 1 }:init { seed = 1 },
      cost = mgd.hw.noise { sigma = 1e-3 } }, replicas = 40, threads = 2 }
    changes.record = path
    local run, rows = mgd.train(options_of(changes)), 0
    assert.is_false(pcall(run.run, run, { steps = 1000, every = 10, on_row = function()
      rows = rows + 1
      if rows == 5 then
        mgd.interrupt()
      end
    end }))
    run:run { steps = 1000 - run.steps_done, probes = {} }
    changes.record = nil
    local again = replay(changes)
    again:run { steps = 1000, probes = {} }
    assert.equal(0, (again:theta() - run:theta()):norm())
  end)
end)
