--- Batches: what one process trains at once. Points that differ in nothing but a constant η go into
-- one ensemble; seeds of a point are divided where they are many.
-- @module mgd.studies.sweep.batches

local json = require "mgd.text.json"

local M = {}

local MOST_REPLICAS = 256     -- beyond it an ensemble gains little, and processes wait for the last
local MOST_PARAMETERS = 4e6   -- of all replicas: about 100 MB

-- Points with equal keys may share an ensemble.
local function key_of(exp)
  local content = exp:resolved()
  local eta = content.training.eta
  content.name, content.seeds = nil, nil
  if type(eta) == "number" and content.training.optimizer ~= "pulses" then
    content.training.eta = "of each"
  end
  return json.encode(content)
end

--- How many replicas a batch has at most.
local function room_for(exp)
  local parameters = exp.objects.chip.num_parameters
  return math.max(1, math.min(MOST_REPLICAS, math.floor(MOST_PARAMETERS / parameters)))
end

--- Batches for some seeds of all points.
-- @tparam table exps the points' experiments
-- @tparam integer first seed
-- @tparam integer last seed
-- @treturn table list of {groups = list of {point =, first =, count =}, work = replicas × steps}
function M.plan(exps, first, last)
  local open, batches = {}, {}
  for number, exp in ipairs(exps) do
    local key, seed = key_of(exp), first
    while seed <= last do
      local batch = open[key]
      if not batch then
        batch = { groups = {}, replicas = 0, work = 0 }
        batches[#batches + 1] = batch
        open[key] = batch
      end
      local room = room_for(exp)
      local count = math.min(last - seed + 1, room - batch.replicas)
      batch.groups[#batch.groups + 1] = { point = number, first = seed, count = count }
      batch.replicas = batch.replicas + count
      batch.work = batch.work + count * exp.plain.steps
      seed = seed + count
      if batch.replicas >= room then
        open[key] = nil
      end
    end
  end
  return batches
end

return M
