"""Mixing of recordings."""

from __future__ import annotations

import dataclasses
import math

import keras
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.events.scatter import image_shape
from keras_slayer.events.transforms.base import Transform


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class Mix(Transform):
    """Mixes each recording with another one of the batch, and their labels: EventMix (Shen, Zhao,
    Zeng, "EventMix: an efficient data augmentation strategy for event-based learning", 2023), with
    an ellipsoid as its mask.

    Of recording A the events inside of an ellipsoid in space and time are kept, of its partner B
    those outside. The ellipsoid has its centre at random in the volume of the sensor and of the
    longer of both recordings, semi-axes in proportion to the volume's sides, and lambda times the
    volume's size; lambda is drawn from Beta(alpha, alpha). The label becomes ::

        n_A / (n_A + n_B) label(A) + n_B / (n_A + n_B) label(B)

    with the numbers of events kept of each. Partners are a random permutation of the batch, so
    that a recording may be its own. Both count times from the start of the first step.

    In a pipeline the labels become float32 vectors `(batch, num_classes)`: train with
    `categorical_crossentropy` or another loss of such labels. Labels are class numbers, or such
    vectors already. A mixture without events keeps the label of A.

    Args:
        alpha: above 0; 1 draws lambda uniformly, less gives mixtures of mostly one recording.
        num_classes: None takes those of a data set that has `class_names`.
    """

    alpha: float = 1.0
    num_classes: int | None = None

    reorders = True
    mixes_labels = True

    def __post_init__(self):
        self._set(alpha=checks.number(self.alpha, "alpha", open_low=True))
        if self.num_classes is not None:
            classes = checks.integer(self.num_classes, "num_classes", low=1, high=2**31 - 1)
            self._set(num_classes=classes)

    def apply(self, batch, sensor_shape, seed):
        seeds = tf.unstack(tf.random.split(seed, 4))
        partner = tf.argsort(tf.random.stateless_uniform([batch.size], seeds[0]))
        gamma = tf.random.stateless_gamma([2, batch.size], seeds[1], alpha=self.alpha)
        share = gamma[0] / tf.reduce_sum(gamma, axis=0)
        centre = tf.random.stateless_uniform([batch.size, 3], seeds[2])

        others = batch.take_rows(partner)
        ends = []
        for events in (batch, others):
            first, lengths = events.span()
            ends.append(first + lengths)
        end = tf.cast(tf.maximum(tf.maximum(*ends), 1), tf.float32)
        height, width, _ = image_shape(sensor_shape)
        # An ellipsoid of semi-axes a, b, c has the volume 4/3 pi a b c.
        radius = (share * 3 / (4 * math.pi)) ** (1 / 3)

        def inside(events):
            x, y, t = (tf.cast(place, tf.float32) + 0.5 for place in (events.x, events.y, events.t))
            places = (x / width, y / height, t / end)
            distances = [(place - centre[:, k, None]) ** 2 for k, place in enumerate(places)]
            return tf.add_n(distances) <= radius[:, None] ** 2

        # For a recording that is its own partner, both parts make up the recording again.
        own, added = batch.keep(inside(batch)), others.keep(~inside(others))
        count, more = (
            tf.reduce_sum(tf.cast(part.kept, tf.float32), axis=1, keepdims=True)
            for part in (own, added)
        )
        weight = tf.where(count + more > 0, count / tf.maximum(count + more, 1.0), 1.0)
        return own.join(added).replace(
            labels=weight * batch.labels + (1.0 - weight) * others.labels
        )
