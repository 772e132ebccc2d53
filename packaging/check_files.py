"""What must be in the sdist and in a wheel, and what must not."""

from __future__ import annotations

import hashlib
import json
import pathlib
import re
import subprocess
import tarfile
import zipfile

from wheel_tools import ROOT, tensorflow_of

# What setuptools adds to an sdist.
_ADDED = re.compile(r"PKG-INFO|setup\.cfg|keras_slayer\.egg-info/.*")
_EXTENSIONS = ("export/_simulator", "events/_decoders")
_WHEEL = re.compile(r"keras_slayer-[\d.]+-cp3(?P<minor>\d+)-cp3\d+-(?P<tag>.*)\.whl")
_TAG = re.compile(r"manylinux_2_\d+_(?P<machine>\w+?)(\.manylinux\w+)*")


def python_of(wheel: pathlib.Path) -> str:
    """The Python that a wheel is for, for example ``"3.11"``."""
    return f"3.{_WHEEL.fullmatch(wheel.name)['minor']}"


def machine_of(wheel: pathlib.Path) -> str:
    """The kind of machine that a wheel is for, for example ``"x86_64"``."""
    return re.search(r"linux(?:_2_\d+)?_([a-z]\w+)", wheel.name)[1]


def tracked_files() -> set[str]:
    """The files of the repository, by their paths from its root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return {name for name in listed.split("\0") if name and (ROOT / name).exists()}


def sdist_problems(sdist: pathlib.Path) -> list[str]:
    """How the sdist differs from the repository: it must have every file of it, and no other."""
    with tarfile.open(sdist) as archive:
        names = [member.name for member in archive.getmembers() if member.isfile()]
    packed = {name.partition("/")[2] for name in names}
    packed = {name for name in packed if not _ADDED.fullmatch(name)}
    wanted = tracked_files()
    lacking = [f"{sdist.name} lacks {name}" for name in sorted(wanted - packed)]
    return lacking + [f"{sdist.name} has {name}" for name in sorted(packed - wanted)]


def wheel_problems(wheel: pathlib.Path, versions: list[str]) -> list[str]:
    """What is wrong with a wheel that is to have the ops of these TensorFlow versions."""
    problems = []
    name = _WHEEL.fullmatch(wheel.name)
    if not name or not _TAG.fullmatch(name["tag"]):
        problems.append("its name has no manylinux tag")
    with zipfile.ZipFile(wheel) as archive:
        # auditwheel lists folders, too.
        names = {name for name in archive.namelist() if not name.endswith("/")}
        problems += _library_problems(archive, versions)
    package = {name for name in names if name.startswith("keras_slayer/")}
    sources = {name for name in tracked_files() if name.startswith("keras_slayer/")}
    problems += [f"it lacks {name}" for name in sorted(sources - package)]
    for extension in _EXTENSIONS:
        found = [n for n in package if n.startswith(f"keras_slayer/{extension}.cpython-")]
        if len(found) != 1:
            problems.append(f"it has {len(found)} files of {extension} instead of one")
    native = re.compile(r"keras_slayer/(ops/_native-.*|export/_simulator.*|events/_decoders.*)")
    others = {name for name in package - sources if not native.fullmatch(name)}
    others |= {name for name in names - package if ".dist-info/" not in name}
    problems += [f"it has {name}" for name in sorted(others)]
    return [f"{wheel.name}: {problem}" for problem in problems]


def _library_problems(archive: zipfile.ZipFile, versions: list[str]) -> list[str]:
    """Each op library must be the one that its record describes, for the TensorFlow in its name."""
    problems, found = [], []
    for name in archive.namelist():
        version = tensorflow_of(pathlib.PurePosixPath(name).name)
        if version is None:
            continue
        found.append(version)
        try:
            record = json.loads(archive.read(f"{name}.json"))
        except KeyError:
            problems.append(f"{name} has no record")
            continue
        if record["sha256"] != hashlib.sha256(archive.read(name)).hexdigest():
            problems.append(f"{name} is not what its record says")
        if record.get("built_for", {}).get("tensorflow") != version:
            problems.append(f"the record of {name} does not name TensorFlow {version}")
    if sorted(found) != sorted(versions):
        problems.append(f"it has the ops of TensorFlow {sorted(found)}, not of {sorted(versions)}")
    return problems
