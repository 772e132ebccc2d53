"""The .net format: what is written, and read back."""

import os
import time

import h5py
import numpy as np
import pytest
from netx_cases import NEURON, even

from keras_slayer.export import LoihiSimulator
from keras_slayer.export.formats import netx
from keras_slayer.export.formats.netx_reader import read_network
from keras_slayer.export.network import (
    IntegerConv,
    IntegerDense,
    IntegerFlatten,
    IntegerNetwork,
)


def test_file_contents_by_hand(tmp_path):
    """One filter of 1 x 2 on a 1 x 2 image of two channels, then a dense layer."""
    conv = np.arange(2, 10, 2).reshape(1, 2, 2, 1).astype(np.int16)  # taps, then channels
    dense = np.array([[2, 4], [6, 8], [10, 12], [14, 16]], np.int16)
    pair = IntegerConv(np.array([[[[2, 4]]]], np.int16), NEURON)  # 1 x 1, one channel to two
    network = IntegerNetwork(
        (1, 3, 2), (IntegerConv(conv, NEURON), pair, IntegerFlatten(), IntegerDense(dense, NEURON))
    )
    netx.write(network, tmp_path / "a.net")
    with h5py.File(tmp_path / "a.net") as file:
        assert list(file) == ["layer"]
        assert list(file["layer"]) == ["0", "1", "2", "3", "4"]
        assert not file.attrs
        types = [file[f"layer/{i}/type"] for i in range(5)]
        assert [t[0] for t in types] == [b"input", b"conv", b"conv", b"flatten", b"dense"]
        assert all(t.shape == (1,) and t.dtype == "S10" for t in types)
        assert file["layer/0/shape"][()].tolist() == [2, 1, 3]
        first = file["layer/1"]
        assert first["shape"][()].tolist() == [1, 1, 2]
        # Keras (tap, channel): 2 4 | 6 8 becomes (channel, tap): 2 6 | 4 8.
        assert first["weight"][()].tolist() == [[[[2, 6]], [[4, 8]]]]
        assert {k: first[k][()].tolist() for k in ("stride", "padding", "dilation")} == {
            "stride": [1, 1],
            "padding": [0, 0],
            "dilation": [1, 1],
        }
        assert first["groups"][()] == 1
        neuron = first["neuron"]
        assert neuron["type"][0] == b"CUBA"
        assert {k: neuron[k][()].item() for k in neuron if k != "type"} == {
            "iDecay": 1024,
            "vDecay": 128,
            "vThMant": 80,
            "refDelay": 1,
            "gradedSpike": False,
        }
        last = file["layer/4"]
        assert last["shape"][()].tolist() == [2]
        # Keras counts pixel, channel: p0c0 p0c1 p1c0 p1c1; the file p0c0 p1c0 p0c1 p1c1.
        assert last["weight"][()].tolist() == [[2, 10, 6, 14], [4, 12, 8, 16]]


def test_read_gives_back_what_was_written(network, tmp_path):
    netx.write(network, tmp_path / "a.net")
    back = read_network(tmp_path / "a.net")
    assert back.input_shape == network.input_shape
    assert back.output_shape == (5,)
    for mine, other in zip(network.layers, back.layers, strict=True):
        assert mine.type == other.type
        for name, value in vars(mine).items():
            np.testing.assert_array_equal(getattr(other, name), value, err_msg=name)


def test_flatten_at_the_start(tmp_path):
    weight = even(np.random.default_rng(0), 12, 3)
    network = IntegerNetwork((2, 3, 2), (IntegerFlatten(), IntegerDense(weight, NEURON)))
    netx.write(network, tmp_path / "a.net")
    np.testing.assert_array_equal(read_network(tmp_path / "a.net").layers[1].weight, weight)
    with h5py.File(tmp_path / "a.net") as file:
        first = file["layer/2/weight"][0].reshape(2, 2, 3)  # (C, H, W)
    np.testing.assert_array_equal(first, weight[:, 0].reshape(2, 3, 2).transpose(2, 0, 1))


def test_same_network_same_bytes(network):
    before = netx.to_bytes(network)
    time.sleep(1.1)  # HDF5 timestamps count seconds
    assert netx.to_bytes(network) == before


def test_written_whole_or_not_at_all(network, tmp_path, monkeypatch):
    path = tmp_path / "a.net"
    path.write_text("precious")

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        netx.write(network, path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.net"]
    assert path.read_text() == "precious"
    monkeypatch.undo()
    netx.write(network, path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.net"]
    assert read_network(path).output_shape == (5,)


@pytest.mark.parametrize("channels", [127, 128, 200])
def test_many_groups_become_a_block_diagonal(channels, tmp_path, random_networks):
    """lava's loader keeps groups in 8 bits: 128 would be negative, the output all zero."""
    weight = (2 * np.arange(2 * channels) % 150 + 100).reshape(1, 2, 1, channels).astype(np.int16)
    layer = IntegerConv(weight, NEURON, groups=channels)
    network = IntegerNetwork((1, 4, channels), (layer,))
    netx.write(network, tmp_path / "a.net")
    with h5py.File(tmp_path / "a.net") as file:
        written, groups = file["layer/1/weight"][()], file["layer/1/groups"][()]
    if channels <= 127:
        assert (groups, written.shape) == (channels, (channels, 1, 1, 2))
        return
    assert (groups, written.shape) == (1, (channels, channels, 1, 2))
    diagonal = written[np.arange(channels), np.arange(channels), 0]
    np.testing.assert_array_equal(diagonal, weight[0, :, 0].T)
    assert np.count_nonzero(written) == np.count_nonzero(weight)
    spikes = random_networks(0).spikes(network)
    netx.write(IntegerNetwork((1, 4, 2), (IntegerConv(weight[..., :2], NEURON, groups=2),)),
               tmp_path / "two.net")  # fmt: skip
    whole = LoihiSimulator(tmp_path / "a.net").run(spikes)
    two = LoihiSimulator(tmp_path / "two.net").run(spikes[..., :2])
    assert two.sum() > 0
    np.testing.assert_array_equal(whole[..., :2], two)


def test_loader_hazards_are_named(network):
    negative = IntegerDense(np.array([[-256], [0]], np.int16), NEURON)
    wide = IntegerConv(np.full((1, 128, 1, 1), 2, np.int16), NEURON, strides=(200, 1))
    found = netx.problems(IntegerNetwork((2,), (negative, wide)), ("quiet", "wide"))
    assert [(p.layer, p.what) for p in found] == [
        ("quiet", "no weight is positive"),
        ("wide", "kernel_size is (1, 128)"),
        ("wide", "strides is (200, 1)"),
    ]
    assert netx.problems(network, ("a", "b", "c", "d")) == []
