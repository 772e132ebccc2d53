"""Rounding to Loihi's weights, against integers worked out by hand."""

import numpy as np
import pytest
import tensorflow as tf

from keras_slayer.quantization import quantize_bias, quantize_weights, weight_max, weight_step


def test_eight_bits_by_hand():
    """Even integers over 64, halves to the even neighbour, -256 to 254."""
    weights = [0.0, 0.015, 0.016, -0.016, 0.046875, 1.0, 3.96, 3.98, 3.99, 5.0, -4.0, -4.01, -9.0]
    integers = [0, 0, 2, -2, 4, 64, 254, 254, 254, 254, -256, -256, -256]
    quantized = quantize_weights(tf.constant(weights))
    np.testing.assert_array_equal(quantized.numpy() * 64, integers)


def test_one_bit_holds_two_values():
    quantized = quantize_weights(tf.constant([-9.0, -2.1, -1.9, 0.0, 1.9, 9.0]), bits=1)
    np.testing.assert_array_equal(quantized * 64, [-256, -256, 0, 0, 0, 0])


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_every_width(bits, dtype):
    step = 2 ** (9 - bits)
    assert weight_step(bits) == step / 64
    assert weight_max(bits) == (256 - step) / 64
    weights = np.linspace(-6, 6, 4001)
    quantized = quantize_weights(tf.cast(weights, dtype), bits)
    assert quantized.dtype == dtype
    integers = tf.cast(quantized, tf.float64).numpy() * 64
    assert set(integers) == set(range(-256, 256, step))
    rounded = np.rint(tf.cast(tf.cast(weights, dtype), tf.float64).numpy() * 64 / step) * step
    np.testing.assert_array_equal(integers, np.clip(rounded, -256, 256 - step))
    np.testing.assert_array_equal(quantize_weights(quantized, bits), quantized)


@pytest.mark.parametrize("bits", range(1, 9))
def test_gradient_passes_inside_and_stops_where_clipped(bits):
    step, high = weight_step(bits), weight_max(bits)
    weights = tf.constant(
        [-4.0, -4 - 0.49 * step, -4 - 0.51 * step, high, high + 0.49 * step, high + 0.51 * step]
    )
    with tf.GradientTape() as tape:
        tape.watch(weights)
        value = tf.reduce_sum(quantize_weights(weights, bits) * [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    np.testing.assert_array_equal(tape.gradient(value, weights), [1, 2, 0, 4, 5, 0])


@pytest.mark.parametrize("bits", [0, 9, 4.0, "8", True])
def test_bad_width(bits):
    with pytest.raises(ValueError, match=r"bits must be an integer in \[1, 8\]. Received: bits="):
        quantize_weights(tf.zeros(3), bits)


def test_biases_are_integers_from_end_to_end_of_the_range():
    bias = tf.constant([-64.0, -64.007, -64.009, 63.984375, 63.99, 64.0, 0.0078125, -0.3])
    with tf.GradientTape() as tape:
        tape.watch(bias)
        quantized = quantize_bias(bias)
    np.testing.assert_array_equal(64 * quantized, [-4096, -4096, -4096, 4095, 4095, 4095, 0, -19])
    np.testing.assert_array_equal(tape.gradient(quantized, bias), [1, 1, 0, 1, 1, 0, 1, 1])
