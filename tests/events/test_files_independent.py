"""What is read and written here against four independent decoders of event files."""

import sys

import evt3
import expelliarmus
import faery
import numpy as np
import pytest
from file_cases import SENSOR, recording

from keras_slayer.events import EventFileWarning, Events, read_events, write_events
from keras_slayer.events.files.joining import join

HEIGHT, WIDTH = SENSOR
# Past two overflows of EVT 3.0's timer.
SPAN = 50_000_000


def by_faery(path) -> Events:
    stream = faery.events_stream_from_file(path)
    array = stream.to_array()
    assert stream.dimensions() == (WIDTH, HEIGHT)
    return Events(x=array["x"], y=array["y"], t=array["t"].astype("i8"), polarity=array["on"])


def by_expelliarmus(path, encoding) -> Events:
    array = expelliarmus.Wizard(encoding=encoding, fpath=path).read()
    return Events(x=array["x"], y=array["y"], t=array["t"], polarity=array["p"])


def by_evt3(path) -> Events:
    found = evt3.decode_file(str(path))
    assert (found.sensor_height, found.sensor_width) == SENSOR
    return Events(x=found.x, y=found.y, t=found.timestamp.astype("i8"), polarity=found.polarity)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", ["evt2", "evt3", "dat", "es"])
def test_what_is_written_here_is_read_there(name, seed, tmp_path):
    events = recording(5000, seed, span=SPAN)
    path = tmp_path / ("camera.raw" if name.startswith("evt") else f"camera.{name}")
    write_events(path, events, format=name)
    assert by_faery(path) == events
    if name in ("evt2", "dat"):
        assert by_expelliarmus(path, name) == events
    if name == "evt3":
        assert by_evt3(path) == events


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("raw", {"version": "evt3"}),
        ("raw", {"version": "evt2"}),
        ("dat", {}),
        ("es", {}),
        ("aedat", {}),
        ("csv", {}),
    ],
)
def test_what_faery_writes_is_read_here(suffix, options, tmp_path):
    events = recording(4000, 2, span=300_000)
    array = np.empty(len(events), faery.EVENTS_DTYPE)
    array["x"], array["y"], array["t"], array["on"] = events.x, events.y, events.t, events.polarity
    path = tmp_path / f"camera.{suffix}"
    faery.events_stream_from_array(array, dimensions=(WIDTH, HEIGHT)).to_file(path, **options)
    columns = {"columns": "t,x,y,p"} if suffix == "csv" else {}
    for chunk in (None, 999):
        read = read_events(path, chunk=chunk, **columns)
        if chunk:
            parts = list(read)
            assert [len(part) for part in parts] == [999] * 4 + [4]
            read = join(parts)
        # Its header holds the first time, which the words do not have.
        first = events.t[0] if suffix in ("raw", "dat", "es") else 0
        assert (read.t + first).tolist() == events.t.tolist()
        for name in ("x", "y", "polarity"):
            assert getattr(read, name).tolist() == getattr(events, name).tolist()
        assert read.sensor_shape == (None if suffix == "csv" else SENSOR)


def test_random_words_of_evt3_are_read_as_evt3_does(tmp_path):
    """Vectors, rows, triggers and times in any order, from the first time, row and base on."""
    random = np.random.default_rng(3)
    kinds = random.choice([0, 2, 3, 4, 5, 6, 7, 10, 14, 15], 20_000)
    words = kinds << 12 | random.integers(0, 4096, kinds.size)
    words[kinds == 3] &= 0x3BFF  # columns up to 1023, so that no vector goes past the last
    words[kinds == 0] &= 0x0FFF & ~0x800
    # Times run on as a camera's do: the high bits every now and then, each one more.
    times = np.flatnonzero(random.random(kinds.size) < 0.01)
    words[times] = (
        8 << 12 | np.arange(1, times.size + 1) % 4096
    )  # evt3 clears the low bits for equal ones
    start = [8 << 12, 0, 6 << 12, 3 << 12]
    head = b"% evt 3.0\n% format EVT3;height=2048;width=2048\n% end\n"
    path = tmp_path / "camera.raw"
    path.write_bytes(head + np.concatenate([start, words]).astype("<u2").tobytes())
    found = evt3.decode_file(str(path))
    events = read_events(path)
    assert len(events) > 20_000
    for name, column in (("x", found.x), ("y", found.y), ("polarity", found.polarity)):
        assert getattr(events, name).tolist() == column.tolist()
    assert events.t.tolist() == found.timestamp.tolist()


def test_aedat4_damaged(tmp_path):
    array = np.zeros(9000, faery.EVENTS_DTYPE)
    array["t"] = np.arange(9000)
    path = tmp_path / "camera.aedat4"
    stream = faery.events_stream_from_array(array, dimensions=(2, 2))
    stream.to_file(path, file_type="aedat")
    data = path.read_bytes()
    assert read_events(path).t.tolist() == list(range(9000))
    assert len(read_events(path, stream=0)) == 9000
    with pytest.raises(ValueError, match=r"Received: streams \[0\], stream=1"):
        read_events(path, stream=1)
    path.write_bytes(data[:14])
    with pytest.raises(ValueError, match=r"camera\.aedat4: the AEDAT 4 file cannot be opened"):
        read_events(path)
    path.write_bytes(data[: len(data) // 2])  # in the second packet
    with pytest.raises(ValueError, match=r"camera\.aedat4: after event number \d+ the file"):
        read_events(path)
    with pytest.warns(EventFileWarning, match=r"damaged: .*its rest is left out"):
        assert 0 < len(read_events(path, damaged="skip")) < 9000


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    path = tmp_path / "camera.aedat4"
    path.write_bytes(b"#!AER-DAT4.0\r\n")
    monkeypatch.setitem(sys.modules, "aedat", None)
    with pytest.raises(ImportError, match=r"pip install keras_slayer\[files\]"):
        read_events(path)
