"""Networks for ``.nir`` files and their readers, and the float CUBA network each must match."""

import dataclasses
import itertools
import warnings

import keras
import numpy as np

from keras_slayer.export.keras_layers import keras_layers
from keras_slayer.export.network import (
    IntegerConv,
    IntegerDense,
    IntegerFlatten,
    IntegerNetwork,
    IntegerNeuron,
)
from keras_slayer.export.report.keras_reference import float_reference
from keras_slayer.export.targets.loihi2 import TARGET
from keras_slayer.export.weight_grid import WeightGrid
from keras_slayer.layers.spiking_layer import SpikingLayer

LEAKY = IntegerNeuron(1024, 128, 80)
FAST = IntegerNeuron(4096, 4096, 70)
ODD = IntegerNeuron(613, 1211, 150)


def cuba(network):
    """The network in Keras layers of ``CUBA`` neurons, which spike where the readers do.

    ``float_reference`` spikes at the next float32 above the chip's threshold, which is what the
    file says. Readers that spike above that begin one float32 later. Voltages are hardly ever
    there, so that readers that spike at the threshold agree as well.
    """
    with warnings.catch_warnings():  # of initial weights, which are replaced
        warnings.filterwarnings("ignore", "The chip's weights end at 4", UserWarning)
        odd = dataclasses.replace(TARGET, grid=WeightGrid(TARGET.grid.scale, TARGET.grid.low, 9))
        layers, problems = keras_layers(network, odd)
        assert not problems
        floats = float_reference(layers, TARGET)
        layers = [floats.get(id(layer), layer) for layer in layers]
    layers = [spiking_above(x) if isinstance(x, SpikingLayer) else x for x in layers]
    return keras.Sequential([keras.Input((None, *network.input_shape)), *layers])


def spiking_above(layer):
    """The same layer, whose neurons spike from the next float32 on."""
    above = np.nextafter(np.float32(layer.neuron.threshold), np.float32(np.inf))
    neuron = dataclasses.replace(layer.neuron, threshold=float(above))
    config = {**layer.get_config(), "neuron": keras.saving.serialize_keras_object(neuron)}
    other = type(layer).from_config(config)
    if layer.weights:
        other.build(layer.get_build_config()["input_shape"])
        other.set_weights(layer.get_weights())
    return other


def expected(network, spikes):
    return np.asarray(cuba(network)(spikes))


def spikes(network, rate=0.3, batch=2, steps=30, seed=0):
    shape = (batch, steps, *network.input_shape)
    return (np.random.default_rng(seed).random(shape) < rate).astype(np.float32)


def even(*shape, seed=0, reach=64):
    rng = np.random.default_rng([seed, *shape])
    return (2 * rng.integers(-reach // 2, reach, shape)).clip(-256, 254).astype(np.int16)


def chain(input_shape, *layers):
    """A network; at the end of images a flatten and a dense layer, whose order shows."""
    network = IntegerNetwork(input_shape, layers)
    if len(network.output_shape) == 1:
        return network
    dense = IntegerDense(even(int(np.prod(network.output_shape)), 8), LEAKY)
    return IntegerNetwork(input_shape, (*layers, IntegerFlatten(), dense))


def conv(*shape, neuron=LEAKY, **geometry):
    return IntegerConv(even(*shape), neuron, **geometry)


def pool(size, channels, strides, weight=90, neuron=FAST, **geometry):
    taps = np.full((*size, 1, channels), weight, np.int16)
    return IntegerConv(taps, neuron, strides, groups=channels, **geometry)


def dense(inputs, outputs, neuron=LEAKY, **options):
    return IntegerDense(even(inputs, outputs), neuron, **options)


DECAYS = (0, 1, 4095, 4096)

NETWORKS = {
    "dense": chain((30,), dense(30, 20), dense(20, 10, ODD)),
    "deep_dense": chain((16,), *(dense(16, 16, (LEAKY, FAST, ODD)[i % 3]) for i in range(12))),
    "one_neuron": chain((1,), IntegerDense(np.array([[70]], np.int16), LEAKY)),
    "image": chain((9, 12, 2), conv(3, 2, 2, 6), pool((2, 2), 6, (2, 2)), conv(2, 3, 6, 4)),
    "ends_in_image": IntegerNetwork((5, 7, 2), (conv(3, 3, 2, 4, padding=(1, 1)),)),
    "flatten_first": chain((3, 4, 2), IntegerFlatten(), dense(24, 8)),
    "strides": chain((11, 8, 2), conv(3, 3, 2, 4, strides=(3, 2))),
    "padding": chain((6, 7, 2), conv(3, 3, 2, 4, padding=(2, 1))),
    "dilation": chain((9, 8, 2), conv(3, 3, 2, 4, dilation=(3, 2))),
    "wide_kernel": chain((6, 9, 2), conv(1, 5, 2, 4, padding=(0, 2))),
    "even_by_odd": chain((6, 9, 2), conv(2, 5, 2, 4, dilation=(3, 1), padding=(1, 0))),
    "even_by_odd_strides": chain((9, 12, 2), conv(4, 1, 2, 4, strides=(2, 3))),
    "groups": chain((6, 7, 4), conv(3, 2, 2, 6, groups=2)),
    "depthwise": chain((6, 7, 3), conv(3, 3, 1, 6, groups=3)),
    "pool": chain((7, 8, 3), pool((3, 3), 3, (2, 2), weight=26, neuron=ODD)),
    "pool_of_a_row": chain((7, 8, 3), pool((1, 2), 3, (1, 2))),
    "pool_padded": chain((7, 9, 3), pool((3, 3), 3, (2, 2), padding=(1, 1))),
    "pool_of_25": chain((11, 10, 2), pool((5, 5), 2, (5, 5), weight=30)),
    **{
        f"decays_{i}_{v}": chain((12,), dense(12, 12, IntegerNeuron(i, v, 151)), dense(12, 6))
        for i, v in itertools.product(DECAYS, DECAYS)
    },
}

TIES = {
    f"tie_{i}_{v}_{theta}": IntegerNetwork(
        (2,),
        (
            IntegerDense(
                np.array([[theta - 36, theta, 0], [36, 1, theta]], np.int16),
                IntegerNeuron(i, v, theta),
            ),
        ),
    )
    for i, v in ((3736, 1826), (613, 1211), (144, 1043), (390, 390), (4095, 7), (1, 1), (1365, 9))
    for theta in (80, 97, 116, 254)
}
"""Two input spikes together meet the threshold of the first neuron exactly, exceed that of the
second by one unit; the second spike alone meets that of the third."""


def tie_spikes():
    train = np.zeros((2, 6, 2), np.float32)
    train[0, 0] = 1
    train[1, 2] = 1
    return train


class Draw:
    """Draws networks, mostly lively, of all that a ``.nir`` file holds."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def choice(self, *options):
        return options[self.rng.integers(len(options))]

    def neuron(self):
        return IntegerNeuron(
            self.choice(0, 1024, 4096, *self.rng.integers(1, 4096, 6).tolist()),
            self.choice(0, 128, 4096, *self.rng.integers(1, 2000, 6).tolist()),
            int(self.rng.integers(20, 300)),
        )

    def weight(self, *shape):
        return even(*shape, seed=int(self.rng.integers(1 << 30)), reach=self.choice(20, 64, 127))

    def conv(self, shape):
        channels = shape[2]
        groups = self.choice(1, 1, channels)
        filters = groups * int(self.rng.integers(1, 4))
        while True:
            kernel, strides, padding, dilation = (
                tuple(self.rng.integers(low, high, 2).tolist())
                for low, high in ((1, 5), (1, 4), (0, 3), (1, 4))
            )
            if max(strides) > 1 and self.rng.random() < 0.5:
                layer = pool(kernel, channels, strides, self.choice(254, 90, 26), self.neuron())
            else:
                if max(strides) > 1:  # Keras has no strides along with dilation
                    dilation = (1, 1)
                weight = self.weight(*kernel, channels // groups, filters)
                layer = IntegerConv(weight, self.neuron(), strides, padding, dilation, groups)
            # Not one column: there tf.nn.conv2d is wrong (TensorFlow 2.21 with oneDNN, strides
            # (1, 2), one channel).
            if min(layer.output_shape(shape)[:2]) > 1:
                return layer

    def network(self):
        if self.rng.random() < 0.4:
            sizes = self.rng.integers(1, 20, self.rng.integers(2, 5)).tolist()
            layers = [
                IntegerDense(self.weight(*pair), self.neuron())
                for pair in itertools.pairwise(sizes)
            ]
            return IntegerNetwork((sizes[0],), tuple(layers))
        shape = input_shape = tuple(self.rng.integers((4, 4, 1), (12, 12, 4)).tolist())
        layers = []
        for _ in range(self.rng.integers(1, 3)):
            layers.append(self.conv(shape))
            shape = layers[-1].output_shape(shape)
            if min(shape[:2]) < 4:
                break
        layers.append(IntegerFlatten())
        outputs = int(self.rng.integers(1, 8))
        layers.append(IntegerDense(self.weight(int(np.prod(shape)), outputs), self.neuron()))
        return IntegerNetwork(input_shape, tuple(layers))

    def spikes(self, network):
        seed = int(self.rng.integers(1 << 30))
        return spikes(network, rate=self.choice(0.05, 0.3, 0.9), seed=seed)
