"""`write_events`: a file of any format that can be written."""

from __future__ import annotations

import os
import pathlib

from keras_slayer.events.files import registry
from keras_slayer.events.stream import Events
from keras_slayer.files import write_whole


def write_events(path: str | os.PathLike, events: Events, *, format: str | None = None) -> None:
    """Writes an event file of a format that `formats()` lists as written.

    The file is complete or absent: it is written under another name in the same folder, and then
    renamed. Of several threads or processes that write to one path, the last one wins. A link is
    followed.

    Args:
        path: the file.
        events: what to write; formats with a header record `events.sensor_shape`.
        format: name of the format. None takes it from the suffix; `.raw` is EVT 3.0.

    Raises:
        ValueError: no Events, a value that does not fit its field, an unknown suffix, or a path
            that is no regular file or new name in an existing folder; nothing is written then.
    """
    if not isinstance(events, Events):
        raise ValueError(
            "`events` must be Events; as_events makes them of arrays, mappings and tables. "
            f"Received: events of type {type(events).__name__}"
        )
    path = pathlib.Path(path)
    one = registry.written(path) if format is None else registry.named(format)
    if one.encode is None:
        can = sorted(name for name, other in registry.FORMATS.items() if other.writes)
        raise ValueError(f"Formats that are written: {can}. Received: format={format!r}")
    write_whole(path, one.encode(events))
