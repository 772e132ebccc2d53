"""AEDAT 2.0 and Event Stream, in files that are built by hand."""

import struct

import pytest
from file_cases import rows_of

from keras_slayer.events import EventFileWarning, Events, read_events, write_events
from keras_slayer.events.files import event_stream

HEAD = b"#!AER-DAT2.0\r\n# This is a raw AE data file - do not edit\r\n"


@pytest.fixture
def read(tmp_path):
    def read(data, **options):
        path = tmp_path / "camera.file"
        path.write_bytes(data)
        return read_events(path, **options)

    return read


def dvs128(x, y, on, t, more=0):
    """As the chip sends it: x from the right, y from the bottom, 0 for ON."""
    return struct.pack(">II", more | (127 - y) << 8 | (127 - x) << 1 | (1 - on), t)


def davis(x, y, on, t, height=260, width=346, more=0):
    return struct.pack(">II", more | (height - 1 - y) << 22 | (width - 1 - x) << 12 | on << 11, t)


def test_dvs128(read):
    data = HEAD + dvs128(3, 5, 1, 2**32 - 2) + dvs128(127, 0, 0, 4)
    events = read(data)
    assert rows_of(events) == [(3, 5, 2**32 - 2, 1), (127, 0, 2**32 + 4, 0)]
    assert events.sensor_shape == (128, 128)
    # The address itself: x = 0 from the right, y = 0 from the bottom, ON.
    assert rows_of(read(HEAD + bytes(7) + b"\x09")) == [(127, 127, 9, 1)]


def test_dvs128_without_what_is_no_pixel(read):
    data = HEAD + b"".join(
        dvs128(x, 0, 1, x, more) for x, more in ((0, 0), (1, 1 << 15), (2, 1 << 31), (3, 0))
    )
    assert read(data).x.tolist() == [0, 3]
    late = HEAD + dvs128(0, 0, 1, 9, 1 << 15) + dvs128(0, 0, 1, 8) + dvs128(0, 0, 1, 7)
    with pytest.raises(ValueError, match=rf"time runs backwards at byte {len(HEAD) + 16}: 7 us"):
        read(late, ordered=True)


def test_overflows_count_on_from_one_block_to_the_next(read, monkeypatch):
    monkeypatch.setattr("keras_slayer.events.files.recording.BLOCK_BYTES", 16)
    late = 2**32 - 1
    data = HEAD + b"".join(dvs128(0, 0, 1, t) for t in (late, 1, 2, late, 3, 4))
    times = [late, *(n * 2**32 + t for n, t in ((1, 1), (1, 2), (1, late), (2, 3), (2, 4)))]
    assert read(data).t.tolist() == times
    assert [int(part.t[0]) for part in read(data, chunk=1)] == times


@pytest.mark.parametrize("chip", ["DAVIS346B", "Davis346blue", "DAVIS346"])
def test_davis_by_its_header(read, chip):
    head = (
        HEAD + f"# AEChip: eu.seebetter.ini.chips.davis.{chip}\r\n#End Of ASCII Header\r\n".encode()
    )
    pixels = davis(3, 5, 1, 10) + davis(345, 259, 0, 11)
    others = davis(0, 0, 0, 10, more=1 << 31) + davis(0, 0, 0, 10, more=1 << 10)
    events = read(head + others + pixels)
    assert rows_of(events) == [(3, 5, 10, 1), (345, 259, 11, 0)]
    assert events.sensor_shape == (260, 346)


def test_data_that_begins_as_a_header_line_does(read):
    """An address whose first byte is "#", and a line's end later on."""
    data = davis(3, 259 - 0x23 * 4, 1, 10)
    assert data[:1] == b"#"
    assert len(read(HEAD + data + bytes(3) + b"\n" + bytes(4), camera="davis346")) == 2


def test_cameras(read):
    assert read(HEAD + davis(7, 8, 1, 9, 180, 240), camera="davis240").x.tolist() == [7]
    with pytest.raises(ValueError, match=r"AEChip 'Cochlea' in the header"):
        read(HEAD + b"# AEChip: ch.unizh.ini.jaer.chip.Cochlea\n")
    with pytest.raises(ValueError, match=r"`camera` must be one of \['dvs128', .*camera='dvs'"):
        read(HEAD, camera="dvs")
    message = rf"event at byte {len(HEAD)} is off the sensor of 240 x 180 .* another camera"
    with pytest.raises(ValueError, match=message):
        read(HEAD + davis(0, 0, 1, 9), camera="davis240")
    with pytest.raises(ValueError, match=rf"truncated at byte {len(HEAD)}: an event has 8"):
        read(HEAD + bytes(5))
    assert len(read(HEAD)) == 0 and read(HEAD).sensor_shape == (128, 128)


ES = b"Event Stream\x02\x00\x00\x01" + struct.pack("<HH", 20, 30)


def es_event(step, x, y, on):
    return struct.pack("<BHH", step << 1 | on, x, 29 - y)


def test_event_stream(read):
    data = ES + es_event(0, 1, 2, 0) + b"\xff\xff\xfe" + es_event(126, 19, 0, 1) + b"\xfe\xff"
    events = read(data)
    assert rows_of(events) == [(1, 2, 0, 0), (19, 0, 380, 1)]
    assert events.sensor_shape == (30, 20)
    # Within an event those bytes mean nothing of their own.
    assert rows_of(read(ES[:-4] + b"\xff\xff\xff\xff" + b"\x02\xfe\xff\xfe\xff")) == [
        (65534, 0, 1, 0)
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (ES[:17], r"truncated at byte 17: the header of a DVS stream has 20 bytes"),
        (ES[:12] + b"\x01" + ES[13:], r"version 2 and type 1 .*version 1, type 1"),
        (ES[:15] + b"\x02" + ES[16:], r"version 2, type 2"),
        (ES[:16] + bytes(4), r"sensor in the header is empty\. Received: width=0, height=0"),
        (ES + b"\xff" + es_event(0, 20, 0, 1), r"at byte 21 an event with x=20, y=29 .*20 x 30$"),
        (ES + es_event(0, 1, -1, 1), r"at byte 20 an event with x=1, y=30 "),
    ],
)
def test_damaged_event_stream(read, data, message):
    with pytest.raises(ValueError, match=r"camera\.file: .*" + message):
        read(data)


def test_truncated_event_stream(read):
    data = ES + es_event(0, 1, 2, 0) + es_event(1, 1, 2, 0)
    for cut in range(1, 5):
        with pytest.raises(ValueError, match=rf"truncated at byte 25: .* the last one {cut}"):
            read(data[: 25 + cut])
        with pytest.warns(EventFileWarning, match=r"truncated at byte 25"):
            assert len(read(data[: 25 + cut], damaged="skip")) == 1


def test_places_in_event_streams_that_are_cut_into_blocks(read, monkeypatch):
    """An event may begin in one block and end in the next: its byte is that of its beginning."""
    body = b"\xff" + es_event(9, 1, 2, 0) + es_event(9, 5, 2, 0)
    for size in range(1, 12):
        monkeypatch.setattr("keras_slayer.events.files.recording.BLOCK_BYTES", size)
        with pytest.raises(ValueError, match=r"event at byte 26 is off the sensor: y=2, x=5"):
            list(read(ES + body, chunk=5, sensor_shape=(30, 5)))
        with pytest.raises(ValueError, match=r"at byte 26 an event with x=25"):
            list(read(ES + body[:-5] + es_event(9, 25, 2, 0), chunk=5))


def test_writing_event_streams(tmp_path):
    path = tmp_path / "camera.es"
    write_events(path, Events(x=[3], y=[4], t=[0]))
    assert path.read_bytes() == ES[:16] + struct.pack("<HH", 4, 5) + bytes([0, 3, 0, 0, 0])
    with pytest.raises(ValueError, match=r"x=4, y=0 in event 0, sensor_shape=\(4, 4\)"):
        write_events(path, Events(x=[4], t=[0], sensor_shape=(4, 4)))
    with pytest.raises(ValueError, match=r"a byte for every 127 us .* first time\. .*t=4000000000"):
        write_events(path, Events(x=[4], t=[4_000_000_000]))
    with pytest.raises(ValueError, match=r"65535 x 65535 pixels\. .*sensor_shape=\(70000, 4\)"):
        write_events(path, Events(x=[], t=[], sensor_shape=(70_000, 4)))
    assert event_stream.encode_event_stream(Events(x=[], t=[]))[16:] == b"\1\0\1\0"
