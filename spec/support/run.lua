-- Runs busted in this very interpreter: MGD_LUA spec/support/run.lua [busted options] [specs]
require "busted.runner" { standalone = false }
