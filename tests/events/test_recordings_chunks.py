"""Long recordings: readers that give chunks, generators, packed columns."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recording_cases import SENSOR, class_folder, elements, random_events

import keras_slayer.events
from keras_slayer.events import Events, RecordingsWarning, from_folder, from_generator, read_events
from keras_slayer.events.recordings import columns, sources


def chunks_of(events, cuts=(0, 25, 26, 26, 50, 60)):
    for start, stop in itertools.pairwise(cuts):
        yield events[start:stop]


def chunk_reader(path):
    return chunks_of(read_events(path))


@pytest.mark.parametrize("cache", [None, True, "folder"])
@pytest.mark.parametrize("cut", [False, True])
def test_readers_of_chunks(tmp_path, cache, cut):
    made = class_folder(tmp_path / "a")
    cache = tmp_path / "cache" if cache == "folder" else cache
    recordings = from_folder(tmp_path / "a", reader=chunk_reader, cache=cache, sensor_shape=SENSOR)
    recordings = recordings.slice(1.0) if cut else recordings
    assert [events for events, _ in recordings] == [made[name] for name in sorted(made)]


def test_readers_of_other_forms(tmp_path):
    made = class_folder(tmp_path, [("left", 1)])
    (events,) = made.values()
    names = {"xs": "x", "ys": "y", "ts": "t", "ps": "polarity"}

    def mapping(path):
        return {name: getattr(events, field) for name, field in names.items()}

    def mappings(path):
        for chunk in chunks_of(events):
            yield {name: getattr(chunk, field) for name, field in names.items()}

    for reader in (mapping, mappings):
        ((found, _),) = from_folder(tmp_path, reader=reader, sensor_shape=SENSOR)
        assert found == events


def test_large_files_are_read_in_chunks(tmp_path, monkeypatch):
    made = class_folder(tmp_path, [("left", 1), ("right", 1)])
    large = random_events(7, count=101)
    keras_slayer.events.write_events(tmp_path / "right" / "0.bin", large)
    calls = []

    def read(path, **arguments):
        calls.append((path.parent.name, arguments))
        events = read_events(path)
        if not arguments:
            return events
        size = arguments["chunk"]
        return (events[i : i + size] for i in range(0, len(events), size))

    monkeypatch.setattr(keras_slayer.events, "read_events", read)
    monkeypatch.setattr(sources, "WHOLE_BYTES", 500)
    monkeypatch.setattr(sources, "CHUNK_EVENTS", 32)
    recordings = from_folder(tmp_path, sensor_shape=SENSOR)
    assert [events for events, _ in recordings] == [made["left/0.bin"], large]
    assert calls == [("left", {}), ("right", {"chunk": 32})]


@given(
    t=st.lists(st.integers(0, 50), min_size=0, max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=6),
)
def test_order_over_chunks(t, cuts):
    """As a stable sort of it all, or an error; never out of order."""
    events = Events(x=np.arange(len(t)), t=np.array(t, int))
    cuts = [0, *sorted(min(cut, len(t)) for cut in cuts), len(t)]
    info = columns.info_of(chunks_of(events, cuts))
    assert info.count == len(t)
    assert not t or (info.first, info.last) == (min(t), max(t))
    try:
        pieces = list(columns.in_order(chunks_of(events, cuts)))
    except ValueError as error:
        assert "time runs backwards by more than a chunk" in str(error)
        parts = [part for part in chunks_of(events, cuts) if len(part)]
        assert len(parts) > 2
        assert any(c.t.min() < a.t.max() for a, c in itertools.combinations(parts, 2))
        return
    assert columns.join(pieces) == events.sorted()


def test_disorder_within_two_chunks_is_put_right():
    t = np.array([0, 5, 9, 8, 7, 12, 11, 20])
    events = Events(x=np.arange(8), t=t)
    pieces = list(columns.in_order(chunks_of(events, (0, 3, 6, 8))))
    assert columns.join(pieces) == events.sorted()
    late = Events(x=np.arange(8), t=np.array([5, 6, 7, 8, 9, 10, 0, 11]))
    with pytest.raises(ValueError, match=r"by more than a chunk: 0 us after 7 us"):
        list(columns.in_order(chunks_of(late, (0, 3, 6, 8))))


def test_packing_holds_two_chunks_at_most(tmp_path):
    alive, most = set(), [0]

    class Watched(Events):
        def __del__(self):
            alive.discard(id(self))

    def chunks():
        for i in range(20):
            chunk = Watched(x=np.full(9, i), t=100 * i + np.arange(9))
            alive.add(id(chunk))
            most[0] = max(most[0], len(alive))
            yield chunk
            del chunk

    columns.write(tmp_path, chunks())
    assert most[0] <= 3  # with the one being made
    assert columns.mapped(tmp_path).info == columns.Info(180, 0, 1908, 19, 0, 0)


@pytest.mark.parametrize("size", [0, 1, 9, 10, 12_345])
def test_packed_columns_are_files_of_numpy(tmp_path, size):
    events = random_events(count=size) if size > 1 else Events(x=[3] * size, t=[7] * size)
    columns.write(tmp_path, [events[: size // 2], events[size // 2 :]])
    found = columns.mapped(tmp_path)
    assert found.events == events and found.info.count == size
    for name in ("x", "y", "t", "polarity"):
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.npy"), getattr(events, name))
    info = json.loads((tmp_path / "info.json").read_text())
    assert info["last"] == (events.t.max() if size else 0)


def generate():
    for seed, label in enumerate(["b", "a", "b"]):
        events = random_events(seed, seconds=1 + seed)
        yield (chunks_of(events) if seed == 1 else events), label


def test_generators():
    recordings = from_generator(generate, sensor_shape=SENSOR, downsample=(10, 10))
    assert recordings.labels.tolist() == [1, 0, 1] and recordings.class_names == ("a", "b")
    assert recordings.sensor_shape == (10, 10, 2) and "from a generator" in repr(recordings)
    assert [events.t.tolist() for events, _ in elements(recordings.as_dataset())] == [
        random_events(seed, seconds=1 + seed).t.tolist() for seed in range(3)
    ]
    assert len(recordings.slice(1.0)) == 6
    intervals = from_generator(lambda: [(random_events(), [(0.0, np.float64(0.5), "a")])])
    assert intervals.trials().labels.tolist() == [0]
    with pytest.warns(RecordingsWarning, match=r"\(20, 30, 2\)"):
        assert intervals.sensor_shape == (20, 30, 2)


def test_what_is_generated_may_be_kept(tmp_path):
    called = []

    def counting():
        called.append(1)
        yield from generate()

    kept = [from_generator(counting, cache=tmp_path, name="v1") for _ in range(2)]
    assert len(called) == 1 and list(kept[0]) == list(kept[1]) and len(kept[1]) == 3
    assert kept[0].labels.tolist() == kept[1].labels.tolist() == [1, 0, 1]
    next(tmp_path.glob("*/*/x.npy")).unlink()
    assert list(from_generator(counting, cache=tmp_path, name="v1")) == list(
        from_generator(generate)
    )
    assert len(called) == 2
    from_generator(counting, cache=tmp_path, name="v2")
    assert len(called) == 3


def test_an_interrupted_generator_is_called_again(tmp_path):
    def broken():
        yield random_events(), "a"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        from_generator(broken, cache=tmp_path, name="v1")
    assert len(from_generator(generate, cache=tmp_path, name="v1")) == 3


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (lambda: [], {}, r"one recording or more. Received: none"),
        (lambda: [random_events()], {}, r"Recording 0: `generate` must give pairs.*Events"),
        (lambda: [({"x": [1]}, 0)], {}, r"Recording 0: .*Missing: t"),
        (lambda: [(random_events(), 0), (iter([3]), 0)], {}, r"Recording 1: .*Missing: x and t"),
        (lambda: [(random_events(), 1.5)], {}, r"Recording 0: a label must be.*label=1.5"),
        ([(random_events(), 0)], {}, r"must be a function.*type list"),
        (generate, {"name": "a"}, r"go together.*cache=None, name='a'"),
        (generate, {"cache": "a"}, r"go together.*cache='a', name=None"),
    ],
)
def test_errors_of_generators(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        from_generator(make, **arguments)
