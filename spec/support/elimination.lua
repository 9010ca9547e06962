-- Linear equations, written out: what specs of circuits and recurrences are compared with.

local M = {}

--- Solves M·X = R by elimination with pivots; M and R are lists of rows, which it spoils.
function M.solved(m, r)
  local n = #m
  for i = 1, n do
    local pivot = i
    for k = i + 1, n do
      pivot = math.abs(m[k][i]) > math.abs(m[pivot][i]) and k or pivot
    end
    m[i], m[pivot], r[i], r[pivot] = m[pivot], m[i], r[pivot], r[i]
    for k = 1, n do
      local factor = k ~= i and m[k][i] / m[i][i] or 0
      for j = 1, factor ~= 0 and n or 0 do
        m[k][j] = m[k][j] - factor * m[i][j]
      end
      for j = 1, factor ~= 0 and #r[1] or 0 do
        r[k][j] = r[k][j] - factor * r[i][j]
      end
    end
  end
  for i = 1, n do
    for j = 1, #r[1] do
      r[i][j] = r[i][j] / m[i][i]
    end
  end
  return r
end

return M
