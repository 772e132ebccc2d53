"""Networks of Xylo, and models that export to it."""

import keras
import numpy as np

import keras_slayer as ks
from keras_slayer.export.xylo import XyloDense, XyloLIF, XyloRecurrentDense
from keras_slayer.export.xylo.network import XyloNetwork

STEPS = 16
"""Of the models: few, as each is run step by step."""


def random_network(seed: int, loud: bool = False) -> XyloNetwork:
    """Any network of the chip; ``loud``: one whose sums leave 16 bits on the way, both ways."""
    rng = np.random.default_rng(seed)
    inputs, hidden, outputs = rng.integers(4, 17), rng.integers(8, 60), rng.integers(1, 9)
    fed = rng.integers(4, hidden + 1)

    def weights(*shape):
        reach = 127 if loud else rng.choice([10, 60, 127])
        drawn = rng.integers(-reach - 1, reach + 1, shape) * (rng.random(shape) < 0.7)
        return drawn.astype(np.int8)

    def each(count, low, high, dtype=np.uint8):
        return rng.integers(low, high + 1, count).astype(dtype)

    least, most = (1, 400) if loud else (30, 2000)
    return XyloNetwork(
        weights_in=weights(inputs, fed),
        weights_rec=weights(hidden, hidden),
        weights_out=weights(hidden, outputs),
        dash_syn=each(hidden, 8 if loud else 1, 15 if loud else 6),
        dash_mem=each(hidden, 1, 15),
        threshold=each(hidden, least, most, np.int16),
        dash_syn_out=each(outputs, 1, 15 if loud else 6),
        dash_mem_out=each(outputs, 1, 15),
        threshold_out=each(outputs, least, most, np.int16),
    )


def random_counts(seed: int, samples: int, steps: int, inputs: int, most: int = 15) -> np.ndarray:
    """Spikes of inputs, several in a step at times: int64 (samples, steps, inputs)."""
    rng = np.random.default_rng(seed)
    spiking = rng.random((samples, steps, inputs)) < 0.2
    return spiking * rng.integers(1, most + 1, spiking.shape)


def output_layer(units: int = 4, initializer=None, **options) -> XyloDense:
    neuron = XyloLIF(max_spikes=1, **options)
    return XyloDense(units, neuron, kernel_initializer=initializer, name="output")


def deep_model(steps: int = 40) -> keras.Sequential:
    """Loops, three kinds of neurons, two steps of latency, several spikes in a step."""
    lively = keras.initializers.RandomNormal(0.1, 0.5, seed=0)
    return keras.Sequential(
        [
            keras.Input((steps, 4, 2, 2)),
            ks.Flatten(),
            XyloRecurrentDense(24, XyloLIF(threshold=60, dash_syn=1, dash_mem=3), name="loops"),
            keras.layers.Dropout(0.5),
            XyloDense(
                20, XyloLIF(dash_syn=3, dash_mem=4), kernel_initializer=lively, name="middle"
            ),
            output_layer(initializer=lively, threshold=60, dash_mem=5),
        ],
        name="deep",
    )


def chain(*layers, inputs=16, name="model"):
    return keras.Sequential([keras.Input((STEPS, inputs)), *layers], name=name)


def small_model(**options):
    return chain(XyloDense(20, name="hidden"), output_layer(**options))
