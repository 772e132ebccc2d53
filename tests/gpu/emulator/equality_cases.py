"""Series cases of the ops whose results are compared to the bit: native and emulated.

As a program, ``equality_cases.py FILE`` writes what the emulated ops of
KERAS_SLAYER_EMULATED_OPS give, and on standard output, as JSON, which kernels ran.
"""

import functools
import json
import sys

import cases
import numpy as np
import synapse_cases
import tensorflow as tf

import keras_slayer as ks
from keras_slayer.ops import neurons

# Shapes: one neuron, one step, more neurons than a block of threads has, no sample, more axes.
GRID = [
    *((shape, "float32") for shape in ((2, 9, 5), (3, 6, 1), (0, 4, 3), (2, 4, 3, 5))),
    *((shape, dtype) for dtype in cases.DTYPES for shape in ((2, 1, 3), (1, 7, 300))),
]
TRIANGLES = tuple(
    cases.Case(
        f"{name}-triangle-{gradient}",
        functools.partial(function, gradient=gradient, surrogate="triangle", **options),
        cases._drive,
    )
    for name, (function, options) in cases.NEURON_OPTIONS.items()
    for gradient in ("slayer", "exodus")
)


def _learned(name: str, per_channel: bool) -> cases.Case:
    """A neuron whose parameters are tensors, with the gradient of the weights behind them."""
    make, options = LEARNED[name]

    def run(z, weight):
        neuron = make(gradient="exodus", **options)
        weight = weight if per_channel else weight[0]
        values = {key: neuron.changed(key, weight) for key in neuron.learnable}
        if name == "loihi" and per_channel:
            values["bias"] = tf.round(tf.cast(100 * weight, tf.float64))
        return neurons.fire_tensor(z, neuron.with_tensors(values))[:2]

    def inputs(rng, shape):
        return [*cases._drive(rng, shape), 0.2 * rng.normal(size=shape[-1:])]

    return cases.Case(f"{name}-learned-{'channel' if per_channel else 'layer'}", run, inputs)


LEARNED = {
    "srm": (ks.SRM, {"threshold": 1.0}),
    "cuba": (ks.CUBA, {"threshold": 1.0}),
    "alif": (ks.ALIF, {"threshold": 1.0}),
    "rf": (ks.ResonateAndFire, {"threshold": 1.0}),
    "loihi": (ks.LoihiCUBA, {"threshold_mantissa": 64}),
}


def _not_finite(case: cases.Case) -> cases.Case:
    def inputs(rng, shape):
        x, *rest = case.inputs(rng, shape)
        x.flat[: x.size : 7] = np.resize([np.nan, np.inf, -np.inf], len(x.flat[: x.size : 7]))
        return [x, *rest]

    return cases.Case(f"{case.name}, not finite", case.run, inputs)


CASES = [
    *cases.SERIES_CASES,
    *TRIANGLES,
    *(_learned(name, True) for name in LEARNED),
    *(_learned(name, False) for name in ("srm", "loihi")),
    # The chip's neuron refuses them.
    *(_not_finite(case) for case in cases.SERIES_CASES if not case.name.startswith("loihi")),
]


def results(case: cases.Case, shape, dtype: str) -> list[np.ndarray]:
    """The outputs, then the gradients."""
    outputs, gradients = cases.evaluate(case, case.arrays(shape, dtype), "native")
    return [*outputs, *gradients]


def key(case: cases.Case, shape, dtype: str) -> str:
    return f"{case} {shape} {dtype}"


def main() -> None:
    import pytest_plugin as emulated

    from keras_slayer.ops import library

    library._loaded = tf.load_op_library(str(emulated.PATH))
    arrays = {}
    for case in CASES:
        for shape, dtype in GRID:
            # As bytes, for NumPy knows no bfloat16.
            for i, x in enumerate(results(case, shape, dtype)):
                arrays[f"{key(case, shape, dtype)} {i}"] = np.frombuffer(x.tobytes(), np.uint8)
    np.savez(sys.argv[1], **arrays, **synapse_cases.all_bytes())
    report = {name: emulated.names(f"keras_slayer_{name}") for name in ("kernels", "launched")}
    print(json.dumps(report))


if __name__ == "__main__":
    main()
