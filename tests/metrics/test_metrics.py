"""Metrics: values by hand and by the paper's formula, labels, ties, weights, Keras."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_slayer.losses import SpikeMaxLoss, SpikeTimeLoss
from keras_slayer.metrics import SpikeCountAccuracy, VanRossumDistance


def spikes_with_counts(*counts):
    """Spikes (batch, 8, classes): sample i has counts[i][c] spikes of class c."""
    steps = np.arange(8)[:, None]
    return np.stack([(steps < np.array(row)) for row in counts]).astype("float32")


def random_spikes(*shape, rate=0.2):
    return (np.random.default_rng(3).random(shape) < rate).astype("float32")


def van_rossum(first, second, tau, dt):
    """The paper's integral in closed form over pairs of spikes, for two trains (time,)."""
    u, v = np.flatnonzero(first) * dt, np.flatnonzero(second) * dt
    near = lambda a, b: np.exp(-np.abs(a[:, None] - b) / tau).sum()  # noqa: E731
    return np.sqrt((near(u, u) + near(v, v) - 2 * near(u, v)) / 2)


# Accuracy

SPIKES = spikes_with_counts([5, 2, 1], [0, 3, 4], [2, 6, 0], [1, 1, 8])
LABELS = np.array([0, 2, 0, 2])


def test_accuracy_is_the_share_of_samples_whose_class_fired_most():
    accuracy = SpikeCountAccuracy()
    assert accuracy(LABELS, SPIKES) == 0.75
    assert accuracy([1, 1, 1, 1], SPIKES) == (3 + 1) / 8
    accuracy.reset_state()
    assert accuracy.result() == 0


@pytest.mark.parametrize("form", ["integers", "column", "uint8", "one-hot", "bool"])
def test_accuracy_takes_integer_and_one_hot_labels(form):
    labels = {
        "integers": LABELS,
        "column": LABELS[:, None],
        "uint8": LABELS.astype("uint8"),
        "one-hot": np.eye(3)[LABELS],
        "bool": np.eye(3, dtype=bool)[LABELS],
    }[form]
    assert SpikeCountAccuracy()(labels, SPIKES) == 0.75


def test_ties_and_silence_go_to_the_lowest_class():
    tied = spikes_with_counts([2, 4, 4], [0, 0, 0], [3, 1, 3])
    assert SpikeCountAccuracy()([1, 0, 0], tied) == 1
    assert SpikeCountAccuracy()([2, 1, 2], tied) == 0


def test_accuracy_counts_within_its_region():
    spikes = np.zeros((1, 10, 2), "float32")
    spikes[0, :6, 0] = spikes[0, 6:, 1] = 1
    assert SpikeCountAccuracy()([0], spikes) == 1
    assert SpikeCountAccuracy(region=(10, 20), dt=2.0)([1], spikes) == 1
    assert SpikeCountAccuracy(region=(10, 14), dt=2.0)([0], spikes) == 1
    with pytest.raises(ValueError, match="`region` must end within the recording, 10 steps"):
        SpikeCountAccuracy(region=(0, 22), dt=2.0)([0], spikes)


def test_accuracy_weighs_samples():
    accuracy = SpikeCountAccuracy()
    weighted = accuracy(LABELS, SPIKES, sample_weight=[1.0, 2.0, 3.0, 0.0])
    np.testing.assert_allclose(weighted, 3 / 6)
    with pytest.raises(ValueError, match=r"of SpikeCountAccuracy must be one number per sample"):
        accuracy(LABELS, SPIKES, sample_weight=np.ones(SPIKES.shape[:2]))


def test_accuracy_flattens_the_class_axes_of_a_convolution():
    image = SPIKES[:, :, None, None, :]
    assert SpikeCountAccuracy()(LABELS, image) == 0.75
    assert SpikeCountAccuracy()(np.eye(3)[LABELS][:, None, None], image) == 0.75


@pytest.mark.parametrize("shape", [(), (3,), (4, 2), (4, 3, 1), (4, 8, 3)])
def test_accuracy_names_labels_of_another_shape(shape):
    with pytest.raises(ValueError, match="must be integer labels") as error:
        SpikeCountAccuracy()(np.zeros(shape), SPIKES)
    assert f"Received: y_true.shape={shape}" in str(error.value)


def test_accuracy_refuses_a_single_class_and_labels_of_none():
    with pytest.raises(
        ValueError, match=r"two classes or more. Received: y_pred.shape=\(4, 8, 1\)"
    ):
        SpikeCountAccuracy()([[1]] * 4, SPIKES[..., :1])
    with pytest.raises(ValueError, match=r"Received: y_pred.shape=\(4, 8\)"):
        SpikeCountAccuracy()(LABELS, SPIKES[..., 0])
    with pytest.raises(tf.errors.InvalidArgumentError, match="integer class labels from 0"):
        SpikeCountAccuracy()([0, 1, 2, 3], SPIKES)


# Van Rossum distance


@pytest.mark.parametrize("step", [0, 7, 39])
@pytest.mark.parametrize(("tau", "dt"), [(10.0, 1.0), (2.0, 0.5), (1.0, 3.0)])
def test_one_spike_against_none_is_at_the_root_of_one_half(step, tau, dt):
    spikes = np.zeros((1, 40, 1), "float32")
    spikes[0, step] = 1
    distance = VanRossumDistance(tau, dt)
    np.testing.assert_allclose(distance(np.zeros_like(spikes), spikes), np.sqrt(0.5), rtol=1e-5)


def test_two_spikes_drift_apart_to_a_distance_of_one():
    first, second = np.zeros((2, 1, 200, 1), "float32")
    first[0, 3] = 1
    for gap in (1, 10, 150):
        second[:] = 0
        second[0, 3 + gap] = 1
        expected = np.sqrt(1 - np.exp(-gap / 10))
        np.testing.assert_allclose(VanRossumDistance(10.0)(first, second), expected, rtol=1e-5)


@pytest.mark.parametrize(("tau", "dt"), [(10.0, 1.0), (2.5, 0.5), (100.0, 1.0)])
def test_distance_is_the_papers_integral_averaged_over_neurons_and_samples(tau, dt):
    first, second = random_spikes(3, 50, 2, 4), random_spikes(3, 50, 2, 4)[::-1, ::-1]
    flat = lambda spikes: np.moveaxis(spikes, 1, -1).reshape(3, 8, 50)  # noqa: E731
    each = np.array(
        [
            [van_rossum(a, b, tau, dt) for a, b in zip(*neurons, strict=True)]
            for neurons in zip(flat(first), flat(second), strict=True)
        ]
    )
    distance = VanRossumDistance(tau, dt)
    np.testing.assert_allclose(distance(first, second), each.mean(), rtol=1e-4)
    distance.reset_state()
    weights = np.array([1.0, 0.0, 3.0])
    expected = np.sum(each.mean(axis=1) * weights) / 4
    np.testing.assert_allclose(distance(first, second, weights), expected, rtol=1e-4)
    assert each.std() > 0.1


def test_distance_is_zero_for_equal_trains_and_symmetric():
    first, second = random_spikes(2, 30), random_spikes(2, 30)[:, ::-1]
    assert VanRossumDistance()(first, first) == VanRossumDistance()(first[:, :0], first[:, :0]) == 0
    forth, back = VanRossumDistance()(first, second), VanRossumDistance()(second, first)
    np.testing.assert_allclose(forth, back, rtol=1e-6)
    assert forth > 0


@pytest.mark.parametrize("shape", [(2, 30), (2, 29, 3), (2, 30, 1)])
def test_distance_names_targets_of_another_shape(shape):
    with pytest.raises(ValueError, match="target spikes of the same shape") as error:
        VanRossumDistance()(np.zeros(shape), np.zeros((2, 30, 3)))
    assert f"y_true.shape={shape}, y_pred.shape=(2, 30, 3)" in str(error.value)


# Keras


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SpikeCountAccuracy(dt=0), r"dt must be a number in \(0, inf\). Received: dt=0"),
        (lambda: SpikeCountAccuracy(region=(3, 1)), r"Received: region=\(3, 1\)"),
        (
            lambda: VanRossumDistance(tau=-2),
            r"tau must be a number in \(0, inf\). Received: tau=-2",
        ),
        (lambda: VanRossumDistance(dt=float("inf")), "Received: dt=inf"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "metric",
    [
        SpikeCountAccuracy(region=(2, 6), dt=2.0, name="a"),
        VanRossumDistance(5.0, 0.5, dtype="float64"),
    ],
    ids=lambda metric: type(metric).__name__,
)
def test_config_round_trip(metric):
    config = json.loads(json.dumps(keras.metrics.serialize(metric)))
    assert config["registered_name"] == f"keras_slayer>{type(metric).__name__}"
    again = keras.metrics.get(config)
    assert type(again) is type(metric) and again.get_config() == metric.get_config()
    assert again.dtype == metric.dtype
    first = LABELS if isinstance(metric, SpikeCountAccuracy) else SPIKES[::-1]
    assert again(first, SPIKES) == metric(first, SPIKES)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_counted_in_float32(dtype):
    # 1001 spikes against 1000: the same number in half precision.
    spikes = np.zeros((1, 1100, 2), "float32")
    spikes[0, :1000, 0] = spikes[0, :1001, 1] = 1
    assert SpikeCountAccuracy()([1], tf.cast(spikes, dtype)) == 1
    expected = VanRossumDistance(100.0)(np.zeros_like(spikes), spikes)
    half = VanRossumDistance(100.0)(tf.zeros(spikes.shape, dtype), tf.cast(spikes, dtype))
    np.testing.assert_allclose(half, expected, rtol=1e-6)
    # 3000 samples counted one by one: float16 would stop at 2048.
    accuracy = SpikeCountAccuracy(dtype=dtype)
    assert accuracy.dtype == "float32"
    for _ in range(30):
        accuracy.update_state([1] * 100, np.tile(spikes[:, 999:1003], (100, 1, 1)))
    assert accuracy.count == 3000 and accuracy.result() == 1


def test_metrics_in_a_tf_function_with_unknown_shapes():
    accuracy, distance = SpikeCountAccuracy(), VanRossumDistance()
    unknown = [tf.TensorSpec([None], tf.int64), tf.TensorSpec([None, None, None])]

    @tf.function(input_signature=unknown)
    def update(labels, spikes):
        accuracy.update_state(labels, spikes)
        distance.update_state(spikes[::-1], spikes)

    update(LABELS, SPIKES)
    update(LABELS[:1], SPIKES[:1])
    np.testing.assert_allclose(accuracy.result(), 4 / 5)
    expected = VanRossumDistance()
    expected.update_state(SPIKES[::-1], SPIKES)
    expected.update_state(SPIKES[:1], SPIKES[:1])
    np.testing.assert_allclose(distance.result(), expected.result(), rtol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_metrics_in_evaluate(policy):
    keras.config.set_dtype_policy(policy)
    try:
        inputs = keras.Input((8, 3))
        # Keras 3.5 knows an output by the name of its layer, not by its key.
        names = ("counts", "times")
        outputs = {name: keras.layers.Activation("linear", name=name)(inputs) for name in names}
    finally:
        keras.config.set_dtype_policy("float32")
    model = keras.Model(inputs, outputs)
    model.compile(
        loss={"counts": SpikeMaxLoss(), "times": SpikeTimeLoss()},
        metrics={"counts": SpikeCountAccuracy(), "times": VanRossumDistance()},
        weighted_metrics={"counts": SpikeCountAccuracy(name="weighted")},
    )
    targets = {"counts": LABELS, "times": SPIKES[::-1]}
    weights = {"counts": np.array([1.0, 2.0, 3.0, 0.0]), "times": np.ones(4)}
    logs = model.evaluate(SPIKES, targets, 3, 0, weights, return_dict=True)
    assert model.outputs[0].dtype == policy.removeprefix("mixed_")
    np.testing.assert_allclose(logs["counts_spike_count_accuracy"], 0.75)
    np.testing.assert_allclose(logs["counts_weighted"], 0.5)
    expected = VanRossumDistance()(SPIKES[::-1], SPIKES)
    np.testing.assert_allclose(logs["times_van_rossum_distance"], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("metric", "loss", "y_true", "improves"),
    [
        (SpikeCountAccuracy(name="watched"), SpikeMaxLoss(), LABELS, lambda new, old: new > old),
        (VanRossumDistance(name="watched"), SpikeTimeLoss(), SPIKES, lambda new, old: new < old),
    ],
    ids=["accuracy", "distance"],
)
def test_early_stopping_knows_which_way_is_better(metric, loss, y_true, improves):
    model = keras.Sequential([keras.Input((8, 3)), keras.layers.Dense(3)])
    model.compile("sgd", loss, metrics=[metric])
    stop = keras.callbacks.EarlyStopping("watched", mode="auto")
    history = model.fit(SPIKES, y_true, epochs=1, verbose=0, callbacks=[stop])
    assert len(history.history["watched"]) == 1
    for new, old in ((1.0, 2.0), (2.0, 1.0)):
        assert stop.monitor_op(new, old) == improves(new, old)
