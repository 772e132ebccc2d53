"""TensorFlow alone: leaky integrators as Toeplitz products over time, without a loop or a reset.

A neuron fires at every step at which its membrane is over threshold: there is neither a
reset nor a refractory response, which is what makes the membrane a linear filter. This
is less work than the other candidates do, and neurons fire in longer bursts.

Tensors have time first. Variants: "xla neurons" compiles the neurons (`jit_compile`), with the
products TensorFlow's own kernels; "sparse input" does too, and makes the first layer's input
a `tf.SparseTensor` in each step; "xla step" compiles the whole step.
"""

import math
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from peers import protocol
from peers.keras_rnn_step import spike
from peers.networks import Conv, Pool

# Steps of a block at most; of 10, 20, 25, 50, 75 and the whole time the fastest.
BLOCK = 10
# Of the usual weights, in pools and other layers after the first: without a reset the neurons
# before them fire in bursts, and the last layers would fire half of the time.
POOL_SHARE, SHARE = 0.5, 0.8


def toeplitz(size, keep, delay=0):
    """Lower triangular (size, size): keep^(t - t' - delay) of output t and input t'."""
    lag = np.subtract.outer(np.arange(size), np.arange(size)) - delay
    return tf.constant(np.where(lag >= 0, keep ** np.maximum(lag, 0), 0), tf.float32)


def membrane(z, tau):
    """v[t] = exp(-1/tau) v[t-1] + z[t] of z (time, ...).

    In blocks of steps, each one product with the same Toeplitz matrix. What a block gets
    from the blocks before it is the last membrane of each, again filtered by a Toeplitz
    matrix, and decays from the block's first step on. Less than a tenth of the work of one
    product with the Toeplitz matrix of the whole time.
    """
    steps, keep = z.shape[0], math.exp(-1 / tau)
    length = max(size for size in range(1, BLOCK + 1) if steps % size == 0)
    count = steps // length
    within = tf.tile(toeplitz(length, keep)[None], [count, 1, 1])
    from_rest = within @ tf.reshape(z, [count, length, -1])
    carried = toeplitz(count, keep**length, delay=1) @ from_rest[:, -1]
    decay = tf.constant(keep ** np.arange(1, length + 1), tf.float32)
    return tf.reshape(from_rest + decay[:, None] * carried[:, None], z.shape)


class Synapse:
    """Products of one layer, on frames (time * batch, ...)."""

    def __init__(self, layer, first, settings):
        spec, kernel = layer.spec, protocol.lif_kernel(settings.network.tau)
        self.layer, self.weights = layer, []
        self.sparse = first and settings.variant == "sparse input"
        if isinstance(spec, Pool):
            share = 1.0 if first else POOL_SHARE
            self.scale = spec.size**2 * share * protocol.pool_weight(kernel)
            return
        shape = (layer.fan_in, layer.outputs[-1])
        if isinstance(spec, Conv):
            shape = (spec.kernel, spec.kernel, layer.inputs[2], spec.filters)
        share = 1.0 if first else SHARE
        deviation = share * protocol.weight_deviation(kernel, layer.fan_in, layer.rate)
        self.weights = [tf.Variable(tf.random.normal(shape, stddev=deviation))]

    def __call__(self, frames):
        spec = self.layer.spec
        if isinstance(spec, Pool):
            return tf.nn.avg_pool2d(frames, spec.size, spec.size, "VALID") * self.scale
        (weights,) = self.weights
        if isinstance(spec, Conv):
            return tf.nn.conv2d(frames, weights, 1, "SAME" if spec.padding else "VALID")
        flat = tf.reshape(frames, [-1, self.layer.fan_in])
        if self.sparse:
            return tf.sparse.sparse_dense_matmul(tf.sparse.from_dense(flat), weights)
        return flat @ weights


def prepare_network(settings):
    network = settings.network
    layers = network.layers(settings.density)
    synapses = [Synapse(layer, index == 0, settings) for index, layer in enumerate(layers)]
    weights = [variable for synapse in synapses for variable in synapse.weights]
    optimizer = keras.optimizers.Adam(protocol.LEARNING_RATE)
    optimizer.build(weights)
    x, y = protocol.events(settings, layers[-1].outputs[-1])
    x, y = tf.constant(np.ascontiguousarray(x.swapaxes(0, 1))), tf.constant(y, tf.int32)
    time_batch = [settings.steps, settings.batch]

    @tf.function(jit_compile=True)
    def fire(z):
        return spike(membrane(z, network.tau))

    def forward(x):
        """Spikes (time, batch, ...) of every layer."""
        fired = []
        for layer, synapse in zip(layers, synapses, strict=True):
            z = synapse(tf.reshape(x, [-1, *layer.inputs]))
            x = fire(tf.reshape(z, time_batch + list(layer.outputs)))
            fired.append(x)
        return fired

    @tf.function(jit_compile=settings.variant == "xla step")
    def train(x, y):
        with tf.GradientTape() as tape:
            logits = protocol.LOSS_SCALE * tf.reduce_sum(forward(x)[-1], axis=0)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        optimizer.apply(tape.gradient(loss, weights))
        return loss

    losses = []

    def step():
        losses.append(float(train(x, y)))

    @tf.function
    def measure():
        return [tf.reduce_mean(spikes) for spikes in forward(x)]

    def facts():
        count = sum(math.prod(variable.shape) for variable in weights)
        return {"losses": losses, "rates": [float(rate) for rate in measure()], "weights": count}

    return step, facts


def prepare_neurons(settings):
    tau = settings.network.tau
    deviation = protocol.weight_deviation(protocol.lif_kernel(tau), 1, 1.0)
    z, grad_spikes = (
        tf.constant(np.ascontiguousarray(noise.swapaxes(0, 1)))
        for noise in protocol.noise(settings)
    )
    z *= deviation

    @tf.function(jit_compile=True)
    def forward_backward(z, grad_spikes):
        with tf.GradientTape() as tape:
            tape.watch(z)
            spikes = spike(membrane(z, tau))
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
    protocol.serve(prepare, ("xla neurons", "xla step", "sparse input"))
