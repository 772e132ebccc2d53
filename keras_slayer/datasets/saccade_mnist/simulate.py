"""A simulated event camera that looks at digits and makes the three saccades of N-MNIST.

The scene is a digit of 28 x 28 pixels on a frame of 34 x 34, moved along `trajectory`; dark on
a bright ground, since in N-MNIST the edge in front is the one that turns pixels OFF. Each pixel
sees the logarithm of its brightness, L = log(1 + contrast * I) / log(1 + contrast), I in 0..1,
through the blur of the optics, and compares it once a millisecond with a stored level R:

    L - R >= on * threshold  ->  ON event
    L - R <= -threshold      ->  OFF event
    after an event           ->  blind for `refractory` ms; then R = L

which is how the pixels of a DVS or ATIS work (Lichtsteiner, Posch, Delbruck 2008). Thresholds
differ from pixel to pixel and from recording to recording, the times of events have jitter, and
leakage makes every pixel fire ON now and then. The parameters were chosen so that the events have
the statistics of N-MNIST's (`calibration.py` prints both).
"""

import dataclasses

import numpy as np

from keras_slayer.events.simulation.trajectory import DURATION_MS, look, trajectory
from keras_slayer.events.stream import Events

SENSOR_SHAPE = (34, 34, 2)

_MARGIN = 3  # (34 - 28) / 2: the digit at rest is in the middle
_PAD = 6  # pixels of ground around the frame, which come into view as the digit moves
_BATCH = 64  # recordings at a time, so that the arrays of one step stay in the cache


@dataclasses.dataclass(frozen=True)
class Sensor:
    """The parameters of the simulated camera.

    Args:
        threshold: change of L that makes an OFF event; L is 0 for black and 1 for white.
        on: the same for ON events, relative to OFF.
        mismatch: standard deviation of the threshold over the pixels of the camera, relative.
        variation: the same from recording to recording, for each pixel.
        gain: the same from recording to recording, for all pixels alike.
        refractory: milliseconds that a pixel is blind after an event, a whole number from 1.
        contrast: brightness of white over that of black, less one.
        blur: standard deviation of the optics' blur in pixels.
        jitter: standard deviation of the latency of events in milliseconds.
        leak: ON events of every pixel per second.
        wobble: standard deviation of the digit's place from recording to recording in pixels.
    """

    threshold: float = 0.137
    on: float = 1.02
    mismatch: float = 0.12
    variation: float = 0.07
    gain: float = 0.13
    refractory: int = 1
    contrast: float = 0.5
    blur: float = 0.4
    jitter: float = 0.35
    leak: float = 0.3
    wobble: float = 0.2

    def __post_init__(self):
        if not isinstance(self.refractory, int) or not 1 <= self.refractory <= 127:
            raise ValueError(
                "`refractory` must be a whole number of milliseconds from 1 to 127. "
                f"Received: refractory={self.refractory}"
            )
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            positive = field.name in ("threshold", "on", "contrast", "blur")
            if not (value > 0 if positive else value >= 0):
                raise ValueError(
                    f"`{field.name}` must be {'positive' if positive else '0 or more'}. "
                    f"Received: {field.name}={value}"
                )


def simulate(images, seeds, sensor: Sensor | None = None) -> list[Events]:
    """Simulates one recording of about 300 ms per image.

    Args:
        images: `(n, 28, 28)`, values 0..255.
        seeds: n integers: a recording depends on its image, its seed and the sensor only.
        sensor: the camera; None for the one calibrated on N-MNIST.

    Returns:
        n streams of events in order of time, on a sensor of 34 x 34 x 2.
    """
    images = np.asarray(images, np.float32)
    if images.ndim != 3 or images.shape[1:] != (28, 28):
        raise ValueError(f"`images` must be (n, 28, 28). Received: images.shape={images.shape}")
    seeds = [int(seed) for seed in seeds]
    if len(seeds) != len(images):
        raise ValueError(
            f"`seeds` must have one seed per image ({len(images)}). Received: {len(seeds)} seeds"
        )
    sensor = sensor or Sensor()
    recordings = []
    for start in range(0, len(images), _BATCH):
        stop = start + _BATCH
        recordings += _simulate_batch(images[start:stop], seeds[start:stop], sensor)
    return recordings


def _simulate_batch(images, seeds, sensor):
    height, width, _ = SENSOR_SHAPE
    generators = [np.random.default_rng([20150, seed]) for seed in seeds]
    scene = _scene(images, generators, sensor)
    threshold = _thresholds(generators, sensor)
    on_threshold = sensor.on * threshold

    path = trajectory(np.arange(DURATION_MS + 1))
    level = _look(scene, path[0])
    blind = np.zeros(level.shape, np.int8)
    steps, places, signs = [], [], []
    for step, offset in enumerate(path[1:]):
        seen = _look(scene, offset)
        change = seen - level
        blind -= blind > 0
        fired = ((change >= on_threshold) | (change <= -threshold)) & (blind == 0)
        where = np.flatnonzero(fired)
        steps.append(np.full(where.size, step, np.int32))
        places.append(where)
        signs.append(change.ravel()[where] > 0)
        blind[fired] = sensor.refractory
        # A blind pixel has its stored level tied to what it sees.
        np.copyto(level, seen, where=blind > 0)

    step, place, on = (np.concatenate(parts) for parts in (steps, places, signs))
    sample, pixel = np.divmod(place, height * width)
    order = np.argsort(sample, kind="stable")
    parts = np.split(order, np.searchsorted(sample[order], np.arange(1, len(images))))
    return [
        _recording(step[part], pixel[part], on[part], generator, sensor)
        for generator, part in zip(generators, parts, strict=True)
    ]


def _scene(images, generators, sensor) -> np.ndarray:
    """The brightness L of the scene, on a frame with a border of `_PAD` pixels."""
    border = _PAD + _MARGIN
    light = 1 - np.pad(images / 255.0, ((0, 0), (border, border), (border, border)))
    radius = 3
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sensor.blur) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    for axis in (1, 2):
        light = sum(
            weight * np.roll(light, shift, axis)
            for shift, weight in zip(range(-radius, radius + 1), kernel, strict=True)
        )
    scene = np.log1p(sensor.contrast * light) / np.log1p(sensor.contrast)
    for index, generator in enumerate(generators):
        dx, dy = np.clip(generator.normal(0.0, sensor.wobble, 2), -0.99, 0.99)
        scene[index] = _move(scene[index], dx, dy)
    return scene.astype(np.float32)


def _move(image, dx, dy):
    """Moves by less than a pixel, bilinear. The border is ground, so pixels may wrap around."""
    for axis, d in ((-1, dx), (-2, dy)):
        image = (1 - abs(d)) * image + abs(d) * np.roll(image, 1 if d > 0 else -1, axis)
    return image


def _look(scene, offset) -> np.ndarray:
    """The frame `(n, 34, 34)` when the digit has moved by offset = (dx, dy), bilinear."""
    return look(scene, offset, SENSOR_SHAPE[:2], _PAD)


def _thresholds(generators, sensor) -> np.ndarray:
    shape = SENSOR_SHAPE[:2]
    camera = np.random.default_rng(34)  # always the same camera
    pixel = 1 + sensor.mismatch * camera.standard_normal(shape)
    sample = [
        np.exp(sensor.gain * g.standard_normal()) + sensor.variation * g.standard_normal(shape)
        for g in generators
    ]
    return (sensor.threshold * np.clip(pixel * np.stack(sample), 0.3, 3.0)).astype(np.float32)


def _recording(step, pixel, on, generator, sensor) -> Events:
    """Adds jitter and leakage, and puts the events in order."""
    height, width, _ = SENSOR_SHAPE
    t = (step + generator.uniform(size=step.size)) * 1000.0
    t += generator.normal(0.0, sensor.jitter * 1000.0, step.size)
    leaks = generator.poisson(sensor.leak * 1e-3 * DURATION_MS * height * width)
    t = np.concatenate([t, generator.uniform(0, DURATION_MS * 1000.0, leaks)])
    t = np.clip(t, 0, DURATION_MS * 1000 - 1).astype(np.int64)
    pixel = np.concatenate([pixel, generator.integers(0, height * width, leaks)])
    polarity = np.concatenate([on, np.ones(leaks, bool)])
    order = np.argsort(t, kind="stable")
    y, x = np.divmod(pixel[order], width)
    return Events(x=x, y=y, t=t[order], polarity=polarity[order])
