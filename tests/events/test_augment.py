import numpy as np
import pytest
import tensorflow as tf

from keras_slayer.events import augment, random_shift, to_spikes
from keras_slayer.events.augment import draw_shifts
from keras_slayer.events.binning import flat_bins
from keras_slayer.events.scatter import scatter_bins, shift_bins

SHAPE = (5, 7, 2)


def batch_of(rng, sizes):
    return {
        name: tf.RaggedTensor.from_row_lengths(
            tf.constant(rng.integers(0, limit, sum(sizes)), dtype), sizes
        )
        for name, limit, dtype in (
            ("x", 7, tf.uint8),
            ("y", 5, tf.uint8),
            ("t", 10_000, tf.int32),
            ("polarity", 2, tf.bool),
        )
    }


def moved(spikes, dy, dx):
    """Moves an image (t, h, w, c) with zeros coming in, by padding and cutting."""
    height, width = spikes.shape[1:3]
    big = np.pad(spikes, ((0, 0), (9, 9), (9, 9), (0, 0)))
    return big[:, 9 - dy : 9 - dy + height, 9 - dx : 9 - dx + width]


@pytest.mark.parametrize("as_function", [False, True])
def test_shifts_are_those_of_the_dense_tensor(as_function):
    events = batch_of(np.random.default_rng(0), [40, 0, 30, 1, 60, 50, 20, 10])
    shift = draw_shifts(3, 8, SHAPE, [5, 6]).numpy()
    assert len({tuple(s) for s in shift}) > 3
    function = tf.function(random_shift) if as_function else random_shift
    result = function(events, 3, SHAPE, seed=[5, 6])
    assert {k: v.dtype for k, v in result.items()} == {k: v.dtype for k, v in events.items()}
    before = to_spikes(events, SHAPE, 10).numpy()
    after = to_spikes(result, SHAPE, 10).numpy()
    expected = np.stack([moved(s, dy, dx) for s, (dy, dx) in zip(before, shift, strict=True)])
    np.testing.assert_array_equal(after, expected)
    assert result["x"].nrows() == 8
    assert 0 < result["x"].values.shape[0] < 211

    padded = {name: tf.cast(value, tf.int32).to_tensor(-1) for name, value in events.items()}
    bins = flat_bins(padded, SHAPE, 10, 1.0, "drop")
    assert np.count_nonzero(bins >= 0) == 211
    spikes = scatter_bins(bins, (10, *SHAPE), tf.float32, tf.constant(shift))
    np.testing.assert_array_equal(spikes, expected)


def test_all_shifts_occur_and_depend_on_the_seed():
    shift = draw_shifts(2, 2000, SHAPE, [0, 1]).numpy()
    values, counts = np.unique(shift, axis=0, return_counts=True)
    assert len(values) == 25
    assert values.min() == -2 and values.max() == 2
    assert counts.min() > 40
    np.testing.assert_array_equal(shift, draw_shifts(2, 2000, SHAPE, [0, 1]))
    assert (shift != draw_shifts(2, 2000, SHAPE, [1, 1]).numpy()).any()


def test_zero_shift_and_single_recording():
    events = {name: value[0] for name, value in batch_of(np.random.default_rng(1), [50]).items()}
    same = random_shift(events, 0, SHAPE, seed=[1, 2])
    for name in events:
        np.testing.assert_array_equal(same[name], events[name])
    result = random_shift(events, 2, SHAPE, seed=[1, 2])
    dy, dx = draw_shifts(2, 1, SHAPE, [1, 2]).numpy()[0]
    assert (dy, dx) != (0, 0)
    x = events["x"].numpy().astype(int) + dx
    y = events["y"].numpy().astype(int) + dy
    keep = (x >= 0) & (x < 7) & (y >= 0) & (y < 5)
    np.testing.assert_array_equal(result["x"], x[keep])
    np.testing.assert_array_equal(result["y"], y[keep])
    np.testing.assert_array_equal(result["t"], events["t"].numpy()[keep])


def test_population_moves_along_x_only():
    events = {"x": tf.constant([0, 5, 9]), "t": tf.constant([1, 2, 3])}
    shift = draw_shifts(3, 50, (10,), [3, 4]).numpy()
    assert (shift[:, 0] == 0).all() and np.ptp(shift[:, 1]) == 6
    dx = draw_shifts(3, 1, (10,), [3, 4]).numpy()[0, 1]
    x = np.array([0, 5, 9]) + dx
    result = random_shift(events, 3, (10,), seed=[3, 4])
    np.testing.assert_array_equal(result["x"], x[(x >= 0) & (x < 10)])


@pytest.mark.parametrize("max_shift", [-1, 1.5, True])
def test_wrong_shift(max_shift):
    with pytest.raises(ValueError, match=f"`max_shift` must be .* Received: max_shift={max_shift}"):
        random_shift({"x": tf.constant([0])}, max_shift, SHAPE, seed=[0, 0])


def test_transform_without_rotation_and_zoom_is_the_shift():
    rng = np.random.default_rng(0)
    shape = (10, 14, 2)
    bins = tf.constant([np.flatnonzero(rng.random((5, *shape)) < 0.1).astype("int32")])
    maps = augment.draw_affine(2, 0.0, 0.0, 1, shape, [3, 0])
    shifts = augment.draw_shifts(2, 1, shape, [3, 0])
    assert np.any(shifts.numpy() != 0)
    moved = augment.transform_bins(bins, maps, shape)
    expected = shift_bins(bins, shifts, shape)
    assert np.any(expected.numpy() == -1)
    np.testing.assert_array_equal(moved, expected)


def test_transform_turns_and_scales_about_the_centre():
    """A quarter turn takes (y, x) to (x, -y); doubling takes a distance of 1 to 2."""
    shape, centre = (9, 9, 2), 4
    place = (2 * 81 + (centre - 1) * 9 + centre) * 2 + 1  # step 2, one above the centre, ON
    quarter = tf.constant([[[0.0, 1.0, 0.0], [-1.0, 0.0, 8.0]]])
    double = tf.constant([[[2.0, 0.0, -4.0], [0.0, 2.0, -4.0]]])
    for maps, y, x in ((quarter, 4, 5), (double, 2, 4)):
        moved = augment.transform_bins(tf.constant([[place, -1]]), maps, shape)
        assert moved.numpy().tolist() == [[(2 * 81 + y * 9 + x) * 2 + 1, -1]]


def test_drawn_maps_keep_the_centre_and_stay_in_range():
    maps = augment.draw_affine(0, 10.0, 0.2, 500, (9, 13, 2), [1, 2]).numpy()
    centre = np.array([4.0, 6.0])
    np.testing.assert_allclose(
        maps[:, :, :2] @ centre + maps[:, :, 2], centre[None] + 0 * maps[:, :, 2], atol=1e-5
    )
    linear = maps[:, :, :2]
    scale = np.hypot(linear[:, 0, 0], linear[:, 0, 1])
    # A rotation and a scale: L L' = scale^2 I, det L > 0. A shear has the same first row.
    square = scale[:, None, None] ** 2 * np.eye(2)
    np.testing.assert_allclose(linear @ linear.transpose(0, 2, 1), square, atol=1e-5)
    assert (np.linalg.det(linear) > 0).all()
    angle = np.degrees(np.arctan2(maps[:, 0, 1], maps[:, 0, 0]))
    assert 0.8 <= scale.min() < 0.85 and 1.15 < scale.max() <= 1.2
    assert -10.01 <= angle.min() < -8 and 8 < angle.max() <= 10.01


def test_shift_rotation_and_zoom_are_drawn_independently():
    # With so many pixels a shift shows the random bits that it was made from.
    maps = augment.draw_affine(2**22, 10.0, 0.2, 2000, (9, 9, 2), [1, 2]).numpy()
    draws = np.stack(
        [
            maps[:, 0, 2],
            maps[:, 1, 2],
            np.arctan2(maps[:, 0, 1], maps[:, 0, 0]),
            np.hypot(maps[:, 0, 0], maps[:, 0, 1]),
        ]
    )
    correlation = np.corrcoef(draws) - np.eye(4)
    assert np.abs(correlation).max() < 0.1, correlation


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rotate": -1.0}, "`rotate` must be a number from 0 to 180"),
        ({"zoom": 1.5}, "`zoom` must be a number from 0 to 0.9"),
        ({"rotate": 5.0, "sensor_shape": (7,)}, "need a sensor with an image"),
    ],
)
def test_affine_arguments(options, message):
    arguments = {"rotate": 0.0, "zoom": 0.0, "sensor_shape": (9, 9, 2), **options}
    with pytest.raises(ValueError, match=message):
        augment.check_affine(**arguments)
