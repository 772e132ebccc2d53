"""The loss for decisions by the first spike: weights by hand, what it learns, Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_slayer as ks
from keras_slayer.losses import FirstSpikeLoss, SpikeMaxLoss


def spikes_of(*events, steps=8, classes=3):
    """One sample; events are pairs (step, class)."""
    spikes = np.zeros((1, steps, classes), "float32")
    for step, neuron in events:
        spikes[0, step, neuron] = 1
    return spikes


def value_and_gradient(loss, label, spikes):
    spikes = tf.constant(spikes)
    with tf.GradientTape() as tape:
        tape.watch(spikes)
        value = loss([label], spikes)
    return float(value), tape.gradient(value, spikes).numpy()[0]


def test_spikes_count_the_less_the_later_they_come_after_the_first():
    spikes = spikes_of((2, 1), (3, 0), (5, 0), (5, 1))
    loss = FirstSpikeLoss(scale=2.0, tau=3.0, earliness=0.4, dt=1.5)
    d = np.exp(-1.5 / 3.0)
    weights = np.array([1, 1, 1, d, d**2, d**3, d**4, d**5]) * (1 - 0.4 * np.arange(8) / 8)
    logits = 2.0 * np.array([weights[3] + weights[5], weights[2] + weights[5], 0])
    p = np.exp(logits) / np.exp(logits).sum()
    for label in range(3):
        value, gradient = value_and_gradient(loss, label, spikes)
        assert value == pytest.approx(-np.log(p[label]), rel=1e-5)
        expected = 2.0 * weights[:, None] * (p - np.eye(3)[label])
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-7)


def test_silence_teaches_every_step_and_the_early_ones_more():
    value, gradient = value_and_gradient(FirstSpikeLoss(1.0, earliness=1.0), 1, spikes_of())
    assert value == pytest.approx(np.log(3))
    expected = (1 - np.arange(8) / 8)[:, None] * [1 / 3, -2 / 3, 1 / 3]
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)


def test_an_early_decision_costs_less_than_a_late_one():
    early, late = spikes_of((1, 0)), spikes_of((6, 0))
    assert FirstSpikeLoss()([0], early) < FirstSpikeLoss()([0], late)
    patient = FirstSpikeLoss(earliness=0.0)
    assert float(patient([0], early)) == float(patient([0], late))


def test_who_fires_first_beats_who_fires_most():
    spikes = spikes_of((1, 2), (4, 0), (5, 0), (6, 0), (7, 0))
    first, most = FirstSpikeLoss(tau=1.0), SpikeMaxLoss(scale=3.0)
    assert first([2], spikes) < first([0], spikes)
    assert most([2], spikes) > most([0], spikes)


def test_a_long_tau_is_the_softmax_of_counts():
    spikes = (np.random.default_rng(3).random((5, 40, 4)) < 0.2).astype("float32")
    labels, region = [0, 1, 2, 3, 0], (4, 30)
    first = FirstSpikeLoss(0.3, 1e7, 0.0, region, 2.0)(labels, spikes)
    np.testing.assert_allclose(
        first, SpikeMaxLoss(0.3, region, 2.0, 0.0)(labels, spikes), rtol=1e-5
    )


def test_only_the_region_decides():
    spikes = spikes_of((0, 0), (2, 1), (3, 2))
    inside = spikes_of((2, 1), (3, 2))
    loss = FirstSpikeLoss(tau=2.0, region=(1, 8))
    value, gradient = value_and_gradient(loss, 1, spikes)
    assert value == pytest.approx(float(loss([1], inside)))
    assert not gradient[0].any() and gradient[1:].any()


def test_labels_class_axes_half_precision_and_unknown_shapes():
    spikes = np.concatenate([spikes_of((2, 1), (3, 0)), spikes_of((4, 2))])
    loss = FirstSpikeLoss()
    value = float(loss([1, 0], spikes))
    assert float(loss(np.eye(3)[[1, 0]], spikes)) == pytest.approx(value)
    assert float(loss([1, 0], spikes[:, :, None, None])) == pytest.approx(value)
    half = FirstSpikeLoss(dtype="mixed_float16")([1, 0], spikes.astype("float16"))
    assert half.dtype == "float32" and float(half) == pytest.approx(value)
    signature = [tf.TensorSpec([None]), tf.TensorSpec([None, None, None])]
    unknown = tf.function(loss.call, input_signature=signature)
    np.testing.assert_allclose(np.mean(unknown([1.0, 0.0], spikes)), value, rtol=1e-6)
    np.testing.assert_allclose(unknown([1.0, 0.0], spikes[:, :0]), np.log([3, 3]), rtol=1e-6)


def test_a_network_learns_to_fire_the_right_class_first():
    """Two patterns of the same spikes: all that differs is which half of the inputs comes first."""
    labels = np.arange(64) % 2
    x = (np.random.default_rng(1).random((64, 30, 20)) < 0.05).astype("float32")
    for sample, label in enumerate(labels):
        x[sample, 5:10, 10 * label : 10 * label + 10] = 1
        x[sample, 15:20, 10 - 10 * label : 20 - 10 * label] = 1
    neuron = ks.SRM(threshold=10.0, tau_response=3.0, surrogate_tau=0.3)
    quiet = ks.FluctuationDriven(neuron, xi=2.5, mean=0.0)
    model = keras.Sequential(
        [keras.Input((30, 20)), ks.SpikingDense(2, neuron, kernel_initializer=quiet)]
    )
    model.compile(
        keras.optimizers.Adam(0.05),
        loss=FirstSpikeLoss(tau=2.0),
        metrics=[ks.FirstSpikeAccuracy(name="first")],
    )
    history = model.fit(x, labels, batch_size=16, epochs=20, verbose=0).history
    assert history["loss"][-1] < 0.2 * history["loss"][0]
    assert history["first"][-1] > 0.95


def test_saved_and_refused():
    loss = FirstSpikeLoss(2.0, 4.0, 0.25, (0, 6), 2.0, name="mine")
    loaded = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert type(loaded) is FirstSpikeLoss and loaded.get_config() == loss.get_config()
    with pytest.raises(ValueError, match="tau must be"):
        FirstSpikeLoss(tau=0)
    with pytest.raises(ValueError, match="earliness must be"):
        FirstSpikeLoss(earliness=1.5)
    with pytest.raises(ValueError, match="`region` must be"):
        FirstSpikeLoss(region=(4, 2))
    with pytest.raises(ValueError, match="must be spikes of shape"):
        FirstSpikeLoss()([1], spikes_of()[0])
