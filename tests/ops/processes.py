"""Fresh Python processes that import this checkout's package."""

import os
import pathlib
import subprocess
import sys

import keras_slayer

ROOT = pathlib.Path(keras_slayer.__file__).parents[1]


def start(*arguments: str, folder=None, **variables: str) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **variables}
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output_of(process: subprocess.Popen) -> str:
    """Its standard output, once it has ended well."""
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return out
