"""Models of spiking layers, with weights that keep them lively."""

import keras
import numpy as np

import keras_slayer as ks

STEPS = 30


NEURON = ks.LoihiCUBA(threshold_mantissa=80, current_decay=1024, voltage_decay=128)


# Synapse and membrane without memory, and nearly without leak.
FAST = ks.LoihiCUBA(threshold_mantissa=100, current_decay=4096, voltage_decay=4096)


SLOW = ks.LoihiCUBA(threshold_mantissa=500, current_decay=300, voltage_decay=10)


def dense():
    return (30,), [
        ks.SpikingDense(25, neuron=NEURON),
        keras.layers.Dropout(0.5),
        ks.SpikingDense(20, neuron=SLOW),
        ks.SpikingDense(10, neuron=FAST),
    ]


def few_bits():
    return (30,), [
        ks.SpikingDense(20, neuron=ks.LoihiCUBA(weight_bits=4)),
        ks.SpikingDense(10, neuron=ks.LoihiCUBA(64, weight_bits=2, voltage_decay=4096)),
    ]


def conv(shape=(9, 12, 2), filters=6, kernel_size=(3, 2), **options):
    return shape, [ks.SpikingConv2D(filters, kernel_size, neuron=NEURON, **options)]


def cnn():
    # 13 x 10 -> 11 x 9 -> pool 5 x 4 (a row and a column are left over) -> 5 x 4 -> vector.
    return (13, 10, 2), [
        ks.SpikingConv2D(6, (3, 2), neuron=NEURON),
        ks.SpikingSumPooling2D(2, neuron=FAST),
        ks.SpikingConv2D(8, (3, 5), padding="same", groups=2, neuron=NEURON),
        ks.Flatten(),
        ks.SpikingDense(10, neuron=SLOW),
    ]


def flat_image():
    return (4, 5, 3), [
        ks.Flatten(),
        ks.SpikingDense(12, neuron=NEURON),
        ks.Flatten(),  # of a vector: nothing to do
        ks.SpikingDense(7, neuron=NEURON),
    ]


def pools():
    return (7, 10, 3), [
        ks.SpikingSumPooling2D((2, 3), strides=(1, 2), neuron=FAST),
        ks.SpikingSumPooling2D(3, strides=1, padding="same", neuron=FAST, weight=0.2),
    ]


def wide_pool():
    return (4, 4, 130), [ks.SpikingSumPooling2D(2, neuron=NEURON)]


MODELS = {
    "dense": dense(),
    "few_bits": few_bits(),
    "conv": conv(),
    "conv_strides": conv(strides=(2, 2)),
    "conv_dilation": conv(dilation_rate=(2, 3)),
    "conv_groups": conv(shape=(6, 5, 4), filters=8, groups=4),
    "conv_same": conv(kernel_size=(3, 5), padding="same"),
    "conv_same_dilation": conv(kernel_size=(2, 3), padding="same", dilation_rate=2),
    # 9 rows and 13 columns in steps of 2 need one row and one column of zeros on either side.
    "conv_same_strides": conv(shape=(9, 13, 2), kernel_size=3, padding="same", strides=2),
    "conv_1x1": conv(kernel_size=1),
    "cnn": cnn(),
    "flat_image": flat_image(),
    "pools": pools(),
    "wide_pool": wide_pool(),
}


def build(shape, layers, seed=0):
    """A model with fresh layers and random weights that keep it lively, some beyond the range."""
    layers = [type(layer).from_config(layer.get_config()) for layer in layers]
    model = keras.Sequential([keras.Input((STEPS, *shape)), *layers])
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        for variable in layer.trainable_variables:
            fan_in = np.prod(variable.shape[:-1])
            scale = 2 / np.sqrt(fan_in) + 0.2
            variable.assign(rng.normal(0, scale, variable.shape))
    return model


def random_spikes(model, density=0.15, batch=3):
    rng = np.random.default_rng(5)
    return (rng.random((batch, STEPS, *model.input_shape[2:])) < density).astype(np.float32)
