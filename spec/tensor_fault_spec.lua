-- Allocation failures: every operation is run with its n-th and later allocations failing, n = 1,
-- 2, … until it succeeds. Each failure must be an "out of memory" error, change nothing and leak
-- nothing.

local mgd = require "mgd"
local core = require "mgd.core"
local memory = require "spec.support.memory"

local function fixture()
  local t = mgd.from({5, 4}, function(i, j) return i * 10 + j end)
  return t, t:clone()
end

describe("an allocation that fails", function()
  local t, kept, path

  before_each(function()
    t, kept = fixture()
    path = os.tmpname()
  end)

  after_each(function()
    core.base.fail_from(0)
    os.remove(path)
  end)

  local operations = {
    ["in constructors"] = function() return mgd.zeros{3, 3} end,
    ["in nested tables"] = function() return mgd.tensor{{1, 2}, {3, 4}} end,
    ["in from"] = function() return mgd.from({2, 2}, function(i, j) return i + j end) end,
    ["in arange"] = function() return mgd.arange(1000) end,
    ["in eye"] = function() return mgd.eye(4) end,
    ["in rand"] = function() return mgd.rand{10} end,
    ["in select"] = function() return t[1] end,
    ["in slices"] = function() return t[{{1, 4}, {1, 2}}][{{2, 3}, 1}] end,
    ["in transpose"] = function() return t:transpose() end,
    ["in reshape of a view"] = function() return t:transpose():reshape{20} end,
    ["in conversion"] = function() return t:to "i32" end,
    ["in arithmetic"] = function() return t + t[1] end,
    ["in arithmetic with numbers"] = function() return 2 * t - 1 end,
    ["in functions"] = function() return t:exp() end,
    ["in clamp"] = function() return t:clamp(0, 1) end,
    ["in matmul"] = function() return t:matmul(t:transpose()) end,
    ["in sums along an axis"] = function() return t:sum(1) end,
    ["in argmax along an axis"] = function() return t:argmax(2) end,
  }

  for name, operation in pairs(operations) do
    it(name .. " is an error that leaks nothing", function()
      assert.is_true(memory.survive(operation) > 0)
      assert.is_true(t:allclose(kept, {rtol = 0}))
    end)
  end

  it("in an overlapping assignment leaves the tensor as it was", function()
    core.base.fail_from(3) -- two views, then the copy aside
    assert.is_false(pcall(function() t[{{2, 5}}] = t[{{1, 4}}] end))
    core.base.fail_from(0)
    assert.is_true(t:allclose(kept, {rtol = 0}))
    memory.survive(function() t[{{2, 5}}] = t[{{1, 4}}] end)
    assert.is_true(t[{{2, 5}}]:allclose(kept[{{1, 4}}], {rtol = 0}))
  end)

  it("in an overlapping update leaves the tensor as it was", function()
    local reversed = t[{{5, 1, -1}}]
    core.base.fail_from(1)
    assert.is_false(pcall(t.add_, t, reversed))
    core.base.fail_from(0)
    assert.is_true(t:allclose(kept, {rtol = 0}))
  end)

  it("in save leaves an older file as it was", function()
    mgd.ones{3}:save(path)
    core.base.fail_from(1)
    assert.is_false(pcall(t.save, t, path))
    core.base.fail_from(0)
    assert.same({1, 1, 1}, mgd.load(path):totable())
    memory.survive(function() t:transpose():save(path) end)
    assert.is_true(mgd.load(path):allclose(kept:transpose(), {rtol = 0}))
  end)

  it("in load is an error that leaks nothing", function()
    t:save(path)
    local failures, loaded = memory.survive(function() return mgd.load(path) end)
    assert.is_true(failures >= 3) -- header text, storage, tensor header
    assert.is_true(loaded:allclose(kept, {rtol = 0}))
  end)
end)

describe("an interrupt", function()
  after_each(function()
    collectgarbage()
  end)

  local function interrupted(operation)
    core.base.interrupt()
    local ok, message = pcall(operation)
    assert.is_false(ok)
    assert.is_truthy(message:find("interrupted", 1, true))
    assert.is_true(pcall(operation)) -- the flag was cleared
  end

  it("stops arithmetic, products, reductions and constructors", function()
    local t = mgd.ones{40, 40}
    interrupted(function() return t + t end)
    interrupted(function() return t:matmul(t) end)
    interrupted(function() return t:sum() end)
    interrupted(function() return t:max(1) end)
    interrupted(function() return mgd.rand{100} end)
    interrupted(function() return mgd.full({100}, 2) end)
  end)

  it("leaks nothing", function()
    local t = mgd.ones{40, 40}
    local before = memory.live_bytes()
    core.base.interrupt()
    assert.is_false(pcall(function() return t:matmul(t) end))
    assert.equal(before, memory.live_bytes())
  end)

  it("does not leave an in-place operation half done", function()
    local t = mgd.ones{2000}
    core.base.interrupt()
    t:add_(1)
    assert.is_false(pcall(t.sum, t)) -- still pending; answered by the next loop
    assert.equal(2, t:min())
    assert.equal(2, t:max())
  end)
end)

describe("throw-away tensors", function()
  it("are collected before they pile up", function()
    -- 500 tensors of 1 MiB: without word to the collector most of them stay alive.
    collectgarbage()
    local before, most = core.base.memory().live_bytes, 0
    for _ = 1, 500 do
      mgd.zeros{131072}
      most = math.max(most, core.base.memory().live_bytes - before)
    end
    assert.is_true(most < 64 * 2 ^ 20, "as much as " .. most .. " bytes alive")
  end)

  it("do nothing when they are finalised twice", function()
    local t = mgd.zeros{2}
    local finalise = getmetatable(t).__gc
    finalise(t)
    finalise(t)
    assert.is_false(pcall(function() return t:sum() end))
  end)
end)
