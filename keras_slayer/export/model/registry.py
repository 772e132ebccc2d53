"""The handlers of all layer classes (handlers.py, merging.py)."""

from __future__ import annotations

from collections.abc import Callable

import keras

from keras_slayer.export.model.walk import Handler

HANDLERS: dict[type[keras.Operation], Handler] = {}
"""By class of layer; a subclass may compute something else, and has none."""


def handles(*classes: type[keras.Operation]) -> Callable[[Handler], Handler]:
    """Registers a handler ``(layer, walk)`` for layers of exactly these classes."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(classes, handler))
        return handler

    return register
