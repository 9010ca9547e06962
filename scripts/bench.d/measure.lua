--- Measuring: contenders take turns, so that whatever else the machine does meets all of them.
--
-- A contender is {name =, time = function(n) → seconds that n pieces of work took, per =}; `per` is
-- the number of units (steps, replica-steps, FLOP) in a piece, 1 without. The first contender of a
-- list is the subject; a ratio is the time of another over the time of the subject, per unit, of
-- the same round: how many times faster the subject is.

local measure = {}

--- Median, smallest and largest of numbers.
function measure.spread(values)
  local sorted = table.move(values, 1, #values, 1, {})
  table.sort(sorted)
  local middle = (#sorted + 1) // 2
  local median = #sorted % 2 == 1 and sorted[middle] or (sorted[middle] + sorted[middle + 1]) / 2
  return { median = median, min = sorted[1], max = sorted[#sorted] }
end

-- How many pieces take about `slice` seconds; warms up on the way.
local function calibrate(contender, slice)
  local n = 1
  while true do
    local seconds = contender.time(n)
    if seconds >= slice / 4 then
      return math.max(1, math.floor(n * slice / seconds + 0.5))
    end
    n = n * (seconds < slice / 40 and 8 or 2)
  end
end

--- Let contenders take turns.
-- @tparam table contenders
-- @tparam table opts `rounds`, `slice` (seconds of one turn)
-- @treturn table for each contender {name =, seconds = spread, ratio = spread}; seconds per unit
function measure.compare(contenders, opts)
  local pieces, times = {}, {}
  for i, contender in ipairs(contenders) do
    pieces[i] = contender.pieces or calibrate(contender, opts.slice)
    times[i] = {}
  end
  for round = 1, opts.rounds do
    for turn = 1, #contenders do
      local i = round % 2 == 1 and turn or #contenders + 1 - turn
      local per = contenders[i].per or 1
      times[i][round] = contenders[i].time(pieces[i]) / (pieces[i] * per)
    end
  end
  local results = {}
  for i, contender in ipairs(contenders) do
    local ratios = {}
    for round, seconds in ipairs(times[i]) do
      ratios[round] = seconds / times[1][round]
    end
    results[i] = {
      name = contender.name,
      seconds = measure.spread(times[i]),
      ratio = measure.spread(ratios),
    }
  end
  return results
end

return measure
