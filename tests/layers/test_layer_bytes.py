"""Models whose input is uint8 or bool do what they do with the same spikes in floats."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_cases import STEPS, every_case, model_of, spikes

import keras_slayer as ks
from keras_slayer.events import spike_pipeline
from keras_slayer.export import LoihiSimulator


def with_input(model, dtype):
    """The same layers, weights and all, behind an input of another dtype."""
    inputs = keras.Input(model.input_shape[1:], dtype=dtype)
    x = inputs
    for layer in model.layers:
        x = x if isinstance(layer, keras.layers.InputLayer) else layer(x)
    return keras.Model(inputs, x)


@pytest.mark.parametrize("dtype", ["uint8", "bool", "int32"])
@every_case
def test_every_layer(case, dtype):
    model = model_of(case)
    x = case.spikes()
    expected = model(x)
    actual = with_input(model, dtype)(tf.cast(x, dtype))
    np.testing.assert_array_equal(tf.cast(actual, expected.dtype), expected)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_winner_take_all_and_policies(policy):
    model = keras.Sequential(
        [
            keras.Input((STEPS, 6)),
            ks.WinnerTakeAll(dtype=policy),
            ks.SpikingDense(3, dtype=policy),
        ]
    )
    x = spikes((2, STEPS, 6))
    with_bytes = with_input(model, "uint8")
    np.testing.assert_array_equal(with_bytes(tf.cast(x, "uint8")), model(x))


NETWORK_SHAPE = (STEPS, 12, 12, 2)


def network(dtype, neuron="srm"):
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input(NETWORK_SHAPE, dtype=dtype),
            ks.SpikingConv2D(4, 3, neuron=neuron),
            ks.SpikingSumPooling2D(2, neuron=neuron),
            ks.Flatten(),
            ks.SpikingDense(3, neuron=neuron),
        ]
    )


@pytest.mark.parametrize("dtype", ["uint8", "bool"])
def test_fit_takes_the_same_steps(dtype):
    x, y = spikes((8, *NETWORK_SHAPE)), np.arange(8) % 3
    weights = []
    for of_model, data in (("float32", x), (dtype, x.astype(dtype))):
        model = network(of_model)
        model.compile(ks.ScaledAdam(0.01), ks.SpikeMaxLoss())
        before = model.get_weights()
        model.fit(data, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
        assert any(np.any(a != b) for a, b in zip(before, model.get_weights(), strict=True))
        weights.append(model.get_weights())
    for actual, expected in zip(weights[1], weights[0], strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_fit_on_a_pipeline_of_bytes():
    """The events' own pipeline in uint8, at a fourth of the memory."""
    rng = np.random.default_rng(0)
    events = {
        "t": np.sort(rng.integers(0, 1000 * STEPS, (8, 300))),
        "x": rng.integers(0, 12, (8, 300)),
        "y": rng.integers(0, 12, (8, 300)),
        "polarity": rng.integers(0, 2, (8, 300)).astype(bool),
    }
    data = tf.data.Dataset.from_tensor_slices((events, np.arange(8) % 3))
    batches = {
        dtype: spike_pipeline(
            data, sensor_shape=(12, 12, 2), steps=STEPS, batch_size=4, dtype=dtype
        )
        for dtype in ("uint8", "bool", "float32")
    }
    for batch, expected in zip(batches["uint8"], batches["float32"], strict=True):
        assert batch[0].dtype == tf.uint8
        np.testing.assert_array_equal(tf.cast(batch[0], tf.float32), expected[0])
    for dtype in ("uint8", "bool"):
        model = network(dtype)
        model.compile(ks.ScaledAdam(0.01), ks.SpikeMaxLoss())
        history = model.fit(batches[dtype], shuffle=False, verbose=0)
        assert np.isfinite(history.history["loss"][0])


def test_save_and_load(tmp_path):
    model = network("uint8")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.inputs[0].dtype == "uint8"
    x = spikes((2, *NETWORK_SHAPE)).astype("uint8")
    np.testing.assert_array_equal(loaded(x), model(x))


def test_export_and_simulate(tmp_path):
    x = spikes((2, *NETWORK_SHAPE))
    runs = []
    for dtype in ("float32", "uint8"):
        model = network(dtype, ks.LoihiCUBA(80, 2048, 500))
        model.export_loihi(tmp_path / "network.net", calibration=x.astype(dtype))
        runs.append(LoihiSimulator(tmp_path / "network.net").run(x.astype(dtype)))
        np.testing.assert_array_equal(model(x.astype(dtype)), runs[-1])
    np.testing.assert_array_equal(*runs)
    assert runs[0].sum() > 0
