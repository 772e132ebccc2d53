"""The bias of Loihi's neurons: the chip's integers, and a gradient past the rounding."""

import functools

import cases
import numpy as np
import pytest
import tensorflow as tf

from keras_slayer import LoihiCUBA, loihi
from keras_slayer.export.network import IntegerNeuron
from keras_slayer.export.simulation.reference import Neurons
from keras_slayer.ops import neurons, recurrent
from keras_slayer.ops.recurrent_reference import reference_recurrent

BACKENDS = pytest.mark.parametrize("name", ["native", "reference"])
GRADIENTS = pytest.mark.parametrize("gradient", ["slayer", "exodus"])
CHANNELS = 7


def biased(bias, neuron=None):
    neuron = neuron or LoihiCUBA(90, 1200, 500)
    return neuron.with_tensors({"bias": tf.constant(bias, tf.float64)})


def chip(neuron, bias, z):
    """Spikes and voltages after reset of sums z (batch, time, ..., channels), by the simulator."""
    arriving = np.zeros_like(z)
    arriving[:, 1:] = z[:, :-1]
    integers = IntegerNeuron(neuron.current_decay, neuron.voltage_decay, neuron.threshold_mantissa)
    chip = Neurons(integers, (len(arriving), *arriving.shape[2:]), np.asarray(bias, np.int64))
    steps = [chip.step(arriving[:, t]) for t in range(arriving.shape[1])]
    spikes, _, voltage = (np.stack(series, 1) for series in zip(*steps, strict=True))
    return spikes, voltage


def check(name, dtype, neuron, bias, z):
    with cases.backend(name):
        spikes, membrane = neurons.fire_tensor(tf.constant(z / 64, dtype), biased(bias, neuron))[:2]
    fired, voltage = chip(neuron, bias, z)
    np.testing.assert_array_equal(spikes, fired)
    np.testing.assert_array_equal(membrane.numpy() * (1 - fired) * 4096, voltage)
    return fired


@BACKENDS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("decays", [(1200, 500), (0, 0), (4096, 4096), (4095, 1)])
def test_every_step_adds_the_bias_from_the_first_on(name, dtype, decays):
    rng = np.random.default_rng(1)
    bias = [0, 60, -40, 300, loihi.MIN_BIAS, loihi.MAX_BIAS, 1]
    z = rng.integers(-200, 256, size=(3, 30, 4, CHANNELS))
    z[0] = 0  # the bias alone
    fired = check(name, dtype, LoihiCUBA(250, *decays), bias, z)
    assert fired[0, 0, 0].tolist() == [0, 0, 0, 1, 0, 1, 0]


@BACKENDS
@pytest.mark.parametrize("size", [300, 2**17 - 1, 3 * 2**20])
def test_where_the_voltage_is_clipped_and_floats_end(name, size):
    """Each neuron keeps the bias of its channel where doubles take over, amid a series."""
    rng = np.random.default_rng(2)
    bias = rng.integers(loihi.MIN_BIAS, loihi.MAX_BIAS + 1, CHANNELS)
    z = rng.integers(-(2**16), 2**16, size=(2, 40, 90, CHANNELS))
    z[1, 17, 33], z[1, 19, 34] = size, -size
    z[:, 20:24, 50] = size
    check(name, "float32", LoihiCUBA(131071, 3, 2), bias, z)


@BACKENDS
def test_chunks_from_states_are_the_whole(name):
    rng = np.random.default_rng(3)
    z = rng.integers(-250, 300, size=(2, 20, 3, CHANNELS))
    z[1, 12] = 2**19  # doubles from here on, and in the state
    neuron = biased(rng.integers(-300, 300, CHANNELS))
    fire = functools.partial(neurons.fire_tensor, neuron=neuron)
    with cases.backend(name):
        whole = fire(tf.constant(z / 64, tf.float32))[0]
        state, parts = tf.zeros((2, neuron.states, 3, CHANNELS), tf.float64), []
        for part in np.split(z, [7, 14], axis=1):
            spikes, _, state = fire(tf.constant(part / 64, tf.float32), start=state)
            parts.append(spikes)
    np.testing.assert_array_equal(tf.concat(parts, axis=1), whole)


def gradients(fire, z, grad, neuron, weights, bias):
    """Spikes, and gradients of the input, of the other parameters and of the bias."""
    bias = tf.constant(bias, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch([z, bias, *weights.values()])
        values = {k: neuron.changed(k, w) for k, w in weights.items()}
        spikes = fire(z, neuron.with_tensors({**values, "bias": bias}))[0]
        loss = tf.reduce_sum(tf.cast(spikes * grad, tf.float64))
    return spikes, tape.gradient(loss, [z, bias, *weights.values()])


def assert_close(got, want, tolerance):
    assert np.all(np.any(np.asarray(want) != 0))
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * np.abs(want).max())


@GRADIENTS
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("learn", [(), ("threshold_mantissa", "current_decay", "voltage_decay")])
def test_the_op_and_its_reference_are_equal(gradient, dtype, learn):
    rng = np.random.default_rng(4)
    shape, neuron = (2, 24, 3, CHANNELS), LoihiCUBA(90, 1200, 500, gradient=gradient)
    z = tf.constant(rng.integers(-60, 80, shape) / 64, dtype)
    grad = tf.constant(rng.uniform(0.5, 1.5, shape), dtype)
    bias = rng.integers(-30, 60, CHANNELS)
    weights = {name: tf.constant(0.1, tf.float64) for name in learn}
    start = neurons.fire_tensor(z, neuron, tf.zeros((2, neuron.states, 3, CHANNELS), tf.float64))
    for state in (None, start[2]):
        native = functools.partial(neurons.fire_tensor, start=state)
        twin = lambda z, neuron, state=state: neuron.reference(z, state)  # noqa: E731
        spikes, got = gradients(native, z, grad, neuron, weights, bias)
        expected, want = gradients(twin, z, grad, neuron, weights, bias)
        np.testing.assert_array_equal(spikes, expected)
        assert 0.02 < np.mean(spikes) < 0.9
        for actual, wanted in zip(got, want, strict=True):
            assert_close(actual, wanted, {"float64": 1e-10, "float32": 2e-4}[dtype])


@GRADIENTS
def test_neurons_that_feed_each_other(gradient):
    rng = np.random.default_rng(5)
    shape, neuron = (2, 14, CHANNELS), LoihiCUBA(90, 1200, 500, gradient=gradient)
    z = tf.constant(rng.integers(-60, 80, shape) / 64)
    grad = tf.constant(rng.uniform(0.5, 1.5, shape))
    matrix = rng.integers(-40, 40, (CHANNELS, CHANNELS)) / 64
    bias = rng.integers(-30, 60, CHANNELS)
    weights = {"current_decay": tf.constant(0.1, tf.float64)}
    half = recurrent.fire_recurrent(z, matrix, biased(bias), return_state=True)[2]
    for state in (None, half):
        native = functools.partial(recurrent.fire_recurrent_from, weights=matrix, start=state)
        twin = functools.partial(reference_recurrent, weights=matrix, start=state)
        spikes, got = gradients(
            lambda z, n, f=native: f(z, neuron=n), z, grad, neuron, weights, bias
        )
        expected, want = gradients(
            lambda z, n, f=twin: f(z, neuron=n), z, grad, neuron, weights, bias
        )
        np.testing.assert_array_equal(spikes, expected)
        # The twin has the current itself, truncated; the op has it from the voltage.
        for actual, wanted, tolerance in zip(got, want, (1e-10, 1e-10, 1e-3), strict=True):
            assert_close(actual, wanted, tolerance)


@GRADIENTS
def test_the_gradient_is_the_numerical_one_of_smooth_spikes(gradient):
    """The equations without rounding, below the threshold, with spikes S(v), S' = rho.

    EXODUS follows the reset v (1 - S(v)), whose derivative there is 1 - v rho: so a reset r(v) of
    that derivative. SLAYER does not follow it: r(v) = v.
    """
    rng = np.random.default_rng(6)
    neuron = LoihiCUBA(640, 1200, 500, surrogate_tau=0.5, gradient=gradient)
    theta = neuron.firing_threshold
    width, height = 0.5 * theta, 1 / (0.5 * theta)
    z, grad = rng.normal(0, 0.4, (1, 20, 3)), rng.uniform(0.5, 1.5, (1, 20, 3))

    def run(bias, current_decay=1200.0, voltage_decay=500.0):
        """The loss and the membrane potential."""
        i = v = r = np.zeros((1, 3))
        loss, membrane = 0.0, []
        for t in range(20):
            i = (1 - current_decay / 4096) * i + (z[:, t - 1] if t > 0 else 0)
            v = (1 - voltage_decay / 4096) * r + i + bias / 64
            tail = height * width * np.exp((v - theta) / width)
            r = v - (v - width) * tail if gradient == "exodus" else v
            loss += np.sum(tail * grad[:, t])
            membrane.append(v)
        return loss, np.stack(membrane, axis=1)

    def numerical(at, **constants):
        return (at(1e-4, **constants) - at(-1e-4, **constants)) / 2e-4

    bias = np.array([20.0, -30.0, 5.0])
    membrane = run(bias)[1]
    assert membrane.max() < theta and np.abs(membrane).max() > 0.3 * theta
    values = {"bias": bias, "current_decay": 1200.0, "voltage_decay": 500.0}
    bound = neuron.with_tensors({k: tf.constant(x, tf.float64) for k, x in values.items()})
    got = neurons.native_grads(tf.constant(grad), tf.constant(membrane), bound)[1].numpy()
    got = dict(zip(bound.parameters, got, strict=False))
    for channel in range(3):
        one = np.eye(3)[channel]
        expected = numerical(lambda by, one=one: run(bias + by * one)[0])
        np.testing.assert_allclose(got["bias"][channel], expected, rtol=1e-6)
    # The current is the voltage without the bias. For EXODUS these have the hard reset, not r.
    for name in ("current_decay", "voltage_decay") if gradient == "slayer" else ():
        expected = numerical(lambda by, name=name: run(**{**values, name: values[name] + by})[0])
        np.testing.assert_allclose(got[name].sum(), expected, rtol=1e-6)


@pytest.mark.parametrize("bias", [loihi.MIN_BIAS - 1, loihi.MAX_BIAS + 1, 0.5])
def test_a_bias_that_the_chip_has_not(bias):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"bias must be an integer in \[-4096"):
        neurons.fire_tensor(tf.zeros((1, 2, 2)), biased([0, bias]))
