"""Runs a model and its export on recorded data, and compares them spike by spike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from keras_slayer.export.graph import IntegerGraph
from keras_slayer.export.model.program import Program
from keras_slayer.export.model.timing import Timing
from keras_slayer.export.network import IntegerNetwork
from keras_slayer.export.quantize import Quantized
from keras_slayer.export.report.calibration import (
    RASTER_SPIKES,
    Calibration,
    LayerActivity,
    Raster,
    Variant,
)
from keras_slayer.export.report.keras_reference import float_reference, integer_reference
from keras_slayer.export.samples import Recordings, batches
from keras_slayer.export.simulation import energy
from keras_slayer.export.target import Target
from keras_slayer.layers.spiking_layer import SpikingLayer
from keras_slayer.neurons import CUBA


def calibrate(
    data: Recordings,
    given: Program,
    exported: Program,
    network: IntegerGraph,
    written: IntegerGraph | IntegerNetwork,
    done: Sequence[Quantized],
    timing: Timing,
    target: Target,
) -> Calibration:
    """Compares the given model, its float and quantised forms and its export on ``data``.

    Args:
        data: see ``samples.batches``.
        given: the model of the user.
        exported: the model that was exported, another one only after a conversion.
        network: what was exported.
        written: the same as the file says it.
        done: its populations that the model has.
        timing: which of these spike early on the chip.
        target: the chip, whose simulator runs ``written``.
    """
    names = [layer.source.name for layer in done]
    populations = list(network.populations)
    kept = [populations.index(name) for name in names]
    read = [given.spiking.index(i) for i in given.read]  # of these, what the host reads
    out = [populations.index(name) for name in network.outputs]
    exact = all(layer.exact for layer in done)
    simulator = target.simulator(written)
    forms: dict[str, Callable] = {"as given": lambda x: _spikes(given, x)}
    biased = any(layer.source.bias is not None for layer in done)
    if exported is given and not biased:  # in float, no neuron has a bias of the voltage
        floats = float_reference(given.layers, target)
        forms["float"] = lambda x: _spikes(given, x, floats)
    if exact:
        forms["quantised"] = lambda x: _spikes(exported, x)
    tallies = {name: _Tally() for name in (*forms, *(() if exact else ("quantised",)), "chip")}
    activity = [_Activity() for _ in names]
    rasters: list[Raster] = []
    steps = samples = 0
    joules = 0.0
    for inputs, labels in batches(data, network.inputs):
        layers = {name: run(inputs) for name, run in forms.items()}
        outputs = {name: [spikes[i] for i in read] for name, spikes in layers.items()}
        record = simulator.record(inputs if len(inputs) > 1 else inputs[0], "spikes")
        joules += float(record.energy.sum())  # of relays and constant sources, too
        chip = [record.layers[i].spikes for i in kept]
        outputs["chip"] = [record.layers[i].spikes for i in out]
        if exact:  # the model itself, where delays stand where the user put them
            early = [timing.early.get(name) for name in names]
            chip = [_delayed(spikes, steps) for spikes, steps in zip(chip, early, strict=True)]
        else:
            known = integer_reference(network, target, inputs)
            layers["quantised"] = [known[name] for name in names]
            outputs["quantised"] = [known[name] for name in network.outputs]
        decided = _decide(given, inputs, outputs["as given"])
        for name, tally in tallies.items():
            decision = decided
            if name != "as given":
                decision = _decide(given, inputs, outputs[name])
            tally.add(outputs[name], outputs["as given"], decision, decided, labels)
        for layer, ours, theirs, number in zip(
            activity, layers["quantised"], chip, kept, strict=True
        ):
            layer.add(ours, theirs, record.layers[number].synaptic_operations)
        if not samples:
            titles = ["input"] if len(inputs) == 1 else list(network.inputs)
            rasters = [_raster(name, x[0], x[0]) for name, x in zip(titles, inputs, strict=True)]
            rasters += [
                _raster(name, ours[0], theirs[0])
                for name, ours, theirs in zip(names, layers["quantised"], chip, strict=True)
            ]
        samples += len(inputs[0])
        steps += inputs[0].shape[0] * inputs[0].shape[1]
    layers = tuple(
        layer.result(name, samples, steps) for name, layer in zip(names, activity, strict=True)
    )
    return Calibration(
        samples,
        steps,
        tuple(tally.result(name, samples) for name, tally in tallies.items()),
        layers,
        tuple(rasters),
        joules / samples,
    )


def _spikes(
    program: Program, inputs: list[np.ndarray], swap: dict | None = None
) -> list[np.ndarray]:
    """Spikes of each spiking step, as late as on the chip."""

    def after(layer: SpikingLayer, spikes: tf.Tensor) -> tf.Tensor:
        if not isinstance(layer.neuron, CUBA):
            return spikes
        # Without the step from layer to layer.
        return tf.concat([tf.zeros_like(spikes[:, :1]), spikes[:, :-1]], axis=1)

    return program.spikes(inputs, swap, after)


def _delayed(spikes: np.ndarray, steps: np.ndarray | None) -> np.ndarray:
    """``spikes`` (batch, time, ...), each neuron later by its own steps."""
    if steps is None:
        return spikes
    result = np.zeros_like(spikes)
    for late in np.unique(steps):
        at = (slice(None), slice(late, None), *np.nonzero(steps == late))
        result[at] = spikes[(slice(None), slice(0, spikes.shape[1] - late), *at[2:])]
    return result


def _decide(
    program: Program, inputs: list[np.ndarray], read: list[np.ndarray]
) -> np.ndarray | None:
    """The class of each sample: of the largest output, or of the most spikes. None: several
    outputs, or one that is no vector."""
    answers = program.answer(inputs, read)
    if len(answers) != 1:
        return None
    value = answers[0]
    if value.ndim == 3:
        value = value.sum(axis=1)
    return np.argmax(value, axis=-1) if value.ndim == 2 else None


@dataclass
class _Tally:
    hits: int = 0
    labelled: int = 0
    spikes: int = 0
    differing: int = 0
    of: int = 0
    agreed: int = 0
    decided: int = 0

    def add(self, spikes, expected, decision, expected_decision, labels) -> None:
        for ours, theirs in zip(spikes, expected, strict=True):
            self.spikes += int(ours.sum())
            self.differing += int(np.count_nonzero(ours != theirs))
            self.of += ours.size
        if decision is None:
            return
        self.decided += len(decision)
        self.agreed += int(np.count_nonzero(decision == expected_decision))
        if labels is not None:
            self.labelled += len(labels)
            self.hits += int(np.count_nonzero(decision == labels))

    def result(self, name: str, samples: int) -> Variant:
        return Variant(
            name,
            self.hits / self.labelled if self.labelled else None,
            self.spikes / samples,
            self.differing,
            self.of,
            self.agreed / self.decided if self.decided else None,
        )


@dataclass
class _Activity:
    spikes: int = 0
    operations: int = 0
    differing: int = 0
    of: int = 0
    fired: np.ndarray | bool = field(default=False)

    def add(self, ours: np.ndarray, theirs: np.ndarray, operations: np.ndarray) -> None:
        self.spikes += int(theirs.sum())
        self.operations += int(operations.sum())
        self.differing += int(np.count_nonzero(ours != theirs))
        self.of += theirs.size
        self.fired = self.fired | theirs.any(axis=(0, 1))

    def result(self, name: str, samples: int, steps: int) -> LayerActivity:
        cost = energy.estimate(self.fired.size, steps, self.spikes, self.operations)
        return LayerActivity(
            name,
            self.spikes / samples,
            self.spikes / self.of,
            float(1 - self.fired.mean()),
            self.operations / samples,
            cost.total / samples,
            self.differing,
            self.of,
        )


def _raster(name: str, ours: np.ndarray, theirs: np.ndarray) -> Raster:
    steps = len(theirs)
    ours, theirs = ours.reshape(steps, -1) != 0, theirs.reshape(steps, -1) != 0
    totals = int(ours.sum()), int(theirs.sum())
    step, neuron = np.nonzero(ours | theirs)
    if len(step) > RASTER_SPIKES:
        # The same of both, and first those that only one has: no difference by thinning alone.
        alone = ours[step, neuron] != theirs[step, neuron]
        order = np.random.default_rng(0).permutation(len(step))
        order = order[np.argsort(~alone[order], kind="stable")]
        kept = np.sort(order[:RASTER_SPIKES])
        step, neuron = step[kept], neuron[kept]
    sides = (
        (tuple(step[on].tolist()), tuple(neuron[on].tolist()))
        for on in (ours[step, neuron], theirs[step, neuron])
    )
    return Raster(name, ours.shape[1], steps, *sides, *totals)
