"""``export_loihi``: a trained Keras model as a file that runs on Intel Loihi, spike for spike."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from keras_slayer import checks
from keras_slayer.export.conversion.convert import to_loihi
from keras_slayer.export.formats import netx
from keras_slayer.export.mapping.chips import get_chip
from keras_slayer.export.mapping.mapping import map_network
from keras_slayer.export.model.chain import Chain, read_chain
from keras_slayer.export.model.graph import Flatten, FloatNetwork, read_network
from keras_slayer.export.network import SYNAPTIC_SUM_LIMIT, IntegerDense, IntegerNetwork
from keras_slayer.export.problems import refuse
from keras_slayer.export.quantize import (
    Quantized,
    compare,
    largest_synaptic_sum,
    quantize,
    weight_damage,
)
from keras_slayer.export.report.calibration import calibrate
from keras_slayer.export.report.report import LayerReport, LoihiReport
from keras_slayer.files import target_of, write_whole
from keras_slayer.layers.spiking_layer import SpikingLayer

WRITERS = {"net": "netx", "nir": "nir"}
"""Modules of ``formats`` by format: ``problems(network, names)``, ``to_bytes(network)``."""


def export_loihi(
    model: keras.Model,
    path: str | os.PathLike | None,
    *,
    format: str | None = None,
    chip: str = "loihi2",
    weight_bits: int = 8,
    calibration=None,
    convert: bool = False,
    dry_run: bool = False,
) -> LoihiReport:
    """Writes ``model`` as a network for Loihi that spikes exactly as the model does.

    Exported are ``keras.Sequential`` models and functional ones whose layers form a chain, of
    SpikingDense, SpikingConv2D, SpikingSumPooling2D, Flatten (or a Reshape or ``TimeDistributed``
    Flatten that does the same), DelayLayer before a dense layer, Dense and Conv2D followed by
    SpikingActivation, and BatchNormalization between these two where it shifts nothing. Their
    neurons are ``LoihiCUBA``. Dropout and noise are dropped. What comes after the last spiking
    layer stays on the host, and the report names it.

    Layers of ``LoihiCUBA`` neurons train on the chip's integers, and these are exported as they
    are. Weights trained in floating point, or with more than ``weight_bits``, are rounded here;
    the report says what that changed, and with ``calibration`` what it does to the spikes.

    Args:
        model: a built model, compiled or not, fresh or from ``keras.saving.load_model``.
        path: file to write, replaced if it exists; it appears whole or not at all. A link is
            followed. May be None in a dry run.
        format: "net", the HDF5 description that lava-dl's netx loads, or "nir", the Neuromorphic
            Intermediate Representation. Default: from the suffix of ``path``.
        chip: "loihi2" or "loihi1", on whose cores the report places the layers.
        weight_bits: 1 to 8, without sign: the most that a weight may have.
        calibration: spikes (samples, time, ...), a pair (spikes, labels), or a ``tf.data.Dataset``
            of batches of either. Model and exported network run on it and are compared.
        convert: first give layers with other neurons LoihiCUBA ones
            (``keras_slayer.export.to_loihi``, thresholds set on ``calibration``). The network then
            is another one: fine-tune it instead where you can.
        dry_run: report, and write nothing.

    Returns:
        LoihiReport: ``print`` it for tables; it has ``to_json()``, ``to_html(path)`` and
        ``plot_cores(path)``.

    Raises:
        ValueError: a bad argument, or a model the chip cannot run as trained. The message lists
            every problem with its layer, the limit and what to do. Nothing has been written then.

    Example:

    >>> report = model.export_loihi("nmnist.net", calibration=(spikes, labels))
    >>> print(report)
    """
    path, format = _target(path, format, dry_run)
    chip = get_chip(chip)
    weight_bits = checks.integer(weight_bits, "weight_bits", low=1, high=8)
    given, problems = read_chain(model)
    refuse(problems)
    chain = given
    if convert and any(
        isinstance(layer, SpikingLayer) and not layer.on_chip for layer in given.layers
    ):
        chain, _ = read_chain(to_loihi(model, calibration, weight_bits=weight_bits))
    float_network, problems = read_network(chain)
    network, done, more = quantize(float_network, weight_bits)
    problems += more
    writer = importlib.import_module(f"keras_slayer.export.formats.{WRITERS[format]}")
    ill = {problem.layer for problem in problems}  # their integers are not what they should be
    names = tuple(layer.name for layer in float_network.layers)
    firing = [layer.source.name for layer in done]
    # The simulator runs a .net file, so what is no .net is no network for Loihi.
    for check in dict.fromkeys((netx, writer)):
        problems += [p for p in check.problems(network, names) if p.layer not in ill]
    refuse(problems)
    mapping, problems = map_network(network, chip, firing, [layer.bits for layer in done])
    refuse(problems)
    exact = all(layer.exact for layer in done)
    measured = None
    if calibration is not None:
        measured = calibrate(calibration, given, chain, network, done)
    data = writer.to_bytes(network)
    if not dry_run:
        write_whole(path, data)
    layers = _layer_reports(float_network, network, done)
    return LoihiReport(
        None if dry_run else str(path),
        format,
        0 if dry_run else len(data),
        chip.name,
        network.input_shape,
        network.output_shape,
        len(done),
        exact,
        chain is not given,
        layers,
        tuple(compare(done)),
        tuple(operation.name for operation in chain.host),
        mapping,
        measured,
        tuple(_warnings(layers, chain, given)),
    )


def _target(
    path: str | os.PathLike | None, format: str | None, dry_run: bool
) -> tuple[Path | None, str]:
    if format is not None and format not in WRITERS:
        raise ValueError(f"format must be one of {tuple(WRITERS)}. Received: format={format!r}")
    if path is None:
        if not dry_run:
            raise ValueError("path must be given unless dry_run=True. Received: path=None")
        return None, format or "net"
    path = Path(path)
    if not dry_run:
        target_of(path)  # refuses early what could not be written at the end
    if format is not None:
        return path, format
    suffix = path.suffix.lstrip(".")
    if suffix not in WRITERS:
        raise ValueError(
            f"path must end in {' or '.join('.' + known for known in WRITERS)} unless format is "
            f"given. Received: path={str(path)!r}"
        )
    return path, suffix


def _layer_reports(
    float_network: FloatNetwork, network: IntegerNetwork, done: Sequence[Quantized]
) -> tuple[LayerReport, ...]:
    reports, rest = [], iter(done)
    for source, layer in zip(float_network.layers, network.layers, strict=True):
        if isinstance(source, Flatten):
            reports.append(LayerReport(source.name, "Flatten"))
        else:
            delay = layer.delay if isinstance(layer, IntegerDense) else None
            reports.append(_layer_report(next(rest), 0 if delay is None else int(delay.max())))
    return tuple(reports)


def _layer_report(layer: Quantized, largest_delay: int) -> LayerReport:
    synapses, neuron, weight = layer.source.synapses, layer.source.neuron, layer.weight
    damage = weight_damage(synapses.kernel, layer.bits)
    values, counts = np.unique(weight, return_counts=True)
    return LayerReport(
        name=synapses.name,
        type=synapses.source,
        neurons=int(np.prod(synapses.output_shape)),
        weights=damage.total,
        zero_weights=int(np.count_nonzero(weight == 0)),
        changed_weights=damage.changed,
        out_of_range_weights=damage.out_of_range,
        weight_bits=int(layer.bits),
        exact=layer.exact,
        threshold_mantissa=int(neuron.threshold_mantissa),
        current_decay=int(neuron.current_decay),
        voltage_decay=int(neuron.voltage_decay),
        largest_delay=largest_delay,
        largest_synaptic_sum=largest_synaptic_sum(weight),
        histogram=tuple(zip(values.tolist(), counts.tolist(), strict=True)),
    )


def _warnings(layers: Sequence[LayerReport], chain: Chain, given: Chain) -> list[str]:
    warnings = []
    if chain is not given:
        warnings.append(
            "the neurons were converted: this network does not spike as the model does. Fine-tune "
            "keras_slayer.export.to_loihi(model) and export that"
        )
    for layer in layers:
        if not layer.exact:
            warnings.append(
                f"{layer.name}: {layer.changed_weights:,} of {layer.weights:,} weights were "
                f"rounded to {layer.weight_bits} bits, {layer.out_of_range_weights:,} of them "
                "clipped; the model was not trained with these"
            )
        if layer.largest_synaptic_sum > SYNAPTIC_SUM_LIMIT:
            warnings.append(
                f"{layer.name}: if all inputs of one sign spike in one step, the synaptic sum of "
                f"a neuron reaches {layer.largest_synaptic_sum:,}; the chip holds "
                f"{SYNAPTIC_SUM_LIMIT:,}"
            )
    return warnings
