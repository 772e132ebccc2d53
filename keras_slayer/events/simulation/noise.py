"""Shot noise: when, at which pixel, of which polarity."""

from __future__ import annotations

import numpy as np

from keras_slayer.events.simulation.camera import EventCamera, Pattern, shot_noise_share

_BLOCK_S = 0.1


class ShotNoise:
    """Noise events of one recording or several, drawn in blocks of time.

    A Poisson process of the highest rate that a pixel may have is thinned by the rate that each
    pixel has at the time. So what is drawn depends neither on the frames nor on their rate.

    Args:
        camera, pattern: the sensor.
        generators: one random generator for each recording.
    """

    def __init__(self, camera: EventCamera, pattern: Pattern, generators):
        self._generators = generators
        self._pixels = pattern.noise.size
        self._highest = camera.shot_noise_rate * float(pattern.noise.max())
        self._share = pattern.noise / pattern.noise.max()
        self._blocks = 0
        self._drawn = (np.zeros(0), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, bool))

    def until(self, stop: float, brightness: np.ndarray):
        """The noise events before the time `stop` (s) that were not returned before.

        Args:
            stop: seconds.
            brightness: 0 to 255, of all pixels of all recordings.

        Returns:
            `(t, pixel, on)` in order of time; pixels count through all recordings.
        """
        while self._highest and self._blocks * _BLOCK_S < stop:
            self._draw()
        count = np.searchsorted(self._drawn[0], stop)
        t, pixel, chance, on = (values[:count] for values in self._drawn)
        self._drawn = tuple(values[count:] for values in self._drawn)
        rate = self._share[pixel % self._pixels] * shot_noise_share(brightness[pixel])
        kept = chance < rate
        return t[kept], pixel[kept], on[kept]

    def _draw(self) -> None:
        parts = [self._drawn]
        for recording, generator in enumerate(self._generators):
            count = generator.poisson(self._highest * self._pixels * _BLOCK_S)
            t = (self._blocks + generator.uniform(size=count)) * _BLOCK_S
            pixel = generator.integers(0, self._pixels, count) + recording * self._pixels
            parts.append((t, pixel, generator.uniform(size=count), generator.random(count) < 0.5))
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
        order = np.argsort(columns[0], kind="stable")
        self._drawn = tuple(column[order] for column in columns)
        self._blocks += 1
