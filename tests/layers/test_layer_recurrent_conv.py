"""SpikingRecurrentConv2D: what is its own among the layers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_cases import NEURONS, spikes
from own_neuron_cases import TwinOfALIF

import keras_slayer as ks
from keras_slayer import ops
from keras_slayer.layers.recurrent_spiking_layer import RECURRENT_XI
from keras_slayer.quantization import quantize_weights

SHAPE = (2, 14, 7, 6, 2)


def lively(seed, mean=0.2):
    return keras.initializers.RandomNormal(mean, 0.4, seed=seed)


def made(neuron, **options):
    given = {"kernel_initializer": lively(1), "recurrent_initializer": lively(2, 0.0)}
    layer = ks.SpikingRecurrentConv2D(3, 3, neuron=neuron, **given, **options)
    layer.build(SHAPE)
    return layer


@pytest.mark.parametrize("neuron", NEURONS)
def test_it_is_the_equation(neuron):
    """Convolution, bias, and the loop of ``ops.fire_recurrent``, with all their gradients."""
    neuron = NEURONS[neuron]
    options = {"strides": (2, 1), "use_bias": not isinstance(neuron, ks.LoihiCUBA)}
    layer = made(neuron, recurrent_kernel_size=(2, 3), bias_initializer=lively(3, 0.1), **options)
    assert layer.recurrent_kernel.shape == (2, 3, 3, 3)
    x = tf.constant(spikes(SHAPE, 0.3))
    with tf.GradientTape(persistent=True) as tape:
        found = layer(x)
        kernel, recurrent = map(tf.convert_to_tensor, (layer.kernel, layer.recurrent_kernel))
        if layer.on_chip:
            kernel, recurrent = (quantize_weights(w, 7) for w in (kernel, recurrent))
        z = ops.spike_conv2d(x, kernel, strides=(2, 1))
        z = z if layer.bias is None else z + layer.bias
        expected, _ = ops.fire_recurrent(z, recurrent, neuron)
        losses = [tf.reduce_sum(y * spikes(y.shape, 0.5)) for y in (found, expected)]
    assert 0.05 < np.mean(found) < 0.95
    np.testing.assert_array_equal(found, expected)
    assert (found.numpy() != ops.fire(z, neuron)[0].numpy()).any()
    for mine, other in zip(
        *(tape.gradient(loss, layer.trainable_weights) for loss in losses), strict=True
    ):
        assert np.any(mine)
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)


def test_a_neuron_in_python():
    own, native = TwinOfALIF.and_native()
    x = spikes(SHAPE, 0.3)
    found, expected = (made(neuron)(x) for neuron in (own, native))
    assert 0.05 < np.mean(found) < 0.95
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_state_goes_on():
    whole = made("srm")
    layer = made("srm", return_state=True)
    x = spikes(SHAPE, 0.3)
    first, state = layer(x[:, :5])
    assert state.shape == (2, 5, 5, 4, 3) and state.dtype == "float64"
    second, _ = layer(x[:, 5:], initial_state=state)
    np.testing.assert_array_equal(tf.concat([first, second], 1), whole(x))
    np.testing.assert_array_equal(state[:, -1], first[:, -1])


def test_recorded_current_fires_the_spikes():
    model = keras.Sequential([keras.Input(SHAPE[1:]), made("alif")])
    (found,) = ks.record(model, spikes(SHAPE, 0.3)).values()
    again, membrane = found.neuron.fire(found.current)
    assert np.any(again)
    np.testing.assert_array_equal(again, found.spikes)
    np.testing.assert_array_equal(membrane, found.membrane)


def test_default_weights():
    layer = ks.SpikingRecurrentConv2D(16, 5, recurrent_kernel_size=7)
    layer.build((None, None, 20, 20, 2))
    assert ks.SpikingRecurrentConv2D(3, (5, 4)).recurrent_kernel_size == (5, 4)
    between = ks.FluctuationDriven("srm", xi=RECURRENT_XI)
    deviation, mean = between.deviation(7 * 7 * 16), between.mean_weight(7 * 7 * 16)
    kernel = np.asarray(layer.recurrent_kernel)
    assert np.std(kernel) == pytest.approx(deviation, rel=0.03)
    assert np.mean(kernel) == pytest.approx(mean, abs=4 * deviation / kernel.size**0.5)


def test_export_to_net_is_refused_with_the_remedy(tmp_path):
    layer = ks.SpikingRecurrentConv2D(3, 3, neuron="loihi", name="looped")
    model = keras.Sequential([keras.Input(SHAPE[1:]), layer])
    with pytest.raises(ValueError, match=r"looped: its neurons feed each other.*export to \.nir"):
        model.export_loihi(tmp_path / "out.net")
    assert not list(tmp_path.iterdir())


def test_errors():
    with pytest.raises(ValueError, match="recurrent_kernel_size must be an integer in"):
        ks.SpikingRecurrentConv2D(3, 3, recurrent_kernel_size=0)
    with pytest.raises(ValueError, match="SpikingRecurrentConv2D takes input with the axes"):
        ks.SpikingRecurrentConv2D(3, 3).build((2, 14, 6))
    with pytest.raises(ValueError, match="SpikingRecurrentConv2D needs input of known height"):
        ks.SpikingRecurrentConv2D(3, 3).build((2, 14, None, 6, 2))


def test_it_trains():
    keras.utils.set_random_seed(0)
    neuron = ks.CUBA(5.0)  # the lively weights are loud beside a lower threshold
    model = keras.Sequential(
        [keras.Input(SHAPE[1:]), made(neuron), ks.Flatten(), ks.SpikingDense(2, neuron)]
    )
    model.compile(keras.optimizers.Adam(0.03), ks.SpikeMaxLoss())
    x, y = spikes((8, *SHAPE[1:]), 0.2), np.arange(8) % 2
    before = [w.numpy() for w in model.trainable_weights]
    history = model.fit(x, y, epochs=15, batch_size=8, verbose=0).history["loss"]
    assert history[-1] < 0.8 * history[0]
    assert all(np.any(w.numpy() != b) for w, b in zip(model.trainable_weights, before, strict=True))
