"""Firing rates of the layers of a network."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from keras_slayer import checks
from keras_slayer.rates.measuring import measure_shares
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
from keras_slayer.watching import first_batch, layer_names

if TYPE_CHECKING:
    import keras
    import tensorflow as tf
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase
    from numpy.typing import ArrayLike

_BINS = 40
_HEIGHT = 0.8  # of a layer's distribution, as a fraction of the distance between layers
_ALARM = {"silent": 0.9, "saturated": 0.5}  # shares of a layer of which FiringRateMonitor warns
_LONGEST = 24  # characters of a layer's name


def plot_rates(
    spikes_or_model: Mapping[str, ArrayLike] | keras.Model,
    x: ArrayLike | tf.data.Dataset | None = None,
    *,
    saturation: float = 0.5,
    title: str | None = None,
    path: str | os.PathLike | None = None,
    ax: Axes | None = None,
) -> FigureBase:
    """How much the neurons of each layer fire: their distribution, layer by layer.

    Each layer has a curve of how many of its neurons fire at which rate, on a logarithmic axis,
    with a line at the median of all its neurons. Those that never fired have no place there: the
    columns on the right give their share, and that of saturated ones. A share is red where
    `FiringRateMonitor` would warn: more than 90 % silent, or more than 50 % saturated.

    Args:
        spikes_or_model: layer name to spikes `(batch, time, ...)`; or a model, which is run on
            `x` in inference mode as `keras_slayer.firing_rates` does.
        x: for a model: a batch, or a `tf.data.Dataset`, whose first batch is taken.
        saturation: a neuron is saturated that fires in more than this share of the steps.
        title: heading.
        path: file to write as well, in a format of its suffix (.png, .svg, .pdf).
        ax: axes to draw into, then nothing can be written to `path`; a new figure by default.

    Returns:
        The figure.

    Raises:
        ValueError: a model without `x`, spikes of rank below 3, no layer; both `path` and `ax`.
    """
    saturation = checks.number(saturation, "saturation", high=1.0)
    shares = _shares(spikes_or_model, x)
    ax = start_axes(path, ax, 7.5, 0.75 + 0.62 * len(shares))
    draw_rates(ax, shares, saturation)
    heading(ax, title)
    save(ax.figure, path)
    return ax.figure


def _shares(source, x) -> dict[str, np.ndarray]:
    """Share of the steps in which each neuron fired, by layer."""
    if not isinstance(source, Mapping):
        if x is None:
            raise ValueError(
                "a model needs `x`, a batch to run it on. Received: "
                f"a {type(source).__name__} and x=None"
            )
        shares = measure_shares(source, first_batch(x))
        names = layer_names(shares)
        return {names[layer]: share for layer, share in shares.items()}
    if not source:
        raise ValueError("`spikes_or_model` must hold a layer. Received: an empty mapping")
    shares = {}
    for name, spikes in source.items():
        spikes = np.asarray(spikes, dtype="float32")
        if spikes.ndim < 3 or spikes.size == 0:
            raise ValueError(
                "`spikes_or_model` must map names to spikes (batch, time, ...). "
                f"Received: {name!r} of shape {spikes.shape}"
            )
        shares[name] = (spikes != 0).mean(axis=(0, 1), dtype="float64").ravel()
    return shares


def draw_rates(ax, shares: dict[str, np.ndarray], saturation: float):
    """A distribution and two shares for each layer, the first on top."""
    firing = [share[share > 0] for share in shares.values()]
    smallest = min((part.min() for part in firing if part.size), default=1e-3)
    low = 10.0 ** min(np.floor(np.log10(smallest)), -2)
    edges = np.geomspace(low, 1.0, _BINS + 1)
    columns = {"median": 48, "silent": 90, "saturated": 148}  # points from the axis to the right
    place = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    text = {**place, "ha": "right", "va": "center", "fontsize": 8}
    for row, (share, rates) in enumerate(zip(shares.values(), firing, strict=True)):
        base = row + _HEIGHT / 2
        ax.axhline(base, color=FAINT, linewidth=0.8, zorder=0)
        # The last bin is closed: a neuron that fires in every step is in it.
        counts, _ = np.histogram(np.clip(rates, low, 1.0), edges)
        if rates.size:
            tops = base - _HEIGHT * counts / counts.max()
            ax.stairs(tops, edges, baseline=base, fill=True, color=ON, alpha=0.55, linewidth=0)
        median = np.median(share)
        if median > 0:
            ax.vlines(median, base - _HEIGHT, base, color=INK, linewidth=1.4)
        marks = {"silent": (share == 0).mean(), "saturated": (share > saturation).mean()}
        shown = {"median": f"{median:.2g}", **{name: _percent(m) for name, m in marks.items()}}
        for name, x in columns.items():
            alarm = name in marks and marks[name] > _ALARM[name]
            style = {"color": WRONG, "fontweight": "bold"} if alarm else {"color": INK}
            ax.annotate(shown[name], (1, row + 0.1), (x, 0), **text, **style)
    for name, x in columns.items():
        # The space keeps it off the edge of the figure.
        ax.annotate(f"{name} ", (1, -0.6), (x + 3, 0), **text, color=OTHER)
    ax.axvline(saturation, color=OTHER, linewidth=1.0, linestyle=(0, (4, 3)), zorder=0)
    ax.set(xscale="log", xlim=(low, 1.0), ylim=(len(shares) - 0.4, -0.75))
    labels = [_label(name, share.size) for name, share in shares.items()]
    ax.set_yticks(np.arange(len(shares)) + 0.1, labels)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_xlabel("spikes per neuron and step")
    style_axes(ax)
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)


def _label(name: str, neurons: int) -> str:
    short = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    return f"{short}\n{neurons:,} neuron{'s' * (neurons != 1)}"


def _percent(share: float) -> str:
    """Without a decimal, but never 0% of some or 100% of not all."""
    if 0 < share < 0.005:
        return "<1%"
    return ">99%" if 0.995 <= share < 1 else f"{share:.0%}"
