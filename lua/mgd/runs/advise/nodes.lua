--- Whether neurons are worth perturbing instead of parameters, with or without a gate, and which
-- layers might stand still: for hardware that can do so, by trials that write nothing.
--
-- What a window's G is worth is how far the cost falls at best along it: by descent at the best η
-- that is |g|⁴/(|g|² + |G − g|²), over twice the curvature (Nesterov and Spokoiny, Found. Comput.
-- Math. 17, 2017).
-- @module mgd.runs.advise.nodes

local by_layer = require "mgd.runs.by_layer"
local trials = require "mgd.runs.layer_trials"

local M = {}

local PATTERNS = 16 -- of a window that is looked at, at least
local DIFFERENCES = 2000 -- parameters of a chip whose gradient is by central differences, at most
local BETTER = 2 -- times as much is worth another way
local MUCH_BETTER = 4 -- times as much is worth a word about layers that stand still

-- What a window is worth under further options, and its signal to noise for an image; nil where it
-- is not measured.
local function worth(d, b, way, changes)
  local patterns = math.max(PATTERNS, way.patterns)
  local steps = patterns * way.tau_p
  local cost = steps * b.per_step(way.baseline, steps) * d.opt.batch
  if cost > b:left() / 8 then
    b:note("what G is worth with nodes perturbed: a window takes %d evaluations", cost)
    return nil
  end
  local given = { eta = 0, baseline = way.baseline, tau_p = way.tau_p, tau_x = way.tau_p,
    tau_theta = steps, perturbation = { code = "random",
      amplitude = d.settings.perturbation.amplitude } }
  for name, value in pairs(changes) do
    given[name] = value
  end
  local run = trials.opened(function()
    return b:open(given)
  end)
  if run then
    run.core:keep_gradient()
  end
  if not run or not b:advance(run, steps) then
    return nil
  end
  local _, snr, errors = run.core:angle(false, true)
  local noise = errors[1]:norm() ^ 2 * patterns / way.patterns -- of the window that is planned
  local signal = snr[1] * errors[1]:norm() ^ 2
  return signal ^ 2 / (signal + noise), snr[1] / (steps * d.opt.batch)
end

-- The upper layers that are worth most alone.
local function look_for_still(d, b, way, best, parts)
  local found
  for first = 2, #parts do
    local learn = {}
    for l = first, #parts do
      learn[#learn + 1] = parts[l].name
    end
    local value = worth(d, b, way, { perturb = best.perturb, gate = best.gate, learn = learn })
      or worth(d, b, way, { perturb = best.perturb, learn = learn })
    if value and value > MUCH_BETTER * (found and found.value or best.value) then
      found = { value = value, learn = learn }
    end
  end
  return found
end

--- Choose what is perturbed.
-- @tparam table d draft: `settings.perturb` and `settings.gate` are set where that is worth it
-- @tparam table b bench
-- @tparam table way of perturbing and comparing
function M.choose(d, b, way)
  local chip = d.opt.chip
  local parts = chip.net and chip.net:parts() or {}
  if not d.opt.nodes then
    return
  elseif #parts < 2 or d.slow or way.settle > 0
      or not chip.ideal and d.parameters > DIFFERENCES then
    d:flag("nodes", "whether they are worth perturbing is not measured: that takes a network of "
      .. "several layers, a cost that follows within a step, and a gradient to compare with")
    return
  end
  local plain, image = worth(d, b, way, {})
  local best = plain and { value = plain, image = image }
  for _, gate in ipairs { false, by_layer.has_gates(chip.net) or nil } do
    local value, own = worth(d, b, way, { perturb = "nodes", gate = gate })
    if best and value and value > (gate and 1 or BETTER) * best.value then
      best = { value = value, image = own, perturb = "nodes", gate = gate or nil }
    end
  end
  if best and best.perturb then
    d.settings.perturb, d.settings.gate = best.perturb, best.gate
    d:because("perturb = \"nodes\"%s: signal to noise of G %.2g for an image, and %.2g by "
      .. "parameters; a step at the best η is worth %.2g times as much", best.gate
      and ", gate = true" or "", best.image, image, best.value / plain)
  end
  local still = best and look_for_still(d, b, way, best, parts)
  if still then
    d:because("with learn = {\"%s\"} the others stand still, and a step is worth %.2g times as "
      .. "much, to begin with: a first stage of that may be worth trying",
      table.concat(still.learn, "\", \""), still.value / best.value)
  end
end

return M
