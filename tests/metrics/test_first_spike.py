"""Decisions by the first spike: the metric, and accuracy against time."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_slayer as ks
from keras_slayer.metrics import FirstSpikeAccuracy, SpikeCountAccuracy, accuracy_over_time

# Six samples, eight steps, three classes: rows of (step, class).
EVENTS = [
    [(2, 1), (3, 0), (4, 0), (5, 0)],  # 1 is first, 0 most
    [(0, 2)],
    [],  # nobody fires
    [(4, 2), (4, 1), (1, 0)],
    [(6, 2), (6, 1)],  # a tie: the lower
    [(7, 0)],
]
FIRST = [1, 2, None, 0, 1, 0]
SPIKES = np.zeros((6, 8, 3), "float32")
for sample, events in enumerate(EVENTS):
    for step, neuron in events:
        SPIKES[sample, step, neuron] = 1
RIGHT = np.array([1, 2, 0, 0, 1, 0])  # all that can be


def accuracy_of(labels, spikes, **options):
    return float(FirstSpikeAccuracy(**options)(labels, spikes))


@pytest.mark.parametrize("labels", [RIGHT, RIGHT[:, None], np.eye(3)[RIGHT]], ids=str)
def test_the_class_that_fires_first_is_predicted(labels):
    """Silence is no decision: wrong, also for class 0."""
    assert accuracy_of(labels, SPIKES) == pytest.approx(5 / 6)
    for sample, first in enumerate(FIRST):
        for label in range(3):
            value = accuracy_of([label], SPIKES[sample : sample + 1])
            assert value == (label == first)


def test_region_weights_and_reset():
    accuracy = FirstSpikeAccuracy(region=(6, 16), dt=2.0)  # steps 3 to 7
    assert float(accuracy([0, 2, 2, 1, 1, 0], SPIKES)) == pytest.approx(4 / 6)
    accuracy.reset_state()
    assert accuracy([0, 2], SPIKES[:2], sample_weight=[3.0, 1.0]) == 0.75


def test_random_spikes_against_a_loop():
    random = np.random.default_rng(1)
    spikes = (random.random((50, 12, 4)) < 0.08).astype("float32")
    labels = random.integers(0, 4, 50)
    right = 0
    for train, label in zip(spikes, labels, strict=True):
        fired = np.argwhere(train)  # by step, then class
        right += len(fired) > 0 and fired[0][1] == label
    assert accuracy_of(labels, spikes) == pytest.approx(right / 50)
    assert accuracy_over_time(spikes, labels)[-1] == pytest.approx(right / 50)


def test_classes_of_a_convolution_half_precision_and_unknown_shapes():
    image = SPIKES[:, :, None, None, :]
    assert accuracy_of(RIGHT, image) == pytest.approx(5 / 6)
    assert accuracy_of(RIGHT, SPIKES.astype("float16"), dtype="mixed_float16") > 0.8
    many = np.zeros((1, 5000, 2), "float16")  # steps that float16 cannot tell apart
    many[0, 4097, 1] = many[0, 4098, 0] = 1
    assert accuracy_of([1], many) == 1
    accuracy = FirstSpikeAccuracy()

    @tf.function(input_signature=[tf.TensorSpec([None]), tf.TensorSpec([None, None, None])])
    def value(labels, spikes):
        return accuracy.measure(labels, spikes)

    np.testing.assert_array_equal(value(RIGHT, SPIKES), [1, 1, 0, 1, 1, 1])
    assert value(RIGHT[:0], SPIKES[:0]).shape == (0,)
    np.testing.assert_array_equal(value(RIGHT, SPIKES[:, :0]), np.zeros(6))


def test_in_a_model_and_saved():
    model = keras.Sequential([keras.Input((8, 4)), ks.SpikingDense(3)])
    metrics = [FirstSpikeAccuracy(region=(0, 6), name="first"), SpikeCountAccuracy()]
    model.compile(loss=ks.SpikeMaxLoss(), metrics=metrics)
    history = model.fit(np.ones((6, 8, 4)), RIGHT, verbose=0).history
    assert "first" in history
    config = keras.saving.serialize_keras_object(metrics[0])
    loaded = keras.saving.deserialize_keras_object(config)
    assert type(loaded) is FirstSpikeAccuracy and loaded.region == (0, 6)
    assert keras.callbacks.EarlyStopping("first")  # finds the direction


def test_a_single_class_is_refused():
    with pytest.raises(ValueError, match=r"FirstSpikeAccuracy needs two classes or more. Received"):
        FirstSpikeAccuracy()(np.ones((6, 1)), SPIKES[..., :1])


# Over time


def test_accuracy_over_time_by_first_spikes():
    expected = np.array([1, 2, 3, 3, 3, 3, 4, 5]) / 6
    np.testing.assert_allclose(accuracy_over_time(SPIKES, RIGHT), expected)
    np.testing.assert_allclose(accuracy_over_time(SPIKES, np.eye(3)[RIGHT]), expected)


def test_accuracy_over_time_by_counts():
    """Sample 0 changes its mind at step 4, when class 0 has two spikes; at 3 they are tied."""
    one = accuracy_over_time(SPIKES[:1], [0], readout="count")
    np.testing.assert_array_equal(one, [0, 0, 0, 1, 1, 1, 1, 1])
    other = accuracy_over_time(SPIKES[:1], [1], readout="count")
    np.testing.assert_array_equal(other, [0, 0, 1, 0, 0, 0, 0, 0])
    spoken = [0, 1, 3, 4, 5]
    last = accuracy_over_time(SPIKES[spoken], RIGHT[spoken], readout="count")[-1]
    assert last == pytest.approx(float(SpikeCountAccuracy()(RIGHT[spoken], SPIKES[spoken])))


def test_time_since_the_first_event():
    """Each sample's curve moved to its own first event; the last decision holds."""
    inputs = np.zeros((6, 8, 2, 2))
    starts = [2, 0, 5, 1, 4, 7]
    for sample, start in enumerate(starts):
        inputs[sample, start:, 1, 0] = 1
    expected = np.zeros(8)
    for sample, start in enumerate(starts):
        own = accuracy_over_time(SPIKES[sample : sample + 1], RIGHT[sample : sample + 1])
        expected += np.concatenate([own[start:], np.full(start, own[-1])]) / 6
    np.testing.assert_allclose(accuracy_over_time(SPIKES, RIGHT, inputs=inputs), expected)
    assert accuracy_over_time(SPIKES, RIGHT, inputs=inputs)[0] == pytest.approx(4 / 6)
    np.testing.assert_allclose(
        accuracy_over_time(SPIKES, RIGHT, inputs=0 * inputs), accuracy_over_time(SPIKES, RIGHT)
    )


def test_over_time_says_what_is_wrong():
    with pytest.raises(
        ValueError, match=r"`readout` must be 'first' or 'count'. Received: readout"
    ):
        accuracy_over_time(SPIKES, RIGHT, readout="last")
    with pytest.raises(ValueError, match=r"`inputs` must be spikes of shape \(6, 8, ...\)"):
        accuracy_over_time(SPIKES, RIGHT, inputs=np.ones((6, 7, 2)))
    with pytest.raises(ValueError, match="a sample and a step at least"):
        accuracy_over_time(SPIKES[:, :0], RIGHT)
    with pytest.raises(ValueError, match="must be integer labels"):
        accuracy_over_time(SPIKES, RIGHT[:4])
    with pytest.raises(ValueError, match=r"Received: y_pred.shape=\(6, 8\)"):
        accuracy_over_time(SPIKES[..., 0], RIGHT)
