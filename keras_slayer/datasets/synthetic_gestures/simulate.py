"""Events of edges that move before an event camera.

The person is drawn as edges: outlines of hands, fingers, forearms with folds of the sleeves, upper
arms, head and trunk, cut into short pieces. A piece of length l (pixels) and contrast c, whose
place moves at velocity v (pixels per second) and whose normal is n, sweeps over l |v . n| pixels
per second, each of which fires g |c| times (g is about 2.4, and differs between recordings):

    events per second = g l |v . n| |c|      ON where (v . n) c > 0, OFF otherwise

which is what a camera with a fixed threshold of log brightness does with an edge (Lichtsteiner,
Posch, Delbruck 2008). The events of a recording are drawn from that rate over time and edges, and
leakage adds events anywhere on the sensor.
"""

import dataclasses

import numpy as np

from keras_slayer.datasets.dvs_gesture.labels import GESTURES
from keras_slayer.datasets.synthetic_gestures.motion import SHOULDER, SIDES, hands
from keras_slayer.events.stream import Events

SENSOR_SHAPE = (128, 128, 2)
DURATION_MS = (1200, 1500)  # shortest and longest recording

_STEP_S = 2e-3  # the rate of events is taken as constant over it
_CHEST = (64.0, 58.0)
_EVENTS_PER_CROSSING = 2.4  # of a pixel, by an edge of contrast 1
_NOISE_HZ = 0.2  # of each pixel
_BLUR = 0.5  # pixels, standard deviation
_LATENCY_S = 1e-3  # standard deviation


@dataclasses.dataclass(frozen=True)
class _Edges:
    """Pieces of edges over time: `place` and `normal` (n, k, 2), `length` and `contrast` (k,)."""

    place: np.ndarray
    normal: np.ndarray
    length: np.ndarray
    contrast: np.ndarray

    @classmethod
    def joined(cls, parts) -> "_Edges":
        axes = {"place": 1, "normal": 1, "length": 0, "contrast": 0}
        return cls(
            **{
                name: np.concatenate([getattr(p, name) for p in parts], axis)
                for name, axis in axes.items()
            }
        )


def simulate(label: int, seed: int) -> Events:
    """One recording of a gesture.

    Args:
        label: 0..10, the class of DVS128 Gesture.
        seed: 0 or more. The recording depends on both, and on nothing else.

    Returns:
        A stream of events in order of time, on a sensor of 128 x 128 x 2, of 1.2 to 1.5 s.
    """
    for name, value, limit in (("label", label, len(GESTURES)), ("seed", seed, 2**63)):
        if not isinstance(value, (int, np.integer)) or not 0 <= value < limit:
            raise ValueError(f"`{name}` must be 0 to {limit - 1}. Received: {name}={value}")
    generator = np.random.default_rng([2017, int(label), int(seed)])
    duration = generator.uniform(*DURATION_MS) / 1000
    t = np.arange(0, duration + _STEP_S, _STEP_S)
    edges = _on_sensor(_person(label, t, generator), t, generator)
    return _fire(edges, duration, generator)


def _person(label, t, generator) -> _Edges:
    """All edges of a person who makes a gesture, in the units of `motion`."""
    parts = [_ellipse(np.zeros((len(t), 2)), (0.0, -32.0), (8.0, 10.0), 24, generator)]
    for side in SIDES:
        armpit, hip = (
            np.tile((side * x, y), (len(t), 1)) for x, y in (SHOULDER, (SHOULDER[0] - 2.0, 32.0))
        )
        parts.append(_bar(armpit, hip, (1.0, 1.0), 16, generator))
    for side, hand in hands(label, t, generator).items():
        shoulder = np.tile((side * SHOULDER[0], SHOULDER[1]), (len(t), 1))
        # The elbow is outside of and below the middle between shoulder and hand.
        elbow = (shoulder + hand) / 2 + (side * 7.0, 6.0)
        parts += [
            _bar(shoulder, elbow, (6.0, 5.0), 14, generator),
            _bar(elbow, hand, (5.0, 3.5), 18, generator),
            _folds(elbow, hand, 5, 4.5, generator),
            _ellipse(hand, (0.0, 0.0), generator.uniform(5.0, 7.5, 2), 20, generator),
            _fingers(elbow, hand, generator),
        ]
    return _Edges.joined(parts)


def _on_sensor(edges: _Edges, t, generator) -> _Edges:
    """Size, tilt and place of the person on the sensor, who also sways a little."""
    scale = generator.uniform(0.85, 1.15)
    angle = generator.normal(0.0, 0.08)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    sway = [
        generator.uniform(0.5, 2.0)
        * np.sin(2 * np.pi * generator.uniform(0.3, 0.8) * t + generator.uniform(0, 2 * np.pi))
        for _ in range(2)
    ]
    middle = np.array(_CHEST) + generator.uniform(-8.0, 8.0, 2)
    place = scale * edges.place @ turn.T + (middle + np.stack(sway, 1))[:, np.newaxis]
    return _Edges(place, edges.normal @ turn.T, scale * edges.length, edges.contrast)


def _fire(edges: _Edges, duration, generator) -> Events:
    """Draws the events."""
    height, width, _ = SENSOR_SHAPE
    move = np.diff(edges.place, axis=0)
    normal = edges.normal[:-1]
    # Pixels that each piece sweeps over in each step, in the direction of its normal.
    swept = np.einsum("tkc,tkc->tk", move, normal) * edges.length
    expected = np.abs(swept * edges.contrast).cumsum()
    gain = _EVENTS_PER_CROSSING * np.exp(generator.normal(0.0, 0.15))
    number = generator.poisson(gain * expected[-1])
    chosen = np.searchsorted(expected, generator.uniform(0, expected[-1], number), side="right")
    step, piece = np.divmod(np.minimum(chosen, expected.size - 1), swept.shape[1])

    on = swept[step, piece] * edges.contrast[piece] > 0
    late = generator.uniform(size=number)
    along = (generator.uniform(size=number) - 0.5) * edges.length[piece]
    across = normal[step, piece]
    tangent = np.stack([-across[:, 1], across[:, 0]], axis=1)
    place = edges.place[step, piece] + late[:, np.newaxis] * move[step, piece]
    place += along[:, np.newaxis] * tangent + generator.normal(0.0, _BLUR, (number, 2))
    time = (step + late) * _STEP_S + generator.normal(0.0, _LATENCY_S, number)

    leaks = generator.poisson(_NOISE_HZ * duration * height * width)
    place = np.concatenate([place, generator.uniform(0, (width, height), (leaks, 2))])
    time = np.concatenate([time, generator.uniform(0, duration, leaks)])
    on = np.concatenate([on, generator.uniform(size=leaks) < 0.5])
    x, y = np.floor(place).astype(np.int64).T
    t = np.floor(time * 1e6).astype(np.int64)
    keep = (x >= 0) & (x < width) & (y >= 0) & (y < height) & (t >= 0) & (time < duration)
    return Events(x=x[keep], y=y[keep], t=t[keep], polarity=on[keep]).sorted()


def _axes(start, end):
    """Unit vectors `(n, 2)` along and across the line from start to end."""
    along = end - start
    along = along / np.maximum(np.hypot(*along.T), 1e-6)[:, np.newaxis]
    return along, np.stack([-along[:, 1], along[:, 0]], axis=1)


def _bar(start, end, half_widths, pieces, generator) -> _Edges:
    """Both long sides of a limb, which may taper."""
    _, across = _axes(start, end)
    share = (np.arange(pieces) + 0.5) / pieces
    half = np.interp(share, (0, 1), half_widths)
    line = start[:, np.newaxis] + share[:, np.newaxis] * (end - start)[:, np.newaxis]
    length = np.hypot(*(end - start).T).mean() / pieces
    parts = []
    for sign in (-1, 1):
        normal = np.broadcast_to(sign * across[:, np.newaxis], line.shape)
        parts.append(
            _Edges(
                place=line + half[:, np.newaxis] * normal,
                normal=normal,
                length=np.full(pieces, length),
                contrast=_contrast(pieces, generator),
            )
        )
    return _Edges.joined(parts)


def _folds(start, end, folds, half_width, generator) -> _Edges:
    """Lines across a sleeve, bright or dark."""
    along, across = _axes(start, end)
    pieces = 4
    share = np.repeat(generator.uniform(0.1, 0.9, folds), pieces)
    offset = np.tile((np.arange(pieces) + 0.5) / pieces * 2 - 1, folds) * half_width
    place = start[:, np.newaxis] + share[:, np.newaxis] * (end - start)[:, np.newaxis]
    place = place + offset[:, np.newaxis] * across[:, np.newaxis]
    contrast = np.repeat(generator.uniform(0.3, 0.9, folds) * generator.choice((-1, 1), folds), 4)
    normal = np.broadcast_to(along[:, np.newaxis], place.shape)
    return _Edges(place, normal, np.full(folds * pieces, 2 * half_width / pieces), contrast)


def _ellipse(centre, offset, radii, pieces, generator) -> _Edges:
    """The outline of a head or a hand."""
    angle = 2 * np.pi * (np.arange(pieces) + generator.uniform()) / pieces
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    outline = circle * radii
    normal = circle / radii
    normal /= np.hypot(*normal.T)[:, np.newaxis]
    place = centre[:, np.newaxis] + np.array(offset) + outline
    length = 2 * np.pi * np.mean(radii) / pieces
    return _Edges(
        place,
        np.broadcast_to(normal, place.shape),
        np.full(pieces, length),
        _contrast(pieces, generator),
    )


def _fingers(elbow, hand, generator) -> _Edges:
    """Four bars that point from the hand, away from the elbow."""
    along, across = _axes(elbow, hand)
    length = generator.uniform(6.0, 9.0)
    parts = []
    for slant in np.linspace(-0.5, 0.5, 4) * generator.uniform(0.6, 1.2):
        direction = along * np.cos(slant) + across * np.sin(slant)
        root = hand + 5.0 * direction
        parts.append(_bar(root, root + length * direction, (1.0, 0.8), 4, generator))
    return _Edges.joined(parts)


def _contrast(pieces, generator) -> np.ndarray:
    """Brighter than the ground as a whole, less so here and there."""
    return np.clip(generator.normal(generator.uniform(0.5, 0.9), 0.25, pieces), -0.4, 1.2)
