"""CUDA's driver through ctypes: memory, kernels and times of one card."""

from __future__ import annotations

import ctypes
import struct

import numpy as np

COMPUTE_MAJOR, COMPUTE_MINOR = 75, 76  # attributes of a device
THREADS = 128  # of a block, as in csrc/gpu/device.h


class NoCardError(RuntimeError):
    """There is no GPU, or no driver."""


class Card:
    """The first GPU, with one context and the modules that are loaded into it."""

    def __init__(self):
        try:
            self._cuda = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise NoCardError(f"there is no CUDA driver here ({error})") from error
        count = ctypes.c_int()
        if self._cuda.cuInit(0) != 0 or self._cuda.cuDeviceGetCount(ctypes.byref(count)) != 0:
            raise NoCardError("the CUDA driver finds no GPU")
        if count.value == 0:
            raise NoCardError("the CUDA driver finds no GPU")
        self._device, self._context = ctypes.c_int(), ctypes.c_void_p()
        self._call("cuDeviceGet", ctypes.byref(self._device), 0)
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), self._device)
        self._call("cuCtxSetCurrent", self._context)
        self._modules: list[ctypes.c_void_p] = []

    def _call(self, name: str, *arguments) -> None:
        code = getattr(self._cuda, name)(*arguments)
        if code != 0:
            text = ctypes.c_char_p()
            self._cuda.cuGetErrorString(code, ctypes.byref(text))
            raise RuntimeError(f"{name}: {(text.value or b'unknown error').decode()} ({code})")

    @property
    def name(self) -> str:
        text = ctypes.create_string_buffer(256)
        self._call("cuDeviceGetName", text, 256, self._device)
        return text.value.decode()

    @property
    def driver_version(self) -> str:
        number = ctypes.c_int()
        self._call("cuDriverGetVersion", ctypes.byref(number))
        return f"{number.value // 1000}.{number.value % 1000 // 10}"

    @property
    def architecture(self) -> int:
        """90 is sm_90."""
        parts = [ctypes.c_int(), ctypes.c_int()]
        for part, attribute in zip(parts, (COMPUTE_MAJOR, COMPUTE_MINOR), strict=True):
            self._call("cuDeviceGetAttribute", ctypes.byref(part), attribute, self._device)
        return 10 * parts[0].value + parts[1].value

    def load(self, code: bytes) -> None:
        """Loads a module; its kernels are then found by name."""
        module = ctypes.c_void_p()
        self._call("cuModuleLoadData", ctypes.byref(module), ctypes.c_char_p(code))
        self._modules.append(module)

    def kernel(self, name: str) -> ctypes.c_void_p:
        for module in self._modules:
            function = ctypes.c_void_p()
            if self._cuda.cuModuleGetFunction(ctypes.byref(function), module, name.encode()) == 0:
                return function
        raise KeyError(f"no module has the kernel {name}")

    def allocate(self, size: int) -> int:
        address = ctypes.c_uint64()
        self._call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(max(size, 1)))
        return address.value

    def free(self, address: int) -> None:
        self._call("cuMemFree_v2", ctypes.c_uint64(address))

    def write(self, address: int, data: np.ndarray) -> None:
        if data.nbytes:
            self._call(
                "cuMemcpyHtoD_v2",
                ctypes.c_uint64(address),
                data.ctypes.data_as(ctypes.c_void_p),
                ctypes.c_size_t(data.nbytes),
            )

    def read(self, address: int, size: int) -> np.ndarray:
        data = np.empty(size, np.uint8)
        if size:
            self._call(
                "cuMemcpyDtoH_v2",
                data.ctypes.data_as(ctypes.c_void_p),
                ctypes.c_uint64(address),
                ctypes.c_size_t(size),
            )
        return data

    def copy(self, to: int, source: int, size: int) -> None:
        """Within the card."""
        self._call(
            "cuMemcpyDtoDAsync_v2",
            *(ctypes.c_uint64(to), ctypes.c_uint64(source), ctypes.c_size_t(size), None),
        )

    def wait(self) -> None:
        self._call("cuCtxSynchronize")

    def launch(self, kernel: ctypes.c_void_p, blocks: int, arguments: bytes) -> None:
        if blocks == 0:
            return
        held = ctypes.create_string_buffer(arguments, len(arguments))
        pointers = (ctypes.c_void_p * 1)(ctypes.addressof(held))
        self._call(
            "cuLaunchKernel", kernel, *(blocks, 1, 1), *(THREADS, 1, 1), 0, None, pointers, None
        )

    def seconds(self, work, repeats: int) -> list[float]:
        """Times of `work()`, each between two events on the card."""
        start, stop = ctypes.c_void_p(), ctypes.c_void_p()
        for event in (start, stop):
            self._call("cuEventCreate", ctypes.byref(event), 0)
        times = []
        for _ in range(repeats):
            self._call("cuEventRecord", start, None)
            work()
            self._call("cuEventRecord", stop, None)
            self._call("cuEventSynchronize", stop)
            milliseconds = ctypes.c_float()
            self._call("cuEventElapsedTime", ctypes.byref(milliseconds), start, stop)
            times.append(milliseconds.value / 1000)
        return times


def with_addresses(arguments: bytes, pointers: list[list[int]], addresses: list[int]) -> bytes:
    """The arguments with each pointer (place in them, array, place in the array) filled in."""
    filled = bytearray(arguments)
    for place, array, within in pointers:
        struct.pack_into("<Q", filled, place, addresses[array] + within)
    return bytes(filled)
