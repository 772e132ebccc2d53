"""The record of a native library: tells a whole file from a damaged one.

Beside each library lies ``<library>.json`` with its size and its SHA-256. A
library that does not match is never opened: one cut short ends the interpreter
(SIGBUS), which no exception handler sees. Imports nothing of the package, so that
``setup.py`` can use it.
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
    """The record of a library; empty where none can be read."""
    try:
        record = json.loads(path_of(library).read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def write(library: pathlib.Path, failure: str = "") -> None:
    """Records a library as it is now. The record appears whole or not at all.

    Args:
        library: the file.
        failure: why this library, though whole, does not load. It is then not
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
    """What is wrong with a library file; empty where it is as it was built."""
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
