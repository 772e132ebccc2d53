"""``fold_normalization``: normalised layers of Keras as layers that train on the chip's weights."""

from __future__ import annotations

import dataclasses
import warnings

import keras
import numpy as np

from keras_slayer import checks, loihi
from keras_slayer import layers as spiking
from keras_slayer.export.conversion.chains import (
    Chain,
    chains_in,
    functional,
    is_model,
    models_in,
)
from keras_slayer.export.conversion.equivalent import (
    GRID,
    NoEquivalentError,
    choose_scale,
    threshold_mantissa,
)
from keras_slayer.export.problems import Problem, refuse
from keras_slayer.keras_models import is_by_layers

WHAT = "folded"


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
        other layers are copied with their weights. Models inside it are folded as well, and become
        functional.

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
    models = models_in(model)
    chains = chains_in(models)
    left_out = {id(layer) for chain in chains for layer in (chain.norm, chain.neurons)}
    problems = [
        Problem(
            layer.name,
            "it does not lie between weights and LoihiCUBA neurons alone",
            "a PerStep Conv2D or Dense, BatchNormalization, SpikingActivation in a row",
            "move it there, or leave it out",
        )
        for layer in {id(layer): layer for each in models for layer in each.layers}.values()
        if isinstance(layer, keras.layers.BatchNormalization) and id(layer) not in left_out
    ]
    if not chains and not problems:
        limit = "a Conv2D or Dense that leads to a SpikingActivation of LoihiCUBA neurons"
        problems = [Problem(model.name, "there is nothing to fold", limit, "export it as it is")]
    refuse(problems, WHAT)
    made = {}
    for chain in chains:
        made[id(chain.weights)] = _layer(chain, weight_bits, problems)
    refuse(problems, WHAT)
    return _assembled(models[0], made, left_out)


def _assembled(model: keras.Model, made: dict[int, tuple], left_out: set[int]) -> keras.Model:
    """A copy with the layers of ``made``, without those ``left_out``, by the ``id`` of the given.

    Args:
        made: (layer, kernel, bias) in place of a layer.
    """
    copies: dict[int, tuple[keras.Layer, keras.Layer]] = {}  # one of each, also across models
    dropped = set()
    replaced = {id(layer) for layer, _, _ in made.values()}

    def clone(layer):
        if id(layer) in made:
            return made[id(layer)][0]
        if id(layer) not in copies:
            inside = is_model(layer)
            copy = clone_of(layer) if inside else type(layer).from_config(layer.get_config())
            copies[id(layer)] = (layer, copy)
            if id(layer) in left_out:
                dropped.add(id(copy))
        return copies[id(layer)][1]

    def call(layer, *args, **kwargs):
        if id(layer) in dropped:
            return args[0]
        if id(layer) in replaced:  # without a mask, which the layers of Keras take
            return layer(*args)
        return layer(*args, **kwargs)

    def clone_of(model):
        return keras.models.clone_model(functional(model), clone_function=clone, call_function=call)

    result = clone_of(model)
    for layer, copy in copies.values():
        if id(copy) not in dropped and not is_model(layer):
            copy.set_weights(layer.get_weights())
    for layer, kernel, bias in made.values():
        layer.kernel.assign(kernel)
        layer.bias.assign(bias)
    result.compiled = False
    return result


def _layer(chain: Chain, weight_bits: int, problems: list[Problem]):
    """(layer, kernel, bias): one with the chip's weights, and what to assign once it is built."""
    inner, name = chain.inner, chain.neurons.name
    try:
        neuron = chain.neurons.settled().neuron
    except ValueError as error:
        limit = "a finite number, the same for all neurons of a layer"
        remedy = "learn it with per='layer', and look at the training"
        problems.append(Problem(name, str(error), limit, remedy))
        return None
    kernel = np.asarray(inner.kernel, np.float64)
    shift = np.asarray(inner.bias, np.float64) if inner.use_bias else np.zeros(kernel.shape[-1])
    if chain.norm is not None:
        scale, offset = _normalisation(chain.norm)
        kernel, shift = kernel * scale, shift * scale + offset
    if not np.isfinite(shift).all():
        what = f"{np.count_nonzero(~np.isfinite(shift))} of {shift.size} biases are not finite"
        problems.append(Problem(name, what, "numbers", "look at the training"))
        return None
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
