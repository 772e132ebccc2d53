"""fold_normalization: normalised layers of Keras as layers that train on the chip's weights."""

import keras
import numpy as np
import pytest

import keras_slayer as ks
from keras_slayer.export import LoihiSimulator, fold_normalization

NEURON = ks.LoihiCUBA(224, 4096, 1612)


def normalised(x, filters, name, neuron=NEURON, **options):
    conv = keras.layers.Conv2D(filters, 3, padding="same", **options)
    x = keras.layers.BatchNormalization(name=f"{name}_norm")(ks.PerStep(conv)(x))
    return ks.SpikingActivation(neuron, name=name)(x)


def residual():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((20, 6, 6, 2))
    x = normalised(inputs, 4, "a")
    y = normalised(normalised(x, 4, "b", strides=1), 4, "c", use_bias=False)
    x = ks.Flatten()(keras.layers.Add()([x, y]))
    x = ks.SpikingActivation(NEURON, name="d")(keras.layers.Dense(5)(x))
    model = keras.Model(inputs, ks.SpikingDense(3, neuron=NEURON, name="e")(x))
    rng = np.random.default_rng(0)
    for variable in model.weights:
        name = variable.path.rsplit("/", 1)[-1]
        spread = {"gamma": (2.0, 0.3), "moving_variance": (0.3, 0.05), "kernel": (0.05, 0.3)}
        if name in spread or name in ("beta", "moving_mean", "bias"):
            variable.assign(rng.normal(*spread.get(name, (0.3, 0.2)), variable.shape))
    model.get_layer("e").kernel.assign(np.full((5, 3), 1.5))
    return model


def events():
    return (np.random.default_rng(1).random((4, 20, 6, 6, 2)) < 0.3).astype(np.float32)


def spikes_of(model, layer):
    part = keras.Model(model.inputs, model.get_layer(layer).output)
    return part.predict(events(), verbose=0)


@pytest.fixture(scope="module")
def model():
    return residual()


@pytest.fixture(scope="module")
def folded(model):
    return fold_normalization(model)


def test_each_chain_is_one_layer_that_spikes_nearly_the_same(model, folded):
    kinds = {layer.name: type(layer) for layer in folded.layers}
    assert [kinds[name] for name in "abc"] == [ks.SpikingConv2D] * 3
    assert kinds["d"] is kinds["e"] is ks.SpikingDense
    assert keras.layers.BatchNormalization not in kinds.values()
    for name, most in (("a", 0.05), ("d", 0.15)):
        given, found = (spikes_of(each, name) for each in (model, folded))
        assert 0.05 < given.mean() < 0.95
        assert np.mean(given != found) < most


def test_weights_are_those_of_the_normalisation_times_one_factor(model, folded):
    norm, layer = model.get_layer("b_norm"), folded.get_layer("b")
    conv = next(each.layer for each in model.layers if each.output is norm.input)
    scale = np.asarray(norm.gamma) / np.sqrt(np.asarray(norm.moving_variance) + norm.epsilon)
    shift = (np.asarray(conv.bias) - np.asarray(norm.moving_mean)) * scale + np.asarray(norm.beta)
    factor = layer.neuron.threshold_mantissa / NEURON.threshold_mantissa
    kernel = np.asarray(conv.kernel) * scale
    np.testing.assert_allclose(layer.kernel, factor * kernel, rtol=0.01, atol=1e-6)
    np.testing.assert_allclose(layer.bias, factor * shift, rtol=0.01, atol=1e-6)


def test_what_it_computes_is_what_the_chip_computes(folded, tmp_path):
    report = folded.export_loihi(tmp_path / "a.nir")
    assert report.exact
    expected = folded.predict(events(), verbose=0)
    assert 0.02 < expected.mean() < 0.98
    np.testing.assert_array_equal(LoihiSimulator(tmp_path / "a.nir").run(events()), expected)


def test_a_current_with_memory_has_a_larger_bias():
    inputs = keras.Input((20, 6, 6, 2))
    neuron = ks.LoihiCUBA(224, 1024, 1612)
    model = keras.Model(inputs, normalised(inputs, 2, "a", neuron))
    model.get_layer("a_norm").beta.assign([0.25, -0.5])
    layer = fold_normalization(model, weight_bits=6).get_layer("a")
    assert layer.neuron.weight_bits == 6
    factor = layer.neuron.threshold_mantissa / 224
    np.testing.assert_allclose(layer.bias, np.array([1.0, -2.0]) * factor, rtol=0.01)


def test_a_bias_that_the_chip_cannot_hold_is_clipped_with_a_warning():
    inputs = keras.Input((20, 6, 6, 2))
    neuron = ks.LoihiCUBA(224, 16, 1612)  # a slow current: a bias 256 times as large
    model = keras.Model(inputs, normalised(inputs, 2, "a", neuron))
    model.get_layer("a_norm").beta.assign([0.01, -2.0])
    with pytest.warns(
        UserWarning, match="a: 1 of 2 biases are beyond .*-64 to 63.98.* clipped"
    ) as w:
        layer = fold_normalization(model).get_layer("a")
    assert w[0].filename == __file__
    assert layer.bias[1] == -64 and 0 < layer.bias[0] < 63


def nested():
    """Normalised layers in a functional model that is used twice, and in a Sequential one."""
    keras.utils.set_random_seed(0)
    inside = keras.Input((20, 6, 6, 2))
    block = keras.Model(inside, normalised(inside, 2, "a"), name="block")
    head = keras.Sequential(
        [
            keras.layers.Dense(5, use_bias=False),
            keras.layers.BatchNormalization(),
            ks.SpikingActivation(NEURON, name="d"),
            ks.SpikingDense(3, neuron=NEURON, name="e"),
        ],
        name="head",
    )
    inputs = keras.Input((20, 6, 6, 2))
    model = keras.Model(inputs, head(ks.Flatten()(block(block(inputs)))))
    for norm, beta in ((block.get_layer("a_norm"), 1.5), (head.layers[1], 2.0)):
        norm.gamma.assign(np.full(norm.gamma.shape, 3.0))
        norm.beta.assign(np.full(norm.beta.shape, beta))
    head.get_layer("e").kernel.assign(np.full((5, 3), 1.5))
    return model


def test_models_inside_it_are_folded_as_well(tmp_path):
    model = nested()
    folded = fold_normalization(model)
    block, head = folded.get_layer("block"), folded.get_layer("head")
    assert type(block.get_layer("a")) is ks.SpikingConv2D
    assert type(head.get_layer("d")) is ks.SpikingDense
    x = events()
    for part in ("block", "head"):
        given, found = (each.get_layer(part).predict(x, verbose=0) for each in (model, folded))
        assert 0.05 < given.mean() < 0.95
        assert np.mean(given != found) < 0.15
        x = found.reshape(4, 20, -1)
    found = folded.predict(events(), verbose=0)
    assert folded.export_loihi(tmp_path / "a.nir").exact
    np.testing.assert_array_equal(LoihiSimulator(tmp_path / "a.nir").run(events()), found)


def test_a_layer_that_two_models_share_is_not_folded():
    inside = keras.Input((20, 6, 6, 2))
    spikes = normalised(inside, 2, "a")
    block = keras.Model(inside, spikes, name="block")
    layers = [layer for layer in block.layers if not isinstance(layer, keras.layers.InputLayer)]
    inputs = keras.Input((20, 6, 6, 2))
    other = layers[2](layers[0](inputs))  # the same weights and neurons, not normalised
    with pytest.raises(ValueError, match="a_norm: it does not lie between weights and"):
        fold_normalization(keras.Model(inputs, keras.layers.Add()([block(inputs), other])))


def test_what_is_not_finite_is_refused():
    model = refused(lambda x: normalised(x, 2, "a"))
    model.get_layer("a_norm").beta.assign([np.nan, 0])
    with pytest.raises(ValueError, match="a: 1 of 2 biases are not finite"):
        fold_normalization(model)


def refused(make):
    inputs = keras.Input((20, 6, 6, 2))
    return keras.Model(inputs, make(inputs))


def test_what_cannot_be_folded_is_named():
    def float_neurons(x):
        return normalised(x, 2, "a", ks.CUBA(1.0, 1.0, 0.5))

    def read_twice(x):
        y = ks.PerStep(keras.layers.Conv2D(2, 3))(x)
        z = keras.layers.BatchNormalization(name="a_norm")(y)
        spikes = [ks.SpikingActivation(NEURON, name=name)(z) for name in "bc"]
        return keras.layers.Add()(spikes)

    for make in (float_neurons, read_twice):
        message = "cannot be folded .1 problem.*\n.*a_norm: it does not lie between weights and"
        with pytest.raises(ValueError, match=message):
            fold_normalization(refused(make))
    with pytest.raises(ValueError, match="there is nothing to fold"):
        fold_normalization(refused(lambda x: ks.SpikingConv2D(2, 3, neuron=NEURON)(x)))
    no_decay = ks.LoihiCUBA(224, 0, 1612)
    model = refused(lambda x: normalised(x, 2, "a", no_decay))
    model.get_layer("a_norm").beta.assign([0.25, -0.5])
    with pytest.raises(ValueError, match="a: its constant input would grow"):
        fold_normalization(model)
    with pytest.raises(ValueError, match=r"model must be a built .*Received: model=3"):
        fold_normalization(3)
