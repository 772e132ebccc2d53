"""CUDA C++ to machine code with NVRTC, NVIDIA's compiler as a library: no GPU, driver or toolkit.

NVRTC comes with ``pip install nvidia-cuda-nvrtc-cu12``, which TensorFlow's GPU packages bring.
"""

from __future__ import annotations

import ctypes
import importlib.util
import pathlib

from keras_slayer.ops import build

# What the standard headers would bring; NVRTC knows the functions, but has no header files.
STANDARD_HEADERS = {
    "cstdint": "using uint8_t = unsigned char; using uint16_t = unsigned short;"
    "using uint32_t = unsigned; using int32_t = int; using int64_t = long long;",
    "cmath": "namespace std { using ::exp2; using ::fabs; using ::rint; using ::trunc; }",
}
OPTIONS = (
    "--std=c++17",
    "--fmad=false",
    "--device-as-default-execution-space",
    "--ptxas-options=-v",
)


def find() -> pathlib.Path | None:
    """The library in this environment."""
    spec = importlib.util.find_spec("nvidia.cuda_nvrtc")
    folders = [] if spec is None else list(spec.submodule_search_locations)
    found = [path for folder in folders for path in pathlib.Path(folder).glob("lib/libnvrtc.so.1?")]
    return found[0] if found else None


class Nvrtc:
    """The compiler."""

    def __init__(self, path: pathlib.Path):
        self._library = ctypes.CDLL(str(path))
        self._library.nvrtcGetErrorString.restype = ctypes.c_char_p

    def _check(self, code: int) -> None:
        if code != 0:
            raise RuntimeError(self._library.nvrtcGetErrorString(code).decode())

    def architectures(self) -> list[int]:
        """Those that it compiles for: 90 is sm_90."""
        size = ctypes.c_int()
        self._check(self._library.nvrtcGetNumSupportedArchs(ctypes.byref(size)))
        architectures = (ctypes.c_int * size.value)()
        self._check(self._library.nvrtcGetSupportedArchs(architectures))
        return list(architectures)

    def _text(self, program, what: str) -> bytes:
        size = ctypes.c_size_t()
        self._check(getattr(self._library, f"nvrtcGet{what}Size")(program, ctypes.byref(size)))
        text = ctypes.create_string_buffer(size.value)
        self._check(getattr(self._library, f"nvrtcGet{what}")(program, text))
        return text.raw

    def compile(self, source: str, architecture: int) -> tuple[bytes, str]:
        """(cubin, log) of a source that may include all headers of the native ops.

        Raises:
            RuntimeError: with the compiler's messages.
        """
        headers = {
            str(path.relative_to(build.SOURCES)): path.read_text()
            for path in build.SOURCES.rglob("*.h")
        } | STANDARD_HEADERS
        texts = (ctypes.c_char_p * len(headers))(*[text.encode() for text in headers.values()])
        names = (ctypes.c_char_p * len(headers))(*[name.encode() for name in headers])
        options = [*OPTIONS, f"--gpu-architecture=sm_{architecture}"]
        given = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
        program = ctypes.c_void_p()
        self._check(
            self._library.nvrtcCreateProgram(
                ctypes.byref(program), source.encode(), b"test.cu", len(headers), texts, names
            )
        )
        try:
            code = self._library.nvrtcCompileProgram(program, len(options), given)
            log = self._text(program, "ProgramLog").rstrip(b"\0").decode()
            if code != 0:
                raise RuntimeError(log)
            return self._text(program, "CUBIN"), log
        finally:
            self._library.nvrtcDestroyProgram(ctypes.byref(program))
