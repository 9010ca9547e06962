--- Reports: one file of HTML about experiments in a store, for whoever has no mgd-lua.
--
--     mgd.report{store = store, path = "report.html"}
--     mgd.report{store = "runs.db", experiments = {"walsh", "random"}, title = "Codes", "codes.html"}
--
-- It has what came of each experiment, where they differ, curves of every metric (median and
-- quartiles over the seeds), resolved parameters, budget and environment. Pictures are inline SVG;
-- nothing is loaded from elsewhere and no script runs. It reads on a phone, on paper, by night.
-- @module mgd.report

local experiment = require "mgd.experiment"
local html = require "mgd.report.html"
local options = require "mgd.options"
local plot = require "mgd.plot"
local stats = require "mgd.stats"
local stores = require "mgd.store"
local train = require "mgd.train"

local M = {}

local WHERE = "mgd.report"
local MOST_CURVES = 8     -- experiments in one panel
local MOST_DETAILS = 24   -- experiments with curves of their own

M.SCHEMA = {
  positional = { type = "string" },
  { "store", type = "any", required = true, doc = "A store or the path of one." },
  { "experiments", type = "table", doc = "Their names, or experiments; all in the store without." },
  { "path", type = "string", doc = "The file that is written; or the string in the array part." },
  { "title", type = "string", doc = "Of the page; the names of the experiments without." },
  { "text", type = "string", doc = "A paragraph below the title." },
}

-- ---- what is shown ------------------------------------------------------------------------------

local function names_of(store, given)
  local names = {}
  for i, exp in ipairs(given or store:experiments()) do
    names[i] = type(exp) == "table" and exp.name or exp
  end
  if #names == 0 then
    options.fail(WHERE, "%s", given and "option 'experiments' is empty" or "the store has no experiments")
  end
  return names
end

local function entries_of(store, names)
  local entries = {}
  for i, name in ipairs(names) do
    entries[i] = { name = name, experiment = store:experiment(name), summary = store:summary(name),
      metrics = store:metric_names(name), environments = store:environments(name),
      artefacts = store:artefacts(name) }
  end
  return entries
end

local function number(value)
  return value ~= nil and value == value and ("%.4g"):format(value) or "–"
end

local function share(s)
  return s and ("%.1f %% (%.1f … %.1f)"):format(100 * s.rate, 100 * s.low, 100 * s.high) or "–"
end

local function time(t)
  if not t then
    return "–"
  end
  return t.median == math.huge and "not reached" or ("%s (%s … %s)"):format(number(t.median),
    number(t.low), t.high == math.huge and "∞" or number(t.high))
end

local function results_of(entries)
  local rows = {}
  for i, e in ipairs(entries) do
    local s = e.summary
    rows[i] = { e.name, ("%d"):format(s.runs), share(s.success), time(s.time),
      ("%d"):format(s.diverged), number(s.cost), number(s.accuracy) }
  end
  return html.table({ "experiment", "runs", "success (95 %)", "steps to solution (95 %)", "diverged",
    "median cost", "median accuracy" }, rows)
end

-- Parameters by which the experiments differ, a row each.
local function differences_of(entries)
  local all, paths, rows = {}, {}, {}
  for i, e in ipairs(entries) do
    all[i] = e.experiment:parameters()
    for path in pairs(all[i]) do
      paths[path] = true
    end
  end
  for path in pairs(paths) do
    local row, first, differs = { path }, all[1][path], false
    for i = 1, #entries do
      local value = all[i][path]
      differs = differs or value ~= first
      row[i + 1] = value == nil and "–" or type(value) == "number" and ("%.6g"):format(value)
        or tostring(value)
    end
    rows[#rows + 1] = differs and row or nil
  end
  if #rows == 0 then
    return nil
  end
  table.sort(rows, function(a, b)
    return a[1] < b[1]
  end)
  if #entries > 12 then -- as many rows as experiments, rather than columns
    local turned, head = {}, { "experiment" }
    for k, row in ipairs(rows) do
      head[k + 1] = row[1]
    end
    for i, e in ipairs(entries) do
      turned[i] = { e.name }
      for k, row in ipairs(rows) do
        turned[i][k + 1] = row[i + 1]
      end
    end
    return html.table(head, turned)
  end
  local head = { "parameter" }
  for i, e in ipairs(entries) do
    head[i + 1] = e.name
  end
  return html.table(head, rows)
end

-- ---- curves -------------------------------------------------------------------------------------

local UNITS = { angle = "degrees" }

local function positive(t)
  for _, value in ipairs(t) do
    if value == value and value <= 0 then
      return false
    end
  end
  return true
end

-- Median and quartiles of a metric; seeds that have stopped keep their last value, as their θ does.
local function curve_of(store, name, metric)
  local m = store:metrics { experiment = name, name = metric }
  local rows = m.value:totable()
  for r = 1, #m.replica do
    for t = 2, #rows do
      if rows[t][r] ~= rows[t][r] then
        rows[t][r] = rows[t - 1][r]
      end
    end
  end
  local q = stats.bands(require("mgd.core").tensor.tensor(rows, { dtype = "f64" }))
  return { x = m.step, y = q[2], low = q[1], high = q[3] }
end

local function panel_of(metric, curves)
  local log = metric == "cost"
  for _, curve in ipairs(curves) do
    log = log and positive(curve.low:totable())
  end
  local panel = { x = "step", y = { label = metric, unit = UNITS[metric], log = log } }
  for i, curve in ipairs(curves) do
    panel[i] = curve
  end
  return panel
end

-- A picture for each panel, so that they stand side by side only where there is room.
local function figure(panels)
  local pictures = {}
  for i, panel in ipairs(panels) do
    panel.legend, panel.width, panel.height = "top", 460, 330
    pictures[i] = plot(panel):svg()
  end
  return html.figure(pictures)
end

-- A panel for each metric that all have, the experiments side by side.
local function comparison_of(store, entries)
  local panels = {}
  for _, metric in ipairs(entries[1].metrics) do
    local curves = {}
    for i, e in ipairs(entries) do
      for _, other in ipairs(e.metrics) do
        if other == metric then
          curves[#curves + 1] = curve_of(store, e.name, metric)
          curves[#curves].label, curves[#curves].colour = e.name, i
        end
      end
    end
    panels[#panels + 1] = panel_of(metric, curves)
  end
  return #panels > 0 and figure(panels) or nil
end

local function curves_of(store, e)
  local panels = {}
  for i, metric in ipairs(e.metrics) do
    panels[i] = panel_of(metric, { curve_of(store, e.name, metric) })
  end
  return #panels > 0 and figure(panels) or nil
end

-- ---- details ------------------------------------------------------------------------------------

local function parameters_of(exp)
  local rows = {}
  for path, value in pairs(exp:parameters()) do
    rows[#rows + 1] = { path, type(value) == "number" and ("%.9g"):format(value) or tostring(value) }
  end
  table.sort(rows, function(a, b)
    return a[1] < b[1]
  end)
  return html.table({ "parameter", "value" }, rows)
end

-- Of one seed, to the median of its steps.
local function budget_of(e)
  local opt = e.experiment:train_options()
  opt.replicas, opt.threads = 1, 1
  local steps = e.summary.time and e.summary.time.median or math.huge
  steps = steps < math.huge and steps or e.experiment:get "steps"
  local ok, text = pcall(function()
    return tostring(train.new_run(train.resolve(opt), true):budget { steps = math.floor(steps) })
  end)
  return ok and html.pre(text) or nil
end

local function environment_of(e)
  local rows = {}
  for _, environment in ipairs(e.environments) do
    local keys = {}
    for key in pairs(environment) do
      keys[#keys + 1] = key
    end
    table.sort(keys)
    for _, key in ipairs(keys) do
      rows[#rows + 1] = { key, tostring(environment[key]) }
    end
  end
  return #rows > 0 and html.table({ "environment", "" }, rows) or nil
end

local function artefacts_of(e)
  local rows = {}
  for i, a in ipairs(e.artefacts) do
    rows[i] = { a.path, a.kind or "–", ("%d"):format(a.bytes), a.sha256:sub(1, 16) .. "…" }
  end
  return #rows > 0 and html.table({ "artefact", "kind", "bytes", "SHA-256" }, rows) or nil
end

local function details_of(store, e, with_curves)
  local seeds = e.experiment:resolved().seeds
  return html.section(e.name, {
    html.paragraph(("%d runs in the store (seeds from %d on), hash %s"):format(e.summary.runs,
      seeds.first, e.experiment.hash:sub(1, 12))),
    with_curves and curves_of(store, e) or nil,
    html.details("Resolved parameters", parameters_of(e.experiment)),
    html.details("Budget of one seed, to the median of its steps", budget_of(e)),
    html.details("Environment", environment_of(e)),
    html.details("Artefacts", artefacts_of(e)),
  })
end

-- ---- the page -----------------------------------------------------------------------------------

local function page_of(store, entries, opt)
  local title = opt.title or #entries <= 3 and table.concat(names_of(store, entries), ", ")
    or ("%d experiments"):format(#entries)
  local many = #entries > 1
  local parts = { html.heading(title), opt.text and html.paragraph(opt.text) or "",
    html.section("Results", { results_of(entries), many and #entries <= MOST_CURVES
      and comparison_of(store, entries) or nil }) }
  local differences = many and differences_of(entries)
  if differences then
    parts[#parts + 1] = html.section("Where they differ", { differences })
  end
  for i, e in ipairs(entries) do
    parts[#parts + 1] = details_of(store, e, i <= MOST_DETAILS)
  end
  return html.page(title, table.concat(parts, "\n"))
end

--- Write a report.
-- @tparam table opts see `M.SCHEMA`
-- @treturn string the path
-- @raise without gnuplot, where an experiment is not in the store, or the file cannot be written
function M.write(opts)
  local opt = options.check(WHERE, M.SCHEMA, opts)
  local path = opt.path or opt[1]
  if not path then
    options.fail(WHERE, "the file is missing: expected path = \"report.html\"")
  end
  local store, opened = opt.store, nil
  if type(store) == "string" then
    store = stores.open(store)
    opened = store
  elseif not stores.is_store(store) then
    options.fail(WHERE, "option 'store' must be a store or the path of one, got %s",
      options.type_name(store))
  end
  for i, exp in ipairs(opt.experiments or {}) do
    if type(exp) ~= "string" and not experiment.is_experiment(exp) then
      options.fail(WHERE, "experiments: element %d is %s: expected an experiment or its name", i,
        options.type_name(exp))
    end
  end
  local text = page_of(store, entries_of(store, names_of(store, opt.experiments)), opt)
  if opened then
    opened:close()
  end
  local file, message = io.open(path, "wb")
  if not file then
    options.fail(WHERE, "%s", message)
  end
  local written, why = file:write(text)
  local closed, more = file:close()
  if not written or not closed then
    options.fail(WHERE, "%s: %s", path, why or more)
  end
  return path
end

return M
