"""Backups, broadcasts and the guard of versions, in one process."""

import types
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_slayer import distribute
from keras_slayer.distribute import broadcast, multi_worker


def model_with_dropout(units=5):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(units), keras.layers.Dropout(0.5, seed=3), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    return model


def fit(model, *callbacks, epochs=5):
    x = np.random.default_rng(0).normal(size=(12, 4)).astype("float32")
    y = x.sum(axis=1, keepdims=True)
    options = {"batch_size": 4, "shuffle": False, "verbose": 0}
    return model.fit(x, y, epochs=epochs, callbacks=[*callbacks], **options).history["loss"]


class Interrupted(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == 7:  # in the third epoch
            raise KeyboardInterrupt


def test_a_backup_goes_on_where_it_was(tmp_path):
    """Weights, optimizer, the states of dropout, and the epoch."""
    whole = fit(model_with_dropout())
    assert len(set(whole)) == 5
    with pytest.raises(KeyboardInterrupt):
        fit(model_with_dropout(), distribute.BackupAndRestore(tmp_path), Interrupted())
    assert [path.name for path in tmp_path.iterdir()] == ["backup.zip"]
    kept = distribute.BackupAndRestore(tmp_path, delete_checkpoint=False)
    np.testing.assert_allclose(fit(model_with_dropout(), kept), whole[2:], rtol=1e-6)
    with zipfile.ZipFile(tmp_path / "backup.zip") as archive:
        assert '"epoch": 5' in archive.read("training_metadata.json").decode()
    again = model_with_dropout()
    done = fit(again, distribute.BackupAndRestore(tmp_path), epochs=6)
    assert len(done) == 1 and done != whole[:1]
    assert [*tmp_path.iterdir()] == []


def test_a_backup_that_was_not_finished_changes_nothing(tmp_path):
    (tmp_path / "backup.zip.part").write_bytes(b"half of")
    whole = fit(model_with_dropout())
    assert fit(model_with_dropout(), distribute.BackupAndRestore(tmp_path)) == whole


def test_refuses_a_backup_of_another_model_and_no_folder(tmp_path):
    fit(model_with_dropout(), distribute.BackupAndRestore(tmp_path, delete_checkpoint=False))
    with pytest.raises(ValueError, match="shape"):
        fit(model_with_dropout(units=6), distribute.BackupAndRestore(tmp_path))
    with pytest.raises(ValueError, match="Received: backup_dir=''"):
        distribute.BackupAndRestore("")


def flipped(data, place):
    return data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :]


def test_a_damaged_backup_is_refused_and_kept(tmp_path):
    """Never taken for none, which would train from the start and replace it."""
    callback = distribute.BackupAndRestore(tmp_path, delete_checkpoint=False)
    model = model_with_dropout()
    fit(model, callback, epochs=1)
    file = tmp_path / "backup.zip"
    whole = file.read_bytes()
    entry = whole.index(b"PK\x01\x02")  # its flags and its compression follow
    for data in (
        *(b"", whole[: len(whole) // 2], whole[:-30]),
        *(flipped(whole, place) for place in (len(whole) // 2, entry + 8, entry + 10)),
    ):
        file.write_bytes(data)
        again = distribute.BackupAndRestore(tmp_path)
        with pytest.raises(ValueError, match=rf"is damaged.*Received: {file}, {len(data)} bytes"):
            fit(model, again, epochs=2)
        assert file.read_bytes() == data


def cluster(jobs, kind, index):
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(jobs), task_type=kind, task_id=index
    )
    return types.SimpleNamespace(cluster_resolver=resolver)


def test_there_is_one_chief():
    two = {"worker": ["a:1", "b:1"]}
    named = {"chief": ["c:1"], **two}
    assert [broadcast.is_chief(cluster(two, "worker", i)) for i in (0, 1)] == [True, False]
    assert broadcast.is_chief(cluster(named, "chief", 0))
    assert not broadcast.is_chief(cluster(named, "worker", 0))
    assert not broadcast.is_chief(cluster({**two, "ps": ["d:1"]}, "ps", 0))
    assert broadcast.is_chief(tf.distribute.get_strategy())


@pytest.mark.parametrize("size", [0, 1, 8, 1000])
def test_what_the_chief_says_arrives_byte_by_byte(size):
    data = np.random.default_rng(0).bytes(size)
    assert broadcast.from_chief(tf.distribute.get_strategy(), data) == data
    words = np.frombuffer(data.ljust(-(-size // 8) * 8, b"\0"), np.int64)
    # The sum itself, which one replica alone leaves out.
    assert (
        broadcast._sum_of_first(tf.distribute.OneDeviceStrategy("CPU:0"), words).tobytes()[:size]
        == data
    )


def test_a_newer_keras_is_left_alone(monkeypatch):
    before = tf.distribute.MultiWorkerMirroredStrategy.reduce
    monkeypatch.setattr(keras, "version", lambda: "3.99.0")
    with pytest.warns(UserWarning, match=r"Keras 3\.99\.0 is newer than any that needs this"):
        assert distribute.enable_multi_worker() is False
    assert tf.distribute.MultiWorkerMirroredStrategy.reduce is before


def test_this_keras_has_been_tried():
    """A new one: see whether fit works without, and set NEWEST_TRIED."""
    assert multi_worker._version() <= multi_worker.NEWEST_TRIED


def test_enabling_twice_sets_it_once(monkeypatch):
    strategy = tf.distribute.MultiWorkerMirroredStrategy
    for name in ("reduce", "experimental_distribute_dataset"):
        monkeypatch.setattr(strategy, name, getattr(strategy, name))
    monkeypatch.setattr(keras.Model, "train_step", keras.Model.train_step)
    assert distribute.enable_multi_worker() is True
    first = strategy.reduce, keras.Model.train_step
    assert distribute.enable_multi_worker() is True
    assert (strategy.reduce, keras.Model.train_step) == first


def test_one_device_trains_as_before(monkeypatch):
    before = fit(model_with_dropout())
    monkeypatch.setattr(keras.Model, "train_step", keras.Model.train_step)
    distribute.weigh_samples()
    assert fit(model_with_dropout()) == before
