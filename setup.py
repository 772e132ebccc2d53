"""Compiles the two native parts: the TensorFlow ops and the Loihi simulator.

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
    """The simulator as an ordinary extension, then the ops as a plain library."""

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


simulator = Pybind11Extension(
    "keras_slayer.export._simulator",
    sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("keras_slayer/export/csrc/*.cc")),
    depends=sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("keras_slayer/export/csrc/*.h")),
    cxx_std=17,
    extra_compile_args=["-O3", "-pthread"],
    extra_link_args=["-pthread"],
)

setup(ext_modules=[simulator], cmdclass={"build_ext": BuildNative})
