import keras
import numpy as np
import pytest
import tensorflow as tf
from pipelines import SHAPE, STEPS, build, collect, dataset_of, dense


@pytest.mark.parametrize("cache", [True, False])
def test_batches_in_order(cache):
    dataset, recordings = dataset_of()
    pipeline = build(dataset, cache=cache)
    assert len(pipeline) == 3
    assert pipeline.element_spec == (
        tf.TensorSpec((None, STEPS, *SHAPE), tf.float32),
        tf.TensorSpec((None,), tf.int64),
    )
    for _ in range(2):
        assert [s.shape[0] for s, _ in pipeline] == [4, 4, 2]
        spikes, labels = collect(pipeline)
        np.testing.assert_array_equal(spikes, dense(recordings))
        np.testing.assert_array_equal(labels, np.arange(10))
    assert 0 < spikes.mean() < 0.2


def test_drop_remainder_fixes_the_batch():
    pipeline = build(dataset_of()[0], drop_remainder=True)
    assert len(pipeline) == 2
    assert pipeline.element_spec[0].shape == (4, STEPS, *SHAPE)
    assert [s.shape[0] for s, _ in pipeline] == [4, 4]


@pytest.mark.parametrize(("cache", "expected"), [(True, 10), (False, 30)])
def test_cache_reads_the_source_once(cache, expected):
    reads = []
    dataset, recordings = dataset_of()

    def count(events, label):
        tf.py_function(lambda: reads.append(1), [], [])
        return events, label

    pipeline = build(dataset.map(count), shuffle=True, seed=1, cache=cache)
    for _ in range(3):
        spikes, labels = collect(pipeline)
        np.testing.assert_array_equal(spikes, dense(recordings)[labels])
    assert len(reads) == expected


def test_fields_of_unknown_rank_must_be_vectors():
    def without_rank(dataset):
        names = {"x": tf.uint8, "y": tf.uint8, "t": tf.int32, "polarity": tf.bool}
        elements = list(dataset.as_numpy_iterator())
        unknown = tf.data.Dataset.from_generator(lambda: elements, output_types=(names, tf.int64))
        return unknown.map(lambda events, label: (events, tf.ensure_shape(label, [])))

    dataset, recordings = dataset_of()
    spikes, _ = collect(build(without_rank(dataset)))
    np.testing.assert_array_equal(spikes, dense(recordings))
    columns = dataset.map(lambda e, label: ({n: v[:, None] for n, v in e.items()}, label))
    for batches in (columns, dataset.padded_batch(2, drop_remainder=True)):
        with pytest.raises(ValueError, match=r"one recording, .*a vector: dataset.unbatch\(\)"):
            build(batches)
    with pytest.raises(tf.errors.InvalidArgumentError, match="shape"):
        collect(build(without_rank(columns)))


def test_labels_keep_their_structure():
    def label(events, number):
        return events, {"one_hot": tf.one_hot(number, 10), "name": tf.strings.as_string(number)}

    dataset, _ = dataset_of()
    labels = [labels for _, labels in build(dataset.map(label))]
    np.testing.assert_array_equal(tf.concat([b["one_hot"] for b in labels], 0), np.eye(10))
    assert labels[0]["name"].numpy().tolist() == [b"0", b"1", b"2", b"3"]


@pytest.mark.parametrize(
    "label", [tf.range, lambda n: tf.RaggedTensor.from_row_lengths(tf.range(n), [n])]
)
def test_labels_of_different_shapes_are_refused(label):
    dataset = dataset_of()[0].map(lambda events, number: (events, label(number)))
    with pytest.raises(ValueError, match=r"Labels must be .* Received: dataset.element_spec\[1\]="):
        build(dataset)


def test_what_is_cached_must_be_all():
    """A look at the first batch must not leave a short cache behind.

    tf.data does that once in some hundred times, so the order of its parts is what is tested.
    """
    graph = tf.compat.v1.GraphDef.FromString(build(dataset_of()[0])._as_serialized_graph().numpy())
    nodes = {node.name: node for node in graph.node}
    (cache,) = (node for node in graph.node if node.op.startswith("CacheDataset"))
    assert nodes[cache.input[0]].op == "AssertCardinalityDataset"
    pipeline = build(dataset_of()[0])
    for _ in range(3):
        next(iter(pipeline))
        assert sum(len(labels) for _, labels in pipeline) == 10


def test_shuffle_gives_every_sample_in_another_order_every_epoch():
    dataset, recordings = dataset_of()
    pipeline = build(dataset, shuffle=True, seed=3)
    orders = []
    for _ in range(4):
        spikes, labels = collect(pipeline)
        assert sorted(labels) == list(range(10))
        np.testing.assert_array_equal(spikes, dense(recordings)[labels])
        orders.append(tuple(labels))
    assert len(set(orders)) == 4


def shifts_of(spikes, originals):
    """The shift of each sample, found by trying all that are possible."""
    found = []
    for sample, original in zip(spikes, originals, strict=True):
        big = np.pad(original, ((0, 0), (2, 2), (2, 2), (0, 0)))
        matches = [
            (dy, dx)
            for dy in range(-2, 3)
            for dx in range(-2, 3)
            if np.array_equal(sample, big[:, 2 - dy : 7 - dy, 2 - dx : 8 - dx])
        ]
        assert matches, "a sample is not a shifted copy of its recording"
        found.append(matches[0])
    return found


def test_shifts_differ_between_samples_and_epochs_and_repeat_with_the_seed():
    dataset, recordings = dataset_of(20)

    def epochs(seed):
        pipeline = build(dataset, shuffle=True, shift=2, seed=seed)
        return [collect(pipeline) for _ in range(3)]

    first, again, other = epochs(7), epochs(7), epochs(8)
    shifts = [shifts_of(spikes, dense(recordings)[labels]) for spikes, labels in first]
    assert all(len(set(s)) > 8 for s in shifts)
    # The same batch position draws other shifts in every epoch.
    assert shifts[0] != shifts[1] != shifts[2]
    for (spikes, labels), (spikes_again, labels_again) in zip(first, again, strict=True):
        np.testing.assert_array_equal(spikes, spikes_again)
        np.testing.assert_array_equal(labels, labels_again)
    assert not np.array_equal(first[0][1], other[0][1])


def test_global_seed_makes_it_reproducible():
    dataset, _ = dataset_of(20)

    def run(seed):
        keras.utils.set_random_seed(seed)
        return collect(build(dataset, shuffle=True, shift=2))

    np.testing.assert_array_equal(run(5)[0], run(5)[0])
    assert not np.array_equal(run(5)[0], run(6)[0])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "uint8"])
def test_dtypes(dtype):
    dataset, recordings = dataset_of()
    pipeline = build(dataset, dtype=dtype)
    assert pipeline.element_spec[0].dtype == tf.as_dtype(dtype)
    spikes = np.concatenate([tf.cast(s, tf.float32) for s, _ in pipeline])
    np.testing.assert_array_equal(spikes, dense(recordings))


def test_late_events():
    dataset, recordings = dataset_of()
    assert max(e["t"].max(initial=0) for e in recordings) >= STEPS * 1000
    with pytest.raises(tf.errors.InvalidArgumentError, match="past the last of 8 steps"):
        collect(build(dataset, late="error"))
    collect(build(dataset, late="error", steps=9))


def test_population_of_neurons():
    dataset, recordings = dataset_of()
    pipeline = build(
        dataset.map(lambda e, label: ({"x": e["x"], "t": e["t"]}, label)),
        sensor_shape=(6,),
        shift=1,
    )
    spikes, _ = collect(pipeline)
    assert spikes.shape == (10, STEPS, 6)
    assert 0 < spikes.sum() <= sum(len(e["x"]) for e in recordings)


def test_off_sensor_events_are_refused():
    with pytest.raises(tf.errors.InvalidArgumentError, match="off the sensor"):
        collect(build(dataset_of()[0], sensor_shape=(5, 4, 2)))


def test_fit_sees_every_epoch():
    dataset, _ = dataset_of()
    model = keras.Sequential(
        [keras.layers.Reshape((-1,)), keras.layers.Dense(10, activation="softmax")]
    )
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    pipeline = build(dataset, shuffle=True, seed=0)
    # shuffle=False: Keras warns that it does not shuffle a tf.data.Dataset itself.
    history = model.fit(pipeline, epochs=6, shuffle=False, verbose=0)
    assert len(history.history["loss"]) == 6
    assert history.history["loss"][5] < 0.7 * history.history["loss"][0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be a positive integer. Received: batch_size=0"),
        ({"shuffle": 0.5}, "`shuffle` must be .* Received: shuffle=0.5"),
        ({"shuffle": 0}, "`shuffle` must be .* Received: shuffle=0"),
        ({"shift": -1}, "`shift` must be .* Received: shift=-1"),
        ({"steps": -1}, "`steps` must be .* Received: steps=-1"),
        ({"late": None}, "`late` must be .* Received: late=None"),
        ({"dtype": "string"}, "`dtype` must be .*'uint8'. Received: dtype='string'"),
        ({"dtype": "uint9"}, "`dtype` must be .*'uint8'. Received: dtype='uint9'"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        build(dataset_of()[0], **arguments)


def test_wrong_elements():
    dataset, _ = dataset_of()
    with pytest.raises(ValueError, match=r"pairs \(events, label\).*\['polarity', 't', 'x', 'y'\]"):
        build(dataset.map(lambda events, label: events))
    with pytest.raises(ValueError, match=r"pairs \(events, label\).*\['t', 'x', 'y'\]"):
        build(dataset.map(lambda e, label: ({"x": e["x"]}, label)), sensor_shape=(5, 6, 1))


def test_unknown_length_needs_a_buffer():
    dataset = dataset_of()[0].filter(lambda events, label: label < 7)
    with pytest.raises(ValueError, match="`shuffle=True` needs a data set of known length"):
        build(dataset, shuffle=True)
    assert sorted(collect(build(dataset, shuffle=100))[1]) == list(range(7))
