--- The learning circuits that there are: what stands at each synapse, and what a chip has once.
--
-- A row names its parts; the module of its `kind` has the options, the checks and the figures.
-- @module mgd.circuits.sets

return {
  { "sign-sign", kind = "digital",
    source = "shift-register tap, Walsh counter, or row ⊕ column",
    multiplier = "XOR of the vote and the tap",
    integrator = "up/down counter of n bits",
    write = "register ± step on overflow",
    storage = "register of W bits",
    shared = "converter of B bits, comparator; broadcast: a vote and its sign" },
  { "accumulator", kind = "digital",
    source = "shift-register tap, Walsh counter, or row ⊕ column",
    multiplier = "sign of C̃ ⊕ tap, |C̃| of M bits",
    integrator = "accumulator that saturates",
    write = "register + the accumulator's upper bits, after τ_θ",
    storage = "register of W bits",
    shared = "converter of B bits, subtractor; broadcast: sign and M bits" },
  { "rc", kind = "analog",
    source = "shift-register tap or Walsh counter, switched between ±V",
    multiplier = "four-quadrant multiplier",
    integrator = "leaky RC integrator",
    write = "transconductor into the weight's capacitor",
    storage = "capacitor that leaks",
    shared = "RC high-pass on the cost; broadcast: one voltage" },
  { "charge-pump", kind = "analog",
    source = "shift-register tap or Walsh counter, switched between ±V",
    multiplier = "sign of C − C₀ ⊕ tap",
    integrator = "none: the weight's capacitor itself",
    write = "charge pump, ±I for a fixed time",
    storage = "capacitor that leaks",
    shared = "sampled C₀, comparator; broadcast: one sign" },
}
