"""Trains on one device, and on two under MirroredStrategy; prints the histories as JSON."""

import json

import keras
import tensorflow as tf
from networks import BATCH, OPTIMIZERS, compiled, data, every_layer

import keras_slayer as ks
from keras_slayer import distribute

cpus = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpus[0], [tf.config.LogicalDeviceConfiguration()] * 2)
x, y = data()
weighed = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH)


def train(strategy, optimizer, callbacks=(), epochs=3):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = compiled(every_layer(), OPTIMIZERS[optimizer]())
    before = [v.numpy().copy() for v in model.trainable_variables]
    history = model.fit(weighed, epochs=epochs, shuffle=False, verbose=0, callbacks=[*callbacks])
    moved = [
        v.path
        for v, old in zip(model.trainable_variables, before, strict=True)
        if abs(v.numpy() - old).max() > 0
    ]
    return {
        "history": history.history,
        "evaluated": model.evaluate(weighed, verbose=0),
        "moved": len(moved),
        "optimizer": type(model.optimizer).__name__,
        "counts": model.predict(weighed, verbose=0).sum(axis=(1, 2)).tolist(),
    }


def callbacks():
    return [ks.SetFiringRates(x, rate={"out": 0.1}, tolerance=0.5), ks.FiringRateMonitor(x)]


one, two = tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert two.num_replicas_in_sync == 2
found = {"keras": train(two, "adam")["history"]}
distribute.weigh_samples()
for name in OPTIMIZERS:
    found[name] = [train(strategy, name) for strategy in (one, two)]
found["callbacks"] = [train(strategy, "scaled", callbacks()) for strategy in (one, two)]
print(json.dumps(found))
