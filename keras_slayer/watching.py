"""Runs a model and watches its layers: for ``record``, firing rates, monitors and pictures."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator

import keras
import tensorflow as tf

from keras_slayer.layers import probes
from keras_slayer.layers.spiking_layer import SpikingLayer
from keras_slayer.layers.temporal_layer import TemporalLayer

Seen = Callable[[keras.layers.Layer, object, probes.Firing | None], None]
"""Told of each call of a watched layer: the layer, its output, and what its neurons did."""


def watch(
    model: keras.Model,
    x,
    layers: Iterable[keras.layers.Layer] | None,
    seen: Seen,
    *,
    in_graph: bool = False,
):
    """Runs ``model`` on ``x`` in inference mode, and tells ``seen`` what ``layers`` do.

    A ``tf.function`` that the model calls runs as the Python that it is made of, so that the layers
    within it can be watched.

    Args:
        model: of any kind.
        x: a batch as the model takes it.
        layers: at any depth of the model; None: ``spiking_layers`` of the built model.
        seen: called with the layer, its output, and a ``Firing`` if it has neurons, after each
            call of a layer, in the order of computation. Of a layer that returns its state, the
            output comes without it.
        in_graph: whether ``seen`` takes tensors of a graph, where ``watch`` is called within a
            ``tf.function``.

    Returns:
        What the model returns.

    Raises:
        ValueError: a layer that runs where ``seen`` cannot be given its tensors.
    """
    _build_by(model, x)
    layers = spiking_layers(model) if layers is None else layers
    graph = None if tf.executing_eagerly() or not in_graph else tf.constant(0).graph

    def watched(layer, call):
        def watching(*args, **kwargs):
            with probes.noting() as noted:
                result = call(*args, **kwargs)
            returns_state = isinstance(layer, TemporalLayer) and layer.return_state
            output = result[0] if returns_state else result
            parts = filter(tf.is_symbolic_tensor, keras.tree.flatten(output))
            if any(part.graph is not graph for part in parts):
                places = "eagerly, or in the graph of the call" if in_graph else "eagerly"
                raise ValueError(
                    f"layers can be watched where TensorFlow runs {places}, and this one is called "
                    f"within a tf.function, loop or branch. Received: layer {layer.name!r}"
                )
            own = [firing for firing in noted if firing.layer is layer]
            seen(layer, output, own[-1] if own else None)
            return result

        return watching

    with wrapped(layers, "call", watched), _functions_as_python():
        return model(x, training=False)


def _build_by(model: keras.Model, x) -> None:
    """Builds a model that has not been called yet, by a call.

    Before its layers are watched, and found: it may make them in its ``build``. Keras first builds
    by symbolic tensors, which cannot be watched. If it fails to, it does not note the shapes, and
    the saved model is loaded without weights.
    """
    if not model.built:
        model(x, training=False)


@contextlib.contextmanager
def _functions_as_python():
    """Within the block, a ``tf.function`` runs what it was made of, where it is called."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


@contextlib.contextmanager
def wrapped(layers, method: str, wrap):
    """Replaces a method of each layer by ``wrap(layer, method)`` within the block."""
    # Past Keras' __setattr__, which would track what it is given.
    before = [vars(layer).get(method) for layer in layers]  # a user may have put one there too
    for layer in layers:
        vars(layer)[method] = wrap(layer, getattr(layer, method))
    try:
        yield
    finally:
        for layer, own in zip(layers, before, strict=True):
            if own is None:
                del vars(layer)[method]
            else:
                vars(layer)[method] = own


def spiking_layers(model) -> list[SpikingLayer]:
    """Every layer with spiking neurons that ``model`` holds, at any depth, each once."""
    return [layer for layer in _held(model) if isinstance(layer, SpikingLayer)]


def layers_of(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers that ``model`` consists of, each once.

    Models within it are replaced by their layers. Other layers count as one, but the temporal
    layers that they hold count as well.
    """
    found = {id(layer): layer for layer in _leaves(model)}
    temporal = (layer for layer in _held(model) if isinstance(layer, TemporalLayer))
    return list({**found, **{id(layer): layer for layer in temporal}}.values())


def _leaves(model: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _leaves(layer)
        elif not isinstance(layer, keras.layers.InputLayer):
            yield layer


def _held(model) -> Iterator[keras.layers.Layer]:
    """The layers that ``model`` holds, at any depth, each once."""
    seen, waiting = set(), [model]
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list | tuple | set):
            waiting.extend(item)
        elif isinstance(item, keras.layers.Layer):
            waiting.extend(vars(item).values())
            yield item


def layer_names(layers) -> dict[keras.layers.Layer, str]:
    """What each layer is called: its name, where others have it too its path, else numbered."""
    names = [layer.name for layer in layers]
    names = [layer.name if names.count(layer.name) == 1 else layer.path for layer in layers]
    return {
        layer: name if names.count(name) == 1 else f"{name}:{names[:i].count(name) + 1}"
        for i, (layer, name) in enumerate(zip(layers, names, strict=True))
    }


def first_batch(data):
    """The inputs of a batch: ``data`` itself, or those of the first element of a data set."""
    if isinstance(data, keras.utils.PyDataset):
        return keras.utils.unpack_x_y_sample_weight(data[0])[0]
    if not isinstance(data, tf.data.Dataset):
        return data
    for element in data.take(1):
        return keras.utils.unpack_x_y_sample_weight(element)[0]
    raise ValueError("the data set must hold a batch. Received: an empty tf.data.Dataset")
