"""Finds, builds where needed, and loads the native op library, on first use.

The library is tied to one TensorFlow. It is looked for beside this file (built
by the install) and in the user's cache; where neither has a whole one for the
TensorFlow in use, it is compiled into the cache, once, for the instruction set of
this processor. Where that fails, the reference ops serve, with one warning that
says why.

Environment:
    KERAS_SLAYER_OPS: ``native`` or ``reference`` forces one; ``native`` turns
        the warning into an error.
    KERAS_SLAYER_CACHE: the cache folder; default ``~/.cache/keras_slayer``.
    KERAS_SLAYER_ISA: ``baseline``, ``avx2`` or ``avx512``, to use less than
        the processor has.
"""

from __future__ import annotations

import pathlib
import threading
import warnings

import tensorflow as tf

from keras_slayer.ops import build, cache, record

_lock = threading.Lock()
_loaded = None  # the module of native ops, False for the reference, None if unasked
_path = None  # the file it is from


def packaged_library() -> pathlib.Path:
    """Where the install puts the library for this TensorFlow: it has all instruction sets."""
    return pathlib.Path(__file__).parent / build.library_name(tf.__version__)


def find_library() -> pathlib.Path | None:
    """The first library for this TensorFlow and these sources that is whole, if there is one."""
    for path in (packaged_library(), cache.cached_library()):
        if not record.fault(path):
            return path
    return None


def damaged_libraries() -> dict[pathlib.Path, str]:
    """Libraries that are there but are not used, and what is wrong with each."""
    paths = [path for path in (packaged_library(), cache.cached_library()) if path.exists()]
    faults = {path: record.fault(path) or record.read(path).get("failure") for path in paths}
    return {path: found for path, found in faults.items() if found}


def _open(path: pathlib.Path):
    """The ops of a library that is whole."""
    try:
        return tf.load_op_library(str(path))
    except tf.errors.NotFoundError as error:
        raise build.BuildError(
            f"{path} does not load: {error.message}",
            "'python -m keras_slayer.ops build' compiles it again",
        ) from error


def _load_native(again: bool):
    """The module of native ops and its file: the first that loads, or one compiled for it.

    A library that is whole but does not load (compiled against another TensorFlow of the same
    version, say) is compiled again, once: if the new one does not load either, its record says
    so, and later processes do not try again, but for ``again``.
    """
    unusable, cached = None, cache.cached_library()
    for path in (packaged_library(), cached):
        if record.fault(path):
            continue
        before = cache.identity(path)
        try:
            return _open(path), path
        except build.BuildError:
            if path == cached:
                unusable = before
                if record.read(path).get("failure") and not again:
                    raise
    cache.build_into_cache(unusable)
    try:
        return _open(cached), cached
    except build.BuildError as error:
        record.write(cached, failure=str(error))
        raise


def _load():
    wish = cache.choice("KERAS_SLAYER_OPS", "native", "reference")
    cache.instruction_set()  # a typing error is one for the reference, too
    if wish == "reference":
        return False, None
    try:
        return _load_native(again=False)
    except build.BuildError as error:
        if wish == "native":
            raise RuntimeError(
                f"The native ops are not available: {error}. {error.remedy}."
            ) from error
        warnings.warn(
            f"keras_slayer runs on its reference ops, many times slower: {error}. {error.remedy}. "
            "KERAS_SLAYER_OPS=reference silences this.",
            RuntimeWarning,
            stacklevel=2,
        )
        return False, None


@tf.autograph.experimental.do_not_convert
def native():
    """The module of native ops, or None where the reference ops are in use."""
    global _loaded, _path
    if _loaded is None:
        with _lock:
            if _loaded is None:
                _loaded, _path = _load()
    return _loaded or None


def backend() -> str:
    """Which ops are in use: ``"native"`` or ``"reference"``."""
    return "reference" if native() is None else "native"


def load() -> str:
    """Loads the native ops now; without it, the first layer or op that runs does.

    A SavedModel (``model.export(folder)``) holds the native ops by name, and
    TensorFlow must know them before it reads the file. ``import keras_slayer`` does
    not load them, so that it stays cheap and never compiles::

        import keras_slayer as ks
        import tensorflow as tf

        ks.ops.load()
        network = tf.saved_model.load(folder)

    Without ``load`` this fails with ``Op type not registered 'KerasSlayer>...'``.
    A ``.keras`` file needs none: after ``import keras_slayer``,
    ``keras.models.load_model`` makes the layers, and they load the ops.

    Where there is no library for this TensorFlow yet, it is compiled (see
    ``python -m keras_slayer.ops``).

    Returns:
        ``"native"``, or ``"reference"`` where the library cannot be had or
        ``KERAS_SLAYER_OPS=reference`` forbids it. A SavedModel that was saved with
        native ops cannot be loaded then.

    Raises:
        RuntimeError: no library although ``KERAS_SLAYER_OPS=native``; says why.
    """
    return backend()


def load_or_compile() -> None:
    """Loads the native ops whatever the environment asks; compiles anew what does not load.

    Raises:
        keras_slayer.ops.build.BuildError: there are none to be had; says why.
    """
    global _loaded, _path
    with _lock:
        _loaded, _path = _load_native(again=True)


def library_path() -> pathlib.Path | None:
    """The file of the native ops in use (for TensorFlow Serving, say); None for the reference."""
    return None if native() is None else _path
