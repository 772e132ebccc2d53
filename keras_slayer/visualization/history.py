"""Learning curves."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_slayer.visualization.style import ON, OTHER, heading, save, start_figure, style_axes

if TYPE_CHECKING:
    from keras.callbacks import History
    from matplotlib.figure import FigureBase


def plot_history(
    history: History | Mapping[str, Sequence[float]],
    *,
    metric: str | None = None,
    title: str | None = None,
    path: str | os.PathLike | None = None,
    figure: FigureBase | None = None,
) -> FigureBase:
    """Learning curves: loss, and below it a metric, of training and validation.

    Args:
        history: what `model.fit` returned, or its `history` dictionary.
        metric: name of the metric; by default the first accuracy, or else the first metric.
        title: heading.
        path: file to write as well, in a format of its suffix (.png, .svg, .pdf).
        figure: Figure or SubFigure to draw into, then nothing can be written to `path`; a new one
            by default.

    Returns:
        The figure, with one panel where the history has no metric.

    Raises:
        ValueError: a history without a loss, or without the metric asked for; both `path` and
            `figure`.
    """
    logs = getattr(history, "history", history)
    if not isinstance(logs, Mapping) or not len(logs.get("loss", [])):
        raise ValueError(
            "`history` must be what `model.fit` returned, after at least one epoch. "
            f"Received: history={history!r}"
        )
    others = [k for k in logs if k not in ("loss", "learning_rate") and not k.startswith("val_")]
    if metric is not None and metric not in others:
        raise ValueError(f"`metric` must be one of {others}. Received: metric={metric!r}")
    metric = metric or next((k for k in others if "acc" in k), next(iter(others), None))
    curves = ["loss"] if metric is None else ["loss", metric]
    figure = start_figure(path, figure, 5, 4)
    axes = figure.subplots(len(curves), squeeze=False, sharex=True)[:, 0]
    for ax, name in zip(axes, curves, strict=True):
        _draw_curve(ax, logs, name, start=next(iter(getattr(history, "epoch", [])), 0))
    axes[-1].set_xlabel("epoch")
    heading(figure, title)
    save(figure, path)
    return figure


def _draw_curve(ax, logs, name: str, start: int):
    """One quantity over epochs, training and validation, each with its last value."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    percent = "acc" in name
    for key, text, colour in ((name, "train", OTHER), (f"val_{name}", "validation", ON)):
        values = np.asarray(logs.get(key, []), dtype=float)
        if not values.size:
            continue
        # With validation_freq=n Keras logs the validation of every nth epoch only.
        every = max(len(logs[name]) // values.size, 1)
        epochs = start + every * np.arange(1, values.size + 1)
        last = f"{values[-1]:.1%}" if percent else f"{values[-1]:.3g}"
        marker = "o" if values.size <= 30 else None
        ax.plot(epochs, values, color=colour, marker=marker, ms=2.5, lw=1.6, label=f"{text} {last}")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    if percent:
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.set_ylabel("accuracy" if percent else name.replace("_", " "))
    ax.legend(fontsize=8, frameon=False, labelcolor="linecolor", handlelength=1.2)
    style_axes(ax)
