"""Profiles of models of all kinds: branches, shared layers, layers in layers, unknown kinds."""

import pathlib
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_slayer as ks

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "layers"))
from layer_cases import spikes
from network_cases import NETWORKS, each

KINDS = ("cnn-loihi", "around-dense", "around-conv", "functional", "nested",
         "subclassed")  # fmt: skip
SUMS = ("dense", "macs", "acs", "neuron_updates", "spikes", "neurons")


@each({name: NETWORKS[name] for name in KINDS})
def test_totals_are_sums_and_parameters_those_of_the_model(network):
    model = network.make()
    x, _ = network.data()
    before, expected = model.get_weights(), model(x).numpy()
    found = ks.profile(model, x, batch_size=3)
    assert found.samples == len(x) and found.not_counted == () and found.total.counted
    assert found.total.parameters == model.count_params()
    assert found.total.footprint == sum(w.nbytes for w in before)
    for name in SUMS:
        values = [getattr(layer, name) for layer in found]
        assert getattr(found.total, name) == pytest.approx(sum(filter(None, values)))
    assert found.total.acs > 0
    active = [layer for layer in found if layer.active]
    zeros = sum(layer.outputs * layer.activation_sparsity for layer in active)
    assert found.total.activation_sparsity == pytest.approx(
        zeros / sum(layer.outputs for layer in active)
    )
    # The model is left as it was.
    np.testing.assert_array_equal(model(x), expected)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not any("call" in vars(layer) for layer in model.layers)


def dense(units, name, **options):
    options = {"kernel_initializer": keras.initializers.RandomNormal(0.2, 0.5), **options}
    return ks.SpikingDense(units, name=name, **options)


def test_shared_layers_count_once_per_use_and_their_weights_once():
    inputs = keras.Input((8, 6))
    shared = dense(6, "shared")
    block = keras.Sequential([keras.Input((8, 6)), dense(6, "dense")], name="block")
    hidden = block(shared(inputs))
    model = keras.Model(inputs, keras.layers.Add(name="add")([shared(hidden), block(hidden)]))
    x = spikes((4, 8, 6), 0.5)
    found = ks.profile(model, x)
    names = [layer.name for layer in found]
    assert sorted(names) == ["add", "dense", "dense:1", "shared", "shared:1"]
    assert names[:2] == ["shared", "dense"] and names[-1] == "add"
    assert found.total.parameters == 72 and found.total.weights == 72
    assert found["shared"].parameters == found["shared:1"].parameters == 36
    second = shared(block(shared(x)))
    assert found["shared:1"].spikes * 4 == pytest.approx(second.numpy().sum())
    nonzero = (block(shared(x)).numpy() != 0).sum(axis=(0, 1))
    fan_out = np.count_nonzero(shared.kernel.numpy(), axis=1)
    assert found["shared:1"].acs == nonzero @ fan_out / 4


class Block(keras.layers.Layer):
    """Holds layers, and calls one of them several times."""

    def __init__(self, scaled=False, **options):
        super().__init__(**options)
        self.scaled = scaled
        self.parts = {"first": [dense(6, "inner")], "last": keras.layers.Dense(6, name="last")}

    def build(self, input_shape):
        self.parts["first"][0].build(input_shape)
        self.parts["last"].build(input_shape)
        if self.scaled:
            self.scale = self.add_weight(name="scale", shape=(6,))
        self.built = True

    def call(self, x):
        x = self.parts["last"](self.parts["first"][0](x))
        x = self.parts["last"](x)
        return x * self.scale if self.scaled else x


def test_layers_within_a_users_layer():
    x = spikes((4, 8, 6), 0.5)
    model = keras.Sequential([keras.Input((8, 6)), Block(name="block")])
    found = ks.profile(model, x)
    assert [layer.name for layer in found] == ["inner", "last", "block"]
    # Without weights of its own the block has no synapses, and all calls of a layer are one use.
    assert found.not_counted == () and found["block"].parameters == 0
    assert found["last"].dense == 2 * 36 * 8 and found["last"].macs > 0
    assert "the layers in it are counted" in str(found)

    model = keras.Sequential([keras.Input((8, 6)), Block(scaled=True, name="block")])
    found = ks.profile(model, x)
    assert found.not_counted == ("block",) and not found.total.counted
    assert (found["block"].parameters, found["block"].dense) == (6, None)
    assert found.total.dense == found["inner"].dense + found["last"].dense
    assert found.total.parameters == model.count_params()


class OwnDense(keras.layers.Dense):
    """Computes something else."""

    def call(self, x):
        return super().call(x) ** 2


class NamedDense(keras.layers.Dense):
    """Computes what Dense does."""


class OwnSpikes(ks.SpikingDense):
    """Other synapses."""

    def synaptic_input(self, inputs):
        return super().synaptic_input(inputs).value() * 2


@pytest.mark.parametrize(
    ("layer", "note"),
    [
        (keras.layers.Lambda(lambda x: x * 2, name="own"), "unknown kind"),
        (OwnDense(3, name="own"), "unknown kind"),
        (OwnSpikes(3, name="own"), "unknown kind"),
        (ks.PerStep(OwnDense(3), name="own"), "unknown kind"),
        (keras.layers.LSTM(3, name="own"), "return_sequences=True"),
    ],
    ids=["lambda", "subclass", "spiking", "wrapped", "lstm"],
)
def test_layers_of_unknown_kind_are_listed_and_named(layer, note):
    model = keras.Sequential([keras.Input((8, 6)), dense(6, "known"), layer])
    found = ks.profile(model, spikes((4, 8, 6), 0.5))
    assert found.not_counted == ("own",)
    own = found["own"]
    assert note in own.note
    assert (own.dense, own.macs, own.acs, own.synaptic_operations) == (None,) * 4
    assert own.parameters == layer.count_params() and own.activation_sparsity is not None
    assert (own.spikes is not None) == isinstance(layer, OwnSpikes)
    assert found.total.dense == found["known"].dense == 36 * 8
    assert f"not counted: own ({own.note})" in str(found)
    with pytest.warns(UserWarning, match="without these layers, .* not counted: own"):
        assert found.energy() == found["known"].energy()


def test_a_subclass_that_changes_nothing_is_of_the_same_kind():
    model = keras.Sequential([keras.Input((8, 6)), NamedDense(3, name="named")])
    found = ks.profile(model, spikes((4, 8, 6), 0.5))["named"]
    assert (found.type, found.dense, found.counted) == ("NamedDense", 18 * 8, True)


def test_models_within_wrappers():
    inner = keras.Sequential(
        [keras.Input((5, 4, 2)), keras.layers.Conv2D(3, 2, name="conv"), keras.layers.Flatten(),
         keras.layers.Dense(4, name="dense", activation="relu")]
    )  # fmt: skip
    x = spikes((4, 8, 5, 4, 2), 0.3)
    expected = None
    for wrapper in (ks.PerStep, keras.layers.TimeDistributed):
        model = keras.Sequential([keras.Input(x.shape[1:]), wrapper(inner)])
        found = ks.profile(model, x, batch_size=3)
        figures = [(la.dense, la.macs, la.acs, la.outputs, la.nonzero_outputs) for la in found]
        assert [la.name for la in found if la.type != "Flatten"] == ["conv", "dense"]
        assert found["conv"].dense == 8 * 4 * 3 * 3 * 8 and found["conv"].acs > 0
        assert found["dense"].macs > 0 and found["dense"].active
        assert expected in (None, figures)
        expected = figures
    both = keras.layers.Bidirectional(keras.layers.GRU(3, return_sequences=True), name="both")
    found = ks.profile(keras.Sequential([keras.Input((8, 6)), both]), spikes((4, 8, 6), 0.5))
    assert len(found) == 2 and found.total.dense == 2 * 8 * (6 * 9 + 3 * 9)
    assert found.not_counted == () and found.total.parameters == both.count_params()


def test_operations_of_functional_models():
    inputs = keras.Input((8, 6))
    hidden = dense(6, "dense")(inputs)
    product = keras.ops.matmul(hidden, keras.ops.transpose(hidden, (0, 2, 1)))
    model = keras.Model(inputs, keras.ops.sum(product + 1.0, axis=-1))
    found = ks.profile(model, spikes((4, 8, 6), 0.5))
    (name,) = found.not_counted
    assert [layer.name for layer in found] == ["dense", name]
    assert found[name].type == "Matmul" and found[name].outputs == 64


def test_attention_is_not_counted_but_for_its_projections():
    inputs = keras.Input((8, 6))
    attention = keras.layers.MultiHeadAttention(2, 3, name="attention")
    model = keras.Model(inputs, attention(inputs, inputs))
    found = ks.profile(model, spikes((4, 8, 6), 0.5))
    assert found.not_counted == ("attention",)
    # Without weights, they have nothing to count, even where Keras computes them otherwise.
    assert {"softmax", "dropout"} <= {layer.name.split("_")[0] for layer in found}
    # Query, key and value, from 6 to 2 x 3 each, and back.
    assert found.total.dense == 4 * 36 * 8 and found["query"].acs > 0
    assert found.total.parameters == model.count_params() == 4 * (36 + 6)


class Compiled(keras.Model):
    """Calls one layer where it cannot be watched, and one not at all."""

    def __init__(self, all_of_it=False):
        super().__init__()
        self.seen, self.unseen = dense(6, "seen"), dense(6, "unseen")
        self.unused = dense(6, "unused")
        self.weight = self.add_weight(name="own", shape=(2,))
        self.all_of_it = all_of_it

    @tf.function
    def hidden(self, x):
        return self.unseen(x)

    def call(self, x):
        return self.hidden(x) if self.all_of_it else self.hidden(self.seen(x))


def test_layers_that_cannot_be_watched():
    x = spikes((4, 8, 6), 0.5)
    model = Compiled()
    model.unused.build((None, 8, 6))
    model(x)
    found = ks.profile(model, x)
    assert set(found.not_counted) == {"unseen", "unused", model.name}
    assert "did not run where it can be watched" in found["unused"].note
    assert found["unused"].dense is None and found["unused"].parameters == 36
    assert found[model.name].parameters == 2
    assert found.total.parameters == 36 * 3 + 2 and found["seen"].counted


def test_a_model_that_cannot_be_watched_at_all():
    class Traced(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = dense(6, "inner")

        @tf.function
        def call(self, x):
            return self.inner(x)

    model, x = Traced(), spikes((4, 8, 6), 0.5)
    model(x)
    for data in (x, x[:3]):  # traced before; traced anew
        with pytest.raises(ValueError, match=r"no layer ran where .* Received: layers \['inner'\]"):
            ks.profile(model, data)
