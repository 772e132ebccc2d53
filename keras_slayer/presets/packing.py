"""Makes a preset of a trained model: what ``examples/make_presets.py`` writes them with."""

from __future__ import annotations

import hashlib
import pathlib
import tempfile

import h5py
import keras
import numpy as np

from keras_slayer.presets import architecture, loading
from keras_slayer.presets.card import Preset


def pack(model: keras.Sequential, folder: pathlib.Path, *, name: str, **card) -> Preset:
    """Writes the card and the weights of ``model`` into ``folder``.

    Weights of layers with Loihi's neurons are written as the chip's: these are what the layers
    compute with, so that no spike changes, and they take a fifth of the space. The others stay as
    they are.

    Args:
        model: trained; its layers are spiking ones, or those in ``architecture.KERAS_LAYERS``.
        folder: where to.
        name, card: what the card says; see ``Preset``.

    Returns:
        The card.

    Raises:
        ValueError: a layer that a card cannot state; or what is read back spikes differently.
    """
    layers = tuple(architecture.describe(model))
    steps, *sensor = model.input_shape[1:]
    rebuilt = architecture.build((steps, *sensor), layers, name)
    rebuilt.set_weights(model.get_weights())
    for layer in rebuilt.layers:
        if getattr(layer, "on_chip", False) and hasattr(layer, "kernel"):
            layer.kernel.assign(layer.quantized_kernel())
    weights = folder / f"{name}.weights.h5"
    with tempfile.TemporaryDirectory() as scratch:
        plain = pathlib.Path(scratch) / "plain.weights.h5"
        rebuilt.save_weights(plain)
        _compress(plain, weights)
    content = weights.read_bytes()
    preset = Preset(
        name=name,
        layers=layers,
        sensor_shape=tuple(sensor),
        steps=steps,
        parameters=rebuilt.count_params(),
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        **card,
    )
    x = (np.random.default_rng(0).random((1, steps, *sensor)) < 0.05).astype("float32")
    if not np.array_equal(loading.load(preset, weights).predict_on_batch(x), model(x)):
        raise ValueError(
            "the packed network does not spike as the model does: a layer has something that its "
            f"card does not state. Received: layers {[config['class'] for config in layers]}"
        )
    (folder / f"{name}.json").write_text(preset.to_json())
    return preset


def _compress(source: pathlib.Path, target: pathlib.Path) -> None:
    """The same HDF5 file, its arrays compressed."""
    with h5py.File(source) as before, h5py.File(target, "w", track_order=False) as after:
        after.attrs.update(before.attrs)

        def copy(path, item):
            if isinstance(item, h5py.Group):
                made = after.require_group(path)
            else:
                options = {} if item.shape == () else {"compression": "gzip", "shuffle": True}
                options |= {"compression_opts": 9} if options else {}
                made = after.create_dataset(path, data=item[()], track_times=False, **options)
            made.attrs.update(item.attrs)

        before.visititems(copy)
