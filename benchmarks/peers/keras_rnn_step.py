"""Keras without this package: an RNN cell of leaky neurons, the products outside its loop.

Variants: "graph" and "xla" (`jit_compile`).
"""

import math
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf
from peers import protocol
from peers.networks import Conv, Pool

# Width of the surrogate, thresholds: keras_slayer's default.
SURROGATE_WIDTH = 0.3


@tf.custom_gradient
def spike(membrane):
    def grad(upstream):
        return upstream * tf.exp(-tf.abs(membrane - 1) / SURROGATE_WIDTH) / SURROGATE_WIDTH

    return tf.cast(membrane >= 1, membrane.dtype), grad


class LeakyCell(keras.layers.Layer):
    """v[t] = keep v[t-1] (1 - s[t-1]) + z[t], s[t] = v[t] >= 1."""

    def __init__(self, units, keep):
        super().__init__()
        self.units = self.output_size = units
        self.state_size = [units]
        self.keep = keep

    def call(self, inputs, states):
        membrane = self.keep * states[0] + inputs
        fired = spike(membrane)
        return fired, [membrane * (1 - fired)]


class OverFrames(keras.layers.Layer):
    """A layer for images on every step of (batch, time, height, width, channels)."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def build(self, shape):
        self.layer.build((None, *shape[2:]))
        self.built = True

    def call(self, x):
        out = self.layer(tf.reshape(x, [-1, *x.shape[2:]]))
        return tf.reshape(out, [-1, x.shape[1], *out.shape[1:]])


class SumPool(keras.layers.Layer):
    def __init__(self, size, weight):
        super().__init__()
        self.size, self.scale = size, size**2 * weight

    def call(self, frames):
        return tf.nn.avg_pool2d(frames, self.size, self.size, "VALID") * self.scale


def synapse(layer, kernel):
    spec = layer.spec
    if isinstance(spec, Pool):
        return OverFrames(SumPool(spec.size, protocol.pool_weight(kernel)))
    deviation = protocol.weight_deviation(kernel, layer.fan_in, layer.rate)
    initializer = keras.initializers.RandomNormal(0, deviation)
    options = {"use_bias": False, "kernel_initializer": initializer}
    if isinstance(spec, Conv):
        same = "same" if spec.padding else "valid"
        return OverFrames(keras.layers.Conv2D(spec.filters, spec.kernel, padding=same, **options))
    return keras.layers.Dense(spec.units, **options)


def neurons(units, tau):
    return keras.layers.RNN(LeakyCell(units, math.exp(-1 / tau)), return_sequences=True)


def build(settings):
    """Model with the spikes of every layer, the last one's as the counts' source."""
    network = settings.network
    kernel = protocol.lif_kernel(network.tau)
    x = inputs = keras.Input(settings.shape[1:], batch_size=settings.batch)
    fired = []
    for layer in network.layers(settings.density):
        if len(layer.outputs) == 1 and len(x.shape) == 5:
            x = keras.layers.Reshape((settings.steps, -1))(x)
        z = synapse(layer, kernel)(x)
        z = keras.layers.Reshape((settings.steps, -1))(z)
        x = neurons(layer.neurons, network.tau)(z)
        fired.append(x)
        if len(layer.outputs) == 3:
            x = keras.layers.Reshape((settings.steps, *layer.outputs))(x)
    return keras.Model(inputs, x), keras.Model(inputs, fired)


def count_loss(y, spikes):
    logits = protocol.LOSS_SCALE * tf.reduce_sum(spikes, axis=1)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(y, tf.int32), logits)


def prepare_network(settings):
    model, probe = build(settings)
    model.compile(
        keras.optimizers.Adam(protocol.LEARNING_RATE),
        loss=count_loss,
        jit_compile=settings.variant == "xla",
    )
    x, y = protocol.events(settings, model.output_shape[-1])
    x, y = tf.constant(x), tf.constant(y, tf.int32)

    losses = []

    def step():
        losses.append(float(model.train_on_batch(x, y)))

    @tf.function  # the loops of an eager call take minutes
    def measure():
        return [tf.reduce_mean(spikes) for spikes in keras.tree.flatten(probe(x))]

    def facts():
        rates = [float(rate) for rate in measure()]
        weights = sum(math.prod(weight.shape) for weight in model.trainable_weights)
        return {"losses": losses, "rates": rates, "weights": weights}

    return step, facts


def prepare_neurons(settings):
    deviation = protocol.weight_deviation(protocol.lif_kernel(settings.network.tau), 1, 1.0)
    z, grad_spikes = (tf.constant(noise) for noise in protocol.noise(settings))
    z *= deviation
    fire = neurons(z.shape[-1], settings.network.tau)
    fire.build(z.shape)

    @tf.function(jit_compile=settings.variant == "xla")
    def forward_backward(z, grad_spikes):
        with tf.GradientTape() as tape:
            tape.watch(z)
            spikes = fire(z)
        return spikes, tape.gradient(spikes, z, output_gradients=grad_spikes)

    def step():
        forward_backward(z, grad_spikes)

    def facts():
        spikes, grad = forward_backward(z, grad_spikes)
        if not tf.reduce_all(tf.math.is_finite(grad)) or not tf.reduce_any(grad != 0):
            raise RuntimeError("the gradient is zero or not finite")
        return {"rates": [float(tf.reduce_mean(spikes))]}

    return step, facts


def prepare(settings):
    tf.config.threading.set_intra_op_parallelism_threads(settings.threads)
    tf.config.threading.set_inter_op_parallelism_threads(settings.threads)
    keras.utils.set_random_seed(1)
    prepared = prepare_network(settings) if settings.network.specs else prepare_neurons(settings)
    return protocol.Work(*prepared, ("keras", "tensorflow"))


if __name__ == "__main__":
    protocol.serve(prepare, ("graph", "xla"))
