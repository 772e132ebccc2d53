"""Transforms that leave events out: those of EventDrop, Gu et al., IJCAI 2021."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_slayer.events.transforms import arguments
from keras_slayer.events.transforms.base import Transform
from keras_slayer.events.transforms.batch import draws_of


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class DropEvents(Transform):
    """Drops each event with a probability, independently of the others ("random drop" of EventDrop,
    Gu et al. 2021).

    Args:
        probability: a number, or a pair (low, high) that the probability of each recording is
            drawn from uniformly.
    """

    probability: float | Sequence[float]

    needs_sensor = False

    def __post_init__(self):
        self._set(
            probability=arguments.interval(self.probability, "probability", low=0.0, high=1.0)
        )

    def apply(self, batch, sensor_shape, seed):
        of_row, of_event = tf.unstack(tf.random.split(seed, 2))
        probability = tf.random.stateless_uniform([batch.size, 1], of_row, *self.probability)
        native = batch.native()
        if native is not None:
            kept = native.keras_slayer_drop_events(
                kept=batch.kept, probability=probability, **draws_of(of_event)
            )
            return batch.replace(kept=kept)
        draw = tf.random.stateless_uniform(batch.shape, of_event)
        return batch.keep(draw >= probability)


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class DropEventsByArea(Transform):
    """Drops the events of a rectangle at a random place ("drop by area" of EventDrop, Gu et al.
    2021).

    The rectangle has round(ratio H) x round(ratio W) pixels and lies on the sensor; all places are
    as likely. Ratio and place are drawn once per recording.

    Args:
        ratio: of the rectangle's sides to the sensor's: a number, or a pair (low, high) to draw
            from uniformly.
    """

    ratio: float | Sequence[float]

    def __post_init__(self):
        self._set(ratio=arguments.interval(self.ratio, "ratio", low=0.0, high=1.0))

    def output_shape(self, sensor_shape):
        return arguments.image(sensor_shape, "DropEventsByArea")

    def apply(self, batch, sensor_shape, seed):
        seeds = tf.unstack(tf.random.split(seed, 3))
        ratio = tf.random.stateless_uniform([batch.size, 1], seeds[2], *self.ratio)
        inside = tf.ones_like(batch.x, tf.bool)
        for axis, place in enumerate((batch.y, batch.x)):
            side = tf.cast(tf.round(ratio * sensor_shape[axis]), tf.int32)
            draw = tf.random.stateless_uniform([batch.size, 1], seeds[axis])
            room = tf.cast(sensor_shape[axis] - side + 1, tf.float32)
            start = tf.cast(tf.floor(draw * room), tf.int32)
            inside &= (place >= start) & (place < start + side)
        return batch.keep(~inside)


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class DropEventsByTime(Transform):
    """Drops the events of a period at a random place ("drop by time" of EventDrop, Gu et al. 2021).

    The period lasts floor(ratio D) microseconds of a recording of D = last - first + 1, and lies
    within it; all places are as likely. Ratio and place are drawn once per recording.

    Args:
        ratio: of the period to the recording: a number, or a pair (low, high) to draw from
            uniformly.
    """

    ratio: float | Sequence[float]

    needs_sensor = False

    def __post_init__(self):
        self._set(ratio=arguments.interval(self.ratio, "ratio", low=0.0, high=1.0))

    def apply(self, batch, sensor_shape, seed):
        of_ratio, of_place = tf.unstack(tf.random.split(seed, 2))
        first, lengths = batch.span()
        ratio = tf.random.stateless_uniform([batch.size, 1], of_ratio, *self.ratio, tf.float64)
        period = tf.cast(tf.floor(ratio * tf.cast(lengths, tf.float64)), tf.int64)
        draw = tf.random.stateless_uniform([batch.size, 1], of_place, dtype=tf.float64)
        room = tf.cast(lengths - period + 1, tf.float64)
        start = first + tf.cast(tf.floor(draw * room), tf.int64)
        since = batch.t - start
        return batch.keep((since < 0) | (since >= period))
