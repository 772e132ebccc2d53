"""The pixels of the simulated event camera, against the equations and against small steps."""

import math

import numpy as np
import pytest

from keras_slayer.events import EventCamera, simulate
from keras_slayer.events.simulation import noise

IDEAL = EventCamera.clean(mismatch=0.0)
THRESHOLD = 0.2


def levels(log, height=1, width=1):
    """Frames of one brightness each: e ** log of white."""
    light = np.exp(np.asarray(log, float))
    return np.broadcast_to(light[:, None, None], (light.size, height, width))


@pytest.mark.filterwarnings("ignore:From frame to frame")
@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("k", [1, 3, 7])
def test_a_step_of_k_thresholds_gives_k_events(k, direction):
    for way, count in ((k, k), (k + 0.4, k), (k - 0.01, k - 1)):
        start = -1.3 - 0.3 * direction  # no brightness beyond white or in the linear part
        stop = start + direction * way * THRESHOLD
        events = simulate(levels([start, start, stop, stop]), 100, camera=IDEAL, upsample=None)
        assert len(events) == count, way
        assert (events.polarity == (direction > 0)).all()
        # Spread over the interval from 10 to 20 ms, where a straight line crosses each level.
        crossings = 10_000 + 10_000 * np.arange(1, count + 1) / way
        np.testing.assert_allclose(events.t, crossings, atol=2)


def test_levels_are_compared_with_the_last_event():
    """Slow changes add up, and what is left over is kept for the way back."""
    there = simulate(levels(np.linspace(-1, -2, 201)), 1000, camera=IDEAL)
    assert len(there) == 5 and not there.polarity.any()
    back = simulate(levels([*np.linspace(-1, -2.19, 201), -2.01]), 1000, camera=IDEAL)
    assert back.polarity.tolist() == [0] * 5  # 0.19 further down, 0.18 back: no event
    back = simulate(levels([*np.linspace(-1, -2.19, 201), -1.79]), 1000, camera=IDEAL)
    assert back.polarity.tolist() == [0] * 5 + [1]


def test_the_response_is_linear_near_black():
    """Of 255: from 0 to 20 it moves by ln 20, and by ln 2 from 20 to 40 and from 40 to 80."""
    camera = EventCamera.clean(mismatch=0.0, threshold_on=0.1)
    for start, stop, moved in (
        (0, 20, math.log(20)),
        (0, 10, math.log(20) / 2),
        (20, 40, math.log(2)),
        (40, 80, math.log(2)),
    ):
        frames = np.linspace(start / 255, stop / 255, 400).reshape(-1, 1, 1)
        assert len(simulate(frames, 1000, camera=camera)) == int(moved / 0.1)


def plain(log, fps, on, off, refractory, microsteps, noise=()):
    """One pixel in small steps of time: `(t, polarity)`; `noise`: such pairs, in order of time."""
    dt = 1 / fps / microsteps
    steps = (log.size - 1) * microsteps
    fine = np.interp(np.arange(steps + 1) / microsteps, np.arange(log.size), log)
    d, blind, events, noise = 0.0, 0.0, [], list(noise)
    for step, moved in enumerate(np.diff(fine)):
        now = (step + 1) * dt
        while noise and noise[0][0] <= now:
            time, is_on = noise.pop(0)
            if time >= blind:
                events.append((time, is_on))
                d, blind = 0.0, time + refractory
        if now - dt < blind:
            continue
        d += moved
        if d >= on or d <= -off:
            events.append((now, d > 0))
            d, blind = (0.0, now + refractory) if refractory else (d - math.copysign(on, d), now)
    return np.array(events).T


def assert_as_in_small_steps(events, t, on):
    assert len(events) == t.size
    assert events.polarity.tolist() == on.tolist()
    # The steps last 2.5 us, and one late event makes the next ones late.
    late = np.abs(events.t - 1e6 * t)
    assert np.median(late) < 50 and late.max() < 1000


def wandering(seed):
    return np.sin(np.cumsum(np.random.default_rng(seed).normal(0, 0.5, 80))) - 1.2


@pytest.mark.filterwarnings("ignore:From frame to frame")
@pytest.mark.parametrize("refractory", [0.5, 3.0, 25.0])
@pytest.mark.parametrize("seed", range(3))
def test_refractory_period_and_thresholds_as_in_small_steps(refractory, seed):
    camera = EventCamera.clean(
        mismatch=0.0, threshold_on=0.25, threshold_off=0.15, refractory=refractory
    )
    log = wandering(seed)
    events = simulate(levels(log), 100, camera=camera, upsample=None)
    t, on = plain(log, 100, 0.25, 0.15, refractory / 1000, microsteps=4000)
    assert_as_in_small_steps(events, t, on)
    assert t.size >= 15 and np.diff(events.t).min() >= 1000 * refractory - 1


def test_thresholds_differ_from_pixel_to_pixel():
    """A way of 2 e-folds in thresholds of 0.05 counts the threshold of each pixel."""
    camera = EventCamera.clean(threshold_on=0.05, mismatch=0.005)
    frames = levels(np.linspace(-2.1, -0.1, 300), 40, 40)

    def thresholds(camera, seed=0):
        events = simulate(frames, 1000, camera=camera, seed=seed)
        counts = np.bincount(events.y.astype(int) * 40 + events.x, minlength=1600)
        return 2.0 / (counts + 0.5)

    found = thresholds(camera)
    assert found.mean() == pytest.approx(0.05, rel=0.02)
    assert found.std() == pytest.approx(0.005, rel=0.08)
    assert (thresholds(camera, seed=5) == found).all()  # the same camera
    other = thresholds(EventCamera.clean(threshold_on=0.05, mismatch=0.005, pixel_seed=1))
    assert abs(np.corrcoef(other, found)[0, 1]) < 0.1
    same = thresholds(EventCamera.clean(threshold_on=0.05, mismatch=0.0))
    assert np.ptp(same) == 0


def test_leakage_makes_on_events_at_its_rate():
    camera = EventCamera.clean(leak_rate=2.0, mismatch=0.0)
    events = simulate(np.full((45, 20, 20), 0.5), 4, camera=camera)
    assert (events.polarity == 1).all()
    # Pixels begin anywhere between their thresholds: one that begins at the lower one takes 1 s.
    assert len(events[events.t < 1_000_000]) == pytest.approx(1.5 * 400, rel=0.1)
    later = events[events.t >= 1_000_000]
    assert len(later) == pytest.approx(2.0 * 10 * 400, rel=0.01)
    # Not all pixels at once, but evenly over time.
    counts = np.bincount(later.t // 100_000)[10:110]
    assert counts.max() < 1.5 * counts.mean()
    # Each pixel in turn: 2 events per second, 0.5 s apart.
    own = later.t[later.y.astype(int) * 20 + later.x == 7]
    np.testing.assert_allclose(np.diff(own), 500_000, rtol=2e-3)


def test_a_recording_begins_with_as_many_on_as_off_events():
    """Otherwise the first events of all recordings would be of one kind."""
    camera = EventCamera(mismatch=0.0, cutoff=0.0)
    up, down = (
        simulate(levels([-1.2, -1.2 + way], 20, 20), 10, camera=camera) for way in (0.1, -0.1)
    )
    # A way of half a threshold takes a quarter of the pixels across.
    for events, polarity in ((up, 1), (down, 0)):
        assert len(events) == pytest.approx(100, abs=30) and (events.polarity == polarity).all()


def test_noise_rates_differ_from_pixel_to_pixel():
    camera = EventCamera.clean(leak_rate=5.0, noise_spread=0.2, mismatch=0.0)
    events = simulate(np.full((45, 40, 40), 0.5), 1, camera=camera)
    events = events[events.t >= 4_000_000]
    rate = np.bincount(events.y.astype(int) * 40 + events.x, minlength=1600) / 40
    assert rate.mean() == pytest.approx(5.0, rel=0.05)
    assert np.log10(rate).std() == pytest.approx(0.2, rel=0.08)


def test_shot_noise_grows_in_the_dark():
    camera = EventCamera.clean(shot_noise_rate=8.0)
    frames = np.zeros((21, 30, 30))
    frames[:, :, 15:] = 1.0  # white: a quarter of the rate
    events = simulate(frames, 2, camera=camera)
    dark, white = ((events.x < 15).sum(), (events.x >= 15).sum())
    assert dark == pytest.approx(8.0 * 10 * 450, rel=0.03)
    assert white == pytest.approx(2.0 * 10 * 450, rel=0.06)
    assert events.polarity.mean() == pytest.approx(0.5, abs=0.02)
    # As many as Poisson: the variance over pixels is the mean.
    counts = np.bincount(events.y.astype(int) * 30 + events.x, minlength=900).reshape(30, 30)
    assert counts[:, :15].var() == pytest.approx(80, rel=0.2)


@pytest.mark.filterwarnings("ignore:From frame to frame")
@pytest.mark.parametrize("refractory", [0.0, 4.0])
def test_shot_noise_resets_the_pixel_as_in_small_steps(refractory, monkeypatch):
    monkeypatch.setattr(noise, "shot_noise_share", np.ones_like)  # the same in any brightness
    options = {"mismatch": 0.0, "noise_spread": 0.0, "shot_noise_rate": 60.0}
    still = simulate(levels(np.full(80, -1.2)), 100, camera=EventCamera.clean(**options))
    assert len(still) > 30
    camera = EventCamera.clean(refractory=refractory, **options)
    events = simulate(levels(wandering(1)), 100, camera=camera, upsample=None)
    drawn = zip((still.t + 0.5) / 1e6, still.polarity, strict=True)
    t, on = plain(wandering(1), 100, 0.2, 0.2, refractory / 1000, 4000, drawn)
    assert_as_in_small_steps(events, t, on)
    assert t.size > len(still) / 2 + 20


@pytest.mark.filterwarnings("ignore:From frame to frame")
@pytest.mark.parametrize(("black", "white"), [(0.1, 0.4), (0.2, 0.8)])
def test_the_low_pass_delays_and_more_so_in_the_dark(black, white):
    """After a step by d, the level of event k is reached at -tau ln(1 - k threshold / d)."""
    camera = EventCamera.clean(mismatch=0.0, cutoff=40.0)
    frames = np.full((2000, 1, 1), white)
    frames[0] = black
    events = simulate(frames, 20_000, camera=camera, upsample=None)
    tau = 1 / (2 * math.pi * 40 * (255 * white + 20) / 275)
    way = math.log(white / black)
    k = np.arange(1, int(way / THRESHOLD) + 1)
    expected = -tau * np.log(1 - k * THRESHOLD / way)
    assert len(events) == k.size
    np.testing.assert_allclose(events.t / 1e6, expected, atol=4e-5)  # a frame lasts 5e-5 s


def test_the_low_pass_attenuates_flicker():
    """By its gain at 40 Hz: events count how far the filtered brightness goes up and down."""
    log = -1.2 + 0.3 * np.sin(2 * np.pi * 40 * np.arange(0, 1, 1e-3))
    fine = {"mismatch": 0.0, "threshold_on": 0.02, "threshold_off": 0.02}
    direct, filtered = (
        len(simulate(levels(log), 1000, camera=EventCamera.clean(cutoff=cutoff, **fine)))
        for cutoff in (0.0, 80.0)
    )
    tau = 1 / (2 * math.pi * 80 * (255 * math.exp(-1.2) + 20) / 275)
    gain = 1 / math.sqrt(1 + (2 * math.pi * 40 * tau) ** 2)
    assert 0.4 < gain < 0.7
    assert direct == pytest.approx(80 * 0.6 / 0.02, rel=0.08)
    assert filtered / direct == pytest.approx(gain, rel=0.08)
