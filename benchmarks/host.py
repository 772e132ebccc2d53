"""What figures are measured on: processor, versions, instruction set."""

import os
import platform
import sys

import keras
import tensorflow as tf
from rich.console import Console

import keras_slayer
from keras_slayer import ops
from keras_slayer.ops import build

# No terminal to ask for its width: room for the tables all the same.
console = Console(width=None if sys.stdout.isatty() else 120)


def _processor() -> dict[str, str]:
    """The fields of the first core in /proc/cpuinfo; none where there is no such file."""
    try:
        with open("/proc/cpuinfo") as file:
            first = file.read().split("\n\n")[0]
    except FileNotFoundError:
        return {}
    fields = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in fields}


def instruction_set() -> str:
    """The one that the native ops choose."""
    return build.processor_set(os.environ.get("KERAS_SLAYER_ISA", ""))


def machine(threads: int) -> str:
    model = _processor().get("model name", platform.machine())
    return f"{model}, {os.cpu_count()} cores, {threads} threads, load {os.getloadavg()[0]:.1f}"


def versions() -> dict[str, str]:
    native = f"native ({instruction_set()})" if ops.backend() == "native" else "reference"
    return {
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "keras_slayer": keras_slayer.__version__,
        "ops": native,
    }


def print_machine(threads: int) -> None:
    """What the figures below it were measured on."""
    named = ", ".join(f"{name} {version}" for name, version in versions().items())
    console.print(f"{machine(threads)}\n{named}", highlight=False)
