"""What bins hold: counts, differences and time surfaces, against plain loops."""

import numpy as np
import pytest
import tensorflow as tf
from transform_cases import SHAPE, crowded, dataset_of, ragged, recording, rows

from keras_slayer.events import Events, spike_pipeline, to_spikes, transforms

STEPS, DT, TAU = 6, 2.0, 3.0
VALUES = ["binary", "count", "signed", "surface"]
RECORDINGS = [crowded(), recording(), recording(0), recording(1)]


def by_loop(events, values):
    channels = 1 if values == "signed" else 2
    result = np.zeros((STEPS, *SHAPE[:2], channels))
    last = {}
    ends = [(step + 1) * DT * 1000 for step in range(STEPS)]
    for x, y, t, p in sorted(rows(events), key=lambda event: event[2]):
        step = int(t // (1000 * DT))
        if step >= STEPS:
            continue
        if values == "binary":
            result[step, y, x, p] = 1
        elif values == "count":
            result[step, y, x, p] += 1
        elif values == "signed":
            result[step, y, x, 0] += 1 if p else -1
        else:
            last.setdefault((y, x, p), []).append(t)
    for (y, x, p), times in last.items():
        for step, end in enumerate(ends):
            before = [t for t in times if t < end]
            if before:
                result[step, y, x, p] = np.exp(-(end - max(before)) / (1000 * TAU))
    return result


@pytest.mark.parametrize("values", VALUES)
def test_every_way(values):
    options = {"values": values, "tau": TAU, "late": "ignore"}
    expected = np.stack([by_loop(events, values) for events in RECORDINGS])
    assert np.abs(expected).max() > 1 or values in ("binary", "surface")
    plain = [to_spikes(events, SHAPE, STEPS, DT, **options) for events in RECORDINGS]
    np.testing.assert_allclose(plain, expected, rtol=1e-5, atol=1e-7)
    batch = ragged(RECORDINGS, (tf.int32, tf.uint8, tf.int64, tf.bool))
    tensors = to_spikes(batch, SHAPE, STEPS, DT, **options)
    single = to_spikes({n: v[0] for n, v in batch.items()}, SHAPE, STEPS, DT, **options)
    padded = {n: tf.cast(v, tf.int32).to_tensor(-1) for n, v in batch.items()}
    padded = to_spikes(padded, SHAPE, STEPS, DT, **options)
    pipeline = spike_pipeline(
        dataset_of(RECORDINGS), sensor_shape=SHAPE, steps=STEPS, dt=DT, batch_size=4, **options
    )
    ((piped, _),) = pipeline
    assert pipeline.element_spec[0].shape == (None, *expected.shape[1:])
    for result in (tensors, padded, piped):
        assert result.shape == expected.shape and result.dtype == tf.float32
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(single, expected[0], rtol=1e-5, atol=1e-7)


def test_values_after_transforms():
    merge = transforms.MergePolarities()
    pipeline = spike_pipeline(
        dataset_of(RECORDINGS), sensor_shape=(9, 12, 1), source_shape=SHAPE, steps=STEPS, dt=DT,
        batch_size=4, values="count", transforms=[merge], late="ignore",
    )  # fmt: skip
    ((counts, _),) = pipeline
    expected = [by_loop(events, "count").sum(axis=-1, keepdims=True) for events in RECORDINGS]
    np.testing.assert_array_equal(counts, expected)


def test_a_population_has_counts_and_surfaces():
    events = Events(x=[2, 2, 1], t=[0, 500, 2500])
    counts = to_spikes(events, (3,), STEPS, DT, values="count")
    assert counts[0].tolist() == [0, 0, 2] and counts[1].tolist() == [0, 1, 0]
    fields = {"x": tf.constant(events.x), "t": tf.constant(events.t)}
    np.testing.assert_array_equal(to_spikes(fields, (3,), STEPS, DT, values="count"), counts)
    surface = to_spikes(fields, (3,), STEPS, DT, values="surface", tau=TAU)
    np.testing.assert_allclose(surface[1], [0, np.exp(-1.5 / 3), np.exp(-3.5 / 3)], rtol=1e-5)


def test_dtypes():
    many = Events(x=[1] * 300, y=[1] * 300, t=[0] * 300, polarity=[0] * 300)
    tensors = {name: tf.constant(value) for name, value in many.to_dict().items()}
    for events in (many, tensors):
        for dtype, count in (("uint8", 255), ("int8", 127), ("uint16", 300), ("float16", 300)):
            counts = to_spikes(events, SHAPE, 1, values="count", dtype=dtype)
            assert counts.dtype == dtype and counts[0, 1, 1, 0] == count
        signed = to_spikes(events, SHAPE, 1, values="signed", dtype="int8")
        assert signed.shape == (1, 9, 12, 1) and signed[0, 1, 1, 0] == -128
        surface = to_spikes(events, SHAPE, 1, values="surface", dtype="float16")
        assert surface.dtype == "float16"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": "sum"}, '`values` must be one of "binary", "count".*values=\'sum\''),
        ({"values": "surface", "tau": 0}, "`tau` must be a number in .*Received: `tau`=0"),
        ({"values": "surface", "dtype": "uint8"}, 'dtype of fractions.*Received: dtype="uint8"'),
        ({"values": "signed", "dtype": "uint8"}, 'numbers below 0 too.*Received: dtype="uint8"'),
        ({"values": "count", "dtype": "bool"}, 'dtype of numbers. Received: dtype="bool"'),
        ({"values": "signed", "sensor_shape": (9, 12, 1)}, r"two polarities.*\(9, 12, 1\)"),
    ],
)
def test_wrong_values(arguments, message):
    arguments = {"sensor_shape": SHAPE, **arguments}
    with pytest.raises(ValueError, match=message):
        to_spikes(recording(), **arguments)
    with pytest.raises(ValueError, match=message):
        spike_pipeline(dataset_of(RECORDINGS), batch_size=2, **arguments)
