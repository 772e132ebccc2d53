"""Geometry of a 2-D convolution: its checks, its native options and its dense products."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from keras_slayer import checks
from keras_slayer.ops import reference


@dataclasses.dataclass(frozen=True)
class Conv2D:
    """A convolution of frames (height, width, channels) with weights of one shape.

    Attributes:
        input_size: height, width and channels of a frame.
        weights_shape: (kernel height, kernel width, channels / groups, filters).
        strides, dilations: (vertical, horizontal).
        padding: ``"VALID"`` or ``"SAME"``.
    """

    input_size: tuple[int, int, int]
    weights_shape: tuple[int, int, int, int]
    strides: tuple[int, int]
    padding: str
    dilations: tuple[int, int]

    @classmethod
    def of(cls, spikes, weights, strides, padding: str, dilations) -> Conv2D:
        """The convolution of these tensors, checked.

        Raises:
            ValueError: ranks, sizes, dtypes or options that do not fit.
        """
        strides, dilations = checks.pair(strides, "strides"), checks.pair(dilations, "dilations")
        padding = checks.padding(padding)
        _check_tensors(spikes, weights)
        if max(strides) > 1 and max(dilations) > 1:
            raise ValueError(
                "only one of strides and dilations may differ from 1. "
                f"Received: strides={strides}, dilations={dilations}"
            )
        input_size, weights_shape = tuple(spikes.shape[2:]), tuple(weights.shape)
        conv = cls(input_size, weights_shape, strides, padding.upper(), dilations)
        for size, name in zip(conv.output_size, ("height", "width"), strict=True):
            if size < 1:
                raise ValueError(
                    f"the kernel does not fit into the {name} of the frames. Received: spikes of "
                    f"shape {tuple(spikes.shape)}, weights of shape {weights_shape}"
                )
        return conv

    @property
    def groups(self) -> int:
        return self.input_size[2] // self.weights_shape[2]

    @property
    def _reach(self) -> tuple[int, ...]:
        sizes = zip(self.weights_shape[:2], self.dilations, strict=True)
        return tuple((size - 1) * dilation + 1 for size, dilation in sizes)

    @property
    def output_size(self) -> tuple[int, ...]:
        """Height and width of an output frame."""
        sizes = self.input_size[:2]
        if self.padding == "VALID":
            sizes = [size - reach + 1 for size, reach in zip(sizes, self._reach, strict=True)]
        return tuple(-(-size // step) for size, step in zip(sizes, self.strides, strict=True))

    @property
    def _padding_before(self) -> tuple[int, ...]:
        if self.padding == "VALID":
            return (0, 0)
        axes = zip(self.input_size[:2], self.output_size, self.strides, self._reach, strict=True)
        return tuple(
            max((out - 1) * step + reach - size, 0) // 2 for size, out, step, reach in axes
        )

    @property
    def native_options(self) -> dict:
        """Arguments of the native ops."""
        return {
            "input_size": list(self.input_size),
            "output_size": list(self.output_size),
            "strides": list(self.strides),
            "dilations": list(self.dilations),
            "padding_before": list(self._padding_before),
        }

    def product(self, frames, weights):
        """The dense convolution of frames [n, height, width, channels]."""
        return reference.spike_conv2d(frames, weights, self.strides, self.padding, self.dilations)

    def _by_group(self, frames, weights, grad):
        parts = (tf.split(x, self.groups, axis=3) for x in (frames, weights, grad))
        return zip(*parts, strict=True)

    def input_grad(self, frames, weights, grad):
        wide = reference.dilate(weights, self.dilations)
        parts = [
            tf.nn.conv2d_transpose(d, w, tf.shape(x), self.strides, self.padding)
            for x, w, d in self._by_group(frames, wide, grad)
        ]
        out = tf.concat(parts, axis=3)
        out.set_shape(frames.shape)
        return out

    def weights_grad(self, frames, weights, grad):
        frames, wide = tf.cast(frames, grad.dtype), reference.dilate(weights, self.dilations)
        parts = [
            tf.raw_ops.Conv2DBackpropFilter(
                input=x,
                filter_sizes=tf.shape(w),
                out_backprop=d,
                strides=[1, *self.strides, 1],
                padding=self.padding,
            )
            for x, w, d in self._by_group(frames, wide, grad)
        ]
        return tf.concat(parts, axis=3)[:: self.dilations[0], :: self.dilations[1]]


def _check_tensors(spikes, weights) -> None:
    if spikes.shape.rank != 5 or None in spikes.shape[2:]:
        raise ValueError(
            "spikes must have the axes (batch, time, height, width, channels), the last three "
            f"of known size. Received: shape={tuple(spikes.shape)}"
        )
    checks.same_dtype(spikes, weights)
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
