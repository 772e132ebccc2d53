"""``record``: the arrays of every layer of a model on a batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_slayer.layers.spiking_layer import SpikingLayer
from keras_slayer.neurons import Neuron
from keras_slayer.watching import first_batch, layer_names, layers_of, watch

PROBES = ("spikes", "membrane", "current")
_WHAT = {"spikes": "spikes", "membrane": "membrane potential", "current": "synaptic input"}


class LayerRecord:
    """What one layer did on a batch: NumPy arrays (batch, time, ...); within a ``tf.function``
    tensors of it.

    Attributes:
        name: of the layer in the record.
        layer: the layer.
        output: what it returned (arrays nested as the layer nests them); needs the probe
            ``"spikes"``.
        spikes: the output of a layer with neurons: 0 or 1.
        membrane: membrane potential of its neurons before reset, u in the equations of the neuron.
        current: their synaptic input, z in the equations.
        neuron: its neurons, with the parameters that they had; None without.
        threshold: what ``membrane`` has to reach.
        dt: ms per step; None where the neuron does not say.

    Raises:
        AttributeError: when an array is read that the layer lacks, or that was not recorded.
    """

    def __init__(self, name: str, layer: keras.layers.Layer, neuron: Neuron | None, arrays: dict):
        self.name, self.layer, self.neuron = name, layer, neuron
        self._arrays = arrays

    @property
    def output(self):
        return self._get("output", "spikes")

    @property
    def spikes(self) -> np.ndarray:
        return self._of_neurons("spikes")

    @property
    def membrane(self) -> np.ndarray:
        return self._of_neurons("membrane")

    @property
    def current(self) -> np.ndarray:
        return self._of_neurons("current")

    @property
    def threshold(self) -> float | np.ndarray:
        if self.neuron is None:
            raise AttributeError(f"{self._title} has no neurons, and so no threshold.")
        if tf.is_symbolic_tensor(self.neuron.firing_threshold):
            return self.neuron.firing_threshold
        threshold = np.asarray(self.neuron.firing_threshold)
        return float(threshold) if threshold.ndim == 0 else threshold

    @property
    def dt(self) -> float | None:
        return getattr(self.neuron if self.neuron is not None else self.layer, "dt", None)

    @property
    def probes(self) -> tuple[str, ...]:
        """Which arrays there are."""
        names = {"output": "output" if self.neuron is None else "spikes"}
        return tuple(names.get(name, name) for name in self._arrays)

    @property
    def _title(self) -> str:
        return f"{self.name} ({type(self.layer).__name__})"

    def _of_neurons(self, name: str) -> np.ndarray:
        if self.neuron is None:
            raise AttributeError(
                f"{self._title} has no {_WHAT[name]}: it has no neurons. What it returned is "
                "`output`."
            )
        return self._get("output" if name == "spikes" else name, name)

    def _get(self, name: str, probe: str):
        if name not in self._arrays:
            raise AttributeError(
                f"the {_WHAT[probe]} of {self._title} was not recorded: record with probe={probe!r}"
            )
        return self._arrays[name]

    def __repr__(self) -> str:
        shapes = [
            f"{name} {keras.tree.map_structure(np.shape, array)}"
            for name, array in zip(self.probes, self._arrays.values(), strict=True)
        ]
        return f"<{self._title}: {', '.join(shapes)}>"


class Record(dict):
    """Layer name to ``LayerRecord``, in the order of computation.

    Attributes:
        outputs: what the model returned, as arrays (or tensors).
    """

    outputs: object = None

    def __missing__(self, name):
        raise KeyError(f"{name!r} is not among the recorded layers: {', '.join(self)}")

    def __repr__(self) -> str:
        return "\n".join(map(repr, self.values()))


@tf.autograph.experimental.do_not_convert
def record(
    model: keras.Model,
    x,
    probe: str | Sequence[str] = PROBES,
    *,
    layers: str | Sequence[str] | None = None,
) -> Record:
    """Runs ``model`` on ``x`` in inference mode, and keeps what every layer computed.

        record = ks.record(model, x)
        record["hidden"].spikes       # (batch, time, units)
        record["hidden"].membrane     # the same shape
        record["dense"].output        # of a layer without neurons

    The spikes are those of ``model(x)`` to the bit, and ``membrane`` and ``current`` are what the
    neurons that gave them had: for ``LoihiCUBA`` with the rounded weights. A neuron that is given
    ``current`` fires these spikes (``neuron.fire(current)``), but in 16-bit models, which round
    ``current`` to 16 bits on the way out.

    Within a ``tf.function``, all are tensors of its graph, for it to compute with or to return::

        @tf.function
        def rate(x):
            return tf.reduce_mean(ks.record(model, x)["hidden"].spikes)

    A ``tf.function`` that the model calls runs as the Python that it is made of.

    Arrays take 4 bytes per neuron, step and probe. ``layers`` and ``probe`` choose; nothing else is
    kept.

    Args:
        model: a built Keras model of any kind. Of models within it every layer is recorded, and of
            a layer of yours every layer with a state that it holds.
        x: a batch as the model takes it, or a ``tf.data.Dataset`` or ``PyDataset``, whose first
            batch is taken.
        probe: what to record, one name or several. ``"spikes"``: what a layer returns; that is the
            output of a layer without neurons. ``"membrane"`` and ``"current"``: membrane potential
            and synaptic input of layers with neurons.
        layers: names of layers to record; None: all that have something of ``probe``.

    Returns:
        ``Record``: a dict of layer name to ``LayerRecord``, in the order of computation. A layer
        that shares its name with another is called by its path, and numbered where that is shared
        too. The second call of ``dense`` is ``dense:1``; in ``layers``, ``dense`` means all calls.
        ``outputs`` is what the model returned.

    Raises:
        ValueError: no model, or one that is not built; an unknown probe or layer; a layer that has
            nothing of ``probe``, or that the model did not call.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"model must be a keras.Model. Received: model={model!r}")
    if not model.built:
        raise ValueError(
            "the model must be built: begin it with keras.Input, or call it once on data. "
            f"Received: model={model.name!r}"
        )
    probes = _checked_probes(probe)
    chosen = _chosen(layers_of(model), layers, probes, model)
    found, calls = Record(), {}

    def seen(layer, output, firing):
        call = calls[layer] = calls.get(layer, -1) + 1
        name = f"{chosen[layer]}:{call}" if call else chosen[layer]
        arrays = {}
        if "spikes" in probes:
            arrays["output"] = _arrays(output)
        for what in ("membrane", "current"):
            if what in probes and isinstance(layer, SpikingLayer):
                arrays[what] = _arrays(getattr(_noted(layer, firing), what))
        neuron = None
        if isinstance(layer, SpikingLayer):
            neuron = layer.neuron if firing is None else firing.neuron
        found[name] = LayerRecord(name, layer, neuron, arrays)

    outputs = watch(model, first_batch(x), list(chosen), seen, in_graph=True)
    missing = [name for name in chosen.values() if name not in found]
    if missing and (layers is not None or not found):
        raise ValueError(
            "these layers did not run where they can be watched: the model did not call them. "
            f"Received: layers {missing}"
        )
    found.outputs = _arrays(outputs)
    return found


def _arrays(tensors):
    return keras.tree.map_structure(
        lambda tensor: tensor if tf.is_symbolic_tensor(tensor) else np.asarray(tensor), tensors
    )


def _noted(layer, firing):
    if firing is None:
        raise ValueError(
            "a layer whose own advance() fires neurons must tell of it with "
            f"keras_slayer.layers.probes.note. Received: layer {layer.name!r} "
            f"({type(layer).__name__})"
        )
    return firing


def _checked_probes(probe) -> tuple[str, ...]:
    probes = tuple(_several(probe))
    if not probes or any(name not in PROBES for name in probes):
        raise ValueError(
            f"probe must be one or several of {', '.join(map(repr, PROBES))}. "
            f"Received: probe={probe!r}"
        )
    return probes


def _chosen(there, layers, probes, model) -> dict[keras.layers.Layer, str]:
    """The layers to record, and their names."""
    names = layer_names(there)
    has = {
        layer: name
        for layer, name in names.items()
        if "spikes" in probes or isinstance(layer, SpikingLayer)
    }
    if layers is None:
        if not has:
            raise ValueError(
                f"the model has no layer with neurons, and so no {_listed(probes)}. "
                f"Received: model={model.name!r}"
            )
        return has
    layers = _several(layers)
    unknown = [name for name in layers if name not in names.values()]
    if unknown or not layers:
        raise ValueError(
            f"layers must be names of layers of the model: {', '.join(names.values())}. "
            f"Received: layers={layers!r}"
        )
    without = [
        f"{name} ({type(layer).__name__})"
        for layer, name in names.items()
        if name in layers and layer not in has
    ]
    if without:
        raise ValueError(
            f"these layers have no neurons, and so no {_listed(probes)}: {', '.join(without)}. "
            f"Layers that have: {', '.join(has.values()) or 'none'}. Received: layers={layers!r}"
        )
    return {layer: name for layer, name in has.items() if name in layers}


def _several(names) -> list:
    """The names, or the only one."""
    one = isinstance(names, str) or not isinstance(names, Iterable)
    return [names] if one else list(names)


def _listed(probes) -> str:
    return " and no ".join(_WHAT[name] for name in probes)
