"""The three saccades of N-MNIST (Orchard et al. 2015): where the picture is, and what is seen."""

import numpy as np

DURATION_MS = 309
REACH = 5.4
"""Pixels that the digits of N-MNIST move along x, and along y."""

# Offset (dx, dy) of the digit in pixels at the ends of the three saccades, as measured in N-MNIST.
TRAJECTORY_MS = (0.0, 105.0, 210.0, 309.0)
TRAJECTORY_XY = ((-2.6, -1.8), (-0.9, 3.6), (2.8, -1.7), (-1.9, -1.5))

# Speed of the movement in the 63 intervals of 5 ms, in any unit: fitted so that the event rate
# over time is N-MNIST's.
_SPEED_STEP_MS = 5.0
_SPEED = (
    11.5, 3.6, 3.8, 6.7, 10.2, 17.6, 22.3, 22.6, 32.3, 30.0, 32.6, 31.8, 24.9, 21.1, 17.2, 6.0,
    3.4, 1.5, 1.5, 1.8, 1.8, 11.8, 6.9, 4.8, 6.7, 15.0, 15.3, 18.7, 25.1, 21.9, 27.6, 23.0,
    25.8, 20.5, 14.3, 10.2, 5.4, 2.5, 2.4, 3.3, 4.1, 3.7, 11.8, 3.9, 0.7, 2.1, 10.7, 21.3,
    22.8, 18.9, 25.6, 23.1, 27.7, 20.6, 16.4, 15.5, 11.2, 8.7, 5.2, 2.3, 0.6, 0.3, 0.5,
)  # fmt: skip


def trajectory(t) -> np.ndarray:
    """Offset `(n, 2)` = (dx, dy) of the digit in pixels at the times t (n,) in milliseconds."""
    knots = np.arange(len(_SPEED)) * _SPEED_STEP_MS + _SPEED_STEP_MS / 2
    fine = np.arange(0.0, TRAJECTORY_MS[-1] + 0.5, 0.5)
    path = np.cumsum(np.interp(fine, knots, _SPEED))
    done = np.interp(t, fine, path)
    ends = np.interp(TRAJECTORY_MS, fine, path)
    return np.stack([np.interp(done, ends, axis) for axis in zip(*TRAJECTORY_XY, strict=True)], 1)


def look(scene, offset, sensor, border: int) -> np.ndarray:
    """What a sensor sees of scenes that have moved, bilinear.

    Args:
        scene: `(n, height + 2 border, width + 2 border)`, float32.
        offset: (dx, dy) in pixels, of less than `border`.
        sensor: `(height, width)`.
        border: pixels around what is seen with an offset of 0.

    Returns:
        `(n, height, width)`.
    """
    height, width = sensor
    (column, fx), (row, fy) = (
        (int(np.floor(border - d)), np.float32((border - d) % 1.0)) for d in offset
    )
    part = scene[:, row : row + height + 1, column : column + width + 1]
    rows = part[:, :-1] + fy * (part[:, 1:] - part[:, :-1])
    return rows[:, :, :-1] + fx * (rows[:, :, 1:] - rows[:, :, :-1])
