"""The pixels of an event camera, stepped from frame to frame."""

from __future__ import annotations

import numpy as np

from keras_slayer.events.simulation.camera import (
    MS_PER_SECOND,
    EventCamera,
    Pattern,
    filter_rate,
    log_brightness,
)
from keras_slayer.events.simulation.noise import ShotNoise

# A level this little short of a threshold, relative to it, is taken to reach it: levels are sums
# of rounded logarithms.
_TOLERANCE = 1e-4
_SMALL_Z = 1e-3  # of `_low_pass`
_MICROSECONDS = 1e6


class Pixels:
    """All pixels of one recording or several, which are simulated side by side.

    Between two calls of `step`, L moves along a straight line. The response of the low-pass to
    that line is exact at its end, and taken as straight in between; so is D, and each crossing of
    a threshold has a closed form, refractory period included.

    Args:
        camera: the parameters.
        sensor: `(height, width)`.
        generators: one random generator for each recording.
        brightness: 0 to 255, float32, of all pixels of all recordings at time 0, which V has
            reached. D is anywhere between its thresholds, or 0 for a camera without leakage.
    """

    def __init__(self, camera: EventCamera, sensor, generators, brightness: np.ndarray):
        pattern = Pattern.of(camera, *sensor)
        self._camera = camera
        self._on, self._off, noise = (
            np.tile(values, len(generators)) for values in (pattern.on, pattern.off, pattern.noise)
        )
        self._leak = np.float32(camera.leak_rate) * noise * self._on  # e-folds per second
        self._noise = ShotNoise(camera, pattern, generators)
        self._refractory = camera.refractory / MS_PER_SECOND
        self._lowest_on = self._on * np.float32(1 - _TOLERANCE)
        self._lowest_off = self._off * np.float32(_TOLERANCE - 1)
        self._brightness = brightness
        self._log = log_brightness(brightness, camera)
        self._filtered = self._log.copy()
        # Movement leaves a pixel anywhere between its thresholds. (Leakage alone, in a scene at
        # rest, would leave it above 0, and the first events of a recording would be ON. Those of
        # N-MNIST are not.)
        self._d = np.zeros(brightness.size, np.float32)
        if camera.leak_rate:
            phase = [generator.random(pattern.on.size, np.float32) for generator in generators]
            self._d = np.concatenate(phase) * (self._on + self._off) - self._off
        self._ready = np.zeros(brightness.size)  # s: until then a pixel is blind
        self._blind = np.zeros(0, np.int64)  # pixels that are blind when a step begins

    def step(self, brightness: np.ndarray, start: float, stop: float, log=None):
        """The events from `start` to `stop` (s), in which the brightness becomes `brightness`.

        Args:
            brightness: as at time 0.
            start, stop: seconds; `start` is the `stop` of the step before.
            log: `log_brightness` of `brightness`, where the caller has it.

        Returns:
            `(t, pixel, on)` in order of time: int64 microseconds, int64, bool.
        """
        duration = stop - start
        log = log_brightness(brightness, self._camera) if log is None else log
        change = self._change(brightness, log, duration)
        noise = self._noise.until(stop, brightness)
        disturbed = np.unique(noise[1])
        before = self._d[disturbed]
        self._d += change
        blind = self._blind
        self._d[blind] = change[blind] * np.clip((stop - self._ready[blind]) / duration, 0, 1)
        crossed = (self._d >= self._lowest_on) | (self._d <= self._lowest_off)
        crossed[disturbed] = False
        crossed = np.flatnonzero(crossed)

        # Those that stay blind beyond this step. `_fire` adds those that become so.
        self._blind = blind[self._ready[blind] > stop]
        slope = change / np.float32(duration) if disturbed.size else None
        begin = np.maximum(self._ready[crossed], start)
        moved = change[crossed] * ((stop - begin) / duration)
        events = [self._fire(crossed, self._d[crossed] - moved, moved, begin, stop)]
        if disturbed.size:
            self._d[disturbed] = before
            events += self._disturb(slope, noise, start, stop)
        t, pixel, on = (np.concatenate(column) for column in zip(*events, strict=True))
        t = np.floor(t * _MICROSECONDS).astype(np.int64)
        order = np.argsort(t, kind="stable")
        return t[order], pixel[order], on[order]

    def _change(self, brightness, log, duration) -> np.ndarray:
        """By how much D changes without events."""
        moved = log - self._log
        if self._camera.cutoff:
            moved = self._low_pass(moved, brightness, duration)
        self._log, self._brightness = log, brightness
        if self._camera.leak_rate:
            moved += self._leak * np.float32(duration)
        return moved

    def _low_pass(self, moved, brightness, duration) -> np.ndarray:
        """By how much V changes while L does by `moved`, along a line. In place: it is the most
        of the work.

        With L0, V0 at the start, L1 - L0 = `moved`, z = duration / tau and g = 1 - exp(-z)::

            V1 - V0 = (L0 - V0) g + (L1 - L0) (1 - g / z)
        """
        middle = self._brightness + brightness
        middle *= np.float32(0.5)
        z = filter_rate(middle, self._camera)
        z *= np.float32(duration)
        # NumPy's exp is several times faster than its expm1, but no good for small z.
        small = z.min() < _SMALL_Z
        g = np.negative(z, out=middle)
        (np.expm1 if small else np.exp)(g, out=g)
        np.subtract(0 if small else 1, g, out=g)
        np.divide(g, z, out=z)
        moved -= moved * z
        behind = self._log - self._filtered
        behind *= g
        moved += behind
        self._filtered += moved
        return moved

    def _fire(self, index, d, moved, begin, stop):
        """Events of the pixels `index`, whose D goes from `d` by `moved`, from `begin` to `stop`.

        Sets D and the end of the blind time of these pixels; returns `(t, pixel, on)`.
        """
        span = stop - begin
        up = moved > 0
        sign = np.where(up, 1.0, -1.0)
        threshold = np.where(up, self._on[index], self._off[index]).astype(float)
        path = np.abs(moved).astype(float)
        speed = np.divide(path, span, out=np.zeros(index.size), where=span > 0)
        # The way from one event to the next: the threshold, and what passes in the blind time.
        period = threshold + speed * self._refractory
        first = threshold - sign * d
        count = np.floor((path - first) / period + 1 + _TOLERANCE).astype(np.int64)
        count = np.where(speed > 0, np.maximum(count, 0), 0)

        self._d[index] = d + moved
        fired = np.flatnonzero(count)
        if not fired.size:
            return np.zeros(0), np.zeros(0, np.int64), np.zeros(0, bool)
        index, begin, count, speed = index[fired], begin[fired], count[fired], speed[fired]
        stop = np.broadcast_to(stop, span.shape)[fired]
        first, period, up = first[fired], period[fired], up[fired]
        last = begin + (first + (count - 1) * period) / speed
        ready = last + self._refractory
        over = ready - stop  # rounding apart, positive only within the refractory period
        blind = (over > 0) & (self._refractory > 0)
        self._d[index] = np.where(blind, 0, -sign[fired] * speed * over)
        self._ready[index] = ready
        self._blind = np.concatenate([self._blind, index[blind]])

        number = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        period, first, speed = (np.repeat(values, count) for values in (period, first, speed))
        t = np.repeat(begin, count) + (first + number * period) / speed
        return np.minimum(t, np.repeat(stop, count)), np.repeat(index, count), np.repeat(up, count)

    def _disturb(self, slope, noise, start, stop):
        """The pixels with noise events: from `start` to the first, from there on, and so on."""
        t, pixel, on = noise
        order = np.lexsort((t, pixel))
        t, pixel, on = t[order], pixel[order], on[order]
        is_first = np.diff(pixel, prepend=-1) > 0
        number = np.arange(pixel.size) - np.flatnonzero(is_first)[np.cumsum(is_first) - 1]
        pixels = pixel[is_first]
        now = np.full(pixels.size, start)
        place = np.cumsum(is_first) - 1  # of each noise event's pixel in `pixels`
        events = []

        def advance(rows, until):
            index = pixels[rows]
            begin = np.minimum(np.maximum(self._ready[index], now[rows]), until)
            moved = slope[index] * (until - begin)
            events.append(self._fire(index, self._d[index].astype(float), moved, begin, until))
            now[rows] = until

        for turn in range(number.max() + 1):
            noisy = np.flatnonzero(number == turn)
            advance(place[noisy], t[noisy])
            noisy = noisy[self._ready[pixel[noisy]] <= t[noisy]]
            index = pixel[noisy]
            self._d[index] = 0
            self._ready[index] = t[noisy] + self._refractory
            events.append((t[noisy], index, on[noisy]))
        advance(np.arange(pixels.size), np.full(pixels.size, stop))
        # Those that became blind on the way are blind only if they still are at the end.
        self._blind = np.unique(np.concatenate([self._blind, pixels]))
        self._blind = self._blind[self._ready[self._blind] > stop]
        return events
