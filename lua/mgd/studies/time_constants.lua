--- The time-constant map: where in (τ_p, τ_θ, τ_x) a chip learns.
--
--     local map = mgd.time_constants{experiment = exp, seeds = 64,
--       tau_p = {1, 4, 16}, tau_theta = {1, 4, 16, 64}, tau_x = {1, 8, 64}}
--     map:plot():save "time-constants.svg"
--
-- A chip's own times (the bandwidth of its paths, its clock) are what shape the map: a perturbation
-- must be held until the cost has followed, a sample until enough perturbations have been heard.
-- Combinations that cannot be trained, as the engine refuses them, stay empty.
-- @module mgd.studies.time_constants

local core = require "mgd.core"
local experiment = require "mgd.studies.experiment"
local grid = require "mgd.text.grid"
local interrupts = require "mgd.base.interrupts"
local naming = require "mgd.base.naming"
local options = require "mgd.base.options"
local plot = require "mgd.plot"
local sweeps = require "mgd.studies.sweep"
local text = require "mgd.base.encoding"

local M = {}

local WHERE = "mgd.time_constants"
local NAMES = { "tau_p", "tau_theta", "tau_x" }
local LETTERS = { tau_p = "τ_p", tau_theta = "τ_θ", tau_x = "τ_x" }

M.SCHEMA = {
  { "experiment", type = "any", required = true, doc = "With its chip; it needs a stop." },
  { "tau_p", type = { "list", "tensor" }, unit = "steps",
    doc = "Values; the experiment's without." },
  { "tau_theta", type = { "list", "tensor" }, unit = "steps", doc = "The same." },
  { "tau_x", type = { "list", "tensor" }, unit = "steps", doc = "The same." },
  { "seeds", type = "integer", default = 64, min = 1, doc = "Replicas of each point." },
  { "name", type = "string", doc = "Of the sweep in the store; NAME-times without." },
  { "store", type = "any", doc = "A store or the path of one; in memory without." },
  { "workers", type = "integer", min = 1, doc = "Processes; see sweep:run." },
  { "progress", type = "boolean", default = false,
    doc = "A line on the terminal (stderr); elsewhere one every 10 s." },
}

local Map = naming.class("mgd.map")

local function values_of(exp, name, given)
  local list = options.is_tensor(given) and given:totable() or given
    or { exp:get("training." .. name) }
  if #list == 0 then
    options.fail(WHERE, "option '%s' has no values", name)
  end
  for i, value in ipairs(list) do
    if type(value) ~= "number" or not (value > 0 and value < math.huge) then
      options.fail(WHERE, "option '%s': element %d is %s: expected a number of steps", name, i,
        tostring(value))
    end
  end
  table.sort(list)
  return list
end

-- Points that can be trained, and why others cannot, in the order of the nested values.
local function points_of(exp, axes)
  local points, refused = {}, {}
  for _, tau_x in ipairs(axes.tau_x) do
    for _, tau_p in ipairs(axes.tau_p) do
      for _, tau_theta in ipairs(axes.tau_theta) do
        local point = { ["training.tau_p"] = tau_p, ["training.tau_theta"] = tau_theta,
          ["training.tau_x"] = tau_x }
        local ok, message = interrupts.pcall(exp.with, exp, point)
        if ok then
          points[#points + 1] = point
        else
          refused[#refused + 1] = { point = point, message = message }
        end
      end
    end
  end
  if #points == 0 then
    options.fail(WHERE, "no combination can be trained: %s", tostring(refused[1].message))
  end
  return points, refused
end

local function place_in(list, value)
  for i, other in ipairs(list) do
    if other == value then
      return i
    end
  end
end

-- A measure of the points as a tensor (τ_x, τ_p, τ_θ); nan where there is no point.
local function over_axes(map, points, values)
  local a = map.axes
  local t = core.tensor.full({ #a.tau_x, #a.tau_p, #a.tau_theta }, 0 / 0, { dtype = "f64" })
  for i, point in ipairs(points) do
    t[{ place_in(a.tau_x, point["training.tau_x"]), place_in(a.tau_p, point["training.tau_p"]),
      place_in(a.tau_theta, point["training.tau_theta"]) }] = values[i]
  end
  return t
end

--- Measure a time-constant map.
-- @tparam table opts see `M.SCHEMA`
-- @treturn map `axes` {tau_p =, tau_theta =, tau_x =}; `success`: tensor (τ_x, τ_p, τ_θ), nan where
--   refused; `time`: the same, median steps to a solution; `evaluations`: what these steps ask of
--   the chip; `refused`: list of {point =, message =};
--   `result` of the sweep; prints; `plot()`
function M.measure(opts)
  local opt = options.check(WHERE, M.SCHEMA, opts)
  local exp = experiment.with_stop(WHERE, opt.experiment)
  local map = setmetatable({ experiment = exp, seeds = opt.seeds, axes = {} }, Map)
  for _, name in ipairs(NAMES) do
    map.axes[name] = values_of(exp, name, opt[name])
  end
  local points
  points, map.refused = points_of(exp, map.axes)
  map.sweep = sweeps { name = opt.name or exp.name .. "-times", base = exp, seeds = opt.seeds,
    store = opt.store, list = points }
  map.result = map.sweep:run { workers = opt.workers, progress = opt.progress }
  for _, name in ipairs { "success", "time", "evaluations" } do
    map[name] = over_axes(map, points, map.result:measure(name))
  end
  return map
end

function Map:__tostring()
  local a, lines = self.axes, { ("time constants of %s, %d seeds: success in %% (rows τ_p, columns "
    .. "τ_θ, in steps)"):format(self.experiment.name, self.seeds) }
  for k, tau_x in ipairs(a.tau_x) do
    local rows, right = { { ("τ_x = %-6g"):format(tau_x) } }, { true }
    for i, value in ipairs(a.tau_theta) do
      rows[1][i + 1], right[i + 1] = ("%7g"):format(value), true
    end
    for j, tau_p in ipairs(a.tau_p) do
      local row = { ("%12g"):format(tau_p) }
      for i = 1, #a.tau_theta do
        local value = self.success[{ k, j, i }]
        row[i + 1] = value == value and ("%7.0f"):format(100 * value) or "      –"
      end
      rows[#rows + 1] = row
    end
    for _, line in ipairs(grid.lines(rows, { right = right, gap = 0 })) do
      lines[#lines + 1] = line
    end
  end
  if #self.refused > 0 then
    lines[#lines + 1] = ("– cannot be trained; the first: %s"):format(self.refused[1].message)
  end
  return table.concat(lines, "\n")
end

local EFFORT = { time = "steps", evaluations = "evaluations" } -- and the unit of each

--- A heat map for each τ_x.
-- @tparam[opt="success"] string what "success", "time" (in steps) or "evaluations"
-- @treturn figure
function Map:plot(what)
  what = what or "success"
  local effort = EFFORT[what]
  if what ~= "success" and not effort then
    options.fail("map:plot", "expected \"success\", \"time\" or \"evaluations\", got %s",
      tostring(what))
  end
  local panels = {}
  for k, tau_x in ipairs(self.axes.tau_x) do
    local z = self[what][k]
    local any = false
    for _, value in ipairs(z:reshape { z.size }:totable()) do
      any = any or value == value and value < math.huge
    end
    if any then
      panels[#panels + 1] = { title = ("τ_x = %s steps"):format(text.number(tau_x)),
        x = { label = LETTERS.tau_theta, unit = "steps" }, y = { label = LETTERS.tau_p,
          unit = "steps" },
        { kind = "heat", x = self.axes.tau_theta, y = self.axes.tau_p, z = z,
          label = effort and "median to solution" or "success", unit = effort,
          log = effort ~= nil, range = not effort and { 0, 1 } or nil } }
    end
  end
  if #panels == 0 then
    options.fail("map:plot", "no point was solved by half of its seeds: there is no time to draw")
  end
  return plot { title = ("Where %s learns, %d seeds"):format(self.experiment.name, self.seeds),
    panels = panels }
end

return M
