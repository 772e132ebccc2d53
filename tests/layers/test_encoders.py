"""What each encoder makes of its input: equations and statistics."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from encoder_cases import first_steps, series

import keras_slayer as ks
from keras_slayer import encoders

# Rate coding


@pytest.mark.parametrize(("method", "dt"), [("bernoulli", 1.0), ("poisson", 1.0), ("poisson", 4.0)])
def test_rates_are_proportional(method, dt):
    x = np.array([-0.5, 0.0, 0.25, 0.5, 1.0, 1.5]).repeat(50)
    layer = ks.RateEncoder(1000, max_rate=200.0, dt=dt, method=method, seed=1)
    spikes = np.asarray(layer(x.reshape(1, -1)))[0]
    assert set(np.unique(spikes)) == {0.0, 1.0}
    expected = 0.2 * dt * np.array([0, 0, 0.25, 0.5, 1, 1])  # values outside saturate
    if method == "poisson":
        expected = 1 - np.exp(-expected)
    counts = spikes.sum(axis=0).reshape(6, 50)
    assert counts[:2].sum() == 0
    np.testing.assert_allclose(counts.mean(axis=1), 1000 * expected, rtol=0.03)
    # Independent of each other: the variance of a binomial count, and no two trains alike.
    spread = counts[2:].var(axis=1) / (1000 * expected * (1 - expected))[2:]
    assert (spread > 0.5).all() and (spread < 1.8).all()
    together = np.corrcoef(spikes[:, 250:].T)  # 50 trains of equal rate
    assert np.abs(together - np.eye(50)).max() < 0.2
    lagged = np.mean(spikes[1:, 200:250] * spikes[:-1, 200:250])
    assert lagged == pytest.approx(expected[4] ** 2, rel=0.1)


def test_spikes_are_fresh_in_training_and_the_same_at_inference():
    layer = ks.RateEncoder(50, seed=3)
    x = np.full((4, 5), 0.5, "float32")
    first, second = (np.asarray(layer(x, training=True)) for _ in range(2))
    assert (first != second).any()
    assert (np.asarray(layer(x)) == np.asarray(layer(x))).all()
    assert (np.asarray(layer(x)) == np.asarray(ks.RateEncoder(50, seed=3)(x))).all()
    assert (np.asarray(layer(x)) != np.asarray(ks.RateEncoder(50, seed=4)(x))).any()
    # In one graph as well, which is traced once.
    train = tf.function(lambda x: layer(x, training=True))
    assert (train(x).numpy() != train(x).numpy()).any()
    # Without a seed it draws one, from the generator that Keras sets.
    seeds = []
    for _ in range(2):
        keras.utils.set_random_seed(7)
        seeds.append(ks.RateEncoder().seed)
    assert seeds[0] == seeds[1] != ks.RateEncoder().seed


# Latency coding


def test_linear_latency():
    x = np.array([[1.0, 0.75, 0.5, 0.25, 0.2, 0.19, 0.0, -3.0, 7.0]])
    layer = ks.LatencyEncoder(17, threshold=0.2)
    assert first_steps(layer(x)).tolist() == [[0, 5, 10, 15, 16, -1, -1, -1, 0]]
    x = np.array([[1.0, 0.5, 0.0]])
    assert first_steps(ks.LatencyEncoder(5, threshold=0.0)(x)).tolist() == [[0, 2, 4]]


def test_logarithmic_latency_is_a_charging_membrane():
    """A leaky integrator that is charged to x reaches the threshold when the spike comes."""
    layer = ks.LatencyEncoder(200, "logarithmic", threshold=0.3, tau=20.0, dt=0.5)
    x = np.array([1.0, 0.8, 0.5, 0.4, 0.31, 0.3, 0.1])
    found = first_steps(layer(x[None]))[0]
    t = np.arange(0, 100, 0.001)
    for value, step in zip(x, found, strict=True):
        reached = value * (1 - np.exp(-t / 20.0)) >= 0.3
        expected = int(t[reached.argmax()] / 0.5) if reached.any() else -1
        assert abs(step - expected) <= 1e-9, value
    # Too late for the output: 20 ln(0.31 / 0.01) = 69 ms.
    short = ks.LatencyEncoder(60, "logarithmic", threshold=0.3, tau=20.0, dt=1.0)
    assert first_steps(short(np.array([[0.31, 0.4]]))).tolist() == [[-1, 27]]
    assert ks.LatencyEncoder(60, "logarithmic", dt=2.0)._tau == 120.0


# Population coding


def test_population_as_in_the_paper():
    """Bohte et al. 2002: centres and widths from M - 2, times from 0 to 9, silent past that."""
    low, high, neurons, beta = 4.0, 8.0, 6, 1.5
    x = np.linspace(low, high, 23)
    layer = ks.PopulationEncoder(11, neurons, beta, cutoff=0.1, low=low, high=high)
    found = first_steps(layer(x.reshape(1, -1)))[0].reshape(23, neurons)
    i = np.arange(1, neurons + 1)
    centre = low + (2 * i - 3) / 2 * (high - low) / (neurons - 2)
    sigma = (high - low) / (neurons - 2) / beta
    response = np.exp(-((x[:, None] - centre) ** 2) / (2 * sigma**2))
    expected = np.where(response >= 0.1, np.rint(10 * (1 - response)), -1)
    assert (found != expected).mean() < 0.02  # a time between two steps may be rounded either way
    # Every value is seen by two neurons or more, and by one of them soon.
    assert ((found >= 0).sum(axis=1) >= 2).all()
    assert (np.where(found < 0, 99, found).min(axis=1) <= 3).all()


# Delta coding


def test_the_error_of_the_reconstruction_is_below_the_threshold():
    x = series(0.1)
    layer = ks.DeltaEncoder(threshold=0.1)
    spikes = layer(x)
    assert spikes.shape == (4, 300, 6) and set(np.unique(spikes)) == {0.0, 1.0}
    back = encoders.reconstruct(spikes, 0.1, start=x[:, 0])
    assert np.abs(back - x).max() < 0.1 + 1e-6
    assert np.abs(back - x).max() > 0.09  # the bound is tight
    # Fast series are followed by one threshold per step.
    ramp = np.linspace(0, 10, 11).reshape(1, -1, 1)
    back = encoders.reconstruct(ks.DeltaEncoder(0.5)(ramp), 0.5)
    np.testing.assert_allclose(back[0, :, 0], 0.5 * np.arange(11))


def test_up_and_down_spikes():
    x = np.array([0.0, 0.9, 1.1, 2.2, 1.3, 1.0, -0.1, 0.2])
    spikes = np.asarray(ks.DeltaEncoder(1.0)(np.stack([x, -x], axis=1)[None]))[0]
    assert spikes[:, 0].tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    assert spikes[:, 2].tolist() == [0, 0, 0, 0, 0, 1, 1, 0]
    np.testing.assert_array_equal(spikes[:, [0, 2]], spikes[:, [3, 1]])  # of -x, the other way


def test_adapt_of_the_delta_encoder_makes_the_bound_hold():
    x = series(0.1) * np.array([1.0, 5.0, 0.0], "float32")
    layer = ks.DeltaEncoder()
    layer.adapt(x)
    threshold = layer.get_weights()[0]
    assert 0.09 < threshold[0] < 0.101 and 0.45 < threshold[1] < 0.505 and threshold[2] == 1
    back = encoders.reconstruct(layer(x, training=True), threshold, start=x[:, 0])
    assert (np.abs(back - x).max(axis=(0, 1)) <= threshold * (1 + 1e-5)).all()
