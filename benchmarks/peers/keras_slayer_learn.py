"""This package's recipe for the dense network, SRM neurons."""

import argparse
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "examples"))

import keras
import nmnist
import numpy as np
import tensorflow as tf
from peers import learning

import keras_slayer as ks

BATCH = 8
# In the 1 ms steps of the recordings that all libraries get, once over each version of them.
RECIPE = {"dt": 1.0, "learning_rate": 3e-3, "epochs": 25, "dropout": 0.3}


def make(task, recordings):
    tf.config.threading.set_intra_op_parallelism_threads(task.threads)
    tf.config.threading.set_inter_op_parallelism_threads(task.threads)
    keras.utils.set_random_seed(task.seed)
    arguments = argparse.Namespace(
        network="mlp",
        neuron="srm",
        gradient="slayer",
        surrogate="exponential",
        surrogate_tau=None,
    )
    model = nmnist.build_model(arguments, RECIPE)
    schedule = keras.optimizers.schedules.CosineDecay(
        RECIPE["learning_rate"], RECIPE["epochs"] * recordings.samples // BATCH
    )
    model.compile(ks.ScaledAdam(schedule), loss=ks.SpikeMaxLoss())

    def images(spikes):
        return tf.constant(spikes.reshape(*spikes.shape[:2], *nmnist.SENSOR))

    def step(spikes, labels):
        model.train_on_batch(images(spikes), tf.constant(labels))

    def predict(spikes):
        return np.argmax(model.predict_on_batch(images(spikes)).sum(axis=1), axis=-1)

    return learning.Trainer(BATCH, RECIPE["epochs"], step, predict)


if __name__ == "__main__":
    learning.run(make)
