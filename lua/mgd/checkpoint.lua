local M = {}
function M.save() end
function M.resume() end
return M
