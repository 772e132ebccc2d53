import numpy as np
import pytest
import tensorflow as tf

from keras_slayer.events import Events, fit_frame


def events_at(places):
    x, y = np.array(places).T
    return {
        "x": x.astype(np.uint8),
        "y": y.astype(np.uint8),
        "t": np.arange(len(x), dtype=np.int32),
        "polarity": np.arange(len(x)) % 2 == 1,
    }


def kept(result):
    """{number of the event: (x, y)}."""
    columns = (result[name].numpy().tolist() for name in ("t", "x", "y"))
    return {t: (x, y) for t, x, y in zip(*columns, strict=True)}


@pytest.mark.parametrize("as_function", [False, True])
def test_crop_cuts_around_the_middle_and_leaves_margins(as_function):
    # A source of 10 wide and 4 high; a frame of 6 wide and 8 high: 2 columns off, 2 rows added.
    events = events_at([(0, 0), (1, 3), (2, 0), (7, 3), (8, 1), (9, 3)])
    function = tf.function(fit_frame) if as_function else fit_frame
    for source_shape in ((4, 10), (4, 10, 2), None):
        result = function(events, (8, 6, 2), "crop", source_shape=source_shape)
        assert kept(result) == {2: (0, 2), 3: (5, 5)}
        assert result["polarity"].numpy().tolist() == [False, True]
        assert result["t"].dtype == tf.int32


def test_it_takes_events_too():
    places = events_at([(0, 0), (7, 3), (9, 3)])
    results = [
        kept(fit_frame(events, (8, 6, 2), "crop", source_shape=(4, 10)))
        for events in (places, Events(**places))
    ]
    assert results[0] == results[1] == {1: (5, 5)}


def test_scale_keeps_all_events_and_the_ratio():
    every = [(x, y) for y in range(90) for x in range(240)]
    result = kept(fit_frame(events_at(every), (45, 60), "scale", source_shape=(90, 240)))
    # 240 x 90 to 60 wide: a quarter, so 23 rows (22.5), with 11 above.
    for number, (x, y) in enumerate(every):
        assert result[number] == (x // 4, y // 4 + 11)
    # A source that is high is limited by the height.
    result = kept(fit_frame(events_at([(0, 0), (59, 179)]), (45, 60), source_shape=(180, 60)))
    assert result == {0: (22, 0), 1: (22 + 14, 44)}


def test_scale_up_leaves_gaps():
    events = events_at([(0, 0), (1, 1), (2, 2)])
    assert kept(fit_frame(events, (6, 7), "scale")) == {0: (0, 0), 1: (2, 2), 2: (4, 4)}


@pytest.mark.parametrize("fit", ["crop", "scale"])
def test_any_size_lands_in_the_frame(fit):
    rng = np.random.default_rng(0)
    for _ in range(50):
        source = rng.integers(1, 250, 2)
        frame = rng.integers(1, 100, 2)
        frame = (int(frame[0]), int(frame[1]))
        events = events_at(rng.integers(0, source[::-1], (30, 2)))
        result = fit_frame(events, frame, fit)
        x, y = result["x"].numpy(), result["y"].numpy()
        assert (x >= 0).all() and (x < frame[1]).all() and (y >= 0).all() and (y < frame[0]).all()
        if fit == "scale":
            assert len(x) == 30


@pytest.mark.parametrize("fit", ["crop", "scale"])
def test_no_events(fit):
    events = {name: value[:0] for name, value in events_at([(0, 0)]).items()}
    assert kept(fit_frame(events, (5, 5), fit)) == {}
    assert kept(fit_frame(events, (5, 5), fit, source_shape=(9, 9))) == {}


def test_events_outside_of_the_source_are_refused():
    for place in ((10, 0), (0, 4)):
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"source_shape=\(4, 10\)"):
            fit_frame(events_at([(0, 0), place]), (8, 6), source_shape=(4, 10))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((8, 6), "zoom"), '`fit` must be "crop" or "scale". Received: fit=\'zoom\''),
        (((8,), "crop"), r"`sensor_shape` must be \(height, width\).*sensor_shape=\(8,\)"),
        (((8, 0), "crop"), r"sensor_shape=\(8, 0\)"),
        (((8, 6), "crop", (3, -1)), r"`source_shape` must .*source_shape=\(3, -1\)"),
    ],
)
def test_wrong_arguments(arguments, message):
    sensor_shape, fit, *source = arguments
    with pytest.raises(ValueError, match=message):
        fit_frame(
            events_at([(0, 0)]), sensor_shape, fit, source_shape=source[0] if source else None
        )
