"""Every connection of a layer, one after the other, in plain Python: what counts are held against.

A connection is (place, weight): an element of one call's input, and the weight that it meets.
"""

import itertools

import numpy as np


def count(connections, inputs):
    """(dense, effective) of ``inputs`` (calls, *places)."""
    dense = effective = 0
    for place, weight in connections:
        for call in inputs[(slice(None), *place)]:
            dense += 1
            effective += bool(call != 0 and weight != 0)
    return dense, effective


def matrix(kernel):
    """Of a kernel (inputs, outputs)."""
    for i, j in np.ndindex(*kernel.shape):
        yield (i,), kernel[i, j]


def padding(sizes, kernel, strides, dilations, name):
    """Positions of a window along every axis, and the zeros before the first element."""
    axes = []
    for size, taps, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        reach = (taps - 1) * dilation + 1
        if name == "causal":
            axes.append((-(-size // stride), reach - 1))
        elif name == "same":
            positions = -(-size // stride)
            axes.append((positions, max((positions - 1) * stride + reach - size, 0) // 2))
        else:
            axes.append((-(-(size - reach + 1) // stride), 0))
    return axes


def taps_within(sizes, kernel, strides, dilations, name):
    """(pixel, tap) for each position of a window and each tap that lies within the image."""
    axes = padding(sizes, kernel, strides, dilations, name)
    for position in itertools.product(*(range(positions) for positions, _ in axes)):
        for tap in np.ndindex(*kernel):
            pixel = tuple(
                p * stride + t * dilation - before
                for p, t, stride, dilation, (_, before) in zip(
                    position, tap, strides, dilations, axes, strict=True
                )
            )
            if all(0 <= p < size for p, size in zip(pixel, sizes, strict=True)):
                yield pixel, tap


def conv(shape, kernel, strides, dilations, name):
    """Of a kernel (*taps, channels / groups, filters) over images (*sizes, channels)."""
    *sizes, channels = shape
    *taps, per_group, filters = kernel.shape
    per_filter = filters // (channels // per_group)
    for pixel, tap in taps_within(sizes, taps, strides, dilations, name):
        for channel, filter_ in np.ndindex(per_group, filters):
            group = filter_ // per_filter
            yield (*pixel, group * per_group + channel), kernel[(*tap, channel, filter_)]


def depthwise(shape, kernel, strides, dilations, name):
    """Of a kernel (*taps, channels, multiplier)."""
    *sizes, _ = shape
    *taps, channels, multiplier = kernel.shape
    for pixel, tap in taps_within(sizes, taps, strides, dilations, name):
        for channel, output in np.ndindex(channels, multiplier):
            yield (*pixel, channel), kernel[(*tap, channel, output)]


def pool(shape, size, strides, name):
    """Of windows with the weight 1."""
    return depthwise(shape, np.ones((*size, shape[-1], 1)), strides, (1,) * len(size), name)


def transposed(shape, kernel, strides, name):
    """Of a kernel (*taps, filters, channels): each pixel is spread to strides * pixel + tap."""
    *sizes, channels = shape
    *taps, filters, _ = kernel.shape
    same = name == "same"
    for pixel in np.ndindex(*sizes):
        for tap in np.ndindex(*taps):
            outputs = [
                p * s + t - (max(k - s, 0) // 2 if same else 0)
                for p, t, k, s in zip(pixel, tap, taps, strides, strict=True)
            ]
            ends = [n * s if same else (n - 1) * s + k
                    for n, k, s in zip(sizes, taps, strides, strict=True)]  # fmt: skip
            if all(0 <= o < end for o, end in zip(outputs, ends, strict=True)):
                for channel, filter_ in np.ndindex(channels, filters):
                    yield (*pixel, channel), kernel[(*tap, filter_, channel)]


def filter_taps(steps, taps):
    """Of an FIR filter along time."""
    for t in range(steps):
        for k, tap in enumerate(taps):
            if t + k < steps:
                yield (t,), tap
