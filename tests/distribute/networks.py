"""Networks and data that processes of the tests of distribution share."""

import dataclasses
import pathlib

import keras
import numpy as np

import keras_slayer as ks

# First in the import path of such processes, most of whose time goes into imports.
WITHOUT_DRAWING = pathlib.Path(__file__).parent / "without_drawing"
STEPS, CLASSES, SAMPLES, BATCH = 12, 3, 15, 4  # batches of 4, 4, 4 and 3
SHAPE = (STEPS, 6, 6, 2)
SRM = ks.SRM(threshold=1.0, tau_response=3.0, surrogate_tau=1.0)


def data():
    random = np.random.default_rng(0)
    x = (random.random((SAMPLES, *SHAPE)) < 0.3).astype("float32")
    return x, np.arange(SAMPLES) % CLASSES


def weights(seed, scale=0.5, mean=0.1):
    return keras.initializers.RandomNormal(mean, scale, seed=seed)


def every_layer():
    """A network with each kind of layer and neuron that learns."""
    cuba = ks.CUBA(threshold=1.0, current_decay=0.5, voltage_decay=0.2, surrogate_tau=1.0)
    loihi = ks.LoihiCUBA(threshold_mantissa=60, current_decay=2000, surrogate_tau=1.0)
    alif = ks.ALIF(1.0, tau_membrane=4.0, surrogate_tau=1.0)
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            ks.SpikingConv2D(4, 3, neuron=SRM, kernel_initializer=weights(1)),
            ks.SpikingSumPooling2D(2, neuron=dataclasses.replace(SRM, threshold=4.0)),
            ks.Flatten(),
            ks.DelayLayer(delay_initializer=keras.initializers.Constant(1.25)),
            ks.SpikingDense(10, cuba, kernel_initializer=weights(2, 0.7)),
            ks.SpikingRecurrentDense(
                8, SRM, kernel_initializer=weights(3), recurrent_initializer=weights(4, 0.3)
            ),
            ks.SpikingDense(8, loihi, kernel_initializer=weights(5, 60.0)),
            keras.layers.Dense(8, kernel_initializer=weights(6, 2.0)),
            ks.SpikingActivation(alif, learn=("threshold", "tau_membrane")),
            ks.TemporalFilter(SRM),
            ks.SpikingDense(CLASSES, SRM, kernel_initializer=weights(7, 3.0, 1.0), name="out"),
        ]
    )


def small():
    """A network that is quick to trace, for tests of what is around it."""
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            ks.Flatten(),
            ks.SpikingDense(10, SRM, kernel_initializer=weights(2), name="hidden"),
            ks.DelayLayer(delay_initializer=keras.initializers.Constant(1.25)),
            ks.SpikingDense(CLASSES, SRM, kernel_initializer=weights(7, 1.0, 0.3), name="out"),
        ]
    )


def compiled(model, optimizer):
    model.compile(optimizer, ks.SpikeMaxLoss(0.1), metrics=[ks.SpikeCountAccuracy()])
    return model


def scaled_adam():
    return ks.ScaledAdam(0.01, factors={"delay": 10.0})


OPTIMIZERS = {"scaled": scaled_adam, "adam": lambda: keras.optimizers.Adam(0.01)}
