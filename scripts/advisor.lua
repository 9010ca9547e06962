-- The advisor's yardstick: over kinds of chip and seeds, is what it says true, and what it
-- recommends good?
--
--     build/mgd-lua scripts/advisor.lua [seeds] [all|tuned|kept|part of a kind's name] [report]
--
-- For each kind of scripts/advisor/kinds.lua and each seed:
--   says       whether mgd.advise says that training works;
--   own        whether its run, as it stands, reaches the level: the initial values are its choice;
--   again      the same on another chip of this kind, whose noise and devices are others;
--   first      the same from the initial values of the seed that it was given;
--   trainable  whether `own`, `first` or, from the same initial values, any setting of the grid
--              below reaches the level in the evaluations that advice and training took. Those of
--              a dead chip are not.
-- A false no is a "no" to a trainable chip, a false yes a "yes" where the run does not get there.
-- The level of XOR is accuracy above 0.9 with a cost of at most 0.1, that of NIST7x7 accuracy 0.8.
-- Rows are kept in out/advisor.csv and not made again; `report` prints what is there. Prints the
-- table of docs/guide/12.

local mgd = require "mgd"

local kinds = dofile((arg[0]:gsub("%.lua$", "/kinds.lua")))

local STORE = "out/advisor.csv"
local XOR = { accuracy = 0.9, cost = 0.1 }

-- ---- hand settings ------------------------------------------------------------------------------

local GRID = {
  amplitude = { 0.3, 0.1 },
  optimizer = {
    { "adam", eta = { 0.003, 0.01, 0.03, 0.1, 0.3, 1 } },
    { "sgd", eta = { 0.1, 0.3, 1, 3, 10, 30 } },
  },
  times = {
    { baseline = "two-sided", tau_p = 1, tau_theta = 1 },
    { baseline = "measured", tau_p = 8, tau_theta = 32, settle = 8 },
    { baseline = "two-sided", tau_p = 4, tau_theta = 4 },
    { baseline = "measured", tau_p = 1, tau_theta = 16 },
    { baseline = "measured", tau_p = 16, tau_theta = 48, settle = 16 },
    { baseline = "measured", tau_p = 4, tau_theta = 64, settle = 16 },
    { baseline = "none", tau_p = 1, tau_theta = 64, code = "walsh" },
    { baseline = "none", tau_p = 4, tau_theta = 256, code = "walsh" },
  },
}

local function each_setting(f)
  for _, times in ipairs(GRID.times) do
    for _, amplitude in ipairs(GRID.amplitude) do
      for _, optimizer in ipairs(GRID.optimizer) do
        if f(times, amplitude, optimizer) then
          return true
        end
      end
    end
  end
  return false
end

local function print_grid()
  print "hand settings: each of these times"
  for _, times in ipairs(GRID.times) do
    print(("  %s, τ_p %d, τ_θ = τ_x = %d%s, code %s"):format(times.baseline, times.tau_p,
      times.tau_theta, times.settle and (", settle %d"):format(times.settle) or "",
      times.code or "random"))
  end
  print(("with each of the amplitudes %s"):format(table.concat(GRID.amplitude, ", ")))
  for _, optimizer in ipairs(GRID.optimizer) do
    print(("with %s, η %s"):format(optimizer[1], table.concat(optimizer.eta, ", ")))
  end
end

-- ---- runs ---------------------------------------------------------------------------------------

local function reaches(level, accuracy, cost)
  if level then
    return accuracy >= level
  end
  return accuracy > XOR.accuracy and cost <= XOR.cost
end

local QUARTERS = 4 -- of a run by hand, after each of which it is looked at

-- Whether any η of these settings reaches the level: replicas of one number, an η each.
local function reached_by_hand(task, level, evaluations, times, amplitude, optimizer)
  local given = { chip = task.chip, data = task.data, cost = task.cost, batch = task.batch,
    init = task.init, seed = task.seed, baseline = times.baseline, tau_p = times.tau_p,
    tau_theta = times.tau_theta, tau_x = times.tau_theta, settle = times.settle,
    perturbation = { code = times.code or "random", amplitude = amplitude },
    optimizer = optimizer[1], eta = optimizer.eta, replicas = #optimizer.eta, replica = {} }
  for r = 1, #optimizer.eta do
    given.replica[r] = 1
  end
  local per_step = times.baseline == "two-sided" and 2 or times.baseline == "none" and 1
    or 1 + 1 / times.tau_theta
  local run = mgd.train(given)
  local steps = evaluations / task.batch / per_step / QUARTERS
  for _ = 1, QUARTERS do
    run:run { steps = math.ceil(steps / times.tau_theta) * times.tau_theta, probes = {} }
    local seen = run:evaluate()
    for r = 1, #optimizer.eta do
      if reaches(level, seen.accuracy[r], seen.cost[r]) then
        return true
      end
    end
  end
  return false
end

local function train(advice, level, changes)
  local run = advice:train(changes)
  run:run { steps = advice.steps, probes = {} }
  local seen = run:evaluate()
  return reaches(level, seen.accuracy, seen.cost), run:counters().evaluations
end

local OTHER_CHIP = 2 -- its seed
local NO_ADVICE = 3 -- times the budget of the advice: what is left to the grid where there is none

local function examine(kind, seed)
  local begin = mgd.clock()
  local name, make, level = kind[1], kind[2], kind.level
  local task = make(1)
  task.seed = seed
  local advice = mgd.advise(task)
  local row = { kind = name, seed = seed, says = advice.works, own = false, again = false,
    first = false, trainable = false, advice = advice.evaluations, training = 0, flags = {} }
  if advice.train.perturbation then
    row.own, row.training = train(advice, level)
    row.again = train(advice, level, { chip = make(OTHER_CHIP).chip })
    row.first = advice.train.seed == seed and row.own or train(advice, level, { seed = seed })
  end
  local evaluations = row.training > 0 and row.advice + row.training or NO_ADVICE * advice.budget
  row.trainable = not kind.dead and (row.own or row.first or each_setting(function(...)
    return reached_by_hand(task, level, evaluations, ...)
  end))
  for _, flag in ipairs(advice.flags) do
    row.flags[#row.flags + 1] = flag.name
  end
  row.flags = table.concat(row.flags, " ")
  row.seconds = mgd.clock() - begin
  return row
end

-- ---- rows that are kept -------------------------------------------------------------------------

local FIELDS = { "kind", "seed", "says", "own", "again", "first", "trainable", "advice", "training",
  "flags", "seconds" }

local function read()
  local rows = {}
  local file = io.open(STORE)
  for line in file and file:lines() or function() end do
    local row, i = {}, 0
    for text in (line .. ";"):gmatch "([^;]*);" do
      i = i + 1
      local value = tonumber(text)
      if text == "true" or text == "false" then
        value = text == "true"
      end
      row[FIELDS[i]] = value == nil and text or value
    end
    rows[row.kind .. "/" .. row.seed] = row
  end
  if file then
    file:close()
  end
  return rows
end

local function keep(row)
  local file = assert(io.open(STORE, "a"))
  local values = {}
  for i, name in ipairs(FIELDS) do
    values[i] = tostring(row[name])
  end
  file:write(table.concat(values, ";"), "\n")
  file:close()
end

-- ---- table --------------------------------------------------------------------------------------

local function count(rows, holds)
  local n = 0
  for _, row in ipairs(rows) do
    n = n + (holds(row) and 1 or 0)
  end
  return n
end

local function sums(rows)
  local function evaluations(name)
    local list = {}
    for i, row in ipairs(rows) do
      list[i] = row[name]
    end
    table.sort(list)
    return list[math.ceil(#list / 2)] / 1000
  end
  return {
    trainable = count(rows, function(r) return r.trainable end),
    says = count(rows, function(r) return r.says end),
    own = count(rows, function(r) return r.own end),
    again = count(rows, function(r) return r.again end),
    first = count(rows, function(r) return r.first end),
    no = count(rows, function(r) return r.trainable and not r.says end),
    yes = count(rows, function(r) return r.says and not r.own end),
    advice = evaluations "advice", training = evaluations "training", of = #rows,
  }
end

local LINE = "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |"

local function line(name, group, s)
  print(LINE:format(name, group, s.of, s.trainable, s.says, s.own, s.again, s.first, s.no, s.yes,
    s.advice and ("%.0f"):format(s.advice) or "", s.training and ("%.0f"):format(s.training) or ""))
end

local function rate(a, b)
  return b > 0 and ("%d of %d, %.0f %%"):format(a, b, 100 * a / b) or "–"
end

local function total(name, rows)
  if #rows == 0 then
    return
  end
  local s = sums(rows)
  print(("%s: false no %s trainable; false yes %s said to work"):format(name,
    rate(s.no, s.trainable), rate(s.yes, s.says)))
end

-- ---- main ---------------------------------------------------------------------------------------

local seeds, only = math.tointeger(tonumber(arg[1] or 20)), arg[2] ~= "all" and arg[2]
local report = arg[3] == "report"
local kept, all, begin = read(), {}, mgd.clock()

os.execute "mkdir -p out"
print_grid()
print(("\n%d seeds of each; evaluations of a sample in thousands, medians\n"):format(seeds))
print(LINE:format("kind of chip", "list", "seeds", "trainable", "said to work", "reached",
  "on another chip", "from first θ", "false no", "false yes", "advice", "training"))
print((LINE:gsub("%%s", "---")))
for _, group in ipairs { "tuned", "kept" } do
  all[group] = {}
  for _, kind in ipairs(kinds[group]) do
    if not only or only == group or kind[1]:find(only, 1, true) then
      local rows = {}
      for seed = 1, seeds do
        local key = kind[1] .. "/" .. seed
        if not kept[key] and not report then
          kept[key] = examine(kind, seed)
          keep(kept[key])
        end
        rows[#rows + 1] = kept[key]
        table.insert(all[group], kept[key])
      end
      if #rows > 0 then
        line(kind[1], group, sums(rows))
      end
    end
  end
end
print ""
local both = {}
for _, group in ipairs { "tuned", "kept" } do
  total(group, all[group])
  for _, row in ipairs(all[group]) do
    both[#both + 1] = row
  end
end
total("all", both)
io.stderr:write(("%.0f s\n"):format(mgd.clock() - begin))
