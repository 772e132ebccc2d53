"""Losses away from their defaults, and what the tests of losses share."""

import numpy as np
import tensorflow as tf

from keras_slayer.losses import SpikeCountLoss, SpikeMaxLoss, SpikeRateLoss, SpikeTimeLoss

LOSSES = [
    SpikeTimeLoss(tau=4.0, dt=2.0),
    SpikeCountLoss(8, 2, region=(2, 12), dt=2.0),
    SpikeRateLoss(0.5, 0.125, region=(0, 4)),
    SpikeMaxLoss(scale=0.5),
]
LABEL_LOSSES = LOSSES[1:]
names = lambda loss: type(loss).__name__  # noqa: E731


def random_spikes(*shape, rate=0.3):
    return (np.random.default_rng(7).random(shape) < rate).astype("float32")


def gradient(loss, y_true, y_pred):
    y_pred = tf.constant(y_pred)
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        value = loss(y_true, y_pred)
    return value.numpy(), tape.gradient(value, y_pred).numpy()
