"""Golden vectors: both backends reproduce what the float64 reference once gave.

A failure here means that networks trained before give other results now. The
vectors come from tests/golden/generate.py.
"""

import pathlib
import sys

import cases
import numpy as np
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "golden"))
import golden_cases

VECTORS = golden_cases.load()
TOLERANCE = {"float64": 1e-12, "float32": 2e-5}  # of the largest value
EXACT = {"srm": 1, "srm_fir": 1, "cuba": 1, "loihi_cuba": 2}  # outputs: spikes, chip integers
every_case = pytest.mark.parametrize("name", VECTORS)


def test_every_case_is_stored_as_it_is_defined():
    assert list(VECTORS) == list(golden_cases.CASES)
    for name, case in golden_cases.CASES.items():
        assert str(VECTORS[name]["parameters"]) == case.parameters, name
    assert golden_cases.FILE.stat().st_size < 200_000


@every_case
def test_membranes_are_off_the_threshold_and_inputs_exact_in_float32(name):
    """So that rounding cannot move a spike, whatever the dtype."""
    case, stored = golden_cases.CASES[name], VECTORS[name]
    assert golden_cases.margin(case, stored["outputs"]) > golden_cases.MARGIN
    for x in (*stored["inputs"], stored["upstream"]):
        assert x.dtype == np.float64
        np.testing.assert_array_equal(x, x.astype("float32"))
    for values in (stored["outputs"], stored["gradients"]):
        assert all(np.all(np.isfinite(y)) and np.any(y != 0) for y in values)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("backend", ["native", "reference"])
@every_case
def test_reproduced(name, backend, dtype):
    case, stored = golden_cases.CASES[name], VECTORS[name]
    inputs = [x.astype(dtype) for x in stored["inputs"]]
    with cases.backend(backend):
        outputs, gradients = golden_cases.evaluate(case, inputs, stored["upstream"].astype(dtype))
    for kind, values in (("outputs", outputs), ("gradients", gradients)):
        assert len(values) == len(stored[kind])
        for i, (actual, expected) in enumerate(zip(values, stored[kind], strict=True)):
            assert actual.dtype == dtype
            exact = kind == "outputs" and i < EXACT.get(case.op, 0)
            tolerance = 0 if exact else TOLERANCE[dtype]
            cases.assert_close(actual, expected, tolerance, f"{kind} {i}")


def test_the_chips_arithmetic_is_stored_at_its_limits():
    """Integers / 4096 throughout; in one case the voltage is clipped and the current wraps."""
    for name in ("loihi-slayer", "loihi-exodus", "loihi-extremes"):
        voltage = VECTORS[name]["outputs"][1] * 4096
        np.testing.assert_array_equal(voltage, np.round(voltage))
    limit = 2**23 - 1
    assert {voltage.min(), voltage.max()} == {-limit, limit}
    (z,), current, wraps = VECTORS["loihi-extremes"]["inputs"], 0, 0
    for arriving in (z[0, :-1] * 4096).astype(int):
        current = np.sign(current) * (np.abs(current * (4096 - 3)) >> 12) + arriving
        over = np.sign(current) * (np.abs(current) > 2**23)
        current, wraps = current - over * 2**24, wraps + np.abs(over).sum()
    assert wraps >= 5


NEURONS = [name for name, case in golden_cases.CASES.items() if "gradient" in case.options]


@pytest.mark.parametrize("name", NEURONS)
def test_other_parameters_would_show(name):
    """Truncated kernels are not the whole ones, exodus is not slayer: the gradients differ."""
    case, stored = golden_cases.CASES[name], VECTORS[name]
    expected, compared = stored["gradients"][0], 0
    for other in NEURONS:
        golden = golden_cases.CASES[other]
        if golden.op == case.op and other != name:
            _, gradients = golden_cases.evaluate(golden, stored["inputs"], stored["upstream"])
            compared += 1
            assert np.abs(gradients[0] - expected).max() > 1e-4 * np.abs(expected).max(), other
    assert compared >= 1
