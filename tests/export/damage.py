"""Damaged files."""

import numpy as np

TRIALS = 60


def damaged(good, changes):
    """Copies of the bytes ``good``: ten cut off, the rest with ``changes`` bytes at random."""
    rng = np.random.default_rng(0)
    for trial in range(TRIALS):
        data = bytearray(good)
        if trial < 10:
            data = data[: len(data) * trial // 10]
        else:
            for place in rng.integers(0, len(data), changes):
                data[place] = rng.integers(256)
        yield bytes(data)
