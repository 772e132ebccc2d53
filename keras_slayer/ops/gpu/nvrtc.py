"""NVRTC, NVIDIA's compiler as a library: CUDA C++ to machine code without GPU, driver or toolkit.

``pip install 'tensorflow[and-cuda]'`` brings it (the package nvidia-cuda-nvrtc-cu12).
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.util
import os
import pathlib

from keras_slayer.ops import build

PACKAGES = ("nvidia.cuda_nvrtc", "nvidia.cu13")  # as pip installs that of CUDA 12, of CUDA 13
VARIABLES = ("CUDA_HOME", "CUDA_PATH")  # folders of a CUDA toolkit
NAMES = ("libnvrtc.so.12", "libnvrtc.so.13")
INSTALL = "'pip install nvidia-cuda-nvrtc-cu12' brings it"
OTHER = "Another version may help: 'pip install --upgrade nvidia-cuda-nvrtc-cu12'"
LONGEST = 2000  # characters of a log in a message


def _package_folders(package: str) -> list[str]:
    with contextlib.suppress(ModuleNotFoundError):  # there is no 'nvidia' at all
        spec = importlib.util.find_spec(package)
        if spec is not None:
            return list(spec.submodule_search_locations or [])
    return []


def candidates() -> list[str]:
    """What to open, best first: TensorFlow's own, a toolkit's, whatever the loader finds."""
    folders = [pathlib.Path(f) / "lib" for package in PACKAGES for f in _package_folders(package)]
    folders += [pathlib.Path(os.environ[v]) / "lib64" for v in VARIABLES if os.environ.get(v)]
    paths = [folder / name for folder in folders for name in NAMES]
    return [*dict.fromkeys(str(path) for path in paths if path.exists()), *NAMES]


@functools.lru_cache(maxsize=1)
def load() -> Nvrtc:
    """The first NVRTC that can be opened.

    Raises:
        keras_slayer.ops.build.BuildError: there is none.
    """
    for path in candidates():
        with contextlib.suppress(OSError):
            return Nvrtc(path)
    raise build.BuildError("NVRTC, which compiles GPU kernels, is not installed", INSTALL)


class Nvrtc:
    """The compiler.

    Args:
        path: of the library, or a name for the loader to find.

    Attributes:
        version: (major, minor), as of CUDA.
    """

    def __init__(self, path: str):
        self.path = path
        self._library = ctypes.CDLL(path)
        self._library.nvrtcGetErrorString.restype = ctypes.c_char_p
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._check(self._library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)))
        self.version = major.value, minor.value
        # It opens this part by name when it compiles; NVRTC 13 does not look beside itself.
        part = f"libnvrtc-builtins.so.{major.value}.{minor.value}"
        with contextlib.suppress(OSError):
            ctypes.CDLL(os.path.join(os.path.dirname(path), part), mode=ctypes.RTLD_GLOBAL)

    def __str__(self) -> str:
        return f"NVRTC {self.version[0]}.{self.version[1]}"

    def _check(self, code: int) -> None:
        if code != 0:
            text = self._library.nvrtcGetErrorString(code).decode()
            raise build.BuildError(f"{self.path} fails: {text}", OTHER)

    @functools.cached_property
    def architectures(self) -> list[int]:
        """Those that it compiles for, in ascending order: 90 is sm_90."""
        size = ctypes.c_int()
        self._check(self._library.nvrtcGetNumSupportedArchs(ctypes.byref(size)))
        architectures = (ctypes.c_int * size.value)()
        self._check(self._library.nvrtcGetSupportedArchs(architectures))
        return sorted(architectures)

    def nearest(self, architecture: int) -> int | None:
        """The newest architecture that it compiles for and whose code runs on this one.

        Machine code runs on later cards of the same generation: that of sm_120 on sm_121.
        """
        near = [a for a in self.architectures if a // 10 == architecture // 10]
        return max((a for a in near if a <= architecture), default=None)

    def _text(self, program, what: str) -> bytes:
        size = ctypes.c_size_t()
        self._check(getattr(self._library, f"nvrtcGet{what}Size")(program, ctypes.byref(size)))
        text = ctypes.create_string_buffer(size.value)
        self._check(getattr(self._library, f"nvrtcGet{what}")(program, text))
        return text.raw

    def compile(
        self, source: str, name: str, target: str, headers: dict[str, str], options: list[str]
    ) -> tuple[bytes, str]:
        """Compiles one source. Several threads may do so at once.

        Args:
            source: CUDA C++.
            name: of the source, for messages.
            target: ``"sm_90"`` for machine code (a cubin), ``"compute_90"`` for PTX.
            headers: what the source may include, by name.
            options: of NVRTC.

        Returns:
            The code, and the log of the compiler.

        Raises:
            keras_slayer.ops.build.BuildError: with the compiler's messages.
        """
        texts = (ctypes.c_char_p * len(headers))(*[text.encode() for text in headers.values()])
        names = (ctypes.c_char_p * len(headers))(*[name.encode() for name in headers])
        options = [*options, f"--gpu-architecture={target}"]
        given = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
        program = ctypes.c_void_p()
        self._check(
            self._library.nvrtcCreateProgram(
                *(ctypes.byref(program), source.encode(), name.encode()),
                *(len(headers), texts, names),
            )
        )
        try:
            code = self._library.nvrtcCompileProgram(program, len(options), given)
            log = self._text(program, "ProgramLog").rstrip(b"\0").decode()
            if code != 0:
                shown = log.strip()[:LONGEST] or f"NVRTC's error {code}"
                raise build.BuildError(
                    f"{self} does not compile {name} for {target}:\n{shown}", OTHER
                )
            return self._text(program, "CUBIN" if target.startswith("sm_") else "PTX"), log
        finally:
            self._library.nvrtcDestroyProgram(ctypes.byref(program))
