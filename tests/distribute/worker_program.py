"""One worker of a cluster: everything that the tests of several workers look at.

Arguments: the phase, "first" (worker 1 is killed in it) or "again", and a folder.
Prints one line of JSON of what was found, after "FOUND ".
"""

import json
import os
import pathlib
import signal
import sys

import keras
import numpy as np
import tensorflow as tf
from networks import BATCH, compiled, data, scaled_adam, small

import keras_slayer as ks
from keras_slayer import distribute
from keras_slayer.events import Events, from_arrays, spike_pipeline

phase, folder = sys.argv[1], pathlib.Path(sys.argv[2])
strategy = tf.distribute.MultiWorkerMirroredStrategy()
index = strategy.cluster_resolver.task_id
x, y = data()
batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH)
EPOCHS, KILLED_IN = 4, 2


def new_model():
    keras.utils.set_random_seed(0)
    with strategy.scope():
        return compiled(small(), scaled_adam())


def fit(model, **options):
    options = {"epochs": EPOCHS, "shuffle": False, "verbose": 0, **options}
    return model.fit(batches, **options).history


def refused() -> str:
    try:
        fit(new_model(), epochs=1)
    except ValueError as error:
        return str(error)[:60]
    return ""


def own_loop():
    """The loop of docs/scale.md; the loss of each epoch."""
    model = new_model()
    loss_of = ks.SpikeMaxLoss(0.1, reduction="none")

    @tf.function
    def step(x, y):
        def of_replica(x, y):
            samples = tf.shape(x)[0]
            context = tf.distribute.get_replica_context()
            total = context.all_reduce(tf.distribute.ReduceOp.SUM, samples)
            with tf.GradientTape() as tape:
                losses = tf.reduce_sum(loss_of(y, model(x, training=True)))
                loss = losses / tf.cast(total, losses.dtype)
            weights = model.trainable_variables
            # apply_gradients adds up the gradients of all replicas.
            model.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            return losses

        return strategy.reduce("SUM", strategy.run(of_replica, args=(x, y)), axis=None)

    distributed = strategy.experimental_distribute_dataset(batches)
    return [sum(float(step(*b)) for b in distributed) / len(x) for _ in range(EPOCHS)]


def shards():
    """Fits on a sharded pipeline; the labels that this worker saw in each of two epochs."""
    numbers = range(9)  # five recordings for one worker, four for the other
    events = [Events(x=[n], y=[0], t=[n * 1000], polarity=[0]) for n in numbers]
    recordings = from_arrays(events, list(numbers), sensor_shape=(1, 9))

    def make(context):
        return spike_pipeline(
            recordings,
            steps=9,
            batch_size=context.get_per_replica_batch_size(4),
            shard=(context.num_input_pipelines, context.input_pipeline_id),
        )

    distributed = strategy.distribute_datasets_from_function(make)
    with strategy.scope():
        layers = [keras.layers.Flatten(), keras.layers.Dense(9, kernel_initializer="zeros")]
        model = keras.Sequential([keras.Input((9, 1, 9, 2)), *layers])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.5), loss)
    losses = model.fit(distributed, epochs=2, shuffle=False, verbose=0).history["loss"]
    try:
        model.fit(spike_pipeline(recordings, steps=9, batch_size=2, shard=(2, index)))
        refusal = ""
    except ValueError as error:
        refusal = str(error)
    seen = []
    for _ in range(2):
        labels = [strategy.experimental_local_results(y)[0] for _, y in distributed]
        seen.append(np.concatenate(labels).tolist())
    return {
        "losses": losses,
        "refusal": refusal,
        "steps": int(model.optimizer.iterations.numpy()),
        "seen": seen,
    }


class Killed(keras.callbacks.Callback):
    """Ends worker 1 in the middle of an epoch, as the system would when memory is short."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if index == 1 and self.epoch == KILLED_IN and batch == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def tell(found) -> None:
    print("FOUND " + json.dumps({"worker": index, **found}), flush=True)


if phase == "first":
    found = {"refused": refused(), "enabled": distribute.enable_multi_worker()}
    model = new_model()
    monitor = ks.FiringRateMonitor(x)
    found["history"] = fit(model, validation_data=(x, y), callbacks=[monitor])
    found["evaluated"] = model.evaluate(batches, verbose=0)
    counts = model.predict(batches, verbose=0).sum(axis=1)
    found["predicted"] = counts.shape, float(counts.sum()), float(model(x).numpy().sum())
    found["optimizer"] = type(model.optimizer).__name__
    found["loop"] = own_loop()
    found["shards"] = shards()
    tell(found)

distribute.enable_multi_worker()
# Each in a folder of its own, as on machines that share no disk: the chief's is what counts.
own = folder / f"worker{index}"
backup = distribute.BackupAndRestore(own)
model = new_model()
last = fit(model, callbacks=[backup, *([Killed()] if phase == "first" else [])])
tell({"loss": last["loss"], "left": sorted(p.name for p in own.rglob("*") if p.is_file())})
