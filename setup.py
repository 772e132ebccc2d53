"""Compiles the native parts: the TensorFlow ops, the Loihi simulator, decoders of event files.

The ops are tied to one TensorFlow. They are built here for the one installed in
the environment, and otherwise on first use (``keras_slayer/ops/library.py``).
For a wheel that is to be given away, the environment variable KERAS_SLAYER_PREBUILT
lists libraries that are compiled already (``packaging/build_wheels.py``). Everything else about
the package is in pyproject.toml.
"""

import importlib.util
import os
import pathlib
import runpy
import shutil
import sys

# First: the imports below may be missing on a system that is not supported. Whoever runs this file
# does it in this folder.
if refusal := runpy.run_path("keras_slayer/supported.py")["refusal"]():
    raise SystemExit(refusal)

from pybind11.setup_helpers import Pybind11Extension
from setuptools import setup
from setuptools.command.build_ext import build_ext

ROOT = pathlib.Path(__file__).parent


def load(name: str):
    """keras_slayer/NAME.py by its path: the package itself imports Keras."""
    path = ROOT / "keras_slayer" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"keras_slayer_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


class BuildNative(build_ext):
    """Simulator and decoders as ordinary extensions, then the ops as a plain library."""

    def run(self):
        super().run()
        package = (
            ROOT / "keras_slayer" if self.inplace else pathlib.Path(self.build_lib, "keras_slayer")
        )
        prebuilt = os.environ.get("KERAS_SLAYER_PREBUILT")
        if prebuilt is None:
            self.compile_ops(package / "ops")
        else:
            self.copy_ops(prebuilt.split(os.pathsep), package / "ops")

    def compile_ops(self, folder: pathlib.Path):
        """The library for the TensorFlow of this environment, if it has one."""
        build, record = load("ops/build"), load("ops/record")
        tensorflow = build.installed_tensorflow()
        if tensorflow is None:
            self.announce("No TensorFlow in this environment: the ops compile on first use.", 3)
            return
        target = folder / build.library_name(tensorflow.version)
        build.remove_leftovers(folder)
        for old in folder.glob("_native-*"):
            if old not in (target, record.path_of(target)):
                old.unlink()  # built for another TensorFlow or from older sources
        if record.fault(target, tensorflow.built_for()):
            self.announce(f"Compiling the ops for TensorFlow {tensorflow.version}", 3)
            build.build_library(target, tensorflow)
            record.write(target, tensorflow.built_for())

    def copy_ops(self, libraries: list[str], folder: pathlib.Path):
        """The libraries in the list, each with its record; an empty list: none."""
        record = load("ops/record")
        for library in map(pathlib.Path, filter(None, libraries)):
            if fault := record.fault(library):
                raise SystemExit(f"{library} cannot be packed: {fault}")
            for file in (library, record.path_of(library)):
                shutil.copy2(file, folder / file.name)


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
