# A client of the chip server through PyVISA and its Python back end; spec/serve_clients_spec.lua
# starts the server. Says "all well" where everything came as it was sent.
import sys

import pyvisa

chip = pyvisa.ResourceManager("@py").open_resource(sys.argv[1])
chip.read_termination = chip.write_termination = "\n"
chip.timeout = 20000


def expect(right, got):
    if got != right:
        raise SystemExit(f"expected {right!r}, got {got!r}")


expect("mgd-lua,chip server,0,1.0", chip.query("*IDN?"))
description = dict(word.split("=") for word in chip.query("CHIP:DESC?").split())
expect(("9", "2", "f64"), tuple(description[key] for key in ("parameters", "inputs", "dtype")))

theta = [i / 7 for i in range(9)]
chip.write_binary_values("PAR:WRIT ", theta, datatype="d")
expect(theta, chip.query_ascii_values("PAR:WRIT?"))
chip.write("FORM REAL")
expect(theta, chip.query_binary_values("PAR:WRIT?", datatype="d"))
costs = chip.query_binary_values('COST? WALSH,1,1,0,16,0.01,(@0,1,2,3),"0+"', datatype="d")
expect(32, len(costs))
outputs = chip.query_binary_values("OUTP:DATA? (@0,1,2,3)", datatype="d")
expect(4, len(outputs))
chip.write("FORM ASC")
expect(costs, chip.query_ascii_values('COST? WALSH,1,1,0,16,0.01,(@0,1,2,3),"0+"'))

expect('0,"No error"', chip.query("SYST:ERR?"))
chip.write("PAR:WRIT (1,2)")
expect("-100", chip.query("SYST:ERR?").split(",")[0])
chip.write("*CLS")
expect("1", chip.query("*OPC?"))
chip.close()
print("all well")
