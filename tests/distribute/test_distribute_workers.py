"""Two workers on this machine: fit, a loop of one's own, shards, and a worker that is killed."""

import io
import json
import pathlib
import re
import sys
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import BATCH, WITHOUT_DRAWING, compiled, data, scaled_adam, small

import keras_slayer as ks
from keras_slayer.distribute import launch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "layers"))
from layer_cases import subprocess_environment

EPOCHS, KILLED_IN = 4, 2
SIGKILLED = 128 + 9


@pytest.fixture(scope="module")
def phases(tmp_path_factory):
    """`(status, found by worker, output)` of the run in which worker 1 is killed, and of the one
    that goes on."""
    folder = tmp_path_factory.mktemp("backups")
    program = pathlib.Path(__file__).parent / "worker_program.py"
    results = []
    with pytest.MonkeyPatch.context() as patch:
        for name, value in subprocess_environment(WITHOUT_DRAWING).items():
            patch.setenv(name, value)
        for phase in ("first", "again"):
            output = io.StringIO()
            command = [sys.executable, str(program), phase, str(folder)]
            status = launch.run(command, 2, output)
            lines = re.findall(r"^\[worker \d\] FOUND (.*)$", output.getvalue(), flags=re.M)
            found = sorted(map(json.loads, lines), key=lambda one: one["worker"])
            results.append((status, found, output.getvalue()))
    return results


@pytest.fixture(scope="module")
def found(phases):
    _, found, output = phases[0]
    assert [one["worker"] for one in found] == [0, 1], output[-4000:]
    return found


@pytest.fixture(scope="module")
def single():
    """The same in this process, without a strategy."""
    keras.utils.set_random_seed(0)
    model = compiled(small(), scaled_adam())
    x, y = data()
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH)
    options = {"epochs": EPOCHS, "shuffle": False, "verbose": 0, "validation_data": (x, y)}
    with warnings.catch_warnings():  # the network is there to be compared, not to learn well
        warnings.simplefilter("ignore", ks.FiringRateWarning)
        history = model.fit(batches, callbacks=[ks.FiringRateMonitor(x)], **options).history
    return {
        "history": history,
        "evaluated": model.evaluate(batches, verbose=0),
        "counts": float(model.predict(batches, verbose=0).sum()),
    }


def test_fit_gives_the_losses_of_one_process(found, single):
    """With validation, a callback of the package, and a last batch of 3 for two workers."""
    wanted = single["history"]
    assert len(set(wanted["loss"])) == EPOCHS and "rate/out" in wanted
    for worker in found:
        assert worker["enabled"] is True and worker["optimizer"] == "ScaledAdam"
        assert worker["history"].keys() == wanted.keys()
        for key, values in wanted.items():
            got = worker["history"][key]
            np.testing.assert_allclose(got, values, rtol=1e-6, atol=1e-6, err_msg=key)
        np.testing.assert_allclose(worker["evaluated"], single["evaluated"], rtol=1e-6)
        shape, spikes, local = worker["predicted"]
        assert shape == [15, 3] and spikes == local == single["counts"] > 0


def test_keras_alone_fails(found):
    """What enable_multi_worker is for: once Keras passes here, it can go."""
    for worker in found:
        assert worker["refused"].startswith("Attempt to convert a value (PerReplica")


def test_a_loop_of_ones_own_gives_the_same(found, single):
    for worker in found:
        np.testing.assert_allclose(worker["loop"], single["history"]["loss"], rtol=1e-6)


def test_a_sharded_pipeline_trains_on_everything_once(found):
    """9 recordings: worker 1 has one less, and no sample for the last step."""
    first, second = (worker["shards"] for worker in found)
    assert first["seen"] == [list(range(0, 9, 2))] * 2
    assert second["seen"] == [list(range(1, 9, 2))] * 2
    assert first["steps"] == second["steps"] == 6
    assert first["losses"] == second["losses"]
    for one in (first, second):  # to fit itself, which would divide its batches again
        assert "distribute_datasets_from_function" in one["refusal"]
    # Every class has one sample, of one spike, so each learns alike: by hand.
    assert first["losses"][0] > first["losses"][1] > 0


def test_a_killed_worker_ends_all_and_the_rest_is_as_if_nothing_was(phases, single):
    (first_status, found, _), (status, again, output) = phases
    assert first_status == SIGKILLED
    assert len(found) == 2  # what they told before; nobody came to the end
    assert status == 0, output[-4000:]
    for worker in again:
        # Epochs 0 and 1 were saved; 2 was broken off.
        wanted = single["history"]["loss"][KILLED_IN:]
        np.testing.assert_allclose(worker["loss"], wanted, rtol=1e-6)
        assert worker["left"] == []  # the backup goes with the end of training
