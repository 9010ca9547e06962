"""Tasks of peers.py by NumPy. Images are N × H × W × C, so that convolutions become matrix products
whose columns are copied in long pieces; parameters are views of one flat vector."""

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

VERSION = "NumPy " + np.__version__
np.seterr(over="ignore")  # a sigmoid is 0 where its exponential overflows


def use_threads(_threads):
    """Its BLAS read the environment."""


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def relu(x):
    return np.maximum(x, 0, out=x)


def max_pool(x):
    """2 × 2, an odd row or column left over."""
    height, width = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    rows = np.maximum(x[:, 0:height:2], x[:, 1:height:2])
    return np.maximum(rows[:, :, 0:width:2], rows[:, :, 1:width:2])


def convolve(x, weights):
    """3 × 3, valid: im2col and one product."""
    windows = sliding_window_view(x, (3, 3), axis=(1, 2)).transpose(0, 1, 2, 4, 5, 3)
    columns = windows.reshape(-1, 9 * x.shape[3])
    kernel = weights.transpose(2, 3, 1, 0).reshape(columns.shape[1], -1)
    return (columns @ kernel).reshape(*windows.shape[:3], -1)


def cross_entropy(logits, labels):
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1))
    return (log_sum - shifted[np.arange(len(labels)), labels]).mean()


class Task:
    def __init__(self, spec):
        self.spec = spec
        self.random = np.random.default_rng(1)
        scale = 0.1 if spec.image else 1
        self.theta = scale * (self.random.random(spec.parameters, dtype=np.float32) - np.float32(0.5))
        self.moved, self.moved_back = np.empty_like(self.theta), np.empty_like(self.theta)
        self.first, self.second = np.zeros_like(self.theta), np.zeros_like(self.theta)
        self.layers, self.moved_layers = self.views(self.theta), self.views(self.moved)
        self.back_layers = self.views(self.moved_back)
        self.x, self.y = self.data()
        self.steps = 0

    def views(self, flat):
        """Weights and biases of each layer; dense weights in × out."""
        layers, at = [], 0
        for shape in self.spec.shapes:
            end = at + math.prod(shape)
            weights, bias = flat[..., at:end], flat[..., end : end + shape[0]]
            at = end + shape[0]
            weights = weights.reshape(*flat.shape[:-1], *shape)
            if len(shape) == 2:
                weights = weights.swapaxes(-1, -2)
            layers.append((weights, bias[:, None] if flat.ndim == 2 else bias))
        return layers

    def data(self):
        spec = self.spec
        outputs = spec.sizes[-1]
        if spec.image:
            x = self.random.random((spec.samples, math.prod(spec.image)), dtype=np.float32)
            return x, self.random.integers(outputs, size=spec.samples)
        if spec.samples == 4:
            x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)
            return x, np.array([[0], [1], [1], [0]], dtype=np.float32)
        x = self.random.integers(2, size=(spec.samples, spec.sizes[0])).astype(np.float32)
        labels = self.random.integers(outputs, size=spec.samples)
        return x, np.eye(outputs, dtype=np.float32)[labels]

    def batch(self):
        """The next samples: XOR in order, others at random; one each where there are replicas."""
        spec = self.spec
        if spec.samples == 4:
            n = self.steps % 4
            return self.x[n : n + 1], self.y[n : n + 1]
        if spec.replicas > 1:
            chosen = self.random.integers(spec.samples, size=spec.replicas)
            return self.x[chosen, None], self.y[chosen, None]
        if spec.batch == 1:
            n = int(self.random.integers(spec.samples))
            return self.x[n : n + 1], self.y[n : n + 1]
        chosen = self.random.integers(spec.samples, size=spec.batch)
        return self.x[chosen], self.y[chosen]

    def forward(self, layers, x):
        if not self.spec.image:
            for weights, bias in layers:
                x = sigmoid(x @ weights + bias)
            return x
        convolutions = len(self.spec.channels[1:])
        if convolutions:
            x = x.reshape(-1, *self.spec.image)
            for weights, bias in layers[:convolutions]:
                # the larger before the bias and relu, which gives the same from a quarter
                x = relu(max_pool(convolve(x, weights)) + bias)
            x = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
        for weights, bias in layers[convolutions:-1]:
            x = relu(x @ weights + bias)
        weights, bias = layers[-1]
        return x @ weights + bias

    def cost(self, layers, x, y):
        out = self.forward(layers, x)
        if self.spec.image:
            return float(cross_entropy(out, y))
        error = out - y
        if self.spec.replicas > 1:
            return np.square(error).mean(axis=(1, 2))
        return float(np.vdot(error, error)) / error.size

    def step(self):
        spec = self.spec
        x, y = self.batch()
        uniform = self.random.random(self.theta.shape, dtype=np.float32)
        noise = np.copysign(np.float32(spec.amplitude), uniform - np.float32(0.5))
        np.add(self.theta, noise, out=self.moved)
        if spec.two_sided:
            np.subtract(self.theta, noise, out=self.moved_back)
            change = self.cost(self.moved_layers, x, y) - self.cost(self.back_layers, x, y)
            change /= 2
        else:
            baseline = self.cost(self.layers, x, y)
            change = self.cost(self.moved_layers, x, y) - baseline
        self.steps += 1
        scale = change * (1 / spec.amplitude**2)
        self.update(noise * (scale[:, None] if spec.replicas > 1 else scale))

    def update(self, gradient):
        if not self.spec.adam:
            self.theta -= self.spec.eta * gradient
            return
        self.first += 0.1 * (gradient - self.first)
        self.second += 0.001 * (gradient * gradient - self.second)
        first = self.spec.eta / (1 - 0.9**self.steps)
        second = 1 / (1 - 0.999**self.steps)
        self.theta -= first * self.first / (np.sqrt(second * self.second) + 1e-8)

    def time(self, pieces, clock):
        x = self.x[: self.spec.batch]
        begin = clock()
        for _ in range(pieces):
            if self.spec.forward:
                self.forward(self.layers, x)
            else:
                self.step()
        return clock() - begin

    def first_cost(self):
        x, y = self.x[: self.spec.batch], self.y[: self.spec.batch]
        return float(np.mean(self.cost(self.layers, x, y)))

    def share_below(self, limit):
        """Of the replicas, those whose cost of all four samples is below a limit."""
        costs = [self.cost(self.layers, self.x[i : i + 1], self.y[i : i + 1]) for i in range(4)]
        return float((np.mean(costs, axis=0) < limit).mean())
