"""Pictures become events: the saccades of N-MNIST."""

import numpy as np
import pytest

from keras_slayer.events import EventCamera, saccades
from keras_slayer.events.simulation import trajectory

IDEAL = EventCamera.clean(mismatch=0.0)


def square(shape=(28, 28), light=255, ground=0):
    image = np.full(shape, ground, np.uint8)
    image[10:16, 12:18] = light
    return image


def test_a_square_moves_along_the_saccades():
    (events,) = saccades(square()[None], camera=IDEAL)
    # 1st saccade: from (12 + 3 - 2.6, 10 + 3 - 1.8) by (1.7, 5.4): downwards, ON in front.
    first = events[events.t < 105_000]
    on, off = first[first.polarity == 1], first[first.polarity == 0]
    assert on.y.mean() == pytest.approx(off.y.mean() + 6, abs=1.5)
    assert 10 <= first.y.min() <= 12 and 21 <= first.y.max() <= 23
    third = events[events.t > 225_000]
    on, off = third[third.polarity == 1], third[third.polarity == 0]
    assert off.x.mean() > on.x.mean() + 4  # back to the left
    assert events.t[-1] < 309_000


def test_sizes_of_the_sensor():
    """The picture in its own size, or fitted: a square of 6 pixels of 28 is 6/28 of the room."""
    for size, width in (((34, 34), 6), ((62, 90), 12), ((20, 20), 3)):
        (events,) = saccades(square()[None], size=size, camera=IDEAL)
        assert events.x.max() < size[1] and events.y.max() < size[0]
        # All of the square is seen, and the way of 5.4 pixels that it moves.
        assert np.ptp(events.x.astype(int)) == pytest.approx(width + 5.4, abs=2.2)
        centre = np.array([14.5, 12.5]) / 28 * (min(size) - 6) + 3 - 0.5
        offset = np.array([(size[1] - size[0]) / 2, 0])
        middle = np.array([np.mean([v.min(), v.max()]) for v in (events.x, events.y)])
        np.testing.assert_allclose(middle, centre + offset + [0.1, 0.9], atol=1.5)
    assert saccades(square()[None], camera=IDEAL) == saccades(
        square()[None], size=(34, 34), camera=IDEAL
    )


def test_pictures_of_any_kind_and_size():
    image = square()
    (events,) = saccades([image], size=(34, 34), camera=IDEAL)
    (colour,) = saccades([np.repeat(image[..., None], 3, axis=2)], size=(34, 34), camera=IDEAL)
    assert abs(len(colour) - len(events)) <= 0.02 * len(events)
    small, large = saccades([image[:20], np.kron(image, np.ones((2, 2), np.uint8))], size=(40, 48))
    assert len(small) > 500 and len(large) > 500
    assert saccades([]) == saccades(np.zeros((0, 28, 28))) == []


def test_the_edge_of_the_picture_makes_no_events():
    (events,) = saccades(square(ground=120)[None], camera=IDEAL)
    assert events.x.min() > 8 and events.x.max() < 26
    blank = np.full((1, 28, 28), 200, np.uint8)
    assert len(saccades(blank, camera=IDEAL)[0]) == 0
    assert len(saccades(blank)[0]) == pytest.approx(
        0.5 * 0.309 / 2 * 34 * 34, abs=40
    )  # leakage, of pixels that were above the last level at first


def test_events_grow_with_amplitude_and_contrast():
    camera = EventCamera.clean(mismatch=0.0, threshold_on=0.05, threshold_off=0.05)

    def count(**options):
        return len(saccades(square()[None], size=(60, 60), camera=camera, **options)[0])

    usual = count()
    assert 1.6 * usual < count(amplitude=10.8) < 2.4 * usual
    assert count(contrast=4.1**0.5) == pytest.approx(usual / 2, rel=0.1)
    assert count(amplitude=30.0) > 2.5 * usual
    assert count(contrast=1.0) == 0


def test_a_recording_depends_on_its_picture_and_seed_only():
    images = np.stack([np.roll(square(), (k % 7, k % 3), (0, 1)) for k in range(100)])
    recordings = saccades(images)  # more than are simulated side by side
    assert saccades(images[7:9], seed=7) == recordings[7:9]
    assert saccades(images[[90, 3]], seed=[90, 3]) == [recordings[90], recordings[3]]
    assert saccades(images[7:8], seed=8)[0] != recordings[7]


def test_looking_at_a_scene_that_has_moved():
    scene = np.random.default_rng(0).random((2, 12, 14)).astype("f")
    np.testing.assert_array_equal(
        trajectory.look(scene, (1.0, -2.0), (6, 8), 3), scene[:, 5:11, 2:10]
    )
    half = trajectory.look(scene, (0.5, 0.0), (6, 8), 3)
    np.testing.assert_allclose(half, (scene[:, 3:9, 2:10] + scene[:, 3:9, 3:11]) / 2, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": np.zeros((2, 28))}, r"Picture 0 must be .* Received: shape=\(28,\)"),
        ({"images": np.full((1, 9, 9), 9.0)}, "Picture 0 .*divide by 255.* floats from 9 to 9"),
        ({"images": [np.zeros((9, 9)), np.zeros((8, 9))]}, "size=.height, width.* 2 sizes"),
        ({"size": (34,)}, r"size must be a pair .* Received: size=\(34,\)"),
        ({"size": (34, 6)}, r"each from 7 .* Received: size=\(34, 6\)"),
        ({"amplitude": 0}, "amplitude must be .* Received: amplitude=0"),
        ({"contrast": 0.5}, "contrast must be .* Received: contrast=0.5"),
        ({"camera": 3}, "`camera` must be .* Received: camera=3"),
        ({"seed": [1, 2]}, r"one for each picture \(1\). Received: 2 seeds"),
        ({"seed": 1.5}, "seed must be an integer .* Received: seed=1.5"),
    ],
)
def test_wrong_arguments_of_saccades(arguments, message):
    with pytest.raises(ValueError, match=message):
        saccades(**{"images": np.zeros((1, 28, 28)), **arguments})
