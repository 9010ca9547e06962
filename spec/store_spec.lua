-- The run store: what is recorded is read back as it was, whichever way one asks; the hash of its
-- content depends on the content alone. Other files: store_fault_spec.lua, store_export_spec.lua.

local mgd = require "mgd"
local core = require "mgd.core"
local files = require "spec.support.idx_files"
local runner = require "mgd.studies.experiment.runner"
local support = require "spec.support.store"
local errors = require "spec.support.errors"
local texts = require "spec.support.texts"

local contains, failure = errors.contains, errors.failure

local new_experiment = support.experiment
local folder, path, store

before_each(function()
  folder = files.folder()
  path = folder .. "/runs.db"
  store = mgd.store(path)
end)

after_each(function()
  store:close()
  os.execute("rm -rf " .. folder)
  files.clean()
end)

-- Records made-up runs: four replicas, two rows, replica 2 solved, 3 diverged.
local function made_up(into, exp)
  local record = into:record { { experiment = exp, first = 1, count = 4 } }
  for _, step in ipairs { 10, 20 } do
    record:row(step, { cost = support.values(step, 4) })
  end
  record:solved(2, 20)
  record:diverged(3, 17)
  record:finish { wall = 1.5, threads = 2, steps = { 30, 20, 17, 30 },
    cost = { 0.5, 0.25, 0 / 0, 0.125 }, accuracy = { 0.75, 1, 0 / 0, 0.5 } }
end

describe("a run in the store", function()
  it("has the rows of its history, up to where a seed stopped", function()
    local exp = new_experiment()
    local result = exp:run { store = store }
    local m = store:metrics { experiment = exp, name = "cost" }
    local history = result.history
    assert.same(history.step:totable(), m.step:totable())
    assert.same({ 1, 2, 3, 4, 5, 6, 7, 8 }, m.replica)
    local cost, solved, checked = history.cost:totable(), result.solved:totable(), 0
    for t, step in ipairs(history.step:totable()) do
      for r = 1, 8 do
        if solved[r] == solved[r] and step > solved[r] then
          assert.is_true(m.value[t][r] ~= m.value[t][r])
        else
          assert.equal(cost[t][r], m.value[t][r])
          checked = checked + 1
        end
      end
    end
    assert.is_true(checked > 8 and checked < 40) -- some stopped early, none at once
  end)

  it("has its state, steps and last values", function()
    local exp = new_experiment()
    local result = exp:run { store = store }
    local runs = store:runs()
    assert.equal(8, #runs)
    local solved = result.solved:totable()
    for r, run in ipairs(runs) do
      local is_solved = solved[r] == solved[r]
      assert.equal("xor", run.experiment)
      assert.equal(r, run.replica)
      assert.equal(is_solved and "solved" or "unsolved", run.state)
      assert.equal(is_solved and solved[r] or nil, run.solved)
      assert.equal(is_solved and solved[r] or 4000, run.steps)
      assert.equal(result.history.cost:totable()[#result.history.step][r], run.cost)
    end
  end)

  it("replaces what an earlier run of the same seed left", function()
    local exp = new_experiment()
    exp:run { store = store }
    local digest = store:digest()
    exp:run { store = store }
    assert.equal(8, #store:runs())
    assert.equal(digest, store:digest())
  end)

  it("that diverges is recorded as such, with its step, beside those that do not", function()
    -- sums of three parameters of this size are beyond f32 for some seeds and some samples
    local exp = new_experiment { network = { 2, 1 }, steps = 100, every = 10,
      training = { eta = 0, perturbation = { amplitude = 0.05 },
        init = { scheme = "uniform", low = -2.5e38, high = 2.5e38 } } }
    local result = exp:run { store = store }
    local diverged, count = result.diverged:totable(), 0
    for r, run in ipairs(store:runs()) do
      if diverged[r] == diverged[r] then
        count = count + 1
        assert.equal("diverged", run.state)
        assert.equal(diverged[r], run.diverged)
        assert.equal(diverged[r], run.steps)
      else
        assert.equal("unsolved", run.state)
        assert.is_nil(run.diverged)
      end
    end
    assert.is_true(count > 0 and count < 8)
  end)

  it("may be one of several experiments in an ensemble", function()
    local a, b = new_experiment { name = "a" }, new_experiment { name = "b" }
    local record = store:record { { experiment = a, first = 3, count = 2 },
      { experiment = b, first = 1, count = 1 } }
    record:row(5, { cost = { 1, 2, 3 } })
    record:solved(3, 5)
    record:finish { wall = 1, threads = 1, steps = { 9, 9, 5 }, cost = { 1, 2, 3 },
      accuracy = { 0, 0, 1 } }
    local t = store:query { columns = { "experiment", "replica", "state", "cost" } }
    assert.same({ "a", "a", "b" }, t.experiment)
    assert.same({ 3, 4, 1 }, t.replica:totable())
    assert.same({ "unsolved", "unsolved", "solved" }, t.state)
    assert.same({ 1, 2, 3 }, t.cost:totable())
    assert.same({ { 1, 2 } }, store:metrics { experiment = a, name = "cost" }.value:totable())
  end)

  it("forgets what lies beyond the step that it goes on from", function()
    local record = store:record { { experiment = new_experiment(), first = 1, count = 2 } }
    for step = 1, 5 do
      record:row(step, { cost = { step, -step } })
    end
    record:flush()
    record:rewind(3)
    record:row(4, { cost = { 40, -40 } })
    record:flush()
    local m = store:metrics { experiment = "xor", name = "cost" }
    assert.same({ 1, 2, 3, 4 }, m.step:totable())
    assert.same({ { 1, -1 }, { 2, -2 }, { 3, -3 }, { 40, -40 } }, m.value:totable())
  end)

  it("stores infinities and no nan", function()
    local record = store:record { { experiment = new_experiment(), first = 1, count = 3 } }
    record:row(1, { cost = { math.huge, 0 / 0, -0.1 } })
    record:flush()
    assert.same({ { 1, math.huge }, { 3, -0.1 } }, store:sql(
      "SELECT replica, value FROM history ORDER BY replica"))
  end)

  it("goes on from a checkpoint to the same content", function()
    local exp = new_experiment { stop = nil }
    exp:run { store = store }
    local other, checkpoint = mgd.store {}, folder .. "/run.ckpt"
    local ok = pcall(runner.ensemble, { { experiment = exp, first = 1,
      count = exp:get "seeds.count" } }, { checkpoint = checkpoint, checkpoint_every = 1e-9 }, {
      on_row = function(step)
        if step == 2000 then
          error "the power is gone"
        end
      end })
    assert.is_false(ok)
    assert.is_truthy(texts.read(checkpoint))
    exp:run { store = other, checkpoint = checkpoint }
    -- rows from before the checkpoint were recorded by nobody here; those after it are the same
    local sql = "SELECT replica, name, step, value FROM history WHERE step > 2000 ORDER BY 1, 2, 3"
    assert.is_true(#store:sql(sql) > 0)
    assert.same(store:sql(sql), other:sql(sql))
    assert.same(store:runs { columns = { "replica", "state", "steps", "cost" } },
      other:runs { columns = { "replica", "state", "steps", "cost" } })
  end)

  it("is there when the file is opened again", function()
    local exp = new_experiment()
    exp:run { store = path }
    local text, digest = tostring(store:runs()), store:digest()
    store:close()
    store = mgd.store(path)
    assert.equal(text, tostring(store:runs()))
    assert.equal(digest, store:digest())
    assert.is_true(store:experiment "xor" == exp)
    assert.equal("store " .. path .. ": 1 experiments, 8 runs", tostring(store))
  end)
end)

describe("store:query", function()
  before_each(function()
    for i, eta in ipairs { 0.5, 1, 2 } do
      made_up(store, new_experiment { name = "e" .. i,
        training = { eta = eta, perturbation = { amplitude = 0.05 } },
        chip = { cost = { mgd.hw.noise { sigma = i / 8 } } } })
    end
  end)

  local function rows(where)
    local t = store:query { where = where, columns = { "experiment", "replica" } }
    local list = {}
    for i, name in ipairs(t.experiment) do
      list[i] = name .. "/" .. ("%d"):format(t.replica[i])
    end
    return table.concat(list, " ")
  end

  it("finds runs by parameter: a value, a list, a range, several at once", function()
    assert.equal("e2/1 e2/2 e2/3 e2/4", rows { ["training.eta"] = 1 })
    assert.equal("e1/2 e3/2", rows { ["training.eta"] = { 0.5, 2 }, state = "solved" })
    assert.equal("e2/3 e3/3", rows { ["training.eta"] = { min = 1 }, diverged = { max = 17 } })
    assert.equal("e2/1", rows { ["chip.cost.noise.sigma"] = { min = 0.2, max = 0.3 }, replica = 1 })
    assert.equal("e3/4", rows { experiment = "e3", replica = { 4 } })
    assert.equal("", rows { eta = 7 })
  end)

  it("takes the short forms of paths", function()
    assert.equal(rows { ["chip.cost.noise.sigma"] = 0.25 }, rows { ["cost.noise"] = 0.25 })
    assert.equal(rows { ["training.eta"] = 2 }, rows { eta = 2 })
  end)

  it("returns tensors, nan where unknown, and text as lists", function()
    local t = store:query { where = { experiment = "e1" },
      columns = { "eta", "cost.noise", "state", "solved", "diverged", "accuracy", "wall" } }
    assert.equal("f64", t.eta.dtype)
    assert.same({ 0.5, 0.5, 0.5, 0.5 }, t.eta:totable())
    assert.same({ 0.125, 0.125, 0.125, 0.125 }, t["cost.noise"]:totable())
    assert.same({ "unsolved", "solved", "diverged", "unsolved" }, t.state)
    assert.equal(20, t.solved[2])
    assert.equal(17, t.diverged[3])
    assert.is_true(t.solved[1] ~= t.solved[1] and t.accuracy[3] ~= t.accuracy[3])
    assert.same({ 1.5, 1.5, 1.5, 1.5 }, t.wall:totable())
    contains(tostring(t), "cost.noise  state", "0.125  unsolved")
  end)

  it("counts the evaluations of the steps taken, by the experiment", function()
    local t = store:query { where = { experiment = { "e1", "e2" } },
      columns = { "evaluations", "experiment", "steps" } }
    for i, steps in ipairs(t.steps:totable()) do
      assert.equal(store:experiment(t.experiment[i]):evaluations({ steps })[1], t.evaluations[i])
    end
    assert.is_true(t.evaluations[1] >= t.steps[1])
  end)

  it("suggests what an unknown name may have meant, at the caller's line", function()
    contains(failure(function()
      store:query { columns = { "training.etta" } }
    end), "no experiment in the store has 'training.etta' (did you mean 'training.eta'?)")
    contains(failure(function()
      store:query { where = { acuracy = 1 } }
    end), "(did you mean 'accuracy'?)")
    contains(failure(function()
      store:runs { wher = {} }
    end), "store:runs: unknown option 'wher' (did you mean 'where'?)")
    contains(failure(function()
      store:query { where = { eta = { mim = 1 } } }
    end), "unknown option 'mim' (did you mean 'min'?)")
    contains(failure(function()
      store:query { where = { eta = {} } }
    end), "expected a value, a list, or {min =, max =}")
    contains(failure(function()
      store:metrics { experiment = "e1", name = "accuracy" }
    end), "experiment 'e1' has no metric 'accuracy': it has cost")
    contains(failure(function()
      store:experiment "e11"
    end), "the store has no experiment 'e11' (did you mean 'e1'?)")
    contains(failure(function()
      store:sql "SELEC 1"
    end), 'store:sql: near "SELEC": syntax error')
  end)

  it("gives lists of tables that print", function()
    contains(tostring(store:runs { where = { eta = 2 }, columns = { "experiment", "solved" } }),
      "experiment  solved\n", "\ne3              20")
    contains(tostring(store:runs { where = { eta = 3 } }), "nothing: experiment, replica")
    local list = store:experiments()
    assert.equal(3, #list)
    local expected = { name = "e2", runs = 4, solved = 1, diverged = 1, running = 0,
      hash = store:experiment("e2").hash:sub(1, 12) }
    for name, value in pairs(expected) do
      assert.equal(value, list[2][name])
    end
  end)

  it("leaves plain SQL to whoever wants it", function()
    assert.same({ { "e1", 8 }, { "e2", 8 }, { "e3", 8 } }, store:sql(
      "SELECT experiment, count(*) FROM history WHERE step < ? GROUP BY experiment", 25))
  end)
end)

describe("store:compare", function()
  it("has the parameters that differ beside what came of both", function()
    made_up(store, new_experiment { name = "slow" })
    local record = store:record { { experiment = new_experiment { name = "fast" }:with {
      ["training.eta"] = 3, name = "fast" }, first = 1, count = 2 } }
    record:solved(1, 5)
    record:solved(2, 9)
    record:finish { wall = 1, threads = 1, steps = { 5, 9 }, cost = { 1, 3 }, accuracy = { 1, 1 } }
    local c = store:compare("slow", "fast")
    assert.equal(1, #c.differences)
    assert.equal("training.eta", c.differences[1].path)
    assert.same({ 2, 3 }, { c.differences[1].a, c.differences[1].b })
    assert.equal(0.25, c.results[1].cost) -- the median of 0.5, 0.25, 0.125
    assert.equal(2, c.results[2].cost)
    assert.same({ 1, 2 }, { c.results[1].solved, c.results[2].solved })
    assert.same({ 1, 0 }, { c.results[1].diverged, c.results[2].diverged })
    assert.equal(0.25, c.results[1].success.rate)
    contains(tostring(c), "training.eta", "slow", "fast")
  end)
end)

describe("store:artefact", function()
  it("notes a file by path, size and SHA-256, once", function()
    local exp, file = new_experiment(), folder .. "/a.txt"
    texts.write(file, "abc")
    for _ = 1, 2 do
      store:artefact(exp, file, { kind = "text" })
    end
    local list = store:artefacts(exp)
    assert.equal(1, #list)
    assert.same({ path = file, kind = "text", bytes = 3, -- FIPS 180-4's own example
      sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" }, list[1])
    contains(failure(function()
      store:artefact(exp, folder .. "/none")
    end), "No such file")
  end)
end)

describe("store:digest", function()
  local function digest_of(build)
    local memory = mgd.store()
    build(memory)
    local digest = memory:digest()
    memory:close()
    return digest
  end

  local a, b = new_experiment { name = "a" }, new_experiment { name = "b" }

  it("depends neither on the order of writing nor on times", function()
    local one = digest_of(function(s)
      made_up(s, a)
      made_up(s, b)
    end)
    assert.equal(one, digest_of(function(s)
      made_up(s, b)
      made_up(s, a)
      s:sql "UPDATE runs SET wall = 99, threads = 7, started = 'x', finished = 'y'"
      s:sql "UPDATE experiments SET created = 'z'"
    end))
    assert.equal(64, #one)
  end)

  it("depends on every value", function()
    local seen = {}
    for _, change in ipairs {
      "UPDATE metrics SET value = value + 1e-12 WHERE step = 20",
      "UPDATE runs SET state = 'unsolved' WHERE replica = 2",
      "UPDATE runs SET cost = 0.5000001 WHERE replica = 1",
      "DELETE FROM metrics WHERE step = 10",
      "UPDATE parameters SET value = 3 WHERE path = 'training.eta'",
      "SELECT 1",
    } do
      local digest = digest_of(function(s)
        made_up(s, a)
        s:sql(change)
      end)
      assert.is_nil(seen[digest], change)
      seen[digest] = true
    end
  end)
end)

describe("a record", function()
  it("writes what is held when there is much of it", function()
    local record = store:record { { experiment = new_experiment(), first = 1, count = 4 } }
    for step = 1, 6000 do
      record:row(step, { cost = support.values(step, 4) })
    end
    assert.is_true(store:sql "SELECT count(*) FROM metrics"[1][1] >= 20000)
    record:flush()
    assert.equal(24000, store:sql "SELECT count(*) FROM metrics"[1][1])
    assert.equal(core.base.version(), store:environments("xor")[1].version)
  end)
end)
