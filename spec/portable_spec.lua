--- What is promised to run under Lua 5.4 and LuaJIT is read by both without an error.

local documents = require "spec.support.documents"
local needs = require "spec.support.needs"

-- What a child interpreter does: loads each file that stands in a list, and prints what it says.
local LOAD = [[
for path in io.lines(arg[1]) do
  local chunk, message = loadfile(path)
  if not chunk then
    print(message)
  end
end
print "read"]]

local lines_of = require("spec.support.shell").lines_of

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

describe("examples, sources, specs and blocks of the documents", function()
  local folder

  setup(function()
    folder = os.tmpname()
    assert(os.execute(("rm '%s' && mkdir '%s'"):format(folder, folder)))
    local paths = lines_of "find examples lua spec docs scripts/*.lua -name '*.lua'"
    for _, path in ipairs(lines_of "ls README.md docs/*.md docs/*/*.md") do
      local name = folder .. "/" .. path:gsub("/", "-") .. ".lua"
      write(name, (documents.extract(path)))
      paths[#paths + 1] = name
    end
    write(folder .. "/list", table.concat(paths, "\n") .. "\n")
    write(folder .. "/load.lua", LOAD)
  end)

  teardown(function()
    os.execute(("rm -rf '%s'"):format(folder))
  end)

  for _, lua in ipairs { os.getenv "MGD_LUA" or "build/mgd-lua", "luajit" } do
    local name = lua:match "[^/]+$"
    it("are read by " .. name, function()
      needs.program(lua)
      assert.same({ "read" }, lines_of(("'%s' '%s/load.lua' '%s/list' 2>&1"):format(lua, folder,
        folder)))
    end)
  end
end)
