-- A busted output handler: the stock one for this terminal, then a last line "N passed, N failed".
-- Errors (a spec that cannot be loaded, a failing setup) count as failed.

return function(options)
  local busted = require "busted"
  local term = require "term"
  local name = term.isatty(io.stdout) and "utfTerminal" or "plainTerminal"
  local handler = require("busted.outputHandlers." .. name)(options)

  busted.subscribe({ "exit" }, function()
    local failed = handler.failuresCount + handler.errorsCount
    local skipped = handler.pendingsCount > 0 and (", %d skipped"):format(handler.pendingsCount)
    io.write(("%d passed, %d failed%s\n"):format(handler.successesCount, failed, skipped or ""))
    io.flush()
    return nil, true
  end)

  return handler
end
