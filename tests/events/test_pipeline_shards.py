"""`spike_pipeline(shard=)`: every recording in one shard, whatever the source, and read once."""

import numpy as np
import pytest
import tensorflow as tf
from pipelines import build, collect, dataset_of, dense
from recording_cases import SENSOR, class_folder, load

from keras_slayer.events import EventTimeWarning, spike_pipeline


def shards_of(count, make, **arguments):
    return [make(shard=(count, index), **arguments) for index in range(count)]


@pytest.mark.parametrize("options", [{}, {"shuffle": True, "seed": 1}, {"cache": False},
                                     {"values": "count"}])  # fmt: skip
def test_shards_of_a_dataset_are_disjoint_and_whole(options):
    """10 recordings over 3 shards, in two epochs."""
    dataset, recordings = dataset_of(10)
    for index, shard in enumerate(shards_of(3, lambda **kw: build(dataset, **kw), **options)):
        for _ in range(2):
            spikes, labels = collect(shard)
            assert sorted(labels) == list(range(index, 10, 3))
            if "values" not in options:
                np.testing.assert_array_equal(spikes, dense([recordings[i] for i in labels]))
        assert options.get("shuffle") or list(labels) == sorted(labels)


def test_a_shard_bins_and_keeps_its_own_recordings_alone():
    """What is counted is what comes to the cache: before it, and before shuffling."""
    dataset, _ = dataset_of(10)
    options = {"shuffle": True, "seed": 1, "batch_size": 10}
    first, second = shards_of(2, lambda **kw: build(dataset, **kw), **options)
    assert [len(next(iter(shard))[1]) for shard in (first, second)] == [5, 5]


@pytest.mark.parametrize("size", [8, 9, 10, 1])
def test_shards_have_as_many_batches_each(size):
    """Else a worker would wait for a step that others do not take."""
    dataset, _ = dataset_of(size)
    shards = shards_of(2, lambda **kw: build(dataset, batch_size=2, **kw))
    sizes = [[len(labels) for _, labels in shard] for shard in shards]
    assert [len(shard) for shard in shards] == [*map(len, sizes)]
    assert (
        sizes
        == {
            8: [[2, 2], [2, 2]],
            9: [[2, 2, 1], [2, 2, 0]],
            10: [[2, 2, 1], [2, 2, 1]],
            1: [[1], [0]],
        }[size]
    )
    dropping = shards_of(2, lambda **kw: build(dataset, batch_size=2, drop_remainder=True, **kw))
    assert [len(list(shard)) for shard in dropping] == [size // 4] * 2


def test_shards_are_split_no_further():
    dataset, _ = dataset_of(9)
    policy = tf.data.experimental.AutoShardPolicy
    made = [build(dataset), build(dataset, shard=(1, 0)), build(dataset, shard=(2, 1))]
    policies = [d.options().experimental_distribute.auto_shard_policy for d in made]
    assert [found is policy.OFF for found in policies] == [False, False, True]
    assert [getattr(d, "sharded", False) for d in made] == [False, False, True]
    assert len(made[1]) == 3 and made[2].dt == 1.0  # (1, 0) is all of it: as without


@pytest.mark.parametrize("shuffle", [False, True])
def test_shards_of_recordings_read_no_file_of_another(tmp_path, shuffle):
    events = class_folder(tmp_path)
    assert len(events) == 6
    seen = []
    for index in range(4):
        recordings, counting = load(tmp_path)
        shard = spike_pipeline(
            recordings, steps=10, dt=100.0, batch_size=2, shuffle=shuffle, seed=0, shard=(4, index)
        )
        spikes, labels = collect(shard)
        assert len(labels) == len(counting.read) == (2 if index < 2 else 1)
        assert spikes.shape[1:] == (10, *SENSOR, 2)
        names = [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*.bin"))]
        assert sorted(counting.read) == sorted(n.split("/")[1] for n in names[index::4])
        seen += counting.read
    assert sorted(seen) == ["0.bin", "0.bin", "1.bin", "1.bin", "2.bin", "2.bin"]


def test_shards_of_one_recording_that_was_cut(tmp_path):
    """Slices of a single file, over three workers."""
    class_folder(tmp_path, [("left", 1)])
    recordings, _ = load(tmp_path)
    slices = recordings.slice(window=0.1)
    whole, _ = collect(spike_pipeline(slices, steps=10, dt=10.0, batch_size=4))
    assert len(whole) == 10 and len({row.tobytes() for row in whole}) == 10
    for index in range(3):
        options = {"steps": 10, "dt": 10.0, "batch_size": 4, "shard": (3, index)}
        np.testing.assert_array_equal(
            collect(spike_pipeline(slices, **options))[0], whole[index::3]
        )


def test_a_lost_recording_has_its_number_among_all(tmp_path):
    dataset, _ = dataset_of(10)
    message = r"^Recording (\d+) of the data set \(label \1\)"
    pipeline = build(dataset, shard=(5, 4), steps=1, dt=0.001, origin="zero", cache=False)
    with pytest.warns(EventTimeWarning, match=message):
        collect(pipeline)
    class_folder(tmp_path)
    recordings, _ = load(tmp_path)
    options = {"steps": 1, "dt": 0.001, "batch_size": 1, "origin": "zero"}
    with pytest.warns(EventTimeWarning, match=r"^Recording 5 of the data set \(label 1\)"):
        collect(spike_pipeline(recordings, shard=(6, 5), **options))


@pytest.mark.parametrize("shard", [3, (2,), (2, 2), (2, -1), (0, 0), (2.0, 1), (2, True), "21"])
def test_refuses_what_is_no_shard(shard):
    dataset, _ = dataset_of(3)
    with pytest.raises(ValueError, match=r"`shard` must be a pair .*Received: shard="):
        build(dataset, shard=shard)


def test_refuses_an_object_that_cannot_be_divided():
    from transform_cases import Recordings

    with pytest.raises(ValueError, match=r"dataset\[index::count\].*Received: shard=\(2, 0\)"):
        spike_pipeline(Recordings(), steps=3, batch_size=1, shard=(2, 0))
