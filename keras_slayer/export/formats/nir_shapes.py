"""Nodes with weights and windows as synapses: shapes, checks, and the order of Keras."""

from __future__ import annotations

import math

import numpy as np

from keras_slayer.export.formats.hdf5 import MAX_ELEMENTS
from keras_slayer.export.formats.nir_graph import Node
from keras_slayer.export.formats.nir_layers import Synapse
from keras_slayer.export.formats.nir_signal import Signal
from keras_slayer.layers.spatial import MAX_SIDE

MEND = "mend the graph"


class MisfitError(ValueError):
    """What is wrong with a node; its arguments are those of ``Node.problem``."""


def shape_of(values: np.ndarray, what: str) -> tuple[int, ...]:
    """A shape that a node gives, of at most MAX_ELEMENTS numbers."""
    shape = tuple(int(n) for n in np.ravel(values) if float(n).is_integer())
    if len(shape) != np.size(values) or not shape or min(shape) < 1:
        raise MisfitError(f"its {what} is {np.ravel(values)[:8].tolist()}", "sizes from 1", MEND)
    return checked(shape)


def checked(shape: tuple[int, ...]) -> tuple[int, ...]:
    if math.prod(shape) > MAX_ELEMENTS:
        what = f"its output has shape {shape}"
        raise MisfitError(what, f"at most {MAX_ELEMENTS} numbers", "a smaller network")
    return shape


def dense(node: Node, given: Signal) -> Synapse:
    """Affine and Linear: y = W x (+ b); the order of a flattened image is put into W."""
    weight = _weight(node, 2)
    if given.shape != weight.shape[1:]:
        what = f"its weight has shape {weight.shape}, and its input {given.shape}"
        raise MisfitError(what, "a vector of as many numbers as the weight has columns", MEND)
    kernel = np.stack([given.to_keras(row) for row in weight], axis=1)
    bias = _bias(node, len(weight))
    return Synapse(node.name, "dense", Signal((len(weight),)), kernel, bias)


def convolution(node: Node, given: Signal) -> Synapse:
    """Conv1d and Conv2d, which are cross-correlations in NIR and in Keras."""
    axes = 1 if node.type == "Conv1d" else 2
    weight = _weight(node, axes + 2)
    filters, share, *window = weight.shape
    groups = _sizes(node, "groups", 1)[0]
    strides, dilation = _sizes(node, "stride", axes), _sizes(node, "dilation", axes)
    if len(given.shape) != axes + 1 or given.shape[0] != share * groups or filters % groups:
        what = (
            f"its weight has shape {weight.shape}, in {groups} groups, and its input {given.shape}"
        )
        raise MisfitError(what, "channels and filters that the weight has", MEND)
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, window, strict=True)]
    pad, same, sizes = _geometry(node, given.shape[1:], spans, strides)
    return Synapse(
        node.name,
        f"conv{axes}d",
        Signal(checked((filters, *sizes))),
        np.moveaxis(weight, (0, 1), (-1, -2)),
        _bias(node, filters),
        tuple(window),
        strides,
        dilation,
        groups,
        pad,
        same,
    )


def pool(node: Node, given: Signal) -> Synapse:
    """SumPool2d and AvgPool2d; zeros of the padding count, as in PyTorch."""
    if len(given.shape) != 3:
        what = f"its input has shape {given.shape}"
        raise MisfitError(what, "(channels, height, width)", MEND)
    window, strides = _sizes(node, "kernel_size", 2), _sizes(node, "stride", 2)
    pad, same, sizes = _geometry(node, given.shape[1:], window, strides)
    weight = np.array(1.0 if node.type == "SumPool2d" else 1 / math.prod(window))
    return Synapse(
        node.name,
        "pool",
        Signal(checked((given.shape[0], *sizes))),
        weight,
        window=window,
        strides=strides,
        pad=pad,
        same=same,
    )


def _weight(node: Node, rank: int) -> np.ndarray:
    weight = np.asarray(node.values["weight"], np.float64)
    if weight.ndim != rank or not weight.size:
        what = f"its weight has shape {weight.shape}"
        raise MisfitError(what, f"weights of rank {rank}, not empty", MEND)
    if np.abs(weight).max() > np.finfo(np.float32).max:
        raise MisfitError("its weight is beyond float32", "float32", "scale its weights")
    return weight.astype(np.float32)


def _bias(node: Node, outputs: int) -> np.ndarray | None:
    bias = np.asarray(node.values.get("bias", 0.0), np.float64)
    if bias.size == 1:
        bias = np.full(outputs, bias.flat[0])
    if bias.shape != (outputs,):
        what = f"its bias has shape {bias.shape}"
        raise MisfitError(what, f"({outputs},), one for each row of the weight", MEND)
    return bias if bias.any() else None


def _sizes(node: Node, key: str, axes: int, low: int = 1) -> tuple[int, ...]:
    """Whole numbers, one for each axis."""
    value = np.ravel(node.values[key]).astype(np.float64)
    value = np.broadcast_to(value, (axes,)) if value.size == 1 else value
    whole = value.size == axes and (value == np.floor(value)).all()
    if not whole or value.min() < low or value.max() > MAX_SIDE:
        what = f"{key!r} is {value[:8].tolist()}"
        raise MisfitError(what, f"{axes} whole numbers from {low} to {MAX_SIDE}", MEND)
    return tuple(int(v) for v in value)


def _geometry(node: Node, image, spans, strides):
    """(padding, whether it is what Keras calls "same", size of the output)."""
    padding = node.values["padding"]
    if isinstance(padding, str):
        if padding not in ("same", "valid") or (padding == "same" and max(strides) > 1):
            what = f"padding is {padding!r} with strides {strides}"
            raise MisfitError(what, "'valid', 'same' with strides of 1, or numbers", MEND)
        if padding == "same":
            return (0,) * len(image), True, tuple(image)
        pad = (0,) * len(image)
    else:
        pad = _sizes(node, "padding", len(image), low=0)
    room = [n + 2 * p - span for n, p, span in zip(image, pad, spans, strict=True)]
    if min(room) < 0 or max(image) > MAX_SIDE:
        what = f"a window of {tuple(spans)} on an image of {tuple(image)}, padded by {pad}"
        raise MisfitError(what, f"windows that fit into images of up to {MAX_SIDE}", MEND)
    sizes = tuple(r // s + 1 for r, s in zip(room, strides, strict=True))
    same = any(pad) and all(
        size == -(-n // s) and p == max((size - 1) * s + span - n, 0) // 2
        for size, n, s, p, span in zip(sizes, image, strides, pad, spans, strict=True)
    )
    return pad, same, sizes
