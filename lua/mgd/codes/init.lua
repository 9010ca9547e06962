--- Perturbation codes, to be looked at.
--
-- `sequential` (TDMA): parameter k mod P alone in slot k. `walsh` (CDMA): rows 2 … P + 1 of a
-- Hadamard matrix. `random` (CDMA, SPSA): fair signs, Philox bits. `sine` (FDMA): one frequency per
-- parameter. `gaussian`: standard normals. `brownian`: a walk that takes each of its steps back L
-- slots later. `lfsr`: one maximal-length register, a phase for each parameter. `outer`: a fair
-- sign for each row and each column of a layer's weights, and r_i·c_j for the weight between them:
-- m + n sources for m × n weights. Pairs of weights are independent, so each component of G has the
-- variance |g|² − g_i² of independent signs; rectangles of them are not, see the guide's page on
-- codes. Or a function, or a coroutine. Source: McCaughan et al., APL Machine Learning 1, 026118
-- (2023).
-- @module mgd.codes

local core = require "mgd.core"
local interrupts = require "mgd.base.interrupts"
local naming = require "mgd.base.naming"
local options = require "mgd.base.options"
local parts = require "mgd.networks.parts"
local report = require "mgd.codes.code_report"
local schedules = require "mgd.codes.schedules"

local codes = {}

local stated = options.stated

local KINDS = {}
for _, kind in ipairs(core.train.codes()) do
  KINDS[#KINDS + 1] = kind[1] ~= "function" and kind[1] or nil
end

-- An option of those codes alone that read it.
local function read(name)
  local only = { "code" }
  for _, kind in ipairs(core.train.codes()) do
    only[#only + 1] = kind.reads[name] and kind[1] or nil
  end
  return stated(name, { only = only })
end

local OF_SOURCES = { "code", "function", "coroutine" }

--- Schema of `perturbation = {…}` in mgd.train.
codes.SCHEMA = {
  stated("code", { type = { "string", "function", "coroutine" }, choices = KINDS }),
  stated("amplitude", { default = false }),
  { "norm", type = { "number", "schedule" }, above = 0,
    doc = "Δ, root mean square norm of the whole perturbation: a·√P for ±a, a·√(P/2) for sines, "
      .. "a for sequential." },
  stated("amplitudes", { type = { "table", "tensor" } }),
  stated "amplitude_spread",
  read "order",
  read "alternate",
  read "sparsity",
  read "low",
  read "high",
  read "length",
  read "source",
  read "bits",
  read "balanced",
  { "period", type = "integer", min = 1, unit = "slots", only = OF_SOURCES,
    doc = "A function's: after so many slots it repeats; averages are then exact." },
  stated("energy", { type = { "number", "tensor" }, above = 0, only = OF_SOURCES }),
  { "window", type = "integer", min = 16, unit = "slots", only = OF_SOURCES,
    doc = "A function's: how many slots are looked at before it is used; a period, or else 4096 "
      .. "or as many as have 2²² values, without." },
  { "mean_limit", type = "number", default = 0.05, above = 0, only = OF_SOURCES,
    doc = "A function's: the largest mean, as a share of the root mean square, that is accepted." },
}

local function is_source(value)
  return type(value) == "function" or type(value) == "thread"
end

-- ---- options ------------------------------------------------------------------------------------

local function check_amplitudes(where, opt)
  if opt.amplitude and opt.norm then
    options.fail(where, "amplitude = %s and norm = %s are both given: expected one of them",
      schedules.text(opt.amplitude), schedules.text(opt.norm))
  end
  for layer, factor in pairs(type(opt.amplitudes) == "table" and opt.amplitudes or {}) do
    options.check(where .. ": amplitudes", { { "layer " .. layer, type = "number", above = 0 } },
      { ["layer " .. layer] = factor })
  end
  if not opt.norm then
    opt.amplitude = opt.amplitude or (opt.amplitudes or is_source(opt.code)) and 1 or 0.01
  end
end

--- Check what was given as `perturbation` and fill in the defaults.
-- @tparam string where who asks
-- @tparam table|string|function|thread given options, the name of a code, or a code of the user's
-- @treturn table
function codes.resolve(where, given)
  if type(given) == "string" or is_source(given) then
    given = { code = given }
  end
  local opt = options.check(where, codes.SCHEMA, given)
  check_amplitudes(where, opt)
  if (opt.low == nil) ~= (opt.high == nil) then
    options.fail(where, "options 'low' and 'high' go together: a band needs both")
  end
  local positive = { above = 0 }
  opt.amplitude = schedules.check(where, "amplitude", opt.amplitude, positive)
  opt.norm = schedules.check(where, "norm", opt.norm, positive)
  return opt
end

--- The code of resolved options as it is printed.
function codes.name(opt)
  return is_source(opt.code) and options.type_name(opt.code) or opt.code
end

-- Factors by layer as a tensor (P).
local function spread_out(where, factors, net)
  if not net then
    options.fail(where, "option 'amplitudes' is said by layer, but no layers are known here: "
      .. "expected a tensor (P)")
  end
  local values = parts.values(where .. ": amplitudes", net, factors, 1)
  local out = core.tensor.zeros { net.num_parameters }
  for i, part in ipairs(net:parts()) do
    out[{ { part.first, part.first + part.parameters - 1 } }] = values[i]
  end
  return out
end

-- ---- codes of the user's ------------------------------------------------------------------------

-- One slot after the other out of a coroutine, called like a function of the slot.
local function in_order(thread, seconds)
  local following = 0
  return function(slot)
    if slot < following then
      error(("a coroutine cannot go back to slot %d: it has yielded slot %d"):format(slot,
        following - 1), 0)
    end
    local ok, value
    repeat -- a resumed run begins where it stands, a coroutine at its first slot
      ok, value = coroutine.resume(thread, following, following * seconds)
      if not ok then
        error(value, 0)
      elseif coroutine.status(thread) == "dead" then
        error(("the coroutine ended at slot %d: expected it to yield a tensor for each slot")
          :format(following), 0)
      end
      following = following + 1
    until following > slot
    return value
  end
end

-- The values of one slot, checked as the core does.
local function checked(where, value, slot, parameters)
  local given = value
  value = options.tensor(given)
  if not value then
    options.fail(where, "slot %d: it returned a %s: expected a tensor with a value for each "
      .. "parameter", slot, options.type_name(given))
  end
  if value.ndim ~= 1 or value.size ~= parameters then
    options.fail(where, "slot %d: got a tensor of %d dimensions with %d values: expected shape "
      .. "(%d), one value for each parameter, or node, that is perturbed", slot, value.ndim,
      value.size, parameters)
  end
  local total = value:abs():sum()
  if total ~= total or total == math.huge then
    for i = 1, parameters do
      if value[i] ~= value[i] or math.abs(value[i]) == math.huge then
        options.fail(where, "slot %d: value %d is %s: expected finite numbers", slot, i,
          value[i] ~= value[i] and "nan" or tostring(value[i]))
      end
    end
  end
  return value
end

local MOST_VALUES, MOST_SLOTS = 2 ^ 22, 4096 -- that are looked at

local function default_window(parameters)
  return math.max(16, math.min(MOST_SLOTS, math.floor(MOST_VALUES / parameters)))
end

-- A code of the user's made ready: `slots` (W, P) of its first slots, and `fetch(slot, time)`,
-- which hands these out before it asks for more: every slot is asked for once and in order.
local function open_source(where, opt, parameters, seconds, window)
  local source = { seconds = seconds }
  local ask = type(opt.code) == "thread" and in_order(opt.code, seconds) or opt.code
  local count = window or opt.window
  if not count then
    count = opt.period and math.min(opt.period + 1, default_window(parameters))
      or default_window(parameters)
  end
  local slots = core.tensor.zeros { count, parameters }
  for slot = 0, count - 1 do
    local ok, value = interrupts.pcall(ask, slot, slot * seconds)
    if not ok then
      options.fail(where, "slot %d: %s", slot, tostring(value))
    end
    slots[slot + 1] = checked(where, value, slot, parameters)
  end
  source.slots = slots
  function source.fetch(slot, time)
    if slots and slot < count then
      return slots[slot + 1]
    end
    slots, source.slots = nil, nil
    return ask(slot, time)
  end
  return source
end

local function check_period(where, opt, slots)
  local period = opt.period
  if not period or slots.shape[1] <= period then
    return
  end
  for slot = period, slots.shape[1] - 1 do
    if not slots[slot + 1]:allclose(slots[slot - period + 1], { rtol = 1e-9 }) then
      options.fail(where, "period = %d slots was declared, but slot %d differs from slot %d",
        period, slot, slot - period)
    end
  end
end

-- ⟨s_i²⟩ (P): declared, or what was found.
local function energy_of(where, opt, found, parameters)
  if type(opt.energy) == "number" then
    return core.tensor.full({ parameters }, opt.energy)
  elseif opt.energy and (opt.energy.ndim ~= 1 or opt.energy.size ~= parameters) then
    options.fail(where, "option 'energy' must be a number or a tensor (%d), got %d values",
      parameters, opt.energy.size)
  elseif opt.energy and opt.energy:min() <= 0 then
    options.fail(where, "option 'energy' must be more than 0 for every parameter, got %s",
      opt.energy:min())
  end
  return opt.energy or found
end

-- Over whole periods unless a window was asked for.
local function look_at(where, opt, source, parameters, window)
  check_period(where, opt, source.slots)
  local seen = opt.period and source.slots.shape[1] >= opt.period
  return report.new {
    code = codes.name(opt), slots = source.slots,
    amplitude = type(opt.amplitude) == "number" and opt.amplitude or 1,
    norm = type(opt.norm) == "number" and opt.norm or nil,
    period = seen and opt.period or nil, whole = not window,
    energy = opt.energy and energy_of(where, opt, nil, parameters),
  }
end

-- The fields of a code of the user's that the core takes. Refuses it, or warns.
local function vet(where, opt, parameters, seconds)
  local source = open_source(where, opt, parameters, seconds)
  local seen = look_at(where, opt, source, parameters)
  local reason = seen:refused(opt.mean_limit)
  if reason then
    options.fail(where, "%s", reason)
  end
  for _, warning in ipairs(seen:warnings()) do
    io.stderr:write("mgd: warning: ", where, ": ", warning, "\n")
  end
  return source.fetch, energy_of(where, opt, seen.energies, parameters)
end

-- ---- for the engine -----------------------------------------------------------------------------

--- Resolved options as the core takes them; a code of the user's is called and looked at.
-- @tparam string where who asks
-- @tparam table opt of codes.resolve
-- @tparam integer parameters P, or how many nodes
-- @tparam number|nil seconds of a slot; nil where that changes
-- @tparam[opt] network net whose layers `amplitudes` may name
-- @treturn table
function codes.compile(where, opt, parameters, seconds, net)
  local flat = {}
  for key, value in pairs(opt) do
    flat[key] = value
  end
  if type(opt.amplitudes) == "table" then
    flat.amplitudes = spread_out(where, opt.amplitudes, net)
  end
  if is_source(opt.code) then
    if not seconds then
      options.fail(where, "a code in Lua goes with a constant tau_p: it is called once a slot, "
        .. "with the time at which that begins")
    end
    flat.pattern, flat.energy = vet(where, opt, parameters, seconds)
    flat.code = "function"
  end
  return flat
end

-- ---- looking at codes ---------------------------------------------------------------------------

local TIMING = {
  { "tau_p", type = "integer", default = 1, min = 1, unit = "steps", doc = "Steps in a slot." },
  { "tau_theta", type = "integer", default = 1, min = 1, unit = "steps",
    doc = "Steps in a window: sets the bins of sines." },
  stated("dt", { doc = "Time of a step." }),
  stated("seed", { doc = "Seed of the run." }),
  stated("replica", { doc = "Which replica's random numbers." }),
  { "net", type = "network", doc = "outer: whose weights stand in rows and columns." },
}

local PATTERN = {
  { "parameters", type = "integer", required = true, min = 1, doc = "P." },
  { "slots", type = "integer", required = true, min = 1, doc = "How many slots." },
  { "first", type = "integer", default = 0, min = 0, doc = "The first slot." },
}
for _, entry in ipairs(TIMING) do
  PATTERN[#PATTERN + 1] = entry
end

-- A code of the core's with the options of TIMING, as the core takes them.
local function timed(where, code, parameters, opt)
  if opt.net and opt.net.num_parameters ~= parameters then
    options.fail(where, "option 'net' is a network of %d parameters, and %d were given: expected "
      .. "its own", opt.net.num_parameters, parameters)
  end
  local flat = codes.compile(where, code, parameters, opt.tau_p * opt.dt)
  for _, name in ipairs { "tau_p", "tau_theta", "seed", "replica" } do
    flat[name] = opt[name]
  end
  flat.net = opt.net and opt.net.core
  return flat
end

-- Slots of a code, (slots, P).
local function pattern_of(where, code, parameters, first, slots, opt)
  if is_source(code.code) then
    local seconds = opt.tau_p * opt.dt
    local ask = type(code.code) == "thread" and in_order(code.code, seconds) or code.code
    local out = core.tensor.zeros { slots, parameters }
    for k = 1, slots do
      local slot = first + k - 1
      local ok, value = interrupts.pcall(ask, slot, slot * seconds)
      if not ok then
        options.fail(where, "slot %d: %s", slot, tostring(value))
      end
      out[k] = checked(where, value, slot, parameters)
    end
    return out
  end
  return core.train.pattern(parameters, timed(where, code, parameters, opt), first, slots)
end

--- The unit patterns of a code, as the engine will use them: times the amplitude they are θ̃.
-- @tparam table|string|function|thread perturbation as in mgd.train
-- @tparam table opts `parameters`, `slots`, `first` (0), `tau_p` (1), `tau_theta` (1), `dt` (1),
--   `seed` (1), `replica` (1); for the code `outer` the network `net`
-- @treturn tensor (slots, P), f64
-- @usage mgd.codes.pattern({code = "lfsr", bits = 5}, {parameters = 9, slots = 31})
function codes.pattern(perturbation, opts)
  local code = codes.resolve("codes.pattern: perturbation", perturbation)
  local opt = options.check("codes.pattern", PATTERN, opts)
  return pattern_of("codes.pattern", code, opt.parameters, opt.first, opt.slots, opt)
end

-- ⟨(θ̃_i/a)²⟩ over all time, (P).
local function nominal_energy(mean_square, parameters, factors)
  local energy = core.tensor.full({ parameters }, mean_square)
  return factors and energy * factors * factors or energy
end

--- Look at a code: what it shows over a window, and what that does to G.
--
-- The report has `code`, `parameters`, `window`; `mean` {largest =, parameter =, rms =}, as shares
-- of each parameter's root mean square; `energy` {least =, mean =, most =}, of ⟨θ̃_i²⟩;
-- `correlation` {largest =, between = {i, j}, rms =, parameters =}, ⟨θ̃_i·θ̃_j⟩ over the root of
-- the energies, of as many parameters; `period` in slots, nil where none shows; `spectrum`, a list
-- of {low =, high =, share =} in cycles per slot and shares of the energy; and, for G:
-- `cosine` and `angle` (degrees), expected for a linear cost whose gradient has any direction, and
-- `bias`, the norm that a constant part of C = 1 leaves in G under baseline "none".
-- `tostring` says it in words.
-- @tparam table|string|function|thread code as in mgd.train
-- @tparam integer parameters P
-- @tparam[opt] integer window slots; without it the period where it is known, or else 4096 or as
--   many as have 2²² values
-- @tparam[opt] table opts `tau_p` (1), `tau_theta` (1), `dt` (1), `seed` (1), `replica` (1); for
--   the code `outer` the network `net`
-- @treturn table
-- @raise when a function fails, or returns no tensor (P) of finite numbers
-- @usage print(mgd.codes.check("walsh", 9))
-- @usage print(mgd.codes.check(function(slot, time) return … end, 9, 1000))
function codes.check(code, parameters, window, opts)
  local where = "codes.check"
  local perturbation = codes.resolve(where .. ": code", code)
  local sizes = options.check(where, {
    { "parameters", type = "integer", required = true, min = 1 },
    { "window", type = "integer", min = 2 },
  }, { parameters = parameters, window = window })
  parameters, window = sizes.parameters, sizes.window
  local opt = options.check(where, TIMING, opts)
  if is_source(perturbation.code) then
    local source = open_source(where, perturbation, parameters, opt.tau_p * opt.dt, window)
    return look_at(where, perturbation, source, parameters, window)
  end
  local period, mean_square = core.train.figures(parameters,
    timed(where, perturbation, parameters, opt))
  local most = default_window(parameters)
  local slots = pattern_of(where, perturbation, parameters, 0,
    window or period > 0 and math.min(period, most) or most, opt)
  return report.new {
    code = perturbation.code, slots = slots, amplitude = perturbation.amplitude,
    norm = perturbation.norm, whole = not window,
    period = period > 0 and period <= most and slots.shape[1] >= period and period or nil,
    energy = perturbation.amplitude_spread == 0
      and nominal_energy(mean_square, parameters, perturbation.amplitudes) or nil,
  }
end

return naming.module("mgd.codes", codes)
