"""Models for the exporter, and what every one of them must do."""

import keras
import numpy as np

import keras_slayer as ks
from keras_slayer.export import LoihiSimulator, export_loihi

STEPS = 40


NEURON = ks.LoihiCUBA(threshold_mantissa=80, current_decay=1024, voltage_decay=128)


FAST = ks.LoihiCUBA(threshold_mantissa=100, current_decay=4096, voltage_decay=4096)


Uniform = keras.initializers.RandomUniform


TimeDistributed = keras.layers.TimeDistributed


def delay(longest, per="channel", seed=0, **options):
    return ks.DelayLayer(
        longest, per=per, delay_initializer=Uniform(0, longest, seed=seed), **options
    )


def chain(shape, *layers):
    return keras.Sequential([keras.Input((STEPS, *shape)), *layers])


def functional(shape, *layers):
    inputs = value = keras.Input((STEPS, *shape))
    for layer in layers:
        value = layer(value)
    return keras.Model(inputs, value)


def enliven(model, seed=0, grid=False, mean=0.15):
    """Random kernels that make the network fire; with ``grid`` of the chip's weights."""
    rng = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        if variable.name in ("kernel", "depthwise_kernel"):
            fan_in = np.prod(variable.shape[:-1])
            kernel = rng.normal(mean, 1.5 / np.sqrt(fan_in) + 0.2, variable.shape)
            variable.assign(np.rint(kernel * 32) / 32 if grid else kernel)
    return model


def spikes_for(model, density=0.15, batch=3):
    rng = np.random.default_rng(5)
    return (rng.random((batch, STEPS, *model.input_shape[2:])) < density).astype(np.float32)


def assert_same_spikes(model, tmp_path):
    """Exports ``model``, and finds every spike of it in the simulator."""
    spikes = spikes_for(model)
    expected = keras.ops.convert_to_numpy(model(spikes))
    assert 0.01 < expected.mean() < 0.9
    report = export_loihi(model, tmp_path / "a.net", calibration=spikes)
    np.testing.assert_array_equal(LoihiSimulator(tmp_path / "a.net").run(spikes), expected)
    assert report.exact
    assert report.calibration.differing == 0
    return report
