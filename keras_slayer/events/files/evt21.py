"""EVT 2.1, the words of 64 bits of Prophesee's `.raw` files (csrc/evt21.h reads them).

    bits 63..60   0: OFF events, 1: ON events, 8: high bits of the time; others hold no events
    events        bits 59..54 the low 6 bits of the time, 53..43 x of the first of 32 neighbours,
                  42..32 y, 31..0 a bit for each neighbour that has an event
    time          bits 59..32 the high 28 bits of the time, in units of 64 us

The GenX320 writes a word from its lowest byte up; the IMX636 writes the upper half first
("endianness=legacy" in the header).

Source: Prophesee, "EVT 2.1 Format", docs.prophesee.ai/stable/data/encoding_formats/evt21.html
"""

import functools

from keras_slayer.events.files.format import Format
from keras_slayer.events.files.raw import encoding_of, open_raw

EVT21 = Format(
    name="evt21",
    suffixes=(".raw",),
    title="Prophesee EVT 2.1; the header tells the order of the bytes",
    document="docs.prophesee.ai/stable/data/encoding_formats/evt21.html",
    open=functools.partial(open_raw, decoder="Evt21"),
    recognises=lambda head: encoding_of(head) == "EVT21",
)
# For files whose header does not tell it.
EVT21_LEGACY = Format(
    name="evt21-legacy",
    suffixes=(".raw",),
    title="Prophesee EVT 2.1 of the IMX636, where the header does not say so",
    document="docs.prophesee.ai/stable/data/encoding_formats/evt21.html",
    open=functools.partial(open_raw, decoder="Evt21Legacy"),
)
