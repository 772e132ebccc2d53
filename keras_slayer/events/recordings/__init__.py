"""Recordings of one's own: labels, splits, slices, caches, and a data set to train on."""

from keras_slayer.events.recordings.arrays import from_arrays, from_generator
from keras_slayer.events.recordings.convert import as_events
from keras_slayer.events.recordings.errors import RecordingError, RecordingsWarning
from keras_slayer.events.recordings.folder import from_folder
from keras_slayer.events.recordings.recordings import Recordings

__all__ = [
    "RecordingError",
    "Recordings",
    "RecordingsWarning",
    "as_events",
    "from_arrays",
    "from_folder",
    "from_generator",
]
