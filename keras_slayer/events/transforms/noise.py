"""Noise events."""

from __future__ import annotations

import dataclasses

import keras
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.events.scatter import image_shape
from keras_slayer.events.transforms.base import Transform
from keras_slayer.events.transforms.batch import EventBatch


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class UniformNoise(Transform):
    """Adds noise: events at random pixels, polarities and times.

    A recording of D = last - first + 1 microseconds on a sensor of H x W x C gets
    Poisson(rate H W C D / 10^6) events, uniformly over the sensor and from its first event to its
    last. A recording without events gets none.

    Args:
        rate: noise events per second of each pixel and polarity, in Hz. Cameras have from 0.1 Hz
            in bright light to some 10 Hz in the dark (Hu, Liu and Delbruck, "v2e", 2021).
    """

    rate: float

    reorders = True

    def __post_init__(self):
        self._set(rate=checks.number(self.rate, "rate"))

    def apply(self, batch, sensor_shape, seed):
        height, width, channels = image_shape(sensor_shape)
        seeds = tf.unstack(tf.random.split(seed, 5))
        first, lengths = batch.span()
        per_microsecond = self.rate * height * width * channels / 1e6
        mean = per_microsecond * tf.cast(lengths, tf.float64)
        counts = tf.random.stateless_poisson([batch.size, 1], seeds[0], mean, tf.int32)
        counts = tf.where(mean > 0, counts, 0)[:, 0]
        kept = tf.sequence_mask(counts, tf.reduce_max(tf.concat([counts, [0]], 0)))
        shape = tf.shape(kept)

        def whole(limit, seed):
            return tf.random.stateless_uniform(shape, seed, 0, limit, tf.int32)

        draw = tf.random.stateless_uniform(shape, seeds[4], dtype=tf.float64)
        since = tf.floor(draw * tf.cast(lengths, tf.float64))
        noise = EventBatch(
            x=whole(width, seeds[1]),
            y=whole(height, seeds[2]),
            polarity=whole(channels, seeds[3]),
            t=first + tf.cast(since, tf.int64),
            kept=kept,
        )
        return batch.join(noise)
