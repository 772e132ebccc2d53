"""``from_preset`` and ``available``."""

from __future__ import annotations

import hashlib
import pathlib

import keras

from keras_slayer.presets import architecture, card


def from_preset(name: str) -> keras.Sequential:
    """A trained network that comes with the package. Nothing is downloaded.

        model = ks.from_preset("nmnist_dense")
        answers = model.predict(spikes).sum(axis=1).argmax(axis=1)
        model.export_loihi("digits.net")

    ``ks.presets.available()`` lists the names, and what each network was trained on. A card
    (``Preset``) also has the frame of the network's input: ``spike_pipeline(data, batch_size=8,
    **preset.frame)`` makes it of events.

    The model is not compiled. To train it further, ``compile`` and ``fit`` it.

    Args:
        name: of the preset.

    Returns:
        A ``keras.Sequential`` for spikes (batch, steps, *sensor_shape), with its weights.

    Raises:
        ValueError: no preset has that name; or its file of weights is not the one that was packed.
    """
    preset = card.read(name)
    return load(preset, preset.weights_file)


def load(preset: card.Preset, path: pathlib.Path) -> keras.Sequential:
    """The network of the card, with the weights of the file, which must be the card's."""
    check(path, preset)
    shape = (preset.steps, *preset.sensor_shape)
    model = architecture.build(shape, preset.layers, preset.name)
    model.load_weights(path)
    return model


def check(path: pathlib.Path, preset: card.Preset) -> None:
    """Raises ValueError unless the file is that of the card."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
    if digest != preset.sha256:
        problem = "is missing" if digest is None else "is damaged or another one"
        raise ValueError(
            f"the file of weights of the preset {preset.name!r} {problem}: install keras_slayer "
            f"again. Its SHA-256 must be {preset.sha256}. Received: {digest}, of {str(path)!r}"
        )


def available(*, show: bool = True) -> list[card.Preset]:
    """The trained networks of this package.

        presets = {preset.name: preset for preset in ks.presets.available()}
        presets["nmnist_dense"].test_accuracy

    Args:
        show: print them as a table.

    Returns:
        The ``Preset`` of each, in the order of their names.
    """
    presets = [card.read(name) for name in card.names()]
    if show:
        print(_table(presets))
    return presets


def _table(presets: list[card.Preset]) -> str:
    rows = [("name", "network", "weights", "accuracy", "tested on", "licence of the weights")]
    rows += [
        (p.name, p.title, f"{p.parameters:,}", f"{p.test_accuracy:.1%}", p.test, p.licence)
        for p in presets
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join((lines[0], "-" * max(map(len, lines)), *lines[1:]))
