"""PerStep: any Keras layer on each time step, in one call, as TimeDistributed computes it."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_cases import spikes

import keras_slayer as ks
from keras_slayer.export import export_loihi, to_loihi

BATCH, STEPS = 3, 7
LAYERS = {
    "dense": (lambda: keras.layers.Dense(4, activation="tanh"), (5,)),
    "conv": (lambda: keras.layers.Conv2D(4, 3, strides=2, padding="same"), (6, 5, 2)),
    "pool": (lambda: keras.layers.AveragePooling2D(2), (6, 5, 2)),
    "flatten": (lambda: keras.layers.Flatten(), (6, 5, 2)),
    "reshape": (lambda: keras.layers.Reshape((2, 15, 2)), (6, 5, 2)),
    "gru": (lambda: keras.layers.GRU(3), (4, 5)),
    "normalisation": (lambda: keras.layers.BatchNormalization(), (5,)),
    "model": (
        lambda: keras.Sequential(
            [keras.layers.Conv2D(3, 2), keras.layers.Flatten(), keras.layers.Dense(4)]
        ),
        (6, 5, 2),
    ),
}
every_layer = pytest.mark.parametrize("make, shape", LAYERS.values(), ids=LAYERS.keys())


def data(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=(BATCH, STEPS, *shape)).astype("float32")


def outputs_and_gradients(layer, x):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        loss = tf.reduce_sum(y * tf.reshape(tf.range(tf.size(y), dtype=y.dtype), y.shape))
    return y, *tape.gradient(loss, [x, *layer.trainable_variables])


@every_layer
def test_outputs_and_gradients_are_those_of_time_distributed(make, shape):
    inner, x = make(), data(*shape)
    ours, theirs = ks.PerStep(inner), keras.layers.TimeDistributed(inner)
    ours(x), theirs(x)
    assert len(ours.trainable_variables) == len(theirs.trainable_variables)
    results = outputs_and_gradients(ours, x), outputs_and_gradients(theirs, x)
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-3)
    assert np.any(results[0][0] != 0)


@every_layer
def test_shapes_known_and_unknown(make, shape):
    x = data(*shape)
    expected = keras.layers.TimeDistributed(inner := make())(x).numpy()
    for batch, steps in ((BATCH, STEPS), (None, STEPS), (None, None)):
        inputs = keras.Input(batch_shape=(batch, steps, *shape))
        outputs = ks.PerStep(inner)(inputs)
        assert outputs.shape == (batch, steps, *expected.shape[2:])
        model = keras.Model(inputs, outputs)
        np.testing.assert_allclose(model(x), expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-5)
    layer = ks.PerStep(inner)
    assert layer.compute_output_shape(x.shape) == expected.shape
    assert layer.compute_output_shape((None, None, *shape)) == (None, None, *expected.shape[2:])


@pytest.mark.parametrize("batch, steps", [(0, STEPS), (BATCH, 0)])
def test_empty(batch, steps):
    x = np.zeros((batch, steps, 6, 5, 2), "float32")
    assert ks.PerStep(keras.layers.MaxPooling2D(2))(x).shape == (batch, steps, 3, 2, 2)
    assert ks.PerStep(keras.layers.Flatten())(x).shape == (batch, steps, 60)


def test_is_one_call_whatever_the_number_of_steps():
    layer = ks.PerStep(keras.layers.Conv2D(4, 3))
    graph = tf.function(layer).get_concrete_function(tf.zeros((2, 50, 6, 5, 2))).graph
    assert [op.type for op in graph.get_operations()].count("Conv2D") == 1


def test_training_reaches_the_layer():
    x = data(50)
    layer = ks.PerStep(keras.layers.Dropout(0.5, seed=1))
    np.testing.assert_array_equal(layer(x), x)
    dropped = layer(x, training=True).numpy()
    assert 0.4 < np.mean(dropped == 0) < 0.6
    kept = np.all((dropped == 0) == (dropped[:, :1] == 0))
    assert not kept  # each step is dropped apart

    normalised = ks.PerStep(keras.layers.BatchNormalization())(3 * x + 1, training=True)
    np.testing.assert_allclose(np.mean(normalised, axis=(0, 1)), 0, atol=1e-5)
    np.testing.assert_allclose(
        normalised, keras.layers.BatchNormalization()(3 * x + 1, training=True), atol=1e-4
    )


def test_losses_and_frozen_weights():
    layer = ks.PerStep(keras.layers.Dense(4, kernel_regularizer="l2", activity_regularizer="l1"))
    layer(data(5))
    assert len(layer.losses) == 2
    assert [v.path.rsplit("/")[-1] for v in layer.trainable_variables] == ["kernel", "bias"]
    layer.trainable = False
    assert layer.trainable_variables == [] and len(layer.weights) == 2


@pytest.mark.parametrize("policy", ["float64", "mixed_float16", "bfloat16"])
def test_the_policy_is_that_of_the_layer(policy):
    layer = ks.PerStep(keras.layers.Dense(4, dtype=policy))
    x = data(5).astype("float64" if policy == "float64" else "float32")
    y = layer(x)
    assert y.dtype == layer.layer.compute_dtype
    np.testing.assert_array_equal(y[:, 2], layer.layer(x[:, 2]))
    inputs = keras.Input((None, 5), dtype=x.dtype.name)
    assert layer(inputs).dtype == layer.layer.compute_dtype
    again = ks.PerStep.from_config(layer.get_config())
    assert again.dtype_policy == layer.dtype_policy == again.layer.dtype_policy


def test_bytes():
    x = spikes((2, STEPS, 4, 3, 2)).astype("uint8")
    y = ks.PerStep(keras.layers.Flatten())(x)
    assert y.dtype == "uint8"
    np.testing.assert_array_equal(y, x.reshape(2, STEPS, -1))


def test_masks():
    """Of steps: handed on. Within steps: given to the layer, handed on while the axes stay."""
    inputs = keras.Input((None, 5))
    hidden = ks.PerStep(keras.layers.Dense(4))(keras.layers.Masking()(inputs))
    model = keras.Model(inputs, keras.layers.LSTM(2)(hidden))
    x = data(5)
    x[:, 4:] = 0
    np.testing.assert_allclose(model(x), model(x[:, :4]), rtol=1e-5)
    assert np.any(model(x) != model(x[:, :3]))

    inputs = keras.Input((None, None, 5))
    hidden = ks.PerStep(keras.layers.Dense(4))(keras.layers.Masking()(inputs))
    model = keras.Model(inputs, ks.PerStep(keras.layers.LSTM(2))(hidden))
    x = data(6, 5)
    x[:, :, 3:] = 0
    np.testing.assert_allclose(model(x), model(x[:, :, :3]), rtol=1e-5)
    assert np.any(model(x) != model(x[:, :, :2]))

    layer = ks.PerStep(keras.layers.Flatten())
    mask = np.ones(x.shape[:3], bool)
    assert layer.compute_mask(tf.constant(x), tf.constant(mask)) is None
    assert layer.compute_mask(tf.constant(x), None) is None


def test_several_tensors(tmp_path):
    """A model of two inputs and a dict of outputs, saved and loaded."""
    first, second = keras.Input((5,)), keras.Input((5,))
    inner = keras.Model(
        [first, second],
        {"sum": keras.layers.Add()([first, second]), "dense": keras.layers.Dense(3)(first)},
    )
    inputs = [keras.Input((None, 5)), keras.Input((None, 5))]
    model = keras.Model(inputs, ks.PerStep(inner, name="both")(inputs))
    x = [data(5), data(5, seed=1)]
    found = model(x)
    np.testing.assert_allclose(found["sum"], x[0] + x[1], rtol=1e-6)
    np.testing.assert_allclose(
        found["dense"][:, 2], inner([a[:, 2] for a in x])["dense"], rtol=1e-5
    )
    shapes = ks.PerStep(keras.layers.Add()).compute_output_shape([(2, 7, 5), (2, 7, 5)])
    assert shapes == (2, 7, 5)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.get_layer("both")) is ks.PerStep
    np.testing.assert_array_equal(loaded(x)["dense"], found["dense"])


def test_is_exported_as_the_layer_itself(tmp_path):
    """The same file as with Keras' own wrapper."""
    files = []
    for wrapper in (ks.PerStep, keras.layers.TimeDistributed):
        keras.utils.set_random_seed(3)
        model = keras.Sequential(
            [
                keras.Input((None, 6, 6, 2)),
                wrapper(keras.layers.Conv2D(4, 3, use_bias=False), name="conv"),
                ks.SpikingActivation("loihi", name="spikes"),
                wrapper(keras.layers.Flatten(), name="flatten"),
                wrapper(keras.layers.Dropout(0.2), name="dropout"),
                wrapper(keras.layers.Dense(5, use_bias=False), name="dense"),
                ks.SpikingActivation("loihi", name="out"),
            ]
        )
        report = export_loihi(model, tmp_path / f"{wrapper.__name__}.net")
        files.append((tmp_path / f"{wrapper.__name__}.net").read_bytes())
    assert [layer.type for layer in report.layers] == ["Conv2D", "Dense"]
    assert files[0] == files[1]
    x = spikes((4, STEPS, 6, 6, 2))
    converted = to_loihi(model, x)
    kinds = [type(layer) for layer in converted.layers]
    assert kinds == [type(layer) for layer in model.layers]
    model = keras.Sequential(
        [
            keras.Input((None, 6, 6, 2)),
            ks.PerStep(keras.layers.UpSampling2D(2)),
            ks.SpikingConv2D(3, 3, neuron="loihi"),
        ]
    )
    with pytest.raises(ValueError, match="a PerStep UpSampling2D has no counterpart"):
        export_loihi(model, tmp_path / "none.net")


@pytest.mark.parametrize(
    "layer, message",
    [
        (lambda: 3, "must be a keras.layers.Layer. Received: layer=3"),
        (lambda: ks.SpikingDense(3), "SpikingDense takes input with the axes (batch, time, ...)"),
        (lambda: ks.Flatten(), "use it without PerStep. Received: layer=<Flatten"),
        (
            lambda: keras.Sequential([keras.layers.Dense(2), ks.DelayLayer()]),
            "DelayLayer takes input with the axes",
        ),
        (lambda: keras.layers.GRU(3, stateful=True), "must not keep state from call to call"),
        (
            lambda: keras.layers.Bidirectional(keras.layers.GRU(3, stateful=True)),
            "stateful=True): time steps are samples to it. Received: layer=<Bidirectional",
        ),
    ],
    ids=["no layer", "spiking", "flatten", "in a model", "stateful", "in a wrapper"],
)
def test_refused(layer, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ks.PerStep(layer())


def test_input_without_time():
    with pytest.raises(
        ValueError, match=r"the axes \(batch, time, ...\). Received: input_shape=\(3,"
    ):
        ks.PerStep(keras.layers.Dense(2))(np.ones(3))
