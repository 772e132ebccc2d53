"""Rate coding: larger values spike more often."""

from __future__ import annotations

import random
from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.encoders.ranges import MAX_STEPS, RangeEncoder, check_range, scaled

METHODS = ("bernoulli", "poisson")
_MS_PER_SECOND = 1000.0
_SEEDS = 2**31


def rate_spikes(
    x,
    steps: int = 100,
    *,
    max_rate: float = 200.0,
    dt: float = 1.0,
    method: str = "bernoulli",
    low: float | Sequence[float] = 0.0,
    high: float | Sequence[float] = 1.0,
    axis: int = 1,
    seed=None,
    dtype="float32",
) -> tf.Tensor:
    """Random spikes whose rate is proportional to x. See ``RateEncoder``.

    Args:
        x: numbers of any shape.
        steps, max_rate, dt, method, low, high: as of ``RateEncoder``.
        axis: where the result has its time axis: 1 for a batch, 0 for one sample.
        seed: two integers: the same spikes in every call. None: others in every call, also for
            each element of ``tf.data.Dataset.map``.
        dtype: of the result.

    Returns:
        Zeros and ones, the shape of x with ``steps`` inserted at ``axis``.
    """
    steps, most = _check(steps, max_rate, dt, method)
    check_range(low, high)
    _check_seed(seed)
    return _draw(scaled(x, low, high), steps, most, method, axis, seed, dtype)


@keras.saving.register_keras_serializable(package="keras_slayer")
class RateEncoder(RangeEncoder):
    """Random spikes whose rate is proportional to the value::

        rate = max_rate (x - low) / (high - low)       values outside of the range saturate

        "bernoulli"    a spike in each step with probability rate dt
        "poisson"      a step with one event or more of a Poisson process of that rate is a spike,
                       so the probability is 1 - exp(-rate dt)

    In training the spikes differ from call to call; at inference they depend on the seed, the
    input and its place in the batch only, so that results can be repeated.

    Args:
        steps: time steps of the output.
        max_rate: spikes per second of ``high``. With "bernoulli", at most one per step.
        dt: length of a time step, ms.
        method: "bernoulli" or "poisson".
        low, high: the range of the values: numbers, or one per feature. ``adapt(data)`` sets it
            from data.
        seed: an integer from 0 to 2^31 - 1; None draws one.

    Call arguments:
        inputs: (batch, ..., features).
        training: whether the spikes are fresh, and values of other units than the range refused.

    Output shape:
        (batch, steps, ..., features).

    Raises:
        ValueError: an argument out of range.
        tf.errors.InvalidArgumentError: in training, values that on average lie outside of the
            range by more than its width.

    Example:

    >>> encoder = keras_slayer.RateEncoder(steps=50)
    >>> encoder(keras.ops.ones((8, 4))).shape
    TensorShape([8, 50, 4])
    """

    def __init__(
        self,
        steps: int = 100,
        max_rate: float = 200.0,
        dt: float = 1.0,
        method: str = "bernoulli",
        low: float | Sequence[float] = 0.0,
        high: float | Sequence[float] = 1.0,
        seed: int | None = None,
        **kwargs,
    ) -> None:
        super().__init__(low=low, high=high, **kwargs)
        self.steps, self._most = _check(steps, max_rate, dt, method)
        self.max_rate, self.dt, self.method = float(max_rate), float(dt), method
        # Drawn here for None, so that a saved layer repeats its spikes. keras.utils.set_random_seed
        # sets Python's generator, too.
        seed = random.randrange(_SEEDS) if seed is None else seed
        self.seed = checks.integer(seed, "seed", low=0, high=_SEEDS - 1)
        self._generator = keras.random.SeedGenerator(self.seed)

    def call(self, inputs, training: bool | None = None):
        seed = self._generator.next() if training else [self.seed, 0]
        x = self._scale(inputs, training)
        return _draw(x, self.steps, self._most, self.method, 1, seed, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.steps, *input_shape[1:])

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "steps": self.steps,
            "max_rate": self.max_rate,
            "dt": self.dt,
            "method": self.method,
            "seed": self.seed,
        }


def _check(steps, max_rate, dt, method) -> tuple[int, float]:
    """The number of steps, and the expected events of the largest value in one."""
    steps = checks.integer(steps, "steps", low=1, high=MAX_STEPS)
    dt = checks.number(dt, "dt", open_low=True)
    if method not in METHODS:
        raise ValueError(f"method must be 'bernoulli' or 'poisson'. Received: method={method!r}")
    most = checks.number(max_rate, "max_rate", open_low=True) * dt / _MS_PER_SECOND
    if method == "bernoulli" and most > 1:
        raise ValueError(
            f"max_rate must be at most one spike per step, {_MS_PER_SECOND / dt:g} Hz, with "
            f"method='bernoulli'. Received: max_rate={max_rate!r} with dt={dt:g}"
        )
    return steps, most


def _check_seed(seed) -> None:
    if seed is not None and tf.convert_to_tensor(seed).shape.as_list() not in ([2], [None]):
        raise ValueError(f"seed must be two integers, or None. Received: seed={seed!r}")


def _draw(x, steps, most, method, axis, seed, dtype) -> tf.Tensor:
    x = tf.expand_dims(x, axis)
    expected = x * most
    probability = expected if method == "bernoulli" else 1.0 - tf.exp(-expected)
    shape = tf.shape(x)
    position = axis if axis >= 0 else axis + x.shape.rank
    shape = tf.tensor_scatter_nd_update(shape, [[position]], [steps])
    if seed is not None:
        seed = tf.cast(seed, tf.int32)  # Keras' generator gives unsigned integers
        chance = tf.random.stateless_uniform(shape, seed)
    else:
        chance = tf.random.uniform(shape)
    spikes = tf.cast(chance < probability, dtype)
    return tf.ensure_shape(spikes, [*x.shape[:position], steps, *x.shape[position + 1 :]])
