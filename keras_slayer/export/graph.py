"""A Keras model as a chain of float layers: what it computes, without Keras.

One handler per layer class, found in a registry. A handler returns what the layer computes, or None
and notes of why the chip cannot; the walk goes on, so that all problems of a model show at once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

from keras_slayer import layers as spiking
from keras_slayer.export.problems import Problem
from keras_slayer.neurons import LoihiCUBA


@dataclass(frozen=True)
class Window:
    """Geometry of a convolution, (vertical, horizontal); padding is the same on both sides."""

    strides: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int


@dataclass(frozen=True, eq=False)
class FloatLayer:
    """Synapses and neurons of one Keras layer.

    Attributes:
        name, source: the Keras layer's name and class name.
        kernel: weights as trained, (inputs, outputs) or (height, width, channels/groups, filters).
        used: the weights of the forward pass, same shape: the trained ones, quantised.
        neuron: parameters of the neurons.
        output_shape: without batch and time.
        window: geometry of a convolution; None for a dense layer.
    """

    name: str
    source: str
    kernel: np.ndarray
    used: np.ndarray
    neuron: LoihiCUBA
    output_shape: tuple[int, ...]
    window: Window | None = None


@dataclass(frozen=True)
class Flatten:
    """(height, width, channels) read as a vector in C order."""

    name: str
    output_shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class FloatNetwork:
    """``input_shape`` is (inputs,) or (height, width, channels)."""

    input_shape: tuple[int, ...]
    layers: tuple[FloatLayer | Flatten, ...]


class Notes(list[Problem]):
    """What is wrong with one layer."""

    def __init__(self, layer: keras.Layer | keras.Model):
        super().__init__()
        self._layer = layer.name

    def add(self, what: str, limit: str, remedy: str) -> None:
        self.append(Problem(self._layer, what, limit, remedy))


Handler = Callable[[keras.Layer, tuple[int, ...], Notes], FloatLayer | Flatten | None]
HANDLERS: dict[type[keras.Layer], Handler] = {}


def handles(*classes: type[keras.Layer]) -> Callable[[Handler], Handler]:
    """Registers a handler ``(layer, input_shape, notes)``; None from it drops the layer."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(classes, handler))
        return handler

    return register


def read_model(model: keras.Model) -> tuple[FloatNetwork, list[Problem]]:
    """The layers of ``model`` in order, and everything about it that the chip cannot do."""
    problems = _model_problems(model)
    if problems:
        return FloatNetwork((), ()), problems
    shape = tuple(model.input_shape)
    layers: list[FloatLayer | Flatten] = []
    for layer in model.layers:
        notes = Notes(layer)
        result = _handler(layer)(layer, shape[2:], notes)
        layers += [] if result is None else [result]
        problems += notes
        # Not compute_output_shape: layers of users often lack it.
        shape = tuple(layer.compute_output_spec(keras.KerasTensor(shape)).shape)
    if not problems and not (layers and isinstance(layers[-1], FloatLayer)):
        problems.add(
            "the model does not end in spikes",
            "a spiking layer at the end",
            "remove what comes after the last spiking layer",
        )
    return FloatNetwork(tuple(model.input_shape[2:]), tuple(layers)), problems


def _model_problems(model: keras.Model) -> Notes:
    notes = Notes(model)
    if type(model) is not keras.Sequential:
        notes.add(
            f"the model is a {type(model).__name__}",
            "keras.Sequential",
            "stack the layers in a keras.Sequential",
        )
    elif not model.built or not model.layers:
        notes.add(
            "the model is not built",
            "a model that knows its shapes",
            "start it with keras.Input((time, ...)), or call it once on data",
        )
    elif len(model.input_shape) not in (3, 5) or None in model.input_shape[2:]:
        notes.add(
            f"the input has shape {tuple(model.input_shape)}",
            "(batch, time, features) or (batch, time, height, width, channels)",
            "give keras.Input such a shape, with every size but batch and time",
        )
    return notes


def _handler(layer: keras.Layer) -> Handler:
    # Of exactly this class: a subclass may compute something else.
    return HANDLERS.get(type(layer), _unknown)


def _unknown(layer: keras.Layer, shape: tuple[int, ...], notes: Notes) -> None:
    notes.add(
        f"{type(layer).__name__} has no counterpart on the chip",
        ", ".join(sorted(known.__name__ for known in HANDLERS)),
        "replace the layer, or remove it from the model that is exported",
    )


@handles(keras.layers.InputLayer, keras.layers.Dropout)
def _drop(layer: keras.Layer, shape: tuple[int, ...], notes: Notes) -> None:
    """Does nothing at inference."""


@handles(spiking.Flatten)
def _flatten(layer: keras.Layer, shape: tuple[int, ...], notes: Notes) -> Flatten | None:
    # A vector is flat already, and lava's loader fails on a flatten behind one.
    return Flatten(layer.name, (int(np.prod(shape)),)) if len(shape) == 3 else None


@handles(spiking.SpikingDense)
def _dense(layer: keras.Layer, shape: tuple[int, ...], notes: Notes) -> FloatLayer | None:
    _check_neuron(layer, notes)
    if len(shape) != 1:
        notes.add(
            f"a dense layer on an image {shape}",
            "a vector (features,)",
            "put a keras_slayer.Flatten before it",
        )
    if notes:
        return None
    kernel, used = _weights(layer)
    output_shape = (kernel.shape[1],)
    return FloatLayer(layer.name, type(layer).__name__, kernel, used, layer.neuron, output_shape)


@handles(spiking.SpikingConv2D)
def _conv(layer: keras.Layer, shape: tuple[int, ...], notes: Notes) -> FloatLayer | None:
    _check_neuron(layer, notes)
    size = layer.kernel.shape[:2]
    window = _window(layer, shape, size, layer.dilation_rate, layer.groups, notes)
    return None if notes else _windowed(layer, shape, *_weights(layer), window)


@handles(spiking.SpikingSumPooling2D)
def _pool(layer: keras.Layer, shape: tuple[int, ...], notes: Notes) -> FloatLayer | None:
    """A pool is a convolution with one group per channel and one weight for every tap."""
    _check_neuron(layer, notes)
    size, channels = _pair(layer.pool_size), shape[-1]
    window = _window(layer, shape, size, 1, channels, notes)
    if notes:
        return None
    weight = float(np.asarray(layer.quantized_weight()))
    kernel = np.full((*size, 1, channels), weight)
    return _windowed(layer, shape, kernel, kernel, window)


def _check_neuron(layer: keras.Layer, notes: Notes) -> None:
    if not isinstance(layer.neuron, LoihiCUBA):
        notes.add(
            f"its neuron is {type(layer.neuron).__name__}",
            "LoihiCUBA: no other runs on the chip as trained",
            "build the layer with neuron=keras_slayer.LoihiCUBA(...) and train it",
        )
    if getattr(layer, "use_bias", False):
        notes.add("it has a bias", "no bias", "build the layer with use_bias=False")


def _weights(layer: keras.Layer) -> tuple[np.ndarray, np.ndarray]:
    # Not keras.ops.convert_to_numpy: NumPy 2 warns when it copies a Keras variable.
    return np.asarray(layer.kernel), np.asarray(layer.quantized_kernel())


def _windowed(
    layer: keras.Layer,
    shape: tuple[int, ...],
    kernel: np.ndarray,
    used: np.ndarray,
    window: Window,
) -> FloatLayer:
    output_shape = tuple(layer.compute_output_shape((None, None, *shape)))[2:]
    source = type(layer).__name__
    return FloatLayer(layer.name, source, kernel, used, layer.neuron, output_shape, window)


def _window(
    layer: keras.Layer,
    shape: tuple[int, ...],
    size: tuple[int, int],
    dilation: int | tuple[int, int],
    groups: int,
    notes: Notes,
) -> Window:
    strides, dilation = _pair(layer.strides), _pair(dilation)
    padding = tuple(
        _padding(layer.padding, *axis, notes)
        for axis in zip(shape[:2], size, strides, dilation, strict=True)
    )
    return Window(strides, padding, dilation, int(groups))


def _padding(padding: str, size: int, kernel: int, stride: int, dilation: int, notes: Notes) -> int:
    """Zeros on either side of one axis; "same" puts an odd one behind, which the chip cannot."""
    if padding == "valid":
        return 0
    if padding != "same":
        notes.add(f"padding is {padding!r}", "'valid' or 'same'", "use one of these")
        return 0
    reach = dilation * (kernel - 1) + 1
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    if total % 2:
        notes.add(
            f"padding 'same' puts {total // 2} zeros before and {total // 2 + 1} behind the "
            f"{size} input positions",
            "as many before as behind",
            "use an odd kernel and strides of 1, or padding='valid'",
        )
    return total // 2


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))
