--- scripts/specs, which runs spec files side by side.

local folder

-- What `scripts/specs` prints for these spec files (name → text) and how it ends.
local function run(specs, before, options)
  for name, text in pairs(specs) do
    local file = assert(io.open(folder .. "/" .. name, "w"))
    file:write(text)
    file:close()
  end
  local pipe = assert(io.popen(("%s TMPDIR='%s' LUA= V= JOBS=2 scripts/specs '%s' %s 2>&1"):format(
    before or "", folder, folder, options or "")))
  local text = pipe:read "*a"
  local _, _, code = pipe:close()
  return text, code
end

local function has(text, expected)
  assert.is_truthy(text:find(expected, 1, true), text)
end

local PASSES = "it('is', function() assert.is_true(true) end)\n"

describe("scripts/specs", function()
  before_each(function()
    folder = os.tmpname()
    assert(os.execute(("rm '%s' && mkdir '%s'"):format(folder, folder)))
  end)

  after_each(function()
    os.execute(("rm -rf '%s'"):format(folder))
  end)

  it("adds up the counts of all files in its last line", function()
    local text, code = run { ["a_spec.lua"] = PASSES:rep(3), ["b_spec.lua"] = PASSES,
      ["c_spec.lua"] = "it('waits', function() pending 'no such thing here' end)" }
    assert.equal("4 passed, 0 failed, 1 skipped", text:match "([^\n]*)\n$")
    has(text, "no such thing here")
    assert.equal(0, code)
  end)

  it("shows what a file that fails printed, on stderr, too, and of others nothing", function()
    local text, code = run { ["a_spec.lua"] = "io.stderr:write 'noise'\n" .. PASSES,
      ["b_spec.lua"] = "io.stderr:write 'reason'\nit('falls', function() error 'here' end)" }
    has(text, "reason")
    assert.is_nil(text:find "noise")
    assert.is_truthy(text:find "\nfailed:\n  %S+/b_spec%.lua: 0 passed, 1 failed\n"
      and text:find "\n1 passed, 1 failed\n$", text)
    assert.equal(1, code)
  end)

  it("counts a file that dies, or ends badly in spite of its count, as a failure", function()
    local text, code = run { ["a_spec.lua"] = "it('is', function() os.exit(7) end)",
      ["b_spec.lua"] = PASSES .. "teardown(function() local exit = os.exit\n"
        .. "require('busted').subscribe({'exit'}, function() io.write '1 passed, 0 failed\\n' "
        .. "io.flush() exit(9) end, {priority = 1}) end)" }
    has(text, "a_spec.lua: ended without a count, status 7")
    has(text, "b_spec.lua: 1 passed, 0 failed, but ended with status 9")
    assert.is_truthy(text:find "\n1 passed, 2 failed\n$", text)
    assert.equal(1, code)
  end)

  it("names a file that is not there, and a folder without specs", function()
    local pipe = assert(io.popen "scripts/specs spec/nope_spec.lua 2>&1")
    local text = pipe:read "*a"
    has(text, "no spec file 'spec/nope_spec.lua'")
    assert.equal(2, (select(3, pipe:close())))
    local code
    text, code = run {}
    has(text, "no spec file (*_spec.lua) in the folder")
    assert.equal(2, code)
  end)

  it("hands options on to busted", function()
    local text, code = run({ ["a_spec.lua"] = PASSES .. "it('falls', function() error 'x' end)" },
      nil, "-- --filter=is")
    assert.is_truthy(text:find "\n1 passed, 0 failed\n$", text)
    assert.equal(0, code)
  end)

  it("gives each file a temporary folder, and leaves none", function()
    run { ["a_spec.lua"] = [[it('is', function()
      assert(io.open(os.tmpname(), "w")):close()
      assert(os.execute "mktemp >/dev/null")
    end)]] }
    local pipe = assert(io.popen(("ls '%s'"):format(folder)))
    assert.equal("a_spec.lua\n", pipe:read "*a")
    pipe:close()
  end)

  it("has SIGINT end what specs start, though it was started with SIGINT ignored", function()
    local text, code = run({ ["a_spec.lua"] = [[it('is', function()
      local status = { os.execute "sh -c 'kill -INT $$; sleep 9; exit 3'" }
      assert.are_not.equal(3, status[3])
    end)]] }, "trap '' INT;")
    assert.is_truthy(text:find "\n1 passed, 0 failed\n$", text)
    assert.equal(0, code)
  end)
end)
