"""The record of a native library: tells an intact file from a damaged one.

Beside each library, ``<library>.json`` holds its size and its SHA-256. A library that does not
match is never loaded, because a truncated one kills the interpreter (SIGBUS). This module imports
nothing from the package, so that ``setup.py`` can use it.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib


def path_of(library: pathlib.Path) -> pathlib.Path:
    """Where the record of a library is."""
    return library.with_name(f"{library.name}.json")


def read(library: pathlib.Path) -> dict:
    """The record of a library; empty if it cannot be read."""
    try:
        record = json.loads(path_of(library).read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def write(library: pathlib.Path, failure: str = "") -> None:
    """Records the present content of a library. The record is written atomically.

    Args:
        library: the file.
        failure: why this library does not load although it is intact. It is then not
            compiled again at each start.
    """
    content = library.read_bytes()
    record = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    if failure:
        record["failure"] = failure
    temporary = library.with_name(f"{library.name}.json.new")
    temporary.write_text(json.dumps(record))
    os.replace(temporary, path_of(library))


def fault(library: pathlib.Path) -> str:
    """What is wrong with a library file; empty if it is intact."""
    record = read(library)
    if not {"size", "sha256"} <= record.keys():
        return f"{path_of(library).name} is missing or damaged"
    try:
        content = library.read_bytes()
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    if len(content) != record["size"]:
        return f"it has {len(content)} bytes instead of {record['size']}"
    if hashlib.sha256(content).hexdigest() != record["sha256"]:
        return "its content is not what was compiled"
    return ""
