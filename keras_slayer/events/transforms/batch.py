"""What transforms work on: the events of a batch of recordings."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from keras_slayer.events.scatter import image_shape
from keras_slayer.ops import library

FIELDS = ("x", "y", "t", "polarity")


def draws_of(seed) -> dict:
    """Where the `tf.random.stateless_*` ops begin to draw for a seed: `key` and `counter`, which
    native ops take to draw the same."""
    found = tf.raw_ops.StatelessRandomGetKeyCounter(seed=seed)
    return {"key": found.key, "counter": found.counter}


@dataclasses.dataclass(frozen=True, eq=False)
class EventBatch:
    """The events of a batch of recordings, one row per recording.

    Args:
        x, y, polarity: int32 `(size, n)`.
        t: int64 `(size, n)`, microseconds.
        kept: bool `(size, n)`: False for padding and for events that were dropped; the other
            fields mean nothing there.
        labels: float32 `(size, classes)`, for transforms that mix recordings; None otherwise.

    The order of the events in a row has no meaning.
    """

    x: tf.Tensor
    y: tf.Tensor
    t: tf.Tensor
    polarity: tf.Tensor
    kept: tf.Tensor
    labels: tf.Tensor | None = None

    @property
    def size(self) -> tf.Tensor:
        """Recordings in the batch, those without events too."""
        return tf.shape(self.t)[0]

    @property
    def shape(self) -> tf.Tensor:
        """`(size, n)`, for one draw per event."""
        return tf.shape(self.t)

    def native(self):
        """The module of native ops; None where they are not in use, or do not take this batch: a
        transform of the user's may have given a field another dtype."""
        dtypes = {"x": tf.int32, "y": tf.int32, "polarity": tf.int32, "t": tf.int64}
        usual = all(getattr(self, name).dtype == dtype for name, dtype in dtypes.items())
        return library.native() if usual else None

    def replace(self, **fields) -> EventBatch:
        """The same batch with other values of some fields."""
        return dataclasses.replace(self, **fields)

    def keep(self, mask) -> EventBatch:
        """The events where `mask`, bool `(size, n)` or `(size, 1)`, is True."""
        return self.replace(kept=self.kept & mask)

    def keep_on_sensor(self, sensor_shape) -> EventBatch:
        """The events whose x and y are on the sensor."""
        height, width, _ = image_shape(sensor_shape)
        x, y = self.x, self.y
        native = self.native()
        if native is not None:
            return self.replace(
                kept=native.keras_slayer_events_on_sensor(
                    x=x, y=y, kept=self.kept, height=height, width=width
                )
            )
        return self.keep((x >= 0) & (x < width) & (y >= 0) & (y < height))

    def join(self, other: EventBatch) -> EventBatch:
        """The events of both, row by row; labels are those of this batch."""
        names = (*FIELDS, "kept")
        parts = {name: [getattr(self, name), getattr(other, name)] for name in names}
        return self.replace(**{name: tf.concat(pair, 1) for name, pair in parts.items()})

    def select(self, chosen, other: EventBatch) -> EventBatch:
        """The rows of `other` where `chosen`, bool `(size,)`, is True, and those of this batch."""
        width = tf.maximum(self.shape[1], other.shape[1])

        def widened(batch, name):
            return tf.pad(getattr(batch, name), [[0, 0], [0, width - batch.shape[1]]])

        fields = {
            name: tf.where(chosen[:, tf.newaxis], widened(other, name), widened(self, name))
            for name in (*FIELDS, "kept")
        }
        if self.labels is not None:
            fields["labels"] = tf.where(chosen[:, tf.newaxis], other.labels, self.labels)
        return self.replace(**fields)

    def take_rows(self, rows) -> EventBatch:
        """The recordings of these rows."""
        names = (*FIELDS, "kept", *([] if self.labels is None else ["labels"]))
        return self.replace(**{name: tf.gather(getattr(self, name), rows) for name in names})

    def span(self) -> tuple[tf.Tensor, tf.Tensor]:
        """The first time of each recording, and the microseconds to its end, last - first + 1.

        int64 `(size, 1)`; zeros for a recording without events.
        """
        native = self.native()
        if native is not None:
            return tuple(native.keras_slayer_event_spans(t=self.t, kept=self.kept))
        first = tf.reduce_min(tf.where(self.kept, self.t, tf.int64.max), axis=1, keepdims=True)
        last = tf.reduce_max(tf.where(self.kept, self.t, -1), axis=1, keepdims=True)
        some = last >= 0
        return tf.where(some, first, 0), tf.where(some, last - first + 1, 0)

    def extent(self, sensor_shape) -> tuple:
        """`(height, width)` of the sensor; where it is not known, of what the events cover."""
        if sensor_shape is not None:
            return image_shape(sensor_shape)[:2]
        places = (tf.where(self.kept, value, 0) for value in (self.y, self.x))
        return tuple(1 + tf.maximum(tf.reduce_max(place), 0) for place in places)
