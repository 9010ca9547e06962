--- Kinds added to a copy of the tree as CONTRIBUTING.md says, by its worked diffs.
--
-- The copy takes the object files of the build, but for kernels of special processors, and what a
-- diff changes is compiled. Enumerators are added at the end: of the files that include mgd.h only
-- those are compiled anew that use the number of them (`counts` of a kind).
-- @module spec.support.how_to_add

local M = {}

local DIFFS = "docs/how-to-add/"

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

-- Runs a script of the shell; what it has printed is the message where it fails.
local function shell(script)
  local pipe = assert(io.popen("(set -e\n" .. script .. "\n) 2>&1; echo $?"))
  local output, status = pipe:read("*a"):match "^(.-)(%d+)\n$"
  pipe:close()
  assert(status == "0", output)
end

--- The files that a worked diff touches.
function M.touched(diff)
  local files = {}
  for path in ("\n" .. read(DIFFS .. diff .. ".diff")):gmatch "\n%+%+%+ b/([^\n]+)" do
    files[#files + 1] = path
  end
  return files
end

--- Whether the paragraph of CONTRIBUTING.md with this title names a file; * stands for any word.
function M.is_named(title, path)
  local page = read "CONTRIBUTING.md" .. "\n"
  local start = assert(page:find("**" .. title .. ".**", 1, true), title)
  local paragraph = page:sub(start, page:find("\n\n", start, true))
  for name in paragraph:gmatch "`([^`]+)`" do
    if path:find("^" .. name:gsub("[%-%.]", "%%%0"):gsub("%*", "[%%w_]+") .. "$") then
      return true
    end
  end
  return false
end

--- A copy of the tree with all kinds added, built: its folder, which the caller removes.
-- @tparam table kinds  list of {diff =, counts =}; without counts where their number has no name
function M.build(kinds)
  local folder, build = os.tmpname(), os.getenv "MGD_LUA":match "^(.*)/"
  local used, patches = { "MGD_HAVE_X86_KERNELS" }, {}
  for i, kind in ipairs(kinds) do
    used[#used + 1] = kind.counts
    patches[i] = ("patch -s -p1 -d '%s' < %s%s.diff"):format(folder, DIFFS, kind.diff)
  end
  os.remove(folder)
  shell(([[
    mkdir -p '@folder/build'
    cp -pR Makefile src lua '@folder'
    (cd '@build' && tar -cf - --exclude='*.avx*' --exclude=obj/luajit obj mgd-lua) |
      tar -xf - -C '@folder/build'
    make='make -s --no-print-directory ISAS=portable LUAJIT_PC= BUILD=build'
    (cd '@folder' && $make build/settings)
    touch -t 197001010000 '@folder/build/settings' # objects stay as they are
    @patches
    touch -r src/mgd.h '@folder/src/mgd.h'
    grep -rlE '@used' '@folder'/src/*/ | xargs touch
    (cd '@folder' && $make -j@jobs build/mgd/core.so)]]):gsub("@(%l+)", {
      folder = folder, build = build, jobs = os.getenv "JOBS" or "2",
      patches = table.concat(patches, "\n"), used = table.concat(used, "|"),
    }))
  return folder
end

--- Runs a script with the library of a copy; it fails by an error.
function M.run(folder, script)
  local path = folder .. "/script.lua"
  local file = assert(io.open(path, "wb"))
  file:write(script)
  file:close()
  shell(("'%s/build/mgd-lua' '%s'"):format(folder, path))
end

return M
