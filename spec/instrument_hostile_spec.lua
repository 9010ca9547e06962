--- Instruments that say anything at all: what they send is refused by name, within the time that
-- there is for it, and never trained with.

local mgd = require "mgd"
local errors = require "spec.support.errors"
local fakes = require "spec.support.fakes"
local options = require "spec.support.train".options

local fails, fake = errors.fails, fakes.chip

local DATA = {x = mgd.tensor{{1, 0}, {0, 1}}, y = mgd.tensor{{1}, {0}}}
local WALSH = {code = "walsh", amplitude = 0.1}

local function run_of(chip, changes)
  return mgd.train(options({chip = chip, data = DATA, perturbation = WALSH}, changes))
end

-- Calls f; that it fails with these words within so many seconds.
local function fails_within(seconds, words, f)
  local begin = mgd.clock()
  fails(words, f)
  assert.truthy(mgd.clock() - begin < seconds)
end

-- From the count'th request of a verb on, the chip answers so.
local function later(verb, count, answer)
  local n = 0
  return function(line)
    n = n + 1
    if n >= count then
      return answer
    end
    local usual = fakes.USUAL[verb]
    return type(usual) == "function" and usual(line) or usual
  end
end

-- A chip that answers its first request by these bytes for ever.
local function flooded(dialect, bytes)
  local asked = false
  return mgd.chip{dialect = dialect, terminator = "\n", timeout = 0.3, ramp = 0, instrument = {
    write = function() asked = true end,
    read = function(most) return asked and bytes:sub(1, most) or "" end,
  }}
end

describe("a description", function()
  local cases = {
    {"with more parameters than a message holds", "parameters=4000000000 inputs=2 outputs=1",
      "do not fit into message="},
    {"without parameters", "inputs=2 outputs=1", "parameters is missing"},
    {"with part of a parameter", "parameters=1.5 inputs=2 outputs=1", "parameters=1.5"},
    {"with NaN parameters", "parameters=nan inputs=2 outputs=1", "parameters=nan"},
    {"with a range that goes down", "parameters=2 inputs=2 outputs=1 ranges=1:-1", "ranges=1:-1"},
    {"with a range of NaN", "parameters=2 inputs=2 outputs=1 ranges=nan:1", "ranges=nan:1"},
    {"with logarithms of negative values", "parameters=2 inputs=2 outputs=1 ranges=-1:1:log",
      "ranges=-1:1:log"},
    {"with ranges of other chips", "parameters=2 inputs=2 outputs=1 ranges=0:1,0:1,0:1",
      "ranges has 3 entries"},
    {"with an infinite latency", "parameters=2 inputs=2 outputs=1 latency=inf", "latency=inf"},
    {"with a dtype of its own", "parameters=2 inputs=2 outputs=1 dtype=f16", "dtype=f16"},
    {"with words between", "parameters=2 please inputs=2 outputs=1", "'please': expected key="},
    {"that trains without writing", "parameters=2 inputs=2 outputs=1 integrates=1",
      "integrates=1 without writes=1"},
    {"of endless codes", "parameters=2 inputs=2 outputs=1 codes=" .. ("a,"):rep(1000), "shorter"},
  }
  for _, case in ipairs(cases) do
    it(case[1] .. " is refused", function()
      fails(case[3], function() fake{DESC = "OK " .. case[2]} end)
    end)
  end

  it("that never ends is given up in time", function()
    fails_within(5, "expected a line feed", function() flooded("lines", "a=1 ") end)
  end)
end)

describe("an answer", function()
  local cases = {
    {"with a comma too many", {RUN = "OK 0.5,"}, "numbers with commas between"},
    {"with a NUL in it", {RUN = "OK 0.5\0"}, "numbers with commas between"},
    {"to WRITE that has a value", {WRITE = later("WRITE", 2, "OK 0.5")}, "no value behind it"},
    {"of one error without a text", {RUN = "ERR"}, "the chip reports: ERR"},
    {"that comes twice", {RUN = "OK 0.5\nOK 0.5"}, "expected no"},
    {"followed by 10⁵ others", {RUN = ("OK 0.5\n"):rep(1e5) .. "OK 0.5"}, "expected no"},
    {"with a block and more behind it", {DESC = "OK parameters=2 inputs=2 outputs=1 blocks=1",
      WRITE = later("WRITE", 2, "OK"), RUN = "OK #18\0\0\0\0\0\0\0\0junk"},
      "nothing behind its block"},
    {"with a block of another size", {WRITE = later("WRITE", 2, "OK"),
      DESC = "OK parameters=2 inputs=2 outputs=1 dtype=f32 blocks=1",
      RUN = "OK #18\0\0\0\0\0\0\0\0"}, "2 numbers: expected 1"},
    {"with half a block", {DESC = "OK parameters=2 inputs=2 outputs=1 blocks=1",
      WRITE = later("WRITE", 2, "OK"), RUN = "OK #18\0\0\0"}, "expected"},
  }
  for _, case in ipairs(cases) do
    it(case[1] .. " is refused", function()
      local chip = fake(case[2], {patience = 0})
      local run = run_of(chip)
      fails_within(5, case[3], function() run:run{steps = 4} end)
      assert.equal(0, run.steps_done)
      pcall(chip.close, chip)
    end)
  end

  it("of frames of other numbers without end is given up in time", function()
    fails_within(5, "what came within 0.3 s was no answer", function()
      flooded("frames", "\0\1\2\3\0")
    end)
  end)

  it("before there was a question is dropped", function()
    local wire, early = fakes.wire(function(line) return fakes.answer({}, line) end), "OK 0.5\n"
    local read = wire.read
    wire.read = function(most, seconds)
      local bytes = early or read(most, seconds)
      early = nil
      return bytes
    end
    local chip = mgd.chip{dialect = "lines", terminator = "\n", ramp = 0, instrument = wire}
    assert.equal("acme,fake,0,1", chip:about().identity)
    chip:close()
  end)
end)

describe("a chip whose θ", function()
  for _, value in ipairs{"nan", "inf", "-1e999"} do
    it("is " .. value .. " is refused, and nothing of it is written", function()
      local seen
      fails("expected a finite number", function()
        local _
        _, seen = fake{WRITE = "OK 0," .. value}
      end)
      assert.falsy(seen)
    end)
  end

  it("is beyond its range of logarithms is refused", function()
    fails("range of logarithms", function()
      fake{DESC = "OK parameters=2 inputs=2 outputs=1 ranges=1:2:log", WRITE = "OK 1.5,-1"}
    end)
  end)
end)

describe("a chip that", function()
  it("answers its safe values wrongly is told to be safe all the same", function()
    local chip, seen = fake({WRITE = later("WRITE", 4, "?")}, {safe = 0.25, timeout = 0.1})
    run_of(chip):run{steps = 1}
    fails("expected OK or ERR", function() chip:close() end)
    assert.equal("SAFE", seen[#seen])
  end)
end)

describe("a chip that is another after it was lost", function()
  local function changed(description)
    return fake({DESC = later("DESC", 2, "OK " .. description), RUN = later("RUN", 20, "?")},
      {patience = 0.3})
  end

  for _, description in ipairs{"parameters=100000 inputs=2 outputs=1 samples=100",
    "parameters=2 inputs=2 outputs=9 samples=100",
    "parameters=2 inputs=2 outputs=1 samples=100 dtype=f32",
    "parameters=2 inputs=2 outputs=1 samples=1"} do
    it("is not used: " .. description, function()
      local chip = changed(description)
      local run = run_of(chip)
      fails("expected OK or ERR", function() run:run{steps = 100} end)
      pcall(chip.close, chip)
    end)
  end
end)

describe("a chip that trains itself", function()
  for _, answer in ipairs{"0.5,0,nan", "0.5,0,-1", "0.5,0,1e300"} do
    it("cannot count " .. answer, function()
      local chip = fake{DESC = "OK parameters=2 inputs=2 outputs=1 samples=9 integrates=1 writes=1",
        RUN = "OK " .. answer}
      local run = mgd.train{chip = chip, data = DATA}
      fails("evaluations", function() run:run{steps = 4} end)
      assert.equal(0, run:counters().evaluations)
      chip:close()
    end)
  end
end)

-- ---- anything at all ----------------------------------------------------------------------------

local PIECES = {"\0", "#9999999999", "#18", "#0", "nan", "-inf", "1e999", ",", "\n", "\r", "OK",
  "ERR 4", "0x1p3", "parameters=9", "outputs=4294967294", "latency=1e300", "blocks=1", "order=big",
  ";", '"', "\255\254", ("1,"):rep(500), ("A"):rep(70000)}

-- A text with something wrong with it.
local function spoiled(text, random)
  local i = random(#text)
  local ways = {
    function() return text:sub(1, i - 1) .. string.char(random(0, 255)) .. text:sub(i + 1) end,
    function() return text:sub(1, i - 1) .. text:sub(i + random(8)) end,
    function() return text:sub(1, i - 1) .. PIECES[random(#PIECES)] .. text:sub(i) end,
    function() return text .. text end,
    function() return "" end,
    function() return text:sub(1, i) end,
    function() return text:rep(random(300)) end,
    function() return text:gsub("%d+", PIECES[random(#PIECES)], 1) end,
  }
  return (ways[random(#ways)]())
end

describe("a conversation", function()
  local SEEDS = 60

  -- A chip that spoils some of its answers; whatever becomes of it, θ stays a number.
  local function converse(seed)
    local state, asked = seed, 0
    local function random(low, high)
      state = (state * 16807) % 2147483647
      low, high = high and low or 1, high or low
      return low + state % (high - low + 1)
    end
    local from, rate = random(0, 6), random(2, 40)
    local wire = fakes.wire(function(line)
      local answer = fakes.answer({}, line)
      asked = asked + 1
      return asked > from and random(rate) == 1 and spoiled(answer, random) or answer
    end)
    local chip, run
    local begin = mgd.clock()
    local ok, why = pcall(function()
      chip = mgd.chip{dialect = "lines", terminator = "\n", ramp = 0, timeout = 0.05, patience = 0,
        limit = 2 ^ 20, instrument = wire}
      run = run_of(chip, {tau_theta = 4, eta = 0.1})
      run:run{steps = 20}
    end)
    if chip then
      pcall(chip.close, chip)
    end
    assert.truthy(mgd.clock() - begin < 10, seed)
    if run then
      for _, value in ipairs(run:theta():totable()) do
        assert.truthy(math.abs(value) < 1e300, seed)
      end
      assert.truthy(run:counters().evaluations <= 41, seed) -- one before the first step
    end
    assert.truthy(ok or type(why) == "string")
  end

  it("that is spoiled anywhere ends with a message, in time", function()
    for seed = 1, SEEDS do
      converse(seed * 7919)
    end
  end)
end)
