"""Networks and data of the tests of callbacks."""

import keras
import numpy as np

import keras_slayer as ks

STEPS, INPUTS, CLASSES = 20, 12, 3
SRM = ks.SRM(threshold=1.0, tau_response=3.0, surrogate_tau=1.0)


def data(samples=12, density=0.2):
    random = np.random.default_rng(0)
    x = (random.random((samples, STEPS, INPUTS)) < density).astype("float32")
    return x, np.arange(samples) % CLASSES


def dense(units, scale=0.5, mean=0.0, **options):
    kernel = keras.initializers.RandomNormal(mean, scale, seed=units)
    return ks.SpikingDense(units, SRM, kernel_initializer=kernel, **options)


def sequential(first=None):
    layers = [
        first or dense(8, name="hidden"),
        keras.layers.Dropout(0.5, seed=2),
        dense(CLASSES, name="out"),
    ]
    return keras.Sequential([keras.Input((STEPS, INPUTS)), *layers])


def functional():
    inputs = keras.Input((STEPS, INPUTS))
    hidden = dense(8, name="hidden")(inputs)
    hidden = keras.layers.ActivityRegularization(l2=1e-3)(hidden)
    joined = keras.layers.Concatenate()([hidden, keras.layers.Dropout(0.5, seed=2)(inputs)])
    joined = keras.layers.BatchNormalization()(joined)
    return keras.Model(inputs, dense(CLASSES, name="out")(joined))


def compiled(model, **options):
    options = {"loss": ks.SpikeMaxLoss(0.1), "optimizer": keras.optimizers.Adam(0.01), **options}
    model.compile(**options)
    return model


def fit(model, *callbacks, epochs=2, **options):
    x, y = data()
    options = {"batch_size": 4, "shuffle": False, "verbose": 0, **options}
    return model.fit(x, y, epochs=epochs, callbacks=list(callbacks), **options)
