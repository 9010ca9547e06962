-- Where the library's own modules are: in the rooms beside this file, and never in the present
-- folder, which may be anybody's. `mgd.core` comes from the absolute places of package.cpath.
--
-- The interpreter runs this file by its path as it starts; in others `mgd/init.lua` does so, or
-- src/lua/l_door.c where a module is required before `mgd`. The searcher that it adds stands before
-- those of package.path, to which `./` belongs.

local SOURCE = debug.getinfo(1, "S").source
local FOLDER = SOURCE:match "^@(.*)searcher%.lua$"
local CORE, OPEN_CORE = "mgd.core", "luaopen_mgd_core"

-- Names that scripts may have from when there were no rooms, "mgd.store" or "mgd.hw.presets": where
-- what is called so lives now. No name is added here; src/lua/l_door.c has the same.
local MOVED = {
  advise = "runs.advise", baselines = "runs.baselines", budget = "runs.budget",
  checkpoint = "runs.checkpoint", chip = "hardware.chip", code_report = "codes.code_report",
  csv = "text.csv", each = "runs.each", experiment = "studies.experiment",
  explain = "runs.explain", figures = "text.numbers", files = "base.files", fit = "hardware.fit",
  fit_csv = "hardware.fit_csv", fit_plot = "hardware.fit_plot", grid = "text.grid",
  history = "runs.history", hw = "hardware.hw", interrupts = "base.interrupts",
  json = "text.json", layers = "networks.layers", listing = "text.listing", log = "runs.log",
  memory = "hardware.memory", mimo = "codes.signals", naming = "base.naming", nn = "networks.nn",
  options = "base.options", predictions = "runs.predictions", probes = "runs.probes",
  program = "base.program", progress = "runs.progress", ranges = "studies.ranges",
  record = "text.record", report = "studies.report", schedules = "codes.schedules",
  sequences = "data.sequences", store = "studies.store", sweep = "studies.sweep",
  text = "base.encoding", time_constants = "studies.time_constants",
  tolerance = "studies.tolerance", train = "runs.train",
}

local function is_absolute(path)
  return path:sub(1, 1) == "/"
end

-- The places for compiled modules; relative ones too where the library itself lies in such a place.
local function places()
  local list = {}
  for template in package.cpath:gmatch "[^;]+" do
    if is_absolute(template) or not is_absolute(FOLDER) then
      list[#list + 1] = template
    end
  end
  return table.concat(list, ";")
end

local function core()
  local path, tried = package.searchpath(CORE, places())
  if not path then
    error(("module '%s' not found, in absolute places of package.cpath:%s%s"):format(CORE,
      tried:sub(1, 1) == "\n" and "" or "\n\t", tried), 0)
  end
  local loader, reason = package.loadlib(path, OPEN_CORE)
  if not loader then
    error(("error loading module '%s' from file '%s':\n\t%s"):format(CORE, path, reason), 0)
  end
  return loader, path
end

local function is_there(path)
  local file = io.open(path, "rb")
  return file ~= nil and file:close()
end

-- The file of a module of the library; nil where it has none of this name.
local function file_of(rest)
  local path = FOLDER .. rest:gsub("%.", "/")
  if is_there(path .. ".lua") then
    return path .. ".lua"
  elseif is_there(path .. "/init.lua") then
    return path .. "/init.lua"
  end
end

-- The present name of a module that has moved.
local function moved(rest)
  local head, tail = rest:match "^([^.]*)(.*)$"
  return MOVED[head] and MOVED[head] .. tail
end

local function search(name)
  if name == CORE then
    return core()
  end
  local rest = name == "mgd" and "init" or name:match "^mgd%.([%w_.]+)$"
  local path = rest and file_of(rest)
  local now = rest and not path and moved(rest)
  if now and file_of(now) then
    return function()
      return require("mgd." .. now)
    end
  elseif not path then
    return nil
  end
  local loader, reason = loadfile(path)
  if not loader then
    error(("error loading module '%s' from file '%s':\n\t%s"):format(name, path, reason), 0)
  end
  return loader, path
end

local searchers = package.searchers or package.loaders
for _, searcher in ipairs(searchers) do
  if debug.getinfo(searcher, "S").source == SOURCE then
    return searcher -- it is there already
  end
end
table.insert(searchers, 2, search) -- the first looks into package.preload
return search
