"""Patterns such as "{label}/*.raw", and the files below a folder."""

import os
import pathlib
import re

from keras_slayer.events.recordings.packing import TAG

_TOKEN = re.compile(
    r"\{(?P<name>[^{}]*)\}|(?P<folders>\*\*/)|(?P<any>\*\*)|(?P<star>\*)|(?P<one>\?)"
)


def compile_pattern(pattern: str) -> re.Pattern:
    """A regular expression for the paths that `pattern` means; placeholders become groups.

    `*` and `?` stand for characters of one name, `**/` for any folders or none, and `{name}` for
    one character or more of one name: as few as possible, from the left.

    Raises:
        ValueError: no relative path, a placeholder that is no identifier or there twice.
    """
    if not isinstance(pattern, str) or not pattern or pattern.startswith(("/", "../", "./")):
        raise ValueError(
            "`pattern` must be a path below the folder, such as '{label}/*.bin' or '**/*.bin'. "
            f"Received: pattern={pattern!r}"
        )
    parts, position, names = [], 0, set()
    for match in _TOKEN.finditer(pattern):
        parts.append(re.escape(pattern[position : match.start()]))
        position = match.end()
        name = match["name"]
        if name is not None:
            if not name.isidentifier() or name in names:
                raise ValueError(
                    "A placeholder must be a name in braces, and be there once. "
                    f"Received: {{{name}}} in pattern={pattern!r}"
                )
            names.add(name)
            parts.append(f"(?P<{name}>[^/]+?)")
        else:
            choices = {"folders": "(?:[^/]+/)*", "any": ".*", "star": "[^/]*", "one": "[^/]"}
            parts.append(choices[match.lastgroup])
    parts.append(re.escape(pattern[position:]))
    return re.compile("".join(parts))


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
