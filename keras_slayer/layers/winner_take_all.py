"""Lateral inhibition: the first spike in a neighbourhood silences the others."""

from __future__ import annotations

import math

import keras
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.layers.dtypes import as_floats
from keras_slayer.layers.spatial import MAX_STEPS, check_axes, pair
from keras_slayer.layers.temporal_layer import TemporalLayer
from keras_slayer.neurons import reference
from keras_slayer.ops.state import at_rest, checked


@keras.saving.register_keras_serializable(package="keras_slayer")
class WinnerTakeAll(TemporalLayer):
    """Passes a neuron's spikes unless a neighbour has spiked before it.

    ::

        open[t, n] = 1 unless a neighbour of n passed a spike in the last `duration`,
                     or ties with n at t and comes first
        y[t, n] = x[t, n] open[t, n]

    A spike that passes silences the neighbours of its neuron from the next step
    on, for ``duration``. The neuron itself goes on firing, and each spike of it
    renews the inhibition. Only what passes inhibits: a silenced neuron silences
    nobody. So at most one neuron of any pair of neighbours is active at a time.

    Ties: of neighbours that would spike in the same step, the one that comes
    first in the order row, column, channel passes; the others lose that spike.
    (Each is compared with its own neighbours only, so that one may yield to a
    neighbour that itself yields to a third.)

    This is the temporal winner-takes-all of HFirst (Orchard et al., IEEE TPAMI
    37(10), 2015), as inhibition of spikes: it does not reset the membrane
    potentials of the losers, which lie in the layer before.

    The gradient is that of the equation with ``open`` held fixed: it passes
    where the neuron is free, with or without a spike, and is zero where it is
    silenced. The layer has no weights.

    Args:
        window: size of the neighbourhood in pixels, around the neuron: an odd
            integer or a pair (vertical, horizontal) of them, up to 16383; None
            for the whole image. 1, the default, is the neuron's own pixel.
        across_channels: whether the channels of a neighbourhood compete; else
            each channel is inhibited apart.
        duration: how long a spike silences the neighbours, ms: a positive
            multiple of ``dt``. None for the rest of the recording.
        dt: length of a time step, ms.

    Input shape:
        (batch, time, ..., channels); (batch, time, height, width, channels)
        with a window of more than the neuron's own pixel.

    Output shape:
        The same.

    Raises:
        ValueError: an argument out of range; a neighbourhood of one neuron;
            input of another rank.

    Example:

    >>> layer = keras_slayer.WinnerTakeAll(window=3, duration=5.0)
    >>> layer(keras.ops.ones((1, 50, 34, 34, 12))).shape
    TensorShape([1, 50, 34, 34, 12])
    """

    def __init__(
        self,
        window: int | tuple[int, int] | None = 1,
        across_channels: bool = True,
        duration: float | None = None,
        dt: float = 1.0,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.window = None if window is None else pair(window, "window")
        if self.window is not None and any(size % 2 == 0 for size in self.window):
            raise ValueError(
                f"window must be odd, so that it has a middle, or None. Received: window={window!r}"
            )
        self.across_channels = bool(across_channels)
        if self.window == (1, 1) and not self.across_channels:
            raise ValueError(
                "a neuron has no neighbours within its own pixel and channel: give a larger "
                f"window. Received: window={window!r}, across_channels={across_channels!r}"
            )
        self.dt = checks.number(dt, "dt", open_low=True)
        self.duration, self._steps = None, MAX_STEPS
        if duration is not None:
            longest = MAX_STEPS * self.dt
            self.duration = checks.number(duration, "duration", open_low=True, high=longest)
            self._steps = round(self.duration / self.dt)
            if not math.isclose(self._steps, self.duration / self.dt, rel_tol=1e-6):
                raise ValueError(
                    f"duration must be a multiple of dt={self.dt:g} ms. "
                    f"Received: duration={duration!r}"
                )

    def build(self, input_shape):
        if self.window == (1, 1):
            check_axes(self, input_shape, "(batch, time, ..., channels)", min_ndim=3)
        else:
            check_axes(self, input_shape, "(batch, time, height, width, channels)", ndim=5)
        self.input_spec = keras.layers.InputSpec(ndim=len(input_shape))
        self.built = True

    def advance(self, inputs, state):
        inputs = as_floats(inputs, self.compute_dtype)
        rest = at_rest(1, inputs)
        start = tf.cast(rest if state is None else checked(state, 1, inputs), tf.int32)
        fired = tf.transpose(self._images(tf.stop_gradient(inputs) > 0), [1, 0, 2, 3, 4])
        holds, is_open = self._open(fired, self._images(start)[:, 0])
        is_open = tf.reshape(tf.transpose(is_open, [1, 0, 2, 3, 4]), tf.shape(inputs))
        is_open.set_shape(inputs.shape)
        outputs = inputs * tf.cast(is_open, inputs.dtype)
        after = None if state is None else tf.reshape(tf.cast(holds, rest.dtype), tf.shape(rest))
        return outputs, after

    def state_at_rest(self, inputs):
        return at_rest(1, inputs)

    @staticmethod
    def _images(x):
        """x (batch, time, ...) with an image of one pixel for each element of the middle axes."""
        if x.shape.rank == 5:
            return x
        shape = tf.shape(x)
        pixels = tf.reduce_prod(shape[2:-1])
        return tf.reshape(x, [shape[0], shape[1], pixels, 1, shape[-1]])

    def _open(self, fired, hold):
        """Which spikes pass, of those that would like to: both (time, batch, h, w, channels).

        ``hold`` (batch, h, w, channels): the steps for which each neuron will still silence its
        neighbours; returned as it is after the last step, before ``is_open``.
        """
        image = tf.shape(fired)[2:]
        precedence = tf.reshape(tf.range(tf.reduce_prod(image), 0, -1), image)
        precedence = tf.cast(precedence, tf.float32)

        def step(carry, now):
            hold, _ = carry
            holds = hold > 0
            free = tf.equal(self._neighbourhood_max(tf.cast(holds, tf.float32)) > 0, holds)
            rival = tf.where(now & free, precedence, 0.0)
            # Without a rival in the neighbourhood both sides are 0.
            is_open = free & (~now | (rival >= self._neighbourhood_max(rival)))
            hold = tf.where(now & is_open, self._steps, tf.maximum(hold - 1, 0))
            return hold, is_open

        start = (hold, tf.zeros(tf.shape(fired)[1:], tf.bool))
        (_, is_open), (hold, _) = reference.scan_from(step, fired, start)
        return hold, is_open

    def _neighbourhood_max(self, x):
        """Largest value in each neuron's neighbourhood, itself included; broadcasts over x."""
        axes = [3] if self.across_channels else []
        if self.window is None:
            axes = [1, 2, *axes]
        if axes:
            x = tf.reduce_max(x, axis=axes, keepdims=True)
        if self.window in (None, (1, 1)):
            return x
        return tf.nn.max_pool2d(x, self.window, strides=1, padding="SAME")

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "window": self.window,
            "across_channels": self.across_channels,
            "duration": self.duration,
            "dt": self.dt,
        }
