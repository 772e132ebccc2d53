"""``python -m keras_slayer.ops``: which ops are in use; ``... build``: compile them; ``...
check-gpu``: compile the GPU kernels as a check."""

import argparse
import os
import pathlib
import subprocess
import sys
import typing

import tensorflow as tf

from keras_slayer.ops import build, cache, library
from keras_slayer.ops.gpu import check, enable, kernels, nvrtc

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
    for gpu in enable.gpus() or ["none"]:
        print(f"gpu         {gpu}")
    _gpu_kernels()


def _gpu_kernels() -> None:
    """Which compiler GPU kernels have, and which are compiled."""
    try:
        compiler = nvrtc.load()
    except build.BuildError as error:
        print(f"nvrtc       none, and only GPUs need it: {error.remedy}")
        return
    print(f"nvrtc       {compiler.version[0]}.{compiler.version[1]}, {compiler.path}")
    compiled = kernels.Kernels(compiler)
    for architecture in compiler.architectures:
        parts, missing = kernels.parts([architecture]), compiled.missing([architecture])
        if len(missing) < len(parts):
            ready = f"{len(parts) - len(missing)} of {len(parts)} files for sm_{architecture}"
            print(f"gpu kernels {ready} in {compiled.folder()}")


def _fail(text: str) -> typing.NoReturn:
    print(text, file=sys.stderr)
    sys.exit(1)


def _build(arguments: argparse.Namespace) -> None:
    try:
        library.load_or_compile()
    except build.BuildError as error:
        _fail(f"The native ops are not available: {error}. {error.remedy}.")
    _status()


def _check_gpu(arguments: argparse.Namespace) -> None:
    try:
        good = check.check(nvrtc.load(), arguments.architectures, arguments.verbose)
    except build.BuildError as error:
        _fail(f"The GPU kernels cannot be compiled: {error}. {error.remedy}.")
    except ValueError as error:
        arguments.error(str(error))
    sys.exit(0 if good else 1)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m keras_slayer.ops",
        description="Says which ops are in use, on which GPUs, and compiles them on request.",
    )
    parser.set_defaults(run=lambda arguments: _status())
    actions = parser.add_subparsers(metavar="ACTION")
    actions.add_parser("status", help="say which ops are in use (the default)")
    build_ = actions.add_parser(
        "build",
        help="compile the native ops unless a library is there that loads, and the GPU kernels "
        "where there is a GPU",
    )
    build_.set_defaults(run=_build)
    checks = actions.add_parser(
        "check-gpu",
        help="compile every GPU kernel; needs NVRTC and no GPU",
        description="Compiles every GPU kernel and says what it uses. Needs NVRTC and no GPU. "
        "Exits with 1 if a kernel does not compile or has too few registers (spills).",
    )
    checks.add_argument(
        "architectures",
        nargs="*",
        metavar="sm_NN",
        help=f"default: all from sm_{check.OLDEST} to sm_{check.NEWEST} that NVRTC knows",
    )
    checks.add_argument("--verbose", action="store_true", help="a line for each kernel")
    checks.set_defaults(run=_check_gpu, error=checks.error)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    use_installed_package()
    main()
