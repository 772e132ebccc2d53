"""What transforms work on: the events of a batch of recordings, as flat vectors."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from keras_slayer.events.scatter import image_shape

FIELDS = ("x", "y", "t", "polarity")


@dataclasses.dataclass(frozen=True, eq=False)
class EventBatch:
    """The events of a batch of recordings, one vector per field.

    Args:
        x, y, polarity: int32 `(n,)`.
        t: int64 `(n,)`, microseconds.
        rows: int32 `(n,)`: the recording in the batch that each event belongs to.
        size: int32 scalar: recordings in the batch, those without events too.
        labels: float32 `(size, classes)`, for transforms that mix recordings; None otherwise.
        kept: bool `(n,)`: events where it is False have been dropped. Only transforms that take
            each event by itself (`elementwise`) see these; others get a batch without them, and
            None here.

    The order of the events has no meaning, and recordings may be interleaved.
    """

    x: tf.Tensor
    y: tf.Tensor
    t: tf.Tensor
    polarity: tf.Tensor
    rows: tf.Tensor
    size: tf.Tensor
    labels: tf.Tensor | None = None
    kept: tf.Tensor | None = None

    def replace(self, **fields) -> EventBatch:
        """The same batch with other values of some fields."""
        return dataclasses.replace(self, **fields)

    def take(self, index) -> EventBatch:
        """The events at these places of the vectors."""
        names = (*FIELDS, "rows", *([] if self.kept is None else ["kept"]))
        return self.replace(**{name: tf.gather(getattr(self, name), index) for name in names})

    def keep(self, mask) -> EventBatch:
        """The events where `mask`, bool `(n,)`, is true; the others stay until `compact`."""
        return self.replace(kept=mask if self.kept is None else self.kept & mask)

    def compact(self) -> EventBatch:
        """The same batch without the events that were dropped."""
        if self.kept is None:
            return self
        return self.take(tf.where(self.kept)[:, 0]).replace(kept=None)

    def keep_on_sensor(self, sensor_shape) -> EventBatch:
        """The events whose x and y are on the sensor."""
        height, width, _ = image_shape(sensor_shape)
        x, y = self.x, self.y
        return self.keep((x >= 0) & (x < width) & (y >= 0) & (y < height))

    def join(self, other: EventBatch) -> EventBatch:
        """The events of both; size and labels are those of this batch."""
        names = (*FIELDS, "rows")
        parts = {name: (getattr(self, name), getattr(other, name)) for name in names}
        if self.kept is not None or other.kept is not None:
            parts["kept"] = tuple(batch.mask for batch in (self, other))
        return self.replace(**{name: tf.concat(pair, 0) for name, pair in parts.items()})

    @property
    def mask(self) -> tf.Tensor:
        """Bool `(n,)`: False for events that have been dropped."""
        return tf.ones_like(self.rows, tf.bool) if self.kept is None else self.kept

    def of_rows(self, values) -> tf.Tensor:
        """What each event's recording has in `values` `(size, ...)`."""
        return tf.gather(values, self.rows)

    def span(self) -> tuple[tf.Tensor, tf.Tensor]:
        """The first time of each recording, and the microseconds to its end, last - first + 1.

        int64 `(size,)`; zeros for a recording without events.
        """
        # Segments below 0 are left out.
        rows = self.rows if self.kept is None else tf.where(self.kept, self.rows, -1)
        first = tf.math.unsorted_segment_min(self.t, rows, self.size)
        last = tf.math.unsorted_segment_max(self.t, rows, self.size)
        some = first <= last  # of no values, the minimum is the largest int64
        return tf.where(some, first, 0), tf.where(some, last - first + 1, 0)

    def extent(self, sensor_shape) -> tuple:
        """`(height, width)` of the sensor; where it is not known, of what the events cover."""
        if sensor_shape is not None:
            return image_shape(sensor_shape)[:2]
        return tuple(1 + tf.maximum(tf.reduce_max(value), 0) for value in (self.y, self.x))
