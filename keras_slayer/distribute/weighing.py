"""A training step in which every sample counts the same, however replicas share a batch."""

from __future__ import annotations

import functools

import keras
import tensorflow as tf

_MEANS = ("mean", "sum_over_batch_size")


def weigh_samples() -> None:
    """Makes `fit` and `evaluate` count every sample the same under a distribution strategy.

    Keras takes the mean of the replicas' means. Where a batch does not divide by the number of
    replicas, which is mostly the last of an epoch, samples of the smaller shares count more, and a
    replica that gets nothing takes its share of the step away. With this, a step is

        gradient = sum over replicas r of (n_r / n) * gradient of the mean over the n_r samples of r

    of n samples in all: what one device does with the whole batch. It costs one number more to sum
    over the replicas per step.

    It sets `keras.Model.train_step`, for this process and until it ends; models that have a
    `train_step` of their own, strategies of one replica, and losses that are not means over the
    batch (`reduction="sum"`, `"mean_with_sample_weight"`, `None`) are left to themselves. Call it
    before `fit`; calling it again does nothing.
    """
    if not getattr(keras.Model.train_step, "weighs_samples", False):
        keras.Model.train_step = _weighing(keras.Model.train_step)


def share_of_batch(samples: tf.Tensor) -> tf.Tensor:
    """The samples of this replica, as a multiple of what an equal share would be; float32.

    For steps of your own, in a replica's context: multiply the mean over the replica's samples by
    it, and divide by the number of replicas; the gradients' sum is then that of the whole batch.

    Args:
        samples: how many samples this replica has, a scalar.
    """
    context = tf.distribute.get_replica_context()
    samples = tf.cast(samples, tf.float32)
    total = context.all_reduce(tf.distribute.ReduceOp.SUM, samples)
    replicas = tf.cast(context.num_replicas_in_sync, tf.float32)
    return tf.math.divide_no_nan(samples * replicas, total)


def _weighing(original):
    @tf.autograph.experimental.do_not_convert
    @functools.wraps(original)
    def train_step(self, data):
        if not _applies(self):
            return original(self, data)
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        samples = tf.shape(next(v for v in tf.nest.flatten(x) if v is not None))[0]
        share = share_of_batch(samples)
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(
                x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=True
            )
            # Keras divides by the number of replicas, so that the sum over them is a mean.
            scaled = self.optimizer.scale_loss(loss * tf.cast(share, loss.dtype))
        weights = self.trainable_weights
        self.optimizer.apply_gradients(zip(tape.gradient(scaled, weights), weights, strict=True))
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss * replicas, sample_weight=samples)
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    train_step.weighs_samples = True
    return train_step


def _applies(model) -> bool:
    losses = [loss for loss in tf.nest.flatten(model.loss) if isinstance(loss, keras.Loss)]
    return (
        tf.distribute.in_cross_replica_context() is False
        and tf.distribute.get_strategy().num_replicas_in_sync > 1
        and model.optimizer is not None
        and bool(model.trainable_weights)
        and all(loss.reduction in _MEANS for loss in losses)
    )
