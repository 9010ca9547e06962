-- 09_codes.lua: every perturbation code on one small problem, 2-bit parity on a 2-2-1 network.
--
-- For each code: what mgd.codes.check says of its first 64 slots, the angle to the gradient that
-- follows for a linear cost, and the angle that G really has after windows of 16 to 4096 slots;
-- then training of 64 replicas with each, with the same energy of the perturbation. The last code
-- is a Lua function. A code with a mean is refused. Takes about ten seconds.
--
--     build/mgd-lua examples/09_codes.lua

local mgd = require "mgd"

local P, DELTA = 9, 0.06 -- parameters; norm of the whole perturbation, a·√P for ±a

-- A code of our own: sines and cosines. Two parameters share a frequency and are told apart by
-- their phases, as a chip with few oscillators would do it.
local function quadrature(slot)
  return mgd.from({ P }, function(i)
    local line = math.floor((i - 1) / 2) + 1 -- cycles in 16 slots
    local phase = (i - 1) % 2 * math.pi / 2
    return math.sin(2 * math.pi * line * slot / 16 + phase + 0.1)
  end)
end

local CODES = {
  { "sequential", { code = "sequential" } },
  { "walsh", { code = "walsh" } },
  { "random", { code = "random" } },
  { "random, half of it 0", { code = "random", sparsity = 0.5 } },
  { "sine", { code = "sine" } },
  { "gaussian", { code = "gaussian" } },
  { "brownian", { code = "brownian", length = 8 } },
  { "lfsr", { code = "lfsr" } },
  { "lfsr of 4 bits", { code = "lfsr", bits = 4 } },
  { "lfsr, balanced", { code = "lfsr", balanced = true } },
  { "outer", { code = "outer" } },
  { "random, spread of a", { code = "random", amplitude_spread = 0.3 } },
  { "a Lua function", { code = quadrature, period = 16 } },
}

local WINDOWS = { 16, 64, 256, 1024, 4096 }

local function network()
  return mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid", dtype = "f64" }
end

local function with(code, more)
  local all = {}
  for _, part in ipairs { code, more } do
    for key, value in pairs(part) do
      all[key] = value
    end
  end
  return all
end

-- ---- what a code does to G ----------------------------------------------------------------------

-- Degrees between G after one window and the gradient over all four words. η = 0: θ stays.
local function measured_angle(code, window)
  local run = mgd.train {
    net = network():init { scheme = "uniform", low = -1, high = 1, seed = 5 },
    data = mgd.data.xor { dtype = "f64" }, batch = 4, shuffle = false, eta = 0,
    perturbation = with(code, { norm = 1e-4 }), tau_theta = window, tau_x = window,
  }
  return run:run { steps = window, probes = { "angle" } }.angle[-1]
end

print "a code over 64 slots, P = 9       mean    corr.  period  angle │ measured after"
print(("%-29s%9s%9s%8s%7s │%7d%7d%7d%7d%7d"):format("", "of rms", "rms", "", "", table.unpack(
  WINDOWS)))
for _, entry in ipairs(CODES) do
  local name, code = entry[1], entry[2]
  local report = mgd.codes.check(with(code, { norm = DELTA }), P, 64, { net = network() })
  local angles = {}
  for i, window in ipairs(WINDOWS) do
    angles[i] = ("%6.1f°"):format(measured_angle(code, window))
  end
  print(("%-29s%9.3f%9.3f%8s%6.1f° │%s"):format(name, report.mean.largest,
    report.correlation.rms, report.period or "–", report.angle, table.concat(angles)))
end

print "\nOne of them in full:"
print(mgd.codes.check({ code = "lfsr", bits = 4, norm = DELTA }, P))

-- ---- training -----------------------------------------------------------------------------------

local STEPS, REPLICAS = 30000, 64

print(("\ntraining: %d replicas, τ_θ = 16 steps, Δ = %g, up to %d steps"):format(REPLICAS, DELTA,
  STEPS))
for _, entry in ipairs(CODES) do
  local run = mgd.train {
    net = network(), data = mgd.data.xor { dtype = "f64" }, replicas = REPLICAS, seed = 1,
    init = { scheme = "uniform", low = -1, high = 1 }, tau_theta = 16, eta = 2,
    perturbation = with(entry[2], { norm = DELTA }),
  }
  local solved = 0
  local history = run:run { steps = STEPS, every = 500, probes = { "cost", "accuracy" } }
  local first = {} -- step at which each replica first has all four words right
  for r = 1, REPLICAS do
    for row = 1, #history.step do
      if history.accuracy[row][r] == 1 then
        solved = solved + 1
        first[solved] = history.step[row]
        break
      end
    end
  end
  table.sort(first)
  print(("  %-24s %2d of %d solved, half of these after %5d steps"):format(entry[1], solved,
    REPLICAS, first[math.ceil(solved / 2)] or -1))
end

-- ---- a code that cannot work --------------------------------------------------------------------

local ok, message = pcall(mgd.train, {
  net = network(), data = mgd.data.xor { dtype = "f64" },
  perturbation = function(slot)
    return quadrature(slot) * 0.02 + 0.01
  end,
})
assert(not ok)
print("\nwith a mean:\n  " .. message:gsub("^[^:]*:%d+: ", ""):gsub(" over ", "\n  over "))
