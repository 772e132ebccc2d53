"""Networks for the tests of the .net format."""

import numpy as np

from keras_slayer.export.network import (
    IntegerConv,
    IntegerDense,
    IntegerFlatten,
    IntegerNetwork,
    IntegerNeuron,
)

NEURON = IntegerNeuron(1024, 128, 80)


def even(rng, *shape):
    weight = 2 * rng.integers(-128, 128, shape)
    weight.flat[0] = 254
    return weight.astype(np.int16)


def image_network():
    """Conv, pool with groups, flatten, dense with delay and bias, on an image of H != W."""
    rng = np.random.default_rng(0)
    return IntegerNetwork(
        (7, 10, 2),
        (
            IntegerConv(even(rng, 3, 2, 2, 6), NEURON, (2, 1), (1, 0), (1, 2)),
            IntegerConv(
                np.full((2, 2, 1, 6), 70, np.int16),
                IntegerNeuron(0, 4096, 131071),
                (2, 2),
                groups=6,
            ),
            IntegerFlatten(),
            IntegerDense(
                even(rng, 48, 5),
                IntegerNeuron(4096, 0, 0),
                bias=np.array([-4096, 4095, 0, 1, 2], np.int32),
                delay=rng.integers(0, 63, (48, 5)).astype(np.uint8),
            ),
        ),
    )


def cells(current_decay=1024, voltage_decay=128, threshold=80):
    values = {"type": "CUBA", "iDecay": current_decay, "vDecay": voltage_decay}
    return {f"neuron/{name}": value for name, value in (values | {"vThMant": threshold}).items()}


def dense(weight, shape=None, **more):
    return {"type": "dense", "shape": shape or [len(weight)], "weight": weight, **more}
