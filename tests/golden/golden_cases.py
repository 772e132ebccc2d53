"""What the golden vectors are of: ops with all their parameters, and random inputs for each.

Every parameter is spelled out, so that a changed default changes no vector.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_slayer import ops

FILE = pathlib.Path(__file__).parent / "vectors.npz"
MARGIN = 1e-3
"""Least distance of any membrane from threshold, in thresholds: far more than float32 is off."""


@dataclasses.dataclass(frozen=True)
class Golden:
    """One op, and how its inputs are drawn.

    Attributes:
        op: its name in ``keras_slayer.ops``.
        options: every keyword argument.
        draw: ``draw(rng)`` gives its arrays; the op is differentiated by all of them.
        threshold: for neurons, what their membrane is compared with.
    """

    op: str
    options: dict
    draw: Callable
    threshold: float | None = None

    def run(self, *inputs):
        """Outputs as a tuple, of which the first is differentiable."""
        outputs = getattr(ops, self.op)(*inputs, **self.options)
        return outputs if isinstance(outputs, tuple) else (outputs,)

    @property
    def parameters(self) -> str:
        """The call as JSON, stored with its vectors."""
        return json.dumps({"op": self.op, **self.options}, sort_keys=True)


def _normal(*shape, mean=0.0, scale=1.0):
    return lambda rng: [mean + scale * rng.normal(size=shape)]


def _chip_drive(*shape, mean, scale):
    """Integers / 64: sums of chip weights."""
    return lambda rng: [np.round(64 * (mean + scale * rng.normal(size=shape))) / 64]


def _and(draw, more):
    return lambda rng: [*draw(rng), *more(rng)]


def _delays(*shape):
    """Up to six steps and away from whole ones, where the floor jumps."""
    return lambda rng: [rng.integers(0, 6, size=shape) + rng.uniform(0.1, 0.9, size=shape)]


def _spikes(*shape, density):
    """Mostly spikes of 1, some other values."""

    def draw(rng):
        values = rng.choice([1.0, 1.0, 1.0, 2.0, -0.5], size=shape)
        return [values * (rng.random(shape) < density)]

    return draw


_SURROGATE = {"surrogate_tau": 0.7, "surrogate_scale": 0.9}
_SRM = {"tau_response": 2.5, "tau_refractory": 1.5, "refractory_scale": 2.0, "threshold": 1.2}
_DRIVE = _normal(2, 24, 5, mean=0.3)


def _neurons():
    for gradient in ("slayer", "exodus"):
        common = {**_SURROGATE, "gradient": gradient}
        for name, cutoff in (("srm", None), ("srm-truncated", 0.01)):
            options = {**_SRM, "kernel_cutoff": cutoff, **common}
            yield f"{name}-{gradient}", Golden("srm", options, _DRIVE, 1.2)
        options = {"threshold": 1.0, "current_decay": 0.3, "voltage_decay": 0.1, **common}
        yield f"cuba-{gradient}", Golden("cuba", options, _DRIVE, 1.0)
        kernel = [0.0, -1.5, -0.7, -0.2]
        options = {"threshold": 0.8, "refractory_kernel": kernel, **common}
        yield f"srm-fir-{gradient}", Golden("srm_fir", options, _DRIVE, 0.8)
        decays = {"current_decay": 1200, "voltage_decay": 400}
        options = {"threshold_mantissa": 64, **decays, **common}
        drive = _chip_drive(2, 24, 5, mean=0.3, scale=1.0)
        yield f"loihi-{gradient}", Golden("loihi_cuba", options, drive)
    # The current wraps at 24 bits and the voltage is clipped: past 2^23 / 4096 = 2048.
    options = {"threshold_mantissa": 131071, "current_decay": 3, "voltage_decay": 0}
    options |= {**_SURROGATE, "gradient": "slayer"}
    drive = _chip_drive(1, 24, 6, mean=100.0, scale=900.0)
    yield "loihi-extremes", Golden("loihi_cuba", options, drive)


def _filters():
    taps = _normal(7)
    yield "temporal-filter", Golden("temporal_filter", {}, _and(_normal(2, 15, 4), taps))
    yield "alpha-filter", Golden("alpha_filter", {"tau": 2.5}, _normal(2, 15, 4))
    yield "exponential-filter", Golden("exponential_filter", {"decay": 0.8}, _normal(2, 15, 4))


def _delay_ops():
    series = _normal(2, 12, 3, 4)
    for per, shape in (("channel", (4,)), ("neuron", (3, 4)), ("all", ())):
        yield f"delay-{per}", Golden("delay", {}, _and(series, _delays(*shape)))


def _synapses():
    for name, density in (("events", 0.05), ("dense", 0.6)):
        draw = _and(_spikes(2, 8, 20, density=density), _normal(20, 9))
        yield f"matmul-{name}", Golden("spike_matmul", {}, draw)
        frames = _spikes(2, 4, 6, 5, 4, density=density)
        for geometry, kernel, options in (
            ("strided", (3, 2, 4, 5), {"strides": [2, 1], "padding": "same"}),
            ("dilated", (2, 2, 4, 3), {"dilations": [2, 3], "padding": "valid"}),
            ("grouped", (3, 3, 2, 6), {"padding": "valid"}),
        ):
            options = {"strides": [1, 1], "dilations": [1, 1], **options}
            draw = _and(frames, _normal(*kernel))
            yield f"conv-{geometry}-{name}", Golden("spike_conv2d", options, draw)


CASES: dict[str, Golden] = dict([*_neurons(), *_filters(), *_delay_ops(), *_synapses()])


def evaluate(case: Golden, inputs, upstream):
    """Outputs, and gradients of the first one by each input, as NumPy arrays."""
    inputs = [tf.convert_to_tensor(x) for x in inputs]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = case.run(*inputs)
    gradients = tape.gradient(outputs[0], inputs, tf.convert_to_tensor(upstream))
    return [y.numpy() for y in outputs], [g.numpy() for g in gradients]


def margin(case: Golden, outputs) -> float:
    """Least distance of a membrane from threshold, in thresholds; infinite for other ops."""
    if case.threshold is None:
        return np.inf
    return float(np.min(np.abs(outputs[1] - case.threshold))) / case.threshold


def load() -> dict[str, dict]:
    """The stored vectors by case: "parameters", and lists "inputs", "outputs", "gradients"."""
    vectors: dict[str, dict] = {}
    with np.load(FILE) as file:
        for key in file.files:  # in the order they were written
            name, kind, *_ = key.split("/")
            case = vectors.setdefault(name, {"inputs": [], "outputs": [], "gradients": []})
            if kind in ("parameters", "upstream"):
                case[kind] = file[key]
            else:
                case[kind].append(file[key])
    return vectors
