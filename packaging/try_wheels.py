"""``make test-wheel``: the wheels as a user without a compiler has them.

For each Python of this machine, the oldest and the newest TensorFlow that its wheel has ops for:
``pip install dist/*.whl tensorflow`` into an environment of its own, whose PATH has no compiler.
There a network must train on the native ops, export, and run in the simulator, and the ops of
another TensorFlow must be refused. Each environment is removed afterwards (2 GB).
"""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import zipfile

from check_files import python_of
from wheel_tools import ROOT, interpreters, numbers, run, say, tensorflow_of

USE = pathlib.Path(__file__).with_name("use_wheel.py")


def tensorflows_of(wheel: pathlib.Path) -> list[str]:
    """The TensorFlow versions whose ops a wheel has, the oldest first."""
    with zipfile.ZipFile(wheel) as archive:
        names = [pathlib.PurePosixPath(name).name for name in archive.namelist()]
    return sorted(filter(None, map(tensorflow_of, names)), key=numbers)


def use(python: pathlib.Path, action: str, cache: pathlib.Path) -> dict:
    """What use_wheel.py prints in an environment where nothing but Python is on the PATH."""
    environment = {
        "PATH": str(python.parent),
        "HOME": str(cache.parent),
        "KERAS_SLAYER_CACHE": str(cache),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    done = subprocess.run(
        [python, "-P", USE, action],
        cwd=cache.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"{action} failed:\n{done.stdout}\n{done.stderr[-5000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def try_wheel(command: str, wheel: pathlib.Path, tensorflow: str) -> None:
    """Installs the wheel beside one TensorFlow and uses it."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="keras-slayer-try-") as temporary:
        folder = pathlib.Path(temporary)
        run(command, "-m", "venv", folder / "venv")
        python = folder / "venv" / "bin" / "python"
        pip = [python, "-m", "pip", "install", "--quiet", "--no-cache-dir", "--no-compile"]
        run(*pip, wheel, f"tensorflow=={tensorflow}")
        installed = time.monotonic()
        found = use(python, "train", folder / "cache")
        wanted = {"tensorflow": tensorflow, "backend": "native", "library": tensorflow}
        received = {name: found[name] for name in wanted}
        if received != wanted:
            sys.exit(f"{wheel.name}: {received} instead of {wanted}")
        if (folder / "cache").exists():
            sys.exit(f"{wheel.name}: something was compiled, although the wheel has the ops")
        refused = use(python, "refuse", folder / "cache")
        if refused["backend"] != "reference" or "no C++ compiler" not in refused["warning"]:
            sys.exit(f"{wheel.name}: the ops of another TensorFlow were used: {refused}")
        say(
            f"Python {python_of(wheel)}, TensorFlow {tensorflow}, Keras {found['keras']}, NumPy "
            f"{found['numpy']}: native at once, loss {found['losses'][0]:.3f} to "
            f"{found['losses'][-1]:.3f}; installed in {installed - start:.0f} s, used in "
            f"{time.monotonic() - installed:.0f} s"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="make test-wheel", description=__doc__)
    parser.add_argument("--dist", type=pathlib.Path, default=ROOT / "dist")
    parser.add_argument("--tensorflow", nargs="+", help="default: the oldest and the newest")
    options = parser.parse_args()
    here, tried = interpreters(), 0
    for wheel in sorted(options.dist.resolve().glob("keras_slayer-*.whl")):
        versions = tensorflows_of(wheel)
        ends = dict.fromkeys([versions[0], versions[-1]])
        for tensorflow in options.tensorflow or ends:
            if python_of(wheel) in here and tensorflow in versions:
                try_wheel(here[python_of(wheel)], wheel, tensorflow)
                tried += 1
    if not tried:
        sys.exit(f"No wheel to try in {options.dist} for the Pythons {', '.join(here)}")
    say(f"{tried} passed, 0 failed")


if __name__ == "__main__":
    main()
