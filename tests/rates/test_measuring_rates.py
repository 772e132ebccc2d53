"""Firing rates measured on models of all kinds."""

import pathlib
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_slayer as ks
from keras_slayer.rates import FiringRates, firing_rates, set_firing_rates, spiking_layers
from keras_slayer.visualization.recording import summarise

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "layers"))
from network_cases import NETWORKS, each
from rate_cases import STEPS, normal, sequential, spikes


def test_rates_by_hand():
    """Three neurons of one input: silent, saturated, and one spike in four steps."""
    memoryless = ks.CUBA(threshold=1.0, current_decay=1.0, voltage_decay=1.0)
    layer = ks.SpikingDense(3, memoryless, name="dense")
    model = sequential((4, 2), layer)
    layer.kernel.assign([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    x = np.array([[[1, 0], [1, 0], [1, 1], [0, 0]]], "float32")
    assert firing_rates(model, x) == {"dense": FiringRates(4 / 12, 1 / 3, 1 / 3)}
    assert isinstance(firing_rates(model, x)["dense"].rate, float)
    assert firing_rates(model, x, saturation=0.75)["dense"].saturated == 0
    assert firing_rates(model, x, saturation=0.2)["dense"].saturated == pytest.approx(2 / 3)


@each(NETWORKS)
def test_every_kind_of_model(network):
    """Each layer with neurons, in order, with the rate of its output; the model is left alone."""
    model = network.make()
    x, _ = network.data()
    before, expected = model.get_weights(), model(x).numpy()
    rates = firing_rates(model, x)
    layers = {layer.name: layer for layer in spiking_layers(model)}
    assert sorted(rates) == sorted(layers)
    last = list(rates)[-1]
    if model.layers[-1] is layers[last]:
        assert rates[last].rate == pytest.approx(expected.mean(), rel=1e-5)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not any({"_fire", "_weigh"} & set(vars(layer)) for layer in layers.values())
    np.testing.assert_array_equal(model(x), expected)


class Block(keras.layers.Layer):
    """A layer that keeps its layers in containers."""

    def __init__(self, name):
        super().__init__(name=name)
        self.parts = {"first": ks.SpikingDense(4, "srm", name="dense")}
        self.rest = [ks.SpikingDense(4, "srm", name="dense"), ks.SpikingDense(4, name="last")]

    def build(self, input_shape):
        for layer in (*self.parts.values(), *self.rest):
            layer.build((*input_shape[:-1], 4))
        self.built = True

    def call(self, x):
        for layer in (*self.parts.values(), *self.rest):
            x = layer(x)
        return x


def test_layers_within_layers_and_names_that_clash():
    model = sequential((STEPS, 4), Block("one"), Block("two"))
    assert len(spiking_layers(model)) == 6
    rates = firing_rates(model, spikes(2, STEPS, 4))
    assert len(rates) == 6 and all(np.isfinite(list(rates.values())).flat)
    assert [name.split("/")[-1] for name in rates] == ["dense:1", "dense:2", "last"] * 2


@keras.saving.register_keras_serializable(package="test_measuring_rates")
class Subclassed(keras.Model):
    """Built by its first call; with `late`, it makes its layer then."""

    def __init__(self, late, **options):
        super().__init__(**options)
        self.late = late
        self.dense = None if late else ks.SpikingDense(4, kernel_initializer=normal(9.0))

    def build(self, input_shape):
        if self.late:
            self.dense = ks.SpikingDense(4, kernel_initializer=normal(9.0))
        self.dense.build(input_shape)

    def call(self, x):
        return self.dense(x)

    def get_config(self):
        return {**super().get_config(), "late": self.late}


@keras.saving.register_keras_serializable(package="test_measuring_rates")
class BuiltByCall(Subclassed):
    """Has no build of its own, as most subclassed models."""

    build = keras.Model.build


@pytest.mark.parametrize("make", [BuiltByCall, Subclassed])
def test_a_model_is_saved_whole_where_measuring_built_it(make, tmp_path):
    model = make(late=False)
    assert firing_rates(model, spikes(2, STEPS, 3))
    model.save(tmp_path / "model.keras")
    (kernel,) = keras.models.load_model(tmp_path / "model.keras").get_weights()
    np.testing.assert_array_equal(kernel, model.get_weights()[0])


def test_layers_that_a_model_makes_in_its_build():
    x = spikes(2, STEPS, 3)
    (rates,) = firing_rates(Subclassed(late=True), x).values()
    assert rates.rate > 0
    (summary,) = summarise(Subclassed(late=True), x).layers.values()
    assert summary.shares.mean() > 0


def test_a_data_set_gives_its_first_batch_without_labels():
    x, labels = spikes(6, STEPS, 5), np.arange(6)
    model = sequential((STEPS, 5), ks.SpikingDense(4, kernel_initializer=normal(9.0)))
    expected = firing_rates(model, x[:2])
    assert expected != firing_rates(model, x[2:4])
    for data in ((x, labels), (x, labels, np.ones(6)), x):
        dataset = tf.data.Dataset.from_tensor_slices(data).batch(2)
        assert firing_rates(model, dataset) == expected

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return x[2 * index : 2 * index + 2], labels[2 * index : 2 * index + 2]

    assert firing_rates(model, Batches()) == expected


def test_several_inputs():
    inputs = [keras.Input((STEPS, 3), name=name) for name in "ab"]
    outputs = ks.SpikingDense(4, name="out")(keras.layers.Concatenate()(inputs))
    model = keras.Model(inputs, outputs)
    x = [spikes(2, STEPS, 3, density=0.5, seed=seed) for seed in (1, 2)]
    rate = firing_rates(model, x)["out"].rate
    assert rate > 0 and rate == pytest.approx(model(x).numpy().mean())
    assert set_firing_rates(model, dict(zip("ab", x, strict=True)), 0.1)["out"].factor is not None


def test_measuring_says_what_is_wrong():
    plain = sequential((STEPS, 4), keras.layers.Dense(3))
    with pytest.raises(ValueError, match=r"no layer with spiking neurons. Received: model='seq"):
        firing_rates(plain, spikes(1, STEPS, 4))
    model = sequential((STEPS, 4), ks.SpikingDense(3))
    with pytest.raises(ValueError, match=r"saturation must be a number in \[0, 1\]"):
        firing_rates(model, spikes(1, STEPS, 4), saturation=1.5)
    empty = tf.data.Dataset.from_tensor_slices(spikes(3, STEPS, 4)).take(0)
    with pytest.raises(ValueError, match=r"Received: an empty tf.data.Dataset"):
        firing_rates(model, empty)
    for nothing in (spikes(0, STEPS, 4), spikes(2, 0, 4)):
        with pytest.raises(ValueError, match=r"a sample and a time step.*spikes of shape \([02], "):
            firing_rates(sequential((None, 4), ks.SpikingDense(3)), nothing)
