"""A loss on when each neuron fires."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_slayer import checks, ops
from keras_slayer.losses.base import SpikeLoss
from keras_slayer.measures import spike_difference


@keras.saving.register_keras_serializable(package="keras_slayer")
class SpikeTimeLoss(SpikeLoss):
    """Distance between spike trains and target spike trains, both seen through SRM's kernel.

        e[t] = sum_k eps[k] (s - s_target)[t - k],    eps[k] = (k dt / tau) exp(1 - k dt / tau)
        loss = 1/2 sum_t sum_neurons e[t]^2 dt

    Summed over time and neurons, mean over the batch by Keras' reduction. Shrestha & Orchard,
    "SLAYER: Spike Layer Error Reassignment in Time", NeurIPS 2018.

    Args:
        tau: time constant of the kernel, ms. Use the `tau_response` of the output neurons; a
            larger one attracts spikes from further away, a smaller one places them more exactly.
        dt: ms per step.
        name, **kwargs: `reduction` and `dtype` as in `keras.losses.Loss`.

    Inputs:
        y_true: target spikes, the shape of `y_pred`.
        y_pred: spikes `(batch, time, ...)`.

    Raises:
        ValueError: `tau` or `dt` is not a positive number; at call, shapes differ.

    The filter is a custom op, which XLA does not know. Models with layers of this package never
    train under XLA; for a model without any, pass `jit_compile=False` to `compile`.
    """

    def __init__(
        self, tau: float = 10.0, dt: float = 1.0, name: str = "spike_time_loss", **kwargs
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.tau = checks.number(tau, "tau", open_low=True)
        self.dt = checks.number(dt, "dt", open_low=True)

    def call(self, y_true, y_pred) -> tf.Tensor:
        difference = spike_difference(y_true, y_pred, self.dtype)
        error = ops.alpha_filter(difference, self.tau / self.dt)
        return 0.5 * self.dt * tf.reduce_sum(error**2, axis=range(1, error.shape.rank))

    def get_config(self) -> dict:
        return {**super().get_config(), "tau": self.tau, "dt": self.dt}
