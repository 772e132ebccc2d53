"""SRM and CUBA neurons, native and reference, against the equations of their docstrings.

The oracle sums kernels over the whole past (and, backwards, the whole future),
without recursion, in float64.
"""

import dataclasses
import math

import cases
import numpy as np
import pytest
import tensorflow as tf

import keras_slayer as ks
from keras_slayer import ops

BACKENDS = pytest.mark.parametrize("name", ["native", "reference"])
GRADIENTS = pytest.mark.parametrize("gradient", ["slayer", "exodus"])
SURROGATES = pytest.mark.parametrize("shape", ["exponential", "triangle"])
STEPS, NEURONS = 40, 6


def alpha_taps(tau, scale=1.0, cutoff=None):
    taps = [scale * k / tau * math.exp(1 - k / tau) for k in range(STEPS)]
    if cutoff is not None:
        taps = taps[: next(k for k in range(STEPS) if k > tau and abs(taps[k]) < cutoff)]
    return np.pad(taps, (0, STEPS - len(taps)))


def past(taps, x, t):
    """sum_k taps[k] x[t - k]"""
    return sum(taps[k] * x[t - k] for k in range(t + 1))


def future(taps, x, t):
    """sum_k taps[k] x[t + k]"""
    return sum(taps[k] * x[t + k] for k in range(STEPS - t))


def surrogate(u, shape, threshold, tau, scale):
    distance = np.abs(u - threshold) / (tau * threshold)
    density = np.exp(-distance) if shape == "exponential" else np.maximum(1 - distance / 2, 0)
    return scale / (tau * threshold) * density


def srm_oracle(z, grad, eps, nu, threshold, tau, scale, gradient, shape):
    """Spikes, membrane and dz of one sample, arrays (steps, neurons)."""
    spikes, u = np.zeros_like(z), np.zeros_like(z)
    for t in range(STEPS):
        u[t] = past(eps, z, t) + past(nu, spikes, t)  # spikes[t] is still 0, and nu[0] is
        spikes[t] = u[t] >= threshold
    rho, felt = surrogate(u, shape, threshold, tau, scale), np.zeros_like(z)
    for t in reversed(range(STEPS)):
        back = future(nu, felt, t) if gradient == "exodus" else 0.0
        felt[t] = rho[t] * (grad[t] + back)
    return spikes, u, np.array([future(eps, felt, t) for t in range(STEPS)])


def cuba_oracle(z, grad, threshold, current_decay, voltage_decay, tau, scale, gradient, shape):
    keep_i, keep_v = 1 - current_decay, 1 - voltage_decay
    current = np.array([past(keep_i ** np.arange(STEPS), z, t) for t in range(STEPS)])
    spikes, v, reset = np.zeros_like(z), np.zeros_like(z), np.zeros(NEURONS, int)
    for t in range(STEPS):
        for n in range(NEURONS):
            since = range(reset[n], t + 1)  # what came before the last reset is gone
            v[t, n] = sum(keep_v ** (t - j) * current[j, n] for j in since)
            if v[t, n] >= threshold:
                spikes[t, n], reset[n] = 1, t + 1
    rho = surrogate(v, shape, threshold, tau, scale)
    through = 1 - spikes - v * rho if gradient == "exodus" else np.ones_like(v)
    felt = np.zeros_like(z)
    for t in range(STEPS):
        for m in range(t, STEPS):  # the voltage of step m depends on that of step t
            felt[t] += np.prod(keep_v * through[t:m], axis=0) * rho[m] * grad[m]
    return spikes, v, np.array([future(keep_i ** np.arange(STEPS), felt, t) for t in range(STEPS)])


def alif_oracle(z, grad, threshold, tau_v, tau_a, beta, tau, scale, gradient, shape):
    k = np.arange(STEPS)
    leak, slow = np.exp(-k / tau_v), np.exp(-k / tau_a)
    # What a spike does k steps later, and to its own step nothing.
    nu = np.concatenate([[0.0], -threshold * leak[:-1] - beta * slow[:-1]])
    return srm_oracle(z, grad, leak, nu, threshold, tau, scale, gradient, shape)


def check(name, function, oracle, drive):
    rng = np.random.default_rng(3)
    z = drive + rng.normal(size=(2, STEPS, NEURONS))
    grad = rng.normal(size=z.shape)
    with cases.backend(name), tf.GradientTape() as tape:
        x = tf.constant(z)
        tape.watch(x)
        spikes, membrane = function(x)
        actual = tape.gradient(spikes, x, output_gradients=tf.constant(grad))
    for b in range(2):
        expected_spikes, expected_membrane, expected = oracle(z[b], grad[b])
        assert 5 < expected_spikes.sum() < 0.8 * expected_spikes.size
        np.testing.assert_array_equal(spikes[b], expected_spikes)
        np.testing.assert_allclose(membrane[b], expected_membrane, rtol=1e-9, atol=1e-11)
        assert np.abs(expected).max() > 0.05
        np.testing.assert_allclose(actual[b], expected, rtol=1e-9, atol=1e-11)


@BACKENDS
@GRADIENTS
@SURROGATES
@pytest.mark.parametrize("kernel_cutoff", [None, 0.05])
def test_srm(name, gradient, shape, kernel_cutoff):
    def function(z):
        return ops.srm(
            z,
            threshold=2.0,
            tau_response=3.0,
            tau_refractory=1.5,
            refractory_scale=1.7,
            kernel_cutoff=kernel_cutoff,
            surrogate_tau=0.4,
            surrogate_scale=0.9,
            surrogate=shape,
            gradient=gradient,
        )

    eps = alpha_taps(3.0, cutoff=kernel_cutoff)
    # The original code's second cut-off is a hundredth of its first.
    nu = alpha_taps(1.5, -1.7 * 2.0, None if kernel_cutoff is None else kernel_cutoff / 100)
    rest = (2.0, 0.4, 0.9, gradient, shape)
    check(name, function, lambda z, g: srm_oracle(z, g, eps, nu, *rest), 0.3)


@BACKENDS
@GRADIENTS
@SURROGATES
@pytest.mark.parametrize("beta", [0.0, 0.4])
def test_alif(name, gradient, shape, beta):
    neuron = ks.ALIF(
        threshold=1.2,
        tau_membrane=4.0,
        tau_adaptation=15.0,
        beta=beta,
        dt=0.5,
        surrogate_tau=0.4,
        surrogate_scale=0.9,
        surrogate=shape,
        gradient=gradient,
    )
    rest = (1.2, 8.0, 30.0, beta, 0.4, 0.9, gradient, shape)
    check(name, lambda z: ops.fire(z, neuron), lambda z, g: alif_oracle(z, g, *rest), 0.2)


@BACKENDS
@GRADIENTS
@SURROGATES
@pytest.mark.parametrize("frequency", [40.0, 900.0])  # of which the latter is nearly the limit
def test_resonate_and_fire(name, gradient, shape, frequency):
    neuron = ks.ResonateAndFire(
        threshold=1.2,
        frequency=frequency,
        tau=6.0,
        dt=0.5,
        surrogate_tau=0.4,
        surrogate_scale=0.9,
        surrogate=shape,
        gradient=gradient,
    )
    powers = np.exp((2j * math.pi * frequency / 1000 - 1 / 6.0) * 0.5 * np.arange(STEPS))
    nu = -1.2 * powers.real
    nu[0] = 0.0
    rest = (1.2, 0.4, 0.9, gradient, shape)
    check(
        name,
        lambda z: ops.fire(z, neuron),
        lambda z, g: srm_oracle(z, g, powers.imag, nu, *rest),
        0.2,
    )


@BACKENDS
def test_the_threshold_of_alif_rises_and_decays(name):
    """Under constant input the intervals between spikes grow; after a pause they are short."""
    neuron = ks.ALIF(threshold=1.0, tau_membrane=20.0, tau_adaptation=60.0, beta=0.5)
    z = np.full((1, 900, 1), 0.2)
    z[:, 300:700] = 0.0
    with cases.backend(name):
        spikes, _ = ops.fire(tf.constant(z), neuron)
        plain, _ = ops.fire(tf.constant(z), dataclasses.replace(neuron, beta=0.0))
    (times,) = np.nonzero(spikes[0, :, 0])
    before, after = np.diff(times[times < 300]), np.diff(times[times >= 700])
    assert before[-3:].mean() > 1.5 * before[0]
    assert after[0] <= before[0] + 1
    assert 0 < len(times) < 0.7 * np.sum(plain)


@BACKENDS
@GRADIENTS
@SURROGATES
@pytest.mark.parametrize("nu", [[0.0, -2.0, 0.5, -0.3], [0.0], [0.0] + [-0.1] * 60], ids=len)
def test_srm_fir(name, gradient, shape, nu):
    """Any refractory kernel: of one tap (none at all) and of more than there are steps."""

    def function(z):
        options = {"surrogate": shape, "surrogate_tau": 1.0, "gradient": gradient}
        return ops.srm_fir(z, nu, threshold=0.8, **options)

    identity, taps = np.eye(1, STEPS)[0], np.pad(nu, (0, STEPS))[:STEPS]
    rest = (0.8, 1, 1, gradient, shape)
    check(name, function, lambda z, g: srm_oracle(z, g, identity, taps, *rest), 0.3)


def test_float_exponential_over_its_whole_range():
    """The native op's own exponential, from the threshold to where floats end, and past it."""
    octaves = np.concatenate([np.linspace(0, 126, 200_001), [200.0, 1e6, 1e30]])
    threshold, tau = 2.0, 0.5  # width 1, peak 1
    distance = tf.cast(octaves * np.log(2), tf.float32)
    for side in (1, -1):
        u = (threshold + side * distance)[tf.newaxis, tf.newaxis]
        with cases.backend("native"), tf.GradientTape() as tape:
            tape.watch(u)
            spikes = ops.srm_fir(u, [0.0], threshold=threshold, surrogate_tau=tau)[0]
        rho = np.ravel(tape.gradient(spikes, u))
        exact = np.exp(-np.abs(np.ravel(u).astype(np.float64) - threshold))
        normal = octaves < 126
        # That of 2^x, and the rounding of x itself.
        bound = 3e-7 + 2 * np.finfo(np.float32).eps * octaves[normal]
        error = rho[normal] / exact[normal] - 1
        assert np.all(np.abs(error) <= bound), np.max(np.abs(error) / bound)
        np.testing.assert_array_equal(rho[-3:], 0)


@BACKENDS
@GRADIENTS
@SURROGATES
@pytest.mark.parametrize("decays", [(0.25, 0.03), (1.0, 0.0), (0.6, 1.0)])
def test_cuba(name, gradient, shape, decays):
    def function(z):
        return ops.cuba(
            z,
            threshold=1.25,
            current_decay=decays[0],
            voltage_decay=decays[1],
            surrogate_tau=0.8,
            surrogate_scale=1.1,
            surrogate=shape,
            gradient=gradient,
        )

    rest = (1.25, *decays, 0.8, 1.1, gradient, shape)
    check(name, function, lambda z, g: cuba_oracle(z, g, *rest), 0.1)


@BACKENDS
def test_cuba_integrates_and_resets_by_hand(name):
    z = tf.constant([0.5, 0.25, 0.25, 0.5, 0.75, 0.0], shape=[1, 6, 1])
    with cases.backend(name):
        spikes, voltage = ops.cuba(z, threshold=1.0, current_decay=1.0, voltage_decay=0.0)
    np.testing.assert_array_equal(np.ravel(voltage), [0.5, 0.75, 1.0, 0.5, 1.25, 0.0])
    np.testing.assert_array_equal(np.ravel(spikes), [0, 0, 1, 0, 1, 0])


@BACKENDS
@pytest.mark.parametrize("case", cases.NEURONS, ids=str)
def test_no_gradient_flows_through_the_membrane(name, case):
    (z,) = case.arrays((1, 8, 3))
    with cases.backend(name), tf.GradientTape() as tape:
        tape.watch(z)
        _, membrane = case.run(z)
    assert tape.gradient(membrane, z) is None


@BACKENDS
@pytest.mark.parametrize("shape", ["exponential", "triangle"])
def test_surrogates_have_the_same_peak_and_area(name, shape):
    """The gradient of a spike at every membrane potential from -19 to 21 thresholds."""
    u = np.arange(-19, 21, 1e-3)
    with cases.backend(name), tf.GradientTape() as tape:
        z = tf.constant(u.reshape(1, 1, -1))
        tape.watch(z)
        spikes, membrane = ops.cuba(z, threshold=1.0, surrogate_tau=0.5, surrogate=shape)
    rho = np.ravel(tape.gradient(spikes, z))
    np.testing.assert_array_equal(np.ravel(membrane), u)
    assert rho.max() == pytest.approx(2.0, rel=2e-3)
    assert rho.sum() * 1e-3 == pytest.approx(2.0, rel=1e-3)
    assert np.all(rho[np.abs(u - 1) > 1.001] == 0) == (shape == "triangle")
