-- Pages that are made from schemas and registries are what these say today.

local files = require "mgd.files"

local INTERPRETER = os.getenv "MGD_LUA" or arg[-1] or "build/mgd-lua"

local function run(command)
  local pipe = assert(io.popen(("'%s' %s"):format(INTERPRETER, command)))
  local out = pipe:read "*a"
  assert(pipe:close(), command)
  return out
end

local function contents(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  return text
end

describe("pages that `make docs` writes:", function()
  it("docs/options.md", function()
    assert.equal(run "scripts/options-reference.lua", contents "docs/options.md")
  end)

  it("docs/physics", function()
    files.in_folder(function(folder)
      run(("scripts/physics-reference.lua '%s'"):format(folder))
      for _, page in ipairs { "README", "signals", "updates", "weights" } do
        local name = "/" .. page .. ".md"
        assert.equal(contents(folder .. name), contents("docs/physics" .. name))
      end
    end)
  end)
end)
