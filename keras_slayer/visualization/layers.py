"""All layers of a network at work on one sample."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np

from keras_slayer.visualization.frames import plot_frames
from keras_slayer.visualization.raster import plot_raster
from keras_slayer.visualization.recording import check_sample, counts_of, summarise
from keras_slayer.visualization.style import INK, WRONG, check_path, heading, save, start_figure
from keras_slayer.watching import first_batch

if TYPE_CHECKING:
    import tensorflow as tf
    from matplotlib.figure import FigureBase
    from numpy.typing import ArrayLike

_WIDTH = 9.0  # inches


def plot_layers(
    model: keras.Model,
    x: ArrayLike | tf.data.Dataset,
    *,
    sample: int = 0,
    layers: Sequence[str] | None = None,
    label: int | None = None,
    names: Sequence[str] | None = None,
    title: str | None = None,
    path: str | os.PathLike | None = None,
    figure: FigureBase | None = None,
) -> FigureBase:
    """One sample on its way through a network: the input, every spiking layer, the output.

    The input is a strip of images, or a raster where it is no image. Each layer with spiking
    neurons is a raster (`plot_raster`), in the order of computation. The output has the names of
    the classes, and the class with the most spikes is highlighted: in blue if it is `label`, in
    red if `label` is another.

    Args:
        model: a Keras model of any kind. It runs in inference mode.
        x: a batch as the model takes it, or a `tf.data.Dataset` or `PyDataset`, whose
            first batch is taken. One recording without the batch axis will do for a model whose
            input shape is known.
        sample: number of the sample in the batch.
        layers: names of the layers to draw, as `keras_slayer.firing_rates` calls them; by default
            all.
        label: true class of the sample.
        names: a name for each class; numbers by default.
        title: heading; by default the answer of the network.
        path: file to write as well, in a format of its suffix (.png, .svg, .pdf).
        figure: Figure or SubFigure to draw into, then nothing can be written to `path`; a new one
            by default.

    Returns:
        The figure.

    Raises:
        ValueError: a model without spiking neurons, a layer, sample or label that does not exist,
            names of another number; both `path` and `figure`.
    """
    check_path(path)  # before the model runs
    x = _batch(model, first_batch(x))
    check_sample(x, sample)
    one = keras.tree.map_structure(lambda part: np.asarray(part[sample : sample + 1]), x)
    run = summarise(model, one, layers=layers)
    counts = counts_of(run.outputs)
    answer = None if counts is None else int(counts[0].argmax())
    _check(counts, label, names)
    image, rasters = _panels(one, run, answer, label, names)
    heights = [_height(spikes) for spikes, *_ in rasters]
    above = 0 if image is None else 0.55 + _WIDTH / 8.5 * min(image.shape[1] / image.shape[2], 2)
    figure = start_figure(path, figure, _WIDTH, sum(heights) + above + 0.65)
    part = figure
    if image is not None:
        top, part = figure.subfigures(2, 1, height_ratios=[above, sum(heights) + 0.3])
        text = f"input: {np.count_nonzero(image):,} events"
        plot_frames(image, dt=rasters[0][1], title=text, figure=top)
    # One time axis for all.
    options = {"squeeze": False, "sharex": True, "height_ratios": heights}
    for ax, raster in zip(part.subplots(len(rasters), 1, **options)[:, 0], rasters, strict=True):
        _draw(ax, *raster)
        ax.label_outer()
    if title is None and answer is not None:
        title = f"Answer: {answer if names is None else names[answer]}"
        if label is not None:
            right = answer == label
            true = label if names is None else names[label]
            title += ", correct" if right else f", should be {true}"
    heading(figure, title)
    save(figure, path)
    return figure


def _batch(model, x):
    """`x` with a batch axis, where a known input shape says that it lacks one."""
    inputs = getattr(model, "inputs", None)
    if not inputs or len(inputs) != 1 or not hasattr(x, "shape"):
        return x
    return x[None] if len(x.shape) == len(inputs[0].shape) - 1 else x


def _check(counts, label, names):
    if counts is None:
        if label is not None or names is not None:
            raise ValueError(
                "`label` and `names` need a network with one output, (batch, time, classes) or "
                "(batch, classes). Received: another output"
            )
        return
    classes = counts.shape[1]
    if label is not None and not 0 <= label < classes:
        raise ValueError(
            f"`label` must be a class of the output, 0 to {classes - 1}. Received: label={label}"
        )
    if names is not None and len(names) != classes:
        raise ValueError(
            f"`names` must name each of the {classes} classes. Received: names={names!r}"
        )


def _panels(one, run, answer, label, names):
    """The input if it is an image, else None, and (spikes, dt, heading, options) of each raster."""
    layers = run.layers.values()
    inputs, outputs = keras.tree.flatten(one), keras.tree.flatten(run.outputs)
    image, rasters = None, []
    if len(inputs) == 1:
        spikes, dt = inputs[0][0], next(iter(layers)).dt
        if spikes.ndim == 4 and spikes.shape[-1] in (1, 2):
            image = spikes
        elif spikes.ndim > 1:
            rasters.append((spikes, dt, f"input: {np.count_nonzero(spikes):,} events", {}))
    for name, layer in run.layers.items():
        last = layer is list(layers)[-1] and len(outputs) == 1 and answer is not None
        is_output = last and np.array_equal(outputs[0][0], layer.spikes)
        options = {"winner": answer, "label": label, "names": names} if is_output else {}
        neurons, fired = layer.spikes[0].size, np.count_nonzero(layer.spikes)
        rate = fired / max(layer.spikes.size, 1)
        did = f"{fired:,} spikes, {rate:.2g} per neuron and step" if fired else "silent"
        rasters.append((layer.spikes, layer.dt, f"{name}: {neurons:,} neurons, {did}", options))
    return image, rasters


def _draw(ax, spikes: np.ndarray, dt: float, text: str, options: dict):
    plot_raster(spikes, dt=dt, ax=ax, **options)
    style = {"fontsize": 10, "fontweight": "bold", "color": INK if spikes.any() else WRONG}
    ax.set_title(text, loc="left", **style)
    if options:
        ax.set_ylabel("class")


def _height(spikes: np.ndarray) -> float:
    """Of a raster, in inches."""
    rows = spikes[0].size
    return 0.45 + (0.16 * max(rows, 3) if rows <= 16 else 0.085 * rows if rows <= 32 else 1.7)
