-- Pages that are made from schemas and registries are what these say today.

local files = require "mgd.files"

local INTERPRETER = os.getenv "MGD_LUA" or arg[-1] or "build/mgd-lua"

local read = require("spec.support.texts").read

local function run(command)
  local pipe = assert(io.popen(("'%s' %s"):format(INTERPRETER, command)))
  local out = pipe:read "*a"
  assert(pipe:close(), command)
  return out
end

describe("pages that `make docs` writes:", function()
  it("docs/options.md", function()
    assert.equal(run "scripts/options-reference.lua", read "docs/options.md")
  end)

  it("docs/physics", function()
    files.in_folder(function(folder)
      run(("scripts/physics-reference.lua '%s'"):format(folder))
      for _, page in ipairs { "README", "signals", "updates", "weights" } do
        local name = "/" .. page .. ".md"
        assert.equal(read(folder .. name), read("docs/physics" .. name))
      end
    end)
  end)
end)
