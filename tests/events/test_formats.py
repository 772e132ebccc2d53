import concurrent.futures
import os
import threading
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_slayer import events as ev
from keras_slayer.events import Events

ENCODE = {".bin": ev.encode_nmnist, ".bs1": ev.encode_bs1, ".bs3": ev.encode_bs3}
DECODE = {".bin": ev.decode_nmnist, ".bs1": ev.decode_bs1, ".bs3": ev.decode_bs3}
BITS = {
    ".bin": {"x": 8, "y": 8, "polarity": 1, "t": 23},
    ".bs1": {"x": 16, "polarity": 1, "t": 23},
    ".bs3": {"x": 12, "y": 12, "polarity": 8, "t": 24},
}


def plain_nmnist(data: bytes) -> list[tuple[int, int, int, int]]:
    """N-MNIST's format, event by event, as its authors describe it: (x, y, t, polarity)."""
    events, offset = [], 0
    for i in range(0, len(data), 5):
        x, y, a, b, c = data[i : i + 5]
        if y == 240:
            offset += 8192
            continue
        events.append((x, y, ((a & 127) << 16 | b << 8 | c) + offset, a >> 7))
    return events


def as_tuples(events: Events):
    columns = (getattr(events, name).tolist() for name in ("x", "y", "t", "polarity"))
    return list(zip(*columns, strict=True))


def test_known_bytes():
    # x = 1, y = 2, polarity 1, t = 0x030405; x = 33, y = 0, polarity 0, t = 0x7FFFFF.
    data = bytes([1, 2, 0x83, 4, 5, 33, 0, 0x7F, 0xFF, 0xFF])
    assert ev.decode_nmnist(data) == Events(
        x=[1, 33], y=[2, 0], t=[0x030405, 0x7FFFFF], polarity=[1, 0]
    )
    # The same five bytes as neuron 0x0102.
    assert ev.decode_bs1(data[:5]) == Events(x=[0x0102], t=[0x030405], polarity=[1])
    # x = 0x123, y = 0x456, channel 0x78, t = 0x9ABCDE.
    data = bytes([0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC, 0xDE])
    assert ev.decode_bs3(data) == Events(x=[0x123], y=[0x456], t=[0x9ABCDE], polarity=[0x78])


def test_timer_overflows_move_later_events():
    def event(x, y, t):
        return bytes([x, y, t >> 16, t >> 8 & 255, t & 255])

    data = event(1, 1, 100) + event(9, 240, 0) + event(2, 2, 7) + event(9, 240, 0) + event(3, 3, 8)
    assert ev.decode_nmnist(data) == Events(x=[1, 2, 3], y=[1, 2, 3], t=[100, 8199, 16392])
    # .bs1 has no rows, so no overflow events: neuron 9 * 256 + 240 is a neuron.
    assert ev.decode_bs1(data).x.tolist() == [257, 2544, 514, 2544, 771]


@pytest.mark.parametrize("chosen", [settings(), settings(max_examples=50)])
def test_generated_examples_depend_on_neither_time_nor_chance(chosen):
    assert chosen.deadline is None and chosen.derandomize


@given(data=st.binary(max_size=400))
def test_any_bytes_decode_as_a_plain_reader_does(data):
    data = data[: len(data) // 5 * 5]
    assert as_tuples(ev.decode_nmnist(data)) == plain_nmnist(data)


@st.composite
def streams(draw, suffix):
    bits = BITS[suffix]
    size = draw(st.integers(0, 20))
    fields = {
        name: draw(st.lists(st.integers(0, 2**n - 1), min_size=size, max_size=size))
        for name, n in bits.items()
    }
    if suffix == ".bin":
        fields["y"] = [0 if y == 240 else y for y in fields["y"]]
    return Events(**fields)


@pytest.mark.parametrize("suffix", sorted(ENCODE))
@given(data=st.data())
@settings(max_examples=50)
def test_round_trip(suffix, data):
    events = data.draw(streams(suffix))
    encoded = ENCODE[suffix](events)
    assert len(encoded) == len(events) * sum(BITS[suffix].values()) // 8
    assert DECODE[suffix](encoded) == events


@pytest.mark.parametrize("suffix", [".bin", ".bs1", ".bs2", ".bs3", ".BIN"])
def test_files_round_trip(suffix, tmp_path):
    events = Events(x=[1, 200], t=[10, 8000000], polarity=[1, 0])
    path = tmp_path / f"recording{suffix}"
    ev.write_events(path, events)
    assert ev.read_events(str(path)) == events
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("suffix", "fields", "message"),
    [
        (".bin", {"x": [0, 256]}, r"\.bin file holds x from 0 to 255\. Received: x=256 in event 1"),
        (".bin", {"y": [0, 240]}, r"y from 0 to 255 except 240, which marks a timer overflow"),
        (".bin", {"polarity": [2, 0]}, r"polarity from 0 to 1\. Received: polarity=2 in event 0"),
        (".bs2", {"t": [0, 2**23]}, r"\.bs2 file holds t from 0 to 8388607\. Received: t=8388608"),
        (".bs1", {"t": [-1, 0]}, r"t from 0 to 8388607\. Received: t=-1 in event 0"),
        (".bs1", {"y": [0, 3]}, r"\.bs1 file has no rows.*Received: y=3 in event 1"),
        (".bs3", {"x": [4096, 0]}, r"x from 0 to 4095"),
        (".bs3", {"t": [0, 2**24]}, r"t from 0 to 16777215"),
    ],
)
def test_writers_refuse_what_does_not_fit_and_leave_the_file_alone(
    suffix, fields, message, tmp_path
):
    path = tmp_path / f"recording{suffix}"
    path.write_bytes(b"older")
    events = Events(**{"x": [0, 0], "t": [0, 0], **fields})
    with pytest.raises(ValueError, match=message):
        ev.write_events(path, events)
    assert path.read_bytes() == b"older"
    assert len(list(tmp_path.iterdir())) == 1


def test_threads_may_write_to_one_path(tmp_path, monkeypatch):
    """Each has a temporary file of its own: both are there at the same time here."""
    path = tmp_path / "recording.bin"
    both, replace, written = threading.Barrier(2, timeout=30), os.replace, []

    def replace_together(temporary, target):
        written.append(temporary)
        both.wait()
        replace(temporary, target)

    monkeypatch.setattr(os, "replace", replace_together)
    streams = [Events(x=[1] * size, t=range(size)) for size in (5, 7000)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(ev.write_events, [path, path], streams))
    assert len(set(written)) == 2
    assert ev.read_events(path) in streams
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_links_are_followed_and_what_is_no_file_is_refused(tmp_path):
    events = Events(x=[1], t=[2])
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "recording.bin", tmp_path / "link.bin"
    link.symlink_to(target)
    for _ in range(2):  # a link to nothing, and to a file
        ev.write_events(link, events)
        assert link.is_symlink() and ev.read_events(target) == events
    pipe = tmp_path / "pipe.bin"
    os.mkfifo(pipe)
    (tmp_path / "folder.bin").mkdir()
    for path, kind in ((pipe, "a named pipe"), (tmp_path / "folder.bin", "a folder")):
        with pytest.raises(ValueError, match=rf"a regular file.*{path.name}': it is {kind}"):
            ev.write_events(path, events)
    assert pipe.is_fifo()
    assert len(list(tmp_path.iterdir())) == 4


def test_unknown_suffix(tmp_path):
    path = tmp_path / "events.xyz"
    message = r"one of \['\.aedat', '\.bin', '\.bs1', .*Received: path=.*events\.xyz$"
    with pytest.raises(ValueError, match=message):
        ev.write_events(path, Events(x=[], t=[]))
    assert not list(tmp_path.iterdir())
    path.write_bytes(b"who knows what")
    message = r"\['\.bin', '\.bs1', '\.bs2', '\.bs3', '\.csv', '\.txt'\].*events\.xyz.*b'who knows"
    with pytest.raises(ValueError, match=message):
        ev.read_events(path)
    with pytest.raises(ValueError, match=r"as_events makes .* Received: events of type dict"):
        ev.write_events(tmp_path / "events.bin", {"x": [1], "t": [2]})


def test_truncated_file_names_file_and_byte(tmp_path):
    path = tmp_path / "short.bin"
    path.write_bytes(bytes(13))
    with pytest.raises(ValueError, match=r"short\.bin: truncated at byte 10: .* 5 bytes.* one 3\."):
        ev.read_events(path)
    with pytest.raises(ValueError, match=r"<bytes>: truncated at byte 7: .* 7 bytes.* one 2$"):
        ev.decode_bs3(bytes(9))


def test_off_sensor_names_file_byte_and_event(tmp_path):
    path = tmp_path / "wide.bin"
    # An overflow event before it: the offset is that of the file, not of the decoded stream.
    path.write_bytes(bytes([0, 240, 0, 0, 0]) + bytes(5) + bytes([34, 5, 0, 0, 9]) + bytes(5))
    message = r"wide\.bin: event at byte 10 is off the sensor: y=5, x=34.*sensor_shape=\(34, 34\)"
    with pytest.raises(ValueError, match=message):
        ev.read_events(path, sensor_shape=(34, 34))
    assert len(ev.read_events(path, sensor_shape=(34, 35, 2))) == 3
    with pytest.raises(ValueError, match=r"y=5, x=34, polarity=0"):
        ev.read_events(path, sensor_shape=(34, 34, 2))
    with pytest.raises(ValueError, match=r"at byte 5 is off the sensor: x=7 with"):
        ev.decode_bs1(bytes(5) + bytes([0, 7, 0, 0, 0]), sensor_shape=(7,))
    with pytest.raises(ValueError, match=r"`sensor_shape` must be .* sensor_shape=\(\)"):
        ev.decode_bs1(bytes(5), sensor_shape=())


def test_time_backwards_names_file_and_byte(tmp_path):
    path = tmp_path / "back.bin"
    path.write_bytes(bytes([0, 240, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 7]))
    message = r"back\.bin: time runs backwards at byte 10: 8199 us after 8201 us"
    with pytest.raises(ValueError, match=message):
        ev.read_events(path, ordered=True)
    assert ev.read_events(path).t.tolist() == [8201, 8199]


def test_empty():
    for suffix, decode in DECODE.items():
        events = decode(b"", sensor_shape=(3,), ordered=True)
        assert len(events) == 0
        assert ENCODE[suffix](events) == b""


def test_real_recordings(sample_data):
    with zipfile.ZipFile(sample_data / "Test.zip") as archive:
        names = archive.namelist()
        files = [archive.read(name) for name in names]
    assert len(files) == 100
    recordings = [
        ev.decode_nmnist(data, source=name, sensor_shape=(34, 34, 2), ordered=True)
        for name, data in zip(names, files, strict=True)
    ]
    assert as_tuples(recordings[0]) == plain_nmnist(files[0])
    assert [ev.encode_nmnist(events) for events in recordings] == files
    assert np.mean([len(events) for events in recordings]) == pytest.approx(4133, rel=0.1)
    assert np.mean([events.polarity.mean() for events in recordings]) == pytest.approx(
        0.5, abs=0.02
    )
    assert np.mean([events.t[-1] for events in recordings]) == pytest.approx(308e3, rel=0.01)


def test_real_rasters(sample_data):
    folder = sample_data.parent / "oxford"
    if not folder.is_dir():
        pytest.skip("the Oxford rasters (../shared/data/oxford) are not on this machine")
    for name, count in (("input", 1889), ("output", 10361)):
        events = ev.read_events(folder / f"{name}.bs1", sensor_shape=(200,))
        assert len(events) == count
        assert events.x.max() == 199
        assert 1.8e6 < events.t.max() < 1.9e6
        assert ev.encode_bs1(events) == (folder / f"{name}.bs1").read_bytes()
    with pytest.raises(ValueError, match=r"output\.bs1: time runs backwards at byte 15: 4947 us"):
        ev.read_events(folder / "output.bs1", ordered=True)
    assert (np.diff(events.sorted().t) >= 0).all()
