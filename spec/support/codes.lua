-- What specs of codes share.

local mgd = require "mgd"
local options = require("spec.support.train").options

local M = {}

-- Slots of a code, named or with its options: (K, P).
function M.pattern(code, parameters, slots, opts)
  if type(code) == "string" then
    code = { code = code }
  end
  return mgd.codes.pattern(code, options({ parameters = parameters, slots = slots }, opts))
end

-- Σ_k s_i s_j, (P, P)
function M.products(s)
  return s:transpose():matmul(s)
end

function M.off_diagonal(t)
  return (t * (1 - mgd.eye(t.shape[1]))):abs():max()
end

return M
