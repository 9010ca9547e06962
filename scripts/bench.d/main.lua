--- The bench: measures rows.lua and reports them. Run by scripts/bench, from the repository root.

package.path = "scripts/bench.d/?.lua;" .. package.path
-- Its symbols become global: native.so finds the library there.
assert(package.loadlib(package.searchpath("mgd.core", package.cpath), "*"))

local core = require "mgd.core"
local measure = require "measure"
local native = require "bench.native"
local peers = require "peers"
local report = require "report"

local FILE = "out/bench.json"

local function parse(words)
  local given = { rounds = 31, slice = 0.02 }
  local i = 1
  while i <= #words do
    local word, value = words[i], words[i + 1]
    if word == "--markdown" then
      given.markdown = true
    elseif word == "--only" and value then
      given.only, i = value, i + 1
    elseif word == "--rounds" and math.tointeger(tonumber(value)) and tonumber(value) >= 1 then
      given.rounds, i = math.tointeger(tonumber(value)), i + 1
    else
      io.stderr:write("bench: cannot use '", word, "' (--help shows the options)\n")
      os.exit(2)
    end
    i = i + 1
  end
  return given
end

local function wanted(given, id)
  if not given.only then
    return true
  end
  for prefix in given.only:gmatch "[^,]+" do
    if id:sub(1, #prefix) == prefix then
      return true
    end
  end
  return false
end

local function machine()
  local m = native.machine()
  m.cpu = "unknown processor"
  local info = io.open "/proc/cpuinfo"
  if info then
    m.cpu = info:read("a"):match "model name%s*:%s*([^\n]+)" or m.cpu
    info:close()
  end
  local load = io.open "/proc/loadavg"
  if load then
    m.load = load:read "n"
    load:close()
  end
  m.isa = core.base.isa()
  m.date = os.date "%Y-%m-%d"
  m.version = core.base.version()
  return m
end

-- What a target asks of an entry: in words, and whether it is met.
local function judge_entry(target, entry, unit)
  if target.at_least then
    return ("≥ %s against %s"):format(target.at_least, entry.name),
      entry.ratio and entry.ratio.median >= target.at_least
  end
  return ("%s below %g %s"):format(entry.name, target.below, unit), entry.median < target.below
end

-- Of all entries: {at_most =}; of one entry: {against =, at_least =}, or {against =, below =}.
local function judge(target, row)
  local met = true
  for _, entry in ipairs(row.entries) do
    if target.at_most then
      met = met and entry.median <= target.at_most
    elseif entry.name == target.against then
      local text, entry_met = judge_entry(target, entry, row.unit)
      return { text = text, met = entry_met }
    end
  end
  assert(target.at_most, "the target names no contender")
  return { text = ("≤ %g"):format(target.at_most), met = met }
end

local function measured(row, given)
  local done = { id = row.id, title = row.title, unit = row.unit, targets = {} }
  if row.entries then
    done.entries = row.entries()
  else
    done.entries = report.entries(measure.compare(row.make(), {
      rounds = math.ceil(given.rounds * (row.more_rounds or 1)),
      slice = given.slice * (row.share or 1),
    }), row.unit)
  end
  for i, target in ipairs(row.targets or {}) do
    done.targets[i] = judge(target, done)
  end
  collectgarbage()
  return done
end

local given = parse(arg)
local head = given.markdown and report.markdown_head or report.terminal_head
local body = given.markdown and report.markdown or report.terminal
local result = { machine = machine(), rounds = given.rounds, rows = {} }
local begin = core.base.clock()
io.write(head(result.machine))
for _, row in ipairs(require "rows") do
  if wanted(given, row.id) then
    result.rows[#result.rows + 1] = measured(row, given)
    io.write(body(result.rows[#result.rows]))
    io.flush()
  end
end
result.peers = peers.versions
if table.concat(peers.versions):find("reference BLAS", 1, true) then
  io.stderr:write "bench: scripts/deps --bench brings OpenBLAS, which makes these peers faster\n"
end
io.write(report.foot(peers.versions))
result.seconds = core.base.clock() - begin
os.execute "mkdir -p out"
local file = assert(io.open(FILE, "w"))
file:write(report.json(result), "\n")
assert(file:close())
io.stderr:write(("\n%.0f s; %s\n"):format(result.seconds, FILE))
