"""Training holds no more memory after many steps than after a few."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_slayer as ks

STATUS = pathlib.Path("/proc/self/status")
STEPS, SETTLED = 500, 150


def resident_bytes() -> int:
    fields = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return 1024 * int(fields["VmRSS"].split()[0])


@pytest.mark.skipif(not STATUS.exists(), reason="Linux tells a process its memory")
def test_memory_is_flat_over_500_steps_of_training():
    rng = np.random.default_rng(1)
    x = tf.constant(rng.random((2, 40, 12, 12, 2)) < 0.05, tf.float32)
    y = tf.constant([0, 1])
    model = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            ks.SpikingConv2D(8, 3, padding="same"),
            ks.SpikingSumPooling2D(2),
            ks.DelayLayer(max_delay=5),
            ks.SpikingConv2D(8, 3, neuron="cuba"),
            ks.Flatten(),
            ks.SpikingDense(64, neuron="loihi"),
            ks.SpikingDense(2),
        ]
    )
    model.compile("adam", loss=ks.SpikeMaxLoss())
    resident = []
    for _ in range(STEPS):
        model.train_on_batch(x, y)
        resident.append(resident_bytes())
    largest_tensor = 4 * 2 * 40 * 12 * 12 * 8  # of a layer's output
    growth = max(resident) - max(resident[:SETTLED])
    assert growth < 0.02 * (STEPS - SETTLED) * largest_tensor
