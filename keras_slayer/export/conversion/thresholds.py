"""Thresholds with which converted layers fire as often as those they come from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from keras_slayer import loihi
from keras_slayer.export.conversion.plan import LayerPlan
from keras_slayer.export.model.program import INPUT, Program, Ref, Step
from keras_slayer.export.samples import Recordings, batches

CALIBRATION_SAMPLES = 128
"""So many samples of the calibration data are used."""

COUNT_TOLERANCE = 0.002
"""A threshold is good enough when the layer's spike count is off by this fraction."""


def first_samples(calibration: Recordings, shapes: dict[str, tuple]) -> list[list[np.ndarray]]:
    """Batches, each with the spikes of all inputs, of the first CALIBRATION_SAMPLES samples; see
    ``samples.batches``."""
    result: list[list[np.ndarray]] = []
    left = CALIBRATION_SAMPLES
    for inputs, _ in batches(calibration, shapes):
        result.append([_as_bytes(x[:left]) for x in inputs])
        left -= len(result[-1][0])
        if left == 0:
            break
    return result


def _as_bytes(x: np.ndarray) -> np.ndarray:
    """Spikes in a byte each."""
    spikes = x.astype(bool)
    return spikes if np.array_equal(spikes, x) else x


def calibrate_thresholds(
    program: Program, plan: dict[int, LayerPlan], data: list[list[np.ndarray]]
) -> dict[int, keras.Layer]:
    """The converted layers by the ``id`` of the given ones, each firing as often on ``data``."""
    counts: dict[int, int] = {}  # of the first call of each layer
    for number, (_, spikes) in _run(program, data, lambda layer, call: (layer, call(layer))):
        count = sum(int(np.count_nonzero(s)) for s in spikes)
        counts.setdefault(id(program.steps[number].operation), count)
    converted: dict[int, keras.Layer] = {}

    def convert(given: keras.Operation, call: Callable) -> tuple:
        if id(given) not in converted and id(given) in plan:
            layer, threshold = plan[id(given)], None
            if layer.neuron is not None and counts[id(given)] > 0:
                threshold = _fit_threshold(layer, call, counts[id(given)])
            converted[id(given)] = layer.converted(threshold)
        layer = converted.get(id(given), given)
        return layer, call(layer)

    for _ in _run(program, data, convert):
        pass
    return converted


def _run(program: Program, data: list[list[np.ndarray]], decide: Callable) -> Iterator[tuple]:
    """Runs all batches step by step, with the layer that ``decide(given, call)`` returns and what
    it gives; ``call(layer)`` is what a layer gives, batch by batch. Yields (number, that)."""
    values = [{INPUT: inputs} for inputs in data]
    last = {ref.step: i for i in program.chip for ref in program.steps[i].reads}
    for number in program.chip:
        step = program.steps[number]

        def call(layer: keras.Operation, step=step) -> list[np.ndarray]:
            return [_call(step, layer, known) for known in values]

        result = decide(step.operation, call)
        for known, out in zip(values, result[1], strict=True):
            known[number] = [_as_bytes(out)]
            for read in {ref.step for ref in step.reads}:
                if read != INPUT and last[read] == number:
                    del known[read]
        yield number, result


def _call(step: Step, layer: keras.Operation, known: dict[int, list]) -> np.ndarray:
    def value_of(ref: Ref) -> tf.Tensor:
        return tf.cast(known[ref.step][ref.index], tf.float32)

    return np.asarray(step.call(layer, value_of)[0])


def _fit_threshold(layer: LayerPlan, call: Callable, expected: int) -> int:
    """The threshold mantissa with which the layer's spike count comes closest to ``expected``."""
    low, high = 1, loihi.MAX_THRESHOLD
    tried: list[tuple[int, int]] = []  # (error of the count, threshold)
    threshold = layer.neuron.threshold_mantissa
    while low <= high:
        converted = layer.converted(threshold)
        count = sum(int(np.count_nonzero(spikes)) for spikes in call(converted))
        tried.append((abs(count - expected), threshold))
        if tried[-1][0] <= COUNT_TOLERANCE * expected:
            break
        if count > expected:
            low = threshold + 1
        else:
            high = threshold - 1
        threshold = round(math.sqrt(low * high))  # halves the range on a logarithmic scale
    return min(tried)[1]
