"""EVT 3.0, the words of 16 bits of Prophesee's `.raw` files (csrc/evt3.h reads them).

The type is in bits 15..12. A word changes one thing, and events take the rest from the words
before them:

    0  row: bits 10..0                    5  vector of 8 neighbours: a bit for each
    2  event: polarity 11, x 10..0        6  time, the low 12 bits
    3  first column of the next vector:   8  time, the high 12 bits
       polarity 11, x 10..0               7, 10, 14, 15  no events
    4  vector of 12 neighbours            others are reserved

The column moves on by 12 or 8 after a vector. Times have 24 bits: the timer overflows every 16.8
seconds, which is added up.

Source: Prophesee, "EVT 3.0 Format", docs.prophesee.ai/stable/data/encoding_formats/evt3.html
"""

import functools

import numpy as np

from keras_slayer.events.files.checks import check_fits, check_in_order
from keras_slayer.events.files.format import Format
from keras_slayer.events.files.raw import encoding_of, open_raw, raw_header
from keras_slayer.events.stream import Events

_NAME = "An EVT 3.0 file"
_PLACE_BITS = 11
_HALF_BITS = 12
# 19 hours.
_TIME_BITS = 36
_ROW, _EVENT, _TIME_LOW, _TIME_HIGH = (kind << 12 for kind in (0, 2, 6, 8))
_ON = 1 << _PLACE_BITS


def encode_evt3(events: Events) -> bytes:
    """The bytes of an EVT 3.0 file, without vectors.

    ValueError where a value does not fit its field, or time runs backwards.
    """
    bits = {"x": _PLACE_BITS, "y": _PLACE_BITS, "polarity": 1, "t": _TIME_BITS}
    check_fits(events, bits, _NAME)
    check_in_order(events, _NAME)
    mask = (1 << _HALF_BITS) - 1
    high, low = events.t >> _HALF_BITS, (events.t & mask).astype(np.uint16)
    new_high = np.diff(high, prepend=-1) != 0
    new_low = new_high | (np.diff(events.t, prepend=-1) != 0)
    new_row = np.diff(events.y.astype(np.int32), prepend=-1) != 0
    # Each event as four words, of which those that change nothing are left out.
    words = np.empty((len(events), 4), np.uint16)
    words[:, 0] = _TIME_HIGH | (high & mask)
    words[:, 1] = _TIME_LOW | low
    words[:, 2] = _ROW | events.y
    words[:, 3] = _EVENT | events.polarity.astype(np.uint16) * _ON | events.x
    needed = np.stack([new_high, new_low, new_row, np.ones(len(events), bool)], axis=1)
    written = words[needed]

    # Cameras send the high bits every 4096 us, events or not, and readers count their overflows.
    # Here they are sent from time 0 on.
    gaps = np.maximum(np.diff(high, prepend=0) - 1, 0)
    number = np.arange(gaps.sum()) - np.repeat(np.cumsum(gaps) - gaps, gaps)
    times = np.repeat(high - gaps, gaps) + number
    firsts = np.cumsum(needed.sum(1)) - needed.sum(1)
    written = np.insert(written, np.repeat(firsts, gaps), _TIME_HIGH | (times & mask))
    return raw_header("EVT3", "3.0", events) + written.astype("<u2").tobytes()


EVT3 = Format(
    name="evt3",
    suffixes=(".raw",),
    title="Prophesee EVT 3.0",
    document="docs.prophesee.ai/stable/data/encoding_formats/evt3.html",
    open=functools.partial(open_raw, decoder="Evt3"),
    encode=encode_evt3,
    recognises=lambda head: encoding_of(head) == "EVT3",
)
