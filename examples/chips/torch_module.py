"""A module of PyTorch as a chip: θ is its parameters, flat, in the order of module.parameters().

For torch.nn.Linear that is weights (out × in), then biases: the layout of mgd.nn.mlp. Nothing here asks
for gradients; mgd-lua trains the module by its outputs alone, as it would a device. The module may run
anywhere that PyTorch can reach.

    mgd.chip{instrument = "EXEC::python3 examples/chips/torch_module.py"}

Needs PyTorch (python3-torch); without it this says so and ends with status 3.
"""
import os
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/python"))
from mgd_chip import serve

try:
    import torch
except ImportError:
    sys.exit(print("torch_module.py: there is no PyTorch here (Debian: python3-torch)",
                   file=sys.stderr) or 3)

torch.manual_seed(1)
module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Sigmoid(),
                             torch.nn.Linear(3, 1), torch.nn.Sigmoid()).double()
parameters = list(module.parameters())


@torch.no_grad()
def write(theta):
    torch.nn.utils.vector_to_parameters(torch.tensor(theta, dtype=torch.float64), parameters)


@torch.no_grad()
def evaluate(theta, x):
    """y (B, O) for x (B, I); θ has been written."""
    return module(torch.tensor(x)).numpy()


@torch.no_grad()
def evaluate_many(thetas, x):
    """y (M, B, O) for θ (M, P), by one call of the module for all of them."""
    names = [name for name, _ in module.named_parameters()]
    sizes = [p.numel() for p in parameters]

    def one(theta):
        parts = [part.view(p.shape) for part, p in zip(theta.split(sizes), parameters)]
        return torch.func.functional_call(module, dict(zip(names, parts)), torch.tensor(x))
    return torch.func.vmap(one)(torch.tensor(thetas)).numpy()


serve(parameters=sum(p.numel() for p in parameters), inputs=2, outputs=1, evaluate=evaluate,
      evaluate_many=evaluate_many if hasattr(torch, "func") else None, write=write,
      theta=torch.nn.utils.parameters_to_vector(parameters).detach().numpy(), stateless=True,
      identity="mgd-lua,module of PyTorch,0,1")
