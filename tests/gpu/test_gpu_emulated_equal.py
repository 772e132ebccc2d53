"""The ops of the GPU, emulated, give what those of the CPU give, to the bit.

Spikes, membranes, filtered series and their gradients: a thread of the GPU does the same operations
in the same order, in all types. (Double exponentials are of the same library here; on a GPU their
last digit may differ.) Only sums over samples and steps are added in another order.
"""

import functools
import json
import os

import cases
import emulation
import equality_cases
import numpy as np
import processes
import pytest
import synapse_cases

# The gradient of taps and of delays, by the largest of its values. The CPU sums products of floats
# in floats, the GPU in doubles.
ROUNDING = {"float32": 2e-6, "float64": 1e-14, "float16": 2e-3, "bfloat16": 2e-2}
SUMS = ("temporal_filter", "delay")


@functools.cache
def emulated(folder) -> tuple[dict, dict]:
    """(bytes by key, report) of equality_cases.py."""
    path = folder / "emulated.npz"
    process = processes.start(
        str(emulation.EMULATOR / "equality_cases.py"),
        str(path),
        PYTHONPATH=os.pathsep.join([str(processes.ROOT), os.path.dirname(cases.__file__)]),
        KERAS_SLAYER_EMULATED_OPS=str(emulation.library()),
    )
    report = json.loads(processes.output_of(process).splitlines()[-1])
    with np.load(path) as stored:
        return dict(stored), report


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    return emulated(tmp_path_factory.getbasetemp())


def same_bits(actual: np.ndarray, expected: np.ndarray) -> bool:
    """But for the bits of NaN, which is any."""
    words = {2: np.uint16, 4: np.uint32, 8: np.uint64}[expected.itemsize]
    numbers = actual == actual
    return np.array_equal(numbers, expected == expected) and np.array_equal(
        actual.view(words)[numbers], expected.view(words)[numbers]
    )


@pytest.mark.parametrize("case", equality_cases.CASES, ids=str)
def test_equal(case, both):
    stored, _ = both
    for shape, dtype in equality_cases.GRID:
        key = equality_cases.key(case, shape, dtype)
        for i, expected in enumerate(equality_cases.results(case, shape, dtype)):
            raw = stored[f"{key} {i}"].tobytes()
            actual = np.frombuffer(raw, expected.dtype).reshape(expected.shape)
            if i == 2 and case.name.startswith(SUMS):
                cases.assert_close(actual, expected, ROUNDING[dtype], key)
            else:
                assert same_bits(actual, expected), f"{key}: array {i}"


@pytest.mark.parametrize("part", synapse_cases.PARTS)
def test_synapses_equal(part, both):
    """Products and convolutions, too: fused multiply-adds in the order of the CPU."""
    stored, _ = both
    for name, expected in synapse_cases.results(part).items():
        actual = np.frombuffer(stored[f"synapses, {name}"].tobytes(), expected.dtype)
        assert np.array_equal(actual.reshape(expected.shape), expected), name


def test_every_kernel_took_part(both):
    """Of each at least one type."""
    _, report = both
    without_type = [
        {name.rpartition("_")[0] for name in report[k]} for k in ("kernels", "launched")
    ]
    assert without_type[0] == without_type[1]
