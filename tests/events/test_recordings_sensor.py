"""The sensor of recordings: given, known to the files, found in the events, or a smaller one."""

import dataclasses

import pytest
from recording_cases import SENSOR, class_folder, random_events

import keras_slayer as ks
from keras_slayer.events import Events, RecordingsWarning, from_arrays, from_folder


def test_sensor_shape_is_given():
    recordings = from_arrays([random_events()], [0], sensor_shape=SENSOR)
    assert recordings.sensor_shape == (20, 30, 2)
    assert from_arrays([random_events()], [0], sensor_shape=(20, 30, 1)).sensor_shape[2] == 1
    assert from_arrays([Events(x=[6], t=[0])], [0], sensor_shape=(7,)).sensor_shape == (7,)
    small = from_arrays([random_events(), random_events(1)], [0, 1], sensor_shape=(20, 25))
    with pytest.raises(ValueError, match=r"Recording 0: .*x must be 0..24 for .*Received: x=29"):
        list(small)
    with pytest.raises(ValueError, match=r"y must be 0..9"):
        list(from_arrays([random_events()], [0], sensor_shape=(10, 30)))
    channels = from_arrays([Events(x=[1], t=[0], polarity=[2])], [0], sensor_shape=(4, 4))
    with pytest.raises(ValueError, match=r"polarity must be 0..1"):
        channels[0]


def test_sensor_shape_is_found(tmp_path):
    class_folder(tmp_path)
    recordings = from_folder(tmp_path)
    train, test = recordings.split(0.5)
    assert "unknown sensor" in repr(train)
    with pytest.warns(RecordingsWarning, match=r"shape \(20, 30, 2\) was .*\(6\).*give sensor_"):
        assert train.sensor_shape == (20, 30, 2)
    # Of all recordings, once, for all parts.
    assert test.sensor_shape == recordings.slice(0.5).sensor_shape == (20, 30, 2)
    assert test.downsample((5, 6)).sensor_shape == (5, 6, 2)
    channels = from_arrays([Events(x=[1], t=[0], polarity=[4])], [0])
    with pytest.warns(RecordingsWarning, match=r"\(1, 2, 5\)"):
        assert channels.sensor_shape == (1, 2, 5)
    off = from_arrays([Events(x=[1], t=[0])], [0])
    with pytest.warns(RecordingsWarning, match=r"\(1, 2, 2\)"):
        assert off.sensor_shape == (1, 2, 2)  # a camera has ON and OFF


def known_reader(path):
    """Events whose file says what sensor they are of."""
    shape = (48, 64) if path.stem == "2" else (40, 50)
    return dataclasses.replace(ks.events.read_events(path), sensor_shape=shape)


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("cache", [None, "folder"])
def test_sensor_shape_of_the_files(tmp_path, cache, cut):
    class_folder(tmp_path / "a")
    cache = cache and tmp_path / "cache"
    for _ in range(2):  # the second time from the cache
        recordings = from_folder(tmp_path / "a", reader=known_reader, cache=cache)
        recordings = recordings.slice(1.0) if cut else recordings
        assert recordings.sensor_shape == (40, 50, 2)
        with pytest.raises(ValueError, match=r"left/2.bin\): it is of a sensor of \(48, 64\)"):
            list(recordings)
    given = from_folder(tmp_path / "a", reader=known_reader, sensor_shape=(48, 64))
    assert len(list(given)) == 6


def test_downsample():
    events = random_events(count=200)
    for shape in ((10, 10), (7, 30), (1, 1), SENSOR):
        recordings = from_arrays([events], [0], sensor_shape=SENSOR, downsample=shape)
        ((found, _),) = recordings
        assert found.x.tolist() == [int(x) * shape[1] // 30 for x in events.x]
        assert found.y.tolist() == [int(y) * shape[0] // 20 for y in events.y]
        assert found.t.tolist() == events.t.tolist()
        assert recordings.sensor_shape == (*shape, 2)
    twice = from_arrays([events], [0], sensor_shape=SENSOR).downsample((10, 15)).downsample((5, 5))
    assert twice[0][0].x.tolist() == [int(x) * 15 // 30 * 5 // 15 for x in events.x]
    with pytest.raises(ValueError, match=r"of at least that size: \(10, 15, 2\)"):
        twice = from_arrays([events], [0], sensor_shape=SENSOR).downsample((10, 15))
        twice.downsample((11, 15))
    with pytest.raises(ValueError, match=r"a sensor with an image"):
        from_arrays([events], [0], sensor_shape=(30,)).downsample((1, 1))
