"""as_events: recordings in the forms that people have them in."""

import h5py
import numpy as np
import pytest
import tensorflow as tf

from keras_slayer.events import Events, as_events

WANTED = Events(x=[3, 4, 5], y=[7, 7, 8], t=[100, 2_500, 2_600], polarity=[1, 0, 1])
FIELDS = {"x": [3, 4, 5], "y": [7, 7, 8], "t": [100, 2_500, 2_600], "p": [1, 0, 1]}


def array(order="xytp", dtype=np.int64):
    return np.array([FIELDS[letter] for letter in order], dtype).T


def test_events_are_themselves():
    assert as_events(WANTED) is WANTED
    with pytest.raises(ValueError, match=r"microseconds already. Received: time_unit='s'"):
        as_events(WANTED, time_unit="s")


@pytest.mark.parametrize("time", ["t", "ts", "time", "timestamp", "timestamps"])
@pytest.mark.parametrize("polarity", ["p", "pol", "polarity"])
def test_names_of_fields(time, polarity):
    fields = {"x": FIELDS["x"], "y": FIELDS["y"], time: FIELDS["t"], polarity: FIELDS["p"], "id": 1}
    assert as_events(fields) == WANTED
    rows = list(zip(*(FIELDS[name] for name in "xytp"), strict=True))
    kinds = [("x", "<u2"), ("y", "<u2"), (time, "<i8"), (polarity, "u1")]
    assert as_events(np.array(rows, kinds)) == WANTED


def test_tables_that_are_no_mappings(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, values in FIELDS.items():
            file[name] = values
        assert as_events(file) == WANTED
    assert as_events({name: tf.constant(v) for name, v in FIELDS.items()}) == WANTED


@pytest.mark.parametrize("order", ["xytp", "txyp", "ptyx"])
@pytest.mark.parametrize("dtype", [np.int64, np.uint32])
def test_arrays_with_columns(order, dtype):
    assert as_events(array(order, dtype), columns=order) == WANTED


def test_left_out_fields_are_zero():
    assert as_events(array("xt"), columns="xt") == Events(x=WANTED.x, t=WANTED.t)
    assert as_events({"x": [1], "t": [2]}) == Events(x=[1], t=[2])


@pytest.mark.parametrize(
    "polarity",
    [[1, -1, 1], np.array([1, -1, 1], np.int8), [1.0, -1.0, 1.0], [True, False, True], [1, 0, 1]],
)
def test_polarity(polarity):
    assert as_events({**FIELDS, "p": polarity}) == WANTED


def test_channels_stay_and_mixtures_are_refused():
    assert as_events({**FIELDS, "p": [0, 5, 2]}).polarity.tolist() == [0, 5, 2]
    assert as_events({**FIELDS, "p": [-1, -1, -1]}).polarity.tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match=r"-1 and 1.*Received: .*values \[-1, 0, 1\]"):
        as_events({**FIELDS, "p": [-1, 0, 1]})


@pytest.mark.parametrize(("unit", "factor"), [("s", 1e-6), ("ms", 1e-3), ("us", 1.0), ("ns", 1e3)])
def test_times_of_floating_point_type_need_their_unit(unit, factor):
    fields = {**FIELDS, "t": np.array(FIELDS["t"]) * factor}
    assert as_events(fields, time_unit=unit) == WANTED
    with pytest.raises(ValueError, match=r'time_unit="s", "ms", "us" or "ns".*dtype float64, from'):
        as_events(fields)


def test_times_of_integer_type_in_other_units():
    def times(t, unit, dtype=np.int64):
        return as_events({"x": [1, 1], "t": np.array(t, dtype)}, time_unit=unit).t.tolist()

    assert times([1, 3], "s") == [1_000_000, 3_000_000]
    assert times([1, 3], "ms", np.uint8) == [1_000, 3_000]
    # To the last digit, which floats would lose.
    assert times([1_700_000_000_000_000_999, 5], "ns") == [1_700_000_000_000_000, 0]
    for t, unit in (([0, 2**62], "s"), ([0.0, np.nan], "us"), ([0.0, 1e300], "s")):
        with pytest.raises(ValueError, match=rf"64 bits .*Received: t\[1\] .*'{unit}'"):
            times(t, unit, np.asarray(t).dtype)


@pytest.mark.parametrize(
    ("recording", "arguments", "message"),
    [
        (array(), {}, r'columns="xytp" or "txyp". Received: columns=None with ndarray of shape'),
        (array(), {"columns": "xyt"}, r"an array \(n, 3\).*Received: ndarray of shape \(3, 4\)"),
        (array(), {"columns": "xyyp"}, r"each once and x and t.*Received: columns='xyyp'"),
        (array(), {"columns": "xyzp"}, r"letters of x, y, t and p.*Received: columns='xyzp'"),
        (FIELDS, {"columns": "xytp"}, r"`columns` is for arrays.*Received: columns='xytp'"),
        ({"x": [1], "y": [1]}, {}, r"Missing: t. Received: dict with fields \['x', 'y'\]"),
        ([1, 2], {}, r"Missing: x and t. Received: list"),
        ({**FIELDS, "ts": [1]}, {}, r"one field for t. Received: t and ts"),
        (FIELDS, {"time_unit": "sec"}, r"Received: time_unit='sec'"),
        ({"x": [70_000], "t": [1]}, {}, r"whole numbers from 0 to 65535"),
        ({"x": [1, 2], "t": [1]}, {}, r"equal length"),
    ],
)
def test_errors(recording, arguments, message):
    with pytest.raises(ValueError, match=message):
        as_events(recording, **arguments)


def test_no_events():
    for recording in ({"x": [], "t": []}, {"x": [], "y": [], "t": [], "p": []}):
        assert len(as_events(recording)) == 0
        assert len(as_events(recording, time_unit="s")) == 0
    assert len(as_events(np.zeros((0, 4), int), columns="xytp")) == 0
