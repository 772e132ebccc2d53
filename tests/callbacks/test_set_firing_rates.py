"""SetFiringRates: before the first epoch, once, also over several devices."""

import json
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from callback_cases import CLASSES, compiled, data, dense, fit, sequential

from keras_slayer.callbacks import FiringRateMonitor, SetFiringRates
from keras_slayer.rates import firing_rates

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "layers"))
from layer_cases import subprocess_environment


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_rates_are_set_before_the_first_epoch_and_only_then(policy):
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        model = compiled(sequential(dense(8, scale=0.01, name="hidden")))
        x, _ = data()
        initializer = SetFiringRates(x, {"hidden": 0.1})
        seen = []
        first = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: seen.append(
                (firing_rates(model, x)["hidden"].rate, model.layers[0].kernel.numpy())
            )
        )
        # The monitor looks after the initialiser, wherever it stands: no warning of silence.
        fit(model, FiringRateMonitor(x), initializer, first)
        assert seen[0][0] == pytest.approx(0.1, rel=0.0501) == initializer.rates["hidden"].rate
        assert initializer.rates["out"].factor is None
        assert np.any(seen[1][1] != seen[0][1])  # training goes on from there

        before, again = model.get_weights(), SetFiringRates(x, 0.3)
        optimizer = model.optimizer
        optimizer.learning_rate = 0.0
        fit(model, again, epochs=1)
        assert again.rates is None
        for one, other in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")


def test_a_model_loaded_to_go_on_with_is_left_alone(tmp_path):
    model = compiled(sequential())
    fit(model, epochs=1)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    loaded.optimizer.learning_rate = 0.0
    initializer = SetFiringRates(data()[0], 0.3)
    fit(loaded, initializer, epochs=1)
    assert initializer.rates is None
    for one, other in zip(model.layers, loaded.layers, strict=True):
        for before, after in zip(one.weights, other.weights, strict=True):
            if before.path.endswith("kernel"):
                np.testing.assert_array_equal(before, after)


def test_a_model_built_by_fit():
    """Sequential without an input shape: the kernels exist when the initialiser acts."""
    model = compiled(keras.Sequential([dense(8, scale=0.01, name="hidden"), dense(CLASSES)]))
    initializer = SetFiringRates(data()[0], 0.1)
    fit(model, initializer, epochs=1)
    assert initializer.rates["hidden"].rate == pytest.approx(0.1, rel=0.0501)


MIRRORED = """
import json
import keras
import tensorflow as tf

one = tf.config.LogicalDeviceConfiguration()
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [one, one])

import keras_slayer as ks
from callback_cases import compiled, data, dense, sequential

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    model = compiled(sequential(dense(8, scale=0.01, name="hidden")), optimizer="sgd")
    model.optimizer.learning_rate = 0.0
x, y = data()
first, second = ks.SetFiringRates(x, 0.1), ks.SetFiringRates(x, 0.3)
for callback in (first, second):
    model.fit(x, y, batch_size=4, verbose=0, callbacks=[callback, ks.FiringRateMonitor(x)])
kernels = strategy.experimental_local_results(model.layers[0].kernel.value)
print(json.dumps({
    "set": first.rates["hidden"].rate,
    "again": second.rates,
    "measured": ks.firing_rates(model, x)["hidden"].rate,
    "kernels": [float(tf.reduce_sum(tf.abs(kernel))) for kernel in kernels],
}))
"""


def test_rates_are_set_on_every_device_of_a_strategy():
    done = subprocess.run(
        [sys.executable, "-c", MIRRORED],
        env=subprocess_environment(),
        cwd=pathlib.Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["set"] == pytest.approx(0.1, rel=0.0501) == found["measured"]
    assert found["again"] is None
    assert len(found["kernels"]) == 2 and found["kernels"][0] == found["kernels"][1] > 0
