"""Scales the weights of each layer so that it fires at a given rate."""

from __future__ import annotations

import math
import warnings
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.layers.spiking_activation import SpikingActivation
from keras_slayer.layers.spiking_layer import SpikingLayer, WeightedSpikingLayer
from keras_slayer.quantization import weight_max
from keras_slayer.rates.advice import FiringRateWarning, advice
from keras_slayer.rates.measuring import is_empty, measure
from keras_slayer.watching import first_batch, layer_names, wrapped

MAX_FACTOR = 2.0**30
"""A neuron that does not reach its rate at such weights will not reach it at any."""
CLIPPED = 0.01
"""Share of a layer's weights that may be clipped to the chip's range to reach a rate."""
MISS = 0.25
"""A rate this far off (relative) gets a warning; batches with few spikes miss by less."""


class SetRate(NamedTuple):
    """What ``set_firing_rates`` did to one layer.

    Attributes:
        rate: spikes per neuron and step afterwards.
        factor: what its weights were multiplied by; None where they were left alone.
    """

    rate: float
    factor: float | None


def set_firing_rates(
    model: keras.Model, x, rate: float | dict[str, float] = 0.05, *, tolerance: float = 0.05
) -> dict[str, SetRate]:
    """Scales the weights of each layer so that it fires at a given rate on ``x``.

    One pass through the model: each layer with spiking neurons gets one factor for its kernel
    (bisection in log scale), and the next layer then sees the spikes of the scaled one. So every
    layer of a deep network starts with spikes to learn from.

    Scaled are the kernels of ``SpikingDense``, ``SpikingConv2D`` and their kind; for a
    ``SpikingActivation`` that of the layer before it, be it ``Dense``, ``Conv3D`` or one within
    ``PerStep``, with layers between that keep the scale. Left alone are: pools, whose
    weight is fixed; biases; frozen layers (``trainable=False``); a ``SpikingActivation`` behind a
    normalisation, which would undo the factor in training, or behind several inputs; and, of a
    layer that is used twice, all uses but the first. For ``LoihiCUBA`` a factor is at most what
    clips 1 % of the weights to the chip's range.

    Args:
        model: a Keras model of any kind.
        x: a batch as the model takes it, or a ``tf.data.Dataset`` or ``PyDataset``, whose first
            batch is taken. Some recordings of each class.
        rate: spikes per neuron and step, over 0 and at most 1; or a dict of layer name to rate,
            which leaves layers that it does not name alone.
        tolerance: relative error of the rate that is good enough.

    Returns:
        Layer name to ``SetRate``, in the order of computation.

    Raises:
        ValueError: an argument out of range; no layer with spiking neurons; a batch of zeros.

    Warns:
        FiringRateWarning: a layer whose rate cannot be reached, with what to change.
    """
    tolerance = checks.number(tolerance, "tolerance", open_low=True)
    x = first_batch(x)
    if is_empty(x):
        raise ValueError("x must hold spikes to set rates by. Received: all zeros")
    names = layer_names(measure(model, x))
    setter = _Setter(model, names, _targets(rate, names), tolerance)
    weighted = [layer for layer in setter.kernels if isinstance(layer, WeightedSpikingLayer)]
    alone = [layer for layer in setter.kernels if isinstance(layer, SpikingActivation)]
    with (
        wrapped(weighted, "call", setter.with_own_kernel),
        wrapped(alone, "call", setter.with_kernel_before),
    ):
        model(x, training=False)
    for layer, (_, rate) in setter.found.items():
        setter.warn_of_miss(layer, rate)
    return {
        names[layer]: SetRate(rates.rate, setter.found.get(layer, (None,))[0])
        for layer, rates in measure(model, x).items()
    }


class _Setter:
    """Finds factors while a model runs: each layer when it is first reached."""

    def __init__(self, model, names: dict, targets: dict[SpikingLayer, float], tolerance: float):
        self.names, self.targets, self.tolerance = names, targets, tolerance
        self.found: dict[SpikingLayer, tuple[float, float]] = {}  # factor and rate
        # Read here: within a layer's call mixed precision gives rounded weights.
        self.kernels: dict[SpikingLayer, tuple[keras.Variable, np.ndarray]] = {}
        for layer in targets:
            variable = _kernel_of(model, layer)
            taken = any(variable is other for other, _ in self.kernels.values())
            if variable is not None and not taken:
                self.kernels[layer] = variable, variable.numpy()

    def with_own_kernel(self, layer, call):
        variable, kernel = self.kernels[layer]

        def firing(spikes, *state, **options):
            def rate_at(factor):
                variable.assign(kernel * factor)
                return _rate(layer, call(spikes, *state, **options))

            if layer not in self.found:
                limit = _chip_limit(layer, kernel) if layer.on_chip else MAX_FACTOR
                variable.assign(kernel * self._factor(layer, rate_at, limit))
            return call(spikes, *state, **options)

        return firing

    def with_kernel_before(self, layer, fire):
        variable, kernel = self.kernels[layer]

        def firing(z, *state, **options):
            def rate_at(factor):
                return _rate(layer, fire(z * factor, *state, **options))

            if layer not in self.found:
                factor = self._factor(layer, rate_at, MAX_FACTOR)
                variable.assign(kernel * factor)
                z = z * factor
            return fire(z, *state, **options)

        return firing

    def _factor(self, layer, rate_at, limit: float) -> float:
        self.found[layer] = _search(rate_at, self.targets[layer], limit, self.tolerance)
        return self.found[layer][0]

    def warn_of_miss(self, layer, rate: float) -> None:
        target = self.targets[layer]
        if _distance(rate, target) <= math.log1p(max(MISS, self.tolerance)):
            return
        within = ", as far as the chip's weights go," if layer.on_chip else ""
        warnings.warn(
            f"{self.names[layer]}: a rate of {target:g} is out of reach. Scaling its weights"
            f"{within} comes to {rate:.3g} spikes per neuron and step. "
            f"{advice(layer, more=rate < target, weights=False)}. "
            f"Received: neuron={layer.neuron!r}",
            FiringRateWarning,
            stacklevel=3,
        )


def _rate(layer, returned) -> float:
    """Spikes per neuron and step of what a call of ``layer`` has returned."""
    spikes = returned[0] if layer.return_state else returned
    return float(tf.reduce_mean(tf.cast(spikes, tf.float32)))


def _distance(rate: float, target: float) -> float:
    return abs(math.log(rate / target)) if rate > 0 else math.inf


def _targets(rate, names: dict[SpikingLayer, str]) -> dict[SpikingLayer, float]:
    if not isinstance(rate, dict):
        rate = dict.fromkeys(names.values(), rate)
    unknown = [name for name in rate if name not in names.values()]
    if unknown:
        raise ValueError(
            f"rate must name layers with spiking neurons: {', '.join(names.values())}. "
            f"Received: {', '.join(map(repr, unknown))}"
        )
    values = {
        name: checks.number(value, "rate", open_low=True, high=1.0) for name, value in rate.items()
    }
    return {layer: values[name] for layer, name in names.items() if name in values}


def _search(rate_at, target: float, limit: float, tolerance: float) -> tuple[float, float]:
    """The factor up to ``limit`` whose rate comes closest to the target, and that rate.

    Where no factor has spikes, the factor is 1.
    """
    low = high = None
    best, closest = (1.0, 0.0), math.inf
    factor = min(1.0, limit)
    while True:
        rate = rate_at(factor)
        distance = _distance(rate, target)
        if distance < closest:
            best, closest = (factor, rate), distance
        if distance <= math.log1p(tolerance):
            return best
        if rate < target:
            low = factor
        else:
            high = factor
        if low and high:
            if high < low * 1.0001:  # the rate jumps over the target here
                return best
            factor = math.sqrt(low * high)
        elif low:
            if low >= limit:
                return best
            factor = min(2 * low, limit)
        else:
            if high < 1 / MAX_FACTOR:  # something other than the kernel fires
                return best
            factor = high / 2


def _chip_limit(layer, kernel: np.ndarray) -> float:
    """The factor at which the chip's range ends for all but ``CLIPPED`` of the weights."""
    large = float(np.quantile(np.abs(kernel), 1 - CLIPPED))
    return weight_max(layer.neuron.weight_bits) / large if large > 0 else MAX_FACTOR


def _kernel_of(model, layer):
    """The kernel that scales the input of the neurons of ``layer``, or None: leave it alone."""
    if isinstance(layer, WeightedSpikingLayer):
        return layer.kernel if layer.trainable else None
    return _kernel_before(model, layer) if isinstance(layer, SpikingActivation) else None


def _kernel_before(model, layer):
    """The kernel that scales the input of ``layer``, or None where there is no telling."""
    makers = {}
    for maker in model.layers:
        output = _graph_tensor(maker, "output")
        if output is not None:
            makers[id(output)] = maker
    while True:
        layer = makers.get(id(_graph_tensor(layer, "input")))
        if layer is None or isinstance(layer, keras.layers.RNN):
            return None
        if "Normalization" in type(layer).__name__:
            return None
        inner = layer.layer if isinstance(layer, keras.layers.TimeDistributed) else layer
        for name in ("kernel", "pointwise_kernel"):
            if hasattr(inner, name):
                return getattr(inner, name) if layer.trainable else None


def _graph_tensor(layer, side: str):
    """The input or output of a layer in a functional model, or None if it has not just one."""
    try:
        tensor = getattr(layer, side)
    except (AttributeError, ValueError):  # never called symbolically, or more than once
        return None
    return tensor if isinstance(tensor, keras.KerasTensor) else None
