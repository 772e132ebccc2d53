"""Trainings that can be cut off, and their result cards."""

import dataclasses
import functools
import json
import os
import pathlib
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_slayer as ks
from keras_slayer.datasets.saccade_mnist.digits import load_digits
from keras_slayer.datasets.saccade_mnist.simulate import simulate as simulate_digits
from keras_slayer.datasets.synthetic_words.simulate import simulate as simulate_word

EXAMPLES = pathlib.Path(__file__).resolve().parents[1] / "examples"


def as_dataset(recordings, names):
    """A data set as the builders give them, of (events, label)."""
    signature = {name: tf.TensorSpec([None], tf.int32) for name in names}
    dataset = tf.data.Dataset.from_generator(
        lambda: (
            ({name: np.asarray(getattr(events, name), np.int32) for name in names}, label)
            for events, label in recordings
        ),
        output_signature=(signature, tf.TensorSpec([], tf.int64)),
    )
    return dataset.apply(tf.data.experimental.assert_cardinality(len(recordings)))


@pytest.fixture
def reproduce(monkeypatch):
    """The example, with few recordings for each of its tasks."""
    monkeypatch.syspath_prepend(EXAMPLES)
    for name in ("reproduce", "reproduce_tasks", "reproduce_card", "resumable"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import reproduce
    import reproduce_tasks

    monkeypatch.setitem(reproduce_tasks.PAPER, "dt", 15.0)
    monkeypatch.setattr(
        reproduce_tasks.datasets,
        "load_synthetic_words",
        lambda config: [words(range(8)), words(range(10, 12))],
    )
    monkeypatch.setattr(
        reproduce_tasks.datasets, "load_saccade_mnist", lambda config: [digits(0), digits(400)]
    )
    return reproduce


def words(seeds):
    found = [(simulate_word(label, 3, seed), label) for label in range(3) for seed in seeds]
    return as_dataset(found, ("x", "t"))


@functools.cache
def digit_recordings(first):
    images, labels = load_digits()
    chosen = [int(np.flatnonzero(labels == label)[first]) for label in range(10)]
    return list(zip(simulate_digits(images[chosen], seeds=chosen), range(10), strict=True))


def digits(first):
    dataset = as_dataset(digit_recordings(first), ("x", "y", "t", "polarity"))
    return dataset.map(
        lambda events, label: ({**events, "polarity": tf.cast(events["polarity"], tf.bool)}, label)
    )


def weights(folder):
    state = json.loads((folder / "seed-1" / "training.json").read_text())
    model = keras.saving.load_model(folder / "seed-1" / state["model"])
    return [np.asarray(weight) for weight in model.weights]


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_training_that_was_cut_off_ends_as_one_that_was_not(reproduce, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    options = ["shd", "--epochs", "2"]
    card = reproduce.main([*options, "--output", str(whole)])
    assert not reproduce.main([*options, "--output", str(parts), "--stop-after", "1"]).results
    assert not (parts / "card.json").exists()
    first = weights(parts)
    again = reproduce.main([*options, "--output", str(parts)])
    assert not same(first, weights(parts)), "the last start trained"
    assert same(weights(whole), weights(parts))
    assert again.results[0]["loss"] == card.results[0]["loss"]
    assert len(card.results[0]["loss"]) == 2


def test_what_is_cut_off_while_it_is_saved_is_whole(reproduce, tmp_path, monkeypatch):
    from resumable import Training

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["accuracy"])
    data = tf.data.Dataset.from_tensors((np.ones((4, 2)), np.ones((4, 1))))
    training = Training(tmp_path, {})
    training.run(model, lambda epoch: data, 3, stop_after=1)

    def fail(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(os, "replace", fail)
        training.run(model, lambda epoch: data, 3)
    again = Training(tmp_path, {})
    assert again.epoch == len(again.history) == 1
    again.run(again.load(), lambda epoch: data, 3)
    assert [path.name for path in tmp_path.glob("*.keras")] == ["epoch-3.keras"]
    losses = [figures["loss"] for figures in again.history]
    assert losses[0] > losses[1] > losses[2]


def test_other_settings_are_not_mixed_with_these(reproduce, tmp_path):
    from resumable import Training

    before = Training(tmp_path, {"epochs": 2, "seed": 1})
    (tmp_path / "training.json").write_text(json.dumps(before.state))
    assert Training(tmp_path, {"epochs": 2, "seed": 1}).epoch == 0
    with pytest.raises(ValueError, match=r"with other epochs: \[2\].*Received: \[4\]"):
        Training(tmp_path, {"epochs": 4, "seed": 1})


def test_the_card_says_what_came_out(reproduce, tmp_path, monkeypatch, capsys):
    task = reproduce.TASKS["nmnist"]
    fires = lambda arguments: dataclasses.replace(task(arguments), set_rates=True)  # noqa: E731
    monkeypatch.setitem(reproduce.TASKS, "nmnist", fires)
    options = ["nmnist", "--neuron", "loihi", "--epochs", "1", "--seeds", "3"]
    reproduce.main([*options, "--test-recordings", "5", "--output", str(tmp_path)])
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["recordings"] == {"train": 10, "test": 5} and not card["full_set"]
    (result,) = card["seeds"]
    assert result["seed"] == 3 and card["accuracy"]["mean"] == result["accuracy"]
    assert result["loihi"]["accuracy"] == result["accuracy"]
    assert result["loihi"]["spikes that differ"] == 0
    assert result["loihi"]["cores"] > 1 and result["loihi"]["joules per recording"] > 0
    assert 0 < result["synaptic_operations"] < result["dense_operations"]
    more = card["extrapolated"]
    each = result["processor_seconds"] / 10
    assert more["memory_bytes"] > card["memory_bytes"]
    assert more["recordings"] == 60_000
    assert more["processor_hours_per_seed"] == pytest.approx(each * 60_000 / 3600)
    assert card["versions"]["keras_slayer"] == ks.__version__
    text = (tmp_path / "card.md").read_text()
    assert "| published: floating point (Shrestha and Orchard, NeurIPS 2018) | 99.2 % |" in text
    assert "60,000 recordings: extrapolated" in text and "not the set" in text
    assert text in capsys.readouterr().out


def test_the_gesture_network_is_the_published_one(reproduce):
    from reproduce_tasks import TASKS

    task = TASKS["dvs_gesture"](reproduce.parse_arguments(["dvs_gesture"]))
    model = task.build(None)
    assert model.count_params() == 1_059_616  # 1.05 M
    assert model.input_shape == (None, 300, 128, 128, 2) and task.loihi


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shd", "--neuron", "loihi"], "--neuron is for nmnist"),
        (["nmnist", "--epochs", "0"], "--epochs must be at least 1"),
        (["nmnist", "--seeds", "1", "1"], "--seeds must differ"),
        (["mnist"], "invalid choice: 'mnist'"),
    ],
)
def test_says_what_is_wrong_before_training(reproduce, arguments, message, capsys):
    with pytest.raises(SystemExit):
        reproduce.parse_arguments(arguments)
    assert message in capsys.readouterr().err
