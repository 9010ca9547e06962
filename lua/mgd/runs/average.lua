--- The average of θ: a second θ beside it, the mean of what its writes have made of it.
--
--     mgd.train{…, average = {kind = "ema", decay = 0.999}}
--     mgd.train{…, average = {kind = "mean", since = 50000}}
--     run:evaluate(nil, {average = true})
-- @module mgd.runs.average

local options = require "mgd.base.options"

local M = {}

local stated = options.stated

--- Schema of `average = {…}` in mgd.train.
M.SCHEMA = {
  stated("kind", { choices = { "ema", "mean" }, default = "ema" }),
  stated("decay", { only = { "kind", "ema" } }),
  stated "since",
}

--- The option of methods that look at θ.
M.LOOK = { "average", type = "boolean", default = false,
  doc = "The average of θ instead of θ, where the run keeps one." }

--- Check what was given as `average` and fill in the defaults.
function M.resolve(given)
  return options.check("mgd.train: average", M.SCHEMA, given)
end

--- Reals that every parameter has to remember for it.
function M.memory(opt)
  return opt.average and 1 or 0
end

--- "average ema, decay 0.999, since step 0"
function M.text(average)
  return ("average %s%s%s"):format(average.kind,
    average.decay and (", decay %.14g"):format(average.decay) or "",
    average.since > 0 and (", since step %d"):format(average.since) or "")
end

--- Check that a run keeps an average.
-- @tparam string where opens messages
-- @tparam run run
function M.need(where, run)
  if not run.options.average then
    options.fail(where, "the run keeps no average of θ: expected average = {kind = \"ema\"}, or "
      .. "\"mean\", in mgd.train")
  end
end

--- Check the options of a method that looks at θ.
-- @tparam string where opens messages
-- @tparam run run
-- @tparam[opt] table given
-- @tparam[opt] table schema of further options
-- @treturn table
-- @raise where the average is asked for and there is none, or a replica has diverged: what its θ
--   was on the way is in the mean for good
function M.look(where, run, given, schema)
  local entries = { M.LOOK }
  for _, entry in ipairs(schema or {}) do
    entries[#entries + 1] = entry
  end
  local opt = options.check(where, entries, given)
  if not opt.average then
    return opt
  end
  M.need(where, run)
  for r = 1, run.options.replicas do
    local step = run.core:diverged(r)
    if step then
      options.fail(where, "replica %d has diverged at step %d, and its average of θ with it: "
        .. "expected a run that has not; the probe average_cost has the others'", run:number(r),
        step)
    end
  end
  return opt
end

return M
