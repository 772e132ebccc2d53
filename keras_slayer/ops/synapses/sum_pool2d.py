"""2-D sum pooling of spike frames."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from keras_slayer import checks
from keras_slayer.neurons import Neuron
from keras_slayer.ops import handoff, library, neurons, selection, state
from keras_slayer.ops.synapses.geometry import Window2D, pool_window
from keras_slayer.ops.synapses.synaptic_input import SynapticInput


@tf.autograph.experimental.do_not_convert
def sum_pool2d(
    spikes, pool_size, *, strides=None, padding: str = "valid", weight: float = 1.0, dtype="float32"
) -> tf.Tensor:
    """``weight`` times the sum over each window of each channel of each frame.

    Args:
        spikes: tensor (batch, time, height, width, channels) of floats or, without a
            gradient, of uint8 or bool. The channels must be known and, for ``"same"``,
            height and width.
        pool_size, strides: pairs (vertical, horizontal); strides default to ``pool_size``.
        padding: ``"valid"`` (a remainder at the edge is dropped) or ``"same"``.
        weight: factor of every input.
        dtype: of the sums, if the spikes are bytes.

    Returns:
        Tensor (batch, time, new height, new width, channels).

    Raises:
        ValueError: a rank, size, dtype or option that does not fit.
    """
    strides = pool_size if strides is None else strides
    return sum_pool2d_synapse(
        spikes, pool_size, strides=strides, padding=padding, weight=weight, dtype=dtype
    ).value()


@tf.autograph.experimental.do_not_convert
def sum_pool2d_synapse(
    spikes, pool_size, *, strides, padding: str, weight: float, dtype="float32"
) -> SynapticInput:
    """``sum_pool2d``, not computed yet: for ``fire``."""
    spikes = checks.spikes(spikes)
    window = pool_window(spikes, pool_size, strides, padding)
    dtype = tf.as_dtype(dtype) if checks.are_bytes(spikes) else spikes.dtype
    return _SumPool2D(
        op="sum_pool2d", spikes=spikes, window=window, weight=float(weight), sum_dtype=dtype
    )


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class _SumPool2D(SynapticInput):
    window: Window2D
    weight: float
    sum_dtype: tf.DType

    @property
    def dtype(self) -> tf.DType:
        return self.sum_dtype

    @property
    def shape(self) -> list:
        batch, steps, *image, channels = self.spikes.shape
        return [batch, steps, *self.window.output_size(image), channels]

    def product(self):
        spikes = tf.cast(self.spikes, self.dtype)
        return reference_sum_pool2d(self.window, spikes) * tf.cast(self.weight, self.dtype)

    @property
    def _native_options(self) -> dict:
        around = self.window.padding_around(self.spikes.shape[2:4])
        return {
            "pool_size": list(self.window.size),
            "strides": list(self.window.strides),
            "padding_before": [before for before, _ in around],
            "weight": self.weight,
        }

    def in_one_pass(self, neuron: Neuron, choice: selection.Choice, start=None):
        native, frames = library.native(), handoff.bytes_of(self.spikes)

        @tf.custom_gradient
        def layer(spikes):
            image = tf.shape(frames, tf.int64)[2:4]
            fired, membrane, after = native.keras_slayer_sum_pool2d_layer(
                frames=frames,
                output_size=self.window.output_size(image),
                T=self.dtype,
                state=state.listed(start),
                **self._native_options,
                **neurons.native_options(neuron),
            )

            def grad(_grad_bytes, grad_fired, *_):
                if checks.are_bytes(spikes):
                    return None
                # A convolution that made the spikes recognises this op: see handoff.
                grad_spikes = native.keras_slayer_sum_pool2d_layer_input_grad(
                    grad=grad_fired,
                    membrane=membrane,
                    input_size=image,
                    **self._native_options,
                    **neurons.native_gradient_options(neuron),
                )
                grad_spikes.set_shape(self.spikes.shape)
                return grad_spikes

            return (fired, membrane, *after), grad

        return state.with_final(layer(self.spikes))


def reference_sum_pool2d(window: Window2D, spikes):
    """Sums of windows of frames (batch, time, height, width, channels)."""
    shape = tf.shape(spikes)
    frames = tf.reshape(spikes, tf.concat([[-1], shape[2:]], axis=0))
    frames.set_shape([None, *spikes.shape[2:]])
    # Pads first and pools "VALID": avg_pool2d would leave its own padding out of the average.
    around = window.padding_around(spikes.shape[2:4])
    frames = tf.pad(frames, [[0, 0], *around, [0, 0]])
    height, width = window.size
    sums = tf.nn.avg_pool2d(frames, window.size, window.strides, "VALID") * (height * width)
    out = tf.reshape(sums, tf.concat([shape[:2], tf.shape(sums)[1:]], axis=0))
    out.set_shape([*spikes.shape[:2], *sums.shape[1:]])
    return out
