"""Event files: a module for each format, a table of them, reading and writing.

A format opens a `Source` and gives a `Recording`, whose blocks of events are checked and joined
(`read_events`) in one place for all formats. To add one: a module with a `Format`, and its row in
`registry.py`.
"""

from keras_slayer.events.files.aedat3 import decode_aedat, encode_aedat, read_aedat
from keras_slayer.events.files.packed import (
    decode_bs1,
    decode_bs3,
    decode_nmnist,
    encode_bs1,
    encode_bs3,
    encode_nmnist,
)
from keras_slayer.events.files.reading import read_events
from keras_slayer.events.files.recording import EventFileWarning
from keras_slayer.events.files.registry import FormatInfo, formats
from keras_slayer.events.files.writing import write_events

__all__ = [
    "EventFileWarning",
    "FormatInfo",
    "decode_aedat",
    "decode_bs1",
    "decode_bs3",
    "decode_nmnist",
    "encode_aedat",
    "encode_bs1",
    "encode_bs3",
    "encode_nmnist",
    "formats",
    "read_aedat",
    "read_events",
    "write_events",
]
