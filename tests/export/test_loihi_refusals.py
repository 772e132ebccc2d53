"""What does not export, and the message that says so."""

import keras
import pytest
from model_cases import NEURON, STEPS, TimeDistributed, chain, delay

import keras_slayer as ks
from keras_slayer.export import export_loihi

REFUSED = {
    "branch": "only chains fit",
    "noisy": "is called with training=True",
    "unbuilt": "the model is not built",
    "silent": "the model has no spiking layer",
    "rank": r"the input has shape \(None, 40, 4, 4\)",
    "doubled": "it follows first with no neurons between",
    "late conv": "a delay comes before it that differs from input to input",
    "late loop": "a delay comes before it that differs from input to input",
    "late end": "a delay comes before it, and no dense layer follows",
    "too late": "the delays before it add up to 80 steps",
    "between": "it stands between the synapses of first and their neurons",
    "axis": "it normalises axis 1 of currents",
    "spikes": "it normalises axis -1 of spikes",
    "state": "layer 'kept' returns its state; .*build it with return_state=False",
    "encoder": r"layer 'coded' is an encoder \(RateEncoder\); .*layers behind it a model",
    "relu": "its activation is 'relu'",
    "channels first": "its data_format is 'channels_first'",
    "time distributed": "a TimeDistributed UpSampling2D has no counterpart",
    "reshape": r"it makes \(2, 2, 1\) of \(4,\)",
    "time": r"it makes \(8,\) of \(4,\)",
}


def refused(name):
    vector, image = (4,), (4, 4, 2)
    dense = ks.SpikingDense(4, neuron=NEURON, name="dense")
    conv = ks.SpikingConv2D(2, 2, neuron=NEURON)
    first = TimeDistributed(keras.layers.Dense(4, use_bias=False), name="first")
    fire = ks.SpikingActivation(NEURON)
    late = keras.initializers.Constant(40.0)
    if name in ("branch", "noisy"):
        inputs = keras.Input((STEPS, 4))
        hidden = dense(inputs)
        if name == "branch":
            return keras.Model(inputs, keras.layers.Add()([hidden, fire(hidden)]))
        return keras.Model(inputs, keras.layers.Dropout(0.5)(hidden, training=True))
    if name == "state":
        inputs = keras.Input((STEPS, 4))
        kept = ks.SpikingDense(4, neuron=NEURON, return_state=True, name="kept")
        return keras.Model(inputs, dense(kept(inputs)[0]))
    if name == "unbuilt":
        return keras.Sequential([dense])
    return {
        "encoder": lambda: keras.Sequential(
            [keras.Input(vector), ks.RateEncoder(STEPS, name="coded"), dense]
        ),
        "silent": lambda: chain(vector, first),
        "rank": lambda: chain((4, 4), dense),
        "doubled": lambda: chain(vector, first, keras.layers.Dense(3, use_bias=False), fire),
        "late conv": lambda: chain(image, delay(9, per="neuron"), conv),
        "late loop": lambda: chain(
            image, delay(9, per="neuron"), ks.SpikingRecurrentConv2D(2, 2, neuron=NEURON)
        ),
        "late end": lambda: chain(image, ks.DelayLayer(delay_initializer=late), conv),
        "too late": lambda: chain(
            vector,
            ks.DelayLayer(delay_initializer=late),
            ks.DelayLayer(delay_initializer=late),
            dense,
        ),
        "between": lambda: chain(vector, first, ks.DelayLayer(), fire),
        "axis": lambda: chain(vector, first, keras.layers.BatchNormalization(axis=1), fire),
        "spikes": lambda: chain(vector, dense, keras.layers.BatchNormalization(), first, fire),
        "relu": lambda: chain(vector, keras.layers.Activation("relu"), dense),
        "channels first": lambda: chain(
            image,
            TimeDistributed(
                keras.layers.Conv2D(3, 2, use_bias=False, data_format="channels_first")
            ),
            fire,
        ),
        "time distributed": lambda: chain(
            image, TimeDistributed(keras.layers.UpSampling2D(2)), conv
        ),
        "reshape": lambda: chain(vector, keras.layers.Reshape((STEPS, 2, 2, 1)), conv),
        "time": lambda: chain(vector, keras.layers.Reshape((STEPS // 2, 8)), dense),
    }[name]()


def test_what_follows_a_neuron_that_the_chip_lacks_is_looked_at(tmp_path):
    model = chain(
        (6, 6, 2),
        ks.SpikingConv2D(3, 3, neuron="srm", name="first"),
        ks.SpikingSumPooling2D(2, neuron=NEURON),
        ks.Flatten(),
        keras.layers.Dense(4, activation="relu", name="rectified"),
        ks.SpikingActivation(NEURON),
    )
    with pytest.raises(ValueError, match=r"(?s)first: its neuron is SRM.*rectified: its activ"):
        export_loihi(model, tmp_path / "a.net")


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name, tmp_path):
    with pytest.raises(ValueError, match=REFUSED[name]):
        export_loihi(refused(name), tmp_path / "a.net")
    assert not list(tmp_path.iterdir())
