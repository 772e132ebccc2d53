"""``from_net``: a ``.net`` file as a Keras model that computes the same."""

import itertools

import h5py
import keras
import numpy as np
import pytest
from netx_cases import NEURON, even

import keras_slayer as ks
from keras_slayer.export import LoihiSimulator, from_net, read_net
from keras_slayer.export.network import (
    IntegerConv,
    IntegerDense,
    IntegerFlatten,
    IntegerNetwork,
    IntegerNeuron,
)

RNG = np.random.default_rng(0)
FAST = IntegerNeuron(4096, 2000, 100)


def dense(inputs, outputs, neuron=NEURON, **options):
    return IntegerDense(even(RNG, inputs, outputs), neuron, **options)


def conv(kernel, share, filters, **options):
    return IntegerConv(even(RNG, *kernel, share, filters), NEURON, **options)


def summed(inputs, outputs, longest=20):
    """Delays that are the sum of one of the input and one of the output."""
    of_inputs, of_outputs = (RNG.integers(0, longest, n) for n in (inputs, outputs))
    return (of_inputs[:, None] + of_outputs).astype(np.uint8)


def vector(*layers):
    return IntegerNetwork((layers[0].weight.shape[0],), layers)


SAME_ARRAYS = {
    "dense": vector(dense(9, 8), dense(8, 5, FAST)),
    "delays_of_inputs": vector(
        dense(9, 8, delay=np.repeat(RNG.integers(0, 63, (9, 1)), 8, axis=1).astype(np.uint8)),
        dense(8, 5),
    ),
    "images": IntegerNetwork(
        (6, 8, 2),
        (
            conv((3, 3), 2, 4, padding=(1, 1)),
            conv((2, 3), 2, 4, groups=2, strides=(2, 1)),
            IntegerFlatten(),
            dense(3 * 6 * 4, 5),
        ),
    ),
    "pool": IntegerNetwork(
        (4, 6, 3), (IntegerConv(np.full((2, 2, 1, 3), 70, np.int16), FAST, (2, 2), groups=3),)
    ),
    "dilated": IntegerNetwork((7, 8, 2), (conv((3, 2), 2, 4, dilation=(2, 3)),)),
    "dilated_same": IntegerNetwork(
        (7, 8, 2), (conv((3, 3), 2, 4, dilation=(2, 3), padding=(2, 3)),)
    ),
    "flatten_first": IntegerNetwork((3, 4, 2), (IntegerFlatten(), dense(24, 6))),
}
"""Networks that come back as they were, array for array."""

SAME_SPIKES = {
    "delays_of_outputs": vector(
        dense(9, 8, delay=np.repeat(RNG.integers(0, 40, (1, 8)), 9, axis=0).astype(np.uint8)),
        dense(8, 5, delay=np.repeat(RNG.integers(0, 20, (8, 1)), 5, axis=1).astype(np.uint8)),
        dense(5, 4),
    ),
    "delays_of_both": vector(dense(9, 8, delay=summed(9, 8)), dense(8, 5)),
    "zero_delays": vector(dense(9, 8, delay=np.zeros((9, 8), np.uint8))),
    "strides_and_padding": IntegerNetwork(
        (8, 8, 2), (conv((3, 3), 2, 4, strides=(2, 2), padding=(1, 1)),)
    ),
    "uneven_strides_and_padding": IntegerNetwork(
        (9, 8, 2), (conv((5, 3), 2, 4, strides=(2, 3), padding=(2, 1)),)
    ),
    "strides_and_dilation": IntegerNetwork(
        (9, 12, 2), (conv((3, 2), 2, 4, strides=(2, 1), dilation=(1, 3)),)
    ),
}
"""Networks that come back in another form."""


def spikes_for(network, density=0.25):
    return (np.random.default_rng(3).random((2, 40, *network.input_shape)) < density).astype("f")


@pytest.mark.parametrize("name", [*SAME_ARRAYS, *SAME_SPIKES])
def test_the_model_is_the_file_and_is_exported_again(name, write_net, tmp_path):
    network = (SAME_ARRAYS | SAME_SPIKES)[name]
    path, again = write_net(network), tmp_path / "again.net"
    spikes = spikes_for(network)
    expected = LoihiSimulator(path).run(spikes)
    assert 0.01 < expected.mean() < 0.95
    model = from_net(path)
    np.testing.assert_array_equal(model(spikes), expected)
    report = model.export_loihi(again)
    assert report.exact and not report.host_layers
    np.testing.assert_array_equal(LoihiSimulator(again).run(spikes), expected)
    if name in SAME_ARRAYS:
        back = read_net(again)
        assert back.input_shape == network.input_shape
        for mine, other in zip(back.layers, network.layers, strict=True):
            assert mine.type == other.type
            for field, value in vars(other).items():
                np.testing.assert_array_equal(getattr(mine, field), value, err_msg=field)


def test_every_convolution_is_computed(write_net):
    """Kernels, strides, paddings and dilations in all small combinations, on both axes alike."""
    tried = 0
    sizes = itertools.product((1, 2, 3), (1, 2), range(3), (1, 2))
    for kernel, stride, padding, dilation in sizes:
        options = {"strides": (stride, 1), "padding": (padding, 1), "dilation": (dilation, 1)}
        layer = conv((kernel, 3), 2, 2, **options)
        network = IntegerNetwork((7, 5, 2), (layer,))
        spikes = spikes_for(network)[:1, :8]
        model = from_net(write_net(network))
        expected = LoihiSimulator.from_network(network).run(spikes)
        np.testing.assert_array_equal(model(spikes), expected, err_msg=str((kernel, options)))
        tried += bool(expected.any())
    assert tried == 36


def test_delays_of_the_last_outputs_are_the_hosts(write_net, tmp_path):
    network = vector(dense(9, 8), dense(8, 5, delay=summed(8, 5)))
    path = write_net(network)
    model = from_net(path)
    spikes = spikes_for(network)
    expected = LoihiSimulator(path).run(spikes)
    np.testing.assert_array_equal(model.predict(spikes, verbose=0), expected)
    assert isinstance(model.layers[-1], ks.DelayLayer)
    report = model.export_loihi(tmp_path / "again.net")
    assert report.host_layers == (model.layers[-1].name,)
    late = model.layers[-1](LoihiSimulator(tmp_path / "again.net").run(spikes))
    np.testing.assert_array_equal(late, expected)


def test_long_delays_of_outputs_and_inputs_add_up(write_net):
    ones = np.ones((6, 6), np.uint8)
    layers = (dense(6, 6, delay=ones * np.arange(57, 63, dtype=np.uint8)), dense(6, 6))
    late = dense(6, 6, delay=(ones * np.arange(57, 63, dtype=np.uint8)).T)
    path = write_net(vector(*layers[:1], late))
    spikes = (np.random.default_rng(3).random((1, 150, 6)) < 0.3).astype("f")
    found = np.asarray(from_net(path)(spikes))
    assert found[:, 115:].any()
    np.testing.assert_array_equal(found, LoihiSimulator(path).run(spikes))


def test_the_model_trains(write_net):
    keras.utils.set_random_seed(0)
    network = SAME_ARRAYS["images"]
    model = from_net(write_net(network))
    before = [np.array(w) for w in model.get_weights()]
    assert len(before) == 3
    model.compile(keras.optimizers.Adam(0.05), ks.SpikeCountLoss(20, 2))
    model.fit(spikes_for(network)[:, :12], np.array([0, 1]), verbose=0)
    assert all((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))


def test_a_missing_input_layer(write_net):
    network = SAME_ARRAYS["dilated"]
    path = write_net(network)
    with h5py.File(path, "a") as file:
        del file["layer/0"]
        file.move("layer/1", "layer/0")
    with pytest.raises(ValueError, match="Give input_shape="):
        from_net(path)
    assert from_net(path, (7, 8, 2)).input_shape == (None, None, 7, 8, 2)


def test_all_that_no_layer_computes_is_listed(write_net):
    delay = np.zeros((9, 8), np.uint8)
    delay[1, 2] = 3
    odd = np.arange(-20, 20, dtype=np.int16).reshape(8, 5)
    path = write_net(
        vector(
            dense(9, 8, delay=delay),
            IntegerDense(odd, NEURON),
            dense(5, 4, IntegerNeuron(1, 2, 0)),
            dense(4, 3, IntegerNeuron(0, 4096, 131072)),
        )
    )
    with pytest.raises(ValueError) as error:
        from_net(path)
    lines = str(error.value).splitlines()
    assert lines[0] == "The network cannot be made a Keras model (4 problems):"
    for line, (layer, what) in zip(
        lines[1:-1],
        [
            (1, "its delays differ from synapse to synapse"),
            (2, "20 of 40 weights are not on the grid"),
            (3, "its threshold mantissa is 0"),
            (4, "its neurons never spike"),
        ],
        strict=True,
    ):
        assert f"- layer {layer} (dense), counted from the input: {what}" in line
        assert "; allowed: " in line and "; to do: " in line
    assert lines[-1] == f"Received: path={str(path)!r}"
