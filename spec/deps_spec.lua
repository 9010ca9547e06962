-- scripts/deps: what it lists, and that it is silent where nothing is missing.

local function run(command)
  local pipe = assert(io.popen("exec 2>&1; " .. command))
  local text = pipe:read "a"
  local _, _, code = pipe:close()
  return text, code
end

describe("scripts/deps", function()
  it("lists every package with its group, and changes nothing", function()
    local text, code = run "scripts/deps --list"
    assert.equal(0, code)
    for _, name in ipairs { "liblua5.4-dev", "libsleef-dev", "librandom123-dev", "lua-busted",
      "dataset-fashion-mnist", "clang-format", "lua-check" } do
      assert.truthy(text:find(name, 1, true), name)
    end
    assert.truthy(text:match "^group%s+here%s+apt%s+dnf%s+brew\n")
  end)

  it("says nothing and does nothing when all is there", function()
    local text, code = run "scripts/deps"
    assert.same({ "", 0 }, { text, code })
  end)

  it("explains itself", function()
    local text, code = run "scripts/deps --help"
    assert.equal(0, code)
    assert.truthy(text:find("usage: scripts/deps", 1, true))
  end)

  it("refuses an unknown option", function()
    local text, code = run "scripts/deps --everything"
    assert.equal(2, code)
    assert.truthy(text:find("unknown option '--everything'", 1, true))
  end)

  it("names what is missing, and how to get it, where it cannot install", function()
    -- A PATH with little in it: no gnuplot, no apt, no sudo.
    local text, code = run [[
      dir=$(mktemp -d)
      for tool in sh sed cat dirname env id cc make pkg-config; do
        path=$(command -v $tool) && ln -s "$path" "$dir/$tool"
      done
      PATH=$dir sh scripts/deps; code=$?
      rm -rf "$dir"; exit $code]]
    assert.equal(1, code)
    assert.truthy(text:find("please install", 1, true), text)
    assert.truthy(text:find("gnuplot", 1, true), text)
  end)
end)
