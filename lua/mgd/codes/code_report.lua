--- What the slots of a perturbation code say about it, and about the G that it would give.
--
-- Everything follows from s (W, P), the patterns of W slots. For a linear cost of gradient g,
-- G = M·g with M_ij = ⟨s_i·s_j⟩/q_i, where q_i = ⟨s_i²⟩ is what e_i is divided by. Over all
-- directions of g the mean of g·G is tr M and that of |G|² is ‖M‖², so cos(angle) ≈
-- tr M/√(P·‖M‖²); for fair random signs that is √(W/(W + P − 1)).
-- @module mgd.codes.code_report

local core = require "mgd.core"
local listing = require "mgd.text.listing"
local naming = require "mgd.base.naming"
local record = require "mgd.text.record"

local tensor = core.tensor
local report = {}

local Report = naming.class("mgd.codes.report", { "period", "still", "mean", "correlation",
  "cosine", "angle", "bias", "spectrum" })

local energy_of = record.kind "mgd.codes.energy"
local mean_of = record.kind "mgd.codes.mean"
local correlation_of = record.kind "mgd.codes.correlation"

local MOST_PAIRED = 256 -- parameters whose correlations are worked out
local MOST_SPECTRA = 64
local SEGMENT = 256 -- slots of a spectrum
local BATCHES = 16
local TINY = 2 ^ -900 -- to divide by, where a parameter has not been perturbed yet

-- ---- periods ------------------------------------------------------------------------------------

-- The shortest period that the slots show at least twice: a projection of each slot on numbers
-- without a pattern repeats when the slot does.
local function find_period(slots)
  local window, parameters = slots.shape[1], slots.shape[2]
  local weights = tensor.randn({ parameters, 1 }, { seed = 1 })
  local shown = slots:matmul(weights):reshape { window }:totable()
  local scale = 0
  for k = 1, window do
    scale = math.max(scale, math.abs(shown[k]))
  end
  for period = 1, math.floor(window / 2) do
    local same = true
    for k = 1, window - period do
      if math.abs(shown[k] - shown[k + period]) > 1e-9 * scale then
        same = false
        break
      end
    end
    if same then
      return period
    end
  end
end

-- As many slots as make whole periods, or all.
local function whole(slots, period)
  local window = slots.shape[1]
  local last = period and window >= period and window - window % period or window
  return slots[{ { 1, last } }]
end

-- ---- figures ------------------------------------------------------------------------------------

-- The standard error of a mean as a share of the root mean square, over all parameters: from the
-- scatter of the means of batches, so that slow codes count as slow. 0 over whole periods.
local function standard_error(slots, energies, mean)
  local each = math.floor(slots.shape[1] / BATCHES)
  if each < 1 then
    return math.huge
  end
  local batches = slots[{ { 1, each * BATCHES } }]:clone()
    :reshape { BATCHES, each, slots.shape[2] }:mean(2)
  local scatter = ((batches - mean) ^ 2):sum(1) / (BATCHES * (BATCHES - 1))
  return math.sqrt((scatter / energies):mean())
end

local function means_of(slots, energies, exact)
  local mean = slots:mean(1)
  local shares = mean:abs() / energies:sqrt()
  local squares = (shares * shares):mean()
  local at = shares:argmax()
  return {
    largest = shares[at], parameter = at, rms = math.sqrt(squares), value = mean[at],
    error = exact and 0 or standard_error(slots, energies, mean),
  }, mean
end

-- Parameters spread evenly, at most `most` of them, as columns of `slots`; and their numbers.
local function some_of(slots, most)
  local parameters = slots.shape[2]
  local step = math.max(1, math.ceil(parameters / most))
  local count = math.floor((parameters - 1) / step) + 1
  return slots[{ { 1, -1 }, { 1, -1, step } }], step, count
end

-- ⟨s_i·s_j⟩ of some parameters: the largest and the rms as correlations, and what they leave in G.
local function correlations_of(slots, found, q)
  local parameters = slots.shape[2]
  local some, step, count = some_of(slots, MOST_PAIRED)
  local products = some:transpose():matmul(some) / slots.shape[1]
  local e, own = found[{ { 1, -1, step } }], q[{ { 1, -1, step } }]
  local roots = e:maximum(TINY):sqrt():reshape { count, 1 }
  local off = 1 - tensor.eye(count)
  local shares = (products / (roots * roots:transpose())):abs() * off
  local pairs_of = count * (count - 1)
  local at = shares:argmax() - 1
  local row, column = math.floor(at / count), at % count
  local matrix = products / own:reshape { count, 1 }
  local trace = (e / own):sum() / count * parameters
  local norm = ((e / own) ^ 2):sum() / count * parameters
  if pairs_of > 0 then
    norm = norm + ((matrix * off) ^ 2):sum() / pairs_of * parameters * (parameters - 1)
  end
  return {
    largest = shares:max(), between = { row * step + 1, column * step + 1 },
    rms = pairs_of > 0 and math.sqrt((shares * shares):sum() / pairs_of) or 0,
    parameters = count,
  }, trace / math.sqrt(parameters * norm)
end

-- The energy by frequency: the mean of the spectra of segments of some parameters, in octaves.
local function spectrum_of(slots)
  local some, _, count = some_of(slots, MOST_SPECTRA)
  local length = math.min(SEGMENT, slots.shape[1])
  local segments = math.floor(slots.shape[1] / length)
  local lines = math.floor(length / 2) + 1
  local rows = some[{ { 1, segments * length } }]:transpose():clone()
    :reshape { count * segments, length }
  local bands = {}
  for b = 6, 1, -1 do
    bands[#bands + 1] = { low = b == 6 and 0 or 2 ^ -(b + 1), high = 2 ^ -b, share = 0 }
  end
  local total = 0
  for _, wave in ipairs { math.cos, math.sin } do
    local parts = rows:matmul(tensor.from({ length, lines }, function(k, line)
      return wave(2 * math.pi * ((k - 1) * (line - 1) % length) / length)
    end))
    local power = (parts * parts):sum(1)
    for line = 1, lines do
      local once = line == 1 or 2 * (line - 1) == length
      local share = power[line] * (once and 1 or 2)
      local frequency, band = (line - 1) / length, 1
      while band < #bands and frequency >= bands[band].high do
        band = band + 1
      end
      bands[band].share, total = bands[band].share + share, total + share
    end
  end
  for _, band in ipairs(bands) do
    band.share = total > 0 and band.share / total or 0
  end
  return bands
end

-- ---- making -------------------------------------------------------------------------------------

--- Work out a report.
-- @tparam table given `code`, a name; `slots` (W, P); `amplitude` or `norm`; `period`, where it is
--   known; `energy` (P), ⟨s_i²⟩, where it is known; `whole`, to leave out what is no whole period
-- @treturn report
function report.new(given)
  local period = given.period or find_period(given.slots)
  local slots = given.whole and whole(given.slots, period) or given.slots
  local self = { code = given.code, parameters = slots.shape[2], window = slots.shape[1],
    period = period }
  local found = (slots * slots):mean(1)
  self.energies = given.energy or found
  local amplitude = given.amplitude
  if not amplitude then
    amplitude = given.norm / math.sqrt(self.energies:sum())
  end
  local scale = amplitude * amplitude
  self.energy = energy_of { least = found:min() * scale, mean = found:mean() * scale,
    most = found:max() * scale }
  self.still = self.energies:min() <= 0 and self.energies:argmin() or nil
  if self.still then -- nothing to divide by
    return setmetatable(self, Report)
  end
  local mean
  self.mean, mean = means_of(slots, found:maximum(TINY), given.whole and period)
  mean_of(self.mean)
  self.mean.value = self.mean.value * amplitude
  self.correlation, self.cosine = correlations_of(slots, found, self.energies)
  correlation_of(self.correlation)
  self.angle = math.deg(math.acos(math.max(-1, math.min(1, self.cosine))))
  self.bias = (mean / self.energies):norm() / amplitude
  self.spectrum = listing(spectrum_of(slots), { "low", "high", "share" }, "mgd.codes.band")
  return setmetatable(self, Report)
end

-- ---- judging ------------------------------------------------------------------------------------

-- How many standard errors a mean must exceed to be one.
local SURE = 6

--- Why a code cannot be used, or nil. ⟨θ̃_i·θ̃_j⟩ holds the product of the means whatever the
-- baseline, so a mean is never told apart from the effects of other parameters.
function Report:refused(limit)
  if self.still then
    return ("parameter %d is not perturbed in %d slots: expected every parameter to be; give a "
      .. "longer window, or period and energy"):format(self.still, self.window)
  end
  local mean, error_of = self.mean, self.mean.error
  local rest = ", over %d slots: expected at most %g (mean_limit), for a mean is never told apart "
    .. "from what other parameters do"
  if mean.largest > math.max(limit, SURE * error_of) then
    return (("parameter %d has the mean %.3g, %.3g of its root mean square" .. rest)
      :format(mean.parameter, mean.value, mean.largest, self.window, limit))
  end
  local excess = mean.rms ^ 2 - error_of ^ 2 * (1 + SURE * math.sqrt(2 / self.parameters + 1 / 7))
  if error_of < math.huge and excess > limit ^ 2 then
    return (("the parameters have means of %.3g of their root mean squares (rms)" .. rest)
      :format(mean.rms, self.window, limit))
  end
end

local ALIKE = 0.9

--- What should be known before a code is used: a list of lines.
function Report:warnings()
  local list, c = {}, self.correlation
  if c.largest > ALIKE and self.parameters > 1 then
    list[1] = ("parameters %d and %d are perturbed nearly alike (correlation %.3g): G cannot tell "
      .. "them apart"):format(c.between[1], c.between[2], c.largest)
  end
  return list
end

-- ---- printing -----------------------------------------------------------------------------------

local function bands_text(bands)
  local parts = {}
  for i, band in ipairs(bands) do
    local low = band.low == 0 and "0" or ("1/%d"):format(1 / band.low)
    parts[i] = ("%s–1/%d: %.0f %%"):format(low, 1 / band.high, 100 * band.share)
  end
  return table.concat(parts, ", ")
end

function Report:__tostring()
  local e = self.energy
  local lines = {
    ("code %s: %d parameters over %d slots"):format(self.code, self.parameters, self.window),
    ("  energy ⟨θ̃²⟩   %.4g … %.4g, mean %.4g"):format(e.least, e.most, e.mean),
  }
  local function add(format, ...)
    lines[#lines + 1] = format:format(...)
  end
  if self.still then
    add("  parameter %d is not perturbed", self.still)
    return table.concat(lines, "\n")
  end
  local m, c = self.mean, self.correlation
  add("  mean          at most %.3g of the root mean square (parameter %d), rms %.3g", m.largest,
    m.parameter, m.rms)
  add("  correlation   at most %.3g (parameters %d and %d), rms %.3g%s", c.largest, c.between[1],
    c.between[2], c.rms, c.parameters < self.parameters
      and (", of %d parameters"):format(c.parameters) or "")
  add("  period        %s", self.period and ("%d slots"):format(self.period) or "none seen")
  add("  spectrum      %s", bands_text(self.spectrum))
  add("  G over them   cosine %.4f, %.1f° from the gradient of a linear cost", self.cosine,
    self.angle)
  add("                with baseline \"none\", a constant part of C adds %.3g times itself",
    self.bias)
  return table.concat(lines, "\n")
end

return report
