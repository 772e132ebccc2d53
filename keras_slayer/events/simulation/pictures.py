"""Pictures become events: the saccades of N-MNIST."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.events.simulation.camera import WHITE, EventCamera, check_camera
from keras_slayer.events.simulation.frames import brightness_of
from keras_slayer.events.simulation.pixels import Pixels
from keras_slayer.events.simulation.trajectory import (
    DURATION_MS,
    REACH,
    TRAJECTORY_XY,
    look,
    trajectory,
)
from keras_slayer.events.simulation.video import MAX_SIDE
from keras_slayer.events.stream import Events

CONTRAST = 4.1
"""Brightness of white over that of black on the screen: gives a digit N-MNIST's events."""
LEAK_RATE = 0.5
"""Leakage of N-MNIST's camera in Hz: gives pixels beside the digit their events."""

_FARTHEST = max(abs(d) for offset in TRAJECTORY_XY for d in offset)
_LONGEST_STEP = 0.25  # pixels that the picture moves from one frame to the next
_BATCH_PIXELS = 75_000  # simulated side by side, so that the arrays of one step stay in the cache


def saccades(
    images: np.ndarray | Iterable[np.ndarray],
    *,
    size: Sequence[int] | None = None,
    amplitude: float = REACH,
    contrast: float = CONTRAST,
    camera: EventCamera | None = None,
    seed: int | Sequence[int] = 0,
) -> list[Events]:
    """What an event camera sees of pictures on a screen while it makes N-MNIST's three saccades.

        recordings = saccades(x_train[:100], size=(34, 34))     # (n, 32, 32, 3), uint8

    The picture moves along a triangle for 309 ms, with the speed measured in N-MNIST (Orchard,
    Jayawant, Cohen, Thakor, Frontiers in Neuroscience 9:437, 2015). Its outermost pixels are
    continued beyond its edges, so that the edges themselves make no events.

    Args:
        images: `(n, height, width)` or `(n, height, width, channels)` with 1 or 3 channels (red,
            green, blue, of which the luma is taken), uint8 or floats from 0 to 1; or pictures of
            any sizes, one by one, with `size`.
        size: `(height, width)` of the sensor. Pictures are scaled to fit it less the margin that
            they move in, in the ratio of their sides. None: the size of the pictures and that
            margin, 34 x 34 for MNIST's 28 x 28.
        amplitude: pixels of the sensor that the picture moves along x, and along y.
        contrast: brightness of white over that of black on the screen. The default gives MNIST's
            digits as many events as N-MNIST has.
        camera: the parameters; None for `EventCamera(leak_rate=0.5)`, as N-MNIST's. All recordings
            are of this one camera.
        seed: of the noise: one integer for each picture, or one for all, which picture i adds i
            to. A recording depends on its picture and its seed, and not on the other pictures.

    Returns:
        One recording per picture, its events in order of time.

    Raises:
        ValueError: an argument that is not allowed, pictures that are not as above, or pictures
            of different sizes without `size`.
    """
    camera = check_scene(amplitude, contrast, camera)
    margin = math.ceil(amplitude / 2)
    pictures = [brightness_of(image, f"Picture {i}") for i, image in enumerate(images)]
    seeds = _check_seeds(seed, len(pictures))
    if not pictures:
        return []
    size = sensor_size(size, amplitude, {light.shape for light in pictures})
    step = max(1, _BATCH_PIXELS // (size[0] * size[1]))
    recordings = []
    for start in range(0, len(pictures), step):
        part = slice(start, start + step)
        scene = np.stack([_on_screen(light, size, margin, contrast) for light in pictures[part]])
        recordings += _record(scene, size, margin, amplitude, camera, seeds[part])
    return recordings


def check_scene(amplitude, contrast, camera) -> EventCamera:
    """Checks these arguments of `saccades`; returns the camera."""
    checks.number(amplitude, "amplitude", open_low=True, high=MAX_SIDE)
    checks.number(contrast, "contrast", low=1.0, high=WHITE)
    return check_camera(EventCamera(leak_rate=LEAK_RATE) if camera is None else camera)


def sensor_size(size, amplitude: float, shapes: set[tuple[int, int]]) -> tuple[int, int]:
    """The size of the sensor for pictures of these sizes, as `saccades` takes it."""
    margin = math.ceil(amplitude / 2)
    if size is None:
        if len(shapes) > 1:
            raise ValueError(
                "Pictures of different sizes need the size of the sensor: size=(height, width). "
                f"Received: pictures of {len(shapes)} sizes"
            )
        ((height, width),) = shapes
        size = (height + 2 * margin, width + 2 * margin)
    size = checks.pair(size, "size")
    if not 2 * margin < min(size) <= max(size) <= MAX_SIDE:
        raise ValueError(
            f"`size` must be (height, width), each from {2 * margin + 1} (the picture moves by "
            f"{margin} pixels to every side) to {MAX_SIDE}. Received: size={size}"
        )
    return size


def _check_seeds(seed, pictures: int) -> list[int]:
    if isinstance(seed, Sequence | np.ndarray):
        if len(seed) != pictures:
            raise ValueError(
                f"`seed` must be an integer, or one for each picture ({pictures}). "
                f"Received: {len(seed)} seeds"
            )
        return [checks.integer(one, "seed", low=0, high=2**63 - 1) for one in seed]
    first = checks.integer(seed, "seed", low=0, high=2**63 - 1 - pictures)
    return list(range(first, first + pictures))


def _on_screen(light, size, margin: int, contrast: float) -> np.ndarray:
    """The picture in the middle of the sensor, with a border on all sides, as the screen shows it.

    `(height + 2 border, width + 2 border)`, border = _border(margin).
    """
    room = [side - 2 * margin for side in size]
    scale = min(side / length for side, length in zip(room, light.shape, strict=True))
    fitted = [max(1, round(scale * length)) for length in light.shape]
    if tuple(fitted) != light.shape:
        light = tf.image.resize(light[..., np.newaxis], fitted, antialias=True).numpy()[..., 0]
    border = _border(margin)
    pads = []
    for side, length in zip(size, fitted, strict=True):
        before = (side - length) // 2
        pads.append((before + border, side - length - before + border))
    light = np.pad(light, pads, mode="edge")
    black = np.float32(WHITE / contrast)
    return black + light * ((np.float32(WHITE) - black) / np.float32(WHITE))


def _record(scene, size, margin: int, amplitude: float, camera, seeds) -> list[Events]:
    """The recordings of pictures that are simulated side by side."""
    parts = _parts_per_ms(amplitude)
    times = np.arange(DURATION_MS * parts + 1) / parts
    path = trajectory(times) * (amplitude / REACH)
    seen = (look(scene, offset, size, _border(margin)).ravel() for offset in path)
    generators = [np.random.default_rng([2015, seed]) for seed in seeds]
    pixels = Pixels(camera, size, generators, next(seen))
    steps = [
        pixels.step(light, start, stop)
        for light, start, stop in zip(seen, times[:-1] / 1000, times[1:] / 1000, strict=True)
    ]
    t, pixel, on = (np.concatenate(column) for column in zip(*steps, strict=True))
    recording, pixel = np.divmod(pixel, size[0] * size[1])
    order = np.argsort(recording, kind="stable")
    ends = np.searchsorted(recording[order], np.arange(1, len(seeds)))
    y, x = np.divmod(pixel, size[1])
    return [
        Events(x=x[index], y=y[index], t=t[index], polarity=on[index])
        for index in np.split(order, ends)
    ]


def _border(margin: int) -> int:
    """Pixels around the sensor that come into view: the triangle is not in the middle."""
    return math.ceil(2 * margin * _FARTHEST / REACH) + 1


def _parts_per_ms(amplitude: float) -> int:
    fastest = np.abs(np.diff(trajectory(np.arange(DURATION_MS + 1.0)), axis=0)).max()
    return max(1, math.ceil(fastest * amplitude / REACH / _LONGEST_STEP))
