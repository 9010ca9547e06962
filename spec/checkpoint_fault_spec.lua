-- Damaged files, wrong arguments, no room, no memory: each gives one clear error at the caller's
-- line, leaves an older file as it was and leaks nothing.

local mgd = require "mgd"
local core = require "mgd.core"
local files = require "spec.support.idx_files"
local json = require "mgd.text.json"
local contains = require("spec.support.errors").contains
local live_bytes = require("spec.support.memory").live_bytes
local texts = require "spec.support.texts"

local little = texts.little

local folder, path

before_each(function()
  folder = files.folder()
  path = folder .. "/run.ckpt"
end)

after_each(function()
  core.base.fail_from(0)
  os.execute("rm -rf " .. folder)
  files.clean()
end)

local function read(from)
  return texts.read(from or path)
end

-- The message of the error that `f` raises, which must point into this file and leak nothing.
local function failure(f)
  local before = live_bytes()
  local ok, message = pcall(f)
  assert.is_false(ok)
  assert.equal(before, live_bytes())
  assert.is_truthy(message:find "^[^\n]*checkpoint_fault_spec%.lua:%d+: [^\n]+$", message)
  return message
end

local function new_run(changes)
  local opts = {
    net = mgd.nn.mlp { 2, 2, 1 }:init {},
    data = mgd.data.from { x = mgd.rand { 3, 2 }, y = mgd.rand { 3, 1 } },
    optimizer = "adam",
    threads = 1,
  }
  for key, value in pairs(changes or {}) do
    opts[key] = value
  end
  if opts.chip then
    opts.net = nil
  end
  return mgd.train(opts)
end

local function resume_failure(...)
  local arguments, n = { ... }, select("#", ...)
  return failure(function()
    mgd.resume((unpack or table.unpack)(arguments, 1, n))
  end)
end

-- The error that a file of these bytes gives.
local function refused(bytes)
  files.write(bytes, path)
  local message = resume_failure(path)
  contains(message, path)
  return message
end

describe("a damaged checkpoint", function()
  local good

  before_each(function()
    local run = new_run()
    run:run { steps = 10 }
    run:save(path)
    good = read()
  end)

  it("is refused when it is cut anywhere", function()
    for length = 0, #good - 1, 7 do
      refused(good:sub(1, length))
    end
    contains(refused "", "the file is empty")
    contains(refused(good:sub(1, 5)), "a truncated checkpoint")
    contains(refused(good:sub(1, -2)), ("a truncated checkpoint: %d bytes were written, the file "
      .. "holds %d"):format(#good, #good - 1))
  end)

  it("is refused when a byte changed anywhere", function()
    local step = math.floor(#good / 300) + 1
    for _, flip in ipairs { 1, 128 } do
      for i = 1, #good, step do
        local byte = good:byte(i)
        local wrong = byte % (2 * flip) < flip and byte + flip or byte - flip
        refused(good:sub(1, i - 1) .. string.char(wrong) .. good:sub(i + 1))
      end
    end
    for i = 1, 40 do
      refused(good:sub(1, i - 1) .. string.char((good:byte(i) + 1) % 256) .. good:sub(i + 1))
    end
    local middle = math.floor(#good / 2)
    contains(refused(good:sub(1, middle - 1) .. string.char((good:byte(middle) + 1) % 256)
      .. good:sub(middle + 1)), "a damaged checkpoint: its checksum does not match its contents")
  end)

  it("is refused when bytes follow", function()
    contains(refused(good .. "x"), "a damaged checkpoint")
    contains(refused(good .. good), "a damaged checkpoint")
  end)

  it("is refused when it is something else", function()
    contains(refused "\147NUMPY\1\0 and so on", "not a checkpoint (wrong first bytes)")
    contains(refused(("text\n"):rep(100)), "not a checkpoint (wrong first bytes)")
    contains(refused((good:gsub("\r\n", "\n"))), "not a checkpoint (wrong first bytes)")
    contains(refused(("\0"):rep(#good)), "not a checkpoint (wrong first bytes)")
  end)

  it("is refused when it is missing or no file", function()
    contains(resume_failure(folder .. "/none"), "none: No such file or directory")
    contains(resume_failure(folder), "not a regular file")
    contains(resume_failure(("x"):rep(5000)), "File name too long")
  end)
end)

describe("a forged checkpoint, with a checksum that is right,", function()
  -- 32 bytes, the text "{}", one tensor: type at 34, dimensions 38, length of name 42, shape 46,
  -- name 54, data 55 to 70, checksum.
  local good

  before_each(function()
    core.checkpoint.write(path, "{}", { "a" }, { mgd.ones { 2 } })
    good = read()
    assert.equal(75, #good)
  end)

  local function sealed(bytes)
    return bytes .. files.gzip(bytes):sub(-8, -5) -- gzip ends with the same checksum and a length
  end

  local function forged(offset, bytes)
    return refused(sealed(good:sub(1, offset) .. bytes .. good:sub(offset + #bytes + 1, -5)))
  end

  it("is made here as it is there", function()
    assert.equal(good, sealed(good:sub(1, -5)))
  end)

  it("is refused from a newer version", function()
    contains(forged(8, little(2, 4)), "a checkpoint of version 2; this program reads version 1")
  end)

  it("is refused with absurd sizes", function()
    for _, size in ipairs { 2 ^ 63, 2 ^ 40, 74, 76, 35, 0 } do
      forged(16, little(size, 8)) -- length of the file
    end
    for _, size in ipairs { 2 ^ 63, 2 ^ 40, 1000, 40, 3, 1, 0 } do
      contains(forged(24, little(size, 8)), "a damaged checkpoint") -- of the text
    end
    for _, count in ipairs { 2 ^ 32 - 1, 1000, 4, 2, 0 } do
      contains(forged(12, little(count, 4)), "a damaged checkpoint")
    end
    for _, ndim in ipairs { 2 ^ 32 - 1, 9, 8, 2, 0 } do
      contains(forged(38, little(ndim, 4)), "a damaged checkpoint")
    end
    for _, length in ipairs { 2 ^ 32 - 1, 256, 255, 2, 0 } do
      contains(forged(42, little(length, 4)), "a damaged checkpoint")
    end
    for _, size in ipairs { 2 ^ 63, 2 ^ 61, 2 ^ 60, 2 ^ 40, 3, 1, 0 } do
      contains(forged(46, little(size, 8)), "a damaged checkpoint")
    end
  end)

  it("is refused with dimensions whose product overflows", function()
    local head = good:sub(1, 38) .. little(3, 4) .. little(1, 4)
    local shape = little(2 ^ 32, 8) .. little(2 ^ 32, 8) .. little(2 ^ 32, 8)
    local bytes = head .. shape .. "a" .. ("\0"):rep(16)
    bytes = bytes:sub(1, 16) .. little(#bytes + 4, 8) .. bytes:sub(25)
    contains(refused(sealed(bytes)), "a tensor larger than the file")
  end)

  it("is refused with a tensor of unknown type", function()
    for _, name in ipairs { "f16\0", "f64x", "\0\0\0\0" } do
      contains(forged(34, name), "a tensor of unknown type")
    end
  end)

  local function text_refused(text, part)
    core.checkpoint.write(path, text, {}, {})
    contains(resume_failure(path), part)
  end

  it("is refused with a text that is no data, and nothing in it runs", function()
    for _, text in ipairs { "", "os.exit(1)", "return {}", "{", "[", "[1", "[1,", '{"a"', '{"a":',
      '{"a":1', "{a=1}", '"', "{}x", "{} {}", "nil", "{1}", "1 2", ("["):rep(100000) } do
      text_refused(text, "not the text of a checkpoint")
    end
  end)

  it("is refused with a text of something else, or of later days", function()
    for _, text in ipairs { "{}", "[]", "1", '"text"', '{"options":1}', '{"options":{}}' } do
      text_refused(text, "not the checkpoint of a run: it has no '")
    end
    text_refused('{"format":9,"mgd":"9.0"}', "was written by mgd 9.0, in the newer format 9")
    text_refused('{"format":1,"mgd":"0.1"}', "was written by mgd 0.1, in the older format 1")
  end)

  it("is refused when a part is not what it should be", function()
    local run = new_run()
    run:save(path)
    local text, entries = core.checkpoint.read(path)
    local names, tensors = {}, {}
    for i, entry in ipairs(entries) do
      names[i], tensors[i] = entry[1], entry[2]
    end
    local function changed(change, part)
      local saved = json.decode(text)
      change(saved)
      core.checkpoint.write(path, json.encode(saved), names, tensors)
      contains(resume_failure(path), part)
    end
    changed(function(saved) saved.chip.parameters = "many" end, "option 'parameters' must be")
    changed(function(saved) saved.chip.layers[1] = 5 end, "has a layer 'false'")
    changed(function(saved) saved.chip.layers[1].kind = "sequential" end, "a layer 'sequential'")
    changed(function(saved) saved.chip.layers[1].outputs = 3 end, "set_theta")
    changed(function(saved) saved.functions = { 1 } end, "must be a string")
    changed(function(saved) saved.data.fingerprint = "0" end, "is not the one")
    changed(function(saved) saved.options.tau_theta = 0 end, "tau_theta")
    changed(function(saved) saved.options.optimizer = "momentum" end,
      "'beta1' has no effect")
    changed(function(saved) saved.options.replicas = 2 end, "state: theta is 1x9 of f32")
    local last = #names
    assert.equal("run.replicas", names[last])
    for _, value in ipairs { 0 / 0, -1, 0.5, 2 ^ 60, math.huge } do
      tensors[last] = tensors[last]:clone()
      tensors[last][1][7] = value
      changed(function() end, "state: replica 1 stands at no possible step")
    end
    names[last] = "other"
    changed(function() end, "it lacks 'replicas'")
  end)
end)

describe("a wrong argument", function()
  it("is told", function()
    local run = new_run()
    for value, part in pairs { [5] = "run:save: the path must be a string, got number",
      [true] = "got boolean", [""] = "the path is empty",
      ["a\0b"] = "the path holds a zero byte" } do
      contains(failure(function()
        run:save(value)
      end), part)
    end
    contains(failure(function()
      run:save()
    end), "run:save: the path must be a string, got nil")
    contains(resume_failure(nil), "mgd.resume: the path must be a string, got nil")
    contains(resume_failure {}, "mgd.resume: the path must be a string, got table")
    run:save(path)
    contains(resume_failure(path, 5), "mgd.resume: expected a table of options, got number")
    contains(resume_failure(path, { theads = 1 }), "'theads' (did you mean 'threads'?)")
    contains(resume_failure(path, { threads = 0 }), "'threads' must be an integer ≥ 1, got 0")
    contains(resume_failure(path, { chip = 5 }), "option 'chip' must be a chip, got number")
    contains(resume_failure(path, { net = {} }), "option 'net' must be a network, got table")
    contains(resume_failure(path, { data = {} }), "option 'x' is missing")
  end)
end)

describe("what a file cannot hold", function()
  local function chip(parameters)
    return mgd.chip {
      parameters = parameters,
      evaluate = function(theta, x)
        return x:matmul(theta:reshape { 2, 1 })
      end,
    }
  end

  it("is asked for by name, all of it, with an example", function()
    local function eta()
      return 0.1
    end
    local function cost()
      return 1
    end
    new_run({ chip = chip(2), eta = eta, cost = cost }):save(path)
    local message = resume_failure(path)
    contains(message, "give chip and cost and eta again")
    contains(message, ('mgd.resume("%s", {chip = mgd.chip{parameters = 2, evaluate = …}, '
      .. "cost = function(y, target) … end, eta = function(step) … end})"):format(path))
    message = resume_failure(path, { chip = chip(2), cost = cost })
    contains(message, "give eta again")
    contains(message, "{eta = function(step) … end}")
    mgd.resume(path, { chip = chip(2), cost = cost, eta = eta })
  end)

  it("must fit: a chip", function()
    new_run({ chip = chip(2) }):save(path)
    contains(resume_failure(path, { chip = chip(3) }),
      "the chip given has 3 parameters, the one saved in " .. path .. " had 2")
    contains(resume_failure(path, { net = mgd.nn.mlp { 2, 1 } }), "had 2")
    contains(resume_failure(path, { chip = chip(2), net = mgd.nn.mlp { 2, 1 } }),
      "expected either net = … or chip = …")
    local net = mgd.nn.sequential { input = 2, mgd.nn.dense(1) }
    new_run({ net = net }):save(path)
    contains(resume_failure(path, { chip = chip(3) }), "state: theta is 1x3 of f32")
  end)

  it("must fit: a data set", function()
    new_run():save(path)
    local other = mgd.data.from { x = mgd.ones { 3, 2 }, y = mgd.ones { 3, 1 } }
    local message = resume_failure(path, { data = other })
    contains(message, "the data set given is not the one that the run was trained on")
    contains(message, other:fingerprint())
  end)

  it("must be here: a data set", function()
    local data = files.fashion()
    local net = mgd.nn.mlp { 784, 10 }
    new_run({ net = net, data = mgd.data.fashion_mnist { path = data } }):save(path)
    mgd.resume(path)
    files.write("", data .. "/t10k-labels-idx1-ubyte.gz")
    os.remove(data .. "/t10k-labels-idx1-ubyte.gz")
    contains(resume_failure(path), "mgd.data.fashion_mnist: the data set is not here")
  end)

  it("must be what it was: a data set", function()
    local data = mgd.data.xor()
    local run = new_run { data = data }
    data.x[1][1] = 0.25
    run:save(path)
    contains(resume_failure(path), "the data set xor is not the one that the run was trained on")
  end)
end)

describe("a checkpoint that cannot be written", function()
  local function save_failure(run, to, part)
    contains(failure(function()
      run:save(to)
    end), part)
  end

  it("says so", function()
    local run = new_run()
    save_failure(run, folder .. "/none/x", "none/x: No such file or directory")
    save_failure(run, folder, "it is a folder")
    save_failure(run, "/dev/null", "cannot write /dev/null: it is not a regular file")
    files.write("x", folder .. "/file")
    save_failure(run, folder .. "/file/x", "file/x: Not a directory")
    assert.equal("file\n", texts.list(folder))
  end)

  it("leaves the old file where no temporary one can be made beside it", function()
    local run = new_run()
    local long = ("x"):rep(255)
    files.write("old", folder .. "/" .. long)
    save_failure(run, folder .. "/" .. long, "File name too long")
    assert.equal("old", read(folder .. "/" .. long))
    assert.equal(long .. "\n", texts.list(folder))
  end)

  it("leaves the old file when the disk is full half way", function()
    files.write("old", path)
    local script = ([[
      local mgd = require "mgd"
      local run = mgd.train{net = mgd.nn.mlp{300, 300}, data = {x = mgd.ones{1, 300},
        y = mgd.ones{1, 300}}}
      local ok, message = pcall(run.save, run, %q)
      io.write(tostring(ok), " ", message)
    ]]):format(path)
    files.write(script, folder .. "/script.lua")
    local pipe = io.popen(("trap '' XFSZ; ulimit -f 100; %s %s/script.lua 2>&1")
      :format(os.getenv "MGD_LUA" or "build/mgd-lua", folder))
    local output = pipe:read "*a"
    pipe:close()
    contains(output, "false ")
    contains(output, "cannot write " .. path .. ": File too large")
    assert.equal("old", read())
    assert.equal("run.ckpt\nscript.lua\n", texts.list(folder))
  end)

  it("leaves the old file when Ctrl-C comes", function()
    local run = new_run()
    files.write("old", path)
    core.base.interrupt()
    save_failure(run, path, "interrupted")
    assert.equal("old", read())
    assert.equal("run.ckpt\n", texts.list(folder))
    run:save(path)
    core.base.interrupt()
    contains(resume_failure(path), "interrupted")
  end)

  it("is told when the run is running", function()
    local run, message
    run = new_run { eta = function()
      message = select(2, pcall(run.save, run, path))
      return 0.1
    end }
    run:run { steps = 1 }
    contains(message, "run: it is running already")
    assert.equal("", texts.list(folder))
  end)
end)

describe("no memory", function()
  -- Every allocation from the n-th on fails, for n = 1, 2, … until the call succeeds.
  local function exhaust(f, check)
    local before = live_bytes()
    for n = 1, 500 do
      core.base.fail_from(n)
      local ok, message = pcall(f)
      core.base.fail_from(0)
      if ok then
        assert.is_true(n > 5)
        return
      end
      contains(tostring(message), "out of memory")
      assert.equal(before, live_bytes())
      check()
    end
    error "still failing after 500 allocations"
  end

  it("leaks nothing while saving, and leaves the old file", function()
    local run = new_run { replicas = 20 }
    files.write("old", path)
    exhaust(function()
      run:save(path)
    end, function()
      assert.equal("old", read())
      assert.equal("run.ckpt\n", texts.list(folder))
    end)
  end)

  it("leaks nothing while resuming", function()
    local run = new_run { replicas = 20, init = {} }
    run:run { steps = 10, probes = { "angle" } }
    run:save(path)
    exhaust(function()
      mgd.resume(path)
    end, function() end)
  end)
end)
