"""Nodes of NIR as layers of Keras: functions of a Keras tensor that make a layer and call it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import keras
import numpy as np

from keras_slayer import layers as spiking
from keras_slayer.export.formats.nir_signal import Signal
from keras_slayer.neurons import Neuron

Step = Callable[[keras.KerasTensor], keras.KerasTensor]


class Names:
    """Names of layers: those of nodes, as Keras allows them, each once."""

    def __init__(self):
        self._taken: set[str] = set()

    def __call__(self, name: str) -> str:
        base = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
        base = base if re.match(r"[A-Za-z0-9]", base) else f"n{base}"
        unique, n = base, 1
        while unique in self._taken:
            unique, n = f"{base}_{n}", n + 1
        self._taken.add(unique)
        return unique


def with_weights(make: Callable[[], keras.Layer], weights: list[np.ndarray]) -> Step:
    """Calls a new layer, and gives it these weights."""

    def step(x):
        layer = make()
        y = layer(x)
        layer.set_weights(weights)
        return y

    return step


@dataclasses.dataclass(frozen=True, eq=False)
class Synapse:
    """A weighted sum, not yet with its neurons.

    Args:
        name: of the layer.
        kind: "dense", "conv1d", "conv2d" or "pool".
        out: its output.
        kernel: in the order of Keras; of a pool, the one weight of all taps.
        bias: (channels,) or None.
        window: kernel size, of a pool too.
        strides, dilation, groups: of the window.
        pad: zeros on both sides of each axis; ``same`` if Keras adds them itself.
    """

    name: str
    kind: str
    out: Signal
    kernel: np.ndarray
    bias: np.ndarray | None = None
    window: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1
    pad: tuple[int, ...] = ()
    same: bool = False

    def folded(self, gain: np.ndarray, offset: np.ndarray) -> Synapse | None:
        """The synapse whose output is ``gain`` times this one's, plus ``offset``.

        None where that is no synapse: they differ within a channel, or it is a pool.
        """
        gain, offset = (self.out.per_channel(np.asarray(v)) for v in (gain, offset))
        if gain is None or offset is None:
            return None
        if self.kind == "pool" and (gain.ndim or offset.any()):
            return None
        bias = self.bias
        if bias is not None or offset.any():
            channels = self.out.keras_shape[-1]
            bias = np.broadcast_to((0.0 if bias is None else bias) * gain + offset, (channels,))
        return dataclasses.replace(self, kernel=self.kernel * gain, bias=bias)

    @property
    def _weights(self) -> list[np.ndarray]:
        return [self.kernel] if self.bias is None else [self.kernel, self.bias]

    @property
    def _options(self) -> dict:
        padding = "same" if self.same else "valid"
        options = {"strides": self.strides, "padding": padding}
        if self.kind != "pool":
            options |= {"dilation_rate": self.dilation, "groups": self.groups}
        return options

    @property
    def _skips(self) -> bool:
        """Whether the window has strides and dilation, which Keras does one after the other."""
        return max(self.strides, default=1) > 1 and max(self.dilation, default=1) > 1

    def spiking(self, names: Names, neuron: Neuron) -> list[Step]:
        """With these neurons, as one layer where there is one."""
        if self.kind == "conv1d" or self._skips:
            name = names(f"{self.name}.neuron")
            return [*self.plain(names), lambda x: spiking.SpikingActivation(neuron, name=name)(x)]
        steps = self._padding(names)
        name = names(self.name)
        if self.kind == "pool":
            peak = float(np.max(neuron.response_kernel()))
            weight = float(self.kernel) * peak / neuron.firing_threshold
            options = self._options | {"neuron": neuron, "weight": weight, "name": name}
            layer = lambda: spiking.SpikingSumPooling2D(self.window, **options)  # noqa: E731
            return [*steps, with_weights(layer, [])]
        options = {"neuron": neuron, "use_bias": self.bias is not None, "name": name}
        # Its own initialiser would measure weights that are replaced.
        options["kernel_initializer"] = "zeros"
        if self.kind == "dense":
            layer = lambda: spiking.SpikingDense(self.out.size, **options)  # noqa: E731
        else:
            options |= self._options
            filters = self.out.shape[0]
            layer = lambda: spiking.SpikingConv2D(filters, self.window, **options)  # noqa: E731
        return [*steps, with_weights(layer, self._weights)]

    def plain(self, names: Names) -> list[Step]:
        """Without neurons."""
        name = names(self.name)
        bias = self.bias is not None
        if self.kind == "dense":
            dense = lambda: keras.layers.Dense(self.out.size, use_bias=bias, name=name)  # noqa: E731
            return [with_weights(dense, self._weights)]
        steps = self._padding(names)
        if self.kind == "pool":
            return [*steps, self._plain_pool(name)]
        convolution = keras.layers.Conv1D if self.kind == "conv1d" else keras.layers.Conv2D
        options = self._options | {"use_bias": bias}
        if self._skips:
            options["strides"] = 1

        def conv():
            return spiking.PerStep(
                convolution(self.out.shape[0], self.window, **options), name=name
            )

        steps.append(with_weights(conv, self._weights))
        if self._skips:
            skip = keras.layers.MaxPooling1D if self.kind == "conv1d" else keras.layers.MaxPooling2D
            ones = (1,) * len(self.window)
            steps.append(per_step(names(f"{self.name}.skip"), skip, ones, strides=self.strides))
        return steps

    def _plain_pool(self, name: str) -> Step:
        def pool():
            layer = keras.layers.DepthwiseConv2D(
                self.window, use_bias=False, trainable=False, **self._options
            )
            return spiking.PerStep(layer, name=name, trainable=False)

        taps = np.full((*self.window, self.out.shape[0], 1), self.kernel)
        return with_weights(pool, [taps])

    def _padding(self, names: Names) -> list[Step]:
        if self.same or not any(self.pad):
            return []
        flat = self.kind == "conv1d"
        layer = keras.layers.ZeroPadding1D if flat else keras.layers.ZeroPadding2D
        pad = self.pad[0] if flat else self.pad
        return [per_step(names(f"{self.name}.padding"), layer, pad)]


def per_step(name: str, layer: type[keras.Layer], *arguments, **options) -> Step:
    return lambda x: spiking.PerStep(layer(*arguments, **options), name=name)(x)


def activation(name: str, neuron: Neuron) -> Step:
    return lambda x: spiking.SpikingActivation(neuron, name=name)(x)


def recurrent(name: str, neuron: Neuron, into: Synapse, loop: Synapse) -> Step:
    """Neurons with dense weights into them, and from their spikes of the step before."""
    biases = [synapse.bias for synapse in (into, loop) if synapse.bias is not None]
    options = dict.fromkeys(("kernel_initializer", "recurrent_initializer"), "zeros")

    def layer():
        return spiking.SpikingRecurrentDense(
            into.out.size, neuron, use_bias=bool(biases), name=name, **options
        )

    weights = [into.kernel, *([sum(biases)] if biases else []), loop.kernel]
    return with_weights(layer, weights)


def response(name: str, neuron: Neuron) -> Step:
    return lambda x: spiking.TemporalFilter(neuron, name=name)(x)


def scaled(name: str, signal: Signal, scale: np.ndarray) -> Step:
    """Times ``scale``, one number or one for each neuron in NIR's order."""
    if scale.ndim == 0:
        return lambda x: keras.layers.Rescaling(float(scale), name=name)(x)
    axes = "abcd"[: len(signal.keras_shape)]
    shape = (None, *signal.keras_shape)

    def layer():
        return keras.layers.EinsumDense(f"zt{axes},{axes}->zt{axes}", shape, name=name)

    return with_weights(layer, [signal.to_keras(scale)])


def delayed(name: str, signal: Signal, steps: np.ndarray, dt: float) -> Step:
    """``steps`` later, one number or one for each neuron in NIR's order; ``dt`` in ms."""
    along = signal.per_channel(steps)
    if along is None:
        late, per = signal.to_keras(steps), "neuron"
    else:
        late, per = np.broadcast_to(along, signal.keras_shape[-1:]), "channel"
    longest = max(62.0, float(late.max()))
    options = {"max_delay": (longest + 1) * dt, "per": per, "dt": dt, "name": name}
    return with_weights(lambda: spiking.DelayLayer(**options), [np.float32(late * dt)])


def flattened(name: str, signal: Signal, channels_last: bool) -> list[Step]:
    """As a vector, in the order of Keras or of NIR."""
    flatten = lambda x: spiking.Flatten(name=name)(x)  # noqa: E731
    if channels_last or len(signal.shape) < 2:
        return [flatten]
    axes = range(2, 2 + len(signal.shape))
    permute = lambda x: keras.layers.Permute((1, axes[-1], *axes[:-1]))(x)  # noqa: E731
    return [permute, flatten]


def reshaped(name: str, signal: Signal) -> Step:
    """An image as a series of its channels."""
    shape = signal.keras_shape
    return lambda x: spiking.PerStep(keras.layers.Reshape(shape), name=name)(x)


def shifted(
    name: str, factors: str, signal: Signal, factor: np.ndarray, taps: tuple[float, ...]
) -> Step:
    """Plus ``factor`` times what a filter of ``taps`` makes of a constant 1 from the start on.

    Args:
        name, factors: of the filter, and of the layer of factors, if they differ.
        factor: one number, or one for each neuron in NIR's order.
    """

    def step(x):
        common = float(factor) if factor.ndim == 0 else 1.0
        filtered = spiking.TemporalFilter([common * tap for tap in taps], name=name)
        constant = filtered(keras.ops.ones_like(x))
        if factor.ndim:
            constant = scaled(factors, signal, factor)(constant)
        return keras.layers.Add()([x, constant])

    return step
