--- The text of a chip that learns by itself, part by part, for ngspice.
-- @module mgd.circuits.netlist

local analog = require "mgd.circuits.analog"
local registers = require "mgd.circuits.registers"

local M = {}

--- Of a neuron's input u in weights × activities.
M.ACTIVATIONS = { sigmoid = "0.5*(1 + tanh(0.5*(%s)))", tanh = "tanh(%s)" }

-- ---- text ---------------------------------------------------------------------------------------

local WORDS = 8 -- in a line, before it goes on in the next

local function number(value)
  return ("%.9g"):format(value)
end

-- Words of a card, with a '+' where it goes on.
local function card(words)
  local lines = {}
  for i = 1, #words, WORDS do
    lines[#lines + 1] = table.concat(words, " ", i, math.min(i + WORDS - 1, #words))
  end
  return table.concat(lines, "\n+ ")
end

-- {prefix1, prefix2, …}
local function names(prefix, count)
  local list = {}
  for i = 1, count do
    list[i] = prefix .. i
  end
  return list
end

local function joined(...)
  local list = {}
  for _, part in ipairs { ... } do
    for _, word in ipairs(type(part) == "table" and part or { part }) do
      list[#list + 1] = word
    end
  end
  return list
end

-- ---- times --------------------------------------------------------------------------------------

-- Slot n ends `lag` after n clocks, in the middle of an edge of perturbations, so that flip-flops
-- have their time, and the first slot begins with an edge as well.
local function times(circuit, edge)
  local clock = 1 / circuit.clock
  return { clock = clock, edge = edge, lag = edge, sample = circuit.sample_clocks * clock }
end

-- ---- parts --------------------------------------------------------------------------------------

local FIGURES = { "volts_per_weight", "volts_per_cost", "amplitude", "multiplier", "r_theta",
  "c_theta", "gm", "c_weight", "r_leak", "r_hp", "c_hp" }

local ASCII = { ["Ω"] = "Ohm", ["A/V²"] = "A/V^2" } -- units of which other readers may know nothing

local function unit_of(name)
  for _, entry in ipairs(analog.SCHEMA) do
    if entry[1] == name then
      return ASCII[entry.unit] or entry.unit
    end
  end
end

-- What was given, and what follows for training.
local function figures(circuit, at)
  local t = circuit:training()
  local lines = { ("* a = %s, tau_hp = %s s, tau_theta = %s s, eta = %s in a clock of %s s"):format(
    number(t.perturbation.amplitude), number(t.tau_hp * t.dt), number(t.tau_theta * t.dt),
    number(t.eta * circuit.steps), number(at.clock)) }
  for _, name in ipairs(FIGURES) do
    if circuit[name] < math.huge then
      lines[#lines + 1] = (".param %s=%s ; %s"):format(name, number(circuit[name]), unit_of(name))
    end
  end
  lines[#lines + 1] = (".param r_on=%s ; Ohm, of switches"):format(
    number(at.edge / (20 * circuit.c_hp)))
  return lines
end

local SYNAPSE = [[
* A synapse. It sees its own perturbation and one wire that is broadcast to all, nothing else.
*   s  its perturbation, + or - amplitude   c  the high-passed cost of the chip
*   w  the weight that neurons see          v  the same without the perturbation
*   start  where v begins, in V
.subckt synapse s c w v params: start=0
bmultiply 0 g   i = multiplier*v(c)*v(s) ; four-quadrant multiplier
rintegrate g 0  {r_theta}                ; leaky integrator
cintegrate g 0  {c_theta} ic=0
gwrite v 0 g 0  {gm}                     ; transconductor
cweight v 0     {c_weight} ic={start}    ; the weight
@LEAK@
bsum w 0        v = v(v) + v(s)
.ends]]

local LEAK = "rleak v 0       {r_leak}                 ; where it goes\n"

local function synapse(circuit)
  local leak = circuit.r_leak < math.huge and LEAK or ""
  return (SYNAPSE:gsub("@LEAK@\n", leak))
end

-- A neuron of so many inputs: activation(Σ w·x + b), of weights as voltages.
local function neuron(layer)
  local inputs, weights = names("x", layer.inputs), names("w", layer.inputs)
  local sum = {}
  for i = 1, layer.inputs do
    sum[i] = ("v(w%d)*v(x%d)"):format(i, i)
  end
  local u = ("(%s + v(b))/volts_per_weight"):format(table.concat(sum, " +\n+ "))
  return table.concat({
    card(joined(".subckt", M.neuron_name(layer), inputs, weights, "b", "y")),
    ("by y 0 v = %s"):format(M.ACTIVATIONS[layer.activation]:format(u)),
    ".ends",
  }, "\n")
end

function M.neuron_name(layer)
  return ("%s%d"):format(layer.activation, layer.inputs)
end

local COST = [[
* What the chip has once: the cost of the sample shown, its high-pass, and the hold. While the
* sample changes, `blank` is 1: c stays where it is, and the coupling capacitor charges to the cost
* of the new sample.
@HEAD@
bcost cost 0    v = volts_per_cost/@OUTPUTS@*(@SQUARES@)
chp cost c      {c_hp}                   ; high-pass
rhp c 0         {r_hp}
ebuffer b 0     c 0 1                    ; a copy of c follows it, but while blank is 1,
strack b held   0 blank tracks
chold held 0    {c_hp/10} ic=0
eheld h 0       held 0 1
shold h c       blank 0 holds            ; when c follows the copy
.model tracks sw(vt=-0.5 vh=0 ron={r_on} roff={1e6*r_hp})
.model holds sw(vt=0.5 vh=0 ron={r_on} roff={1e6*r_hp})
.ends]]

local function cost(outputs)
  local squares = {}
  for k = 1, outputs do
    squares[k] = ("(v(y%d) - v(t%d))*(v(y%d) - v(t%d))"):format(k, k, k, k)
  end
  local fields = {
    HEAD = card(joined(".subckt cost", names("y", outputs), names("t", outputs), "blank", "c",
      "cost")),
    OUTPUTS = tostring(outputs), SQUARES = table.concat(squares, " +\n+ "),
  }
  return (COST:gsub("@(%u+)@", fields))
end

-- ---- perturbations ------------------------------------------------------------------------------

local sources = {}

local REGISTER = [[
* The perturbations: a shift register of flip-flops, which begins with ones; a ring that oscillates
* clocks it. Its last stage shows bit n of the sequence in slot n, and synapse i taps the stage that
* is i - 1 before it. A bit of 1 is a perturbation below zero.]]

-- Stage t shows b_{n+L−t} of a chain of L, and takes what stage t − 1 shows.
function sources.lfsr(circuit, at)
  local bits, count = circuit.register_bits, circuit.synapses
  local stages, delay = math.max(bits, count), at.edge / 10
  local start = registers.sequence(bits, stages)
  local lines = {
    REGISTER,
    card(joined(".subckt source", names("s", count))),
    ("vstart start 0 pulse(0 1 %s %s)"):format(number(at.clock / 2 + at.lag - at.edge / 2
      - 4.5 * delay), number(delay)),
    "astart [start] [run] level",
    "aring [run ring] ring ring",
    "aclock ring clock edges",
  }
  local taps = {}
  for i, tap in ipairs(registers.taps(bits)) do
    taps[i] = "b" .. tap
  end
  lines[#lines + 1] = ("afeed [%s] b0 feed"):format(table.concat(taps, " "))
  for t = 1, stages do
    lines[#lines + 1] = ("a%d b%d clock null null b%d n%d stage%d"):format(t, t - 1, t, t,
      start[stages - t + 1])
  end
  for i = 1, count do
    lines[#lines + 1] = ("as%d [n%d] [s%d] volts"):format(i, stages - i + 1, i)
  end
  for _, line in ipairs {
    (".model level adc_bridge(in_low=0.5 in_high=0.5 rise_delay=%s)"):format(number(delay)),
    (".model ring d_nand(rise_delay=%s fall_delay=%s)"):format(number(at.clock / 2),
      number(at.clock / 2)),
    (".model edges d_inverter(rise_delay=%s fall_delay=%s)"):format(number(delay), number(delay)),
    (".model feed d_xor(rise_delay=%s fall_delay=%s)"):format(number(delay), number(delay)),
    (".model volts dac_bridge(out_low={-amplitude} out_high={amplitude} t_rise=%s t_fall=%s)")
      :format(number(at.edge), number(at.edge)),
  } do
    lines[#lines + 1] = line
  end
  for ic = 0, 1 do
    lines[#lines + 1] = (".model stage%d d_dff(ic=%d clk_delay=%s rise_delay=%s fall_delay=%s)")
      :format(ic, ic, number(delay), number(delay), number(delay))
  end
  lines[#lines + 1] = ".ends"
  return lines
end

local COUNTER = [[
* The perturbations: square waves are the bits of a counter of slots, +1 for 0, -1 for 1. The sign
* of synapse i is the product of those whose bits are set in i.]]

function sources.walsh(circuit, at)
  local count = circuit.synapses
  local lines = { COUNTER, card(joined(".subckt source", names("s", count))) }
  for bit = 1, math.ceil(math.log(count + 1) / math.log(2) - 1e-9) do
    local half = 2 ^ (bit - 1) * at.clock
    lines[#lines + 1] = ("vk%d k%d 0 pulse(1 -1 %s %s %s %s %s)"):format(bit, bit,
      number(half + at.lag - at.edge / 2), number(at.edge), number(at.edge),
      number(half - at.edge), number(2 * half))
  end
  for i = 1, count do
    local factors, rest = { "amplitude" }, i
    for bit = 1, 64 do
      if rest % 2 == 1 then
        factors[#factors + 1] = ("v(k%d)"):format(bit)
      end
      rest = math.floor(rest / 2)
    end
    lines[#lines + 1] = ("bs%d s%d 0 v = %s"):format(i, i, table.concat(factors, "*"))
  end
  lines[#lines + 1] = ".ends"
  return lines
end

-- ---- samples ------------------------------------------------------------------------------------

-- A pulse that is high while sample k of n is shown.
local function selected(k, n, at)
  local from = (k - 1) * at.sample + at.lag - at.edge / 2
  return ("vselect%d select%d 0 pulse(0 1 %s %s %s %s %s)"):format(k, k, number(from),
    number(at.edge), number(at.edge), number(at.sample - at.edge), number(n * at.sample))
end

-- A column of (N, K), as a voltage: Σ value·select.
local function shown(name, rows, column)
  local sum = {}
  for k, row in ipairs(rows) do
    sum[#sum + 1] = row[column] ~= 0 and ("%s*v(select%d)"):format(number(row[column]), k) or nil
  end
  return ("b%s %s 0 v = %s"):format(name, name, #sum > 0 and table.concat(sum, " +\n+ ") or "0")
end

local function samples(set, net, at)
  local n = set.x.shape[1]
  local x = set.x:reshape { n, net.inputs }:totable()
  local y = set.y:reshape { n, net.outputs }:totable()
  local lines = { ("* Samples, %s s each, over and over, and when they change."):format(
    number(at.sample)) }
  for k = 1, n do
    lines[#lines + 1] = selected(k, n, at)
  end
  for i = 1, net.inputs do
    lines[#lines + 1] = shown("x" .. i, x, i)
  end
  for k = 1, net.outputs do
    lines[#lines + 1] = shown("t" .. k, y, k)
  end
  local ramp = at.edge / 4
  lines[#lines + 1] = ("vblank blank 0 pulse(1 0 %s %s %s %s %s)"):format(
    number(at.lag + at.edge), number(ramp), number(ramp),
    number(at.sample - 2 * at.edge - 2 * ramp), number(at.sample))
  return lines
end

-- ---- the chip -----------------------------------------------------------------------------------

local function synapses(circuit, theta)
  local lines = { card(joined("xsource", names("s", circuit.synapses), "source")) }
  for i = 1, circuit.synapses do
    lines[#lines + 1] = ("xsynapse%d s%d c w%d v%d synapse start=%s"):format(i, i, i, i,
      number(theta[i] * circuit.volts_per_weight))
  end
  return lines
end

-- Neurons in the order of θ: of each layer the weights, outputs × inputs, then the biases.
local function neurons(layers)
  local lines, before, first = {}, "x", 0
  for l, layer in ipairs(layers) do
    local name = l == #layers and "y" or ("h%d_"):format(l)
    for o = 1, layer.outputs do
      local weights = {}
      for i = 1, layer.inputs do
        weights[i] = "w" .. first + (o - 1) * layer.inputs + i
      end
      lines[#lines + 1] = card(joined(("xneuron_%s%d"):format(name, o),
        names(before, layer.inputs), weights,
        "w" .. first + layer.outputs * layer.inputs + o, name .. o, M.neuron_name(layer)))
    end
    before, first = name, first + layer.outputs * (layer.inputs + 1)
  end
  return lines
end

local function kinds_of_neurons(layers)
  local lines, seen = { "* Neurons, as functions." }, {}
  for _, layer in ipairs(layers) do
    if not seen[M.neuron_name(layer)] then
      seen[M.neuron_name(layer)] = true
      lines[#lines + 1] = neuron(layer)
    end
  end
  return lines
end

local function analysis(circuit, opt, at)
  local printed = {}
  for i = 1, circuit.synapses do
    printed[i] = ("v(v%d)"):format(i)
  end
  return {
    "* Learning: weights and the cost, in V.",
    (".tran %s %s 0 %s uic"):format(number(opt.every * at.clock),
      number(opt.clocks * at.clock + at.edge), -- so that there is a row for the last clock
      number(at.clock / 2)),
    ".options interp",
    (".width out=%d"):format(16 * (circuit.synapses + 3)), -- of .print, which it stands before
    card(joined(".print tran", printed, "v(cost)")),
    ".end", "",
  }
end

--- The netlist.
-- @tparam circuit circuit
-- @tparam table opt `layers` as {inputs =, outputs =, activation =}; `data`, `theta`, `clocks`,
--   `every`, `edge`
-- @treturn string
function M.text(circuit, opt)
  local at, net = times(circuit, opt.edge), circuit.net
  local parts = {
    { ("A chip of %d synapses that learns %s by itself"):format(circuit.synapses, opt.data.name) },
    figures(circuit, at),
    { synapse(circuit) },
    kinds_of_neurons(opt.layers),
    { cost(net.outputs) },
    sources[circuit.source](circuit, at),
    samples(opt.data, net, at),
    joined("* The chip.", synapses(circuit, opt.theta:totable()), neurons(opt.layers),
      card(joined("xcost", names("y", net.outputs), names("t", net.outputs), "blank", "c", "cost",
        "cost"))),
    analysis(circuit, opt, at),
  }
  local blocks = {}
  for i, part in ipairs(parts) do
    blocks[i] = table.concat(part, "\n")
  end
  return table.concat(blocks, "\n\n")
end

return M
