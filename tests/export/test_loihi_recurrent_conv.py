"""Neurons that feed each other by a convolution, on the chip: as in training, to the bit."""

import re

import keras
import numpy as np
import pytest

import keras_slayer as ks
from keras_slayer.export import LoihiSimulator, from_nir, to_loihi
from keras_slayer.export.graph import Connection, ConvSynapses, IntegerGraph, Population
from keras_slayer.export.graph_layers import keras_model
from keras_slayer.export.network import IntegerNeuron
from keras_slayer.export.targets import get_target

NEURON = ks.LoihiCUBA(threshold_mantissa=100, current_decay=2048, voltage_decay=256)
STEPS = 40


def events(*shape, rate=0.15):
    return (np.random.default_rng(0).random((2, STEPS, *shape)) < rate).astype(np.float32)


def looped(side, neuron=NEURON, **options):
    """The loop inhibits, so that it neither fills every step nor falls silent."""
    keras.utils.set_random_seed(side[0])
    return ks.SpikingRecurrentConv2D(
        4,
        3,
        neuron=neuron,
        recurrent_kernel_size=side,
        kernel_initializer=keras.initializers.RandomNormal(0.3, 0.6),
        recurrent_initializer=keras.initializers.RandomNormal(-0.3, 0.6),
        **options,
    )


@pytest.mark.parametrize(
    ("side", "options"),
    [
        ((3, 3), {}),
        ((1, 5), {"strides": 2, "padding": "same"}),
        ((2, 4), {"use_bias": True, "bias_initializer": "ones"}),
    ],
)
def test_spikes_are_those_of_training(side, options, tmp_path):
    inputs = keras.Input((STEPS, 8, 9, 2))
    hidden = looped(side, name="looped", **options)(inputs)
    model = keras.Model(inputs, ks.SpikingDense(3, NEURON)(ks.Flatten()(hidden)))
    x, path = events(8, 9, 2), tmp_path / "a.nir"
    report = model.export_loihi(path, calibration=x)
    assert report.exact
    assert report.calibration.variants[-1].differing == 0
    assert [layer.differing for layer in report.calibration.layers] == [0, 0]
    loop = LoihiSimulator(path).network.populations["looped"].connections[-1]
    assert (loop.source, loop.synapses.delay) == ("looped", 1)
    assert isinstance(loop.synapses, ConvSynapses)
    expected = model.predict(x, verbose=0)
    for engine in ("native", "numpy"):
        np.testing.assert_array_equal(LoihiSimulator(path, engine=engine).run(x), expected)
    stream = LoihiSimulator(path).stream(batch=2)
    chunks = [stream(x[:, a:b]) for a, b in ((0, 1), (1, 17), (17, STEPS))]
    np.testing.assert_array_equal(np.concatenate(chunks, axis=1), expected)
    maps = keras.Model(inputs, hidden).predict(x, verbose=0)
    assert 0.02 < maps.mean() < 0.7
    read = from_nir(path)
    np.testing.assert_array_equal(read.predict(x, verbose=0), expected)
    assert type(read.get_layer("looped")) is ks.SpikingRecurrentConv2D


def test_the_report_of_dense_loops_with_biases(tmp_path):
    """What it holds the chip against has the loop and the bias."""
    keras.utils.set_random_seed(0)
    loop = ks.SpikingRecurrentDense(8, NEURON, use_bias=True, bias_initializer="ones")
    model = keras.Sequential([keras.Input((STEPS, 9)), loop])
    report = model.export_loihi(tmp_path / "a.nir", calibration=events(9))
    assert report.calibration.layers[0].spikes > 10
    assert [layer.differing for layer in report.calibration.layers] == [0]


def test_the_loop_matters(tmp_path):
    model = keras.Sequential([keras.Input((STEPS, 6, 6, 2)), looped((3, 3), name="looped")])
    x = events(6, 6, 2)
    whole = model.predict(x, verbose=0)
    layer = model.get_layer("looped")
    layer.recurrent_kernel.assign(np.zeros_like(layer.recurrent_kernel))
    assert (model.predict(x, verbose=0) != whole).sum() > 20


@pytest.mark.parametrize("delays", [[3, 3], [0, 3]])
def test_delays_before_it_move_all_its_neurons_or_none(delays, tmp_path):
    """With groups each filter could be early by itself, but for the loop."""
    late = ks.DelayLayer(5.0)
    inputs = keras.Input((STEPS, 6, 6, 2))
    hidden = looped((3, 3), name="looped", groups=2)(late(inputs))
    positive = keras.initializers.RandomUniform(0, 1)
    last = ks.SpikingDense(3, NEURON, kernel_initializer=positive)
    model = keras.Model(inputs, last(ks.Flatten()(hidden)))
    late.delay.assign(delays)
    x, path = events(6, 6, 2), tmp_path / "a.nir"
    if delays[0] != delays[1]:
        with pytest.raises(ValueError, match=r"looped: .*the same for all channels"):
            model.export_loihi(path)
        return
    model.export_loihi(path)
    expected = model.predict(x, verbose=0)
    assert expected.any()
    np.testing.assert_array_equal(LoihiSimulator(path).run(x), expected)


def test_other_neurons_are_converted(tmp_path):
    neuron = ks.CUBA(1.25, current_decay=0.5, voltage_decay=0.2)
    model = keras.Sequential([keras.Input((STEPS, 6, 6, 2)), looped((3, 3), neuron)])
    x = events(6, 6, 2, rate=0.3)
    chip = to_loihi(model, calibration=x)
    assert type(chip.layers[-1]) is ks.SpikingRecurrentConv2D
    chip.export_loihi(tmp_path / "a.nir")
    expected = chip.predict(x, verbose=0)
    assert expected.any()
    np.testing.assert_array_equal(LoihiSimulator(tmp_path / "a.nir").run(x), expected)


def ring(others=(), **window):
    own = {"padding": (1, 1), "delay": 1} | window
    side = 2 * own["padding"][0] // own.get("dilation", (1, 1))[0] + 1
    weight = np.full((side, side, 2 // own.get("groups", 1), 2), 6, np.int16)
    loop = Connection("ring", ConvSynapses(weight, **own))
    neuron = IntegerNeuron(1024, 128, 80)
    population = Population((4, 5, 2), neuron, (*others, loop), np.array([1, 2], np.int32))
    return IntegerGraph({"in": (4, 5, 2)}, {"ring": population}, ("ring",))


FIRST = Connection("in", ConvSynapses(np.full((1, 1, 2, 2), 40, np.int16)))
OTHER = Connection("in", ConvSynapses(np.full((3, 3, 2, 2), 4, np.int16), padding=(1, 1)))


@pytest.mark.parametrize(
    ("graph", "what"),
    [
        (ring([FIRST], delay=0), "its neurons feed each other 1 step later"),
        (ring([FIRST], delay=4), "its neurons feed each other 5 steps later"),
        (ring([FIRST], groups=2), "by a convolution with groups, dilation or uneven padding"),
        (ring([FIRST], padding=(2, 2), dilation=(2, 2)), "with groups, dilation or uneven padding"),
        (ring([FIRST, OTHER]), "of several windows .* have a bias and a loop"),
        (ring(), "nothing leads to its neurons but what they send"),
    ],
)
def test_loops_that_no_layer_has_are_refused_by_name(graph, what):
    _, problems = keras_model(graph, get_target("loihi2"))
    assert [problem.layer for problem in problems] == ["ring"]
    assert re.search(what, problems[0].what)
