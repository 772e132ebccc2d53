"""Small networks of all kinds: spiking layers before, between and after Keras' own."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
import pytest
from layer_cases import spikes

import keras_slayer as ks

STEPS, CLASSES, SAMPLES = 12, 3, 5
VECTOR, IMAGE = (STEPS, 8), (STEPS, 6, 6, 2)

# Wide surrogates, low thresholds: a gradient everywhere, spikes everywhere.
SRM = ks.SRM(threshold=0.5, tau_response=3.0, surrogate_tau=2.0)
CUBA = ks.CUBA(threshold=0.5, current_decay=0.5, voltage_decay=0.2, surrogate_tau=2.0)
LOIHI = ks.LoihiCUBA(
    threshold_mantissa=40, current_decay=2048, voltage_decay=512, surrogate_tau=2.0
)


def sequential(shape, *layers):
    return keras.Sequential([keras.Input(shape), *layers])


def lively():
    """Weights that spike on these inputs, whatever the default of the initialiser is tuned to."""
    return {"kernel_initializer": keras.initializers.RandomNormal(0.12, 0.5)}


def dense(units, neuron, **options):
    return ks.SpikingDense(units, neuron, **lively(), **options)


def conv(filters, size, neuron, **options):
    return ks.SpikingConv2D(filters, size, neuron=neuron, **lively(), **options)


def mlp(neuron):
    return sequential(VECTOR, dense(6, neuron), ks.DelayLayer(), dense(CLASSES, neuron))


def cnn(neuron):
    return sequential(
        IMAGE,
        conv(4, 3, neuron, padding="same"),
        ks.SpikingSumPooling2D(2, neuron=neuron),
        conv(4, 2, neuron, groups=2),
        ks.DelayLayer(per="neuron"),
        ks.Flatten(),
        dense(CLASSES, neuron),
    )


def around_dense():
    step = ks.PerStep
    return sequential(
        VECTOR,
        step(keras.layers.Dense(7)),
        keras.layers.BatchNormalization(),
        ks.SpikingActivation(SRM),
        keras.layers.Dropout(0.2),
        dense(6, CUBA, use_bias=True),
        keras.layers.Dense(6),
        keras.layers.BatchNormalization(),
        ks.SpikingActivation(CUBA),
        step(keras.layers.Dense(CLASSES)),
        ks.TemporalFilter([0.5, 0.5], learnable=True),
    )


def around_conv():
    step = ks.PerStep
    return sequential(
        IMAGE,
        step(keras.layers.Conv2D(4, 3, padding="same", use_bias=False)),
        keras.layers.BatchNormalization(),
        ks.SpikingActivation(SRM),
        keras.layers.SpatialDropout3D(0.1),
        conv(4, 3, SRM, strides=2, padding="same"),
        keras.layers.Conv3D(3, (1, 2, 2)),
        ks.SpikingActivation(LOIHI),
        step(keras.layers.MaxPooling2D(2)),
        step(keras.layers.Flatten()),
        dense(CLASSES, SRM),
    )


def around_recurrent():
    return sequential(
        VECTOR,
        keras.layers.GRU(6, return_sequences=True),
        dense(6, SRM),
        keras.layers.LSTM(5, return_sequences=True),
        ks.SpikingActivation(ks.SRM(threshold=0.05, surrogate_tau=5.0)),
        keras.layers.Conv1D(4, 3, padding="causal"),
        dense(CLASSES, CUBA),
        keras.layers.GRU(CLASSES, return_sequences=True),
    )


def functional():
    """Two paths from one input, joined; a residual connection; a readout of the membrane."""
    inputs = keras.Input(VECTOR)
    first = dense(6, SRM)(inputs)
    second = dense(6, CUBA)(ks.DelayLayer(max_delay=5.0)(first))
    joined = keras.layers.Concatenate()([keras.layers.Add()([first, second]), inputs])
    outputs = ks.TemporalFilter(SRM)(keras.layers.Dense(CLASSES)(joined))
    return keras.Model(inputs, outputs)


def nested():
    """A model within a model, one of its layers used twice."""
    inputs = keras.Input(VECTOR)
    shared = sequential(VECTOR, dense(8, SRM), ks.DelayLayer())
    outputs = dense(CLASSES, SRM)(shared(shared(inputs)))
    return keras.Model(inputs, outputs)


@keras.saving.register_keras_serializable(package="keras_slayer_tests")
class Subclassed(keras.Model):
    """Builds its layers on the first batch."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.blocks = [
            conv(4, 3, SRM),
            ks.SpikingSumPooling2D(2, neuron=SRM),
            ks.Flatten(),
            ks.DelayLayer(),
            keras.layers.Dropout(0.1),
            dense(CLASSES, SRM),
        ]

    def call(self, x, training=None):
        for block in self.blocks:
            x = block(x, training=training) if isinstance(block, keras.layers.Dropout) else block(x)
        return x


@dataclasses.dataclass(frozen=True)
class Network:
    build: Callable
    shape: tuple

    def make(self):
        """With random weights three outputs may stay silent: drawn again until they do not."""
        x, _ = self.data()
        for _ in range(20):
            model = self.build()
            if np.std(model(x)) > 0.1:
                return model
        raise AssertionError("no network with varied output in 20 draws")

    def data(self, samples=SAMPLES):
        labels = np.arange(samples, dtype="int32") % CLASSES
        return spikes((samples, *self.shape), 0.4), labels


NETWORKS = {
    "mlp-srm": Network(lambda: mlp(SRM), VECTOR),
    "mlp-cuba": Network(lambda: mlp(CUBA), VECTOR),
    "mlp-loihi": Network(lambda: mlp(LOIHI), VECTOR),
    "mlp-exodus": Network(lambda: mlp(dataclasses.replace(SRM, gradient="exodus")), VECTOR),
    "mlp-cutoff": Network(lambda: mlp(dataclasses.replace(SRM, kernel_cutoff=0.01)), VECTOR),
    "cnn-srm": Network(lambda: cnn(SRM), IMAGE),
    "cnn-loihi": Network(lambda: cnn(LOIHI), IMAGE),
    "around-dense": Network(around_dense, VECTOR),
    "around-conv": Network(around_conv, IMAGE),
    "around-recurrent": Network(around_recurrent, VECTOR),
    "functional": Network(functional, VECTOR),
    "nested": Network(nested, VECTOR),
    "subclassed": Network(Subclassed, IMAGE),
}
# Can be loaded where these tests are not: no class of their own.
PORTABLE = {name: network for name, network in NETWORKS.items() if name != "subclassed"}


def each(networks):
    return pytest.mark.parametrize("network", networks.values(), ids=networks.keys())


def compiled(model, learning_rate=0.01, **options):
    model.compile(keras.optimizers.Adam(learning_rate), ks.SpikeMaxLoss(scale=0.5), **options)
    return model
