-- docs/options.md is what the schemas say.

describe("docs/options.md", function()
  it("is what `make docs` writes", function()
    local interpreter = os.getenv "MGD_LUA" or arg[-1] or "build/mgd-lua"
    local pipe = assert(io.popen(("'%s' scripts/options-reference.lua"):format(interpreter)))
    local fresh = pipe:read "a"
    pipe:close()
    local file = assert(io.open "docs/options.md")
    local kept = file:read "a"
    file:close()
    assert.equal(fresh, kept)
  end)
end)
