--- A run by the layers of its network: the gradient of each and what G of it is worth.
--
-- The noise of G, |G − g|², falls with the number of images that G is made of, an image being one
-- sample under one perturbation. So what a layer's G is worth is reported for one of them, too, by
-- which layers, codes and windows compare: signal to noise |g|²/|G − g|², over the images, or the
-- evaluations, of the window.
-- @module mgd.runs.by_layer

local M = {}

local NAN = -(0 / 0) -- with the sign that prints as "nan"

--- Probes that have a column for each layer.
M.PROBES = { "layer_norm_g", "layer_norm_error", "layer_snr", "layer_snr_evaluation",
  "layer_snr_image" }

--- The layers with parameters of a run's network; nil where no network is known.
-- @tparam run run
-- @treturn parts|nil
function M.parts(run)
  local net = run.options.chip.net
  return net and net:parts()
end

--- Names of the columns of such a probe: "layer_snr.conv1", ….
function M.columns(run, probe)
  local names = {}
  for i, part in ipairs(M.parts(run)) do
    names[i] = probe .. "." .. part.name
  end
  return names
end

-- Steps over which G is a mean: of the low-pass of the analog engine, whose noise is that of a mean
-- over 2·τ + 1. NaN where they change.
local function steps_of(o)
  if o.engine == "backprop" then
    return 1
  elseif type(o.tau_theta) ~= "number" then
    return NAN
  end
  return o.engine == "analog" and 2 * o.tau_theta + 1 or o.tau_theta
end

--- Images and evaluations that G of a window is made of.
-- @tparam run run
-- @treturn number
-- @treturn number
function M.window(run)
  local o, steps = run.options, steps_of(run.options)
  local done = math.max(run.steps_done, 1)
  local asked = run.core:evaluations(done)
  if asked ~= asked then -- an engine that counts as it goes
    asked = run.core:counters().evaluations[1]
  end
  return steps * o.batch, steps * asked / done
end

-- A mean over the window of what is published as a sum.
local function factor_of(o)
  if o.convention ~= "published" then
    return 1
  end
  return o.chip.num_parameters / (type(o.tau_theta) == "number" and o.engine == "discrete"
    and o.tau_theta or NAN)
end

--- What G of the last window is worth, layer by layer.
-- @tparam run run
-- @tparam tensor errors (R, P) G − g, as run.core:angle gives them
-- @treturn table by probe, a list by layer of lists of R numbers; NaN before a window has ended
function M.measure(run, errors)
  local o, parts = run.options, M.parts(run)
  local gradients = run.core:gradient()
  local images, evaluations = M.window(run)
  local factor, out = factor_of(o), {}
  for _, probe in ipairs(M.PROBES) do
    out[probe] = {}
    for l = 1, #parts do
      out[probe][l] = {}
    end
  end
  for r = 1, o.replicas do
    local g = (o.replicas > 1 and gradients[r] or gradients):to "f64" * factor - errors[r]
    for l, part in ipairs(parts) do
      local own = { { part.first, part.first + part.parameters - 1 } }
      local signal, noise = g[own]:norm(), errors[r][own]:norm()
      local ratio = (signal / noise) ^ 2
      out.layer_norm_g[l][r], out.layer_norm_error[l][r], out.layer_snr[l][r] = signal, noise,
        ratio
      out.layer_snr_evaluation[l][r] = ratio / evaluations
      out.layer_snr_image[l][r] = ratio / images
    end
  end
  return out
end

--- Whether a network has units that a gate may close.
-- @tparam network net
-- @treturn boolean
function M.has_gates(net)
  for _, call in ipairs(net:plan()) do
    if call.kernel:find("relu", 1, true) or call.kernel:find("maxpool", 1, true) then
      return true
    end
  end
  return false
end

return M
