"""Recordings that come as a table with named columns, not as a file of a camera."""

import io
from collections.abc import Mapping, Sequence

import numpy as np

from keras_slayer.events.files import fields
from keras_slayer.events.files.checks import check_on_sensor
from keras_slayer.events.files.recording import Source, number_of
from keras_slayer.events.stream import Events


def events_of(columns: Mapping[str, np.ndarray], where: str, sensor_shape: Sequence[int]) -> Events:
    """The events of columns x, y, t (or ts, ...) and p (or pol, ...), times in microseconds.

    Args:
        columns: vectors of whole numbers, of any type. A polarity of -1 is OFF, as 0 is.
        where: names them in errors.
        sensor_shape: `(height, width, channels)`.

    Raises:
        ValueError: a column that is missing, columns of different lengths, values that are not
            whole, an event off the sensor; with the number of the event, from 0.
    """
    source = Source(io.BytesIO(), where)
    found = fields.fields_of(columns)
    if not fields.is_complete(found):
        raise source.error(
            f"there should be columns named {fields.described()}. Received: {list(columns)[:8]}"
        )
    table = {field: np.asarray(columns[name]) for field, name in found.items()}
    shapes = {field: column.shape for field, column in table.items()}
    if len(set(shapes.values())) != 1 or table["x"].ndim != 1:
        raise source.error(f"the columns should be vectors of one length. Received: {shapes}")
    t = table["t"]
    if t.dtype.kind == "f" and not (t == np.floor(t)).all():
        first = int(np.argmin(t == np.floor(t)))
        raise source.error(
            f"times must be whole microseconds. Received: t={t[first]} in event {first}"
        )
    where_is = number_of(0)
    events = fields.to_events(table, "us", source, where_is)
    check_on_sensor(events, sensor_shape, where, where_is)
    return events
