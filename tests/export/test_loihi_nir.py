"""The .nir format: what is written, what it means to a reader, what is refused."""

import importlib
import io
import os
import sys
import time
from fractions import Fraction

import h5py
import nir
import nir_cases
import numpy as np
import plain_loihi
import pytest
from nir_runner import DT, FIRES, in_order, linear, read, run, to_nir

from keras_slayer.export.formats import nir as writer
from keras_slayer.export.network import (
    IntegerConv,
    IntegerDense,
    IntegerFlatten,
    IntegerNetwork,
    IntegerNeuron,
)

NEURON = IntegerNeuron(1024, 128, 80)


def kinds(network):
    return [type(node).__name__ for node in in_order(read(network))[1:-1]]


def test_file_contents_by_hand():
    """One filter of 1 x 2 on a 1 x 3 image of two channels, 1 x 1 filters, then a dense layer."""
    conv = np.arange(2, 10, 2).reshape(1, 2, 2, 1).astype(np.int16)  # taps, then channels
    pair = np.array([[[[64, -128]]]], np.int16)
    dense = np.array([[2, 4], [6, 8], [10, 12], [14, 16]], np.int16)
    network = IntegerNetwork(
        (1, 3, 2),
        (
            IntegerConv(conv, NEURON, dilation=(2, 1)),
            IntegerConv(pair, NEURON),
            IntegerFlatten(),
            IntegerDense(dense, IntegerNeuron(4096, 0, 131071)),
        ),
    )
    graph = read(network)
    digest, integers = graph.metadata.pop("digest"), graph.metadata.pop("nodes")
    assert graph.metadata == {"dt": DT, "integers": 1, "arithmetic": "loihi_cuba"}
    assert len(digest) == 64
    assert set(integers) == {"input", "conv2d", "cubalif", "conv2d_2", "cubalif_1"} | {
        *("linear", "cubalif_2", "output")
    }
    nodes = in_order(graph)
    assert [type(node).__name__ for node in nodes] == [
        *("Input", "Conv2d", "Conv2d", "CubaLIF", "Conv2d", "CubaLIF"),
        *("Flatten", "Linear", "CubaLIF", "Output"),
    ]  # a kernel of 1 x 2 takes two nodes
    assert nodes[0].input_type["input"].tolist() == [2, 1, 3]
    np.testing.assert_array_equal(nodes[4].weight, [[[[1]]], [[[-2]]]])
    assert nodes[4].weight.dtype == np.float32
    assert [nodes[4].stride.tolist(), nodes[4].padding.tolist()] == [[1, 1], [0, 0]]
    assert nodes[4].input_shape.tolist() == [1, 2]
    assert nodes[5].v_threshold.shape == (2, 1, 2)
    above = {theta: np.nextafter(np.float32(theta / 64), np.float32(9e9)) for theta in (80, 131071)}
    assert np.unique(nodes[5].v_threshold).tolist() == [above[80]]
    assert (nodes[6].start_dim, nodes[6].end_dim) == (0, -1)
    # Keras counts pixel, channel: p0c0 p0c1 p1c0 p1c1; the file p0c0 p1c0 p0c1 p1c1.
    np.testing.assert_array_equal(nodes[7].weight * 64, [[2, 10, 6, 14], [4, 12, 8, 16]])
    assert np.unique(nodes[8].v_threshold).tolist() == [above[131071]]
    assert nodes[9].output_type["output"].tolist() == [2]


@pytest.mark.parametrize("dt", [1e-4, 1e-3])
@pytest.mark.parametrize("decay", [0, 1, 390, 1024, 3736, 4095, 4096])
def test_neuron_parameters(decay, dt):
    network = IntegerNetwork((1,), (IntegerDense(np.array([[64]]), IntegerNeuron(decay, 128, 97)),))
    graph = writer.to_nir(network, dt)
    neuron = graph.nodes["cubalif"]
    tau = 4096 / decay if decay else 2**30
    assert graph.metadata["dt"] == dt
    assert neuron.tau_syn[0] == pytest.approx(dt * tau, rel=1e-15)
    assert neuron.tau_mem[0] == pytest.approx(dt * 32, rel=1e-15)
    assert tau * (1 - 1e-6) < neuron.w_in[0] <= tau
    assert neuron.r[0] == pytest.approx(32, rel=1e-6)
    assert (neuron.v_leak[0], neuron.v_reset[0]) == (0, 0)
    # A reader's float32: a sum of weights never comes out larger than it went in.
    step = np.float32(dt) * (np.float32(1) / np.float32(neuron.tau_syn[0]))
    sums = np.arange(1, 1 << 15, dtype=np.float32) / 64
    out = step * (np.float32(neuron.w_in[0]) * sums)
    assert np.all(out <= sums)
    np.testing.assert_allclose(out, sums, rtol=1e-6)


def test_default_decays_have_the_exact_gains():
    neuron = writer.to_nir(nir_cases.NETWORKS["one_neuron"]).nodes["cubalif"]
    assert (neuron.w_in[0], neuron.r[0]) == (4, 32)


@pytest.mark.parametrize("fires", FIRES)
@pytest.mark.parametrize("name", nir_cases.NETWORKS)
def test_networks_spike_as_the_float_cuba(name, fires):
    network = nir_cases.NETWORKS[name]
    spikes = nir_cases.spikes(network)
    expected = nir_cases.expected(network, spikes)
    assert expected.sum() > 10
    np.testing.assert_array_equal(run(read(network), spikes, fires), expected)


@pytest.mark.parametrize("seed", range(100, 115))
def test_random_networks_spike_as_the_float_cuba(seed):
    draw = nir_cases.Draw(seed)
    network = draw.network()
    spikes = draw.spikes(network)
    expected = nir_cases.expected(network, spikes)
    for fires in FIRES:
        np.testing.assert_array_equal(run(read(network), spikes, fires), expected)


@pytest.mark.parametrize("fires", FIRES)
def test_a_voltage_at_the_threshold_is_no_spike(fires):
    for network in nir_cases.TIES.values():
        first = run(read(network), nir_cases.tie_spikes(), fires)[0, 0]
        assert first.tolist() == [0, 1, 0]


def float32_below(value):
    return float(np.nextafter(np.float32(value), np.float32(-np.inf)))


@pytest.mark.parametrize("theta", [1, 80, 97, 65535, 131071])
def test_a_threshold_is_the_next_float32_above_the_chips(theta):
    network = IntegerNetwork((1,), (IntegerDense(np.array([[64]]), IntegerNeuron(9, 9, theta)),))
    threshold = read(network).nodes["cubalif"].v_threshold[0]
    assert threshold == np.float32(threshold)
    assert float32_below(threshold) == theta / 64


@pytest.mark.parametrize("kernel", [(1, 1), (1, 2), (2, 1), (2, 3), (3, 1), (4, 2), (5, 2)])
@pytest.mark.parametrize("padding", [(0, 0), (2, 1)])
@pytest.mark.parametrize("strides", [(1, 1), (2, 1), (1, 3), (4, 3)])
@pytest.mark.parametrize("dilation", [(1, 1), (1, 2), (3, 2)])
def test_every_geometry_is_the_same_convolution(kernel, padding, strides, dilation):
    """nir checks the shapes as it writes and as it reads, the oracle every synapse."""
    for groups in (1, 2):
        weight = nir_cases.even(*kernel, 2 // groups, 4)
        layer = IntegerConv(weight, NEURON, strides, padding, dilation, groups)
        shape = (14, 9, 2)
        height, width, filters = layer.output_shape(shape)
        matrix = np.zeros((np.prod(shape), height * width * filters))
        for i, o, value, _ in plain_loihi.synapses(layer, shape):
            matrix[i, o] += value / 64
        x = np.random.default_rng(0).integers(-9, 9, (3, *shape))
        found = to_nir(x)
        for node in in_order(read(IntegerNetwork(shape, (layer,))))[1:-2]:
            found = linear(node, found)
        expected = (x.reshape(3, -1) @ matrix).reshape(3, height, width, filters)
        np.testing.assert_array_equal(found, to_nir(expected))


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (nir_cases.pool((2, 2), 3, (2, 2)), "SumPool2d"),
        (nir_cases.pool((3, 1), 3, (2, 2)), "SumPool2d"),
        (nir_cases.pool((2, 2), 3, (2, 2), padding=(1, 0)), "Conv2d"),
        (nir_cases.pool((2, 2), 3, (1, 1), dilation=(2, 2)), "Conv2d"),
        (nir_cases.pool((5, 5), 3, (1, 1)), "Conv2d"),  # a mean of 25, times 25, is not whole
        (nir_cases.pool((2, 2), 3, (2, 2), weight=-2), "Conv2d"),
        (nir_cases.pool((2, 2), 3, (2, 2), weight=0), "Conv2d"),
        (nir_cases.conv(2, 2, 1, 3, groups=3), "Conv2d"),
    ],
)
def test_pools(layer, kind):
    assert kinds(IntegerNetwork((7, 8, 3), (layer,))) == [kind, "CubaLIF"]


@pytest.mark.parametrize(
    ("weight", "theta"), [(40, 80), (26, 97), (254, 300), (6, 131071), (6, 131068), (254, 301)]
)
def test_the_weight_of_a_pool_is_in_the_threshold(weight, theta):
    """The smallest float32 above the quotient, whether the nearest one lies above it or below."""
    layer = nir_cases.pool((2, 2), 3, (2, 2), weight, IntegerNeuron(4096, 4096, theta))
    graph = read(IntegerNetwork((4, 4, 3), (layer,)))
    threshold = np.unique(graph.nodes["cubalif"].v_threshold).item()
    assert threshold == np.float32(threshold)
    assert Fraction(threshold) * weight > theta
    assert Fraction(float32_below(threshold)) * weight <= theta


def test_pools_whose_threshold_rounds_up_and_down_are_tried():
    quotients = [Fraction(theta, weight) for weight, theta in ((26, 97), (254, 300), (254, 301))]
    nearest = [Fraction(float(np.float32(float(quotient)))) for quotient in quotients]
    assert len({n > q for n, q in zip(nearest, quotients, strict=True)}) == 2


def test_same_network_same_bytes():
    network = nir_cases.NETWORKS["image"]
    before = writer.to_bytes(network)
    time.sleep(1.1)  # HDF5 timestamps count seconds
    assert writer.to_bytes(network) == before
    with h5py.File(io.BytesIO(before)) as file:
        timed = []
        file.visititems(lambda name, item: timed.append(h5py.h5o.get_info(item.id).mtime))
    assert len(timed) > 50
    assert not any(timed)


def test_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a.nir"
    path.write_text("precious")

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        writer.write(nir_cases.NETWORKS["dense"], path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.nir"]
    assert path.read_text() == "precious"
    monkeypatch.undo()
    writer.write(nir_cases.NETWORKS["dense"], path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.nir"]
    assert nir.read(path).output_type["output"].tolist() == [10]


def test_delays_and_biases_of_zero_leave_no_trace():
    weight = np.array([[2, 4]], np.int16)
    layer = IntegerDense(weight, NEURON, np.zeros(2, np.int32), np.zeros((1, 2), np.uint8))
    network = IntegerNetwork((1,), (layer,))
    assert writer.problems(network) == []
    assert kinds(network) == ["Linear", "CubaLIF"]
    assert not writer.to_nir(network).nodes["cubalif"].v_leak.any()


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "nir", None)
    for module in ("nir", "nir_package"):
        monkeypatch.delitem(sys.modules, f"keras_slayer.export.formats.{module}")
    with pytest.raises(ImportError, match="pip install nir"):
        importlib.import_module("keras_slayer.export.formats.nir")
