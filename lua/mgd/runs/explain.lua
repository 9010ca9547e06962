--- The state of a run in words and figures.
--
-- What G is worth by its code alone: with K patterns in a window and one batch, a linear cost gives
-- cos²(angle) ≈ K/(K + P − 1) for the random code, and K/P for the orthogonal ones up to a whole
-- period (McCaughan et al., APL Machine Learning 1, 026118, 2023, and the traces of s·sᵀ). Several
-- batches in a window only add to the angle. What lies beyond is noise, curvature or the chip.
-- @module mgd.runs.explain

local core = require "mgd.core"
local each = require "mgd.runs.each"
local explain_layers = require "mgd.runs.explain_layers"
local grid = require "mgd.text.grid"
local layers = require "mgd.networks.layers"
local learning = require "mgd.runs.learning"
local naming = require "mgd.base.naming"
local numbers = require "mgd.text.numbers"
local probes = require "mgd.runs.probes"
local record = require "mgd.text.record"
local statistics = require "mgd.stats.values"

local M = {}

local count, median = numbers.count, statistics.median

-- ---- what the code can do -----------------------------------------------------------------------

-- How many parameters are perturbed at the present step; nil where nodes are.
local function count_perturbed(run)
  local o, count_of_layers = run.options, 0
  if learning.by_nodes(o) then
    return nil
  end
  local rules = learning.compile(o, run.steps_done).rules
  for _, rule in ipairs(rules or {}) do
    count_of_layers = count_of_layers + (not rule.still and rule.amplitude > 0 and rule.count or 0)
  end
  return rules and count_of_layers or o.chip.num_parameters
end

-- Patterns in a window, and how many the code needs to be exact; nil where it never is.
local function patterns_of(o)
  local p, code = o.chip.num_parameters, o.perturbation.code
  local exact = code == "sequential" or code == "walsh"
  return math.max(1, o.tau_theta / o.tau_p),
    exact and core.train.figures(p, { code = code }) or nil
end

-- Degrees between G and the gradient that the code makes by itself; nil where no figure is known.
local function code_angle(run)
  local o, p = run.options, count_perturbed(run)
  local k, period = patterns_of(o)
  local share
  if not p then
    return nil
  elseif o.perturbation.code == "random" or o.perturbation.code == "outer" then
    share = k / (k + p - 1 + 1 / (1 - (o.perturbation.sparsity or 0)) - 1)
  elseif period then
    share = math.min(1, k / p)
  end
  return share and math.deg(math.acos(math.sqrt(share)))
end

-- ---- measuring ----------------------------------------------------------------------------------

local DIFFERENCES = 2000 -- parameters of a chip whose gradient is by central differences, at most

-- Why the true gradient is not asked for; nil when it is.
local function no_gradient(o)
  if not o.chip.net then
    return ("the true gradient of a black box would take %s evaluations a sample; the probes "
      .. "'angle' and 'snr' ask for it"):format(count(2 * o.chip.num_parameters))
  elseif not o.chip.ideal and o.chip.num_parameters > DIFFERENCES then
    return "the true gradient of so many simulated devices may take long; the probes 'angle' and "
      .. "'snr' ask for it"
  end
end

local function has_units(net)
  for _, call in ipairs(net.core:plan()) do
    for _, kind in ipairs(layers.ACTIVATIONS) do
      if kind ~= "identity" and call.kernel:find(kind, 1, true) then
        return true
      end
    end
  end
  return false
end

-- Cost and accuracy of the present step; a black box is spared where the history has them.
local function performance(run)
  local history, o = run.history, run.options
  local last = history and history.step.size
  if not o.chip.net and last and history.step[last] == run.steps_done and history.cost
    and history.accuracy then
    local cost, accuracy = history.cost[last], history.accuracy[last]
    if o.replicas == 1 then
      return { cost }, { accuracy }
    end
    return cost:totable(), accuracy:totable()
  end
  local set = o.data.test or o.data
  return run.core:evaluate(set.x, set.y)
end

-- What G of the last window is worth, and what it did to θ. Returns G − g where it is known.
local function measure_window(run, f)
  local o, errors = run.options, nil
  f.norm_theta = probes.norms(run.core:theta(), o.replicas)
  run.core:keep_gradient()
  f.norm_update = run.core:update_norm()
  f.not_worked_out = no_gradient(o)
  if not f.not_worked_out and select(2, median(f.norm_update)) > 0 then
    f.angle, f.snr, errors = run.core:angle(false, true)
    if probes.of_votes(o) then
      f.snr, errors = nil, nil
    end
    f.norm_error = errors and {}
    for r = 1, errors and o.replicas or 0 do
      f.norm_error[r] = errors[r]:norm()
    end
  end
  f.norm_G = probes.norms(run.core:gradient(), o.replicas)
  return errors
end

-- How replicas stand: how many run, fulfilled `stop`, diverged; the first that diverged.
local function measure_replicas(run, f)
  f.stopped, f.diverged, f.blown_up = 0, 0, 0
  for r = 1, run.options.replicas do
    local step, finite = run.core:stopped(r)
    f.blown_up = f.blown_up + ((not step or finite) and run.core:diverged(r) and 1 or 0)
    if step and finite then
      f.stopped = f.stopped + 1
    elseif step then
      f.diverged = f.diverged + 1
      if not f.first_diverged or step < f.first_diverged.step then
        f.first_diverged = { step = step, replica = run:number(r) }
      end
    end
  end
end

-- Every figure that there is, as lists of R numbers; and the table by layer, where there is one.
local function measure(run, open)
  local o, f = run.options, {}
  measure_replicas(run, f)
  f.cost, f.accuracy = performance(run)
  f.C, f.C_tilde, f.signal_ulp, f.signal_steps = run.core:signal(true)
  local errors = measure_window(run, f)
  if o.chip.net and type(o.cost) == "string" and has_units(o.chip.net) then
    local set = o.data.test or o.data
    f.saturated, f.units = run.core:saturated(set.x, set.y)
  end
  f.counters = run.core:counters()
  return f, explain_layers.measure(run, errors, open)
end

-- The angle in the later half of the history's rows: one window's scatters. nil where it is not
-- known of at least five.
local function typical_angle(run)
  if not run.history or not run.history.angle then
    return
  end
  local angles, later = run.history:quantile("angle", 0.5):totable(), {}
  for t = math.floor(#angles / 2) + 1, #angles do
    later[#later + 1] = angles[t]
  end
  local middle, n = median(later)
  return n >= 5 and middle or nil
end

-- The median of each list; other entries as they are.
local function medians(lists)
  local out = {}
  for name, value in pairs(lists) do
    out[name] = type(value) == "table" and value[1] and median(value) or value
  end
  return out
end

-- ---- sentences ----------------------------------------------------------------------------------

local function plural(n, one)
  return ("%s %s%s"):format(count(n), one, n == 1 and "" or "s")
end

local function percent(share)
  return share >= 0.0995 and ("%.0f %%"):format(100 * share) or ("%.2g %%"):format(100 * share)
end

local function decibel(ratio)
  return ("%.3g (%.0f dB)"):format(ratio, 10 * math.log(ratio) / math.log(10))
end

local function known(value)
  return value ~= nil and value == value
end

local function size_of(perturbation)
  local size = perturbation.norm or perturbation.amplitude
  return ("%s %s"):format(perturbation.norm and "norm Δ" or "amplitude a",
    type(size) == "number" and ("= %.4g"):format(size) or "of each its own")
end

local function how_line(o)
  local code = o.perturbation.code
  local k = patterns_of(o)
  if o.engine == "circuit" then
    return ("circuit %s: %s code, %s; %s; a batch of %d shown for τ_x = %s"):format(o.circuit.set,
      code, size_of(o.perturbation), o.circuit.set == "sign-sign"
        and ("counters of %d bits write %d LSB"):format(o.circuit.counter_bits, o.circuit.step)
        or ("the accumulator writes after τ_θ = %s"):format(plural(o.tau_theta, "step")), o.batch,
      plural(o.tau_x, "step"))
  end
  return ("%s code, %s; G is integrated over τ_θ = %s (%s), a batch of %d shown for "
    .. "τ_x = %s; %s, %s"):format(type(code) == "string" and code or "a user's",
    size_of(o.perturbation), plural(o.tau_theta, "step"), plural(k, "pattern"), o.batch,
    plural(o.tau_x, "step"), type(o.eta) == "number" and ("η = %.4g"):format(o.eta)
      or each.has_eta(o) and each.eta_text(o) or "η by a function", o.optimizer)
end

local function replica_line(o, f)
  local parts = { ("%d"):format(o.replicas) }
  local running = o.replicas - f.stopped - f.diverged
  parts[#parts + 1] = ("%d can go on"):format(running + f.stopped)
  if f.stopped > 0 then
    parts[#parts + 1] = ("%d of them stopped at a row that fulfilled `stop`"):format(f.stopped)
  end
  if f.diverged > 0 then
    parts[#parts + 1] = ("%d diverged, the first of them number %d at step %s"):format(f.diverged,
      f.first_diverged.replica, count(f.first_diverged.step))
  end
  return table.concat(parts, "; ")
end

local function cost_line(run, f)
  local set = run.options.data.test and "test" or "training"
  local text = ("cost %.4g, accuracy %.3g on the %s set"):format(f.cost, f.accuracy, set)
  local first = run.history and run.history.cost and run.history:quantile("cost", 0.5)[1]
  if known(first) and run.history.step[1] < run.steps_done then
    text = text .. ("; cost %.4g at step %s"):format(first, count(run.history.step[1]))
  end
  return text
end

local function signal_line(f)
  return ("|C̃| = %.3g, %s; C = %.4g%s"):format(math.abs(f.C_tilde), known(f.signal_ulp)
    and ("%s ulp of C"):format(f.signal_ulp < 10 and ("%.2g"):format(f.signal_ulp)
      or count(math.floor(f.signal_ulp + 0.5))) or "C is 0", f.C,
    f.signal_steps > 1 and (", means of the last %s"):format(plural(f.signal_steps, "step"))
      or ", of the last step")
end

local function gradient_line(o, f)
  if f.not_worked_out then
    return f.not_worked_out
  elseif not known(f.angle) then
    return known(f.norm_update) and "G or the true gradient is exactly zero"
      or "no window has been kept yet; windows are kept from now on: run on and ask again"
  end
  local text = ("angle %.1f° to the true gradient"):format(f.angle)
  if f.snr then
    text = text .. (", signal-to-noise %s"):format(decibel(f.snr))
  end
  if f.typical_angle then
    text = text .. ("; angle %.1f° in the later half of the history"):format(f.typical_angle)
  end
  if f.code_angle then
    text = text .. ("; the code alone makes about %.0f°%s"):format(f.code_angle,
      o.tau_x < o.tau_theta and (", were the window of one batch and not of %s")
        :format(count(math.ceil(o.tau_theta / o.tau_x))) or "")
  end
  return text
end

local function step_line(f)
  if not known(f.norm_update) then
    return ("|θ| = %.4g"):format(f.norm_theta)
  end
  return ("the last write moved θ by %.3g, |θ| = %.4g: %s"):format(f.norm_update, f.norm_theta,
    percent(f.norm_update / f.norm_theta))
end

local function lines_of(run, f)
  local o = run.options
  local n = o.data.x.shape[1]
  local samples = math.ceil(run.steps_done / o.tau_x) * o.batch
  local lines = {
    { "what", ("%s; data %s, N = %s; cost %s"):format(tostring(o.chip):match "[^\n]*", o.data.name,
      count(n), type(o.cost) == "string" and o.cost or "a function") },
    { "how", how_line(o) },
    { "so far", ("%s, %s, %s shown (%s epochs), %s of a parameter"):format(
      plural(run.steps_done, "step"), plural(f.evaluations, "evaluation"),
      plural(samples, "sample"), count(samples / n), plural(f.writes, "write")) },
  }
  if o.replicas > 1 then
    lines[#lines + 1] = { "replicas", replica_line(o, f) .. "; figures are medians" }
  end
  lines[#lines + 1] = { "task", cost_line(run, f) }
  if run.steps_done > 0 then
    lines[#lines + 1] = { "signal", signal_line(f) }
    lines[#lines + 1] = { "gradient", gradient_line(o, f) }
  end
  lines[#lines + 1] = { "step", step_line(f) }
  if f.units then
    lines[#lines + 1] = { "units", ("%s of %s saturated or dead for every sample"):format(
      percent(f.saturated), plural(f.units, "unit")) }
  end
  return lines
end

-- ---- hints --------------------------------------------------------------------------------------

local FEW_ULPS = 16
local LARGE_STEP, SMALL_STEP = 0.1, 1e-5 -- of |θ|
local POOR_ANGLE = 80
local MANY_SATURATED = 0.1
local FEW_WRITES = 0.5 -- of the windows

-- Each may answer a sentence about the run and its median figures.
local HINTS = {}

HINTS[#HINTS + 1] = function(run)
  return run.steps_done == 0 and "nothing has been trained yet: run:run{steps = …}"
end

HINTS[#HINTS + 1] = function(run, f)
  return f.diverged > 0 and ("%s of %s diverged: a smaller η; they keep their last finite θ, and "
    .. "no call goes on with them"):format(count(f.diverged), count(run.options.replicas))
end

HINTS[#HINTS + 1] = function(run, f)
  return f.blown_up > 0 and ("the cost of %s of %s has blown up, far beyond that of the first "
    .. "window: a smaller η, and stop = {diverged = 1e6} ends such runs"):format(count(f.blown_up),
    count(run.options.replicas))
end

HINTS[#HINTS + 1] = function(run, f)
  local first = run.history and run.history.cost and run.history:quantile("cost", 0.5)[1]
  return known(first) and f.cost > first + 0.1 * math.abs(first)
    and ("the cost has risen from %.4g to %.4g: η is too large, or G points nowhere"):format(first,
      f.cost)
end

HINTS[#HINTS + 1] = function(run, f)
  local p = run.options.perturbation
  local size = p.norm or p.amplitude
  if f.blown_up + f.diverged > 0 then -- whatever its C̃ is, it is not for want of amplitude
    return
  elseif run.warning then
    return run.warning
  elseif run.steps_done == 0 or run.options.baseline == "none" then
    return
  elseif f.C_tilde == 0 then
    return "C̃ is exactly 0: the output does not depend on θ, its units are saturated, or the "
      .. "amplitude is far too small"
  elseif run.options.circuit and run.options.circuit.digital then -- its converter is coarser
    return
  end
  return known(f.signal_ulp) and f.signal_ulp < FEW_ULPS and ("C̃ is %.2g units in the last place "
    .. "of C: mostly rounding; try %s%s"):format(f.signal_ulp, type(size) == "number"
    and ("%s = %.1g"):format(p.norm and "norm" or "amplitude", size * 1000
      / math.max(f.signal_ulp, 0.25)) or "larger amplitudes",
    run.options.chip.net and run.options.chip.net.dtype == "f32" and ", or a network of dtype f64"
      or "")
end

HINTS[#HINTS + 1] = function(run, f)
  local c = run.options.circuit
  if not (c and c.digital) or run.steps_done == 0 then
    return
  elseif f.C >= c.cost_range or f.C < 0 then
    return ("C = %.4g is at an end of the converter's range, 0 … %.4g, where both phases read the "
      .. "same and nothing is learnt: %s"):format(f.C, c.cost_range, f.C < 0
      and "a cost that is never below 0" or "a larger cost_range of the circuit")
  end
  local step, difference = c.cost_range / 2 ^ c.cost_bits, 2 * math.abs(f.C_tilde)
  return difference < step and ("C₊ and C₋ differ by %.2g, %s of a step of the converter: most of "
    .. "them read the same; a larger amplitude, more cost_bits or a smaller cost_range of the "
    .. "circuit"):format(difference, percent(difference / step))
end

-- The noise of C̃ that would explain what the random code's crosstalk does not; nil where it stays
-- within what one window scatters by, √(2/K) of the crosstalk.
local function excess_noise(run, f)
  local o, p = run.options, count_perturbed(run)
  local size = o.perturbation.norm or o.perturbation.amplitude
  if not p or o.layers or o.stages or o.perturbation.code ~= "random" or type(size) ~= "number"
    or o.tau_x < o.tau_theta or not known(f.norm_error) then
    return
  end
  local k = patterns_of(o)
  local density = 1 - (o.perturbation.sparsity or 0)
  local a = o.perturbation.norm and size / math.sqrt(p * density) or size
  local gradient = f.snr * f.norm_error ^ 2 -- |g|²
  local crosstalk = gradient * (p - 1 + 1 / density - 1) / k
  local excess = f.norm_error ^ 2 - crosstalk
  if excess > math.max(3 * math.sqrt(2 / k), 0.5) * crosstalk then
    return math.sqrt(excess * o.tau_theta * a ^ 2 * density / p), a * math.sqrt(density * gradient)
  end
end

HINTS[#HINTS + 1] = function(run, f)
  local noise, signal = excess_noise(run, f)
  return noise and ("G errs more than the code's crosstalk explains, as from a noise of %.2g on a "
    .. "C̃ of %.2g: noise of the cost, or curvature; a larger amplitude helps against the one, a "
    .. "smaller against the other"):format(noise, signal)
end

HINTS[#HINTS + 1] = function(run, f)
  local o, angle = run.options, f.typical_angle or f.angle
  if not known(angle) or angle < POOR_ANGLE then
    return
  end
  local p, code = count_perturbed(run), o.perturbation.code
  local k, period = patterns_of(o)
  local text = ("angle %.0f°: G is mostly crosstalk and noise, which many small steps average out; "
    .. "fewer, better steps: integrate longer. "):format(angle)
  if not p then
    return text .. "Each node hears what all of them make of C̃²: the table by layer says which "
      .. "make most"
  end
  local batches = o.tau_x < o.tau_theta and " of one batch" or ""
  if code == "random" and k < p - 1 then
    return text .. ("With %s and the random code, windows of K patterns%s give %.0f° at "
      .. "K = %s, 60° at K = %s, 45° at K = %s; τ_θ = K·τ_p"):format(p < o.chip.num_parameters
      and plural(p, "parameter") .. " that learn" or "P = " .. count(p), batches,
      code_angle(run), count(k), count(math.ceil((p - 1) / 3)), count(p - 1))
  elseif period and k < period then
    return text .. ("With P = %s, the %s code has no crosstalk over %s patterns%s; now a window "
      .. "has %s"):format(count(p), code, count(period), batches, count(k))
  end
  return text .. "The code is not to blame: look at the noise of the cost, the amplitude, and "
    .. "batches that disagree"
end

HINTS[#HINTS + 1] = function(run)
  local o = run.options
  local k, period = patterns_of(o)
  return period and k > period and k % period ~= 0 and ("a window of %.4g patterns is no whole "
    .. "number of periods of the %s code, %s: what is left over is crosstalk"):format(k,
    o.perturbation.code, count(period))
end

HINTS[#HINTS + 1] = function(run, f)
  if not known(f.norm_update) or f.norm_theta == 0 then
    return
  end
  local share = f.norm_update / f.norm_theta
  local net = run.options.chip.net
  local resolution = net and net.dtype == "f32" and 2 ^ -23 or 2 ^ -52
  if f.norm_update == 0 and run.options.engine == "circuit" then -- registers hold on
    return
  elseif f.norm_update == 0 then
    return "the last write did not move θ at all: G or η is zero, or the change is below what "
      .. "the devices take"
  elseif share > LARGE_STEP then
    return ("a write moves θ by %s of its length: large; a smaller η, or fewer doubts in G, keeps "
      .. "it from wandering"):format(percent(share))
  elseif share < 4 * resolution then
    return ("a write moves θ by %.2g of its length, a few units in its last place: most of it is "
      .. "rounded away; a larger η, or dtype f64"):format(share)
  end
  return share < SMALL_STEP and ("a write moves θ by %.2g of its length: small; %s writes in one "
    .. "direction would double it"):format(share, count(math.floor(1 / share)))
end

HINTS[#HINTS + 1] = function(_, f)
  return known(f.saturated) and f.saturated > MANY_SATURATED and ("%s of the units stand at a "
    .. "bound for every sample and pass nothing on: smaller initial weights, scaled inputs, or a "
    .. "smaller η"):format(percent(f.saturated))
end

HINTS[#HINTS + 1] = function(run, f)
  local windows = math.floor(run.steps_done / run.options.tau_theta)
  return windows > 0 and f.stopped == 0 and f.writes < FEW_WRITES * windows
    and ("only %s of the writes were carried out: η·G mostly lies below what the devices take"):
      format(percent(f.writes / windows))
end

-- ---- the report ---------------------------------------------------------------------------------

local figures_of = record.kind("mgd.figures", { "cost", "accuracy", "C", "C_tilde", "signal_ulp",
  "signal_steps", "angle", "typical_angle", "snr", "code_angle", "norm_G", "norm_theta",
  "norm_update", "norm_error", "writes", "evaluations", "saturated", "units", "stopped",
  "diverged" })

local Report = naming.class("mgd.report", { "layers" })

--- Explain a run. Nothing of it changes, but windows are kept from here on.
--
-- Networks of several layers have a table of them: what G of each is worth, and what each makes
-- of C̃² and so of the noise of all, which is measured on chips in process, by trials beside the
-- run of 64 patterns for each layer (batches of the run's; single samples where nodes are
-- perturbed).
--
-- Cost and accuracy are of the test set where there is one; figures of G are of the last completed
-- window and its samples, the true gradient by back-propagation, or by central differences on
-- simulated chips of up to 2,000 parameters; black boxes are not asked.
-- @tparam run run
-- @tparam function open (options of mgd.train) → a run beside this one
-- @treturn report with `figures` (a table of numbers, medians of an ensemble: `cost`, `accuracy`,
--   `C` and `C_tilde` (means of the last `signal_steps`), `signal_ulp`, `angle`, `typical_angle`,
--   `snr`, `code_angle`, `norm_G`, `norm_theta`, `norm_update`, `norm_error` (|G − g|), `writes`,
--   `evaluations`, `saturated` of `units`, `stopped`, `diverged`; those that are not known are
--   missing), `hints` (a list of sentences) and `layers` (a list of {name =, by =, parameters =,
--   nodes =, norm_g =, norm_error =, snr =, snr_evaluation =, snr_image =, share =,
--   share_error =}; nil of fewer than two layers); printed, a text
-- @usage print(run:explain())
function M.explain(run, open)
  local lists, by_layer = measure(run, open)
  local f = medians(lists)
  f.writes = median(lists.counters.writes_mean)
  f.evaluations = median(lists.counters.evaluations)
  f.code_angle, f.typical_angle = code_angle(run), typical_angle(run)
  local hints = {}
  for _, hint in ipairs(HINTS) do
    hints[#hints + 1] = hint(run, f) or nil
  end
  local learns_by_layer = by_layer and not run.options.circuit -- which has no option `layers`
  for _, hint in ipairs(learns_by_layer and explain_layers.hints(by_layer, run) or {}) do
    hints[#hints + 1] = hint
  end
  local out = { hints = hints, lines = lines_of(run, f), figures = figures_of {},
    layers = by_layer }
  for name, value in pairs(f) do
    out.figures[name] = type(value) == "number" and value == value and value or nil
  end
  return setmetatable(out, Report)
end

local WIDTH = 96 -- columns, at most

-- A paragraph with its label in the margin.
local function paragraph(label, margin, text)
  local width = math.min(WIDTH, grid.columns())
  local lines, line = {}, numbers.left(label, margin - 1)
  for word in text:gmatch "%S+" do
    if numbers.width(line) + 1 + numbers.width(word) > width and numbers.width(line) >= margin then
      lines[#lines + 1] = line
      line = (" "):rep(margin - 1)
    end
    line = line .. " " .. word
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

function Report:__tostring()
  local parts = {}
  for _, line in ipairs(self.lines) do
    parts[#parts + 1] = paragraph(line[1], 10, line[2])
  end
  if self.layers then
    parts[#parts + 1] = paragraph("layers", 10, explain_layers.note(self.layers))
    parts[#parts + 1] = explain_layers.text(self.layers)
  end
  for _, hint in ipairs(self.hints) do
    parts[#parts + 1] = paragraph("  →", 5, hint)
  end
  return table.concat(parts, "\n")
end

return M
