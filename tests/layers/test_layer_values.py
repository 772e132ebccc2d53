"""Each layer's output against plain NumPy and standard Keras layers."""

import keras
import numpy as np
import plain_neurons
import pytest
import tensorflow as tf
from layer_cases import CASES, LIVELY, NEURONS, STEPS, every_case, every_neuron, spikes

import keras_slayer as ks


def output_of(layer, x):
    return keras.ops.convert_to_numpy(layer(x))


def lively(array):
    """The comparison of spikes means something."""
    assert 0.005 < array.mean() < 0.95
    return array


@every_case
def test_shape_dtype_and_values_of_spikes(case):
    layer, x = case.make(), case.spikes()
    y = layer(x)
    assert tuple(y.shape) == layer.compute_output_shape(x.shape)
    assert y.dtype == "float32"
    if case.make().__class__.__name__.startswith("Spiking"):
        assert set(np.unique(lively(y.numpy()))) == {0.0, 1.0}


@pytest.mark.parametrize(
    "name, use_bias",
    [(name, bias) for name in NEURONS for bias in (False, True) if (name, bias) != ("loihi", True)],
)
@pytest.mark.parametrize("shape", [(2, STEPS, 7), (2, STEPS, 3, 2, 7)])
def test_dense(name, use_bias, shape):
    neuron = NEURONS[name]
    layer = ks.SpikingDense(
        5,
        neuron,
        use_bias=use_bias,
        kernel_initializer=LIVELY,
        bias_initializer=keras.initializers.RandomNormal(0.1, 0.05),
    )
    x = spikes(shape)
    y = output_of(layer, x)
    z = x.astype("float64") @ layer.quantized_kernel().numpy().astype("float64")
    if use_bias:
        z += layer.bias.numpy()
    np.testing.assert_array_equal(lively(y), plain_neurons.fire(neuron, z))


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3},
        {"kernel_size": (3, 2), "padding": "same"},
        {"kernel_size": (1, 4), "strides": (2, 3)},
        {"kernel_size": (4, 3), "strides": 2, "padding": "same"},
        {"kernel_size": 3, "dilation_rate": (2, 1)},
        {"kernel_size": 2, "dilation_rate": (1, 3), "padding": "same"},
        {"kernel_size": 3, "groups": 2},
        {"kernel_size": (2, 3), "groups": 4, "strides": (1, 2), "padding": "same"},
    ],
    ids=str,
)
@pytest.mark.parametrize("density", [0.02, 0.5], ids=["events", "dense"])
def test_conv_equals_keras_conv_and_neuron(options, density):
    """Sparse frames and dense ones take different paths through the op."""
    neuron = ks.SRM(threshold=0.5, tau_response=3.0)
    layer = ks.SpikingConv2D(4, neuron=neuron, use_bias=True, kernel_initializer=LIVELY, **options)
    x = spikes((2, STEPS, 7, 8, 4), density)
    layer.build(x.shape)
    standard = ks.PerStep(keras.layers.Conv2D(4, **options))
    standard.build(x.shape)
    bias = np.full(4, 0.02, "float32")
    layer.bias.assign(bias)
    standard.set_weights([layer.kernel.numpy(), bias])
    z = tf.function(standard)(x).numpy()  # grouped convolutions have no eager kernel on CPU
    y = output_of(layer, x)
    assert y.shape == z.shape
    np.testing.assert_array_equal(lively(y), plain_neurons.fire(neuron, z))


@every_neuron
def test_conv_with_each_neuron(neuron):
    layer = ks.SpikingConv2D(3, (2, 3), neuron=neuron, kernel_initializer=LIVELY)
    x = spikes((2, STEPS, 5, 6, 2))
    y = output_of(layer, x)
    kernel = layer.quantized_kernel().numpy().astype("float64")
    z = np.zeros((2, STEPS, 4, 4, 3))
    for row in range(2):
        for column in range(3):
            z += x[:, :, row : row + 4, column : column + 4] @ kernel[row, column]
    np.testing.assert_array_equal(lively(y), plain_neurons.fire(neuron, z))


def window_sums(x, pool, strides, padding):
    """Sum over each window, loop by loop; "same" pads as TensorFlow does, less at the start."""
    height, width = x.shape[2:4]
    if padding == "same":
        rows, columns = -(-height // strides[0]), -(-width // strides[1])
        missing = [
            max((n - 1) * s + p - size, 0)
            for n, s, p, size in zip((rows, columns), strides, pool, (height, width), strict=True)
        ]
        pads = [(m // 2, m - m // 2) for m in missing]
        x = np.pad(x, [(0, 0), (0, 0), *pads, (0, 0)])
    else:
        rows = (height - pool[0]) // strides[0] + 1
        columns = (width - pool[1]) // strides[1] + 1
    sums = np.zeros((*x.shape[:2], rows, columns, x.shape[4]))
    for row in range(rows):
        for column in range(columns):
            top, left = row * strides[0], column * strides[1]
            window = x[:, :, top : top + pool[0], left : left + pool[1]]
            sums[:, :, row, column] = window.sum(axis=(2, 3))
    return sums


@pytest.mark.parametrize(
    "pool, strides, padding, size",
    [
        (2, None, "valid", (6, 4)),
        (2, None, "valid", (7, 5)),
        (2, None, "same", (7, 5)),
        ((3, 2), None, "same", (7, 6)),
        ((3, 2), (1, 3), "same", (5, 7)),
        (3, 2, "valid", (7, 8)),
        ((1, 4), (2, 1), "same", (5, 5)),
    ],
)
@every_neuron
def test_pool(neuron, pool, strides, padding, size):
    layer = ks.SpikingSumPooling2D(pool, strides, padding, neuron)
    x = spikes((2, STEPS, *size, 3), 0.1)
    y = output_of(layer, x)
    pair = pool if isinstance(pool, tuple) else (pool, pool)
    steps = strides if isinstance(strides, tuple) else (strides or pair[0], strides or pair[1])
    z = window_sums(x, pair, steps, padding) * layer.quantized_weight()
    np.testing.assert_array_equal(lively(y), plain_neurons.fire(neuron, z))


def test_pool_weight_is_slayers_for_srm():
    """eps peaks at 1, so the weight is 1.1 thresholds; a lone spike then fires the neuron once."""
    layer = ks.SpikingSumPooling2D(2, neuron=ks.SRM(threshold=10.0, tau_response=5.0))
    assert layer.quantized_weight() == pytest.approx(11.0)
    x = np.zeros((1, 40, 2, 2, 1), "float32")
    x[0, 3, 1, 0] = 1
    assert np.flatnonzero(output_of(layer, x)).size >= 1
    weak = ks.SpikingSumPooling2D(2, neuron=layer.neuron, weight=0.99)
    assert not output_of(weak, x).any()


def test_pool_weight_on_loihi_is_a_chip_weight():
    """Peak h of decays 1024, 128 by hand: v = sum; weight 1.1 * 1.25 / max h, in steps of 1/32."""
    neuron = ks.LoihiCUBA(80, 1024, 128)
    v = i = 1.0
    peak = 1.0
    for _ in range(100):
        i *= 0.75
        v = v * (1 - 128 / 4096) + i
        peak = max(peak, v)
    layer = ks.SpikingSumPooling2D(2, neuron=neuron)
    assert layer.quantized_weight() == round(1.1 * 1.25 / peak * 32) / 32


@every_neuron
@pytest.mark.parametrize("shape", [(2, STEPS), (2, STEPS, 5), (1, STEPS, 2, 3, 4)])
def test_activation(neuron, shape):
    z = np.random.default_rng(3).normal(0.1, 0.5, shape).astype("float32")
    y = output_of(ks.SpikingActivation(neuron), z)
    np.testing.assert_array_equal(lively(y), plain_neurons.fire(neuron, z))


@every_neuron
def test_filter_of_a_neuron(neuron):
    x = spikes((2, STEPS, 3, 2))
    y = output_of(ks.TemporalFilter(neuron), x)
    np.testing.assert_allclose(y, plain_neurons.response(neuron, x), rtol=1e-5, atol=1e-5)


def test_filter_by_name_and_by_taps():
    x = spikes((2, STEPS, 4))
    by_name = output_of(ks.TemporalFilter("srm"), x)
    np.testing.assert_allclose(by_name, plain_neurons.response(ks.SRM(), x), rtol=1e-5, atol=1e-5)
    for taps in ([0.5, 1.0, -0.25], (0.5, 1.0, -0.25), np.array([0.5, 1.0, -0.25])):
        for learnable in (False, True):
            layer = ks.TemporalFilter(taps, learnable=learnable)
            expected = plain_neurons.convolve(x.astype("float64"), [0.5, 1.0, -0.25])
            np.testing.assert_allclose(output_of(layer, x), expected, atol=1e-6)
            assert len(layer.trainable_weights) == learnable


def test_flatten_order():
    """(height, width, channels) in C order, each step on its own."""
    x = np.arange(2 * 3 * 4 * 5 * 2, dtype="float32").reshape(2, 3, 4, 5, 2)
    y = output_of(ks.Flatten(), x)
    assert y.shape == (2, 3, 40)
    assert y[1, 2, (3 * 5 + 4) * 2 + 1] == x[1, 2, 3, 4, 1]
    np.testing.assert_array_equal(y, x.reshape(2, 3, 40))
    standard = ks.PerStep(keras.layers.Flatten())
    np.testing.assert_array_equal(y, output_of(standard, x))
    assert output_of(ks.Flatten(), x[:, :, 0, 0, 0]).shape == (2, 3, 1)


@every_case
def test_same_input_same_output_whatever_else_is_in_the_batch(case):
    """No state passes from batch to batch or from sample to sample."""
    layer, a, b = case.make(), case.spikes(3, seed=1), case.spikes(3, seed=2)
    first = output_of(layer, a)
    other = output_of(layer, b)
    np.testing.assert_array_equal(output_of(layer, a), first)
    np.testing.assert_array_equal(output_of(layer, b), other)
    alone = [output_of(layer, a[i : i + 1])[0] for i in range(3)]
    np.testing.assert_allclose(alone, first, atol=1e-6)


@pytest.mark.parametrize("name", ["dense-srm", "conv-cuba", "pool-loihi", "delay", "flatten"])
def test_empty_batch(name):
    case = CASES[name]
    layer = case.make()
    shape = layer(case.spikes(2)).shape
    assert layer(case.spikes(0)).shape == (0, *shape[1:])


@pytest.mark.parametrize("name", NEURONS)
def test_causal(name):
    """What happens later changes nothing before; Loihi's hop makes it one step stricter."""
    layer = ks.SpikingDense(6, NEURONS[name], kernel_initializer=LIVELY)
    x = spikes((2, STEPS, 5))
    before = output_of(layer, x)
    changed = x.copy()
    changed[:, 10:] = 1 - changed[:, 10:]
    after = output_of(layer, changed)
    same = {"cuba": 10, "alif": 10}.get(name, 11)
    np.testing.assert_array_equal(before[:, :same], after[:, :same])
    assert (before[:, same:] != after[:, same:]).any()
