"""record: every layer's arrays, as the forward pass computed them."""

import pathlib
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_slayer as ks
from keras_slayer.layers import probes
from keras_slayer.layers.spiking_layer import SpikingLayer
from keras_slayer.ops import library
from keras_slayer.recorded import LayerRecord, Record
from keras_slayer.watching import watch

sys.path.insert(0, str(pathlib.Path(__file__).parent / "layers"))
sys.path.insert(0, str(pathlib.Path(__file__).parent / "stream"))
from network_cases import NETWORKS, each
from stream_cases import spikes


@pytest.fixture(params=["native", "reference"])
def either_ops(request, monkeypatch):
    if request.param == "reference":
        monkeypatch.setattr(library, "_loaded", False)


def same(one, other):
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def fires_as_recorded(layer: LayerRecord):
    """A neuron that is given the current has this membrane potential and fires these spikes."""
    fired, membrane = layer.neuron.fire(layer.current)
    same(fired, layer.spikes)
    same(membrane, layer.membrane)


@each({name: NETWORKS[name] for name in ("functional", "mlp-cutoff", "cnn-loihi")})
def test_every_layer_to_the_bit(network, either_ops):
    model = network.make()
    x, _ = network.data()
    found = ks.record(model, x)
    assert isinstance(found, Record)
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    outputs = keras.Model(model.inputs[0], [layer.output for layer in layers])(x)
    assert sorted(found) == sorted(layer.name for layer in layers)
    for layer, output in zip(layers, outputs, strict=True):
        same(found[layer.name].output, output)
        if isinstance(layer, SpikingLayer):
            fires_as_recorded(found[layer.name])
            assert found[layer.name].spikes.any()
    same(found.outputs, model(x))


@each({name: NETWORKS[name] for name in ("around-conv", "subclassed")})
def test_models_of_all_kinds(network):
    model = network.make()
    x, _ = network.data()
    found = ks.record(model, x)
    same(found.outputs, model(x))
    same(list(found.values())[-1].output, model(x))
    assert [layer.layer for layer in found.values()] == getattr(model, "blocks", model.layers)
    for layer in found.values():
        if isinstance(layer.layer, SpikingLayer):
            fires_as_recorded(layer)


@pytest.mark.parametrize("density", [0.02, 0.6], ids=["sparse", "dense"])
@pytest.mark.parametrize("return_state", [False, True])
def test_the_kernel_that_ran(density, return_state):
    """By events in one pass, or by dense products, which a layer with a state does not take."""
    inputs = keras.Input((30, 1500))
    layer = ks.SpikingDense(
        128,
        "cuba",
        use_bias=True,
        bias_initializer=keras.initializers.Constant(0.05),
        kernel_initializer=keras.initializers.RandomNormal(0.0, 0.4),
        return_state=return_state,
        name="hidden",
    )
    model = keras.Model(inputs, layer(inputs))
    random = np.random.default_rng(0)
    # With so many numbers other than 1, the rounding depends on the kernel.
    x = random.random((3, 30, 1500), "float32") * (random.random((3, 30, 1500)) < density)
    found = ks.record(model, x)["hidden"]
    expected = model(x)[0] if return_state else model(x)
    same(found.spikes, expected)
    same(found.output, expected)
    assert found.spikes.any()
    fires_as_recorded(found)


def test_loihi_neurons_are_recorded_with_the_weights_of_the_chip(either_ops):
    neuron = ks.LoihiCUBA(80, 1024, 128, weight_bits=5)
    model = keras.Sequential([keras.Input((24, 12)), ks.SpikingDense(70, neuron, name="chip")])
    x = spikes(12, density=0.3)
    found = ks.record(model, x)["chip"]
    layer = model.get_layer("chip")
    weights = np.asarray(layer.quantized_kernel())
    assert np.abs(weights - layer.kernel.numpy()).max() > 0.01
    same(found.current, x.astype("float64") @ weights.astype("float64"))
    assert found.threshold == 80 / 64 and found.spikes.any()
    # The chip's voltage in integers, over 4096.
    same(found.membrane * 4096, np.round(found.membrane * 4096))
    fires_as_recorded(found)


def shared_and_nested():
    inputs = keras.Input((24, 6))
    shared = ks.SpikingDense(6, name="shared")
    block = keras.Sequential([keras.Input((24, 6)), ks.SpikingDense(6, name="dense")], name="block")
    hidden = shared(keras.layers.Dense(6, name="dense")(shared(inputs)))
    return keras.Model(inputs, block(hidden), name="net")


def test_calls_are_numbered_and_shared_names_become_paths():
    model, x = shared_and_nested(), spikes(6, density=0.5)
    found = ks.record(model, x)
    block = model.get_layer("block").layers[0]
    assert list(found) == ["shared", "dense", "shared:1", block.path]
    shared, dense = model.get_layer("shared"), model.get_layer("dense")
    same(found["shared"].spikes, shared(x))
    same(found["dense"].output, dense(shared(x)))
    same(found["shared:1"].spikes, shared(dense(shared(x))))
    assert found["shared:1"].layer is shared and found["shared:1"].name == "shared:1"
    assert list(ks.record(model, x, layers="shared")) == ["shared", "shared:1"]


@keras.saving.register_keras_serializable(package="keras_slayer_tests")
class Block(keras.layers.Layer):
    """A user's layer that holds layers."""

    def __init__(self, **options):
        super().__init__(**options)
        self.parts = [ks.SpikingDense(6, name="inner"), keras.layers.Dense(2)]

    def build(self, input_shape):
        self.parts[0].build(input_shape)
        self.parts[1].build((*input_shape[:-1], 6))
        self.built = True

    def call(self, x):
        return self.parts[1](self.parts[0](x))


def test_a_users_layer_shows_the_temporal_layers_in_it():
    model = keras.Sequential([keras.Input((24, 6)), Block(name="block")])
    x = spikes(6, density=0.5)
    found = ks.record(model, x)
    assert list(found) == ["inner", "block"]
    same(found["inner"].spikes, model.layers[0].parts[0](x))
    same(found["block"].output, model(x))
    told = []
    watch(model, x, model.layers, lambda layer, output, firing: told.append((layer, firing)))
    assert told == [(model.layers[0], None)]  # the neurons are not its own


def test_only_what_is_asked_for_is_kept(monkeypatch):
    model, x = shared_and_nested(), spikes(6, density=0.5)
    found = ks.record(model, x, "membrane", layers=["shared"])
    assert list(found) == ["shared", "shared:1"]
    assert found["shared"].probes == ("membrane",)
    with pytest.raises(AttributeError, match=r"the spikes of shared .* record with probe='spikes'"):
        _ = found["shared"].spikes
    names = list(ks.record(model, x, ("membrane", "current")))
    assert len(names) == 3 and "dense" not in names
    assert found["shared"].threshold == ks.SRM().threshold and found["shared"].dt == 1.0

    def computed(self):
        raise AssertionError("the sums of the synapses were computed once more")

    monkeypatch.setattr(probes.Firing, "current", property(computed))
    ks.record(model, x, ("spikes", "membrane"))
    with pytest.raises(AssertionError, match="once more"):
        ks.record(model, x, "current")


def test_the_model_is_left_as_it_was_and_takes_data_sets():
    model, x = shared_and_nested(), spikes(6, density=0.5)
    before = model(x)
    data = tf.data.Dataset.from_tensor_slices((x, np.arange(2))).batch(1)
    found = ks.record(model, data)
    same(found.outputs, before[:1])
    assert "call" not in vars(model.get_layer("shared"))
    same(model(x), before)


def test_what_a_record_lacks_is_said():
    model, x = shared_and_nested(), spikes(6, density=0.5)
    found = ks.record(model, x)
    with pytest.raises(AttributeError, match=r"dense \(Dense\) has no membrane potential"):
        _ = found["dense"].membrane
    with pytest.raises(AttributeError, match="has no neurons, and so no threshold"):
        _ = found["dense"].threshold
    with pytest.raises(KeyError, match="'last' is not among the recorded layers: shared, dense"):
        _ = found["last"]
    assert repr(found["shared"]) == (
        "<shared (SpikingDense): spikes (2, 24, 6), membrane (2, 24, 6), current (2, 24, 6)>"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"probe": "voltage"}, "'spikes', 'membrane', 'current'. Received: probe='voltage'"),
        ({"probe": ()}, r"Received: probe=\(\)"),
        ({"probe": 3}, "Received: probe=3"),
        ({"layers": ks.SpikingDense(3)}, r"of the model: shared, .* Received: layers=\[<SpikingD"),
        ({"layers": ["shared", "last"]}, "of the model: shared, .*dense.* Received: layers="),
        ({"layers": []}, r"Received: layers=\[\]"),
        (
            {"layers": ["dense"], "probe": ("membrane", "current")},
            r"no neurons, and so no membrane potential and no synaptic input: dense \(Dense\)",
        ),
        ({"model": ks.SpikingDense(3)}, "must be a keras.Model. Received: model=<SpikingDense"),
        (
            {"model": keras.Sequential([ks.SpikingDense(3)], name="net")},
            "begin it with keras.Input.* Received: model='net'",
        ),
    ],
)
def test_refuses(arguments, message):
    arguments = {"model": shared_and_nested(), **arguments}
    with pytest.raises(ValueError, match=message):
        ks.record(x=spikes(6), **arguments)


def test_refuses_models_without_neurons_and_layers_that_cannot_be_watched():
    plain = keras.Sequential([keras.Input((24, 6)), keras.layers.Dense(2)], name="plain")
    x = spikes(6)
    assert list(ks.record(plain, x)) == [plain.layers[0].name]
    with pytest.raises(ValueError, match="no layer with neurons, and so no membrane potential"):
        ks.record(plain, x, "membrane")

    class Compiled(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = ks.SpikingDense(3, name="inner")

        @tf.function
        def call(self, x):
            return self.inner(x)

    model = Compiled()
    model(x)  # builds it

    class Own(SpikingLayer):
        def advance(self, inputs, state):
            if self.name == "telling":
                probes.note(self, self.neuron, lambda: 2 * inputs, 3 * inputs)
            return inputs, state

        def compute_output_shape(self, shape):
            return shape

    model = keras.Sequential([keras.Input((24, 6)), Own(name="own")])
    same(ks.record(model, x, "spikes")["own"].spikes, x)
    with pytest.raises(ValueError, match=r"probes.note. Received: layer 'own' \(Own\)"):
        ks.record(model, x)
    model = keras.Sequential([keras.Input((24, 6)), Own(name="telling")])
    told = ks.record(model, x)["telling"]
    same(told.current, 2 * x)
    same(told.membrane, 3 * x)
