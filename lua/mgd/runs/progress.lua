--- Progress on stderr: steps, rate, cost, accuracy, time left. A terminal has a line that changes;
-- a file or a pipe gets one now and then.
-- @module mgd.runs.progress

local core = require "mgd.core"
local numbers = require "mgd.text.numbers"

local M = {}

local CLEAR = "\r\27[K"
local SELDOM = 10 -- seconds between two lines of a file

-- What lines are written to.
local Out = {}
Out.__index = Out

-- `often`: seconds between two states of the line of a terminal.
local function new_out(often)
  local terminal = core.base.isatty(2)
  return setmetatable({ terminal = terminal, pause = terminal and often or SELDOM,
    shown = terminal and -math.huge or core.base.clock() }, Out)
end

function Out:due()
  return core.base.clock() - self.shown >= self.pause
end

function Out:show(text)
  self.shown = core.base.clock()
  io.stderr:write(self.terminal and CLEAR or "", text, self.terminal and "" or "\n")
  io.stderr:flush()
end

-- The last state of a line stays on the screen.
function Out:finish()
  if self.terminal then
    io.stderr:write "\n"
  end
end

-- ---- a run --------------------------------------------------------------------------------------

local Line = {}
Line.__index = Line

--- A line for so many steps of a run.
function M.new(run, steps)
  return setmetatable({ run = run, first = run.steps_done, total = steps, seconds = 0, done = 0,
    shown = "", out = new_out(0.1) }, Line)
end

--- Steps per second so far.
function Line:rate()
  return self.seconds > 0 and self.done / self.seconds or 0
end

-- Mean of a list of R numbers.
local function mean(list)
  local sum = 0
  for _, value in ipairs(list) do
    sum = sum + value
  end
  return sum / #list
end

--- Note a row of probes.
function Line:probed(row)
  local parts = {}
  for _, name in ipairs { "cost", "accuracy" } do
    if row[name] then
      parts[#parts + 1] = name .. " " .. numbers.number(mean(row[name]), 4)
    end
  end
  self.shown = table.concat(parts, "  ")
  self:draw(row.step)
end

--- Note that steps were done.
function Line:advanced(steps, seconds, step)
  self.done, self.seconds = self.done + steps, self.seconds + seconds
  self:draw(step)
end

local function clock(seconds)
  if seconds ~= seconds or seconds > 3.6e5 then
    return "--:--"
  end
  local s = math.floor(seconds + 0.5)
  local h = math.floor(s / 3600)
  local rest = ("%02d:%02d"):format(math.floor(s / 60) % 60, s % 60)
  return h > 0 and h .. ":" .. rest or rest
end

local function count(n)
  for _, unit in ipairs { { 1e9, "G" }, { 1e6, "M" }, { 1e3, "k" } } do
    if n >= unit[1] then
      return ("%.3g%s"):format(n / unit[1], unit[2])
    end
  end
  return ("%.3g"):format(n)
end

-- Nothing where the engine counts as it goes, of each replica by itself.
local function evaluations_text(run, step)
  local evaluations = run.core:evaluations(step)
  return evaluations == evaluations and (", %s evaluations"):format(count(evaluations)) or ""
end

function Line:draw(step)
  local last = self.first + self.total
  if self.out:due() or self.out.terminal and step >= last then
    self.out:show(("step %d of %d%s  %s steps/s  %s  %s left"):format(step, last,
      evaluations_text(self.run, step), count(self:rate()), self.shown,
      clock((last - step) / self:rate())))
  end
end

--- Leave the last state of the line.
function Line:finish()
  self.out:finish()
end

-- ---- a sweep ------------------------------------------------------------------------------------

local Overall = {}
Overall.__index = Overall

--- A line for a sweep.
function M.overall()
  return setmetatable({ out = new_out(0.2) }, Overall)
end

--- Whether it is time for the line to be drawn anew.
function Overall:due()
  return self.out:due()
end

--- Draw it.
-- @tparam number done work
-- @tparam number all work
-- @tparam integer finished batches
-- @tparam integer batches
function Overall:draw(done, all, finished, batches)
  local now = core.base.clock()
  self.began, self.first = self.began or now, self.first or done
  local rate = (done - self.first) / (now - self.began)
  self.out:show(("%d of %d batches  %.1f %%  %s replica·steps/s  %s left"):format(finished, batches,
    100 * done / all, count(rate == rate and rate or 0), clock((all - done) / rate)))
end

Overall.finish = Line.finish

return M
