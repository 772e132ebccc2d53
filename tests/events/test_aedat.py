import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_slayer.events import Events, decode_aedat, encode_aedat, read_aedat

HEADER = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n"
START = len(HEADER)


def packet(body=b"", *, kind=1, size=8, time_at=4, overflow=0, capacity=None, number=None, valid=0):
    number = len(body) // size if number is None else number
    capacity = number if capacity is None else capacity
    return (
        struct.pack("<hhiiiiii", kind, 1, size, time_at, overflow, capacity, number, valid) + body
    )


def event(x, y, t, polarity, valid=1):
    return struct.pack("<Ii", x << 17 | y << 2 | polarity << 1 | valid, t)


def test_known_bytes():
    data = HEADER + packet(bytes.fromhex("0b00 0600 10270000") + event(127, 0, 10_001, 0))
    # 0x0006000b: x = 3 (from bit 17), y = 2 (from bit 2), ON, valid.
    assert decode_aedat(data) == Events(x=[3, 127], y=[2, 0], t=[10_000, 10_001], polarity=[1, 0])


def test_clock_overflows_are_added():
    data = HEADER + b"".join(
        packet(event(1, 1, 5, 0) + event(2, 2, 2**31 - 1, 1), overflow=n) for n in (0, 1, 3)
    )
    assert decode_aedat(data).t.tolist() == [
        5, 2**31 - 1, 2**31 + 5, 2**32 - 1, 3 * 2**31 + 5, 2**33 - 1,
    ]  # fmt: skip


def test_other_packets_and_struck_out_events_are_skipped():
    special = packet(bytes(range(16)), kind=0)
    frame = packet(bytes(100), kind=2, size=50, time_at=12)
    events = packet(event(1, 2, 3, 1) + event(4, 4, 4, 0, valid=0) + event(5, 6, 7, 0), valid=2)
    data = HEADER + special + events + frame + packet() + special
    assert decode_aedat(data) == Events(x=[1, 5], y=[2, 6], t=[3, 7], polarity=[1, 0])
    assert len(decode_aedat(HEADER)) == len(decode_aedat(HEADER + special)) == 0


@st.composite
def streams(draw):
    size = draw(st.integers(0, 30))
    limits = {"x": 2**15, "y": 2**15, "t": 2**33, "polarity": 2}
    fields = {
        name: draw(st.lists(st.integers(0, n - 1), min_size=size, max_size=size))
        for name, n in limits.items()
    }
    return Events(**fields)


@given(events=streams(), packet_events=st.integers(1, 9))
@settings(max_examples=60)
def test_round_trip(events, packet_events):
    data = encode_aedat(events, packet_events=packet_events)
    assert data.startswith(b"#!AER-DAT3.1\r\n")
    assert decode_aedat(data) == events


def test_files_and_checks(tmp_path):
    path = tmp_path / "recording.aedat"
    path.write_bytes(encode_aedat(Events(x=[1, 128, 3], y=[2, 5, 4], t=[9, 8, 9])))
    assert read_aedat(str(path)).x.tolist() == [1, 128, 3]
    start = path.read_bytes().index(b"END-HEADER\r\n") + 12 + 28
    with pytest.raises(
        ValueError,
        match=rf"recording\.aedat: event at byte {start + 8} is off the sensor: y=5, x=128",
    ):
        read_aedat(path, sensor_shape=(128, 128, 2))
    with pytest.raises(
        ValueError, match=rf"recording\.aedat: time runs backwards at byte {start + 8}: 8 us"
    ):
        read_aedat(path, sensor_shape=(128, 129), ordered=True)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"f\.aedat: not an AEDAT 3\.1 file: it should begin with #!AER-DAT3\.1.*b''"),
        (b"#!AER-DAT2.0\r\n", r"not an AEDAT 3\.1 file.*Received: b'#!AER-DAT2\.0'"),
        (bytes(50), r"not an AEDAT 3\.1 file"),
        (HEADER[:-5], r"the header breaks off at byte 47, before #!END-HEADER"),
        (b"#!AER-DAT3.1\r\nevents", r"the header breaks off at byte 14"),
        (HEADER.replace(b"RAW", b"PNG"), r"byte 14: only the format RAW .*#Format: PNG"),
        (HEADER + bytes(27), rf"truncated at byte {START}: a packet's header has 28 bytes.* 27$"),
        (
            HEADER + packet(event(1, 1, 1, 1) * 2) + packet(event(1, 1, 1, 1) * 3)[:-3],
            rf"truncated at byte {START + 44 + 28 + 16}: the packet at byte {START + 44} has 3 ",
        ),
        (
            HEADER + packet(number=2**31 - 1),
            rf"truncated at byte {START + 28}: .*2147483647 events",
        ),
        (HEADER + packet(bytes(12), size=12), r"polarity events of 8 bytes, time at 4.*: 12, 4"),
        (HEADER + packet(kind=-32767), rf"damaged packet header at byte {START}: .*type, size and"),
        (HEADER + packet(kind=2, size=0, number=0), r"type, size and .*Received: 2, 0, 0"),
        (HEADER + packet(overflow=-1), r"Received: 1, 8, -1"),
        (HEADER + packet(number=-1), r"eventNumber <= eventCapacity\. Received: 0, -1, -1"),
        (HEADER + packet(bytes(8), capacity=0), r"Received: 0, 1, 0"),
        (HEADER + packet(bytes(8), valid=2), r"0 <= eventValid <= .*Received: 2, 1, 1"),
        (
            HEADER + packet(event(1, 1, 5, 1) + event(1, 1, -7, 1)),
            rf"time of the event at byte {START + 36} is negative: -7 us",
        ),
    ],
)
def test_broken_files_name_file_and_byte(data, message):
    with pytest.raises(ValueError, match=message):
        decode_aedat(data, source="f.aedat")


@given(data=st.binary(max_size=120))
@settings(max_examples=100)
def test_any_bytes_give_events_or_an_error(data):
    try:
        events = decode_aedat(HEADER + data)
    except ValueError as error:
        assert "byte" in str(error)
    else:
        assert len(events) <= len(data) // 8


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"x": [0, 2**15]}, r"holds x from 0 to 32767\. Received: x=32768 in event 1"),
        ({"polarity": [2, 0]}, r"polarity from 0 to 1\. Received: polarity=2 in event 0"),
        ({"t": [0, -1]}, r"Received: t=-1 in event 1"),
    ],
)
def test_writer_refuses_what_does_not_fit(fields, message):
    with pytest.raises(ValueError, match=message):
        encode_aedat(Events(**{"x": [0, 0], "t": [0, 0], **fields}))
    with pytest.raises(ValueError, match=r"`packet_events` must be .* Received: packet_events=0"):
        encode_aedat(Events(x=[0], t=[0]), packet_events=0)


def test_many_packets_make_one_stream():
    rng = np.random.default_rng(0)
    size = 50_000
    events = Events(
        x=rng.integers(0, 128, size),
        y=rng.integers(0, 128, size),
        t=np.sort(rng.integers(0, 10**8, size)),
        polarity=rng.integers(0, 2, size),
    )
    assert decode_aedat(encode_aedat(events, packet_events=100), ordered=True) == events
