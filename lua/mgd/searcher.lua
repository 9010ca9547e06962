--- Where the library's own modules are: beside this file, and never in the present folder, which
-- may be anybody's. `mgd.core` comes from the absolute places of package.cpath.
--
-- The interpreter runs this file by its path as it starts, `mgd/init.lua` does so in others. The
-- searcher that it adds stands before those of package.path, to which `./` belongs.

local SOURCE = debug.getinfo(1, "S").source
local FOLDER = SOURCE:match "^@(.*)searcher%.lua$"
local CORE, OPEN_CORE = "mgd.core", "luaopen_mgd_core"

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

-- The file of a module of the library; nil where it has none of this name.
local function file_of(name)
  local rest = name == "mgd" and "init" or name:match "^mgd%.([%w_.]+)$"
  local path = rest and FOLDER .. rest:gsub("%.", "/") .. ".lua"
  local file = path and io.open(path, "rb")
  if file then
    file:close()
    return path
  end
end

local function search(name)
  if name == CORE then
    return core()
  end
  local path = file_of(name)
  if not path then
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
    return -- it is there already
  end
end
table.insert(searchers, 2, search) -- the first looks into package.preload
