"""Layers of Xylo neurons on the chip: integers, limits, and what both did to the layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_slayer.export.problems import Problem
from keras_slayer.export.weight_grid import FLOAT_NOISE
from keras_slayer.export.xylo.chip import (
    HIDDEN,
    HIDDEN_SPIKES,
    INPUTS,
    MAX_FANOUT,
    MAX_WEIGHT,
    MIN_WEIGHT,
    NAME,
    OUTPUT_SPIKES,
    OUTPUTS,
    SYNAPSES,
    WEIGHT_SCALE,
)
from keras_slayer.export.xylo.network import XyloNetwork
from keras_slayer.export.xylo.read import Layer
from keras_slayer.export.xylo.report import LayerReport


def integers(weights: np.ndarray) -> np.ndarray:
    """The nearest weights of the chip."""
    return np.clip(np.rint(weights * WEIGHT_SCALE), MIN_WEIGHT, MAX_WEIGHT).astype(np.int8)


def problems_of(layers: Sequence[Layer], name: str) -> list[Problem]:
    """What does not fit on the chip.

    Args:
        name: of the model.
    """
    problems: list[Problem] = []
    if len(layers) < 2:
        problems.append(
            Problem(
                name,
                f"it has {len(layers)} layer with neurons",
                "one of hidden neurons and one of output neurons, at least",
                "put a XyloDense of hidden neurons before the last layer",
            )
        )
    problems += [p for layer in layers for p in _not_finite(layer)]
    if problems:
        return problems
    *hidden, last = layers
    inputs, neurons = len(layers[0].used), sum(layer.used.shape[1] for layer in hidden)
    outputs = last.used.shape[1]
    for where, what, count, most, remedy in (
        (layers[0].name, "inputs", inputs, INPUTS, "give it fewer inputs"),
        (name, "hidden neurons", neurons, HIDDEN, "use fewer or smaller layers"),
        (last.name, "output neurons", outputs, OUTPUTS, "use fewer, several classes to each"),
    ):
        if count > most:
            problems.append(Problem(where, f"{count} {what}", f"{most} on {NAME}", remedy))
    for layer in layers:
        most = OUTPUT_SPIKES if layer is last else HIDDEN_SPIKES
        if layer.neuron.max_spikes != most:
            kind = "output" if layer is last else "hidden"
            problems.append(
                Problem(
                    layer.name,
                    f"its neurons give up to {layer.neuron.max_spikes} spikes in a step",
                    f"{most}, as {kind} neurons of the chip",
                    f"build it with XyloLIF(max_spikes={most})",
                )
            )
    if last.recurrent is not None:
        problems.append(
            Problem(
                last.name,
                "its neurons feed each other, and it is the last layer",
                "loops of hidden neurons",
                "put a XyloDense after it",
            )
        )
        return problems
    fans = _fan_out(layers)
    for layer, fan in zip(hidden, fans, strict=True):
        if fan.max(initial=0) > MAX_FANOUT:
            problems.append(
                Problem(
                    layer.name,
                    f"a neuron of it reaches {fan.max()} hidden neurons, those of its own layer "
                    "among them",
                    f"{MAX_FANOUT}",
                    "use smaller hidden layers, or prune weights to zero",
                )
            )
    total = int(sum(fan.sum() for fan in fans))
    if total > SYNAPSES:
        problems.append(
            Problem(
                name,
                f"{total:,} synapses between hidden neurons that are not zero",
                f"{SYNAPSES:,}",
                "use smaller hidden layers, or prune weights to zero",
            )
        )
    return problems


def _not_finite(layer: Layer) -> list[Problem]:
    # Not those of the forward pass, which clips infinite ones.
    kernels = [kernel for kernel in (layer.trained, layer.recurrent) if kernel is not None]
    wrong = ~np.isfinite(np.concatenate([kernel.ravel() for kernel in kernels]))
    if not wrong.any():
        return []
    return [
        Problem(
            layer.name,
            f"{np.count_nonzero(wrong)} of {wrong.size} weights are not finite",
            "finite numbers",
            "train it again, with a smaller learning rate",
        )
    ]


def _fan_out(layers: Sequence[Layer]) -> list[np.ndarray]:
    """For each hidden layer, how many hidden neurons each of its neurons reaches."""
    result = []
    for i, layer in enumerate(layers[:-1]):
        fan = np.zeros(layer.used.shape[1], np.int64)
        if layer.recurrent_used is not None:
            fan += np.count_nonzero(integers(layer.recurrent_used), axis=1)
        if i + 2 < len(layers):
            fan += np.count_nonzero(integers(layers[i + 1].used), axis=1)
        result.append(fan)
    return result


def network_of(layers: Sequence[Layer]) -> XyloNetwork:
    """The chip's network. The layers' hidden neurons stand one after the other."""
    *hidden, last = layers
    sizes = [layer.used.shape[1] for layer in hidden]
    ends = np.cumsum(sizes)
    starts = ends - sizes
    loops = np.zeros((ends[-1], ends[-1]), np.int8)
    for i, layer in enumerate(hidden):
        here = slice(starts[i], ends[i])
        if layer.recurrent_used is not None:
            loops[here, here] = integers(layer.recurrent_used)
        if i:
            loops[starts[i - 1] : ends[i - 1], here] = integers(layer.used)
    out = np.zeros((ends[-1], last.used.shape[1]), np.int8)
    out[starts[-1] :] = integers(last.used)

    def each(name: str, dtype) -> np.ndarray:
        return np.repeat([getattr(layer.neuron, name) for layer in hidden], sizes).astype(dtype)

    def of_last(name: str, dtype) -> np.ndarray:
        return np.full(out.shape[1], getattr(last.neuron, name), dtype)

    return XyloNetwork(
        weights_in=integers(hidden[0].used),
        weights_rec=loops,
        weights_out=out,
        dash_syn=each("dash_syn", np.uint8),
        dash_mem=each("dash_mem", np.uint8),
        threshold=each("threshold", np.int16),
        dash_syn_out=of_last("dash_syn", np.uint8),
        dash_mem_out=of_last("dash_mem", np.uint8),
        threshold_out=of_last("threshold", np.int16),
    )


def layer_reports(layers: Sequence[Layer]) -> tuple[LayerReport, ...]:
    fans = [int(fan.max(initial=0)) for fan in _fan_out(layers)] + [0]
    return tuple(_report(layer, fan) for layer, fan in zip(layers, fans, strict=True))


def _report(layer: Layer, fan: int) -> LayerReport:
    kinds = [(layer.trained, layer.used)]
    if layer.recurrent is not None:
        kinds.append((layer.recurrent, layer.recurrent_used))
    trained, used = (np.concatenate(weights) for weights in zip(*kinds, strict=True))
    chip = integers(used).astype(np.int64)
    inexact = np.abs(used * WEIGHT_SCALE - chip)
    rounded = np.rint(trained * WEIGHT_SCALE)
    one_sign = max(
        np.where(chip > 0, chip, 0).sum(axis=0).max(),
        -np.where(chip < 0, chip, 0).sum(axis=0).min(),
    )
    neuron = layer.neuron
    return LayerReport(
        name=layer.name,
        neurons=used.shape[1],
        recurrent=layer.recurrent is not None,
        weights=chip.size,
        zero=int(np.count_nonzero(chip == 0)),
        clipped=int(np.count_nonzero((rounded < MIN_WEIGHT) | (rounded > MAX_WEIGHT))),
        rounded=int(np.count_nonzero(inexact > FLOAT_NOISE)),
        # What the neurons see: they round their input to the chip's unit.
        exact=bool((inexact.sum(axis=0) < 0.49).all()),
        threshold=neuron.threshold,
        dash_syn=neuron.dash_syn,
        dash_mem=neuron.dash_mem,
        fan_out=fan,
        largest_current=int(one_sign) << neuron.dash_syn,
    )
