"""Moving edges, gratings and textures as an event camera sees them."""

import dataclasses

import numpy as np

KINDS = ("edge", "grating", "texture")

CONTRAST = 0.6  # change of log brightness that makes an event
MISMATCH = 0.1  # its deviation from pixel to pixel, relative
DEAD_TIME = 24.0  # ms for which a pixel is blind after an event, as SAVME filters its events
NOISE = 0.3  # events per pixel, polarity and second that come by chance
STIMULUS = 0.75  # share of the recording; the rest is for delayed spikes
ANGLE_OFF, SPEED_OFF = 8.0, 0.1  # how far a motion may be from its class: degrees, relative


def pixels(size):
    """(x, y) of each pixel from the middle of the sensor, y downwards, each (size, size)."""
    axis = np.arange(size) - (size - 1) / 2
    return np.meshgrid(axis, axis)


@dataclasses.dataclass(frozen=True)
class MovingPatterns:
    """Patterns that move over a square sensor.

    Attributes:
        size: pixels of a side.
        directions: degrees, 0 to the right, 90 downwards.
        speeds: pixels per ms. A class is a speed and a direction, the direction changing faster.
        dt, steps: ms per step, and steps of a recording.
    """

    size: int
    directions: tuple[float, ...]
    speeds: tuple[float, ...]
    dt: float
    steps: int

    def record(self, kinds, generator):
        """Recordings of the given kinds, as many of each class as of every other.

        Returns:
            Spikes (recordings, steps, size, size, 2), OFF before ON; labels (recordings,); the
            times in ms when edges pass the middle of the sensor, NaN for other kinds.
        """
        count, directions = len(kinds), len(self.directions)
        labels = generator.permutation(np.arange(count) % (directions * len(self.speeds)))
        angles = np.take(self.directions, labels % directions)
        angles = np.deg2rad(angles + generator.uniform(-ANGLE_OFF, ANGLE_OFF, count))
        speeds = np.take(self.speeds, labels // directions)
        speeds = speeds * generator.uniform(1 - SPEED_OFF, 1 + SPEED_OFF, count)
        t = np.arange(0, STIMULUS * self.steps * self.dt, self.dt / 2)
        scenes = [
            _SCENES[kind](*pixels(self.size), angle, speed, t, generator)
            for kind, angle, speed in zip(kinds, angles, speeds, strict=True)
        ]
        brightness, middle = (np.stack(values) for values in zip(*scenes, strict=True))
        return self._events(brightness, t, generator), labels, middle

    def _events(self, brightness, t, generator):
        """What the pixels make of log brightness (recordings, time, size, size)."""
        frame = brightness[:, 0].shape
        contrast = CONTRAST * generator.normal(1, MISMATCH, frame).clip(0.7)
        seen, last = brightness[:, 0], np.full(frame, -np.inf)
        spikes = np.zeros((len(brightness), self.steps, self.size, self.size, 2), np.float32)
        for now, level in zip(t[1:], np.moveaxis(brightness, 1, 0)[1:], strict=True):
            blind = now - last < DEAD_TIME
            change = np.where(blind, 0.0, level - seen)
            fired = np.abs(change) > contrast
            seen = np.where(blind | fired, level, seen)
            last = np.where(fired, now, last)
            for polarity, mine in enumerate((fired & (change < 0), fired & (change > 0))):
                spikes[:, int(now // self.dt), ..., polarity][mine] = 1
        stimulus = spikes[:, : int(STIMULUS * self.steps)]
        stimulus[generator.random(stimulus.shape) < NOISE * self.dt / 1000] = 1
        return spikes


# Each scene: log brightness (time, size, size), and the time when an edge passes the middle.


def _edge(x, y, angle, speed, t, generator):
    along = np.cos(angle) * x + np.sin(angle) * y
    start = np.abs(along).max() + speed * generator.uniform(5, 60)  # pixels to the middle
    moved = (speed * t)[:, None, None]
    sign = generator.choice([-1, 1])
    return 0.75 * sign * np.tanh((moved - start - along) / 0.7), start / speed


def _grating(x, y, angle, speed, t, generator):
    along = np.cos(angle) * x + np.sin(angle) * y
    moved = (speed * t)[:, None, None]
    phase = 2 * np.pi * ((along - moved) / generator.uniform(14, 22) + generator.random())
    return 0.75 * np.tanh(2 * np.sin(phase)), np.nan


def _texture(x, y, angle, speed, t, generator, waves=12):
    """Waves of all orientations, 6 to 12 pixels long, that move together."""
    length = generator.uniform(6, 12, (waves, 1, 1))
    orientation, phase = generator.uniform(0, 2 * np.pi, (2, waves, 1, 1))
    wave_x, wave_y = (2 * np.pi / length * f(orientation) for f in (np.cos, np.sin))
    moved = speed * t[:, None, None, None]
    shift = (wave_x * np.cos(angle) + wave_y * np.sin(angle)) * moved
    waves_at = np.cos(wave_x * x + wave_y * y + phase - shift)
    return waves_at.sum(axis=1) * np.sqrt(2 / waves), np.nan


_SCENES = dict(zip(KINDS, (_edge, _grating, _texture), strict=True))
