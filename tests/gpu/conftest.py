"""The tests of the ops on a CPU are used for the GPU, too: their tables are imported."""

import pathlib
import sys

TESTS = pathlib.Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "ops"), str(TESTS / "golden")]
