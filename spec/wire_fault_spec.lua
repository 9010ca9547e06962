--- What the other side of a wire does wrong: each is an error that says what happened, in time, and
-- leaves nothing behind.

local core = require "mgd.core"
local memory = require "spec.support.memory"
local mgd = require "mgd"
local peer = require "spec.support.peer"
local support = require "spec.support.train"

local fails = support.fails
local SHORT = { timeout = 0.1 }

-- Fails with such a message, long before a wait that nothing ends would.
local function fails_soon(message, ...)
  local start = core.base.clock()
  local whole = fails(message, ...)
  assert.is_true(core.base.clock() - start < 30)
  return whole
end

describe("a host", function()
  it("that refuses is named", function()
    local address = peer.address("tcp", "closed")
    fails_soon(("mgd.chip.link: %s: no connection: Connection refused"):format(address),
      mgd.chip.link, address)
  end)

  it("that does not answer is waited for as long as it was said", function()
    local address = peer.address("tcp", "full")
    fails_soon(("mgd.chip.link: %s: no connection within 0.2 s"):format(address), mgd.chip.link,
      address, { timeout = 0.2 })
  end)

  it("that has no address is named", function()
    fails_soon('host "no-such-host.invalid": ', mgd.chip.link,
      "TCPIP::no-such-host.invalid::5025::SOCKET", { timeout = 10 })
  end)
end)

for _, kind in ipairs { "tcp", "pty" } do
  describe("an answer by " .. kind, function()
    it("that does not come is waited for as long as it was said", function()
      peer.with(kind, "silent", SHORT, function(link)
        fails_soon(('link:query: %s: nothing came within 0.1 s, after "*IDN?\\n"')
          :format(link.address), link.query, link, "*IDN?")
        fails_soon("link:read: " .. link.address .. ": nothing came", link.read, link,
          { count = 1 })
      end)
    end)

    it("that is half a message is shown", function()
      peer.with(kind, "half", SHORT, function(link)
        fails_soon(('%s: 3 bytes came within 0.1 s, expected a line feed, got "1.2", after "a\\n"')
          :format(link.address), link.query, link, "a")
      end)
    end)

    it("with another terminator is shown with it", function()
      peer.with(kind, "wrong", SHORT, function(link)
        fails_soon('got "0.5\\r" (is its terminator "\\r"?), after "a\\n"', link.query, link, "a")
        assert.equal("0.5", mgd.chip.link({ "EXEC", "printf", "0.5\\r" }, { terminator = "\r" })
          :read())
      end)
    end)

    it("that never ends stops at the limit", function()
      peer.with(kind, "flood", { limit = 100000 }, function(link)
        fails_soon(("link:query: %s: more than 100000 bytes came: that is its limit, after")
          :format(link.address), link.query, link, "a")
      end)
    end)
  end)
end

describe("an answer", function()
  it("may come in pieces", function()
    peer.with("tcp", "pieces", {}, function(link)
      assert.equal("1.25", link:query "a")
    end)
  end)

  it("that is garbage is shown without what does not print", function()
    peer.with("tcp", "garbage", SHORT, function(link)
      fails_soon('expected a line feed, got "\\xFF\\xFE\\xFD', link.query, link, "a")
      fails_soon('expected a block (#…), got "\\xFF', link.query_block, link, "a")
    end)
  end)

  it("that is no block of a length that is taken is refused, and the next one is not", function()
    peer.with("tcp", "huge", {}, function(link)
      local before = memory.live_bytes()
      fails_soon("more than 67108864 bytes came: that is its limit", link.query_block, link, "a")
      assert.is_true(memory.live_bytes() - before < 2 ^ 20)
    end)
    peer.with("tcp", "endless", {}, function(link)
      fails_soon("an indefinite block (#0) has no length", link.query_block, link, "a")
    end)
    peer.with("tcp", "long", {}, function(link)
      fails_soon('a block of 5 bytes is followed by "fgh": expected its end', link.query_block,
        link, "a")
    end)
    peer.with("tcp", "echo", SHORT, function(link)
      fails_soon('expected a block (#…), got "a\\n"', link.query_block, link, "a")
      fails_soon('expected a block (#…), got "#x\\n"', link.query_block, link, "#x")
      fails_soon('expected a block (#…), got "#2x\\n"', link.query_block, link, "#2x")
      fails_soon('expected 9, got "ab\\n", after', link.query_block, link, "#19ab")
      assert.equal("b", link:query "b")
    end)
  end)

  it("that is cut by the other side says so", function()
    peer.with("tcp", "cut", {}, function(link)
      fails_soon(('link:query: %s: the other side closed it, after "a\\n"'):format(link.address),
        link.query, link, "a")
    end)
    peer.with("tcp", "reset", {}, function(link)
      fails_soon(": Connection reset by peer, after", link.query, link, "a")
    end)
  end)

  it("that never ends is not waited for to fall silent", function()
    local link = mgd.chip.link({ write = function() end, read = function() return "x" end },
      { limit = 10 })
    fails_soon("more than 10 bytes came", link.read, link)
    fails_soon("bytes came within 1 s, expected silence", link.write, link, "a")
  end)

  it("that comes too late is not the next question's", function()
    local asked, said = 0, ""
    local link = mgd.chip.link({
      write = function(text) asked, said = asked + 1, said .. text end,
      read = function()
        local bytes = asked > 1 and said or ""
        said = asked > 1 and "" or said
        return bytes
      end,
    }, { timeout = 0.05 })
    fails_soon("nothing came", link.query, link, "first")
    asked = 2
    assert.equal("second", link:query "second")
  end)
end)

describe("a text", function()
  it("that nobody takes is waited for as long as it was said", function()
    peer.with("tcp", "deaf", SHORT, function(link)
      fails_soon("bytes within 0.1 s", link.write, link, ("x"):rep(2 ^ 24))
    end)
    local link = mgd.chip.link({ "EXEC", "sleep", "60" }, SHORT)
    fails_soon("EXEC::sleep 60: it took ", link.write, link, ("x"):rep(2 ^ 20))
    link.core:close()
  end)

  it("to a wire that was reset is no signal", function()
    peer.with("tcp", "reset", {}, function(link)
      for _ = 1, 3 do
        pcall(link.query, link, "a")
      end
      fails_soon("link:write: ", function()
        for _ = 1, 100 do
          link:write "a"
        end
      end)
    end)
  end)
end)

describe("a serial port", function()
  it("that is none, or is not there, is named", function()
    fails("ASRL/dev/null: it is no serial port", mgd.chip.link, "ASRL/dev/null")
    fails("ASRL/dev/no-such-port: No such file or directory", mgd.chip.link,
      "ASRL/dev/no-such-port")
    fails("12345 baud is no speed of a serial port here", mgd.chip.link, "ASRL/dev/null",
      { baud = 12345 })
  end)
end)

describe("a child process", function()
  it("that is not found is named", function()
    fails("EXEC::no-such-program x: there is no program no-such-program in the absolute folders of "
      .. "PATH", mgd.chip.link, "EXEC::no-such-program x")
    fails("there is no program ./no-such-program", mgd.chip.link, "EXEC::./no-such-program")
    fails("there is no program /etc/passwd", mgd.chip.link, "EXEC::/etc/passwd")
  end)

  local function ends(message, script)
    local link = mgd.chip.link({ "EXEC", "sh", "-c", script }, { timeout = 10 })
    local whole = fails_soon(message, link.query, link, "a")
    link:close()
    return whole
  end

  it("that ends says how", function()
    ends("the program ended with status 3, after", "read x; exit 3")
    ends("the program ended with status 0, after", "read x; printf 1.2")
    ends("the program was ended by signal 9 (Killed), after", "read x; kill -9 $$")
  end)

  it("that has ended takes nothing, and is started again", function()
    local link = mgd.chip.link { "EXEC", "sh", "-c", "read x; echo $x $$" }
    local first = link:query "a"
    fails_soon("the program ended with status 0", function()
      link:write "b"
      link:write(("x"):rep(2 ^ 20))
    end)
    local second = link:reopen():query "a"
    assert.not_equal(first, second)
    link:close()
  end)

  it("that ends no more is ended", function()
    local link = mgd.chip.link { "EXEC", "sh", "-c",
      "trap '' TERM; echo $$; while :; do sleep 1; done" }
    local pid, start = link:read(), core.base.clock()
    link:close()
    assert.is_true(peer.ends(pid))
    assert.is_true(core.base.clock() - start < 30)
  end)
end)

describe("wires", function()
  it("leave no open file and no child", function()
    if not io.open "/proc/self/fd" then
      return pending "no /proc here"
    end
    local function open_files()
      local count = 0
      for _ in pairs(core.files.list "/proc/self/fd") do
        count = count + 1
      end
      return count
    end
    local addresses = { { "EXEC", "true" }, "EXEC::no-such-program", "ASRL/dev/null",
      peer.address("pty", "echo"), peer.address("tcp", "echo"), peer.address("tcp", "closed") }
    local before = open_files()
    for _ = 1, 5 do
      for _, address in ipairs(addresses) do
        local ok, link = pcall(mgd.chip.link, address)
        if ok then
          link:close()
        end
      end
    end
    assert.equal(before, open_files())
  end)

  it("survive allocations that fail", function()
    assert.is_true(memory.survive(function()
      local link = mgd.chip.link { "EXEC", "cat" }
      assert(link:query "a" == "a")
      link:close()
    end) > 3)
    assert.is_true(memory.survive(function()
      local link = mgd.chip.link(peer.address("tcp", "echo"))
      assert(link:query "a" == "a")
      link:close()
    end) > 3)
  end)
end)
