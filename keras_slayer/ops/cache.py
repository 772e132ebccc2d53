"""Native libraries in the user's cache: compiled on first use, one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import sys

import tensorflow as tf

from keras_slayer.ops import build, record
from keras_slayer.ops.progress import Progress

# Seconds that one core of a current server compiles for one instruction set; 40 measured.
PROCESSOR_SECONDS = 45
LONGEST_PART = 15  # seconds: more cores do not help beyond this


def choice(variable: str, *allowed: str) -> str:
    """The value of an environment variable; empty where it is unset."""
    wish = os.environ.get(variable, "")
    if wish not in ("", *allowed):
        raise ValueError(
            f"{variable} must be {', '.join(map(repr, allowed))} or unset. "
            f"Received: {variable}={wish!r}"
        )
    return wish


def cache_folder() -> pathlib.Path:
    """Where libraries built on first use are kept."""
    default = os.path.join(os.path.expanduser("~"), ".cache", "keras_slayer")
    return pathlib.Path(os.environ.get("KERAS_SLAYER_CACHE", default))


def tensorflow_flags() -> build.TensorFlowFlags:
    """The flags of the TensorFlow that is imported here."""
    return build.TensorFlowFlags(
        tf.__version__, tf.sysconfig.get_compile_flags(), tf.sysconfig.get_link_flags()
    )


def fault(library: pathlib.Path) -> str:
    """What keeps the TensorFlow that is imported here from loading a library; empty if nothing."""
    return record.fault(library, tensorflow_flags().built_for())


def instruction_set() -> str:
    """The instruction set to compile for."""
    return build.processor_set(choice("KERAS_SLAYER_ISA", "baseline", "avx2", "avx512"))


def cached_library() -> pathlib.Path:
    """Where first use puts the library for this TensorFlow and this processor."""
    return cache_folder() / build.library_name(tf.__version__, instruction_set())


@contextlib.contextmanager
def _exclusive(folder: pathlib.Path):
    """One process at a time builds in a cache; the others wait."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "build.lock", "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("waiting for another process, which compiles the native ops")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _say(text: str) -> None:
    print(f"keras_slayer: {text}", file=sys.stderr, flush=True)


def _compile(target: pathlib.Path) -> None:
    cores = build.cores()
    seconds = max(LONGEST_PART, PROCESSOR_SECONDS / cores)
    _say(
        f"compiling the native ops for TensorFlow {tf.__version__}, once for this kind of "
        f"processor: about {seconds:.0f} s if {cores} {'core is' if cores == 1 else 'cores are'} "
        "free"
    )
    progress = Progress()
    try:
        build.build_library(target, tensorflow_flags(), instruction_set(), progress)
    finally:
        progress.end()
    record.write(target, tensorflow_flags().built_for())
    _say(f"compiled in {progress.seconds():.0f} s: {target}")


def build_into_cache(unusable: tuple | None = None) -> pathlib.Path:
    """Compiles the library for this TensorFlow into the cache, unless an intact one is there.

    Files that interrupted builds left in the cache are removed.

    Args:
        unusable: ``identity`` of a library that is intact but does not load. It is
            replaced too, unless another process has replaced it already.

    Raises:
        keras_slayer.ops.build.BuildError: it cannot be compiled here.
    """
    target = cached_library()
    build.compiler()  # before anything is said or written
    try:
        with _exclusive(target.parent):
            wrong = fault(target)
            if wrong or (unusable is not None and identity(target) == unusable):
                build.remove_leftovers(target.parent)
                if target.exists():
                    _say(f"{target} is replaced: {wrong or 'it does not load'}")
                _compile(target)
    except OSError as error:
        raise build.BuildError(
            f"the cache folder '{target.parent}' cannot be written: {error}",
            "Set KERAS_SLAYER_CACHE to a folder that can be written",
        ) from error
    return target


def identity(path: pathlib.Path) -> tuple | None:
    """A value that changes when the file is replaced; None if there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
