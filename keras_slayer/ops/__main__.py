"""``python -m keras_slayer.ops``: which ops are in use; ``... build``: compile them."""

import argparse
import os
import pathlib
import subprocess
import sys

import tensorflow as tf

from keras_slayer.ops import build, cache, library

PACKAGE = pathlib.Path(__file__).resolve().parents[1]

_FIND = """
import importlib.util
spec = importlib.util.find_spec("keras_slayer")
print(spec.origin if spec and spec.origin else "")
"""


def installed_package() -> pathlib.Path | None:
    """The package that a program in another folder would import."""
    # -P: without the present folder, which ``python -m`` puts first.
    found = subprocess.run(
        [sys.executable, "-P", "-c", _FIND], capture_output=True, text=True, check=True
    )
    origin = found.stdout.strip()
    return pathlib.Path(origin).resolve().parent if origin else None


def use_installed_package() -> None:
    """Runs the command on the installed package, even if it is started in a checkout.

    There, ``python -m`` would import the source tree. Without an installed package, exits with an
    error.
    """
    installed = installed_package()
    if installed == PACKAGE:
        return
    if installed is None:
        sys.exit(
            f"keras_slayer is not installed in this Python ({sys.executable}); {PACKAGE} is only "
            f"its source tree. Install it (pip install {PACKAGE.parent}), then ask again."
        )
    print(
        f"The sources in {PACKAGE} are ignored; this is about the installed package.",
        file=sys.stderr,
        flush=True,
    )
    os.execv(sys.executable, [sys.executable, "-P", "-m", "keras_slayer.ops", *sys.argv[1:]])


def _status() -> None:
    print(f"tensorflow  {tf.__version__}")
    print(f"package     {PACKAGE}")
    if library.find_library() or os.environ.get("KERAS_SLAYER_OPS") == "reference":
        print(f"backend     {library.backend()}")
    else:
        print("backend     none yet: first use compiles it, or 'python -m keras_slayer.ops build'")
    if library.find_library() and library.backend() == "native":
        print(f"library     {library.library_path()}")
    for path, fault in library.damaged_libraries().items():
        print(f"not used    {path}: {fault}")
    print(f"cache       {cache.cache_folder()}")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m keras_slayer.ops",
        description="Says which ops are in use, and compiles the native ones on request.",
    )
    parser.add_argument(
        "action",
        nargs="?",
        choices=["status", "build"],
        default="status",
        help="build: compile the native ops unless a library is there that loads; default: status",
    )
    if parser.parse_args().action == "build":
        try:
            library.load_or_compile()
        except build.BuildError as error:
            parser.exit(1, f"The native ops are not available: {error}. {error.remedy}.\n")
    _status()


if __name__ == "__main__":
    use_installed_package()
    main()
