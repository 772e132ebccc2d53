"""Gradients of the parameters of neurons: the native op, its reference, numerical derivatives."""

import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_slayer import ALIF, CUBA, SRM, LoihiCUBA, ResonateAndFire
from keras_slayer.neurons import Neuron
from keras_slayer.ops import neurons, recurrent
from keras_slayer.ops.recurrent_reference import reference_recurrent

CHANNELS = 5
PER = ("layer", "channel")
MAKE = {
    "srm": lambda **options: SRM(tau_refractory=2.0, refractory_scale=1.3, **options),
    "cuba": lambda **options: CUBA(tau_current=3.0, tau_voltage=7.0, **options),
    "alif": lambda **options: ALIF(tau_adaptation=20.0, **options),
    "rf": lambda **options: ResonateAndFire(frequency=40.0, **options),
    "loihi": lambda **options: LoihiCUBA(**options),
}
TOLERANCE = {"float64": 1e-10, "float32": 1e-4, "float16": 4e-2, "bfloat16": 2e-1}


def arrays(neuron, dtype: str, per: str, steps: int = 24):
    """Synaptic input, the gradient of the spikes, weights of the parameters."""
    rng = np.random.default_rng(3)
    shape = (2, steps, 2, CHANNELS)
    z = neuron.firing_threshold * (0.1 + 0.6 * rng.normal(size=shape))
    weights = {
        name: tf.constant(0.2 * rng.normal(size=(CHANNELS,) if per == "channel" else ()))
        for name in neuron.learnable
    }
    # Positive, so that sums over all neurons do not cancel.
    return tf.cast(z, dtype), tf.cast(rng.uniform(0.5, 1.5, size=shape), dtype), weights


def gradients(fire, z, grad, neuron, weights):
    """Spikes, and gradients of the input and of the weights."""
    with tf.GradientTape() as tape:
        tape.watch([z, *weights.values()])
        bound = neuron.with_tensors({k: neuron.changed(k, w) for k, w in weights.items()})
        spikes = fire(z, bound)[0]
        loss = tf.reduce_sum(tf.cast(spikes * grad, tf.float64))
    return spikes, *tape.gradient(loss, [z, weights])


def reference(z, neuron, state=None):
    return neuron.reference(z, state)


def assert_close(got, want, dtype: str):
    scale = np.max(np.abs(want)) + 1e-300
    np.testing.assert_allclose(got / scale, want / scale, rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("gradient", ("slayer", "exodus"))
@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("per", PER)
def test_the_op_and_its_reference_are_equal(name, per, gradient):
    surrogate = "triangle" if per == "channel" else "exponential"
    neuron = MAKE[name](gradient=gradient, surrogate=surrogate)
    z, grad, weights = arrays(neuron, "float64", per)
    half = z[:, :9]
    start = neurons.fire_tensor(half, neuron, tf.zeros((2, neuron.states, 2, CHANNELS), "float64"))
    for state in (None, start[2]):
        op = functools.partial(neurons.fire_tensor, start=state)
        native = gradients(op, z, grad, neuron, weights)
        twin = gradients(functools.partial(reference, state=state), z, grad, neuron, weights)
        np.testing.assert_array_equal(native[0], twin[0])
        assert_close(np.asarray(native[1]), np.asarray(twin[1]), "float64")
        for parameter in neuron.learnable:
            got, want = np.asarray(native[2][parameter]), np.asarray(twin[2][parameter])
            assert np.all(want != 0), parameter
            assert_close(got, want, "float64")


@pytest.mark.parametrize(("per", "gradient"), [("layer", "slayer"), ("channel", "exodus")])
@pytest.mark.parametrize("dtype", ("float32", "float16", "bfloat16"))
@pytest.mark.parametrize("name", MAKE)
def test_dtypes(name, dtype, per, gradient):
    neuron = MAKE[name](gradient=gradient)
    z, grad, weights = arrays(neuron, dtype, per, steps=11)
    got = gradients(neurons.fire_tensor, z, grad, neuron, weights)[2]
    want = gradients(reference, z, grad, neuron, weights)[2]
    for parameter in neuron.learnable:
        assert_close(np.asarray(got[parameter]), np.asarray(want[parameter]), dtype)


@pytest.mark.parametrize("dtype", ("float64", "float32", "float16", "bfloat16"))
@pytest.mark.parametrize("name", MAKE)
def test_series_of_any_length(name, dtype):
    """The kernel takes four steps at once. A short series has the gradients that it has as the
    beginning of a long one whose later spikes do not matter, which the reference confirms."""
    for per, gradient in itertools.product(PER, ("slayer", "exodus")):
        neuron = MAKE[name](gradient=gradient)
        z, grad, weights = arrays(neuron, dtype, per, steps=16)
        bound = neuron.with_tensors({k: neuron.changed(k, w) for k, w in weights.items()})
        state = neurons.fire_tensor(z[:, 8:], bound, tf.zeros((2, neuron.states, 2, CHANNELS)))[2]
        for start in (None, state):
            membrane = neurons.fire_tensor(z, bound, start)[1]
            for steps in (0, 1, 2, 3, 5, 7):
                early = tf.reshape(tf.range(16) < steps, (16, 1, 1))
                masked = tf.where(early, grad, tf.zeros_like(grad))
                dz, found = neurons.native_grads(grad[:, :steps], membrane[:, :steps], bound, start)
                whole, expected = neurons.native_grads(masked, membrane, bound, start)
                np.testing.assert_array_equal(dz, whole[:, :steps])
                np.testing.assert_array_equal(found, expected)
                assert np.any(found) == (steps > 0)


@pytest.mark.parametrize("name", ("srm", "cuba", "alif", "rf"))
def test_the_reference_has_the_numerical_gradient_of_smooth_spikes(name, monkeypatch):
    """With spikes S(u) whose derivative is the surrogate, and all feedback in the gradient."""
    neuron = MAKE[name](gradient="exodus")
    z, grad, weights = arrays(neuron, "float64", "layer", steps=12)

    width = neuron.surrogate_tau * neuron.firing_threshold  # no parameter: it stays as it is

    def smooth(self, u):
        @tf.custom_gradient
        def spike(u, threshold):
            x = (u - threshold) / width
            tail = 0.5 * tf.exp(-tf.abs(x))

            def backward(grad):
                grad_u = grad * tail / width
                return grad_u, -tf.reduce_sum(grad_u)

            return tf.where(x < 0, tail, 1 - tail), backward

        return spike(u, self.firing_threshold)

    monkeypatch.setattr(Neuron, "spike", smooth)
    monkeypatch.setattr(CUBA, "_reset", lambda _, v, spikes: v * (1 - spikes))
    got = gradients(reference, z, grad, neuron, weights)[2]

    def loss(changed: str, by: float) -> float:
        moved = {**weights, changed: weights[changed] + by}
        spikes = gradients(reference, z, grad, neuron, moved)[0]
        return float(tf.reduce_sum(spikes * grad))

    for parameter in weights:
        numerical = (loss(parameter, 1e-5) - loss(parameter, -1e-5)) / 2e-5
        assert abs(numerical) > 1e-3
        np.testing.assert_allclose(got[parameter], numerical, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "per"), [("cuba", "channel"), ("rf", "channel"), ("srm", "layer"), ("loihi", "layer")]
)
def test_neurons_that_feed_each_other(name, per):
    neuron = MAKE[name](gradient="exodus")
    z, grad, weights = arrays(neuron, "float64", per, steps=12)
    z, grad = z[:, :, 0], grad[:, :, 0]
    scale = 64.0 if name == "loihi" else 16.0
    rng = np.random.default_rng(5)
    matrix = np.round(scale * 0.2 * neuron.firing_threshold * rng.normal(size=(CHANNELS, CHANNELS)))
    rows = neurons.state_size(neuron) + 1
    half = recurrent.fire_recurrent(z[:, :5], matrix / scale, neuron, return_state=True)[2]
    assert half.shape == (2, rows, CHANNELS)
    for state in (None, half):
        native = functools.partial(
            recurrent.fire_recurrent_from, weights=matrix / scale, start=state
        )
        twin = functools.partial(reference_recurrent, weights=matrix / scale, start=state)
        got = gradients(lambda z, n, f=native: f(z, neuron=n), z, grad, neuron, weights)
        want = gradients(lambda z, n, f=twin: f(z, neuron=n), z, grad, neuron, weights)
        np.testing.assert_array_equal(got[0], want[0])
        assert 0.02 < float(tf.reduce_mean(got[0])) < 0.9
        for parameter in neuron.learnable:
            # The twin of Loihi's has the current itself, truncated; the op has it from the voltage.
            np.testing.assert_allclose(
                got[2][parameter], want[2][parameter], rtol=1e-3 if name == "loihi" else 1e-9
            )
