"""SpikeRasterLogger in model.fit: what is in the event files afterwards."""

import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from visualization_cases import network, network_input

import keras_slayer as ks

pytest.importorskip("tensorboard")
LABELS = np.array([0, 1, 2, 1])
RASTERS = {f"raster/{name}" for name in ("conv", "hidden", "out")}


def fit(*callbacks, epochs=1, eagerly=True):
    model = network()
    model.compile(keras.optimizers.Adam(0.01), ks.SpikeMaxLoss(), run_eagerly=eagerly)
    options = {"verbose": 0, "shuffle": False, "epochs": epochs}
    history = model.fit(network_input(), LABELS, callbacks=list(callbacks), **options)
    return model, history.history


def pictures(folder):
    """{step: {name: picture}} of all event files in a folder."""
    found = {}
    for file in sorted(folder.rglob("events*")):
        for record in tf.data.TFRecordDataset(str(file)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name == "images"
                width, height, *images = value.tensor.string_val
                assert len(images) == 1
                picture = tf.io.decode_png(images[0]).numpy()
                assert picture.shape == (int(height), int(width), 3)
                found.setdefault(event.step, {})[value.tag] = picture
    return found


def test_rasters_rates_and_confusion_reach_tensorboard(tmp_path):
    fit(ks.SpikeRasterLogger(tmp_path, (network_input(), LABELS)))
    found = pictures(tmp_path)
    assert set(found) == {0, 1}
    for step in found.values():
        assert set(step) == RASTERS | {"rates", "confusion"}
        for picture in step.values():
            assert picture.shape[0] > 150 and picture.shape[1] > 300
            assert picture.min() < 100 and picture.max() == 255  # ink on white
    hidden = [step["raster/hidden"] for step in found.values()]
    assert not np.array_equal(hidden[0], hidden[1])  # it learned


def test_every_nth_epoch_some_layers_and_no_labels(tmp_path):
    logger = ks.SpikeRasterLogger(str(tmp_path), network_input(), every=2, layers=["hidden"])
    fit(logger, epochs=3)
    found = pictures(tmp_path)
    assert {step: set(names) for step, names in found.items()} == {
        step: {"raster/hidden", "rates"} for step in (0, 2)
    }


def test_a_writer_of_the_users_is_left_open(tmp_path):
    writer = tf.summary.create_file_writer(str(tmp_path))
    fit(ks.SpikeRasterLogger(writer, network_input(), layers="out"))
    with writer.as_default(step=9):
        tf.summary.image("mine", np.zeros((1, 2, 2, 3)))
    writer.close()
    found = pictures(tmp_path)
    assert set(found) == {0, 1, 9} and set(found[1]) == {"raster/out", "rates"}


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return network_input(), LABELS


@pytest.mark.parametrize("kind", ["data set", "PyDataset", "one-hot", "column"])
def test_labels_of_each_kind(tmp_path, kind):
    x = network_input()
    kinds = {"one-hot": np.eye(3)[LABELS], "column": LABELS[:, None]}
    data = Batches() if kind == "PyDataset" else (x, kinds.get(kind, LABELS))
    if kind == "data set":
        data = tf.data.Dataset.from_tensor_slices(data).batch(3)
    logger = ks.SpikeRasterLogger(tmp_path, data)
    np.testing.assert_array_equal(logger.labels, LABELS[: len(logger.x)])
    assert len(logger.x) == (3 if kind == "data set" else 4)


def test_the_sample_is_the_one_asked_for(tmp_path):
    drawn = []
    for sample in (0, 3):
        folder = tmp_path / str(sample)
        logger = ks.SpikeRasterLogger(folder, network_input(), layers="conv", sample=sample)
        keras.utils.set_random_seed(0)
        fit(logger)
        drawn.append(pictures(folder)[0]["raster/conv"])
    assert not np.array_equal(*drawn)


def test_training_is_left_as_it_was(tmp_path):
    results = []
    for callbacks in ([], [ks.SpikeRasterLogger(tmp_path, network_input(), layers="out")]):
        keras.utils.set_random_seed(5)
        model, history = fit(*callbacks, eagerly=False)
        results.append((model.get_weights(), history))
    (plain, before), (logged, after) = results
    assert before == after
    for one, other in zip(plain, logged, strict=True):
        np.testing.assert_array_equal(one, other)


def test_beside_the_tensorboard_callback(tmp_path):
    board = keras.callbacks.TensorBoard(tmp_path, write_graph=False)
    fit(board, ks.SpikeRasterLogger(tmp_path, network_input(), layers="out"))
    assert {folder.name for folder in tmp_path.iterdir()} == {"train", "spikes"}
    assert set(pictures(tmp_path / "spikes")) == {0, 1}


def test_without_matplotlib_or_tensorboard_it_says_what_to_install(tmp_path, monkeypatch):
    for package, extra in (("tensorboard", "tensorboard"), ("matplotlib.figure", "plot")):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(ImportError, match=rf"pip install 'keras_slayer\[{extra}\]'"):
            ks.SpikeRasterLogger(tmp_path, network_input())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"log_dir": 3}, "Received: log_dir=3"),
        ({"every": 0}, "Received: every=0"),
        ({"sample": -1}, "Received: sample=-1"),
        (
            {"data": (network_input(), np.zeros((4, 2, 3)))},
            r"Received: labels of shape \(4, 2, 3\)",
        ),
        (
            {"data": tf.data.Dataset.from_tensor_slices(network_input()).batch(2).take(0)},
            "Received: an empty tf.data.Dataset",
        ),
    ],
)
def test_refuses(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        ks.SpikeRasterLogger(**{"log_dir": tmp_path, "data": network_input(), **arguments})


def test_says_at_the_start_of_training_what_the_model_lacks(tmp_path):
    for options, message in (({"layers": ["last"]}, "Received: layers="), ({"sample": 4}, "=4")):
        logger = ks.SpikeRasterLogger(tmp_path, network_input(), **options)
        with pytest.raises(ValueError, match=message):
            fit(logger)
    flat = keras.Sequential([keras.Input((20, 6, 6, 2)), ks.SpikingConv2D(2, 3)])
    flat.compile("sgd", "mse")
    logger = ks.SpikeRasterLogger(tmp_path, (network_input(), LABELS))
    with pytest.raises(ValueError, match="labels need a model with one output"):
        flat.fit(network_input(), np.zeros((4, 20, 4, 4, 2)), verbose=0, callbacks=[logger])
