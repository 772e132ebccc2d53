"""What a profile says, and the data that it takes."""

import json
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console

import keras_slayer as ks

STEPS = 5
MEMORYLESS = ks.CUBA(threshold=1.0, current_decay=1.0, voltage_decay=1.0)


def network():
    """By hand: one input reaches all three neurons, one two, one none."""
    model = keras.Sequential(
        [
            keras.Input((STEPS, 3)),
            ks.SpikingDense(3, MEMORYLESS, name="hidden"),
            keras.layers.Dense(2, name="out"),
        ],
        name="net",
    )
    model.get_layer("hidden").kernel.assign([[1.0, 1.0, 0.5], [0.5, 0.5, 0.0], [0.0, 0.0, 0.0]])
    model.get_layer("out").kernel.assign([[1.0, 0.0], [1.0, 2.0], [1.0, 1.0]])
    return model


def data(samples=2):
    x = np.zeros((samples, STEPS, 3), "float32")
    x[0, 0] = [1, 1, 1]  # 5 operations, all but the third neuron fire
    x[0, 2] = [0, 1, 1]  # 2 operations, nobody fires
    return x


def test_figures_by_hand():
    found = ks.profile(network(), data())
    hidden = found["hidden"]
    assert (found.model, found.samples, len(found)) == ("net", 2, 2)
    assert [layer.name for layer in found] == ["hidden", "out"]
    assert (hidden.dense, hidden.acs, hidden.macs) == (45, 7 / 2, 0)
    assert (hidden.spikes, hidden.neuron_updates, hidden.spike_rate) == (1, 15, 1 / 15)
    assert (hidden.weights, hidden.zero_weights, hidden.connection_sparsity) == (9, 4, 4 / 9)
    assert hidden.activation_sparsity == pytest.approx(14 / 15)
    out = found["out"]
    assert (out.dense, out.acs, out.parameters, out.footprint) == (30, 3 / 2, 8, 32)
    assert (out.spikes, out.neurons, out.active) == (None, None, False)
    total = found.total
    assert (total.dense, total.acs, total.synaptic_operations) == (75, 5, 5)
    assert total.connection_sparsity == 5 / 15 and total.footprint == 4 * 17
    assert total.activation_sparsity == hidden.activation_sparsity
    assert total.spike_rate == 1 / 15


def test_energy():
    found = ks.profile(network(), 2 * data())
    assert (found["hidden"].macs, found["hidden"].acs) == (7 / 2, 0)
    joules = 4.6e-12 * found.total.macs + 0.9e-12 * found.total.acs
    assert found.total.acs > 0 and found.energy() == pytest.approx(joules, abs=0)
    assert found.energy(mac=2.0, ac=0.0) == 7.0
    assert found["hidden"].energy(mac=1.0) == 3.5
    with pytest.raises(ValueError, match=r"mac must be a number.* Received: mac=-1"):
        found.energy(mac=-1)


def test_json():
    found = ks.profile(network(), data())
    content = json.loads(found.to_json())
    assert [content["model"], content["samples"], content["not_counted"]] == ["net", 2, []]
    assert [layer["name"] for layer in content["layers"]] == ["hidden", "out"]
    assert content["layers"][0]["connection_sparsity"] == 4 / 9
    assert content["total"]["synaptic_operations"] == 5
    assert content["total"]["acs"] == 5


def test_table():
    found = ks.profile(network(), data())
    lines = str(found).splitlines()
    assert " ".join(lines[0].split()) == (
        "layer type parameters bytes zero weights zero outputs dense ops MACs ACs "
        "neuron updates rate"
    )
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.strip()}
    assert rows["hidden"] == ["SpikingDense", "9", "36", "44.4%", "93.3%", "45", "0", "3.5", "15",
                              "0.0667"]  # fmt: skip
    assert rows["out"][:4] == ["Dense", "8", "32", "16.7%"]
    assert rows["total"] == ["17", "68", "33.3%", "93.3%", "75", "0", "5", "15", "0.0667"]
    assert "4.5 pJ (a count times 4.6 pJ per MAC and 0.9 pJ per AC" in str(found)
    assert "no measurement" in str(found) and repr(found) == str(found)
    console = Console(width=200)
    with console.capture() as captured:
        console.print(found)
    assert "SpikingDense" in captured.get()


def test_data_of_all_kinds_give_the_same_figures():
    model = network()
    x = (np.random.default_rng(0).random((7, STEPS, 3)) < 0.5).astype("float32")
    y = np.arange(7)
    expected = ks.profile(model, x, batch_size=7)
    dataset = tf.data.Dataset.from_tensor_slices((x, y))
    for other in (
        ks.profile(model, x, batch_size=2),
        ks.profile(model, (x, y)),
        ks.profile(model, tf.constant(x)),
        ks.profile(model, x.astype("uint8")),
        ks.profile(model, dataset.batch(3)),
        ks.profile(model, dataset.map(lambda x, _: x).batch(4)),
        ks.profile(model, dataset.repeat().batch(3), samples=7),
        ks.profile(model, np.concatenate([x, x]), samples=7, batch_size=5),
    ):
        assert other == expected
    assert ks.profile(model, x, samples=3) == ks.profile(model, x[:3]) != expected


def test_models_of_several_inputs():
    left, right = keras.Input((STEPS, 3), name="left"), keras.Input((STEPS, 3), name="right")
    joined = keras.layers.Concatenate()([left, right])
    model = keras.Model([left, right], keras.layers.Dense(2, name="out")(joined))
    x = data(4)
    last = x * [0.0, 0.0, 1.0]
    assert ks.profile(model, [x, last], batch_size=3)["out"].acs == 2 * (5 + 2) / 4
    names = {"left": x, "right": x}
    assert ks.profile(model, names, batch_size=3)["out"].acs == 2 * (5 + 5) / 4
    with pytest.raises(ValueError, match=r"as many samples. Received: \[2, 4\] samples"):
        ks.profile(model, [x, x[:2]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": ks.SpikingDense(3)}, "must be a keras.Model. Received: model=<SpikingDense"),
        (
            {"model": keras.Sequential([ks.SpikingDense(3)], name="net")},
            "begin it with keras.Input.* Received: model='net'",
        ),
        ({"data": "spikes"}, "data must be an array .* Received: str"),
        ({"data": [1.0, 2.0]}, "data must be an array .* Received: list"),
        ({"data": data()[:0]}, "at least one sample. Received: none"),
        ({"samples": 0}, r"samples must be an integer .* Received: samples=0"),
        ({"batch_size": 1.5}, r"batch_size must be an integer .* Received: batch_size=1.5"),
        (
            {"data": tf.data.Dataset.from_tensors(data()).repeat()},
            "repeats without end: say how many samples to run. Received: samples=None",
        ),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        ks.profile(**{"model": network(), "data": data(), **arguments})


def test_what_a_profile_lacks_is_said():
    with pytest.raises(
        KeyError, match="'last' is not among the layers of the profile: hidden, out"
    ):
        _ = ks.profile(network(), data())["last"]


def test_nothing_of_a_batch_is_kept():
    """So memory does not grow with the samples."""
    alive, kept = [], []

    class Remembering(keras.layers.Layer):
        def call(self, x):
            kept.append(sum(ref() is not None for ref in alive))
            alive.append(weakref.ref(x))
            return x + 0.0

    model = keras.Sequential(
        [keras.Input((STEPS, 3)), ks.SpikingDense(3), Remembering(), ks.SpikingDense(2)]
    )
    kept.clear()
    alive.clear()
    ks.profile(model, np.ones((3, STEPS, 3), "float32"), batch_size=1)
    assert kept == [0] * 3 and len(alive) == 3
