"""Population coding: each value is seen by several neurons with receptive fields."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.encoders.ranges import MAX_STEPS, RangeEncoder, check_range, scaled

MAX_NEURONS = 2**16


def population_spikes(
    x,
    steps: int = 20,
    *,
    neurons: int = 8,
    beta: float = 1.5,
    cutoff: float = 0.1,
    low: float | Sequence[float] = 0.0,
    high: float | Sequence[float] = 1.0,
    axis: int = 1,
    dtype="float32",
) -> tf.Tensor:
    """Spikes of neurons with Gaussian receptive fields. See ``PopulationEncoder``.

    Args:
        x: numbers (..., features).
        steps, neurons, beta, cutoff, low, high: as of ``PopulationEncoder``.
        axis: where the result has its time axis: 1 for a batch, 0 for one sample.
        dtype: of the result.

    Returns:
        Zeros and ones, (..., features * neurons) with ``steps`` inserted at ``axis``.
    """
    steps, neurons = _check(steps, neurons, beta, cutoff)
    check_range(low, high)
    step = _step(scaled(x, low, high), steps, neurons, beta, cutoff)
    return tf.one_hot(step, steps, axis=axis, dtype=dtype)


@keras.saving.register_keras_serializable(package="keras_slayer")
class PopulationEncoder(RangeEncoder):
    """Several neurons for each value, each of which spikes the earlier the closer the value is to
    the centre of its receptive field (Bohte, Kok, La Poutré, Neurocomputing 48, 2002).

    With M neurons and x from 0 to 1 in the range, neuron i = 1..M has::

        centre      c = (2 i - 3) / (2 (M - 2))
        width       s = 1 / (beta (M - 2))
        response    r = exp(-(x - c)^2 / (2 s^2))
        spike at    t = 1 - r        of the time from first to last step; none where r < cutoff

    Args:
        steps: time steps of the output.
        neurons: for each feature, at least 3.
        beta: the fields are narrower the larger it is; 1 to 2 in the paper.
        cutoff: response below which a neuron stays silent, 0 to 1.
        low, high: the range of the values: numbers, or one per feature; values outside saturate.
            ``adapt(data)`` sets it from data.

    Call arguments:
        inputs: (batch, ..., features).
        training: whether values of other units than the range are refused.

    Output shape:
        (batch, steps, ..., features * neurons), all neurons of a feature side by side.

    Raises:
        ValueError: an argument out of range.
        tf.errors.InvalidArgumentError: as ``RateEncoder``.

    Example:

    >>> encoder = keras_slayer.PopulationEncoder(steps=50, neurons=6)
    >>> encoder(keras.ops.ones((8, 4))).shape
    TensorShape([8, 50, 24])
    """

    def __init__(
        self,
        steps: int = 20,
        neurons: int = 8,
        beta: float = 1.5,
        cutoff: float = 0.1,
        low: float | Sequence[float] = 0.0,
        high: float | Sequence[float] = 1.0,
        **kwargs,
    ) -> None:
        super().__init__(low=low, high=high, **kwargs)
        self.steps, self.neurons = _check(steps, neurons, beta, cutoff)
        self.beta, self.cutoff = float(beta), float(cutoff)

    def call(self, inputs, training: bool | None = None):
        x = self._scale(inputs, training)
        step = _step(x, self.steps, self.neurons, self.beta, self.cutoff)
        return tf.one_hot(step, self.steps, axis=1, dtype=self.compute_dtype)

    def compute_output_shape(self, input_shape):
        features = input_shape[-1] * self.neurons
        return (input_shape[0], self.steps, *input_shape[1:-1], features)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "steps": self.steps,
            "neurons": self.neurons,
            "beta": self.beta,
            "cutoff": self.cutoff,
        }


def _check(steps, neurons, beta, cutoff) -> tuple[int, int]:
    checks.number(beta, "beta", open_low=True)
    checks.number(cutoff, "cutoff", high=1.0, open_low=True)
    return (
        checks.integer(steps, "steps", low=1, high=MAX_STEPS),
        checks.integer(neurons, "neurons", low=3, high=MAX_NEURONS),
    )


def _step(x, steps, neurons, beta, cutoff) -> tf.Tensor:
    """int32 (..., features * neurons): the step of the spike, -1 for none."""
    centre = (2.0 * tf.range(1.0, neurons + 1) - 3.0) / (2.0 * (neurons - 2))
    away = (x[..., tf.newaxis] - centre) * (beta * (neurons - 2))
    response = tf.exp(-0.5 * away**2)
    t = tf.cast(tf.round((1.0 - response) * (steps - 1)), tf.int32)
    step = tf.where(response >= cutoff, t, -1)
    shape = tf.concat([tf.shape(x)[:-1], [x.shape[-1] * neurons]], axis=0)
    return tf.ensure_shape(tf.reshape(step, shape), [*x.shape[:-1], x.shape[-1] * neurons])
