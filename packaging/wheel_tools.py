"""What the scripts of this folder share: paths, versions, and how programs are run."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[1]


def load(name: str):
    """keras_slayer/NAME.py by its path: the package itself imports TensorFlow."""
    path = ROOT / "keras_slayer" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"keras_slayer_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


build, record = load("ops/build"), load("ops/record")


def project(root: pathlib.Path = ROOT) -> dict:
    """The table ``project`` of pyproject.toml."""
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


def pythons() -> list[str]:
    """The supported versions of Python, as pyproject.toml lists them."""
    found = re.findall(r":: Python :: (3\.\d+)$", "\n".join(project()["classifiers"]), re.MULTILINE)
    return sorted(found, key=numbers)


def supported_versions() -> dict[str, dict[str, str]]:
    """The table of docs/install.md: by ``"oldest"`` and ``"newest"``, the version of each package.

    ``make test-versions`` runs the tests with both.
    """
    rows = re.findall(
        r"^\| (\w+) \| ([\d.]+) \| ([\d.]+) \|$",
        (ROOT / "docs" / "install.md").read_text(),
        re.MULTILINE,
    )
    ends = {"oldest": 1, "newest": 2}
    return {end: {row[0]: row[column] for row in rows} for end, column in ends.items()}


def numbers(version: str) -> tuple[int, ...]:
    """``"2.18.1"`` as numbers, to compare."""
    return tuple(map(int, version.split(".")))


def interpreters() -> dict[str, str]:
    """The supported Pythons of this machine, by version: on the PATH, or installed by pyenv."""
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv"))
    found = {}
    for version in pythons():
        others = sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"))
        for command in filter(None, [shutil.which(f"python{version}"), *map(str, others)]):
            # A command of pyenv may be there although its Python is not.
            if subprocess.run([command, "-c", ""], capture_output=True).returncode == 0:
                found.setdefault(version, command)
    return found


def run(*command: str | pathlib.Path, **variables: str) -> str:
    """All that a program prints; an error with it if it fails."""
    done = subprocess.run(
        list(map(str, command)),
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        text = " ".join(map(str, command))
        raise SystemExit(f"{text} failed ({done.returncode}):\n{done.stdout}")
    return done.stdout


def say(text: str) -> None:
    print(text, flush=True)


def megabytes(path: pathlib.Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB"


def python_tag(python: str) -> str:
    """``"3.11"`` as wheels name it: ``"cp311"``."""
    return f"cp{python.replace('.', '')}"


def tensorflow_of(library: str) -> str | None:
    """The TensorFlow version in the file name of an op library; None for another file."""
    found = re.fullmatch(r"_native-tf(\d+(?:\.\d+)+)-\w+-[0-9a-f]{8}\.so", library)
    return found and found[1]
