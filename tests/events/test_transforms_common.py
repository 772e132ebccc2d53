"""What holds for every transform: seeds, dtypes, empty recordings, graphs, configs."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from transform_cases import DETERMINISTIC, RANDOM, SHAPE, copies, each, ragged, recording, rows

from keras_slayer.events import Events, transforms

EVERY = DETERMINISTIC + RANDOM
every = pytest.mark.parametrize("transform", EVERY, ids=str)


@every
def test_a_recording(transform):
    events = recording()
    result = transform(events, sensor_shape=SHAPE, seed=3)
    assert isinstance(result, Events) and len(result) > 0
    # In order of time, on the sensor after the transform.
    assert (np.diff(result.t) >= 0).all()
    height, width, channels = transform.output_shape(SHAPE)
    assert result.x.max() < width and result.y.max() < height
    assert result.polarity.max() < channels
    assert rows(transform(events, sensor_shape=SHAPE, seed=[3, 0])) == rows(result)


@every
def test_fields_keep_their_dtypes_and_rows_their_events(transform):
    recordings = [recording(), recording(0), recording(1), recording(50, seed=1)]
    batch = ragged(recordings)
    result = transform(batch, sensor_shape=SHAPE, seed=3)
    assert {k: v.dtype for k, v in result.items()} == {k: v.dtype for k, v in batch.items()}
    assert result["x"].shape[0] == 4 and each(result)[1] == []
    first = {name: value[0] for name, value in batch.items()}
    single = transform(first, sensor_shape=SHAPE, seed=3)
    assert {k: v.dtype for k, v in single.items()} == {k: v.dtype for k, v in batch.items()}
    assert rows(single) == rows(transform(recordings[0], sensor_shape=SHAPE, seed=3))
    if transform in DETERMINISTIC:
        alone = [rows(transform(events, sensor_shape=SHAPE)) for events in recordings]
        assert each(result) == alone


@every
def test_no_events_and_one(transform):
    for count in (0, 1):
        result = transform(recording(count), sensor_shape=SHAPE, seed=1)
        assert len(result) <= count  # noise has no time to come in


@pytest.mark.parametrize("transform", RANDOM, ids=str)
def test_draws_differ_by_seed_and_by_row(transform):
    events = recording()
    by_seed = {str(rows(transform(events, sensor_shape=SHAPE, seed=seed))) for seed in range(3)}
    assert len(by_seed) > 1
    result = transform(copies(12), sensor_shape=SHAPE, seed=1)
    assert len({str(events) for events in each(result)}) > 1


def test_without_a_seed_it_is_drawn_from_tensorflows_generator():
    transform, events = transforms.Rotate(20), recording()
    keras.utils.set_random_seed(1)
    drawn = [rows(transform(events, sensor_shape=SHAPE)) for _ in range(6)]
    assert any(other != drawn[0] for other in drawn[1:])
    keras.utils.set_random_seed(1)
    assert rows(transform(events, sensor_shape=SHAPE)) == drawn[0]


@pytest.mark.parametrize("transform", [*EVERY, transforms.Mix(0.5, num_classes=3)], ids=str)
def test_saved_and_loaded(transform):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(transform)))
    loaded = keras.saving.deserialize_keras_object(config)
    assert loaded == transform and hash(loaded) == hash(transform)
    assert type(transform).from_config(transform.get_config()) == transform
    assert transforms.get(config) == transform
    assert keras.saving.get_registered_name(type(transform)).startswith("keras_slayer>")


def test_every_transform_is_tested_here():
    tested = {type(transform).__name__ for transform in EVERY}
    classes = {name for name in transforms.__all__ if name not in ("EventBatch", "get")}
    assert classes - tested == {"Mix", "Transform"}


@every
def test_events_off_the_sensor_are_refused(transform):
    outside = Events(x=[0, SHAPE[1]], y=[0, 0], t=[0, 1])
    with pytest.raises(ValueError, match=r"off the sensor: x must be 0..11 .*Received: x=12"):
        transform(outside, sensor_shape=SHAPE, seed=1)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"off the sensor: x must be 0\.\.11"):
        transform(ragged([outside]), sensor_shape=SHAPE, seed=1)


def test_without_a_sensor():
    events = recording()
    free = [transform for transform in EVERY if not transform.needs_sensor]
    assert {type(t).__name__ for t in EVERY} - {type(t).__name__ for t in free} == {
        "Affine", "CenterCrop", "Crop", "DropEventsByArea", "Flip", "RandomApply", "RandomCrop",
        "Rotate", "Sequential", "Shift", "SpaceJitter", "UniformNoise", "Zoom",
    }  # fmt: skip
    for transform in free:
        with_sensor = transform(events, sensor_shape=SHAPE, seed=1)
        assert rows(transform(events, seed=1)) == rows(with_sensor)
    with pytest.raises(ValueError, match=r"Shift depends on .*Received: sensor_shape=None"):
        transforms.Shift(2)(events)


def test_sensors_without_an_image():
    events = Events(x=np.arange(20), t=100 * np.arange(20))
    assert (np.diff(transforms.Shift(3)(events, sensor_shape=(20,), seed=2).x) == 1).all()
    flipped = transforms.Flip(probability=1.0)(events, sensor_shape=(20,))
    assert flipped.x.tolist() == list(range(19, -1, -1))
    assert transforms.Downsample(3).output_shape((20,)) == (7,)
    jittered = transforms.SpaceJitter(2.0)(events, sensor_shape=(20,), seed=1)
    assert jittered.y.max() == 0 and (np.diff(jittered.x.astype(int)) != 1).any()
    noisy = transforms.UniformNoise(500.0)(events, sensor_shape=(20,), seed=1)
    assert len(noisy) > 20 and noisy.y.max() == noisy.polarity.max() == 0
    fields = {"x": tf.constant([1, 2]), "t": tf.constant([5, 6])}
    assert set(transforms.Shift(0)(fields, sensor_shape=(20,))) == {"x", "t"}
    images = transforms.Rotate(5), transforms.Zoom(0.1), transforms.Affine(5)
    for transform in (*images, transforms.DropEventsByArea(0.1)):
        with pytest.raises(ValueError, match=r"needs a sensor with an image.*sensor_shape=\(20,\)"):
            transform(events, sensor_shape=(20,))


def test_absolute_times():
    """Times since 1970 stay exact where they are not counted anew."""
    start = 1_700_000_000_000_000
    events, early = recording(start=start), recording()
    for transform in (
        transforms.TimeScale((1.3, 1.3)),
        transforms.TimeJitter(50.0),
        transforms.DropEventsByTime(0.5),
        transforms.RefractoryPeriod(900),
        transforms.Denoise(300),
    ):
        late = transform(events, seed=1).t - start
        now = transform(early, seed=1).t
        assert late[late >= 0].tolist() == now.tolist()
    crop = transforms.RandomTimeCrop(3000)
    assert rows(crop(events, seed=1)) == rows(crop(early, seed=1))


def test_a_batch_is_a_tuple_of_vectors():
    with pytest.raises(ValueError, match=r"vectors of one recording or Ragged.*x.shape=\(2, 3\)"):
        transforms.TimeCrop(10)({"x": tf.zeros([2, 3], tf.int32), "t": tf.zeros([2, 3], tf.int32)})
    with pytest.raises(ValueError, match=r"need `x` and `t`. Received: fields \['x'\]"):
        transforms.TimeCrop(10)({"x": tf.constant([1])})
    with pytest.raises(ValueError, match=r"need `x` and `t`. Received: a ndarray"):
        transforms.TimeCrop(10)(np.zeros((3, 4), int))
    with pytest.raises(ValueError, match=r"as_events .* Received: 'p' in place of 'polarity'"):
        transforms.TimeCrop(10)({name: tf.constant([1]) for name in "xytp"})
    with pytest.raises(ValueError, match="whole microseconds"):
        transforms.TimeCrop(10)({"x": tf.constant([1]), "t": tf.constant([0.5])})
    with pytest.raises(ValueError, match="`seed` must be an integer or two"):
        transforms.TimeCrop(10)(recording(), seed=[1, 2, 3])
    with pytest.raises(ValueError, match="must not be negative"):
        transforms.TimeCrop(10)(Events(x=[1], t=[-5]))


def test_what_a_dtype_cannot_hold_is_refused():
    small = {"x": tf.constant([1], tf.uint8), "y": tf.constant([1]), "t": tf.constant([2**30])}
    with pytest.raises(ValueError, match=r"\(240, 300, 2\), which x of dtype uint8 cannot hold"):
        transforms.CenterCrop((240, 300))(small, sensor_shape=SHAPE)
    small["t"] = tf.constant([0, 2**30])
    small = {**small, "x": tf.constant([1, 1]), "y": tf.constant([1, 1])}
    with pytest.raises(tf.errors.InvalidArgumentError, match="does not fit int32"):
        transforms.TimeScale((3, 3))(small)


def test_sequential_applies_in_order():
    crop, flip = transforms.Crop((5, 6), top=2, left=3), transforms.Flip("horizontal", 1.0)
    both = transforms.Sequential([crop, flip])
    events = recording()
    assert both.output_shape(SHAPE) == (5, 6, 2)
    step = flip(crop(events, sensor_shape=SHAPE), sensor_shape=(5, 6, 2))
    assert rows(both(events, sensor_shape=SHAPE)) == rows(step)
    assert rows(transforms.Sequential()(events, sensor_shape=SHAPE)) == rows(events)
    # Two of the same kind draw differently.
    noise = transforms.Sequential([transforms.Shift(4), transforms.Shift(4)])
    shifts = [_shift(noise(events, sensor_shape=(90, 120, 2), seed=seed)) for seed in range(20)]
    assert any(dx % 2 for dx, _ in shifts)


def _shift(result):
    by_time = {t: (x, y) for x, y, t, _ in rows(recording())}
    x, y, t, _ = rows(result)[0]
    return x - by_time[t][0], y - by_time[t][1]


def test_random_apply_transforms_some_recordings():
    flip = transforms.Flip("horizontal", 1.0)
    events = recording()
    plain, flipped = rows(events), rows(flip(events, sensor_shape=SHAPE))
    for probability, low, high in ((0.0, 0, 0), (0.3, 10, 30), (1.0, 64, 64)):
        apply = transforms.RandomApply(flip, probability)
        result = apply(copies(64), sensor_shape=SHAPE, seed=5)
        found = each(result)
        assert all(of in (plain, flipped) for of in found)
        assert low <= found.count(flipped) <= high
    with pytest.raises(ValueError, match=r"leaves the sensor's size .*\(9, 12, 2\) into \(5, 6, 2"):
        transforms.RandomApply(transforms.CenterCrop((5, 6)))(events, sensor_shape=SHAPE)


@dataclasses.dataclass(frozen=True)
class KeepEvery(transforms.Transform):
    """A transform of a user's own."""

    count: int = 2
    needs_sensor = False

    def apply(self, batch, sensor_shape, seed):
        return batch.keep(tf.cumsum(tf.cast(batch.kept, tf.int32), 1) % self.count == 1)


def test_a_transform_of_ones_own():
    events = recording()
    assert rows(KeepEvery(3)(events)) == rows(events)[::3]
    both = transforms.Sequential([KeepEvery(2), KeepEvery(3)])
    assert rows(both(events)) == rows(events)[::6]
    assert KeepEvery(3).get_config() == {"count": 3}


T = transforms


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: T.Crop(5), "size must be a pair of positive integers. Received: size=5"),
        (lambda: T.Crop((5, 6), top=-1), r"top must be an integer in \[0, .*top=-1"),
        (lambda: T.Crop((5, 6), 5).output_shape(SHAPE), r"must lie on the sensor.*top=5, left=0"),
        (lambda: T.RandomCrop((10, 6)).output_shape(SHAPE), "not be larger than the sensor"),
        (lambda: T.Downsample(), "needs a factor, a size or a time_step"),
        (lambda: T.Downsample(2, (3, 3)), r"not both. Received: factor=2, size=\(3, 3\)"),
        (lambda: T.Downsample(0), r"factor must be an integer in \[1, .*Received: factor=0"),
        (lambda: T.Downsample(size=(10, 3)).output_shape(SHAPE), "size must not be larger"),
        (lambda: T.Flip("both"), "axis must be one of 'horizontal', 'vertical'.*axis='both'"),
        (lambda: T.Flip(probability=2), r"probability must be a number in \[0, 1\].*=2"),
        (lambda: T.FlipPolarity(per="row"), "per must be one of 'recording', 'event'"),
        (lambda: T.FlipPolarity().output_shape((3, 3, 1)), "two polarities.*sensor_shape="),
        (lambda: T.Rotate(200), r"degrees must be a number in \[0, 180\].*degrees=200"),
        (lambda: T.Rotate((5, -5)), r"degrees must be a range within \[-180, 180\], lowest first"),
        (lambda: T.Rotate((1, 2, 3)), r"number or a pair \(low, high\).*degrees=\(1, 2, 3\)"),
        (lambda: T.Zoom(0.95), r"scale must be a range within \[0.1, 10\].*scale=0.95"),
        (lambda: T.Affine(stretch=0.95), r"stretch must be a range within \[0.1, 10\].*=0.95"),
        (lambda: T.Affine(shear=(1, -1)), r"shear must be a range within \[-5, 5\], lowest"),
        (lambda: T.Shift(1.5), "`pixels` must be a whole number.*pixels=1.5"),
        (lambda: T.SpaceJitter(-1.0), "std must be a number in"),
        (lambda: T.TimeCrop(0.3), "length must be whole microseconds.*length=0.3"),
        (lambda: T.TimeCrop(300, start=-1), "start must be whole microseconds, an integer of 0"),
        (lambda: T.RandomTimeCrop(0), "length must be whole microseconds.*Received: length=0"),
        (lambda: T.TimeScale(1.0), r"scale must be a range within \[0.01, 100\].*scale=1.0"),
        (lambda: T.TimeJitter("1"), "std must be a number in .*Received: std='1'"),
        (lambda: T.DropEvents(1.5), r"probability must be a number in \[0, 1\]"),
        (lambda: T.DropEventsByArea((0.5, 0.1)), "ratio must be a range .*lowest first"),
        (lambda: T.DropEventsByTime(-0.1), "ratio must be a number"),
        (lambda: T.UniformNoise(-1), "rate must be a number"),
        (lambda: T.Denoise(1.0), "filter_time must be whole microseconds"),
        (lambda: T.Denoise(10, size=4), "size must be an odd number of pixels. Received: size=4"),
        (lambda: T.RefractoryPeriod(0), "period must be whole microseconds"),
        (lambda: T.HotPixelFilter(0), r"max_rate must be a number in \(0, inf"),
        (lambda: T.Mix(0), r"alpha must be a number in \(0, inf"),
        (lambda: T.Mix(1, num_classes=2.5), "num_classes must be an integer"),
        (lambda: T.Mix()(recording(), sensor_shape=SHAPE), "Mix mixes .*Received: one recording"),
        (lambda: T.Sequential(T.Shift(1)), "transforms must be a list .*transforms=Shift"),
        (lambda: T.Sequential([3]), "transforms must be a Transform of .*Received: transforms=3"),
        (lambda: T.RandomApply("flip"), "transform must be a Transform .*transform='flip'"),
        (lambda: T.RandomApply(T.Shift(1), -1), "probability must be a number"),
    ],
)  # fmt: skip
def test_wrong_arguments(build, message):
    with pytest.raises(ValueError, match=message):
        build()
