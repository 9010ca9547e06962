--- The progress line: steps, rate, cost, accuracy, time left, on a terminal.
-- @module mgd.progress

local core = require "mgd.core"
local figures = require "mgd.figures"

local M = {}

local Line = {}
Line.__index = Line

local CLEAR = "\r\27[K"

--- A line for so many steps of a run, or nil where stderr is no terminal.
function M.new(run, steps)
  if not core.base.isatty(2) then
    return nil
  end
  return setmetatable({ first = run.steps_done, total = steps, seconds = 0, done = 0, shown = "" },
    Line)
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
      parts[#parts + 1] = name .. " " .. figures.number(mean(row[name]), 4)
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

function Line:draw(step)
  local now = core.base.clock()
  if self.drawn and now - self.drawn < 0.1 and step < self.first + self.total then
    return
  end
  self.drawn = now
  local left = (self.first + self.total - step) / self:rate()
  io.stderr:write(CLEAR, ("step %d of %d  %s steps/s  %s  %s left"):format(step,
    self.first + self.total, count(self:rate()), self.shown, clock(left)))
  io.stderr:flush()
end

--- Leave the last state of the line on the screen.
function Line.finish()
  io.stderr:write("\n")
end

-- ---- a sweep ------------------------------------------------------------------------------------

local Overall = {}
Overall.__index = Overall

--- A line for a sweep, or nil where stderr is no terminal.
function M.overall()
  if not core.base.isatty(2) then
    return nil
  end
  return setmetatable({ drawn = 0 }, Overall)
end

--- Whether it is time for the line to be drawn anew.
function Overall:due()
  return core.base.clock() - self.drawn > 0.2
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
  io.stderr:write(CLEAR, ("%d of %d batches  %.1f %%  %s replica·steps/s  %s left"):format(finished,
    batches, 100 * done / all, count(rate == rate and rate or 0), clock((all - done) / rate)))
  io.stderr:flush()
  self.drawn = now
end

Overall.finish = Line.finish

return M
