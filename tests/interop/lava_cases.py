"""Networks for lava's runtime: Keras models, networks beyond what a model gives, random ones."""

import keras
import numpy as np
from random_networks import RandomNetworks

import keras_slayer as ks
from keras_slayer.export.network import (
    IntegerConv,
    IntegerDense,
    IntegerFlatten,
    IntegerNetwork,
    IntegerNeuron,
)

STEPS = 40
BATCH = 3

LEAKY = ks.LoihiCUBA(threshold_mantissa=80, current_decay=1024, voltage_decay=128)
FAST = ks.LoihiCUBA(threshold_mantissa=100, current_decay=4096, voltage_decay=4096)
SLOW = ks.LoihiCUBA(threshold_mantissa=500, current_decay=300, voltage_decay=10)
HIGH = ks.LoihiCUBA(threshold_mantissa=3000)


def dense(units, neuron=LEAKY, **options):
    return ks.SpikingDense(units, neuron=neuron, **options)


def conv(filters, kernel_size, neuron=LEAKY, **options):
    return ks.SpikingConv2D(filters, kernel_size, neuron=neuron, **options)


def pool(size, neuron=FAST, **options):
    return ks.SpikingSumPooling2D(size, neuron=neuron, **options)


def bits(weight_bits):
    """Few bits have a coarse step: a higher threshold, or a single spike sets off everything."""
    neuron = ks.LoihiCUBA(threshold_mantissa=300, weight_bits=weight_bits)
    return (20,), [dense(15, neuron), dense(10, neuron)]


MODELS = {
    "dense": ((30,), [dense(25), dense(20, SLOW), dense(10, FAST)]),
    "deep_dense": ((16,), [dense(16, (LEAKY, FAST)[i % 2]) for i in range(10)]),
    "one_neuron": ((1,), [dense(1)]),
    **{f"bits_{n}": bits(n) for n in range(2, 9)},
    "conv": ((7, 10, 2), [conv(4, (3, 2))]),
    "conv_strides": ((9, 8, 2), [conv(4, (2, 3), strides=(2, 3))]),
    "conv_dilation": ((9, 10, 2), [conv(3, (3, 2), dilation_rate=(2, 3))]),
    "conv_groups": ((5, 6, 4), [conv(8, (3, 2), groups=4)]),
    "conv_same": ((5, 7, 2), [conv(3, (3, 5), padding="same")]),
    # One zero more behind than before: the exporter puts a first tap of zeros into the kernel.
    "conv_same_even": ((5, 7, 2), [conv(3, (2, 4), padding="same")]),
    "conv_same_even_dilation": ((7, 8, 1), [conv(3, (2, 4), padding="same", dilation_rate=(3, 1))]),
    "conv_same_strides": ((8, 11, 2), [conv(3, (3, 4), padding="same", strides=2)]),
    "pools": (
        (7, 10, 3),
        [pool((2, 3), strides=(1, 2)), pool(3, strides=1, padding="same", weight=0.2)],
    ),
    "cnn": (
        # 10 x 13 -> 8 x 12 -> pool 4 x 6 -> 4 x 4 -> vector.
        (10, 13, 2),
        [
            conv(4, (3, 2)),
            pool(2),
            conv(4, (1, 3), groups=2),
            ks.Flatten(),
            dense(12),
            dense(5, SLOW),
        ],
    ),
    "flat_image": ((4, 5, 3), [ks.Flatten(), dense(12), ks.Flatten(), dense(7)]),
    "delays": ((12,), [dense(10), ks.DelayLayer(), dense(8), ks.DelayLayer(), dense(6)]),
    "delayed_input": ((12,), [ks.DelayLayer(), dense(8)]),
    "delayed_images": (
        (5, 6, 2),
        [conv(3, (2, 3)), ks.DelayLayer(per="neuron"), ks.Flatten(), dense(8)],
    ),
    "delayed_conv": ((5, 6, 2), [conv(3, 2), ks.DelayLayer(), conv(4, 2), ks.Flatten(), dense(6)]),
    # The hazards of lava's loader, on its safe side.
    "pool_130_channels": ((2, 3, 130), [pool(2, LEAKY)]),
    "conv_128_groups": ((1, 2, 128), [conv(128, (1, 2), groups=128)]),
    "conv_127_groups": ((2, 2, 127), [conv(127, (1, 2), groups=127)]),
    "kernel_127": ((130, 2, 1), [conv(2, (127, 1), strides=(1, 1))]),
    "dilation_127": ((130, 3, 1), [conv(2, (2, 2), dilation_rate=(127, 1))]),
    "all_at_the_upper_end": ((8,), [dense(6, HIGH, kernel_initializer="zeros")]),
    "lowest_weights": ((20,), [dense(10), dense(6)]),
}
"""(shape of the input, layers) by name."""


def sequential(shape, layers):
    return keras.Sequential([keras.Input((STEPS, *shape)), *layers])


def build(name):
    """The model with fresh layers and weights that keep it lively, some beyond the chip's range."""
    shape, layers = MODELS[name]
    model = sequential(shape, [type(layer).from_config(layer.get_config()) for layer in layers])
    rng = np.random.default_rng(sorted(MODELS).index(name))
    for layer in model.layers:
        for variable in layer.trainable_variables:
            variable.assign(_values(name, layer, variable.shape, rng))
    return model


def _values(name, layer, shape, rng):
    if isinstance(layer, ks.DelayLayer):
        if name == "delayed_conv":  # all alike, so that the dense layer can take it up
            return np.full(shape, 5.0)
        delays = rng.uniform(0, 15, shape)
        delays.flat[0] = 62  # the longest there is
        return delays
    if name == "all_at_the_upper_end":  # +4 is 256/64: one step too much for the chip
        return np.full(shape, 4.0)
    values = rng.normal(0, 2 / np.sqrt(np.prod(shape[:-1])) + 0.2, shape)
    if name == "one_neuron":
        return np.abs(values) + 1
    if name == "lowest_weights":  # -256 and the smallest positive weight
        return np.where(values < -0.5, -4.0, 1.0)
    return values


def model_spikes(model):
    rng = np.random.default_rng(5)
    # lava takes milliseconds for each pair of channels: a step of many channels takes long.
    batch, steps = (2, 12) if model.input_shape[-1] > 100 else (BATCH, STEPS)
    return (rng.random((batch, steps, *model.input_shape[2:])) < 0.15).astype(np.float32)


def vector(*layers):
    """Dense layers as a network."""
    return IntegerNetwork((layers[0].weight.shape[0],), layers)


def hazards():
    """Networks that lava's loader gets wrong or refuses; we write none of them."""
    rng = np.random.default_rng(3)

    def dense(weight, bias):
        """A bias that balances the weights: without a positive one nothing else makes spikes."""
        weight = np.broadcast_to(np.int16(weight), (9, 4))
        return vector(IntegerDense(weight, NEURON, np.full(4, bias, np.int32)))

    return {
        "groups": IntegerNetwork(
            (2, 3, 128), (IntegerConv(np.full((2, 2, 1, 128), 120, np.int16), NEURON, groups=128),)
        ),
        "only_zeros": dense(0, 60),
        "a_power_of_two_at_most_zero": dense(-64 * rng.integers(0, 2, (9, 4)), 400),
        "one_power_of_two": dense(-64, 800),
        # 336 - 256 is not above the threshold of 80.
        "lowest_and_all_negative": vector(
            IntegerDense(
                np.array([[-256], [-200]], np.int16),
                IntegerNeuron(4096, 4096, 80),
                np.array([336], np.int32),
            )
        ),
        "highest_and_all_positive": dense(256, -2500),
    }


NEURON = IntegerNeuron(1024, 128, 80)


def handmade():
    """Networks that no model gives, by name."""
    rng = np.random.default_rng(9)

    def weight(*shape):
        return (2 * rng.integers(-60, 70, shape)).astype(np.int16)

    def delay(*shape):
        return rng.integers(0, 63, shape).astype(np.uint8)

    def bias(size):
        return rng.integers(-20, 60, size).astype(np.int32)

    def neurons(*parameters):
        """A layer of lively neurons into one of the given kind."""
        neuron = IntegerNeuron(*parameters)
        return vector(
            IntegerDense(weight(10, 12), NEURON),
            IntegerDense(weight(12, 8), neuron),
            IntegerDense(weight(8, 6), NEURON),
        )

    flatten = IntegerFlatten()
    networks = {
        "a_delay_for_every_synapse": vector(
            IntegerDense(weight(9, 7), NEURON, delay=delay(9, 7)),
            IntegerDense(weight(7, 6), NEURON, delay=delay(7, 6)),
        ),
        "no_delay_at_all": vector(
            IntegerDense(weight(9, 7), NEURON, delay=np.zeros((9, 7), np.uint8))
        ),
        "biases": vector(
            IntegerDense(weight(9, 7), NEURON, bias=bias(7)),
            IntegerDense(weight(7, 6), NEURON, bias=bias(6), delay=delay(7, 6)),
        ),
        "biases_of_an_image": IntegerNetwork(
            (4, 5, 2),
            (
                IntegerConv(weight(2, 3, 2, 3), NEURON, bias=bias(3)),
                flatten,
                IntegerDense(weight(27, 4), NEURON, bias=bias(4)),
            ),
        ),
        "limits_of_the_bias": vector(
            IntegerDense(weight(6, 2), NEURON, bias=np.array([-4096, 4095], np.int32))
        ),
        "current_that_stays": neurons(0, 4096, 80),
        "voltage_that_stays": neurons(4096, 0, 80),
        "nothing_leaks": neurons(0, 0, 80),
        "no_memory": neurons(4096, 4096, 80),
        "slowest_leaks": neurons(1, 1, 200),
        "threshold_0": neurons(1024, 128, 0),
        "highest_threshold": neurons(0, 0, 131071),
        "wrapping_current": vector(
            IntegerDense(np.full((120, 3), 254, np.int16), IntegerNeuron(0, 100, 131071))
        ),
        "image_of_one_pixel": IntegerNetwork(
            (1, 1, 3),
            (
                IntegerConv(weight(1, 1, 3, 4), NEURON, bias=bias(4)),
                flatten,
                IntegerDense(weight(4, 2), NEURON),
            ),
        ),
        "two_flattens": IntegerNetwork(
            (4, 3, 2),
            (
                IntegerConv(weight(2, 2, 2, 3), NEURON),
                flatten,
                flatten,
                IntegerDense(weight(18, 4), NEURON),
            ),
        ),
        "no_positive_weight_in_an_image": IntegerNetwork(
            (4, 3, 2),
            (
                IntegerConv(
                    np.full((2, 2, 2, 3), -256, np.int16),
                    NEURON,
                    bias=np.array([500, 900, 2000], np.int32),
                ),
            ),
        ),
        "ends_in_a_flatten": IntegerNetwork(
            (4, 3, 2), (IntegerConv(weight(2, 2, 2, 3), NEURON), flatten)
        ),
        "all_padding": IntegerNetwork(
            (3, 2, 2), (IntegerConv(weight(2, 3, 2, 3), NEURON, (3, 2), (4, 5), (2, 3)),)
        ),
    }
    for network in networks.values():
        for layer in network.layers:
            if isinstance(layer, IntegerDense):
                layer.weight.flat[0] = 254
    return networks


class FuzzNetworks(RandomNetworks):
    """Weights of every width and of all kinds that a file may hold."""

    def weight(self, *shape):
        kind = self.choice("signed", "signed", "excitatory", "odd")
        keep = self.rng.random(shape) < self.choice(0.3, 0.9)
        if kind == "odd":  # of both signs, and small enough for the sign to have a bit of its own
            low, high, step = -128, 127, 1
        else:
            low, high = (-256, 254) if kind == "signed" else (0, 255)
            width = int(self.rng.integers(1 + (kind == "signed"), 9))
            step = 2 ** (8 + (kind == "signed") - width)
        weight = self.rng.integers(low, high + 1, shape) // step * step * keep
        weight.flat[0] = high // step * step  # lava's loader needs a positive one
        return weight.astype(np.int16)
