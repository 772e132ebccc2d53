"""Networks and recordings of the tests of streams."""

import keras
import numpy as np

import keras_slayer as ks

BATCH, STEPS = 2, 24
CUTS = [0, 3, 3, 4, 5, 15, STEPS]


def spikes(*shape, batch=BATCH, density=0.08):
    random = np.random.default_rng(3)
    return (random.random((batch, STEPS, *shape)) < density).astype("float32")


def excitable(model):
    """The same with weights that make every layer fire."""
    for weight in model.trainable_weights:
        if weight.name == "kernel":
            weight.assign(4 * weight + abs(weight.numpy()).mean())
    return model


def image_network(neuron="srm", **options):
    """Every layer that has a state, and layers of Keras between them."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((100, 9, 8, 2))  # another length than the recordings
    x = ks.SpikingConv2D(4, 3, neuron=neuron)(inputs)
    x = ks.DelayLayer(5.0, delay_initializer=keras.initializers.RandomUniform(0, 5))(x)
    x = ks.SpikingSumPooling2D(2, neuron=neuron)(x)
    x = ks.WinnerTakeAll(window=3, duration=2.0)(x)
    x = ks.PerStep(keras.layers.Conv2D(3, 2))(x)
    x = keras.layers.BatchNormalization()(x)
    x = ks.SpikingActivation("alif")(x)
    x = ks.Flatten()(x)
    block = keras.Sequential(
        [keras.Input((100, x.shape[-1])), ks.SpikingDense(20, neuron="cuba"), ks.DelayLayer(2.0)]
    )
    left = block(x)
    shared = ks.SpikingDense(20, neuron="loihi")
    x = keras.layers.Add()([shared(left), shared(ks.TemporalFilter([0.0, 1.0])(left))])
    x = keras.layers.Dropout(0.5)(x)
    x = ks.SpikingDense(6, neuron=ks.SRM(kernel_cutoff=1e-2))(x)
    return excitable(keras.Model(inputs, ks.TemporalFilter(neuron)(x)))


def chain(neuron="srm", shape=(9, 8, 2)):
    keras.utils.set_random_seed(1)
    bias = {"use_bias": True, "bias_initializer": keras.initializers.Constant(0.1)}
    return excitable(
        keras.Sequential(
            [
                keras.Input((100, *shape)),
                ks.SpikingSumPooling2D(2, padding="same", neuron=neuron),
                ks.SpikingConv2D(6, 3, padding="same", neuron=neuron, **bias),
                ks.DelayLayer(4.0, delay_initializer=keras.initializers.RandomUniform(0, 4)),
                ks.SpikingConv2D(4, 2, strides=2, groups=2, neuron=neuron),
                ks.Flatten(),
                keras.layers.Dropout(0.5),
                ks.SpikingDense(70, neuron=neuron, **bias),
                ks.SpikingRecurrentDense(80, neuron=neuron, **bias),
                ks.DelayLayer(2.0, per="neuron"),
            ]
        )
    )


def sequential(*layers, shape=(24, 6)):
    return keras.Sequential([keras.Input(shape), *layers], name="net")
