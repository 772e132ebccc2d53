"""EVT 2.0, 2.1 and 3.0 and DAT, in files that are built word by word."""

import sys

import numpy as np
import pytest
from file_cases import (
    MORE_4,
    MORE_12,
    OTHERS,
    TRIGGER,
    base,
    dat_event,
    evt2_event,
    evt2_high,
    evt21_events,
    evt21_high,
    high,
    low,
    one,
    raw_file,
    row,
    rows_of,
    swapped,
    vector8,
    vector12,
)

from keras_slayer.events import EventFileWarning, Events, read_events, write_events
from keras_slayer.events.files import native


@pytest.fixture
def read(tmp_path):
    def read(data, **options):
        path = tmp_path / "camera.raw"
        path.write_bytes(data)
        return read_events(path, **options)

    return read


def test_evt3_single_events(read):
    words = [high(1), low(5), row(7), one(9, 1), one(10, 0), low(6), one(11, 1), row(8), one(1, 1)]
    events = read(raw_file("EVT3", words))
    assert rows_of(events) == [
        (9, 7, 4101, 1), (10, 7, 4101, 0), (11, 7, 4102, 1), (1, 8, 4102, 1),
    ]  # fmt: skip
    assert events.sensor_shape == (720, 1280)


def test_evt3_vectors(read):
    """The column moves on by 12 or 8 after each; the polarity is that of the base."""
    words = [
        high(0), low(1), row(2),
        base(32, 1), vector12(0, 11), vector12(), vector8(0, 7),
        base(100, 0), vector8(3), vector12(1),
    ]  # fmt: skip
    assert rows_of(read(raw_file("EVT3", words))) == [
        (32, 2, 1, 1), (43, 2, 1, 1), (56, 2, 1, 1), (63, 2, 1, 1), (103, 2, 1, 0), (109, 2, 1, 0),
    ]  # fmt: skip


def test_evt3_a_vector_has_nothing_of_the_bits_above_its_length(read):
    words = [high(0), row(0), base(0, 0), 5 << 12 | 0xF01, one(8, 0)]
    assert read(raw_file("EVT3", words)).x.tolist() == [0, 8]


def test_evt3_other_words_hold_no_events(read):
    words = [high(0), low(3), TRIGGER, row(1), OTHERS, MORE_12, MORE_4, one(2, 1), TRIGGER]
    assert rows_of(read(raw_file("EVT3", words))) == [(2, 1, 3, 1)]


def test_evt3_times(read):
    """New high bits clear the low ones, the same ones again do not; 24 bits overflow."""
    words = [
        high(4095), low(9), row(0), one(0, 0),
        high(4095), one(1, 0),  # sent again
        high(0), one(2, 0),  # an overflow, before the low bits are there
        low(7), one(3, 0),
        high(4094), one(4, 0), high(2), one(5, 0),  # forward is never an overflow
    ]  # fmt: skip
    wrap = 1 << 24
    assert read(raw_file("EVT3", words)).t.tolist() == [
        wrap - 4096 + 9, wrap - 4096 + 9, wrap, wrap + 7, 2 * wrap - 8192, 2 * wrap + 8192,
    ]  # fmt: skip


def test_evt3_times_a_little_back_are_late_and_not_an_overflow(read):
    words = [high(100), row(0), one(0, 0), high(99), one(1, 0), high(2100), one(2, 0), high(53)]
    events = read(raw_file("EVT3", [*words, one(3, 0)]))
    assert events.t.tolist() == [100 << 12, 99 << 12, 2100 << 12, 53 << 12]  # 2047 back
    words[-1] = high(52)  # 2048 back
    assert read(raw_file("EVT3", [*words, one(3, 0)])).t[-1] == (4096 + 52) << 12
    with pytest.raises(
        ValueError, match=rf"time runs backwards at byte {START + 8}: 405504 us after 409600"
    ):
        read(raw_file("EVT3", words), ordered=True)
    assert read(raw_file("EVT3", words), fix_time=True).x.tolist() == [1, 0, 2]


def test_evt2_events_and_overflow(read):
    words = [
        evt2_high(3), evt2_event(1279, 719, 5, 1), 0xA0000000, 0xE0000000, 0xF0000000,
        evt2_high((1 << 28) - 1), evt2_event(0, 0, 63, 0), evt2_high(0), evt2_event(1, 2, 0, 1),
    ]  # fmt: skip
    events = read(raw_file("EVT2", words, "<u4"))
    assert rows_of(events) == [
        (1279, 719, 197, 1), (0, 0, (1 << 34) - 1, 0), (1, 2, 1 << 34, 1),
    ]  # fmt: skip
    assert events.sensor_shape == (720, 1280)


EVT21 = [
    evt21_high(3), evt21_events(32, 7, 1, 1, 0, 31), evt21_events(64, 7, 2, 0, 5),
    0xA << 60, 0xE << 60, evt21_high((1 << 28) - 1), evt21_high(1), evt21_events(0, 1, 0, 1, 2),
]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "extra", "format"),
    [
        (EVT21, "", None),
        (EVT21, ";endianness=little", None),
        (swapped(EVT21), ";endianness=legacy", None),
        (swapped(EVT21), "", "evt21-legacy"),
    ],
)
def test_evt21(read, monkeypatch, words, extra, format):
    events = read(raw_file("EVT21", words, "<u8", extra), format=format)
    monkeypatch.setattr("keras_slayer.events.files.recording.BLOCK_BYTES", 8)
    parts = read(raw_file("EVT21", words, "<u8", extra), format=format, chunk=1)
    assert [rows_of(part)[0] for part in parts] == rows_of(events)
    assert rows_of(events) == [
        (32, 7, 193, 1), (63, 7, 193, 1), (69, 7, 194, 0), (2, 1, (1 << 34) + 64, 1),
    ]  # fmt: skip


def test_evt21_in_the_other_order_says_which_format_to_try(read):
    with pytest.raises(ValueError, match=r"no known type\. .*IMX636.*format=\"evt21-legacy\""):
        read(raw_file("EVT21", swapped([evt21_events(0, 0, 0, 0, 30)]), "<u8"))
    with pytest.raises(ValueError, match=r"only little-endian files.*endianness=big"):
        read(raw_file("EVT21", EVT21, "<u8", ";endianness=big"))


def test_dat(read, tmp_path):
    head = b"% Data file containing CD events.\n% Version 2\n% Width 640\n% Height 480\n\x0c\x08"
    data = head + dat_event(639, 479, 2**32 - 1, 1) + dat_event(1, 2, 3, 0)
    events = read(data)
    assert rows_of(events) == [(639, 479, 2**32 - 1, 1), (1, 2, 2**32 + 3, 0)]
    assert events.sensor_shape == (480, 640)
    head = b"% Version 2\n\x00\x08"  # an older type of the same events; no size of the sensor
    late = dat_event(5, 6, 10, 1) + dat_event(5, 6, 9, 1)
    events = read(head + late)
    assert events.t.tolist() == [10, 9] and events.sensor_shape is None
    with pytest.raises(ValueError, match=rf"runs backwards at byte {len(head) + 8}: 9 us after 10"):
        read(head + late, ordered=True)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"% Version 2\n\x0e\x08", r"at byte 12 should be .* 0 or 12, .*Received: 14, 8"),
        (b"% Version 2\n\x0c\x10", r"at byte 12 .*their size, 8\. Received: 12, 16"),
        (b"% Version 2\n\x0c", r"truncated at byte 12: the type and the size of events"),
        (b"% Version 1\n\x0c\x08", r"only version 2 of DAT can be read\. Received: version 1"),
        (b"% Version 2\n\x0c\x08" + bytes(11), r"truncated at byte 22: a word has 8 .* one 3\. "),
    ],
)
def test_damaged_dat(read, data, message):
    with pytest.raises(ValueError, match=r"camera\.raw: " + message):
        read(data)


START = len(raw_file("EVT3", []))
FIRST = [high(0), row(0), one(1, 0)]


@pytest.mark.parametrize("unknown", [0x1234, 0x9000, 0xB000, 0xC000, 0xD000])
def test_words_of_no_known_type(read, unknown):
    data = raw_file("EVT3", [*FIRST, unknown, one(2, 0)])
    message = rf"camera\.raw: at byte {START + 6} the word {unknown:#x} has no known type\. .*skip"
    with pytest.raises(ValueError, match=message):
        read(data)
    with pytest.warns(EventFileWarning, match=r"1 words of no known meaning are left out"):
        assert read(data, damaged="skip").x.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("encoding", "kinds", "word"), [("EVT2", range(2, 8), "<u4"), ("EVT21", (2, 9, 15), "<u8")]
)
def test_words_of_no_known_type_in_the_others(read, encoding, kinds, word):
    bits = 8 * np.dtype(word).itemsize
    for kind in kinds:
        data = raw_file(encoding, [8 << (bits - 4), kind << (bits - 4)], word)
        with pytest.raises(ValueError, match=rf"the word 0x{kind:x}0+ has no known type"):
            read(data)


def test_a_vector_past_the_last_column(read):
    words = [*FIRST, base(2040, 0), vector12(7)]
    assert read(raw_file("EVT3", words), sensor_shape=(720, 2048)).x.tolist() == [1, 2047]
    words[-1] = vector12(8)
    with pytest.raises(ValueError, match=rf"at byte {START + 8} a vector .* past column 2047"):
        read(raw_file("EVT3", words))
    # Vectors without events may go on for ever.
    assert len(read(raw_file("EVT3", [*FIRST, base(0, 0), *[vector12()] * 9000]))) == 1


@pytest.mark.parametrize(("encoding", "word"), [("EVT3", 2), ("EVT2", 4), ("EVT21", 8)])
def test_truncated_tails(read, encoding, word):
    whole = {"EVT3": FIRST, "EVT2": [8 << 28, 1], "EVT21": [8 << 60, 1]}[encoding]
    data = raw_file(encoding, whole, f"<u{word}")
    count = len(read(data))
    for cut in range(1, word):
        message = rf"truncated at byte {len(data) - word}: a word has {word} bytes, .* one {cut}\."
        with pytest.raises(ValueError, match=message):
            read(data[: len(data) - word + cut])
        with pytest.warns(EventFileWarning, match=rf"the last one {cut}, which is left out"):
            assert len(read(data[: len(data) - word + cut], damaged="skip")) == count - 1


def test_events_before_the_first_time(read):
    """A file that is cut from a stream begins anywhere; events without a time are no events."""
    words = [row(3), one(4, 1), base(0, 0), vector8(1, 2), *FIRST]
    with pytest.warns(EventFileWarning, match=r"3 events before the first time and row"):
        assert rows_of(read(raw_file("EVT3", words))) == [(1, 0, 0, 0)]
    with pytest.warns(EventFileWarning, match=r"2 events before"):  # no row, no base
        read(raw_file("EVT3", [high(0), one(4, 1), row(1), vector8(1), one(1, 1)]))
    for name, early, word in (
        ("EVT3", words[:4], "<u2"), ("EVT2", [5], "<u4"), ("EVT21", [1], "<u8"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"\d events, but no time or row for them: it is"):
            read(raw_file(name, early, word))


def test_the_header_decides_and_the_size_is_checked(read):
    data = raw_file("EVT3", FIRST, end=False)
    assert len(read(data)) == 1  # "% end" is optional
    old = b"% evt 2.0\n% geometry 640x480\n" + np.array([8 << 28, 641 << 11], "<u4").tobytes()
    message = rf"event at byte {len(old) - 4} is off the sensor: y=0, x=641 with .*\(480, 640\)"
    with pytest.raises(ValueError, match=message):
        read(old)
    assert read(old, sensor_shape=(480, 642, 2)).sensor_shape == (480, 642)
    with pytest.raises(ValueError, match=r"does not say how it is encoded: try format=\"evt3\""):
        read(b"% Date 2020\n" + bytes(8))
    assert len(read(b"% Date 2020\n" + data[-6:], format="evt3")) == 1
    with pytest.raises(ValueError, match=r"its header says EVT4, which is not read"):
        read(b"% format EVT4;height=720;width=1280\n% end\n")
    for size in ("height=0;width=5", "height=5", "height=x;width=y", "height=-1;width=5"):
        assert read(f"% format EVT3;{size}\n".encode()).sensor_shape is None
    assert read(b"% format EVT3;height=x\n% geometry 5x4\n").sensor_shape == (4, 5)


def test_an_event_off_the_sensor_is_found_in_a_vector_and_in_a_later_block(read, monkeypatch):
    monkeypatch.setattr("keras_slayer.events.files.recording.BLOCK_BYTES", 4)
    data = raw_file("EVT3", [*FIRST, base(1270, 1), vector12(0, 9, 10, 11)])
    message = rf"event at byte {START + 8} is off the sensor: y=0, x=1280 with"
    for chunk in (None, 1, 100):
        with pytest.raises(ValueError, match=message):
            list(read(data, chunk=chunk) if chunk else [read(data)])


def test_writers_refuse_what_the_timers_cannot_tell(tmp_path):
    late = Events(x=[0, 0], t=[5, 4])
    for name in ("evt2", "evt3", "dat", "es"):
        with pytest.raises(ValueError, match=r"in order of time: write events\.sorted\(\)\..*t=4"):
            write_events(tmp_path / "a", late, format=name)
    for name, bits in (("evt2", 34), ("evt3", 36), ("dat", 32)):
        with pytest.raises(ValueError, match=rf"holds t from 0 to {2**bits - 1}\. Received: t="):
            write_events(tmp_path / "a", Events(x=[0], t=[2**bits]), format=name)
        write_events(
            tmp_path / "a", Events(x=[0], t=[2**bits - 1 if bits < 36 else 2**30]), format=name
        )
    with pytest.raises(ValueError, match=r"EVT 3.0 file holds x from 0 to 2047\. .*x=2048 in ev"):
        write_events(tmp_path / "b.raw", Events(x=[2048], t=[0]))
    assert not (tmp_path / "b.raw").exists()


def test_decoders_take_whole_words_and_missing_ones_say_what_to_do(tmp_path, monkeypatch):
    decoder = native.decoders().Evt3()
    with pytest.raises(ValueError, match=r"whole words of 2 bytes\. Received: 3 bytes"):
        decoder.decode(bytes(3))
    with pytest.raises(ValueError, match="contiguous bytes"):
        decoder.decode(np.zeros(8, np.uint8)[::2])
    with pytest.raises(IndexError, match="no such event"):
        decoder.find(bytes(2), 0)
    write_events(tmp_path / "a.raw", Events(x=[1], t=[2]))
    monkeypatch.setitem(sys.modules, "keras_slayer.events._decoders", None)
    with pytest.raises(ImportError, match=r"_decoders\) cannot be loaded: .*pip install -e \."):
        read_events(tmp_path / "a.raw")
