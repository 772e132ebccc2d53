"""Compiles the GPU kernels for the GPUs of this machine and has the op library register them.

TensorFlow runs an op on a GPU once a kernel is registered for it, and on the CPU before.
"""

from __future__ import annotations

import ctypes
import dataclasses
import pathlib
import warnings

import tensorflow as tf

from keras_slayer.ops import build
from keras_slayer.ops.gpu import kernels, nvrtc


@dataclasses.dataclass(frozen=True)
class Gpu:
    """A GPU that TensorFlow uses. Its architecture is 90 for sm_90, 0 if it is not NVIDIA's."""

    name: str
    architecture: int

    def __str__(self) -> str:
        return f"{self.name}, sm_{self.architecture}" if self.architecture else self.name


def gpus() -> list[Gpu]:
    """The GPUs that TensorFlow sees and is to use. Starts none of them."""
    found = []
    for device in tf.config.get_visible_devices("GPU"):
        details = tf.config.experimental.get_device_details(device)
        major, minor = details.get("compute_capability", (0, 0))
        found.append(Gpu(details.get("device_name", device.name), 10 * major + minor))
    return found


def driver_version() -> int | None:
    """The newest major version of CUDA that the driver runs; None without a driver."""
    version = ctypes.c_int()
    try:
        failed = ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(version))
    except OSError:
        return None
    return None if failed else version.value // 1000


def _check(compiler: nvrtc.Nvrtc, gpu: Gpu) -> None:
    """Raises BuildError if the compiler's code cannot run on the GPU."""
    if not gpu.architecture:
        raise build.BuildError(f"{gpu} is not a CUDA GPU", "There are kernels for CUDA alone")
    if compiler.nearest(gpu.architecture) is None:
        known = ", ".join(f"sm_{architecture}" for architecture in compiler.architectures)
        raise build.BuildError(
            f"{compiler} ({compiler.path}) does not know sm_{gpu.architecture}, only {known}",
            nvrtc.OTHER,
        )
    driver = driver_version()
    if driver is not None and compiler.version[0] > driver:
        raise build.BuildError(
            f"the driver of the GPU runs CUDA {driver}, and {compiler} ({compiler.path}) compiles "
            f"for CUDA {compiler.version[0]}",
            f"Update the driver, or {nvrtc.INSTALL}",
        )


def _compile(found: list[Gpu]) -> pathlib.Path:
    compiler = nvrtc.load()
    for gpu in found:
        _check(compiler, gpu)
    architectures = sorted({gpu.architecture for gpu in found})
    return kernels.Kernels(compiler).compile_missing(architectures)


def register(library: pathlib.Path, folder: pathlib.Path) -> int:
    """Has the op library register its GPU kernels, compiled in ``folder``. Returns how many."""
    function = ctypes.CDLL(str(library)).keras_slayer_enable_gpu
    function.argtypes, function.restype = [ctypes.c_char_p], ctypes.c_int
    return function(str(folder).encode())


def enable(library: pathlib.Path) -> int:
    """Gives the ops of a loaded library their GPU kernels, if TensorFlow has a GPU.

    Kernels that are not compiled yet are compiled for the architecture of each GPU. If they cannot
    be for one of them, a RuntimeWarning says why, and the ops run on the CPU.

    Returns:
        How many kernels were registered; 0 without a GPU.
    """
    found = gpus()
    if not found or not kernels.sources():
        return 0
    try:
        folder = _compile(found)
    except build.BuildError as error:
        names = "; ".join(str(gpu) for gpu in dict.fromkeys(found))
        warnings.warn(
            f"keras_slayer runs its ops on the CPU, not on the GPU ({names}): {error}. "
            f"{error.remedy}.",
            RuntimeWarning,
            stacklevel=2,
        )
        return 0
    return register(library, folder)
