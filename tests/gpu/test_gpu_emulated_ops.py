"""The op tests of the CPU pass on the ops of the GPU, emulated, in three orders of threads.

They run in a process of their own (emulator/pytest_plugin.py), as a process has but one library of
ops. Tests of ops that do not run on a GPU are skipped there.
"""

import json
import pathlib
import re

import emulation
import processes

OPS = pathlib.Path(processes.__file__).parent
FILES = ("neurons", "filters", "delays", "loihi", "golden", "raw", "reference", "learned")
# What these tests run; test_gpu_emulated_equal.py has the other kernels.
SERIES = ("neuron_", "alpha_", "exponential_", "fir", "delay", "srm_fir")
# Slow with the reference, to which the native ops are compared; test_gpu_emulated_equal.py compares
# these of the GPU to the native ones. And the same again, in other numbers.
LEFT_OUT = (
    "not equals_reference and not equal_the_reference and not non_finite_input_propagates"
    " and not test_decays_of_numbers and not random_series and not half_conversions"
    " and not numerical_gradient_of_smooth_spikes"
)


def test_op_tests_pass(tmp_path):
    report = tmp_path / "report.json"
    process = processes.start(
        *("-m", "pytest", "-q", "-x", "-p", "pytest_plugin", "-p", "no:xdist", "-k", LEFT_OUT),
        *(str(OPS / f"test_ops_{name}.py") for name in FILES),
        folder=OPS.parents[1],
        PYTHONPATH=f"{processes.ROOT}:{emulation.EMULATOR}",
        KERAS_SLAYER_EMULATED_OPS=str(emulation.library()),
        KERAS_SLAYER_EMULATED_REPORT=str(report),
    )
    out, errors = process.communicate(timeout=900)
    assert process.returncode == 0, out[-5000:] + errors[-2000:]
    told = json.loads(report.read_text())
    assert told["passed"] > 400
    without_type = {k: {name.rpartition("_")[0] for name in told[k]} for k in told if k != "passed"}
    assert {k for k in without_type["kernels"] if k.startswith(SERIES)} <= without_type["launched"]
    missing = {name.removeprefix("keras_slayer_").replace("_", "") for name in told["missing"]}
    assert not missing & devices()


def devices() -> set[str]:
    """Ops that run on a GPU, in small letters."""
    text = "".join(path.read_text() for path in emulation.op_sources())
    return {name.lower() for name in re.findall(r'KS_REGISTER_(?:DEVICES|GPU)\("(\w+)"', text)}
