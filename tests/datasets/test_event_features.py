"""The features of a recording in a tfds data set."""

import numpy as np
import pytest

from keras_slayer.datasets.features import encode, event_features
from keras_slayer.events import Events

NARROW = {"x": np.uint8, "y": np.uint8, "t": np.int32, "polarity": np.bool_}
WIDE = {"x": np.uint16, "y": np.uint16, "t": np.int64, "polarity": np.bool_}
SMALL = Events(x=[0, 255], y=[255, 3], t=[0, 2**31 - 1], polarity=[0, 1])
LARGE = Events(x=[0, 65_535], y=[719, 3], t=[5, 2**40], polarity=[1, 0])


@pytest.mark.parametrize(
    ("wide", "dtypes", "events"),
    [(False, NARROW, SMALL), (True, WIDE, SMALL), (True, WIDE, LARGE)],
)
def test_what_is_written_is_read(wide, dtypes, events):
    features = event_features(wide=wide)
    assert {name: feature.np_dtype for name, feature in features.items()} == dtypes
    value = encode(events, wide=wide)
    assert {name: array.dtype for name, array in value.items()} == dtypes
    read = features.deserialize_example_np(
        features.serialize_example(features.encode_example(value))
    )
    assert Events.from_dict(read) == events


def test_data_sets_that_exist_stay_as_they_are():
    """Without an argument, the features are the narrow ones, to the byte."""
    plain, narrow = event_features(), event_features(wide=False)
    assert plain.to_json() == narrow.to_json() != event_features(wide=True).to_json()
    example = encode(SMALL)
    assert {name: array.dtype for name, array in example.items()} == NARROW
    assert plain.serialize_example(example) == narrow.serialize_example(example)


@pytest.mark.parametrize(
    ("wide", "field", "value", "most"),
    [
        (False, "x", 256, 255),
        (False, "y", 719, 255),
        (False, "t", 2**31, 2**31 - 1),
        (False, "polarity", 2, 1),
        (True, "polarity", 2, 1),
    ],
)
def test_values_that_do_not_fit(wide, field, value, most):
    events = Events(**{**{n: [0, 0] for n in NARROW}, field: [0, value]})
    message = rf"a.bin: a data set holds {field} up to {most}. Received: {field}={value} in event 1"
    with pytest.raises(ValueError, match=message):
        encode(events, "a.bin", wide=wide)
