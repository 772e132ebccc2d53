"""Firing rates set layer by layer."""

import dataclasses
import pathlib
import sys
import warnings

import keras
import numpy as np
import pytest

import keras_slayer as ks
from keras_slayer.rates import FiringRateWarning, SetRate, firing_rates, set_firing_rates

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "layers"))
from network_cases import CLASSES, NETWORKS, VECTOR, each
from rate_cases import NEURONS, STEPS, every_neuron, near, normal, sequential, spikes


def deep(neuron, layers=12, units=64):
    dense = [ks.SpikingDense(units, neuron, kernel_initializer=normal(0.1)) for _ in range(layers)]
    return sequential((STEPS, units), *dense)


@every_neuron
def test_every_layer_of_a_deep_network_reaches_the_rate(neuron):
    """Before, the spikes die out on the way."""
    model, x = deep(neuron), spikes(4, STEPS, 64)
    assert list(firing_rates(model, x).values())[-1].rate < 0.01
    kernels = [layer.kernel.numpy() for layer in model.layers]
    reached = set_firing_rates(model, x, rate=0.05)
    assert list(reached) == [layer.name for layer in model.layers]
    for layer, kernel in zip(model.layers, kernels, strict=True):
        rate, factor = reached[layer.name]
        # Rounded to the chip's, weights change in jumps, and the rate with them.
        assert rate == (pytest.approx(0.05, rel=0.1) if layer.on_chip else near(0.05))
        np.testing.assert_allclose(layer.kernel, kernel * factor, rtol=1e-6)
    measured = {name: rates.rate for name, rates in firing_rates(model, x).items()}
    assert measured == {name: rate for name, (rate, _) in reached.items()}
    again = set_firing_rates(model, x, rate=0.05)
    assert [factor for _, factor in again.values()] == pytest.approx([1.0] * 12)


@every_neuron
def test_convolutions_are_set_and_pools_left_alone(neuron):
    weights = {"neuron": neuron, "kernel_initializer": normal(1.0)}
    model = sequential(
        (STEPS, 8, 7, 2),
        ks.SpikingConv2D(6, 3, name="first", **weights),
        ks.SpikingSumPooling2D(2, neuron=ks.LoihiCUBA(), name="pool"),
        ks.DelayLayer(),
        keras.layers.Dropout(0.5),
        ks.SpikingConv2D(5, 2, name="second", **weights),
        ks.Flatten(),
        ks.SpikingDense(20, name="out", **weights),
    )
    x = spikes(3, STEPS, 8, 7, 2, density=0.1)
    reached = set_firing_rates(model, x, {"first": 0.02, "out": 0.1})
    assert reached["first"].rate == near(0.02)
    assert reached["out"].rate == near(0.1)
    assert reached["pool"].factor is None and reached["second"].factor is None
    assert model.get_layer("pool").quantized_weight() > 0


def test_a_bias_and_a_tolerance():
    """Only the kernel is scaled; the rate is exact to what one spike is worth."""
    bias = keras.initializers.Constant(0.05)
    layer = ks.SpikingDense(40, "cuba", use_bias=True, bias_initializer=bias)
    model, x = sequential((STEPS, 30), layer), spikes(8, STEPS, 30)
    reached = set_firing_rates(model, x, 0.15, tolerance=1e-3)
    assert reached[layer.name].rate == pytest.approx(0.15, rel=1e-3)
    np.testing.assert_array_equal(layer.bias, np.full(40, 0.05, "float32"))


@pytest.mark.parametrize("lazy", [False, True], ids=["built", "built on the first batch"])
def test_an_activation_scales_the_kernel_before_it(lazy):
    step = ks.PerStep
    conv = keras.layers.Conv2D(6, 3, kernel_initializer=normal(0.05))
    separable = keras.layers.SeparableConv1D(12, 1, use_bias=False)
    layers = [
        step(conv),
        step(keras.layers.MaxPooling2D(2)),
        keras.layers.Dropout(0.3),
        ks.SpikingActivation(NEURONS["srm"], name="one"),
        ks.Flatten(),
        keras.layers.Dense(30, kernel_initializer=normal(0.1)),
        ks.SpikingActivation(NEURONS["cuba"], name="two"),
        separable,
        ks.SpikingActivation(NEURONS["srm"], name="three"),
    ]
    model = keras.Sequential(layers if lazy else [keras.Input((STEPS, 8, 8, 2)), *layers])
    x = spikes(3, STEPS, 8, 8, 2, density=0.1)
    model(x[:1])
    before = conv.kernel.numpy(), separable.depthwise_kernel.numpy()
    reached = set_firing_rates(model, x, 0.1)
    assert [rate for rate, _ in reached.values()] == near([0.1] * 3)
    np.testing.assert_allclose(conv.kernel, before[0] * reached["one"].factor, rtol=1e-6)
    np.testing.assert_array_equal(separable.depthwise_kernel, before[1])
    assert all(factor not in (None, 1.0) for _, factor in reached.values())


def test_activations_without_a_kernel_of_their_own_are_left_alone():
    """Behind a normalisation, a recurrent layer, a sum, the input; and what is frozen."""
    inputs = keras.Input((STEPS, 6))
    frozen = keras.layers.Dense(6, name="frozen")
    frozen.trainable = False
    layers = [
        [],
        [keras.layers.Dense(6), keras.layers.BatchNormalization()],
        [keras.layers.GRU(6, return_sequences=True)],
        [lambda x: keras.layers.Add()([x, keras.layers.Dense(6)(x)])],
        [frozen],
    ]
    x = inputs
    for chain in layers:
        for layer in chain:
            x = layer(x)
        x = ks.SpikingActivation(ks.SRM(threshold=0.1))(x)
    last = ks.SpikingDense(4)
    last.trainable = False
    model = keras.Model(inputs, last(x))
    before = model.get_weights()
    reached = set_firing_rates(model, spikes(2, STEPS, 6))
    assert len(reached) == 6 and {factor for _, factor in reached.values()} == {None}
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@each({name: NETWORKS[name] for name in ("functional", "nested", "subclassed")})
def test_setting_in_models_of_other_kinds(network):
    model = network.make()
    x, _ = network.data()
    reached = set_firing_rates(model, x, 0.15)
    own = [values for name, values in reached.items() if "pool" not in name]
    assert len(own) >= 2 and all(factor is not None for _, factor in own)
    assert own[-1].rate == pytest.approx(0.15, rel=0.25)


def test_chip_weights_stay_within_their_range():
    """A threshold out of reach: as far as one weight in a hundred clipped, and a warning."""
    layer = ks.SpikingDense(
        30, ks.LoihiCUBA(threshold_mantissa=60000), kernel_initializer=normal(0.5), name="out"
    )
    model = sequential((STEPS, 20), layer)
    with pytest.warns(FiringRateWarning) as caught:
        set_firing_rates(model, spikes(2, STEPS, 20, density=0.4), 0.2)
    message = str(caught[0].message)
    assert "out: a rate of 0.2 is out of reach. Scaling its weights, as far as the chip" in message
    assert "Try a lower threshold_mantissa or a smaller current_decay and volt" in message
    assert "Received: neuron=LoihiCUBA(" in message and "threshold_mantissa=60000" in message
    assert np.mean(np.abs(layer.kernel) > 4) < 0.02

    reachable = dataclasses.replace(layer.neuron, threshold_mantissa=600)
    layer = ks.SpikingDense(30, reachable, kernel_initializer=normal(0.5))
    model = sequential((STEPS, 20), layer)
    reached = set_firing_rates(model, spikes(2, STEPS, 20, density=0.4), 0.2)
    assert reached[layer.name].rate == near(0.2)


def test_a_layer_that_no_factor_moves():
    silent = ks.SpikingDense(3, kernel_initializer=keras.initializers.Constant(-1.0), name="no")
    model = sequential((STEPS, 4), silent)
    with pytest.warns(FiringRateWarning, match="no: a rate of 0.05 is out of reach.* comes to 0 "):
        assert set_firing_rates(model, spikes(1, STEPS, 4, density=0.5)) == {"no": SetRate(0, 1)}
    bias = keras.initializers.Constant(50.0)
    loud = ks.SpikingDense(3, use_bias=True, bias_initializer=bias)
    model = sequential((STEPS, 4), loud)
    with pytest.warns(FiringRateWarning, match="Try a higher threshold or a shorter tau_resp"):
        set_firing_rates(model, spikes(1, STEPS, 4))


def test_layers_that_take_and_return_states():
    inputs = keras.Input((STEPS, 8))
    dense = ks.SpikingDense(20, kernel_initializer=normal(0.1), return_state=True, name="dense")
    activation = ks.SpikingActivation(return_state=True, name="activation")
    first, state = dense(inputs)
    second, _ = dense(inputs, initial_state=state)
    sums = ks.PerStep(keras.layers.Dense(20))(keras.layers.Concatenate()([first, second]))
    model = keras.Model(inputs, activation(sums)[0])
    reached = set_firing_rates(model, spikes(4, STEPS, 8, density=0.2), {"activation": 0.2})
    assert reached["activation"].rate == near(0.2) and reached["activation"].factor != 1
    reached = set_firing_rates(model, spikes(4, STEPS, 8, density=0.2), {"dense": 0.1})
    assert reached["dense"].factor != 1
    first, _ = dense(spikes(4, STEPS, 8, density=0.2))
    assert np.mean(first) == near(0.1)


def test_setting_says_what_is_wrong():
    model, x = sequential(VECTOR, ks.SpikingDense(CLASSES, name="out")), spikes(1, *VECTOR)
    with pytest.raises(ValueError, match=r"spikes to set rates by. Received: all zeros"):
        set_firing_rates(model, 0 * x)
    with pytest.raises(ValueError, match=r"rate must be a number in \(0, 1\]. Received: rate=0"):
        set_firing_rates(model, x, 0)
    with pytest.raises(ValueError, match=r"tolerance must be a number in \(0, inf\)"):
        set_firing_rates(model, x, tolerance=0)
    with pytest.raises(ValueError, match=r"with spiking neurons: out. Received: 'in', 'pool'"):
        set_firing_rates(model, x, {"in": 0.1, "out": 0.1, "pool": 0.1})
    assert not {"_fire", "_weigh"} & set(vars(model.layers[-1]))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        model = deep(NEURONS["loihi"], layers=2)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            reached = set_firing_rates(model, spikes(4, STEPS, 64), 0.1)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert [rate for rate, _ in reached.values()] == near([0.1, 0.1])
