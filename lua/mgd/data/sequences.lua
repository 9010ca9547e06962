--- Sequences of one length, stacked for data sets.
-- @module mgd.data.sequences

local core = require "mgd.core"
local options = require "mgd.base.options"

local M = {}

local function shape_text(t, one)
  return table.concat(t.shape, "×") .. (t.ndim == 1 and one or "")
end

-- One sequence of the list, checked against the first; `name` is that of the list.
local function check_sequence(where, name, t, i, first)
  if not options.is_tensor(t) or t.ndim < 1 or t.ndim > 2 or t.size == 0 then
    options.fail(where, "%s[%d] must be a sequence, a tensor (T, F) or (T), got %s", name, i,
      options.is_tensor(t) and shape_text(t, "") or options.type_name(t))
  end
  if #t ~= #first then
    options.fail(where, "%s[%d] has %d steps, the first sequence has %d: expected sequences of one "
      .. "length; cut them, or pad them with zeros", name, i, #t, #first)
  end
  if (t.shape[2] or 1) ~= (first.shape[2] or 1) then
    options.fail(where, "%s[%d] has the shape %s, the first sequence %s: expected as many features",
      name, i, shape_text(t, "×1"), shape_text(first, "×1"))
  end
end

--- Sequences of one length as one tensor.
-- @tparam string where the function that answers for faults
-- @tparam string name what it calls `x`
-- @param x a list of tensors (T, F) or (T), or a tensor (N, T, F) or (N, T)
-- @treturn tensor (N, T, F); f32 unless the first sequence is f64
-- @raise on unlike lengths or features, naming the first such sequence
function M.stack(where, name, x)
  if options.is_tensor(x) then
    if x.ndim ~= 3 and x.ndim ~= 2 then
      options.fail(where, "%s must have the shape (N, T, F), or (N, T) of one feature, got %s",
        name, shape_text(x, ""))
    end
    return x.ndim == 3 and x or x:reshape { x.shape[1], x.shape[2], 1 }
  end
  if #x == 0 then
    options.fail(where, "%s is an empty list: expected at least one sequence", name)
  end
  for i, t in ipairs(x) do
    check_sequence(where, name, t, i, x[1])
  end
  local first = x[1]
  local all = core.tensor.zeros({ #x, #first, first.shape[2] or 1 },
    { dtype = first.dtype == "f64" and "f64" or "f32" })
  for i, t in ipairs(x) do
    all[i] = t:reshape { #first, first.shape[2] or 1 }
  end
  return all
end

return M
