--- The state of a run by the layers of its network, for mgd.runs.explain: a table, and what follows
-- from it for layers that stand still, a gate, amplitudes and η of their own.
-- @module mgd.runs.explain_layers

local by_layer = require "mgd.runs.by_layer"
local grid = require "mgd.text.grid"
local listing = require "mgd.text.listing"
local numbers = require "mgd.text.numbers"
local statistics = require "mgd.stats.values"
local trials = require "mgd.runs.layer_trials"

local M = {}

local COLUMNS = { "name", "by", "parameters", "nodes", "norm_g", "norm_error", "snr",
  "snr_evaluation", "snr_image", "share", "share_error" }

local function known(value)
  return value ~= nil and value == value
end

-- The first replica whose θ is worth a look.
local function first_sound(run)
  for r = 1, run.options.replicas do
    if not run.core:diverged(r) then
      return r
    end
  end
end

local function median(values)
  local middle, n = statistics.median(values)
  return n > 0 and middle or nil
end

local PROBES = { norm_g = "layer_norm_g", norm_error = "layer_norm_error", snr = "layer_snr",
  snr_evaluation = "layer_snr_evaluation", snr_image = "layer_snr_image" }

--- The table of a run's layers.
-- @tparam run run
-- @tparam[opt] tensor errors (R, P) G − g of the last window, where they are known
-- @tparam function open (options of mgd.train) → a run
-- @treturn table|nil a list of {name =, number =, by = ("parameters", "nodes", "still"),
--   parameters =, nodes =, norm_g =, norm_error =, snr =, snr_evaluation =, snr_image = (medians of
--   replicas, of layers that learn), share =, share_error =, signal =, signal_ulp = (of the first
--   replica)}, which prints as a table, with `evaluations`, those of the trials, `noise_share`
--   (what noise of the chip makes of C̃²), `ways` and `trials`; nil of fewer than two layers
function M.measure(run, errors, open)
  local parts, ways = by_layer.parts(run), trials.ways(run)
  if not ways or #parts < 2 then
    return nil
  end
  local r = first_sound(run)
  local beside = r and trials.new(run, r, ways, open)
  local shares, evaluations, noise
  if beside then
    shares, evaluations, noise = beside:shares()
  end
  local worth = errors and by_layer.measure(run, errors)
  local list = { evaluations = evaluations, noise_share = noise, ways = ways, trials = beside }
  for l, part in ipairs(parts) do
    local entry = { name = part.name, number = l,
      by = ways[l].learns and ways[l].perturb or "still", parameters = part.parameters,
      nodes = part.nodes }
    for name, probe in pairs(worth and PROBES or {}) do
      entry[name] = ways[l].learns and median(worth[probe][l]) or nil
    end
    for name, value in pairs(shares and shares[l] or {}) do
      entry[name] = value
    end
    list[l] = entry
  end
  return listing(list, COLUMNS, "mgd.layer_state")
end

-- Heads of the printed table, and the fields that stand below them.
local SHOWN = { { "layer", "name" }, { "perturbed by", "by" }, { "parameters", "parameters" },
  { "nodes", "nodes" }, { "|g|", "norm_g" }, { "|G − g|", "norm_error" }, { "snr", "snr" },
  { "/evaluation", "snr_evaluation" }, { "/image", "snr_image" }, { "of C̃²", "share" } }

local function cell(value)
  if type(value) == "string" then
    return value
  elseif not known(value) then
    return "–"
  end
  return value == math.floor(value) and numbers.count(value) or ("%.2g"):format(value)
end

--- The table in rounded figures.
function M.text(layers)
  local rows, right = { {} }, {}
  for c, column in ipairs(SHOWN) do
    rows[1][c], right[c] = column[1], c > 2
    for l, entry in ipairs(layers) do
      rows[l + 1] = rows[l + 1] or {}
      local value = entry[column[2]]
      rows[l + 1][c] = column[2] == "share" and known(value) and ("%.0f ± %.0f %%"):format(
        100 * value, 100 * entry.share_error) or cell(value)
    end
  end
  return table.concat(grid.lines(rows, { right = right }), "\n")
end

--- A sentence on the table.
function M.note(layers)
  return "what G of each is worth: signal to noise of the window, for one evaluation and for one "
    .. "image" .. (layers.evaluations and ("; what it makes of C̃², from trials beside the run, %d "
    .. "patterns for each layer that learns, %s evaluations in all%s"):format(trials.PATTERNS,
    numbers.count(layers.evaluations), layers.noise_share >= 0.005
    and ("; noise of the chip makes %.0f %%"):format(100 * layers.noise_share) or "") or "")
end

-- ---- hints --------------------------------------------------------------------------------------

local LOUD = 0.5 -- of C̃²
local LITTLE = 0.1 -- of the signal to noise of the best layer
local FEW_ULPS = 16
local WORTH_A_GATE = 0.8 -- of |G − g|² is left

-- Names as the option `learn` takes them.
local function quoted(list)
  local names = {}
  for i, entry in ipairs(list) do
    names[i] = ("%q"):format(entry.name)
  end
  return #names == 1 and names[1] or "{" .. table.concat(names, ", ") .. "}"
end

-- The learning layer with the largest value of a field, and the rest.
local function best_by(layers, field)
  local best, others = nil, {}
  for _, entry in ipairs(layers) do
    if entry.by ~= "still" and known(entry[field]) and (not best or entry[field] > best[field]) then
      best = entry
    end
  end
  for _, entry in ipairs(layers) do
    others[#others + 1] = entry ~= best and entry.by ~= "still" and entry or nil
  end
  return best, others
end

-- The layers that gain little themselves, where they make most of the noise; and the others, of
-- which the first is the one that gains most.
local function noisy(layers)
  local best, others = best_by(layers, "snr_image")
  local loud, rest, share, variance = {}, { best }, 0, 0
  for _, entry in ipairs(others) do
    local little = known(entry.share) and known(entry.snr_image)
      and entry.snr_image < LITTLE * best.snr_image
    table.insert(little and loud or rest, entry)
    share = share + (little and entry.share or 0)
    variance = variance + (little and entry.share_error ^ 2 or 0)
  end
  if share > LOUD then
    return loud, rest, share, math.sqrt(variance)
  end
end

local function hint_still(layers)
  local loud, rest, share, error_ = noisy(layers)
  if not loud then
    return nil
  end
  local best, names, most = rest[1], {}, loud[1]
  for i, entry in ipairs(loud) do
    names[i] = entry.name
    most = entry.snr_image > most.snr_image and entry or most
  end
  table.sort(rest, function(a, b)
    return a.number < b.number
  end)
  local one = #loud == 1
  return ("%s make%s %.0f ± %.0f %% of C̃², which every layer hears as noise, and learn%s least "
    .. "from it: signal to noise %.2g for an image%s, %.2g in %s; with learn = %s %s still, and "
    .. "|G − g|² of the others falls %.2g times"):format(table.concat(names, ", "),
    one and "s" or "", 100 * share, 100 * error_, one and "s" or "", most.snr_image,
    one and "" or " at best", best.snr_image, best.name, quoted(rest),
    one and "it stands" or "they stand", 1 / (1 - share))
end

local function hint_gate(layers, run)
  local by_nodes, gated = false, false
  for _, way in ipairs(layers.ways) do
    by_nodes = by_nodes or way.learns and way.perturb == "nodes"
    gated = gated or way.gate
  end
  if not by_nodes or gated or not layers.trials or not by_layer.has_gates(run.options.chip.net) then
    return nil
  end
  local left = layers.trials:gated()
  return known(left) and left < WORTH_A_GATE and ("gate = true would leave %.0f %% of |G − g|², by "
    .. "a window of the same patterns with and without: terms of units that are off, or lost their "
    .. "max-pool, are noise alone"):format(100 * left)
end

local function hint_amplitude(layers)
  for l, entry in ipairs(layers) do
    local way = layers.ways[l]
    if known(entry.signal_ulp) and entry.signal_ulp > 0 and entry.signal_ulp < FEW_ULPS then
      return ("what %s makes of C̃ is %.2g units in the last place of C, mostly rounding: layers = "
        .. "{%s = {amplitude = %.1g}}"):format(entry.name, entry.signal_ulp, entry.name,
        way.amplitude * 100 / entry.signal_ulp)
    end
  end
end

-- Of a step along G, whose error is independent of g, the share ρ/(1 + ρ) is signal, ρ = |g|²/|G −
-- g|². The cost falls furthest where η goes as that, in layers that curve alike: by η·|g|² −
-- ½·η²·λ·(|g|² + |G − g|²), for laws that are linear in G.
local LINEAR = { sgd = true, momentum = true, nesterov = true }

local function signal_share(entry)
  return entry.snr / (1 + entry.snr)
end

local function hint_eta(layers, run)
  local best, others = best_by(layers, "snr")
  local is_loud, worst = {}, nil
  for _, entry in ipairs(noisy(layers) or {}) do
    is_loud[entry] = true
  end
  for _, entry in ipairs(others) do
    if not is_loud[entry] and known(entry.snr) and (not worst or entry.snr < worst.snr) then
      worst = entry
    end
  end
  local eta = LINEAR[run.options.optimizer] and run.options.eta
  if not worst or type(eta) ~= "number" or eta == 0
      or signal_share(worst) > LITTLE * signal_share(best) then
    return nil
  end
  return ("of the steps of %s %.2g %% are signal, of those of %s %.2g %%: the rest makes θ wander; "
    .. "layers = {%s = {eta = %.1g}} would be in proportion"):format(worst.name,
    100 * signal_share(worst), best.name, 100 * signal_share(best), worst.name,
    eta * signal_share(worst) / signal_share(best))
end

local HINTS = { hint_gate, hint_still, hint_amplitude, hint_eta }

--- What follows from the table.
-- @tparam table layers as `M.measure` gives it
-- @tparam run run
-- @treturn table a list of sentences
function M.hints(layers, run)
  local list = {}
  for _, hint in ipairs(HINTS) do
    list[#list + 1] = hint(layers, run) or nil
  end
  return list
end

return M
