--- Recordings: what the chip of a run answered, in a file, from which `mgd.chip.replay` makes a
-- chip that trains the same run without the original.
--
-- The core writes the file: the costs of every step and rows of probes, which follow a head. The
-- text in the head says what was trained and how, in the terms of mgd.runs.recipe:
--
--     format, mgd       of the text; the version that wrote it
--     parameters        P
--     network, chip     of chips that can be made again; {clock =} of others
--     data              {name =, fingerprint =, recipe =}
--     training          options of mgd.train
--     functions         names of those that are functions, which a file cannot hold
--     identity, description    of an instrument, as it gave them
-- @module mgd.runs.recording

local core = require "mgd.core"
local files = require "mgd.base.files"
local json = require "mgd.text.json"
local options = require "mgd.base.options"
local recipe = require "mgd.runs.recipe"

local M = {}

M.FORMAT = 1

-- Plain data as they come back from a file, where integers and floats may be told apart.
local function as_read(plain)
  return json.decode(json.encode(plain, { where = "mgd.train: record" }))
end

--- What identifies a run: options that decide results, data, and the chip as far as it is known.
-- @tparam table opt what `settings.resolve` gave
-- @treturn table plain
function M.describe(opt)
  local chip = opt.chip
  local training, functions = recipe.training(opt, true)
  training.threads = nil
  return as_read {
    format = M.FORMAT,
    mgd = core.base.version(),
    parameters = chip.num_parameters,
    network = chip.net and recipe.network(chip.net),
    chip = chip.has_function and { clock = chip.clock } or recipe.chip(chip),
    data = { name = opt.data.name, fingerprint = opt.data:fingerprint(),
      recipe = opt.data.recipe },
    training = training,
    functions = functions,
    identity = chip.instrument and chip.instrument.identity,
    description = chip.instrument and chip.instrument.said,
  }
end

--- The first option in which a run differs from a recorded one.
-- @tparam table now as `describe` gives it
-- @tparam table before likewise
-- @tparam[opt] table parts names of what else is compared: "network", "chip"
-- @treturn table|nil {path =, a = of now, b = of before}
function M.difference(now, before, parts)
  local sides = {}
  for i, from in ipairs { now, before } do
    local side = { parameters = from.parameters, training = recipe.copy(from.training),
      data = { fingerprint = from.data.fingerprint } }
    for _, name in ipairs(from.functions) do
      side.training[name] = "a function"
    end
    for _, name in ipairs(parts or {}) do
      side[name] = from[name]
    end
    sides[i] = side
  end
  local list = recipe.differences(sides[1], sides[2])
  for _, difference in ipairs(list) do -- the others follow from such a one
    if difference.a ~= nil and difference.b ~= nil then
      return difference
    end
  end
  return list[1]
end

-- ---- writing ------------------------------------------------------------------------------------

local Recording = {}
Recording.__index = Recording

--- Record a run. The file is opened before the first step.
-- @tparam run run that has just been made
-- @tparam string path
-- @raise where something else is at the path
function M.new(run, path)
  files.check_path("mgd.train: record", path)
  core.recording.record(run.core, path)
  return setmetatable({ run = run, path = path }, Recording)
end

-- Whether the file is a recording that this run, which was resumed, goes on in.
function Recording:resumes()
  if self.run.steps_done == 0 or not files.exists(self.path) then
    return false
  end
  local before = json.decode(core.recording.read(self.path):head().text, function()
    options.fail("run:run", "record: %s: a damaged recording", self.path)
  end)
  local difference = M.difference(M.describe(self.run.options), before, { "network", "chip" })
  if difference then
    options.fail("run:run", "record: %s is the recording of another run (%s differs): expected its "
      .. "own, or another path", self.path, difference.path)
  end
  return true
end

--- Before the run advances. What takes no step does not open the file.
-- @tparam integer steps
function Recording:begin(steps)
  local chip = self.run.options.chip
  if not self.text and steps == 0 then
    return
  elseif not self.text then
    local resumes = self:resumes()
    local text = json.encode(M.describe(self.run.options), { where = "run:run: record" })
    core.recording.begin(self.run.core, text, resumes, chip.has_function)
    self.text = text
  else
    core.recording.begin(self.run.core, "", false, false)
  end
  self.active = true
end

--- Take a row of probes.
-- @tparam table names
-- @tparam table row name → list of R numbers
function Recording:row(names, row)
  if self.active and #names > 0 then
    core.recording.row(self.run.core, names, row)
  end
end

--- Say so, once, where the recording has ended; the run goes on.
function Recording:tell()
  local news = core.recording.news(self.run.core)
  if news then
    io.stderr:write("mgd: warning: ", news, "\n")
  end
end

--- After the run has advanced, or has failed to.
function Recording:pause()
  if self.active then
    self.active = nil
    core.recording.pause(self.run.core)
  end
  self:tell()
end

--- Record no more. The file stays, and the run may be recorded anew.
function Recording:finish()
  core.recording.finish(self.run.core)
  self.run.recording = nil
end

return M
