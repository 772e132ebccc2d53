"""``make test-versions``: the tests with the oldest and the newest supported versions.

The table in docs/install.md says which. For each end: a wheel with the ops of its TensorFlow, an
environment of its own with that wheel and these versions, and there the tests of layers, losses,
metrics and package. The newest takes what pip finds; the table must then say so.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

import build_wheels
import op_libraries
from wheel_tools import ROOT, interpreters, run, say, supported_versions

TESTS = ["tests/layers", "tests/losses", "tests/metrics", "tests/test_package.py"]
# What these tests import beside the package and what it needs.
TOOLS = ["pytest>=8", "hypothesis>=6", "matplotlib>=3.8", "pillow>=9.1", "nir>=1.0.5"]
TOOLS += ["tensorflow-datasets>=4.9.6", "importlib_resources"]
# Newer ones need a protobuf that TensorFlow 2.18 and 2.19 refuse, and do not say so.
OLD_TOOLS = ["tensorflow-metadata<1.21"]
PACKAGES = {"TensorFlow": "tensorflow", "Keras": "keras", "NumPy": "numpy"}
_VERSIONS = """
import keras, numpy, tensorflow
print(*(package.__version__ for package in (tensorflow, keras, numpy)))
"""


def environment(end: str, versions: dict[str, str], folder: pathlib.Path) -> pathlib.Path:
    """The Python of an environment with the wheel for these versions."""
    command = interpreters().get(versions["Python"])
    if command is None:
        sys.exit(f"Not on this machine: python{versions['Python']}")
    library = op_libraries.compile_for(
        versions["TensorFlow"], versions["Python"], platform.machine(), folder / "cache"
    )
    place = folder / "versions" / end
    run(command, "-m", "venv", "--clear", place)
    python = place / "bin" / "python"
    pins = [f"{name}=={versions[label]}" for label, name in PACKAGES.items()]
    wishes = [*pins, *OLD_TOOLS] if end == "oldest" else ["tensorflow"]
    say(f"{end}: installing {', '.join(wishes)} for Python {versions['Python']}")
    with tempfile.TemporaryDirectory(prefix="keras-slayer-versions-") as temporary:
        made = pathlib.Path(temporary)
        sdist = build_wheels.build_sdist(made)
        wheel = build_wheels.build_wheel(command, sdist, [library], made)
        run(python, "-m", "pip", "install", "--quiet", "--no-cache-dir", wheel, *wishes, *TOOLS)
    return python


def check_versions(end: str, versions: dict[str, str], python: pathlib.Path) -> list[str]:
    """Whether the environment has the versions of the table."""
    installed = run(python, "-c", _VERSIONS).splitlines()[-1].split()
    say(f"{end}: {dict(zip(PACKAGES, installed, strict=True))}")
    return [
        f"docs/install.md: the {end} {label} is {versions[label]}, but {received} is installed"
        for label, received in zip(PACKAGES, installed, strict=True)
        if received != versions[label]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="make test-versions", description=__doc__)
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / ".packaging")
    parser.add_argument("--only", choices=["oldest", "newest"])
    options, pytest_options = parser.parse_known_args()
    folder, problems = options.folder.resolve(), []
    for end, versions in supported_versions().items():
        if options.only in (None, end):
            python = environment(end, versions, folder)
            problems += check_versions(end, versions, python)
            start = time.monotonic()
            # -P: the installed package, not the sources beside the tests.
            tests = subprocess.run(
                [python, "-P", "-m", "pytest", *(pytest_options or TESTS)],
                cwd=ROOT,
                env={
                    **os.environ,
                    "PYTHONSAFEPATH": "1",
                    "KERAS_SLAYER_CACHE": str(folder / "versions" / "empty"),
                    "KERAS_SLAYER_OPS": "native",
                },
            )
            say(f"{end}: {time.monotonic() - start:.0f} s")
            if tests.returncode != 0:
                problems.append(f"tests failed with the {end} versions")
    if problems:
        sys.exit("\n".join(["Problems:", *problems]))


if __name__ == "__main__":
    main()
