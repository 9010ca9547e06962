--- Chips: what MGD trains. An ideal chip around a network, or anything at all written in Lua.
-- @module mgd.chip

local core = require "mgd.core"
local nn = require "mgd.nn"
local options = require "mgd.options"

local Chip = {}
Chip.__index = Chip
Chip.__name = "mgd.chip"

function Chip:__tostring()
  if self.net then
    return ("chip: ideal, %s"):format(tostring(self.net))
  end
  return ("chip: a Lua function of %d parameters"):format(self.num_parameters)
end

local SCHEMA = {
  { "net", type = "any", doc = "The network of an ideal chip." },
  { "seed", type = "integer", default = 1,
    doc = "Seed of the device's own draws, of which an ideal chip has none." },
  { "parameters", type = "integer", min = 1, doc = "Number of parameters P of a chip in Lua." },
  { "evaluate", type = "function",
    doc = "function(theta, x) → y: outputs (B, O) for parameters (P) and samples (B, …), f64." },
  { "theta", type = "tensor", doc = "Present parameters (P) of a chip in Lua; zeros without." },
}

local function check_parts(opt)
  if opt.net == nil == (opt.evaluate == nil) then
    options.fail("mgd.chip", "expected either net = … or parameters = … with evaluate = …")
  end
  if opt.net ~= nil and not nn.is_network(opt.net) then
    options.fail("mgd.chip", "option 'net' must be a network, got %s", options.type_name(opt.net))
  end
  if opt.net and (opt.parameters or opt.theta) then
    options.fail("mgd.chip", "options 'parameters' and 'theta' go with 'evaluate', not with 'net'")
  end
  if opt.evaluate and not opt.parameters then
    options.fail("mgd.chip", "option 'parameters' is missing: how many does 'evaluate' take?")
  end
end

--- Make a chip.
-- @tparam table opts `seed` (1), and either `net`: an ideal chip; or `parameters` P and
--   `evaluate = function(theta, x) return y end`, with θ (P), x (B, …) and y (B, O) in f64, and
--   optionally `theta`, its present parameters. `evaluate` gets copies, is called in the order of
--   time, and must not yield.
-- @treturn chip with field `num_parameters`
-- @usage
-- mgd.chip{parameters = 2, evaluate = function(theta, x) return x * theta[1] + theta[2] end}
local function new(opts)
  local opt = options.check("mgd.chip", SCHEMA, opts)
  check_parts(opt)
  local chip = setmetatable({ net = opt.net, seed = opt.seed }, Chip)
  if opt.net then
    chip.num_parameters = opt.net.num_parameters
    chip.core = core.chip.ideal(opt.net.core)
  else
    chip.num_parameters = opt.parameters
    chip.core = core.chip.external(opt.parameters, opt.evaluate, opt.theta)
  end
  return chip
end

return setmetatable({
  is_chip = function(value)
    return type(value) == "table" and getmetatable(value) == Chip
  end,
}, {
  __call = function(_, opts)
    return new(opts)
  end,
})
