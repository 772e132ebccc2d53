"""Finds, builds where needed, and loads the native op library, on first use.

The library is tied to one TensorFlow. It is looked for beside this file (built
by the install) and in the user's cache; where neither has one for the
TensorFlow in use, it is compiled into the cache, once per version. Where that
fails, the reference ops serve, with one warning that says why.

Environment:
    KERAS_SLAYER_OPS: ``native`` or ``reference`` forces one; ``native`` turns
        the warning into an error.
    KERAS_SLAYER_CACHE: the cache folder; default ``~/.cache/keras_slayer``.
    KERAS_SLAYER_ISA: ``baseline``, ``avx2`` or ``avx512``, to use less than
        the processor has.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import sys
import threading
import time
import warnings

import tensorflow as tf

from keras_slayer.ops import build

_lock = threading.Lock()
_loaded = None  # the module of native ops, False for the reference, None if unasked


def cache_folder() -> pathlib.Path:
    """Where libraries built on first use are kept."""
    default = os.path.join(os.path.expanduser("~"), ".cache", "keras_slayer")
    return pathlib.Path(os.environ.get("KERAS_SLAYER_CACHE", default))


def tensorflow_flags() -> build.TensorFlowFlags:
    """The flags of the TensorFlow that is imported here."""
    return build.TensorFlowFlags(
        tf.__version__, tf.sysconfig.get_compile_flags(), tf.sysconfig.get_link_flags()
    )


def find_library() -> pathlib.Path | None:
    """The library for this TensorFlow and these sources, if there is one."""
    name = build.library_name(tf.__version__)
    for folder in (pathlib.Path(__file__).parent, cache_folder()):
        if (folder / name).is_file():
            return folder / name
    return None


@contextlib.contextmanager
def _exclusive(path: pathlib.Path):
    """One process at a time; the others wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def build_into_cache() -> pathlib.Path:
    """Compiles the library for this TensorFlow into the cache, if it is not there yet.

    Raises:
        keras_slayer.ops.build.BuildError: it cannot be compiled here.
    """
    target = cache_folder() / build.library_name(tf.__version__)
    try:
        with _exclusive(target.with_suffix(".lock")):
            if not target.is_file():
                start = time.monotonic()
                print(
                    f"keras_slayer: compiling the native ops for TensorFlow {tf.__version__} "
                    f"(once, about 40 s) ...",
                    file=sys.stderr,
                    flush=True,
                )
                build.build_library(target, tensorflow_flags())
                print(
                    f"keras_slayer: compiled in {time.monotonic() - start:.0f} s: {target}",
                    file=sys.stderr,
                )
    except OSError as error:
        raise build.BuildError(f"cannot write to the cache: {error}") from error
    return target


def _choice(variable: str, *allowed: str) -> str:
    """The value of an environment variable; empty where it is unset."""
    wish = os.environ.get(variable, "")
    if wish not in ("", *allowed):
        raise ValueError(
            f"{variable} must be {', '.join(map(repr, allowed))} or unset. "
            f"Received: {variable}={wish!r}"
        )
    return wish


def _load():
    wish = _choice("KERAS_SLAYER_OPS", "native", "reference")
    _choice("KERAS_SLAYER_ISA", "baseline", "avx2", "avx512")  # read by dispatch.cc
    if wish == "reference":
        return False
    try:
        return tf.load_op_library(str(find_library() or build_into_cache()))
    except (build.BuildError, tf.errors.NotFoundError) as error:
        if wish == "native":
            raise RuntimeError(f"The native ops are not available: {error}") from error
        warnings.warn(
            f"keras_slayer runs on its reference ops, many times slower: {error}. Install g++ "
            "(for example: apt install g++) and run 'python -m keras_slayer.ops build'; "
            "KERAS_SLAYER_OPS=reference silences this.",
            RuntimeWarning,
            stacklevel=2,
        )
        return False


@tf.autograph.experimental.do_not_convert
def native():
    """The module of native ops, or None where the reference ops are in use."""
    global _loaded
    if _loaded is None:
        with _lock:
            if _loaded is None:
                _loaded = _load()
    return _loaded or None


def backend() -> str:
    """Which ops are in use: ``"native"`` or ``"reference"``."""
    return "reference" if native() is None else "native"
