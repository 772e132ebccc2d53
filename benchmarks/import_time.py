"""Seconds that `import keras_slayer` adds to `import keras`, in fresh processes.

python benchmarks/import_time.py
"""

import subprocess
import sys

import common

PROGRAM = """
import time
start = time.perf_counter()
import keras
middle = time.perf_counter()
import keras_slayer
print(middle - start, time.perf_counter() - middle)
"""


def fresh_process() -> tuple[float, float]:
    """Seconds of keras, and of keras_slayer after it."""
    command = [sys.executable, "-c", PROGRAM]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    keras_seconds, added = map(float, run.stdout.split())
    return keras_seconds, added


def main():
    arguments = common.parser(__doc__, repeats=7).parse_args()
    common.print_machine(arguments.threads)
    fresh_process()  # the files come into memory
    runs = [fresh_process() for _ in range(arguments.repeats)]
    names = ("import keras", "import keras_slayer, after it")
    results = [
        common.Result(name, seconds)
        for name, seconds in zip(names, zip(*runs, strict=True), strict=True)
    ]
    common.print_results("Import", results)


if __name__ == "__main__":
    main()
