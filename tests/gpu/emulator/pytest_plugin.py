"""A pytest plugin: the op tests of the CPU on the emulated ops of the GPU, in several orders.

Environment:
    KERAS_SLAYER_EMULATED_OPS: the op library (``emulation.library()``).
    KERAS_SLAYER_EMULATED_REPORT: a file for the number of tests that passed, the names of the
        kernels that ran, and of the ops that tests asked for but that do not run on a GPU yet; such
        tests are skipped.
"""

import ctypes
import json
import os
import pathlib
import re

import pytest
import tensorflow as tf

from keras_slayer.ops import build, library

SEEDS = (1, 2, 3)
EVERY = 12  # so many tests from one that runs in all orders to the next
PATH = pathlib.Path(os.environ["KERAS_SLAYER_EMULATED_OPS"])
passed = {"tests": 0}


class EmulatedOps:
    """The module of ops. Skips the test that asks for one that does not run on a GPU."""

    def __init__(self):
        self.module, self.missing = tf.load_op_library(str(PATH)), set()
        sources = "".join(path.read_text() for path in build.SOURCES.rglob("*_op.cc"))
        found = re.findall(r'KS_REGISTER_(?:DEVICES|GPU)\("(\w+)"', sources)
        self._on_gpu = {f"keras_slayer_{name}".lower().replace("_", "") for name in found}

    def __getattr__(self, name):
        if name.startswith("keras_slayer_") and name.replace("_", "") not in self._on_gpu:
            self.missing.add(name)
            pytest.skip(f"{name} does not run on a GPU")
        return getattr(self.module, name)


def names(function: str) -> list[str]:
    """What ``keras_slayer_kernels`` or ``keras_slayer_launched`` of emulated_driver.cc tells."""
    call = getattr(ctypes.CDLL(str(PATH)), function)
    text = ctypes.create_string_buffer(call(None, 0))
    call(text, len(text))
    return text.value.decode().split()


def pytest_configure(config):
    config.emulated = library._loaded = EmulatedOps()
    library._path, library._on_gpu = PATH, True


@pytest.fixture(autouse=True, params=SEEDS)
def order_of_threads(request, monkeypatch):
    """The emulated driver reads it whenever it starts a kernel."""
    monkeypatch.setenv("KERAS_SLAYER_EMULATED_SEED", str(request.param))


# What an op on a CPU refuses by looking at numbers that are in the memory of a card on a GPU.
NOT_LOOKED_AT = ("indices in", "rising offsets", "must be 0")


def of_use(item) -> bool:
    """Whether the test has something to tell of the ops of the GPU."""
    given = item.callspec.params
    if "reference" in (given.get("name"), given.get("backend")):  # it runs no native op
        return False
    if given.get("message") in NOT_LOOKED_AT:
        return False
    return not (given.get("message") == "params must be finite" and "refractory" in given["bad"])


def pytest_collection_modifyitems(config, items):
    every = [item for item in items if of_use(item)]
    own = [item for item in every if item.callspec.params["order_of_threads"] == SEEDS[0]]
    others = [item for item in every if item.callspec.params["order_of_threads"] != SEEDS[0]]
    items[:] = own + others[::EVERY]


def pytest_runtest_logreport(report):
    passed["tests"] += report.when == "call" and report.passed


def pytest_sessionfinish(session):
    report = {
        "passed": passed["tests"],
        "kernels": names("keras_slayer_kernels"),
        "launched": names("keras_slayer_launched"),
        "missing": sorted(session.config.emulated.missing),
    }
    pathlib.Path(os.environ["KERAS_SLAYER_EMULATED_REPORT"]).write_text(json.dumps(report))
