"""Video becomes events: edges, frame rates, chunks, kinds of frames, errors."""

import dataclasses
import pathlib
import re
import warnings
import weakref

import numpy as np
import pytest

from keras_slayer.events import EventCamera, FrameRateWarning, simulate
from keras_slayer.events.simulation import video

IDEAL = EventCamera.clean(mismatch=0.0)


def bar(frames=60, speed=0.25, light=0.8, ground=0.3, height=8, width=32, length=6):
    """A bar of some brightness that moves to the right by `speed` pixels per frame."""
    x = np.arange(width)
    left = 4 + speed * np.arange(frames)[:, None]
    cover = np.clip(x + 1 - left, 0, 1) * np.clip(left + length - x, 0, 1)
    rows = ground + (light - ground) * cover
    return np.repeat(rows[:, None, :], height, axis=1).astype("float32")


def textured(frames=30, height=20, width=30, seed=0):
    """Smooth noise that moves by a pixel in ten frames; uint8."""
    rng = np.random.default_rng(seed)
    wide = rng.random((height + 4, width + 16))
    for axis in (0, 1):
        wide = sum(np.roll(wide, k, axis) for k in range(-2, 3)) / 5
    wide = (wide - wide.min()) / np.ptp(wide)
    result = []
    for k in range(frames):
        i, f = divmod(0.1 * k, 1)
        part = wide[:height, int(i) : int(i) + width + 1]
        result.append((1 - f) * part[:, :-1] + f * part[:, 1:])
    return (255 * np.stack(result)).astype(np.uint8)


@pytest.mark.parametrize("light", [0.8, 0.1])
def test_a_moving_bar_is_on_on_one_side_and_off_on_the_other(light):
    """A bright bar turns pixels ON in front and OFF behind; a dark one the other way round."""
    events = simulate(bar(light=light), 1000, camera=IDEAL)
    front = events[events.x >= events.t / 1000 * 0.25 + 4 + 3]
    behind = events[events.x < events.t / 1000 * 0.25 + 4 + 3]
    assert len(front) > 200 and len(behind) > 200
    assert (front.polarity == (light > 0.3)).all()
    assert (behind.polarity == (light < 0.3)).all()
    # The front reaches pixel x when the right side of the bar does.
    assert np.abs(front.t / 1000 - (front.x - 10) / 0.25 - 2).max() < 3
    each = int(abs(np.log(light / 0.3)) / 0.2)
    assert np.bincount(front.x)[12:20].tolist() == [8 * each] * 8


def test_events_are_in_order_within_the_video():
    events = simulate(textured(), 500, camera=EventCamera.noisy())
    assert len(events) > 500 and (np.diff(events.t) >= 0).all()
    assert events.t[0] >= 0 and events.t[-1] <= 29 / 500 * 1e6
    assert events.x.max() < 30 and events.y.max() < 20


@pytest.mark.parametrize("camera", [EventCamera(), EventCamera.noisy(refractory=1.0)])
def test_an_iterator_of_frames_gives_the_same(camera):
    frames = textured()
    events = simulate(frames, 500, camera=camera, seed=3)
    assert simulate(list(frames), 500, camera=camera, seed=3) == events
    assert simulate((frame for frame in frames), 500, camera=camera, seed=3) == events
    assert simulate(frames, 500, camera=camera, seed=4) != events
    # What comes later changes nothing of what was before.
    start = simulate(frames[:10], 500, camera=camera, seed=3)
    assert events[events.t < start.t[-1]] == start[start.t < start.t[-1]]


def test_one_frame_is_held_at_a_time():
    alive, most = weakref.WeakSet(), 0

    class Frame(np.ndarray):
        pass

    def frames():
        nonlocal most
        for frame in textured(20):
            frame = frame.copy().view(Frame)
            alive.add(frame)
            most = max(most, len(alive))
            yield frame

    Frame.__hash__ = object.__hash__
    simulate(frames(), 500)
    assert 1 <= most <= 3


def test_upsampling_simulates_frames_in_between():
    frames = bar(20, speed=0.5)
    between = np.concatenate(
        [frames[:-1], *(frames[:-1] + k / 4 * np.diff(frames, axis=0) for k in (1, 2, 3))]
    )
    between = between.reshape(4, 19, *frames.shape[1:]).swapaxes(0, 1)
    between = np.concatenate([between.reshape(-1, *frames.shape[1:]), frames[-1:]])
    camera = EventCamera(shot_noise_rate=5.0)
    events = simulate(frames, 250, camera=camera, upsample=4)
    assert simulate(between, 1000, camera=camera, upsample=None) == events
    assert simulate(frames, 250, camera=camera, upsample=1) != events
    # "auto": by the largest change. Of a pixel that moves by 0.4 thresholds, there is no need.
    slow = np.linspace(0.5, 0.5 * np.exp(0.4), 6)[:, None, None]
    assert simulate(slow, 100) == simulate(slow, 100, upsample=None)


def test_upsampling_makes_times_exact():
    """A pixel that an edge uncovers from 0 to 10 ms: brightness is linear, its logarithm is not."""
    frames = np.array([0.1, 0.9]).reshape(-1, 1, 1)
    levels = 0.1 * np.exp(0.2 * np.arange(1, 11))
    exact = 1e4 * (levels - 0.1) / 0.8
    late = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FrameRateWarning)
        for upsample in (None, "auto", 100):
            events = simulate(frames, 100, camera=IDEAL, upsample=upsample)
            assert len(events) == 10
            late[upsample] = np.abs(events.t - exact).max()
    assert late[100] < 20 < late["auto"] < 500 < late[None]


def test_warns_of_a_frame_rate_that_is_too_low():
    with pytest.warns(FrameRateWarning, match=r"by 6\.9 thresholds .* about 200 .* fps=25") as seen:
        simulate(bar(light=1.0, ground=0.25, speed=3.0, frames=6), 25, camera=IDEAL)
    assert seen[0].filename == __file__
    simulate(bar(light=1.0, ground=0.25, speed=0.5, frames=6), 150, camera=IDEAL)


@pytest.mark.filterwarnings("ignore:From frame to frame")
def test_kinds_of_frames():
    frames = textured(20)
    events = simulate(frames, 500)
    assert simulate(frames[..., None], 500) == events
    floats = simulate(frames / 255.0, 500)
    assert len(floats) == pytest.approx(len(events), rel=0.01)
    assert simulate(np.repeat(frames[..., None] / 255.0, 3, axis=3), 500).t.size == pytest.approx(
        len(events), rel=0.01
    )
    # Each colour lights up by its share of the luma.
    colour = np.zeros((2, 3, 1, 3))
    colour[0] = 0.5
    for channel in range(3):
        colour[1, channel, 0] = 0.5
        colour[1, channel, 0, channel] = 1.0
    fine = EventCamera.clean(threshold_on=0.01, mismatch=0.0)
    counts = np.bincount(simulate(colour, 10, camera=fine, upsample=None).y)
    np.testing.assert_array_equal(counts, np.log(1 + np.array([0.299, 0.587, 0.114])) // 0.01)


def test_frames_of_any_side():
    for shape in ((2, 1, 1), (2, 1, 7), (2, 300, 2)):
        frames = np.zeros(shape)
        frames[1] = 1.0
        with pytest.warns(FrameRateWarning):
            events = simulate(frames, 10, camera=IDEAL)
        counts = np.zeros(shape[1:], int)
        np.add.at(counts, (events.y, events.x), 1)
        assert (counts == int(np.log(255) / 0.2)).all()


def test_presets():
    clean, noisy = EventCamera.clean(), EventCamera.noisy(refractory=2.0)
    assert (clean.leak_rate, clean.shot_noise_rate, clean.cutoff) == (0, 0, 0)
    assert (noisy.cutoff, noisy.shot_noise_rate, noisy.refractory) == (30.0, 5.0, 2.0)
    still = np.full((11, 16, 16), 0.2)
    counts = [len(simulate(still, 10, camera=c)) for c in (clean, EventCamera(), noisy)]
    assert counts[0] == 0 and counts[1] < 20 < 500 < counts[2]


def test_the_page_states_the_defaults_and_presets():
    page = pathlib.Path(__file__).parents[2] / "docs" / "simulation.md"
    rows = re.findall(
        r"^\| (`\w+`(?:, `\w+`)*) \|.*\| (\S+) \| (\S+) \| (\S+) \|$", page.read_text(), re.M
    )
    shown = {name: row[1:] for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    cameras = (EventCamera(), EventCamera.clean(), EventCamera.noisy())
    assert shown == {
        field.name: tuple(str(getattr(camera, field.name)) for camera in cameras)
        for field in dataclasses.fields(EventCamera)
    }


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((0, 4, 4)), "at least two frames. Received: none"),
        (np.zeros((1, 4, 4)), "at least two frames. Received: 1 frame"),
        (
            np.zeros((3, 4, 4, 4)),
            r"Frame 0 must be .* 1 or 3 channels. Received: shape=\(4, 4, 4\)",
        ),
        (np.zeros((3, 4)), r"Frame 0 must be \(height, width\).*Received: shape=\(4,\)"),
        (np.zeros((3, 0, 4)), r"must have pixels. Received: shape=\(0, 4\)"),
        (
            np.full((3, 4, 4), 200.0),
            "floats from 0 to 1 .divide by 255.. Received: floats from 200",
        ),
        (np.full((3, 4, 4), np.nan), "Received: floats from nan"),
        (np.zeros((3, 4, 4), int), "Frame 0 must be uint8, or floats .* Received: dtype=int64"),
        ([np.zeros((4, 4)), np.zeros((4, 5))], r"\(4, 4\). Received: frame 1 with .*\(4, 5\)"),
        ("video.mp4", "one by one. Received: frames of type str"),
        (7, "Received: frames of type int"),
    ],
)
def test_wrong_frames(frames, message):
    with pytest.raises(ValueError, match=message):
        simulate(frames, 30)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fps": 0}, "fps must be a number in .* Received: fps=0"),
        ({"camera": "noisy"}, "`camera` must be an EventCamera or None. Received: camera='noisy'"),
        ({"seed": -1}, "seed must be an integer .* Received: seed=-1"),
        ({"upsample": 0}, '`upsample` must be "auto", None or an integer .* Received: upsample=0'),
        ({"upsample": "many"}, "Received: upsample='many'"),
    ],
)
def test_wrong_arguments_of_simulate(arguments, message):
    with pytest.raises(ValueError, match=message):
        simulate(np.zeros((3, 4, 4)), **{"fps": 30, **arguments})


def test_too_large_for_events(monkeypatch):
    monkeypatch.setattr(video, "MAX_SIDE", 8)
    with pytest.raises(ValueError, match="up to 8 rows and columns"):
        simulate(np.zeros((3, 4, 9)), 30)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"threshold_on": 0.0},
            r"threshold_on must be .*\[0.01, inf\). Received: threshold_on=0.0",
        ),
        ({"threshold_off": -1}, "Received: threshold_off=-1"),
        ({"mismatch": float("nan")}, "Received: mismatch=nan"),
        ({"cutoff": -3}, "Received: cutoff=-3"),
        ({"noise_spread": 2}, "Received: noise_spread=2"),
        ({"linear_below": 1}, "Received: linear_below=1"),
        ({"pixel_seed": 0.5}, "Received: pixel_seed=0.5"),
    ],
)
def test_wrong_cameras(parameters, message):
    with pytest.raises(ValueError, match=message):
        EventCamera(**parameters)
