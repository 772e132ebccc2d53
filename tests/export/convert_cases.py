"""Models of SRM and CUBA neurons to be converted."""

import keras
import numpy as np

import keras_slayer as ks
from keras_slayer.layers.spiking_layer import SpikingLayer

STEPS = 40


SRM = ks.SRM(threshold=1.0, tau_response=4.0, surrogate_tau=0.5, surrogate_scale=0.7)


CUBA = ks.CUBA(threshold=0.5, current_decay=0.4, voltage_decay=0.1, gradient="exodus")


LOIHI = ks.LoihiCUBA(100, 1024, 128, weight_bits=6)


TimeDistributed = keras.layers.TimeDistributed


def loud(neuron):
    """Arguments of a layer that fires from the start, also behind others."""
    return {"neuron": neuron, "kernel_initializer": ks.FluctuationDriven(neuron, xi=0.9, mean=0.0)}


def image_layers():
    return [
        ks.SpikingConv2D(4, 3, **loud(SRM), name="conv"),
        ks.SpikingSumPooling2D(2, neuron=SRM, name="pool"),
        keras.layers.Dropout(0.2, name="dropout"),
        ks.Flatten(name="flatten"),
        ks.DelayLayer(max_delay=5.0, per="neuron", name="delay"),
        TimeDistributed(keras.layers.Dense(12, use_bias=False), name="synapses"),
        ks.SpikingActivation(SRM, name="neurons"),
        ks.SpikingDense(8, **loud(LOIHI), name="chip"),
        ks.SpikingDense(5, **loud(CUBA), name="output"),
        keras.layers.Dense(3, name="host"),
    ]


def sequential(*layers, shape=(8, 8, 2), name="network"):
    return keras.Sequential([keras.Input((STEPS, *shape)), *layers], name=name)


def functional():
    inputs = keras.Input((STEPS, 8, 8, 2), name="events")
    x = inputs
    for layer in image_layers():
        x = layer(x)
    return keras.Model(inputs, keras.ops.sum(x * 2.0, axis=1), name="network")


def nested():
    conv, pool, *rest = image_layers()
    return sequential(sequential(conv, pool, name="front"), *rest)


KINDS = {
    "sequential": lambda: sequential(*image_layers()),
    "functional": functional,
    "nested": nested,
}


def random_spikes(model, samples=12, density=0.1, seed=5):
    rng = np.random.default_rng(seed)
    return (rng.random((samples, STEPS, *model.input_shape[2:])) < density).astype(np.float32)


def layers_of(model):
    for layer in model.layers:
        yield from layers_of(layer) if isinstance(layer, keras.Model) else [layer]


def counts(model, spikes):
    """Spikes of each spiking layer, by name."""
    found, x = {}, spikes
    for layer in layers_of(model):
        if isinstance(layer, keras.layers.InputLayer):
            continue
        if layer.name == "host" or not isinstance(layer, keras.Layer):
            break
        x = layer(x)
        if isinstance(layer, SpikingLayer):
            found[layer.name] = int(np.count_nonzero(x))
    return found
