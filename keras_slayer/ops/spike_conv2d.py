"""2-D convolution of spike frames: costs what the spikes cost."""

from __future__ import annotations

import tensorflow as tf

from keras_slayer.ops import checks, library, reference

# Above this density the dense convolution is faster (benchmarks/synapses.py).
MAX_DENSITY = 0.1


@tf.autograph.experimental.do_not_convert
def spike_conv2d(spikes, weights, *, strides=(1, 1), padding: str = "valid", dilations=(1, 1)):
    """Each frame of ``spikes`` convolved with ``weights`` (cross-correlation, as in Keras).

    Sparse frames are scattered spike by spike, forward and for the weight
    gradient; dense ones go through ``tf.nn.conv2d``. See ``spike_matmul``.

    Args:
        spikes: tensor (batch, time, height, width, channels); the last three
            sizes must be known.
        weights: (kernel height, kernel width, channels / groups, filters); the
            number of groups follows from the channels of the two.
        strides, dilations: pairs (vertical, horizontal); only one of them may
            differ from 1.
        padding: ``"valid"`` or ``"same"``.

    Returns:
        Tensor (batch, time, new height, new width, filters).

    Raises:
        ValueError: ranks, sizes, dtypes or options that do not fit.
    """
    spikes = checks.series(spikes, "spikes")
    weights = tf.convert_to_tensor(weights)
    strides, dilations = checks.pair(strides, "strides"), checks.pair(dilations, "dilations")
    if padding not in ("valid", "same"):
        raise ValueError(f"padding must be 'valid' or 'same'. Received: padding={padding!r}")
    padding = padding.upper()
    _check(spikes, weights, strides, padding, dilations)
    frames = tf.reshape(spikes, [-1, *spikes.shape[2:]])
    if library.native() is None:
        out = reference.spike_conv2d(frames, weights, strides, padding, dilations)
    else:
        out = _event_conv2d(frames, weights, strides, padding, dilations)
    size = [_out_size(frames, weights, strides, padding, dilations, axis) for axis in (0, 1)]
    shape = [*size, weights.shape[3]]
    out = tf.reshape(out, tf.concat([tf.shape(spikes)[:2], shape], axis=0))
    out.set_shape([*spikes.shape[:2], *shape])
    return out


def _check(spikes, weights, strides, padding, dilations) -> None:
    if spikes.shape.rank != 5 or None in spikes.shape[2:]:
        raise ValueError(
            "spikes must have the axes (batch, time, height, width, channels), the last three "
            f"of known size. Received: shape={tuple(spikes.shape)}"
        )
    if weights.dtype != spikes.dtype:
        raise ValueError(
            "weights must have the dtype of spikes. "
            f"Received: {weights.dtype.name} weights and {spikes.dtype.name} spikes"
        )
    known = weights.shape.rank == 4 and weights.shape.is_fully_defined()
    if not known or 0 in weights.shape or spikes.shape[4] % weights.shape[2] != 0:
        raise ValueError(
            "weights must have the known shape (kernel height, kernel width, channels / groups, "
            f"filters). Received: shape={weights.shape} for {spikes.shape[4]} channels"
        )
    groups = spikes.shape[4] // weights.shape[2]
    if weights.shape[3] % groups != 0:
        raise ValueError(
            "filters must be a multiple of groups. "
            f"Received: filters={weights.shape[3]}, groups={groups}"
        )
    if max(strides) > 1 and max(dilations) > 1:
        raise ValueError(
            "only one of strides and dilations may differ from 1. "
            f"Received: strides={strides}, dilations={dilations}"
        )
    for axis, name in enumerate(("height", "width")):
        if _out_size(spikes, weights, strides, padding, dilations, axis) < 1:
            raise ValueError(
                f"the kernel does not fit into the {name} of the frames. Received: spikes of "
                f"shape {tuple(spikes.shape)}, weights of shape {tuple(weights.shape)}"
            )


def _reach(weights, dilations, axis):
    return (weights.shape[axis] - 1) * dilations[axis] + 1


def _out_size(frames, weights, strides, padding, dilations, axis) -> int:
    size = frames.shape[axis - 3]
    if padding == "VALID":
        size = size - _reach(weights, dilations, axis) + 1
    return -(-size // strides[axis])


def _padding_before(frames, weights, strides, padding, dilations, axis) -> int:
    if padding == "VALID":
        return 0
    out = _out_size(frames, weights, strides, padding, dilations, axis)
    missing = (out - 1) * strides[axis] + _reach(weights, dilations, axis) - frames.shape[1 + axis]
    return max(missing, 0) // 2


def _event_conv2d(frames, weights, strides, padding, dilations):
    native = library.native()
    options = (strides, padding, dilations)
    out_size = [_out_size(frames, weights, *options, axis) for axis in (0, 1)]
    geometry = {
        "input_size": list(frames.shape[1:]),
        "output_size": out_size,
        "strides": list(strides),
        "dilations": list(dilations),
        "padding_before": [_padding_before(frames, weights, *options, axis) for axis in (0, 1)],
    }

    def dense_conv(frames, weights):
        return reference.spike_conv2d(frames, weights, *options)

    @tf.custom_gradient
    def convolve(frames, weights):
        rows = tf.reshape(frames, [-1, frames.shape[1] * frames.shape[2] * frames.shape[3]])
        offsets, index, value, dense = native.keras_slayer_find_events(
            x=rows, max_density=MAX_DENSITY
        )
        events = {"offsets": offsets, "index": index, "value": value}
        out = tf.cond(
            dense,
            lambda: dense_conv(frames, weights),
            lambda: native.keras_slayer_event_conv2d(**events, weights=weights, **geometry),
        )

        def grad(grad_out):
            grad_weights = tf.cond(
                dense,
                lambda: _dense_weights_grad(frames, weights, grad_out, options),
                lambda: native.keras_slayer_event_conv2d_weights_grad(
                    **events, grad=grad_out, weights_shape=list(weights.shape), **geometry
                ),
            )
            grad_weights.set_shape(weights.shape)
            return _dense_input_grad(frames, weights, grad_out, options), grad_weights

        return out, grad

    return convolve(frames, weights)


def _by_group(frames, weights, grad):
    groups = frames.shape[3] // weights.shape[2]
    return zip(
        tf.split(frames, groups, axis=3),
        tf.split(weights, groups, axis=3),
        tf.split(grad, groups, axis=3),
        strict=True,
    )


def _dense_input_grad(frames, weights, grad, options):
    strides, padding, dilations = options
    parts = [
        tf.nn.conv2d_transpose(d, w, tf.shape(x), strides, padding)
        for x, w, d in _by_group(frames, reference.dilate(weights, dilations), grad)
    ]
    out = tf.concat(parts, axis=3)
    out.set_shape(frames.shape)
    return out


def _dense_weights_grad(frames, weights, grad, options):
    strides, padding, dilations = options
    parts = [
        tf.raw_ops.Conv2DBackpropFilter(
            input=x,
            filter_sizes=tf.shape(w),
            out_backprop=d,
            strides=[1, *strides, 1],
            padding=padding,
        )
        for x, w, d in _by_group(frames, reference.dilate(weights, dilations), grad)
    ]
    return tf.concat(parts, axis=3)[:: dilations[0], :: dilations[1]]
