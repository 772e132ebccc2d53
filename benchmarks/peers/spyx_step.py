"""Spyx: LIF neurons in its loop over time (JAX), the products outside that loop."""

import json
import math
import os
import sys

# XLA's threads; read once, at the first computation.
os.environ["NPROC"] = str(json.loads(sys.argv[1])["threads"])

import jax
import jax.numpy as jnp
import optax
import spyx
from flax import nnx
from peers import protocol
from peers.networks import Conv, Pool

PACKAGES = ("spyx", "flax", "jax")


class SumPool(nnx.Module):
    def __init__(self, size, weight):
        self.pool = spyx.nn.SumPool((size, size), (size, size), "VALID")
        self.weight = weight

    def __call__(self, frames):
        return self.pool(frames) * self.weight


def make_synapse(layer, kernel, rngs):
    spec = layer.spec
    if isinstance(spec, Pool):
        return SumPool(spec.size, protocol.pool_weight(kernel))
    deviation = protocol.weight_deviation(kernel, layer.fan_in, layer.rate)
    options = {"use_bias": False, "kernel_init": nnx.initializers.normal(deviation), "rngs": rngs}
    if isinstance(spec, Conv):
        window, padding = (spec.kernel, spec.kernel), "SAME" if spec.padding else "VALID"
        return nnx.Conv(layer.inputs[2], spec.filters, window, padding=padding, **options)
    return nnx.Linear(layer.fan_in, spec.units, **options)


def make_neurons(shape, tau, rngs):
    return spyx.nn.LIF(shape, beta=math.exp(-1 / tau), rngs=rngs)


class Net(nnx.Module):
    def __init__(self, settings):
        network, rngs = settings.network, nnx.Rngs(1)
        self.layers = nnx.static(network.layers(settings.density))
        kernel = protocol.lif_kernel(network.tau)
        self.synapses = nnx.List(make_synapse(layer, kernel, rngs) for layer in self.layers)
        self.neurons = nnx.List(
            make_neurons(layer.outputs, network.tau, rngs) for layer in self.layers
        )

    def __call__(self, x):
        """Spikes (time, batch, ...) of every layer."""
        fired, time_batch = [], x.shape[:2]
        for layer, synapse, neurons in zip(self.layers, self.synapses, self.neurons, strict=True):
            dense = len(layer.outputs) == 1
            z = synapse(x.reshape(-1, *([layer.fan_in] if dense else layer.inputs)))
            x, _ = spyx.nn.run(neurons, z.reshape(*time_batch, *layer.outputs))
            fired.append(x)
        return fired


def prepare_network(settings):
    network = settings.network
    # The decays of the neurons are parameters too, and stay as they are.
    graph, weights, fixed = nnx.split(Net(settings), nnx.PathContains("kernel"), ...)
    x, y = protocol.events(settings, network.layers()[-1].outputs[-1])
    x, y = jnp.asarray(x.swapaxes(0, 1)), jnp.asarray(y)
    optimizer = optax.adam(protocol.LEARNING_RATE)
    state = weights, optimizer.init(weights)

    def loss_of(weights, x, y):
        logits = protocol.LOSS_SCALE * nnx.merge(graph, weights, fixed)(x)[-1].sum(0)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    def train(state, x, y):
        weights, moments = state
        loss, gradient = jax.value_and_grad(loss_of)(weights, x, y)
        updates, moments = optimizer.update(gradient, moments, weights)
        return (optax.apply_updates(weights, updates), moments), loss

    train = jax.jit(train, donate_argnums=0)
    losses = []

    def step():
        nonlocal state
        state, loss = train(state, x, y)
        losses.append(float(loss))

    def facts():
        measure = jax.jit(lambda weights: [s.mean() for s in nnx.merge(graph, weights, fixed)(x)])
        count = sum(leaf.size for leaf in jax.tree.leaves(weights))
        return {
            "losses": losses,
            "rates": [float(rate) for rate in measure(state[0])],
            "weights": count,
        }

    return step, facts


def prepare_neurons(settings):
    tau = settings.network.tau
    deviation = protocol.weight_deviation(protocol.lif_kernel(tau), 1, 1.0)
    z, grad_spikes = (jnp.asarray(noise.swapaxes(0, 1)) for noise in protocol.noise(settings))
    z *= deviation
    neurons = make_neurons(z.shape[2:], tau, nnx.Rngs(1))

    @jax.jit
    def forward_backward(z, grad_spikes):
        spikes, backward = jax.vjp(lambda z: spyx.nn.run(neurons, z)[0], z)
        return spikes, backward(grad_spikes)[0]

    def step():
        jax.block_until_ready(forward_backward(z, grad_spikes))

    def facts():
        spikes, grad = forward_backward(z, grad_spikes)
        if not jnp.isfinite(grad).all() or not grad.any():
            raise RuntimeError("the gradient is zero or not finite")
        return {"rates": [float(spikes.mean())]}

    return step, facts


def prepare(settings):
    prepared = prepare_network(settings) if settings.network.specs else prepare_neurons(settings)
    return protocol.Work(*prepared, PACKAGES)


if __name__ == "__main__":
    protocol.serve(prepare, ("lif",))
