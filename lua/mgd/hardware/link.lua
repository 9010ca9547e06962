--- Raw links to instruments: text and blocks of bytes, for scripts that speak to one themselves.
--
-- A link knows no chip. It sends a text with its terminator, reads an answer up to one, and says in
-- its errors what was sent, what came and how long it waited.
-- @module mgd.hardware.link

local core = require "mgd.core"
local naming = require "mgd.base.naming"
local options = require "mgd.base.options"

local PROBED = { "\n", "\r\n", "\r", "" } -- terminators, in the order in which they are tried
local PROBE_TIME = 1    -- seconds that a probe waits for an answer, at most
local PROBES = 2        -- rounds
local SILENCE = 0.05    -- seconds after which an answer without terminator has ended
local SHOWN = 60        -- bytes of a text in messages and in the log
local ERRORS = 100      -- that are taken from a queue at once, at most

-- Of a serial port.
local SERIAL = {
  { "baud", type = "integer", default = 115200, min = 1, unit = "Bd",
    doc = "Speed of a serial port." },
  { "parity", type = "string", default = "none", choices = { "none", "even", "odd" },
    doc = "Of a serial port." },
  { "flow", type = "string", default = "none", choices = { "none", "hardware", "software" },
    doc = "Flow control of a serial port." },
  { "stop_bits", type = "integer", default = 1, min = 1, max = 2, doc = "Of a serial port." },
}

local SCHEMA = {
  { "timeout", type = "number", default = 5, above = 0, unit = "s",
    doc = "Longest time to open, to send and to wait for an answer." },
  { "wait", type = "number", default = 0, min = 0, unit = "s",
    doc = "Time between write and read of a query." },
  { "terminator", type = "string",
    doc = "What ends a text, sent or received: `\"\\n\"` (the default), `\"\\r\\n\"`, `\"\\r\"`, "
      .. "`\"\"` (nothing), or `\"probe\"`: the one that `*IDN?` is answered with." },
  { "limit", type = "integer", default = 67108864, min = 1, unit = "bytes",
    doc = "Longest answer that is taken." },
  { "log", type = "string", doc = "A file to which every exchange is added, with its time." },
}

for _, entry in ipairs(SERIAL) do
  SCHEMA[#SCHEMA + 1] = entry
end

local Link = naming.class("mgd.link", { "core", "log", "sent" })

-- ---- words --------------------------------------------------------------------------------------

local ESCAPES = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\\"] = "\\\\", ['"'] = '\\"' }

local function escaped(bytes)
  return (bytes:gsub('[%c\\"\127-\255]', function(byte)
    return ESCAPES[byte] or ("\\x%02X"):format(byte:byte())
  end))
end

-- Bytes in quotes, those that do not print escaped, and no more than messages have room for.
local function printable(bytes)
  if #bytes > SHOWN then
    return ('"%s" … (%d bytes)'):format(escaped(bytes:sub(1, SHOWN)), #bytes)
  end
  return '"' .. escaped(bytes) .. '"'
end

-- Adds a line to the log: seconds since the link was opened, a direction and what went there.
local function note(self, direction, text)
  if self.log then
    self.log:write(("%12.6f %s %s\n"):format(core.base.clock() - self.opened, direction, text))
    self.log:flush()
  end
end

-- ---- faults -------------------------------------------------------------------------------------

-- Raises what went wrong outside, with what was sent last and what came in place of an answer. What
-- came is dropped, and what still comes belongs to no question.
local function fail(self, where, fault, reason)
  self.stale = true
  local came = fault == "late" and self.core:take_some(0) or ""
  if came ~= "" then
    note(self, "<", printable(came))
    local ending = came:match "\r?\n$" or came:match "\r$"
    local other = ending and ending:sub(-1) ~= self.terminator:sub(-1)
    reason = ("%s, got %s%s"):format(reason, printable(came), other
      and (" (is its terminator %s?)"):format(printable(ending)) or "")
  end
  if self.sent then
    reason = ("%s, after %s"):format(reason, printable(self.sent))
  end
  note(self, "!", reason)
  options.fail(where, "%s", reason)
end

-- The result of a call of the core, whose three results are nil, the fault and its message.
local function need(self, where, result, fault, reason)
  if result == nil then
    fail(self, where, fault, reason)
  end
  return result
end

local function check_open(self, where)
  if not self.core then
    options.fail(where, "the link to %s is closed", self.address)
  end
end

local function check_text(where, text)
  if type(text) ~= "string" then
    options.fail(where, "expected a string, got %s", options.type_name(text))
  end
end

-- ---- writing and reading ------------------------------------------------------------------------

-- After a fault, answers to what was asked before may have come since: they are dropped.
local function send(self, where, text)
  check_open(self, where)
  check_text(where, text)
  if self.stale then
    self.stale = false
    need(self, where, self.core:drain(0))
  end
  self.sent = text .. self.terminator
  note(self, ">", printable(self.sent))
  need(self, where, self.core:write(self.sent, self.timeout))
end

-- What comes within that time, and until there is silence: an answer without terminator.
local function receive_some(self, where, seconds)
  local parts, more = {}, need(self, where, self.core:take_some(seconds))
  while more and more ~= "" do
    parts[#parts + 1] = more
    more = self.core:take_some(SILENCE)
  end
  return table.concat(parts)
end

-- A line feed ends an answer with and without a carriage return before it.
local function receive(self, where)
  local answer
  if self.terminator == "" then
    answer = receive_some(self, where, self.timeout)
    if answer == "" then
      fail(self, where, "late", ("%s: nothing came within %g s"):format(self.address, self.timeout))
    end
  else
    answer = need(self, where, self.core:take_until(self.terminator:sub(-1), self.timeout))
    answer = self.terminator == "\r" and answer or answer:gsub("\r$", "")
  end
  note(self, "<", printable(answer))
  return answer
end

--- Send a text and the terminator.
-- @tparam string text
-- @treturn link itself
-- @raise where it could not be sent
function Link:write(text)
  send(self, "link:write", text)
  return self
end

--- Read an answer, without its terminator; or so many bytes, whatever they are.
-- @tparam[opt] table opts {count = bytes}
-- @treturn string
-- @raise where it did not come in time, with what was sent, what came and how long it waited
function Link:read(opts)
  local where = "link:read"
  check_open(self, where)
  local count = options.check(where, { { "count", type = "integer", min = 0 } }, opts).count
  if not count then
    return receive(self, where)
  end
  local bytes = need(self, where, self.core:take(count, self.timeout))
  note(self, "<", printable(bytes))
  return bytes
end

-- Between a question and its answer; Ctrl-C ends it.
local function pause(seconds)
  if seconds > 0 then
    core.process.wait({}, seconds)
  end
end

--- Send a text and read the answer, `wait` seconds later.
-- @tparam string text
-- @treturn string the answer, without its terminator
-- @raise as write and read do
-- @usage local volts = tonumber(link:query "MEAS:VOLT?")
function Link:query(text)
  send(self, "link:query", text)
  pause(self.wait)
  return receive(self, "link:query")
end

-- What stands in place of a block: words of an instrument's, up to the end of their line.
local function refuse_block(self, where, start)
  local reason = "an indefinite block (#0) has no length: ask the instrument for a definite one"
  if start ~= "#0" then
    local rest = self.core:take_some(SILENCE) or ""
    reason = ("expected a block (#…), got %s"):format(printable(start .. rest))
  end
  fail(self, where, "head", ("%s: %s"):format(self.address, reason))
end

--- Send a text and read the answer, a definite block of IEEE 488.2.
-- @tparam string text
-- @treturn string its bytes, without head and terminator
-- @raise where the answer is no such block, and as write and read do
-- @usage local wave = link:query_block "CURV?"
function Link:query_block(text)
  local where = "link:query_block"
  send(self, where, text)
  pause(self.wait)
  local bytes, fault, reason = self.core:take_block(self.timeout)
  if fault == "head" then
    refuse_block(self, where, reason)
  end
  need(self, where, bytes, fault, reason)
  note(self, "<", printable(bytes))
  if self.terminator ~= "" then
    local rest = need(self, where, self.core:take_until(self.terminator:sub(-1), self.timeout))
    if rest:find "[^\r]" then
      fail(self, where, "head", ("%s: a block of %d bytes is followed by %s: expected its end")
        :format(self.address, #bytes, printable(rest)))
    end
  end
  return bytes
end

--- Take all errors from the queue of an instrument that speaks SCPI.
-- @treturn table list of strings such as `-113,"Undefined header"`, the oldest first
-- @raise as query does; where the queue does not become empty
function Link:errors()
  local list = {}
  for _ = 1, ERRORS do
    local answer = self:query "SYST:ERR?"
    if answer:find "^%s*[+-]?0+[,%s]" or answer:find "^%s*[+-]?0+$" then
      return list
    end
    list[#list + 1] = answer
  end
  options.fail("link:errors", "%s: the queue is not empty after %d errors, the last %s",
    self.address, ERRORS, list[ERRORS])
end

-- ---- opening and closing ------------------------------------------------------------------------

-- Whether *IDN? with this terminator has an answer that ends in the same way.
local function has_answer(self, terminator)
  local where, time = "mgd.chip.link", math.min(self.timeout, PROBE_TIME)
  self.sent = "*IDN?" .. terminator
  note(self, ">", printable(self.sent))
  need(self, where, self.core:write(self.sent, time))
  local answer = receive_some(self, where, time)
  if answer ~= "" then
    note(self, "<", printable(answer))
  end
  return answer ~= "" and answer:sub(-1) == (terminator ~= "" and terminator or answer):sub(-1)
end

-- What an earlier terminator left half said is ended first. An answer that comes late may be one to
-- an earlier question: the instrument has to answer twice.
local function probe(self)
  for round = 1, PROBES do
    for i, terminator in ipairs(PROBED) do
      if round > 1 or i > 1 then
        need(self, "mgd.chip.link", self.core:write(terminator, self.timeout))
        need(self, "mgd.chip.link", self.core:drain(SILENCE))
      end
      if has_answer(self, terminator) and has_answer(self, terminator) then
        return terminator
      end
    end
  end
  fail(self, "mgd.chip.link", "late", self.address .. ": it does not answer with any terminator")
end

--- Close the link, where it is open, and open it anew. A child process is started again.
-- @treturn link itself
-- @raise where it cannot be opened
function Link:reopen()
  check_open(self, "link:reopen")
  self.stale, self.sent = false, nil
  note(self, "!", "reopened")
  need(self, "link:reopen", self.core:reopen())
  return self
end

--- Close it, for good. A child process is ended.
function Link:close()
  if self.core then
    self.core:close()
    self.core = nil
    note(self, "!", "closed")
  end
  if self.log then
    self.log:close()
    self.log = nil
  end
end

function Link:__tostring()
  return ("link: %s, %s"):format(self.address, not self.core and "closed"
    or self.terminator == "" and "no terminator" or "terminator " .. printable(self.terminator))
end

local function check_terminator(given)
  for _, terminator in ipairs(PROBED) do
    if given == nil or given == terminator or given == "probe" then
      return given or "\n"
    end
  end
  local names = {}
  for i, terminator in ipairs(PROBED) do
    names[i] = printable(terminator)
  end
  options.fail("mgd.chip.link", 'option \'terminator\' must be %s or "probe", got %s',
    table.concat(names, ", "), printable(given))
end

local function check_target(to)
  local words = type(to) == "table" and #to > 0
  if words then
    options.length("mgd.chip.link", nil, to)
  elseif type(to) ~= "string" and not (type(to) == "table" and to.write and to.read) then
    options.fail("mgd.chip.link", "expected an address, a list of words, or functions {write =, "
      .. "read =}, got %s", options.type_name(to))
  end
end

local function open_log(path)
  local file, reason = io.open(path, "a")
  if not file then
    options.fail("mgd.chip.link", "option 'log': %s", reason)
  end
  file:write(os.date "# %Y-%m-%d %H:%M:%S: a link is opened; times are in seconds\n")
  return file
end

--- Open a link.
-- @param to an address as VISA writes it: "TCPIP::host::port::SOCKET", "ASRL/dev/ttyUSB0" or
--   "EXEC::program word …"; a list of words, {"EXEC", "python3", "my chip.py"}; or functions:
--   `write(bytes)`, `read(most, seconds)`, which returns a string, "" where nothing came and nil
--   at the end, and optionally `open()` and `close()`
-- @tparam[opt] table opts `timeout` (5 s), `wait` (0 s), `terminator` ("\n"), `limit`, `log`, and
--   of serial ports `baud` (115200), `parity` ("none"), `flow` ("none"), `stop_bits` (1)
-- @treturn link with fields `address` and `terminator`
-- @raise where it cannot be opened
-- @usage
-- local link = mgd.chip.link("TCPIP::192.168.1.7::5025::SOCKET", {terminator = "probe"})
-- print(link:query "*IDN?")
local function open(to, opts)
  local where = "mgd.chip.link"
  local opt = options.check(where, SCHEMA, opts)
  local terminator = check_terminator(opt.terminator)
  check_target(to)
  local self = setmetatable({ terminator = terminator, timeout = opt.timeout, wait = opt.wait,
    opened = core.base.clock(), stale = false, log = opt.log and open_log(opt.log) }, Link)
  local wire, _, reason = core.wire.open { to = to, timeout = opt.timeout, limit = opt.limit,
    baud = opt.baud, parity = opt.parity, flow = opt.flow, stop_bits = opt.stop_bits }
  if not wire then
    options.fail(where, "%s", reason)
  end
  self.core, self.address = wire, wire:address()
  if terminator == "probe" then
    self.terminator = probe(self)
  end
  return self
end

return { open = open, SCHEMA = SCHEMA, SERIAL = SERIAL }
