"""A loss on the rate at which each class fires."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.losses.base import CountLoss
from keras_slayer.measures import Region


@keras.saving.register_keras_serializable(package="keras_slayer")
class SpikeRateLoss(CountLoss):
    """Each class should fire at a given rate: `SpikeCountLoss` for recordings of any length.

        rate_c = count_c / L,    loss = L/2 sum_c (rate_c - target_c)^2,    L steps in the region

    The factor L makes the error signal at each step `rate_c - target_c`, the same for a short and
    a long recording. Summed over classes, mean over the batch by Keras' reduction.

    Args:
        true_rate: rate wanted of the true class, in spikes per step, from 0 to 1 (0.2 at
            dt = 1 ms is 200 spikes per second). The defaults are the authors' 60 and 10 spikes in
            300 ms.
        false_rate: rate wanted of every other class.
        region, dt, name, **kwargs: as in `SpikeCountLoss`, and so are the inputs.

    Raises:
        ValueError: unless 1 >= true_rate > false_rate >= 0; on a bad region; at call, on shapes.
    """

    def __init__(
        self,
        true_rate: float = 0.2,
        false_rate: float = 0.03,
        region: Region | None = None,
        dt: float = 1.0,
        name: str = "spike_rate_loss",
        **kwargs,
    ) -> None:
        super().__init__(region=region, dt=dt, name=name, **kwargs)
        self.false_rate = checks.number(false_rate, "false_rate", high=1.0)
        self.true_rate = checks.number(
            true_rate, "true_rate", low=self.false_rate, high=1.0, open_low=True
        )

    def count_loss(self, counts, targets, steps) -> tf.Tensor:
        wanted = self.false_rate + (self.true_rate - self.false_rate) * targets
        return 0.5 * steps * tf.reduce_sum((counts / steps - wanted) ** 2, axis=1)

    def get_config(self) -> dict:
        rates = {"true_rate": self.true_rate, "false_rate": self.false_rate}
        return {**super().get_config(), **rates}
