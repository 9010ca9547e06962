-- Chips that are Python programs.

local mgd = require "mgd"
local core = require "mgd.core"
local folder = require "mgd.hardware.python".folder
local needs = require "spec.support.needs"
local write = require("spec.support.texts").write

local M = {}

local LONG = 60 -- seconds that nothing waits for unless it fails

-- Hides NumPy, where it is there.
local WITHOUT = "sys.modules['numpy'] = None\n"

local files = {}

-- The system's own where there is one: it starts quickly, and has the packages of the system.
local function interpreter(numpy)
  if core.process.find "/usr/bin/python3" and not numpy then
    return "/usr/bin/python3"
  end
  return needs.python(numpy and "numpy" or "array")
end

--- The words that start a program of this source, after `from mgd_chip import serve`.
-- @tparam string source
-- @tparam boolean numpy whether it finds NumPy
function M.program(source, numpy)
  local path = os.tmpname()
  files[#files + 1] = path
  write(path, ("import sys\nsys.path.insert(0, %q)\n%s%s"):format(folder(), numpy and "" or WITHOUT,
    source:find "mgd_chip" and source or "from mgd_chip import serve\n" .. source))
  return { interpreter(numpy), path }
end

--- What a program answers to the whole of its input, and what it writes to its standard error.
function M.answers(words, input)
  local ended = assert(core.process.run(words, input, { PYTHONUNBUFFERED = false }, LONG))
  return ended.out, ended.words, ended.status
end

--- A link to a program of this source.
function M.link(source, numpy)
  local words = M.program(source, numpy)
  table.insert(words, 1, "EXEC")
  return mgd.chip.link(words, { timeout = LONG })
end

--- An f64 block.
function M.block(...)
  local bytes = ("<" .. ("d"):rep(select("#", ...))):pack(...)
  return ("#%d%d%s"):format(#tostring(#bytes), #bytes, bytes)
end

--- A block of numbers of samples.
function M.samples(...)
  local bytes = ("<" .. ("I4"):rep(select("#", ...))):pack(...)
  return ("#%d%d%s"):format(#tostring(#bytes), #bytes, bytes)
end

function M.clean()
  for i, path in ipairs(files) do
    os.remove(path)
    files[i] = nil
  end
end

return M
