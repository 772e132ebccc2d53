"""Runs a model and its export on recorded data, and compares them spike by spike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf

from keras_slayer.export.model.chain import Chain
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
    given: Chain,
    exported: Chain,
    network: IntegerNetwork,
    done: Sequence[Quantized],
    target: Target,
) -> Calibration:
    """Compares the given model, its float and quantised forms and its export on ``data``.

    Args:
        data: see ``samples.batches``.
        given: the model of the user.
        exported: the model that was exported, another one only after a conversion.
        network: what was exported, as the file says it.
        done: its layers with neurons.
        target: the chip, whose simulator runs ``network``.
    """
    names = [layer.source.name for layer in done]
    early = [layer.source.early for layer in done]
    forms = {"as given": given.layers}
    if exported is given:
        forms["float"] = float_reference(given.layers, target)
    exact = all(layer.exact for layer in done)
    forms["quantised"] = exported.layers if exact else integer_reference(network, target)
    simulator = target.simulator(network)
    tallies = {name: _Tally() for name in (*forms, "chip")}
    activity = [_Activity() for _ in names]
    rasters: list[Raster] = []
    steps = samples = 0
    for x, labels in batches(data, given.input_shape[2:]):
        outputs = {name: _run(layers, x) for name, layers in forms.items()}
        record = simulator.record(x, "spikes")
        chip = [layer.spikes for layer in record.layers]
        if exact:  # the model itself, where delays stand where the user put them
            chip = [_delayed(spikes, steps) for spikes, steps in zip(chip, early, strict=True)]
        outputs["chip"] = chip
        expected = outputs["as given"][-1]
        decided = _decide(given.host, expected)
        for name, tally in tallies.items():
            spikes = outputs[name][-1]
            decision = decided if name == "as given" else _decide(given.host, spikes)
            tally.add(spikes, expected, decision, decided, labels)
        for layer, ours, theirs, run in zip(
            activity, outputs["quantised"], chip, record.layers, strict=True
        ):
            layer.add(ours, theirs, run.synaptic_operations)
        if not samples:
            rasters = [_raster("input", x[0], x[0])]
            rasters += [
                _raster(name, ours[0], theirs[0])
                for name, ours, theirs in zip(names, outputs["quantised"], chip, strict=True)
            ]
        samples += len(x)
        steps += x.shape[0] * x.shape[1]
    layers = tuple(
        layer.result(name, samples, steps) for name, layer in zip(names, activity, strict=True)
    )
    return Calibration(
        samples,
        steps,
        tuple(tally.result(name, samples) for name, tally in tallies.items()),
        layers,
        tuple(rasters),
        sum(layer.energy for layer in layers),
    )


def _run(layers: Sequence[keras.Layer], x: np.ndarray) -> list[np.ndarray]:
    """Spikes of each layer with neurons, as late as on the chip."""
    result = []
    value = tf.convert_to_tensor(x, tf.float32)
    for layer in layers:
        value = _call(layer, value)
        if isinstance(layer, SpikingLayer):
            if isinstance(layer.neuron, CUBA):  # without the step from layer to layer
                value = tf.concat([tf.zeros_like(value[:, :1]), value[:, :-1]], axis=1)
            result.append(np.asarray(value, np.float32))
    return result


def _delayed(spikes: np.ndarray, steps: np.ndarray | None) -> np.ndarray:
    """``spikes`` (batch, time, ...), each neuron later by its own steps."""
    if steps is None:
        return spikes
    result = np.zeros_like(spikes)
    for late in np.unique(steps):
        at = (slice(None), slice(late, None), *np.nonzero(steps == late))
        result[at] = spikes[(slice(None), slice(0, spikes.shape[1] - late), *at[2:])]
    return result


def _call(operation: keras.Operation, value: tf.Tensor) -> tf.Tensor:
    # Operations of a functional model that are no layers do not know of training.
    if isinstance(operation, keras.Layer):
        return operation(value, training=False)
    return operation(value)


def _decide(host: Sequence[keras.Operation], spikes: np.ndarray) -> np.ndarray | None:
    """The class of each sample: of the largest output, or of the most spikes."""
    value = tf.convert_to_tensor(spikes)
    for operation in host:
        value = _call(operation, value)
    value = np.asarray(value)
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
        self.spikes += int(spikes.sum())
        self.differing += int(np.count_nonzero(spikes != expected))
        self.of += spikes.size
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
