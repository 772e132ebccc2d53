"""Random graphs of populations in the chip's integers."""

import numpy as np
from random_networks import RandomNetworks

from keras_slayer.export.graph import (
    Connection,
    ConvSynapses,
    DenseSynapses,
    IntegerGraph,
    Population,
)


class RandomGraphs(RandomNetworks):
    """Draws graphs: branches, sums, skips, recurrence, neurons that a bias alone drives."""

    def __init__(self, seed):
        super().__init__(seed)
        # Of its own, so that graphs do not change with it but for this.
        self._of_windows = np.random.default_rng([seed, 1])

    def late(self, *steps):
        """The delay of a convolution."""
        return int(self._of_windows.choice(steps))

    def graph(self, populations=None, recurrent=True, delays=True):
        """A graph of 1 or 2 inputs, 2 to 5 populations, 1 or 2 outputs.

        Args:
            populations: how many; default: random.
            recurrent: whether populations may feed themselves.
            delays: whether synapses may have delays.
        """
        inputs = {f"in {i}": self.shape() for i in range(self.rng.integers(1, 3))}
        shapes, found = dict(inputs), {}
        for i in range(populations or self.rng.integers(2, 6)):
            name = f"layer {i}"
            first, connections = self.connections(shapes, delays)
            if recurrent and self.rng.random() < 0.4:
                connections.append(Connection(name, self.synapses(first, first, delays)))
            bias = self.bias(first[-1])
            if bias is None and not connections:
                bias = self.rng.integers(1, 300, first[-1]).astype(np.int32)
            order = self.rng.permutation(len(connections))
            found[name] = Population(
                first, self.neuron(), tuple(connections[k] for k in order), bias
            )
            shapes[name] = first
        outputs = [name for name in found if not list(_targets(found, name))]
        outputs += [name for name in found if name not in outputs and self.rng.random() < 0.2]
        return IntegerGraph(inputs, found, tuple(outputs))

    def connections(self, shapes, delays):
        """The shape of a new population, and 0 to 3 connections from what is there."""
        # More often from late ones, so that graphs get deep.
        names = list(shapes)
        count = self.choice(0, 1, 1, 1, 2, 2, 3)
        chosen = [names[-1 - min(int(self.rng.exponential(1.5)), len(names) - 1)] for _ in "123"]
        shape = self.shape()
        if count and len(shapes[chosen[0]]) == 3 and self.rng.random() < 0.6:
            layer = self.conv(shapes[chosen[0]])
            late = self.late(0, 0, 0, 1, 3) if delays else 0
            synapses = ConvSynapses(
                layer.weight, layer.strides, layer.padding, layer.dilation, layer.groups, late
            )
            shape = layer.output_shape(shapes[chosen[0]])
            first = [Connection(chosen[0], synapses)]
        else:
            first = [Connection(n, self.synapses(shapes[n], shape, delays)) for n in chosen[:1]]
        more = [Connection(n, self.synapses(shapes[n], shape, delays)) for n in chosen[1:]]
        return shape, (first + more)[:count]

    def shape(self):
        image = tuple(int(n) for n in self.rng.integers((2, 2, 1), (7, 7, 4)))
        return self.choice(image, (int(self.rng.integers(1, 20)),))

    def synapses(self, source, shape, delays):
        """Dense, or of windows that keep height and width where both are images of one size."""
        if len(source) == len(shape) == 3 and source[:2] == shape[:2] and self.rng.random() < 0.7:
            reach = self.rng.integers(0, 2, 2)
            dilation = self.rng.integers(1, 3, 2)
            both = [g for g in range(1, 4) if source[2] % g == 0 and shape[2] % g == 0]
            groups = self.choice(*both)
            weight = self.weight(*(2 * reach + 1), source[2] // groups, shape[2])
            padding = tuple(int(n) for n in reach * dilation)
            late = self.late(0, 0, 1, 1, 4) if delays else 0
            return ConvSynapses(weight, (1, 1), padding, tuple(map(int, dilation)), groups, late)
        layer = self.dense(int(np.prod(source)), int(np.prod(shape)))
        return DenseSynapses(layer.weight, layer.delay if delays else None)

    def graph_spikes(self, graph, batch=3, steps=40):
        """Spikes by the names of the inputs."""
        return {
            name: (self.rng.random((batch, steps, *shape)) < self.choice(0.02, 0.2, 0.9)).astype(
                np.float32
            )
            for name, shape in graph.inputs.items()
        }


def _targets(populations, name):
    for other, population in populations.items():
        if other != name and any(c.source == name for c in population.connections):
            yield other
