"""One step of a network from events to events, by the native library (``csrc/stream/``)."""

from __future__ import annotations

import ctypes
import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence

import keras
import numpy as np

from keras_slayer.layers import (
    DelayLayer,
    Flatten,
    SpikingConv2D,
    SpikingDense,
    SpikingRecurrentDense,
    SpikingSumPooling2D,
)
from keras_slayer.ops import library, neurons
from keras_slayer.ops.synapses.geometry import Window2D

_SILENT = (
    keras.layers.Dropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.Identity,
    keras.layers.InputLayer,
    Flatten,
)  # they do nothing in inference, to events whose places are numbered through
LAYERS = (
    DelayLayer,
    SpikingConv2D,
    SpikingDense,
    SpikingRecurrentDense,
    SpikingSumPooling2D,
    *_SILENT,
)

_Places = ctypes.POINTER(ctypes.c_int32)


class _Population(ctypes.Structure):
    """GivenPopulation in csrc/stream/step_api_op.cc."""

    _fields_ = (
        ("neuron", ctypes.c_char_p),
        ("names", ctypes.POINTER(ctypes.c_char_p)),
        ("params", ctypes.c_void_p),
        ("params_size", ctypes.c_int64),
        ("channels", ctypes.c_int64),
        ("bias", ctypes.c_void_p),
        ("bias_size", ctypes.c_int64),
        ("state", ctypes.c_void_p),
    )


@functools.cache
def _library(path: str):
    loaded = ctypes.CDLL(path)
    handle, integer, pointer = ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p
    population = ctypes.POINTER(_Population)
    for name, result, arguments in (
        ("error", ctypes.c_char_p, []),
        ("new", handle, [integer]),
        ("delete", None, [handle]),
        ("matmul", integer, [handle, pointer, integer, population]),
        ("recurrent", integer, [handle, pointer, pointer, integer, population]),
        ("conv", integer, [handle, pointer, pointer, population]),
        ("pool", integer, [handle, pointer, ctypes.c_double, population]),
        ("delay", integer, [handle, pointer, integer]),
        ("read_delay", None, [handle, integer, pointer]),
        ("write_delay", None, [handle, integer, pointer]),
        ("run", integer, [handle, pointer, pointer, integer, ctypes.POINTER(_Places)]),
    ):
        function = getattr(loaded, f"keras_slayer_step_{name}")
        function.restype, function.argtypes = result, arguments
    return loaded


@dataclasses.dataclass(frozen=True)
class Link:
    """A layer of a chain: its name among the states, and the shapes (batch, time, ...) it maps."""

    name: str
    layer: keras.layers.Layer
    input: tuple
    output: tuple


class StepNetwork:
    """A chain of layers, with the weights that they have now.

    Args:
        chain: its layers, all of ``LAYERS``.
        states: by name, of one sample: (1, numbers, ...). They are copied.
    """

    def __init__(self, chain: Sequence[Link], states: Mapping[str, np.ndarray]) -> None:
        self._library = _library(str(library.library_path()))
        self._kept = []  # arrays that the library reads
        self._states: dict[str, np.ndarray] = {}
        self._delays: dict[str, int] = {}  # numbers of the layers
        self._handle = self._library.keras_slayer_step_new(math.prod(chain[0].input[2:]))
        self._places = _Places()
        links = [link for link in chain if not isinstance(link.layer, _SILENT)]
        for number, link in enumerate(links):
            if isinstance(link.layer, DelayLayer):
                self._add_delay(number, link, states[link.name])
            else:
                self._add_neurons(link, states[link.name])

    def __del__(self):
        if getattr(self, "_handle", None):
            self._library.keras_slayer_step_delete(self._handle)

    def step(self, index, value=None) -> np.ndarray:
        """Places of the events that come out."""
        index, value = checked_events(index, value)
        count = self._library.keras_slayer_step_run(
            self._handle,
            index.ctypes.data,
            None if value is None else value.ctypes.data,
            index.size,
            self._places,
        )
        self._check(count)
        if count == 0:  # there may be no array
            return np.empty(0, np.int32)
        return np.ctypeslib.as_array(self._places, (count,)).copy()

    def states(self) -> dict[str, np.ndarray]:
        """The states after the last step."""
        for name, number in self._delays.items():
            at = self._states[name].ctypes.data
            self._library.keras_slayer_step_read_delay(self._handle, number, at)
        return {name: array.copy() for name, array in self._states.items()}

    def _check(self, result: int) -> None:
        if result < 0:
            raise ValueError(self._library.keras_slayer_step_error().decode())

    def _keep(self, array, dtype) -> np.ndarray:
        array = np.array(array, dtype, order="C")  # a copy of its own
        self._kept.append(array)
        return array

    def _add_delay(self, number: int, link: Link, state) -> None:
        layer, name = link.layer, link.name
        steps = np.floor(layer.delay_in_steps)
        steps = self._keep(steps.ravel(), np.int64)
        self._check(
            self._library.keras_slayer_step_delay(self._handle, steps.ctypes.data, steps.size)
        )
        self._states[name] = self._keep(_of_length(state, steps.max(initial=0)), np.float32)
        self._delays[name] = number
        at = self._states[name].ctypes.data
        self._library.keras_slayer_step_write_delay(self._handle, number, at)

    def _add_neurons(self, link: Link, state) -> None:
        layer, name = link.layer, link.name
        options = neurons.native_options(layer.neuron_now())
        names = [text.encode() for text in options["names"]]
        names = (ctypes.c_char_p * len(names))(*names)
        params = self._keep(options["params"], np.float64)
        channels = params.shape[1] if params.ndim == 2 else 1
        bias = layer.synaptic_bias()
        bias = self._keep([] if bias is None else bias, np.float32)
        self._states[name] = self._keep(state, np.float64)
        self._kept.append(names)
        population = _Population(
            options["neuron"].encode(),
            names,
            params.ctypes.data,
            len(params),
            channels,
            bias.ctypes.data,
            bias.size,
            self._states[name].ctypes.data,
        )
        self._check(_ADD[type(layer)](self, link, population))

    def _add_dense(self, link: Link, population) -> int:
        weights = self._keep(link.layer.quantized_kernel(), np.float32)
        return self._library.keras_slayer_step_matmul(
            self._handle, weights.ctypes.data, link.layer.units, population
        )

    def _add_recurrent(self, link: Link, population) -> int:
        layer = link.layer
        weights = self._keep(layer.quantized_kernel(), np.float32)
        recurrent = self._keep(layer.quantized_recurrent_kernel(), np.float32)
        return self._library.keras_slayer_step_recurrent(
            self._handle, weights.ctypes.data, recurrent.ctypes.data, layer.units, population
        )

    def _add_conv(self, link: Link, population) -> int:
        layer = link.layer
        weights = self._keep(layer.quantized_kernel(), np.float32)
        window = Window2D(layer.kernel_size, layer.strides, layer.padding, layer.dilation_rate)
        sizes = (*link.input[2:], *link.output[2:], *layer.kernel_size, layer.groups)
        sizes = self._keep(
            [*sizes, *layer.strides, *layer.dilation_rate, *_before(window, link)], np.int64
        )
        return self._library.keras_slayer_step_conv(
            self._handle, sizes.ctypes.data, weights.ctypes.data, population
        )

    def _add_pool(self, link: Link, population) -> int:
        layer = link.layer
        window = Window2D(layer.pool_size, layer.strides, layer.padding)
        sizes = (*link.input[2:], *link.output[2:4], *layer.pool_size)
        sizes = self._keep([*sizes, *layer.strides, *_before(window, link)], np.int64)
        return self._library.keras_slayer_step_pool(
            self._handle, sizes.ctypes.data, layer.quantized_weight(), population
        )


def checked_events(index, value) -> tuple[np.ndarray, np.ndarray | None]:
    """The events of a step as arrays: int32 places, and float32 values other than 0 or None.

    Raises:
        ValueError: no vector of integers of 32 bits, or not a value for each.
    """
    index = np.asarray(index)
    if index.ndim != 1 or not (index.dtype.kind in "iu" or index.size == 0):
        raise ValueError(
            f"`index` must be a vector of integers. Received: {index.dtype} of shape {index.shape}"
        )
    given, index = index, np.ascontiguousarray(index, np.int32)
    if given.dtype != np.int32 and np.count_nonzero(index != given):
        outside = given[index != given][0]
        raise ValueError(f"an index must be a place in the input. Received: {outside}")
    if value is not None:
        value = np.ascontiguousarray(value, np.float32)
        if value.shape != index.shape:
            raise ValueError(
                f"`value` must have a number for each of {index.size} places. "
                f"Received: {value.size}"
            )
        there = value != 0
        if np.count_nonzero(there) != value.size:
            index, value = index[there], value[there]
    return index, value


def _of_length(history: np.ndarray, steps: int) -> np.ndarray:
    """The last so many inputs: the delays may have been trained since the history was kept."""
    missing = max(steps - history.shape[1], 0)
    padded = np.pad(history, [(0, 0), (missing, 0), *[(0, 0)] * (history.ndim - 2)])
    return padded[:, padded.shape[1] - steps :]


def _before(window: Window2D, link: Link) -> list[int]:
    """Padding above and to the left."""
    return [before for before, _ in window.padding_around(link.input[2:4])]


_ADD = {
    SpikingDense: StepNetwork._add_dense,
    SpikingRecurrentDense: StepNetwork._add_recurrent,
    SpikingConv2D: StepNetwork._add_conv,
    SpikingSumPooling2D: StepNetwork._add_pool,
}
