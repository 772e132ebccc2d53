"""MirroredStrategy over two devices: what one device gives, uneven last batch included."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from networks import WITHOUT_DRAWING

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "layers"))
from layer_cases import subprocess_environment


@pytest.fixture(scope="module")
def trained():
    program = pathlib.Path(__file__).parent / "mirrored_program.py"
    done = subprocess.run(
        [sys.executable, program],
        env=subprocess_environment(WITHOUT_DRAWING),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", ["weighed", "scaled"])
def test_two_devices_give_what_one_gives(trained, name):
    """Adam; and all layers under ScaledAdam, with the package's callbacks, which log figures."""
    one, two = trained[name]
    assert one["history"].keys() == two["history"].keys()
    for key, values in one["history"].items():
        np.testing.assert_allclose(two["history"][key], values, rtol=1e-6, atol=1e-6, err_msg=key)
    assert len(set(one["history"]["loss"])) == 3
    assert one["unmoved"] == two["unmoved"] == 0
    assert two["optimizer"] == one["optimizer"] == ("ScaledAdam" if name == "scaled" else "Adam")


def test_after_training(trained):
    one, two = trained["scaled"]
    assert "rate/out" in one["history"]
    np.testing.assert_allclose(two["evaluated"], one["evaluated"], rtol=1e-6)
    assert two["counts"] == one["counts"] and len(set(one["counts"])) > 2


def test_it_is_the_weighing_that_does_it(trained):
    """With Keras' own step, the last batch of 3 has another gradient on two devices: 2 and 1."""
    one, two = (found["history"]["loss"] for found in trained["keras"])
    assert one[0] == pytest.approx(two[0], abs=1e-6)  # no update of that batch yet
    assert abs(one[-1] - two[-1]) > 1e-5
