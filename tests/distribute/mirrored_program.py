"""Trains on one device, and on two under MirroredStrategy; prints the histories as JSON."""

import json

import keras
import tensorflow as tf
from networks import BATCH, OPTIMIZERS, compiled, data, every_layer, small

import keras_slayer as ks
from keras_slayer import distribute

cpus = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpus[0], [tf.config.LogicalDeviceConfiguration()] * 2)
x, y = data()
batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH)


def train(strategy, optimizer, network=every_layer, callbacks=()):
    keras.utils.clear_session()  # names of layers count from the beginning
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = compiled(network(), OPTIMIZERS[optimizer]())
    before = [v.numpy().copy() for v in model.trainable_variables]
    history = model.fit(batches, epochs=3, shuffle=False, verbose=0, callbacks=[*callbacks])
    moved = [
        abs(v.numpy() - old).max() > 0
        for v, old in zip(model.trainable_variables, before, strict=True)
    ]
    return model, {
        "history": history.history,
        "unmoved": len(moved) - sum(map(bool, moved)),
        "optimizer": type(model.optimizer).__name__,
    }


def with_callbacks(strategy):
    """ScaledAdam, the callbacks of the package, and what comes after training."""
    callbacks = [ks.SetFiringRates(x, rate={"out": 0.1}, tolerance=0.5), ks.FiringRateMonitor(x)]
    model, found = train(strategy, "scaled", callbacks=callbacks)
    found["evaluated"] = model.evaluate(batches, verbose=0)
    found["counts"] = model.predict(batches, verbose=0).sum(axis=(1, 2)).tolist()
    return found


one, two = tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert two.num_replicas_in_sync == 2
found = {"keras": [train(strategy, "adam", small)[1] for strategy in (one, two)]}
distribute.weigh_samples()
# One device trains as before: test_distribute_parts.py.
found["weighed"] = [found["keras"][0], train(two, "adam", small)[1]]
found["scaled"] = [with_callbacks(strategy) for strategy in (one, two)]
print(json.dumps(found))
