-- What documents and comments name is there: files, functions, types, constants.

local lines_of = require("spec.support.shell").lines_of
local read = require("spec.support.texts").read

-- Files of the tree by path and by name, and every word of the sources.
local files, words = {}, {}
for _, path in ipairs(lines_of "find src lua scripts spec examples docs data Makefile -type f") do
  files[path], files[path:match "[^/]+$"] = true, true
  if path:find "%.[ch]$" or path:find "%.lua$" then
    local text = read(path)
    if path:find "^src" then
      text = text:gsub("/%*.-%*/", " ") -- comments do not count as being there
    end
    for word in text:gmatch "[%a_][%w_]*" do
      words[word] = true
    end
  end
end

-- What is wrong with a name in backquotes; nil when nothing is, or when it is no name.
local function missing(name)
  local path = name:match "^[%w_/%-%.]+%.[chl][ua]*$" or name:match "^scripts/[%w%-]+$"
  if path then
    local found = files[path] or files["lua/mgd/" .. path] or files["src/" .. path]
    return not found and "there is no file " .. path or nil
  end
  local word = name:match "^[%a_][%w_]*$" or name:match "^([%a_][%w_]*)%(%)$"
  if word and word:find "_" and not words[word] then
    return "the sources have no " .. word
  end
end

describe("names that are there:", function()
  it("those in backquotes in docs/architecture.md and CONTRIBUTING.md", function()
    local wrong = {}
    for _, document in ipairs { "docs/architecture.md", "CONTRIBUTING.md" } do
      for name in read(document):gmatch "`([^`\n]+)`" do
        wrong[#wrong + 1] = missing(name)
      end
    end
    assert.same({}, wrong)
  end)

  it("those of the library in comments of mgd.h and of the internal headers", function()
    local wrong = {}
    for _, header in ipairs(lines_of "find src -name '*.h'") do
      for comment in read(header):gmatch "/%*.-%*/" do
        for name in comment:gmatch "%f[%w_]mgd_[%w_]+" do
          local pasted = name:find "_kernels_" or name:find "_$" -- by a macro; or of a list
          if not words[name] and not pasted then
            wrong[#wrong + 1] = ("%s: the sources have no %s"):format(header, name)
          end
        end
      end
    end
    assert.same({}, wrong)
  end)
end)
