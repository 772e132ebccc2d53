"""Float weights to integers: exact, or a problem, or rounded and reported."""

import numpy as np
import pytest

from keras_slayer.export.assembly import symmetric
from keras_slayer.export.model.float_network import (
    FloatNetwork,
    FloatPopulation,
    Part,
    Synapses,
    Window,
)
from keras_slayer.export.model.values import source_of
from keras_slayer.export.network import IntegerConv, IntegerNeuron
from keras_slayer.export.quantize import compare, largest_synaptic_sum, quantize
from keras_slayer.export.targets.loihi2 import TARGET
from keras_slayer.export.weight_grid import weight_damage
from keras_slayer.neurons import LoihiCUBA


def network(used, trained_bits):
    used = np.array(used, np.float32)
    synapses = Synapses("dense", "SpikingDense", used, used, (used.shape[1],))
    part = Part(synapses, source_of("input", used.shape[:1]))
    shape, neuron = (used.shape[1],), LoihiCUBA(100, 1, 2)
    layer = FloatPopulation("dense", shape, neuron, trained_bits, (part,))
    return FloatNetwork({"input": used.shape[:1]}, {"dense": layer}, ("dense",))


def integers_of(done):
    (kernel,) = done.kernels
    return kernel.weight


@pytest.mark.parametrize(
    ("trained_bits", "integers"),
    [(8, [-256, -2, 0, 2, 254]), (4, [-256, -32, 0, 32, 224]), (1, [-256, 0])],
)
def test_weights_on_the_grid_are_exact(trained_bits, integers):
    (done,), problems = quantize(network([np.array(integers) / 64], trained_bits), TARGET, 8)
    assert problems == []
    assert integers_of(done).dtype == np.int16
    assert integers_of(done).tolist() == [integers]
    assert TARGET.to_integers(done.source.neuron) == IntegerNeuron(1, 2, 100)
    assert (done.exact, done.bits) == (True, trained_bits)


@pytest.mark.parametrize(
    ("trained_bits", "value"),
    [(8, 1 / 64), (8, 4.0), (8, -258 / 64), (4, 16 / 64), (4, 4.0), (8, np.nan), (8, np.inf)],
)
def test_trained_weights_off_the_grid_are_a_problem(trained_bits, value):
    _, (problem,) = quantize(network([[0.0, value, value]], trained_bits), TARGET, 8)
    assert problem.layer == "dense"
    assert problem.what.startswith("2 of 3 weights are not what the chip can hold")


def test_float_weights_are_rounded_and_only_bad_numbers_are_a_problem():
    (done,), problems = quantize(network([[1 / 64, 3.1 / 64, 9.0, -9.0]], None), TARGET, 8)
    assert problems == []
    assert integers_of(done).tolist() == [[0, 4, 254, -256]]
    assert not done.exact
    _, (problem,) = quantize(network([[np.nan, 1.0]], None), TARGET, 8)
    assert problem.what.startswith("1 of 2 weights are not what the chip can hold")


def test_fewer_bits_than_trained_round_and_more_do_nothing():
    weights = [[-256 / 64, 34 / 64, 14 / 64, 250 / 64]]
    (done,), _ = quantize(network(weights, 8), TARGET, 4)
    assert integers_of(done).tolist() == [[-256, 32, 0, 224]]
    assert (done.exact, done.bits) == (False, 4)
    (done,), _ = quantize(network([[32 / 64]], 4), TARGET, 8)
    assert (done.exact, done.bits) == (True, 4)


def test_grid_has_every_multiple_of_the_step_and_nothing_else():
    for bits in range(1, 9):
        grid = TARGET.grid.nearest(np.linspace(-5, 5, 4001), bits)
        step = 2 ** (9 - bits)
        np.testing.assert_array_equal(np.unique(grid), np.arange(-256, 256, step))


def test_weight_damage_by_hand():
    #                  exact  rounded  to zero  clamped  just in   clamped
    weights = np.array([0.5, 0.51, 0.01, 3.99, 3.98, -4.02])
    damage = weight_damage(weights, TARGET.grid, 8)
    # 3.99 * 64 = 255.4 rounds to 256, one step too far; 3.98 * 64 = 254.7 rounds to 254;
    # -4.02 * 64 = -257.3 rounds to -258.
    assert (damage.total, damage.zero, damage.changed, damage.out_of_range) == (6, 1, 5, 2)


def test_damage_for_every_width():
    done, _ = quantize(network([[0.25, 0.5, -4.0, 3.96875]], 8), TARGET, 8)
    widths = compare(done)
    assert [width.bits for width in widths] == list(range(1, 9))
    # In integers 16, 32, -256, 254. Half a step rounds to even.
    assert [width.zero for width in widths] == [3, 2, 2, 1, 0, 0, 0, 0]
    assert [width.changed for width in widths] == [3, 3, 3, 2, 1, 1, 1, 0]
    assert [width.out_of_range for width in widths] == [1, 1, 1, 1, 1, 1, 1, 0]


def test_largest_synaptic_sum_takes_the_worst_neuron_and_sign():
    dense = np.array([[100, -200], [50, -256], [-20, 254]], np.int16)
    assert largest_synaptic_sum(dense) == 456
    assert largest_synaptic_sum(np.full((3, 3, 4, 8), 254, np.int16)) == 36 * 254


@pytest.mark.parametrize("dilation", [(1, 1), (3, 1), (3, 5)])
@pytest.mark.parametrize(
    "padding", [((0, 1), (1, 1)), ((1, 2), (2, 3)), ((0, 0), (3, 4)), ((4, 1), (0, 3))]
)
def test_padding_made_symmetric_is_the_same_convolution(dilation, padding):
    rng = np.random.default_rng(0)
    weight = rng.integers(-9, 9, (2, 4, 1, 2))
    window = Window((2, 1) if dilation == (1, 1) else (1, 1), padding, dilation, 1)
    image = rng.integers(0, 2, (20, 21))
    other_weight, other = symmetric(weight, window)
    assert all(before == behind for before, behind in other.padding)
    np.testing.assert_array_equal(
        convolve(np.pad(image, padding), weight, window),
        convolve(np.pad(image, other.padding), other_weight, other),
    )
    layer = IntegerConv(
        other_weight,
        IntegerNeuron(0, 0, 0),
        other.strides,
        tuple(before for before, _ in other.padding),
        other.dilation,
    )
    assert layer.output_shape((20, 21, 1)) == convolve(np.pad(image, padding), weight, window).shape


def convolve(image, weight, window):
    """Cross-correlation of one channel, tap by tap."""
    reach = [(k - 1) * d + 1 for k, d in zip(weight.shape, window.dilation, strict=False)]
    rows = range(0, image.shape[0] - reach[0] + 1, window.strides[0])
    columns = range(0, image.shape[1] - reach[1] + 1, window.strides[1])
    result = np.zeros((len(rows), len(columns), weight.shape[3]), int)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            for a in range(weight.shape[0]):
                for b in range(weight.shape[1]):
                    pixel = image[row + a * window.dilation[0], column + b * window.dilation[1]]
                    result[i, j] += pixel * weight[a, b, 0]
    return result
