"""What is done to the events of each item, after they are read."""

import dataclasses
from collections.abc import Callable

import numpy as np

from keras_slayer.events.recordings.convert import as_events
from keras_slayer.events.stream import Events


@dataclasses.dataclass(frozen=True)
class Downsample:
    """x <- floor(x w / W), y <- floor(y h / H), from a sensor of H x W pixels to h x w."""

    height: int
    width: int

    def __call__(self, events: Events, shape) -> Events:
        scaled = {}
        for name, size, source in (("x", self.width, shape[1]), ("y", self.height, shape[0])):
            table = (np.arange(source) * size // source).astype(np.uint16)
            scaled[name] = table[getattr(events, name)]
        return Events(**scaled, t=events.t, polarity=events.polarity)

    def shape(self, shape) -> tuple[int, ...]:
        """Of the sensor that results."""
        if len(shape) != 3 or self.height > shape[0] or self.width > shape[1]:
            raise ValueError(
                "downsample=(height, width) needs a sensor with an image, of at least that size: "
                f"{shape}. Received: downsample={(self.height, self.width)}"
            )
        return (self.height, self.width, shape[2])


@dataclasses.dataclass(frozen=True)
class Map:
    """A function of the events."""

    function: Callable
    result: tuple[int, ...] | None

    def __call__(self, events: Events, shape) -> Events:
        return as_events(self.function(events))

    def shape(self, shape) -> tuple[int, ...]:
        """Of the sensor that results."""
        return shape if self.result is None else self.result
