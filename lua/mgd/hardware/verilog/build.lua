--- Verilog sources compiled by Verilator into a program, which is kept for the next time.
--
-- Programs lie in $XDG_CACHE_HOME/mgd-lua/verilog (~/.cache without), by a checksum of all that
-- they were made of. One is made in a folder of its own and moved there once it is whole: processes
-- that build at the same time do not see each other.
-- @module mgd.hardware.verilog.build

local core = require "mgd.core"
local files = require "mgd.base.files"
local options = require "mgd.base.options"
local program = require "mgd.base.program"

local M = {}

local WHERE = "mgd.chip"
local OLDEST = { 4, 200 } -- from which on circuits have a context of their own
local SHOWN = 3           -- errors, in messages
local SECONDS = 600       -- for a build

-- Warnings are the author's business, but for those of the ports.
local VERILATOR = { "verilator", "--cc", "--exe", "--top-module", "mgd_rtl", "--prefix", "Vmgd_rtl",
  "-Wno-fatal", "-CFLAGS", "-O2", "-o", "worker" }
-- OPT_GLOBAL is of Verilator's own library, which takes longest to compile and little time to run.
local MAKE = { "make", "-j", "4", "-f", "Vmgd_rtl.mk", "OPT_FAST=-O2", "OPT_GLOBAL=-O0" }

-- What a make that this process may run in tells those below it.
local OWN_MAKE = { MAKEFLAGS = false, MFLAGS = false, MAKELEVEL = false }

-- ---- what there is ------------------------------------------------------------------------------

local LIBRARY = debug.getinfo(1, "S").source:match "^@(.*)hardware/verilog/build%.lua$"

-- Seen from lua/mgd of the sources, and from share/lua/5.4/mgd of an installation.
local PLACES = { "../../src/verilog/", "../../../mgd-lua/verilog/" }

-- The text of a file of the library's own.
local function own_file(name)
  for _, place in ipairs(PLACES) do
    if LIBRARY and files.exists(LIBRARY .. place .. name) then
      return files.bytes(WHERE, LIBRARY .. place .. name)
    end
  end
  options.fail(WHERE, "%s is not where the library is: it was not installed whole", name)
end

-- Verilator as it calls itself, "Verilator 5.006 2023-01-22 …".
local function ask_version()
  local said = program.need(WHERE, { "verilator", "--version" }, { package = "verilator" })
  local major, minor = said:match "^Verilator (%d+)%.(%d+)"
  major, minor = tonumber(major), tonumber(minor)
  if not major then
    options.fail(WHERE, "verilator is none: it calls itself '%s'", said:match "^[^\n]*")
  elseif major < OLDEST[1] or major == OLDEST[1] and minor < OLDEST[2] then
    options.fail(WHERE, "verilator is too old: expected version %d.%d or later, got %s", OLDEST[1],
      OLDEST[2], said:match "^Verilator (%S+)")
  end
  return said
end

local versions = {} -- by the path of the program

local function version()
  local path = core.process.find "verilator" or ""
  versions[path] = versions[path] or ask_version()
  return versions[path]
end

--- Check that there is a folder.
-- @tparam string dir
function M.check_folder(dir)
  if not files.is_folder(dir) then
    local _, reason = core.files.size(dir)
    options.fail(WHERE, "verilog: expected a folder of Verilog sources: %s",
      reason or dir .. ": it is a file")
  end
end

-- Names of the sources in a folder, in order.
local function list_sources(dir)
  local names = {}
  for _, name in ipairs(core.files.list(dir)) do
    if name:find "^[^.].*%.s?vh?$" then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

local function without_comments(text)
  return (text:gsub("/%*.-%*/", " "):gsub("//[^\n]*", ""))
end

-- The sources of a folder: {name =, text =}, and which of them has the top module.
local function read_sources(dir, top)
  local sources, with_top = {}, nil
  local pattern = "%f[%w_]module%s+" .. top .. "%f[^%w_]"
  for i, name in ipairs(list_sources(dir)) do
    sources[i] = { name = name, text = files.bytes(WHERE, dir .. "/" .. name) }
    with_top = with_top or without_comments(sources[i].text):find(pattern) and name
  end
  if not with_top then
    options.fail(WHERE, "%s: none of its %d Verilog source%s (*.v, *.sv) has a module '%s'", dir,
      #sources, #sources == 1 and "" or "s", top)
  end
  return sources, with_top
end

-- ---- building -----------------------------------------------------------------------------------

local function cache_folder()
  local cache, home = os.getenv "XDG_CACHE_HOME", os.getenv "HOME"
  if not (cache and cache:sub(1, 1) == "/") then
    cache = home and home:sub(1, 1) == "/" and home .. "/.cache"
  end
  if not cache then
    options.fail(WHERE, "there is no place for what Verilator makes: expected XDG_CACHE_HOME or "
      .. "HOME to be an absolute folder")
  end
  local folder = cache .. "/mgd-lua/verilog"
  if folder:find "[^%w/._+@~-]" then -- which make would take apart
    options.fail(WHERE, "what Verilator makes cannot lie in %s: expected XDG_CACHE_HOME to be a "
      .. "folder without blanks and the like in its name", folder)
  end
  local ok, reason = core.files.make_path(folder)
  return ok and folder or options.fail(WHERE, "there is no place for what Verilator makes: %s",
    reason)
end

-- The first errors among what Verilator, make and the compiler had to say; else its first lines.
local function errors_of(text)
  local errors, lines = {}, {}
  for line in text:gmatch "[^\r\n]+" do
    lines[#lines + 1] = line
    if line:find "^%%Error" and not line:find "Exiting due to" or line:find ":%s+%a*%s?error:" then
      errors[#errors + 1] = line
    end
  end
  local list = #errors > 0 and errors or lines
  return table.concat(list, "; ", 1, math.min(SHOWN, #list))
end

local function ending_of(result)
  return result.late and (" (it was ended after %d s)"):format(SECONDS)
    or result.signal and (" (it was ended by signal %d)"):format(result.signal) or ""
end

-- A path that nothing takes for an option.
local function plain(path)
  return path:find "^/" and path or "./" .. path
end

-- Runs a program with words of its own and those of this build; what it says.
local function run(dir, words, own)
  local all = {}
  for _, list in ipairs { words, own } do
    for _, word in ipairs(list) do
      all[#all + 1] = word
    end
  end
  local result, reason = program.run(all, { seconds = SECONDS, env = OWN_MAKE })
  if not result then
    options.fail(WHERE, "%s cannot be started: %s", words[1], reason)
  end
  local said = result.words .. "\n" .. result.out
  if result.status ~= 0 then
    options.fail(WHERE, "%s: %s failed: %s%s", dir, words[1], errors_of(said), ending_of(result))
  end
  return said
end

local function compile(dir, top, with_top, folder)
  for _, name in ipairs { "worker.cpp", "worker.v" } do
    files.write(WHERE, folder .. "/" .. name, own_file(name))
  end
  local said = run(dir, VERILATOR, { "-DMGD_TOP=" .. top, "-Mdir", folder, "-y", plain(dir),
    folder .. "/worker.cpp", folder .. "/worker.v", plain(dir) .. "/" .. with_top })
  local port = said:match "%%Warning%-[WP][^\n]-/worker%.v:[%d:]+ ([^\n]+)" -- WIDTH…, PIN…
  if port then
    options.fail(WHERE, "%s: module '%s' has not the ports of a circuit: %s", dir, top, port)
  end
  run(dir, MAKE, { "-C", folder })
end

--- The checksum of all that the program of a circuit is made of.
-- @tparam string dir the folder of its sources
-- @tparam string top its top module
-- @treturn string 64 digits
-- @treturn string the source that has the top module
-- @treturn string the version of Verilator
function M.key(dir, top)
  local sources, with_top = read_sources(dir, top)
  local verilator = version()
  local parts = { verilator, table.concat(VERILATOR, " "), table.concat(MAKE, " "), top, with_top,
    own_file "worker.cpp", own_file "worker.v" }
  for _, source in ipairs(sources) do
    parts[#parts + 1] = source.name
    parts[#parts + 1] = source.text
  end
  for i, part in ipairs(parts) do
    parts[i] = #part .. ":" .. part
  end
  return core.base.sha256(table.concat(parts, "\n")), with_top, verilator:match "^Verilator (%S+)"
end

--- The program of a circuit, built unless there is one already.
-- @tparam string dir
-- @tparam string top
-- @treturn table `program`, its path; `key`; `verilator`, its version; `seconds` that the build
--   took, nil where there was none
-- @raise where it cannot be built, with the words of Verilator
function M.program(dir, top)
  local key, with_top, verilator = M.key(dir, top)
  local cache = cache_folder()
  local about = { program = cache .. "/" .. key, key = key, verilator = verilator }
  if not files.exists(about.program) then
    local began = core.base.clock()
    files.in_folder(function(folder)
      compile(dir, top, with_top, folder)
      assert(os.rename(folder .. "/worker", about.program))
    end, cache)
    about.seconds = core.base.clock() - began
  end
  return about
end

return M
