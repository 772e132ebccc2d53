"""Which classes a network takes for which."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_slayer.visualization.style import (
    FAINT,
    INK,
    ON,
    OTHER,
    WRONG,
    heading,
    save,
    start_axes,
    style_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase
    from numpy.typing import ArrayLike

_NUMBERED = 16  # classes: with more, a cell has no room for numbers
_NAMED = 40  # classes: with more, the axes have no room for each name
_LISTED = 12  # of the most frequent confusions
_PALEST = 0.15  # strength of the colour of a share just above 0
_LONGEST = 18  # characters of a name on an axis


def plot_confusion(
    labels_or_matrix: ArrayLike,
    predictions: ArrayLike | None = None,
    *,
    names: Sequence[str] | None = None,
    title: str | None = None,
    path: str | os.PathLike | None = None,
    ax: Axes | None = None,
) -> FigureBase:
    """The confusion matrix: true classes down, answers across.

    A cell is the darker, the larger its share of the recordings of its true class: blue on the
    diagonal, where answers are right, and red beside it. Up to 16 classes each cell holds its count
    and its per cent of the row. With more, the most frequent confusions are listed beside the
    matrix instead, and with more than 40 only some classes are named on the axes.

    Args:
        labels_or_matrix: true classes, integers `(recordings,)`; or, without `predictions`, the
            counts, `(classes, classes)`, true classes down.
        predictions: answers, integers `(recordings,)`; or what a network put out: spikes
            `(recordings, time, classes)`, of which the class with the most wins, or scores
            `(recordings, classes)`.
        names: a name for each class; numbers by default.
        title: heading; by default the accuracy.
        path: file to write as well, in a format of its suffix (.png, .svg, .pdf).
        ax: axes to draw into, then nothing can be written to `path`; a new figure by default.

    Returns:
        The figure.

    Raises:
        ValueError: arrays of other shapes or unequal length, labels that are no classes, a matrix
            that is not square or holds no count, names of another number; both `path` and `ax`.
    """
    number = None if names is None else len(names)
    matrix = _matrix(labels_or_matrix, predictions, number)
    classes = len(matrix)
    if number is not None and number != classes:
        raise ValueError(
            f"`names` must name each of the {classes} classes. Received: names={names!r}"
        )
    names = [str(name) for name in (range(classes) if names is None else names)]
    numbered = classes <= _NUMBERED
    side = max(3.4, 0.55 * classes + 0.8) if numbered else 5.6
    ax = start_axes(path, ax, side + (0.2 if numbered else 2.2), side)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    colours = _colours(share)
    ax.imshow(colours, interpolation="nearest")
    ax.set_anchor("W")
    if numbered:
        _write_cells(ax, matrix, share, colours)
    else:
        _list_confusions(ax, matrix, names)
    _name_axes(ax, names)
    total = int(matrix.sum())
    right = int(np.trace(matrix))
    heading(ax, f"Accuracy {right / total:.1%}: {right:,} of {total:,}" if title is None else title)
    save(ax.figure, path)
    return ax.figure


def _matrix(labels, predictions, number: int | None) -> np.ndarray:
    """Counts `(classes, classes)`."""
    labels = np.asarray(labels)
    if predictions is None:
        square = labels.ndim == 2 and labels.shape[0] == labels.shape[1] and labels.size
        if not square or (labels < 0).any() or labels.sum() < 1 or (labels % 1 != 0).any():
            raise ValueError(
                "without `predictions`, `labels_or_matrix` must be counts (classes, classes), not "
                f"all 0. Received: an array of shape {labels.shape} and dtype {labels.dtype}"
            )
        return labels.astype(np.int64)
    predictions = np.asarray(predictions)
    classes = number or 0
    if predictions.ndim == 3:
        predictions = predictions.sum(axis=1, dtype="float64")
    if predictions.ndim == 2:
        classes = max(classes, predictions.shape[1])
        predictions = predictions.argmax(axis=1)
    if labels.ndim != 1 or labels.shape != predictions.shape or not labels.size:
        raise ValueError(
            "`labels_or_matrix` must be the true classes (recordings,) of `predictions`, "
            "(recordings,), (recordings, classes) or (recordings, time, classes). "
            f"Received: shapes {labels.shape} and {predictions.shape}"
        )
    for name, values in (("labels_or_matrix", labels), ("predictions", predictions)):
        if values.dtype.kind not in "iu" or values.min() < 0:
            raise ValueError(
                f"`{name}` must be integers from 0. Received: dtype {values.dtype}, the smallest "
                f"{values.min()}"
            )
    top = int(max(labels.max(), predictions.max()))
    if classes and top >= classes:
        raise ValueError(
            f"classes must be 0 to {classes - 1}, those of `names` or of the output. "
            f"Received: a class {top}"
        )
    matrix = np.zeros((max(classes, top + 1),) * 2, np.int64)
    np.add.at(matrix, (labels.astype(int), predictions.astype(int)), 1)
    return matrix


def _colours(share: np.ndarray) -> np.ndarray:
    """White to blue on the diagonal, white to red beside it, by the root of the share.

    The smallest share that there is differs from white enough to be seen.
    """
    from matplotlib.colors import to_rgb

    right = np.eye(len(share), dtype=bool)[..., None]
    full = np.where(right, to_rgb(ON), to_rgb(WRONG))
    strength = np.where(share > 0, _PALEST + (1 - _PALEST) * np.sqrt(share), 0)
    return 1 - strength[..., None] * (1 - full)


def _write_cells(ax, matrix: np.ndarray, share: np.ndarray, colours: np.ndarray):
    """Count and per cent of each cell, in what contrasts more with its colour: white or ink."""
    from matplotlib.colors import to_rgb

    def luminance(colour):  # relative, about that of the WCAG, whose contrast is used here
        return np.dot((0.2126, 0.7152, 0.0722), np.power(colour, 2.2)) + 0.05

    for row, column in np.argwhere(matrix > 0):
        count, part = matrix[row, column], share[row, column]
        cell = luminance(colours[row, column])
        dark = luminance((1, 1, 1)) / cell > cell / luminance(to_rgb(INK))
        style = {"ha": "center", "va": "center", "color": "white" if dark else INK}
        place = {"xy": (column, row), "textcoords": "offset points", **style}
        ax.annotate(f"{count:,}", xytext=(0, 5), fontsize=8.5, fontweight="bold", **place)
        ax.annotate(_percent(part), xytext=(0, -7), fontsize=7, **place)


def _percent(part: float) -> str:
    return "<1%" if part < 0.005 else f"{part:.0%}"


def _list_confusions(ax, matrix: np.ndarray, names: list[str]):
    """The most frequent wrong answers, as text beside the matrix."""
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_LISTED]
    pairs = [np.unravel_index(i, wrong.shape) for i in order]
    pairs = [(row, column) for row, column in pairs if wrong[row, column]]
    lines = [
        f"{wrong[row, column]:,} of {matrix[row].sum():,}  "
        f"{_short(names[row])} \u2192 {_short(names[column])}"
        for row, column in pairs
    ]
    place = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "top"}
    text = "most frequent confusions" if lines else "no confusion"
    ax.annotate(text, (1, 1), (12, 0), fontsize=8, color=OTHER, **place)
    if lines:
        ax.annotate(
            "\n".join(lines), (1, 1), (12, -15), fontsize=8, color=INK, linespacing=1.5, **place
        )


def _name_axes(ax, names: list[str]):
    classes = len(names)
    shown = range(classes)
    if classes > _NAMED:
        shown = range(0, classes, 5 if classes <= 60 else 10 if classes <= 150 else 50)
    size = 8 if classes <= _NUMBERED else 6 if classes <= _NAMED else 7
    short = [_short(names[i]) for i in shown]
    upright = max(map(len, short)) > 3 or _NUMBERED < classes <= _NAMED
    ax.set_xticks(shown, short, rotation=90 if upright else 0)
    ax.set_yticks(shown, short)
    ax.set(xlabel="answer", ylabel="true class")
    if classes <= _NAMED:
        edges = np.arange(classes - 1) + 0.5
        ax.vlines(edges, -0.5, classes - 0.5, color=FAINT, linewidth=0.5)
        ax.hlines(edges, -0.5, classes - 0.5, color=FAINT, linewidth=0.5)
    style_axes(ax)
    ax.spines[:].set(visible=True, color=FAINT)
    ax.tick_params(labelsize=size, length=0 if classes <= _NAMED else 2)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
