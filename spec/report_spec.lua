-- mgd.report: what the page says, that it is whole, that nothing in it is taken for markup, and,
-- where Chromium is, that it shows without an error and fits on a phone.

local mgd = require "mgd"
local support = require "spec.support.train"
local read = require("spec.support.texts").read

local fails = support.fails

local function run(command)
  local ok = os.execute(command)
  return ok == true or ok == 0
end

local needs = require "spec.support.needs"
local has_gnuplot = run "command -v gnuplot >/dev/null 2>&1"
local folder

local function experiment(changes)
  local exp = mgd.experiment {
    name = "walsh", data = "xor",
    network = { 2, 2, 1, activation = "sigmoid", output = "sigmoid" },
    training = { tau_theta = 4, eta = 2, perturbation = { code = "walsh", amplitude = 0.05 } },
    steps = 4000, every = 500, stop = { cost = 0.04 }, seeds = 8,
  }
  return changes and exp:with(changes) or exp
end

local HOSTILE = [[<script>alert("x")</script> & 'q']]

-- A store of two experiments, one of them named to break a page.
local store = mgd.store()
experiment():run { store = store }
experiment { name = HOSTILE, ["training.eta"] = 1 }:run { store = store }

local function page(opts)
  local path = folder .. "/report.html"
  opts.store, opts.path = opts.store or store, path
  assert.equal(path, mgd.report(opts))
  return read(path)
end

-- The text of a page, without tags.
local function text_of(html)
  html = html:gsub("<style>.-</style>", ""):gsub("<svg.-</svg>", ""):gsub("<[^>]*>", " ")
  for entity, sign in pairs { lt = "<", gt = ">", quot = '"', ["#39"] = "'" } do
    html = html:gsub("&" .. entity .. ";", sign)
  end
  return (html:gsub("&amp;", "&"):gsub("%s+", " "))
end

local function has(html, ...)
  local text = text_of(html)
  for _, words in ipairs { ... } do
    assert.is_truthy(text:find(words, 1, true), ("no %q in\n%s"):format(words, text))
  end
end

-- A folder for the specs of a block.
local function in_a_folder()
  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    assert.is_true(run(("mkdir '%s'"):format(folder)))
  end)
  teardown(function()
    run(("rm -rf '%s'"):format(folder))
  end)
end

describe("a report", function()
  in_a_folder()

  it("has the results of each experiment", function()
    local html = page { experiments = { "walsh" }, title = "A title", text = "Words before." }
    local s = store:summary "walsh"
    has(html, "A title", "Words before.", "walsh 8",
      ("%.1f %% (%.1f … %.1f)"):format(100 * s.success.rate, 100 * s.success.low,
        100 * s.success.high),
      s.time.median == math.huge and "not reached"
        or require("mgd.text.numbers").count(s.time.median) .. " (",
      ("%.4g"):format(s.cost), "8 runs, from seed 1 on; at most 4,000 steps "
        .. "(8,000 evaluations of one sample) each")
  end)

  it("has resolved parameters, budget and environment", function()
    local html = page { experiments = { "walsh" } }
    local environment = mgd.experiment.environment()
    has(html, "training.perturbation.code walsh", "network.sizes [2,2,1]", "training.tau_p 1",
      "budget: P = 9", "compiler " .. environment.compiler, "version " .. environment.version)
  end)

  it("has where experiments differ, and only that", function()
    local html = page {}
    local section = html:match "Where they differ.-</section>"
    has(section, "training.eta")
    assert.is_nil(section:find("tau_theta", 1, true))
    local cells = {}
    for cell in section:match "<td>training%.eta.-</tr>":gmatch "<td[^>]*>(.-)</td>" do
      cells[#cells + 1] = cell
    end
    assert.same({ "1", "2" }, { cells[2], cells[3] }) -- by name: < comes first
    assert.is_nil(page { experiments = { "walsh" } }:find("Where they differ", 1, true))
  end)

  it("turns that table where experiments are many", function()
    local many = mgd.store()
    for i = 1, 13 do
      experiment { name = ("e%02d"):format(i), ["training.eta"] = i, seeds = 1, steps = 500 }
        :run { store = many }
    end
    local html = page { store = many }
    has(html, "13 experiments", "experiment training.eta e01 1 e02 2", "e13 13")
  end)

  it("takes nothing that it is given for markup", function()
    local html = page { title = HOSTILE, text = HOSTILE }
    assert.is_nil(html:find("<script", 1, true))
    assert.is_truthy(html:find("&lt;script&gt;alert(&quot;x&quot;)", 1, true))
    has(html, HOSTILE)
  end)

  it("is whole: nothing comes from elsewhere", function()
    local html = page {}
    for _, attribute in ipairs { "src=", "<link", "<iframe", "@import", "url(http" } do
      assert.is_nil(html:find(attribute, 1, true), attribute)
    end
    for target in html:gmatch "href=['\"]([^'\"]*)" do
      assert.equal("#", target:sub(1, 1))
    end
    assert.is_truthy(html:find("default-src 'none'", 1, true))
  end)

  it("closes what it opens, with ids that are its own", function()
    local html = page {}
    local open, ids = {}, {}
    for slash, tag, rest in html:gmatch "<(/?)(%a[%w:]*)([^>]*)>" do
      if slash == "/" then
        assert.equal(table.remove(open), tag)
      elseif tag ~= "meta" and rest:sub(-1) ~= "/" then
        open[#open + 1] = tag
      end
    end
    assert.same({}, open)
    for id in html:gmatch "%sid=['\"]([^'\"]+)" do
      assert.is_nil(ids[id], id)
      ids[id] = true
    end
  end)

  it("has a curve for each metric and for the share that has solved", function()
    needs.program "gnuplot"
    local html = page { experiments = { "walsh" } }
    assert.equal(3, select(2, html:gsub("<svg ", "")))
    for _, label in ipairs { ">accuracy<", ">cost<", ">seeds that have solved (%)<" } do
      assert.is_truthy(html:find(label, 1, true), label)
    end
    -- side by side, then each by itself
    assert.equal(9, select(2, page {}:gsub("<svg ", "")))
  end)

  it("has the order that it is asked for, and takes experiments", function()
    local html = page { experiments = { experiment(), HOSTILE } }
    local first, second = html:find("<td>walsh", 1, true), html:find("<td>&lt;script", 1, true)
    assert.is_true(first < second)
  end)

  it("draws curves against evaluations where that is asked for", function()
    assert.is_nil(page({}):find(">evaluations<", 1, true))
    assert.is_truthy(page({ x = "evaluations" }):find(">evaluations<", 1, true))
  end)

  it("has a run that has not ended, and says so", function()
    local half = mgd.store()
    half:record { { experiment = experiment(), first = 1, count = 2 } }:flush()
    has(page { store = half }, "2 runs, from seed 1 on; at most 0 steps (0 evaluations of one "
      .. "sample) each; 2 have not ended")
  end)

  it("opens a store by its path, and leaves it as it was", function()
    local path = folder .. "/runs.db"
    experiment { seeds = 1, steps = 500 }:run { store = path }
    local other = mgd.store(path)
    local digest = other:digest()
    other:close()
    has(page { store = path }, "walsh 1 ", "1 run, from seed 1 on")
    other = mgd.store(path)
    assert.equal(digest, other:digest())
    other:close()
  end)

  it("has tables in place of pictures without gnuplot", function()
    local out = support.subprocess(([[
      local mgd = require "mgd"
      local exp = mgd.experiment {name = "a", data = "xor", network = {2, 2, 1}, steps = 100,
        every = 1, seeds = 2, training = {eta = 0.1}}
      local store = mgd.store()
      exp:run {store = store}
      print(mgd.report {store = store, "%s/plain.html"})]]):format(folder), "PATH=/nonexistent")
    assert.is_truthy(out:find("plain.html", 1, true), out)
    local html = read(folder .. "/plain.html")
    has(html, "No pictures: gnuplot is not installed (apt install gnuplot-nox)",
      "step cost: lower median upper 0 ")
    assert.is_true(select(2, html:gsub("<tr>", "")) < 120) -- some of 101 rows
  end)
end)

describe("a report of a sweep", function()
  in_a_folder()

  local swept = mgd.store()
  mgd.sweep { name = "s", base = experiment { steps = 500, seeds = 2 }, store = swept, seeds = 2,
    grid = { eta = { 1, 2 }, ["cost.noise"] = { 0, 0.1, 0.2 } } }:run { workers = 1 }

  -- The cells of the table of results, row by row.
  local function results(html)
    local rows = {}
    for row in html:match("<h2>Results.-</table>"):gmatch "<tr>(.-)</tr>" do
      local cells = {}
      for cell in row:gmatch "<t[hd][^>]*>(.-)</t[hd]>" do
        cells[#cells + 1] = cell
      end
      rows[#rows + 1] = cells
    end
    return rows
  end

  it("names what was varied beside what came of it", function()
    local rows = results(page { store = swept })
    assert.same({ "experiment", "cost.noise.sigma", "eta", "runs" },
      { rows[1][1], rows[1][2], rows[1][3], rows[1][4] })
    assert.same({ "s/0004", "0.1", "2", "2" },
      { rows[5][1], rows[5][2], rows[5][3], rows[5][4] })
    assert.equal("runs", results(page { store = swept, experiments = { "s/0001" } })[1][2])
  end)

  it("has a heat map where two parameters vary", function()
    if not has_gnuplot then
      pending "gnuplot-nox is not here"
    end
    local title = 'aria-label="success by cost.noise.sigma and eta"'
    assert.is_truthy(page({ store = swept }):find(title, 1, true))
    local one = { "s/0001", "s/0003", "s/0005" } -- in which eta is 1
    assert.is_nil(page({ store = swept, experiments = one }):find(title, 1, true))
  end)

  it("breaks no interval over lines", function()
    local html = page { store = swept }
    assert.is_truthy(html:find(".number { white-space: nowrap; }", 1, true))
    local count = 0
    for class, cell in html:gmatch "<td([^>]*)>([^<]*…[^<]*)</td>" do
      if cell:find "%(" then
        assert.equal(' class="number"', class, cell)
        count = count + 1
      end
    end
    assert.equal(18, count) -- success, steps and evaluations of 6 experiments
  end)
end)

describe("a report with figures", function()
  in_a_folder()

  it("shows them and what has a plot(), with titles and texts that are no markup", function()
    if not has_gnuplot then
      pending "gnuplot-nox is not here"
    end
    local figure = mgd.plot { title = "Mine", { x = { 1, 2 }, y = { 1, 2 }, label = "<b>" } }
    local map = mgd.tolerance { experiment = experiment { steps = 500 }, seeds = 2, workers = 1,
      vary = { ["cost.noise"] = { 0, 0.1 } } }
    local given = { figure, { figure = map, title = HOSTILE, text = HOSTILE } }
    local html = page { experiments = { "walsh" }, figures = given }
    assert.equal(3 + 2, select(2, html:gsub("<svg ", "")))
    has(html, "Figures", HOSTILE)
    assert.is_nil(html:find("<script", 1, true))
    assert.is_nil(html:find("<b>", 1, true))
    assert.equal(figure, given[1]) -- what was given stays as it was
  end)

  it("refuses what is none", function()
    local function refused(wanted, list)
      fails(wanted, mgd.report, { store = store, path = folder .. "/a.html", figures = list })
    end
    refused("figures: element 1: expected a figure or {figure = …}, got number", { 3 })
    refused("figures: element 1: option 'figure' is missing", { { title = "a" } })
    refused("option 'figure' must be a figure, or have a plot(), got string", { { figure = "a" } })
    refused("unknown option 'titel' (did you mean 'title'?)",
      { { figure = mgd.plot { { y = { 1, 2 } } }, titel = "a" } })
  end)
end)

describe("mgd.report refuses", function()
  local function refused(wanted, opts)
    local message = fails(wanted, function()
      mgd.report(opts)
    end)
    assert.is_truthy(message:find "^spec/report_spec%.lua:%d+: ", message)
  end

  it("what it does not know", function()
    refused("mgd.report: unknown option 'titel' (did you mean 'title'?)",
      { store = store, titel = "a", "a.html" })
    refused("the store has no experiment 'wals' (did you mean 'walsh'?)",
      { store = store, experiments = { "wals" }, "a.html" })
    refused("experiments: element 1 is number", { store = store, experiments = { 1 }, "a.html" })
  end)

  it("a missing or impossible file", function()
    refused("the file is missing: expected path = \"report.html\"", { store = store })
    refused("the file is given twice", { store = store, path = "a.html", "b.html" })
    refused("/nonexistent/a.html: No such file", { store = store, "/nonexistent/a.html" })
  end)

  it("a store that is none, or is empty", function()
    refused("option 'store' must be a store or the path of one, got number",
      { store = 3, "a.html" })
    refused("/nonexistent/runs.db: No such file", { store = "/nonexistent/runs.db", "a.html" })
    refused("the store has no experiments", { store = mgd.store(), "a.html" })
    refused("option 'experiments' is empty", { store = store, experiments = {}, "a.html" })
  end)
end)

-- ---- in a browser -------------------------------------------------------------------------------

local chromium
for _, name in ipairs { "chromium", "chromium-browser", "google-chrome" } do
  chromium = chromium or run(("command -v %s >/dev/null 2>&1"):format(name)) and name
end

-- Stands around the report, whose own rules let no script run: measures it as wide as a phone.
local FRAME = [[<!DOCTYPE html><meta charset="utf-8"><body>
<iframe id="f" style="width:WIDTHpx;height:800px;border:0" srcdoc="PAGE"></iframe>
<script>
document.getElementById("f").onload = function () {
  var d = this.contentDocument, widest = 0, small = 1000, unseen = 0;
  d.querySelectorAll("body *").forEach(function (e) {
    var box = e.getBoundingClientRect();
    if (!e.closest(".scroll, pre, svg")) { widest = Math.max(widest, box.right); }
    if (e.tagName == "svg" && box.width < 100) { unseen += 1; }
    if (e.tagName == "text" && e.textContent.trim()) { small = Math.min(small, box.height); }
  });
  document.body.innerHTML = "<p>page " + d.documentElement.scrollWidth + " widest "
    + Math.ceil(widest) + " unseen " + unseen + " pictures " + d.querySelectorAll("svg").length
    + " text " + Math.floor(small) + "</p>";
};
</script>]]

describe("a report in Chromium", function()
  in_a_folder()

  local function open(path, options)
    if not chromium then
      needs.program "chromium"
    end
    local pipe = assert(io.popen(("HOME='%s' timeout 60 %s --headless --no-sandbox --disable-gpu "
      .. "--user-data-dir='%s/profile' --enable-logging=stderr %s 'file://%s' 2>'%s/log'"):format(
      folder, chromium, folder, options, path, folder)))
    local out = pipe:read "*a"
    pipe:close()
    return out, read(folder .. "/log")
  end

  local function measured(width)
    local frame = folder .. "/frame.html"
    local file = assert(io.open(frame, "wb"))
    local inner = page {}:gsub("&", "&amp;"):gsub('"', "&quot;")
    file:write((FRAME:gsub("WIDTH", tostring(width)):gsub("PAGE", function()
      return inner
    end)))
    file:close()
    local dom = open(frame, "--virtual-time-budget=5000 --dump-dom")
    local found = { dom:match "page (%d+) widest (%d+) unseen (%d+) pictures (%d+) text (%d+)" }
    assert.equal(5, #found, dom:sub(-500))
    for i, digits in ipairs(found) do
      found[i] = tonumber(digits)
    end
    return found
  end

  it("has no word on the console", function()
    page {}
    local dom, log = open(folder .. "/report.html", "--dump-dom")
    assert.is_truthy(dom:find("</html>", 1, true))
    assert.is_nil(log:find("CONSOLE", 1, true), log)
  end)

  it("fits on a phone, with texts that can be read", function()
    local page_width, widest, unseen, pictures, text = table.unpack(measured(360))
    assert.is_true(page_width <= 360, page_width)
    assert.is_true(widest <= 360, widest)
    assert.equal(0, unseen)
    assert.equal(has_gnuplot and 9 or 0, pictures)
    assert.is_true(text >= 9, text) -- pixels, of the smallest word in a picture
  end)

  it("fits on a desk", function()
    local page_width, widest = table.unpack(measured(1280))
    assert.is_true(page_width <= 1280 and widest <= 1280)
  end)
end)
