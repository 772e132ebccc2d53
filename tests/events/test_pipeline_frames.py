"""Frames of a pipeline: recordings of other sizes, frames of many bins, and too many."""

import math
import os

import numpy as np
import pytest
import tensorflow as tf
from pipelines import STEPS, build, collect, dataset_of

from keras_slayer.events import fit_frame, spike_pipeline, to_spikes
from keras_slayer.events import scatter as scatter_module


@pytest.mark.parametrize(
    ("steps", "number_type"), [(1165, tf.int32), (1166, tf.int64)], ids=["int32", "int64"]
)
@pytest.mark.parametrize("options", [{}, {"shift": 1}, {"rotate": 90.0}], ids=str)
def test_frames_of_more_bins_than_an_int32_counts(steps, number_type, options, monkeypatch):
    """A camera of 1280 x 720 pixels has 2^31 bins after 1,165 steps: two GB, not made here."""
    frame = (720, 1280, 2)
    assert (steps * math.prod(frame) < 2**31) == (number_type == tf.int32)
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 2**30, "SC_PAGE_SIZE": 4096}.get)
    batches = []

    def scatter(bins, shape, dtype, shifts=None):
        bins = bins if shifts is None else scatter_module.shift_bins(bins, shifts, shape[1:])
        recorded = tf.numpy_function(lambda b: batches.append(b) or b, [bins], bins.dtype)
        with tf.control_dependencies([recorded]):
            return tf.zeros([0, *shape], dtype)

    monkeypatch.setattr(scatter_module, "scatter_bins", scatter)
    events = {"x": [640, 641], "y": [360, 361], "t": [0, 1000 * steps - 1], "polarity": [1, 0]}
    longer = {**{name: [*values, values[0]] for name, values in events.items()}, "x": [0, 1, 2]}

    def generate():
        yield from ((events, 0), (longer, 1))

    spec = {name: tf.TensorSpec([None], tf.int32) for name in events}
    dataset = tf.data.Dataset.from_generator(
        generate, output_signature=(spec, tf.TensorSpec([], tf.int32))
    )
    pipeline = spike_pipeline(
        dataset, sensor_shape=frame, steps=steps, batch_size=2, dtype="uint8", **options
    )
    assert pipeline.element_spec[0].shape[1:] == (steps, *frame)
    list(pipeline)
    (bins,) = batches
    assert bins.dtype == number_type.as_numpy_dtype
    assert bins.shape == (2, 3) and bins[0, 2] == -1  # padding
    if not options:
        places = zip(*events.values(), strict=True)
        expected = [((t // 1000 * 720 + y) * 1280 + x) * 2 + p for x, y, t, p in places]
        assert bins[0].tolist() == [*expected, -1]
    # The last event is in the last step, wherever it was moved to.
    assert bins[0, 1] // math.prod(frame) == steps - 1


def test_a_batch_larger_than_memory_is_refused(monkeypatch):
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 60, "SC_PAGE_SIZE": 32}.get)
    dataset, _ = dataset_of()
    size = 8 * 5 * 6 * 2  # bytes of one sample of uint8
    build(dataset, dtype="uint8", batch_size=1920 // size)
    message = (
        r"fit into memory \(0\.0 GB\)\. Use .*dtype='uint8'\. Received: batch_size=1, steps=8, "
        r"sensor_shape=\(5, 6, 2\) and dtype='float32': 0\.0 GB"
    )
    build(dataset, dtype="float32", batch_size=1)
    with pytest.raises(ValueError, match=message.replace("batch_size=1", "batch_size=2")):
        build(dataset, dtype="float32", batch_size=2)
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"steps=1000000000, sensor_shape=.*float32.*GB"):
        build(dataset, sensor_shape=(720, 1280, 2), steps=10**9)


@pytest.mark.parametrize("fit", ["crop", "scale"])
def test_recordings_of_another_size_come_to_the_frame(fit):
    dataset, recordings = dataset_of()
    frame = (4, 3, 2)
    for source_shape in ((5, 6), None):
        pipeline = build(dataset, sensor_shape=frame, fit=fit, source_shape=source_shape)
        assert pipeline.element_spec[0].shape == (None, STEPS, *frame)
        spikes, labels = collect(pipeline)
        expected = [
            to_spikes(fit_frame(events, frame, fit, source_shape=source_shape), frame, STEPS)
            for events in recordings
        ]
        np.testing.assert_array_equal(spikes, np.stack(expected)[labels])
    assert spikes.sum() > 50


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fit": "stretch"}, '`fit` must be "crop" or "scale". Received: fit=\'stretch\''),
        ({"fit": "crop", "sensor_shape": (6,)}, r"needs an image: `sensor_shape` must .*\(6,\)"),
        ({"source_shape": (5, 6)}, r"`source_shape` needs `fit`\. Received: source_shape=\(5, 6\)"),
    ],
)
def test_wrong_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        build(dataset_of()[0], **arguments)
