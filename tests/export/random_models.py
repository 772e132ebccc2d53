"""Random models of branches, loops and delays, with weights on the chip's grid."""

import keras
import numpy as np
from graph_cases import SLOW, conv, dense, enliven, per_step
from model_cases import FAST, NEURON, STEPS

import keras_slayer as ks

L = keras.layers


class RandomModels:
    """Draws functional models: each step reads one or two of the spikes that are there."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def choice(self, options):
        return options[self.rng.integers(len(options))]

    def neuron(self):
        return self.choice([NEURON, FAST, SLOW])

    def like(self, value, known):
        """Another value of the same shape, itself if there is none."""
        return self.choice([other for other in known if other.shape == value.shape])

    def delayed(self, value, longest, per="channel"):
        seed = int(self.rng.integers(1000))
        times = keras.initializers.RandomUniform(0, longest, seed=seed)
        return ks.DelayLayer(longest, per=per, delay_initializer=times)(value)

    def vector_step(self, known):
        x = self.choice(known)
        units, neuron = int(self.rng.integers(3, 8)), self.neuron()
        kind = self.rng.integers(7)
        if kind == 0:
            return dense(units, neuron, use_bias=bool(self.rng.integers(2)))(x)
        if kind == 1:
            return dense(x.shape[-1], neuron)(L.Add()([x, self.like(x, known)]))
        if kind == 2:
            return dense(units, neuron)(L.Concatenate()([x, self.choice(known)]))
        if kind == 3:
            return ks.SpikingRecurrentDense(units, neuron=neuron)(x)
        if kind == 4:
            return dense(units, neuron)(self.delayed(x, 9, self.choice(["channel", "neuron"])))
        if kind == 5:
            sides = [L.Dense(units, use_bias=bool(self.rng.integers(2)))(v) for v in (x, known[-1])]
            return ks.SpikingActivation(neuron)(L.Add()(sides))
        return L.Add()([x, self.like(x, known)])

    def image_step(self, known):
        x = self.choice(known)
        filters, neuron = int(self.rng.integers(2, 4)), self.neuron()
        kind = self.rng.integers(7)
        if kind == 0:
            bias = bool(self.rng.integers(2))
            return conv(filters, self.choice([1, 2, 3]), neuron, use_bias=bias)(x)
        if kind == 1:
            return L.Add()([x, self.like(x, known)])
        if kind == 2:
            return L.Concatenate()([x, self.choice(known)])
        if kind == 3:
            # All channels by as much: the chip's convolutions have no delays of their own.
            times = keras.initializers.Constant(float(self.rng.integers(4)))
            return conv(filters, 3, neuron)(ks.DelayLayer(delay_initializer=times)(x))
        if kind == 4:
            size = self.choice([1, 2, 3])
            return ks.SpikingRecurrentConv2D(
                filters, 2, padding="same", neuron=neuron, recurrent_kernel_size=size
            )(x)
        if kind == 5:
            bias = bool(self.rng.integers(2))
            sides = [per_step(filters, use_bias=bias)(v) for v in (x, known[-1])]
            return ks.SpikingActivation(neuron)(L.Add()(sides))
        return ks.SpikingSumPooling2D(2, strides=1, padding="same", neuron=neuron)(x)

    def model(self):
        known = [keras.Input((STEPS, *self.choice([(8,), (4, 5, 2)])))]
        inputs = known[0]
        step = self.vector_step if len(inputs.shape) == 3 else self.image_step
        for _ in range(int(self.rng.integers(3, 7))):
            known.append(step(known))
        last = [ks.Flatten()(value) if len(inputs.shape) > 3 else value for value in known[-2:]]
        outputs = [dense(4, self.neuron())(L.Concatenate()(last))]
        if self.rng.random() < 0.3:
            outputs.append(dense(3)(last[-1]))
        return enliven(keras.Model(inputs, outputs), int(self.rng.integers(1000)))
