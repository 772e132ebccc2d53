"""Records what all GPU kernels do at small sizes, for benchmarks/gpu/run.py.

python tests/gpu/golden.py FOLDER
"""

import argparse
import ctypes
import pathlib

import emulation


def record(folder: pathlib.Path) -> None:
    """Writes FOLDER/cases.jsonl and FOLDER/arrays.bin."""
    folder.mkdir(parents=True, exist_ok=True)
    if ctypes.CDLL(str(emulation.golden())).keras_slayer_record(str(folder).encode()) != 0:
        raise SystemExit(f"cannot record to {folder}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    record(parser.parse_args().folder)
