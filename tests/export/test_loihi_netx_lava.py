"""Files of the .net format in lava-dl's layout, and in all forms that its loader takes."""

import h5py
import numpy as np
import pytest
from netx_cases import NEURON, even

from keras_slayer.export.formats import netx
from keras_slayer.export.formats.netx_reader import read_network
from keras_slayer.export.network import (
    IntegerDense,
    IntegerNetwork,
    IntegerNeuron,
)


@pytest.mark.parametrize("weights", [(-128, 127), (-127, 127), (-1, 127), (-256, 254), (0, 255)])
def test_weights_of_the_chip_are_read(weights, write_net):
    """Odd ones of both signs have 7 bits and the sign."""
    dense = IntegerDense(np.array([weights], np.int16), NEURON)
    (layer,) = read_network(write_net(IntegerNetwork((1,), (dense,)))).layers
    assert layer.weight.tolist() == [list(weights)]


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
