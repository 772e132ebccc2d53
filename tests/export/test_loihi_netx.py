"""The .net format: what is written, what is read, what is refused."""

import os
import time

import h5py
import numpy as np
import pytest

from keras_slayer.export import LoihiSimulator
from keras_slayer.export.formats import netx
from keras_slayer.export.formats.netx_reader import read_network
from keras_slayer.export.network import (
    IntegerConv,
    IntegerDense,
    IntegerFlatten,
    IntegerNetwork,
    IntegerNeuron,
)

NEURON = IntegerNeuron(1024, 128, 80)


def even(rng, *shape):
    weight = 2 * rng.integers(-128, 128, shape)
    weight.flat[0] = 254
    return weight.astype(np.int16)


@pytest.fixture
def network():
    """Conv, pool with groups, flatten, dense with delay and bias, on an image of H != W."""
    rng = np.random.default_rng(0)
    return IntegerNetwork(
        (7, 10, 2),
        (
            IntegerConv(even(rng, 3, 2, 2, 6), NEURON, (2, 1), (1, 0), (1, 2)),
            IntegerConv(
                np.full((2, 2, 1, 6), 70, np.int16),
                IntegerNeuron(0, 4096, 131071),
                (2, 2),
                groups=6,
            ),
            IntegerFlatten(),
            IntegerDense(
                even(rng, 48, 5),
                IntegerNeuron(4096, 0, 0),
                bias=np.array([-4096, 4095, 0, 1, 2], np.int32),
                delay=rng.integers(0, 63, (48, 5)).astype(np.uint8),
            ),
        ),
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


# --- files that are not to be trusted


def replace(name, **dataset):
    def edit(file):
        if name in file:
            del file[name]
        file.create_dataset(name, **dataset)

    return edit


def remove(name):
    def edit(file):
        del file[name]

    return edit


def link(name, target):
    def edit(file):
        del file[name]
        file[name] = target

    return edit


def with_value(name, value):
    def edit(file):
        data = file[name][()]
        data.flat[-1] = value
        del file[name]
        file[name] = data

    return edit


L1, L4 = "layer/1", "layer/4"
HUGE = {"shape": (1 << 40, 1 << 20), "dtype": "f8", "chunks": (1, 1 << 10)}
CASES = [
    (remove("layer"), "'layer' is missing"),
    (remove("layer/2"), "layer: '4' is missing|layer: '2' is missing"),
    (remove(f"{L1}/type"), "layer 1: 'type' is missing"),
    (remove(f"{L1}/weight"), "layer 1: 'weight' is missing"),
    (remove(f"{L4}/neuron"), "layer 4: 'neuron' is missing"),
    (remove(f"{L4}/neuron/vThMant"), "layer 4/neuron: 'vThMant' is missing"),
    (remove(f"{L1}/stride"), "layer 1: 'stride' is missing"),
    (remove("layer/0/shape"), "layer 0: 'shape' is missing"),
    (replace("layer", data=1), "'layer' must be a group"),
    (replace(f"{L1}/type", data=1), "'type' must be one short string, not int64"),
    (replace(f"{L1}/type", data=["a", "b"]), r"'type' must be one short string, not .* \(2,\)"),
    (replace(f"{L1}/type", data="x" * 65), "'type' must be one short string"),
    (replace(f"{L4}/neuron/type", data="SDNN"), "'SDNN': only CUBA neurons"),
    (replace(f"{L1}/type", data=np.array([b"pool"])), "type 'pool' is not one of input, dense"),
    (replace(f"{L1}/type", data=np.array([b"input"])), "layer 1: an input layer must be layer 0"),
    (replace("layer/3/type", data=np.array([b"dense"])), "layer 3: dense on an image"),
    (replace("layer/0/shape", data=[1 << 20, 1 << 20, 2]), "layer 0: .*at most 16777216 in all"),
    (replace("layer/0/shape", data=[2, -7, 10]), "'shape' must hold integers from 1 to .*found -7"),
    (replace("layer/0/shape", data=[2, 7]), r"layer 0: shape \(2, 7\): expected \(inputs,\) or"),
    (replace(f"{L1}/shape", data=[6, 3, 9]), r"'shape' is \(6, 3, 9\), but the convolution gives"),
    (replace(f"{L1}/weight", data=np.zeros((6, 3, 3, 2), int)), r"expected \(6, 2, 'any', 'any'\)"),
    (replace(f"{L1}/weight", **HUGE), "'weight' has shape"),
    (
        replace(f"{L4}/weight", data=np.zeros((5, 47), int)),
        r"has shape \(5, 47\), expected \(5, 48\)",
    ),
    (replace(f"{L4}/weight", **HUGE), "'weight' has shape"),
    (replace(f"{L4}/weight", shape=(5, 48), dtype="i2"), "declares shape .* but holds no data"),
    (replace(f"{L4}/weight", data=np.full((5, 48), b"x")), "must hold numbers, not"),
    (with_value(f"{L4}/weight", 256), "integers from -256 to 255, found 256"),
    (with_value(f"{L4}/weight", -257), "integers from -256 to 255, found -257"),
    (with_value(f"{L4}/weight", 3), "'weight' of both signs from -252 to 254 must be even"),
    (replace(f"{L4}/weight", data=np.full((5, 48), -2)), "'weight' has no positive value"),
    (replace(f"{L4}/weight", data=np.full((5, 48), 2.5)), "must hold integers .*found 2.5"),
    (replace(f"{L4}/weight", data=np.full((5, 48), np.nan)), "must hold integers .*found nan"),
    (replace(f"{L4}/delay", data=np.full((5, 48), 63)), "'delay' must hold .* 0 to 62, found 63"),
    (
        replace(f"{L4}/delay", data=np.zeros(4)),
        r"'delay' has shape \(4,\), expected \(5, 48\), one for each of the 5 outputs or 48 inputs",
    ),
    (replace(f"{L4}/delay", data=np.zeros((5, 47))), r"'delay' has shape \(5, 47\), expected"),
    (replace(f"{L4}/delay", data=np.full(5, 1.5)), "'delay' must hold .* found 1.5"),
    (replace(f"{L4}/bias", data=np.full(5, 4096)), "'bias' must hold .* 4095, found 4096"),
    (replace(f"{L1}/delay", data=1), "'delay' of a conv layer is ignored by lava-dl's loader"),
    (replace(f"{L1}/stride", data=[0, 1]), "'stride' must hold integers from 1 to 127, found 0"),
    (replace(f"{L1}/stride", data=[1, 1, 1]), "'stride' must be one number or two"),
    (replace(f"{L1}/groups", data=128), "'groups' must hold integers from 1 to 127, found 128"),
    (replace(f"{L1}/groups", data=4), "groups 4 must divide 2 and 6 channels"),
    (replace(f"{L1}/groups", data=[1, 1]), "'groups' must be one number"),
    (replace(f"{L4}/neuron/type", data=np.array([b"SDNN"])), "'SDNN': only CUBA neurons"),
    (replace(f"{L4}/neuron/iDecay", data=4097), "'iDecay' must hold .* 0 to 4096, found 4097"),
    (replace(f"{L4}/neuron/vDecay", data=-1), "'vDecay' must hold .* 0 to 4096, found -1"),
    (replace(f"{L4}/neuron/vThMant", data=131072), "0 to 131071, found 131072"),
    (replace(f"{L4}/neuron/refDelay", data=2), "'refDelay' must hold integers from 1 to 1"),
    (replace(f"{L4}/neuron/gradedSpike", data=True), "'gradedSpike' must be false"),
    (replace("layer/0/neuron/type", data=np.array([b"CUBA"])), "input layer with neurons"),
    (link(f"{L4}/weight", h5py.ExternalLink("other.net", "/x")), "'weight' is a link to elsewhere"),
    (link(L4, h5py.SoftLink("/layer/1")), "'4' is a link to elsewhere"),
]


@pytest.mark.parametrize(("edit", "message"), CASES, ids=[message for _, message in CASES])
def test_bad_files_are_refused(edit, message, network, tmp_path):
    path = tmp_path / "bad.net"
    netx.write(network, path)
    with h5py.File(path, "a") as file:
        edit(file)
    with pytest.raises(ValueError, match=message) as error:
        LoihiSimulator(path)
    assert str(error.value).startswith(str(path))


@pytest.mark.parametrize("weights", [(-128, 127), (-127, 127), (-1, 127), (-256, 254), (0, 255)])
def test_weights_of_the_chip_are_read(weights, write_net):
    """Odd ones of both signs have 7 bits and the sign."""
    dense = IntegerDense(np.array([weights], np.int16), NEURON)
    (layer,) = read_network(write_net(IntegerNetwork((1,), (dense,)))).layers
    assert layer.weight.tolist() == [list(weights)]


@pytest.mark.parametrize("weights", [(-1, 128), (-129, 2), (-129, 127), (-2, 255)])
def test_odd_weights_of_both_signs_end_at_7_bits(weights, write_net):
    path = write_net(IntegerNetwork((1,), (IntegerDense(np.array([weights], np.int16), NEURON),)))
    message = f"'weight' of both signs from {weights[0]} to {weights[1]} must be even"
    with pytest.raises(ValueError, match=message):
        read_network(path)


def test_files_that_are_not_hdf5(network, tmp_path):
    path = tmp_path / "bad.net"
    for content in (b"", b"not HDF5", netx.to_bytes(network)[:3000]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"bad\.net: not HDF5, or damaged"):
            LoihiSimulator(path)
    with pytest.raises(FileNotFoundError, match=r"absent\.net"):
        LoihiSimulator(tmp_path / "absent.net")


def lava_dl_block(group, type, shape, **data):
    """What export_hdf5 of a block of lava.lib.dl.slayer 0.6.0 writes.

    ``type`` of the layer is a fixed-length string of shape (1,), that of the neuron a scalar of
    variable length. Weights are float32, delays a float32 vector with one for each output.
    """
    group.create_dataset("type", (1,), "S10", [type.encode()])
    group.create_dataset("shape", data=np.array(shape))
    for name, value in data.items():
        group.create_dataset(name, data=value)
    if type in ("dense", "conv"):
        neuron = {"type": "CUBA", "iDecay": 1024, "vDecay": 123, "vThMant": 80}
        for name, value in (neuron | {"refDelay": 1, "gradedSpike": False}).items():
            group.create_dataset(f"neuron/{name}", data=value)


def test_files_of_lava_dl(tmp_path):
    """`make test-interop` reads files that lava-dl itself writes; these have the same layout."""
    rng = np.random.default_rng(0)
    image = even(rng, 6, 2, 3, 2)  # (filters, channels / groups, height, width)
    dense = even(rng, 5, 6 * 4 * 4)  # (outputs, inputs), which count over (channels, H, W)
    path = tmp_path / "a.net"
    window = {"stride": (1, 2), "padding": (1, 0), "dilation": (1, 1), "groups": 2}
    with h5py.File(path, "w") as file:
        lava_dl_block(file.create_group("layer/0"), "input", (4, 4, 8))
        lava_dl_block(
            file.create_group("layer/1"), "conv", (6, 4, 4), inChannels=4, outChannels=6,
            kernelSize=(3, 2), **window, weight=image.astype(np.float32),
        )  # fmt: skip
        lava_dl_block(file.create_group("layer/2"), "flatten", (6 * 4 * 4,))
        lava_dl_block(
            file.create_group("layer/3"), "dense", (5,), inFeatures=6 * 4 * 4, outFeatures=5,
            weight=dense.astype(np.float32), delay=np.array([0, 13, 62, 4, 0], np.float32),
        )  # fmt: skip
        assert h5py.check_string_dtype(file["layer/1/neuron/type"].dtype).length is None
    back = read_network(path)
    assert (back.input_shape, back.output_shape) == ((4, 8, 4), (5,))
    conv, _, last = back.layers
    assert conv.neuron == last.neuron == IntegerNeuron(1024, 123, 80)
    assert (conv.strides, conv.padding, conv.groups) == ((1, 2), (1, 0), 2)
    np.testing.assert_array_equal(conv.weight, image.transpose(2, 3, 1, 0))
    np.testing.assert_array_equal(
        last.weight, dense.reshape(5, 6, 4, 4).transpose(2, 3, 1, 0).reshape(96, 5)
    )
    np.testing.assert_array_equal(last.delay, np.repeat([[0, 13, 62, 4, 0]], 96, axis=0))


@pytest.mark.parametrize(
    ("delay", "expected"),
    [
        ([1, 2, 3], [[1, 2, 3]] * 4),  # one for each output
        ([1, 2, 3, 4], [[1] * 3, [2] * 3, [3] * 3, [4] * 3]),  # one for each input
        (7, [[7] * 3] * 4),
    ],
)
def test_delays_in_every_form_that_the_loader_takes(delay, expected, write_net):
    path = write_net(
        IntegerNetwork((4,), (IntegerDense(even(np.random.default_rng(0), 4, 3), NEURON),))
    )
    with h5py.File(path, "a") as file:
        file["layer/1/delay"] = np.float32(delay)
    assert read_network(path).layers[0].delay.tolist() == expected


def test_as_many_delays_as_inputs_and_outputs_are_of_the_outputs(write_net):
    """As lava-dl's loader takes them, and as its blocks mean them."""
    path = write_net(
        IntegerNetwork((2,), (IntegerDense(even(np.random.default_rng(0), 2, 2), NEURON),))
    )
    with h5py.File(path, "a") as file:
        file["layer/1/delay"] = [1, 2]
    assert read_network(path).layers[0].delay.tolist() == [[1, 2], [1, 2]]


def test_networks_without_an_input_layer_and_scalars_for_pairs(network, tmp_path):
    path = tmp_path / "a.net"
    dense = IntegerDense(even(np.random.default_rng(0), 4, 3), NEURON)
    netx.write(IntegerNetwork((4,), (dense,)), path)
    with h5py.File(path, "a") as file:
        del file["layer/0"]
        file.move("layer/1", "layer/0")
        file["layer/0/neuron/theta"] = 1.25  # what nobody asks for
        del file["layer/0/neuron/refDelay"], file["layer/0/neuron/gradedSpike"]
    back = read_network(path)
    assert back.input_shape == (4,)
    np.testing.assert_array_equal(back.layers[0].weight, dense.weight)
    netx.write(network, path)
    with h5py.File(path, "a") as file:
        for name in ("stride", "dilation"):
            value = file[f"layer/2/{name}"][0]
            del file[f"layer/2/{name}"]
            file[f"layer/2/{name}"] = value
    assert read_network(path).layers[1].strides == (2, 2)


def test_flatten_of_a_vector_is_refused(write_net):
    neuron = IntegerNeuron(1, 2, 3)
    dense = IntegerDense(np.ones((4, 4), np.int16), neuron)
    path = write_net(IntegerNetwork((4,), (dense, IntegerFlatten(), dense)))
    with pytest.raises(ValueError, match=r"layer 2: flatten of a vector \(4,\)"):
        read_network(path)
