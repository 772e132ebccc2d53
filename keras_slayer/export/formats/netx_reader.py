"""Reads a ``.net`` file into integers in Keras' order, trusting nothing in it.

Accepted is what lava-dl's loader reads exactly: input, dense, recurrent dense, conv and flatten
layers with CUBA neurons; and of what the loader refuses or leaves out, what lava-dl's training
defines: pooling, and input layers with neurons. What the loader would skip, clip or misread is an
error here.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np

from keras_slayer.export.formats import netx_parts as parts
from keras_slayer.export.formats.hdf5 import CheckedGroup, open_checked
from keras_slayer.export.formats.netx import MAX_SMALL, channels_first
from keras_slayer.export.graph import Connection, DenseSynapses, IntegerGraph, graph_of
from keras_slayer.export.network import (
    IntegerConv,
    IntegerDense,
    IntegerFlatten,
    IntegerLayer,
    IntegerNetwork,
    IntegerNeuron,
)

MAX_LAYERS = 1000
MAX_NEURONS = 1 << 24
"""Largest input, and most neurons in all layers together (a Loihi 2 chip has a million)."""

TYPES = ("input", "dense", "dense_rec", "conv", "pool", "flatten")

REFUSED = {
    "average": "averages spikes, which the chip does not. Leave the layer out of the file, and "
    "average on the host",
    "concat": "joins layers, which lava-dl's loader does not read",
    "convT": "is a transposed convolution, which lava-dl's loader does not read",
    "dense_comp": "has complex weights, which CUBA neurons do not take",
    "unpool": "spreads pixels, which lava-dl's loader does not read",
}
"""Layers that lava-dl writes, and why they are not read."""


def read_network(
    path: str | Path, input_shape: Sequence[int] | None = None
) -> IntegerNetwork | IntegerGraph:
    """The network in a ``.net`` file.

    Args:
        input_shape: (inputs,) or (height, width, channels), where the file does not say it.

    Returns:
        A chain; a graph if a layer is recurrent, of populations "layer 0", "layer 1", ..., flattens
        counted.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: not HDF5, damaged, or not a network that the chip runs as written; the message
            names file, layer, data set, what was found and what is right.
    """
    with open_checked(Path(path)) as root:
        if "layer" not in root and "node" in root:
            raise root.fail(
                "this is a NIR graph, not a .net file: LoihiSimulator runs those that export_loihi "
                "wrote, by their suffix .nir; keras_slayer.export.from_nir makes a model of any"
            )
        layers = root.group("layer")
        count = len(layers)
        if not 1 <= count <= MAX_LAYERS:
            raise layers.fail(f"{count} layers, expected 1 to {MAX_LAYERS}")
        groups = [layers.group(str(i), f"{path}: layer {i}") for i in range(count)]
        return _Reader(_checked_shape(input_shape)).network(groups)


def _checked_shape(shape: Sequence[int] | None) -> tuple[int, ...] | None:
    if shape is None:
        return None
    sizes = tuple(shape) if isinstance(shape, Sequence) and not isinstance(shape, str) else ()
    whole = all(isinstance(n, int | np.integer) and n > 0 for n in sizes)
    if len(sizes) not in (1, 3) or not whole or prod(sizes) > MAX_NEURONS:
        raise ValueError(
            "input_shape must be (inputs,) or (height, width, channels), without batch and time, "
            f"at most {MAX_NEURONS} in all. Received: input_shape={shape!r}"
        )
    return tuple(map(int, sizes))


class _Reader:
    """Walks the layers with the shape, in Keras' order, that goes into the next one."""

    def __init__(self, input_shape: tuple[int, ...] | None):
        self.given = input_shape
        self.input_shape = self.shape = input_shape
        self.image: tuple[int, ...] | None = None  # the image that a flatten hides
        self.layers: list[IntegerLayer] = []
        self.loops: dict[str, DenseSynapses] = {}
        self.neurons = 0
        self.silent: CheckedGroup | None = None  # a layer whose neurons never spike

    def network(self, groups: list[CheckedGroup]) -> IntegerNetwork | IntegerGraph:
        kinds = [group.text("type") for group in groups]
        for i, (kind, group) in enumerate(zip(kinds, groups, strict=True)):
            if kind == "input":
                if i:
                    raise group.fail("an input layer must be layer 0")
                self._input(group, kinds[1:2])
                continue
            read = {
                "dense": self._dense,
                "dense_rec": self._recurrent,
                "conv": self._conv,
                "pool": self._pool,
                "flatten": self._flatten,
            }.get(kind)
            if read is None:
                why = REFUSED.get(kind, "is not known, and lava-dl's loader skips such layers")
                raise group.fail(f"type {kind!r} is not one of {', '.join(TYPES)}: it {why}")
            if self.silent is not None and kind != "flatten":
                raise self.silent.fail(
                    "its neurons never spike (there are none, or vThMant is above their range): "
                    "only the last layer may be so"
                )
            read(group)
        if all(isinstance(layer, IntegerFlatten) for layer in self.layers):
            raise groups[-1].fail("the network has no layer with neurons")
        chain = IntegerNetwork(self.input_shape, tuple(self.layers))
        return self._with_loops(graph_of(chain)) if self.loops else chain

    def _with_loops(self, graph: IntegerGraph) -> IntegerGraph:
        """What a neuron sends in a step reaches its layer in the next, as the next layer."""
        populations = dict(graph.populations)
        for name, loop in self.loops.items():
            connections = (*populations[name].connections, Connection(name, loop))
            populations[name] = replace(populations[name], connections=connections)
        return replace(graph, populations=populations)

    def _add(self, group: CheckedGroup, layer: IntegerLayer) -> None:
        self.layers.append(layer)
        self.shape = layer.output_shape(self.shape)
        if isinstance(layer, IntegerFlatten):
            return
        self.image = None
        self.neurons += prod(self.shape)
        if self.neurons > MAX_NEURONS:
            raise group.fail(f"more than {MAX_NEURONS} neurons up to here")
        if parts.never_spikes(layer.neuron):
            self.silent = group

    def _input(self, group: CheckedGroup, next_kind: list[str]) -> None:
        shape = self._sizes(group, "(inputs,) or (channels, height, width)")
        if shape[1:] == (1, 1) and next_kind not in (["conv"], ["pool"]):
            shape = shape[:1]  # lava-dl writes vectors so that went through images
        shape = shape if len(shape) == 1 else (*shape[1:], shape[0])
        if self.given not in (None, shape):
            raise group.fail(f"the input has shape {shape}. Received: input_shape={self.given}")
        self.input_shape = self.shape = shape
        if "neuron" in group:
            self._add(group, parts.input_layer(group, shape))

    def _image(self, group: CheckedGroup, kind: str) -> tuple[int, ...]:
        if self.shape is None:
            raise group.fail(
                f"{kind} is the first layer, and the file does not say the size of its input. Give "
                "input_shape=(height, width, channels)"
            )
        if len(self.shape) != 3:
            raise group.fail(f"{kind} needs an image, and gets {self.shape}")
        return self.shape

    def _flatten(self, group: CheckedGroup) -> None:
        if self.shape is not None and len(self.shape) == 1:
            if self.layers and self.image is None:
                raise group.fail(f"flatten of a vector {self.shape}: lava-dl's loader fails on it")
            if not self.layers:
                return  # of an input that is a vector: does no harm
        else:
            self.image = self._image(group, "flatten")
        self._add(group, IntegerFlatten())

    def _dense(self, group: CheckedGroup) -> None:
        neuron, weight = self._neuron_and_weights(group)
        if np.any(weight < 0) and not np.any(weight > 0):
            raise group.fail("'weight' has no positive value: lava-dl's loader would change it")
        delay = parts.delays(group, weight.shape)
        self._add_dense(group, neuron, weight, None if delay is None else self._inputs_first(delay))

    def _recurrent(self, group: CheckedGroup) -> None:
        neuron, weight = self._neuron_and_weights(group)
        loop = parts.loop(group, weight)
        self._add_dense(group, neuron, weight, None)
        self.loops[f"layer {len(self.layers) - 1}"] = DenseSynapses(np.ascontiguousarray(loop.T))

    def _neuron_and_weights(self, group: CheckedGroup) -> tuple[IntegerNeuron, np.ndarray]:
        """The weights are (outputs, inputs), in the order of the file."""
        if self.shape is not None and len(self.shape) != 1:
            raise group.fail(
                f"dense on an image {channels_first(self.shape)} needs a flatten before"
            )
        neuron = parts.neuron(group.group("neuron")) if "neuron" in group else parts.INTEGRATOR
        outputs = prod(self._sizes(group, "(outputs,) or (outputs, 1, 1)"))
        weight = parts.weights(group, (outputs, self.shape[0] if self.shape else None))
        if not weight.shape[1]:
            raise group.fail("'weight' has no inputs")
        return neuron, weight

    def _add_dense(
        self,
        group: CheckedGroup,
        neuron: IntegerNeuron,
        weight: np.ndarray,
        delay: np.ndarray | None,
    ) -> None:
        if self.shape is None:  # a dense layer tells its input's size itself
            self.input_shape = self.shape = weight.shape[1:]
        bias = parts.bias(group, weight.shape[0])
        self._add(group, IntegerDense(self._inputs_first(weight), neuron, bias, delay))

    def _inputs_first(self, values: np.ndarray) -> np.ndarray:
        """(inputs, outputs) of the file's (outputs, inputs), flattened images in Keras' order."""
        outputs = values.shape[0]
        if self.image:
            height, width, channels = self.image
            values = values.reshape(outputs, channels, height, width).transpose(2, 3, 1, 0)
        else:
            values = values.T
        return np.ascontiguousarray(values).reshape(-1, outputs)

    def _conv(self, group: CheckedGroup) -> None:
        *_, channels = self._image(group, "conv")
        if "delay" in group:
            raise group.fail("'delay' of a conv layer is ignored by lava-dl's loader")
        shape = self._output_shape(group)
        groups = group.integer("groups", 1, MAX_SMALL)
        if channels % groups or shape[0] % groups:
            raise group.fail(f"groups {groups} must divide {channels} and {shape[0]} channels")
        weight = parts.kernel(group, (shape[0], channels // groups))
        layer = IntegerConv(
            np.ascontiguousarray(weight.transpose(2, 3, 1, 0)),
            parts.neuron(group.group("neuron")),
            strides=parts.pair(group, "stride", 1),
            padding=parts.pair(group, "padding", 0),
            dilation=parts.pair(group, "dilation", 1),
            groups=groups,
            bias=parts.bias(group, shape[0]),
        )
        self._add_image(group, layer, shape)

    def _pool(self, group: CheckedGroup) -> None:
        image = self._image(group, "pool")
        if "delay" in group:
            raise group.fail("'delay' of a pool layer is of its outputs, and not read")
        self._add_image(group, parts.pool(group, image), self._output_shape(group))

    def _sizes(self, group: CheckedGroup, expected: str) -> tuple[int, ...]:
        """One number or three, the data set "shape"."""
        sizes = group.integers("shape", 1, MAX_NEURONS, ndims=[1])
        shape = tuple(map(int, sizes[:4]))  # it may be long
        if len(shape) not in (1, 3) or prod(shape) > MAX_NEURONS:
            raise group.fail(f"shape {shape}: expected {expected}, at most {MAX_NEURONS} in all")
        return shape

    def _output_shape(self, group: CheckedGroup) -> tuple[int, ...]:
        shape = self._sizes(group, "(channels, height, width)")
        if len(shape) != 3:
            raise group.fail(f"shape {shape}: expected (channels, height, width)")
        return shape

    def _add_image(self, group: CheckedGroup, layer: IntegerConv, shape: tuple[int, ...]) -> None:
        computed = channels_first(layer.output_shape(self.shape))
        if computed != shape:
            raise group.fail(f"'shape' is {shape}, but the convolution gives {computed}")
        self._add(group, layer)
