"""``export_loihi``: a trained Keras model as a file that runs on Intel Loihi, spike for spike."""

import os
from pathlib import Path

import keras
import numpy as np

from keras_slayer.export import netx
from keras_slayer.export.graph import Flatten, FloatNetwork, read_model
from keras_slayer.export.network import SYNAPTIC_SUM_LIMIT, IntegerFlatten, IntegerNetwork
from keras_slayer.export.problems import refuse
from keras_slayer.export.quantize import largest_synaptic_sum, quantize, weight_damage
from keras_slayer.export.report import LayerReport, LoihiReport

FORMATS = ("net",)


def export_loihi(
    model: keras.Model, path: str | os.PathLike, *, format: str | None = None
) -> LoihiReport:
    """Writes ``model`` as a network for Loihi that spikes exactly as the model does.

    Exported is a ``keras.Sequential`` of SpikingDense, SpikingConv2D, SpikingSumPooling2D and
    Flatten layers whose neurons are ``LoihiCUBA`` (Dropout is dropped). Nothing is rounded or
    clipped on the way: the integers are those of the model's forward pass.

    Args:
        model: a built model, fresh or from ``keras.saving.load_model``.
        path: file to write, replaced if it exists; it appears whole or not at all.
        format: "net", the HDF5 description that lava-dl's netx loads; default: from the suffix of
            ``path``.

    Returns:
        LoihiReport; ``print`` it for a table per layer.

    Raises:
        ValueError: a bad ``format``, or a model the chip cannot run as trained. The message lists
            every problem with its layer, the limit and what to do. Nothing has been written then.

    Example:

    >>> report = model.export_loihi("nmnist.net")
    >>> print(report)
    """
    path = Path(path)
    format = _format(path, format)
    if not path.parent.is_dir():
        raise ValueError(f"path must lie in an existing folder. Received: path={str(path)!r}")
    float_network, problems = read_model(model)
    network, more = quantize(float_network.input_shape, float_network.layers)
    problems += more
    ill = {problem.layer for problem in more}  # their integers are not what they should be
    names = tuple(layer.name for layer in float_network.layers)
    problems += [p for p in netx.problems(network, names) if p.layer not in ill]
    refuse(problems)
    netx.write(network, path)
    return _report(float_network, network, path, format)


def _format(path: Path, format: str | None) -> str:
    if format is not None:
        if format not in FORMATS:
            raise ValueError(f"format must be one of {FORMATS}. Received: format={format!r}")
        return format
    suffix = path.suffix.lstrip(".")
    if suffix not in FORMATS:
        raise ValueError(
            f"path must end in {' or '.join('.' + known for known in FORMATS)} unless format is "
            f"given. Received: path={str(path)!r}"
        )
    return suffix


def _report(
    float_network: FloatNetwork, network: IntegerNetwork, path: Path, format: str
) -> LoihiReport:
    reports, warnings = [], []
    for source, layer in zip(float_network.layers, network.layers, strict=True):
        if isinstance(source, Flatten):
            reports.append(LayerReport(source.name, "Flatten"))
            continue
        neuron = source.neuron
        damage = weight_damage(source.kernel, layer.weight, neuron.weight_bits)
        largest = largest_synaptic_sum(layer)
        if largest > SYNAPTIC_SUM_LIMIT:
            warnings.append(
                f"{source.name}: if all inputs of one sign spike in one step, the synaptic sum of "
                f"a neuron reaches {largest:,}; the chip holds {SYNAPTIC_SUM_LIMIT:,}"
            )
        reports.append(
            LayerReport(
                source.name,
                source.source,
                int(np.prod(source.output_shape)),
                damage.total,
                damage.zero,
                damage.changed,
                damage.out_of_range,
                int(neuron.weight_bits),
                int(neuron.threshold_mantissa),
                int(neuron.current_decay),
                int(neuron.voltage_decay),
                largest,
            )
        )
    return LoihiReport(
        str(path),
        format,
        path.stat().st_size,
        network.input_shape,
        network.output_shape,
        sum(not isinstance(layer, IntegerFlatten) for layer in network.layers),
        tuple(reports),
        tuple(warnings),
    )
