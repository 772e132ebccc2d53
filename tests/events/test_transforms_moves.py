"""Transforms of places and polarities against plain loops."""

import math
from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf
from transform_cases import SHAPE, copies, each, ragged, recording, rows

from keras_slayer.events import Events, fit_frame, random_shift, transforms

HEIGHT, WIDTH, _ = SHAPE


def loop(events, move, shape=SHAPE):
    """Each event by itself: `move` of (x, y, t, polarity); what is off the sensor is left out."""
    moved = [move(*event) for event in rows(events)]
    return [event for event in moved if 0 <= event[0] < shape[1] and 0 <= event[1] < shape[0]]


def places(result):
    """{time: (x, y)}; the times of `recording` are all different."""
    return {t: (x, y) for x, y, t, _ in rows(result)}


def test_crop():
    events = recording()
    result = transforms.Crop((5, 6), top=2, left=3)(events, sensor_shape=SHAPE)
    expected = loop(events, lambda x, y, t, p: (x - 3, y - 2, t, p), (5, 6))
    assert rows(result) == expected and 20 < len(expected) < 100


@pytest.mark.parametrize("size", [(5, 6), (4, 7), (11, 15), (3, 20)])
def test_center_crop_is_that_of_fit_frame(size):
    events = recording()
    result = transforms.CenterCrop(size)(events, sensor_shape=SHAPE)
    dx, dy = math.floor((size[1] - WIDTH) / 2), math.floor((size[0] - HEIGHT) / 2)
    assert rows(result) == loop(events, lambda x, y, t, p: (x + dx, y + dy, t, p), size)
    fitted = fit_frame(events.to_dict(), size, "crop", source_shape=SHAPE[:2])
    assert rows(result) == rows(fitted)


@pytest.mark.parametrize("padding", [0, 2])
def test_random_crop(padding):
    events, size = recording(), (5, 6)
    crop = transforms.RandomCrop(size, padding=padding)
    result = crop(copies(300), sensor_shape=SHAPE, seed=1)
    expected = {}
    for top in range(-padding, HEIGHT - 5 + padding + 1):
        for left in range(-padding, WIDTH - 6 + padding + 1):
            window = loop(events, lambda x, y, t, p, a=left, b=top: (x - a, y - b, t, p), size)
            expected[str(window)] = (top, left)
    found = [expected[str(window)] for window in each(result)]
    for axis, most in enumerate((HEIGHT - 5 + padding, WIDTH - 6 + padding)):
        drawn = [place[axis] for place in found]
        assert min(drawn) == -padding and max(drawn) == most
    assert abs(np.corrcoef(np.transpose(found))[0, 1]) < 0.2


@pytest.mark.parametrize(
    ("factor", "shape"), [(2, (5, 6, 2)), ((3, 5), (3, 3, 2)), (1, SHAPE), (20, (1, 1, 2))]
)
def test_downsample_by_a_factor_keeps_all_events(factor, shape):
    vertical, horizontal = factor if isinstance(factor, tuple) else (factor, factor)
    events, down = recording(), transforms.Downsample(factor)
    expected = [(x // horizontal, y // vertical, t, p) for x, y, t, p in rows(events)]
    assert rows(down(events, sensor_shape=SHAPE)) == expected
    assert down.output_shape(SHAPE) == shape


def test_downsample_to_a_size_and_a_time_step():
    events = recording()
    down = transforms.Downsample(size=(4, 7), time_step=700)
    expected = [
        (int(Fraction(x * 7, WIDTH)), int(Fraction(y * 4, HEIGHT)), 700 * (t // 700), p)
        for x, y, t, p in rows(events)
    ]
    assert rows(down(events, sensor_shape=SHAPE)) == expected
    assert down.output_shape(SHAPE) == (4, 7, 2)
    times = transforms.Downsample(time_step=1000)
    assert times.output_shape(SHAPE) == SHAPE and not times.needs_sensor
    assert rows(times(events)) == [(x, y, t - t % 1000, p) for x, y, t, p in rows(events)]


def test_downsample_merges_events_that_become_the_same():
    recordings = [recording(), recording(seed=1)]
    down = transforms.Downsample(4, time_step=1000, merge=True)
    result = down(ragged(recordings), sensor_shape=SHAPE)
    for index, events in enumerate(recordings):
        kept = []
        for x, y, t, p in rows(events):
            event = (x // 4, y // 4, t // 1000 * 1000, p)
            if event not in kept:
                kept.append(event)
        assert each(result)[index] == kept and 80 < len(kept) < 130


def test_flip():
    events = recording()
    moves = {
        "horizontal": lambda x, y, t, p: (WIDTH - 1 - x, y, t, p),
        "vertical": lambda x, y, t, p: (x, HEIGHT - 1 - y, t, p),
    }
    for axis, move in moves.items():
        flipped = loop(events, move)
        assert len(flipped) == len(events)
        assert rows(transforms.Flip(axis, 1.0)(events, sensor_shape=SHAPE)) == flipped
        assert rows(transforms.Flip(axis, 0.0)(events, sensor_shape=SHAPE)) == rows(events)
        result = transforms.Flip(axis, 0.25)(copies(200), sensor_shape=SHAPE, seed=2)
        found = each(result)
        assert all(of in (flipped, rows(events)) for of in found)
        assert 30 < found.count(flipped) < 70


def test_shift_is_random_shift():
    events = recording()
    result = transforms.Shift(2)(copies(400), sensor_shape=SHAPE, seed=[3, 4])
    expected = {
        str(loop(events, lambda x, y, t, p, dx=dx, dy=dy: (x + dx, y + dy, t, p))): (dx, dy)
        for dx in range(-2, 3)
        for dy in range(-2, 3)
    }
    found = [expected[str(moved)] for moved in each(result)]
    assert len(set(found)) == 25
    old = random_shift(copies(400), 2, SHAPE, seed=[3, 4])
    assert each(old) == each(result)
    assert rows(transforms.Shift(0)(events, sensor_shape=SHAPE)) == rows(events)


def matrix_loop(events, cos, sin):
    return linear_loop(events, ((cos, -sin), (sin, cos)))


def linear_loop(events, matrix):
    """`matrix` times (x, y) about the centre; halves to the even, as NumPy rounds."""
    cx, cy = (WIDTH - 1) / 2, (HEIGHT - 1) / 2

    def move(x, y, t, p):
        x, y = matrix @ np.array([x - cx, y - cy])
        moved = cx + x, cy + y
        for place in moved:  # else the result would depend on the last bit
            assert abs(place % 1 - 0.5) > 1e-4
        return (*(int(np.round(place)) for place in moved), t, p)

    return loop(events, move)


@pytest.mark.parametrize("degrees", [30, -77.3, 180])
def test_rotate(degrees):
    events, angle = recording(), math.radians(degrees)
    result = transforms.Rotate((degrees, degrees))(events, sensor_shape=SHAPE)
    assert rows(result) == matrix_loop(events, math.cos(angle), math.sin(angle))


def test_rotate_a_quarter():
    """A point right of the centre goes below it: clockwise, as y points down."""
    events = Events(x=[8, 4, 4], y=[4, 4, 0], t=[1, 2, 3])
    quarter = transforms.Rotate((90, 90))
    assert places(quarter(events, sensor_shape=(9, 9, 2))) == {1: (4, 8), 2: (4, 4), 3: (8, 4)}


def test_rotate_draws_from_the_range():
    far = Events(x=[400], y=[200], t=[1])
    wide = ragged([far] * 300, (tf.int32,) * 3 + (tf.bool,))
    result = transforms.Rotate((-10, 40))(wide, sensor_shape=(401, 401, 1), seed=1)
    x, y = (result[name].values.numpy() - 200.0 for name in ("x", "y"))
    np.testing.assert_allclose(np.hypot(x, y), 200, atol=1)
    angles = np.degrees(np.arctan2(y, x))
    assert -10.3 < angles.min() < -9 and 39 < angles.max() < 40.3
    assert abs(angles.mean() - 15) < 3


@pytest.mark.parametrize("scale", [0.7, 0.31, 1.9])
def test_zoom(scale):
    events = recording()
    result = transforms.Zoom((scale, scale))(events, sensor_shape=SHAPE)
    assert rows(result) == matrix_loop(events, scale, 0.0)


def test_zoom_draws_from_the_range():
    far = ragged([Events(x=[300], y=[150], t=[1])] * 300, (tf.int32,) * 3 + (tf.bool,))
    x = transforms.Zoom(0.2)(far, sensor_shape=(401, 401, 1), seed=1)["x"].values.numpy()
    scales = (x - 200.0) / 100
    assert 0.79 < scales.min() < 0.83 and 1.17 < scales.max() < 1.21
    assert abs(scales.mean() - 1) < 0.05


def test_affine_is_a_shear_then_a_stretch_a_turn_and_a_zoom():
    events, angle = recording(), math.radians(25)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = 0.83 * turn @ [[1.21, 0.37], [0, 1 / 1.21]]
    transform = transforms.Affine((25, 25), (0.83, 0.83), (1.21, 1.21), (0.37, 0.37))
    assert rows(transform(events, sensor_shape=SHAPE)) == linear_loop(events, matrix)
    assert rows(transforms.Affine()(events, sensor_shape=SHAPE)) == rows(events)


def test_affine_draws_each_value_from_its_range():
    """Of one point to the right of the centre and one below it, each recording's matrix."""
    pair = Events(x=[300, 200], y=[200, 300], t=[1, 2])
    wide = ragged([pair] * 400, (tf.int32,) * 3 + (tf.bool,))
    result = transforms.Affine(10, 0.2, (1.0, 1.4), (-0.3, 0.1))(
        wide, sensor_shape=(401, 401, 1), seed=1
    )
    x, y = (result[name].values.numpy().reshape(400, 2) / 100 - 2 for name in ("x", "y"))
    degrees = np.degrees(np.arctan2(y[:, 0], x[:, 0]))
    area = np.sqrt(x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0])  # the scale: stretch and shear keep it
    stretch = np.hypot(x[:, 0], y[:, 0]) / area
    shear = (x[:, 0] * x[:, 1] + y[:, 0] * y[:, 1]) / (area**2 * stretch)
    found = np.array([degrees, area, stretch, shear])
    low, high = np.array([-10, 0.8, 1.0, -0.3]), np.array([10, 1.2, 1.4, 0.1])
    margin = (high - low) / 20
    assert (np.abs(found.min(axis=1) - low) < margin).all(), found.min(axis=1)
    assert (np.abs(found.max(axis=1) - high) < margin).all(), found.max(axis=1)
    assert (np.abs(found.mean(axis=1) - (low + high) / 2) < margin).all()
    apart = np.corrcoef(found) - np.eye(4)
    assert np.abs(apart).max() < 0.15  # four draws, not one


def test_space_jitter():
    count = 4000
    events = Events(x=[30] * count, y=[5] * count, t=np.arange(count))
    result = transforms.SpaceJitter(2.0)(events, sensor_shape=(11, 61, 2), seed=1)
    moved = places(result)
    dx, dy = (np.array([place[axis] for place in moved.values()]) for axis in (0, 1))
    assert abs(dx.mean() - 30) < 0.15 and abs(dx.std() - 2.02) < 0.1
    # Of y, what is within 5.5 of the middle: 99.4 % of a normal distribution.
    assert 0.989 < len(moved) / count < 0.998
    assert dy.min() == 0 and dy.max() == 10 and abs(np.corrcoef(dx, dy)[0, 1]) < 0.05
    same = transforms.SpaceJitter(0)(recording(), sensor_shape=SHAPE, seed=1)
    assert rows(same) == rows(recording())


def test_polarities():
    events = recording()
    flipped = [(x, y, t, 1 - p) for x, y, t, p in rows(events)]
    assert rows(transforms.FlipPolarity(1.0)(events)) == flipped
    result = transforms.FlipPolarity(0.25)(copies(200), seed=1)
    found = each(result)
    assert all(of in (flipped, rows(events)) for of in found)
    assert 30 < found.count(flipped) < 70
    result = transforms.FlipPolarity(0.25, per="event")(copies(50), seed=1)
    changed = result["polarity"].values.numpy() != copies(50)["polarity"].values.numpy()
    assert abs(changed.mean() - 0.25) < 0.02
    merge = transforms.MergePolarities()
    assert rows(merge(events)) == [(x, y, t, 0) for x, y, t, _ in rows(events)]
    assert merge.output_shape(SHAPE) == (9, 12, 1) and merge.output_shape((20,)) == (20,)
