-- Trains the networks of docs/larger.md with five seeds each, and keeps what came out:
--
--   build/mgd-lua docs/larger.lua [TASK [SEEDS]]       all tasks without, and 5 seeds
--   build/mgd-lua docs/larger.lua noise                what disturbs the gradient of each layer
--
-- The rows of a run go to data/larger.csv, in the place of those of the same task and seed: every
-- look at the test set, by θ as it is and by its average. Prints a table of all runs in that file.
-- Everything but the seconds is the same on every machine.

local mgd = require "mgd"
local nn = mgd.nn

local ROOT = arg[0]:gsub("[^/]*$", "") .. "../"
local FILE = ROOT .. "data/larger.csv"
local LOOKS = 20 -- at the test set

-- ---- tasks --------------------------------------------------------------------------------------

local function images()
  local data = mgd.data.fashion_mnist()
  local mean_image = data.x:mean(1)
  data.x:sub_(mean_image)
  data.test.x:sub_(mean_image)
  return data
end

local function convolutional()
  local function block(channels)
    return nn.conv2d { channels, kernel = 3 }, nn.relu(), nn.maxpool2d(2)
  end
  local layers = { input = { 1, 28, 28 } }
  for _, group in ipairs { { block(16) }, { nn.centre() }, { block(32) }, { nn.centre() },
                           { block(32) }, { nn.flatten(), nn.dense(10) } } do
    for _, layer in ipairs(group) do
      table.insert(layers, layer)
    end
  end
  return nn.sequential(layers)
end

-- What all have in common.
local function settings_of(net, data, seed, more)
  local settings = { net = net, data = data, cost = "cross_entropy", batch = 128, seed = seed,
    perturb = "nodes", gate = true, perturbation = { code = "random", amplitude = 0.01 },
    baseline = "two-sided", optimizer = "adam", eta = 1e-3 }
  for name, value in pairs(more) do
    settings[name] = value
  end
  return settings
end

-- Features, and a network whose upper layers are drawn; |w| of the features within the limit.
local function on_features(data, seed, limit)
  return convolutional():init { scheme = "he_normal", seed = seed }
    :components(data.x[{ { 1, 5000 } }], { layers = { "conv1", "conv2" }, limit = limit,
      seed = seed })
end

local NAMES = { "cnn", "long", "mlp", "chip" }
local TASKS = {
  cnn = { steps = 120000, target = 0.845,
    settings = function(data, seed)
      return settings_of(on_features(data, seed), data, seed, { learn = { "conv3", "dense1" } })
    end },
  long = { steps = 400000, target = 0.86 },
  mlp = { steps = 80000, target = 0.86,
    settings = function(data, seed)
      local net = nn.mlp { 784, 32, 10, activation = "relu" }
      net:init { scheme = "he_normal", seed = seed }
      return settings_of(net, data, seed, {})
    end },
  chip = { steps = 6000, target = 0.8,
    settings = function(data, seed)
      local scaled = mgd.data.from { x = data.x * 4, y = data.y, -- of deviation about 1
        test = { x = data.test.x * 4, y = data.test.y } }
      local chip = mgd.chip { net = on_features(scaled, seed, 1), seed = seed,
        weights = mgd.hw.levels { bits = 6, low = -1, high = 1 },
        neurons = mgd.hw.neuron_spread { sigma = 0.05 }, cost = mgd.hw.noise { sigma = 1e-3 } }
      local settings = settings_of(nil, scaled, seed, { learn = { "conv3", "dense1" } })
      settings.chip = chip
      return settings
    end },
}

TASKS.long.settings = TASKS.cnn.settings

-- ---- runs ---------------------------------------------------------------------------------------

local COLUMNS = { "task", "seed", "step", "evaluations", "seconds", "accuracy", "average_accuracy" }

local function read_rows()
  local file, rows = io.open(FILE), {}
  for line in file and file:lines() or function() end do
    local row = {}
    for value in line:gmatch "[^,]+" do
      row[COLUMNS[#row + 1]] = tonumber(value) or value
      row[#row + 1] = value
    end
    rows[#rows + 1] = row.task ~= "task" and row or nil
  end
  return rows
end

local function write_rows(rows)
  table.sort(rows, function(a, b)
    if a.task ~= b.task then
      return a.task < b.task
    end
    return a.seed ~= b.seed and a.seed < b.seed or a.seed == b.seed and a.step < b.step
  end)
  local file = assert(io.open(FILE, "w"))
  file:write(table.concat(COLUMNS, ","), "\n")
  for _, row in ipairs(rows) do
    file:write(table.concat(row, ","), "\n")
  end
  assert(file:close())
end

local function train(name, seed, data)
  local task, begin = TASKS[name], mgd.clock()
  local settings = task.settings(data, seed)
  settings.average = { kind = "mean", since = math.floor(task.steps / 2) }
  local run = mgd.train(settings)
  local before = mgd.clock() - begin -- features, and what is kept of layers that stand still
  local h = run:run { steps = task.steps, every = math.floor(task.steps / LOOKS), progress = true,
    probes = { "cost", "accuracy", "average_accuracy" } }
  local rows = read_rows()
  for i = #rows, 1, -1 do
    if rows[i].task == name and rows[i].seed == seed then
      table.remove(rows, i)
    end
  end
  for i = 1, h.step.size do
    local row = { name, seed, ("%d"):format(h.step[i]), ("%d"):format(h.evaluations[i]),
      ("%.1f"):format(before + h.wall[i]), ("%.4f"):format(h.accuracy[i]),
      ("%.4f"):format(h.average_accuracy[i]) }
    for k, column in ipairs(COLUMNS) do
      row[column] = tonumber(row[k]) or row[k]
    end
    rows[#rows + 1] = row
  end
  write_rows(rows)
end

-- ---- noise --------------------------------------------------------------------------------------

local LAYERS = { "conv1", "conv2", "conv3", "dense1" }
local UPPER, LAST = { "conv2", "conv3", "dense1" }, { "conv3", "dense1" }
local WAYS = {
  { "parameters, all", perturb = "parameters" },
  { "nodes, all" },
  { "nodes, all, gated", gate = true },
  { "conv1 still", learn = UPPER },
  { "conv1 still, gated", learn = UPPER, gate = true },
  { "conv2 alone, gated", learn = "conv2", gate = true },
  { "conv2 alone, gated, K = 16", learn = "conv2", gate = true, tau_theta = 16, tau_x = 16 },
  { "conv1, conv2 still", learn = LAST },
  { "conv1, conv2 still, gated", learn = LAST, gate = true },
}

-- Mean squares of |G − g|, and of |g|, of each layer over 40 batches of 128, at a network that has
-- learnt for 20,000 steps.
local function noise(data)
  local settings = TASKS.cnn.settings(data, 1)
  local run = mgd.train(settings)
  run:run { steps = 20000, every = 20000, progress = true }
  local net = settings.net:set_theta(run:theta())
  print("| perturbed | " .. table.concat(LAYERS, " | ") .. " |")
  print("|---" .. ("|--:"):rep(#LAYERS) .. "|")
  for _, way in ipairs(WAYS) do
    local own = settings_of(net, data, 1, { gate = false, eta = 0, learn = LAYERS })
    for name, value in pairs(way) do
      own[name] = name ~= 1 and value or nil
    end
    local window = own.tau_theta or 1
    local h = mgd.train(own):run { steps = 40 * window, every = window,
      probes = { "layer_norm_g", "layer_norm_error" } }
    local cells = {}
    for i, layer in ipairs(LAYERS) do
      local function mean_square(probe)
        local column = h[probe .. "." .. layer]
        local sum = 0
        for row = 2, column and column.size or 1 do
          sum = sum + column[row] ^ 2 / (column.size - 1)
        end
        return sum
      end
      local error_square = mean_square "layer_norm_error"
      cells[i] = error_square > 0
        and ("%.3g (%.2g)"):format(error_square, mean_square "layer_norm_g") or "–"
    end
    print(("| %s | %s |"):format(way[1], table.concat(cells, " | ")))
  end
end

local wanted, seeds = arg[1], math.tointeger(tonumber(arg[2] or 5))
assert((not wanted or wanted == "noise" or TASKS[wanted]) and seeds,
  "usage: larger.lua [cnn|long|mlp|chip|noise [SEEDS]]")
local data = images()
if wanted == "noise" then
  noise(data)
  os.exit()
end
for _, name in ipairs(NAMES) do
  for seed = 1, (not wanted or wanted == name) and seeds or 0 do
    print(("%s, seed %d"):format(name, seed))
    train(name, seed, data)
  end
end

-- ---- table --------------------------------------------------------------------------------------

-- A line for each run: its last look at the test set, and in brackets the first one at which the
-- average had reached the target.
local function print_table(rows)
  print("| task | seed | test accuracy | evaluations | seconds | (target after evaluations | "
    .. "seconds) |\n|---|--:|--:|--:|--:|--:|--:|")
  for _, name in ipairs(NAMES) do
    local reached
    for i, row in ipairs(rows) do
      local last = not rows[i + 1] or rows[i + 1].step == 0
      reached = row.step > 0 and reached or nil
      if not reached and row.average_accuracy >= TASKS[row.task].target then
        reached = row
      end
      if last and row.task == name then
        print(("| %s | %d | %.2f %% | %.1f million | %.0f | (%s | %s) |"):format(name, row.seed,
          100 * row.average_accuracy, row.evaluations / 1e6, row.seconds,
          reached and ("%.1f million"):format(reached.evaluations / 1e6) or "–",
          reached and ("%.0f"):format(reached.seconds) or "–"))
      end
    end
  end
end

print_table(read_rows())
