"""Transforms of polarities."""

from __future__ import annotations

import dataclasses

import keras
import tensorflow as tf

from keras_slayer.events.transforms import arguments
from keras_slayer.events.transforms.base import Transform


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class FlipPolarity(Transform):
    """Exchanges ON and OFF: polarity <- 1 - polarity.

    Args:
        probability: of each recording, or each event, to be changed.
        per: "recording" (a scene of inverted contrast) or "event" (noise).
    """

    probability: float = 0.5
    per: str = "recording"

    needs_sensor = False

    def __post_init__(self):
        arguments.one_of(self.per, "per", ("recording", "event"))
        self._set(probability=arguments.probability(self.probability))

    def output_shape(self, sensor_shape):
        if sensor_shape is not None and (len(sensor_shape) != 3 or sensor_shape[2] != 2):
            raise ValueError(
                "FlipPolarity needs a sensor with two polarities, (height, width, 2). "
                f"Received: sensor_shape={tuple(sensor_shape)}"
            )
        return sensor_shape

    def apply(self, batch, sensor_shape, seed):
        draws = batch.shape if self.per == "event" else [batch.size, 1]
        flipped = tf.random.stateless_uniform(draws, seed) < self.probability
        return batch.replace(polarity=tf.where(flipped, 1 - batch.polarity, batch.polarity))


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class MergePolarities(Transform):
    """Puts all events into one channel: polarity <- 0. The sensor then has one channel."""

    needs_sensor = False

    def output_shape(self, sensor_shape):
        if sensor_shape is None or len(sensor_shape) == 1:
            return sensor_shape
        return (*sensor_shape[:2], 1)

    def apply(self, batch, sensor_shape, seed):
        return batch.replace(polarity=tf.zeros_like(batch.polarity))
