-- 25_mesh_calibration.lua: routing light through a photonic chip that nobody knows.
--
-- Six interferometers with twelve heaters are to send the light of four fibres into four others.
-- What the voltages of the heaters do is not known: fabrication left a phase in every arm, heat
-- reaches the neighbours, phases follow late, detectors are noisy, power is the square of a
-- voltage. The chip is a program of its own, at a port. The training side knows its address, the
-- voltages that it bears and what is to come out: the advisor measures it and chooses amplitude,
-- baseline, time constants and η, then MGD finds the voltages. Takes about four seconds.
--
--     build/mgd-lua examples/25_mesh_calibration.lua
--
-- Leaves out/mesh_calibration.svg, where gnuplot is installed. With the address of an instrument,
-- `instrument = "TCPIP::192.168.1.7::5025::SOCKET"`, the second half calibrates a real mesh.

local mgd = require "mgd"

local MODES, HEATERS = 4, 12
local VOLTS = 5 -- full scale of the converters that drive the heaters

-- ---- the chip -----------------------------------------------------------------------------------

local LSB = VOLTS / 2 ^ 14 -- V
local TURN = 3             -- V that turn a phase by 2π
local NEIGHBOUR = 0.06     -- of a heater's heat gets to the next, its square to the one behind that
local DT, TAU = 50e-6, 20e-6 -- s: a measurement, and the time constant of the heaters
local DETECTOR = 1e-3      -- noise of a power; that of all the light in a fibre is 1

local function crosstalk()
  local rows = {}
  for i = 1, HEATERS do
    rows[i] = {}
    for j = 1, HEATERS do
      local away = math.abs(i - j)
      rows[i][j] = away <= 2 and NEIGHBOUR ^ away or 0
    end
  end
  return mgd.tensor(rows)
end

local function make_chip()
  local mesh = mgd.nn.sequential { input = MODES, dtype = "f64",
    mgd.nn.mzi_mesh { modes = MODES } }
  local built = 2 * math.pi * mgd.rand({ HEATERS }, { seed = 4 }) -- phases at 0 V
  local spreads, heat = crosstalk(), mgd.zeros { HEATERS }
  local follows = 1 - math.exp(-DT / TAU)
  local readings = 0
  return mgd.chip {
    parameters = HEATERS,
    theta = mgd.full({ HEATERS }, 3), -- V
    evaluate = function(volts, light)
      local driven = (volts / LSB + 0.5):floor() * (LSB / TURN)
      heat:add_((2 * math.pi * driven ^ 2 - heat) * follows)
      local powers = mesh:set_theta(built + spreads:matmul(heat)):forward(light)
      readings = readings + 1
      return powers + DETECTOR * mgd.randn(powers.shape, { seed = readings })
    end,
  }
end

if arg[1] == "serve" then
  io.stdout:setvbuf "line"
  mgd.chip.serve {
    chip = make_chip(), inputs = MODES, outputs = MODES, safe = mgd.zeros { HEATERS },
    identity = "example,mesh of six,1,1.0", resolution = LSB, unit = "V",
    listen = "127.0.0.1:0", clients = 1,
    on_ready = function(_, resource) print(resource) end, -- for the process that started it
  }
  return
end

-- ---- the training side --------------------------------------------------------------------------

local server = mgd.chip.link({ "EXEC", arg[-1], arg[0], "serve" }, { timeout = 30 })
local chip = mgd.chip {
  instrument = server:read(), -- TCPIP::127.0.0.1::…::SOCKET
  ranges = { 0, VOLTS },                         -- of θ from −1 to 1
  limits = { low = 0, high = 4.6, slew = 1000 }, -- V, V/s
  safe = 0,                                      -- V
}
print(chip)

local TO = { 3, 1, 4, 2 } -- light of fibre k is to leave by fibre TO[k]
local light, wanted = mgd.zeros { MODES, MODES }, mgd.zeros { MODES, MODES }
for from, to in ipairs(TO) do
  light[from][from], wanted[from][to] = 1, 1
end

-- Powers (from, to), once the heaters have come to rest.
local function powers_of(run)
  for _ = 1, 4 do
    run:predict(light)
  end
  return run:predict(light)
end

-- The share of each fibre's light that leaves where it should.
local function routed(powers)
  return (powers * wanted):sum(2)
end

local advice = mgd.advise { chip = chip, data = { x = light, y = wanted } }
print(advice)

local STEPS = 1000 -- the advice's 20,000 writes are for jobs that are less simple
local run = advice:train { eta = { "cosine", advice.eta, steps = STEPS } }
local before = powers_of(run)
local way = { step = {}, routed = {}, volts = {} }
run:run {
  steps = STEPS, every = STEPS / 100,
  on_row = function(row)
    table.insert(way.step, row.step)
    table.insert(way.routed, routed(powers_of(run)):totable())
    table.insert(way.volts, ((run:theta() + 1) * (VOLTS / 2)):totable())
  end,
}
local after = powers_of(run)

print(("\nlight that arrives, of the worst fibre: %.1f %% before, %.1f %% after"):format(
  100 * routed(before):min(), 100 * routed(after):min()))
print(("evaluations of a fibre: %d by the advisor, %d in %d steps"):format(advice.evaluations,
  run:counters().evaluations, STEPS))
print(chip:timing())
chip:close()
server:close()

-- ---- plot ---------------------------------------------------------------------------------------

local function map(title, powers)
  return { title = title, x = { label = "to fibre", ticks = { 1, 2, 3, 4 } },
    y = { label = "from fibre", ticks = { 1, 2, 3, 4 } },
    { kind = "heat", x = { 1, 2, 3, 4 }, y = { 1, 2, 3, 4 }, label = "power",
      z = (powers:clamp(0, 1) * 100 + 0.5):floor() / 100 } }
end

local function lines(title, y, rows, label)
  local panel, columns = { title = title, x = "step", y = y }, mgd.tensor(rows):transpose()
  for k = 1, #columns do
    panel[k] = { x = way.step, y = columns[k], label = label and label:format(k, TO[k]) }
  end
  return panel
end

local figure = mgd.plot {
  title = "A mesh of six interferometers", columns = 2,
  panels = {
    map("Powers before", before), map("Powers after", after),
    lines("Light that arrives", { label = "power", range = { 0, 1.02 } }, way.routed, "%d to %d"),
    lines("Heaters", { label = "voltage", unit = "V" }, way.volts),
  },
}
os.execute "mkdir -p out"
local ok, message = pcall(figure.save, figure, "out/mesh_calibration.svg")
print(ok and "written: out/mesh_calibration.svg" or message)
