"""Compiles every GPU kernel and tells what each uses of a multiprocessor. Needs no GPU.

A kernel that spills has more variables than registers and keeps some in memory, which is slow.
"""

from __future__ import annotations

import dataclasses
import re

from keras_slayer.ops import build
from keras_slayer.ops.gpu.kernels import Kernels, parts, sources
from keras_slayer.ops.gpu.nvrtc import Nvrtc

OLDEST, NEWEST = 70, 120  # checked if none is named

_ENTRY = re.compile(r"Compiling entry function '(\w+)'")
_MEMORY = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_REGISTERS = re.compile(r"Used (\d+) registers")
_SHARED = re.compile(r"(\d+) bytes smem")


@dataclasses.dataclass
class Resources:
    """What a kernel uses: registers per thread, bytes of shared memory per block, and bytes per
    thread that it keeps on a stack, and moves there and back as registers do not suffice."""

    kernel: str
    registers: int = 0
    shared: int = 0
    stack: int = 0
    spill_stores: int = 0
    spill_loads: int = 0

    @property
    def spills(self) -> bool:
        return self.spill_stores > 0 or self.spill_loads > 0


def resources(log: str) -> list[Resources]:
    """What the log of a compilation (``--ptxas-options=-v``) says of its kernels."""
    found = []
    for line in log.splitlines():
        if match := _ENTRY.search(line):
            found.append(Resources(match[1]))
        elif not found:
            continue
        elif match := _MEMORY.search(line):  # of the kernel, or of a function that it calls
            stack, stores, loads = map(int, match.groups())
            found[-1].stack = max(found[-1].stack, stack)
            found[-1].spill_stores += stores
            found[-1].spill_loads += loads
        elif match := _REGISTERS.search(line):
            found[-1].registers = int(match[1])
            if match := _SHARED.search(line):
                found[-1].shared = int(match[1])
    return found


def chosen(nvrtc: Nvrtc, names: list[str]) -> list[int]:
    """The architectures of some names; without names, those from sm_70 to sm_120.

    Raises:
        ValueError: the compiler does not know one.
    """
    known = {f"sm_{architecture}": architecture for architecture in nvrtc.architectures}
    for name in names:
        if name not in known:
            raise ValueError(
                f"an architecture must be one that {nvrtc} knows: {', '.join(known)}. "
                f"Received: {name!r}"
            )
    return [known[name] for name in names] or [
        architecture for architecture in known.values() if OLDEST <= architecture <= NEWEST
    ]


def check(nvrtc: Nvrtc, names: list[str], verbose: bool = False) -> bool:
    """Compiles all kernels for some architectures and prints a line for each architecture.

    Args:
        nvrtc: the compiler.
        names: of architectures; empty: from sm_70 to sm_120.
        verbose: prints a line for each kernel, too.

    Returns:
        Whether all kernels compile and none spills.

    Raises:
        ValueError: the compiler does not know one of the architectures.
    """
    architectures, kernels, good = chosen(nvrtc, names), Kernels(nvrtc), True
    print(f"{nvrtc}, {nvrtc.path}: {', '.join(sources())}")
    print("architecture  kernels  most registers  most shared memory  seconds of one core")
    for architecture in architectures:
        found, seconds, faults = [], 0.0, []
        for compiled in kernels.compile_all(parts([architecture])):
            if isinstance(compiled, build.BuildError):
                faults.append(f"error: {compiled}")
                continue
            found += resources(compiled.log)
            seconds += compiled.seconds
        found.sort(key=lambda use: use.kernel)
        registers = max((use.registers for use in found), default=0)
        shared = f"{max((use.shared for use in found), default=0)} bytes"
        print(
            f"sm_{architecture:<9}  {len(found):7}  {registers:14}  {shared:>18}  {seconds:19.1f}",
            flush=True,
        )
        for use in found:
            if verbose:
                print(
                    f"  {use.kernel}: {use.registers} registers, {use.shared} bytes shared memory"
                )
            if use.spills:
                faults.append(
                    f"spill: sm_{architecture} {use.kernel}: {use.spill_stores} bytes of stores, "
                    f"{use.spill_loads} of loads"
                )
        print(*faults, sep="\n", end="\n" if faults else "")
        good = good and not faults
    return good
