"""Where modules are: those of the emulator, and the tables of the tests of the ops on a CPU."""

import pathlib
import sys

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE / "emulator"), str(HERE.parent / "ops")]
