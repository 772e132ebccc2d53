"""Learnable axonal delays."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from keras_slayer import checks, ops
from keras_slayer.layers.dtypes import as_floats
from keras_slayer.layers.spatial import check_axes
from keras_slayer.layers.temporal_layer import TemporalLayer
from keras_slayer.neurons.reference import widen
from keras_slayer.ops.state import at_rest, checked, history, linked, with_history

MAX_DELAY_STEPS = 2**24
"""Up to here float32, the dtype of the delays, holds every whole number of steps."""


@keras.saving.register_keras_serializable(package="keras_slayer")
class DelayRange(keras.constraints.Constraint):
    """Keeps delays within 0 and ``max_delay`` (ms)."""

    def __init__(self, max_delay: float = 62.0) -> None:
        self.max_delay = checks.number(max_delay, "max_delay")

    def __call__(self, w):
        return keras.ops.clip(w, 0.0, self.max_delay)

    def get_config(self) -> dict:
        return {"max_delay": self.max_delay}


def _telling_the_first(inputs, ahead, port):
    """The same inputs, whose backward pass sends their first one to ``port``."""

    @tf.custom_gradient
    def same(inputs, port):
        first = tf.concat([inputs, ahead], axis=1)[:, :1]
        return tf.identity(inputs), lambda grad: (grad, tf.cast(first, port.dtype))

    return same(inputs, port)


@keras.saving.register_keras_serializable(package="keras_slayer")
class DelayLayer(TemporalLayer):
    """Shifts each channel or neuron in time by its own learnable delay.

    y[t, n] = x[t - floor(delay[n] / dt), n]. Delays are real numbers in
    training; their gradient is SLAYER's, with a central difference in time
    (``keras_slayer.ops.delay``). A constraint keeps them in range: nothing has to be
    clamped by hand. ``delay`` holds them in ms, ``delay_in_steps`` in steps.

    Args:
        max_delay: upper bound in ms, at most 2^24 steps. 62 steps are the most
            that Loihi holds.
        per: ``"channel"``: one delay per element of the last axis;
            ``"neuron"``: one per element of all axes after time.
        dt: length of a time step, ms.
        delay_initializer: default uniform between 0 and 1 step. Values out of range are clipped.
        delay_regularizer: regulariser of the delays.

    Input shape:
        (batch, time, ..., channels).

    Output shape:
        The same.

    Raises:
        ValueError: an argument out of range.
    """

    def __init__(
        self,
        max_delay: float = 62.0,
        per: str = "channel",
        dt: float = 1.0,
        delay_initializer=None,
        delay_regularizer=None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_jit = False
        self.dt = checks.number(dt, "dt", open_low=True)
        self.max_delay = checks.number(max_delay, "max_delay", high=MAX_DELAY_STEPS * self.dt)
        if per not in ("channel", "neuron"):
            raise ValueError(f"per must be 'channel' or 'neuron'. Received: per={per!r}")
        self.per = per
        self.delay_initializer = keras.initializers.get(delay_initializer)
        self.delay_regularizer = keras.regularizers.get(delay_regularizer)

    def build(self, input_shape):
        check_axes(self, input_shape, "(batch, time, ..., channels)", min_ndim=3)
        shape = tuple(input_shape[-1:] if self.per == "channel" else input_shape[2:])
        if None in shape:
            raise ValueError(
                f"DelayLayer with per={self.per!r} needs input of known size. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        within = DelayRange(self.max_delay)
        first_step = keras.initializers.RandomUniform(0.0, min(self.dt, self.max_delay))
        initializer = self.delay_initializer or first_step
        self.delay = self.add_weight(
            name="delay",
            shape=shape,
            # A constraint alone holds after the first step of training, and not at all without one.
            initializer=lambda shape, dtype=None: within(initializer(shape, dtype=dtype)),
            regularizer=self.delay_regularizer,
            constraint=within,
            autocast=False,  # a 16-bit float holds no fractions of long delays
        )
        sizes = {-1 - k: size for k, size in enumerate(reversed(shape))}
        self.input_spec = keras.layers.InputSpec(min_ndim=3, axes=sizes)
        self.built = True

    @property
    def delay_in_steps(self) -> tf.Tensor:
        """The delays in steps, real numbers, of which the layer takes the floor.

        A delay as near to a whole number of steps as its dtype holds it is that number: in steps of
        0.1 ms 1.3 ms are 13 steps, although their quotient in float32 is a little less.
        """
        steps = widen(tf.convert_to_tensor(self.delay)) / self.dt
        whole = tf.round(steps)
        rounding = 4 * float(np.finfo(steps.dtype.as_numpy_dtype).eps)  # of delay, dt and quotient
        near = tf.abs(steps - whole) <= rounding * whole
        return steps + tf.stop_gradient(tf.where(near, whole - steps, tf.zeros_like(steps)))

    @property
    def state_dtype(self) -> str:
        return self.compute_dtype

    def advance(self, inputs, state):
        inputs = as_floats(inputs, self.compute_dtype)
        delay = self.delay_in_steps
        if state is None:
            return ops.delay(inputs, delay), None
        longest = self._longest(delay)  # may have changed since: the delays are trained
        before = history(checked(state, None, inputs, inputs.dtype), longest)
        series = with_history(before, inputs)
        return ops.delay(series, delay)[:, longest:], history(series, longest)

    def advance_linked(self, inputs, state, link):
        """The gradient of a delay needs a slope, which reaches one step beyond the chunk at both
        ends: the state has one input more, and the next chunk tells its first one."""
        inputs = as_floats(inputs, self.compute_dtype)
        delay = self.delay_in_steps
        kept = self._longest(delay) + 1
        state = history(tf.cast(state, inputs.dtype), kept)
        ahead = tf.cast(link.later[1], inputs.dtype)
        inputs = _telling_the_first(inputs, ahead, link.ports[1])
        with linked():
            series = with_history(state + tf.cast(link.ports[0], inputs.dtype), inputs)
            after = history(series, kept)
        outputs = ops.delay(tf.concat([series, ahead], axis=1), delay)[:, kept:-1]
        return link.attach(outputs, after), after

    def nothing_later(self, state):
        longest = self._longest(self.delay_in_steps)
        shape = tf.shape(state)
        numbers = (tf.concat([shape[:1], [n], shape[2:]], axis=0) for n in (longest + 1, 1))
        return tuple(tf.zeros(size, state.dtype) for size in numbers)

    def state_at_rest(self, inputs):
        inputs = as_floats(inputs, self.compute_dtype)
        longest = self._longest(self.delay_in_steps)
        return at_rest(longest, inputs, inputs.dtype)

    def _longest(self, delay):
        """Steps of the longest delay: so many inputs are the state."""
        return tf.cast(tf.floor(tf.reduce_max(delay)), tf.int32)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "max_delay": self.max_delay,
            "per": self.per,
            "dt": self.dt,
            "delay_initializer": keras.initializers.serialize(self.delay_initializer),
            "delay_regularizer": keras.regularizers.serialize(self.delay_regularizer),
        }
