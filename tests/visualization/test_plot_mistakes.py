"""The picture of what a classifier gets wrong: which recordings, in which order, their names."""

import numpy as np
import pytest
from visualization_cases import recording, texts

from keras_slayer.visualization import plot_mistakes

STEPS, CLASSES = 10, 3


def answers(counts):
    """Output spikes with these counts, (recordings, classes)."""
    spikes = np.zeros((len(counts), STEPS, CLASSES), "float32")
    for number, row in enumerate(counts):
        for neuron, count in enumerate(row):
            spikes[number, :count, neuron] = 1
    return spikes


INPUTS = np.stack([recording()] * 4)
OUTPUTS = answers([(5, 1, 0), (4, 3, 0), (0, 9, 2), (1, 0, 0)])
LABELS = np.array([0, 1, 2, 2])  # right, wrong by 1, wrong by 7, wrong by 1


def titles(figure):
    return [ax.get_title() for ax in figure.axes]


def test_each_mistake_is_an_image_the_clearest_first():
    figure = plot_mistakes(INPUTS, OUTPUTS, LABELS)
    assert titles(figure) == ["2 (2)\n→ 1 (9)", "1 (3)\n→ 0 (4)", "2 (0)\n→ 0 (1)"]
    assert "3 of 4 recordings wrong" in texts(figure)
    for ax in figure.axes:
        assert ax.get_subplotspec().get_gridspec().ncols == 3  # no room left for more
        (image,) = ax.images
        assert image.get_array().shape == (4, 5, 3)
        fired = np.asarray(image.get_array()).min(axis=-1) < 1
        assert fired.sum() == 3 and fired[3, 1] and fired[0, 4] and fired[2, 2]


def test_names_most_and_heading():
    options = {"names": ["left", "right", "up"], "most": 1, "columns": 1}
    figure = plot_mistakes(INPUTS, OUTPUTS, LABELS, **options)
    assert titles(figure) == ["up (2)\n→ right (9)"]
    assert "3 of 4 recordings wrong, the 1 clearest" in texts(figure)
    assert "Tested" in texts(plot_mistakes(INPUTS, OUTPUTS, LABELS, title="Tested"))


def test_no_mistake_is_no_image():
    figure = plot_mistakes(INPUTS[:1], OUTPUTS[:1], LABELS[:1])
    assert not figure.axes and "0 of 1 recordings wrong" in texts(figure)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"inputs": INPUTS[0]}, "must have the shape"),
        ({"outputs": OUTPUTS[:2]}, "4, 2 and 4 of them"),
        ({"labels": np.array([0, 1, 2, 3])}, "0 to 2. Received: a label of 3"),
        ({"labels": np.array([0.0, 1.0, 2.0, 2.0])}, "dtype float64"),
        ({"labels": np.array([0, 1, 2, -1])}, "the smallest -1"),
        ({"names": ["a", "b"]}, "must name each of the 3 classes"),
        ({"most": 0}, r"most must be an integer in \[1, 1000\]"),
        ({"columns": 0}, r"columns must be an integer in \[1, 100\]"),
    ],
)
def test_refuses(change, error):
    with pytest.raises(ValueError, match=error):
        plot_mistakes(**{"inputs": INPUTS, "outputs": OUTPUTS, "labels": LABELS, **change})
