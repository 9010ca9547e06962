--- Measuring: contenders take turns, so that whatever else the machine does meets all of them.
--
-- A contender is {name =, time = function(n) → seconds that n pieces of work took, per =}; `per` is
-- the number of units (steps, replica-steps, FLOP) in a piece, 1 without; time returns nil and why
-- where the contender is absent. The first contender of a list is the subject; a ratio is the time
-- of another over the time of the subject, per unit, of the same round: how many times faster the
-- subject is.

local measure = {}

local PATIENCE = 4 -- how many slices a turn may take: whoever takes longer sits out rounds
local FEWEST = 5 -- rounds, even so

--- Median, smallest and largest of numbers.
function measure.spread(values)
  local sorted = table.move(values, 1, #values, 1, {})
  table.sort(sorted)
  local middle = (#sorted + 1) // 2
  local median = #sorted % 2 == 1 and sorted[middle] or (sorted[middle] + sorted[middle + 1]) / 2
  return { median = median, min = sorted[1], max = sorted[#sorted] }
end

-- How many pieces take about `slice` seconds, and how long they do take; or nil and why not. Warms
-- up on the way.
local function calibrate(contender, slice)
  local seconds, why = contender.time(1)
  local n = 1
  while seconds do
    seconds, why = contender.time(n)
    if seconds and (contender.pieces or seconds >= slice / 4) then
      local pieces = contender.pieces or math.max(1, math.floor(n * slice / seconds + 0.5))
      return pieces, seconds / n * pieces
    end
    n = n * (seconds and seconds < slice / 40 and 8 or 2)
  end
  return nil, why
end

-- A contender with its number of pieces, the rounds that it takes part in, and its times of them.
local function plan(contender, opts, subject)
  local pieces, seconds = calibrate(contender, opts.slice)
  if not pieces then
    return { contender = contender, absent = seconds }
  end
  local every = math.ceil(seconds / (PATIENCE * opts.slice))
  return {
    contender = contender,
    pieces = pieces,
    every = subject and 1 or math.max(1, math.min(every, (opts.rounds - 1) // (FEWEST - 1))),
    times = {},
  }
end

local function take_turn(planned, round)
  if planned.absent or (round - 1) % planned.every ~= 0 then
    return
  end
  local seconds, why = planned.contender.time(planned.pieces)
  if seconds then
    planned.times[round] = seconds / (planned.pieces * (planned.contender.per or 1))
  else
    planned.absent = why
  end
end

local function result(planned, subject)
  local name = planned.contender.name
  if planned.absent then
    return { name = name, absent = planned.absent }
  end
  local times, ratios = {}, {}
  for round, seconds in pairs(planned.times) do
    times[#times + 1] = seconds
    ratios[#ratios + 1] = seconds / subject.times[round]
  end
  return { name = name, seconds = measure.spread(times), ratio = measure.spread(ratios) }
end

--- Let contenders take turns.
-- @tparam table contenders
-- @tparam table opts `rounds`, `slice` (seconds of one turn)
-- @treturn table for each contender {name =, seconds = spread, ratio = spread}, seconds per unit;
--   or {name =, absent = why}
function measure.compare(contenders, opts)
  local plans, results = {}, {}
  for i, contender in ipairs(contenders) do
    plans[i] = plan(contender, opts, i == 1)
    assert(i > 1 or not plans[1].absent, plans[1].absent)
  end
  for round = 1, opts.rounds do
    for turn = 1, #plans do
      take_turn(plans[round % 2 == 1 and turn or #plans + 1 - turn], round)
    end
  end
  for i, planned in ipairs(plans) do
    results[i] = result(planned, plans[1])
  end
  return results
end

return measure
