"""Recording where TensorFlow builds graphs: within a tf.function, and models that call one."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_slayer as ks
from keras_slayer.rates import measuring


def spikes(batch=2, steps=24, inputs=6):
    random = np.random.default_rng(0)
    return tf.constant(random.random((batch, steps, inputs)) < 0.3, tf.float32)


def network():
    keras.utils.set_random_seed(1)
    wide = keras.initializers.RandomNormal(0.2, 0.6, seed=1)
    options = {"kernel_initializer": wide, "use_bias": True}
    return keras.Sequential(
        [
            keras.Input((24, 6)),
            ks.SpikingDense(70, "srm", name="hidden", learn="threshold", **options),
            ks.DelayLayer(2.0, name="delay"),
            ks.SpikingRecurrentDense(5, "loihi", name="loop", **options),
            keras.layers.Dense(3, name="votes"),
        ]
    )


ARRAYS = ("spikes", "membrane", "current")


def arrays_of(found):
    layers = [[getattr(found[n], what) for what in ARRAYS] for n in ("hidden", "loop")]
    return [layers, found["delay"].output, found["votes"].output, found.outputs]


def test_within_a_function_it_gives_tensors_of_the_whole():
    model, x = network(), spikes()
    expected = ks.record(model, x)
    traced = []

    @tf.function(input_signature=[tf.TensorSpec([None, 24, 6])])
    def inside(x):
        found = ks.record(model, x)
        traced.append(repr(found))
        return arrays_of(found), found["hidden"].threshold

    found, threshold = inside(x)
    wanted = arrays_of(expected)
    assert all(0.02 < np.mean(layer[0]) < 0.9 for layer in wanted[0])
    for one, other in zip(
        keras.tree.flatten(found[:2]), keras.tree.flatten(wanted[:2]), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(found[0][1][0], model.layers[2](model.layers[1](found[0][0][0])))
    for one, other in zip(found[2:], wanted[2:], strict=True):  # a graph may fuse Keras' product
        np.testing.assert_allclose(one, other, rtol=1e-5)
    assert threshold == expected["hidden"].threshold
    inside(x[:1])
    assert len(traced) == 1 and "<hidden (SpikingDense): spikes (None, 24, 70)" in traced[0]


class Compiled(keras.Model):
    def __init__(self, loop=False):
        super().__init__()
        self.inner = ks.SpikingDense(3, name="inner")
        self.inner.build((None, 24, 6))
        self.loop = loop

    @tf.function
    def call(self, x):
        if not self.loop:
            return self.inner(x)
        return tf.while_loop(
            lambda y: True, lambda y: [self.inner(x)], [x[..., :3]], maximum_iterations=1
        )[0]


def test_a_model_whose_call_is_a_function():
    """Traced before or not; and afterwards it runs as a graph again."""
    x, model = spikes(), Compiled()
    whole = model(x)
    model.inner.kernel.assign(3 * abs(model.inner.kernel))
    before = tf.config.functions_run_eagerly()
    found = ks.record(model, x)["inner"]
    assert found.spikes.any() and not np.any(whole)
    np.testing.assert_array_equal(found.spikes, model(x))
    np.testing.assert_array_equal(found.neuron.fire(found.current)[0], found.spikes)
    assert tf.config.functions_run_eagerly() == before

    @tf.function
    def inside(x):
        return ks.record(model, x)["inner"].spikes

    np.testing.assert_array_equal(inside(x), found.spikes)


def test_tensors_of_a_loop_are_refused():
    x, model = spikes(), Compiled(loop=True)
    model(x)
    assert ks.record(model, x)["inner"].spikes.shape == (2, 24, 3)  # eagerly there is no graph

    @tf.function
    def inside(x):
        return ks.record(model, x).outputs

    message = r"in the graph of the call.*within a tf.function, loop or branch. .* layer 'inner'"
    with pytest.raises(ValueError, match=message):
        inside(x)
    assert not tf.config.functions_run_eagerly()


def test_measuring_takes_values_alone():
    model = network()

    @tf.function
    def inside(x):
        return [len(measuring.firing_rates(model, x))]

    with pytest.raises(ValueError, match=r"TensorFlow runs eagerly, and this one is called"):
        inside(spikes())
