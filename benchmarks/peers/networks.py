"""The workloads W1 to W4 as plain numbers, so that every library can build the same network.

Images are (height, width, channels); a step is one time step. Nothing but the
standard library is imported here: each peer's environment has its own.
"""

from __future__ import annotations

import dataclasses
import math

# Bytes of a float32.
FLOAT = 4
# Spikes per input and step for which a layer after a weighted layer gets its weights.
HIDDEN_RATE = 0.01


@dataclasses.dataclass(frozen=True)
class Dense:
    units: int

    def output_shape(self, shape):
        return (self.units,)

    def fan_in(self, shape):
        return math.prod(shape)

    def weights(self, shape):
        return self.fan_in(shape) * self.units


@dataclasses.dataclass(frozen=True)
class Conv:
    filters: int
    kernel: int
    padding: int = 0

    def output_shape(self, shape):
        height, width = (size + 2 * self.padding - self.kernel + 1 for size in shape[:2])
        return (height, width, self.filters)

    def fan_in(self, shape):
        return self.kernel**2 * shape[2]

    def weights(self, shape):
        return self.fan_in(shape) * self.filters


@dataclasses.dataclass(frozen=True)
class Pool:
    """Sums of windows under one fixed weight, then neurons of their own."""

    size: int

    def output_shape(self, shape):
        return (shape[0] // self.size, shape[1] // self.size, shape[2])

    def fan_in(self, shape):
        return self.size**2

    def weights(self, shape):
        return 0


@dataclasses.dataclass(frozen=True)
class Layer:
    """A layer in its place: its input and output shapes without time, and its inputs' rate."""

    spec: Dense | Conv | Pool
    inputs: tuple[int, ...]
    rate: float

    @property
    def outputs(self):
        return self.spec.output_shape(self.inputs)

    @property
    def neurons(self):
        return math.prod(self.outputs)

    @property
    def fan_in(self):
        return self.spec.fan_in(self.inputs)

    @property
    def weights(self):
        return self.spec.weights(self.inputs)


@dataclasses.dataclass(frozen=True)
class Network:
    """A workload: what is trained, on what.

    Attributes:
        input_shape: of one step of one sample.
        specs: the layers; none for neurons alone.
        tau: time constant of the neurons, steps.
        density: share of the inputs that fire per step.
        pooled_rate: spikes per input and step for which a layer after a pool gets its weights.
    """

    title: str
    input_shape: tuple[int, ...]
    specs: tuple
    tau: float
    batch: int
    steps: int
    density: float = 0.0
    pooled_rate: float = 0.05

    def layers(self, density: float | None = None, hidden_rate=HIDDEN_RATE) -> list[Layer]:
        shape, rate, made = self.input_shape, density or self.density, []
        for spec in self.specs:
            made.append(Layer(spec, shape, rate))
            shape = made[-1].outputs
            rate = self.pooled_rate if isinstance(spec, Pool) else hidden_rate
        return made

    @property
    def weights(self) -> int:
        return sum(layer.weights for layer in self.layers())


NETWORKS = {
    "w1": Network("MLP 2312-512-10", (2312,), (Dense(512), Dense(10)), 10.0, 8, 300, 0.01),
    "w2": Network(
        "CNN 34x34x2-12c5-2a-64c5-2a-10",
        (34, 34, 2),
        (Conv(12, 5), Pool(2), Conv(64, 5, padding=2), Pool(2), Dense(10)),
        2.0,
        4,
        300,
        0.01,
    ),
    "w3": Network("Neurons alone", (4096,), (), 10.0, 16, 350),
    "w4": Network(
        "CNN 128x128x2-4a-16c5-2a-32c3-2a-512-11",
        (128, 128, 2),
        (
            Pool(4),
            Conv(16, 5, padding=2),
            Pool(2),
            Conv(32, 3, padding=1),
            Pool(2),
            Dense(512),
            Dense(11),
        ),
        2.0,
        2,
        300,
        0.005,
        pooled_rate=0.06,
    ),
}


def dense_flops(network: Network, samples: int, steps: int) -> float:
    """Floating-point operations of a training step if every product is dense.

    Three products a weighted layer (output, weight gradient, input gradient), two in
    the first layer, whose input needs no gradient.
    """
    total = 0
    for index, layer in enumerate(network.layers()):
        if isinstance(layer.spec, Pool):
            continue
        positions = layer.neurons // layer.outputs[-1]
        products = 2 if index == 0 else 3
        total += 2 * products * positions * layer.weights
    return total * samples * steps


def least_bytes(network: Network, samples: int, steps: int) -> float:
    """Bytes that a training step in dense float32 tensors must move at least.

    Read once forward and once for the weight gradient: the network's input. Per neuron
    and step: its input, spike and membrane written, its input read (forward), the
    spike's gradient and the membrane read, the input's gradient written (backward):
    seven floats; neurons alone do not compute their input: six. Per weight: Adam reads
    and writes weight and two moments, and reads the gradient: seven.
    """
    if not network.specs:
        return 6 * FLOAT * samples * steps * math.prod(network.input_shape)
    inputs = 2 * math.prod(network.input_shape)
    neurons = 7 * sum(layer.neurons for layer in network.layers())
    return FLOAT * (samples * steps * (inputs + neurons) + 7 * network.weights)
