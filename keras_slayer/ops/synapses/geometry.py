"""Windows that slide over images: the geometry of convolutions and pools."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from keras_slayer import checks


@dataclasses.dataclass(frozen=True)
class Window2D:
    """A window that slides over an image. All pairs are (vertical, horizontal).

    Attributes:
        size: pixels, or taps of a kernel.
        strides: pixels from one position to the next.
        padding: ``"valid"`` (only positions within the image) or ``"same"`` (zeros around the
            image, so that there are ceil(size / stride) positions).
        dilations: pixels from one tap to the next.
    """

    size: tuple[int, int]
    strides: tuple[int, int]
    padding: str
    dilations: tuple[int, int] = (1, 1)

    @classmethod
    def of(cls, size, strides, padding, dilations=(1, 1)) -> Window2D:
        """The window with these options, checked.

        Raises:
            ValueError: strides, dilations or padding out of range.
        """
        strides, dilations = checks.pair(strides, "strides"), checks.pair(dilations, "dilations")
        if max(strides) > 1 and max(dilations) > 1:
            raise ValueError(
                "only one of strides and dilations may differ from 1. "
                f"Received: strides={strides}, dilations={dilations}"
            )
        return cls(size, strides, checks.padding(padding), dilations)

    @property
    def reach(self) -> tuple[int, int]:
        """Pixels from the first tap to the last one, both included."""
        taps = zip(self.size, self.dilations, strict=True)
        vertical, horizontal = ((size - 1) * dilation + 1 for size, dilation in taps)
        return vertical, horizontal

    def output_size(self, image):
        """Positions down and across an image: below 1 where the window does not fit.

        Args:
            image: height and width: numbers, or None where a size is unknown; or a tensor.

        Returns:
            A pair, with None where the size is unknown; or a tensor like ``image``.
        """
        if tf.is_tensor(image):
            return _positions(image, self.reach, self.strides, self.padding)
        axes = zip(image, self.reach, self.strides, strict=True)
        vertical, horizontal = (
            None if size is None else _positions(size, reach, stride, self.padding)
            for size, reach, stride in axes
        )
        return vertical, horizontal

    def padding_around(self, image) -> tuple[tuple[int, int], tuple[int, int]]:
        """Zeros (above, below) and (left, right) of an image, whose size is known for "same"."""
        if self.padding == "valid":
            return (0, 0), (0, 0)
        axes = zip(image, self.output_size(image), self.strides, self.reach, strict=True)
        missing = [max((out - 1) * step + reach - size, 0) for size, out, step, reach in axes]
        vertical, horizontal = ((m // 2, m - m // 2) for m in missing)
        return vertical, horizontal


def _positions(size, reach, stride, padding: str):
    """Positions of a window along an axis, or along the axes of a tensor."""
    if padding == "valid":
        size = size - reach + 1
    return -(-size // stride)


@dataclasses.dataclass(frozen=True)
class ConvGeometry:
    """A convolution of frames of one size with weights of one shape.

    Attributes:
        window: the kernel as a window.
        input_size: height, width and channels of a frame.
        weights_shape: (kernel height, kernel width, channels / groups, filters).
    """

    window: Window2D
    input_size: tuple[int, int, int]
    weights_shape: tuple[int, int, int, int]

    @classmethod
    def of(cls, spikes, weights, strides, padding: str, dilations) -> ConvGeometry:
        """The convolution of these tensors, checked.

        Raises:
            ValueError: ranks, sizes, dtypes or options that do not fit.
        """
        # Options first, because their errors do not depend on the tensors.
        window = Window2D.of((1, 1), strides, padding, dilations)
        _check_tensors(spikes, weights)
        window = dataclasses.replace(window, size=tuple(weights.shape[:2]))
        conv = cls(window, tuple(spikes.shape[2:]), tuple(weights.shape))
        for size, name in zip(conv.output_size[:2], ("height", "width"), strict=True):
            if size < 1:
                raise ValueError(
                    f"the kernel does not fit into the {name} of the frames. Received: spikes of "
                    f"shape {tuple(spikes.shape)}, weights of shape {conv.weights_shape}"
                )
        return conv

    @property
    def groups(self) -> int:
        return self.input_size[2] // self.weights_shape[2]

    @property
    def output_size(self) -> tuple[int, int, int]:
        """Height, width and channels of an output frame."""
        return (*self.window.output_size(self.input_size[:2]), self.weights_shape[3])

    @property
    def native_options(self) -> dict:
        """Arguments of the native ops."""
        around = self.window.padding_around(self.input_size[:2])
        return {
            "input_size": list(self.input_size),
            "output_size": list(self.output_size[:2]),
            "strides": list(self.window.strides),
            "dilations": list(self.window.dilations),
            "padding_before": [before for before, _ in around],
        }


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


def pool_window(spikes, pool_size, strides, padding: str) -> Window2D:
    """The window of a pool over these frames (batch, time, height, width, channels), checked.

    Raises:
        ValueError: a rank, size or option that does not fit.
    """
    window = Window2D.of(checks.pair(pool_size, "pool_size"), strides, padding)
    same, image = window.padding == "same", spikes.shape[2:4]
    if spikes.shape.rank != 5 or spikes.shape[4] is None or (same and None in image):
        raise ValueError(
            "spikes must have the axes (batch, time, height, width, channels), the last (and "
            "with padding='same' height and width) of known size. "
            f"Received: shape={tuple(spikes.shape)}, padding={padding!r}"
        )
    if not same and any(s is not None and s < 1 for s in window.output_size(image)):
        raise ValueError(
            "the window does not fit into the frames. Received: spikes of shape "
            f"{tuple(spikes.shape)}, pool_size={window.size}"
        )
    return window
