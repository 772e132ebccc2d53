"""Compiled GPU kernels: what is compiled, how, and where it is kept.

Each source ``csrc/gpu/<source>.cu`` is compiled once per storage type and architecture, to
``<source>-<type>-sm_<architecture>.cubin``. The folder of these files is in the cache, and its name
says which compiler and which state of the sources they are from.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import fcntl
import functools
import hashlib
import os
import pathlib
import shutil
import sys
import time
from collections.abc import Iterable, Iterator

from keras_slayer.ops import build, record
from keras_slayer.ops.gpu.nvrtc import Nvrtc
from keras_slayer.ops.progress import Progress

TYPES = ("float", "double", "Half", "Bfloat16")  # as base/scalar.h names them

# The arithmetic of the CPU: no contraction to fused multiply-adds, exact division and roots,
# subnormal numbers. -v lets the log say what each kernel uses.
OPTIONS = [
    *("--std=c++17", "--device-as-default-execution-space", "--ptxas-options=-v"),
    *("--fmad=false", "--ftz=false", "--prec-div=true", "--prec-sqrt=true"),
]
UNUSED_DAYS = 90  # kernels of another version or compiler are then removed
# NVRTC knows the functions of the standard library, but has no header files.
STANDARD_HEADERS = {
    "cstdint": "using int8_t = signed char; using uint8_t = unsigned char;"
    "using int16_t = short; using uint16_t = unsigned short;"
    "using int32_t = int; using uint32_t = unsigned;"
    "using int64_t = long long; using uint64_t = unsigned long long;",
    "cmath": "namespace std { using ::exp2; using ::fabs; using ::rint; using ::sqrt;"
    "using ::trunc; }",
}


@dataclasses.dataclass(frozen=True)
class Part:
    """One compilation."""

    source: str  # csrc/gpu/<source>.cu
    type: str
    architecture: int

    def __str__(self) -> str:
        return f"{self.source}-{self.type}-sm_{self.architecture}"

    @property
    def file(self) -> str:
        """As gpu/driver_op.cc looks for it."""
        return f"{self}.cubin"


@dataclasses.dataclass(frozen=True)
class Compiled:
    """The machine code of a part, the log of the compiler, and seconds of one core."""

    part: Part
    code: bytes
    log: str
    seconds: float


def sources() -> list[str]:
    """Names of the sources, the largest first: it takes longest."""
    paths = (build.SOURCES / "gpu").glob("*.cu")
    return [path.stem for path in sorted(paths, key=lambda path: (-path.stat().st_size, path))]


def parts(architectures: Iterable[int]) -> list[Part]:
    """All compilations for some architectures."""
    return [Part(s, type, a) for a in architectures for s in sources() for type in TYPES]


def headers() -> dict[str, str]:
    """What a source may include, by name."""
    paths = sorted(build.SOURCES.rglob("*.h"))
    own = {path.relative_to(build.SOURCES).as_posix(): path.read_text() for path in paths}
    return own | STANDARD_HEADERS


class Kernels:
    """The kernels as one NVRTC compiles them. The sources are read here, once."""

    def __init__(self, nvrtc: Nvrtc):
        self.nvrtc = nvrtc
        self._sources = {
            name: (build.SOURCES / "gpu" / f"{name}.cu").read_text() for name in sources()
        }
        self._headers = headers()

    @functools.cached_property
    def _digest(self) -> str:
        """Eight hex digits that change whenever the sources, headers or options do."""
        text = repr((self._sources, self._headers, OPTIONS))
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def folder(self) -> pathlib.Path:
        """Where the compiled kernels are kept."""
        from keras_slayer.ops import cache  # needs TensorFlow, which compiling does not

        major, minor = self.nvrtc.version
        return cache.cache_folder() / f"gpu-nvrtc{major}.{minor}-{self._digest}"

    def compile(self, part: Part, target: str | None = None) -> Compiled:
        """Compiles a part for its architecture, or for another target of ``Nvrtc.compile``.

        An architecture that NVRTC does not know gets the code of the nearest one that runs on it.

        Raises:
            keras_slayer.ops.build.BuildError: with the compiler's messages.
        """
        start = time.thread_time()
        code, log = self.nvrtc.compile(
            self._sources[part.source],
            f"gpu/{part.source}.cu",
            target or f"sm_{self.nvrtc.nearest(part.architecture) or part.architecture}",
            self._headers,
            [*OPTIONS, f"-DKS_GPU_TYPE={part.type}"],
        )
        return Compiled(part, code, log, time.thread_time() - start)

    def compile_all(self, parts: list[Part]) -> Iterator[Compiled | build.BuildError]:
        """Compiles parts, as many at once as there are cores. Yields each as it is done.

        Errors are yielded too. Who stops asking stops the compilations that have not begun.
        """

        def result(part: Part):
            try:
                return self.compile(part)
            except build.BuildError as error:
                return error

        with concurrent.futures.ThreadPoolExecutor(build.cores()) as pool:
            try:
                futures = [pool.submit(result, part) for part in parts]
                for future in concurrent.futures.as_completed(futures):
                    yield future.result()
            finally:
                pool.shutdown(cancel_futures=True)

    def missing(self, architectures: Iterable[int]) -> list[Part]:
        """Parts that are not in the folder, or damaged."""
        folder = self.folder()
        return [part for part in parts(architectures) if record.fault(folder / part.file)]

    def compile_missing(self, architectures: Iterable[int]) -> pathlib.Path:
        """Compiles what is missing, one process at a time, and returns the folder.

        Raises:
            keras_slayer.ops.build.BuildError: a part does not compile, or the folder cannot be
                written.
        """
        folder, architectures = self.folder(), list(architectures)
        try:
            if self.missing(architectures):
                with _exclusive(folder):
                    self._compile_into(folder, architectures)
                    _remove_unused(folder)
            with contextlib.suppress(PermissionError):  # another user's cache, which is complete
                os.utime(folder)  # says when it was last used
        except OSError as error:
            raise build.BuildError(
                f"the cache folder '{folder}' cannot be written: {error}",
                "Set KERAS_SLAYER_CACHE to a folder that can be written",
            ) from error
        return folder

    def _compile_into(self, folder: pathlib.Path, architectures: list[int]) -> None:
        missing = self.missing(architectures)  # another process may have compiled meanwhile
        if not missing:
            return
        names = ", ".join(f"sm_{architecture}" for architecture in architectures)
        _say(f"compiling the GPU kernels for {names} with {self.nvrtc}, once: some seconds")
        progress = Progress()
        try:
            for done, compiled in enumerate(self.compile_all(missing), 1):
                if isinstance(compiled, build.BuildError):
                    raise compiled
                temporary = folder / f"{compiled.part.file}.new"
                temporary.write_bytes(compiled.code)
                os.replace(temporary, folder / compiled.part.file)
                record.write(folder / compiled.part.file)
                progress(done, len(missing))
        finally:
            progress.end()
        _say(f"compiled in {progress.seconds():.0f} s: {folder}")


@contextlib.contextmanager
def _exclusive(folder: pathlib.Path):
    """One process at a time compiles into a folder; the others wait."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "build.lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _remove_unused(folder: pathlib.Path) -> None:
    """Removes folders like this one that no process has used for long."""
    oldest = time.time() - UNUSED_DAYS * 24 * 3600
    for other in folder.parent.glob("gpu-nvrtc*"):
        if other != folder and other.stat().st_mtime < oldest:
            shutil.rmtree(other, ignore_errors=True)


def _say(text: str) -> None:
    print(f"keras_slayer: {text}", file=sys.stderr, flush=True)
