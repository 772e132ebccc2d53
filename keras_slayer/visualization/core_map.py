"""A network on the cores of its chips."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

import numpy as np

from keras_slayer.visualization.style import (
    FAINT,
    INK,
    OTHER,
    PANE,
    heading,
    save,
    start_figure,
)

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

    from keras_slayer.export.mapping.mapping import LayerMapping, Mapping

_COLOURS = ("#0077BB", "#EE7733", "#009988", "#AA4499", "#33BBEE", "#999933", "#EE3377", "#8A9097")
"""Of the layers, in order, as on the report's page; after the last comes the first again."""
_COLUMNS = 16  # of the grid of a chip
_GAP = 0.12  # between cores, as a fraction of a core
_PALEST = 0.18  # share of its colour that an almost empty core still has
_LINE = 0.21  # inches from line to line of the table
_NUMBERED_CHIPS = 2  # with more, the cores are too small for the number of their layer


def plot_core_map(
    mapping: Mapping,
    path: str | os.PathLike | None = None,
    *,
    title: str | None = None,
    figure: FigureBase | None = None,
) -> FigureBase:
    """The cores of each chip, in the colour of their layer, the fuller the darker.

    Layers are the populations of a graph, relays and constant sources among them.

    "Full" is by the tightest resource of a core: compartments, input axons, output axons or
    synaptic memory. The order of the cores is the mapping's; where a chip has them in silicon is
    not shown.

    Args:
        mapping: from `keras_slayer.export.mapping.mapping.map_network`.
        path: file to write as well, in a format of its suffix (.png, .svg, .pdf).
        title: heading; by default chip and number of cores.
        figure: Figure or SubFigure to draw into, then nothing can be written to `path`; a new one
            by default. One of 10 inches in width suits it best.

    Returns:
        The figure: an axes for each chip, then one with a line for each layer.

    Raises:
        ValueError: a mapping without cores; both `path` and `figure`.
    """
    if not mapping.cores:
        raise ValueError(
            "`mapping` must have cores: a network that could be placed. Received: none"
        )
    columns = math.ceil(math.sqrt(mapping.chips / 2))
    rows = -(-mapping.chips // columns)
    chip_height = 5.4 / columns * _rows(mapping) / _COLUMNS + (0.2 if mapping.chips > 1 else 0)
    lines = len(mapping.layers) + 4
    height = max(rows * chip_height, _LINE * lines)
    figure = start_figure(path, figure, 10, height + 0.35)
    left, right = figure.subfigures(1, 2, width_ratios=[5.6, 4.4])
    axes = left.subplots(rows, columns, squeeze=False).ravel()
    for chip, ax in enumerate(axes):
        ax.set_axis_off()
        if chip < mapping.chips:
            _draw_chip(ax, mapping, chip)
            # In line with the heading.
            ax.set(xlim=(-0.35 * columns, _COLUMNS), ylim=(_rows(mapping), 0))
    _draw_table(right.add_subplot(), mapping, max(lines, height / _LINE))
    heading(figure, title or _title(mapping))
    save(figure, path)
    return figure


def _title(mapping: Mapping) -> str:
    used, there = len(mapping.cores), mapping.chips * mapping.cores_per_chip
    chips = "" if mapping.chips == 1 else f", {mapping.chips} chips"
    return f"{mapping.chip}: {used:,} of {there:,} cores{chips}"


def _rows(mapping: Mapping) -> int:
    return -(-mapping.cores_per_chip // _COLUMNS)


def _colour(layer: int, utilisation: float):
    """The layer's colour, mixed with white."""
    from matplotlib.colors import to_rgb

    share = _PALEST + (1 - _PALEST) * utilisation
    return 1 - share * (1 - np.array(to_rgb(_COLOURS[layer % len(_COLOURS)])))


def _ink(colour) -> str:
    """What is legible on ``colour``: white on dark, ink on pale."""
    return "white" if np.dot(colour, (0.30, 0.59, 0.11)) < 0.62 else INK


def _squares(places, **style):
    """A collection of cores at ``places``, (column, row) each."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import FancyBboxPatch

    side = 1 - _GAP
    shape = {"boxstyle": "round,pad=0,rounding_size=0.12", "mutation_aspect": 1}
    boxes = [FancyBboxPatch((x + _GAP / 2, y + _GAP / 2), side, side, **shape) for x, y in places]
    return PatchCollection(boxes, **style)


def _draw_chip(ax, mapping: Mapping, chip: int):
    numbers = np.arange(mapping.cores_per_chip)
    places = np.stack([numbers % _COLUMNS, numbers // _COLUMNS], axis=1)
    cores = [core for core in mapping.cores if core.chip == chip]
    used = [core.core_on_chip for core in cores]
    free = np.setdiff1d(numbers, used)
    colours = [_colour(core.layer, core.utilisation.tightest[1]) for core in cores]
    if free.size:
        ax.add_collection(_squares(places[free], facecolor=PANE, edgecolor=FAINT, linewidth=0.5))
    ax.add_collection(_squares(places[used], facecolor=colours, linewidth=0))
    if mapping.chips <= _NUMBERED_CHIPS:
        for core, (x, y), colour in zip(cores, places[used], colours, strict=True):
            style = {"ha": "center", "va": "center", "fontsize": 6.5, "color": _ink(colour)}
            ax.text(x + 0.5, y + 0.52, str(core.layer + 1), **style)
    if mapping.chips > 1:
        style = {"va": "bottom", "fontsize": 8, "color": OTHER}
        ax.annotate(f"chip {chip + 1}", (0, 0), (1, 2), textcoords="offset points", **style)
    ax.set(aspect="equal", anchor="NW")


def _draw_table(ax, mapping: Mapping, lines: float):
    """A line for each layer, and below them what the shades mean."""
    columns = (
        ("layer", 1.3, "left", lambda layer: _shorten(layer.name)),
        ("neurons", 9.4, "right", lambda layer: f"{layer.neurons:,}"),
        ("cores", 11.6, "right", lambda layer: f"{layer.cores:,}"),
        ("full", 13.6, "right", lambda layer: f"{layer.utilisation:.0%}"),
        ("limited by", 14.3, "left", _limit),
    )
    for name, x, side, _ in columns:
        ax.text(x, 0.5, name, ha=side, va="center", fontsize=7.5, color=OTHER)
    for number, layer in enumerate(mapping.layers):
        y, colour = number + 1.5, _colour(number, 1.0)
        ax.add_collection(_squares([(0, number + 1)], facecolor=[colour], linewidth=0))
        middle = {"va": "center", "color": INK}
        ax.text(
            0.5, y, str(number + 1), ha="center", fontsize=6.5, **middle | {"color": _ink(colour)}
        )
        for _, x, side, text in columns:
            ax.text(x, y, text(layer), ha=side, fontsize=8, **middle)
    y = len(mapping.layers) + 2
    steps = np.linspace(0, 1, 6)
    shades = [1 - (1 - _colour(0, share).mean()) * np.ones(3) for share in steps]
    places = [(1.3 + i, y) for i in range(len(steps))]
    ax.add_collection(_squares(places, facecolor=shades, linewidth=0))
    ax.text(0.9, y + 0.5, "0", ha="right", va="center", fontsize=7.5, color=OTHER)
    label = "100% of the tightest resource of a core"
    ax.text(7.6, y + 0.5, label, va="center", fontsize=7.5, color=OTHER)
    ax.set(xlim=(-0.7, 19.3), ylim=(lines, 0), aspect="equal", anchor="NW")
    ax.set_axis_off()


def _shorten(name: str, longest: int = 17) -> str:
    """Names that are too long lose their end, but for a last part, such as "/relay"."""
    if len(name) <= longest:
        return name
    _, slash, last = name.rpartition("/")
    end = f"/{last}" if slash and len(last) < longest // 2 else ""
    return f"{name[: longest - 1 - len(end)]}…{end}"


def _limit(layer: LayerMapping) -> str:
    return "fits on one core" if layer.limited_by == "layer size" else layer.limited_by
