"""The chips that models are exported to, one module for each.

Another chip is another module here, with its ``TARGET``. Users choose it by the module's name.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras_slayer.export.target import Target


def target_names() -> tuple[str, ...]:
    """The names of all chips."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def get_target(name: str) -> Target:
    """The chip called ``name``, such as "loihi2".

    Raises:
        ValueError: there is none of that name.
    """
    if name not in target_names():
        raise ValueError(f"chip must be one of {target_names()}. Received: chip={name!r}")
    return importlib.import_module(f"{__name__}.{name}").TARGET
