-- 20_report.lua: a study as one page of HTML, for whoever has no mgd-lua.
--
-- XOR on a 2-2-1 network, 64 seeds of each of four experiments: two perturbation codes, with and
-- without noise of the cost. All is kept in a store; the report has what came of each experiment,
-- where they differ, curves, resolved parameters, budget and environment. The page loads nothing
-- and runs no script; it reads on a phone, on paper and by night. Takes two seconds.
--
--     build/mgd-lua examples/20_report.lua
--
-- Leaves in out/, below the current directory:
--     report.html   the page; with tables in place of curves where gnuplot is not installed
--     report.csv    one line for each run; the page knows it by its SHA-256

local mgd = require "mgd"

os.execute "mkdir -p out"
local store = mgd.store() -- in memory; mgd.store "runs.db" keeps it

local base = mgd.experiment {
  name = "walsh", data = "xor",
  network = { 2, 2, 1, activation = "sigmoid", output = "sigmoid" },
  training = { tau_theta = 4, eta = 2, perturbation = { code = "walsh", amplitude = 0.05 } },
  steps = 2e4, every = 250, stop = { cost = 0.04 }, seeds = 64,
}
local experiments = {
  base,
  base:with { name = "walsh, noise", ["cost.noise"] = 0.005 },
  base:with { name = "random", ["training.perturbation.code"] = "random" },
  base:with { name = "random, noise", ["training.perturbation.code"] = "random",
    ["cost.noise"] = 0.005 },
}
for _, exp in ipairs(experiments) do
  exp:run { store = store }
  local summary = store:summary(exp)
  print(("%-14s %2d of %d solved"):format(exp.name, summary.solved, summary.runs))
end

store:export("out/report.csv", { columns = { "experiment", "replica", "solved", "cost" } })
store:artefact(base, "out/report.csv", { kind = "table" })

local path = mgd.report {
  store = store, experiments = experiments, path = "out/report.html",
  title = "XOR: two codes, with and without noise",
  text = "64 seeds of a 2-2-1 network of sigmoid units; one has solved XOR once its cost is 0.04.",
}
local file = assert(io.open(path))
print(("\nwritten: %s, %d kB, and out/report.csv"):format(path, math.floor(file:seek "end" / 1000)))
file:close()
