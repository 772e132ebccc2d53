"""Frames of any kind as brightness from 0 to 255."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from keras_slayer.events.simulation.camera import WHITE

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green and blue: ITU-R BT.601
_SLACK = 1e-4  # floats may exceed 0..1 by this, as resized pictures do


def brightness_of(frame, name: str) -> np.ndarray:
    """One picture as float32 `(height, width)` from 0 to 255.

    Args:
        frame: `(height, width)` or `(height, width, channels)` with 1 or 3 channels; uint8, or
            floats from 0 to 1.
        name: what it is, for errors.

    Raises:
        ValueError: another shape, type or range.
    """
    frame = np.asarray(frame)
    if frame.ndim not in (2, 3) or (frame.ndim == 3 and frame.shape[2] not in (1, 3)):
        raise ValueError(
            f"{name} must be (height, width) or (height, width, channels) with 1 or 3 channels. "
            f"Received: shape={frame.shape}"
        )
    if 0 in frame.shape:
        raise ValueError(f"{name} must have pixels. Received: shape={frame.shape}")
    if frame.dtype == np.uint8:
        scale = np.float32(1)
    elif frame.dtype.kind == "f":
        low, high = frame.min(), frame.max()
        if not (low >= -_SLACK and high <= 1 + _SLACK):  # NaN included
            raise ValueError(
                f"{name} must be uint8, or floats from 0 to 1 (divide by 255). "
                f"Received: floats from {low:g} to {high:g}"
            )
        scale = np.float32(WHITE)
    else:
        raise ValueError(
            f"{name} must be uint8, or floats from 0 to 1. Received: dtype={frame.dtype}"
        )
    light = frame.astype(np.float32)
    if frame.ndim == 3:
        light = light[..., 0] if frame.shape[2] == 1 else light @ _LUMA
    return np.clip(light * scale, 0, WHITE) if frame.dtype != np.uint8 else light


def iter_brightness(frames) -> Iterator[np.ndarray]:
    """The frames of a video, one by one, as `brightness_of` gives them.

    Raises:
        ValueError: no frames, a frame that is none, or one of another size than the first.
    """
    if isinstance(frames, str) or not hasattr(frames, "__iter__"):
        raise ValueError(
            "`frames` must be an array (n, height, width) or (n, height, width, channels), or "
            f"give such frames one by one. Received: frames of type {type(frames).__name__}"
        )
    shape = None
    for number, frame in enumerate(frames):
        light = brightness_of(frame, f"Frame {number}")
        if shape is None:
            shape = light.shape
        elif light.shape != shape:
            raise ValueError(
                f"All frames must have the size of the first, {shape}. "
                f"Received: frame {number} with (height, width)={light.shape}"
            )
        yield light
