-- Writes docs/physics/{README,signals,weights,updates}.md from the registry of mgd.hw, where the
-- equation, parameters and source of every model stand: `make docs`.
--
-- usage: build/mgd-lua scripts/physics-reference.lua [FOLDER]    instead of docs/physics

local hw = require "mgd.hardware.hw"
local options = require "mgd.base.options"

local FOLDER = (arg[1] or "docs/physics") .. "/"

-- Rows of the list of nonidealities: stage, model of the literature → function and spec.
local ROWS = {
  { "input", "DAC: bits, bound, stochastic rounding, asymmetry, noise", "dac" },
  { "output", "ADC: bits, bound, noise, gain spread, offset, s-shape, clipping", "adc" },
  { "input", "noise management: scaled by the largest value", "dac", "management = \"noise\"" },
  { "output", "bound management: halved until nothing clips", "adc", "management = \"bound\"" },
  { "weights", "mapping to conductances: single, pair, N pairs, offset, slices", "conductance" },
  { "weights", "finite levels, uniform or table", "levels" },
  { "weights", "read noise: additive, proportional, inverse; normal, uniform", "read_noise" },
  { "weights", "PCM programming noise", "programming_noise" },
  { "weights", "PCM drift", "drift" },
  { "weights", "PCM 1/f read noise", "read_noise", "law = \"pcm\"" },
  { "weights", "RRAM (Milo): errors of programming", "programming_noise", "law = \"rram\"" },
  { "weights", "SONOS: errors of programming and between devices, by day", "programming_noise",
    "law = \"sonos\"" },
  { "weights", "SONOS: read noise", "read_noise", "law = \"sonos\"" },
  { "weights", "drift from a table", "drift", "law = \"table\"" },
  { "weights", "drift compensation, global or per column", "drift", "compensation" },
  { "weights", "leak", "leak" },
  { "weights", "diffusion", "diffusion" },
  { "weights", "stuck devices", "stuck" },
  { "weights", "IR drop, line resistance", "ir_drop" },
  { "weights", "crosstalk", "crosstalk" },
  { "update", "pulsed, constant step", "constant_step" },
  { "update", "soft bounds", "soft_bounds" },
  { "update", "linear step", "linear_step" },
  { "update", "exponential step", "exponential_step" },
  { "update", "power step", "power_step" },
  { "update", "LTP/LTD curve", "ltp_ltd" },
  { "update", "measured table", "pulse_table", "hw.fit_update reads a measurement" },
  { "update", "write noise", "write" },
  { "update", "noise of what was written, which does not add up", "constant_step",
    "and each law by pulses: write_noise", "hw_cells_spec" },
  { "update", "reference devices, symmetry points", "soft_bounds",
    "and each law by pulses: reference", "hw_cells_spec" },
  { "update", "pairs that pulses raise alone, with resets", "exponential_step",
    "and each law by pulses: cell", "hw_cells_spec" },
  { "update", "resolution, stochastic rounding, threshold, interval, endurance", "write" },
  { "presets", "ten devices, what a capacitor loses, Hermes-like PCM, five platforms", "presets" },
  { "neurons", "activation spread", "neuron_spread" },
  { "neurons", "saturation", "saturation" },
  { "neurons", "dead neurons", "dead" },
  { "neurons", "output noise", "noise", "stage neurons" },
  { "signal paths", "bandwidth", "path" },
  { "signal paths", "delay, slew rate, ringing, AC coupling, gain error, offset", "path" },
  { "cost", "additive, multiplicative noise", "noise" },
  { "cost", "1/f noise", "flicker" },
  { "cost", "quantisation, clamp, delay, bandwidth", "path" },
  { "perturbation", "amplitude spread, quantised amplitude, mismatch", "amplitude" },
  { "perturbation", "missing lines", "missing" },
  { "perturbation", "finite rise time", "path", "lowpass, slew" },
}

-- Where a model is checked, but for updates and for what hw_models_spec.lua has.
local SPECS = { path = "hw_path_spec.lua`, `spec/hw_lines_spec", ir_drop = "wires_spec",
  read_noise = "hw_read_noise_spec", programming_noise = "hw_programming_spec" }
for _, name in ipairs { "levels", "conductance", "dac", "adc", "saturation", "neuron_spread",
  "amplitude" } do
  SPECS[name] = "hw_levels_spec"
end

local function spec_of(name, page)
  return SPECS[name] or page == "updates" and "hw_updates_spec" or page and "hw_models_spec"
    or "presets_spec"
end

local PAGES = {
  { "signals", "Signals", "Converters, noise, bounds, paths, neurons and perturbations." },
  { "weights", "Weights", "Conductances, levels, noise, time, faults and wires. Laws of "
    .. "conductances go by the `hw.conductance` before them in the list, or else by differential "
    .. "pairs in which a weight of 1 is the largest conductance." },
  { "updates", "Updates", "How parameters are written. A change Δw that is asked for becomes "
    .. "n = |Δw|/dw_min pulses (rounded, or at random so that it is right on average), each of "
    .. "which acts on the weight that the one before it left. The noise of a pulse is c2c of its "
    .. "step, and the steps behind it carry its variance on: exactly where a law is affine in w, "
    .. "to first order elsewhere." },
}

local INTRO = [[
Every model is an equation, and this is where it stands: with its parameters, their units and
defaults, its source, and a figure. z is drawn once for each device (d2d), from the seed of the chip
and the number of the replica; ξ is drawn anew at each event (c2c): an evaluation, or a write. All
are standard normal unless it is said otherwise. Values are in units of the network: weights and
activations are pure numbers, costs are costs.

[What is exact, what is approximate, what is illustrative](exactness.md) says so of every engine,
code and model, and how to cite it. [Lines against dt](convergence.md) has the errors of paths,
alone and in series.

Written by `make docs` from the registry in `lua/mgd/hardware/hw`; the figures by
`build/mgd-lua docs/physics/figures.lua`.
]]

local CLOCK = [[

## Time

A step of the engine lasts dt. What is measured in it (C₀ and C, or both sides) shares that time
evenly, C₀ first: signals are held for dt or dt/2, and a measurement is read at the end of its hold.
Linear filters are solved exactly for held inputs, e^(A·h), whatever the time constants. So with
finite bandwidth the answer to one perturbation leaks into the next, and a delay of half a step puts
C where C₀ should be: the engine sees exactly that. `chip:advance(seconds)` lets time pass at rest.

Probes (`cost`, `accuracy`, `run:evaluate`) see the chip settled and without noise, with all that is
wrong with its devices at their present age. The angle probe compares G with the gradient of that
chip: by back-propagation where nothing but the weights is wrong, else by central differences.
]]

local PRESETS = [[

## Presets

A preset is *sourced* or *illustrative*. Those that are sourced have the figures of a class of a
simulator, restated for the laws here; [data/presets.csv](../../data/presets.csv) has every figure
with its name and value there, the formula in between, class and file, and
`spec/presets_spec.lua` pins them, steps, noise and spreads. Where other figures are put into such a
preset, its chip says that they are not of the source.
]]

local ILLUSTRATIVE = [[

## Figures of platforms, which are illustrative

No platform is a fit to one chip: the figures are of a likely order, chosen so that every kind of
imperfection of such hardware is there, and none is from a measurement. What is written up about
them should be swept.
]]

local function cell(text)
  return (tostring(text):gsub("|", "\\|"))
end

local function default_of(entry)
  local value = entry.default
  if entry.required then
    return "required"
  elseif value == nil then
    return "–"
  end
  return type(value) == "string" and ("`%q`"):format(value) or "`" .. tostring(value) .. "`"
end

local function section(out, model)
  out:write(("\n## hw.%s\n\n%s\n\n    %s\n\nStages: %s. Source: %s.%s%s Pinned by "
    .. "`spec/%s.lua`.\n\n"):format(model.name, model.doc, model.equation,
    table.concat(model.stages, ", "), model.source,
    model.validity and (" Valid: %s."):format(model.validity) or "",
    model.version and (" Version %d of its law."):format(model.version) or "",
    spec_of(model.name, model.page)))
  out:write "| parameter | must be | default | unit | meaning |\n|---|---|---|---|---|\n"
  for _, entry in ipairs(model.params) do
    local doc = entry.doc
    if entry.only then
      doc = ("%s Only with `%s`."):format(doc, options.belongs(entry.only, '"'))
    end
    out:write(("| `%s` | %s | %s | %s | %s |\n"):format(entry[1], cell(options.expected(entry)),
      cell(default_of(entry)), entry.unit or "", cell(doc)))
  end
  out:write(("\n![hw.%s](img/%s.svg)\n"):format(model.name, model.name))
end

local function page_of(name)
  for _, model in ipairs(hw.models()) do
    if model.name == name then
      return model.page
    end
  end
end

for _, page in ipairs(PAGES) do
  local out = assert(io.open(FOLDER .. page[1] .. ".md", "w"))
  out:write(("# %s\n\n%s\n"):format(page[2], page[3]))
  for _, model in ipairs(hw.models()) do
    if model.page == page[1] then
      section(out, model)
    end
  end
  out:close()
end

local out = assert(io.open(FOLDER .. "README.md", "w"))
out:write("# The physics of every model\n\n", INTRO, CLOCK, "\n## What is modelled, and where\n\n",
  "| stage | imperfection | function | spec |\n|---|---|---|---|\n")
for _, row in ipairs(ROWS) do
  local page = page_of(row[3])
  local link = page and ("[`hw.%s`](%s.md#hw%s)"):format(row[3], page, row[3]) or "`hw.presets`"
  local spec = row[5] or spec_of(row[3], page)
  out:write(("| %s | %s | %s%s | `spec/%s.lua` |\n"):format(row[1], row[2], link,
    row[4] and ", " .. row[4] or "", spec))
end
out:write(PRESETS, "\n| preset | kind | standing | what it is | source |\n|---|---|---|---|---|\n")
for _, preset in ipairs(hw.presets()) do
  out:write(("| `%s` | %s | %s | %s | %s |\n"):format(preset.name, preset.kind, preset.standing,
    preset.doc, preset.source))
end

-- The models of a stage, one or a list.
local function models_text(stage)
  local parts = {}
  for i, model in ipairs(hw.is_model(stage) and { stage } or stage) do
    parts[i] = ("`%s`"):format(tostring(model))
  end
  return table.concat(parts, ", ")
end

-- The figures of a clock, `energy.write = 1e-12` among them.
local function clock_text(clock, prefix, parts)
  for name, value in pairs(clock) do
    if type(value) == "table" then
      clock_text(value, name .. ".", parts)
    else
      parts[#parts + 1] = ("`%s%s = %g`"):format(prefix, name, value)
    end
  end
  table.sort(parts)
  return table.concat(parts, ", ")
end

out:write(ILLUSTRATIVE, "\n| platform | stage | figures |\n|---|---|---|\n")
for _, preset in ipairs(hw.presets()) do
  if preset.standing == "illustrative" then
    local chip = hw.presets[preset.name] { net = false, seed = 1 }
    for _, stage in ipairs(hw.STAGES) do
      if chip[stage[1]] then
        out:write(("| `%s` | %s | %s |\n"):format(preset.name, stage[1],
          cell(models_text(chip[stage[1]]))))
      end
    end
    out:write(("| `%s` | clock | %s |\n"):format(preset.name, clock_text(chip.clock, "", {})))
  end
end
out:close()
