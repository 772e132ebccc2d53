"""Float weights to integers: exact, or a problem."""

from types import SimpleNamespace

import numpy as np
import pytest

from keras_slayer.export.graph import FloatLayer
from keras_slayer.export.network import IntegerConv, IntegerDense, IntegerNeuron
from keras_slayer.export.quantize import largest_synaptic_sum, to_integers, weight_damage


def float_layer(used, weight_bits=8):
    used = np.array(used, np.float32)
    neuron = SimpleNamespace(weight_bits=weight_bits)
    return FloatLayer("dense", "SpikingDense", used, used, neuron, (used.shape[1],))


@pytest.mark.parametrize(
    ("weight_bits", "integers"),
    [(8, [-256, -2, 0, 2, 254]), (4, [-256, -32, 0, 32, 224]), (1, [-256, 0])],
)
def test_weights_on_the_grid_are_exact(weight_bits, integers):
    found, problems = to_integers(float_layer([np.array(integers) / 64], weight_bits))
    assert problems == []
    assert found.dtype == np.int16
    assert found.tolist() == [integers]


@pytest.mark.parametrize(
    ("weight_bits", "value"),
    [(8, 1 / 64), (8, 4.0), (8, -258 / 64), (4, 16 / 64), (4, 4.0), (8, np.nan), (8, np.inf)],
)
def test_weights_off_the_grid_are_a_problem(weight_bits, value):
    _, (problem,) = to_integers(float_layer([[0.0, value, value]], weight_bits))
    assert problem.layer == "dense"
    assert problem.what.startswith("2 of 3 weights are not on the chip's grid")


def test_weight_damage_by_hand():
    #                  exact  rounded  to zero  clamped  just in   clamped
    kernel = np.array([0.5, 0.51, 0.01, 3.99, 3.98, -4.02])
    integers = np.array([32, 32, 0, 254, 254, -256])
    damage = weight_damage(kernel, integers, 8)
    # 3.99 * 64 = 255.4 rounds to 256, one step too far; 3.98 * 64 = 254.7 rounds to 254;
    # -4.02 * 64 = -257.3 rounds to -258.
    assert (damage.total, damage.zero, damage.changed, damage.out_of_range) == (6, 1, 5, 2)


def test_largest_synaptic_sum_takes_the_worst_neuron_and_sign():
    neuron = IntegerNeuron(0, 0, 0)
    dense = IntegerDense(np.array([[100, -200], [50, -256], [-20, 254]], np.int16), neuron)
    assert largest_synaptic_sum(dense) == 456
    conv = IntegerConv(np.full((3, 3, 4, 8), 254, np.int16), neuron)
    assert largest_synaptic_sum(conv) == 36 * 254
