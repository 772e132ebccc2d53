"""The op libraries of several TensorFlow versions, compiled into a cache folder."""

from __future__ import annotations

import os
import pathlib
import time
from unittest import mock

import tensorflow_releases
from wheel_tools import build, megabytes, record, say


def _compiler(cache: pathlib.Path) -> dict[str, str]:
    """Variables that have build.py compile with kept_compiler.sh."""
    objects = cache / "objects" / build.sources_digest()
    objects.mkdir(parents=True, exist_ok=True)
    wrapper = pathlib.Path(__file__).with_name("kept_compiler.sh")
    return {
        "CXX": str(wrapper),
        "KEPT_COMPILER": build.compiler(),
        "KEPT_OBJECTS": str(objects),
    }


def compile_for(version: str, python: str, machine: str, cache: pathlib.Path) -> pathlib.Path:
    """The op library for one TensorFlow, with all instruction sets; compiled if it is not there.

    Args:
        version: of TensorFlow.
        python: one that this TensorFlow has a wheel for.
        machine: the kind of machine. For another than this one, CXX names a cross compiler.
        cache: folder of downloads, objects and libraries.
    """
    target = cache / "libraries" / build.library_name(version, machine=machine)
    wanted = build.TensorFlowFlags(version, tensorflow_releases.DEFINES, []).built_for()
    if record.fault(target, wanted):
        flags = tensorflow_releases.unpack(version, python, machine, cache)
        say(f"TensorFlow {version} for {machine}: compiling the ops")
        start = time.monotonic()
        with mock.patch.dict(os.environ, _compiler(cache)):
            build.build_library(target, flags, machine=machine)
        record.write(target, wanted)
        seconds = time.monotonic() - start
        say(f"TensorFlow {version} for {machine}: {megabytes(target)} after {seconds:.0f} s")
    return target
