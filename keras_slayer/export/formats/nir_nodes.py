"""The nodes of NIR that each Keras layer becomes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import keras
import numpy as np

from keras_slayer import layers as spiking
from keras_slayer.export.formats.netx import channels_first, flatten_order
from keras_slayer.export.formats.nir import DT, NO_DECAY, nir
from keras_slayer.export.formats.nir_numbers import float32_below
from keras_slayer.export.model.merging import ADDS
from keras_slayer.export.problems import Problem
from keras_slayer.neurons import CUBA, LoihiCUBA
from keras_slayer.ops.synapses.geometry import Window2D


@dataclasses.dataclass(frozen=True)
class Data:
    """The output of a layer.

    Args:
        nodes: whose outputs are summed.
        shape: after time, in Keras.
        image: shape of the image that was flattened: here (height, width, channels) are counted in
            another order than in NIR.
    """

    nodes: tuple[str, ...]
    shape: tuple[int, ...]
    image: tuple[int, ...] | None = None

    def to_nir(self, values: np.ndarray) -> np.ndarray:
        """``values`` of ``shape`` in NIR's order."""
        if self.image is not None:
            return values[flatten_order(self.image)]
        return np.moveaxis(values, -1, 0) if values.ndim > 1 else values


class Walk:
    """Collects the nodes, from layer to layer."""

    def __init__(self, dt: float = DT):
        self.dt = dt
        self.nodes: dict[str, nir.NIRNode] = {}
        self.edges: list[tuple[str, str]] = []
        self.data: dict[str, Data] = {}
        self.problems: list[Problem] = []
        self.square = True

    def refuse(self, layer: keras.Layer, what: str, limit: str, remedy: str) -> None:
        self.problems.append(Problem(layer.name, what, limit, remedy))

    def input(self, name: str, shape: tuple[int | None, ...]) -> None:
        if None in shape or len(shape) not in (1, 3):
            limit = "(batch, time, features) or (batch, time, height, width, channels)"
            what = f"the input has shape {(None, None, *shape)}"
            self.problems.append(Problem(name, what, limit, "give keras.Input such a shape"))
            return
        self.nodes[name] = nir.Input(np.array(channels_first(shape)))
        self.data[name] = Data((name,), shape)

    def output(self, node: str, name: str) -> None:
        data = self.data.get(name)
        if data is None:
            return
        if data.image is not None:
            limit = "an image, or a vector that a dense layer made"
            what = "a flattened image is an output, whose order is another in NIR"
            self.problems.append(Problem(name, what, limit, "leave out the Flatten"))
            return
        while node in self.nodes:
            node += "_"
        self.add(node, nir.Output(np.array(channels_first(data.shape))), data)

    def add(self, name: str, node: nir.NIRNode, given: Data) -> str:
        self.nodes[name] = node
        self.edges += [(source, name) for source in given.nodes]
        return name

    def neurons(self, name: str, layer, data: Data, weight: float = 1.0) -> None:
        """Neurons whose inputs are left out a factor ``weight``."""
        try:
            neuron = layer.settled().neuron
        except ValueError as error:
            limit = "a finite number, the same for all neurons of a layer"
            remedy = "learn it with per='layer', and look at the training"
            self.refuse(layer, str(error), limit, remedy)
            return
        if type(neuron) is not CUBA:
            remedy = "export_loihi writes LoihiCUBA" if type(neuron) is LoihiCUBA else "use CUBA"
            what = f"its neuron is {type(neuron).__name__}"
            self.refuse(layer, what, "CUBA, whose reset to zero NIR has", remedy)
            return
        shape = channels_first(data.shape)
        # The neuron spikes at its threshold in float32, and NIR above that of the node.
        reached = float(np.float32(neuron.threshold)) / float(np.float32(weight))
        threshold = float32_below(np.nextafter(reached, -np.inf))
        values = self._membrane(neuron) | {"v_threshold": threshold, "v_reset": 0.0}
        kind = nir.CubaLIF if "tau_syn" in values else nir.LIF
        node = kind(**{key: np.full(shape, value) for key, value in values.items()})
        self.data[layer.name] = Data((self.add(name, node, data),), data.shape, data.image)

    def _membrane(self, neuron: CUBA) -> dict[str, float]:
        steps = [1 / d if d else NO_DECAY for d in (neuron.current_decay, neuron.voltage_decay)]
        if neuron.current_decay == 1:
            return {"tau": self.dt * steps[1], "r": steps[1], "v_leak": 0.0}
        taus = {"tau_syn": self.dt * steps[0], "tau_mem": self.dt * steps[1]}
        return taus | {"w_in": steps[0], "r": steps[1], "v_leak": 0.0}

    def integrators(self, layer, neuron: CUBA, data: Data) -> None:
        shape, values = channels_first(data.shape), self._membrane(neuron)
        kind = nir.CubaLI if "tau_syn" in values else nir.LI
        node = kind(**{key: np.full(shape, value) for key, value in values.items()})
        self.data[layer.name] = Data((self.add(layer.name, node, data),), data.shape, data.image)


def _weighted(kernel: np.ndarray, bias: np.ndarray | None) -> nir.NIRNode:
    if bias is None:
        return nir.Linear(np.ascontiguousarray(kernel.T))
    return nir.Affine(np.ascontiguousarray(kernel.T), bias)


def _values(layer) -> tuple[np.ndarray, np.ndarray | None]:
    bias = None if layer.bias is None else np.asarray(layer.bias)
    return np.asarray(layer.kernel), bias


def _dense(walk: Walk, layer, given: list[Data]) -> Data | None:
    (data,) = given
    if len(data.shape) != 1:
        what = f"its input has shape {(None, None, *data.shape)}"
        walk.refuse(layer, what, "(batch, time, features)", "put keras_slayer.Flatten before it")
        return None
    kernel, bias = _values(layer)
    rows = slice(None) if data.image is None else flatten_order(data.image)
    node = _weighted(kernel[rows], bias)
    return Data((walk.add(f"{layer.name}.weights", node, data),), (kernel.shape[1],))


def spiking_dense(walk: Walk, layer: spiking.SpikingDense, given: list[Data]) -> None:
    data = _dense(walk, layer, given)
    if data is not None:
        walk.neurons(layer.name, layer, data)


def recurrent_dense(walk: Walk, layer: spiking.SpikingRecurrentDense, given: list[Data]) -> None:
    spiking_dense(walk, layer, given)
    if layer.name in walk.data:
        name = f"{layer.name}.recurrent"
        walk.nodes[name] = _weighted(np.asarray(layer.recurrent_kernel), None)
        walk.edges += [(layer.name, name), (name, layer.name)]


def dense(walk: Walk, layer: keras.layers.Dense, given: list[Data]) -> None:
    if layer.activation is not keras.activations.linear:
        walk.refuse(layer, "it has an activation", "linear layers", "put neurons behind it")
        return
    data = _dense(walk, layer, given)
    if data is not None:
        walk.data[layer.name] = data


def _zeros(layer, window: Window2D, image: tuple[int, ...]) -> tuple[int, int] | str | None:
    """The padding in NIR: the same on both sides, or "same" for strides of 1; None if neither."""
    if window.padding == "valid":
        return 0, 0
    sizes = window.output_size(image)
    sides = zip(sizes, window.strides, window.reach, image, strict=True)
    total = [max((size - 1) * s + reach - n, 0) for size, s, reach, n in sides]
    if all(t % 2 == 0 for t in total):
        return tuple(t // 2 for t in total)
    return "same" if max(window.strides) == 1 else None


def conv2d(walk: Walk, layer: spiking.SpikingConv2D, given: list[Data]) -> None:
    (data,) = given
    window = Window2D(layer.kernel_size, **layer._options)
    padding = _zeros(layer, window, data.shape[:2])
    if padding is None:
        return _uneven(walk, layer)
    kernel, bias = _values(layer)
    node = nir.Conv2d(
        input_shape=tuple(data.shape[:2]),
        weight=np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)),
        stride=tuple(layer.strides),
        padding=padding,
        dilation=tuple(layer.dilation_rate),
        groups=layer.groups,
        bias=np.zeros(layer.filters, np.float32) if bias is None else bias,
    )
    # nir takes the height of a window for its width, and one group's channels for all.
    walk.square &= layer.kernel_size[0] == layer.kernel_size[1] and layer.groups == 1
    shape = (*window.output_size(data.shape[:2]), layer.filters)
    between = Data((walk.add(f"{layer.name}.weights", node, data),), shape)
    walk.neurons(layer.name, layer, between)
    return None


def pool(walk: Walk, layer: spiking.SpikingSumPooling2D, given: list[Data]) -> None:
    (data,) = given
    window = Window2D(layer.pool_size, layer.strides, layer.padding)
    padding = _zeros(layer, window, data.shape[:2])
    if padding is None or padding == "same":
        return _uneven(walk, layer)
    node = nir.SumPool2d(*map(np.array, (layer.pool_size, layer.strides, padding)))
    shape = (*window.output_size(data.shape[:2]), data.shape[2])
    between = Data((walk.add(f"{layer.name}.sum", node, data),), shape)
    walk.neurons(layer.name, layer, between, layer.quantized_weight())
    return None


def _uneven(walk: Walk, layer) -> None:
    what = 'padding="same" puts more zeros at the end than at the start'
    walk.refuse(layer, what, "as many zeros on both sides", 'use padding="valid"')


def activation(walk: Walk, layer: spiking.SpikingActivation, given: list[Data]) -> None:
    walk.neurons(layer.name, layer, given[0])


def flatten(walk: Walk, layer: spiking.Flatten, given: list[Data]) -> None:
    (data,) = given
    if len(data.shape) == 1:
        walk.data[layer.name] = data
        return
    node = nir.Flatten(np.array(channels_first(data.shape)), start_dim=0, end_dim=-1)
    size = int(np.prod(data.shape))
    walk.data[layer.name] = Data((walk.add(layer.name, node, data),), (size,), data.shape)


def delay(walk: Walk, layer: spiking.DelayLayer, given: list[Data]) -> None:
    (data,) = given
    steps = np.floor(layer.delay_in_steps)
    steps = data.to_nir(np.broadcast_to(steps, data.shape))
    node = nir.Delay(np.ascontiguousarray(steps, np.float64) * walk.dt)
    walk.data[layer.name] = Data((walk.add(layer.name, node, data),), data.shape, data.image)


def temporal_filter(walk: Walk, layer: spiking.TemporalFilter, given: list[Data]) -> None:
    if type(layer.neuron) is not CUBA:
        what = "its kernel is not that of a CUBA neuron"
        walk.refuse(layer, what, "TemporalFilter(CUBA(...))", "leave it out: it may run behind")
        return
    walk.integrators(layer, layer.neuron, given[0])


def add(walk: Walk, layer: keras.layers.Add, given: list[Data]) -> None:
    if len(given) == 1:
        walk.refuse(layer, "it adds a constant", "sums of tensors", "use a layer with a bias")
        return
    if len({(data.shape, data.image) for data in given}) > 1:
        what = f"it sums {[data.shape for data in given]}, or a flattened image and another vector"
        walk.refuse(layer, what, "summands of one shape and order", "flatten the sum")
        return
    nodes = tuple(node for data in given for node in data.nodes)
    if len(set(nodes)) < len(nodes):
        walk.refuse(
            layer, "it sums a tensor with itself", "different tensors", "double the weights"
        )
        return
    walk.data[layer.name] = dataclasses.replace(given[0], nodes=nodes)


Handler = Callable[[Walk, keras.Layer, list[Data]], None]

HANDLERS: Mapping[type, Handler] = {
    spiking.SpikingDense: spiking_dense,
    spiking.SpikingRecurrentDense: recurrent_dense,
    spiking.SpikingConv2D: conv2d,
    spiking.SpikingSumPooling2D: pool,
    spiking.SpikingActivation: activation,
    spiking.Flatten: flatten,
    spiking.DelayLayer: delay,
    spiking.TemporalFilter: temporal_filter,
    keras.layers.Dense: dense,
    **dict.fromkeys(ADDS, add),
}
"""What to do with a layer of exactly this class: a subclass may compute something else."""

DROPPED = (
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.ActivityRegularization,
)
"""Layers that do nothing at inference."""
