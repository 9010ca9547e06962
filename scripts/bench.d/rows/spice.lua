--- p1, p2: netlists as chips, beside a bare loop of ngspice's shared library that does the same;
-- p3, p4: two workers beside one, where a message holds one step; p5: where it holds eight. None
-- without the library.

local contenders = require "contenders"
local mgd = require "mgd"
local native = require "bench.native"

local AMPLITUDE = 0.05

-- At most 1.3 times the bare loop.
local TARGET = { against = "bare loop of the library", at_least = 0.769 }

local BEHAVIOURAL = { "2-2-1 of behavioural sigmoids" }
for _, name in ipairs { "x1", "x2", "w11", "w12", "w21", "w22", "b1", "b2", "u1", "u2", "c" } do
  table.insert(BEHAVIOURAL, ("v%s %s 0 0.1"):format(name, name))
end
for k, sum in ipairs { "v(w11)*v(x1)+v(w12)*v(x2)+v(b1)", "v(w21)*v(x1)+v(w22)*v(x2)+v(b2)",
  "v(u1)*v(h1)+v(u2)*v(h2)+v(c)" } do
  table.insert(BEHAVIOURAL, ("b%d %s 0 v = 1/(1+exp(-(%s)))"):format(k, k < 3 and "h" .. k or "y",
    sum))
end

-- 18 resistors from three inputs to three pairs of transistors with tails.
local CROSSBAR = { "a crossbar and pairs", "vdd vdd 0 3", "ib 0 bias 50u",
  "mb bias bias 0 0 n w=20u l=2u", ".model n nmos level=1 vto=0.5 kp=200u lambda=0.02" }
for j = 1, 6 do
  for i = 1, 3 do
    table.insert(CROSSBAR, ("r%d%d x%d g%d 1e5"):format(i, j, i, j))
  end
  table.insert(CROSSBAR, ("m%d o%d g%d s%d 0 n w=20u l=1u"):format(j, j, j,
    math.floor((j + 1) / 2)))
  table.insert(CROSSBAR, ("ro%d vdd o%d 20k"):format(j, j))
end
for i = 1, 3 do
  table.insert(CROSSBAR, ("vx%d x%d 0 %g"):format(i, i, i == 3 and 1.5 or 1))
  table.insert(CROSSBAR, ("mt%d s%d bias 0 0 n w=20u l=2u"):format(i, i))
end

local function parameters_of(netlist, letter)
  local names = {}
  for _, line in ipairs(netlist) do
    names[#names + 1] = line:match("^" .. letter)
  end
  return names
end

-- What a step does: θ + θ̃ and θ − θ̃, at four samples of XOR each; inputs that stay are left.
local function commands(names, theta, unit, inputs)
  local list = {}
  for sign = 1, -1, -2 do
    for i, name in ipairs(names) do
      local pattern = i % 3 == 0 and -AMPLITUDE or AMPLITUDE
      list[#list + 1] = ("alter %s = %.17g"):format(name, unit(theta[i] + sign * pattern))
    end
    for _, change in ipairs { { "vx1", 0 }, { "vx2", 0 }, {}, { "vx2", 1 }, {}, { "vx1", 1 },
      { "vx2", 0 }, {}, { "vx2", 1 }, {} } do
      list[#list + 1] = change[1]
        and ("alter %s = %.17g"):format(change[1], inputs(change[2])) or "op"
    end
  end
  return list
end

local SIGMOIDS = { netlist = BEHAVIOURAL, letter = "(v[wbuc]%d*) ", outputs = { "y" }, vector = "y",
  title = "2-2-1 of behavioural sources", scale = 1, offset = 0, unit = function(theta)
    return theta
  end }

local TRANSISTORS = { netlist = CROSSBAR, letter = "(r%d%d) ", outputs = { "o1 - o2" },
  vector = "o1", title = "18 resistors and 10 transistors", scale = 0.5, offset = 1,
  ranges = { 1e4, 1e6, scale = "log" }, unit = function(theta)
    return 1e5 * 10 ^ theta -- of [-1, 1] onto the range
  end }

-- A run on XOR, and the names of its parameters.
local function training(circuit, workers, tau_theta)
  local names, path = parameters_of(circuit.netlist, circuit.letter), os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(table.concat(circuit.netlist, "\n"), "\n")
  file:close()
  local chip = mgd.chip { spice = path, parameters = names, inputs = { "vx1", "vx2" },
    outputs = circuit.outputs, offset = circuit.offset, scale = circuit.scale,
    ranges = circuit.ranges, workers = workers }
  os.remove(path)
  return mgd.train { chip = chip, data = mgd.data.xor(), batch = 4, eta = 1e-6,
    tau_theta = tau_theta or 1, baseline = "two-sided",
    perturbation = { code = "random", amplitude = AMPLITUDE },
    init = { scheme = "uniform", low = -0.5, high = 0.5 } }, names
end

local function beside_library(id, circuit)
  return {
    id = id, unit = "µs", targets = { TARGET },
    title = circuit.title .. ": an operating point in training on XOR, one worker; at most 1.3 × "
      .. "one in a bare loop of ngspice's shared library that sets as many values",
    make = function()
      local run, names = training(circuit, 1)
      local list = commands(names, run:theta():totable(), circuit.unit, function(x)
        return circuit.scale * x + circuit.offset
      end)
      return { contenders.engine("one worker", run, 8), {
        name = TARGET.against, per = 8,
        time = function(n)
          native.spice(table.concat(circuit.netlist, "\n"), circuit.vector)
          return native.spice_time(n, list)
        end,
      } }
    end,
  }
end

local function two_workers(id, circuit, tau_theta)
  return {
    id = id, unit = "µs", targets = { { against = "one worker", at_least = 1.8 } },
    title = ("%s: two workers beside one, 8 operating points a step, τ_θ = %d"):format(
      circuit.title, tau_theta),
    make = function()
      return { contenders.engine("two workers", training(circuit, 2, tau_theta), 8),
        contenders.engine("one worker", training(circuit, 1, tau_theta), 8) }
    end,
  }
end

return native.spice_here() and {
  beside_library("p1", SIGMOIDS), beside_library("p2", TRANSISTORS),
  two_workers("p3", SIGMOIDS, 1), two_workers("p4", TRANSISTORS, 1), two_workers("p5", SIGMOIDS, 8),
} or {}
