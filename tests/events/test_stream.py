import numpy as np
import pytest

from keras_slayer.events import Events


def test_fields_have_fixed_types_and_defaults():
    events = Events(x=[3, 1], t=[5, 2])
    assert [getattr(events, n).dtype for n in ("x", "y", "t", "polarity")] == [
        np.uint16,
        np.uint16,
        np.int64,
        np.uint8,
    ]
    assert events.y.tolist() == events.polarity.tolist() == [0, 0]
    assert len(events) == 2


def test_sorted_is_stable():
    events = Events(x=[0, 1, 2, 3], t=[5, 2, 5, 2]).sorted()
    assert events.t.tolist() == [2, 2, 5, 5]
    assert events.x.tolist() == [1, 3, 0, 2]
    # An unstable sort keeps the order of short streams, too, by chance.
    t = np.random.default_rng(0).integers(0, 3, 2000)
    events = Events(x=np.arange(2000), t=t).sorted()
    for time in range(3):
        assert events.x[events.t == time].tolist() == np.flatnonzero(t == time).tolist()


def test_selection_and_equality():
    events = Events(x=[0, 1, 2], t=[5, 6, 7], polarity=[1, 0, 1])
    assert events[events.polarity == 1] == Events(x=[0, 2], t=[5, 7], polarity=[1, 1])
    assert events[1:] == Events(x=[1, 2], t=[6, 7], polarity=[0, 1])
    assert events[0] == Events(x=[0], t=[5], polarity=[1])
    assert events != Events(x=[0, 1, 2], t=[5, 6, 8], polarity=[1, 0, 1])
    assert events != "events"


def test_dict_round_trip():
    events = Events(x=[0, 1], y=[4, 5], t=[5, 6], polarity=[1, 0])
    assert list(events.to_dict()) == ["x", "y", "t", "polarity"]
    assert Events.from_dict(events.to_dict()) == events
    assert Events.from_dict({"x": [1], "t": [2], "other": [3]}) == Events(x=[1], t=[2])
    with pytest.raises(ValueError, match=r"as_events .* Received: 'ts' in place of 't'"):
        Events.from_dict({"x": [1], "ts": [2], "polarity": [0]})


def test_repr_says_how_many_and_when():
    assert repr(Events(x=[0, 1], t=[5, 600])) == "Events(2, t=5..600 us)"
    assert repr(Events(x=[], t=[])) == "Events(0)"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"x": [65536], "t": [0]}, r"Events.x must hold whole numbers from 0 to 65535.*x\[0\]"),
        ({"x": [0, -1], "t": [0, 0]}, r"Events.x .*Received: x\[1\]=-1"),
        ({"x": [0.5], "t": [0]}, r"Events.x must hold whole numbers.*Received: x\[0\]=0.5"),
        ({"x": [float("nan")], "t": [0]}, r"Events.x .*Received: x\[0\]=nan"),
        (
            {"x": [0], "t": [0.25]},
            r"whole microseconds.*seconds: .*1e6.*Received: t of dtype float64",
        ),
        ({"x": [0], "t": np.float32([2])}, r"whole microseconds.*Received: t of dtype float32"),
        ({"x": [0], "t": [2**63]}, r"Events.t must hold whole numbers .*Received: t\[0\]=92233"),
        ({"x": [0], "t": [0], "polarity": [256]}, r"Events.polarity .*from 0 to 255"),
        ({"x": [0], "t": [0, 1]}, r"equal length.*Received: t.shape=\(2,\) beside 1"),
        ({"x": [[0]], "t": [[0]]}, r"equal length.*Received: x.shape=\(1, 1\)"),
        ({"x": ["a"], "t": [0]}, r"Events.x must hold numbers"),
        ({"x": [0]}, r"Events need times.*Received: t=None"),
    ],
)
def test_wrong_values_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Events(**fields)
