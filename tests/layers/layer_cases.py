"""Every layer with every neuron, arguments away from their defaults: what the tests run over."""

import dataclasses
import functools
import inspect

import keras
import numpy as np
import pytest

import keras_slayer as ks

STEPS = 20

NEURONS = {
    "srm": ks.SRM(threshold=0.8, tau_response=3.0, tau_refractory=1.5, surrogate_tau=0.7),
    "srm-cutoff": ks.SRM(threshold=0.8, tau_response=2.0, dt=0.5, kernel_cutoff=0.05),
    "cuba": ks.CUBA(threshold=0.9, current_decay=0.5, voltage_decay=0.125, gradient="exodus"),
    "loihi": ks.LoihiCUBA(
        threshold_mantissa=60, current_decay=2000, voltage_decay=500, weight_bits=7
    ),
    "alif": ks.ALIF(0.9, tau_membrane=4.0, tau_adaptation=20.0, beta=0.3, gradient="exodus"),
    "rf": ks.ResonateAndFire(0.6, frequency=70.0, tau=12.0),
}


@dataclasses.dataclass(frozen=True)
class Case:
    """A layer class, arguments for it, and the shape of an input without the batch."""

    layer: type
    options: dict
    shape: tuple

    def make(self, **more):
        return self.layer(**{**self.options, **more})

    def spikes(self, batch=2, density=0.3, seed=0):
        return spikes((batch, *self.shape), density, seed)


def spikes(shape, density=0.3, seed=0):
    return (np.random.default_rng(seed).random(shape) < density).astype("float32")


# Spikes from any input, whatever the default of the initialiser is tuned to.
LIVELY = keras.initializers.RandomNormal(0.2, 0.5, seed=5)

_VECTOR = (STEPS, 6)
_IMAGE = (STEPS, 6, 5, 2)

_SPIKING = {
    "dense": Case(ks.SpikingDense, {"units": 4, "kernel_initializer": LIVELY}, _VECTOR),
    "recurrent": Case(
        ks.SpikingRecurrentDense,
        {
            "units": 4,
            "kernel_initializer": LIVELY,
            "recurrent_initializer": keras.initializers.RandomNormal(0.0, 0.5, seed=6),
        },
        _VECTOR,
    ),
    "dense-image": Case(ks.SpikingDense, {"units": 3, "kernel_initializer": LIVELY}, _IMAGE),
    "conv": Case(
        ks.SpikingConv2D,
        {
            "filters": 4,
            "kernel_size": (3, 2),
            "strides": (2, 1),
            "padding": "same",
            "groups": 2,
            "kernel_initializer": LIVELY,
        },
        _IMAGE,
    ),
    "recurrent-conv": Case(
        ks.SpikingRecurrentConv2D,
        {
            "filters": 4,
            "kernel_size": (3, 2),
            "strides": (2, 1),
            "padding": "same",
            "groups": 2,
            "recurrent_kernel_size": (2, 3),
            "kernel_initializer": LIVELY,
            "recurrent_initializer": keras.initializers.RandomNormal(0.0, 0.3, seed=6),
        },
        _IMAGE,
    ),
    "conv-dilated": Case(
        ks.SpikingConv2D,
        {
            "filters": 3,
            "kernel_size": 2,
            "dilation_rate": (2, 3),
            "kernel_initializer": LIVELY,
        },
        _IMAGE,
    ),
    "pool": Case(
        ks.SpikingSumPooling2D,
        {"pool_size": (3, 2), "strides": (2, 1), "padding": "same", "weight": 0.7},
        _IMAGE,
    ),
    "activation": Case(ks.SpikingActivation, {}, _VECTOR),
    "activation-image": Case(ks.SpikingActivation, {}, _IMAGE),
}
_PLAIN = {
    "delay": Case(ks.DelayLayer, {"max_delay": 9.0, "dt": 0.5}, _VECTOR),
    "delay-neuron": Case(ks.DelayLayer, {"max_delay": 9.0, "per": "neuron"}, _IMAGE),
    "filter-srm": Case(ks.TemporalFilter, {"kernel": NEURONS["srm"]}, _VECTOR),
    "filter-cutoff": Case(ks.TemporalFilter, {"kernel": NEURONS["srm-cutoff"]}, _IMAGE),
    "filter-cuba": Case(ks.TemporalFilter, {"kernel": NEURONS["cuba"]}, _IMAGE),
    "filter-loihi": Case(ks.TemporalFilter, {"kernel": NEURONS["loihi"]}, _VECTOR),
    "filter-taps": Case(ks.TemporalFilter, {"kernel": [0.5, 1.0, -0.25]}, _VECTOR),
    "filter-learned": Case(
        ks.TemporalFilter, {"kernel": [0.5, 1.0, -0.25], "learnable": True}, _VECTOR
    ),
    "flatten": Case(ks.Flatten, {}, _IMAGE),
}

CASES = {
    **{
        f"{name}-{neuron}": dataclasses.replace(case, options={**case.options, "neuron": value})
        for name, case in _SPIKING.items()
        for neuron, value in NEURONS.items()
    },
    **_PLAIN,
}
WITH_WEIGHTS = {
    name: case
    for name, case in CASES.items()
    if name.startswith(("dense", "recurrent", "conv", "delay"))
}

every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
every_neuron = pytest.mark.parametrize("neuron", NEURONS.values(), ids=NEURONS.keys())


def arguments(layer: type) -> set[str]:
    """Every named constructor argument of a layer class, those of its bases included."""
    names = set()
    for cls in inspect.getmro(layer)[:-1]:
        if cls.__init__ is not keras.layers.Layer.__init__ and issubclass(cls, keras.layers.Layer):
            names |= {
                p.name
                for p in inspect.signature(cls.__init__).parameters.values()
                if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
            }
        if cls is keras.layers.Layer:
            break
    return names - {"self"}


def model_of(case, **options):
    """The layer alone as a functional model."""
    inputs = keras.Input(case.shape)
    return keras.Model(inputs, case.make(**options)(inputs))


@functools.cache
def subprocess_environment(*folders):
    """For child processes: quiet TensorFlow, this process's import path after ``folders``."""
    import os
    import pathlib

    root = str(pathlib.Path(ks.__file__).parents[1])
    path = os.pathsep.join(filter(None, [*map(str, folders), root, os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}
