"""Profiles of Loihi models against the simulator of the chip, which counts on its own."""

import keras
import numpy as np
import pytest
from connections import conv, count, matrix

import keras_slayer as ks
from keras_slayer.export import LoihiSimulator

STEPS, SAMPLES = 20, 4
NEURON = ks.LoihiCUBA(threshold_mantissa=60, current_decay=2048, voltage_decay=256, weight_bits=5)


def weights(seed):
    return keras.initializers.RandomNormal(0.1, 0.4, seed=seed)


def dense():
    return (9,), [
        ks.SpikingDense(8, NEURON, kernel_initializer=weights(1)),
        ks.SpikingDense(6, NEURON, kernel_initializer=weights(2)),
        ks.SpikingDense(4, NEURON, kernel_initializer=weights(3)),
    ]


def convolutions():
    return (7, 6, 2), [
        ks.SpikingConv2D(4, 3, padding="same", neuron=NEURON, kernel_initializer=weights(1)),
        ks.SpikingSumPooling2D(2, neuron=NEURON),
        ks.SpikingConv2D(4, 2, groups=2, neuron=NEURON, kernel_initializer=weights(2)),
        ks.Flatten(),
        ks.SpikingDense(4, NEURON, kernel_initializer=weights(3)),
    ]


def of_last_step(layer, inputs):
    """Operations of the spikes that would arrive after the run, per sample."""
    last = inputs[:, -1]
    if isinstance(layer, ks.SpikingDense):
        rows = matrix(np.asarray(layer.quantized_kernel()))
    elif isinstance(layer, ks.SpikingConv2D):
        kernel = np.asarray(layer.quantized_kernel())
        rows = conv(last.shape[1:], kernel, layer.strides, layer.dilation_rate, layer.padding)
    else:
        channels = last.shape[-1]
        rows = conv(last.shape[1:], np.ones((*layer.pool_size, 1, channels)), layer.strides,
                    (1, 1), layer.padding)  # fmt: skip
    return count(list(rows), last)[1] / SAMPLES


@pytest.mark.parametrize("chain", [dense, convolutions])
def test_operations_are_those_of_the_simulated_chip(chain, tmp_path):
    """And those of the spikes of the last step, for which the chip's run has no step left."""
    shape, layers = chain()
    model = keras.Sequential([keras.Input((STEPS, *shape)), *layers])
    x = (np.random.default_rng(0).random((SAMPLES, STEPS, *shape)) < 0.3).astype("float32")
    model.export_loihi(tmp_path / "net.net")
    run = LoihiSimulator(tmp_path / "net.net").record(x)
    found = ks.profile(model, x, batch_size=3)
    rest, inputs = iter(run.layers), x
    for layer in layers:
        outputs = layer(inputs).numpy()
        if not isinstance(layer, ks.Flatten):
            chip, ours = next(rest), found[layer.name]
            missing = of_last_step(layer, inputs)
            assert missing > 0
            assert ours.acs == chip.synaptic_operations.mean() + missing
            assert ours.spikes == pytest.approx(chip.spike_counts.mean())
            assert ours.neuron_updates == chip.neurons * chip.steps
            assert 0 < ours.acs < ours.dense
        inputs = outputs
    assert found.total.macs == 0 and found.total.counted
