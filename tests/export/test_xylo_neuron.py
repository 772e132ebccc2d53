"""XyloLIF, and the layers that train with the chip's weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_slayer as ks
from keras_slayer.export.xylo import XyloDense, XyloLIF, XyloRecurrentDense
from keras_slayer.neurons.time_constants import DEFAULT_TAU, fraction_lost


def run(neuron, weights):
    """(spikes, membranes) of one neuron whose input of step t is the chip's integer weights[t]."""
    z = tf.constant(np.reshape(weights, (1, -1, 1)) / 64, tf.float32)
    spikes, membrane, _ = neuron.reference(z)
    return np.ravel(spikes).tolist(), (64 * np.ravel(membrane)).tolist()


# What xylosim 0.1.3 gave for these inputs, one spike of this weight in step 0.


def test_positive_states_lose_at_least_one_in_each_step():
    neuron = XyloLIF(threshold=30_000, dash_syn=2, dash_mem=3)
    v = [75, 123, 151, 166, 171, 169, 163, 155, 145, 134, 124, 114, 104, 94, 85, 76, 67, 59, 52, 46,
         41, 36, 32, 28, 25, 22, 20, 18, 16, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3]  # fmt: skip
    assert run(neuron, [100] + [0] * 40) == ([0] * 41, v)


def test_negative_states_round_down():
    neuron = XyloLIF(threshold=30_000, dash_syn=2, dash_mem=3)
    v = [-75, -121, -147, -159, -162, -158, -150, -140, -128, -116, -104, -93, -82, -71, -62, -54,
         -47, -41, -35, -30, -26, -22, -19, -16, -14, -12, -10, -8, -7, -6, -5, -4, -3, -2, -1, 0,
         0, 0, 0, 0, 0]  # fmt: skip
    assert run(neuron, [-100] + [0] * 40)[1] == v


def test_a_spike_at_the_threshold_takes_the_threshold_away():
    neuron = XyloLIF(threshold=75, dash_syn=2, dash_mem=3)
    assert run(neuron, [100, 0, 0, 0]) == ([1, 0, 1, 0], [75, 57, 93, 49])
    neuron = XyloLIF(threshold=40, dash_syn=2, dash_mem=3)
    assert run(neuron, [40, 0, 0, 0]) == ([0, 1, 0, 0], [30, 50, 27, 38])


def test_a_hidden_neuron_spikes_31_times_in_a_step_and_an_output_neuron_once():
    inputs = [15 * 127] * 3 + [0] * 6
    hidden = XyloLIF(threshold=60, dash_syn=2, dash_mem=3)
    assert run(hidden, inputs)[0] == [23, 31, 31, 31, 31, 31, 31, 18, 10]
    output = XyloLIF(threshold=5, dash_syn=1, dash_mem=1, max_spikes=1)
    assert run(output, [0] + [31] * 5) == ([0, 1, 1, 1, 1, 1], [0, 16, 30, 41, 48, 53])


def test_states_saturate_at_16_bits():
    neuron = XyloLIF(threshold=30_000, dash_syn=2, dash_mem=3)
    spikes, v = run(neuron, [15 * 127 << 7] * 4 + [0] * 3)
    assert spikes == [0, 1, 0, 1, 0, 1, 0]
    assert v == [24_576, 32_767, 26_998, 32_767, 20_854, 32_072, 12_181]
    assert run(neuron, [15 * -128 << 7] * 4)[1] == [-24_576, -32_768, -32_768, -32_768]
    # -30597 loses -240; what is added, 32766 + 240, is held to 32767.
    neuron = XyloLIF(threshold=60, dash_syn=15, dash_mem=7)
    assert run(neuron, [-15_360, 0, 78_740]) == ([0, 0, 31], [-15_359, -30_597, 2_170])


# Parameters


def test_the_default_threshold_is_a_fourteenth_of_the_response():
    neuron = XyloLIF()
    assert neuron.response_kernel().sum() == pytest.approx(12, rel=1e-6)
    assert (neuron.threshold, neuron.firing_threshold) == (55, 55 / 64)


def test_defaults_are_nearest_to_those_of_the_other_neurons():
    tau = XyloLIF.from_tau(DEFAULT_TAU, DEFAULT_TAU)
    assert (tau.dash_syn, tau.dash_mem, tau.threshold) == (2, 2, 55)
    assert 2.0**-2.5 < fraction_lost(DEFAULT_TAU) < 2.0**-1.5


def test_bit_shifts_of_time_constants():
    neuron = XyloLIF.from_tau(3.476, 31.5, max_spikes=1)
    assert (neuron.dash_syn, neuron.dash_mem, neuron.max_spikes, neuron.dt) == (2, 5, 1, 1.0)
    assert neuron.time_constants == pytest.approx((3.476, 31.5), rel=1e-3)
    assert XyloLIF.from_tau(3.476, 31.5, dt=0.5).dash_mem == 6
    assert XyloLIF().time_constants is None
    with pytest.raises(ValueError, match=r"tau_mem must be at most 46340\.\d* ms"):
        XyloLIF.from_tau(5.0, 47_000.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0}, r"threshold must be an integer in \[1, 32767\]"),
        ({"threshold": 40_000}, r"threshold must be an integer in \[1, 32767\]"),
        ({"dash_syn": 0}, r"dash_syn must be an integer in \[1, 15\]"),
        ({"dash_mem": 16}, r"dash_mem must be an integer in \[1, 15\]"),
        ({"max_spikes": 2}, r"max_spikes must be 31.* or 1.*Received: max_spikes=2"),
        ({"dt": 0.0}, "dt"),
    ],
)
def test_parameters_out_of_the_chips_range(options, message):
    with pytest.raises(ValueError, match=message):
        XyloLIF(**options)


# Gradients


@pytest.mark.parametrize("gradient", ["slayer", "exodus"])
def test_the_gradient_of_a_silent_neuron_is_its_response(gradient):
    # The triangle is zero so far from the threshold, so that "exodus" feels no reset.
    surrogate = {"gradient": gradient, "surrogate": "triangle", "surrogate_tau": 0.2}
    neuron = XyloLIF(threshold=20_000, dash_syn=2, dash_mem=4, **surrogate)
    z = tf.constant(np.full((1, 12, 1), 1.3), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(z)
        _, membrane, _ = neuron.reference(z)
        last = membrane[0, -1, 0]
    found = np.ravel(tape.gradient(last, z))
    np.testing.assert_allclose(found[::-1], neuron.response_kernel(12), rtol=1e-5)


def test_the_surrogate_is_that_of_the_nearest_multiple_of_the_threshold():
    neuron = XyloLIF(threshold=64, surrogate_tau=0.5)
    u = tf.constant([-0.2, 0.4, 1.1, 1.6, 4.9, 40.0])
    with tf.GradientTape() as tape:
        tape.watch(u)
        spikes = neuron.spike(u)
    np.testing.assert_array_equal(spikes, [0, 0, 1, 1, 4, 31])
    distance = np.array([1.2, 0.6, 0.1, 0.4, 0.1, 9.0])
    np.testing.assert_allclose(tape.gradient(spikes, u), 2 * np.exp(-2 * distance), rtol=1e-4)


def test_exodus_feels_the_reset_by_several_spikes():
    def gradient(kind):
        neuron = XyloLIF(threshold=64, gradient=kind)
        z = tf.constant([[[6.0], [0.0]]])
        with tf.GradientTape() as tape:
            tape.watch(z)
            spikes = neuron.reference(z)[0]
            late = spikes[0, 1, 0]
        assert spikes[0, 0, 0] == 4
        return float(tape.gradient(late, z)[0, 0, 0])

    assert gradient("slayer") > gradient("exodus")


# Layers


def test_weights_are_rounded_and_clipped_straight_through():
    layer = XyloDense(1)
    layer.build((None, None, 5))
    layer.kernel.assign([[0.012], [-0.009], [1.0], [3.0], [-2.5]])
    with tf.GradientTape() as tape:
        used = layer.quantized_kernel()
    np.testing.assert_array_equal(64 * used, [[1], [-1], [64], [127], [-128]])
    gradient = tape.gradient(used, layer.kernel.value)
    np.testing.assert_array_equal(gradient, [[1], [1], [1], [0], [0]])


@pytest.mark.parametrize("kind", [XyloDense, XyloRecurrentDense])
def test_what_layers_refuse(kind):
    with pytest.raises(ValueError, match=f"neuron of {kind.__name__} must be a XyloLIF"):
        kind(3, neuron="cuba")
    with pytest.raises(ValueError, match=f"{kind.__name__} has no bias"):
        kind(3, use_bias=True)
    with pytest.raises(ValueError, match="16-bit floats cannot hold"):
        kind(3, dtype="mixed_float16")


def test_recurrent_layers_round_both_kernels_in_the_forward_pass():
    keras.utils.set_random_seed(3)
    layer = XyloRecurrentDense(12)
    layer.build((None, None, 6))
    layer.set_weights([20 * w for w in layer.get_weights()])  # many are clipped
    x = (np.random.default_rng(0).random((2, 16, 6)) < 0.4).astype(np.float32)
    spikes = layer(x)
    plain = ks.SpikingRecurrentDense(12, layer.neuron)
    plain.build((None, None, 6))
    plain.set_weights([np.rint(64 * w).clip(-128, 127) / 64 for w in layer.get_weights()])
    np.testing.assert_array_equal(spikes, plain(x))
    assert np.array(spikes).any()


def test_a_saved_model_spikes_as_before(tmp_path):
    keras.utils.set_random_seed(1)
    neuron = XyloLIF.from_tau(4.0, 9.0, surrogate_tau=0.4)
    model = keras.Sequential(
        [keras.Input((20, 6)), XyloRecurrentDense(9, neuron), XyloDense(3, XyloLIF(max_spikes=1))]
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].neuron == neuron
    x = (np.random.default_rng(0).random((4, 20, 6)) < 0.4).astype(np.float32)
    expected = np.array(model(x))
    assert expected.any()
    np.testing.assert_array_equal(loaded(x), expected)
