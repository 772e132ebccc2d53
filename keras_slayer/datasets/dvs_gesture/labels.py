"""The labels of a DVS128 Gesture recording: which gesture lasts from when to when."""

import dataclasses
import itertools

GESTURES = (
    "hand_clapping",
    "right_hand_wave",
    "left_hand_wave",
    "right_arm_clockwise",
    "right_arm_counter_clockwise",
    "left_arm_clockwise",
    "left_arm_counter_clockwise",
    "arm_roll",
    "air_drums",
    "air_guitar",
    "other_gestures",
)

_COLUMNS = "class,startTime_usec,endTime_usec"
_MOST_MICROSECONDS = 2**31  # times of events are stored in 32 bits


@dataclasses.dataclass(frozen=True)
class Trial:
    """One gesture in a recording: `label` 0..10, and start <= t < stop in microseconds."""

    label: int
    start: int
    stop: int


def parse_labels(text: str, source: str) -> list[Trial]:
    """The trials of a `*_labels.csv`, in the order of the file.

    A trial that runs past the start of the next one is cut there: IBM's labels have such an error
    (user22_led, class 9, stop 110590564), and gestures do not overlap.

    Raises:
        ValueError: a line that is not class, start, stop with 1 <= class <= 11 and start < stop;
            two trials with one start; with file and line.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].replace(" ", "") != _COLUMNS:
        raise ValueError(
            f"{source}: line 1 should be {_COLUMNS}. Received: {lines[0] if lines else ''!r}"
        )
    trials = [
        _parse_line(line, f"{source}, line {number}")
        for number, line in enumerate(lines[1:], start=2)
        if line.strip()
    ]
    starts = sorted(trial.start for trial in trials)
    if len(set(starts)) != len(starts):
        twice = next(a for a, b in itertools.pairwise(starts) if a == b)
        raise ValueError(f"{source}: two trials start at {twice} us")
    following = dict(zip(starts, [*starts[1:], float("inf")], strict=True))
    return [dataclasses.replace(t, stop=min(t.stop, following[t.start])) for t in trials]


def _parse_line(line: str, source: str) -> Trial:
    try:
        label, start, stop = (int(value) for value in line.split(","))
    except ValueError:
        raise ValueError(
            f"{source}: should be three whole numbers, {_COLUMNS}. Received: {line!r}"
        ) from None
    if not 1 <= label <= len(GESTURES):
        raise ValueError(f"{source}: class must be 1 to {len(GESTURES)}. Received: {label}")
    if not 0 <= start < stop <= start + _MOST_MICROSECONDS:
        raise ValueError(
            f"{source}: a trial must start before it stops, and last less than 36 minutes. "
            f"Received: {start} to {stop} us"
        )
    return Trial(label - 1, start, stop)
