"""Files of the .net format that are not to be trusted."""

import h5py
import numpy as np
import pytest
from netx_cases import NEURON

from keras_slayer.export import LoihiSimulator
from keras_slayer.export.formats import netx
from keras_slayer.export.formats.netx_reader import read_network
from keras_slayer.export.network import (
    IntegerDense,
    IntegerFlatten,
    IntegerNetwork,
    IntegerNeuron,
)


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


def input_neurons(weight=64, bias=0, **changes):
    """An input layer with neurons that forget, or as ``changes`` say."""

    def edit(file):
        layer = file["layer/0"]
        layer["weight"], layer["bias"] = weight, bias
        layer["neuron/type"] = "CUBA"
        for name, value in ({"iDecay": 4096, "vDecay": 4096, "vThMant": 80} | changes).items():
            layer[f"neuron/{name}"] = value

    return edit


L1, L4 = "layer/1", "layer/4"


HUGE = {"shape": (1 << 40, 1 << 20), "dtype": "f8", "chunks": (1, 1 << 10)}


CASES = [
    (remove("layer"), "'layer' is missing"),
    (remove("layer/2"), "layer: '4' is missing|layer: '2' is missing"),
    (remove(f"{L1}/type"), "layer 1: 'type' is missing"),
    (remove(f"{L1}/weight"), "layer 1: 'weight' is missing"),
    (remove(f"{L1}/neuron"), "layer 1: 'neuron' is missing"),
    (remove(f"{L4}/neuron/vThMant"), "layer 4/neuron: 'vThMant' is missing"),
    (remove(f"{L1}/stride"), "layer 1: 'stride' is missing"),
    (remove("layer/0/shape"), "layer 0: 'shape' is missing"),
    (replace("layer", data=1), "'layer' must be a group"),
    (replace(f"{L1}/type", data=1), "'type' must be one short string, not int64"),
    (replace(f"{L1}/type", data=["a", "b"]), r"'type' must be one short string, not .* \(2,\)"),
    (replace(f"{L1}/type", data="x" * 65), "'type' must be one short string"),
    (replace(f"{L4}/neuron/type", data="SDNN"), r"'SDNN' \(sigma-delta neurons\): only CUBA"),
    (replace(f"{L1}/type", data=np.array([b"concat"])), "type 'concat' is not one of .* it joins"),
    (replace(f"{L4}/type", data=np.array([b"average"])), "type 'average' .* it averages spikes"),
    (replace(f"{L4}/type", data=np.array([b"dense_rec"])), "layer 4: 'weight_rec' is missing"),
    (replace(f"{L4}/type", data=np.array([b"dance"])), "type 'dance' .* loader skips such layers"),
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
    (
        replace(f"{L4}/neuron/type", data=np.array([b"SDNN"])),
        r"'SDNN' \(sigma-delta neurons\): only CUBA",
    ),
    (replace(f"{L4}/neuron/iDecay", data=4097), "'iDecay' must hold .* 0 to 4096, found 4097"),
    (replace(f"{L4}/neuron/vDecay", data=-1), "'vDecay' must hold .* 0 to 4096, found -1"),
    (replace(f"{L1}/neuron/vThMant", data=131072), "layer 1: its neurons never spike .* only the"),
    (replace(f"{L4}/neuron/vThMant", data=262144), "0 to 262143, found 262144"),
    (replace(f"{L4}/neuron/type", data="RF_PHASE"), r"'RF_PHASE' \(resonate-and-fire neurons\)"),
    (replace(f"{L4}/neuron/messageBits", data=8), "'messageBits' says that spikes are graded"),
    (
        replace(f"{L4}/neuron/weight_exp", data=[-2.0]),
        "'weight_exp' scales the weights in training",
    ),
    (replace(f"{L4}/neuron/refDelay", data=2), "'refDelay' must hold integers from 1 to 1"),
    (replace(f"{L4}/neuron/gradedSpike", data=True), "'gradedSpike' must be false"),
    (replace(f"{L4}/shape", data=[5, 2, 1]), r"'weight' has shape \(5, 48\), expected \(10, 48\)"),
    (replace(f"{L4}/shape", data=[5, 1]), r"shape \(5, 1\): expected \(outputs,\) or"),
    (input_neurons(bias=3, iDecay=4095), "'bias' 3 of the input neurons is a current in training"),
    (input_neurons(bias=9, vThMant=8), "'bias' 9 of the input neurons"),
    (input_neurons(vThMant=200_000), "neurons of an input layer never spike"),
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


def test_flatten_of_a_vector_is_refused(write_net):
    neuron = IntegerNeuron(1, 2, 3)
    dense = IntegerDense(np.ones((4, 4), np.int16), neuron)
    path = write_net(IntegerNetwork((4,), (dense, IntegerFlatten(), dense)))
    with pytest.raises(ValueError, match=r"layer 2: flatten of a vector \(4,\)"):
        read_network(path)
