"""`spike_pipeline` of objects that make a data set and know their sensor and classes."""

import numpy as np
import pytest
from transform_cases import RECORDINGS, STEPS, Recordings, collect, dense

from keras_slayer.events import EventTimeWarning, spike_pipeline, transforms

T = transforms


def test_an_object_that_makes_a_dataset():
    source = Recordings()
    pipeline = spike_pipeline(source, steps=STEPS, batch_size=2)
    assert len(pipeline) == 3
    np.testing.assert_array_equal(collect(pipeline)[0], dense(RECORDINGS))
    assert source.opened == [(False, None)]
    halved = spike_pipeline(
        source, steps=STEPS, batch_size=2, sensor_shape="auto", transforms=[T.Downsample(2)]
    )
    assert halved.element_spec[0].shape == (None, STEPS, 5, 6, 2)
    # Its class names say how many classes there are; one channel takes both polarities.
    mixed = spike_pipeline(
        source, steps=STEPS, batch_size=2, sensor_shape=(9, 12, 1), transforms=[T.Mix()]
    )
    assert mixed.element_spec[1].shape == (None, 5)
    assert collect(mixed)[0].shape == (5, STEPS, 9, 12, 1)
    # Its size is what `fit` scales.
    small = spike_pipeline(source, steps=STEPS, batch_size=2, sensor_shape=(3, 4, 2), fit="scale")
    assert collect(small)[0].shape == (5, STEPS, 3, 4, 2)


@pytest.mark.parametrize("cache", [True, False])
def test_an_object_shuffles_its_own_reading(cache):
    source = Recordings()
    pipeline = spike_pipeline(source, steps=STEPS, batch_size=1, shuffle=True, seed=3, cache=cache)
    assert source.opened == [(True, 3)]
    orders = []
    for _ in range(4):
        spikes, labels = collect(pipeline)
        np.testing.assert_array_equal(spikes, dense(RECORDINGS)[labels])
        assert sorted(labels) == list(range(5))
        orders.append(tuple(labels))
    assert len(set(orders)) > 2
    spike_pipeline(source, steps=STEPS, batch_size=1, shuffle=3, seed=3)
    assert source.opened[-1] == (False, 3)


def test_an_object_some_of_whose_recordings_are_skipped():
    source = Recordings(readable=3)
    pipeline = spike_pipeline(source, steps=STEPS, batch_size=1, shuffle=True, seed=3)
    for _ in range(3):
        spikes, labels = collect(pipeline)
        assert sorted(labels) == [0, 1, 2]
        np.testing.assert_array_equal(spikes, dense(RECORDINGS)[labels])


def test_a_lost_recording_of_a_shuffled_source_is_named_by_its_label():
    source = Recordings()
    pipeline = spike_pipeline(source, steps=1, dt=0.001, batch_size=1, shuffle=True, origin="zero")
    with pytest.warns(EventTimeWarning, match=r"^A recording of the data set \(label \d\): \d+ of"):
        collect(pipeline)
