-- 36_on_chip_map.lua: how wide must the registers of a learning circuit be?
--
-- The two digital circuits of mgd.circuit learn XOR (2-2-1, 9 synapses) and letters (NIST7x7,
-- 49-4-4, 220 synapses). One width at a time is made smaller: of weights (over the same range, with
-- a larger LSB), of the integrator, of the converter of the cost, of the shift register that
-- perturbs. Points are the share of seeds that solve XOR, and the median accuracy over seeds for
-- letters; both are also drawn against the gates of a synapse, which yosys counts. Takes a few
-- minutes; STEPS=200 XOR=4 LETTERS=2 POINTS=1 for a look.
--
--     build/mgd-lua examples/36_on_chip_map.lua
--
-- Leaves in out/: on-chip.csv, on-chip-xor.svg, on-chip-letters.svg and on-chip-gates.svg.

local mgd = require "mgd"

local function setting(name, value)
  return math.tointeger(tonumber(os.getenv(name) or value))
end

local POINTS = setting("POINTS", 99) -- of a line, the widest

local ORDER = { "sign-sign", "accumulator" }
local BASE = { ["sign-sign"] = { counter_bits = 3 },
  accumulator = { shift = 6, accumulator_bits = 13 } }

local TASKS = {
  { name = "XOR", net = { 2, 2, 1 }, data = mgd.data.xor(), seeds = setting("XOR", 64),
    steps = setting("STEPS", 30000), spread = 0.5, registers = { 4, 5, 6, 8, 10, 14 },
    own = { batch = 4, shuffle = false }, y = { label = "seeds that solve XOR", unit = "%" } },
  { name = "letters", net = { 49, 4, 4 }, data = mgd.data.nist7x7(), seeds = setting("LETTERS", 8),
    steps = setting("STEPS", 12000), spread = 0.5, registers = { 8, 9, 10, 12, 14, 16 },
    own = { batch = 64 }, y = { label = "accuracy on letters", unit = "%" } },
}

-- Weights of W bits over ±8: amplitude and step are multiples of the LSB, and at least one.
local RANGE = 16
local function of_weight(bits)
  local lsb = RANGE / 2 ^ bits
  return { weight_bits = bits, lsb = lsb, amplitude = math.max(1, math.floor(0.125 / lsb)) }
end

local SETS = {
  ["sign-sign"] = {
    weight = function(bits)
      local own = of_weight(bits)
      own.step = math.max(1, math.floor(0.03125 / own.lsb))
      return own
    end,
    integrator = function(bits)
      return { counter_bits = bits }
    end,
    cost = function(bits)
      return { cost_bits = bits }
    end,
  },
  accumulator = {
    -- the shift follows what the sums are made of, so that η stays the same as far as it goes
    weight = function(bits)
      local own = of_weight(bits)
      own.shift = math.min(6 + 12 - bits, 12)
      return own
    end,
    integrator = function(bits)
      return { magnitude_bits = bits, shift = math.max(0, bits - 2) }
    end,
    cost = function(bits)
      return { cost_bits = bits, shift = math.max(0, 6 + bits - 16) }
    end,
  },
}

local function merged(a, b)
  local all = {}
  for _, part in ipairs { a, b } do
    for name, value in pairs(part) do
      all[name] = value
    end
  end
  return all
end

-- ---- one point ----------------------------------------------------------------------------------

-- Values over seeds, in %, as what is drawn: for XOR the share with all words right and its
-- interval at 95 %, for letters median and quartiles.
local function summary(task, accuracy)
  if task.name == "XOR" then
    local solved = 0
    for _, value in ipairs(accuracy) do
      solved = solved + (value == 1 and 1 or 0)
    end
    local s = mgd.stats.success(solved, #accuracy)
    return 100 * s.rate, 100 * s.low, 100 * s.high
  end
  table.sort(accuracy)
  local function quantile(q)
    return 100 * accuracy[1 + math.floor(q * (#accuracy - 1) + 0.5)]
  end
  return quantile(0.5), quantile(0.25), quantile(0.75)
end

local function measure(task, set, own)
  local net = mgd.nn.mlp(merged(task.net, { activation = "sigmoid", output = "sigmoid" }))
  local circuit = mgd.circuit(merged(BASE[set], merged(own, { set = set, net = net })))
  local run = mgd.train(merged(task.own, { circuit = circuit, data = task.data,
    replicas = task.seeds, init = { scheme = "uniform", low = -task.spread, high = task.spread } }))
  local history = run:run { steps = task.steps, every = task.steps, probes = { "accuracy" } }
  local accuracy = history.accuracy[#history.step]
  return circuit, summary(task, accuracy:totable())
end

-- ---- all points ---------------------------------------------------------------------------------

local FIELDS = {
  { "weight bits", { 3, 4, 5, 6, 8, 10, 12 }, "weight", of_synapse = true },
  { "integrator bits", { 1, 2, 3, 4, 5, 6, 8 }, "integrator", of_synapse = true },
  { "cost bits", { 3, 4, 5, 6, 8, 10, 12, 16 }, "cost" },
  { "register bits" }, -- the task's
}

local function own_of(set, field, bits)
  if field[3] then
    return SETS[set][field[3]](bits)
  end
  return { [(field[1]:gsub(" ", "_"))] = bits }
end

-- ---- gates --------------------------------------------------------------------------------------

-- Gates of two inputs and flip-flops that a synapse takes, as yosys counts them; they do not depend
-- on how many synapses there are.
local counted = {}

local function gates_of(circuit)
  local plain = circuit:describe()
  local key = table.concat({ plain.set, plain.weight_bits,
    plain.counter_bits or plain.magnitude_bits, plain.shift }, " ")
  plain.synapses, plain.register_bits = 2, 4
  counted[key] = counted[key] or mgd.circuit(plain):gates {}.synapse.gates
  return counted[key]
end

-- ---- a map --------------------------------------------------------------------------------------

local function row(task, set, field, values)
  local text = ("%-8s %-12s %-14s"):format(task, set, field)
  for _, value in ipairs(values) do
    text = text .. (" %4.0f"):format(value)
  end
  return text
end

local function last(values, count)
  return { table.unpack(values, math.max(1, #values - count + 1)) }
end

os.execute "mkdir -p out"
local csv = assert(io.open("out/on-chip.csv", "w"))
csv:write "task,set,field,bits,gates,seeds,steps,percent,low,high\n"

-- Widths of one field; what a synapse's widths cost goes into `areas`, by set.
local function panel(task, field, areas)
  local values = last(field[2] or task.registers, POINTS)
  local drawn = { x = { label = field[1], ticks = values },
    y = { label = task.y.label, unit = task.y.unit, range = { 0, 100 } } }
  for _, set in ipairs(ORDER) do
    local line = { x = values, y = {}, low = {}, high = {}, label = set }
    for i, bits in ipairs(values) do
      local own = own_of(set, field, bits)
      local circuit, middle, low, high = measure(task, set, own)
      local gates = field.of_synapse and gates_of(circuit)
      line.y[i], line.low[i], line.high[i] = middle, low, high
      csv:write(("%s,%s,%s,%d,%s,%d,%d,%.2f,%.2f,%.2f\n"):format(task.name, set, field[1], bits,
        gates or "", task.seeds, task.steps, middle, low, high))
      if gates then
        local area = areas[set]
        table.insert(area.x, gates)
        table.insert(area.y, middle)
        table.insert(area.low, low)
        table.insert(area.high, high)
      end
    end
    drawn[#drawn + 1] = line
    print(row(task.name, set, field[1], line.y))
  end
  return drawn
end

local function save(name, figure)
  local path = ("out/on-chip-%s.svg"):format(name)
  local ok, message = pcall(figure.save, figure, path)
  print(ok and "written: " .. path or message) -- no gnuplot
end

local by_area = {}
for t, task in ipairs(TASKS) do
  local areas, panels = {}, {}
  by_area[t] = { title = task.name, x = { label = "gates of a synapse", range = { 0, 400 } },
    y = { label = task.y.label, unit = task.y.unit, range = { 0, 100 } } }
  for k, set in ipairs(ORDER) do
    areas[set] = { x = {}, y = {}, low = {}, high = {}, label = set, style = "points" }
    by_area[t][k] = areas[set]
  end
  for i, field in ipairs(FIELDS) do
    panels[i] = panel(task, field, areas)
  end
  save(task.name:lower(), mgd.plot { columns = 2, panels = panels,
    title = ("%s: %d seeds, %d steps"):format(task.name, task.seeds, task.steps) })
end
csv:close()
save("gates", mgd.plot { columns = 2, panels = by_area,
  title = "Widths of weights and integrators, by the gates they take" })
