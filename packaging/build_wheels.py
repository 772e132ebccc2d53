"""``make wheel``: sdist and wheels in dist/, one wheel for each Python.

A wheel has the simulator, the decoders of event files, and the ops of every supported TensorFlow
that runs on its Python, so that its user needs no compiler. It is built from the sdist, which
thereby is known to be complete. auditwheel decides on the platform tag, which follows from the
C library of this machine.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import platform
import re
import sys
import tempfile
import time

import op_libraries
import tensorflow_releases
from check_files import sdist_problems, wheel_problems
from wheel_tools import ROOT, interpreters, megabytes, numbers, python_tag, pythons, run, say


def build_sdist(output: pathlib.Path) -> pathlib.Path:
    for old in output.glob("keras_slayer-*.tar.gz"):
        old.unlink()
    printed = run(sys.executable, "-m", "build", "--sdist", "--outdir", output, ROOT)
    if warnings := re.findall(r".*(?:Warning|deprecated).*", printed):
        raise SystemExit("\n".join(["The build warns:", *warnings]))
    (sdist,) = output.glob("keras_slayer-*.tar.gz")
    return sdist


def build_wheel(
    command: str, sdist: pathlib.Path, libraries: list[pathlib.Path], folder: pathlib.Path
) -> pathlib.Path:
    """The wheel that this Python builds of the sdist, with these op libraries."""
    run(command, "-m", "venv", folder / "venv")
    python = folder / "venv" / "bin" / "python"
    pip = [python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-cache-dir"]
    prebuilt = os.pathsep.join(map(str, libraries))
    run(*pip, "--wheel-dir", folder, sdist, KERAS_SLAYER_PREBUILT=prebuilt)
    (wheel,) = folder.glob("*.whl")
    return wheel


def repair(wheel: pathlib.Path, output: pathlib.Path) -> pathlib.Path:
    """The wheel with its manylinux tag. TensorFlow's own library stays outside."""
    with tempfile.TemporaryDirectory(dir=output) as temporary:
        run(
            *(sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", temporary),
            *("--exclude", tensorflow_releases.FRAMEWORK, wheel),
            PATH=f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        )
        (repaired,) = pathlib.Path(temporary).glob("*.whl")
        target = output / repaired.name
        os.replace(repaired, target)
        return target


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make wheel", description=__doc__)
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "dist")
    parser.add_argument("--cache", type=pathlib.Path, default=ROOT / ".packaging" / "cache")
    parser.add_argument(
        "--python", nargs="+", choices=pythons(), help="default: every supported one that is here"
    )
    parser.add_argument(
        "--tensorflow", nargs="+", metavar="VERSION", help="default: every supported one"
    )
    return parser.parse_args()


def main() -> None:
    options, machine = parse(), platform.machine()
    here = interpreters()
    wanted = options.python or list(here)
    if missing := [python for python in wanted if python not in here]:
        sys.exit(f"Not on this machine: {', '.join(f'python{version}' for version in missing)}")
    output, cache = options.output.resolve(), options.cache.resolve()
    output.mkdir(parents=True, exist_ok=True)
    versions = {}
    for python in wanted:
        found = tensorflow_releases.releases(python, machine)
        versions[python] = [v for v in found if not options.tensorflow or v in options.tensorflow]
        say(f"Python {python}: ops for TensorFlow {', '.join(versions[python]) or 'none'}")
    first = {v: python for python in reversed(wanted) for v in versions[python]}
    libraries = {
        v: op_libraries.compile_for(v, first[v], machine, cache) for v in sorted(first, key=numbers)
    }
    sdist = build_sdist(output)
    problems = sdist_problems(sdist)
    say(f"{sdist.name}: {megabytes(sdist)}")
    for python in wanted:
        start = time.monotonic()
        for old in output.glob(f"keras_slayer-*-{python_tag(python)}-*.whl"):
            old.unlink()
        packed = [libraries[v] for v in versions[python]]
        with tempfile.TemporaryDirectory(prefix="keras-slayer-wheel-") as folder:
            plain = build_wheel(here[python], sdist, packed, pathlib.Path(folder))
            wheel = repair(plain, output)
        say(f"{wheel.name}: {megabytes(wheel)} after {time.monotonic() - start:.0f} s")
        problems += wheel_problems(wheel, versions[python])
    if problems:
        sys.exit("\n".join(["Problems:", *problems]))


if __name__ == "__main__":
    main()
