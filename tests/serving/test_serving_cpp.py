"""The C++ program of examples/cpp: the spikes of LoihiSimulator, and errors for damaged files."""

import pathlib
import re
import struct
import zlib

import h5py
import numpy as np
import pytest
from cpp_cases import (
    DT,
    NETWORKS,
    STEPS,
    dense_network,
    graph_network,
    printed_spikes,
    run,
    simulated_spikes,
    write_recordings,
)

import keras_slayer as ks
from keras_slayer.export import LoihiSimulator, write_flat
from keras_slayer.export import __main__ as command
from keras_slayer.export.formats import netx
from keras_slayer.export.graph import IntegerGraph, graph_of
from keras_slayer.export.network import IntegerDense, IntegerNetwork, IntegerNeuron

CHECKSUM = 4  # bytes at the end
TRIALS = 300


@pytest.mark.parametrize("name", NETWORKS)
def test_spikes_of_the_simulator(program, name, tmp_path):
    network = NETWORKS[name]()
    write_flat(network, tmp_path / "network.ksn")
    spikes, files = write_recordings(network, tmp_path)
    wanted = simulated_spikes(network, spikes)
    assert len(wanted) > 20
    done = run(program, tmp_path / "network.ksn", STEPS, DT, *files)
    assert done.stderr == ""
    assert printed_spikes(done.stdout) == wanted


def test_the_command_takes_exported_files(program, tmp_path, capsys):
    """From a Keras model, by .net and by .nir, to the same spikes as in Keras."""
    import keras

    model = keras.Sequential(
        [keras.Input((STEPS, 12)), ks.SpikingDense(20, "loihi"), ks.SpikingDense(3, "loihi")]
    )
    for layer in model.layers:
        layer.set_weights([np.abs(weights) for weights in layer.get_weights()])
    contents = []
    for suffix in (".net", ".nir"):
        model.export_loihi(tmp_path / f"network{suffix}")
        out = tmp_path / f"from{suffix}.ksn"
        assert command.main(["flat", str(tmp_path / f"network{suffix}"), str(out)]) == 0
        contents.append(out)
    spikes, files = write_recordings(dense_like(model), tmp_path)
    (x,) = spikes.values()
    wanted = [(0, *place) for place in np.argwhere(model.predict(x, verbose=0)[0]).tolist()]
    assert len(wanted) > 5
    (tmp_path / "network.net").rename(tmp_path / "network.h5")
    renamed = [str(tmp_path / "network.h5"), str(tmp_path / "renamed.ksn")]
    assert command.main(["flat", *renamed, "--format", "net"]) == 0
    assert (tmp_path / "renamed.ksn").read_bytes() == contents[0].read_bytes()
    for path in contents:
        assert printed_spikes(run(program, path, STEPS, DT, *files).stdout) == wanted
    assert command.main(["include-path"]) == 0
    assert capsys.readouterr().out.strip() == ks.export.include_path()


def dense_like(model):
    """Any network of the model's input."""
    units = model.input_shape[-1]
    return IntegerNetwork(
        (units,), (IntegerDense(np.ones((units, 1), np.int16), IntegerNeuron(0, 0, 1)),)
    )


def test_errors_of_the_command(tmp_path, capsys):
    assert command.main(["flat", str(tmp_path / "none.net"), str(tmp_path / "out.ksn")]) == 1
    assert "none.net" in capsys.readouterr().err
    assert command.main(["flat", "model.keras", str(tmp_path / "out.ksn")]) == 1
    assert ".net and .nir files" in capsys.readouterr().err
    assert not (tmp_path / "out.ksn").exists()


def damaged(good, with_checksum):
    """Copies of a file: cut off, or with bytes changed; with a checksum that is right, if asked."""
    rng = np.random.default_rng(0)
    for trial in range(TRIALS):
        data = bytearray(good)
        if trial < 20:
            data = data[: len(data) * trial // 20]
        else:
            for place in rng.integers(0, len(data), 1 + trial % 5):
                data[place] = rng.choice([0, 1, 255, rng.integers(256)])
        if with_checksum and len(data) >= 24:
            data[12:20] = struct.pack("<Q", len(data))
            data[-CHECKSUM:] = struct.pack("<I", zlib.crc32(data[:-CHECKSUM]))
        if data != good:
            yield bytes(data)


@pytest.mark.parametrize("with_checksum", [False, True])
def test_damaged_files_are_errors(checked_program, with_checksum, tmp_path):
    """With a checksum that fits, damage may leave a network; then it runs."""
    network = graph_network()
    write_flat(network, tmp_path / "good.ksn")
    _, files = write_recordings(network, tmp_path, density=0.02)
    good = (tmp_path / "good.ksn").read_bytes()
    paths = []
    for number, data in enumerate(damaged(good, with_checksum)):
        paths.append(tmp_path / f"{number}.ksn")
        paths[-1].write_bytes(data)
    assert len(paths) > 0.9 * TRIALS
    done = run(checked_program, STEPS, DT, *files, "--", tmp_path / "good.ksn", *paths)
    assert done.returncode == 0
    first, *results = re.findall(r"((?:.*\n)*?)exit (\d)\n", done.stderr)
    assert first == ("", "0") and len(results) == len(paths)
    errors = set()
    for (text, status), path in zip(results, paths, strict=True):
        assert status == "1" or (with_checksum and status == "0")
        if status == "1" and not with_checksum:
            assert re.fullmatch(rf"error: {path}: byte \d+: .+\n", text)
        errors.add(re.sub(r"-?\d+", "N", text.split(": ")[-1]))
    assert len(errors) >= (8 if with_checksum else 3), errors


def changed(**fields):
    """A network of one synapse, with some of its numbers changed."""
    values = {"weight": 2, "delay": 0, "bias": 0, "decay": 0, "threshold": 1} | fields
    layer = IntegerDense(
        np.array([[values["weight"]]], np.int16),
        IntegerNeuron(values["decay"], 0, values["threshold"]),
        np.array([values["bias"]], np.int32),
        np.array([[values["delay"]]], np.uint8),
    )
    return IntegerNetwork((1,), (layer,))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"weight": 256}, "weight must be -256 to 255. Received: 256"),
        ({"delay": 63}, "delay must be 0 to 62. Received: 63"),
        ({"bias": -4097}, "bias must be -4096 to 4095. Received: -4097"),
        ({"decay": 4097}, "current_decay must be 0 to 4096. Received: 4097"),
        ({"threshold": 1 << 17}, "threshold_mantissa must be 0 to 131071. Received: 131072"),
    ],
)
def test_numbers_beyond_the_chips_are_not_written(fields, message, tmp_path):
    with pytest.raises(ValueError, match=re.escape(message)):
        write_flat(changed(**fields), tmp_path / "network.ksn")
    assert not list(tmp_path.iterdir())


def test_the_shape_of_an_input_that_no_file_says(tmp_path, capsys):
    """As for LoihiSimulator: files of lava-dl without an input layer do not say it."""
    neuron = {"type": "CUBA", "iDecay": 1024, "vDecay": 123, "vThMant": 80, "refDelay": 1}
    window = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
    source, flat = tmp_path / "a.net", tmp_path / "a.ksn"
    with h5py.File(source, "w") as file:
        layer = file.create_group("layer/0")
        layer["type"], layer["shape"], layer["weight"] = (
            "conv",
            [1, 4, 3],
            np.ones((1, 2, 2, 2)) * 4,
        )
        for name, value in {**window, **{f"neuron/{k}": v for k, v in neuron.items()}}.items():
            layer[name] = value
    assert command.main(["flat", str(source), str(flat)]) == 1
    assert "Give input_shape=(height, width, channels)" in capsys.readouterr().err
    shape = ["--input-shape", "5", "4", "2"]
    assert command.main(["flat", str(source), str(flat), *shape]) == 0
    network = LoihiSimulator(source, (5, 4, 2)).network
    write_flat(network, tmp_path / "b.ksn")
    assert flat.read_bytes() == (tmp_path / "b.ksn").read_bytes()
    with pytest.raises(ValueError, match="a network says them"):
        write_flat(network, flat, (5, 4, 2))


def test_a_network_is_not_written_over_its_own_file(tmp_path):
    netx.write(dense_network(), tmp_path / "a.net")
    before = (tmp_path / "a.net").read_bytes()
    (tmp_path / "link.net").symlink_to("a.net")
    for path in ("a.net", "link.net"):
        with pytest.raises(ValueError, match="path must not be the network's own file"):
            write_flat(tmp_path / "a.net", tmp_path / path)
    assert (tmp_path / "a.net").read_bytes() == before


def test_networks_that_no_program_runs_are_not_written(tmp_path):
    graph = graph_of(dense_network())
    heavy = np.full((131072, 1), 255, np.int16)
    large = IntegerNetwork((131072,), (IntegerDense(heavy[:, :1], IntegerNeuron(0, 0, 1)),))
    write_flat(large, tmp_path / "large.ksn")  # 2^25 - 2^17: just what the engine takes
    heavier = IntegerNetwork(
        (132000,), (IntegerDense(np.full((132000, 1), 255, np.int16), IntegerNeuron(0, 0, 1)),)
    )
    with pytest.raises(ValueError, match="the sum of a neuron's weights must be 0 to 33554432"):
        write_flat(heavier, tmp_path / "network.ksn")
    (name,) = list(graph.populations)[-1:]
    outputs = (name,) * (len(graph.populations) + 1)
    with pytest.raises(ValueError, match=r"outputs must be 1 to 2\. Received: 3"):
        write_flat(IntegerGraph(graph.inputs, graph.populations, outputs), tmp_path / "network.ksn")
    longname = {"n" * 5000: next(iter(graph.populations.values()))}
    with pytest.raises(ValueError, match="bytes of the name"):
        write_flat(IntegerGraph(graph.inputs, longname, tuple(longname)), tmp_path / "network.ksn")


def test_the_header_has_the_limits_of_the_writer():
    from keras_slayer import loihi
    from keras_slayer.export.formats import flat

    header = (pathlib.Path(ks.export.include_path()) / "network_file.h").read_text()
    found = dict(re.findall(r"(k(?:Max|Min)\w+) = ([-\w<( )]+?)[,;]", header))
    names = {
        "kMaxNeurons": flat.MAX_NEURONS,
        "kMaxParts": flat.MAX_NODES,
        "kMaxSide": flat.MAX_SIDE,
        "kMaxName": flat.MAX_NAME,
        "kMaxMeetings": flat.MAX_MEETINGS,
        "kMinWeight": loihi.MIN_WEIGHT,
        "kMaxWeight": flat.MAX_WEIGHT,
        "kMinBias": loihi.MIN_BIAS,
        "kMaxBias": loihi.MAX_BIAS,
        "kMaxThreshold": loihi.MAX_THRESHOLD,
        "kMaxDelay": loihi.MAX_DELAY,
    }
    assert {name: eval(found[name]) for name in names} == names
