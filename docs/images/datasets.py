"""Draws recordings of a data set, for its page in docs/datasets.

    python docs/images/datasets.py nmnist --data-dir FOLDER --output out/pictures
    python docs/images/datasets.py synthetic_words

Of N-MNIST, FOLDER holds Train.zip and Test.zip. The other data sets here are generated.
"""

import argparse
import os
import pathlib
import tempfile
import textwrap

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from keras_slayer import datasets
from keras_slayer.visualization import plot_events
from keras_slayer.visualization.event_cloud import EventCloud, draw_image
from keras_slayer.visualization.style import INK, ON, heading, new_figure, style_axes

NAMES = ("nmnist", "saccade_mnist", "synthetic_gestures", "synthetic_words")
ROW = 6  # images in a row
WORDS = 8  # in the picture of words
COLOURS, DPI = 128, 110


def one_of_each(name: str, archives: str | None, folder: str) -> dict[str, dict]:
    """Name of a class: its first recording among the training recordings."""
    load = getattr(datasets, f"load_{name}")
    options = {} if name == "nmnist" else {"config": "small"}
    recordings = load(*[archives] * bool(archives), split="train", data_dir=folder, **options)
    names = tfds.builder(name, data_dir=folder).info.features["label"].names
    found = {}
    for events, label in tfds.as_numpy(recordings):
        found.setdefault(int(label), events)
        if len(found) == len(names):
            break
    return {names[label]: found[label] for label in sorted(found)}


def draw_images(recordings: dict[str, dict], sensor_shape):
    """One recording as points, and each as the image that it adds up to."""
    rows = -(-len(recordings) // ROW)
    figure = new_figure(10, 3.6 + 1.75 * rows)
    above, below = figure.subfigures(2, 1, height_ratios=[3.6, 1.75 * rows])
    first = next(iter(recordings))
    plot_events(recordings[first], sensor_shape=sensor_shape, figure=above, title=shown(first))
    for ax, (name, events) in zip(below.subplots(rows, ROW).flat, recordings.items(), strict=False):
        draw_image(ax, EventCloud.of(events, 1.0, sensor_shape))
        name = textwrap.fill(shown(name), 20)
        ax.set_title(name, loc="left", fontsize=9, fontweight="bold", color=INK)
    for ax in below.axes:
        ax.set(xticks=[], yticks=[])
        ax.set_visible(bool(ax.images))
    return figure


def draw_words(recordings: dict[str, dict]):
    """Spikes of the channels of a cochlea over time."""
    figure = new_figure(10, 4.6)
    axes = figure.subplots(2, WORDS // 2, sharex=True, sharey=True)
    for ax, (name, events) in zip(axes.flat, recordings.items(), strict=False):
        ax.scatter(events["t"] / 1000, events["x"], s=1.2, c=ON, linewidths=0)
        heading(ax, shown(name))
        style_axes(ax)
    for ax in axes[:, 0]:
        ax.set_ylabel("channel")
    for ax in axes[-1]:
        ax.set_xlabel("time (ms)", color=INK)
    return figure


def shown(name: str) -> str:
    return name.replace("_", " ")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--data-dir", help="folder with N-MNIST's Train.zip and Test.zip")
    parser.add_argument("--output", default="out/pictures", help="folder (%(default)s)")
    arguments = parser.parse_args(argv)
    if arguments.name == "nmnist" and not arguments.data_dir:
        parser.error("N-MNIST is read from its archives: give --data-dir")
    tfds.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        archives = arguments.data_dir if arguments.name == "nmnist" else None
        recordings = one_of_each(arguments.name, archives, folder)
    if arguments.name == "synthetic_words":
        figure = draw_words(recordings)
    else:
        most = [max(int(events[of].max()) for events in recordings.values()) for of in ("y", "x")]
        figure = draw_images(recordings, tuple(side + 1 for side in most))
    folder = pathlib.Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "dataset.png"
    figure.savefig(path, dpi=DPI)
    with Image.open(path) as image:  # few colours: a page shows them as well
        picture = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)
    events = np.mean([len(events["t"]) for events in recordings.values()])
    print(f"{path}: {len(recordings)} recordings, {events:,.0f} events each")


if __name__ == "__main__":
    main()
