-- Writes docs/reproduction.md from the headers of examples/paper and the tables and figures that
-- those scripts have left in docs/figures/paper:
--
--     OUT=docs/figures/paper make paper
--     build/mgd-lua docs/reproduction.lua
--
-- What is claimed, and what the quick preset shows of it, is said once, at the head of each script:
-- "Shown", "Partly shown" or "Not shown" begins a line there.

local FOLDER = "docs/figures/paper/"

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

-- The comment that opens a script: title, and paragraphs without the commands.
local function header_of(path)
  local lines = {}
  for line in read(path):gmatch "[^\n]*" do
    local text = line:match "^%-%- ?(.*)$"
    if not text then
      break
    end
    lines[#lines + 1] = text
  end
  local title = lines[1]:gsub("^[%w_]+%.lua: ", ""):gsub("%.$", "")
  local body = {}
  for i = 3, #lines do
    if not lines[i]:find "build/mgd%-lua" then
      body[#body + 1] = lines[i]
    end
  end
  local text = table.concat(body, "\n"):gsub("\n+$", "")
  text = text:gsub("Claim %(", "**Claim** (")
  for _, verdict in ipairs { "Shown", "Partly shown", "Not shown" } do
    text = text:gsub("\n(" .. verdict .. ")", "\n\n**%1**", 1)
  end
  return title:gsub("^%l", string.upper), text
end

local NAMES = { "01_angle", "02_training_time", "03_codes", "04_batches", "05_analog",
  "06_robustness", "07_images", "08_hardware_time" }

local out = { [[
# The published results, reproduced

What McCaughan et al., APL Machine Learning 1, 026118 (2023), report of multiplexed gradient
descent, done again with the scripts in `examples/paper`. `make paper` runs their quick presets,
below two minutes each on two cores; `FULL=1 make paper` the long ones. The tables and figures here
are of the quick presets: fewer seeds, shorter runs. So each claim is followed by what *these
tables* show of it, and what they do not: **shown**, **partly shown** or **not shown**. What is not
shown may be true; it would take more seeds, longer runs or other settings to tell. Two intervals
that overlap are no evidence that two numbers are equal.

Effort is in steps, as published, and in evaluations: forward passes of one sample, under one
perturbation or none. Intervals are of 95 %; ∞ is a median or quartile that was not reached. Numbers
are the same on every machine, but for the seconds of item 8. Glyphs of NIST7x7 are ours, so step
counts compare in kind, not digit by digit.
]] }
for i, name in ipairs(NAMES) do
  local title, text = header_of("examples/paper/" .. name .. ".lua")
  out[#out + 1] = ("## %d. %s\n\n%s\n\n![%s](figures/paper/%s.svg)\n\n%s"):format(i, title, text,
    title, name, read(FOLDER .. name .. ".md"))
end
local file = assert(io.open("docs/reproduction.md", "w"))
file:write(table.concat(out, "\n"))
file:close()
