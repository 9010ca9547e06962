"""An instrument that PyVISA drives, as a chip: what a laboratory has in Python already, MGD trains.

The instrument is one that speaks the SCPI dialect of docs/guide/chip-contract.md, for example

    mgd.chip.serve{chip = mgd.chip{net = net}, listen = "127.0.0.1:5025"}

in another process. This program then stands between: mgd-lua ↔ this program ↔ PyVISA ↔ instrument.

    mgd.chip{instrument = "EXEC::python3 examples/chips/instrument.py TCPIP::127.0.0.1::5025::SOCKET"}

With --once it writes θ, measures once and prints what came. Needs python3-pyvisa and python3-pyvisa-py;
without them this says so and ends with status 3. For another instrument write your own commands in
write() and evaluate(); nothing else changes.
"""
import os
import sys

# Behind mgd.chip the module is found; in the source tree it is here.
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/python"))
import mgd_chip

try:
    import pyvisa
    import pyvisa_py  # noqa: F401: the back end that needs no vendor's library
except ImportError:
    sys.exit(print("instrument.py: there is no PyVISA here (Debian: python3-pyvisa, "
                   "python3-pyvisa-py)", file=sys.stderr) or 3)

address = sys.argv[1] if len(sys.argv) > 1 else "TCPIP::127.0.0.1::5025::SOCKET"
device = pyvisa.ResourceManager("@py").open_resource(
    address, read_termination="\n", write_termination="\n", timeout=5000)


def check():
    """Raises what the instrument has to complain of."""
    error = device.query("SYST:ERR?")
    if int(error.split(",")[0]) != 0:
        raise RuntimeError(error)


def numbers(values):
    """A list as SCPI has it, with digits enough for every bit."""
    return "(" + ",".join("%.17g" % value for value in values) + ")"


def write(theta):
    device.write("PAR:WRIT " + numbers(theta))


def evaluate(theta, x):
    """y (B, O) for x (B, I); θ has been written."""
    flat = [value for row in x for value in row]
    device.write("INP:DATA 0," + numbers(flat))
    answer = device.query("OUTP:DATA? (@%s)" % ",".join(map(str, range(len(x)))))
    check()
    y = list(map(float, answer.split(",")))
    return [y[i:i + outputs] for i in range(0, len(y), outputs)]


def read():
    return list(map(float, device.query("PAR:WRIT?").split(",")))


identity = device.query("*IDN?").strip()
description = dict(pair.split("=", 1) for pair in device.query("CHIP:DESC?").split())
parameters, inputs, outputs = (int(description[key]) for key in ("parameters", "inputs", "outputs"))

if "--once" in sys.argv:
    write([0.5] * parameters)
    print(identity)
    print(" ".join("%.6f" % y[0] for y in evaluate(None, [[0.25] * inputs, [1.0] * inputs])))
else:
    mgd_chip.serve(parameters=parameters, inputs=inputs, outputs=outputs, evaluate=evaluate,
                   read=read, write=write, safe=lambda: device.write("CHIP:SAFE"),
                   ranges=None, identity=identity)
