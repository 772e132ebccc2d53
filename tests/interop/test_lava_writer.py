"""``.net`` files that lava-dl's own blocks write: our simulator spikes as lava's runtime does."""

import re

import numpy as np
import pytest

from keras_slayer.export import LoihiSimulator, from_net
from keras_slayer.export.formats import netx

SPIKING = (
    "dense", "without_input", "weight_norm", "delays", "square_delays", "last_delays", "biases",
    "three_axes", "three_axes_flattened", "flattened_input", "flatten_first", "images",
    "images_without_input", "image_biases", "five_axes", "variable_strings", "delays_of_inputs",
    "one_delay",
)  # fmt: skip
"""Read as they are, by lava's loader too."""

RECURRENT = (
    "recurrent", "recurrent_square", "recurrent_between", "recurrent_twice", "recurrent_biases",
    "recurrent_image",
)  # fmt: skip
"""Read as they are, by lava's loader too. A model's loop takes a step more."""

NOT_LOADED = ("recurrent_no_delays",)
"""Delays of 0, with which lava's loader fails where a recurrent layer is not square."""

SILENT = ("affine", "affine_dynamics")
"""Their last layer has no spikes, and is read for its voltage."""

REWRITTEN = ("pool", "odd_pool", "uneven_pool", "input_neurons", "input_bias", "input_images")
"""lava's loader refuses pooling, and leaves the input of input neurons unconnected: it runs what
our writer makes of them."""

NOT_AS_TRAINED = {
    "biases": "training adds them to the current, the chip to the voltage",
    "image_biases": "as above",
    "recurrent_biases": "as above",
    "delays_of_inputs": "its delays were put in after training",
    "one_delay": "as above",
}

REFUSED = {
    "leaky_input_bias": "layer 0: 'bias' 16 of the input neurons is a current in training",
    "misaligned_pool": "layer 1: lava-dl's pooling mixes the channels of an image of 8 rows",
    "pool_delays": "layer 1: 'delay' of a pool layer",
    "conv_delays": "layer 1: 'delay' of a conv layer is ignored by lava-dl's loader",
    "scaled_norm": "layer 0/neuron: 'weight_exp' scales the weights in training",
    "own_decays": r"layer 0/neuron: 'iDecay' must be one number, not of shape \(9,\)",
    "recurrent_delays": "layer 0: 'delay' of a recurrent layer is one of its outputs in training",
    "transposed": "layer 1: type 'convT' .* transposed convolution",
    "unpool": "layer 1: type 'unpool' .* spreads pixels",
    "no_flatten": r"layer 2: dense on an image \(4, 1, 1\) needs a flatten",
    "sigma_delta": r"layer 0/neuron: type 'SDNN' \(sigma-delta neurons\)",
    "resonate": r"layer 0/neuron: type 'RF_PHASE' \(resonate-and-fire neurons\)",
}


@pytest.fixture(scope="module")
def written(run_peer, tmp_path_factory):
    """(folder, {name: (shape of the input, whether the file says it)}) of what lava-dl wrote."""
    folder = tmp_path_factory.mktemp("written")
    return folder, run_peer("lava", "write_lava.py", folder)


def file_of(written, name):
    """Path, and the shape of the input where the file does not say it."""
    folder, shapes = written
    shape, says = shapes[name]
    return folder / f"{name}.net", None if says else shape


def simulator(written, name):
    return LoihiSimulator(*file_of(written, name))


@pytest.fixture(scope="module")
def results(written, run_peer, tmp_path_factory):
    """What lava's runtime makes of the files, by name."""
    folder = tmp_path_factory.mktemp("run")
    for name in (*SPIKING, *RECURRENT, *SILENT, *REWRITTEN):
        ours, path = simulator(written, name), folder / f"{name}.net"
        assert ours.input_shape == tuple(written[1][name][0])
        if name in REWRITTEN:
            netx.write(ours.network, path)
        else:
            path.symlink_to(written[0] / f"{name}.net")
        spikes = np.load(written[0] / f"{name}.npz")["spikes"]
        record = ours.record(spikes, "voltage")
        voltage = record.layers[-1].voltage[:, -1]
        more = {"voltage": voltage} if name in SILENT else {}
        np.savez(folder / f"{name}.npz", spikes=spikes, expected=record.spikes, **more)
    return run_peer("lava", "run_lava.py", folder)


@pytest.mark.parametrize("name", SPIKING + RECURRENT + REWRITTEN)
def test_spikes_are_those_of_lava(name, results):
    result = results[name]
    assert "error" not in result, result["error"]
    assert result["differing"] == [0, 0, 0], f"the first at [sample, step, ...] {result['first']}"
    assert 0.01 < result["spikes"] / result["of"] < 0.9


@pytest.mark.parametrize("name", SILENT)
def test_layers_without_spikes_have_the_voltages_of_lava(name, results, written):
    result = results[name]
    assert "error" not in result, result["error"]
    assert (result["spikes"], result["differing"], result["voltages_differ"]) == (0, [0, 0, 0], 0)
    spikes = np.load(written[0] / f"{name}.npz")["spikes"]
    voltage = simulator(written, name).record(spikes, "voltage").layers[-1].voltage
    assert len(np.unique(voltage[:, -1])) > 6


AS_TRAINED = [
    name for name in SPIKING + RECURRENT + NOT_LOADED + REWRITTEN if name not in NOT_AS_TRAINED
]


@pytest.mark.parametrize("name", AS_TRAINED)
def test_spikes_are_those_of_training(name, written):
    """Of lava-dl's blocks in evaluation mode, in floating point."""
    data = np.load(written[0] / f"{name}.npz")
    np.testing.assert_array_equal(simulator(written, name).run(data["spikes"]), data["trained"])


@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_networks_run_live_and_without_compiler(name, written):
    spikes = np.load(written[0] / f"{name}.npz")["spikes"]
    expected = simulator(written, name).run(spikes)
    stream = simulator(written, name).stream(batch=len(spikes))
    chunks = [stream(spikes[:, a:b]) for a, b in ((0, 1), (1, 23), (23, 24), (24, 60))]
    np.testing.assert_array_equal(np.concatenate(chunks, axis=1), expected)
    path, shape = file_of(written, name)
    slow = LoihiSimulator(path, input_shape=shape, engine="numpy")
    np.testing.assert_array_equal(slow.run(spikes), expected)


@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_networks_are_no_models(name, written):
    with pytest.raises(ValueError, match="feed each other 1 step later; allowed: two steps"):
        from_net(*file_of(written, name))


@pytest.mark.parametrize("name", SPIKING + REWRITTEN)
def test_keras_models_compute_the_same_and_are_exported(name, written, tmp_path):
    spikes = np.load(written[0] / f"{name}.npz")["spikes"]
    expected = simulator(written, name).run(spikes)
    model = from_net(*file_of(written, name))
    np.testing.assert_array_equal(model.predict(spikes, verbose=0), expected)
    report = model.export_loihi(tmp_path / "again.net")
    assert report.exact
    found = LoihiSimulator(tmp_path / "again.net").run(spikes)
    if report.host_layers:  # delays after the last layer
        found = np.asarray(model.layers[-1](found))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", SILENT)
def test_what_no_layer_computes_is_named(name, written):
    with pytest.raises(ValueError, match="its neurons never spike"):
        from_net(*file_of(written, name))


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, written):
    with pytest.raises(ValueError, match=re.escape(f"{name}.net: ") + REFUSED[name]):
        simulator(written, name)


def test_all_that_was_written_is_tested(written):
    _, shapes = written
    assert set(shapes) == {*SPIKING, *RECURRENT, *NOT_LOADED, *SILENT, *REWRITTEN, *REFUSED}
    for name in ("delays", "square_delays"):
        layers = simulator(written, name).network.layers
        assert any(len(np.unique(layer.delay)) > 3 for layer in layers if layer.delay is not None)
