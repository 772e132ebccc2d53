"""SpikeTimeLoss: values by hand, gradients as correlations, targets of another shape."""

import numpy as np
import pytest
import tensorflow as tf
from loss_cases import gradient, random_spikes

from keras_slayer.losses import SpikeTimeLoss


def alpha_error(difference, tau, dt):
    """The filtered difference by a plain convolution in double precision."""
    time = np.arange(difference.shape[1]) * dt
    kernel = time / tau * np.exp(1 - time / tau)
    convolve = lambda x: np.convolve(x, kernel)[: len(x)]  # noqa: E731
    return np.apply_along_axis(convolve, 1, difference.astype("float64"))


@pytest.mark.parametrize(("tau", "dt"), [(10.0, 1.0), (3.0, 0.5), (1.0, 2.0)])
@pytest.mark.parametrize("inner", [(5,), (2, 3, 2), ()])
def test_spike_time_loss_is_half_the_energy_of_the_filtered_difference(tau, dt, inner):
    spikes, target = random_spikes(3, 40, *inner), random_spikes(3, 40, *inner)[:, ::-1]
    error = alpha_error(spikes - target, tau, dt)
    loss = SpikeTimeLoss(tau, dt, reduction=None)
    expected = 0.5 * dt * np.sum(error**2, axis=tuple(range(1, error.ndim)))
    np.testing.assert_allclose(loss(target, spikes), expected, rtol=1e-5)
    mean = SpikeTimeLoss(tau, dt)(target, spikes)
    np.testing.assert_allclose(mean, expected.mean(), rtol=1e-5)


def test_spike_time_loss_of_one_spike_by_hand():
    # tau = dt: eps = 0, 1, 2/e, 3/e^2, so one spike against none in four steps costs half of
    # 1 + 4/e^2 + 9/e^4.
    spikes = np.zeros((1, 4, 1), "float32")
    spikes[0, 0] = 1
    loss = SpikeTimeLoss(tau=1.0)(np.zeros_like(spikes), spikes)
    np.testing.assert_allclose(loss, 0.5 * (1 + 4 * np.exp(-2) + 9 * np.exp(-4)), rtol=1e-6)


def test_spike_time_gradient_is_the_correlation_of_the_error_with_the_kernel():
    spikes, target = random_spikes(2, 30, 4), random_spikes(2, 30, 4)[:, ::-1]
    _, grad = gradient(SpikeTimeLoss(tau=5.0, reduction="sum"), target, spikes)
    error = alpha_error(spikes - target, 5.0, 1.0)
    expected = alpha_error(error[:, ::-1], 5.0, 1.0)[:, ::-1]
    np.testing.assert_allclose(grad, expected, atol=1e-5)
    assert np.abs(expected).max() > 1


def test_spike_time_loss_is_zero_only_for_the_target():
    spikes = random_spikes(2, 20, 3)
    assert SpikeTimeLoss()(spikes, spikes) == 0
    assert SpikeTimeLoss()(np.roll(spikes, 1, axis=1), spikes) > 0


@pytest.mark.parametrize("shape", [(2, 20), (2, 20, 4), (2, 19, 3), (2, 1, 3), (2, 20, 3, 1)])
def test_spike_time_loss_rejects_targets_of_another_shape(shape):
    with pytest.raises(ValueError, match="same shape") as error:
        SpikeTimeLoss()(np.zeros(shape), np.zeros((2, 20, 3)))
    assert f"y_true.shape={shape}, y_pred.shape=(2, 20, 3)" in str(error.value)


def test_spike_time_loss_does_not_broadcast_unknown_shapes():
    unknown = tf.TensorSpec([None, None, None])
    loss = tf.function(SpikeTimeLoss(), input_signature=[unknown, unknown])
    with pytest.raises(tf.errors.InvalidArgumentError, match="must have the same shape"):
        loss(tf.zeros((2, 1, 3)), tf.zeros((2, 20, 3)))
