--- What each replica of an ensemble may have of its own: a constant η, and a number.
--
--     mgd.train{…, replicas = 4, replica = {1, 2, 1, 2}, eta = {0.1, 0.1, 0.3, 0.3}}
--
-- Replicas of one number draw alike. Each does, bit for bit, what it would do alone, with its
-- number and its η: so points of a sweep that differ in η only train as one ensemble.
-- @module mgd.runs.each

local options = require "mgd.base.options"

local M = {}

local WHERE = "mgd.train"
local EXPECTED = { eta = "a number of at least 0", replica = "a whole number of at least 1" }

local function fits(name, value)
  return type(value) == "number" and math.abs(value) < math.huge
    and (name == "eta" and value >= 0 or value >= 1 and value == math.floor(value))
end

-- A copy of a list that holds what it should.
local function check_list(name, list, replicas)
  for key in pairs(list) do
    if type(key) ~= "number" then
      options.fail(WHERE, "option '%s': '%s' stands among the values of the replicas", name,
        tostring(key))
    end
  end
  if #list ~= replicas then
    options.fail(WHERE, "option '%s' is a list of %d: expected a number for each of %d replicas",
      name, #list, replicas)
  end
  local copy = {}
  for i = 1, replicas do
    if not fits(name, list[i]) then
      options.fail(WHERE, "option '%s': element %d is %s: expected %s", name, i,
        type(list[i]) == "number" and list[i] or type(list[i]), EXPECTED[name])
    end
    copy[i] = list[i]
  end
  return copy
end

--- Check the options `eta` and `replica`, and make lists of tensors.
-- @tparam table opt options of mgd.train; changed
function M.check(opt)
  if options.is_tensor(opt.eta) then
    if opt.eta.ndim > 1 then
      options.fail(WHERE, "option 'eta' is a tensor of %d dimensions: expected a number for each "
        .. "of %d replicas", opt.eta.ndim, opt.replicas)
    end
    opt.eta = opt.eta:to("f64"):totable()
  end
  if type(opt.eta) == "table" and type(opt.eta[1]) ~= "string" then -- else a schedule
    opt.eta = check_list("eta", opt.eta, opt.replicas)
    if opt.optimizer == "pulses" then
      options.fail(WHERE, "option 'eta' has no effect beside optimizer = \"pulses\"")
    end
  end
  if type(opt.replica) == "table" then
    opt.replica = check_list("replica", opt.replica, opt.replicas)
  end
end

--- Whether η is a list, of a number for each replica.
-- @tparam table opt resolved options
function M.has_eta(opt)
  return type(opt.eta) == "table" and type(opt.eta[1]) == "number"
end

--- "η 0.125 to 2, of each replica its own"
function M.eta_text(opt)
  local low, high = math.huge, -math.huge
  for _, eta in ipairs(opt.eta) do
    low, high = math.min(low, eta), math.max(high, eta)
  end
  return ("η %.4g to %.4g, of each replica its own"):format(low, high)
end

--- The number of replica r, by which its random numbers are drawn.
function M.number(opt, r)
  local first = opt.replica
  return type(first) == "table" and first[r] or first + r - 1
end

--- "4 replicas from number 3"
function M.replicas_text(opt)
  return ("%d replica%s %s"):format(opt.replicas, opt.replicas == 1 and "" or "s",
    type(opt.replica) == "table" and "with numbers of their own"
    or ("from number %d"):format(opt.replica))
end

return M
