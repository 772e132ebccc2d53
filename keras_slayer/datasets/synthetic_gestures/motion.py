"""How the hands move in each of the 11 gestures.

The person faces the camera, so that the right arm is on the left of the picture (side -1) and the
left arm on the right (side +1). Places are in units of about a pixel from the middle of the chest,
x to the right and y down; clockwise is as the camera sees it.
"""

import dataclasses

import numpy as np

from keras_slayer.datasets.dvs_gesture.labels import GESTURES

RIGHT, LEFT = -1, 1
SIDES = (RIGHT, LEFT)
SHOULDER = (16.0, -14.0)  # x times the side
HIP = (20.0, 30.0)  # where a hand at rest hangs

# Repetitions per second: slowest and fastest of each gesture.
_RATES = {
    "hand_clapping": (1.2, 2.2),
    "right_hand_wave": (1.2, 2.2),
    "left_hand_wave": (1.2, 2.2),
    "right_arm_clockwise": (0.8, 1.5),
    "right_arm_counter_clockwise": (0.8, 1.5),
    "left_arm_clockwise": (0.8, 1.5),
    "left_arm_counter_clockwise": (0.8, 1.5),
    "arm_roll": (1.1, 2.0),
    "air_drums": (1.2, 2.2),
    "air_guitar": (1.6, 2.8),
    "other_gestures": (0.8, 2.0),
}


@dataclasses.dataclass(frozen=True)
class _Person:
    """What differs from recording to recording."""

    phase: np.ndarray  # of the movement over time, in radians
    size: float  # of the movement
    offset: np.ndarray  # (2,): the place of the movement
    generator: np.random.Generator


def hands(label: int, t, generator: np.random.Generator) -> dict[int, np.ndarray]:
    """The path of both hands.

    Args:
        label: 0..10, the class of DVS128 Gesture.
        t: `(n,)` times in seconds.
        generator: draws speed, phase, size and place of the movement.

    Returns:
        `{side: (n, 2)}`: the place (x, y) of each hand; one that does not take part hangs at rest.
    """
    name = GESTURES[label]
    person = _Person(
        phase=_phase(t, _RATES[name], generator),
        size=generator.uniform(0.8, 1.2),
        offset=generator.normal(0.0, 3.0, 2),
        generator=generator,
    )
    moving = _MOVES[name](person)
    rest = {side: np.tile((side * HIP[0], HIP[1]), (len(t), 1)) for side in SIDES}
    return {**rest, **{side: path + person.offset for side, path in moving.items()}}


def _phase(t, rates, generator) -> np.ndarray:
    """2 pi rate t, of a rate that sways by up to a fifth, from anywhere in the cycle."""
    rate = generator.uniform(*rates)
    sway, sway_rate = generator.uniform(0, 0.2), generator.uniform(0.4, 1.0)
    start, sway_start = generator.uniform(0, 2 * np.pi, 2)
    swayed = t + sway * np.sin(2 * np.pi * sway_rate * t + sway_start) / (2 * np.pi * sway_rate)
    return start + 2 * np.pi * rate * swayed


def _path(x, y) -> np.ndarray:
    return np.stack(np.broadcast_arrays(x, y), axis=1)


def _clap(p: _Person):
    apart = 3 + 20 * p.size * (0.5 + 0.5 * np.cos(p.phase))
    height = 2 + 2 * np.sin(p.phase)
    return {side: _path(side * apart, height) for side in SIDES}


def _wave(side: int):
    """The hand swings about the elbow, up beside the head."""

    def move(p: _Person):
        angle = side * 0.2 + 0.75 * p.size * np.sin(p.phase)
        return {side: _path(side * 24 + 26 * np.sin(angle), -10 - 26 * np.cos(angle))}

    return move


def _circle(side: int, direction: int):
    """y points down, so that a growing angle is clockwise."""

    def move(p: _Person):
        angle = direction * p.phase
        radius = 21 * p.size
        flat = p.generator.uniform(0.75, 1.0)
        return {side: _path(side * 26 + flat * radius * np.cos(angle), -8 + radius * np.sin(angle))}

    return move


def _roll(p: _Person):
    """The forearms turn about each other before the chest."""
    angle = p.generator.choice((-1, 1)) * p.phase
    radius = 13 * p.size
    return {
        side: _path(
            side * 5 + 0.6 * radius * np.cos(angle + turn), 4 + radius * np.sin(angle + turn)
        )
        for side, turn in ((RIGHT, 0.0), (LEFT, np.pi))
    }


def _drums(p: _Person):
    """The hands strike one after the other: slowly up, quickly down."""
    strokes = {}
    for side, turn in ((RIGHT, 0.0), (LEFT, np.pi)):
        angle = p.phase + turn
        up = 0.5 + 0.5 * np.sin(angle + 0.4 * np.sin(angle))
        strokes[side] = _path(side * 18, 14 - 24 * p.size * up)
    return strokes


def _guitar(p: _Person):
    """The right hand strums before the belly, the left one slides along the neck."""
    strum = _path(-4 + 3 * np.cos(p.phase), 14 + 10 * p.size * np.sin(p.phase))
    slide = 6 * np.sin(0.3 * p.phase + p.generator.uniform(0, 2 * np.pi))
    return {RIGHT: strum, LEFT: _path(28 + slide, -4 - 0.4 * slide)}


def _other(p: _Person):
    """What is none of the ten: one hand or both along figures of two frequencies."""
    g = p.generator
    sides = ((RIGHT,), (LEFT,), SIDES)[g.integers(3)]
    ratio_x, ratio_y = ((1, 2), (2, 1), (1, 3), (2, 3))[g.integers(4)]
    start = g.uniform(0, 2 * np.pi)
    width, height = g.uniform(10, 22, 2)
    centre = (g.uniform(10, 28), g.uniform(-24, 12))
    mirrored = g.choice((-1, 1))
    paths = {}
    for side in sides:
        x = width * np.sin(ratio_x * p.phase / 2) * (mirrored if side == LEFT else 1)
        y = height * np.sin(ratio_y * p.phase / 2 + start)
        paths[side] = _path(side * centre[0] + p.size * x, centre[1] + p.size * y)
    return paths


_MOVES = {
    "hand_clapping": _clap,
    "right_hand_wave": _wave(RIGHT),
    "left_hand_wave": _wave(LEFT),
    "right_arm_clockwise": _circle(RIGHT, 1),
    "right_arm_counter_clockwise": _circle(RIGHT, -1),
    "left_arm_clockwise": _circle(LEFT, 1),
    "left_arm_counter_clockwise": _circle(LEFT, -1),
    "arm_roll": _roll,
    "air_drums": _drums,
    "air_guitar": _guitar,
    "other_gestures": _other,
}
