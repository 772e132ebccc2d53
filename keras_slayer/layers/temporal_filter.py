"""Filters along time that do not spike."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_slayer import neurons
from keras_slayer.layers.dtypes import as_floats
from keras_slayer.layers.temporal_layer import TemporalLayer
from keras_slayer.ops.filters import fir_with_state
from keras_slayer.ops.responses import response_state_size, response_with_state
from keras_slayer.ops.state import at_rest, checked


@keras.saving.register_keras_serializable(package="keras_slayer")
class TemporalFilter(TemporalLayer):
    """The response of a neuron that never fires, or any causal FIR filter.

    y[t] = sum_k kernel[k] x[t - k], for each neuron by itself. Behind the last
    spiking layer it gives a smooth trace of the output; behind a ``Dense`` layer,
    the membrane potential of neurons without a threshold.

    Args:
        kernel: a neuron (name or instance), whose response kernel is applied
            without truncation; or a vector of taps, one per time step.
        learnable: whether the taps are trained; only with a vector.

    Input shape:
        (batch, time, ...).

    Output shape:
        The same.
    """

    def __init__(
        self,
        kernel: str | neurons.Neuron | Sequence[float] = "srm",
        learnable: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_jit = False
        self.neuron, self.taps = None, None
        if isinstance(kernel, (list, tuple, np.ndarray)):
            taps = np.asarray(kernel, dtype="float64")
            if taps.ndim != 1 or taps.size == 0 or not np.all(np.isfinite(taps)):
                raise ValueError(
                    "kernel must be a neuron or a vector of finite taps. "
                    f"Received: kernel={kernel!r}"
                )
            self.taps = taps.tolist()
        else:
            self.neuron = neurons.get(kernel, "kernel")
            if learnable:
                raise ValueError(
                    "learnable=True needs a vector of taps as kernel. "
                    f"Received: kernel={kernel!r}, learnable=True"
                )
        self.learnable = bool(learnable)
        self.input_spec = keras.layers.InputSpec(min_ndim=2)

    def build(self, input_shape):
        if self.learnable:
            self.kernel = self.add_weight(
                name="kernel", shape=(len(self.taps),), initializer=self._initial_taps
            )
        self.built = True

    def _initial_taps(self, shape, dtype=None):
        return tf.cast(self.taps, dtype)

    @property
    def state_dtype(self) -> str:
        return self.compute_dtype if self.neuron is None else super().state_dtype

    def advance(self, inputs, state):
        inputs = as_floats(inputs, self.compute_dtype)
        if self.neuron is not None:
            return response_with_state(inputs, self.neuron, state)
        if state is not None:
            state = checked(state, len(self.taps) - 1, inputs, inputs.dtype)
        return fir_with_state(inputs, self.kernel if self.learnable else self.taps, state)

    def state_at_rest(self, inputs):
        inputs = as_floats(inputs, self.compute_dtype)
        numbers = len(self.taps) - 1 if self.neuron is None else response_state_size(self.neuron)
        return at_rest(numbers, inputs, self.state_dtype)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self) -> dict:
        kernel = self.taps
        if self.neuron is not None:
            kernel = keras.saving.serialize_keras_object(self.neuron)
        return {**super().get_config(), "kernel": kernel, "learnable": self.learnable}
