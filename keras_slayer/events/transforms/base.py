"""The base class of all transforms, and how one is applied to a single recording."""

from __future__ import annotations

import abc
import dataclasses
import numbers
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import tensorflow as tf

from keras_slayer.events import sensor, times
from keras_slayer.events.scatter import image_shape
from keras_slayer.events.stream import Events, check_names
from keras_slayer.events.transforms.batch import FIELDS, EventBatch


@dataclasses.dataclass(frozen=True)
class Transform(abc.ABC):
    """Makes recordings of events into other recordings.

    Subclasses are frozen dataclasses with a method `apply`, which works on a whole batch in
    TensorFlow ops. Registered with Keras (`keras.saving.register_keras_serializable`), they are
    saved and loaded with `keras.saving.serialize_keras_object`.

    A transform is called with one recording::

        moved = Shift(2)(events, sensor_shape=(34, 34, 2), seed=1)

    or handed to `spike_pipeline(..., transforms=[...])`.
    """

    needs_sensor: ClassVar[bool] = True  # cannot do without `sensor_shape`
    reorders: ClassVar[bool] = False  # adds events or changes which comes first
    mixes_labels: ClassVar[bool] = False  # reads and changes the labels of the batch
    # Of transforms that mix labels. Not annotated: it is a field of some of them.
    num_classes = None

    @abc.abstractmethod
    def apply(self, batch: EventBatch, sensor_shape, seed) -> EventBatch:
        """Transforms a batch.

        Args:
            batch: the events, all of them on the sensor and at times of 0 or more.
            sensor_shape: `(height, width, channels)` or `(neurons,)` before the transform. None
                where it is not known; never for a class with `needs_sensor`.
            seed: tensor of two integers, for the `tf.random.stateless_*` ops. Random transforms
                take one value per recording, `[batch.size, 1]`, or one per event, `batch.shape`.

        Returns:
            The events after the transform, on a sensor of `output_shape(sensor_shape)`.
        """

    def output_shape(self, sensor_shape):
        """The sensor's shape after the transform; ValueError where it cannot be applied."""
        return sensor_shape

    def __call__(self, events: Events | Mapping, *, sensor_shape=None, seed=None):
        """Transforms one recording.

        Args:
            events: `Events`; or a mapping of `x`, `t` and, where there are, `y` and `polarity`:
                vectors of one recording or RaggedTensors `(batch, None)`, in eager and in graph
                mode. Times are whole microseconds, of an integer type.
            sensor_shape: `(height, width, channels)` or `(neurons,)`. None will do for transforms
                that do not depend on it (`needs_sensor`).
            seed: an integer, two integers or a tensor `(2,)`: the same seed gives the same result.
                None draws one from TensorFlow's generator (`keras.utils.set_random_seed`).

        Returns:
            `Events`, or a mapping of tensors of the same fields and dtypes. The events are in
            order of time where the transform adds some or changes their order, and in the order
            they came otherwise.

        Raises:
            ValueError: a wrong argument; for `Events`, an event off the sensor.
            tf.errors.InvalidArgumentError: the same, for tensors.
        """
        if sensor_shape is not None:
            sensor_shape = sensor.check_sensor_shape(sensor_shape)
        elif self.needs_sensor:
            raise ValueError(
                f"{type(self).__name__} depends on the size of the sensor: give "
                "sensor_shape=(height, width, channels). Received: sensor_shape=None"
            )
        if self.mixes_labels:
            raise ValueError(
                f"{type(self).__name__} mixes the recordings and labels of a batch: give it to "
                "spike_pipeline(..., transforms=[...]). Received: one recording"
            )
        target = self.output_shape(sensor_shape)
        seed = _seed(seed)
        if not isinstance(events, Events):
            return self._transform_mapping(events, sensor_shape, target, seed)
        if sensor_shape is not None:
            sensor.check_on_sensor(events, sensor_shape)
        if len(events) and events.t.min() < 0:
            raise ValueError(f"Event times must not be negative. Received: t={events.t.min()} us")
        fields = self._transform_mapping(events.to_dict(), sensor_shape, target, seed)
        return Events(**{name: value.numpy() for name, value in fields.items()})

    def _transform_mapping(self, events, sensor_shape, target, seed) -> dict[str, tf.Tensor]:
        if not isinstance(events, Mapping) or not {"x", "t"} <= events.keys():
            mapping = isinstance(events, Mapping)
            received = f"fields {sorted(events)}" if mapping else f"a {type(events).__name__}"
            raise ValueError(f"Events need `x` and `t`. Received: {received}")
        check_names(events)
        fields = {name: _tensor(events[name]) for name in FIELDS if name in events}
        times.check_unit(fields["t"].dtype)
        _check_dtypes(fields, target)
        batch, ragged = _batch_of(fields)
        if sensor_shape is not None:
            batch = batch.replace(x=_on_sensor(batch, sensor_shape))
        batch = self.apply(batch, sensor_shape, seed)
        place = tf.where(batch.kept)
        if self.reorders:
            order = tf.argsort(tf.gather_nd(batch.t, place), stable=True)
            place = tf.gather(place, order)
            place = tf.gather(place, tf.argsort(place[:, 0], stable=True))
        result = {}
        for name, field in fields.items():
            values = tf.gather_nd(getattr(batch, name), place)
            result[name] = tf.cast(_within(values, field.dtype), field.dtype)
            if ragged:
                result[name] = tf.RaggedTensor.from_value_rowids(
                    result[name], place[:, 0], field.nrows(), validate=False
                )
        return result

    def get_config(self) -> dict:
        """The arguments, in types that JSON has."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

    @classmethod
    def from_config(cls, config: dict) -> Transform:
        return cls(**config)

    def _set(self, **values) -> None:
        """Sets fields in `__post_init__`; the class is frozen."""
        for name, value in values.items():
            object.__setattr__(self, name, value)


def _seed(seed) -> tf.Tensor:
    if seed is None:
        return tf.random.uniform([2], minval=0, maxval=2**31 - 1, dtype=tf.int32)
    if isinstance(seed, numbers.Integral) and not isinstance(seed, bool):
        seed = [seed, 0]
    shape = np.shape(seed) if not tf.is_tensor(seed) else tuple(seed.shape)
    if shape != (2,):
        raise ValueError(f"`seed` must be an integer or two integers. Received: seed={seed!r}")
    return tf.convert_to_tensor(seed)


def _tensor(value):
    return value if isinstance(value, tf.RaggedTensor) else tf.convert_to_tensor(value)


def _batch_of(fields) -> tuple[EventBatch, bool]:
    """The fields as a batch, and whether they are ragged."""
    x = fields["x"]
    if x.shape.rank != (2 if isinstance(x, tf.RaggedTensor) else 1):
        raise ValueError(
            "Events must be vectors of one recording or RaggedTensors (batch, None). "
            f"Received: x.shape={x.shape}"
        )
    ragged = isinstance(x, tf.RaggedTensor)

    def padded(name, dtype):
        field = fields.get(name)
        if field is None:
            return tf.zeros_like(kept, dtype)
        return tf.cast(field.to_tensor() if ragged else field[tf.newaxis], dtype)

    lengths = x.row_lengths() if ragged else tf.shape(x)
    kept = tf.sequence_mask(lengths, x.bounding_shape(1) if ragged else tf.shape(x)[0])
    batch = EventBatch(
        **{name: padded(name, tf.int32) for name in ("x", "y", "polarity")},
        t=padded("t", tf.int64),
        kept=kept,
    )
    return batch, ragged


def _check_dtypes(fields, target) -> None:
    """ValueError where a field cannot hold the places on the sensor after the transform."""
    if target is None:
        return
    height, width, channels = image_shape(target)
    for name, limit in (("y", height), ("x", width), ("polarity", channels)):
        dtype = fields[name].dtype if name in fields else tf.int64
        most = 1 if dtype.is_bool else dtype.max
        if limit - 1 > most:
            raise ValueError(
                f"The transform gives a sensor of {tuple(target)}, which {name} of dtype "
                f"{dtype.name} cannot hold: cast it to int32 before. "
                f"Received: {name} of dtype {dtype.name}"
            )


def _on_sensor(batch, sensor_shape) -> tf.Tensor:
    """`x`, with a check that all events are on the sensor and at times of 0 or more."""
    fields = {name: getattr(batch, name) for name in ("x", "y", "polarity")}
    checks = sensor.on_sensor_checks(fields, sensor_shape)
    # Padding is at time 0 and place 0.
    message = "Event times must not be negative; min:"
    checks.append(
        tf.debugging.Assert(tf.reduce_all(batch.t >= 0), [message, tf.reduce_min(batch.t)])
    )
    with tf.control_dependencies([check for check in checks if check is not None]):
        return tf.identity(batch.x)


def _within(values, dtype) -> tf.Tensor:
    """`values`, with a check that times fit `dtype`."""
    if values.dtype != tf.int64 or dtype in (tf.int64, tf.uint64):
        return values
    message = f"A time after the transform does not fit {dtype.name}: cast t to int64 before; max:"
    check = tf.debugging.Assert(
        tf.reduce_all(values <= dtype.max), [message, tf.reduce_max(values)]
    )
    with tf.control_dependencies([] if check is None else [check]):
        return tf.identity(values)
