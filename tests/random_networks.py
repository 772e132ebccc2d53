"""Random networks in the chip's integers."""

import itertools

import numpy as np

from keras_slayer.export.network import (
    IntegerConv,
    IntegerDense,
    IntegerFlatten,
    IntegerNetwork,
    IntegerNeuron,
)


class RandomNetworks:
    """Draws networks, mostly lively, with decays and thresholds at their limits now and then."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def choice(self, *options):
        return options[self.rng.integers(len(options))]

    def often(self, value, *limits):
        """``value``, or in one case of ten one of the limits."""
        return int(value if self.rng.random() < 0.9 else self.choice(*limits))

    def neuron(self):
        return IntegerNeuron(
            self.often(self.rng.integers(4097), 0, 4096),
            self.often(self.rng.integers(2000), 0, 4096),
            self.often(self.rng.integers(300), 0, 131071),
        )

    def weight(self, *shape):
        reach = self.choice(8, 64, 128)
        weight = 2 * self.rng.integers(-reach, min(reach, 127) + 1, shape) + self.choice(0, 16)
        weight = np.clip(weight, -256, 254) * (self.rng.random(shape) < 0.9)
        weight.flat[0] = 254  # a positive weight is what lava's loader needs
        return weight.astype(np.int16)

    def bias(self, size):
        reach = self.often(20, 4096)
        return self.choice(None, self.rng.integers(-reach, reach, size).astype(np.int32))

    def dense(self, inputs, outputs):
        delay = self.rng.integers(0, 63, (inputs, outputs)).astype(np.uint8)
        return IntegerDense(
            self.weight(inputs, outputs),
            self.neuron(),
            bias=self.bias(outputs),
            delay=self.choice(None, None, delay, delay // 16),
        )

    def conv(self, shape):
        groups = self.choice(1, shape[2])
        filters = groups * int(self.rng.integers(1, 4))
        while True:
            kernel, strides, padding, dilation = (
                tuple(int(n) for n in self.rng.integers(low, high, 2))
                for low, high in ((1, 4), (1, 3), (0, 3), (1, 3))
            )
            layer = IntegerConv(
                self.weight(*kernel, shape[2] // groups, filters),
                self.neuron(),
                strides,
                padding,
                dilation,
                groups,
                self.bias(filters),
            )
            if min(layer.output_shape(shape)) > 0:
                return layer

    def network(self):
        if self.rng.random() < 0.5:
            sizes = [int(n) for n in self.rng.integers(1, 20, self.rng.integers(2, 5))]
            pairs = itertools.pairwise(sizes)
            return IntegerNetwork((sizes[0],), tuple(self.dense(i, o) for i, o in pairs))
        shape = input_shape = tuple(int(n) for n in self.rng.integers((3, 3, 1), (9, 9, 4)))
        layers = []
        for _ in range(self.rng.integers(1, 3)):
            layers.append(self.conv(shape))
            shape = layers[-1].output_shape(shape)
        layers.append(IntegerFlatten())
        layers.append(self.dense(int(np.prod(shape)), int(self.rng.integers(1, 8))))
        return IntegerNetwork(input_shape, tuple(layers))

    def spikes(self, network, batch=3, steps=40):
        shape = (batch, steps, *network.input_shape)
        return (self.rng.random(shape) < self.choice(0.02, 0.2, 0.9)).astype(np.float32)
