"""The dense convolution of frames and its gradients, in plain TensorFlow."""

from __future__ import annotations

import tensorflow as tf

from keras_slayer.ops.synapses.geometry import ConvGeometry


def reference_conv2d(geometry: ConvGeometry, frames, weights):
    """The dense convolution of frames (n, height, width, channels), in plain TensorFlow.

    One convolution per group, because TensorFlow's CPU convolutions have no gradient for groups.
    """
    frames, strides = tf.cast(frames, weights.dtype), geometry.window.strides
    if weights.shape[2] == 1 and strides[0] != strides[1]:
        # oneDNN (TensorFlow 2.21) is wrong for one channel and output columns of one pixel.
        frames, weights = (
            _with_silent_channels(frames),
            tf.pad(weights, [[0, 0]] * 2 + [[0, 1], [0, 0]]),
        )
    parts = [
        tf.nn.conv2d(x, w, strides, _padding(geometry))
        for x, w in _by_group(geometry, frames, _dilated(geometry, weights))
    ]
    return tf.concat(parts, axis=3)


def dense_input_grad(geometry: ConvGeometry, frames, weights, grad):
    """Gradient of the frames from that of the output."""
    parts = [
        tf.nn.conv2d_transpose(d, w, tf.shape(x), geometry.window.strides, _padding(geometry))
        for x, w, d in _by_group(geometry, frames, _dilated(geometry, weights), grad)
    ]
    out = tf.concat(parts, axis=3)
    out.set_shape(frames.shape)
    return out


def dense_weights_grad(geometry: ConvGeometry, frames, weights, grad):
    """Gradient of the weights from that of the output."""
    frames, (vertical, horizontal) = tf.cast(frames, grad.dtype), geometry.window.dilations
    parts = [
        tf.raw_ops.Conv2DBackpropFilter(
            input=x,
            filter_sizes=tf.shape(w),
            out_backprop=d,
            strides=[1, *geometry.window.strides, 1],
            padding=_padding(geometry),
        )
        for x, w, d in _by_group(geometry, frames, _dilated(geometry, weights), grad)
    ]
    return tf.concat(parts, axis=3)[::vertical, ::horizontal]


def _padding(geometry: ConvGeometry) -> str:
    return geometry.window.padding.upper()


def _by_group(geometry: ConvGeometry, *tensors):
    return zip(*(tf.split(x, geometry.groups, axis=3) for x in tensors), strict=True)


def _dilated(geometry: ConvGeometry, weights):
    """The kernel with zeros between its taps: TensorFlow's CPU gradients have no dilation."""
    vertical, horizontal = geometry.window.dilations
    height, width, channels, filters = weights.shape
    apart = tf.reshape(weights, [height, 1, width, 1, channels, filters])
    gaps = [[0, 0], [0, vertical - 1], [0, 0], [0, horizontal - 1], [0, 0], [0, 0]]
    size = [height * vertical, width * horizontal, channels, filters]
    padded = tf.reshape(tf.pad(apart, gaps), size)
    return padded[: size[0] - vertical + 1, : size[1] - horizontal + 1]


def _with_silent_channels(frames):
    """The frames with a channel of zeros after each channel."""
    shape = tf.shape(frames)
    pairs = tf.stack([frames, tf.zeros_like(frames)], axis=4)
    doubled = tf.reshape(pairs, tf.concat([shape[:3], [2 * frames.shape[3]]], axis=0))
    doubled.set_shape([*frames.shape[:3], 2 * frames.shape[3]])
    return doubled
