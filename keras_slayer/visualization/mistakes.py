"""The recordings that a classifier gets wrong."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_slayer import checks
from keras_slayer.visualization.event_cloud import EventCloud, draw_image
from keras_slayer.visualization.style import INK, heading, save, start_figure

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase
    from numpy.typing import ArrayLike

_TILE, _HEADING = 1.5, 5.0  # inches: side of an image, width of the heading


def plot_mistakes(
    inputs: ArrayLike,
    outputs: ArrayLike,
    labels: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    most: int = 24,
    columns: int = 8,
    title: str | None = None,
    path: str | os.PathLike | None = None,
    figure: FigureBase | None = None,
) -> FigureBase:
    """What a network that tells classes by spike counts gets wrong, one image per recording.

    Over each image stand the true class and the answer, with the spikes of both. The clearest
    mistakes come first: those with the largest lead of the answer over the true class.

    Args:
        inputs: spikes of recordings, `(recordings, time, height, width, channels)` with channels
            OFF, ON, or a single one.
        outputs: the network's spikes, `(recordings, time, classes)`.
        labels: true classes, integers, `(recordings,)`.
        names: a name for each class; numbers by default.
        most: images at most.
        columns: images per row at most.
        title: heading; by default the number of mistakes.
        path: file to write as well, in a format of its suffix (.png, .svg, .pdf).
        figure: Figure or SubFigure to draw into, then nothing can be written to `path`; a new one
            by default.

    Returns:
        The figure. Without a mistake it has a heading and no image.

    Raises:
        ValueError: arrays of other ranks, of unequal length, or a label that is no class; both
            `path` and `figure`.
    """
    inputs, outputs, labels = np.asarray(inputs), np.asarray(outputs), np.asarray(labels)
    _check(inputs, outputs, labels)
    classes = outputs.shape[2]
    if names is not None and len(names) != classes:
        raise ValueError(
            f"`names` must name each of the {classes} classes. Received: names={names!r}"
        )
    names = [str(name) for name in (names if names is not None else range(classes))]
    most = checks.integer(most, "most", low=1, high=1000)
    columns = checks.integer(columns, "columns", low=1, high=100)

    counts = outputs.sum(axis=1, dtype="float64")
    answers = counts.argmax(axis=1)
    everyone = np.arange(len(labels))
    lead = counts[everyone, answers] - counts[everyone, labels]
    wrong = np.flatnonzero(answers != labels)
    shown = wrong[np.argsort(-lead[wrong], kind="stable")][:most]

    columns = max(1, min(columns, len(shown)))
    rows = max(1, -(-len(shown) // columns))
    size = (max(_TILE * columns, _HEADING), 0.4 + 1.25 * _TILE * rows)
    figure = start_figure(path, figure, *size)
    if title is None:
        title = f"{len(wrong)} of {len(labels)} recordings wrong"
        title += f", the {most} clearest" * (len(wrong) > most)
    heading(figure, title)
    for place, number in enumerate(shown, 1):
        ax = figure.add_subplot(rows, columns, place)
        draw_image(ax, EventCloud.of(inputs[number], 1.0))
        ax.set(xticks=[], yticks=[])
        truth, answer = labels[number], answers[number]
        ax.set_title(
            f"{names[truth]} ({counts[number, truth]:.0f})\n"
            f"\u2192 {names[answer]} ({counts[number, answer]:.0f})",
            fontsize=8,
            color=INK,
        )
    save(figure, path)
    return figure


def _check(inputs: np.ndarray, outputs: np.ndarray, labels: np.ndarray) -> None:
    if inputs.ndim != 5 or outputs.ndim != 3 or labels.ndim != 1:
        raise ValueError(
            "`inputs` must have the shape (recordings, time, height, width, channels), `outputs` "
            "(recordings, time, classes), `labels` (recordings,). Received: shapes "
            f"{inputs.shape}, {outputs.shape}, {labels.shape}"
        )
    if not len(inputs) == len(outputs) == len(labels):
        raise ValueError(
            "`inputs`, `outputs` and `labels` must be of the same recordings. Received: "
            f"{len(inputs)}, {len(outputs)} and {len(labels)} of them"
        )
    classes = outputs.shape[2]
    if labels.dtype.kind not in "iu" or labels.min(initial=0) < 0:
        raise ValueError(
            f"`labels` must be integers from 0. Received: labels of dtype {labels.dtype}, the "
            f"smallest {labels.min(initial=0)}"
        )
    if labels.max(initial=0) >= classes:
        raise ValueError(
            f"`labels` must be classes of `outputs`, 0 to {classes - 1}. "
            f"Received: a label of {labels.max()}"
        )
