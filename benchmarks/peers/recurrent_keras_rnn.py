"""Keras without this package: an RNN cell of leaky neurons that feed each other.

The product of the inputs is outside of its loop. Variants: "graph" and "xla" (`jit_compile`).
"""

import math

import keras
import tensorflow as tf
from peers import protocol, recurrent_work
from peers.keras_rnn_step import count_loss, neurons, spike
from peers.recurrent_work import CLASSES, INPUTS, LEARNING_RATE, TAU, UNITS


class RecurrentCell(keras.layers.Layer):
    """v[t] = keep v[t-1] (1 - s[t-1]) + z[t] + s[t-1] R, s[t] = v[t] >= 1."""

    def __init__(self, units, keep, initializer):
        super().__init__()
        self.units = self.output_size = units
        self.state_size = [units, units]
        self.keep, self.initializer = keep, initializer

    def build(self, input_shape):
        self.weights_between = self.add_weight(
            shape=(self.units, self.units), initializer=self.initializer
        )
        self.built = True

    def call(self, inputs, states):
        membrane, fired = states
        membrane = self.keep * membrane + inputs + tf.matmul(fired, self.weights_between)
        fired = spike(membrane)
        return fired, [membrane * (1 - fired), fired]


def prepare(settings):
    tf.config.threading.set_intra_op_parallelism_threads(settings.threads)
    tf.config.threading.set_inter_op_parallelism_threads(settings.threads)
    keras.utils.set_random_seed(1)
    kernel = protocol.lif_kernel(TAU)
    fed = [
        keras.initializers.RandomNormal(0, deviation)
        for deviation in recurrent_work.deviations(kernel, settings.density)
    ]
    inputs = keras.Input((settings.steps, INPUTS), batch_size=settings.batch)
    z = keras.layers.Dense(UNITS, use_bias=False, kernel_initializer=fed[0])(inputs)
    cell = RecurrentCell(UNITS, math.exp(-1 / TAU), fed[1])
    hidden = keras.layers.RNN(cell, return_sequences=True)(z)
    z = keras.layers.Dense(CLASSES, use_bias=False, kernel_initializer=fed[2])(hidden)
    outputs = neurons(CLASSES, TAU)(z)
    model, probe = keras.Model(inputs, outputs), keras.Model(inputs, [hidden, outputs])
    xla = settings.variant == "xla"
    model.compile(keras.optimizers.Adam(LEARNING_RATE), count_loss, jit_compile=xla)
    x, y = recurrent_work.events(settings)
    x, y = tf.constant(x), tf.constant(y, tf.int32)
    losses = []

    def step():
        losses.append(float(model.train_on_batch(x, y)))

    @tf.function  # the loops of an eager call take minutes
    def measure():
        return [tf.reduce_mean(spikes) for spikes in probe(x)]

    def facts():
        weights = sum(int(tf.size(weight)) for weight in model.trainable_weights)
        return {"losses": losses, "rates": [float(r) for r in measure()], "weights": weights}

    return protocol.Work(step, facts, ("keras", "tensorflow"))


if __name__ == "__main__":
    protocol.serve(prepare, ("graph", "xla"))
