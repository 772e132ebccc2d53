"""Delays: shifts by whole steps, and both gradients, by hand."""

import cases
import numpy as np
import pytest
import tensorflow as tf

from keras_slayer import ops

BACKENDS = pytest.mark.parametrize("name", ["native", "reference"])
PAST_THE_END = (8.0, 8.5, 62.0, 3e9, 1e12, 1e30)


def expected_of(x, grad, delays):
    """Output, dx and ddelay element by element; delays has the shape of the trailing axes' end."""
    y, dx, dd = np.zeros_like(x), np.zeros_like(x), np.zeros_like(delays)
    steps = x.shape[1]
    for b, t, *n in np.ndindex(*x.shape):
        which = tuple(n[len(n) - delays.ndim :])
        shift = int(min(np.floor(delays[which]), steps + 1))
        if t - shift >= 0:
            y[(b, t, *n)] = x[(b, t - shift, *n)]
        if t + shift < steps:
            dx[(b, t, *n)] = grad[(b, t + shift, *n)]
        for moment, sign in ((t + 1, 1), (t - 1, -1)):
            if 0 <= moment - shift < steps:
                dd[which] -= grad[(b, t, *n)] * sign * x[(b, moment - shift, *n)] / 2
    return y, dx, dd


@BACKENDS
@pytest.mark.parametrize("delay_dtype", ["float32", "float64"])
@pytest.mark.parametrize("trailing", [(), (4,), (3, 4), (2, 3, 4)], ids=str)
def test_shift_and_gradients(name, delay_dtype, trailing):
    rng = np.random.default_rng(6)
    x, grad = rng.normal(size=(2, 8, 2, 3, 4)), rng.normal(size=(2, 8, 2, 3, 4))
    delays = rng.uniform(0, 11, size=trailing)
    with cases.backend(name), tf.GradientTape() as tape:
        inputs = [tf.constant(x), tf.constant(delays, delay_dtype)]
        tape.watch(inputs)
        y = ops.delay(*inputs)
    dx, dd = tape.gradient(y, inputs, output_gradients=tf.constant(grad))
    expected_y, expected_dx, expected_dd = expected_of(x, grad, np.asarray(delays))
    np.testing.assert_array_equal(y, expected_y)
    np.testing.assert_array_equal(dx, expected_dx)
    assert dd.dtype == delay_dtype and dd.shape == trailing
    np.testing.assert_allclose(dd, expected_dd, rtol=1e-5 if delay_dtype == "float32" else 1e-12)


@BACKENDS
def test_fractions_and_delays_past_the_end_by_hand(name):
    delays = np.array([0.0, 0.99, 1.0, 2.7, 7.0, *PAST_THE_END])
    x = np.broadcast_to(np.arange(1.0, 9.0)[:, np.newaxis], (1, 8, len(delays)))
    with cases.backend(name):
        y = ops.delay(x, delays).numpy()[0].T
    assert y[0].tolist() == y[1].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert y[2].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert y[3].tolist() == [0, 0, 1, 2, 3, 4, 5, 6]
    assert y[4].tolist() == [0, 0, 0, 0, 0, 0, 0, 1]
    assert not y[5:].any()


def delay_gradient(x, delay, upstream):
    with tf.GradientTape() as tape:
        tape.watch(delay)
        y = ops.delay(x, delay)
    return tape.gradient(y, delay, output_gradients=upstream).numpy()


@BACKENDS
def test_delay_gradient_by_hand(name):
    """ddelay = -sum_t dy[t] (y[t+1] - y[t-1]) / 2: negative where later spikes are wanted."""
    x = tf.constant([1.0, 0.0, 0.0, 0.0], shape=[1, 4, 1])
    upstream = tf.constant([2.0, 3.0, 5.0, 7.0], shape=[1, 4, 1])
    with cases.backend(name):
        gradient = delay_gradient(x, tf.constant([1.0]), upstream)
    assert gradient.tolist() == [-(2.0 - 5.0) / 2]


@BACKENDS
def test_delay_gradient_at_the_ends_by_hand(name):
    """What a delay has just pushed past the end still counts: one step less brings it back."""
    delays = [0.0, 1.0, 2.5, 3.0, 4.0, 4.9, 5.0, 62.0, 1e30]
    x, upstream = (
        tf.repeat(tf.constant(series, shape=[1, 4, 1]), len(delays), axis=2)
        for series in ([1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 5.0, 7.0])
    )
    with cases.backend(name):
        gradient = delay_gradient(x, tf.constant(delays), upstream)
    by_hand = [
        -(2 * (2 - 0) + 3 * (3 - 1) + 5 * (4 - 2) + 7 * (0 - 3)) / 2,
        -(2 * (1 - 0) + 3 * (2 - 0) + 5 * (3 - 1) + 7 * (4 - 2)) / 2,
        -(3 * (1 - 0) + 5 * (2 - 0) + 7 * (3 - 1)) / 2,
        -(5 * (1 - 0) + 7 * (2 - 0)) / 2,
        *[-7 * (1 - 0) / 2] * 2,
        *[0] * 3,
    ]
    assert gradient.tolist() == by_hand


@BACKENDS
def test_delay_is_left_alone_where_the_error_lies_evenly_before_and_after(name):
    """A bump is wanted at step 9, where a delay of 7 puts it; a backward difference moves it."""
    x = tf.constant([1.0, 4.0, 6.0, 4.0, 1.0, *[0.0] * 15], shape=[1, 20, 1])
    wanted = np.maximum(7 - np.abs(np.arange(20.0) - 9), 0).reshape(1, 20, 1)
    upstream = tf.constant(-wanted, tf.float32)
    with cases.backend(name):
        gradients = [delay_gradient(x, tf.constant([d]), upstream)[0] for d in (6.0, 7.0, 8.0)]
    assert gradients == [-10.0, 0.0, 10.0]


@BACKENDS
@pytest.mark.parametrize("tau", [1.0, 2.0, 5.0, 20.0])
@pytest.mark.parametrize("kernel", ["alpha", "exponential"])
def test_delay_gradient_points_to_the_true_delay_from_both_sides_alike(name, kernel, tau):
    """Squared distance of a filtered spike from one that is 10 steps late; delays 0 to 20."""

    def filtered(spikes):
        if kernel == "alpha":
            return ops.alpha_filter(spikes, tau)
        return ops.exponential_filter(spikes, float(np.exp(-1 / tau)))

    delays = np.arange(21.0)
    x = np.zeros((1, 500, 21))
    x[0, 5] = 1
    with cases.backend(name):
        target = filtered(ops.delay(x, 10.0))
        watched = tf.constant(delays + 0.5)
        with tf.GradientTape() as tape:
            tape.watch(watched)
            loss = tf.reduce_sum((filtered(ops.delay(x, watched)) - target) ** 2)
        gradient = tape.gradient(loss, watched).numpy()
    np.testing.assert_array_equal(np.sign(gradient), np.sign(delays - 10))
    np.testing.assert_allclose(gradient, -gradient[::-1], rtol=1e-6)


@BACKENDS
def test_integer_delays_and_shared_scalar(name):
    x = np.arange(1.0, 7.0).reshape(1, 3, 2)
    with cases.backend(name):
        np.testing.assert_array_equal(ops.delay(x, 1)[0], [[0, 0], [1, 2], [3, 4]])


@BACKENDS
@pytest.mark.parametrize("bad", [-0.5, -1e-6, np.nan, np.inf, -np.inf])
def test_negative_and_non_finite_delays_are_refused(name, bad):
    x = np.ones((1, 3, 4), np.float32)
    delays = np.array([0, 1, bad, 2], np.float32)
    message = "finite and not negative"
    with cases.backend(name), pytest.raises(tf.errors.InvalidArgumentError, match=message):
        ops.delay(x, delays)


def test_delays_of_a_shape_unknown_until_run_must_fit():
    """12 neurons in 4 channels: 3 delays would divide them, and mean nothing."""

    @tf.function(input_signature=[tf.TensorSpec([None] * 4), tf.TensorSpec(None)])
    def function(x, delays):
        return ops.delay(x, delays)

    with cases.backend("native"):
        assert function(np.ones((1, 2, 3, 4)), np.zeros(4)).shape == (1, 2, 3, 4)
        with pytest.raises(tf.errors.InvalidArgumentError, match="per channel or per neuron"):
            function(np.ones((1, 2, 3, 4)), np.zeros(3))


@BACKENDS
def test_second_derivative_by_hand(name):
    """Of the squared gradient of the sum of squares: the last step is pushed past the end."""
    z = tf.constant([1.0, 2.0, 3.0, 4.0], shape=[1, 4, 1])
    with cases.backend(name), tf.GradientTape() as outer:
        outer.watch(z)
        with tf.GradientTape() as inner:
            inner.watch(z)
            loss = tf.reduce_sum(ops.delay(z, 1.0) ** 2)
        squares = tf.reduce_sum(inner.gradient(loss, z) ** 2)
        gradient = outer.gradient(squares, z)
    assert gradient.numpy().ravel().tolist() == [8, 16, 24, 0]


@BACKENDS
def test_second_derivative_of_the_delay_by_hand(name):
    """sum_t u[t] (y[t+2] - 2 y[t] + y[t-2]) / 4: the slope of the slope."""
    x = tf.constant([1.0, 2.0, 3.0, 4.0], shape=[1, 4, 1])
    upstream = tf.constant([2.0, 3.0, 5.0, 7.0], shape=[1, 4, 1])
    delay = tf.constant([1.0])
    with cases.backend(name), tf.GradientTape() as outer:
        outer.watch(delay)
        with tf.GradientTape() as inner:
            inner.watch(delay)
            total = tf.reduce_sum(upstream * ops.delay(x, delay))
        gradient = outer.gradient(inner.gradient(total, delay), delay)
    by_hand = (2 * (2 - 0 + 0) + 3 * (3 - 2 + 0) + 5 * (4 - 4 + 0) + 7 * (0 - 6 + 1)) / 4
    assert gradient.numpy().tolist() == [by_hand] == [-7.0]


def derivatives(x, delays, upstream, order):
    """Of sum(upstream y^2), then of the sum of the sines of the gradients so far."""
    inputs = [x, delays, upstream]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(inputs)
        total = tf.reduce_sum(upstream * ops.delay(x, delays) ** 2)
        for _ in range(order - 1):
            gradients = tape.gradient(total, inputs)
            total = tf.add_n([tf.reduce_sum(tf.sin(g)) for g in gradients])
    return total, tape.gradient(total, inputs)


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("trailing", [(), (4,), (3, 4)], ids=str)
def test_higher_derivatives_equal_the_reference(trailing, graph, order):
    rng = np.random.default_rng(6)
    x, upstream = (tf.constant(rng.normal(size=(2, 6, 3, 4))) for _ in range(2))
    delays = tf.constant(rng.uniform(0, 8, size=trailing))
    results = {}
    for name in ("native", "reference"):
        with cases.backend(name):
            run = tf.function(derivatives) if graph else derivatives
            results[name] = run(x, delays, upstream, order)[1]
    for actual, expected in zip(results["native"], results["reference"], strict=True):
        assert np.any(expected)
        cases.assert_close(actual, expected, 1e-12)


@BACKENDS
def test_second_derivative_against_differences(name):
    rng = np.random.default_rng(6)
    x, upstream = (rng.normal(size=(2, 6, 3)) for _ in range(2))
    delays, direction = rng.uniform(0, 7, size=3), rng.normal(size=x.shape)

    def evaluate(x):
        return derivatives(tf.constant(x), tf.constant(delays), tf.constant(upstream), 2)

    with cases.backend(name):
        _, (gradient, _, _) = evaluate(x)
        above, below = (evaluate(x + h * direction)[0] for h in (1e-6, -1e-6))
    np.testing.assert_allclose(np.sum(gradient * direction), (above - below) / 2e-6, rtol=1e-6)
