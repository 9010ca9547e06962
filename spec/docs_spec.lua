-- README.md and docs/guide: every fenced block that opens with ```lua runs, and what a block that
-- opens with ```text output shows is what the blocks since the last such one print.
--
-- The blocks of a file run in sequence as one script, locals and all, in an empty folder. Blocks
-- that open with ```lua no-run, ```text or anything else are for people.

local mgd_lua = os.getenv "MGD_LUA_LONG" or os.getenv "MGD_LUA" or arg[-1]

local documents = require "spec.support.documents"
local read = require("spec.support.texts").read
local MARK = documents.MARK

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local lines_of = require("spec.support.shell").lines_of

local function absolute(path)
  return path:sub(1, 1) == "/" and path or lines_of("pwd")[1] .. "/" .. path
end

-- What was printed before each mark.
local function sections(text)
  local found, start = {}, 1
  while true do
    local first, last = text:find(MARK .. "\n", start, true)
    if not first then
      return found
    end
    found[#found + 1] = text:sub(start, first - 1)
    start = last + 1
  end
end

local function trimmed(text)
  return (text:gsub("[ \t]+\n", "\n"):gsub("%s+$", ""))
end

describe("documents", function()
  local dir
  setup(function()
    mgd_lua = absolute(mgd_lua)
    dir = os.tmpname()
    os.remove(dir)
    assert(os.execute("mkdir " .. quote(dir)))
  end)
  teardown(function()
    os.execute("rm -rf " .. quote(dir))
  end)

  for _, path in ipairs(lines_of "ls README.md docs/guide/*.md") do
    it(path .. " runs and prints what it shows", function()
      local script, outputs = documents.extract(path)
      local name = path:match "[^/]+$":gsub("%.md$", ".lua")
      local folder = dir .. "/" .. name .. ".d"
      assert(os.execute("mkdir " .. quote(folder)))
      local file = assert(io.open(folder .. "/" .. name, "wb"))
      file:write(script)
      file:close()
      local _, _, code = os.execute(("cd %s && COLUMNS= %s %s >.out 2>.err"):format(quote(folder),
        quote(mgd_lua), quote(name)))
      assert.equal("", read(folder .. "/.err"))
      assert.equal(0, code)
      local printed = sections(read(folder .. "/.out"))
      assert.equal(#outputs, #printed)
      for i, lines in ipairs(outputs) do
        assert.equal(trimmed(table.concat(lines, "\n")), trimmed(printed[i]))
      end
    end)
  end

  it("link to files that exist", function()
    for _, path in ipairs(lines_of "ls README.md docs/*.md docs/guide/*.md") do
      local folder = path:match "^(.*/)" or ""
      for target in read(path):gmatch "%]%(([^)#]+)[^)]*%)" do
        if not target:find "^%a+:" then
          local file = io.open(folder .. target)
          assert(file, path .. ": no such file: " .. target)
          file:close()
        end
      end
    end
  end)
end)
