"""from_nir of what export_loihi wrote: the model of the chip's integers, to the bit."""

import keras
import nir
import numpy as np
import pytest
from random_graphs import RandomGraphs

import keras_slayer as ks
from keras_slayer.export import LoihiSimulator, from_nir
from keras_slayer.export.formats import nir as writer
from keras_slayer.export.graph import (
    Connection,
    ConvSynapses,
    DenseSynapses,
    IntegerGraph,
    Population,
)
from keras_slayer.export.graph_layers import keras_model
from keras_slayer.export.network import IntegerNeuron
from keras_slayer.export.targets import get_target

NEURON = ks.LoihiCUBA(threshold_mantissa=100, current_decay=2048, voltage_decay=256)


def conv(filters=3, **options):
    return ks.SpikingConv2D(filters, 3, padding="same", neuron=NEURON, **options)


def residual(x):
    y = conv(use_bias=True, bias_initializer=keras.initializers.Constant(0.25))(x)
    y = keras.layers.Add()([conv()(y), y])
    y = ks.SpikingDense(6, neuron=NEURON)(ks.Flatten()(y))
    y = ks.DelayLayer(5.0, delay_initializer=keras.initializers.RandomUniform(0, 5))(y)
    loop = ks.SpikingRecurrentDense(8, neuron=NEURON, use_bias=True, name="loop")(y)
    return ks.SpikingDense(4, neuron=NEURON)(keras.layers.Concatenate()([loop, y]))


def sums(x):
    y = ks.PerStep(keras.layers.Conv2D(3, 3, padding="same"))(x)
    z = ks.PerStep(keras.layers.Conv2D(3, 1, use_bias=False))(x)
    y = ks.SpikingActivation(NEURON)(keras.layers.Add()([y, z]))
    return ks.SpikingSumPooling2D(2, neuron=NEURON)(y)


def model_of(make, seed=0):
    keras.utils.set_random_seed(seed)
    x = keras.Input((25, 6, 6, 2))
    model = keras.Model(x, make(x))
    rng = np.random.default_rng(seed)
    for variable in model.trainable_weights:
        if "kernel" in variable.name:
            fan_in = np.prod(variable.shape[:-1])
            drawn = rng.normal(0.4, 1.5, variable.shape) / fan_in**0.5
            variable.assign(np.round(32 * drawn) / 32)
    return model


def events(seed=1):
    return (np.random.default_rng(seed).random((3, 25, 6, 6, 2)) < 0.3).astype(np.float32)


def test_a_network_comes_back_to_the_bit(tmp_path):
    model, x = model_of(residual), events()
    model.export_loihi(tmp_path / "a.nir")
    expected = model.predict(x, verbose=0)
    assert 0.02 < expected.mean() < 0.98
    read = from_nir(tmp_path / "a.nir")
    np.testing.assert_array_equal(read.predict(x, verbose=0), expected)
    assert type(read.get_layer("loop")) is ks.SpikingRecurrentDense
    read.export_loihi(tmp_path / "b.nir")
    np.testing.assert_array_equal(LoihiSimulator(tmp_path / "b.nir").run(x), expected)
    object_of = from_nir(nir.read(tmp_path / "a.nir", type_check=False))
    np.testing.assert_array_equal(object_of(x), expected)


@pytest.mark.parametrize("make", [sums])
def test_sums_of_windows_that_differ(make, tmp_path):
    """With a constant current, which is neurons that spike in every step."""
    model, x = model_of(make), events()
    model.export_loihi(tmp_path / "a.nir")
    expected = LoihiSimulator(tmp_path / "a.nir").run(x)
    assert 0.02 < expected.mean() < 0.98
    np.testing.assert_array_equal(np.asarray(from_nir(tmp_path / "a.nir")(x)), expected)


def test_random_graphs():
    """Each is equal, or refused with the name of a population."""
    equal = 0
    for seed in range(24):
        draw = RandomGraphs(seed)
        graph = draw.graph(populations=2, recurrent=seed % 3 == 0)
        model, problems = keras_model(graph, get_target("loihi2"))
        assert all(problem.layer in graph.populations for problem in problems)
        if problems:
            continue
        x = draw.graph_spikes(graph)
        inputs = list(x.values())
        found = model(inputs if len(inputs) > 1 else inputs[0])
        expected = LoihiSimulator.from_network(graph).run(x)
        several = isinstance(expected, list)
        pairs = zip(found, expected, strict=True) if several else [(found, expected)]
        for mine, other in pairs:
            np.testing.assert_array_equal(mine, other, err_msg=f"seed {seed}")
        equal += 1
    assert equal >= 3


@pytest.mark.parametrize("window", [3, 1])
def test_delays_of_convolutions(window):
    """Of two windows, whose sources are joined where these are the same."""
    draw = RandomGraphs(0)

    def convolution(source, side, delay):
        padding = (side // 2, side // 2)
        weight = 2 * draw.rng.integers(-20, 60, (side, side, 2, 3))
        synapses = ConvSynapses(weight.astype(np.int16), padding=padding, delay=delay)
        return Connection(source, synapses)

    connections = (convolution("in", 3, 2), convolution("in", window, 5))
    population = Population((4, 5, 3), IntegerNeuron(1024, 128, 150), connections)
    graph = IntegerGraph({"in": (4, 5, 2)}, {"late": population}, ("late",))
    model, problems = keras_model(graph, get_target("loihi2"))
    assert not problems
    x = draw.graph_spikes(graph)["in"]
    expected = LoihiSimulator.from_network(graph).run(x)
    assert 0.02 < expected.mean() < 0.98
    np.testing.assert_array_equal(model.predict(x, verbose=0), expected)


def looped(delay):
    weight = np.full((2, 2), 20, np.int16)
    own = DenseSynapses(weight, np.full((2, 2), delay, np.uint8))
    connections = (Connection("in", DenseSynapses(weight)), Connection("ring", own))
    population = Population((2,), IntegerNeuron(1024, 128, 80), connections)
    return IntegerGraph({"in": (2,)}, {"ring": population}, ("ring",))


@pytest.mark.parametrize("delay", [0, 3])
def test_loops_of_other_lengths_are_refused_by_name(delay, tmp_path):
    writer.write(looped(delay), tmp_path / "a.nir")
    message = (
        f"ring: its neurons feed each other {delay + 1} steps? later; allowed: two steps.*Loihi"
    )
    with pytest.raises(ValueError, match=message):
        from_nir(tmp_path / "a.nir")


def test_what_the_arguments_ask_for(tmp_path):
    writer.write(looped(1), tmp_path / "a.nir")
    assert type(from_nir(tmp_path / "a.nir").layers[-1].neuron) is ks.LoihiCUBA
    with pytest.raises(ValueError, match=r"dt is about the nodes.*Received: dt=0.1, integers=True"):
        from_nir(tmp_path / "a.nir", dt=0.1, integers=True)
    lif = nir.LIF(np.full(3, 1e-3), np.full(3, 10.0), np.zeros(3), np.ones(3))
    with pytest.raises(ValueError, match=r"no integers of a chip.*integers=False reads its nodes"):
        from_nir(nir.NIRGraph.from_list(nir.Linear(np.eye(3)), lif), integers=True)
