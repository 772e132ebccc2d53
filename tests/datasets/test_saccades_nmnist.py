"""How close MNIST's digits, seen by the camera with its defaults, come to N-MNIST."""

import numpy as np
import pytest

from keras_slayer.datasets.saccade_mnist import calibration
from keras_slayer.datasets.saccade_mnist.digits import load_digits
from keras_slayer.events import saccades


@pytest.fixture(scope="module")
def recordings():
    """100 digits, dark on bright: in N-MNIST the edge in front turns pixels OFF."""
    images, _ = load_digits()
    index = np.linspace(0, len(images) - 1, 100).astype(int)
    return saccades((255 - images[index]).astype(np.uint8))


def test_statistics_are_close_to_those_of_nmnist(recordings):
    """Nothing is fitted but the contrast of the screen and the leakage.

    The camera does not vary from recording to recording: N-MNIST's differ more in their size.
    """
    figures = calibration.statistics(recordings)
    for name, real in calibration.NMNIST.items():
        if name != "  standard deviation":
            assert figures[name] == pytest.approx(real, rel=0.12), name
    for name in ("events per recording", "last event (ms)", "x, mean", "y, mean"):
        assert figures[name] == pytest.approx(calibration.NMNIST[name], rel=0.05), name


def test_rate_over_time_matches_the_real_recordings(sample_data, recordings):
    def rate(recordings):
        counts = sum(np.bincount(e.t // 5000, minlength=70)[:70] for e in recordings)
        return counts / len(recordings) / 5

    real, simulated = rate(calibration.real(sample_data, 400)), rate(recordings)
    assert np.corrcoef(real, simulated)[0, 1] > 0.97
    assert np.abs(real - simulated).sum() / real.sum() < 0.15
