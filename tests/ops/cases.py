"""One table of the ops with inputs for each, and the means to run them natively or not."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import re
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_slayer import ALIF, ResonateAndFire, ops
from keras_slayer.ops import build, library

# Neurons that a kernel steps through time at once: more of them make a second block.
BLOCK = int(re.search(r"kBlock = (\d+);", (build.SOURCES / "base" / "shape.h").read_text())[1])
DTYPES = ("float32", "float64", "float16", "bfloat16")
# (batch, time, ...): plain, one step, one neuron, no sample, two blocks of
# neurons, and ranks 2, 4 and 5.
SHAPES = (
    (2, 9, 5),
    (2, 1, 3),
    (3, 6, 1),
    (0, 4, 3),
    (2, 3, BLOCK + 7),
    (2, 12),
    (2, 4, 3, 5),
    (2, 3, 2, 3, 4),
)


@dataclasses.dataclass(frozen=True)
class Case:
    """An op with everything but its tensors bound.

    ``inputs(rng, shape)`` gives its arrays; those of float64 are cast to the
    dtype under test, others (delays) stay as they are. ``run`` returns a tuple,
    of which the first is differentiable.
    """

    name: str
    run: Callable
    inputs: Callable

    def arrays(self, shape, dtype: str = "float32", seed: int = 0) -> list[tf.Tensor]:
        made = self.inputs(np.random.default_rng(seed), shape)
        return [tf.cast(x, dtype) if x.dtype == np.float64 else tf.constant(x) for x in made]

    def __str__(self) -> str:
        return self.name


def _series(rng, shape):
    return [rng.normal(size=shape)]


def _series_and_taps(rng, shape):
    return [rng.normal(size=shape), rng.normal(size=7)]


def _drive(rng, shape):
    """Synaptic input under which the neurons below fire now and then."""
    return [0.3 + rng.normal(size=shape)]


def _delayed(trailing):
    def make(rng, shape):
        delays = rng.uniform(0, 4, size=trailing(shape[2:])).astype(np.float32)
        return [rng.normal(size=shape), delays]

    return make


def _one(function, **options):
    bound = functools.partial(function, **options)
    return lambda *inputs: (bound(*inputs),)


REFRACTORY = np.array([0.0, -1.5, -0.7, -0.2])
NEURON_OPTIONS = {
    "srm": (ops.srm, {"threshold": 1.0, "tau_response": 2.5, "surrogate_tau": 0.7}),
    "srm_cutoff": (
        ops.srm,
        {"threshold": 1.0, "tau_response": 2.5, "kernel_cutoff": 0.05, "surrogate_tau": 0.7},
    ),
    "srm_fir": (
        ops.srm_fir,
        {"threshold": 0.8, "refractory_kernel": REFRACTORY, "surrogate_tau": 1.0},
    ),
    "cuba": (
        ops.cuba,
        {"threshold": 1.0, "current_decay": 0.3, "voltage_decay": 0.1, "surrogate_tau": 1.0},
    ),
    "loihi_cuba": (
        ops.loihi_cuba,
        {
            "threshold_mantissa": 64,
            "current_decay": 1200,
            "voltage_decay": 400,
            "surrogate_tau": 1.0,
        },
    ),
    "alif": (
        lambda z, **parameters: ops.fire(z, ALIF(**parameters)),
        {"tau_membrane": 4.0, "tau_adaptation": 20.0, "beta": 0.3, "surrogate_tau": 1.0},
    ),
    "rf": (
        lambda z, **parameters: ops.fire(z, ResonateAndFire(**parameters)),
        {"threshold": 1.0, "frequency": 90.0, "tau": 8.0, "surrogate_tau": 1.0},
    ),
}
FILTERS = (
    Case("temporal_filter", _one(ops.temporal_filter), _series_and_taps),
    Case("alpha_filter", _one(ops.alpha_filter, tau=2.5), _series),
    Case("exponential_filter", _one(ops.exponential_filter, decay=0.8), _series),
    Case("oscillator_filter", _one(ops.response, neuron=ResonateAndFire(frequency=90.0)), _series),
)
NEURONS = tuple(
    Case(f"{name}-{gradient}", functools.partial(function, gradient=gradient, **options), _drive)
    for name, (function, options) in NEURON_OPTIONS.items()
    for gradient in ("slayer", "exodus")
)
DELAYS = (
    Case("delay-scalar", _one(ops.delay), _delayed(lambda trailing: ())),
    Case("delay-channel", _one(ops.delay), _delayed(lambda trailing: trailing[-1:])),
    Case("delay-neuron", _one(ops.delay), _delayed(lambda trailing: trailing)),
)
SERIES_CASES = FILTERS + NEURONS + DELAYS


@functools.cache
def native_ops():
    native = library.native()
    assert native is not None, "these tests need the native ops: install g++"
    return native


@contextlib.contextmanager
def backend(name: str):
    """The ops of ``name`` ("native" or "reference") within the block."""
    before, native = library._loaded, native_ops()
    library._loaded = native if name == "native" else False
    try:
        yield
    finally:
        library._loaded = native if before is None else before


def evaluate(case: Case, inputs, name: str, upstream=None):
    """Outputs and gradients of the first output, as lists of arrays, and the upstream gradient."""
    with backend(name), tf.GradientTape() as tape:
        for x in inputs:
            tape.watch(x)
        outputs = case.run(*inputs)
        if upstream is None:
            noise = np.random.default_rng(99).normal(size=outputs[0].shape)
            upstream = tf.cast(noise, outputs[0].dtype)
        gradients = tape.gradient(
            outputs[0],
            inputs,
            output_gradients=upstream,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
    return [x.numpy() for x in outputs], [x.numpy() for x in gradients]


def spikes_like(rng, shape, density: float):
    """Values of which ``density`` are nonzero: mostly 1, some others."""
    values = rng.choice([1.0, 1.0, 1.0, 2.0, -0.5], size=shape)
    return values * (rng.random(shape) < density)


def assert_close(actual, expected, tolerance: float, what: str = "") -> None:
    """Equal where not finite, and to ``tolerance`` of the largest value elsewhere."""
    # TensorFlow's cast, for NumPy's warns of NaN.
    actual, expected = (tf.cast(y, tf.float64).numpy() for y in (actual, expected))
    assert actual.shape == expected.shape, what
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(actual[~finite], expected[~finite], err_msg=what)
    scale = np.abs(expected[finite]).max(initial=0.0)
    np.testing.assert_allclose(
        actual[finite], expected[finite], rtol=0, atol=tolerance * scale, err_msg=what
    )
