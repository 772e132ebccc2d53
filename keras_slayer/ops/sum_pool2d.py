"""2-D sum pooling, alone and with its neurons in one pass."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from keras_slayer import checks
from keras_slayer.ops import compact, library, pooled_gradient, reference
from keras_slayer.ops.neuron_spec import NeuronSpec, fire
from keras_slayer.ops.pooled_gradient import PooledGradient


@dataclasses.dataclass(frozen=True)
class SumPool2D:
    """``weight`` times the sum over each window of a channel.

    Attributes:
        window, strides: (vertical, horizontal).
        before, after: zeros put around the frames, (vertical, horizontal).
        weight: factor.
    """

    window: tuple[int, int]
    strides: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]
    weight: float

    @classmethod
    def of(cls, spikes, weight: float, pool_size, strides, padding: str) -> SumPool2D:
        """The pool of these frames (batch, time, height, width, channels), checked.

        Raises:
            ValueError: a rank, size or option that does not fit.
        """
        window, strides = checks.pair(pool_size, "pool_size"), checks.pair(strides, "strides")
        same, sizes = checks.padding(padding) == "same", spikes.shape[2:4]
        if spikes.shape.rank != 5 or spikes.shape[4] is None or (same and None in sizes):
            raise ValueError(
                "spikes must have the axes (batch, time, height, width, channels), the last (and "
                "with padding='same' height and width) of known size. "
                f"Received: shape={tuple(spikes.shape)}, padding={padding!r}"
            )
        if not same:
            if any(s is not None and s < w for s, w in zip(sizes, window, strict=True)):
                raise ValueError(
                    "the window does not fit into the frames. Received: spikes of shape "
                    f"{tuple(spikes.shape)}, pool_size={window}"
                )
            return cls(window, strides, (0, 0), (0, 0), float(weight))
        axes = list(zip(sizes, window, strides, strict=True))
        missing = [max((-(-size // step) - 1) * step + w - size, 0) for size, w, step in axes]
        before = tuple(m // 2 for m in missing)
        after = tuple(m - m // 2 for m in missing)
        return cls(window, strides, before, after, float(weight))

    def product(self, spikes):
        """The sums alone."""
        return reference.sum_pool2d(
            spikes, self.window, self.strides, list(zip(self.before, self.after, strict=True))
        ) * tf.cast(self.weight, spikes.dtype)

    def output_size(self, sizes):
        """Height and width of the output as a tensor, from those of the input."""
        padded = sizes + tf.constant(self.before, sizes.dtype) + self.after
        return (padded - self.window) // self.strides + 1

    @property
    def native_options(self) -> dict:
        return {
            "pool_size": list(self.window),
            "strides": list(self.strides),
            "padding_before": list(self.before),
            "weight": self.weight,
        }


@tf.autograph.experimental.do_not_convert
def sum_pool2d_layer(
    spikes, weight: float, spec: NeuronSpec, pool_size, strides, padding: str, dtype="float32"
):
    """(spikes, membrane) of neurons fed by ``weight`` times the sums over windows.

    In one pass over the input, forward and backward.

    Args:
        spikes: tensor (batch, time, height, width, channels); may be bytes, which have
            no gradient.
        weight: of every input.
        spec: the neuron.
        pool_size, strides: pairs (vertical, horizontal).
        padding: ``"valid"`` (a remainder at the edge is dropped) or ``"same"``.
        dtype: of the neurons, where the spikes are bytes.
    """
    spikes = checks.spikes(spikes)
    dtype = tf.as_dtype(dtype) if checks.are_bytes(spikes) else spikes.dtype
    pool = SumPool2D.of(spikes, weight, pool_size, strides, padding)
    if library.native() is None:
        return fire(pool.product(tf.cast(spikes, dtype)), spec)
    fired, membrane = _layer(pool, compact.narrowest(spikes), spec, dtype)(spikes)
    return compact.widen(fired, membrane, dtype), tf.stop_gradient(membrane)


def _layer(pool: SumPool2D, frames, spec: NeuronSpec, dtype):
    native = library.native()
    options = {**pool.native_options, "params": spec.params, "neuron": spec.kind}

    @tf.custom_gradient
    def layer(spikes):
        size = tf.shape(frames, tf.int64)[2:4]
        fired, membrane = native.keras_slayer_sum_pool2d_layer(
            frames=frames, output_size=pool.output_size(size), T=dtype, **options
        )

        def grad(_grad_bytes, grad_fired):
            if checks.are_bytes(spikes):
                return None

            def grad_spikes():
                grad = native.keras_slayer_sum_pool2d_layer_input_grad(
                    grad=grad_fired,
                    membrane=membrane,
                    input_size=size,
                    **options,
                    **spec.gradient_options,
                )
                grad.set_shape(frames.shape)
                return grad

            pooled = PooledGradient(pool.native_options, spec, membrane, grad_fired, grad_spikes)
            return pooled_gradient.remember(grad_spikes(), pooled)

        return (fired, membrane), grad

    return layer
