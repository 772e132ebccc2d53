"""Patterns such as "{label}/*.raw", and the files below a folder."""

import os
import pathlib
import re

from keras_slayer.events.recordings.packing import TAG

_TOKEN = re.compile(r"\{(?P<name>[^{}]*)\}|(?P<star>\*)|(?P<one>\?)")


def compile_pattern(pattern: str) -> re.Pattern:
    """A regular expression for the paths that `pattern` means; placeholders become groups.

    `*` and `?` stand for characters of one name, `**` between slashes for any folders or none, and
    `{name}` for one character or more of one name: as few as possible, from the left.

    Raises:
        ValueError: no relative path, a placeholder that is no identifier or there twice, or `**`
            beside other characters.
    """
    folders = pattern.split("/") if isinstance(pattern, str) else [""]
    if not all(folders) or folders[0] in (".", ".."):
        raise ValueError(
            "`pattern` must be a path below the folder, such as '{label}/*.bin' or '**/*.bin'. "
            f"Received: pattern={pattern!r}"
        )
    names = set()
    parts = [_component(part, names, pattern) for part in folders[:-1]]
    regex = "".join(part or "(?:[^/]+/)*" for part in parts)
    return re.compile(regex + (_component(folders[-1], names, pattern)[:-1] or ".+"))


def _component(text: str, names: set[str], pattern: str) -> str:
    """Of one folder or file with the slash after it; nothing for `**`."""
    if text == "**":
        return ""
    if "**" in text:
        raise ValueError(f"`**` must stand alone between slashes. Received: pattern={pattern!r}")
    parts, position = [], 0
    for match in _TOKEN.finditer(text):
        parts.append(re.escape(text[position : match.start()]))
        position = match.end()
        name = match["name"]
        if name is None:
            parts.append("[^/]*" if match["star"] else "[^/]")
            continue
        if not name.isidentifier() or name in names:
            raise ValueError(
                "A placeholder must be a name in braces, and be there once. "
                f"Received: {{{name}}} in pattern={pattern!r}"
            )
        names.add(name)
        parts.append(f"(?P<{name}>[^/]+?)")
    return "".join([*parts, re.escape(text[position:]), "/"])


def files_below(folder: pathlib.Path, leave_out=()) -> list[str]:
    """The files in a folder and its folders, as paths relative to it with forward slashes, sorted.

    Links are followed. Names that begin with a dot, caches and the folders in `leave_out` are not
    looked at.
    """
    found, left_out = [], {os.path.realpath(path) for path in leave_out}
    for place, folders, files in os.walk(folder, followlinks=True):
        real, parent = os.path.realpath(place), os.path.realpath(os.path.dirname(place))
        circle = os.path.islink(place) and f"{parent}/".startswith(f"{real}/")
        if circle or real in left_out or TAG in files:
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        relative = pathlib.Path(place).relative_to(folder)
        found += [(relative / name).as_posix() for name in files if not name.startswith(".")]
    return sorted(found)
