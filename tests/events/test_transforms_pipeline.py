"""`spike_pipeline` with transforms: the same as one recording after the other, anew each epoch."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from transform_cases import (
    RECORDINGS,
    SHAPE,
    STEPS,
    Recordings,
    build,
    collect,
    dataset_of,
    dense,
    recording,
)

from keras_slayer.events import Events, EventTimeWarning, transforms

T = transforms


@pytest.mark.parametrize(
    "applied",
    [
        [
            T.Denoise(3000), T.RefractoryPeriod(900), T.HotPixelFilter(900.0), T.Rotate((30, 30)),
            T.Crop((7, 10), top=1, left=2), T.TimeCrop(8000, start=500),
            T.Downsample(size=(4, 5), time_step=200, merge=True), T.MergePolarities(),
        ],
        [T.Downsample(2)],
    ],
    ids=len,
)  # fmt: skip
def test_the_same_as_one_by_one(applied):
    both = T.Sequential(applied)
    after = both.output_shape(SHAPE)
    cache = len(applied) > 1
    pipeline = build(transforms=applied, source_shape=SHAPE, sensor_shape=after, cache=cache)
    assert pipeline.element_spec[0] == tf.TensorSpec((None, STEPS, *after), tf.float32)
    assert len(pipeline) == 3 and pipeline.dt == 1.0
    expected = dense([both(events, sensor_shape=SHAPE) for events in RECORDINGS], after)
    assert expected.sum() > 50
    for _ in range(2):
        spikes, labels = collect(pipeline)
        np.testing.assert_array_equal(spikes, expected)
        np.testing.assert_array_equal(labels, np.arange(5))


def test_without_transforms_nothing_changes():
    """An empty list keeps the binned cache; transforms that do nothing give the same spikes."""
    options = {"sensor_shape": SHAPE, "shuffle": True, "seed": 4}
    shifted = [collect(build(transforms=t, shift=2, **options)) for t in (None, [])]
    np.testing.assert_array_equal(shifted[0][0], shifted[1][0])
    plain = collect(build(**options))
    same = collect(build(transforms=T.TimeJitter(0.0), **options))
    for found, expected in zip(same, plain, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_augmented_anew_in_every_epoch_and_as_the_seed_says():
    applied = [
        T.Rotate(10), T.RandomCrop(SHAPE[:2], padding=1), T.RandomTimeCrop(8000),
        T.UniformNoise(20.0), T.RandomApply(T.FlipPolarity(1.0)), T.DropEvents(0.1),
    ]  # fmt: skip
    same = [recording(200)] * 4

    def epochs(seed):
        pipeline = build(same, transforms=applied, sensor_shape=SHAPE, seed=seed)
        return [collect(pipeline)[0] for _ in range(2)]

    first, again, other = epochs(1), epochs(1), epochs(2)
    np.testing.assert_array_equal(first, again)
    # Rows of a batch, batches of an epoch, epochs and seeds: all are different.
    drawn = np.concatenate([*first, *other])
    assert len(np.unique(drawn.reshape(len(drawn), -1), axis=0)) == len(drawn) == 16
    assert all(50 < spikes.sum() < 250 for spikes in drawn)


def test_shift_rotate_zoom_come_after_the_transforms():
    dot = Events(x=[4] * 5, y=[4] * 5, t=[0, 1000, 2000, 3000, 4000])
    crop = T.Crop((9, 9), left=1)
    options = {"transforms": [crop], "source_shape": (9, 10, 1), "sensor_shape": (9, 9, 1)}
    pipeline = build([dot] * 200, **options, shift=2, seed=1)
    spikes, _ = collect(pipeline)
    _, y, x = np.nonzero(spikes.sum(axis=1)[..., 0])
    assert set(zip(x, y, strict=True)) == {
        (3 + dx, 4 + dy) for dx in range(-2, 3) for dy in range(-2, 3)
    }
    turned, _ = collect(build([dot], **options, rotate=180.0, zoom=0.5, seed=1))
    assert turned.sum() == 5


def test_late_events_are_judged_after_the_transforms():
    long = [Events(x=[0] * 4, y=[0] * 4, t=[100_000, 200_000, 300_000, 400_000])] * 3
    options = {"sensor_shape": SHAPE, "origin": "zero"}
    spikes, _ = collect(
        build(long, transforms=[T.TimeScale((0.01, 0.01))], origin="first", sensor_shape=SHAPE)
    )
    assert spikes.sum() == 12
    with pytest.warns(EventTimeWarning, match=r"Recording \d of the data set \(label \d\): 4 of 4"):
        collect(build(long, transforms=[T.Shift(0)], **options))
    collect(build(long, transforms=[T.Shift(0)], late="ignore", **options))
    with pytest.raises(tf.errors.InvalidArgumentError, match="past the last of 10 steps"):
        collect(build(long, transforms=[T.Shift(0)], late="error", **options))
    cut, _ = collect(build(long, transforms=[T.TimeCrop(9000, start=99_000)], **options))
    assert cut.sum() == 3 and cut[:, 1].sum() == 3


def test_times_and_places_that_are_not_kept():
    hour = [Events(x=[0, 0], y=[0, 0], t=[0, 2**31])]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"2\^31 microseconds \(35 minutes\)"):
        collect(build(hour, transforms=[T.Shift(0)], sensor_shape=SHAPE))
    with pytest.raises(tf.errors.InvalidArgumentError, match="off the sensor: x must be 0"):
        collect(build(transforms=[T.Shift(1)], sensor_shape=(9, 11, 2)))
    with pytest.raises(ValueError, match=r"less than 2\^31 pixels.*\(32768, 32768, 2\)"):
        build(
            transforms=[T.CenterCrop((9, 9))],
            sensor_shape=(9, 9, 2),
            source_shape=(2**15, 2**15, 2),
        )


def test_fit_comes_before_the_transforms():
    flip = T.Flip("horizontal", 1.0)
    pipeline = build(transforms=[flip], fit="crop", source_shape=SHAPE, sensor_shape=(7, 8, 2))
    cropped = [T.CenterCrop((7, 8))(events, sensor_shape=SHAPE) for events in RECORDINGS]
    expected = dense([flip(events, sensor_shape=(7, 8, 2)) for events in cropped], (7, 8, 2))
    np.testing.assert_array_equal(collect(pipeline)[0], expected)


def inside(event, end, centre, semi_axis):
    x, y, t, _ = event
    unit = (x + 0.5) / SHAPE[1], (y + 0.5) / SHAPE[0], (t + 0.5) / end
    return sum((u - c) ** 2 for u, c in zip(unit, centre, strict=True)) <= semi_axis**2


def mixed_by_loop(batch, labels, partner, share, centre, classes):
    """Events and labels of each mixture, from rows of (x, y, t, polarity)."""
    result, soft = [], []
    for a, (own, b) in enumerate(zip(batch, partner, strict=True)):
        end = max(t + 1 for _, _, t, _ in own + batch[b])
        semi_axis = (3 * share[a] / (4 * np.pi)) ** (1 / 3)

        ellipsoid = (end, centre[a], semi_axis)
        kept = [event for event in own if inside(event, *ellipsoid)]
        added = [event for event in batch[b] if not inside(event, *ellipsoid)]
        weight = len(kept) / (len(kept) + len(added))
        result.append(sorted(kept + added))
        soft.append(weight * np.eye(classes)[labels[a]] + (1 - weight) * np.eye(classes)[labels[b]])
    return result, soft


def test_mix():
    recordings, labels = [recording(150, seed) for seed in range(6)], [0, 1, 2, 2, 1, 0]
    fields = [events.to_dict() for events in recordings]
    padded = {
        name: tf.constant(np.stack([f[name] for f in fields]), tf.int32) for name in fields[0]
    }
    padded["t"] = tf.cast(padded["t"], tf.int64)
    kept = tf.ones([6, 150], tf.bool)
    batch = T.EventBatch(**padded, kept=kept, labels=tf.one_hot(labels, 3))
    seed = tf.constant([5, 6])
    mixed = T.Mix(0.7).apply(batch, SHAPE, seed)
    seeds = tf.unstack(tf.random.split(seed, 4))
    partner = np.argsort(tf.random.stateless_uniform([6], seeds[0]).numpy())
    gamma = tf.random.stateless_gamma([2, 6], seeds[1], alpha=0.7).numpy()
    centre = tf.random.stateless_uniform([6, 3], seeds[2]).numpy()
    by_row = [
        list(zip(*(f[n].tolist() for n in ("x", "y", "t", "polarity")), strict=True))
        for f in fields
    ]
    expected, soft = mixed_by_loop(by_row, labels, partner, gamma[0] / gamma.sum(0), centre, 3)
    found = np.stack([mixed.x, mixed.y, mixed.t, mixed.polarity], axis=2)
    for row in range(6):
        assert sorted(map(tuple, found[row][mixed.kept[row]].tolist())) == expected[row]
    np.testing.assert_allclose(mixed.labels, soft, atol=1e-6)
    assert (partner != np.arange(6)).sum() >= 4 and len(np.unique(np.round(soft, 3))) > 5


def test_mix_makes_labels_soft():
    recordings = [recording(150, seed) for seed in range(8)]
    options = {"sensor_shape": SHAPE, "batch_size": 8, "seed": 1}
    spikes, labels = collect(build(recordings, transforms=[T.Mix(num_classes=8)], **options))
    assert labels.shape == (8, 8) and labels.dtype == np.float32
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
    assert 3 < (labels.max(axis=1) < 0.999).sum() <= 8
    vectors = dataset_of(recordings, np.eye(8, dtype="f"))
    again = collect(build(dataset=vectors, transforms=[T.Mix()], **options))
    np.testing.assert_array_equal(again[0], spikes)
    np.testing.assert_array_equal(again[1], labels)
    some = [T.RandomApply(T.Mix(num_classes=8), 0.5)]
    spikes, labels = collect(build(recordings, transforms=some, **options))
    whole = labels.max(axis=1) == 1
    assert 2 <= whole.sum() <= 7
    np.testing.assert_array_equal(spikes[whole], dense(recordings)[np.argmax(labels, 1)][whole])
    # A recording that is alone in its batch is mixed with itself.
    alone, labels = collect(build(recordings[:1], transforms=[T.Mix(num_classes=8)], **options))
    np.testing.assert_array_equal(alone, dense(recordings[:1]))
    np.testing.assert_allclose(labels, np.eye(8)[:1], atol=1e-6)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, r"give the number of classes, as in Mix\(num_classes=10\)"),
        (np.array(list("abcde")), "must be class numbers, or vectors of floats"),
        (np.eye(5, dtype=int), "must be class numbers, or vectors of floats"),
    ],
)
def test_labels_that_cannot_be_mixed(labels, message):
    with pytest.raises(ValueError, match=message):
        build(dataset=dataset_of(RECORDINGS, labels), transforms=[T.Mix()], sensor_shape=SHAPE)
    with pytest.raises(ValueError, match=r"an entry per class.*num_classes=4"):
        dataset = dataset_of(RECORDINGS, np.eye(5))
        build(dataset=dataset, transforms=[T.Mix(num_classes=4)], sensor_shape=SHAPE)


def test_fit_with_transforms_learns():
    recordings = [recording(150, seed) for seed in range(8)]
    applied = [T.Shift(1), T.TimeJitter(200.0), T.Mix(0.2, num_classes=8)]
    pipeline = build(recordings, transforms=applied, sensor_shape=SHAPE, shuffle=True, seed=0)
    layers = [keras.layers.Flatten(), keras.layers.Dense(8, activation="softmax")]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(0.02), "categorical_crossentropy")
    losses = model.fit(pipeline, epochs=4, shuffle=False, verbose=0).history["loss"]
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sensor_shape": "auto"}, 'sensor_shape="auto"` needs recordings that know their sensor'),
        ({"sensor_shape": "Auto"}, "`sensor_shape` must be a shape or \"auto\".*'Auto'"),
        ({"transforms": [T.Downsample(2)], "sensor_shape": SHAPE},
         r"\(9, 12, 2\) become \(5, 6, 2\).*give sensor_shape=\(5, 6, 2\) and source_shape=\(9"),
        ({"transforms": [T.Downsample(2)], "sensor_shape": SHAPE, "source_shape": SHAPE},
         r"give sensor_shape=\(5, 6, 2\) or a `fit`. Received: sensor_shape=\(9, 12, 2\)"),
        ({"transforms": [T.Downsample(2)], "sensor_shape": SHAPE, "fit": "crop"},
         "with `fit`, transforms must leave the size as it is"),
        ({"dataset": Recordings(), "sensor_shape": (9, 13, 2)},
         r"Recordings of a sensor \(9, 12, 2\) .*give sensor_shape=\(9, 12, 2\) or a `fit`"),
        ({"dataset": Recordings(), "fit": "crop"}, "`fit` brings recordings to a frame: give it"),
        ({"dataset": Recordings((9, 0, 2))}, r"`dataset.sensor_shape` must be .*\(9, 0, 2\)"),
        ({"dataset": [1, 2]}, r"a tf.data.Dataset, or have .*from_arrays.*dataset=\[1, 2\]"),
        ({"transforms": "flip"}, "transforms must be a Transform of .*Received: transforms='flip'"),
        ({"transforms": [T.Shift(1)], "source_shape": (9, 12)}, "`source_shape` must be"),
        ({"source_shape": SHAPE}, "`source_shape` needs `fit`"),
    ],
)  # fmt: skip
def test_sizes_that_do_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        build(**arguments)
