"""Writes vectors.npz: inputs, outputs and gradients of every op, by the float64 reference.

    python tests/golden/generate.py

To be run when an op or a case is added, not to make a failing test pass: what is
stored is what results of published models rest on. The file is the same on every run.
"""

import os

os.environ["KERAS_SLAYER_OPS"] = "reference"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import zlib

import golden_cases
import numpy as np

from keras_slayer import ops


def _short(x: np.ndarray) -> np.ndarray:
    """Rounded to 1 / 256: exact in float32 too, and small when compressed."""
    return np.round(256 * x) / 256


def make(name: str, case: golden_cases.Golden) -> dict[str, np.ndarray]:
    """The arrays of one case, from the first seed that keeps membranes off the threshold."""
    for seed in range(1000):
        rng = np.random.default_rng([zlib.crc32(name.encode()), seed])
        inputs = [_short(x) for x in case.draw(rng)]
        upstream = _short(rng.normal(size=case.run(*inputs)[0].shape))
        outputs, gradients = golden_cases.evaluate(case, inputs, upstream)
        if golden_cases.margin(case, outputs) > golden_cases.MARGIN:
            break
    else:
        raise RuntimeError(f"{name}: no seed keeps all membranes off the threshold")
    if "gradient" in case.options:
        assert 0.02 < outputs[0].mean() < 0.7, (name, outputs[0].mean())
    arrays = {f"{name}/parameters": np.array(case.parameters), f"{name}/upstream": upstream}
    for kind, values in (("inputs", inputs), ("outputs", outputs), ("gradients", gradients)):
        arrays |= {f"{name}/{kind}/{i}": value for i, value in enumerate(values)}
    return arrays


def main():
    assert ops.backend() == "reference"
    arrays = {}
    for name, case in golden_cases.CASES.items():
        arrays |= make(name, case)
    np.savez_compressed(golden_cases.FILE, **arrays)
    print(f"{golden_cases.FILE}: {len(golden_cases.CASES)} cases")


if __name__ == "__main__":
    main()
