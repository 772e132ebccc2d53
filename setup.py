"""Compiles the native parts: the TensorFlow ops, the Loihi simulator, decoders of event files.

The ops are tied to one TensorFlow. They are built here for the one installed in
the environment, and otherwise on first use (``keras_slayer/ops/library.py``).
Everything else about the package is in pyproject.toml.
"""

import importlib.util
import pathlib
import sys

from pybind11.setup_helpers import Pybind11Extension
from setuptools import setup
from setuptools.command.build_ext import build_ext

ROOT = pathlib.Path(__file__).parent


def load(name: str):
    """keras_slayer/ops/NAME.py by its path: the package itself imports Keras."""
    path = ROOT / "keras_slayer" / "ops" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"keras_slayer_ops_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


class BuildNative(build_ext):
    """Simulator and decoders as ordinary extensions, then the ops as a plain library."""

    def run(self):
        super().run()
        build, record = load("build"), load("record")
        tensorflow = build.installed_tensorflow()
        if tensorflow is None:
            self.announce("No TensorFlow in this environment: the ops compile on first use.", 3)
            return
        package = (
            ROOT / "keras_slayer" if self.inplace else pathlib.Path(self.build_lib, "keras_slayer")
        )
        target = package / "ops" / build.library_name(tensorflow.version)
        build.remove_leftovers(target.parent)
        for old in target.parent.glob("_native-*"):
            if old not in (target, record.path_of(target)):
                old.unlink()  # built for another TensorFlow or from older sources
        if record.fault(target):
            self.announce(f"Compiling the ops for TensorFlow {tensorflow.version}", 3)
            build.build_library(target, tensorflow)
            record.write(target)


def extension(name: str, sources: str, *flags: str) -> Pybind11Extension:
    """The module `name` from the .cc and .h files in the folder `sources`."""
    return Pybind11Extension(
        name,
        sorted(str(p.relative_to(ROOT)) for p in ROOT.glob(f"{sources}/*.cc")),
        depends=sorted(str(p.relative_to(ROOT)) for p in ROOT.glob(f"{sources}/*.h")),
        cxx_std=17,
        extra_compile_args=["-O3", *flags],
        extra_link_args=[*flags],
    )


setup(
    ext_modules=[
        extension("keras_slayer.export._simulator", "keras_slayer/export/csrc", "-pthread"),
        extension("keras_slayer.events._decoders", "keras_slayer/events/csrc"),
    ],
    cmdclass={"build_ext": BuildNative},
)
