--- What cannot be learned is said before training: outputs that no parameter moves, amplitudes that
-- the simulator's tolerances drown, transients that end too soon.
-- @module mgd.hardware.spice.check

local core = require "mgd.core"
local files = require "mgd.base.files"
local interrupts = require "mgd.base.interrupts"
local link = require "mgd.hardware.link"
local numbers = require "mgd.text.numbers"
local options = require "mgd.base.options"
local worker = require "mgd.hardware.spice.worker"

local M = {}

local DIRECTIONS = 4 -- of θ that are tried
local SAMPLES = 8 -- that are looked at, at most

-- ---- evaluations --------------------------------------------------------------------------------

local function words_of(list)
  local words = {}
  for i, value in ipairs(list) do
    words[i] = ("%.17g"):format(value)
  end
  return table.concat(words, ",")
end

-- What stands behind the OK of an answer.
local function expect(answer)
  local rest = answer:match "^OK ?(.*)$"
  if not rest then
    options.fail("mgd.chip", "%s", (answer:gsub("^ERR %d+ ", "")))
  end
  return rest
end

-- Outputs of a worker at several values of the parameters, each for all samples: a flat list each.
-- `ask` takes a request and returns the answer.
local function outputs(ask, points, x)
  local rows = {}
  local numbers_of_samples = {}
  for b = 1, x.count do
    numbers_of_samples[b] = ("%d"):format(b - 1)
  end
  ask(("DATA 0 %s -"):format(words_of(x.values)))
  for p, values in ipairs(points) do
    ask("WRITE " .. words_of(values))
    local answer = ask("RUN outputs 0 0 0 1 0 " .. table.concat(numbers_of_samples, ","))
    local row = {}
    for word in answer:gmatch "[^,%s]+" do
      row[#row + 1] = tonumber(word) or 0 / 0 -- of one that failed
    end
    rows[p] = row
  end
  return rows
end

-- The first samples of a set, as a flat list.
local function samples_of(data)
  local count = math.min(SAMPLES, data.x.shape[1])
  local x = data.x[{ { 1, count } }]:to("f64")
  return { count = count, values = x:reshape{ x.size }:totable() }
end

-- Calls `body` with `ask` of a worker of its own, with another specification than those of the chip
-- where there are `changes`. The chip's workers would not do: each of their messages stands alone,
-- for they may be started anew between two of them.
local function with_worker(chip, changes, body)
  return files.in_folder(function(folder)
    local path = folder .. "/circuit"
    files.write("mgd.chip", path, worker.text(chip.circuit, changes, math.huge))
    local wire = link.open({ "EXEC", worker.program(), path },
      { timeout = SAMPLES * chip.circuit.time_limit })
    local ok, result = pcall(body, function(words)
      return expect(wire:query(words))
    end)
    wire:close()
    if not ok then
      error(result, 0)
    end
    return result
  end)
end

-- Outputs at these points, by such a worker.
local function outputs_of(chip, changes, points, x)
  return with_worker(chip, changes, function(ask)
    return outputs(ask, points, x)
  end)
end

-- θ ± a·(±1), within the ranges, as values: points 2k − 1 and 2k are the two sides of direction k.
local function sides(chip, theta, a)
  local points = {}
  local most = chip.circuit.range(1) and 1 or math.huge
  for k = 1, DIRECTIONS do
    for side = 1, -1, -2 do
      local moved = {}
      for i, value in ipairs(theta) do
        local step = (core.base.random_words(0, 0, 1, k, i) % 2 == 0 and a or -a) * side
        moved[i] = math.max(-most, math.min(most, value + step))
      end
      points[#points + 1] = core.instrument.values(chip.core, moved)
    end
  end
  return points
end

-- ---- amplitude ----------------------------------------------------------------------------------

local DROWNED = 0.1 -- of what an amplitude changes may be errors of the simulator
local TIGHTER = 1e-3 -- times the netlist's tolerances is what these errors are judged by
local TOLERANCES = { { "reltol", 1e-3, "" }, { "vntol", 1e-6, " V" }, { "abstol", 1e-12, " A" } }

local function tolerance(chip, row)
  return tonumber(chip.circuit.netlist.options[row[1]]) or row[2]
end

-- Sums over directions and samples, output by output: what the two sides of a direction differ by,
-- squared, and how far that is from the same of better solutions, squared.
local function differences(rows, better, count)
  local signal, wrong = {}, {}
  for j = 1, count do
    signal[j], wrong[j] = 0, 0
  end
  for p = 1, #rows, 2 do
    for i, value in ipairs(rows[p]) do
      local j = (i - 1) % count + 1
      local change = value - rows[p + 1][i]
      signal[j] = signal[j] + change ^ 2
      if better then
        wrong[j] = wrong[j] + (change - (better[p][i] - better[p + 1][i])) ^ 2
      end
    end
  end
  return signal, wrong
end

local function sum(list)
  local total = 0
  for _, value in ipairs(list) do
    total = total + value
  end
  return total
end

-- Outputs that stay what they are, at this amplitude and at a larger one, where that can be
-- evaluated.
local function constant_outputs(chip, theta, a, x, signal)
  local still, more = {}, nil
  for j, output in ipairs(chip.circuit.outputs) do
    if signal[j] == 0 and not more then
      local ok, rows = interrupts.pcall(outputs_of, chip, {}, sides(chip, theta, 10 * a), x)
      more = ok and differences(rows, nil, #chip.circuit.outputs) or {}
    end
    if signal[j] == 0 and more[j] == 0 then
      still[#still + 1] = output.name
    end
  end
  return still
end

local function tolerance_words(chip)
  local words = {}
  for i, row in ipairs(TOLERANCES) do
    words[i] = ("%s %s%s"):format(row[1], numbers.number(tolerance(chip, row)), row[3])
  end
  return table.concat(words, ", ")
end

local function tighter(chip)
  local list = {}
  for i, row in ipairs(TOLERANCES) do
    list[i] = ("%s=%g"):format(row[1], TIGHTER * tolerance(chip, row))
  end
  return list
end

-- What an amplitude changes, beside the tolerances; and whether these drown it.
local function beside_tolerances(chip, a, signal, wrong, count)
  local share = math.sqrt(sum(wrong) / sum(signal))
  if share ~= share then -- nothing moves
    return nil, false
  end
  return ("an amplitude of %s moves the outputs by %s, and ngspice's tolerances (%s) make %.2g %% "
    .. "of that an error"):format(numbers.number(a),
    numbers.number(math.sqrt(sum(signal) / count) / 2, 3), tolerance_words(chip),
    math.min(999, 100 * share)), share > DROWNED
end

--- What speaks against an amplitude: outputs that stay the same whatever θ is, and a change of the
-- outputs that is no larger than the simulator's errors.
-- @tparam chip chip of a netlist
-- @tparam table theta list of P numbers
-- @tparam number a amplitude
-- @tparam dataset data
-- @treturn table list of texts
-- @treturn string|nil how the change of the outputs compares with these errors
function M.amplitude(chip, theta, a, data)
  local x, found = samples_of(data), {}
  local count = #chip.circuit.outputs
  local points = sides(chip, theta, a)
  local rows = outputs_of(chip, {}, points, x)
  local fine, better = interrupts.pcall(outputs_of, chip, { options = tighter(chip) }, points, x)
  local signal, wrong = differences(rows, fine and better, count)
  for _, name in ipairs(constant_outputs(chip, theta, a, x, signal)) do
    found[#found + 1] = ("output '%s' is the same whatever θ is: no parameter reaches it")
      :format(name)
  end
  local words, drowns
  if fine then
    words, drowns = beside_tolerances(chip, a, signal, wrong, #rows[1] * DIRECTIONS)
  end
  if drowns then
    found[#found + 1] = ("%s: expected '.options %s' in the netlist, or a larger amplitude")
      :format(words, table.concat(tighter(chip), " "))
  end
  return found, words
end

-- ---- transients ---------------------------------------------------------------------------------

local SETTLED = 0.01 -- of the outputs' range
local LONGEST = 16 -- times the present stop
local FINEST = 16 -- a part of it
local RATIO = math.sqrt(2)

-- Outputs after a transient of this length.
local function after(chip, theta, x, stop)
  local own = chip.circuit.analysis
  local analysis = { kind = "tran", stop = stop, step = math.min(own.step, stop),
    average = math.min(own.average, stop), uic = own.uic }
  local point = core.instrument.values(chip.core, theta)
  return outputs_of(chip, { analysis = analysis }, { point }, x)[1]
end

local function distance(a, b)
  local most, low, high = 0, math.huge, -math.huge
  for i, value in ipairs(b) do
    most = math.max(most, math.abs(a[i] - value))
    low, high = math.min(low, value), math.max(high, value)
  end
  return most / math.max(high - low, 1e-30)
end

--- The shortest transient after which the outputs have settled: within 1 % of their range of what
-- they are after sixteen times the present one.
-- @tparam chip chip of a netlist with analysis = "tran"
-- @tparam table theta list of P numbers
-- @tparam dataset data
-- @treturn number|nil seconds; nil where even the longest has not settled
-- @treturn number how far the present one is from settled, as a share of the range
function M.settling(chip, theta, data)
  local x, stop = samples_of(data), chip.circuit.analysis.stop
  local settled = after(chip, theta, x, LONGEST * stop)
  local present = distance(after(chip, theta, x, stop), settled)
  local found
  local try = stop * LONGEST / RATIO
  while try >= stop / FINEST do
    if distance(after(chip, theta, x, try), settled) > SETTLED then
      break
    end
    found = try
    try = try / RATIO
  end
  return found, present
end

--- Evaluations a second of one worker, from a few at the present θ.
function M.rate(chip)
  local x, zeros = { count = SAMPLES, values = {} }, SAMPLES * #chip.circuit.inputs
  for i = 1, zeros do
    x.values[i] = 0
  end
  return with_worker(chip, {}, function(ask)
    local begin = core.base.clock()
    outputs(ask, { chip.circuit.values }, x)
    return SAMPLES / (core.base.clock() - begin)
  end)
end

return M
