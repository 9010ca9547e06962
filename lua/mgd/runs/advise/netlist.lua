--- What speaks against an amplitude on a netlist, and how long its transient must be.
-- @module mgd.runs.advise.netlist

local text = require "mgd.text.numbers"

local M = {}

local MUCH = 0.7 -- of the present stop is worth a word

local function look_at_transient(d, chip, theta, data)
  local analysis = chip.circuit.analysis
  local spice = require "mgd.hardware.spice"
  if analysis.kind ~= "tran" then
    return
  end
  local stop, off = spice.settling(chip, theta, data)
  d.stop = stop
  if not stop or stop > analysis.stop then
    d:flag("transient", "at tran.stop = %s the outputs are %.0f %% of their range from where they "
      .. "settle: expected %s", text.duration(analysis.stop), 100 * off,
      stop and text.duration(stop) or "more than sixteen times as long")
  elseif stop < MUCH * analysis.stop then
    d:because("tran.stop = %s would do: the outputs have settled within 1 %% of their range by "
      .. "then, in %.2g of the time", text.duration(stop), stop / analysis.stop)
  end
end

--- Add to the advice what there is to say of a netlist.
-- @tparam table d draft, with an amplitude
-- @tparam bench b
function M.look(d, b)
  local chip, data = d.opt.chip, d.opt.data
  if not chip.circuit then
    return
  end
  local spice = require "mgd.hardware.spice" -- loaded with the first netlist
  local amplitude = d.settings.perturbation.amplitude
  local run = b:open { eta = 0, perturbation = { amplitude = amplitude } }
  local theta = run:theta():totable()
  local against, beside = spice.amplitude(chip, theta, amplitude, data)
  for _, words in ipairs(against) do
    d:flag("netlist", "%s", words)
  end
  if beside then
    d:because("%s", beside)
  end
  look_at_transient(d, chip, theta, data)
end

return M
