"""The length of a time step: that of the data, and that of the neurons."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_slayer as ks
from keras_slayer.events import TimeStepWarning, check_time_step, spike_pipeline, time_step


def pipeline(dt, **options):
    events = {"x": tf.constant([0, 1]), "t": tf.constant([0, 100])}
    dataset = tf.data.Dataset.from_tensors((events, 0))
    return spike_pipeline(dataset, sensor_shape=(5,), steps=4, dt=dt, batch_size=1, **options)


def model_of(**dts):
    layers = [ks.SpikingDense(3, neuron=ks.SRM(dt=dt), name=name) for name, dt in dts.items()]
    return keras.Sequential([keras.Input((4, 5)), *layers])


def model_of_neurons(*neurons):
    layers = [ks.SpikingDense(3, neuron, name=f"n{i}") for i, neuron in enumerate(neurons)]
    return keras.Sequential([keras.Input((4, 5)), *layers])


def test_a_pipeline_carries_its_step():
    assert time_step(pipeline(20)) == 20.0
    assert time_step(pipeline(0.5, shift=1, cache=False, drop_remainder=True)) == 0.5
    assert time_step(pipeline(20).take(1)) is None
    assert time_step(np.zeros((1, 4, 5))) is None
    assert time_step(None) is None


def test_another_step_is_named_per_layer():
    model = model_of(first=1.0, second=20.0, third=10.0)
    message = (
        r"The data have steps of 20 ms, .*: first \(dt=1\), third \(dt=10\)\. .*"
        r"SRM\(dt=20\), or spike_pipeline the dt of the neurons"
    )
    for data in (pipeline(20), 20, 20.0):
        with pytest.warns(TimeStepWarning, match=message) as caught:
            assert check_time_step(model, data) == ["first", "third"]
        assert caught[0].filename == __file__


def test_equal_or_unknown_steps_are_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check_time_step(model_of(a=20.0, b=20.0), pipeline(20)) == []
        assert check_time_step(model_of(a=1 / 3), pipeline(1 / 3)) == []
        assert check_time_step(model_of(a=1.0), pipeline(20).take(1)) == []
        assert check_time_step(model_of(a=1.0), np.zeros((1, 4, 5))) == []
        # Decays per step have no time.
        per_step = model_of_neurons(ks.CUBA(1.0, 0.5, 0.1), ks.LoihiCUBA(80, 2048, 400))
        assert check_time_step(per_step, pipeline(20)) == []
        chip = ks.LoihiCUBA.from_tau(50.0, 50.0, dt=20.0)
        known = model_of_neurons(ks.CUBA(dt=20.0), chip)
        assert check_time_step(known, pipeline(20)) == []


def test_decays_with_a_step_are_compared():
    model = model_of_neurons(
        ks.CUBA(), ks.CUBA(1.0, 0.5, 0.1, dt=2.0), ks.LoihiCUBA(), ks.LoihiCUBA(80, 9, 9, dt=20.0)
    )
    with pytest.warns(TimeStepWarning, match=r"n0 \(dt=1\), n1 \(dt=2\), n2 \(dt=1\)\. .*decays"):
        assert check_time_step(model, pipeline(20)) == ["n0", "n1", "n2"]


def test_nested_models_delays_and_wrapped_layers_are_found():
    inner = keras.Sequential([ks.SpikingDense(3, name="inner"), ks.DelayLayer(name="delay")])

    @keras.saving.register_keras_serializable(package="test")
    class Block(keras.layers.Layer):
        def __init__(self):
            super().__init__(name="block")
            self.parts = {"part": [ks.SpikingActivation(name="part")]}

        def call(self, inputs):
            return self.parts["part"][0](inputs)

    inputs = keras.Input((4, 5))
    outputs = ks.SpikingDense(2, neuron=ks.SRM(dt=2.0), name="right")(Block()(inner(inputs)))
    model = keras.Model(inputs, outputs)
    with pytest.warns(TimeStepWarning):
        assert sorted(check_time_step(model, 2.0)) == ["delay", "inner", "part"]


def test_a_pipeline_with_its_step_still_trains():
    model = model_of(only=20.0)
    model.compile("sgd", ks.SpikeCountLoss(3, 1))
    data = pipeline(20)
    history = model.fit(data, epochs=2, shuffle=False, verbose=0)
    assert len(history.history["loss"]) == 2
    assert data.dt == 20.0
