"""A function as a chip: a 2-2-1 network of sigmoids in plain Python, which can learn XOR.

θ is laid out as that of mgd.nn.mlp{2, 2, 1}: for each layer the weights, out × in row by row, then the
biases. Nothing but Python is needed, and nothing but the function is the user's own.

    mgd.chip{instrument = "EXEC::python3 examples/chips/function.py"}
    python3 examples/chips/function.py 127.0.0.1:5025      the same on a socket
"""
import math
import os
import sys

# Behind mgd.chip the module is found; in the source tree it is here.
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/python"))
from mgd_chip import serve

LAYERS = [2, 2, 1]


def sigmoid(z):
    return 1 / (1 + math.exp(-z)) if z > -700 else 0.0


def evaluate(theta, x):
    """y for one sample x."""
    theta, values = iter(theta), list(x)
    for size in LAYERS[1:]:
        sums = [sum(next(theta) * value for value in values) for _ in range(size)]
        values = [sigmoid(z + next(theta)) for z in sums]
    return values


serve(parameters=9, inputs=2, outputs=1, evaluate_sample=evaluate, stateless=True,
      identity="mgd-lua,function of Python,0,1", listen=sys.argv[1] if len(sys.argv) > 1 else None)
