"""Transforms of times. All times are whole microseconds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.events.transforms import arguments
from keras_slayer.events.transforms.base import Transform
from keras_slayer.events.transforms.batch import draws_of


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class TimeCrop(Transform):
    """Keeps a window of time, and counts times from its start::

        start <= t < start + length,    t <- t - start

    Args:
        length: microseconds.
        start: microseconds from time 0; in a pipeline, from where the first step begins
            (`origin`).
    """

    length: int
    start: int = 0

    needs_sensor = False

    def __post_init__(self):
        length = arguments.microseconds(self.length, "length")
        self._set(length=length, start=arguments.microseconds(self.start, "start", low=0))

    def apply(self, batch, sensor_shape, seed):
        t = batch.t - self.start
        return batch.replace(t=t).keep((t >= 0) & (t < self.length))


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class RandomTimeCrop(Transform):
    """Keeps a window of time at a random place of each recording::

        start <= t < start + length,    t <- t - start

    start is drawn uniformly from the whole microseconds between the recording's first event and
    the last place where the window ends with the recording, once per recording. A recording that
    is shorter than the window is kept whole, from its first event on.

    Args:
        length: microseconds.
    """

    length: int

    needs_sensor = False

    def __post_init__(self):
        self._set(length=arguments.microseconds(self.length, "length"))

    def apply(self, batch, sensor_shape, seed):
        first, lengths = batch.span()
        room = tf.cast(tf.maximum(lengths - self.length, 0) + 1, tf.float64)
        draw = tf.random.stateless_uniform([batch.size, 1], seed, dtype=tf.float64)
        start = first + tf.cast(tf.floor(draw * room), tf.int64)
        t = batch.t - start
        return batch.replace(t=t).keep((t >= 0) & (t < self.length))


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class TimeScale(Transform):
    """Plays each recording faster or slower, from its first event t0 on::

        t <- t0 + floor(s (t - t0))

    Args:
        scale: s is drawn uniformly from (low, high), once per recording; a number z stands for
            (1 - z, 1 + z). s = 2 takes twice as long. From 0.01 to 100.
    """

    scale: float | Sequence[float]

    needs_sensor = False

    def __post_init__(self):
        self._set(scale=arguments.interval(self.scale, "scale", low=0.01, high=100, centre=1))

    def apply(self, batch, sensor_shape, seed):
        scale = tf.random.stateless_uniform([batch.size, 1], seed, *self.scale, tf.float64)
        first = batch.span()[0]
        since = tf.cast(batch.t - first, tf.float64)
        return batch.replace(t=first + tf.cast(tf.floor(scale * since), tf.int64))


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class TimeJitter(Transform):
    """Moves each event in time by itself::

        t <- t + round(N(0, std))

    and drops events that would be before time 0.

    Args:
        std: standard deviation in microseconds.
    """

    std: float

    needs_sensor = False
    reorders = True

    def __post_init__(self):
        self._set(std=checks.number(self.std, "std"))

    def apply(self, batch, sensor_shape, seed):
        native = batch.native()
        if native is not None:
            t, kept = native.keras_slayer_jitter_events(
                t=batch.t, kept=batch.kept, **draws_of(seed), std=self.std
            )
            return batch.replace(t=t, kept=kept)
        noise = tf.random.stateless_normal(batch.shape, seed, stddev=self.std)
        t = batch.t + tf.cast(tf.round(noise), tf.int64)
        return batch.replace(t=t).keep(t >= 0)
