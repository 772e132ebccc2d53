"""Event files made word by word, and a recording that every format can hold."""

import struct

import numpy as np

from keras_slayer.events import Events, formats

WRITTEN = [one.name for one in formats() if one.writes]
SUFFIXES = {one.name: one.suffixes[0] for one in formats()}
SENSOR = (100, 200)


def recording(size=3000, seed=0, name=None, span=5_000_000):
    """Random events in order of time, on `SENSOR`; as the format `name` can hold them."""
    random = np.random.default_rng(seed)
    t = np.sort(random.integers(0, span, size))
    x, y = random.integers(0, SENSOR[1], size), random.integers(0, SENSOR[0], size)
    polarity = random.integers(0, 2, size)
    y = None if name == "bs1" else y
    return Events(x=x, y=y, t=t, polarity=polarity, sensor_shape=SENSOR)


def raw_file(encoding, words, word="<u2", extra="", end=True):
    """A `.raw` file of these words."""
    head = f"% format {encoding};height=720;width=1280{extra}\n" + ("% end\n" if end else "")
    return head.encode() + np.array(words, word).tobytes()


# Words of EVT 3.0.
def row(y):
    return y


def one(x, polarity):
    return 2 << 12 | polarity << 11 | x


def base(x, polarity):
    return 3 << 12 | polarity << 11 | x


def vector12(*bits):
    return 4 << 12 | sum(1 << bit for bit in bits)


def vector8(*bits):
    return 5 << 12 | sum(1 << bit for bit in bits)


def low(t):
    return 6 << 12 | t


def high(t):
    return 8 << 12 | t


TRIGGER, OTHERS, MORE_4, MORE_12 = 0xA001, 0xE123, 0x7001, 0xF456


# Words of EVT 2.0; those of EVT 2.1 have the same upper half.
def evt2_event(x, y, t, polarity):
    return polarity << 28 | (t & 63) << 22 | x << 11 | y


def evt2_high(t):
    return 8 << 28 | t


def evt21_events(x, y, t, polarity, *bits):
    return evt2_event(x, y, t, polarity) << 32 | sum(1 << bit for bit in bits)


def evt21_high(t):
    return evt2_high(t) << 32


def swapped(words):
    """The words of EVT 2.1 as the IMX636 sends them: the upper half first."""
    return [(word & 0xFFFFFFFF) << 32 | word >> 32 for word in words]


def dat_event(x, y, t, polarity):
    return struct.pack("<II", t, polarity << 28 | y << 14 | x)


def rows_of(events):
    """(x, y, t, polarity) of each event."""
    columns = (getattr(events, name).tolist() for name in ("x", "y", "t", "polarity"))
    return list(zip(*columns, strict=True))
