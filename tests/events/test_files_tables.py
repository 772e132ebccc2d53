"""HDF5, NumPy and text files: names of columns, units of time, compression."""

import sys
import zipfile

import h5py
import hdf5plugin
import numpy as np
import pytest
from file_cases import SENSOR, recording, rows_of

from keras_slayer.events import Events, read_events, write_events

ROWS = [(1, 2, 10, 1), (3, 4, 20, 0), (5, 6, 30, 1)]
EVENTS = Events(*np.array(ROWS).T)
STRUCTURED = np.array(ROWS, [("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "i1")])


@pytest.fixture
def h5(tmp_path):
    path = tmp_path / "camera.h5"

    def write(fill):
        with h5py.File(path, "w") as file:
            fill(file)
        return path

    return write


def columns(place, names="x y t p", **options):
    for name, column in zip(names.split(), np.array(ROWS).T, strict=True):
        place.create_dataset(name, data=column, chunks=(2,), **options)


@pytest.mark.parametrize("group", ["/", "events", "davis/left"])
@pytest.mark.parametrize("names", ["x y t p", "x y ts pol", "x y timestamp polarity", "X Y T P"])
def test_hdf5_with_a_data_set_for_each_field(h5, group, names):
    path = h5(lambda file: columns(file.require_group(group), names))
    assert read_events(path) == EVENTS
    assert [len(part) for part in read_events(path, chunk=2)] == [2, 1]


def test_hdf5_of_prophesee(h5):
    def fill(file):
        kind = [("x", "<u2"), ("y", "<u2"), ("p", "<i2"), ("t", "<i8")]
        rows = np.array([(x, y, p, t) for x, y, t, p in ROWS], kind)
        file.create_dataset("CD/events", data=rows)
        file.create_dataset("CD/indexes", data=np.zeros(3, [("id", "<u8"), ("ts", "<i8")]))
        file.create_group("EXT_TRIGGER").create_dataset("events", data=np.zeros(2, [("p", "i2")]))
        file.attrs["geometry"] = "640x480"

    events = read_events(h5(fill))
    assert events == EVENTS and events.sensor_shape == (480, 640)


def test_hdf5_of_dsec(h5):
    """Times count from `t_offset`, at the root; blosc is in the extra."""

    def fill(file):
        columns(file.create_group("events"), **hdf5plugin.Blosc(cname="zstd"))
        file["ms_to_idx"] = np.zeros(2, "u8")
        file["t_offset"] = np.int64(49_599_300_523)

    events = read_events(h5(fill))
    assert events.t.tolist() == [49_599_300_523 + t for t in (10, 20, 30)]
    assert [part.t[0] for part in read_events(h5(fill), chunk=1)] == events.t.tolist()
    with pytest.raises(ValueError, match=r"t_offset is in microseconds.*time_unit='ns'"):
        read_events(h5(fill), time_unit="ns")


def test_hdf5_without_hdf5plugin_or_with_ecf(h5, monkeypatch):
    path = h5(lambda file: columns(file, **hdf5plugin.Blosc()))
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda identity: False)
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    with pytest.raises(ImportError, match=r"filter 32001, .* pip install keras_slayer\[files\]"):
        read_events(path)
    monkeypatch.undo()

    def compressed_with_ecf(file):
        create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        create.set_chunk((2,))
        create.set_filter(36559, h5py.h5z.FLAG_OPTIONAL)
        kind = np.dtype([("x", "<u2"), ("y", "<u2"), ("p", "<i2"), ("t", "<i8")])
        space = h5py.h5s.create_simple((4,))
        group = file.create_group("CD").id
        h5py.h5d.create(group, b"events", h5py.h5t.py_create(kind), space, create)

    message = r"/CD/events is compressed with Prophesee's ECF.*HDF5_PLUGIN_PATH.*file_to_dat -i"
    with pytest.raises(ValueError, match=message):
        read_events(h5(compressed_with_ecf))


def test_hdf5_with_several_sets_of_events(h5):
    def fill(file):
        columns(file.create_group("left"))
        columns(file.create_group("right"), "x y ts p")

    path = h5(fill)
    with pytest.raises(ValueError, match=r"events in \['/left', '/right'\], group=None"):
        read_events(path)
    assert read_events(path, group="/right") == EVENTS
    with pytest.raises(ValueError, match=r"events in \[\], group=None"):
        read_events(h5(lambda file: columns(file, "x y t other")))
    with pytest.raises(ValueError, match=r"vectors of one length\. Received: .*'/x': \(3, 1\)"):
        read_events(h5(lambda file: (columns(file, "a y t p"), file.create_dataset("x", (3, 1)))))


def test_damaged_hdf5(tmp_path):
    path = tmp_path / "camera.h5"
    write_events(path, recording())
    data = path.read_bytes()
    for cut in (10, 500, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:cut])
        with pytest.raises(ValueError, match=r"camera\.h5: "):
            read_events(path)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("kind", [float, np.int64])
def test_units_of_time(tmp_path, unit, kind):
    scale = {"s": 1e6, "ms": 1e3, "us": 1, "ns": 1e-3}[unit]
    t = np.array([0, 2_000_000, 123_456_000_000])
    path = tmp_path / "camera.npz"
    stored = np.round(t / scale, 6).astype(kind)
    np.savez(path, x=[0, 1, 2], y=[0, 1, 2], t=stored, p=[-1, 1, -1])
    events = read_events(path, time_unit=unit)
    assert events.t.tolist() == t.tolist()
    assert events.polarity.tolist() == [0, 1, 0]
    if kind is float:
        with pytest.raises(ValueError, match=r"camera.npz: .* unit is not known: give time_unit"):
            read_events(path)
    with pytest.raises(ValueError, match=r"\['s', 'ms', 'us', 'ns'\].*Received: time_unit='h'"):
        read_events(path, time_unit="h")


def test_nanoseconds_are_rounded_and_seconds_too(tmp_path):
    path = tmp_path / "camera.npz"
    for unit, t in (
        ("ns", np.array([1499, 1500, -1501])),
        ("s", np.array([1.4e-6, 1.6e-6, -2e-6])),
    ):
        np.savez(path, x=[0] * 3, y=[0] * 3, t=t, p=[0] * 3)
        assert read_events(path, time_unit=unit).t.tolist() == [1, 2, -2]
    for t in (np.array([np.nan] * 3), np.array([1e60] * 3), np.array([2**63 - 1] * 3)):
        np.savez(path, x=[0] * 3, y=[0] * 3, t=t, p=[0] * 3)
        with pytest.raises(
            ValueError, match=r"camera\.npz: times must be .*below 2\^62 us\. Received: t="
        ):
            read_events(path, time_unit="s")


def test_npy(tmp_path):
    path = tmp_path / "camera.npy"
    np.save(path, STRUCTURED)
    assert read_events(path) == EVENTS
    table = np.array(ROWS)[:, [2, 0, 1, 3]]
    np.save(path, np.insert(table, 1, 99, axis=1))
    assert read_events(path, columns="t,other,x,y,p") == EVENTS
    assert rows_of(next(read_events(path, columns=["t", "_", "x", "y", "p"], chunk=1))) == ROWS[:1]
    for options, message in (
        ({}, r"`columns` names its columns: columns=\"t,x,y,p\"\. Received: shape \(3, 5\)"),
        ({"columns": "t,x,y,p"}, r"has 5 columns\. Received: columns='t,x,y,p'"),
        ({"columns": "t,x,y"}, r"each of x, y, t and p once.*Received: columns='t,x,y'"),
        ({"columns": "t,ts,x,y,p"}, r"each of x, y, t and p once"),
    ):
        with pytest.raises(ValueError, match=message):
            read_events(path, **options)
    np.save(path, STRUCTURED[["x", "y", "p"]])
    with pytest.raises(ValueError, match=r"with fields x, y, t\|ts\|.*\['x', 'y', 'p'\]"):
        read_events(path)


def test_npz(tmp_path):
    path = tmp_path / "camera.npz"
    np.savez(path, events=STRUCTURED)
    assert read_events(path) == EVENTS
    np.savez(path, x=[1], y=[2], t=[3], q=[4])
    with pytest.raises(ValueError, match=r"arrays named x, y, .*Received: \['x', 'y', 't', 'q'\]"):
        read_events(path)
    np.savez(path, x=[1], y=[2, 3], t=[3], p=[1])
    with pytest.raises(ValueError, match=r"one length\. Received: .*'y': \(2,\)"):
        read_events(path)
    np.savez(path, x=[1, 70_000], y=[2, 2], t=[3, 3], p=[1, 1])
    with pytest.raises(
        ValueError, match=r"camera.npz: event at number 1: x must be .*to 65535\. .*x=70000"
    ):
        read_events(path)
    np.savez(path, x=np.array([object()]), y=[2], t=[3], p=[1])
    with pytest.raises(ValueError, match=r"camera\.npz: the archive cannot be read: .*pickle"):
        read_events(path)
    with zipfile.ZipFile(path, "w") as archive:  # a zip file of anything else
        archive.writestr("Train/0/00002.bin", bytes(5))
    with pytest.raises(
        ValueError, match=r"cannot be read: it holds Train/0/00002.bin, which is no"
    ):
        read_events(path)
    write_events(path, recording())
    assert read_events(path).sensor_shape == SENSOR


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("x,y,t,p\n1,2,10,1\n3,4,20,0\n5,6,30,1\n", {}),
        ("t;other;p;y;x\r\n10;a;1;2;1\r\n20;b;0;4;3\r\n30;c;1;6;5\r\n", {}),
        ("# t x y p\n10 1 2 1\n20  3 4 0\n\n30 5 6 1", {}),
        ("x,y,t,p\n1,2,10,True\n3,4,20,False\n5,6,30,True\n", {}),
        ("t; on; y; x\n10; true; 2; 1\n20; false; 4; 3\n30; 1; 6; 5\n", {}),
        ("# made by hand\n# x y timestamp polarity\n1\t2\t10\t1\n3\t4\t20\t-1\n5\t6\t30\t1\n", {}),
        ("10 1 2 1\n# a remark\n20 3 4 0\n30 5 6 1\n", {"columns": "t,x,y,p"}),
        ("a,b,c,d\n10,1,2,1\n20,3,4,0\n30,5,6,1\n", {"columns": ("t", "x", "y", "p")}),
        ("0.00001 1 2 1\n0.00002 3 4 0\n3e-5 5 6 1", {"columns": "t,x,y,p", "time_unit": "s"}),
    ],
)
def test_text(tmp_path, text, options):
    path = tmp_path / "events.txt"
    path.write_text(text)
    assert read_events(path, **options) == EVENTS
    assert [len(part) for part in read_events(path, chunk=2, **options)] == [2, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,10,1\n", r"the first line should name .*Received: line 1: '1,2,10,1', columns=None"),
        ("x,y,t\n1,2,10\n", r"should name the columns x, y, t\|ts.*columns=\['x', 'y', 't'\]"),
        ("x,y,t,p\n1,2,10,1\n\n1,2,ten,1\n", r"line 4 cannot be read as numbers.*'1,2,ten,1'"),
        ("x,y,t,p\n1,2,10,True\n1,2,10,maybe\n", r"line 3 cannot be read as numbers.*maybe"),
        ("x,y,t,p\n1,2,10,1\n1,2,10\n", r"line 3 should have 4 columns\. Received: '1,2,10'"),
        ("x,y,t,p\n1,2,0.5,1\n", r"unit is not known: give time_unit=\"s\""),
        ("x,y,t,p\n1,2,5,1\n1,2,0.5,1\n", r"line 3 cannot be read as numbers"),
        (
            "x,y,t,p\n1,2,5,1\n1,-2,7,1\n",
            r"at line 3: y must be a whole number from 0 to 65535\. Received: y=-2",
        ),
        ("x,y,t,p\n1,2,5,1\n1,2,99999999999999999999,1\n", r"line 3 cannot be read"),
    ],
)
def test_damaged_text(tmp_path, text, message):
    path = tmp_path / "events.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"events\.csv: .*" + message):
        read_events(path)


def test_lines_are_named(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text("x,y,t,p\n1,2,5,1\n\n9,2,4,1\n")
    with pytest.raises(ValueError, match=r"event at line 4 is off the sensor: y=2, x=9"):
        read_events(path, sensor_shape=(3, 3))
    with pytest.raises(ValueError, match=r"time runs backwards at line 4: 4 us after 5 us"):
        list(read_events(path, ordered=True, chunk=1))
    for text in ("", "\n\n", "# nothing\n", "x,y,t,p\n"):
        path.write_text(text)
        assert len(read_events(path)) == 0
