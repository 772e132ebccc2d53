"""The parameters of a simulated event camera."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from keras_slayer import checks

WHITE = 255.0
"""Brightness is counted as in 8-bit pictures, from 0 to this."""
LEAST_THRESHOLD = 0.01
"""Mismatch makes no threshold smaller than this (v2e's limit)."""
MS_PER_SECOND = 1000.0

# v2e's figures: the bandwidth is proportional to brightness + 20, so that it does not vanish in the
# dark; shot noise in the brightest pixels has a quarter of the rate in the darkest.
_DARK_BRIGHTNESS = 20.0
_SHOT_NOISE_OF_WHITE = 0.25


@dataclasses.dataclass(frozen=True)
class EventCamera:
    """An event camera: each pixel reports changes of the logarithm of its brightness.

    With the brightness I of a pixel, from 0 (black) to 255 (white)::

        L = ln I                        ln I is replaced by I ln(b) / b below b = linear_below
        dV/dt = (L - V) / tau           tau = 1 / (2 pi cutoff s), s = (I + 20) / 275
        D = V - V at the last event     leakage adds leak_rate * threshold_on to D in each second

        D >= threshold_on    ->  ON event
        D <= -threshold_off  ->  OFF event
        after an event           D is held at 0 for `refractory`

    Shot noise adds ON and OFF events, equally often. They reset D as other events do, and come at
    the rate shot_noise_rate (1 - 0.75 I / 255). A recording begins with D anywhere between its
    thresholds, evenly; without leakage, with D = 0.

    The defaults are those of v2e's command line. ``EventCamera.clean()`` and
    ``EventCamera.noisy()`` are v2e's presets of these names.

    Args:
        threshold_on: change of L that makes an ON event, in e-folds: 0.2 is 22 % brighter.
        threshold_off: the same for OFF events.
        mismatch: standard deviation of both thresholds from pixel to pixel, in e-folds.
        cutoff: bandwidth of a white pixel in Hz; 0: unlimited.
        leak_rate: ON events of each pixel per second that leakage causes.
        shot_noise_rate: noise events, ON and OFF together, of a black pixel per second.
        noise_spread: standard deviation, from pixel to pixel, of the logarithm of both rates, in
            decades. It leaves the mean rates as they are.
        refractory: milliseconds that a pixel is blind after an event.
        linear_below: brightness below which the response is linear, 2 to 255.
        pixel_seed: draws what differs from pixel to pixel. Recordings with one seed are of one
            camera.

    Raises:
        ValueError: a parameter out of its range.

    Sources: pixels that compare log brightness with a stored level, and hold it while they are
    reset: Lichtsteiner, Posch, Delbruck, IEEE JSSC 43(2), 2008. Times interpolated between frames:
    ESIM, Rebecq, Gehrig, Scaramuzza, CoRL 2018. Bandwidth, noise, the linear part and the
    figures: v2e, Hu, Liu, Delbruck, CVPR workshops 2021.
    """

    threshold_on: float = 0.2
    threshold_off: float = 0.2
    mismatch: float = 0.03
    cutoff: float = 300.0
    leak_rate: float = 0.01
    shot_noise_rate: float = 0.001
    noise_spread: float = 0.1
    refractory: float = 0.5
    linear_below: float = 20.0
    pixel_seed: int = 0

    def __post_init__(self):
        for name in ("threshold_on", "threshold_off"):
            checks.number(getattr(self, name), name, low=LEAST_THRESHOLD)
        for name in ("mismatch", "cutoff", "leak_rate", "shot_noise_rate", "refractory"):
            checks.number(getattr(self, name), name)
        checks.number(self.noise_spread, "noise_spread", high=1.0)
        checks.number(self.linear_below, "linear_below", low=2.0, high=WHITE)
        checks.integer(self.pixel_seed, "pixel_seed", low=0, high=2**63 - 1)

    @classmethod
    def clean(cls, **changes) -> EventCamera:
        """v2e's preset "clean": a little mismatch, no noise, unlimited bandwidth.

        Args:
            **changes: parameters that are to differ from the preset.
        """
        preset = {
            "mismatch": 0.02,
            "cutoff": 0.0,
            "leak_rate": 0.0,
            "shot_noise_rate": 0.0,
            "noise_spread": 0.0,
            "refractory": 0.0,
        }
        return cls(**{**preset, **changes})

    @classmethod
    def noisy(cls, **changes) -> EventCamera:
        """v2e's preset "noisy": a scene in the dark.

        Args:
            **changes: parameters that are to differ from the preset.
        """
        preset = {
            "mismatch": 0.05,
            "cutoff": 30.0,
            "leak_rate": 0.1,
            "shot_noise_rate": 5.0,
            "refractory": 0.0,
        }
        return cls(**{**preset, **changes})


def check_camera(camera) -> EventCamera:
    """``camera``, or the default one for None."""
    if camera is None:
        return EventCamera()
    if not isinstance(camera, EventCamera):
        raise ValueError(f"`camera` must be an EventCamera or None. Received: camera={camera!r}")
    return camera


def log_brightness(brightness: np.ndarray, camera: EventCamera) -> np.ndarray:
    """L of the equations, for brightness from 0 to 255."""
    limit = np.float32(camera.linear_below)
    slope = np.float32(math.log(limit) / limit)
    log = np.maximum(brightness, limit)
    np.log(log, out=log)
    below = np.minimum(brightness, limit)
    below -= limit
    below *= slope
    log += below
    return log


def filter_rate(brightness: np.ndarray, camera: EventCamera) -> np.ndarray:
    """1 / tau of the equations, per second."""
    white = np.float32(2 * math.pi * camera.cutoff / (WHITE + _DARK_BRIGHTNESS))
    rate = brightness + np.float32(_DARK_BRIGHTNESS)
    rate *= white
    return rate


def shot_noise_share(brightness: np.ndarray) -> np.ndarray:
    """Rate of the shot noise, relative to that of a black pixel."""
    return 1 - (1 - _SHOT_NOISE_OF_WHITE) * brightness / WHITE


@dataclasses.dataclass(frozen=True, eq=False)
class Pattern:
    """What differs from pixel to pixel: vectors over the pixels of the sensor.

    Attributes:
        on, off: thresholds in e-folds.
        noise: rates of leakage and shot noise, relative to the camera's.
    """

    on: np.ndarray
    off: np.ndarray
    noise: np.ndarray

    @classmethod
    def of(cls, camera: EventCamera, height: int, width: int) -> Pattern:
        generator = np.random.default_rng([2021, camera.pixel_seed, height, width])
        on, off, noise = generator.standard_normal((3, height * width))
        spread = math.log(10) * camera.noise_spread
        return cls(
            on=_threshold(camera.threshold_on + camera.mismatch * on),
            off=_threshold(camera.threshold_off + camera.mismatch * off),
            # The mean of the exponential of a normal variable is exp(variance / 2).
            noise=np.exp(spread * noise - spread**2 / 2).astype(np.float32),
        )


def _threshold(values) -> np.ndarray:
    return np.maximum(values, LEAST_THRESHOLD).astype(np.float32)
