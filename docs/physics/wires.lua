-- Writes docs/physics/wires.md: what the wires of an array lose, to first order and by the circuit.
--
--   build/mgd-lua docs/physics/wires.lua                                    some seconds

local mgd = require "mgd"
local hw, nn = mgd.hw, mgd.nn

local FOLDER = arg[0]:gsub("[^/]*$", "")

-- Outputs of an n × n array of weights drawn between low and 1, all inputs on.
local function outputs(n, low, weights)
  local net = nn.sequential { input = { n }, dtype = "f64", nn.dense(n) }
  net:init { scheme = "uniform", low = low, high = 1, seed = 1 }
  local theta, x = net:theta(), mgd.ones { 1, n }
  theta[{ { n * n + 1, n * n + n } }] = 0 -- no biases
  net:set_theta(theta)
  if not weights then
    return net:forward(x)
  end
  local run = mgd.train { chip = mgd.chip { net = net, weights = weights },
    data = { x = x, y = mgd.zeros { 1, n } } }
  return run:predict(x)
end

-- Share of the current that is lost, and the largest error of one output, in units of the largest.
local function figures(n, low, ratio, solve)
  local ideal, circuit = outputs(n, low), outputs(n, low, hw.ir_drop { ratio = ratio,
    solve = "nodal" })
  local y = solve == "nodal" and circuit or outputs(n, low, hw.ir_drop { ratio = ratio })
  return 1 - y:sum() / ideal:sum(), (y - circuit):abs():max() / circuit:abs():max()
end

local TEXT = [[
# Wires of an array

The weights of a layer lie where wires cross: the wire of input i leads from its driver past output
0, 1, … O − 1; that of output o from input 0 to I − 1 and then to its amplifier, which is at 0 V.
The current of a device flows through both, and lowers the voltage at all other devices on them.
`hw.ir_drop{ratio = r}` counts this, r being the resistance of a segment of wire between two
devices over that of a device at the largest conductance.

**To first order** (`solve = "first_order"`, the default) the currents are those of ideal wires,
all inputs on. With g in units of the largest conductance, o and i from 0:

    S_oi = Σ_k g_ki·(min(o, k) + 1) + Σ_l g_ol·(I − max(i, l)),    g_oi → g_oi/(1 + r·S_oi)

1 − r·S is the first term of a series; 1/(1 + r·S) has the same first term, is what a resistance in
series does, and does not pass zero. It is a sum along each wire, so it costs as much as the
weights are many. Positive and negative weights lie in two arrays with drivers and wires of their
own, as pairs of conductances do (`hw.conductance`, whose g_min counts as a load too). A bias is a
device at its output's amplifier, on an input wire of its own. The weights of a convolution are one
array of its channels and the inputs of a window; those of a recurrent layer have its states as
inputs, too. Affine layers and meshes are not arrays, and lose nothing.

**The circuit itself** (`solve = "nodal"`): Kirchhoff's equations of every node, a banded Cholesky
factor (GSL), and the matrix T of y = T·x, which holds whatever inputs are on. It is solved at each
evaluation of each replica, in `2·n·b·(b + 4·O)` operations for n nodes in a band of
b ≈ 2·min(O, I): right for small arrays, and for checks. Arrays that would take longer than 2 s are
refused.

A run begins with a warning where r·S would pass 0.5 with devices at half of the largest
conductance.

What all inputs on means: T has no such assumption. Where only a few inputs are on, less current
flows than the first order reckons with, and it overstates the loss.

Not modelled: resistance of drivers and amplifiers, capacitance of the wires (`hw.path` has time
constants), selectors, sneak paths of inputs that float.

## The error against the circuit

All inputs on, weights evenly between 0 and 1 (one array) or −1 and 1 (two). *Lost* is the share of
the current that does not arrive; *error* that of the worst output, against the largest output.
`spec/wires_spec.lua` compares the circuit with one solved by Gaussian elimination in the spec, and
both with each other.

| array | weights | r | lost: circuit | lost: first order | error of an output |
|---|---|---|---|---|---|
]]

local out = assert(io.open(FOLDER .. "wires.md", "w"))
out:write(TEXT)
for _, low in ipairs { 0, -1 } do
  for _, case in ipairs { { 8, 1e-3 }, { 8, 1e-2 }, { 16, 1e-3 }, { 32, 1e-4 }, { 32, 1e-3 },
    { 64, 1e-5 }, { 64, 1e-4 }, { 64, 1e-3 } } do
    local n, ratio = case[1], case[2]
    local lost = figures(n, low, ratio, "nodal")
    local first, error = figures(n, low, ratio)
    out:write(("| %d×%d | %g … 1 | %g | %s | %s | %.2g %% |\n"):format(n, n, low, ratio,
      low == 0 and ("%.4g %%"):format(100 * lost) or "–",
      low == 0 and ("%.4g %%"):format(100 * first) or "–", 100 * error))
  end
end
out:close()
