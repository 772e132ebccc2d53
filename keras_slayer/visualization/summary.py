"""A network at work, in one picture."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_slayer.visualization.event_cloud import EventCloud, draw_input
from keras_slayer.visualization.history import plot_history
from keras_slayer.visualization.raster import plot_raster
from keras_slayer.visualization.style import check_path, heading, new_figure, save

if TYPE_CHECKING:
    from keras.callbacks import History
    from numpy.typing import ArrayLike

    from keras_slayer.events import Events


def summary_figure(
    path: str | os.PathLike,
    *,
    input_spikes: Events | Mapping[str, ArrayLike] | ArrayLike,
    output_spikes: ArrayLike,
    label: int,
    history: History | Mapping[str, Sequence[float]],
    dt: float = 1.0,
    names: Sequence[str] | None = None,
) -> pathlib.Path:
    """Draw a network at work, what goes in, what comes out and how it learned, to a file.

    Args:
        path: file to write, .png (2000 pixels wide), .svg or .pdf by its suffix. Missing folders
            are made. The file appears whole or not at all.
        input_spikes: one sample: `(time, height, width, channels)` or an event stream, as in
            `plot_events`, or `(time, neurons)`, drawn as a raster.
        output_spikes: the network's `(time, classes)` for that sample.
        label: its true class.
        history: what `model.fit` returned, or its `history` dictionary.
        dt: ms per step.
        names: names of the classes; numbers by default.

    Returns:
        The path.

    Raises:
        ValueError: another suffix, or arguments of the wrong shape (see the other functions).
    """
    check_path(path)
    figure = new_figure(10, 4)
    left, middle, right = figure.subfigures(1, 3, width_ratios=[1.2, 1.15, 1], wspace=0.03)
    if getattr(input_spikes, "ndim", 0) == 2:
        plot_raster(input_spikes, dt=dt, title="Input spikes", ax=left.add_subplot())
    else:
        draw_input(left, EventCloud.of(input_spikes, dt))
    counts = np.asarray(output_spikes, dtype="float32").sum(axis=0).ravel()
    winner, ax = int(counts.argmax()), middle.add_subplot()
    plot_raster(output_spikes, dt=dt, names=names, winner=winner, label=label, ax=ax)
    ax.set_ylabel("class")
    names = range(counts.size) if names is None else names
    verdict = "correct" if winner == label else f"should be {names[label]}"
    heading(middle, f"Output: {names[winner]}, {verdict}")
    plot_history(history, title="Learning", figure=right)
    save(figure, path)
    return pathlib.Path(path)
