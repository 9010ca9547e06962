--- Replay: a chip that answers as a recording has it. Options of the run are compared with the
-- recorded ones when it is made, and what it asks with what was asked as it goes: it trains the
-- same run, bit for bit, or says where it departs.
-- @module mgd.runs.replay

local chips = require "mgd.hardware.chip"
local core = require "mgd.core"
local data = require "mgd.data"
local files = require "mgd.base.files"
local hw = require "mgd.hardware.hw"
local interrupts = require "mgd.base.interrupts"
local json = require "mgd.text.json"
local options = require "mgd.base.options"
local recipe = require "mgd.runs.recipe"
local recording = require "mgd.runs.recording"

local M = {}

local WHERE = "mgd.chip.replay"

-- ---- reading ------------------------------------------------------------------------------------

-- What the text in the head must look like.
local TEXT = {
  { "format", type = "integer", required = true },
  { "mgd", type = "string" },
  { "parameters", type = "integer", required = true, min = 1 },
  { "network", type = "table" },
  { "chip", type = "table", required = true },
  { "data", type = "table", required = true },
  { "training", type = "table", required = true },
  { "functions", type = "table", required = true },
  { "identity", type = "any" },
  { "description", type = "any" },
}

local DATA = {
  { "name", type = "string", required = true },
  { "fingerprint", type = "string", required = true },
  { "recipe", type = "table" },
}

local function fail(path, format, ...)
  options.fail(WHERE, "%s: " .. format, path, ...)
end

local function parse(head, path)
  local plain = json.decode(head.text, function(at)
    fail(path, "a damaged recording: not the text of one, at byte %d of it", at)
  end)
  if type(plain) == "table" and type(plain.format) == "number"
    and plain.format ~= recording.FORMAT then
    fail(path, "it was written by mgd %s, in format %d: this one, %s, reads format %d",
      tostring(plain.mgd), plain.format, core.base.version(), recording.FORMAT)
  elseif type(plain) ~= "table" then
    fail(path, "a damaged recording: its text is no table")
  end
  local where = WHERE .. ": " .. path
  plain = options.check(where, TEXT, plain)
  options.check(where .. ": data", DATA, plain.data)
  options.check(where .. ": functions", { positional = { type = "string" } }, plain.functions)
  if plain.parameters ~= head.parameters then
    fail(path, "a damaged recording: %d parameters in its text, and %d in its head",
      plain.parameters, head.parameters)
  end
  return plain
end

-- The chip that was recorded, with θ as it began, where its text says what it is.
local function make_again(plain, theta, path)
  if not plain.network then
    local clock = plain.chip.clock
    return chips { parameters = plain.parameters, clock = clock, evaluate = function()
      error "a recording evaluates nothing"
    end }
  end
  local net = recipe.make_network(plain.network, function(layer)
    fail(path, "its network has a layer '%s', which is unknown here",
      tostring(type(layer) == "table" and layer.kind))
  end)
  return recipe.make_chip(plain.chip, net:set_theta(theta), function(_, plain_model)
    local model, reason = hw.restore(plain_model)
    return model or fail(path, "%s", reason)
  end)
end

-- What `make` returns; whatever goes wrong in it comes of the file.
local function made_of(path, make)
  local ok, made = interrupts.pcall(make)
  if ok then
    return made
  end
  local message, _, here = tostring(made), pcall(core.fail, "")
  if message:sub(1, #here) ~= here then
    fail(path, "a damaged recording")
  end
  local text = message:sub(#here + 1)
  if text:find(path, 1, true) then
    error(message, 0)
  end
  fail(path, "%s", text)
end

-- ---- the recorded run ---------------------------------------------------------------------------

local Replay = {}
Replay.__index = Replay

function Replay:__tostring()
  return ("recording %s of %d steps of %d parameters%s%s"):format(self.path,
    self.last - self.first, self.plain.parameters,
    self.first > 0 and (", from step %d on"):format(self.first) or "",
    self.cut and ", cut short" or "")
end

local function value_text(value)
  if value == nil then
    return "not given"
  end
  return type(value) == "string" and value or json.encode(value, { where = WHERE })
end

--- Compare a run that is about to be made with the one that was recorded.
-- @tparam table opt what `settings.resolve` gave
-- @raise where they differ, naming the option
function Replay:check(opt)
  local now = recording.describe(opt)
  local other = recording.difference(now, self.plain)
  if not other then
    return
  elseif other.path == "data.fingerprint" then
    options.fail("mgd.train", "option 'data': %s is not the data set of the recording %s, %s: the "
      .. "run would depart from it at step %d", opt.data.name, self.path, self.plain.data.name,
      self.first)
  end
  local name = other.path:gsub("^training%.", "")
  options.fail("mgd.train", "option '%s' is %s, and was %s in the recording %s: the run would "
    .. "depart from it at step %d", name, value_text(other.a), value_text(other.b), self.path,
    self.first)
end

--- The options of mgd.train with which the run was recorded: `chip` is the one that replays it;
-- `data` is there where it has a recipe; functions, whose names are in `functions`, are not.
-- @treturn table
function Replay:options()
  local opt = recipe.copy(self.plain.training)
  recipe.restore_training(opt)
  opt.chip = self.chip
  opt.data = self.plain.data.recipe and data.restore(self.plain.data.recipe) or nil
  return opt
end

-- ---- rows ---------------------------------------------------------------------------------------

--- Names of the probes that were recorded, once each.
function Replay:probes()
  local names, seen = {}, {}
  for _, rows in pairs(self.rows) do
    for _, row in ipairs(rows) do
      for name in pairs(row) do
        names[#names + 1] = not seen[name] and name or nil
        seen[name] = true
      end
    end
  end
  table.sort(names)
  return names, seen
end

--- The recorded row at the run's present step: a step that was probed several times has as many.
-- @treturn table|nil name → list of R numbers
function Replay:next_row(run)
  local step = run.steps_done
  local rows, taken = self.rows[step] or {}, run.replayed
  if taken.step ~= step then
    taken.step, taken.count = step, 0
  end
  taken.count = math.min(taken.count + 1, #rows)
  return rows[taken.count]
end

local function rows_of(core_recording)
  local rows = {}
  for i = 1, core_recording:num_rows() do
    local step, row = core_recording:row_of(i)
    rows[step] = rows[step] or {}
    table.insert(rows[step], row)
  end
  return rows
end

-- ---- the chip -----------------------------------------------------------------------------------

--- A chip that answers as recorded: `mgd.chip.replay` is this.
--
-- It trains the run that was recorded, with the same options, and no other: `threads`, and `steps`
-- and `every` of run:run, may differ. Rows of probes that were recorded are returned at their
-- steps, and are nan at others; probes that need the chip and were not recorded are refused. The
-- file is read once, and no code of it is run.
-- @tparam string path
-- @treturn chip whose field `replays` has `first` and `last` (it holds the steps from `first` to
--   before `last`), `cut` (the file does not end whole), `functions` (names of options that were
--   some), `identity` and `description` (of an instrument), and `replays:options()`
-- @raise on a file that is missing, damaged before its first step, or no recording; on a model
--   whose law had another version
-- @usage
-- local chip = mgd.chip.replay "session.mgdrec"
-- local run = mgd.train(chip.replays:options())
function M.replay(path)
  files.check_path(WHERE, path)
  local read = core.recording.read(path)
  local head = read:head()
  local plain = parse(head, path)
  local chip = made_of(path, function()
    return make_again(plain, read:theta(), path)
  end)
  chip.core = read:chip(chip.net and chip.core or nil)
  chip.num_nodes, chip.has_function = 0, true
  chip.replays = setmetatable({ path = path, chip = chip, plain = plain, rows = rows_of(read),
    first = head.first, last = head.last, cut = head.cut, functions = plain.functions,
    identity = plain.identity, description = plain.description }, Replay)
  return chip
end

return M
