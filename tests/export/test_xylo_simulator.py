"""The simulator of Xylo's integers, against traces of SynSense's own (tests/interop has more)."""

import dataclasses

import numpy as np
import pytest
from xylo_cases import random_counts, random_network

from keras_slayer.export.xylo import XyloSimulator
from keras_slayer.export.xylo.network import XyloNetwork


def network(weights_in, weights_rec, weights_out, hidden=(40, 2, 1), output=(40, 2, 1)):
    """All hidden and all output neurons alike: threshold, dash_mem, dash_syn."""
    sizes = (len(weights_rec), len(weights_out[0]))
    parts = {
        name + suffix: np.full(size, value, np.int16)
        for suffix, values, size in zip(("", "_out"), (hidden, output), sizes, strict=True)
        for name, value in zip(("threshold", "dash_mem", "dash_syn"), values, strict=True)
    }
    matrices = (np.array(weights, np.int8) for weights in (weights_in, weights_rec, weights_out))
    names = ("weights_in", "weights_rec", "weights_out")
    return XyloNetwork(**dict(zip(names, matrices, strict=True)), **parts)


def record(net, *inputs):
    """Of one sample, whose steps are the inputs."""
    found = XyloSimulator.from_network(net).record(np.array([inputs]))
    return {
        field.name: getattr(found, field.name)[0].T.tolist() for field in dataclasses.fields(found)
    }


# Traces that xylosim 0.1.3 gave


def test_a_spike_takes_a_step_from_neuron_to_neuron_and_none_from_the_input():
    net = network([[100, 0]], [[0, 50], [0, 0]], [[60], [0]])
    found = record(net, [1], *[[0]] * 5)
    assert found["hidden_current"] == [[50, 25, 13, 7, 4, 2], [0, 25, 13, 7, 4, 2]]
    assert found["hidden_membrane"] == [[10, 33, 38, 36, 31, 26], [0, 25, 32, 31, 28, 23]]
    assert found["hidden_spikes"] == [[1, 0, 0, 0, 0, 0], [0] * 6]
    assert found["current"] == [[0, 30, 15, 8, 4, 2]]


def test_output_neurons_spike_once_and_lose_one_threshold():
    net = network([[127]], [[0]], [[1]], hidden=(3, 3, 2), output=(5, 1, 1))
    found = record(net, [15], [15], [15], [0], [0], [0])
    assert found["hidden_spikes"] == [[31] * 6]
    assert found["hidden_membrane"] == [[1336, 3577, 6342, 7936, 8711, 8925]]
    assert found["spikes"] == [[0, 1, 1, 1, 1, 1]]
    assert found["current"] == [[0, 16, 24, 28, 30, 31]]
    assert found["membrane"] == [[0, 11, 25, 36, 43, 48]]


def test_a_current_saturates_after_each_input_in_their_order():
    # Inputs of 15 spikes each, many of each sign: 20 steps are as far as 127 * 15 * 20 > 32767.
    quiet = (32_767, 15, 15)
    ups_first = network([[127]] * 8 + [[-128]] * 8, [[0]], [[1]], hidden=quiet)
    downs_first = network([[-128]] * 8 + [[127]] * 8, [[0]], [[1]], hidden=quiet)
    full = [[15] * 16] * 3
    # 8 * 15 * 127 = 15240 up and 15360 down: from rest no sum leaves 16 bits.
    assert record(ups_first, *full)["hidden_current"] == [[-119, -238, -357]]
    assert record(downs_first, *full)["hidden_current"] == [[-119, -238, -357]]
    # From 30479 up comes to 32767, and down from there to 17407; down first loses only 120.
    start = [[15] * 8 + [0] * 8] * 2
    assert record(ups_first, *start, full[0])["hidden_current"] == [[15239, 30478, 17406]]
    swapped = [[0] * 8 + [15] * 8] * 2
    assert record(downs_first, *swapped, full[0])["hidden_current"] == [[15239, 30478, 30357]]


def test_loops_come_after_the_inputs():
    # 30479 + 30480 saturates before the 30 spikes of -128 come. After them it would come to 32766.
    net = network([[127]] * 16, [[-128]], [[1]], hidden=(1000, 15, 15))
    found = record(net, *[[15] * 16] * 3)
    assert found["hidden_spikes"][0][:2] == [30, 29]
    assert found["hidden_current"][0] == [30_479, 28_926, 29_054]


def test_what_is_added_to_a_membrane_saturates_first():
    # -30597 loses -240; 32766 + 240 is held to 32767.
    inputs = [[-128] + [0] * 20] * 8 + [[0] + [127] * 20]
    loops = [[0] * 21] + [[127] + [0] * 20] * 20
    net = network(inputs, loops, [[1]] * 21, hidden=(60, 7, 15))
    found = record(net, [15] * 8 + [0], [0] * 8 + [15], [0] * 9)
    assert found["hidden_current"][0] == [-15_359, -15_358, 32_766]
    assert found["hidden_membrane"][0] == [-15_359, -30_597, 2170 - 31 * 60]


# Ours


@pytest.mark.parametrize("loud", [False, True])
def test_one_matrix_product_or_one_input_after_the_other(loud, monkeypatch):
    """Sums that stay within 16 bits are added at once, the others input by input."""
    from keras_slayer.export.xylo import simulator

    net = random_network(7, loud)
    x = random_counts(7, 3, 40, net.weights_in.shape[0])
    fast = XyloSimulator.from_network(net).record(x)
    monkeypatch.setattr(simulator, "STATE_MAX", -1)  # no sum is small enough
    monkeypatch.setattr(simulator, "_held", lambda v: np.clip(v, -32768, 32767))
    slow = XyloSimulator.from_network(net).record(x)
    for field in dataclasses.fields(fast):
        np.testing.assert_array_equal(getattr(fast, field.name), getattr(slow, field.name))
    assert fast.hidden_spikes.any()


def test_samples_do_not_touch_each_other():
    net = random_network(3, loud=True)
    x = random_counts(3, 3, 30, net.weights_in.shape[0])
    simulator = XyloSimulator.from_network(net)
    together = simulator.run(x)
    assert together.any()
    for sample, spikes in zip(x, together, strict=True):
        np.testing.assert_array_equal(simulator.run(sample[None])[0], spikes)


def test_a_file_holds_the_network(tmp_path):
    net = random_network(1)
    (tmp_path / "a.npz").write_bytes(net.to_bytes())
    loaded = XyloSimulator(tmp_path / "a.npz").network
    for field in dataclasses.fields(net):
        np.testing.assert_array_equal(getattr(loaded, field.name), getattr(net, field.name))


def test_input_that_the_chip_cannot_take():
    net = random_network(1)
    simulator, inputs = XyloSimulator.from_network(net), net.weights_in.shape[0]
    for bad, message in (
        (np.full((1, 5, inputs), 16), "integers from 0 to 15.*values from 16 to 16"),
        (np.full((1, 5, inputs), 0.5), "integers from 0 to 15"),
        (np.full((1, 5, inputs), np.nan), "integers from 0 to 15"),
        (np.full((1, 5, inputs), -1), "integers from 0 to 15"),
        (np.zeros((1, 5, inputs + 1)), rf"shape \(batch, time, {inputs}\)"),
        (np.zeros((5, inputs)), r"shape \(batch, time"),
    ):
        with pytest.raises(ValueError, match=message):
            simulator.run(bad)
    assert simulator.run(np.zeros((0, 5, inputs))).shape == (0, 5, net.weights_out.shape[1])


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("weights_in", lambda w: w.astype(np.int16) + 200, "weights_in .* from -128 to"),
        ("weights_rec", lambda w: w[:-1], "weights_rec must hold integers .* in the shape"),
        ("weights_out", lambda w: w.astype(float), "weights_out must hold integers"),
        ("threshold", lambda w: w * 0, "threshold must hold integers from 1 to 32767"),
        ("dash_syn", lambda w: w[:, None], "dash_syn must hold integers from 1 to 15"),
        ("dash_mem_out", lambda w: w + 15, "dash_mem_out must hold integers"),
        ("weights_in", lambda w: np.repeat(w, 17, axis=0)[:17], "the chip has 1 to 16 inputs"),
        ("weights_in", lambda w: w[0], "weights_in must hold integers"),
    ],
)  # fmt: skip
def test_a_file_that_the_chip_cannot_hold_is_refused(name, change, message, tmp_path):
    arrays = {f.name: getattr(random_network(1), f.name) for f in dataclasses.fields(XyloNetwork)}
    np.savez(tmp_path / "a.npz", **{**arrays, name: change(arrays[name])})
    with pytest.raises(ValueError, match=f"a.npz: {message}"):
        XyloSimulator(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "damage", ["text", "cut", "compression", "other", "pickled", "one array", "empty"]
)
def test_another_file_is_refused(damage, tmp_path):
    path = tmp_path / "a.npz"
    data = random_network(1).to_bytes()
    entry = data.index(b"PK\x01\x02")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    np.savez(tmp_path / "pickled.npz", weights_in=np.array([{}]))
    np.save(tmp_path / "one.npy", np.zeros(3))
    path.write_bytes(
        {
            "text": b"spikes",
            "cut": data[:-40],
            "compression": data[: entry + 10] + b"\xff" + data[entry + 11 :],
            "other": (tmp_path / "other.npz").read_bytes(),
            "pickled": (tmp_path / "pickled.npz").read_bytes(),
            "one array": (tmp_path / "one.npy").read_bytes(),
            "empty": b"",
        }[damage]
    )
    with pytest.raises(ValueError, match=r"path must be a file that export_xylo wrote"):
        XyloSimulator(path)
    with pytest.raises(FileNotFoundError):
        XyloSimulator(tmp_path / "none.npz")
