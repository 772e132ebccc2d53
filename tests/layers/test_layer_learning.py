"""What the weights of a layer do in training: delays, chip weights, regularisers, constraints."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_cases import LIVELY, spikes

import keras_slayer as ks
from keras_slayer import ops
from keras_slayer.quantization import weight_max, weight_step

# --- delays ---


def constant_delay(value, **options):
    return ks.DelayLayer(delay_initializer=keras.initializers.Constant(value), **options)


def test_delays_align_two_spike_trains():
    """Two channels start 1 ms late, their targets are 7 and 3 ms late: learnt through model.fit."""
    x = np.zeros((1, 80, 2), "float32")
    x[0, [10, 45], 0] = 1
    x[0, [5, 30, 55], 1] = 1
    target = np.zeros_like(x)
    target[:, 7:, 0], target[:, 3:, 1] = x[:, :-7, 0], x[:, :-3, 1]
    model = keras.Sequential([keras.Input((80, 2)), constant_delay(1.5)])
    model.compile(keras.optimizers.Adam(0.1), ks.SpikeTimeLoss(tau=8.0))
    model.fit(np.repeat(x, 150, 0), np.repeat(target, 150, 0), batch_size=1, verbose=0)
    np.testing.assert_array_equal(np.floor(model.layers[0].delay), [7, 3])
    np.testing.assert_array_equal(model(x), target)


@pytest.mark.parametrize("direction, end", [(1.0, 0.0), (-1.0, 6.0)])
def test_delays_stay_in_range_by_themselves(direction, end):
    """A rising output pushes its delay one way without end; the constraint stops it."""
    layer = constant_delay(3.0, max_delay=6.0)
    x = np.cumsum(np.ones((1, 20, 4), "float32"), axis=1)
    model = keras.Sequential([keras.Input((20, 4)), layer])
    optimizer = keras.optimizers.SGD(50.0, momentum=0.9)
    for _ in range(5):
        with tf.GradientTape() as tape:
            loss = -direction * tf.reduce_sum(model(x))
        optimizer.apply(tape.gradient(loss, model.trainable_weights), model.trainable_weights)
        delays = layer.delay.numpy()
        assert np.all((delays >= 0) & (delays <= 6.0))
    np.testing.assert_array_equal(delays, end)


def test_delay_in_training_of_a_network():
    """With model.fit and a large learning rate, at the limit of 0 steps as well."""
    model = keras.Sequential(
        [
            keras.Input((15, 5)),
            ks.SpikingDense(4, ks.SRM(threshold=0.5, surrogate_tau=2.0)),
            ks.DelayLayer(max_delay=0.5, per="neuron"),
            ks.SpikingDense(2, ks.SRM(threshold=0.5, surrogate_tau=2.0)),
        ]
    )
    model.compile(keras.optimizers.Adam(5.0), ks.SpikeMaxLoss())
    model.fit(spikes((6, 15, 5)), np.arange(6) % 2, batch_size=2, epochs=3, verbose=0)
    delays = model.layers[1].delay.numpy()
    assert np.all((delays >= 0) & (delays <= 0.5))


def test_first_delays_are_within_one_step_and_loihis_limit_is_the_default():
    layer = ks.DelayLayer(dt=0.25)
    layer.build((None, 10, 1000))
    delays = layer.delay.numpy()
    assert delays.min() >= 0 and delays.max() <= 0.25 and delays.std() > 0.05
    assert layer.max_delay == 62.0
    layer = ks.DelayLayer(max_delay=0.0)
    layer.build((None, 10, 5))
    np.testing.assert_array_equal(layer.delay, 0.0)


def test_delay_gradient_is_the_central_difference_in_ms():
    """dd = -sum_t g[t] (y[t+1] - y[t-1]) / 2 dt, by hand: the spike moves from step 3 to 5."""
    layer = constant_delay(1.2, dt=0.5)
    x = np.zeros((1, 8, 1), "float32")
    x[0, 3] = 1
    weights = np.array([5, 7, 1, 2, 4, 8, 16, 32], "float32").reshape(1, 8, 1)
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(layer(x) * weights)
    assert float(value) == 8.0
    grad = tape.gradient(value, layer.delay.value)
    assert grad.numpy().tolist() == [-(4.0 - 16.0) / 2 / 0.5]


def test_delay_keeps_its_precision_in_16_bits():
    """61.9 would round to 62 in bfloat16."""
    layer = constant_delay(61.9, dtype="mixed_bfloat16")
    x = np.zeros((1, 100, 1), "float32")
    x[0, 0] = 1
    assert np.flatnonzero(tf.cast(layer(x), tf.float32)).tolist() == [61]


# --- LoihiCUBA weights ---


@pytest.mark.parametrize("bits", range(1, 9))
def test_forward_uses_chip_weights(bits):
    """The output is that of the rounded weights, and not that of the trained ones."""
    neuron = ks.LoihiCUBA(threshold_mantissa=100, weight_bits=bits, voltage_decay=600)
    layer = ks.SpikingDense(
        30, neuron, kernel_initializer=keras.initializers.RandomNormal(0.2, 2.0, seed=2)
    )
    x = spikes((2, 40, 20), 0.2)
    y = layer(x).numpy()
    kernel, used = layer.kernel.numpy(), layer.quantized_kernel().numpy()
    integers = used * 64
    step = 2 ** (9 - bits)
    assert np.all(integers % step == 0)
    assert integers.min() >= -256 and integers.max() <= 256 - step
    assert len(np.unique(integers)) > min(2**bits, 20) * 0.9
    inside = np.abs(kernel) < 4 - 4 / 2**bits
    assert np.all(np.abs(used - kernel)[inside] <= step / 64 / 2)

    def fire(weights):
        z = tf.constant(x) @ weights
        return neuron.fire(z)[0].numpy()

    np.testing.assert_array_equal(y, fire(used))
    assert np.any(y != fire(kernel))
    assert y.mean() < 0.95 and (y.mean() > 0.005 or bits == 1)  # with one bit: -4 or 0


@pytest.mark.parametrize("bits", [2, 8])
def test_straight_through_gradient_and_zero_where_clipped(bits):
    neuron = ks.LoihiCUBA(threshold_mantissa=100, weight_bits=bits, surrogate_tau=2.0)
    layer = ks.SpikingDense(
        30, neuron, kernel_initializer=keras.initializers.RandomNormal(0.0, 3.0, seed=2)
    )
    x = spikes((2, 40, 20), 0.2)
    layer.build(x.shape)
    goal = np.random.default_rng(5).normal(size=(2, 40, 30)).astype("float32")
    used = tf.Variable(layer.quantized_kernel())
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(layer(x) * goal)
    grad = tape.gradient(value, layer.kernel.value).numpy()
    with tf.GradientTape() as tape:
        same = tf.reduce_sum(neuron.fire(ops.spike_matmul(x, used))[0] * goal)
    assert float(same) == float(value)
    expected = tape.gradient(same, used).numpy()
    kernel, half = layer.kernel.numpy(), weight_step(bits) / 2
    clipped = (kernel < -4 - half) | (kernel > weight_max(bits) + half)
    assert 0 < clipped.sum() < kernel.size
    np.testing.assert_array_equal(grad[clipped], 0)
    np.testing.assert_allclose(grad[~clipped], expected[~clipped], rtol=1e-5, atol=1e-6)
    assert np.all(expected[~clipped] != 0)


def test_conv_uses_chip_weights_too():
    neuron = ks.LoihiCUBA(threshold_mantissa=30, weight_bits=4)
    layer = ks.SpikingConv2D(4, 3, neuron=neuron, kernel_initializer=LIVELY)
    x = spikes((2, 30, 6, 5, 2))
    y = layer(x).numpy()
    used = layer.quantized_kernel()
    assert np.all(used.numpy() * 64 % 32 == 0) and np.any(used != layer.kernel)
    layer.kernel.assign(used)
    np.testing.assert_array_equal(layer(x), y)
    assert 0.005 < y.mean() < 0.95


@pytest.mark.parametrize("neuron", [ks.SRM(), ks.CUBA()], ids=str)
def test_float_neurons_use_their_weights_as_they_are(neuron):
    layer = ks.SpikingDense(4, neuron)
    layer.build((None, 10, 5))
    np.testing.assert_array_equal(layer.quantized_kernel(), layer.kernel)


def test_pool_is_exact_in_chip_units():
    """With LoihiCUBA the pool's tap is one chip weight; quantized_weight() gives it."""
    for mantissa in (40, 80, 200):
        layer = ks.SpikingSumPooling2D(3, neuron=ks.LoihiCUBA(threshold_mantissa=mantissa))
        assert layer.quantized_weight() * 64 % 2 == 0


# --- arguments that act in training ---

OPTIONS = {
    "kernel_initializer": keras.initializers.Constant(0.25),
    "bias_initializer": keras.initializers.Constant(-2.0),
    "use_bias": True,
}
LAYERS = {
    "dense": (lambda **options: ks.SpikingDense(4, **options), (6, 5), (5, 4)),
    "conv": (lambda **options: ks.SpikingConv2D(4, 2, **options), (6, 5, 5, 3), (2, 2, 3, 4)),
}
each_layer = pytest.mark.parametrize("make, shape, kernel", LAYERS.values(), ids=LAYERS.keys())


@each_layer
def test_initializers_are_honoured(make, shape, kernel):
    layer = make(**OPTIONS)
    layer.build((None, *shape))
    assert layer.kernel.shape == kernel and layer.bias.shape == (4,)
    np.testing.assert_array_equal(layer.kernel, 0.25)
    np.testing.assert_array_equal(layer.bias, -2.0)
    assert [w.name for w in layer.weights] == ["kernel", "bias"]
    without = make()
    without.build((None, *shape))
    assert without.bias is None and len(without.weights) == 1


@each_layer
def test_regularizers_are_honoured(make, shape, kernel):
    layer = make(kernel_regularizer=keras.regularizers.L2(0.5), bias_regularizer="l1", **OPTIONS)
    layer(spikes((1, *shape)))
    expected = [0.5 * np.prod(kernel) * 0.25**2, 0.01 * 4 * 2.0]
    np.testing.assert_allclose(sorted(map(float, layer.losses)), sorted(expected), rtol=1e-6)


@each_layer
def test_constraints_are_honoured(make, shape, kernel):
    layer = make(kernel_constraint="non_neg", bias_constraint="non_neg", **OPTIONS)
    layer.build((None, *shape))
    keras.optimizers.SGD(1.0).apply([tf.ones(kernel), -tf.ones(4)], [layer.kernel, layer.bias])
    np.testing.assert_array_equal(layer.kernel, 0.0)
    np.testing.assert_array_equal(layer.bias, 0.0)


def test_delay_regularizer_is_honoured():
    layer = constant_delay(3.0, delay_regularizer=keras.regularizers.L1(0.1))
    layer(spikes((1, 8, 5)))
    assert float(layer.losses[0]) == pytest.approx(0.1 * 5 * 3.0)


def test_learned_taps_get_their_gradient():
    """dk = sum over batch, time and series of x[t - k] g[t], here with g = 1: spikes counted."""
    layer = ks.TemporalFilter([0.5, 0.25, 0.0], learnable=True)
    x = spikes((2, 9, 4))
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(layer(x))
    grad = tape.gradient(value, layer.kernel.value)
    expected = [x.sum(), x[:, :-1].sum(), x[:, :-2].sum()]
    np.testing.assert_allclose(grad, expected, rtol=1e-6)
