"""Tasks of peers.py by PyTorch. Parameters are views of one flat vector; images and the weights of
convolutions lie channels last, which is several times faster on processors."""

import math
import random

import torch
import torch.nn.functional as F

VERSION = "PyTorch " + torch.__version__.split("+")[0]


def use_threads(threads):
    torch.set_num_threads(threads)


class Task:
    @torch.inference_mode()
    def __init__(self, spec):
        self.spec = spec
        torch.manual_seed(1)
        random.seed(1)
        size = spec.parameters
        self.theta = (torch.rand(size) - 0.5) * (0.1 if spec.image else 1)
        self.amplitude = torch.full(size, spec.amplitude)
        self.noise, self.moved = torch.empty(size), torch.empty(size)
        self.moved_back = torch.empty(size)
        self.first, self.second = torch.zeros(size), torch.zeros(size)
        self.layers, self.moved_layers = self.views(self.theta), self.views(self.moved)
        self.back_layers = self.views(self.moved_back)
        self.x, self.y = self.data()
        self.steps = 0

    def views(self, flat):
        """Weights and biases of each layer."""
        layers, at = [], 0
        for shape in self.spec.shapes:
            end = at + math.prod(shape)
            weights, bias = flat[..., at:end], flat[..., end : end + shape[0]]
            at = end + shape[0]
            if len(shape) == 4:
                weights = weights.view(shape[0], 3, 3, shape[1]).permute(0, 3, 1, 2)
            elif flat.dim() == 2:
                weights, bias = weights.view(-1, *shape).transpose(1, 2), bias[:, None]
            else:
                weights = weights.view(shape)
            layers.append((weights, bias))
        return layers

    def data(self):
        spec = self.spec
        outputs = spec.sizes[-1]
        if spec.image:
            x = torch.rand(spec.samples, math.prod(spec.image))
            return x, torch.randint(outputs, (spec.samples,))
        if spec.samples == 4:
            x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
            return x, torch.tensor([[0.0], [1.0], [1.0], [0.0]])
        x = torch.randint(2, (spec.samples, spec.sizes[0])).float()
        return x, F.one_hot(torch.randint(outputs, (spec.samples,)), outputs).float()

    def batch(self):
        """The next samples: XOR in order, others at random; one each where there are replicas."""
        spec = self.spec
        if spec.samples == 4:
            n = self.steps % 4
            return self.x[n : n + 1], self.y[n : n + 1]
        if spec.replicas > 1:
            chosen = torch.randint(spec.samples, (spec.replicas,))
            return self.x[chosen, None], self.y[chosen, None]
        if spec.batch == 1:
            n = random.randrange(spec.samples)
            return self.x[n : n + 1], self.y[n : n + 1]
        chosen = torch.randint(spec.samples, (spec.batch,))
        return self.x[chosen], self.y[chosen]

    def forward(self, layers, x):
        if self.spec.replicas > 1:
            x = x.expand(self.spec.replicas, *x.shape[-2:])
            for weights, bias in layers:
                x = torch.baddbmm(bias, x, weights).sigmoid_()
            return x
        if not self.spec.image:
            for weights, bias in layers:
                x = F.linear(x, weights, bias).sigmoid_()
            return x
        convolutions = len(self.spec.channels[1:])
        if convolutions:
            x = x.view(-1, *self.spec.image).permute(0, 3, 1, 2)
            for weights, bias in layers[:convolutions]:
                x = F.max_pool2d(F.conv2d(x, weights, bias).relu_(), 2)
            x = x.flatten(1)
        for weights, bias in layers[convolutions:-1]:
            x = F.linear(x, weights, bias).relu_()
        return F.linear(x, *layers[-1])

    def cost(self, layers, x, y):
        out = self.forward(layers, x)
        if self.spec.image:
            return F.cross_entropy(out, y)
        if self.spec.replicas > 1:
            return (out - y).square_().mean((1, 2))
        return F.mse_loss(out, y)

    def step(self):
        spec = self.spec
        x, y = self.batch()
        # faster than Bernoulli's numbers
        torch.copysign(self.amplitude, self.noise.uniform_(-1, 1), out=self.noise)
        torch.add(self.theta, self.noise, out=self.moved)
        if spec.two_sided:
            torch.sub(self.theta, self.noise, out=self.moved_back)
            change = self.cost(self.moved_layers, x, y) - self.cost(self.back_layers, x, y)
            change /= 2
        else:
            baseline = self.cost(self.layers, x, y)
            change = self.cost(self.moved_layers, x, y) - baseline
        self.steps += 1
        self.update(change[:, None] if spec.replicas > 1 else change)

    def update(self, change):
        spec = self.spec
        if not spec.adam:
            self.theta.addcmul_(self.noise, change, value=-spec.eta / spec.amplitude**2)
            return
        gradient = self.noise * (change / spec.amplitude**2)
        self.first.lerp_(gradient, 0.1)
        self.second.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        size = (self.second / (1 - 0.999**self.steps)).sqrt_().add_(1e-8)
        self.theta.addcdiv_(self.first, size, value=-spec.eta / (1 - 0.9**self.steps))

    @torch.inference_mode()
    def time(self, pieces, clock):
        x = self.x[: self.spec.batch]
        begin = clock()
        for _ in range(pieces):
            if self.spec.forward:
                self.forward(self.layers, x)
            else:
                self.step()
        return clock() - begin

    @torch.inference_mode()
    def take(self, other):
        """Parameters and data of a task by NumPy, to be compared with it."""
        for mine, theirs in zip(self.layers, other.layers):
            weights, bias = (torch.from_numpy(part.copy()) for part in theirs)
            mine[0].copy_(weights.t() if weights.dim() == 2 else weights)
            mine[1].copy_(bias)
        self.x, self.y = torch.from_numpy(other.x), torch.from_numpy(other.y)

    @torch.inference_mode()
    def first_cost(self):
        x, y = self.x[: self.spec.batch], self.y[: self.spec.batch]
        return self.cost(self.layers, x, y).mean().item()

    @torch.inference_mode()
    def share_below(self, limit):
        """Of the replicas, those whose cost of all four samples is below a limit."""
        costs = [self.cost(self.layers, self.x[i : i + 1], self.y[i : i + 1]) for i in range(4)]
        return (torch.stack(costs).mean(0) < limit).float().mean().item()
