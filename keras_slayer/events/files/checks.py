"""Checks that all formats share, on what is read and on what is to be written."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from keras_slayer.events.files.recording import Recording
from keras_slayer.events.stream import Events


def sensor_limits(sensor_shape: Sequence[int]) -> dict[str, int]:
    """The first value that is off the sensor, for each field that the shape limits."""
    sensor_shape = tuple(sensor_shape)
    if len(sensor_shape) == 1:
        return {"x": sensor_shape[0]}
    if len(sensor_shape) in (2, 3):
        return dict(zip(("y", "x", "polarity"), sensor_shape, strict=False))
    raise ValueError(
        "`sensor_shape` must be (neurons,), (height, width) or (height, width, channels). "
        f"Received: sensor_shape={sensor_shape}"
    )


def check_on_sensor(
    events: Events, sensor_shape: Sequence[int], name: str, where: Callable[[int], str]
) -> None:
    """ValueError where an event is off the sensor."""
    limits = sensor_limits(sensor_shape)
    if any(getattr(events, field).max(initial=0) >= limit for field, limit in limits.items()):
        off = np.zeros(len(events), bool)
        for field, limit in limits.items():
            off |= getattr(events, field) >= limit
        first = int(np.argmax(off))
        event = ", ".join(f"{field}={getattr(events, field)[first]}" for field in limits)
        raise ValueError(
            f"{name}: event at {where(first)} is off the sensor: {event} with "
            f"sensor_shape={tuple(sensor_shape)}"
        )


def check_ordered(
    events: Events, last: int | None, name: str, where: Callable[[int], str]
) -> int | None:
    """ValueError where an event is earlier than the one before it; returns the last time."""
    if not len(events):
        return last
    t = events.t
    backwards = t[1:] < t[:-1]
    before, first = last, 0
    if last is None or t[0] >= last:
        if not backwards.any():
            return int(t[-1])
        first = int(np.argmax(backwards)) + 1
        before = t[first - 1]
    raise ValueError(
        f"{name}: time runs backwards at {where(first)}: {t[first]} us after {before} us"
    )


def checked(
    recording: Recording, name: str, sensor_shape: Sequence[int] | None, ordered: bool
) -> Iterator[Events]:
    """The events of each block, once they are checked; see `read_events`."""
    if sensor_shape is not None:
        sensor_limits(sensor_shape)  # refused even for an empty file
    shape = recording.sensor_shape if sensor_shape is None else tuple(sensor_shape)
    image = None if shape is None or len(shape) == 1 else shape[:2]
    last = None
    for block in recording.blocks:
        if shape is not None:
            check_on_sensor(block.events, shape, name, block.where)
        if ordered:
            last = check_ordered(block.events, last, name, block.where)
        yield dataclasses.replace(block.events, sensor_shape=image)


def check_fits(events: Events, bits: Mapping[str, int], format_name: str) -> None:
    """ValueError where a value does not fit into that many bits."""
    for field, width in bits.items():
        value = getattr(events, field)
        bad = (value < 0) | (value >= 1 << width)
        if bad.any():
            first = int(np.argmax(bad))
            raise ValueError(
                f"{format_name} holds {field} from 0 to {(1 << width) - 1}. "
                f"Received: {field}={value[first]} in event {first}"
            )


def check_in_order(events: Events, format_name: str) -> None:
    """ValueError unless times never run backwards, for formats whose timers are short."""
    backwards = np.flatnonzero(np.diff(events.t) < 0)
    if backwards.size:
        first = int(backwards[0]) + 1
        raise ValueError(
            f"{format_name} holds events in order of time: write events.sorted(). "
            f"Received: t={events.t[first]} in event {first}, after t={events.t[first - 1]}"
        )
