-- 17_run_store.lua: a small study of the learning rate, kept in a file, asked and exported.
--
-- XOR on a 2-2-1 network, 32 seeds at each of six learning rates, with and without noise of the
-- cost: 384 training runs. All go to out/study.db; a second start of this script finds them there
-- and runs nothing. Then the store is asked: how many were solved at which rate, how the cost went,
-- in what two experiments differ; and everything is exported to CSV and to NPZ, for numpy.load.
-- Takes a few seconds the first time.
--
--     build/mgd-lua examples/17_run_store.lua [FILE]
--     sqlite3 out/study.db "SELECT * FROM history LIMIT 5"      the same file with other tools

local mgd = require "mgd"

os.execute "mkdir -p out"
local store = mgd.store(arg and arg[1] or "out/study.db")

-- ---- running ------------------------------------------------------------------------------------

local base = mgd.experiment {
  name = "base", data = "xor",
  network = { 2, 2, 1, activation = "sigmoid", output = "sigmoid" },
  training = { tau_theta = 4, eta = 1, perturbation = { code = "walsh", amplitude = 0.05 } },
  steps = 2e4, every = 500, stop = { cost = 0.04 }, seeds = 32,
}

local known = {}
for _, entry in ipairs(store:experiments()) do
  known[entry.name] = entry.running == 0 and entry.runs == 32
end

local ran = 0
for _, sigma in ipairs { 0, 0.005 } do
  for _, eta in ipairs { 0.25, 0.5, 1, 2, 4, 8 } do
    local name = ("eta %g, noise %g"):format(eta, sigma)
    if not known[name] then
      base:with { name = name, ["training.eta"] = eta, ["cost.noise"] = sigma }
        :run { store = store }
      ran = ran + 1
    end
  end
end
print(("%d experiments were run, %d were there"):format(ran, 12 - ran))
print(store)

-- ---- asking -------------------------------------------------------------------------------------

print "\nsolved of 32, and the median of the steps that it took"
print "  eta      without noise       noise 0.005"
for _, eta in ipairs { 0.25, 0.5, 1, 2, 4, 8 } do
  local cells = {}
  for i, sigma in ipairs { 0, 0.005 } do
    local t = store:query {
      where = { ["training.eta"] = eta, ["cost.noise"] = sigma },
      columns = { "solved", "steps" },
    }
    local time = mgd.stats.time_to_solution(t.solved, { budget = t.steps })
    cells[i] = ("%2d %8g steps"):format(time.solved, time.median)
  end
  print(("%5g  %s  %s"):format(eta, cells[1], cells[2]))
end

print "\ncost of the seeds that still ran at eta = 1 without noise: quartiles"
local cost = store:metrics { experiment = "eta 1, noise 0", name = "cost" }
local bands = mgd.stats.bands(cost.value, { 0.25, 0.5, 0.75 })
for t = 1, #cost.step, 10 do
  print(("%6d %8.4f %8.4f %8.4f"):format(cost.step[t], bands[1][t], bands[2][t], bands[3][t]))
end

print "\ntwo experiments side by side"
print(store:compare("eta 0.5, noise 0", "eta 4, noise 0.005"))

-- ---- for others ---------------------------------------------------------------------------------

local columns = { "experiment", "training.eta", "cost.noise", "replica", "state", "solved", "cost" }
store:export("out/study.csv", { columns = columns })
store:export("out/study.npz", { columns = columns })
store:artefact(store:experiment "eta 1, noise 0", "out/study.csv", { kind = "table" })
print("\nwritten: out/study.csv, out/study.npz; content " .. store:digest():sub(1, 16))
store:close()
