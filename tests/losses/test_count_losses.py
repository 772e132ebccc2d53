"""Losses of spike counts: values by hand, gradients as error signals, labels in every form."""

import numpy as np
import pytest
import tensorflow as tf
from loss_cases import LABEL_LOSSES, gradient, names, random_spikes

from keras_slayer.losses import SpikeCountLoss, SpikeMaxLoss, SpikeRateLoss


def test_spike_count_gradient_is_slayers_error_signal():
    # 10 steps of 2 ms, region 4..16 ms: steps 2..7, six of them.
    spikes = random_spikes(4, 10, 3, rate=0.6)
    labels = np.array([0, 2, 1, 2])
    loss = SpikeCountLoss(5, 1, region=(4, 16), dt=2.0, reduction="sum")
    value, grad = gradient(loss, labels, spikes)
    counts = spikes[:, 2:8].sum(axis=1)
    target = np.ones((4, 3))
    target[np.arange(4), labels] = 5
    expected = np.zeros_like(spikes)
    expected[:, 2:8] = ((counts - target) / 6)[:, None]
    np.testing.assert_allclose(grad, expected, atol=1e-6)
    np.testing.assert_allclose(value, np.sum((counts - target) ** 2) / 12, rtol=1e-6)
    mean_value, mean_grad = gradient(SpikeCountLoss(5, 1, (4, 16), 2.0), labels, spikes)
    np.testing.assert_allclose(mean_grad, expected / 4, atol=1e-6)
    np.testing.assert_allclose(mean_value, value / 4, rtol=1e-6)


def test_spike_count_loss_without_region_counts_every_step():
    spikes = np.ones((1, 300, 2), "float32")
    # 300 spikes where 60 and 10 are wanted.
    expected = (240**2 + 290**2) / (2 * 300)
    np.testing.assert_allclose(SpikeCountLoss(60, 10)([0], spikes), expected, rtol=1e-6)


def test_spike_rate_loss_has_the_same_signal_whatever_the_length():
    for steps in (8, 800):
        spikes = np.zeros((1, steps, 2), "float32")
        spikes[:, ::2, 0] = 1  # rate 0.5
        value, grad = gradient(SpikeRateLoss(0.75, 0.25), [1], spikes)
        np.testing.assert_allclose(grad[0, :, 0], 0.5 - 0.25, rtol=1e-5)
        np.testing.assert_allclose(grad[0, :, 1], 0.0 - 0.75, rtol=1e-5)
        np.testing.assert_allclose(value, steps / 2 * (0.25**2 + 0.75**2), rtol=1e-5)


def test_spike_rate_loss_is_spike_count_loss_of_rate_times_steps():
    spikes, labels = random_spikes(5, 40, 4), [0, 1, 2, 3, 0]
    rate = SpikeRateLoss(0.5, 0.1, region=(10, 30))(labels, spikes)
    count = SpikeCountLoss(10, 2, region=(10, 30))(labels, spikes)
    np.testing.assert_allclose(rate, count, rtol=1e-5)


def test_spike_max_loss_is_the_cross_entropy_of_counts():
    spikes = np.zeros((1, 6, 3), "float32")
    spikes[0, :3, 0] = spikes[0, :1, 1] = 1  # counts 3, 1, 0
    logits = 0.5 * np.array([3.0, 1.0, 0.0])
    p = np.exp(logits) / np.exp(logits).sum()
    for smoothing in (0.0, 0.3):
        label = (1 - smoothing) * np.array([0, 1, 0]) + smoothing / 3
        loss = SpikeMaxLoss(scale=0.5, label_smoothing=smoothing)
        value, grad = gradient(loss, [1], spikes)
        np.testing.assert_allclose(value, -label @ np.log(p), rtol=1e-6)
        expected = np.tile(0.5 * (p - label), (6, 1))
        np.testing.assert_allclose(grad[0], expected, atol=1e-7)


def test_spike_max_loss_is_finite_with_a_gradient_when_hundreds_of_spikes_disagree():
    spikes = np.zeros((1, 2000, 2), "float32")
    spikes[..., 0] = 1
    value, grad = gradient(SpikeMaxLoss(scale=1.0, label_smoothing=0.0), [1], spikes)
    assert value == 2000
    np.testing.assert_allclose(grad[0], np.tile([1.0, -1.0], (2000, 1)))


@pytest.mark.parametrize("steps", [100, 300])
def test_the_default_scale_asks_for_a_lead_in_rate(steps):
    """Whatever the number of steps: of those of the region, if there is one."""
    spikes = np.zeros((1, 2 * steps, 10), "float32")
    spikes[0, : 45 * steps // 100, 4] = 1
    sharp = {"label_smoothing": 0.0}
    whole = SpikeMaxLoss(**sharp)([4], spikes[:, :steps])
    np.testing.assert_allclose(np.exp(-whole), 0.99, atol=0.002)
    region = SpikeMaxLoss(region=(0, steps), **sharp)
    np.testing.assert_allclose(region([4], spikes), whole, rtol=1e-6)


def test_spike_max_loss_saved_before_it_smoothed_labels():
    assert SpikeMaxLoss().label_smoothing == 0.2
    assert SpikeMaxLoss.from_config({"scale": 0.2}).label_smoothing == 0.0
    again = SpikeMaxLoss.from_config(SpikeMaxLoss().get_config())
    assert (again.scale, again.label_smoothing) == (None, 0.2)


def test_spike_max_loss_takes_rows_that_do_not_sum_to_one():
    spikes = random_spikes(2, 10, 3)
    row, labels = np.array([[0.0, 2.0, 0.0]] * 2), [1, 1]
    twice, grad_of_twice = gradient(SpikeMaxLoss(), row, spikes)
    once, grad = gradient(SpikeMaxLoss(), labels, spikes)
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-6)
    np.testing.assert_allclose(grad_of_twice, 2 * grad, rtol=1e-5)


@pytest.mark.parametrize("loss", LABEL_LOSSES, ids=names)
def test_integer_and_one_hot_labels_agree(loss):
    spikes, labels = random_spikes(5, 12, 4), np.array([3, 0, 1, 1, 2])
    expected = loss(labels, spikes)
    assert expected > 0
    one_hot = np.eye(4)[labels]
    for form in (labels.astype("uint8"), labels[:, None], one_hot, one_hot.astype(bool)):
        assert loss(form, spikes) == expected
        assert loss.call(tf.constant(form), tf.constant(spikes)).shape == (5,)
    assert loss((labels + 1) % 4, spikes) != expected


def test_class_axes_of_a_convolution_are_flattened():
    spikes, labels = random_spikes(3, 12, 6), np.array([5, 0, 3])
    loss = SpikeCountLoss(4, 1)
    for inner in ((1, 1, 6), (2, 3)):
        image = spikes.reshape(3, 12, *inner)
        assert loss(labels, image) == loss(labels, spikes)
        assert loss(np.eye(6)[labels].reshape(3, *inner), image) == loss(labels, spikes)


def test_one_neuron_is_told_to_fire_or_not():
    spikes = np.ones((2, 10, 1), "float32")
    losses = SpikeCountLoss(8, 2, reduction=None)([[1], [0]], spikes)
    np.testing.assert_allclose(losses, [2**2 / 20, 8**2 / 20], rtol=1e-6)
    with pytest.raises(ValueError, match="two classes or more"):
        SpikeCountLoss(8, 2)([0, 0], spikes)


@pytest.mark.parametrize("loss", LABEL_LOSSES, ids=names)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 12, 4), (2, 4, 1), (3, 4), (3, 1)])
def test_labels_of_another_shape_are_named(loss, shape):
    with pytest.raises(ValueError, match="must be integer labels") as error:
        loss(np.zeros(shape), np.zeros((2, 12, 4)))
    assert f"Received: y_true.shape={shape}" in str(error.value)
    assert "(2,) or (2, 1)" in str(error.value) and "(2, 4)" in str(error.value)


@pytest.mark.parametrize("label", [-1, 4, 1.5])
def test_labels_that_name_no_class_are_refused(label):
    loss = SpikeMaxLoss()
    for call in (loss, tf.function(loss)):
        told = rf"integer class labels from 0 to the last class(?s:.*)\b3\b(?s:.*){label}"
        with pytest.raises(tf.errors.InvalidArgumentError, match=told):
            call(tf.constant([0.0, label]), tf.zeros((2, 12, 4)))


@pytest.mark.parametrize("shape", [(12,), (2, 12)])
def test_spikes_without_a_class_axis_are_named(shape):
    with pytest.raises(ValueError, match=r"\(batch, time, classes...\)") as error:
        SpikeMaxLoss()([0, 1], np.zeros(shape))
    assert f"Received: y_pred.shape={shape}" in str(error.value)


def test_region_past_the_recording_is_refused():
    loss = SpikeCountLoss(5, 1, region=(0, 300), dt=2.0)
    assert loss([0], np.zeros((1, 150, 2))) > 0
    with pytest.raises(ValueError, match=r"149 steps of dt=2 ms.*Received: region=.0.0, 300.0."):
        loss([0], np.zeros((1, 149, 2)))
    dynamic = tf.function(loss, input_signature=[tf.TensorSpec([None]), tf.TensorSpec([None] * 3)])
    assert dynamic(tf.constant([0.0]), tf.zeros((1, 150, 2))) > 0
    with pytest.raises(tf.errors.InvalidArgumentError, match="region ends after"):
        dynamic(tf.constant([0.0]), tf.zeros((1, 149, 2)))


@pytest.mark.parametrize("loss", LABEL_LOSSES, ids=names)
def test_unknown_shapes_give_the_same_loss_and_do_not_broadcast(loss):
    spikes, labels = random_spikes(3, 12, 4), np.array([3.0, 0.0, 2.0], "float32")
    spikes_spec, expected = tf.TensorSpec([None] * 3), loss(labels, spikes)
    integers = tf.function(loss, input_signature=[tf.TensorSpec([None]), spikes_spec])
    np.testing.assert_allclose(integers(labels, spikes), expected, rtol=1e-6)
    rows = tf.function(loss, input_signature=[tf.TensorSpec([None, None]), spikes_spec])
    one_hot = np.eye(4, dtype="float32")[labels.astype(int)]
    np.testing.assert_allclose(rows(one_hot, spikes), expected, rtol=1e-6)
    for call, wrong in ((integers, labels[:1]), (rows, one_hot[:1]), (rows, one_hot[:, :1])):
        with pytest.raises(tf.errors.InvalidArgumentError, match="same batch size and number"):
            call(wrong, spikes)
