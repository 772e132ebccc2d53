"""The filters against explicit kernel sums in NumPy and against numerical derivatives."""

import math

import cases
import numpy as np
import pytest
import tensorflow as tf

from keras_slayer import ops

BACKENDS = pytest.mark.parametrize("name", ["native", "reference"])


def convolve(x, kernel):
    """y[t] = sum_k kernel[k] x[t - k] as it is written."""
    y = np.zeros_like(x)
    for t in range(x.shape[1]):
        for k in range(min(len(kernel), t + 1)):
            y[:, t] += kernel[k] * x[:, t - k]
    return y


def alpha(k, tau):
    return k / tau * math.exp(1 - k / tau)


@BACKENDS
@pytest.mark.parametrize("tau", [0.3, 1.0, 10.0])
def test_alpha_filter_is_the_untruncated_alpha_kernel(name, tau):
    x = np.random.default_rng(1).normal(size=(2, 60, 3))
    with cases.backend(name):
        y = ops.alpha_filter(x, tau)
    expected = convolve(x, [alpha(k, tau) for k in range(60)])
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-13)


@BACKENDS
@pytest.mark.parametrize("decay", [0.0, 0.7, 1.0])
def test_exponential_filter_is_its_kernel(name, decay):
    x = np.random.default_rng(1).normal(size=(2, 40, 3))
    with cases.backend(name):
        y = ops.exponential_filter(x, decay)
    np.testing.assert_allclose(y, convolve(x, [decay**k for k in range(40)]), rtol=1e-12)


@BACKENDS
@pytest.mark.parametrize("taps", [1, 4, 30])
def test_temporal_filter_is_a_causal_convolution(name, taps):
    """Also with more taps than there are steps."""
    rng = np.random.default_rng(2)
    x, kernel = rng.normal(size=(2, 12, 3)), rng.normal(size=taps)
    with cases.backend(name):
        y = ops.temporal_filter(x, kernel)
    np.testing.assert_allclose(y, convolve(x, kernel), rtol=1e-12, atol=1e-13)


@BACKENDS
def test_impulse_responses_by_hand(name):
    x = np.array([0, 1, 0, 0, 0], np.float32).reshape(1, 5, 1)
    with cases.backend(name):
        fir = ops.temporal_filter(x, [3, 2, 1])
        leak = ops.exponential_filter(x, 0.5)
        response = ops.alpha_filter(x, 1.0)
    np.testing.assert_array_equal(np.ravel(fir), [0, 3, 2, 1, 0])
    np.testing.assert_array_equal(np.ravel(leak), [0, 1, 0.5, 0.25, 0.125])
    # k e^(1 - k): nothing in the step of the input, the peak one time constant later.
    np.testing.assert_allclose(np.ravel(response), [0, 0, 1, 0.7357589, 0.4060058], rtol=1e-6)


@pytest.mark.parametrize(
    ("tau", "cutoff", "scale"),
    [(10.0, 0.01, 1.0), (1.0, 0.0001, -20.0), (2.5, 0.05, 1.0), (0.2, 0.01, 1.0), (3.0, 2.0, 1.0)],
)
def test_truncated_kernel_follows_the_original_rule(tau, cutoff, scale):
    """Sample by sample until the first k past tau with |eps| < cutoff, which is left out."""
    expected, k = [], 0
    while not (abs(scale * alpha(k, tau)) < cutoff and k > tau):
        expected.append(scale * alpha(k, tau))
        k += 1
    np.testing.assert_allclose(
        ops.alpha_kernel(tau, cutoff=cutoff, scale=scale), expected, rtol=1e-14
    )


def test_truncated_kernel_of_the_original_defaults():
    kernel = ops.alpha_kernel(10, cutoff=0.01)
    assert kernel.dtype == np.float64
    assert len(kernel) == 77  # eps[76] = 7.6 e^-6.6 = 0.01034, eps[77] = 0.00948
    assert kernel[0] == 0 and kernel[10] == 1 and np.argmax(kernel) == 10
    assert len(ops.alpha_kernel(10, steps=5)) == 5


@BACKENDS
@pytest.mark.parametrize("case", cases.FILTERS, ids=str)
def test_first_and_second_derivatives_are_numerically_right(case, name):
    """Of x and, for the FIR, of the kernel, mixed derivatives included."""
    inputs = case.arrays((2, 5, 2), "float64")

    def first(*inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            loss = tf.reduce_sum(tf.sin(case.run(*inputs)[0]))
        return tf.concat([tf.reshape(g, [-1]) for g in tape.gradient(loss, inputs)], axis=0)

    with cases.backend(name):
        for function in (lambda *inputs: case.run(*inputs)[0], first):
            analytic, numeric = tf.test.compute_gradient(function, inputs, delta=1e-4)
            for a, n in zip(analytic, numeric, strict=True):
                assert np.abs(n).max() > 0.1
                np.testing.assert_allclose(a, n, atol=1e-7)


@BACKENDS
def test_kernel_gradient_by_hand(name):
    """dkernel[k] = sum_t x[t - k] dy[t]; taps past the end of the series get none."""
    x = tf.constant([1.0, 2.0, 3.0], shape=[1, 3, 1])
    kernel = tf.constant([0.5, 0.5, 0.5, 0.5])
    with cases.backend(name), tf.GradientTape() as tape:
        tape.watch(kernel)
        y = ops.temporal_filter(x, kernel)
        upstream = tf.constant([1.0, 10.0, 100.0], shape=[1, 3, 1])
        gradient = tape.gradient(y, kernel, output_gradients=upstream)
    np.testing.assert_array_equal(gradient, [321.0, 210.0, 100.0, 0.0])
