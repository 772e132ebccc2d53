"""Layers of LoihiCUBA neurons with a bias: the chip's network, training, all that runs it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_slayer as ks
from keras_slayer.export import LoihiSimulator
from keras_slayer.export.network import (
    IntegerConv,
    IntegerDense,
    IntegerFlatten,
    IntegerNetwork,
    IntegerNeuron,
)
from keras_slayer.ops import library

STEPS = 12
NEURON = ks.LoihiCUBA(160, 1000, 400)
SPREAD = keras.initializers.RandomUniform(-0.6, 0.9, seed=3)
LEARN = ("threshold_mantissa", "voltage_decay")


def lively():
    return ks.FluctuationDriven(NEURON, xi=1.2, mean=0.1)


def network(gradient="slayer", learn=None, dtype=None):
    keras.utils.set_random_seed(1)
    neuron = ks.LoihiCUBA(160, 1000, 400, gradient=gradient)
    options = {
        "neuron": neuron,
        "use_bias": True,
        "bias_initializer": SPREAD,
        "kernel_initializer": lively(),
        "learn": learn,
        "dtype": dtype,
    }
    return keras.Sequential(
        [
            keras.Input((STEPS, 8, 8, 2)),
            ks.SpikingConv2D(5, 3, name="conv", **options),
            ks.SpikingSumPooling2D(2, neuron=neuron, dtype=dtype),
            ks.Flatten(),
            ks.SpikingDense(64, name="dense", **options),
            ks.SpikingRecurrentDense(20, name="own", recurrent_initializer=lively(), **options),
        ]
    )


def spikes(samples=2, density=0.2, shape=(8, 8, 2)):
    return (np.random.default_rng(0).random((samples, STEPS, *shape)) < density).astype("float32")


def integers(x) -> np.ndarray:
    return np.asarray(64 * x).astype(np.int32)


def test_it_is_the_network_of_the_chip():
    """Convolution and dense layers against plain loops over integers, at every depth."""
    keras.utils.set_random_seed(1)
    options = {"neuron": NEURON, "use_bias": True, "bias_initializer": SPREAD}
    options["kernel_initializer"] = lively()
    model = keras.Sequential(
        [
            keras.Input((STEPS, 8, 8, 2)),
            ks.SpikingConv2D(5, 3, strides=2, **options),
            ks.Flatten(),
            ks.SpikingDense(64, **options),
            ks.SpikingDense(9, **options),
        ]
    )
    conv, _, *dense = model.layers
    neuron = IntegerNeuron(NEURON.current_decay, NEURON.voltage_decay, NEURON.threshold_mantissa)
    kernel, bias = integers(conv.quantized_kernel()), integers(conv.quantized_bias())
    layers = [IntegerConv(kernel, neuron, strides=(2, 2), bias=bias), IntegerFlatten()]
    for layer in dense:
        kernel, bias = integers(layer.quantized_kernel()), integers(layer.quantized_bias())
        assert len(np.unique(bias)) > 4
        layers.append(IntegerDense(kernel, neuron, bias=bias))
    x = spikes()
    x[0, :5] = 0  # where the bias alone acts
    network = IntegerNetwork((8, 8, 2), tuple(layers))
    chip = LoihiSimulator.from_network(network, engine="numpy").record(x, "spikes")
    expected = [layer.spikes for layer in chip.layers]
    assert all(0.01 < fired.mean() < 0.9 for fired in expected)
    assert all(fired[0, :5].any() for fired in expected)
    for depth, fired in zip((1, 3, 4), expected, strict=True):
        part = keras.Sequential(model.layers[:depth])
        np.testing.assert_array_equal(part(x), fired)


def gradients(model, x):
    with tf.GradientTape() as tape:
        y = model(x)
        loss = tf.reduce_sum(y * tf.reshape(tf.range(tf.size(y), dtype=y.dtype), tf.shape(y)))
    values = [variable.value for variable in model.trainable_variables]
    paths = [variable.path for variable in model.trainable_variables]
    return y, dict(zip(paths, tape.gradient(loss, values), strict=True))


@pytest.mark.parametrize(
    ("gradient", "learn", "dtype", "density"),
    [
        ("slayer", None, "float32", 0.05),
        ("exodus", LEARN, "float64", 0.3),
    ],
)
def test_the_backends_are_equal(gradient, learn, dtype, density, monkeypatch):
    model, x = network(gradient, learn, dtype), tf.constant(spikes(density=density))
    model = keras.Sequential(model.layers[:4])  # tests/ops has neurons that feed each other
    got, native = tf.function(gradients)(model, x)
    monkeypatch.setattr(library, "native", lambda: None)
    expected, reference = tf.function(gradients)(model, x)
    assert 0.005 < expected.numpy().mean() < 0.9
    np.testing.assert_array_equal(got, expected)
    for path, want in reference.items():
        scale = np.abs(want).max()
        assert scale > 0, path
        np.testing.assert_allclose(native[path] / scale, want / scale, atol=2e-4, err_msg=path)


def built(bias, units=3, neuron="loihi", **options):
    layer = ks.SpikingDense(units, neuron, use_bias=True, **options)
    layer.build((None, None, 4))
    layer.bias.assign(bias)
    return layer


def test_quantized_bias():
    layer = built([0.26, -64.3, 99.0])
    np.testing.assert_array_equal(layer.quantized_bias(), [17 / 64, -64, 4095 / 64])
    np.testing.assert_array_equal(layer.neuron_now().bias, [17, -4096, 4095])
    assert layer.neuron.bias is None
    for weight in (layer.bias, built([0.0] * 3, dtype="mixed_bfloat16").bias):
        assert weight.dtype == "float32"
    half = built([63.984375, 1.0, 20.015625], dtype="float16")  # whose next numbers are 64, 20
    assert integers(half.quantized_bias()).tolist() == [4095, 64, 1281]
    plain = built([0.26, 1.0, 2.0], neuron="cuba")
    np.testing.assert_array_equal(plain.quantized_bias(), plain.bias)
    assert ks.SpikingDense(3, "loihi").quantized_bias() is None


def test_a_bias_out_of_range_is_clipped_and_has_no_gradient():
    layer, x = built([0.26, -64.3, 99.0]), tf.zeros((2, STEPS, 4))
    with tf.GradientTape() as tape:
        fired = layer(x)
        loss = tf.reduce_sum(fired)
    grad = tape.gradient(loss, layer.bias.value).numpy()
    assert grad[0] > 0 and grad[1:].tolist() == [0, 0]
    assert fired.numpy()[..., 2].min() == 1  # also in the first step
    layer.bias.assign([0.26, -64.0, 4095 / 64])
    np.testing.assert_array_equal(layer(x), fired)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_computes_the_same_integers(dtype):
    x = spikes(shape=(30,))
    bias = np.random.default_rng(1).uniform(-0.5, 1.5, 64)
    layers = []
    for policy in ("float32", dtype):
        keras.utils.set_random_seed(1)
        layer = ks.SpikingDense(64, NEURON, use_bias=True, dtype=policy)
        layer.build(x.shape)
        layer.bias.assign(bias)
        layers.append(layer)
    expected, got = (np.asarray(layer(x), "float32") for layer in layers)
    assert expected.any()
    np.testing.assert_array_equal(got, expected)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layers[1](x))
    grad = tape.gradient(loss, layers[1].bias.value)
    assert grad.dtype == tf.float32 and np.all(np.isfinite(grad)) and np.any(grad != 0)


def test_training_and_saving(tmp_path):
    model, x = network(learn=LEARN), spikes(6)
    firing = {"bias_initializer": keras.initializers.Constant(0.5), "use_bias": True}
    out = ks.SpikingDense(2, NEURON, kernel_initializer=lively(), **firing)
    model = keras.Sequential([keras.Input(x.shape[1:]), *model.layers[:3], out])
    model.compile(keras.optimizers.Adam(0.01), ks.SpikeMaxLoss())
    labels = np.arange(6) % 2
    before = [np.asarray(w) for w in model.trainable_variables]
    losses = model.fit(x, labels, epochs=15, batch_size=6, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]
    for weight, value in zip(model.trainable_variables, before, strict=True):
        assert np.any(np.asarray(weight) != value), weight.path
    expected = model(x)
    model.save(tmp_path / "a.keras")
    loaded = keras.saving.load_model(tmp_path / "a.keras")
    np.testing.assert_array_equal(loaded(x), expected)
    settled = keras.Sequential([x.settled() if hasattr(x, "settled") else x for x in loaded.layers])
    assert settled.layers[0].bias is not loaded.layers[0].bias
    assert not settled.layers[0].learned_parameters()
    np.testing.assert_array_equal(settled(x), expected)


def test_silent_input_is_learned_by_the_bias_alone():
    """One neuron is to fire, the others not; a bias goes both ways."""
    layer, x = built([0.0, 0.0, 0.5], neuron=NEURON), tf.zeros((1, STEPS, 4))
    wanted = tf.constant([0.5, 0.0, 0.0])
    optimizer = keras.optimizers.Adam(0.1)
    for _ in range(40):
        with tf.GradientTape() as tape:
            rates = tf.reduce_mean(layer(x), axis=[0, 1])
            loss = tf.reduce_sum((rates - wanted) ** 2)
        optimizer.apply([tape.gradient(loss, layer.bias.value)], [layer.bias])
    assert abs(rates[0] - 0.5) < 0.1 and rates[1] == rates[2] == 0
    assert layer.bias.numpy()[0] > 0.5 and layer.bias.numpy()[2] < 0.5


def test_states_and_single_steps():
    """`stream/` runs all layers in chunks and in steps; a layer alone returns its state."""
    model, x = network(learn=LEARN), spikes(1)
    expected = np.asarray(model(x))
    stream = ks.Stream(model)
    for t in range(STEPS):
        fired = stream.step(np.flatnonzero(x[0, t]))
        np.testing.assert_array_equal(fired, np.flatnonzero(expected[0, t]))
    assert expected.any()
    options = {"use_bias": True, "bias_initializer": SPREAD, "return_state": True}
    layer = ks.SpikingDense(12, NEURON, **options)
    x = spikes(2, 0.3, (30,))
    whole, _ = layer(x)
    first, state = layer(x[:, :6])
    second, _ = layer(x[:, 6:], initial_state=state)
    np.testing.assert_array_equal(tf.concat([first, second], axis=1), whole)


def test_a_record_has_what_the_neurons_felt():
    model, x = network(), spikes(1)
    for layer in ks.record(model, x).values():
        if layer.neuron is not None and layer.name != "own":
            fired, membrane = layer.neuron.fire(layer.current)
            np.testing.assert_array_equal(fired, layer.spikes)
            np.testing.assert_array_equal(membrane, layer.membrane)
