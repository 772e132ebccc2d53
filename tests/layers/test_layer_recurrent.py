"""SpikingRecurrentDense: what is its own among the layers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_cases import NEURONS, spikes

import keras_slayer as ks
from keras_slayer import ops
from keras_slayer.layers.recurrent_spiking_layer import RECURRENT_XI
from keras_slayer.neurons import BY_NAME
from keras_slayer.quantization import quantize_weights


def built(units=6, inputs=5, **options):
    layer = ks.SpikingRecurrentDense(units, **options)
    layer.build((None, None, inputs))
    return layer


@pytest.mark.parametrize("neuron", NEURONS)
def test_it_is_the_equation(neuron):
    """Product, bias, and the loop of ``ops.fire_recurrent``."""
    wide = keras.initializers.RandomNormal(0.2, 0.6, seed=1)
    layer = built(
        neuron=NEURONS[neuron],
        kernel_initializer=wide,
        recurrent_initializer=wide,
        use_bias=neuron != "loihi",  # whose bias is none of the input
        bias_initializer="random_normal",
    )
    x = tf.constant(spikes((3, 20, 5), 0.3))
    kernel, recurrent, offset = layer.kernel, layer.recurrent_kernel, layer.bias
    if neuron == "loihi":
        kernel, recurrent = (quantize_weights(w.value, 7) for w in (kernel, recurrent))
    z = x @ kernel
    z = z if offset is None else z + offset
    expected, _ = ops.fire_recurrent(z, tf.convert_to_tensor(recurrent), NEURONS[neuron])
    assert np.mean(expected) > 0.05
    np.testing.assert_array_equal(layer(x), expected)
    assert (layer(x).numpy() != ops.fire(z, NEURONS[neuron])[0].numpy()).any()


@pytest.mark.parametrize("rate", [0.03, 0.1])
@pytest.mark.parametrize("neuron", BY_NAME)
def test_default_weights_neither_excite_without_end_nor_silence(neuron, rate):
    """As lively as the same layer without recurrence, early and late."""
    keras.utils.set_random_seed(0)
    x = spikes((4, 240, 200), rate)
    layer = ks.SpikingRecurrentDense(128, neuron)
    fired = layer(x).numpy()
    layer.recurrent_kernel.assign(0 * layer.recurrent_kernel)
    alone = layer(x).numpy()
    assert alone.mean() > 0
    early, late = fired[:, :120].mean(), fired[:, 120:].mean()
    assert 0.6 * alone.mean() < fired.mean() < 1.2 * alone.mean()
    assert late < 1.5 * early + 0.002
    assert (fired.mean(axis=(0, 1)) > 0.8).mean() < 0.02
    assert (fired != alone).any()


@pytest.mark.parametrize("neuron", ["srm", "alif", "rf"])
def test_default_weights_of_a_lively_layer(neuron):
    """With inputs that make every neuron fire often, recurrence calms it."""
    keras.utils.set_random_seed(0)
    layer = ks.SpikingRecurrentDense(128, neuron)
    x = spikes((4, 240, 200), 0.1)
    layer(x)
    layer.kernel.assign(4 * layer.kernel)
    fired = layer(x).numpy()
    layer.recurrent_kernel.assign(0 * layer.recurrent_kernel)
    alone = layer(x).numpy()
    assert 0.02 < fired.mean() < 1.05 * alone.mean() < 0.6


def test_the_default_brings_a_ninth_of_the_variance():
    inputs, between = (ks.FluctuationDriven("srm", xi=xi) for xi in (2.5, RECURRENT_XI))
    assert between.deviation(256) ** 2 * 9 == pytest.approx(inputs.deviation(256) ** 2)
    layer = built(300, neuron="srm")
    deviation = np.std(layer.recurrent_kernel)
    assert deviation == pytest.approx(between.deviation(300), rel=0.02)


def test_loihi_quantises_both_kernels():
    layer = built(
        neuron=ks.LoihiCUBA(64, weight_bits=5),
        recurrent_initializer=keras.initializers.RandomNormal(0, 0.7),
    )
    for kernel in (layer.quantized_kernel(), layer.quantized_recurrent_kernel()):
        step = 2 ** (9 - 5) / 64
        np.testing.assert_array_equal(kernel, np.round(kernel / step) * step)
    assert (layer.quantized_recurrent_kernel().numpy() != layer.recurrent_kernel.numpy()).any()


def test_a_net_file_holds_no_loops(tmp_path):
    model = keras.Sequential(
        [keras.Input((20, 5)), ks.SpikingRecurrentDense(4, "loihi", name="looped")]
    )
    with pytest.raises(ValueError, match=r"looped: .* feed each other.*export to \.nir"):
        model.export_loihi(tmp_path / "out.net")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "shape", [(2, 5), (2, 20, 4, 4, 2), (2, 20, None)], ids=["matrix", "image", "unknown"]
)
def test_input_of_other_axes(shape):
    with pytest.raises(ValueError, match=r"axes \(batch, time, inputs\), with a known") as caught:
        ks.SpikingRecurrentDense(3).build(shape)
    assert str(caught.value).endswith(f"Received: input_shape={shape}")


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_dtypes(policy):
    x = spikes((2, 15, 40), 0.3)
    layer = ks.SpikingRecurrentDense(70, "cuba", dtype=policy)
    out, compute = layer(x), layer.compute_dtype
    assert out.dtype == compute and set(np.unique(out)) <= {0, 1} and np.any(out)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.cast(layer(x), "float32"))
    gradients = tape.gradient(loss, layer.trainable_weights)
    for weight, gradient in zip(layer.trainable_weights, gradients, strict=True):
        assert gradient.dtype == weight.dtype and np.any(gradient)
    chip = ks.SpikingRecurrentDense(7, "loihi", dtype=policy)
    assert chip(x).dtype == compute


def test_rates_can_be_set():
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((60, 30)), ks.SpikingRecurrentDense(40, "alif")])
    x = spikes((8, 60, 30), 0.05)
    (found,) = ks.set_firing_rates(model, x, 0.08).values()
    assert found.rate == pytest.approx(0.08, rel=0.06) and found.factor is not None


def test_it_learns_what_needs_a_loop():
    """Which of two inputs fired at the start, told long after the neurons have forgotten it."""
    keras.utils.set_random_seed(0)
    steps = 30
    x = np.zeros((2, steps, 2), np.float32)
    x[0, :3, 0] = x[1, :3, 1] = 1
    layer = ks.SpikingRecurrentDense(
        30,
        ks.CUBA(1.0, current_decay=0.7, voltage_decay=0.5, surrogate_tau=0.5, surrogate_scale=0.3),
        kernel_initializer=keras.initializers.RandomNormal(0.5, 1.0, seed=1),
        recurrent_initializer=keras.initializers.RandomNormal(-0.1, 0.4, seed=2),
    )
    model = keras.Sequential([keras.Input((steps, 2)), layer, keras.layers.Dense(2)])
    optimizer = keras.optimizers.Adam(0.01)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            logits = 0.2 * tf.reduce_sum(model(x)[:, 20:], axis=1)
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits([0, 1], logits)
        gradients = tape.gradient(loss, model.trainable_weights)
        optimizer.apply_gradients(zip(gradients, model.trainable_weights, strict=True))
        return tf.reduce_mean(loss)

    losses = [float(step()) for _ in range(100)]
    assert losses[0] == pytest.approx(np.log(2), abs=1e-3)  # silent by then
    assert max(losses[-5:]) < 0.05
    layer.recurrent_kernel.assign(0 * layer.recurrent_kernel)
    assert not np.any(layer(x)[:, 20:])
