"""Damaged files: a ValueError with the file's name, or events; whole and in chunks alike."""

import itertools
import warnings

import faery
import numpy as np
import pytest
from file_cases import SUFFIXES, WRITTEN, recording
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_slayer.events import read_events, write_events
from keras_slayer.events.files import native
from keras_slayer.events.files.joining import join

# Not HDF5, whose library a damaged file may crash: only truncated ones are tried.
FUZZED = [name for name in WRITTEN if name != "hdf5"] + ["aedat4", "aedat2", "evt21"]


def example(name, path) -> bytes:
    """A small file of the format."""
    events = recording(40, name=name, span=60_000_000 if name == "evt3" else 50_000)
    if name == "aedat4":
        array = np.zeros(40, faery.EVENTS_DTYPE)
        array["t"] = events.t
        faery.events_stream_from_array(array, dimensions=(4, 4)).to_file(path, file_type="aedat")
    elif name in ("aedat2", "evt21"):
        random = np.random.default_rng(0)
        head = b"#!AER-DAT2.0\r\n" if name == "aedat2" else b"% format EVT21;height=9;width=9\n"
        path.write_bytes(head + random.integers(0, 127, 400).astype("u1").tobytes())
    else:
        write_events(path, events, format=name)
    return path.read_bytes()


def outcome(path, **options):
    """The events, or what the error says."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read = read_events(path, **options)
            return read if options.get("chunk") is None else join(list(read))
        except ValueError as error:
            assert str(path) in str(error)
            return str(error)


@pytest.mark.parametrize("name", FUZZED)
@given(data=st.data())
@settings(max_examples=60)
def test_damaged_files(name, data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / f"fuzzed{SUFFIXES[name]}"
    original = bytearray(example(name, path))
    changes = st.lists(
        st.tuples(st.integers(0, len(original) - 1), st.integers(0, 255)), max_size=6
    )
    for place, value in data.draw(changes):
        original[place] = value
    path.write_bytes(original[: data.draw(st.integers(0, len(original)))])
    damaged = data.draw(st.sampled_from(["error", "skip"]))
    whole = outcome(path, format=name, damaged=damaged)
    chunked = outcome(path, format=name, damaged=damaged, chunk=7)
    assert whole == chunked or (type(whole), type(chunked)) == (str, str)
    outcome(path)


@pytest.mark.parametrize("kind", ["Evt2", "Evt21", "Evt21Legacy", "Evt3", "Dat", "EventStream"])
@given(data=st.binary(max_size=600), cuts=st.lists(st.integers(0, 600), max_size=4))
@settings(max_examples=100)
def test_decoders_on_any_bytes(kind, data, cuts):
    """In pieces as at once, to the first word that cannot be read; each event is found again."""

    def decoder():
        made = getattr(native.decoders(), kind)
        return made(300, 40_000) if kind == "EventStream" else made(skip_unknown=True)

    word = decoder().word_bytes
    data = data[: len(data) // word * word]
    whole = decoder()
    *fields, problem = whole.decode(data)
    edges = sorted({0, len(data), *(min(cut, len(data)) // word * word for cut in cuts)})
    pieces, state = [[] for _ in fields], decoder()
    for start, stop in itertools.pairwise(edges):
        *parts, found = state.decode(data[start:stop])
        for piece, part in zip(pieces, parts, strict=True):
            piece.append(part)
        if found is not None:
            assert problem is not None and start + found[0] == problem[0]
            break
    else:
        assert problem is None and (state.early, state.unknown) == (whole.early, whole.unknown)
    for field, piece in zip(fields, pieces, strict=True):
        assert field.tolist() == np.concatenate([*piece, []]).tolist()
    places = [decoder().find(data, index) for index in range(len(fields[0]))]
    assert places == sorted(places) and all(0 <= place < len(data) for place in places)


def plain_evt3(words):
    """EVT 3.0, word by word as its document says: (x, y, t, polarity) of each event."""
    events, time, row, base = [], None, None, None
    overflows, polarity = 0, 0
    for word in words:
        kind, rest = word >> 12, word & 0xFFF
        if kind == 0x0:
            row = rest & 0x7FF
        elif kind == 0x3:
            base, polarity = rest & 0x7FF, rest >> 11
        elif kind == 0x6 and time is not None:
            time = (time[0], rest)
        elif kind == 0x8:
            if time is None or rest != time[0]:
                overflows += time is not None and time[0] - rest >= 2048
                time = (rest, 0)
        elif kind in (0x2, 0x4, 0x5):
            bits = {0x2: 0, 0x4: 12, 0x5: 8}[kind]
            columns = [base + b for b in range(bits) if rest >> b & 1] if base is not None else []
            columns = [rest & 0x7FF] if kind == 0x2 else columns
            sign = rest >> 11 if kind == 0x2 else polarity
            if time is not None and row is not None and all(c < 2048 for c in columns):
                t = (overflows << 24) + (time[0] << 12) + time[1]
                events += [(column, row, t, sign) for column in columns]
            if base is not None:
                base = base if kind == 0x2 else min(base + bits, 2048)
    return events


@given(
    words=st.lists(
        st.tuples(st.sampled_from([0, 2, 3, 4, 5, 6, 8, 8, 10]), st.integers(0, 4095)), max_size=80
    )
)
@settings(max_examples=200)
def test_any_words_of_evt3_are_read_as_a_plain_reader_does(words):
    words = [kind << 12 | rest for kind, rest in words]
    decoder = native.decoders().Evt3(skip_unknown=True)
    x, y, t, polarity, problem = decoder.decode(np.array(words, "<u2").tobytes())
    assert problem is None
    rows = zip(x.tolist(), y.tolist(), t.tolist(), polarity.tolist(), strict=True)
    assert list(rows) == plain_evt3(words)
