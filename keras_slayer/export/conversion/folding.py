"""``fold_normalization``: normalised layers of Keras as layers that train on the chip's weights."""

from __future__ import annotations

import dataclasses
import warnings

import keras
import numpy as np

from keras_slayer import checks, loihi
from keras_slayer import layers as spiking
from keras_slayer.export.conversion.equivalent import (
    GRID,
    NoEquivalentError,
    choose_scale,
    threshold_mantissa,
)
from keras_slayer.export.problems import Problem, refuse
from keras_slayer.keras_models import is_by_layers
from keras_slayer.neurons import LoihiCUBA

WHAT = "folded"


@dataclasses.dataclass(frozen=True, eq=False)
class _Chain:
    """Weights, their normalisation if any, and the neurons that they end in."""

    weights: keras.Layer
    norm: keras.layers.BatchNormalization | None
    neurons: spiking.SpikingActivation

    @property
    def inner(self) -> keras.Layer:
        return getattr(self.weights, "layer", self.weights)


def fold_normalization(model: keras.Model, *, weight_bits: int = 8) -> keras.Model:
    """A copy of ``model`` in which ``Conv2D``, ``BatchNormalization`` and neurons are one layer.

    Layers of Keras train in floating point, and ``export_loihi`` rounds what a normalisation makes
    of their weights. The copy has ``SpikingConv2D`` and ``SpikingDense`` in their place, which
    train on the chip's weights. So train it on for a few epochs, at a small learning rate, then
    export it: what it computes is what the chip will compute.

    Folded are ``Dense`` and ``Conv2D``, by themselves or in ``PerStep``, without activation, that
    lead through a ``BatchNormalization`` of the last axis, or none, to the ``LoihiCUBA`` neurons of
    a ``SpikingActivation`` and to nothing else::

        kernel = c gamma / sqrt(variance + epsilon) kernel
        bias = c (beta + (bias - mean) gamma / sqrt(variance + epsilon)) 4096 / current_decay
        threshold = c threshold

    c is chosen for each layer such that rounding to ``weight_bits`` does the least harm. The bias
    is the neuron's: it has all of its strength from the first step on, where that of a ``Conv2D``
    comes through the synaptic current. A bias that the chip cannot hold is clipped, with a warning.

    Args:
        model: built ``keras.Sequential`` or functional model; not changed.
        weight_bits: 1 to 8, of the layers that are made.

    Returns:
        A functional model, built, not compiled. Its layers have the names of their neurons. All
        other layers are copied with their weights.

    Raises:
        ValueError: a model with nothing to fold, or with a normalisation that cannot be folded. The
            message lists each.

    Example:

    >>> folded = keras_slayer.export.fold_normalization(model)
    >>> folded.compile(keras.optimizers.Adam(3e-4), keras_slayer.SpikeMaxLoss())
    >>> folded.fit(train, epochs=3, shuffle=False)
    >>> folded.export_loihi("network.nir")
    """
    checks.integer(weight_bits, "weight_bits", low=1, high=GRID.bits)
    if not isinstance(model, keras.Model) or not is_by_layers(model) or not model.built:
        raise ValueError(
            "model must be a built keras.Sequential or functional keras.Model. "
            f"Received: model={model!r}"
        )
    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs, model.outputs, name=model.name)
    chains = _chains(model)
    folded = {id(chain.weights): chain for chain in chains}
    left_out = {id(layer) for chain in chains for layer in (chain.norm, chain.neurons)}
    problems = [
        Problem(
            layer.name,
            "it does not lie between weights and LoihiCUBA neurons alone",
            "a PerStep Conv2D or Dense, BatchNormalization, SpikingActivation in a row",
            "move it there, or leave it out",
        )
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization) and id(layer) not in left_out
    ]
    if not chains and not problems:
        limit = "a Conv2D or Dense that leads to a SpikingActivation of LoihiCUBA neurons"
        problems = [Problem(model.name, "there is nothing to fold", limit, "export it as it is")]
    refuse(problems, WHAT)
    made = {key: _layer(chain, weight_bits, problems) for key, chain in folded.items()}
    refuse(problems, WHAT)
    return _assembled(model, made, left_out)


def _assembled(model: keras.Model, made: dict[int, tuple], left_out: set[int]) -> keras.Model:
    """A copy with the layers of ``made``, without those ``left_out``, by the ``id`` of the given.

    Args:
        made: (layer, kernel, bias) in place of a layer.
    """
    copies, dropped = [], set()
    replaced = {id(layer) for layer, _, _ in made.values()}

    def clone(layer):
        if id(layer) in made:
            return made[id(layer)][0]
        copy = type(layer).from_config(layer.get_config())
        if id(layer) in left_out:
            dropped.add(id(copy))
        else:
            copies.append((layer, copy))
        return copy

    def call(layer, *args, **kwargs):
        if id(layer) in dropped:
            return args[0]
        if id(layer) in replaced:  # without a mask, which the layers of Keras take
            return layer(*args)
        return layer(*args, **kwargs)

    result = keras.models.clone_model(model, clone_function=clone, call_function=call)
    for layer, copy in copies:
        copy.set_weights(layer.get_weights())
    for layer, kernel, bias in made.values():
        layer.kernel.assign(kernel)
        layer.bias.assign(bias)
    result.compiled = False
    return result


def _chains(model: keras.Model) -> list[_Chain]:
    """What can be folded."""
    layers = {layer.name: layer for layer in model.layers}
    readers: dict[str, list[str]] = {name: [] for name in layers}
    calls: dict[str, int] = {}
    for entry in model.get_config()["layers"]:
        calls[entry["name"]] = len(entry["inbound_nodes"])
        for source in _sources(entry["inbound_nodes"]):
            readers.setdefault(source, []).append(entry["name"])
    outputs = {tensor._keras_history.operation.name for tensor in model.outputs}

    def only_reader(layer):
        names = readers[layer.name]
        alone = len(names) == 1 and layer.name not in outputs and calls[names[0]] == 1
        return layers.get(names[0]) if alone else None

    found = []
    for layer in model.layers:
        if not _has_weights(layer) or calls[layer.name] != 1:
            continue
        norm, neurons = None, only_reader(layer)
        if isinstance(neurons, keras.layers.BatchNormalization) and _of_channels(neurons):
            norm, neurons = neurons, only_reader(neurons)
        known = type(neurons) is spiking.SpikingActivation and isinstance(neurons.neuron, LoihiCUBA)
        if known:
            found.append(_Chain(layer, norm, neurons))
    return found


def _sources(value) -> list[str]:
    """Names of the operations whose tensors are among the arguments of calls."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        return [value["config"]["keras_history"][0]]
    items = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list | tuple):
        return []
    return [source for item in items for source in _sources(item)]


def _has_weights(layer: keras.Layer) -> bool:
    inner = layer.layer if type(layer) is spiking.PerStep else layer
    kinds = (keras.layers.Dense, keras.layers.Conv2D)
    if inner is layer:  # a Conv2D of its own would run over time
        kinds = kinds[:1]
    return (
        type(inner) in kinds
        and inner.activation is keras.activations.linear
        and getattr(inner, "data_format", "channels_last") == "channels_last"
        and (not isinstance(inner, keras.layers.Dense) or len(layer.output.shape) == 3)
    )


def _of_channels(norm: keras.layers.BatchNormalization) -> bool:
    axis = norm.axis if isinstance(norm.axis, int) else next(iter(norm.axis))
    return axis in (-1, len(norm.output.shape) - 1)


def _layer(chain: _Chain, weight_bits: int, problems: list[Problem]):
    """(layer, kernel, bias): one with the chip's weights, and what to assign once it is built."""
    inner, name = chain.inner, chain.neurons.name
    try:
        neuron = chain.neurons.settled().neuron
    except ValueError as error:
        limit = "one value for all neurons of a layer"
        problems.append(Problem(name, str(error), limit, "learn it with per='layer'"))
        return None
    kernel = np.asarray(inner.kernel, np.float64)
    shift = np.asarray(inner.bias, np.float64) if inner.use_bias else np.zeros(kernel.shape[-1])
    if chain.norm is not None:
        scale, offset = _normalisation(chain.norm)
        kernel, shift = kernel * scale, shift * scale + offset
    if neuron.current_decay == 0 and shift.any():
        what = "its constant input would grow in a current that does not decay"
        problems.append(Problem(name, what, "current_decay from 1", "leave out bias and shift"))
        return None
    try:
        factor = choose_scale(kernel, neuron.firing_threshold, weight_bits)
    except NoEquivalentError as error:
        problems.append(Problem(name, *error.args))
        return None
    neuron = dataclasses.replace(
        neuron,
        threshold_mantissa=threshold_mantissa(factor * neuron.firing_threshold),
        weight_bits=weight_bits,
    )
    bias = factor * shift * loihi.DECAY_UNIT / max(neuron.current_decay, 1)
    low, high = loihi.MIN_BIAS / loihi.WEIGHT_SCALE, loihi.MAX_BIAS / loihi.WEIGHT_SCALE
    beyond = int(((bias < low) | (bias > high)).sum())
    if beyond:
        warnings.warn(
            f"{name}: {beyond} of {bias.size} biases are beyond what the chip holds, {low:g} to "
            f"{high:g}, and were clipped: {bias.min():.4g} to {bias.max():.4g}",
            stacklevel=3,
        )
    options = {
        "neuron": neuron,
        "use_bias": True,
        "name": name,
        "kernel_initializer": "zeros",
        "kernel_regularizer": inner.kernel_regularizer,
    }
    if isinstance(inner, keras.layers.Dense):
        layer = spiking.SpikingDense(inner.units, **options)
    else:
        layer = spiking.SpikingConv2D(
            inner.filters,
            inner.kernel_size,
            strides=inner.strides,
            padding=inner.padding,
            dilation_rate=inner.dilation_rate,
            groups=inner.groups,
            **options,
        )
    return layer, factor * kernel, np.clip(bias, low, high)


def _normalisation(norm: keras.layers.BatchNormalization) -> tuple[np.ndarray, np.ndarray]:
    """(scale, offset) of each channel at inference."""
    variance, mean = (np.asarray(v, np.float64) for v in (norm.moving_variance, norm.moving_mean))
    scale = 1 / np.sqrt(variance + norm.epsilon)
    if norm.scale:
        scale = scale * np.asarray(norm.gamma, np.float64)
    offset = -mean * scale
    return scale, offset + np.asarray(norm.beta, np.float64) if norm.center else offset
