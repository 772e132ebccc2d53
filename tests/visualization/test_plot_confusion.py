"""plot_confusion: counts, shares, colours, and what is named."""

import numpy as np
import pytest
from visualization_cases import mpl, texts, to_rgba

from keras_slayer.visualization import plot_confusion, style

LABELS = np.array([0, 0, 0, 0, 1, 1, 2, 2])
ANSWERS = np.array([0, 0, 0, 1, 1, 1, 0, 2])
MATRIX = np.array([[3, 1, 0], [0, 2, 0], [1, 0, 1]])
BLUE, RED = (np.array(to_rgba(c)[:3]) for c in (style.ON, style.WRONG))


def cells(ax):
    """{(true class, answer): its texts}."""
    found = {}
    for text in ax.texts:
        found.setdefault(tuple(int(i) for i in text.xy[::-1]), []).append(text.get_text())
    return found


def one_hot_spikes(answers, classes=3):
    spikes = np.zeros((len(answers), 5, classes))
    for number, answer in enumerate(answers):
        spikes[number, :2] = 1
        spikes[number, 2, answer] = 1
    return spikes


@pytest.mark.parametrize(
    "given",
    [
        (LABELS, ANSWERS),
        (LABELS.astype("uint8"), one_hot_spikes(ANSWERS)),
        (LABELS, one_hot_spikes(ANSWERS).sum(axis=1)),
        (MATRIX,),
        (MATRIX.astype("float32"),),
    ],
    ids=["answers", "spikes", "scores", "matrix", "floats"],
)
def test_cells_have_count_and_share(given):
    (ax,) = plot_confusion(*given, names=["a", "b", "c"]).axes
    assert cells(ax) == {
        (0, 0): ["3", "75%"],
        (0, 1): ["1", "25%"],
        (1, 1): ["2", "100%"],
        (2, 0): ["1", "50%"],
        (2, 2): ["1", "50%"],
    }
    assert ax.get_title(loc="left") == "Accuracy 75.0%: 6 of 8"
    for axis in (ax.xaxis, ax.yaxis):
        assert [label.get_text() for label in axis.get_ticklabels()] == ["a", "b", "c"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("answer", "true class")


def test_the_diagonal_is_blue_and_the_rest_red():
    pixels = np.asarray(plot_confusion(MATRIX).axes[0].images[0].get_array())
    np.testing.assert_allclose(pixels[1, 1], BLUE)
    np.testing.assert_allclose(pixels[0, 2], 1)
    for place, full in (((0, 0), BLUE), ((2, 0), RED), ((0, 1), RED)):
        strength = (1 - pixels[place]) / (1 - full)
        share = MATRIX[place] / MATRIX[place[0]].sum()
        np.testing.assert_allclose(strength, 0.15 + 0.85 * np.sqrt(share))


def test_numbers_can_be_read_on_their_cells():
    """White or ink, whatever differs more from the cell in lightness."""
    shares = np.arange(1, 100, 7)
    classes = len(shares) + 1
    matrix = np.zeros((classes, classes), int)
    matrix[np.arange(1, classes), 0], matrix[np.arange(1, classes), np.arange(1, classes)] = (
        shares,
        100 - shares,
    )
    (ax,) = plot_confusion(matrix).axes
    pixels = np.asarray(ax.images[0].get_array())
    weights = np.array([0.2126, 0.7152, 0.0722])
    for text in ax.texts:
        column, row = text.xy
        luminance = [weights @ np.array(c) ** 2.2 for c in (to_rgba(text.get_color())[:3],
                                                            pixels[row, column])]  # fmt: skip
        contrast = (max(luminance) + 0.05) / (min(luminance) + 0.05)
        assert contrast > 3, (row, column, text.get_text())


def test_many_classes_are_a_map_and_a_list():
    matrix = 9 * np.eye(101, dtype=int)
    matrix[3, 5], matrix[70, 71], matrix[8, 1] = 4, 7, 2
    names = [f"kind {i}" for i in range(101)]
    figure = plot_confusion(matrix, names=names)
    (ax,) = figure.axes
    listed = next(text for text in texts(figure) if "→" in text)
    assert listed.split("\n") == [
        "7 of 16  kind 70 → kind 71",
        "4 of 13  kind 3 → kind 5",
        "2 of 11  kind 8 → kind 1",
    ]
    shown = [label.get_text() for label in ax.get_yticklabels()]
    assert shown == [f"kind {i}" for i in range(0, 101, 10)]
    np.testing.assert_array_equal(ax.get_yticks(), range(0, 101, 10))


def test_a_list_without_a_confusion():
    assert "no confusion" in texts(plot_confusion(np.eye(20, dtype=int)))


def test_classes_without_a_recording_are_there():
    (ax,) = plot_confusion(LABELS, ANSWERS, names=list("abcde"), title="Five").axes
    assert np.asarray(ax.images[0].get_array()).shape == (5, 5, 3)
    assert ax.get_title(loc="left") == "Five"


def test_draws_into_axes():
    figure = mpl.figure.Figure()
    left, right = figure.subplots(1, 2)
    assert plot_confusion(MATRIX, ax=right) is figure
    assert right.images and not left.images


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([np.zeros((2, 3))], r"must be counts .*shape \(2, 3\)"),
        ([np.zeros((2, 2))], "not all 0"),
        ([np.full((2, 2), 0.5)], "must be counts"),
        ([LABELS, ANSWERS[:3]], r"Received: shapes \(8,\) and \(3,\)"),
        ([LABELS.astype(float), ANSWERS], "`labels_or_matrix` must be integers"),
        ([LABELS, ANSWERS - 1], "`predictions` must be integers from 0.* smallest -1"),
        ([LABELS + 1, one_hot_spikes(ANSWERS)], "classes must be 0 to 2.*Received: a class 3"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        plot_confusion(*arguments)


def test_refuses_names_of_another_number():
    with pytest.raises(ValueError, match="each of the 3 classes"):
        plot_confusion(MATRIX, names=["a"])
