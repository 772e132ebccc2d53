"""Exact gradients of long recordings, from chunks of time: those of plain training."""

import contextlib
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from stream_cases import excitable, sequential, spikes

import keras_slayer as ks
from keras_slayer.ops import library

LABELS, WEIGHTS = np.array([0, 2]), np.array([0.5, 2.0])
STEPS_OF_A_CHUNK = 7  # of 24: the last chunk is shorter
NATIVE = {
    "srm": ks.SRM,
    "cuba": ks.CUBA,
    "loihi": ks.LoihiCUBA,
    "alif": ks.ALIF,
    "rf": functools.partial(ks.ResonateAndFire, 0.2),
}


@pytest.fixture(autouse=True)
def in_doubles():
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(before[0])
    keras.config.set_dtype_policy(before[1])


@keras.saving.register_keras_serializable(package="exact_gradients")
class Leaky(ks.neurons.Neuron):
    threshold, states = 1.0, 1

    def step(self, state, z):
        v = 0.9 * state[0] + z
        fired = self.spike(v)
        return (v - fired,), fired, v


def fractions(limit):
    return keras.initializers.RandomUniform(0, limit)


def begin():
    """The same names and weights in each model."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(1)


def dense(neuron, **learn):
    """Layers of a neuron with delays: some below one step, and some of the longest."""
    begin()
    delays = {"delay_initializer": keras.initializers.RandomUniform(0, 4.99)}
    return excitable(
        sequential(
            ks.SpikingDense(30, neuron, use_bias=True, kernel_regularizer="l2", **learn),
            ks.DelayLayer(5.0, **delays),
            ks.SpikingRecurrentDense(20, neuron, **learn),
            ks.DelayLayer(0.9, **delays | {"delay_initializer": fractions(0.9)}),
            ks.SpikingActivation(neuron),
            ks.SpikingDense(3, neuron, **learn),
            ks.TemporalFilter([0.5, 0.3, 0.2], learnable=True),
            shape=(24, 20),
        )
    )


def maps(neuron):
    begin()
    return excitable(
        sequential(
            ks.SpikingConv2D(4, 3, neuron=neuron),
            ks.SpikingRecurrentConv2D(3, 3, neuron=neuron),
            ks.SpikingSumPooling2D(2, neuron=neuron),
            ks.Flatten(),
            ks.SpikingDense(3, neuron=neuron),
            shape=(24, 8, 7, 2),
        )
    )


def found(model, x, steps=STEPS_OF_A_CHUNK, run_eagerly=True, **options):
    """(gradients by path, loss) of one step of training in chunks."""
    trained = ks.TruncatedTime(model, steps, **options)
    before = {v.path: v.numpy() for v in model.trainable_variables}
    rate = 1e-4  # so that no delay leaves its range
    trained.compile(keras.optimizers.SGD(rate), ks.SpikeMaxLoss(), run_eagerly=run_eagerly)
    loss = trained.train_on_batch(x, LABELS, sample_weight=WEIGHTS)
    return {v.path: (before[v.path] - v.numpy()) / rate for v in model.trainable_variables}, float(
        np.ravel(loss)[0]
    )


def plain(model, x):
    variables = model.trainable_variables
    with tf.GradientTape() as tape:
        loss = ks.SpikeMaxLoss()(LABELS, model(x, training=True), WEIGHTS) + sum(model.losses)
    gradients = tape.gradient(loss, [v.value for v in variables])
    return {v.path: g.numpy() for v, g in zip(variables, gradients, strict=True)}, float(loss)


def check(make, x, *steps, **options):
    expected, loss = plain(make(), x)
    actual, of_chunks = found(make(), x, *steps, truncate=False, **options)
    assert of_chunks == pytest.approx(loss, rel=1e-12)
    for path, gradient in expected.items():
        assert np.any(gradient), path
        scale = np.abs(gradient).max()
        np.testing.assert_allclose(actual[path], gradient, 0, 1e-7 * scale, err_msg=path)


def test_they_are_others_where_gradients_end_with_a_chunk():
    x = spikes(20, density=0.1)
    expected, _ = plain(dense(ks.SRM()), x)
    truncated, _ = found(dense(ks.SRM()), x)
    for path, gradient in expected.items():
        if "dense" in path:
            assert np.abs(truncated[path] - gradient).max() > 1e-3 * np.abs(gradient).max(), path


@pytest.mark.parametrize(
    ("kind", "gradient"),
    [("srm", "slayer"), *((kind, "exodus") for kind in NATIVE)],  # the other: test_ops_linked.py
)
def test_native_neurons(kind, gradient):
    neuron = NATIVE[kind](gradient=gradient)
    learn = {"learn": tuple(neuron.learnable)[:2]}
    if kind != "loihi":  # whose parameters are those of a layer
        learn["per"] = "channel"
    check(lambda: dense(neuron, **learn), spikes(20, density=0.1))


@pytest.mark.parametrize("kind", ["srm", "loihi"])
def test_maps(kind):
    check(lambda: maps(NATIVE[kind](gradient="exodus")), spikes(8, 7, 2, density=0.1))


def test_a_model_of_many_layers():
    """A layer that is called twice, a model within the model, branches, lateral inhibition."""

    def make():
        begin()
        inputs = keras.Input((24, 6, 5, 2))
        x = ks.SpikingConv2D(4, 3, neuron="cuba")(inputs)
        x = ks.WinnerTakeAll(window=3, duration=2.0)(x)
        x = ks.PerStep(keras.layers.Conv2D(3, 2))(x)
        x = ks.Flatten()(ks.SpikingActivation("alif")(x))
        block = [keras.Input((24, x.shape[-1])), ks.SpikingDense(9), ks.DelayLayer(2.0)]
        left, shared = keras.Sequential(block)(x), ks.SpikingDense(9, "cuba")
        x = keras.layers.Add()([shared(left), shared(ks.TemporalFilter([0.0, 1.0])(left))])
        x = keras.layers.Concatenate()([x, ks.TemporalFilter("srm")(left)])
        return excitable(keras.Model(inputs, ks.PerStep(keras.layers.Dense(3))(x)))

    check(make, spikes(6, 5, 2, density=0.2))


@pytest.mark.parametrize("gradient", ["slayer", "exodus"])
@pytest.mark.parametrize(
    "neuron",
    [Leaky, lambda gradient: ks.SRM(gradient=gradient, kernel_cutoff=1e-2)],
    ids=["own", "kernel_cutoff"],
)
def test_neurons_without_a_native_op(neuron, gradient):
    check(lambda: dense(neuron(gradient=gradient)), spikes(20, density=0.1))


@pytest.mark.parametrize("kind", ["srm", "cuba", "rf"])
def test_filters_of_neurons(kind):
    def make():
        begin()
        first = keras.layers.Dense(4)
        return sequential(ks.PerStep(first), ks.TemporalFilter(kind), shape=(24, 20))

    check(make, spikes(20, density=0.1))


@pytest.mark.parametrize("kind", ["srm", "alif"])
def test_reference(kind):
    with reference_ops():
        check(lambda: dense(NATIVE[kind]()), spikes(20, density=0.1))


@contextlib.contextmanager
def reference_ops():
    native, library.native = library.native, lambda: None
    try:
        yield
    finally:
        library.native = native


def test_reference_of_the_chip_is_refused():
    with reference_ops(), pytest.raises(NotImplementedError, match=r"LoihiCUBA .* native ops"):
        found(dense(ks.LoihiCUBA()), spikes(20), truncate=False)


def test_chunks_without_a_past_draw_the_same_dropout():
    """What the second pass draws, from the last chunk to the first, is what the first one drew."""

    def make():
        begin()
        layers = keras.layers.Dense(9), keras.layers.Dropout(0.4), keras.layers.Dense(3)
        return sequential(*layers, shape=(24, 20))

    x = spikes(20, density=0.5)
    expected, loss = found(make(), x)
    actual, of_chunks = found(make(), x, truncate=False)
    assert of_chunks == loss
    for path, gradient in expected.items():
        np.testing.assert_allclose(actual[path], gradient, rtol=1e-7, atol=1e-9, err_msg=path)


@pytest.mark.parametrize("steps", [1, 100])
def test_chunks_of_any_length(steps):
    """Also of one step, and of more than there are; in a graph."""
    check(lambda: dense("cuba"), spikes(20, density=0.1), steps, run_eagerly=False)


def test_fit_and_files(tmp_path):
    trained = ks.TruncatedTime(dense("srm"), 10, truncate=False)
    trained.compile("adam", ks.SpikeMaxLoss())
    trained.fit(spikes(20), LABELS, verbose=0)
    trained.save(tmp_path / "trained.keras")
    again = keras.saving.load_model(tmp_path / "trained.keras")
    assert again.truncate is False
    np.testing.assert_array_equal(again(spikes(20)), trained(spikes(20)))


def test_refusal():
    with pytest.raises(ValueError, match=r"Received: update_per='chunk', truncate=False"):
        ks.TruncatedTime(dense("srm"), 10, "chunk", truncate=False)
