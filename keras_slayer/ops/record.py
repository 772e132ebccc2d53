"""The record of a native library: tells an intact file from a damaged one.

Beside each library, ``<library>.json`` holds its size, its SHA-256 and what it was built for: the
TensorFlow and the defines that set the layout of its types. A library that does not match is never
loaded: a truncated one kills the interpreter (SIGBUS), another TensorFlow's may do worse. This
module imports nothing from the package, so that ``setup.py`` can use it.
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


def write(library: pathlib.Path, built_for: dict | None = None, failure: str = "") -> None:
    """Records the present content of a library. The record is written atomically.

    Args:
        library: the file.
        built_for: ``TensorFlowFlags.built_for`` of the TensorFlow that it was compiled for.
        failure: why this library does not load although it is intact. It is then not
            compiled again at each start.
    """
    content = library.read_bytes()
    record = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    if built_for:
        record["built_for"] = built_for
    if failure:
        record["failure"] = failure
    temporary = library.with_name(f"{library.name}.json.new")
    temporary.write_text(json.dumps(record))
    os.replace(temporary, path_of(library))


def fault(library: pathlib.Path, wanted: dict | None = None) -> str:
    """What is wrong with a library file; empty if it is intact.

    With ``wanted`` (``TensorFlowFlags.built_for``), also if it was built for something else.
    """
    record = read(library)
    if not {"size", "sha256"} <= record.keys():
        return f"{path_of(library).name} is missing or damaged"
    built_for = record.get("built_for")
    if wanted and built_for and built_for != wanted:
        return f"it was built for {_text(built_for)}, and here is {_text(wanted)}"
    try:
        content = library.read_bytes()
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    if len(content) != record["size"]:
        return f"it has {len(content)} bytes instead of {record['size']}"
    if hashlib.sha256(content).hexdigest() != record["sha256"]:
        return "its content is not what was compiled"
    return ""


def _text(built_for: dict) -> str:
    return " ".join(["TensorFlow", str(built_for["tensorflow"]), *built_for["defines"]])
