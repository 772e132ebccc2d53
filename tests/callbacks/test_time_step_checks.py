"""The callbacks warn of neurons whose dt is not that of the pipeline they are given."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from callback_cases import CLASSES, STEPS, compiled

import keras_slayer as ks
from keras_slayer.events import TimeStepWarning, spike_pipeline


def recordings():
    """Four recordings of 40 events on four neurons, within 20 ms."""
    random = np.random.default_rng(0)

    def examples():
        for label in range(4):
            t = np.sort(random.integers(0, 20_000, 40))
            zeros = np.zeros(40, int)
            events = {"x": random.integers(0, 4, 40), "y": zeros, "t": t, "polarity": zeros}
            yield events, label % CLASSES

    event = tf.TensorSpec((None,), tf.int64)
    fields = {name: event for name in ("x", "y", "t", "polarity")}
    signature = (fields, tf.TensorSpec((), tf.int64))
    return tf.data.Dataset.from_generator(examples, output_signature=signature)


@pytest.mark.parametrize("callback", [ks.FiringRateMonitor, ks.SetFiringRates])
@pytest.mark.parametrize("dt, warned", [(5.0, True), (1.0, False)])
def test_neurons_of_another_step(callback, dt, warned):
    data = spike_pipeline(recordings(), sensor_shape=(1, 4, 1), steps=STEPS, dt=dt, batch_size=2)
    neuron = ks.SRM(threshold=0.1, dt=1.0)
    model = keras.Sequential(
        [keras.Input((STEPS, 1, 4, 1)), ks.Flatten(), ks.SpikingDense(CLASSES, neuron, name="out")]
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        compiled(model).fit(data, verbose=0, callbacks=[callback(data)])
    messages = [str(w.message) for w in caught if w.category is TimeStepWarning]
    assert len(messages) == warned
    assert all("steps of 5 ms" in text and "out (dt=1)" in text for text in messages)
