"""``export_loihi``: a trained Keras model as a file that runs on Intel Loihi, spike for spike."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import keras

from keras_slayer import checks
from keras_slayer.export.assembly import assemble
from keras_slayer.export.conversion.convert import to_loihi
from keras_slayer.export.graph import IntegerGraph, shortest_path
from keras_slayer.export.mapping.mapping import map_network
from keras_slayer.export.model.graph import read_network
from keras_slayer.export.model.read_program import read_program
from keras_slayer.export.model.timing import schedule
from keras_slayer.export.problems import refuse
from keras_slayer.export.quantize import compare, quantize
from keras_slayer.export.report.layers import layer_reports, warnings_of
from keras_slayer.export.report.measure import calibrate
from keras_slayer.export.report.report import LoihiReport
from keras_slayer.export.report.wiring import wiring_of
from keras_slayer.export.samples import Recordings, check_ends
from keras_slayer.export.target import Format, Target
from keras_slayer.export.targets import get_target
from keras_slayer.files import target_of, write_whole
from keras_slayer.layers.spiking_layer import SpikingLayer


def export_loihi(
    model: keras.Model,
    path: str | os.PathLike | None,
    *,
    format: str | None = None,
    chip: str = "loihi2",
    weight_bits: int = 8,
    calibration: Recordings | None = None,
    convert: bool = False,
    dry_run: bool = False,
) -> LoihiReport:
    """Writes ``model`` as a network for Loihi that spikes exactly as the model does.

    Exported are ``keras.Sequential`` and functional models, with branches, shared layers, several
    inputs and outputs, of SpikingDense, SpikingConv2D, SpikingRecurrentDense,
    SpikingRecurrentConv2D, SpikingSumPooling2D, DelayLayer, Flatten (or a Reshape or ``PerStep``
    Flatten that does the same), Add, Average and Concatenate, and of Dense and Conv2D, with or
    without BatchNormalization, followed by SpikingActivation. Their neurons are ``LoihiCUBA``.
    Dropout and noise are dropped. What comes after the last spiking layer stays on the host, and
    the report names it.

    Layers of ``LoihiCUBA`` neurons train on the chip's integers, and these are exported as they
    are. Weights trained in floating point, or with more than ``weight_bits``, are rounded here;
    the report says what that changed, and with ``calibration`` what it does to the spikes.

    Args:
        model: a built model, compiled or not, fresh or from ``keras.saving.load_model``.
        path: file to write, replaced if it exists; it appears whole or not at all. A link is
            followed. May be None in a dry run.
        format: "net", the HDF5 description of chains that lava-dl's netx loads, or "nir", the
            Neuromorphic Intermediate Representation, which holds any network. Default: from the
            suffix of ``path``.
        chip: "loihi2" or "loihi1", on whose cores the report places the layers.
        weight_bits: 1 to 8, without sign: the most that a weight may have.
        calibration: spikes (samples, time, ...), a pair (spikes, labels), or a ``tf.data.Dataset``
            of batches of either. Model and exported network run on it and are compared. Spikes for
            several inputs are a list in their order, or a dict by their names.
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
    target = get_target(chip)
    path, format = _where(path, format, dry_run, target.formats)
    weight_bits = checks.integer(weight_bits, "weight_bits", low=1, high=target.grid.bits)
    given, problems = read_program(model)
    refuse(problems)
    check_ends(calibration)
    program = given
    if convert and any(
        isinstance(layer, SpikingLayer) and not isinstance(layer.neuron, target.neuron)
        for layer in given.layers
    ):
        program, _ = read_program(to_loihi(model, calibration, weight_bits=weight_bits))
    float_network, problems = read_network(program, target)
    done, more = quantize(float_network, target, weight_bits)
    timing, late = schedule(float_network, target.max_delay)
    refuse([*problems, *more, *late])
    network = assemble(float_network, done, timing, target)
    format = _format_of(network, format, target)
    bits = {layer.source.name: layer.bits for layer in done}
    widths = [bits.get(name, target.grid.bits) for name in network.populations]
    mapping, problems = map_network(network, target.chip, weight_bits=widths)
    refuse(problems)
    data = format.to_bytes(network)
    measured = None
    if calibration is not None:
        written = format.read_back(network, data)  # the file itself is run where it can be
        measured = calibrate(calibration, given, program, network, written, done, timing, target)
    if not dry_run:
        write_whole(path, data)
    converted = program is not given
    layers = layer_reports(network, done)
    return LoihiReport(
        path=None if dry_run else str(path),
        format=format.name,
        file_bytes=0 if dry_run else len(data),
        chip=target.name,
        input_shape=_one_or_all(network.inputs.values()),
        output_shape=_one_or_all(network.shape(name) for name in network.outputs),
        synaptic_sum_limit=target.synaptic_sum_limit,
        latency_steps=shortest_path(network),
        exact=all(layer.exact for layer in done),
        converted=converted,
        layers=layers,
        widths=tuple(compare(done)),
        host_layers=tuple(program.steps[i].name for i in program.host),
        mapping=mapping,
        calibration=measured,
        wiring=wiring_of(network),
        warnings=warnings_of(layers, converted, target.synaptic_sum_limit),
    )


def _format_of(network: IntegerGraph, wanted: Format | None, target: Target) -> Format:
    """The format to write; where none is asked for, the first that holds the network."""
    formats = [wanted] if wanted else list(target.formats.values())
    found = [format.problems(network) for format in formats]
    for format, problems in zip(formats, found, strict=True):
        if not problems:
            return format
    refuse(found[0])


def _one_or_all(shapes: Iterable[tuple[int, ...]]) -> tuple:
    """The only shape, or all where there are several."""
    shapes = tuple(shapes)
    return shapes[0] if len(shapes) == 1 else shapes


def _where(
    path: str | os.PathLike | None, format: str | None, dry_run: bool, formats: dict[str, Format]
) -> tuple[Path | None, Format | None]:
    """The file to write, and its format; None where neither is given."""
    known = tuple(formats)
    if format is not None and format not in known:
        raise ValueError(f"format must be one of {known}. Received: format={format!r}")
    if path is None:
        if not dry_run:
            raise ValueError("path must be given unless dry_run=True. Received: path=None")
        return None, None if format is None else formats[format]
    path = Path(path)
    if not dry_run:
        target_of(path)  # refuses now what could not be written at the end
    suffix = path.suffix.lstrip(".")
    if format is None and suffix not in known:
        raise ValueError(
            f"path must end in {' or '.join('.' + name for name in known)} unless format is "
            f"given. Received: path={str(path)!r}"
        )
    return path, formats[format or suffix]
