--- Instruments: chips at the end of a wire, in the words of docs/guide/chip-contract.md.
--
-- The wire, its dialect, ranges, safe limits and what is done when all ends are options of
-- `mgd.chip{instrument = …}`; what such a chip can do besides are its methods.
-- @module mgd.hardware.instrument

local core = require "mgd.core"
local files = require "mgd.base.files"
local link = require "mgd.hardware.link"
local naming = require "mgd.base.naming"
local options = require "mgd.base.options"
local python = require "mgd.hardware.python"
local record = require "mgd.text.record"
local text = require "mgd.text.numbers"

local M = {}

local is_plain = naming.is_plain

-- ---- options ------------------------------------------------------------------------------------

M.SCHEMA = {
  { "instrument", type = { "string", "table" },
    doc = "TCPIP::host::port::SOCKET, ASRL/dev/…, EXEC::command; a list of words {\"EXEC\", …}; "
      .. "functions {read =, write =}; or a list of these: a chip for each replica, or a pool "
      .. "where they are stateless." },
  { "dialect", type = "string", choices = { "scpi", "lines", "frames" },
    doc = "How it is spoken to; found out without." },
  { "terminator", type = "string", choices = { "\n", "\r\n", "\r", "" },
    doc = "What ends a request; found out without." },
  { "describe", type = { "table", "string" },
    doc = "What DESC would say, for a chip that cannot, or where it is wrong." },
  { "ranges", type = "table",
    doc = "{low, high, scale = \"linear\" | \"log\"}, of all parameters or a list with one for "
      .. "each: where θ in [−1, 1] lies in the unit of the parameter. Those of DESC without; "
      .. "where there are none θ is the value itself." },
  { "limits", type = "table",
    doc = "{low =, high =, slew = (unit/s), avoid = {low, high}}, of all or for each: what is "
      .. "written stays within." },
  { "safe", type = { "number", "tensor", "table" },
    doc = "Values of the safe state, in the unit of each parameter." },
  { "ramp", type = "number", min = 0, default = 0.5, unit = "s",
    doc = "How long the way to the safe values takes, at least." },
  { "guard", type = "boolean",
    doc = "A process of its own goes to the safe state where this one dies. Defaults to true for "
      .. "chips without a watchdog, but for a program (EXEC) without safe values." },
  { "timeout", type = "number", above = 0, default = 10, unit = "s", doc = "For an answer." },
  { "wait", type = "number", min = 0, default = 0, unit = "s",
    doc = "Between a request and reading its answer." },
  { "retries", type = "integer", min = 0, default = 5, doc = "Of a frame." },
  { "patience", type = "number", min = 0, default = 10, unit = "s",
    doc = "How long a chip that was lost in the middle of a run is looked for." },
  { "on_failure", type = "string", default = "stop", choices = { "stop", "skip" },
    doc = "Of a measurement that the chip reports as failed, by nan (fails=1) or ERR 4, or that "
      .. "cost a worker twice: the end of the run, or of its step alone, which writes nothing." },
  { "average", type = "integer", min = 1, default = 1,
    doc = "How often each measurement is made; its mean counts." },
  { "watch", type = "table",
    doc = "{every = steps, tolerance =, action = \"stop\" | \"pause\" | \"rebaseline\"}: drift "
      .. "watch on the cost of the first θ and batch." },
  { "dry_run", type = "boolean", default = false,
    doc = "Opens nothing: prints what would be sent, and takes costs of 0." },
  { "log", type = "string", doc = "A file to which every exchange is added." },
  { "limit", type = "integer", min = 1, default = 2 ^ 30, unit = "bytes",
    doc = "Longest answer that is taken." },
}

for _, entry in ipairs(link.SERIAL) do
  M.SCHEMA[#M.SCHEMA + 1] = entry
end

local WATCH = {
  { "every", type = "integer", required = true, min = 1, unit = "steps",
    doc = "Between two looks." },
  { "tolerance", type = "number", required = true, min = 0, doc = "Of the cost." },
  { "action", type = "string", default = "stop", choices = { "stop", "pause", "rebaseline" },
    doc = "An error; wait until it is as before; or take it as it is now." },
}

local RANGE = {
  { "scale", type = "string", default = "linear", choices = { "linear", "log" },
    doc = "How θ goes from one end to the other." },
  positional = { type = "number" },
}

local LIMIT = {
  { "low", type = "number", doc = "The least value." },
  { "high", type = "number", doc = "The largest." },
  { "slew", type = "number", above = 0, unit = "unit/s", doc = "How fast it may change." },
  { "avoid", type = "table", doc = "{low, high}: where it may not be." },
}

local WHERE = "mgd.chip"

local function is_words(value)
  return type(value[1]) == "string" and value[1]:upper() == "EXEC"
end

local function is_functions(value)
  return type(value.read) == "function" and type(value.write) == "function"
end

-- One chip: an address, words or functions.
local function place_of(value, name)
  if type(value) == "string" then
    return { address = value }
  elseif is_plain(value) and is_words(value) then
    for i, word in ipairs(value) do
      if type(word) ~= "string" then
        options.fail(WHERE, "%s: word %d: expected a string, got %s", name, i,
          options.type_name(word))
      end
    end
    return { words = value }
  elseif is_plain(value) and is_functions(value) then
    return { functions = value }
  end
  options.fail(WHERE, "%s: expected an address such as \"TCPIP::host::port::SOCKET\", words "
    .. "{\"EXEC\", …} or functions {read =, write =}, got %s", name, options.type_name(value))
end

local function places_of(value)
  local single = type(value) == "string" or is_words(value) or is_functions(value)
  if single then
    return { place_of(value, "option 'instrument'") }
  end
  local places = {}
  for i, one in ipairs(value) do
    places[i] = place_of(one, ("option 'instrument': element %d"):format(i))
  end
  return #places > 0 and places or { place_of(value, "option 'instrument'") }
end

-- ---- ranges and limits --------------------------------------------------------------------------

local function fail_list(name, i, format, ...)
  options.fail(WHERE, "option '%s'%s: %s", name, i and (": element %d"):format(i) or "",
    format:format(...))
end

-- {a, b, …} of all parameters, or a list of such.
local function each(value, is_one)
  return is_one(value) and { value } or value
end

local function range_row(range, i)
  local where = WHERE .. ": ranges"
  if not is_plain(range) then
    fail_list("ranges", i, "expected {low, high}, got %s", options.type_name(range))
  end
  local own = options.check(where, RANGE, range)
  local low, high, log = own[1], own[2], own.scale == "log"
  if not (low and high) or own[3] or low >= high or high - low == math.huge then
    fail_list("ranges", i, "expected {low, high} with low < high")
  elseif log and low <= 0 then
    fail_list("ranges", i, "a scale of logarithms begins above 0, not at %g", low)
  end
  return { low, high, log and 1 or 0 }
end

local function limit_row(limit, i)
  if not is_plain(limit) then
    fail_list("limits", i, "expected {low =, high =, …}, got %s", options.type_name(limit))
  end
  local own = options.check(WHERE .. ": limits", LIMIT, limit)
  local low, high = own.low or -math.huge, own.high or math.huge
  local avoid = own.avoid or {}
  if low >= high then
    fail_list("limits", i, "expected low < high, got %g and %g", low, high)
  elseif own.avoid and not (type(avoid[1]) == "number" and type(avoid[2]) == "number"
      and avoid[1] < avoid[2]) then
    fail_list("limits", i, "avoid: expected {low, high} with low < high")
  end
  local nan = 0 / 0
  return { low, high, own.slew or math.huge, avoid[1] or nan, avoid[2] or nan }
end

-- Rows of numbers (n, …), for the core.
local function rows_of(value, is_one, row)
  local rows = {}
  for i, one in ipairs(each(value, is_one)) do
    rows[i] = row(one, i)
  end
  if #rows == 0 then
    rows[1] = row(value)
  end
  return core.tensor.tensor(rows, { dtype = "f64" })
end

local function is_range(value)
  return type(value[1]) == "number"
end

--- Ranges as rows {low, high, 1 for a scale of logarithms or 0}, one or as many as given.
-- @treturn tensor (1, 3) or (P, 3)
function M.ranges(ranges)
  return rows_of(ranges, is_range, range_row)
end

local function is_limit(value)
  return next(value) ~= nil and value[1] == nil
end

-- ---- descriptions -------------------------------------------------------------------------------

-- A table as a line of DESC.
local function line_of(describe)
  if type(describe) == "string" then
    return describe
  end
  local words = {}
  for key, value in pairs(describe) do
    if type(value) == "boolean" then
      value = value and "1" or "0"
    elseif type(value) == "number" then
      value = ("%.17g"):format(value)
    end
    if type(key) ~= "string" or type(value) ~= "string" or (key .. value):find "[%s=]" then
      options.fail(WHERE, "option 'describe': expected names with numbers, flags or words, got "
        .. "%s = %s", tostring(key), tostring(value))
    end
    words[#words + 1] = key .. "=" .. value
  end
  table.sort(words)
  return table.concat(words, " ")
end

-- ---- programs -----------------------------------------------------------------------------------

-- A program in Python finds mgd_chip.py.
local function environment()
  local folder, own = python.folder(), os.getenv "PYTHONPATH"
  return folder and { "PYTHONPATH=" .. folder .. (own and ":" .. own or "") } or nil
end

-- ---- opening ------------------------------------------------------------------------------------

local function wants_guard(opt, places)
  if opt.guard ~= nil then
    return opt.guard and "always" or "never"
  end
  for _, place in ipairs(places) do
    local program = place.words or place.address and place.address:upper():find "^EXEC"
    if place.functions or program and not opt.safe then
      return "never"
    end
  end
  return "needed"
end

-- One value of all parameters, or a list, as a tensor.
local function vector(value)
  value = type(value) == "number" and { value } or value
  return options.is_tensor(value) and value or core.tensor.tensor(value, { dtype = "f64" })
end

--- Open the chip that the options of `mgd.chip` describe.
-- @tparam table opt checked
-- @treturn table core of the chip
-- @treturn table what it says of itself, see `chip:about`
function M.open(opt)
  local places = places_of(opt.instrument)
  for _, place in ipairs(opt.called and places or {}) do
    place.address = opt.called
  end
  local watch = opt.watch and options.check(WHERE .. ": watch", WATCH, opt.watch) or {}
  if opt.log then
    files.check_path(WHERE .. ": log", opt.log)
  end
  local chip = core.instrument.open {
    places = places, environment = environment(),
    dialect = opt.dialect, terminator = opt.terminator,
    describe = opt.describe and line_of(opt.describe),
    ranges = opt.ranges and M.ranges(opt.ranges),
    limits = opt.limits and rows_of(opt.limits, is_limit, limit_row),
    theta = opt.theta, safe = opt.safe and vector(opt.safe), temporary = opt.temporary,
    ramp = opt.ramp, guard = wants_guard(opt, places),
    timeout = opt.timeout, wait = opt.wait, retries = opt.retries, patience = opt.patience,
    average = opt.average, skip = opt.on_failure == "skip",
    dry_run = opt.dry_run, log = opt.log, limit = opt.limit,
    baud = opt.baud, parity = opt.parity, flow = opt.flow, stop_bits = opt.stop_bits,
    watch = watch.every, tolerance = watch.tolerance, action = watch.action,
  }
  return chip, core.instrument.about(chip, 1), #places
end

-- ---- methods ------------------------------------------------------------------------------------

local methods = {}
M.methods = methods

local function check(chip, name)
  if not chip.instrument then
    options.fail("chip:" .. name, "the chip is no instrument: expected one of "
      .. "mgd.chip{instrument = …}")
  end
end

--- Bring an instrument to its safe state, by the ramp. A run can go on afterwards.
-- @treturn chip itself
-- @raise where it could not be reached
function methods:safe()
  check(self, "safe")
  core.instrument.safe(self.core)
  return self
end

--- Bring an instrument to its safe state and close it for good.
function methods:close()
  check(self, "close")
  core.instrument.shut(self.core)
  self.closed = true
end

--- Ask an instrument something in its own dialect.
-- @tparam string words
-- @tparam[opt=1] integer k which chip of a list
-- @treturn string the answer
-- @raise where it reports an error or does not answer in time
-- @usage chip:query "*IDN?"
function methods:query(words, k)
  check(self, "query")
  if type(words) ~= "string" then
    options.fail("chip:query", "expected a string, got %s", options.type_name(words))
  end
  return core.instrument.query(self.core, k or 1, words)
end

local about_of = record.kind("mgd.instrument", { "address", "identity", "dialect", "terminator",
  "parameters", "inputs", "outputs", "targets", "dtype", "samples", "codes", "cost", "unit",
  "latency", "blocks", "perturbs", "costs", "integrates", "writes", "stateless", "reads",
  "watchdog", "fails", "noisy", "failures", "said" })

--- Who an instrument is, how it is spoken to and what it says of itself; and `failures`, how many
-- steps were dropped because a measurement of theirs failed.
-- @tparam[opt=1] integer k which chip of a list
-- @treturn table prints as lines
function methods:about(k)
  check(self, "about")
  local about = core.instrument.about(self.core, k or 1)
  about.terminator = ("%q"):format(about.terminator):gsub("\\\n", "\\n"):gsub("\\13", "\\r")
  about.failures = core.instrument.spent(self.core, 1).failures
  about.codes = about.codes:gsub("^,", ""):gsub(",$", "")
  return about_of(about)
end

-- ---- dead time ----------------------------------------------------------------------------------

local PINGS = 9

-- Seconds of the shortest exchange there is, the median of a few.
local function round_trip(self)
  local words = self.instrument.dialect == "scpi" and "*IDN?" or "ID"
  local times = {}
  for i = 1, PINGS do
    local begin = core.base.clock()
    core.instrument.query(self.core, 1, words)
    times[i] = core.base.clock() - begin
  end
  table.sort(times)
  return times[(PINGS + 1) / 2]
end

local Timing = naming.class "mgd.instrument.timing"

function Timing:__tostring()
  local lines = {
    ("%s: %s requests, %s out, %s in, %s in wires%s"):format(self.address,
      text.count(self.requests), text.si(self.sent, "B"), text.si(self.received, "B"),
      text.duration(self.seconds), self.share and (" (%.0f %% of the time of its runs)"):format(
        100 * self.share) or ""),
    ("  a request takes %s, of which a round trip is %s: %.0f %% of the time is dead"):format(
      text.duration(self.per_request), text.duration(self.round_trip), 100 * self.dead),
    ("  with twice as many measurements in a message (a larger batch, tau_theta or tau_x) the same "
      .. "would take %s"):format(text.duration(self.doubled)),
  }
  if self.retries + self.reconnections > 0 then
    lines[#lines + 1] = ("  %d retries, %d times connected again"):format(self.retries,
      self.reconnections)
  end
  if self.failures > 0 then
    lines[#lines + 1] = ("  %d steps dropped, because a measurement failed"):format(self.failures)
  end
  return table.concat(lines, "\n")
end

--- Where the time goes: the budget of dead time since the chip was opened.
-- @treturn table `requests`, `sent` and `received` (bytes), `seconds` in wires, `share` of the time
--   of its runs, `per_request` (s), `round_trip` (s, measured now), `dead` (share of the time in
--   wires that is round trips), `doubled` (s that the same would take with twice as many
--   measurements in a message), `retries`, `reconnections`, `failures` (steps that were dropped);
--   prints as lines
-- @usage print(chip:timing())
function methods:timing()
  check(self, "timing")
  local timing = { address = self.instrument.address }
  for k = 1, self.num_instruments do
    for name, value in pairs(core.instrument.spent(self.core, k)) do
      timing[name] = (timing[name] or 0) + value
    end
  end
  local both = core.instrument.spent(self.core, 1) -- of all chips of the list together
  timing.drifts, timing.failures = both.drifts, both.failures
  timing.share = self.ran and self.ran > 0 and math.min(1, timing.seconds / self.ran) or nil
  timing.round_trip = round_trip(self)
  timing.per_request = timing.seconds / math.max(1, timing.requests)
  timing.dead = timing.seconds > 0
    and math.min(1, timing.round_trip * timing.requests / timing.seconds) or 0
  timing.doubled = timing.seconds * (1 - timing.dead / 2)
  return setmetatable(timing, Timing)
end

return M
