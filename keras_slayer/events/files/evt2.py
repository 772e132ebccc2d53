"""EVT 2.0, the words of 32 bits of Prophesee's `.raw` files (csrc/evt2.h reads them).

    bits 31..28   0: OFF event, 1: ON event, 8: high bits of the time; others hold no events
    event         bits 27..22 the low 6 bits of the time, 21..11 x, 10..0 y
    time          bits 27..0 the high 28 bits of the time, in units of 64 us

Times have 34 bits: the timer overflows after 4 hours and 46 minutes, which is added up.

Source: Prophesee, "EVT 2.0 Format", docs.prophesee.ai/stable/data/encoding_formats/evt2.html
"""

import functools

import numpy as np

from keras_slayer.events.files.checks import check_fits, check_in_order
from keras_slayer.events.files.format import Format
from keras_slayer.events.files.raw import encoding_of, open_raw, raw_header
from keras_slayer.events.stream import Events

_NAME = "An EVT 2.0 file"
_PLACE_BITS = 11
_LOW_BITS = 6
_TIME_BITS = 34
_TIME_TYPE = 8


def encode_evt2(events: Events) -> bytes:
    """The bytes of an EVT 2.0 file. ValueError where a value does not fit, or time runs back."""
    bits = {"x": _PLACE_BITS, "y": _PLACE_BITS, "polarity": 1, "t": _TIME_BITS}
    check_fits(events, bits, _NAME)
    check_in_order(events, _NAME)
    low = (events.t & ((1 << _LOW_BITS) - 1)).astype(np.uint32)
    place = events.x.astype(np.uint32) << _PLACE_BITS | events.y
    words = events.polarity.astype(np.uint32) << 28 | low << 22 | place
    high = events.t >> _LOW_BITS
    new = np.flatnonzero(np.diff(high, prepend=-1))  # before these events stands their time
    times = (_TIME_TYPE << 28 | high[new]).astype(np.uint32)
    return raw_header("EVT2", "2.0", events) + np.insert(words, new, times).astype("<u4").tobytes()


EVT2 = Format(
    name="evt2",
    suffixes=(".raw",),
    title="Prophesee EVT 2.0",
    document="docs.prophesee.ai/stable/data/encoding_formats/evt2.html",
    open=functools.partial(open_raw, decoder="Evt2"),
    encode=encode_evt2,
    recognises=lambda head: encoding_of(head) == "EVT2",
)
