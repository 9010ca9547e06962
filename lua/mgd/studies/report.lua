--- Reports: one file of HTML about experiments in a store, for whoever has no mgd-lua.
--
--     mgd.report{store = store, path = "report.html"}
--     mgd.report{store = "runs.db", experiments = {"walsh", "random"}, "codes.html"}
--
-- It has what came of each experiment beside the parameters that vary, a heat map where two do,
-- curves of every metric (median and quartiles over the seeds) and of the share that has solved,
-- figures of the user's own, resolved parameters, budget and environment. Pictures are inline SVG;
-- nothing is loaded from elsewhere and no script runs. It reads on a phone, on paper, by night.
-- Without gnuplot it has tables in place of pictures.
-- @module mgd.studies.report

local interrupts = require "mgd.base.interrupts"
local curves = require "mgd.studies.report.curves"
local encoding = require "mgd.base.encoding"
local experiment = require "mgd.studies.experiment"
local files = require "mgd.base.files"
local heat = require "mgd.studies.report.heat"
local html = require "mgd.studies.report.html"
local numbers = require "mgd.text.numbers"
local options = require "mgd.base.options"
local own = require "mgd.studies.report.own"
local stores = require "mgd.studies.store"

local unpack = table.unpack or rawget(_G, "unpack") -- LuaJIT

local M = {}

local WHERE = "mgd.report"
local MOST_CURVES = 8     -- experiments in one panel
local MOST_DETAILS = 24   -- experiments with curves of their own
local MOST_COLUMNS = 12   -- experiments side by side in a table
local MOST_VARIED = 6     -- parameters beside results

M.SCHEMA = {
  positional = { type = "string" },
  { "store", type = "any", required = true, doc = "A store or the path of one." },
  { "experiments", type = "list", doc = "Their names, or experiments; all in the store without." },
  { "path", type = "string", doc = "The file that is written; or the string in the array part." },
  { "title", type = "string", doc = "Of the page; the names of the experiments without." },
  { "text", type = "string", doc = "A paragraph below the title." },
  { "x", type = "string", default = "step", choices = { "step", "evaluations" },
    doc = "What curves are drawn against: steps, or evaluations of one sample under one "
      .. "perturbation or none." },
  { "figures", type = "list",
    doc = "Figures of yours, or what has a plot(), such as a tolerance map; or {figure =, title =, "
      .. "text =} with one of them." },
}

-- ---- what is shown ------------------------------------------------------------------------------

local function names_of(store, given)
  local names = {}
  for i, exp in ipairs(given or store:experiments()) do
    names[i] = type(exp) == "table" and exp.name or exp
  end
  if #names == 0 then
    options.fail(WHERE, "%s", given and "option 'experiments' is empty"
      or "the store has no experiments")
  end
  return names
end

-- The largest known number of a column, 0 without.
local function most(column)
  local result = 0
  for i = 1, #column do
    result = math.max(result, column[i] == column[i] and column[i] or 0)
  end
  return result
end

local function entry_of(store, name)
  local t = store:query { where = { experiment = name }, columns = { "steps", "wall", "threads" } }
  return { name = name, experiment = store:experiment(name), summary = store:summary(name),
    metrics = store:metric_names(name), environments = store:environments(name),
    artefacts = store:artefacts(name), runs = #t.steps, steps = most(t.steps), wall = most(t.wall),
    threads = most(t.threads) }
end

local function entries_of(store, names)
  local entries = {}
  for i, name in ipairs(names) do
    entries[i] = entry_of(store, name)
  end
  return entries
end

local function number(value)
  return value ~= nil and value == value and numbers.number(value, 4) or "–"
end

local function share(s)
  return s and ("%.1f %% (%.1f … %.1f)"):format(100 * s.rate, 100 * s.low, 100 * s.high) or "–"
end

local function time(t)
  if not t then
    return "–"
  end
  return ("%s (%s … %s)"):format(numbers.count(t.median), numbers.count(t.low),
    numbers.count(t.high))
end

-- The same in evaluations.
local function evaluations(e)
  local t = e.summary.time
  if not t then
    return "–"
  end
  local list = e.experiment:evaluations { t.median, t.low, t.high }
  return time { median = list[1], low = list[2], high = list[3] }
end

local function value_text(value)
  return encoding.value(value, "–")
end

-- A path as a column's name: what options of mgd.train and stages of a chip are called.
local function short_name(path)
  return (path:gsub("^training%.", ""):gsub("^chip%.", ""))
end

-- Parameters by which the experiments differ: list of {path =, name =, values =, texts =} in order.
local function differences_of(entries)
  local all, paths, list, count = {}, {}, {}, {}
  for i, e in ipairs(entries) do
    all[i] = e.experiment:parameters()
    for path in pairs(all[i]) do
      paths[path] = true
    end
  end
  for path in pairs(paths) do
    local entry, differs = { path = path, values = {}, texts = {} }, false
    for i = 1, #entries do
      differs = differs or all[i][path] ~= all[1][path]
      entry.values[i], entry.texts[i] = all[i][path], value_text(all[i][path])
    end
    if differs then
      entry.name = short_name(path)
      list[#list + 1], count[entry.name] = entry, (count[entry.name] or 0) + 1
    end
  end
  table.sort(list, function(a, b)
    return a.path < b.path
  end)
  for _, entry in ipairs(list) do
    entry.name = count[entry.name] == 1 and entry.name or entry.path
  end
  return list
end

-- What came of each experiment, beside what was varied.
local function results_of(entries, varied)
  local head, rows = { "experiment" }, {}
  local shown = math.min(#varied, MOST_VARIED)
  for k = 1, shown do
    head[k + 1] = varied[k].name
  end
  for _, name in ipairs { "runs", "success (95 %)", "steps to solution (95 %)",
    "evaluations to solution (95 %)", "diverged", "median cost", "median accuracy" } do
    head[#head + 1] = name
  end
  for i, e in ipairs(entries) do
    local s, row = e.summary, { e.name }
    for k = 1, shown do
      row[k + 1] = varied[k].texts[i]
    end
    for _, text in ipairs { ("%d"):format(s.runs), share(s.success), time(s.time),
      evaluations(e), ("%d"):format(s.diverged), number(s.cost), number(s.accuracy) } do
      row[#row + 1] = text
    end
    rows[i] = row
  end
  return html.table(head, rows)
end

-- As a table with a column for each experiment; where these are many, with a row for each.
local function differences_table(entries, varied)
  local rows, names = {}, {}
  for k, entry in ipairs(varied) do
    rows[k] = { entry.path, unpack(entry.texts) }
  end
  for i, e in ipairs(entries) do
    names[i] = e.name
  end
  if #rows == 0 then
    return nil
  elseif #entries <= MOST_COLUMNS then
    return html.table({ "parameter", unpack(names) }, rows)
  end
  local head, turned = { "experiment" }, {}
  for i, name in ipairs(names) do
    turned[i] = { name }
  end
  for k, row in ipairs(rows) do
    head[k + 1] = row[1]
    for i = 1, #names do
      turned[i][k + 1] = row[i + 1]
    end
  end
  return html.table(head, turned)
end

-- ---- details ------------------------------------------------------------------------------------

local function parameters_of(exp)
  local rows = {}
  for path, value in pairs(exp:parameters()) do
    rows[#rows + 1] = { path, value_text(value) }
  end
  table.sort(rows, function(a, b)
    return a[1] < b[1]
  end)
  return html.table({ "parameter", "value" }, rows)
end

-- Of one seed, to the median of its steps.
local function budget_of(e)
  local steps = e.summary.time and e.summary.time.median or math.huge
  steps = steps < math.huge and steps or e.experiment:get "steps"
  local ok, text = interrupts.pcall(function()
    return tostring(e.experiment:one_run():budget { steps = math.floor(steps) })
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

local function runs_text(n)
  return n == 1 and "1 run" or numbers.count(n) .. " runs"
end

-- What was run: seeds, steps, time.
local function words_of(e)
  local words = ("%s, from seed %d on; at most %s steps (%s evaluations of one sample) "
    .. "each"):format(runs_text(e.runs),
    e.experiment:resolved().seeds.first, numbers.count(e.steps),
    numbers.count(e.experiment:evaluations({ e.steps })[1]))
  local open = e.runs - e.summary.runs
  if open > 0 then
    words = words .. ("; %d have not ended and are not among the results"):format(open)
  end
  return words .. (e.wall > 0 and "; wall-clock " .. numbers.duration(e.wall) or "")
    .. (e.threads > 0 and (" on %d thread%s"):format(e.threads, e.threads == 1 and "" or "s") or "")
    .. "; hash " .. e.experiment.hash:sub(1, 12) .. "."
end

local function details_of(store, e, axis, explained)
  return html.section(e.name, {
    html.paragraph(words_of(e)),
    axis and curves.of(store, { e }, axis, explained) or nil,
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
  local many, varied = #entries > 1, differences_of(entries)
  local parts = { html.heading(title), opt.text and html.paragraph(opt.text) or "",
    html.section("Results", { results_of(entries, varied), heat.of(entries, varied) or "",
      many and #entries <= MOST_CURVES and curves.of(store, entries, opt.x, true) or nil }) }
  parts[#parts + 1] = own.section(opt.figures)
  local differences = many and differences_table(entries, varied)
  if differences then
    parts[#parts + 1] = html.section("Where they differ", { differences })
  end
  for i, e in ipairs(entries) do
    parts[#parts + 1] = details_of(store, e, i <= MOST_DETAILS and opt.x,
      i == 1 and not (many and #entries <= MOST_CURVES))
  end
  return html.page(title, table.concat(parts, "\n"))
end

-- The store, and whether it was opened here.
local function store_of(given)
  if type(given) ~= "string" then
    if not stores.is_store(given) then
      options.fail(WHERE, "option 'store' must be a store or the path of one, got %s",
        options.type_name(given))
    end
    return given, false
  end
  files.check_path(WHERE .. ": option 'store'", given)
  local file, message = io.open(given, "rb") -- a store would be made where there is none
  if not file then
    options.fail(WHERE, "%s", message)
  end
  file:close()
  return stores.open(given), true
end

local function check_experiments(given)
  for i, exp in ipairs(given or {}) do
    if type(exp) ~= "string" and not experiment.is_experiment(exp) then
      options.fail(WHERE, "experiments: element %d is %s: expected an experiment or its name", i,
        options.type_name(exp))
    end
  end
end

--- Write a report.
-- @tparam table opts see `M.SCHEMA`
-- @treturn string the path
-- @raise where an experiment is not in the store, or the file cannot be written
function M.write(opts)
  local opt = options.check(WHERE, M.SCHEMA, opts)
  local path = opt.path or opt[1]
  if not path then
    options.fail(WHERE, "the file is missing: expected path = \"report.html\"")
  elseif opt.path and opt[1] then
    options.fail(WHERE, "the file is given twice: '%s' and '%s'", opt.path, opt[1])
  end
  check_experiments(opt.experiments)
  opt.figures = own.check(WHERE, opt.figures)
  local store, opened = store_of(opt.store)
  local text = page_of(store, entries_of(store, names_of(store, opt.experiments)), opt)
  if opened then
    store:close()
  end
  files.write(WHERE, path, text)
  return path
end

return M
