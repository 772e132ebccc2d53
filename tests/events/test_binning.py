import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_slayer.events import Events, from_spikes, to_spikes
from keras_slayer.events.binning import distinct_bins

SHAPE = (3, 4, 2)


def random_events(rng, size, t_max=20_000):
    return Events(
        x=rng.integers(0, 4, size),
        y=rng.integers(0, 3, size),
        t=rng.integers(0, t_max, size),
        polarity=rng.integers(0, 2, size),
    )


def plain(events, steps, dt, shape=SHAPE):
    spikes = np.zeros((steps, *shape), np.float32)
    for x, y, t, p in zip(events.x, events.y, events.t, events.polarity, strict=True):
        step = int(t // (1000 * dt))
        if step < steps:
            spikes[step, y, x, p if shape[2] > 1 else 0] = 1
    return spikes


def ragged(recordings):
    return {
        name: tf.ragged.stack([tf.constant(getattr(e, name)) for e in recordings])
        for name in ("x", "y", "t", "polarity")
    }


def padded(recordings):
    return {
        name: value.to_tensor(-1 if name == "t" else 0)
        for name, value in ragged(recordings).items()
    }


def test_known_bins():
    events = Events(x=[3, 3, 0, 1], y=[2, 2, 0, 1], t=[999, 1000, 0, 2999], polarity=[1, 1, 0, 0])
    spikes = to_spikes(events, SHAPE, steps=3)
    assert spikes.shape == (3, 3, 4, 2)
    assert spikes.dtype == np.float32
    assert np.argwhere(spikes).tolist() == [[0, 0, 0, 0], [0, 2, 3, 1], [1, 2, 3, 1], [2, 1, 1, 0]]
    assert set(np.unique(spikes)) == {0.0, 1.0}


@pytest.mark.parametrize("dt", [1.0, 0.5, 3.0, 0.3, 0.1, 1 / 3])
@pytest.mark.parametrize("steps", [1, 7, 100])
def test_numpy_and_tensors_agree_with_a_plain_loop(dt, steps):
    rng = np.random.default_rng(0)
    recordings = [random_events(rng, size) for size in (200, 0, 1, 50)]
    expected = np.stack([plain(e, steps, dt) for e in recordings])
    assert expected.sum() > 0
    options = {"steps": steps, "dt": dt, "origin": "zero", "late": "ignore"}
    for events, spikes in zip(recordings, expected, strict=True):
        np.testing.assert_array_equal(to_spikes(events, SHAPE, **options), spikes)
        np.testing.assert_array_equal(to_spikes(events.to_dict(), SHAPE, **options), spikes)
        tensors = {name: tf.constant(value) for name, value in events.to_dict().items()}
        result = to_spikes(tensors, SHAPE, **options)
        assert isinstance(result, tf.Tensor)
        np.testing.assert_array_equal(result, spikes)
    for batch in (ragged(recordings), padded(recordings)):
        np.testing.assert_array_equal(to_spikes(batch, SHAPE, **options), expected)


@pytest.mark.parametrize("steps_back", [1, 2])
def test_bins_ascend_where_time_runs_back(steps_back):
    """A step back is not order, however small: shuffling and cutting rely on ascending bins."""
    t = np.array([0, 1000, 2000, 2000 - 1000 * steps_back, 2000, 3000])
    events = {"x": np.array([3, 2, 1, 0, 1, 2]), "t": t}
    tensors = {name: tf.constant(value) for name, value in events.items()}
    bins = distinct_bins(tensors, (4,), 5, 1.0, "drop", tf.int32).numpy().tolist()
    assert bins == sorted(set((t // 1000 * 4 + events["x"]).tolist()))


def test_graph_mode_with_unknown_sizes():
    rng = np.random.default_rng(1)
    recordings = [random_events(rng, size) for size in (30, 3)]
    expected = np.stack([plain(e, 20, 1.0) for e in recordings])

    def spec(ragged_rank):
        kind = tf.RaggedTensorSpec if ragged_rank else tf.TensorSpec
        types = {"x": tf.uint16, "y": tf.uint16, "t": tf.int64, "polarity": tf.uint8}
        return {name: kind(shape=(None, None), dtype=dtype) for name, dtype in types.items()}

    rows64 = {k: v.with_row_splits_dtype(tf.int64) for k, v in ragged(recordings).items()}
    for batch, ragged_rank in ((rows64, 1), (padded(recordings), 0)):
        function = tf.function(
            lambda e: to_spikes(e, SHAPE, 20), input_signature=[spec(ragged_rank)]
        )
        result = function(batch)
        np.testing.assert_array_equal(result, expected)
        assert function.get_concrete_function().output_shapes.as_list() == [None, 20, *SHAPE]
        empty = {name: value[:0] for name, value in batch.items()}
        assert function(empty).shape == (0, 20, *SHAPE)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "uint8", "int32"])
def test_dtypes(dtype):
    events = random_events(np.random.default_rng(2), 60)
    expected = plain(events, 20, 1.0)
    tensors = {name: tf.constant(value) for name, value in events.to_dict().items()}
    for result in (
        to_spikes(events, SHAPE, 20, dtype=dtype),
        to_spikes(tensors, SHAPE, 20, dtype=dtype),
    ):
        assert tf.as_dtype(result.dtype) == tf.as_dtype(dtype)
        np.testing.assert_array_equal(np.asarray(result, np.float32), expected)


def test_one_channel_merges_polarities():
    events = random_events(np.random.default_rng(3), 60)
    expected = plain(events, 20, 1.0, (3, 4, 1))
    np.testing.assert_array_equal(expected, plain(events, 20, 1.0).max(-1, keepdims=True))
    tensors = {name: tf.constant(value) for name, value in events.to_dict().items()}
    np.testing.assert_array_equal(to_spikes(events, (3, 4, 1), 20), expected)
    np.testing.assert_array_equal(to_spikes(tensors, (3, 4, 1), 20), expected)


def test_population_of_neurons():
    events = {"x": np.array([4, 0, 4]), "t": np.array([0, 1500, 1999])}
    expected = np.zeros((2, 5), np.float32)
    expected[0, 4] = expected[1, 0] = expected[1, 4] = 1
    np.testing.assert_array_equal(to_spikes(events, (5,), 2), expected)
    tensors = {name: tf.constant(value) for name, value in events.items()}
    np.testing.assert_array_equal(to_spikes(tensors, (5,), 2), expected)
    assert from_spikes(expected) == Events(x=[4, 0, 4], t=[0, 1000, 1000])


@given(
    spikes=st.integers(1, 6).flatmap(
        lambda t: st.lists(st.integers(0, 1), min_size=t * 12, max_size=t * 12)
    ),
    dt=st.sampled_from([1.0, 0.001, 0.3, 2.5, 1 / 3, 1 / 7, 10.0]),
)
@settings(max_examples=50)
def test_from_spikes_is_the_inverse(spikes, dt):
    spikes = np.reshape(spikes, (-1, 2, 3, 2)).astype(np.float32)
    events = from_spikes(spikes, dt)
    assert len(events) == spikes.sum()
    assert (np.diff(events.t) >= 0).all()
    np.testing.assert_array_equal(to_spikes(events, (2, 3, 2), len(spikes), dt), spikes)


def test_late_events():
    events = Events(x=[0, 1], t=[0, 2000])
    tensors = {name: tf.constant(value) for name, value in events.to_dict().items()}
    assert to_spikes(events, SHAPE, steps=2).sum() == 1
    assert to_spikes(events, SHAPE, steps=3, late="error").sum() == 2
    with pytest.raises(
        ValueError, match=r"past the last of 2 steps of 1\.0 ms\. Received: t=2000 us"
    ):
        to_spikes(events, SHAPE, steps=2, late="error")
    with pytest.raises(tf.errors.InvalidArgumentError, match="past the last of 2 steps"):
        to_spikes(tensors, SHAPE, steps=2, late="error")


@pytest.mark.parametrize(
    ("fields", "name"), [({"x": [4]}, "x"), ({"y": [3]}, "y"), ({"polarity": [2]}, "polarity")]
)
def test_events_off_the_sensor_are_refused(fields, name):
    events = Events(**{"x": [0], "t": [0], **fields})
    with pytest.raises(ValueError, match=rf"off the sensor: {name} must be 0\.\..*{name}="):
        to_spikes(events, SHAPE, 5)
    batch = {key: tf.constant([value]) for key, value in events.to_dict().items()}
    function = tf.function(lambda e: to_spikes(e, SHAPE, 5))
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"off the sensor.*{name} must be"):
        function(batch)
    # The same place in padding is no event.
    batch["t"] = tf.constant([[-1]], tf.int64)
    assert function(batch).numpy().sum() == 0


def test_negative_time_is_refused():
    with pytest.raises(ValueError, match=r"must not be negative\. Received: t=-3 us"):
        to_spikes(Events(x=[0], t=[-3]), SHAPE, 5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sensor_shape": (3, 4)}, r"`sensor_shape` must be .*Received: sensor_shape=\(3, 4\)"),
        ({"sensor_shape": (3, 0, 2)}, r"`sensor_shape` must be .*\(3, 0, 2\)"),
        ({"steps": 0}, "`steps` must be a positive integer. Received: steps=0"),
        ({"steps": 2.5}, "Received: steps=2.5"),
        ({"dt": 0}, "`dt` must be at least 0.001 ms.*Received: dt=0"),
        ({"dt": float("inf")}, "Received: dt=inf"),
        ({"late": "clip"}, '`late` must be "drop", "ignore" or "error". Received: late=\'clip\''),
        ({"origin": 0}, '`origin` must be "auto", "zero" or "first". Received: origin=0'),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        to_spikes(Events(x=[0], t=[0]), **arguments)


@pytest.mark.parametrize("kind", [list, tf.constant])
def test_polarities_of_another_name_are_not_taken_for_off(kind):
    events = {name: kind([1]) for name in "xytp"}
    message = r"\['polarity', 't', 'x', 'y'\] for sensor_shape=\(4, 5, 2\).*\['p', 't', 'x', 'y'\]"
    with pytest.raises(ValueError, match=message):
        to_spikes(events, (4, 5, 2), 3)
    with pytest.raises(ValueError, match=r"as_events makes .* Received: events of type ndarray"):
        to_spikes(np.zeros((3, 4), int), (4, 5, 2), 3)


def test_wrong_ranks():
    tensor = tf.zeros((1, 1, 1), tf.int64)
    with pytest.raises(ValueError, match=r"vectors, RaggedTensors or padded .*\(1, 1, 1\)"):
        to_spikes({"x": tensor, "y": tensor, "t": tensor, "polarity": tensor}, SHAPE, 5)
    with pytest.raises(ValueError, match=r"`spikes` must be .*spikes.shape=\(2, 3, 4\)"):
        from_spikes(np.zeros((2, 3, 4)))
    with pytest.raises(
        ValueError, match=r"`spikes` must be 0 or 1 everywhere\. Received: a value of 2"
    ):
        from_spikes(np.array([[0.0, 2.0]]))
