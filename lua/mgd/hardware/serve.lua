--- The chip server: any chip as an instrument, which speaks docs/guide/chip-contract.md.
-- @module mgd.hardware.serve

local core = require "mgd.core"
local encoding = require "mgd.base.encoding"
local memory = require "mgd.hardware.memory"
local options = require "mgd.base.options"

local WHERE = "mgd.chip.serve"
local MAX_SAMPLES = 1e6
local SLICE = 0.1 -- seconds
local SAMPLE_BYTES = 2 ^ 30 -- that samples may take, unless somebody says how many

local M = {}

M.SCHEMA = {
  { "chip", type = "chip", doc = "What is served." },
  { "net", type = "network", doc = "Served as an ideal chip. Either this or chip." },
  { "listen", type = "string", default = "127.0.0.1:5025",
    doc = "host:port (port 0: any free one), pty (a pseudo-terminal), or - (standard input and "
      .. "output)." },
  { "public", type = "boolean", default = false,
    doc = "Whether host may be another than this machine: whoever reaches the port can use the "
      .. "chip." },
  { "data", type = { "dataset", "table" },
    doc = "Samples that are there from the start: a data set, or {x =, y =}." },
  { "inputs", type = { "integer", "list" },
    doc = "Of a chip in Lua: numbers in a sample, or its shape. Those of data." },
  { "outputs", type = "integer", min = 1,
    doc = "Of a chip in Lua: numbers in an output. Those of data." },
  { "targets", type = { "integer", "list" },
    doc = "Numbers in a target, or its shape. As many as outputs." },
  { "cost", type = { "string", "function", "boolean" }, default = "mse",
    doc = "What the chip compares outputs with targets by: mse, cross_entropy, l2, or "
      .. "function(y, target) → number; false: it returns outputs." },
  options.stated("label_smoothing", { only = { "cost", "cross_entropy" } }),
  { "perturbs", type = "boolean", default = true,
    doc = "Whether the chip forms θ̃ by itself, of code, seed, replica, slot and amplitude." },
  { "stateless", type = "boolean",
    doc = "Whether its answers depend on nothing but what was sent; true of an ideal chip." },
  { "safe", type = "tensor", doc = "θ (P) of the safe state; as it is at the start." },
  { "ranges", type = "list",
    doc = "What the chip says of its parameters: {low, high, scale = \"linear\" | \"log\"}, one "
      .. "for all or one for each." },
  { "resolution", type = "number", above = 0, doc = "The same: smallest step of a parameter." },
  { "unit", type = "string", doc = "The same: of parameters, such as V." },
  { "identity", type = "string", default = "mgd-lua,chip server,0,1.0",
    doc = "Maker, model, serial number and version, with commas between." },
  { "dt", type = "number", above = 0, unit = "s",
    doc = "Time of a step; the chip's clock says it, or 1." },
  { "samples", type = "integer", min = 1, max = 2147483647,
    doc = "How many samples it keeps, at most; 1e6, or what fits in 1 GiB." },
  { "message", type = "integer", default = 16777216, min = 1024, max = 1073741824, unit = "bytes",
    doc = "The longest message that it takes." },
  { "requests", type = "integer", min = 1, doc = "How many are served, then it returns." },
  { "clients", type = "integer", min = 1,
    doc = "How many are served, one after the other; when the last has gone it returns." },
  { "seconds", type = "number", above = 0, unit = "s",
    doc = "How long it serves, then it returns." },
  { "idle", type = "number", above = 0, unit = "s",
    doc = "Silence after which a client is sent away." },
  { "stall", type = "number", default = 10, above = 0, unit = "s",
    doc = "Silence within a message, after which its beginning is dropped." },
  { "on_ready", type = "function",
    doc = "function(address, resource), called once it listens: 127.0.0.1:40123 and "
      .. "TCPIP::127.0.0.1::40123::SOCKET, /dev/pts/3 and ASRL/dev/pts/3, or - alone." },
  { "log", type = { "boolean", "function" }, default = false,
    doc = "Whether clients, and what goes wrong with them, are reported on standard error; or "
      .. "function(text)." },
  options.stated "threads",
}

-- ---- where it listens ---------------------------------------------------------------------------

local function is_loopback(host)
  return host == "localhost" or host == "::1" or host:find "^127%.%d+%.%d+%.%d+$" ~= nil
end

local function check_listen(opt)
  if opt.listen == "pty" or opt.listen == "-" then
    return
  end
  local host = opt.listen:match "^%[(.+)%]:%d+$" or opt.listen:match "^([^:]+):%d+$"
  if not host then
    options.fail(WHERE, "option 'listen' is '%s': expected host:port, such as 127.0.0.1:5025, pty, "
      .. "or -", opt.listen)
  elseif not (opt.public or is_loopback(host)) then
    options.fail(WHERE, "option 'listen' is '%s', which others can reach: expected 127.0.0.1, or "
      .. "public = true", opt.listen)
  end
end

-- ---- shapes -------------------------------------------------------------------------------------

local function as_shape(name, value)
  local shape = type(value) == "table" and value or { value }
  for _, size in ipairs(shape) do
    if type(size) ~= "number" or size < 1 or size % 1 ~= 0 then
      options.fail(WHERE, "option '%s': expected integers ≥ 1", name)
    end
  end
  return shape
end

local function tail(t)
  local shape = {}
  for i = 2, #t.shape do
    shape[i - 1] = t.shape[i]
  end
  return shape
end

local function size_of(shape)
  local size = 1
  for _, n in ipairs(shape) do
    size = size * n
  end
  return size
end

local function check_data(opt)
  if not opt.data then
    return
  end
  local x, y = options.tensor(opt.data.x), options.tensor(opt.data.y)
  if not x or not y or #x.shape < 2 or #y.shape < 2 or x.shape[1] ~= y.shape[1] then
    options.fail(WHERE, "option 'data': expected x (N, …) and y (N, K) as mgd.data has them")
  end
  return x, y
end

local function check_shapes(opt, x, y)
  local net = opt.net or opt.chip.net
  local inputs = opt.inputs and as_shape("inputs", opt.inputs) or x and tail(x) or net and net.input
  local outputs = net and net.outputs or opt.outputs or y and size_of(tail(y))
  if not inputs or not outputs then
    options.fail(WHERE, "option '%s' is missing: how many does the chip %s?",
      inputs and "outputs" or "inputs", inputs and "return for a sample" or "take")
  end
  local targets = opt.targets and as_shape("targets", opt.targets) or y and tail(y) or { outputs }
  return inputs, targets, outputs
end

-- ---- what it says of itself ---------------------------------------------------------------------

local function range_text(i, range)
  local low, high, scale = range[1], range[2], range.scale or "linear"
  if type(low) ~= "number" or type(high) ~= "number" or low >= high
    or (scale ~= "linear" and scale ~= "log") or (scale == "log" and low <= 0) then
    options.fail(WHERE, "option 'ranges', element %d: expected {low, high, scale = \"linear\" | "
      .. "\"log\"}, low < high, and 0 < low where it is log", i)
  end
  return ("%s:%s:%s"):format(encoding.number(low), encoding.number(high), scale)
end

local function ranges_text(opt, parameters)
  local ranges = type(opt.ranges[1]) == "number" and { opt.ranges } or opt.ranges
  if #ranges ~= 1 and #ranges ~= parameters then
    options.fail(WHERE, "option 'ranges' has %d elements: expected 1 or %d", #ranges, parameters)
  end
  local words = {}
  for i, range in ipairs(ranges) do
    words[i] = range_text(i, range)
  end
  return table.concat(words, ",")
end

local function check_word(name, text)
  if text:find "[%s%c]" or text == "" then
    options.fail(WHERE, "option '%s' is '%s': expected a word", name, text)
  end
  return text
end

local function further_words(opt, parameters)
  local words = ""
  if opt.ranges then
    words = " ranges=" .. ranges_text(opt, parameters)
  end
  if opt.resolution then
    words = words .. " resolution=" .. encoding.number(opt.resolution)
  end
  return opt.unit and words .. " unit=" .. check_word("unit", opt.unit) or words
end

local function check_identity(opt)
  local _, commas = opt.identity:gsub(",", "")
  if commas ~= 3 or opt.identity:find "%c" then
    options.fail(WHERE, "option 'identity' is '%s': expected maker,model,serial,version",
      opt.identity)
  end
end

-- ---- serving ------------------------------------------------------------------------------------

local function check_chip(opt)
  if (opt.net == nil) == (opt.chip == nil) then
    options.fail(WHERE, "expected either net = … or chip = …")
  end
  if opt.cost == true then
    options.fail(WHERE, "option 'cost' is true: expected its name, a function, or false")
  end
  local parameters = (opt.net or opt.chip).num_parameters
  if opt.safe and (#opt.safe.shape ~= 1 or opt.safe.shape[1] ~= parameters) then
    options.fail(WHERE, "option 'safe': expected θ of shape {%d}", parameters)
  end
  return opt.net and core.chip.ideal(opt.net.core) or opt.chip.core, parameters
end

-- As the core wants them.
local function flatten(opt, parameters)
  local x, y = check_data(opt)
  local inputs, targets, outputs = check_shapes(opt, x, y)
  local each = (size_of(inputs) + size_of(targets)) * 8
  local samples = math.min(MAX_SAMPLES, math.max(1, math.floor(SAMPLE_BYTES / each)))
  local log = opt.log
  if log == true then
    log = function(text)
      io.stderr:write(WHERE, ": ", text, "\n")
    end
  end
  return {
    shape_x = inputs, shape_y = targets, outputs = outputs, x = x, y = y, safe = opt.safe,
    cost = opt.cost or "mse", label_smoothing = opt.label_smoothing, costs = opt.cost ~= false,
    perturbs = opt.perturbs, stateless = opt.stateless,
    dt = opt.dt or opt.chip and opt.chip.clock.dt or 1, threads = opt.threads,
    samples = opt.samples or math.max(samples, x and x.shape[1] or 1), message = opt.message,
    identity = opt.identity, more = further_words(opt, parameters),
    memory = memory.new(), log = log or nil,
  }
end

--- A server that listens nowhere yet.
-- @tparam table opts as those of `M.serve`
-- @treturn userdata the core's server: `take(bytes)` returns what it answers
-- @treturn table the options, checked
function M.open(opts)
  local opt = options.check(WHERE, M.SCHEMA, opts)
  local chip, parameters = check_chip(opt)
  check_listen(opt)
  check_identity(opt)
  if opt.stateless == nil then
    opt.stateless = opt.net ~= nil or opt.chip.ideal
  end
  return core.serve.new(chip, flatten(opt, parameters)), opt
end

-- The same address as mgd.chip{instrument = …} takes it; nil of standard input and output.
local function resource_of(address)
  local host, port = address:match "^(.+):(%d+)$"
  if host then
    return ("TCPIP::%s::%s::SOCKET"):format(host, port)
  end
  return address ~= "-" and "ASRL" .. address or nil
end

-- Some time after the other: between two of them interpreters look at their own signals.
local function work(server)
  local requests, errors, clients
  repeat
    requests, errors, clients = server:work(SLICE)
  until requests ~= false
  return requests, errors, clients
end

--- Serve a chip as an instrument, until Ctrl-C, `requests`, `clients` or `seconds`; or on "-" until
-- standard input ends. One client at a time: another one is told so and sent away.
-- @tparam table opts see `M.SCHEMA`: `chip` or `net`, `listen`, `data`, `cost`, `perturbs`, `safe`,
--   `ranges`, `requests`, `clients`, `seconds`, `idle`, `on_ready`, `log`, …
-- @treturn table {requests =, errors =, clients =}
-- @raise on every option that is wrong, where it cannot listen, and on Ctrl-C
-- @usage mgd.chip.serve{chip = chip, listen = "127.0.0.1:5025", cost = "mse"}
function M.serve(opts)
  local server, opt = M.open(opts)
  local counts
  local ok, why = pcall(function()
    local address = server:listen(opt.listen, opt)
    if opt.on_ready then
      opt.on_ready(address, resource_of(address))
    end
    counts = { work(server) }
  end)
  server:close()
  if not ok then
    error(why, 0)
  end
  if not counts[1] then
    options.fail(WHERE, "%s", counts[2])
  end
  return { requests = counts[1], errors = counts[2], clients = counts[3] }
end

return M
