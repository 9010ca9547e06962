-- Pages that are made from schemas and registries are what these say today.

local files = require "mgd.files"
local mgd = require "mgd"
local settings = require "mgd.runs.settings"

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

describe("docs/physics/exactness.md", function()
  local text = read "docs/physics/exactness.md"

  local function has_row(name)
    for line in text:gmatch "\n(|[^\n]*)" do
      if line:match "^|([^|]*)|":find("`" .. name .. "`", 1, true) then
        return true
      end
    end
    return false
  end

  it("has a row for every model, code, engine and platform", function()
    local names = {}
    for _, model in ipairs(mgd.hw.models()) do
      names[#names + 1] = model.source ~= "user" and model.name or nil
    end
    for _, schema in ipairs { settings.SCHEMA, mgd.codes.SCHEMA } do
      for _, entry in ipairs(schema) do
        local listed = entry[1] == "engine" or entry[1] == "code"
        for _, name in ipairs(listed and entry.choices or {}) do
          names[#names + 1] = name
        end
      end
    end
    for _, preset in ipairs(mgd.hw.presets()) do
      names[#names + 1] = preset.kind == "platform" and preset.name or nil
    end
    for _, name in ipairs(names) do
      assert.is_true(has_row(name), "docs/physics/exactness.md has no row for " .. name)
    end
  end)
end)
