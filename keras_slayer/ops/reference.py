"""The ops in plain TensorFlow: fallback where there is no compiler, and test oracle.

Each step of time is written out and differentiated by TensorFlow; only the
derivative of the spike is put in by hand. Parameters are the native ops' own
(``csrc/*_op.cc``). Float16 and bfloat16 are computed in float32.
"""

from __future__ import annotations

import tensorflow as tf


def delay(x, delay):
    shape = tf.shape(x)

    def shifted(series, steps):
        source = tf.reshape(tf.range(shape[1]), [-1, *([1] * (x.shape.rank - 2))]) - steps
        source = tf.broadcast_to(source, shape[1:])
        inside = tf.logical_and(source >= 0, source < shape[1])
        index = tf.broadcast_to(tf.clip_by_value(source, 0, shape[1] - 1)[tf.newaxis], shape)
        # Gather along time with the other axes as batch axes.
        order = [0, *range(2, x.shape.rank), 1]
        batch = x.shape.rank - 1
        gathered = tf.gather(
            tf.transpose(series, order), tf.transpose(index, order), batch_dims=batch, axis=batch
        )
        back = [0, batch, *range(1, batch)]
        return tf.where(inside[tf.newaxis], tf.transpose(gathered, back), tf.zeros([], x.dtype))

    tf.debugging.assert_all_finite(delay, "delay must be finite and not negative")
    tf.debugging.assert_non_negative(delay, "delay must be finite and not negative")

    @tf.custom_gradient
    def apply(x, delay):
        # From one step past the end of the series on, every delay is the same delay.
        steps = tf.cast(tf.minimum(tf.floor(delay), tf.cast(shape[1] + 1, delay.dtype)), tf.int32)
        y = shifted(x, steps)
        y.set_shape(x.shape)

        def grad(grad_y):
            after, before = (tf.cast(shifted(x, steps + k), tf.float64) for k in (-1, 1))
            slope = 0.5 * (after - before)
            each = -tf.reduce_sum(tf.cast(grad_y, tf.float64) * slope, axis=[0, 1])
            shared = list(range(each.shape.rank - delay.shape.rank))
            return shifted(grad_y, -steps), tf.cast(tf.reduce_sum(each, axis=shared), delay.dtype)

        return y, grad

    return apply(x, delay)


def quantize(weights, step: float, low: float, high: float):
    @tf.custom_gradient
    def straight_through(w):
        rounded = tf.round(w / step) * step
        inside = tf.logical_and(rounded >= low, rounded <= high)
        clipped = tf.clip_by_value(rounded, low, high)
        return clipped, lambda grad: tf.where(inside, grad, tf.zeros_like(grad))

    return straight_through(weights)


def spike_matmul(spikes, weights):
    return tf.linalg.matmul(tf.cast(spikes, weights.dtype), weights)


def dilate(weights, dilations):
    """The kernel with zeros between its taps: TensorFlow's CPU gradients know no dilation."""
    vertical, horizontal = dilations
    height, width, channels, filters = weights.shape
    spread = tf.reshape(weights, [height, 1, width, 1, channels, filters])
    gaps = [[0, 0], [0, vertical - 1], [0, 0], [0, horizontal - 1], [0, 0], [0, 0]]
    size = [height * vertical, width * horizontal, channels, filters]
    padded = tf.reshape(tf.pad(spread, gaps), size)
    return padded[: size[0] - vertical + 1, : size[1] - horizontal + 1]


def spike_conv2d(frames, weights, strides, padding, dilations):
    """Group by group: TensorFlow's CPU convolutions have no gradient for groups."""
    frames = tf.cast(frames, weights.dtype)
    groups = frames.shape[3] // weights.shape[2]
    if weights.shape[2] == 1 and strides[0] != strides[1]:
        # oneDNN (TensorFlow 2.21) gets one channel and output columns of one pixel wrong here.
        frames, weights = (
            _with_silent_channels(frames),
            tf.pad(weights, [[0, 0]] * 2 + [[0, 1], [0, 0]]),
        )
    parts = [
        tf.nn.conv2d(part, kernel, strides, padding)
        for part, kernel in zip(
            tf.split(frames, groups, axis=3),
            tf.split(dilate(weights, dilations), groups, axis=3),
            strict=True,
        )
    ]
    return tf.concat(parts, axis=3)


def _with_silent_channels(frames):
    """A channel of zeros after each one."""
    shape = tf.shape(frames)
    pairs = tf.stack([frames, tf.zeros_like(frames)], axis=4)
    doubled = tf.reshape(pairs, tf.concat([shape[:3], [2 * frames.shape[3]]], axis=0))
    doubled.set_shape([*frames.shape[:3], 2 * frames.shape[3]])
    return doubled


def sum_pool2d(spikes, window, strides, pads):
    """Sums of windows of frames (batch, time, height, width, channels)."""
    shape = tf.shape(spikes)
    frames = tf.reshape(spikes, tf.concat([[-1], shape[2:]], axis=0))
    frames.set_shape([None, *spikes.shape[2:]])
    # An average would not count the padding; the sum does, as zeros.
    frames = tf.pad(frames, [[0, 0], *pads, [0, 0]])
    sums = tf.nn.avg_pool2d(frames, window, strides, "VALID") * (window[0] * window[1])
    out = tf.reshape(sums, tf.concat([shape[:2], tf.shape(sums)[1:]], axis=0))
    out.set_shape([*spikes.shape[:2], *sums.shape[1:]])
    return out
