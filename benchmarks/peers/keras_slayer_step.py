"""keras_slayer, through training_step.py and neurons.py in the folder above.

Variants: "srm", "cuba", "loihi"; "dense srm" is the twin with TensorFlow's own products,
"adam srm" has Keras' optimiser instead of ours, "bytes srm" spikes in bytes.
"""

import dataclasses
import functools

import common
import keras
import neurons
import numpy as np
import tensorflow as tf
import training_step
from peers import protocol
from peers.networks import HIDDEN_RATE, Conv, Pool

import keras_slayer as ks

PACKAGES = ("keras_slayer", "keras", "tensorflow")


def fed_by_input(rate, neuron):
    """`training_step.fed_at` for the first layer, whose inputs may fire up to every other step.

    Where spikes are not rare, their mean drives some neurons all the time: the threshold
    is further away by the mean's share of the membrane, compared with that at
    HIDDEN_RATE. And a step of the optimiser moves the membrane in proportion to the rate:
    so does the float neurons' threshold, else the network saturates while it is timed.
    """
    if rate > HIDDEN_RATE and not isinstance(neuron, ks.LoihiCUBA):
        scale = rate / HIDDEN_RATE
        neuron = dataclasses.replace(neuron, threshold=scale * neuron.threshold)
    response = neuron.response_kernel()
    mean_share = np.array([rate, HIDDEN_RATE]) * np.sum(response) ** 2 / np.sum(response**2)
    xi = training_step.XI * float(np.sqrt((1 + mean_share[0]) / (1 + mean_share[1])))
    initializer = ks.FluctuationDriven(neuron, rate=rate, xi=xi, mean=0.0)
    return {"neuron": neuron, "kernel_initializer": initializer}


def spiking_layers(network, neuron, pool, density):
    """The network in this library's layers."""
    made = []
    for layer in network.layers(density):
        spec, fed = layer.spec, (training_step.fed_at if made else fed_by_input)(layer.rate, neuron)
        if isinstance(spec, Pool):
            made.append(ks.SpikingSumPooling2D(spec.size, neuron=pool))
        elif isinstance(spec, Conv):
            same = "same" if spec.padding else "valid"
            made.append(ks.SpikingConv2D(spec.filters, spec.kernel, padding=same, **fed))
        else:
            if len(layer.inputs) == 3:
                made.append(ks.Flatten())
            made.append(ks.SpikingDense(spec.units, **fed))
    return made


def workload(network, batch, density):
    """The network as training_step.py takes it."""
    return training_step.Workload(
        network.title,
        functools.partial(spiking_layers, network),
        network.input_shape,
        tau=network.tau,
        batch=batch,
        density=density,
    )


def prepare(settings):
    common.set_threads(settings.threads)
    kind, _, neuron = settings.variant.rpartition(" ")
    if not settings.network.specs:
        work = neurons.prepare(neuron, "slayer", True, settings.shape)
        return protocol.Work(work.step, lambda: {"rates": [work.facts()["rate"]]}, PACKAGES)
    work = training_step.prepare(
        workload(settings.network, settings.batch, settings.density),
        (settings.batch, settings.steps),
        settings.density,
        neuron,
        "exponential",
        dense=kind == "dense",
        optimizer=keras.optimizers.Adam if kind == "adam" else ks.ScaledAdam,
        dtype=tf.uint8 if kind == "bytes" else tf.float32,
    )

    def facts():
        found = work.facts()
        return {"rates": found["after"], "losses": found["losses"]}

    return protocol.Work(work.step, facts, PACKAGES)


if __name__ == "__main__":
    keras.utils.disable_interactive_logging()
    protocol.serve(prepare, ("srm", "cuba", "loihi", "bytes srm", "adam srm", "dense srm"))
