"""The systems that the package runs on. ``setup.py`` asks, and so does the import.

It imports nothing of the package.
"""

from __future__ import annotations

import sys

_NAMES = {"darwin": "macOS", "win32": "Windows", "cygwin": "Windows"}
_REMEDIES = {"Windows": "use WSL 2, which is a Linux", "macOS": "use a Linux container or machine"}


def refusal() -> str:
    """Why keras_slayer does not run on this system; empty where it does."""
    if sys.platform == "linux":
        return ""
    system = _NAMES.get(sys.platform, "this system")
    remedy = _REMEDIES.get(system, "use Linux")
    return (
        f"keras_slayer supports Linux alone, not {system}: {remedy} (docs/install.md has the "
        f"supported versions). Received: sys.platform={sys.platform!r}"
    )
