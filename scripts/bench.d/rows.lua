--- The rows of the bench, in the order of the table; docs/benchmarks.md says what each means.
--
-- A row is {id =, title =, unit =, make = function() → contenders, targets =}, measured by main.lua
-- (in `more_rounds` times as many rounds of `share` of the time), or {…, entries = function() → …}
-- where nothing is timed. Targets are {against = name of a contender, at_least = ratio},
-- {against =, below =}, or {at_most =} of all entries.

local rows = {}
for _, group in ipairs {
  "machine", "small", "large", "overhead", "memory", "convolution", "growth",
  "hardware", "nodes", "codes", "analog", "store", "sweep", "recording", "served", "wire",
  "spice", "circuits",
} do
  local list = require("rows." .. group)
  table.move(list, 1, #list, #rows + 1, rows)
end
return rows
