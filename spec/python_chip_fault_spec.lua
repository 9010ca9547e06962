--- Python programs as chips, where something goes wrong: in them, or in what they are sent.

local needs = require "spec.support.needs"
local python = require "spec.support.python"

local LINE = [==[
def evaluate(theta, x):
    if theta[0] == 7:
        raise KeyError("seven\nlines")
    if theta[0] == 8:
        return [[1.0]] * (len(x) + 1)
    if theta[0] == 9:
        return None
    if theta[0] == 10:
        sys.exit(5)
    if theta[0] == 11:
        return [[float("nan")] for _ in x]
    return [[row[0] * theta[0]] for row in x]
serve(parameters=1, inputs=1, outputs=1, evaluate=evaluate, message=4096)
]==]

-- Each request with a pattern of its answer.
local function check(numpy, cases)
  local input = {}
  for i, case in ipairs(cases) do
    input[i] = case[1] .. "\n"
  end
  local out, words = python.answers(python.program(LINE, numpy), table.concat(input))
  local i = 0
  for line in out:gmatch "([^\n]*)\n" do
    i = i + 1
    assert.is_truthy(cases[i] and line:find("^" .. cases[i][2] .. "$"),
      ("%q: %s\n%s"):format(cases[i] and cases[i][1]:sub(1, 60), line, words))
  end
  assert.equal(#cases, i, words)
  return words
end

for _, numpy in ipairs { false, true } do
  describe("a Python program " .. (numpy and "with" or "without") .. " NumPy", function()
    setup(function()
      needs.program "python3"
      if numpy then
        needs.python "numpy"
      end
    end)
    teardown(python.clean)

    it("that raises lives on, and says where", function()
      local words = check(numpy, { { "DATA 0 0.5,1 -", "OK" },
        { "WRITE 7", "OK" },
        { "RUN none 0 1 0 1 0 0",
          "ERR 4 KeyError: 'seven\\nlines' %(lua_%w+:%d+, in evaluate%)" },
        { "WRITE 8", "OK" }, { "RUN none 0 1 0 1 0 0", "ERR 4 .*expected y with 1 rows of 1.*" },
        { "WRITE 9", "OK" }, { "RUN none 0 1 0 1 0 0", "ERR 4 .*" },
        { "WRITE 11", "OK" }, { "RUN none 0 1 0 1 0 0,1", "OK nan,nan" },
        { "WRITE 2", "OK" }, { "RUN none 0 1 0 1 0 0,1", "OK 1,2" } })
      assert.is_truthy(words:find("Traceback", 1, true))
      assert.is_truthy(words:find('raise KeyError("seven\\nlines")', 1, true))
    end)

    it("refuses what is malformed, and is in step with what follows", function()
      local block = python.block
      check(numpy, { { "DATA 0 0.5,1 -", "OK" },
        { "", "ERR 1 .*" }, { "FOO", "ERR 1 .*" }, { "\0\255\1", "ERR 1 .*" },
        { "ID 1", "ERR 2 .*" }, { "DATA 2 1", "ERR 2 .*" }, { "RUN none", "ERR 2 .*" },
        { "DATA x 1 -", "ERR 2 .*" }, { "DATA 0 1,2 1", "ERR 2 .*" },
        { "DATA 3 1 -", "ERR [23] .*" },
        { "DATA -1 1 -", "ERR [23] .*" }, { "WRITE x", "ERR 2 .*" }, { "WRITE 1,2", "ERR 2 .*" },
        { "WRITE #", "ERR 2 .*" }, { "WRITE #0", "ERR 2 .*" }, { "WRITE #x8", "ERR 2 .*" },
        { "WRITE #2x8", "ERR 2 .*" }, { "WRITE " .. block(1, 2), "ERR 2 .*" },
        { "WRITE #14abcd", "ERR 2 .*" }, { "RUN none 0 1 0 x 0 0", "ERR 2 .*" },
        { "RUN none 0 1 0 -1 0 0", "ERR 2 .*" }, { "RUN none 0 1 0 0 0 0", "ERR [23] .*" },
        { "RUN none 0 1 0 9000000 0 0", "ERR [23] .*" },
        { "RUN none 0 1 0 1 0 2", "ERR 3 .*" }, { "RUN none 0 1 0 1 0 -1", "ERR [23] .*" },
        { "RUN none 0 1 0 1 0 x", "ERR 2 .*" }, { "RUN none 0 1 0 3 0 0/1", "ERR 2 .*" },
        { "RUN none 0 1 0 1 0 #13abc", "ERR 2 .*" },
        { "RUN none 0 1 0 3 0 " .. python.samples(0, 1), "ERR 2 .*" },
        { "RUN none 0 1 0 1 0 0 ++", "ERR [23] .*" }, { "RUN walsh 0 1 0 1 0 0", "ERR 2 .*" },
        { "RUN train 0 1 0 1 0 0", "ERR 2 .*" }, { "SAFE x", "ERR 2 .*" },
        { "WRITE " .. ("1,"):rep(4000), "ERR [25] .*" },
        { "WRITE #6100000" .. ("\n"):rep(100000), "ERR 5 .*" },
        { "WRITE 2", "OK" }, { "RUN none 0 1 0 1 0 0", "OK 1" } })
    end)

    it("that exits is gone, and its last words are told", function()
      local out, _, status = python.answers(python.program(LINE, numpy),
        "DATA 0 1 -\nWRITE 10\nRUN none 0 1 0 1 0 0\nID\n")
      assert.same({ "", 5 }, { out, status })
    end)

    it("ends with its input, in the middle of a request or of a block", function()
      for _, rest in ipairs { "RU", "WRITE #", "WRITE #2", "WRITE #18abc", "WRITE #49999abc" } do
        local out, words, status = python.answers(python.program(LINE, numpy), "WRITE\n" .. rest)
        assert.same({ "OK 0\n", "", 0 }, { out, words, status }, rest)
      end
    end)
  end)
end
