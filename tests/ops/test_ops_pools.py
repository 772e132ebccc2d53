"""Windows over images, and sums over them, by hand."""

import cases
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_slayer import ops
from keras_slayer.ops.synapses.geometry import Window2D

WINDOWS = [
    Window2D((2, 2), (2, 2), "valid"),
    Window2D((3, 2), (1, 3), "valid"),
    Window2D((3, 2), (2, 3), "same"),
    Window2D((1, 4), (3, 1), "same"),
    Window2D((3, 2), (1, 1), "valid", (2, 3)),
    Window2D((3, 4), (1, 1), "same", (3, 2)),
]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("image", [(7, 8), (9, 11), (12, 7)], ids=str)
def test_output_size(window, image):
    """As Keras has it: as numbers, as a tensor, and where a size is unknown."""
    layer = keras.layers.Conv2D(
        1, window.size, window.strides, window.padding, dilation_rate=window.dilations
    )
    expected = layer.compute_output_shape((1, *image, 1))[1:3]
    assert window.output_size(image) == expected
    assert window.output_size(tf.constant(image, tf.int64)).numpy().tolist() == list(expected)
    assert window.output_size((None, image[1])) == (None, expected[1])
    (top, bottom), (left, right) = window.padding_around(image)
    padded = (image[0] + top + bottom, image[1] + left + right)
    within = Window2D(window.size, window.strides, "valid", window.dilations)
    assert within.output_size(padded) == expected
    assert bottom - top in (0, 1) and right - left in (0, 1)


def test_windows_that_do_not_fit():
    assert Window2D((5, 3), (1, 1), "valid").output_size((4, 3)) == (0, 1)
    assert Window2D((5, 3), (1, 1), "same").output_size((4, 3)) == (4, 3)


def sums_of(x, window, weight):
    """Window by window."""
    (top, bottom), (left, right) = window.padding_around(x.shape[2:4])
    height, width = window.output_size(x.shape[2:4])
    x = np.pad(x, [(0, 0), (0, 0), (top, bottom), (left, right), (0, 0)])
    out = np.zeros((*x.shape[:2], height, width, x.shape[4]))
    for i, j in np.ndindex(height, width):
        rows = slice(i * window.strides[0], i * window.strides[0] + window.size[0])
        columns = slice(j * window.strides[1], j * window.strides[1] + window.size[1])
        out[:, :, i, j] = weight * x[:, :, rows, columns].sum(axis=(2, 3))
    return out


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "bool"])
@pytest.mark.parametrize("window", WINDOWS[:4], ids=str)
@pytest.mark.parametrize("name", ["native", "reference"])
def test_sum_pool2d(name, window, dtype):
    x = np.random.default_rng(3).integers(0, 2, size=(2, 3, 7, 8, 3)).astype(dtype)
    with cases.backend(name):
        out = ops.sum_pool2d(
            x, window.size, strides=window.strides, padding=window.padding, weight=0.5
        )
    assert out.dtype == (dtype if dtype.startswith("float") else "float32")
    np.testing.assert_array_equal(out, sums_of(x.astype(float), window, 0.5))


def test_sum_pool2d_defaults_and_gradient():
    x = tf.ones((1, 2, 5, 4, 1))
    with tf.GradientTape() as tape:
        tape.watch(x)
        out = ops.sum_pool2d(x, (2, 2))
    assert out.shape == (1, 2, 2, 2, 1) and np.all(out == 4)
    gradient = tape.gradient(out, x).numpy()
    assert np.all(gradient[:, :, :4] == 1) and np.all(gradient[:, :, 4] == 0)
    out = ops.sum_pool2d(tf.ones((1, 2, 4, 4, 1), tf.uint8), (4, 4), dtype="float64")
    assert out.dtype == tf.float64 and np.all(out == 16)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pool_size": 2}, "pool_size must be a pair"),
        ({"pool_size": (2, 2), "strides": (0, 1)}, "strides must be a pair of positive"),
        ({"pool_size": (2, 2), "padding": "full"}, "Received: padding='full'"),
        ({"pool_size": (9, 2)}, r"does not fit into the frames\. Received: .*pool_size=\(9, 2\)"),
    ],
)
def test_sum_pool2d_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        ops.sum_pool2d(tf.zeros((2, 3, 5, 5, 1)), **options)
    with pytest.raises(ValueError, match="spikes must have the axes"):
        ops.sum_pool2d(tf.zeros((2, 3, 5)), (2, 2))
