"""``profile``: the operations of every layer of a model on data."""

from __future__ import annotations

import math

import keras

from keras_slayer import checks
from keras_slayer.profiling.batches import batches
from keras_slayer.profiling.counting import Counter, footprint
from keras_slayer.profiling.figures import LayerProfile, Profile

MAX_SAMPLES = 2**62


def profile(
    model: keras.Model, data, *, samples: int | None = None, batch_size: int = 16
) -> Profile:
    """Runs ``model`` on ``data`` in inference mode, and counts what every layer does.

        profile = ks.profile(model, x)
        print(profile)
        profile["hidden"].acs             # effective accumulations per sample
        profile.total.activation_sparsity

    Per layer and in total, per sample: parameters, bytes, zero weights, zero outputs, synaptic
    operations (all; effective with a multiplication; effective without), neuron updates and spikes.
    The terms are those of NeuroBench (Yik et al., Nature Communications 16, 2025): an operation is
    effective where neither input nor weight is zero; it is a multiply-accumulate (MAC), or an
    accumulate (AC) where all inputs of the layer, in all of ``data``, are 0, 1 or -1.

    Biases, and what neurons, normalisations, gates and Keras' pools compute, are no synaptic
    operations. Layers of a kind that is not known (yours, ``Lambda``, attention) are listed, and
    named in ``profile.not_counted``; layers within them are counted.

    Args:
        model: a built Keras model of any kind.
        data: an array (samples, time, ...), or a list or dict of arrays for a model of several
            inputs; a tuple (inputs, labels); or a ``tf.data.Dataset`` of batches of either.
        samples: of which no more are run; None for all.
        batch_size: samples at a time, of arrays. It changes no figure; memory grows with it.

    Returns:
        A ``Profile``.

    Raises:
        ValueError: no model, or one that is not built; data of another kind, or none; a data set
            without end and no ``samples``; no layer that could be watched.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"model must be a keras.Model. Received: model={model!r}")
    if not model.built:
        raise ValueError(
            "the model must be built: begin it with keras.Input, or call it once on data. "
            f"Received: model={model.name!r}"
        )
    if samples is not None:
        samples = checks.integer(samples, "samples", low=1, high=MAX_SAMPLES)
    batch_size = checks.integer(batch_size, "batch_size", low=1, high=MAX_SAMPLES)
    counter = Counter(model)
    for x, size in batches(data, samples, batch_size):
        counter.run(x, size)
    layers = counter.profiles()
    if all(layer.outputs is None for layer in layers):
        raise ValueError(
            "no layer ran where it can be watched: layers are watched while TensorFlow runs "
            "eagerly, and these ran within a tf.function, or not at all. "
            f"Received: layers {[layer.name for layer in layers]}"
        )
    return Profile(model.name, counter.samples, layers, _total(layers, counter))


def _total(layers: tuple[LayerProfile, ...], counter: Counter) -> LayerProfile:
    def summed(name: str, those=layers):
        values = [value for layer in those if (value := getattr(layer, name)) is not None]
        return sum(values) if values else None

    active = [layer for layer in layers if layer.active]
    firing = [layer for layer in layers if layer.spikes is not None]
    weights, zero_weights = counter.weights() or (None, None)
    spikes, updates = summed("spikes", firing), summed("neuron_updates", firing)
    variables = counter.variables()
    return LayerProfile(
        name="total",
        type="",
        parameters=sum(math.prod(v.shape) for v in variables),
        footprint=footprint(variables),
        weights=weights,
        zero_weights=zero_weights,
        outputs=summed("outputs", active),
        nonzero_outputs=summed("nonzero_outputs", active),
        active=bool(active),
        neurons=summed("neurons"),
        neuron_updates=summed("neuron_updates"),
        spikes=spikes,
        spike_rate=spikes / updates if updates else None,
        dense=summed("dense"),
        macs=summed("macs"),
        acs=summed("acs"),
        counted=all(layer.counted for layer in layers),
    )
