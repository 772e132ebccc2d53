"""The MAT files of ASL-DVS: level 5, with the columns ts, x, y and pol.

Sources: MathWorks, "MAT-File Format" (level 5); the names and the direction of y are those that
tonic's reader of this data set documents (tonic.datasets.ASLDVS), version 1.7.0.
"""

import importlib
import io
import types

import numpy as np

from keras_slayer.datasets.columns import events_of
from keras_slayer.events.stream import Events

_COLUMNS = ("ts", "x", "y", "pol")


def scipy_io() -> types.ModuleType:
    """scipy.io, which reads MAT files; ImportError with what to install."""
    try:
        return importlib.import_module("scipy.io")
    except ModuleNotFoundError as error:
        raise ImportError(
            f"MAT files are read with scipy, and {error.name} is missing: "
            "pip install keras_slayer[datasets]"
        ) from error


def decode_mat(data: bytes, source: str, sensor_shape) -> Events:
    """The events of a MAT file that is in memory. y is turned round: it counts from the bottom.

    Args:
        data: the file.
        source: names it in errors.
        sensor_shape: `(height, width, channels)`.

    Raises:
        ValueError: not a MAT file of level 5, a damaged one, columns that are missing or have
            different lengths, an event off the sensor; with the file.
        ImportError: scipy is missing.
    """
    loadmat = scipy_io().loadmat
    try:
        found = loadmat(io.BytesIO(data), variable_names=_COLUMNS)
    except NotImplementedError:
        raise ValueError(
            f"{source}: a MAT file of version 7.3, which is HDF5; ASL-DVS has files of level 5"
        ) from None
    # scipy's reader runs into whatever the damage leads to.
    except Exception as error:
        raise ValueError(f"{source}: not a MAT file, or damaged: {error}") from error
    columns = {name: np.ravel(found[name]) for name in _COLUMNS if name in found}
    events = events_of(columns, source, sensor_shape)
    return Events(events.x, sensor_shape[0] - 1 - events.y, events.t, events.polarity)
