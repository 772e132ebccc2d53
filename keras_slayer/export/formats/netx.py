"""The ``.net`` format: the HDF5 network description that lava-dl's netx loads.

Groups /layer/0, /layer/1, ... of data sets. Images are (channels, height, width) there and
(height, width, channels) in Keras; only this module and its reader (netx_reader.py) know both
orders.

A flatten in the file counts over (C, H, W). The weights of the dense layer after it are permuted
on the way out and back on the way in.
"""

import secrets
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from keras_slayer.export.graph import (
    DenseSynapses,
    IntegerGraph,
    Synapses,
    as_synapses,
    chain_of,
)
from keras_slayer.export.network import (
    IntegerConv,
    IntegerDense,
    IntegerFlatten,
    IntegerNetwork,
    IntegerNeuron,
)
from keras_slayer.export.problems import Problem, refuse
from keras_slayer.files import write_whole

MAX_SMALL = 127
"""The loader keeps kernel sides, strides, padding, dilation and groups in int8."""


def problems(
    network: IntegerGraph | IntegerNetwork, names: tuple[str, ...] | None = None
) -> list[Problem]:
    """What keeps a network from being a chain, and what lava-dl's loader would misread or refuse.

    Args:
        names: of the layers of a chain; default "layer 0", "layer 1", ...

    Returns:
        Problems by the names of the populations.
    """
    found = []
    if isinstance(network, IntegerGraph):
        limit = "only chains fit a .net file"
        reasons = chain_of(network)[1]
        found += [Problem(name, why, limit, "export to .nir") for name, why in reasons.items()]
    for name, synapses in synapses_of(network, names):
        found += _synapse_problems(name, synapses)
    return found


def synapses_of(
    network: IntegerGraph | IntegerNetwork, names: tuple[str, ...] | None = None
) -> Iterator[tuple[str, Synapses]]:
    """All synapses with the names of the populations that they lead to."""
    if isinstance(network, IntegerGraph):
        for name, population in network.populations.items():
            for connection in population.connections:
                yield name, connection.synapses
    else:
        names = names or tuple(f"layer {i}" for i in range(len(network.layers)))
        for name, layer in zip(names, network.layers, strict=True):
            if not isinstance(layer, IntegerFlatten):
                yield name, as_synapses(layer)


def _synapse_problems(name: str, synapses: Synapses) -> list[Problem]:
    if isinstance(synapses, DenseSynapses):
        if (synapses.weight > 0).any():
            return []
        return [
            Problem(
                name,
                "no weight is positive",
                "at least one positive weight: without, the layer never spikes and lava's "
                "loader misreads or rejects its weights",
                "train it, with a larger initialisation or a lower threshold",
            )
        ]
    sides = {
        "kernel_size": synapses.weight.shape[:2],
        "strides": synapses.strides,
        "padding": synapses.padding,
        "dilation_rate": synapses.dilation,
    }
    return [
        Problem(
            name,
            f"{what} is {tuple(value)}",
            f"at most {MAX_SMALL}: lava's loader keeps it in 8 bits",
            "use smaller windows, or several layers",
        )
        for what, value in sides.items()
        if max(value) > MAX_SMALL
    ]


def write(network: IntegerGraph | IntegerNetwork, path: Path) -> None:
    """Writes ``network`` to ``path``; the file appears whole or not at all."""
    write_whole(path, to_bytes(network))


def to_bytes(network: IntegerGraph | IntegerNetwork) -> bytes:
    """The ``.net`` file; the same network always gives the same bytes.

    Raises:
        ValueError: a graph that is no chain.
    """
    if isinstance(network, IntegerGraph):
        chain, _ = chain_of(network)
        if chain is None:
            refuse(problems(network))
        network = chain
    # In memory, without timestamps: no half-written file, nothing that changes from run to run.
    # HDF5 opens no two files of one name: another thread may be writing, too.
    name = f"{secrets.token_hex(8)}.net"
    with h5py.File(name, "w", driver="core", backing_store=False) as file:
        layers = file.create_group("layer")
        _write_input(layers.create_group("0"), network.input_shape)
        flattened = None  # the image shape that a flatten hides from the dense after it
        shapes = list(network.shapes())
        for i, layer in enumerate(network.layers):
            group = layers.create_group(str(i + 1))
            before, after = shapes[i], shapes[i + 1]
            if isinstance(layer, IntegerFlatten):
                _put(group, "shape", np.array(after))
                _put_text(group, "type", "flatten")
                flattened = before if len(before) == 3 else flattened
                continue
            if isinstance(layer, IntegerConv):
                _write_conv(group, layer, before, after)
            else:
                _write_dense(group, layer, flattened)
            _write_neuron(group.create_group("neuron"), layer.neuron)
            flattened = None
        file.flush()
        return file.id.get_file_image()


def _put(group: h5py.Group, name: str, value: np.ndarray | int | bool) -> None:
    group.create_dataset(name, data=value, track_times=False)


def _put_text(group: h5py.Group, name: str, text: str) -> None:
    _put(group, name, np.array([text.encode("ascii")], dtype="S10"))


def _write_input(group: h5py.Group, shape: tuple[int, ...]) -> None:
    _put(group, "shape", np.array(channels_first(shape)))
    _put_text(group, "type", "input")


def _write_neuron(group: h5py.Group, neuron: IntegerNeuron) -> None:
    _put_text(group, "type", "CUBA")
    _put(group, "iDecay", np.int32(neuron.current_decay))
    _put(group, "vDecay", np.int32(neuron.voltage_decay))
    _put(group, "vThMant", np.int32(neuron.threshold_mantissa))
    _put(group, "refDelay", np.int32(1))
    _put(group, "gradedSpike", False)


def _write_dense(group: h5py.Group, layer: IntegerDense, image: tuple[int, ...] | None) -> None:
    inputs, outputs = layer.weight.shape
    order = flatten_order(image) if image else slice(None)
    _put(group, "inFeatures", np.int64(inputs))
    _put(group, "outFeatures", np.int64(outputs))
    _put(group, "shape", np.array([outputs]))
    _put_text(group, "type", "dense")
    _put(group, "weight", np.ascontiguousarray(layer.weight[order].T))
    if layer.delay is not None:
        _put(group, "delay", np.ascontiguousarray(layer.delay[order].T))
    if layer.bias is not None:
        _put(group, "bias", layer.bias)


def _write_conv(
    group: h5py.Group, layer: IntegerConv, before: tuple[int, ...], after: tuple[int, ...]
) -> None:
    weight, groups = layer.weight, layer.groups
    if groups > MAX_SMALL:  # the loader would take these for a negative number: all-zero output
        weight, groups = block_diagonal(weight, groups), 1
    _put(group, "dilation", np.array(layer.dilation))
    _put(group, "groups", np.int64(groups))
    _put(group, "inChannels", np.int64(before[2]))
    _put(group, "kernelSize", np.array(weight.shape[:2]))
    _put(group, "outChannels", np.int64(after[2]))
    _put(group, "padding", np.array(layer.padding))
    _put(group, "shape", np.array(channels_first(after)))
    _put(group, "stride", np.array(layer.strides))
    _put_text(group, "type", "conv")
    _put(group, "weight", np.ascontiguousarray(weight.transpose(3, 2, 0, 1)))
    if layer.bias is not None:
        _put(group, "bias", layer.bias)


def channels_first(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[2], shape[0], shape[1]) if len(shape) == 3 else tuple(shape)


def flatten_order(image: tuple[int, ...]) -> np.ndarray:
    """Index into a C-ordered (H, W, C) of each element of the C-ordered (C, H, W)."""
    return np.arange(np.prod(image)).reshape(image).transpose(2, 0, 1).ravel()


def block_diagonal(weight: np.ndarray, groups: int) -> np.ndarray:
    """(kh, kw, C/groups, O) of a grouped convolution as (kh, kw, C, O) with zeros between."""
    height, width, inputs, outputs = weight.shape
    full = np.zeros((height, width, inputs * groups, outputs), weight.dtype)
    share = outputs // groups
    for g in range(groups):
        block = slice(g * share, (g + 1) * share)
        full[:, :, g * inputs : (g + 1) * inputs, block] = weight[..., block]
    return full
