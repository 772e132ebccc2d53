"""One recording of an event camera, a silicon cochlea or a spiking chip."""

import dataclasses
import numbers
from collections.abc import Mapping, Sequence

import numpy as np

from keras_slayer.events.times import check_unit

FIELDS = ("x", "y", "t", "polarity")
NAMES = {
    "x": ("x",),
    "y": ("y",),
    "t": ("t", "ts", "time", "timestamp", "timestamps"),
    "polarity": ("p", "pol", "polarity", "on"),
}
"""What files and tables call the fields; `Events` and mappings of tensors have the names above."""

DTYPES = {"x": np.uint16, "y": np.uint16, "t": np.int64, "polarity": np.uint8}


@dataclasses.dataclass(frozen=True, eq=False)
class Events:
    """A stream of events, one array per field.

    Args:
        x: column of each event's pixel, or the neuron's number for a sensor without an image.
        y: row of each event's pixel; zeros where left out.
        t: time of each event in microseconds, of an integer type.
        polarity: 0 (OFF) or 1 (ON), or any channel number; zeros where left out.
        sensor_shape: `(height, width)` of the sensor in pixels, where it is known. Selections and
            `sorted()` keep it. Two streams are equal whether or not it is.

    The arrays are stored as uint16, uint16, int64 and uint8. A ValueError is raised for values
    that those types cannot hold, for fractions, for times of a floating-point type (they may be
    seconds) and for arrays of unequal length.
    """

    x: np.ndarray
    y: np.ndarray | None = None
    t: np.ndarray | None = None
    polarity: np.ndarray | None = None
    sensor_shape: tuple[int, int] | None = None

    def __post_init__(self):
        size = np.size(self.x)
        if self.t is None:
            raise ValueError("Events need times: `t` in microseconds. Received: t=None")
        for name in FIELDS:
            value = getattr(self, name)
            value = np.zeros(size, np.uint8) if value is None else np.asarray(value)
            if value.shape != (size,):
                raise ValueError(
                    "The fields of Events must be vectors of equal length. "
                    f"Received: {name}.shape={value.shape} beside {size} values of x"
                )
            object.__setattr__(self, name, _exact_cast(name, value))
        if self.sensor_shape is not None:
            object.__setattr__(self, "sensor_shape", _height_and_width(self.sensor_shape))

    def __len__(self) -> int:
        return self.x.size

    def __getitem__(self, index) -> "Events":
        """The events that a slice, a mask or an index array selects."""
        selected = (np.atleast_1d(getattr(self, name)[index]) for name in FIELDS)
        return Events(*selected, sensor_shape=self.sensor_shape)

    def __eq__(self, other) -> bool:
        if not isinstance(other, Events):
            return NotImplemented
        return all(np.array_equal(getattr(self, n), getattr(other, n)) for n in FIELDS)

    def __repr__(self) -> str:
        span = f", t={self.t.min()}..{self.t.max()} us" if len(self) else ""
        return f"Events({len(self)}{span})"

    def sorted(self) -> "Events":
        """The same events in order of time; events of one microsecond keep their order."""
        return self[np.argsort(self.t, kind="stable")]

    def to_dict(self) -> dict[str, np.ndarray]:
        """Plain arrays under the names that the tfds data sets and `tf.data` functions use."""
        return {name: getattr(self, name) for name in FIELDS}

    @classmethod
    def from_dict(cls, events: Mapping) -> "Events":
        """From a mapping of `x`, `y`, `t`, `polarity` (arrays or eager tensors)."""
        check_names(events)
        return cls(**{name: np.asarray(events[name]) for name in FIELDS if name in events})


def check_names(events: Mapping) -> None:
    """ValueError where a mapping has a field under another name, which would be left out."""
    for field, names in NAMES.items():
        other = [name for name in names if name in events]
        if other and field not in events:
            raise ValueError(
                f"The fields of events are called {', '.join(FIELDS)}; keras_slayer.events."
                "as_events makes Events of other names. "
                f"Received: {other[0]!r} in place of {field!r}"
            )


def _height_and_width(shape) -> tuple[int, int]:
    whole = isinstance(shape, Sequence) and all(isinstance(n, numbers.Integral) for n in shape)
    if not whole or len(shape) != 2 or min(shape) < 1:
        raise ValueError(
            "Events.sensor_shape must be (height, width), two positive integers, or None. "
            f"Received: sensor_shape={shape!r}"
        )
    return int(shape[0]), int(shape[1])


def _exact_cast(name: str, value: np.ndarray) -> np.ndarray:
    dtype = np.dtype(DTYPES[name])
    if value.dtype == dtype:
        return value
    if value.dtype.kind not in "biuf":
        raise ValueError(f"Events.{name} must hold numbers. Received: dtype {value.dtype}")
    if name == "t" and value.size:  # an empty list is an array of floats
        check_unit(value.dtype)
    limits = np.iinfo(dtype)
    # Compared before casting: a cast of NaN or of a value out of range is undefined.
    good = (value >= limits.min) & (value <= limits.max)
    if value.dtype.kind == "f":
        good &= value == np.floor(value)
    if not good.all():
        index = int(np.argmin(good))
        raise ValueError(
            f"Events.{name} must hold whole numbers from {limits.min} to {limits.max}. "
            f"Received: {name}[{index}]={value[index]}"
        )
    return value.astype(dtype)
