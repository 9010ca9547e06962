"""The tasks of the bench as a user of NumPy or of PyTorch writes them.

usage: peers.py numpy|torch THREADS [--default-malloc]   serves requests (peers.lua starts it so)
       peers.py --check      compares both with each other, and lets them learn XOR

Answers its first line, whatever it says, with "ready VERSION" or "absent: REASON"; from then on
each line "TASK N" with the seconds that N pieces of work took, or with "error: REASON".
"""

import ctypes
import importlib
import math
import os
import signal
import sys
import time
from types import SimpleNamespace

sys.dont_write_bytecode = True
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4

# Settings of other programs that would slow a peer down: it is to choose for this processor.
for name in "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE":
    os.environ.pop(name, None)


def keep_memory():
    """Lets the allocator of glibc keep what is freed: by default it returns large blocks to the
    system, and then most of the time of a large layer goes into getting its pages back."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def spec(**given):
    """A task. Pieces of work are steps of multiplexed gradient descent with a random code,
    measured baseline and sgd, unless told otherwise; images mean relu and cross-entropy, their
    absence sigmoids and mse."""
    base = dict(image=None, channels=(), two_sided=False, adam=False, forward=False, replicas=1,
                amplitude=0.001, eta=0.001)
    task = SimpleNamespace(**{**base, **given})
    # of the weights of each layer; its biases follow them
    task.shapes = [(b, a, 3, 3) for a, b in zip(task.channels, task.channels[1:])]
    task.shapes += [(b, a) for a, b in zip(task.sizes, task.sizes[1:])]
    count = sum(math.prod(shape) + shape[0] for shape in task.shapes)
    task.parameters = (task.replicas, count) if task.replicas > 1 else (count,)
    return task


SMALL = dict(batch=1, amplitude=0.01, eta=0.05)
XOR = dict(SMALL, sizes=(2, 2, 1), samples=4)
NIST = dict(SMALL, sizes=(49, 4, 4), samples=44136)
MLP = dict(image=(28, 28, 1), sizes=(784, 32, 10), samples=60000, batch=128)
FASHION = dict(image=(28, 28, 1), channels=(1, 16, 32, 32), sizes=(32, 10), samples=60000,
               batch=1000)
CIFAR = dict(image=(32, 32, 3), channels=(3, 16, 32, 64), sizes=(256, 10), samples=10000,
             batch=100)

TASKS = {
    "xor": spec(**XOR),
    "nist": spec(**NIST),
    "xor_replicas": spec(**XOR, replicas=1024),
    "nist_replicas": spec(**NIST, replicas=1024),
    "mlp": spec(**MLP, two_sided=True, adam=True),
    "fashion": spec(**FASHION),
    "cifar": spec(**CIFAR),
    "mlp_forward": spec(**{**MLP, "samples": 128}, forward=True),
    "fashion_forward": spec(**{**FASHION, "samples": 1000}, forward=True),
    "cifar_forward": spec(**{**CIFAR, "samples": 100}, forward=True),
}


def load(library, threads):
    """The module that does the tasks by a library, which must find the environment prepared."""
    for name in "OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB_MAXIMUM":
        os.environ[name + "_NUM_THREADS"] = str(threads)
    module = importlib.import_module("peer_" + library)
    module.use_threads(threads)
    return module


def blas():
    """Which BLAS was loaded, as far as one can tell."""
    try:
        with open("/proc/self/maps") as maps:
            loaded = maps.read().lower()
    except OSError:
        return "BLAS unknown"
    known = {"openblas": "OpenBLAS", "mkl_": "MKL", "blis": "BLIS", "libblas": "reference BLAS"}
    return next((name for part, name in known.items() if part in loaded), "BLAS of its own")


def serve(library, threads):
    sys.stdin.readline()
    try:
        module = load(library, threads)
    except ImportError as error:
        print("absent:", str(error).splitlines()[0], flush=True)
        return
    print("ready", f"{module.VERSION} ({blas()})", flush=True)
    tasks = {}
    for line in sys.stdin:
        try:
            name, pieces = line.split()
            if name not in tasks:
                tasks[name] = module.Task(TASKS[name])
            print(tasks[name].time(int(pieces), time.perf_counter), flush=True)
        except Exception as error:  # whatever it is, the bench says so and goes on
            print("error:", type(error).__name__, *str(error).splitlines()[:1], flush=True)


def check():
    """Both give the same costs from the same parameters and data, and both learn XOR."""
    numpy, torch = load("numpy", 1), load("torch", 1)
    for name, task in TASKS.items():
        ours = numpy.Task(SimpleNamespace(**{**vars(task), "samples": min(task.samples, 2000)}))
        theirs = torch.Task(ours.spec)
        theirs.take(ours)
        costs = ours.first_cost(), theirs.first_cost()
        assert abs(costs[0] - costs[1]) <= 1e-5 * abs(costs[0]), (name, costs)
        print(f"{name}: {costs[0]:.7f} {costs[1]:.7f}")
    for module in numpy, torch:
        task = module.Task(spec(**XOR, replicas=1024))
        task.spec.eta = 0.5
        task.time(20000, time.perf_counter)
        solved = task.share_below(0.1)
        print(f"{module.VERSION}: {100 * solved:.0f} % of replicas solve XOR")
        assert solved > 0.5, "does not learn XOR"


if __name__ == "__main__":
    for number in signal.SIGINT, signal.SIGPIPE:
        signal.signal(number, signal.SIG_DFL)  # ends without a word
    if sys.argv[1:] == ["--check"]:
        check()
    elif len(sys.argv) == 3 or sys.argv[3:] == ["--default-malloc"]:
        if len(sys.argv) == 3:
            keep_memory()
        serve(sys.argv[1], int(sys.argv[2]))
    else:
        sys.exit(__doc__)
