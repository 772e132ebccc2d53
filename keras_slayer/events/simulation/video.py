"""Video becomes events."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from keras_slayer import checks
from keras_slayer.events.simulation.camera import EventCamera, check_camera, log_brightness
from keras_slayer.events.simulation.frame_rate import FrameRate
from keras_slayer.events.simulation.frames import iter_brightness
from keras_slayer.events.simulation.pixels import Pixels
from keras_slayer.events.stream import Events

MAX_SIDE = 2**16
"""Events hold coordinates in 16 bits."""

# "auto" divides an interval so that no pixel moves by more thresholds than this in a part of it,
# in at most this many parts.
_THRESHOLDS_PER_PART = 2.0
_MOST_PARTS = 10
_MOST_UPSAMPLING = 1000


def simulate(
    frames: np.ndarray | Iterable[np.ndarray],
    fps: float,
    *,
    camera: EventCamera | None = None,
    seed: int = 0,
    upsample: str | int | None = "auto",
) -> Events:
    """What an event camera sees of a video.

        events = simulate(video, fps=240)                                # (n, height, width, 3)
        events = simulate(read_frames(), fps=240, camera=EventCamera.noisy())

    Frame k shows the scene at k / fps seconds. Between two frames every pixel moves from one
    brightness to the other; nothing is known of what moved in between. So frames should follow
    each other quickly: an edge that moves by more than a pixel per frame leaves gaps.

    Args:
        frames: `(n, height, width)`, or with an axis of 1 or 3 channels behind (red, green, blue,
            of which the luma is taken); uint8, or floats from 0 to 1. An array, or anything that
            gives such frames one by one: one frame is held at a time. At least two.
        fps: frames per second.
        camera: the parameters; None for `EventCamera()`.
        seed: of the noise, 0 or more. The events depend on frames, camera and seed only.
        upsample: parts into which the interval between frames is divided, with frames that are
            interpolated from pixel to pixel. More parts make the times of events exact where
            brightness moves far; they do not replace frames. "auto" takes as many as keep every
            pixel within two thresholds per part, 10 at most; None or 1 takes the frames as they
            are.

    Returns:
        The events in order of time, from 0 to (n - 1) / fps seconds.

    Warns:
        FrameRateWarning: the pixels that change do so by more than 5 thresholds per frame on
            average.

    Raises:
        ValueError: an argument that is not allowed, or frames that are not as above.
    """
    fps = checks.number(fps, "fps", open_low=True)
    camera = check_camera(camera)
    seed = checks.integer(seed, "seed", low=0, high=2**63 - 1)
    parts = _check_upsample(upsample)
    light = iter_brightness(frames)
    first = next(light, None)
    if first is None:
        raise ValueError("`frames` must have at least two frames. Received: none")
    height, width = first.shape
    if max(height, width) > MAX_SIDE:
        raise ValueError(
            f"Frames may have up to {MAX_SIDE} rows and columns. Received: {height} x {width}"
        )
    before = first.ravel()
    pixels = Pixels(camera, (height, width), [np.random.default_rng([2021, seed])], before)
    rate = FrameRate(min(camera.threshold_on, camera.threshold_off))
    log_before = log_brightness(before, camera)
    collected, number = [], 0
    for number, frame in enumerate(light, start=1):
        after = frame.ravel()
        log_after = log_brightness(after, camera)
        most = rate.add(log_after - log_before)
        count = parts or min(max(math.ceil(most / _THRESHOLDS_PER_PART), 1), _MOST_PARTS)
        for part in range(count):
            share = np.float32((part + 1) / count)
            last = part + 1 == count
            now = after if last else before + share * (after - before)
            start, stop = ((number - 1 + (part + k) / count) / fps for k in (0, 1))
            collected.append(pixels.step(now, start, stop, log_after if last else None))
        before, log_before = after, log_after
    if not number:
        raise ValueError("`frames` must have at least two frames. Received: 1 frame")
    rate.check(fps)
    t, pixel, on = (np.concatenate(column) for column in zip(*collected, strict=True))
    y, x = np.divmod(pixel, width)
    return Events(x=x, y=y, t=t, polarity=on)


def _check_upsample(upsample) -> int:
    """The number of parts; 0 for "auto"."""
    if isinstance(upsample, str) and upsample == "auto":
        return 0
    if upsample is None:
        return 1
    try:
        return checks.integer(upsample, "upsample", low=1, high=_MOST_UPSAMPLING)
    except ValueError as error:
        raise ValueError(
            f'`upsample` must be "auto", None or an integer in [1, {_MOST_UPSAMPLING}]. '
            f"Received: upsample={upsample!r}"
        ) from error
