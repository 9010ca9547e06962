-- The C API called as it should not be: spec/support/misuse.c, which is built beside the
-- interpreter with the same flags, says what comes of each call.

describe("the C API", function()
  local program = os.getenv "MGD_LUA":gsub("mgd%-lua$", "spec/misuse")
  local path = os.tmpname()
  local out, status = {}, nil
  local pipe = assert(io.popen(("'%s' '%s' 2>&1; echo status $?"):format(program, path)))
  for line in pipe:lines() do
    status = line:match "^status (%d+)" or status
    out[#out + 1] = line
  end
  pipe:close()
  os.remove(path)

  for _, line in ipairs(out) do
    local good, name, why = line:match "^(n?o?t? ?ok) ([^:]+):?(.*)"
    if good then
      it("reports: " .. name, function()
        assert.equal("ok", good, why)
      end)
    end
  end

  it("survives all of it", function()
    assert.equal("0", status, table.concat(out, "\n"))
    assert.is_true(#out > 90)
  end)
end)
