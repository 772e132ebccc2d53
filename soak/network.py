"""The small networks that the parts run, and their data."""

from __future__ import annotations

import functools

import keras
import numpy as np

import keras_slayer as ks

INPUTS, CLASSES, STEPS = 40, 4, 50
BURST, SILENCE = 1000, 600  # steps
BURSTS = 16
QUICK = {
    # Neurons that forget all within SILENCE steps: float32 has no number below 1e-45.
    "srm": ks.SRM(tau_response=3.0, threshold=3.0),
    "cuba": ks.CUBA(voltage_decay=0.25),
    "loihi": ks.LoihiCUBA(voltage_decay=1024),
}


def classifier() -> keras.Model:
    """Without dropout: Keras saves no random state, so its masks are others after a load."""
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [
            keras.Input((STEPS, INPUTS)),
            ks.SpikingDense(32),
            ks.DelayLayer(max_delay=5),
            ks.SpikingDense(CLASSES, neuron="loihi"),
        ]
    )
    model.compile(keras.optimizers.Nadam(0.01), loss=ks.SpikeMaxLoss())
    return model


def samples(count: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Each class spikes more in its quarter of the inputs."""
    random = np.random.default_rng(11)
    labels = np.arange(count) % CLASSES
    rate = np.full((count, 1, INPUTS), 0.02)
    for sample, label in enumerate(labels):
        rate[sample, :, label * 10 : label * 10 + 10] = 0.15
    return (random.random((count, STEPS, INPUTS)) < rate).astype(np.float32), labels


def live(neuron: str = "srm") -> keras.Model:
    """A chain that a stream takes, with inputs strong enough that it spikes."""
    keras.utils.set_random_seed(5)
    layers = [ks.SpikingDense(32, neuron=QUICK[neuron]), ks.SpikingDense(8, neuron=QUICK[neuron])]
    model = keras.Sequential([keras.Input((None, INPUTS)), *layers])
    random = np.random.default_rng(3)
    for layer in layers:
        kernel = layer.weights[0]
        values = random.normal(0.35, 0.8, kernel.shape)
        kernel.assign(np.clip(np.round(32 * values) / 32, -4, 3.96))
    return model


@functools.cache
def _burst(number: int) -> np.ndarray:
    random = np.random.default_rng([number, 1])
    return (random.random((BURST, INPUTS)) < 0.02).astype(np.float32)


def burst(number: int) -> np.ndarray:
    """(BURST, INPUTS): the spikes of a burst. They come again after BURSTS of them."""
    return _burst(number % BURSTS)
