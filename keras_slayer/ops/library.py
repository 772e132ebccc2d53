"""Finds, compiles if needed, and loads the native op library on first use.

A library belongs to one version of TensorFlow: its name says which, and so does its record. It is
looked for beside this file (where the install puts it; a wheel has one for each supported version)
and in the user's cache. If neither has an intact one, it is compiled once into
the cache, for the instruction set of this processor. If that fails, the reference ops are used,
and one warning says why. Where TensorFlow has a GPU, the GPU kernels come next (``gpu/enable.py``).

Environment:
    KERAS_SLAYER_OPS: ``native`` or ``reference`` forces one; ``native`` turns
        the warning into an error.
    KERAS_SLAYER_CACHE: the cache folder; default ``~/.cache/keras_slayer``.
    KERAS_SLAYER_ISA: ``baseline``, ``avx2`` or ``avx512``, to use less than
        the processor has.
"""

from __future__ import annotations

import contextlib
import contextvars
import pathlib
import threading
import warnings

import tensorflow as tf

from keras_slayer.ops import build, cache, record
from keras_slayer.ops.gpu import enable

_lock = threading.Lock()
_loaded = None  # the module of native ops, False for the reference, None if unasked
_path = None  # the file it is from
_on_gpu = False  # whether its kernels of the GPU are enabled
_reference = contextvars.ContextVar("reference", default=False)  # within `reference_ops`


def packaged_library() -> pathlib.Path:
    """Where the install puts the library for this TensorFlow, with all instruction sets."""
    return pathlib.Path(__file__).parent / build.library_name(tf.__version__)


def find_library() -> pathlib.Path | None:
    """The first intact library for this TensorFlow and these sources, or None."""
    for path in (packaged_library(), cache.cached_library()):
        if not cache.fault(path):
            return path
    return None


def damaged_libraries() -> dict[pathlib.Path, str]:
    """Libraries that exist but cannot be used, and what is wrong with each."""
    paths = [path for path in (packaged_library(), cache.cached_library()) if path.exists()]
    faults = {path: cache.fault(path) or record.read(path).get("failure") for path in paths}
    return {path: found for path, found in faults.items() if found}


def _open(path: pathlib.Path):
    """Loads an intact library and returns its ops."""
    try:
        return tf.load_op_library(str(path))
    except tf.errors.NotFoundError as error:
        raise build.BuildError(
            f"{path} does not load: {error.message}",
            "'python -m keras_slayer.ops build' compiles it again",
        ) from error


def _load_native(again: bool):
    """The module of native ops and its file: the first that loads, else a newly compiled one.

    A library that is intact but does not load (for example compiled against another build of the
    same TensorFlow version) is compiled again once. If the new one does not load either, its
    record says so, and later processes do not try again unless ``again`` is true.
    """
    unusable, cached = None, cache.cached_library()
    for path in (packaged_library(), cached):
        if cache.fault(path):
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
        record.write(cached, cache.tensorflow_flags().built_for(), failure=str(error))
        raise


def _load():
    wish = cache.choice("KERAS_SLAYER_OPS", "native", "reference")
    cache.instruction_set()  # a misspelt variable is an error with the reference ops, too
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
    global _loaded, _path, _on_gpu
    if _reference.get():
        return None
    if _loaded is None:
        with _lock:
            if _loaded is None:
                _loaded, _path = _load()
                if _loaded:
                    _on_gpu = enable.enable(_path) > 0
    return _loaded or None


@contextlib.contextmanager
def reference_ops():
    """Within the block, in this thread, the reference ops are traced and run: for a graph that has
    to do without the native ones."""
    token = _reference.set(True)
    try:
        yield
    finally:
        _reference.reset(token)


def on_gpu() -> bool:
    """Whether the native ops run on a GPU."""
    return native() is not None and _on_gpu


def backend() -> str:
    """Which ops are in use: ``"native"`` or ``"reference"``.

    A neuron of your own, which is defined in Python, runs as reference with either.
    """
    return "reference" if native() is None else "native"


def load() -> str:
    """Loads the native ops now. Otherwise the first layer or op that runs loads them.

    A SavedModel (``model.export(folder)``) holds the native ops by name, and
    TensorFlow must know them before it reads the file. ``import keras_slayer`` does
    not load them, so that it stays cheap and never compiles::

        import keras_slayer as ks
        import tensorflow as tf

        ks.ops.load()
        network = tf.saved_model.load(folder)

    Without ``load`` this fails with ``Op type not registered 'KerasSlayer>...'``.
    A ``.keras`` file does not need this: after ``import keras_slayer``,
    ``keras.models.load_model`` makes the layers, and they load the ops.

    If there is no library for this TensorFlow yet, it is compiled (see
    ``python -m keras_slayer.ops``).

    Returns:
        ``"native"``; or ``"reference"`` if there is no usable library or
        ``KERAS_SLAYER_OPS=reference`` is set. Then a SavedModel that was saved with
        native ops cannot be loaded.

    Raises:
        RuntimeError: ``KERAS_SLAYER_OPS=native`` is set but there is no usable library.
    """
    return backend()


def load_or_compile() -> None:
    """Loads the native ops whatever KERAS_SLAYER_OPS says, and recompiles a library if needed.

    So it does with GPU kernels.

    Raises:
        keras_slayer.ops.build.BuildError: they cannot be compiled or loaded.
    """
    global _loaded, _path, _on_gpu
    with _lock:
        _loaded, _path = _load_native(again=True)
        _on_gpu = enable.enable(_path) > 0


def library_path() -> pathlib.Path | None:
    """The file of the native ops in use; None where the reference ops are.

    If there is no library for this TensorFlow yet, it is compiled. A process that runs a SavedModel
    needs this file and the TensorFlow of the same version, nothing else of this package::

        tf.load_op_library(path)
        network = tf.saved_model.load(folder)

    Raises:
        RuntimeError: ``KERAS_SLAYER_OPS=native`` is set but there is no usable library.
    """
    return None if native() is None else _path
