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


def load_builder():
    """keras_slayer/ops/build.py by its path: the package itself imports Keras."""
    path = ROOT / "keras_slayer" / "ops" / "build.py"
    spec = importlib.util.spec_from_file_location("keras_slayer_ops_build", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


class BuildNative(build_ext):
    """The simulator as an ordinary extension, then the ops as a plain library."""

    def run(self):
        super().run()
        builder = load_builder()
        tensorflow = builder.installed_tensorflow()
        if tensorflow is None:
            self.announce("No TensorFlow in this environment: the ops compile on first use.", 3)
            return
        package = (
            ROOT / "keras_slayer" if self.inplace else pathlib.Path(self.build_lib, "keras_slayer")
        )
        target = package / "ops" / builder.library_name(tensorflow.version)
        for old in target.parent.glob("_native-*.so"):
            if old != target:
                old.unlink()  # built for another TensorFlow or from older sources
        if not target.exists():
            self.announce(f"Compiling the ops for TensorFlow {tensorflow.version}", 3)
            builder.build_library(target, tensorflow)


simulator = Pybind11Extension(
    "keras_slayer.export._simulator",
    sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("keras_slayer/export/csrc/*.cc")),
    depends=sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("keras_slayer/export/csrc/*.h")),
    cxx_std=17,
    extra_compile_args=["-O3", "-pthread"],
    extra_link_args=["-pthread"],
)

setup(ext_modules=[simulator], cmdclass={"build_ext": BuildNative})
