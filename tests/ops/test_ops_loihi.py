"""The Loihi neuron against the chip's arithmetic in Python integers, bit for bit."""

import cases
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_slayer import ops

BACKENDS = pytest.mark.parametrize("name", ["native", "reference"])
DECAYS = st.sampled_from([0, 1, 4095, 4096]) | st.integers(0, 4096)
THRESHOLDS = st.sampled_from([1, 131071]) | st.integers(1, 131071)
# Sums of 8-bit weights; sums at the wrap of u (2^17 << 6 = 2^23) and far past it.
SUMS = (
    st.integers(-600, 600)
    | st.integers(-(2**18), 2**18)
    | st.sampled_from([2**17 - 1, 2**17, 2**17 + 1, -(2**17), 1 - 2**17, 2**22, -(2**22)])
)


def decayed(x: int, keep: int) -> int:
    """rsz(x * keep, 12): the magnitude shifted, the sign put back."""
    shifted = abs(x * keep) >> 12
    return -shifted if x < 0 else shifted


def chip(sums, mantissa, current_decay, voltage_decay):
    """Spikes and voltages before reset of one neuron; a sum acts one step after it arrives."""
    u = v = arriving = 0
    spikes, voltages = [], []
    for z in sums:
        u = decayed(u, 4096 - current_decay) + (arriving << 6)
        if u > 2**23:
            u -= 2**24
        elif u <= -(2**23):
            u += 2**24
        v = decayed(v, 4096 - voltage_decay) + u
        v = max(-(2**23) + 1, min(2**23 - 1, v))
        fires = v > mantissa << 6
        spikes.append(int(fires))
        voltages.append(v)
        v = 0 if fires else v
        arriving = z
    return spikes, voltages


def check(name, dtype, series, mantissa, current_decay, voltage_decay):
    """``series``: one list of sums, in weight units, per neuron."""
    z = tf.constant(np.array(series).T[np.newaxis] / 64, dtype)
    with cases.backend(name):
        spikes, voltage = ops.loihi_cuba(
            z,
            threshold_mantissa=mantissa,
            current_decay=current_decay,
            voltage_decay=voltage_decay,
        )
    for n, sums in enumerate(series):
        expected = chip(sums, mantissa, current_decay, voltage_decay)
        assert spikes[0, :, n].numpy().tolist() == expected[0]
        # In units of the float threshold: integer / 64 weights, 6 more bits in v.
        assert (voltage[0, :, n].numpy() * 4096).tolist() == expected[1]


@BACKENDS
@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(
    data=st.data(),
    mantissa=THRESHOLDS,
    current_decay=DECAYS,
    voltage_decay=DECAYS,
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_random_series(name, data, mantissa, current_decay, voltage_decay, dtype):
    series = data.draw(st.lists(st.lists(SUMS, min_size=9, max_size=9), min_size=1, max_size=5))
    check(name, dtype, series, mantissa, current_decay, voltage_decay)


@BACKENDS
@pytest.mark.parametrize("mantissa", [1, 80, 131071])
@pytest.mark.parametrize("current_decay", [0, 1, 1024, 4095, 4096])
@pytest.mark.parametrize("voltage_decay", [0, 1, 128, 4095, 4096])
def test_long_random_input_at_the_corners(name, mantissa, current_decay, voltage_decay):
    rng = np.random.default_rng(mantissa + 7 * current_decay + 13 * voltage_decay)
    small = rng.integers(-200, 256, size=(2, 40))
    large = rng.integers(-(2**17), 2**17, size=(2, 40)) // rng.choice([1, 64], size=(2, 40))
    series = [*small.tolist(), *large.tolist()]
    check(name, "float64", series, mantissa, current_decay, voltage_decay)


@BACKENDS
def test_wrap_and_clip_by_hand(name):
    """u wraps past 2^23 and at -2^23; v stops one short of 2^23."""
    z = np.array([2**17, 2**17 + 1, -(2**17), 1 - 2**17, 0]).reshape(1, 5, 1) / 64
    with cases.backend(name):
        _, voltage = ops.loihi_cuba(
            z, threshold_mantissa=131071, current_decay=4096, voltage_decay=4096
        )
    expected = [0, 2**23 - 1, -(2**23) + 64, 2**23 - 1, -(2**23) + 64]
    assert (np.ravel(voltage) * 4096).tolist() == expected


@BACKENDS
def test_threshold_is_strict_and_input_takes_one_step(name):
    z = np.array([80, 81, 0, 0], np.float32).reshape(1, 4, 1) / 64
    with cases.backend(name):
        spikes, voltage = ops.loihi_cuba(
            z, threshold_mantissa=80, current_decay=4096, voltage_decay=4096
        )
    assert np.ravel(spikes).tolist() == [0, 0, 1, 0]
    assert np.ravel(voltage).tolist() == [0, 80 / 64, 81 / 64, 0]


@BACKENDS
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_input_is_rounded_to_weight_units(name, dtype):
    """What a float product loses is put right: 5.4 counts as 5, 5.6 as 6, ties go to even."""
    z = tf.constant([5.25, 5.75, -5.25, 4.5, 5.5, 0.0], tf.float32) / 64
    with cases.backend(name):
        _, voltage = ops.loihi_cuba(
            tf.cast(tf.reshape(z, [1, 6, 1]), dtype), current_decay=4096, voltage_decay=4096
        )
    units = tf.cast(voltage, tf.float32) * 64
    assert np.ravel(units).tolist() == [0, 5, 6, -5, 4, 6]


@BACKENDS
def test_double_input_is_rounded_as_double(name):
    """4.5 in float, where it would become 4."""
    z = np.array([4.5 + 2.0**-40, 5.5 - 2.0**-40, 0]).reshape(1, 3, 1) / 64
    with cases.backend(name):
        _, voltage = ops.loihi_cuba(z, current_decay=4096, voltage_decay=4096)
    assert (np.ravel(voltage) * 64).tolist() == [0, 5, 5]


def in_integers(z, mantissa, current_decay, voltage_decay):
    """As ``chip``, for all neurons of (batch, time, neurons) at once."""
    u = v = arriving = np.zeros_like(z[:, 0])
    decayed = lambda x, decay: np.sign(x) * (np.abs(x * (4096 - decay)) >> 12)  # noqa: E731
    voltages = []
    for now in np.moveaxis(z, 1, 0):
        u = decayed(u, current_decay) + (arriving << 6)
        u = np.where(u > 2**23, u - 2**24, np.where(u <= -(2**23), u + 2**24, u))
        v = np.clip(decayed(v, voltage_decay) + u, 1 - 2**23, 2**23 - 1)
        voltages.append(v)
        v, arriving = np.where(v > mantissa << 6, 0, v), now
    return np.stack(voltages, axis=1)


@BACKENDS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("decay", [0, 1, 2, 3, 127, 1024, 1365, 2047, 2048, 2731, 4094, 4095])
def test_decays_of_numbers_of_every_size(name, dtype, decay):
    """Products of 36 bits: the current and the voltage, from all 24 bits down to the last."""
    rng = np.random.default_rng(decay)
    bits = rng.integers(0, 18, size=(2, 12, 1500))
    z = rng.integers(-(2**bits) + 1, 2**bits) * (rng.random(bits.shape) < 0.4)
    with cases.backend(name):
        _, voltage = ops.loihi_cuba(
            tf.constant(z / 64, dtype),
            threshold_mantissa=131071,
            current_decay=decay,
            voltage_decay=4096 - decay,
        )
    np.testing.assert_array_equal(voltage * 4096, in_integers(z, 131071, decay, 4096 - decay))


@BACKENDS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [2**17 - 1, 2**17, 2**18, 3 * 2**20])
def test_input_past_the_range_of_floats_amid_a_series(name, dtype, size):
    """One neuron of one sample gets it, at one step: all are exact, those after it too."""
    rng = np.random.default_rng(5)
    z = rng.integers(-300, 400, size=(3, 40, 700))
    z[1, 17, 33], z[1, 19, 34] = size, -size
    z[:, 20:22, 500] = [2**17 - 1, 1 - 2**17]
    with cases.backend(name):
        _, voltage = ops.loihi_cuba(
            tf.constant(z / 64, dtype), threshold_mantissa=9000, current_decay=3, voltage_decay=7
        )
    np.testing.assert_array_equal(voltage * 4096, in_integers(z, 9000, 3, 7))


@BACKENDS
@pytest.mark.parametrize("gradient", ["slayer", "exodus"])
def test_gradient_is_that_of_the_float_neuron_one_step_earlier(name, gradient):
    rng = np.random.default_rng(4)
    steps, theta, keep_i, keep_v, tau, scale = 30, 80 / 64, 1 - 1024 / 4096, 1 - 128 / 4096, 0.5, 2
    z, grad = rng.integers(-40, 60, size=(1, steps, 5)) / 64, rng.normal(size=(1, steps, 5))
    with cases.backend(name), tf.GradientTape() as tape:
        x = tf.constant(z)
        tape.watch(x)
        chip = {"threshold_mantissa": 80, "current_decay": 1024, "voltage_decay": 128}
        options = {"surrogate_tau": tau, "surrogate_scale": scale, "gradient": gradient}
        spikes, v = ops.loihi_cuba(x, **chip, **options)
    actual = tape.gradient(spikes, x, output_gradients=tf.constant(grad))
    s, v = spikes.numpy()[0], v.numpy()[0]
    assert 5 < s.sum() < 100
    rho = scale / (tau * theta) * np.exp(-np.abs(v - theta) / (tau * theta))
    through = 1 - s - v * rho if gradient == "exodus" else np.ones_like(v)
    expected, voltage, current = np.zeros_like(v), np.zeros(5), np.zeros(5)
    for t in reversed(range(steps)):
        expected[t] = current  # z[t] acts at t + 1
        voltage = rho[t] * grad[0, t] + keep_v * through[t] * voltage
        current = keep_i * current + voltage
    np.testing.assert_allclose(actual[0], expected, rtol=1e-9, atol=1e-12)
