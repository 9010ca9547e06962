--- Wires of every kind: what goes out and comes in, and links, which are what scripts have of them.

local core = require "mgd.core"
local mgd = require "mgd"
local peer = require "spec.support.peer"
local support = require "spec.support.train"
local texts = require "spec.support.texts"

local fails, unpack = support.fails, table.unpack or unpack

-- Every byte, line feeds among them.
local BYTES = {}
for i = 0, 255 do
  BYTES[i + 1] = string.char(i)
end
BYTES = table.concat(BYTES)

local ECHO = { "EXEC", "cat" }

describe("an address", function()
  local function refused(message, to)
    fails("mgd.chip.link: " .. message, mgd.chip.link, to)
  end
  local function unread(address, wanted)
    fails(("address %q: expected %s"):format(address, wanted), mgd.chip.link, address)
  end

  it("of TCP has host and port, whatever its case", function()
    local place = peer.address("tcp", "echo")
    for _, form in ipairs { "%1", "tcpip0::%1::socket" } do
      local port = place:match "::(%d+)::"
      local address = form == "%1" and place or ("tcpip0::localhost::%s::socket"):format(port)
      local link = mgd.chip.link(address)
      assert.equal(address, link.address)
      assert.equal("hello", link:query "hello")
      link:close()
    end
  end)

  it("that is none says what is expected", function()
    local tcp = "TCPIP::host::port::SOCKET"
    for _, address in ipairs { "TCPIP::host::SOCKET", "TCPIP::host::5025::INSTR",
      "TCPIP::::1::SOCKET", "TCPIPx::host::1::SOCKET", "TCPIP::host::1::2::SOCKET", "TCPIP" } do
      unread(address, tcp)
    end
    unread("TCPIP::127.0.0.1::0::SOCKET", "a port from 1 to 65535, got 0")
    unread("TCPIP::127.0.0.1::http::SOCKET", "a port from 1 to 65535, got http")
    unread("ASRL1::INSTR", "ASRL/dev/name")
    unread("EXEC::", "EXEC::program word …")
    unread("EXEC cat", "EXEC::program word …")
    unread("GPIB0::7::INSTR", tcp .. " or ASRL/dev/name or EXEC::program word …")
    unread("", tcp .. " or")
    refused("expected an address, a list of words, or functions {write =, read =}, got table", {})
    refused("a list with holes: element 2 is nil, element 3 is not", { "EXEC", nil, "x" })
    fails("word 2: expected a string, got number", mgd.chip.link, { "EXEC", 7 })
    fails('address "EXEC": expected EXEC::program word …', mgd.chip.link, { "EXEC" })
  end)

  it("of IPv6 stands in brackets", function()
    fails("TCPIP::[::1]::1::SOCKET: no connection: ", mgd.chip.link, "TCPIP::[::1]::1::SOCKET")
    fails("TCPIP::[::1]::1::SOCKET: no connection: ", mgd.chip.link, { "TCPIP", "::1", "1" })
  end)

  it("of a child has words between blanks", function()
    local link = mgd.chip.link "EXEC::printf  %s\\n   a  b$HOME"
    assert.equal("a", link:read())
    assert.equal("b$HOME", link:read())
    link:close()
  end)
end)

for _, kind in ipairs { "tcp", "pty" } do
  describe("a wire by " .. kind, function()
    it("carries lines and blocks", function()
      peer.with(kind, "echo", {}, function(link)
        assert.equal("hello", link:query "hello")
        assert.equal("", link:query "")
        assert.equal(BYTES, link:query_block "bytes")
        link:write "a b":write "c"
        assert.equal("a b", link:read())
        assert.equal("c", link:read())
      end)
    end)

    it("takes in what comes while something long goes out", function()
      peer.with(kind, "echo", {}, function(link)
        local line = ("x"):rep(99)
        link:write((line .. "\n"):rep(kind == "tcp" and 100000 or 1000) .. "end")
        for _ = 1, kind == "tcp" and 100000 or 1000 do
          assert(link:read() == line)
        end
        assert.equal("end", link:read())
      end)
    end)

    it("is opened again, without what had come", function()
      peer.with(kind, "echo", {}, function(link)
        assert.equal("o", link:write "old":read { count = 1 })
        assert.equal("new", link:reopen():query "new")
      end)
    end)
  end)
end

describe("a serial port", function()
  it("takes its settings", function()
    for _, opts in ipairs { { baud = 9600 }, { baud = 921600, parity = "even", stop_bits = 2 },
      { parity = "odd", flow = "hardware" }, { flow = "software" } } do
      peer.with("pty", "echo", opts, function(link)
        assert.equal("hello", link:query "hello")
      end)
    end
  end)

  it("has one user at a time", function()
    local address = peer.address("pty", "echo")
    local link = mgd.chip.link(address)
    fails(address .. ": another program uses it", mgd.chip.link, address)
    link:close()
    mgd.chip.link(address):close()
  end)
end)

describe("a child process", function()
  it("gets large texts and blocks while it answers", function()
    local link = mgd.chip.link(ECHO)
    local text = ("x"):rep(2 ^ 21)
    link:write(text):write(text)
    assert.equal(text, link:read())
    assert.equal(#text, #link:read())
    assert.equal("#0\n", link:write "#0":read { count = 3 })
    link:close()
  end)

  it("is ended with the link, and all that it started", function()
    local link = mgd.chip.link { "EXEC", "sh", "-c", "sleep 60 & echo $$; echo $!; cat" }
    local child, sleeper = link:read(), link:read()
    assert.is_true(peer.is_alive(child) and peer.is_alive(sleeper))
    link:close()
    assert.is_nil(io.open(("/proc/%s/stat"):format(child)))
    assert.is_true(peer.ends(sleeper))
  end)

  it("may take a moment to end, and say something meanwhile", function()
    local path = os.tmpname()
    local link = mgd.chip.link { "EXEC", "sh", "-c", ([[
      echo ready
      cat >&2
      head -c 100000 /dev/zero
      sleep 0.2
      echo ended > %s]]):format(path) }
    assert.equal("ready", link:read())
    link:close()
    assert.equal("ended\n", texts.read(path))
    os.remove(path)
  end)

  it("has a PATH without the present folder", function()
    local link = mgd.chip.link { "EXEC", "sh", "-c", "echo $PATH; env | grep -c ^PATH=" }
    local path = link:read()
    assert.is_nil((":" .. path .. ":"):find ":[^/]")
    assert.equal("1", link:read())
    link:close()
  end)

  it("is let go by the collector", function()
    local link = mgd.chip.link { "EXEC", "sh", "-c", "echo $$; cat" }
    local pid = link:read()
    link = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.is_true(peer.ends(pid))
  end)
end)

describe("functions", function()
  it("are a wire", function()
    local log, rest = {}, ""
    local link = mgd.chip.link({
      open = function() log[#log + 1] = "open" end,
      close = function() log[#log + 1] = "close" end,
      write = function(bytes) log[#log + 1], rest = bytes, rest .. bytes:upper() end,
      read = function(most)
        local bytes = rest:sub(1, math.min(most, 2))
        rest = rest:sub(3)
        return bytes
      end,
    }, { terminator = "\r\n" })
    assert.equal("functions", link.address)
    assert.equal("ABC", link:query "abc")
    link:reopen():close()
    assert.same({ "open", "abc\r\n", "close", "open", "close" }, log)
  end)

  it("that fail are errors of the link, with their own words", function()
    local answer
    local link = mgd.chip.link({ write = function() end, read = function() return answer end },
      { timeout = 0.05 })
    fails("link:query: functions: the other side closed it", link.query, link, "x")
    answer = ""
    fails('link:query: functions: nothing came within 0.05 s, after "x\\n"', link.query, link, "x")
    answer = 7
    fails("read: expected it to return a string, or nil at the end", link.query, link, "x")
    answer = ("x"):rep(2 ^ 20)
    fails("read: it returned more bytes than it was asked for", link.query, link, "x")
    link = mgd.chip.link { write = error, read = error }
    assert.is_false(pcall(link.write, link, "x"))
  end)

  it("may not use the link that they are", function()
    local link
    link = mgd.chip.link { write = function() link:close() end, read = function() return "" end }
    fails("wire: its own functions use it", link.write, link, "x")
    link = mgd.chip.link { write = function() link:write "y" end, read = function() return "" end }
    fails("wire: its own functions use it", link.write, link, "x")
  end)
end)

describe("a link", function()
  it("adds and takes off terminators", function()
    for _, terminator in ipairs { "\n", "\r\n", "\r" } do
      local link = mgd.chip.link(ECHO, { terminator = terminator })
      assert.equal("a", link:query "a")
      assert.equal("b" .. terminator, link:write "b":read { count = 1 + #terminator })
      link:close()
    end
    local link = mgd.chip.link(ECHO, { terminator = "" })
    assert.equal("a\nb", link:query "a\nb")
    link:close()
    link = mgd.chip.link { "EXEC", "printf", "1\\r\\n2\\n" }
    assert.equal("1", link:read())
    assert.equal("2", link:read())
    link:close()
    fails([[option 'terminator' must be "\n", "\r\n", "\r", "" or "probe", got ";"]], mgd.chip.link,
      ECHO, { terminator = ";" })
  end)

  -- Ends its lines in its own way, and answers questions alone.
  local function instrument(ending)
    local heard, said = "", ""
    return {
      write = function(bytes)
        heard = heard .. bytes
        local stop = select(2, heard:find(ending, 1, true))
        while stop and heard ~= "" do
          local line = ending == "" and heard or heard:sub(1, stop - #ending)
          heard = ending == "" and "" or heard:sub(stop + 1)
          said = said .. (line:find "%?$" and line .. ending or "")
          stop = select(2, heard:find(ending, 1, true))
        end
      end,
      read = function()
        local bytes = said
        said = ""
        return bytes
      end,
    }
  end

  it("finds out which terminator is answered", function()
    for _, terminator in ipairs { "\n", "\r\n", "\r", "" } do
      local link = mgd.chip.link(instrument(terminator), { terminator = "probe", timeout = 0.1 })
      assert.equal(terminator, link.terminator)
      assert.equal("VOLT?", link:query "VOLT?")
    end
    fails('it does not answer with any terminator, after "*IDN?"', mgd.chip.link,
      instrument ";", { terminator = "probe", timeout = 0.05 })
  end)

  it("waits between question and answer", function()
    local asked
    local link = mgd.chip.link({
      write = function() asked = mgd.clock() end,
      read = function() return ("%.3f\n"):format(mgd.clock() - asked) end,
    }, { wait = 0.05 })
    assert.is_true(tonumber(link:query "x") >= 0.05)
    link.wait = 0
    assert.is_true(tonumber(link:query "x") < 0.05)
  end)

  it("takes all errors of an instrument", function()
    local queue = { '-113,"Undefined header"', '-222,"Data out of range"' }
    local link = mgd.chip.link {
      write = function(text) assert(text == "SYST:ERR?\n") end,
      read = function() return (table.remove(queue, 1) or '+0,"No error"') .. "\n" end,
    }
    assert.same({ '-113,"Undefined header"', '-222,"Data out of range"' }, link:errors())
    assert.same({}, link:errors())
    link = mgd.chip.link { write = function() end, read = function() return "-350,full\n" end }
    fails("link:errors: functions: the queue is not empty after 100 errors, the last -350,full",
      link.errors, link)
  end)

  it("writes a log", function()
    local path = os.tmpname()
    local link = mgd.chip.link(ECHO, { log = path, timeout = 0.05 })
    link:query "a\27\"b"
    pcall(link.read, link)
    link:write(("x"):rep(100))
    link:close()
    local lines = {}
    for line in io.lines(path) do
      lines[#lines + 1] = line:gsub("^ *[%d.]+ ", "")
    end
    assert.truthy(lines[1]:find "^# %d+%-%d%d%-%d%d %d%d:%d%d:%d%d: a link is opened")
    assert.same({ '> "a\\x1B\\"b\\n"', '< "a\\x1B\\"b"',
      '! EXEC::cat: nothing came within 0.05 s, after "a\\x1B\\"b\\n"',
      ('> "%s" … (101 bytes)'):format(("x"):rep(60)), "! closed" }, { unpack(lines, 2) })
    os.remove(path)
    fails("mgd.chip.link: option 'log': /no/folder/log: No such file", mgd.chip.link, ECHO,
      { log = "/no/folder/log" })
  end)

  it("prints what it is, and says where it is closed", function()
    local link = mgd.chip.link(ECHO, { terminator = "\r\n" })
    assert.equal('link: EXEC::cat, terminator "\\r\\n"', tostring(link))
    link:close()
    link:close()
    assert.equal("link: EXEC::cat, closed", tostring(link))
    for _, name in ipairs { "write", "read", "query", "query_block", "reopen" } do
      fails(("link:%s: the link to EXEC::cat is closed"):format(name), link[name], link)
    end
    fails("link:write: expected a string, got number", function()
      local open = mgd.chip.link(ECHO)
      open:write(7)
    end)
  end)
end)

describe("Ctrl-C", function()
  it("ends every wait", function()
    local wire = core.wire.open { to = ECHO }
    local waits = {
      take = function() return wire:take(1, 60) end,
      take_until = function() return wire:take_until("\n", 60) end,
      take_some = function() return wire:take_some(60) end,
      drain = function() return wire:drain(60) end,
      write = function() return wire:write("x", 60) end,
      open = function() return core.wire.open { to = "TCPIP::localhost::1::SOCKET" } end,
    }
    for _, wait in pairs(waits) do
      core.base.interrupt()
      fails("interrupted", wait)
    end
    wire:close()
  end)
end)
