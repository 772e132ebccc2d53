"""Windows in ``.nir``: convolutions and pools as nodes that nir's checks and the readers accept."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from keras_slayer.export.formats.netx import block_diagonal
from keras_slayer.export.formats.nir_package import nir
from keras_slayer.export.graph import ConvSynapses, DenseSynapses
from keras_slayer.loihi import WEIGHT_SCALE


def weights(integers: np.ndarray) -> np.ndarray:
    """The chip's weights as numbers: units of 1/64."""
    return np.ascontiguousarray(integers, np.float32) / WEIGHT_SCALE


def window_nodes(synapses: ConvSynapses, shape: tuple[int, ...]) -> list[nir.NIRNode]:
    """Conv2d nodes in a row that do what ``synapses`` do to an image of ``shape``."""
    return [_conv2d(conv, before) for conv, before in _as_square(synapses, shape)]


def sum_pool(synapses: ConvSynapses) -> nir.SumPool2d:
    """The pool that ``synapses`` are but for their weight."""
    return nir.SumPool2d(
        *map(np.array, (synapses.weight.shape[:2], synapses.strides, synapses.padding))
    )


def as_dense(synapses: ConvSynapses, shape: tuple[int, ...]) -> DenseSynapses:
    """The same synapses, each with a weight of its own, both sides in C order."""
    height, width, _ = out = synapses.output_shape(shape)
    kernel = block_diagonal(synapses.weight, synapses.groups)
    matrix = np.zeros((*shape, *out), np.int16)
    for tap in np.ndindex(*kernel.shape[:2]):
        for y, x in np.ndindex(height, width):
            row, column = (
                o * s - p + t * d
                for o, s, p, t, d in zip(
                    (y, x),
                    synapses.strides,
                    synapses.padding,
                    tap,
                    synapses.dilation,
                    strict=True,
                )
            )
            if 0 <= row < shape[0] and 0 <= column < shape[1]:
                matrix[row, column, :, y, x] = kernel[tap]
    weight = matrix.reshape(int(np.prod(shape)), int(np.prod(out)))
    delay = np.full(weight.shape, synapses.delay, np.uint8) if synapses.delay else None
    return DenseSynapses(weight, delay)


def is_pool(synapses: ConvSynapses) -> bool:
    """Whether SumPool2d does the same but for one positive weight, which is left to the threshold.

    The readers ignore its padding, and multiply a mean by the number of taps, which has to give
    whole numbers (it does not for 5 x 5).
    """
    height, width, share, filters = synapses.weight.shape
    taps = np.float32(height * width)
    sums = np.arange(taps + 1, dtype=np.float32)
    return (
        share == 1
        and filters == synapses.groups
        and synapses.weight.min() == synapses.weight.max() > 0
        and tuple(synapses.padding) == (0, 0)
        and tuple(synapses.dilation) == (1, 1)
        and np.array_equal(sums / taps * taps, sums)
    )


def _as_square(
    synapses: ConvSynapses, shape: tuple[int, ...]
) -> list[tuple[ConvSynapses, tuple[int, ...]]]:
    """Convolutions in a row, and their input shapes, that nir's shape check and the readers accept.

    Those have one group and square kernels: nir takes the height of a kernel for its width as well.
    The shorter side is filled up with zeros, on both sides of its taps where that keeps the size of
    the output, else before them. The latter adds rows and columns at the end of the output, which a
    second convolution drops.
    """
    synapses = replace(synapses, weight=block_diagonal(synapses.weight, synapses.groups), groups=1)
    sides, wanted = synapses.weight.shape[:2], synapses.output_shape(shape)
    missing = [max(sides) - side for side in sides]
    for before in itertools.product(*((n // 2, n - n // 2) for n in missing)):
        square = _filled(synapses, before, max(sides))
        if square.output_shape(shape) == wanted:
            return [(square, shape)]
    # Enough zeros for at least one output more on either axis.
    more = max(-(-s // d) for s, d in zip(synapses.strides, synapses.dilation, strict=True))
    square = _filled(synapses, [n + more for n in missing], max(sides) + more)
    large = square.output_shape(shape)
    first = np.zeros((2, 2, wanted[2], wanted[2]), np.int16)
    first[0, 0] = WEIGHT_SCALE * np.eye(wanted[2])
    drop = ConvSynapses(first, dilation=(large[0] - wanted[0], large[1] - wanted[1]))
    return [(square, shape), (drop, large)]


def _filled(synapses: ConvSynapses, before: tuple[int, int] | list[int], side: int) -> ConvSynapses:
    """With a kernel of ``side``, ``before`` zeros ahead of its taps, and these where they were."""
    zeros = [(b, side - b - n) for b, n in zip(before, synapses.weight.shape[:2], strict=True)]
    ahead = zip(synapses.padding, before, synapses.dilation, strict=True)
    return replace(
        synapses,
        weight=np.pad(synapses.weight, [*zeros, (0, 0), (0, 0)]),
        padding=tuple(p + b * d for p, b, d in ahead),
    )


def _conv2d(synapses: ConvSynapses, shape: tuple[int, ...]) -> nir.Conv2d:
    return nir.Conv2d(
        input_shape=tuple(shape[:2]),
        weight=weights(synapses.weight.transpose(3, 2, 0, 1)),
        stride=tuple(synapses.strides),
        padding=tuple(synapses.padding),
        dilation=tuple(synapses.dilation),
        groups=1,
        bias=np.zeros(synapses.weight.shape[3], np.float32),
    )
