"""Neurons of users: in every layer, with the package's gradients, saved, live."""

import dataclasses
import pickle
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from own_neuron_cases import (
    STEPS,
    HardReset,
    Least,
    OfEach,
    Resonator,
    TwinOfALIF,
    network,
    noise,
)

import keras_slayer as ks
from keras_slayer.ops import library


def spikes(*shape, density=0.3):
    return (np.random.default_rng(1).random(shape) < density).astype("float32")


def lively(seed=0):
    return keras.initializers.RandomNormal(0.2, 0.6, seed=seed)


def test_the_least_there_can_be():
    neuron = Least()
    z = noise(2, STEPS, 3, scale=1.5)
    fired, membrane = neuron.fire(z)
    v, expected = np.zeros((2, 3), "float32"), []
    for t in range(STEPS):
        u = np.float32(0.5) * v + z[:, t]
        expected.append(u)
        v = u - np.float32(1.5) * (u >= 1.5)
    expected = np.stack(expected, axis=1)
    np.testing.assert_array_equal(membrane, expected)
    np.testing.assert_array_equal(fired, expected >= 1.5)
    assert 0.05 < np.mean(fired) < 0.5
    np.testing.assert_allclose(neuron.response_kernel(12), 0.5 ** np.arange(12), rtol=1e-6)
    assert len(neuron.response_kernel()) == 300 and len(neuron.response_kernel(301)) == 301
    assert neuron.native is None and neuron.parameters == {} and neuron.filters is None


@pytest.mark.parametrize("gradient", ["slayer", "exodus"])
def test_gradients_are_those_of_a_native_neuron(gradient):
    own, native = TwinOfALIF.and_native(gradient=gradient, surrogate_tau=0.4)
    z, upstream = tf.constant(noise(3, STEPS, 5)), noise(3, STEPS, 5)
    found = []
    for neuron in (own, native):
        with tf.GradientTape() as tape:
            tape.watch(z)
            fired, membrane = neuron.fire(z)
            loss = tf.reduce_sum(fired * upstream)
        found.append((fired, membrane, tape.gradient(loss, z)))
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=2e-5)
    assert np.sum(found[0][0]) > 10


def test_slayer_and_exodus_of_a_reset():
    """slayer: the spike in the reset is a constant, and the path through the voltage ends there."""
    z, upstream = noise(1, STEPS, 4, scale=1.0, dtype="float64"), noise(1, STEPS, 4)
    gradients = {}
    for gradient in ("slayer", "exodus"):
        neuron = HardReset(1.0, gradient=gradient)
        with tf.GradientTape() as tape:
            x = tf.constant(z)
            tape.watch(x)
            fired, u = neuron.fire(x)
            loss = tf.reduce_sum(fired * upstream)
        gradients[gradient] = tape.gradient(loss, x).numpy()
        rho = neuron.surrogate_gradient.density(u, 1.0).numpy()
        fired, u = fired.numpy(), u.numpy()
        expected, later = np.zeros_like(z), np.zeros((1, 4))
        for t in reversed(range(STEPS)):
            through = 1 - fired[:, t] - (u[:, t] * rho[:, t] if gradient == "exodus" else 0)
            later = rho[:, t] * upstream[:, t] + neuron.keep * later * through
            expected[:, t] = later
        np.testing.assert_allclose(gradients[gradient], expected, rtol=1e-6)
    assert np.abs(gradients["slayer"] - gradients["exodus"]).max() > 0.1


def layers_with(neuron):
    image = (STEPS, 6, 5, 2)
    return [
        (ks.SpikingDense(4, neuron, kernel_initializer=lively(), use_bias=True), (STEPS, 6)),
        (ks.SpikingDense(70, neuron, kernel_initializer=lively()), (STEPS, 6)),
        (ks.SpikingConv2D(3, 3, neuron=neuron, kernel_initializer=lively()), image),
        (ks.SpikingSumPooling2D(2, neuron=neuron), image),
        (ks.SpikingActivation(neuron), (STEPS, 6)),
        (ks.TemporalFilter(neuron), (STEPS, 6)),
    ]


@pytest.mark.parametrize("native_ops", [True, False])
def test_every_layer(native_ops, monkeypatch):
    """As with the native neuron of the same equations, and the state goes on."""
    if not native_ops:
        monkeypatch.setattr(library, "_loaded", False)
    own, native = TwinOfALIF.and_native()
    for (layer, shape), (twin, _) in zip(layers_with(own), layers_with(native), strict=True):
        x = tf.constant(spikes(2, *shape))
        found, expected = layer(x), twin(x)
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert np.std(found) > 0.1
        kept = type(layer).from_config({**layer.get_config(), "return_state": True})
        kept.build(x.shape)
        kept.set_weights(layer.get_weights())
        first, state = kept(x[:, :7])
        second, _ = kept(x[:, 7:], initial_state=state)
        np.testing.assert_allclose(tf.concat([first, second], 1), found, atol=1e-6)
        assert state.dtype == "float64" and state.shape[1] == 3


def test_initialisation_is_that_of_a_native_neuron():
    own, native = TwinOfALIF.and_native()
    mine, theirs = ks.FluctuationDriven(own), ks.FluctuationDriven(native)
    assert mine.deviation(50) == pytest.approx(theirs.deviation(50), rel=1e-5)
    assert mine.mean_weight(50) == pytest.approx(theirs.mean_weight(50), rel=1e-5)
    assert mine.mean_weight(50) < 0
    assert HardReset().threshold == pytest.approx(4 / 14, rel=1e-2)  # sum of 0.75^k
    kernel = Resonator().response_kernel()
    assert abs(kernel.sum()) < 0.5 * np.abs(kernel).sum()
    quiet = dataclasses.replace(Resonator(), keep=0.99)
    initializer = ks.FluctuationDriven(quiet)  # no mean that drowns the others
    assert 0 < abs(initializer.mean_weight(50)) < initializer.deviation(50) < 1


def test_training_among_native_neurons():
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 90)
    rates = 0.5 * random.random((3, 12)) ** 2
    x = (random.random((90, STEPS, 12)) < rates[labels, None]).astype("float32")
    model = network(TwinOfALIF())
    model.compile(keras.optimizers.Adam(0.05), ks.SpikeMaxLoss(), metrics=[ks.SpikeCountAccuracy()])
    before = model.evaluate(x, labels, verbose=0)[0]
    model.fit(x, labels, batch_size=15, epochs=6, verbose=0)
    after, accuracy = model.evaluate(x, labels, verbose=0)
    assert after < 0.8 * before and accuracy > 0.8
    found = ks.record(model, x[:2])["own"]
    np.testing.assert_array_equal(found.neuron.fire(found.current)[0], found.spikes)
    assert found.spikes.any() and found.dt is None


def test_live():
    model, x = network(Least(), steps=None), spikes(2, STEPS, 12)
    for layer in ("own", "out"):
        kernel = model.get_layer(layer).kernel
        kernel.assign(lively()(kernel.shape))
    stream = ks.Stream(model)
    whole = stream(x)
    assert np.mean(whole) > 0.02
    stream.reset()
    chunks = [stream(x[:, a:b]) for a, b in [(0, 1), (1, 8), (8, 8), (8, STEPS)]]
    np.testing.assert_array_equal(np.concatenate(chunks, axis=1), whole)
    own = [state for name, state in stream.state.items() if name.endswith("own")]
    assert own[0].shape == (2, 1, 16)
    stream.reset()
    for t in range(STEPS):
        places = stream.step(np.flatnonzero(x[0, t]))
        np.testing.assert_array_equal(places, np.flatnonzero(whole[0, t]))


def test_saved_with_the_model(tmp_path):
    model, x = network(TwinOfALIF(beta=0.5, gradient="exodus")), spikes(2, STEPS, 12)
    model.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras")
    assert loaded.get_layer("own").neuron == TwinOfALIF(beta=0.5, gradient="exodus")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    neuron = HardReset()
    assert pickle.loads(pickle.dumps(neuron)) == neuron

    class Local(HardReset):
        pass

    network(Local()).save(tmp_path / "local.keras")
    with pytest.raises(TypeError, match=r"Could not locate class 'Local'.*register_keras_serial"):
        keras.models.load_model(tmp_path / "local.keras")


def test_tuples_and_arrays_are_saved_as_they_are(tmp_path):
    of_arrays = OfEach(gain=np.array([2.0, 1.0, 0.5]))
    layers = [
        ks.SpikingDense(3, OfEach(keep=(0.8, 0.6, 0.4)), kernel_initializer=lively()),
        ks.SpikingActivation(of_arrays),
    ]
    model, x = keras.Sequential([keras.Input((STEPS, 5)), *layers]), spikes(2, STEPS, 5)
    model.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    first, second = (layer.neuron for layer in again.layers)
    assert first == layers[0].neuron and hash(first) == hash(layers[0].neuron)
    np.testing.assert_array_equal(second.gain, of_arrays.gain)
    assert model(x).numpy().any()
    np.testing.assert_array_equal(again(x), model(x))


@pytest.mark.parametrize("dtype", ["float64", "mixed_float16"])
def test_other_dtypes(dtype):
    policy = keras.dtype_policies.DTypePolicy(dtype)
    layer = ks.SpikingDense(4, Least(), dtype=policy)
    x = spikes(2, STEPS, 6)
    layer.build(x.shape)
    layer.kernel.assign(np.round(4 * noise(6, 4, scale=1.0)) / 4)  # no sum is rounded
    expected, _ = Least().fire(x @ layer.kernel.numpy().astype("float32"))
    found = layer(x)
    assert found.dtype == layer.compute_dtype and np.mean(found) > 0.05
    np.testing.assert_array_equal(found, expected)
    assert found.dtype != "float32"


def test_it_is_said_once_that_it_is_slower(capfd):
    ks.ops.explain()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model, x = network(Least()), spikes(2, STEPS, 12)
            model(x)
            model(x)
    finally:
        ks.ops.explain(False)
    told = [line for line in capfd.readouterr().err.splitlines() if "Least" in line]
    assert told == [
        "keras_slayer: own: neuron Least: reference (it is defined in Python: its steps run one "
        "after the other as TensorFlow ops, slower than a native neuron)"
    ]


def test_a_response_of_its_own_is_taken():
    @dataclasses.dataclass(frozen=True)
    class WithFilters(HardReset):
        @property
        def filters(self):
            return (("exponential", self.keep),)

    neuron, z = WithFilters(), noise(2, STEPS, 3)
    np.testing.assert_allclose(neuron.response_kernel(9), 0.75 ** np.arange(9), rtol=1e-12)
    np.testing.assert_allclose(neuron.response(z), HardReset().response(z), atol=1e-5)
    assert neuron.threshold == HardReset().threshold


def test_steps_that_never_ran():
    """A recording without steps, as a stream gives at its start."""
    fired, membrane, after = ks.ops.fire(np.zeros((2, 0, 3), "float32"), Least(), return_state=True)
    assert fired.shape == membrane.shape == (2, 0, 3)
    np.testing.assert_array_equal(after, np.zeros((2, 1, 3)))
