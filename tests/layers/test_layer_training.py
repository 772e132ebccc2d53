"""Networks of all kinds train: by model.fit, by hand, under every policy and compile option."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_cases import CASES, model_of, spikes
from network_cases import CLASSES, IMAGE, LOIHI, NETWORKS, SRM, VECTOR, compiled, each, sequential

import keras_slayer as ks


def named(*names):
    return {name: NETWORKS[name] for name in names}


SOME = named("mlp-loihi", "cnn-srm", "around-dense", "subclassed")


@pytest.fixture(params=["mixed_float16", "mixed_bfloat16"])
def mixed_policy(request):
    keras.mixed_precision.set_dtype_policy(request.param)
    yield request.param.removeprefix("mixed_")
    keras.mixed_precision.set_dtype_policy("float32")


def assert_moved(before, after):
    for name, old, new in zip(*zip(*before.items(), strict=True), after.values(), strict=True):
        assert np.all(np.isfinite(new)), name
        assert np.any(old != new), f"{name} has not moved"


def snapshot(model):
    return {weight.path: weight.numpy() for weight in model.trainable_weights}


@each(NETWORKS)
def test_fit_moves_every_trainable_weight(network):
    model = compiled(network.make())
    x, labels = network.data()
    model(x[:1])
    before = snapshot(model)
    assert before
    history = model.fit(x, labels, batch_size=2, epochs=3, verbose=0)
    assert np.all(np.isfinite(history.history["loss"]))
    assert_moved(before, snapshot(model))
    outputs = model.predict(x, batch_size=2, verbose=0)  # the last batch is one sample
    assert outputs.shape[0] == len(x) and outputs.shape[-1] == CLASSES


def test_fit_builds_a_subclassed_model():
    network = NETWORKS["subclassed"]
    model = compiled(network.build())
    assert not model.weights
    model.fit(*network.data(), verbose=0)
    assert [tuple(w.shape) for w in model.trainable_weights] == [(3, 3, 2, 4), (16,), (16, CLASSES)]


@each(named("mlp-loihi", "cnn-srm"))
def test_fit_lowers_the_loss(network):
    model = compiled(network.make(), learning_rate=0.02)
    x, labels = network.data(6)
    loss = model.fit(x, labels, epochs=30, verbose=0).history["loss"]
    assert np.mean(loss[-3:]) < 0.8 * np.mean(loss[:3])


@each(SOME)
def test_custom_loop_reaches_every_trainable_weight(network):
    """A gradient that is not None, not zero and finite; eager and compiled loops agree."""
    model = network.make()
    x, labels = network.data()
    loss = ks.SpikeMaxLoss()

    def gradients(x, labels):
        with tf.GradientTape() as tape:
            value = loss(labels, model(x, training=False))
        return tape.gradient(value, model.trainable_weights)

    eager = gradients(x, labels)
    for weight, grad in zip(model.trainable_weights, eager, strict=True):
        assert grad is not None, weight.path
        assert grad.shape == weight.shape
        assert np.all(np.isfinite(grad)) and np.any(grad != 0), weight.path
    for one, other in zip(eager, tf.function(gradients)(x, labels), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    optimizer = keras.optimizers.SGD(0.1)
    before = snapshot(model)
    optimizer.apply(eager, model.trainable_weights)
    assert_moved(before, snapshot(model))


def test_gradient_reaches_the_input():
    model = NETWORKS["cnn-loihi"].make()
    x = tf.constant(NETWORKS["cnn-loihi"].data()[0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(model(x))
    grad = tape.gradient(total, x)
    assert grad.shape == x.shape and np.any(grad != 0)


@each(named("cnn-loihi", "around-dense", "around-conv", "functional", "subclassed"))
def test_mixed_precision(network, mixed_policy):
    model = compiled(network.make())
    x, labels = network.data()
    outputs = model(x)
    assert outputs.dtype == mixed_policy
    before = snapshot(model)
    # In float16 the first steps only find the loss scale.
    history = model.fit(x, labels, batch_size=3, epochs=10, verbose=0)
    assert np.all(np.isfinite(history.history["loss"]))
    assert all(weight.dtype == "float32" for weight in model.trainable_weights)
    assert_moved(before, snapshot(model))


@pytest.mark.parametrize("name", CASES)
def test_every_layer_under_mixed_precision(name, mixed_policy):
    case = CASES[name]
    layer, x = case.make(), case.spikes()
    y = layer(x)
    assert y.dtype == mixed_policy == layer.compute_dtype
    assert np.all(np.isfinite(tf.cast(y, tf.float32)))


def wide_loihi(shape):
    """More inputs and larger sums than 16-bit floats hold exactly."""
    neuron = ks.LoihiCUBA(threshold_mantissa=3000, current_decay=1000, voltage_decay=300)
    kernel = keras.initializers.RandomNormal(0.0, 2.0, seed=1)
    options = {"neuron": neuron, "kernel_initializer": kernel}
    if len(shape) == 2:
        layers = [ks.SpikingDense(20, **options), ks.SpikingDense(20, **options)]
    else:
        options["kernel_initializer"] = keras.initializers.RandomNormal(0.1, 2.0, seed=1)
        pool = ks.LoihiCUBA(threshold_mantissa=300, current_decay=1000, voltage_decay=300)
        layers = [
            ks.SpikingConv2D(8, 3, **options),
            ks.SpikingSumPooling2D(2, neuron=pool),
            ks.SpikingConv2D(8, 2, groups=2, **options),
            ks.SpikingActivation(LOIHI),
        ]
    return sequential(shape, *layers)


@pytest.mark.parametrize("shape", [(50, 400), (50, 10, 10, 8)], ids=["dense", "conv"])
@pytest.mark.parametrize("density", [0.05, 0.6])
def test_loihi_spikes_are_the_same_under_mixed_precision(shape, density, mixed_policy):
    x = spikes((2, *shape), density)
    mixed = wide_loihi(shape)
    keras.mixed_precision.set_dtype_policy("float32")
    full = wide_loihi(shape)
    full.set_weights(mixed.get_weights())
    expected = full(x).numpy()
    assert 0.01 < expected.mean() < 0.9
    found = mixed(x)
    assert found.dtype == mixed_policy
    np.testing.assert_array_equal(tf.cast(found, tf.float32), expected)


@each(named("cnn-loihi", "subclassed"))
@pytest.mark.parametrize(
    "options",
    [{"jit_compile": True}, {"jit_compile": "auto"}, {"run_eagerly": True}],
    ids=["jit", "auto", "eager"],
)
@pytest.mark.filterwarnings("ignore:Model doesn't support `jit_compile=True`")
def test_compile_options(network, options):
    model = compiled(network.make(), **options)
    assert not model.jit_compile
    x, labels = network.data(3)
    model(x[:1])
    before = snapshot(model)
    history = model.fit(x, labels, epochs=2, verbose=0)
    assert np.all(np.isfinite(history.history["loss"]))
    assert_moved(before, snapshot(model))


@pytest.mark.parametrize(
    "name", ["dense-srm", "conv-cuba", "pool-loihi", "activation-srm", "delay", "filter-taps"]
)
def test_each_layer_keeps_xla_off(name):
    """XLA knows no custom op: Keras is told so, warns and goes on without."""
    case = CASES[name]
    model = model_of(case)
    with pytest.warns(UserWarning, match="Model doesn't support `jit_compile=True`"):
        model.compile(loss="mse", jit_compile=True)
    np.testing.assert_array_equal(model.predict(case.spikes(), verbose=0), model(case.spikes()))


@pytest.mark.parametrize("unknown", ["batch", "batch and time"])
def test_tf_data_with_unknown_sizes(unknown):
    """Time None in the model; batches of 2, 2 and 1 recordings; one batch of a single step."""
    model = sequential(
        (None, *IMAGE[1:]),
        ks.SpikingConv2D(4, 3, neuron=SRM),
        ks.SpikingSumPooling2D(2, padding="same", neuron=SRM),
        ks.Flatten(),
        ks.DelayLayer(),
        ks.SpikingDense(CLASSES, SRM),
        ks.TemporalFilter(SRM),
    )
    assert model.output_shape == (None, None, CLASSES)
    x, labels = spikes((5, *IMAGE), 0.4), np.array([0, 1, 2, 0, 1], "int32")
    dataset = tf.data.Dataset.from_tensor_slices((x, labels)).batch(2)
    if unknown == "batch and time":

        def lengths():
            for steps, start in ((12, 0), (7, 2), (1, 4)):
                yield x[start : start + 2, :steps], labels[start : start + 2]

        signature = (
            tf.TensorSpec((None, None, *IMAGE[1:]), tf.float32),
            tf.TensorSpec((None,), tf.int32),
        )
        dataset = tf.data.Dataset.from_generator(lengths, output_signature=signature)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(3))
    before = snapshot(compiled(model))
    model.fit(dataset, epochs=3, shuffle=False, verbose=0)
    assert_moved(before, snapshot(model))
    assert np.isfinite(model.evaluate(dataset, verbose=0))


def test_order_of_batches_is_irrelevant():
    """Stateless from batch to batch: predictions follow their samples."""
    network = NETWORKS["cnn-srm"]
    model = compiled(network.make())
    x, _ = network.data(6)
    reference = model.predict(x, batch_size=6, verbose=0)
    assert 0 < reference.mean() < 1
    order = np.array([3, 1, 5, 0, 4, 2])
    for batch_size in (1, 2, 4):
        shuffled = model.predict(x[order], batch_size=batch_size, verbose=0)
        np.testing.assert_array_equal(shuffled, reference[order])


def test_frozen_layers_do_not_move():
    model = NETWORKS["mlp-srm"].make()
    model.layers[0].trainable = False
    frozen = model.layers[0].get_weights()[0]
    x, labels = NETWORKS["mlp-srm"].data()
    compiled(model).fit(x, labels, verbose=0)
    np.testing.assert_array_equal(model.layers[0].get_weights()[0], frozen)


def test_dense_takes_time_as_it_is():
    """Keras' Dense acts on the last axis, with or without PerStep."""
    dense = keras.layers.Dense(5)
    bare = sequential(VECTOR, dense, ks.SpikingActivation(SRM))
    wrapped = sequential(VECTOR, ks.PerStep(dense), ks.SpikingActivation(SRM))
    x = spikes((3, *VECTOR))
    np.testing.assert_array_equal(bare(x), wrapped(x))
    assert 0 < np.mean(bare(x)) < 1


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "float16"])
def test_layers_in_other_dtypes(dtype):
    for name, case in CASES.items():
        y = case.make(dtype=dtype)(case.spikes())
        assert y.dtype == dtype, name
