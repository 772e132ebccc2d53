"""Layers of a ``.net`` file that lava-dl writes and our exporter does not."""

import h5py
import numpy as np
import pytest
from netx_cases import NEURON, cells, dense, even

from keras_slayer.export import LoihiSimulator, read_net
from keras_slayer.export.formats import netx
from keras_slayer.export.network import (
    IntegerConv,
    IntegerDense,
    IntegerFlatten,
    IntegerNetwork,
    IntegerNeuron,
)


def conv(weight, shape, padding=0):
    window = {"stride": 1, "padding": padding, "dilation": 1, "groups": 1}
    return {"type": "conv", "shape": shape, "weight": weight, **window, **cells()}


def image(rng, *shape):
    return (rng.random((2, 30, *shape)) < 0.3).astype(np.uint8)


def assert_same_layers(network, expected):
    assert network.input_shape == expected.input_shape
    for mine, other in zip(network.layers, expected.layers, strict=True):
        assert mine.type == other.type
        for name, value in vars(other).items():
            np.testing.assert_array_equal(getattr(mine, name), value, err_msg=name)


def test_a_vector_may_have_three_axes(write_layers):
    rng = np.random.default_rng(0)
    first, second = even(rng, 3, 4), even(rng, 2, 3)
    path = write_layers(
        {"type": "input", "shape": [4, 1, 1]},
        dense(first, [3, 1, 1], **cells()),
        dense(second, [2, 1, 1], **cells()),
    )
    layers = (IntegerDense(first.T, NEURON), IntegerDense(second.T, NEURON))
    assert_same_layers(read_net(path), IntegerNetwork((4,), layers))


def test_before_a_convolution_three_axes_are_an_image(write_layers):
    rng = np.random.default_rng(0)
    path = write_layers(
        {"type": "input", "shape": [4, 1, 1]}, conv(even(rng, 2, 4, 1, 1), [2, 1, 1])
    )
    assert read_net(path).input_shape == (1, 1, 4)


def test_weights_of_a_convolution_may_have_five_axes(write_layers):
    weight = even(np.random.default_rng(0), 3, 2, 2, 4, 1)
    path = write_layers({"type": "input", "shape": [2, 5, 6]}, conv(weight, [3, 4, 3]))
    (layer,) = read_net(path).layers
    np.testing.assert_array_equal(layer.weight, weight[..., 0].transpose(2, 3, 1, 0))
    path = write_layers({"type": "input", "shape": [2, 5, 6]}, conv(weight[None], [3, 4, 3]))
    with pytest.raises(ValueError, match=r"'weight' has shape .* expected rank"):
        read_net(path)


def test_an_image_without_an_input_layer_needs_its_shape(write_layers):
    rng = np.random.default_rng(0)
    weight, last = even(rng, 3, 2, 3, 3), even(rng, 4, 3 * 5 * 7)
    path = write_layers(conv(weight, [3, 5, 7], 1), {"type": "flatten"}, dense(last, **cells()))
    spikes = image(rng, 5, 7, 2)
    for what in (read_net, LoihiSimulator):
        with pytest.raises(ValueError, match=r"layer 0: conv is the first .* Give input_shape="):
            what(path)
    layers = (
        IntegerConv(weight.transpose(2, 3, 1, 0), NEURON, padding=(1, 1)),
        IntegerFlatten(),
        IntegerDense(last.reshape(4, 3, 5, 7).transpose(2, 3, 1, 0).reshape(-1, 4), NEURON),
    )
    expected = IntegerNetwork((5, 7, 2), layers)
    assert_same_layers(read_net(path, (5, 7, 2)), expected)
    found = LoihiSimulator(path, input_shape=[5, 7, 2]).run(spikes)
    np.testing.assert_array_equal(found, LoihiSimulator.from_network(expected).run(spikes))
    with pytest.raises(ValueError, match=r"'weight' has shape \(3, 2, 3, 3\), expected \(3, 3, "):
        read_net(path, (5, 7, 3))
    with pytest.raises(ValueError, match="layer 0: conv needs an image"):
        read_net(path, (70,))


def test_a_flatten_at_the_start_needs_the_shape_of_the_image(write_layers):
    weight = even(np.random.default_rng(0), 3, 2 * 3 * 4)
    path = write_layers({"type": "flatten", "shape": [24, 1, 1]}, dense(weight, **cells()))
    with pytest.raises(ValueError, match="layer 0: flatten is the first"):
        read_net(path)
    network = read_net(path, (3, 4, 2))
    expected = weight.reshape(3, 2, 3, 4).transpose(2, 3, 1, 0).reshape(24, 3)
    np.testing.assert_array_equal(network.layers[1].weight, expected)
    (layer,) = read_net(path, (24,)).layers  # in the order of the file
    np.testing.assert_array_equal(layer.weight, weight.T)


def test_an_input_shape_that_the_file_says_must_be_that(write_layers):
    weight = even(np.random.default_rng(0), 3, 4)
    path = write_layers({"type": "input", "shape": [4]}, dense(weight, **cells()))
    assert read_net(path, (4,)).input_shape == (4,)
    with pytest.raises(ValueError, match=r"shape \(4,\)\. Received: input_shape=\(5,\)"):
        read_net(path, (5,))
    for wrong in ((), (2, 2), (0,), (1.5,), "44", 4, (1 << 25,), (-1, 2, 3)):
        with pytest.raises(ValueError, match=r"input_shape must be \(inputs,\) or \(height"):
            read_net(path, wrong)


@pytest.mark.parametrize("threshold", [None, 131072, (1 << 18) - 1])
def test_a_last_layer_without_spikes_adds_up_its_input(threshold, write_layers):
    """Without neurons it gets those of lava's loader: current and voltage are the sum so far."""
    weight = even(np.random.default_rng(0), 3, 4)
    path = write_layers(dense(weight, **({} if threshold is None else cells(0, 4096, threshold))))
    spikes = image(np.random.default_rng(1), 4)
    (layer,) = read_net(path).layers
    assert layer.neuron == IntegerNeuron(0, 4096, 131072)
    record = LoihiSimulator(path).record(spikes, "voltage")
    assert record.spikes.sum() == 0
    sums = np.cumsum(spikes @ weight.T.astype(np.int64), axis=1) << 6
    np.testing.assert_array_equal(record.layers[0].voltage[:, 1:], sums[:, :-1])


@pytest.mark.parametrize("shape", [(5,), (3, 4, 2)])
@pytest.mark.parametrize("weight", [None, 90])
def test_input_neurons_are_neurons_of_one_input_each(shape, weight, write_layers):
    rng = np.random.default_rng(0)
    order = shape if len(shape) == 1 else (shape[2], *shape[:2])
    layer = {"type": "input", "shape": order, **cells(4096, 4096, 60)}
    layer |= {"bias": [8]} | ({} if weight is None else {"weight": [weight]})
    last = even(rng, 3, int(np.prod(shape)))
    flatten = [{"type": "flatten"}] if len(shape) == 3 else []
    path = write_layers(layer, *flatten, dense(last, **cells()))
    # Neurons that forget spike where 8 + weight > 60: with the default of 64 as with 90.
    spikes = image(rng, *shape)
    first = LoihiSimulator(path).record(spikes, "spikes").layers[0].spikes
    np.testing.assert_array_equal(first[:, 1:], spikes[:, :-1])
    with h5py.File(path, "a") as file:
        file["layer/0/neuron/vThMant"][...] = 98  # and now never
    assert LoihiSimulator(path).record(spikes).layers[0].spike_counts.sum() == 0


def pooled(spikes, kernel, padding=(0, 0), strides=None):
    """Sums over windows, with zeros below and on the right as lava-dl puts them."""
    rows, columns = spikes.shape[2] % kernel[0], spikes.shape[3] % kernel[1]
    pads = [(0, 0), (0, 0), (padding[0], padding[0] + rows), (padding[1], padding[1] + columns)]
    padded = np.pad(spikes, [*pads, (0, 0)]).astype(np.int64)
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, (2, 3))
    strides = strides or kernel
    return windows[:, :, :: strides[0], :: strides[1]].sum((-2, -1))


@pytest.mark.parametrize(
    ("size", "kernel", "padding", "strides"),
    [
        ((4, 6), (2, 2), (0, 0), (2, 2)),
        ((5, 7), (2, 2), (0, 0), (2, 2)),
        ((6, 7), (3, 2), (0, 1), (3, 1)),
        ((6, 5), (2, 3), (0, 0), (2, 3)),
        ((6, 8), (4, 4), (0, 1), (4, 2)),
    ],
)
def test_pooling(size, kernel, padding, strides, write_layers):
    rng = np.random.default_rng(0)
    spikes = image(rng, *size, 3)
    sums = pooled(spikes, kernel, padding, strides)
    layer = {
        "type": "pool",
        "shape": (3, *sums.shape[2:4]),
        "weight": np.full((1, 1, *kernel), 40.0, np.float32),
        "stride": strides,
        "padding": padding,
        "dilation": [1, 1],
        **cells(4096, 4096, 50),  # spikes where two or more of a window do
    }
    path = write_layers({"type": "input", "shape": (3, *size)}, layer)
    found = LoihiSimulator(path).run(spikes)
    np.testing.assert_array_equal(found[:, 1:], sums[:, :-1] >= 2)
    assert 0 < found.mean() < 1


@pytest.mark.parametrize(
    "change",
    [
        {"stride": [1, 2]},
        {"padding": [1, 0]},
        {"dilation": [2, 1]},
        {"weight": np.full((1, 1, 5, 2), 40), "stride": [5, 2]},  # 6 rows, and one of zeros
    ],
)
def test_pooling_that_mixes_channels_is_refused(change, write_layers):
    layer = {"type": "pool", "shape": (3, 3, 3), "weight": np.full((1, 1, 2, 2), 40)}
    window = {"stride": [2, 2], "padding": [0, 0], "dilation": [1, 1]}
    path = write_layers({"type": "input", "shape": (3, 6, 6)}, layer | window | change | cells())
    with pytest.raises(ValueError, match="mixes the channels of an image of 6 rows"):
        read_net(path)


def test_what_is_read_can_be_written_for_lava(write_layers, tmp_path):
    """Pooling and input neurons as layers that its loader knows."""
    pool = {"type": "pool", "shape": (3, 3, 4), "weight": np.full((1, 1, 2, 2), 40)}
    window = {"stride": [2, 2], "padding": [0, 0], "dilation": [1, 1]}
    path = write_layers({"type": "input", "shape": (3, 5, 7), **cells()}, pool | window | cells())
    with h5py.File(path, "a") as file:
        file["layer/1/bias"] = [1, -2, 3]
    network = read_net(path)
    assert network.layers[1].bias.tolist() == [1, -2, 3]
    netx.write(network, tmp_path / "again.net")
    assert_same_layers(read_net(tmp_path / "again.net"), network)
    with h5py.File(tmp_path / "again.net") as file:
        assert [file[f"layer/{i}/type"][0] for i in range(3)] == [b"input", b"conv", b"conv"]


def test_nir_graphs_are_sent_to_their_reader(tmp_path):
    with h5py.File(tmp_path / "graph.nir", "w") as file:
        file.create_group("node")
    (tmp_path / "graph.nir").rename(tmp_path / "graph.net")
    message = r"graph\.net: this is a NIR graph, not a \.net file: .*export\.from_nir"
    with pytest.raises(ValueError, match=message):
        LoihiSimulator(tmp_path / "graph.net")
