"""Models of every kind that exports: functional, nested, with delays, converted."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from model_cases import (
    FAST,
    NEURON,
    STEPS,
    TimeDistributed,
    assert_same_spikes,
    chain,
    delay,
    enliven,
    functional,
    spikes_for,
)

import keras_slayer as ks
from keras_slayer.export import LoihiSimulator, export_loihi, to_loihi
from keras_slayer.export.formats.netx_reader import read_network


def delayed_dense():
    return (12,), [
        delay(62),
        ks.SpikingDense(20, neuron=NEURON),
        delay(5, per="neuron", seed=1),
        delay(3, seed=2, dt=0.5),
        ks.SpikingDense(7, neuron=FAST),
    ]


def delays_through_pools():
    """Each channel late by itself: a pool, a flatten and a dense layer with delays of its own."""
    return (6, 9, 3), [
        ks.SpikingConv2D(4, (3, 2), neuron=NEURON),
        delay(9),
        ks.SpikingSumPooling2D(2, neuron=FAST),
        delay(4, per="neuron", seed=1),
        ks.Flatten(),
        ks.SpikingDense(10, neuron=NEURON),
    ]


def delays_through_groups():
    late = keras.initializers.Constant([2.0, 2.0, 7.5, 7.5])
    return (5, 4, 4), [
        ks.DelayLayer(delay_initializer=late),
        ks.SpikingConv2D(6, 2, groups=2, neuron=NEURON),
        ks.Flatten(),
        ks.SpikingDense(10, neuron=NEURON),
    ]


def even_windows():
    return (7, 9, 2), [
        ks.SpikingConv2D(5, (2, 4), padding="same", neuron=NEURON),
        ks.SpikingSumPooling2D(2, padding="same", neuron=FAST),
        ks.SpikingConv2D(4, (4, 3), padding="same", strides=2, neuron=NEURON),
        ks.SpikingConv2D(3, (2, 2), padding="same", dilation_rate=(1, 3), neuron=NEURON),
    ]


def pixelwise_dense():
    return (4, 5, 3), [ks.SpikingDense(6, neuron=NEURON), ks.SpikingDense(2, neuron=FAST)]


def reshaped():
    return (4, 5, 2), [
        TimeDistributed(keras.layers.Flatten()),
        ks.SpikingDense(9, neuron=NEURON),
        keras.layers.Reshape((STEPS, 9)),
        keras.layers.GaussianNoise(0.1),
        keras.layers.Activation("linear"),
        TimeDistributed(keras.layers.Dropout(0.5)),
        ks.SpikingDense(5, neuron=NEURON),
    ]


def reshaped_to_a_vector():
    return (4, 5, 2), [keras.layers.Reshape((-1, 40)), ks.SpikingDense(9, neuron=NEURON)]


MODELS = {
    "delayed_dense": delayed_dense,
    "delays_through_pools": delays_through_pools,
    "delays_through_groups": delays_through_groups,
    "even_windows": even_windows,
    "pixelwise_dense": pixelwise_dense,
    "reshaped": reshaped,
    "reshaped_to_a_vector": reshaped_to_a_vector,
}


@pytest.mark.parametrize("build", [chain, functional])
@pytest.mark.parametrize("name", MODELS)
def test_every_spike_is_the_models(name, build, tmp_path):
    shape, layers = MODELS[name]()
    assert_same_spikes(enliven(build(shape, *layers)), tmp_path)


def test_delays_of_whole_steps_are_those_steps(tmp_path):
    """Although 1.3 / 0.1 is a little less than 13 in float32, and 6.2 / 0.1 than 62."""
    model = chain((3,), ks.DelayLayer(6.2, dt=0.1), ks.SpikingDense(2, neuron=NEURON))
    model.layers[0].delay.assign([1.3, 2.6, 6.2])
    assert_same_spikes(enliven(model), tmp_path)
    export_loihi(model, tmp_path / "a.net")
    (layer,) = read_network(tmp_path / "a.net").layers
    assert layer.delay.tolist() == [[13, 13], [26, 26], [62, 62]]


def test_delays_reach_the_file(tmp_path):
    model = chain((3,), ks.DelayLayer(), ks.SpikingDense(2, neuron=NEURON))
    model.layers[0].delay.assign([0.0, 2.9, 62.0])
    report = export_loihi(model, tmp_path / "a.net")
    (layer,) = read_network(tmp_path / "a.net").layers
    assert layer.delay.tolist() == [[0, 0], [2, 2], [62, 62]]
    assert report.layers[0].largest_delay == 62
    model.layers[0].delay.assign([0.0, 0.0, 0.9])  # less than a step
    export_loihi(model, tmp_path / "a.net")
    assert read_network(tmp_path / "a.net").layers[0].delay is None


@pytest.mark.parametrize("longest", [62, 63])
def test_delays_add_up_to_62_steps_at_most(longest, tmp_path):
    model = chain((2,), ks.DelayLayer(), ks.DelayLayer(), ks.SpikingDense(2, neuron=NEURON))
    model.layers[0].delay.assign([31.0, 0.0])
    model.layers[1].delay.assign([longest - 31.0, 5.0])
    if longest == 62:
        export_loihi(model, tmp_path / "a.net")
        (layer,) = read_network(tmp_path / "a.net").layers
        assert layer.delay[:, 0].tolist() == [62, 5]
        return
    with pytest.raises(ValueError, match="the delays before it add up to 63 steps; allowed: at"):
        export_loihi(model, tmp_path / "a.net")


def test_nested_models(tmp_path):
    stem = keras.Sequential(
        [keras.Input((STEPS, 8, 6, 2)), ks.SpikingConv2D(4, 3, neuron=NEURON), ks.Flatten()]
    )
    inputs = keras.Input((STEPS, 24 * 4))
    head = keras.Model(inputs, ks.SpikingDense(5, neuron=NEURON)(inputs))
    model = enliven(chain((8, 6, 2), stem, keras.Sequential([head])), mean=0)
    assert_same_spikes(model, tmp_path)
    again = keras.Input((STEPS, 8, 6, 2))
    assert_same_spikes(keras.Model(again, head(stem(again))), tmp_path)


def test_a_part_of_a_model(tmp_path):
    """Layers that another model uses too, in another way."""
    inputs = keras.Input((STEPS, 8))
    hidden = ks.SpikingDense(6, neuron=NEURON, name="hidden")(inputs)
    out = ks.SpikingDense(4, neuron=NEURON, name="out")(hidden)
    whole = enliven(keras.Model(inputs, [out, hidden]))
    with pytest.raises(
        ValueError, match="'out', 'hidden' are read out; allowed: only chains fit a"
    ):
        export_loihi(whole, tmp_path / "a.net")
    part = keras.Model(inputs, hidden)
    report = assert_same_spikes(part, tmp_path)
    assert [layer.name for layer in report.layers] == ["hidden"]


def test_subclasses_may_train_in_their_own_way_only(tmp_path):
    class Trainer(keras.Sequential):
        def train_step(self, data):
            raise NotImplementedError

    class Doubler(keras.Sequential):
        def call(self, inputs, training=None, mask=None):
            return super().call(super().call(inputs))

    layers = [keras.Input((STEPS, 4)), ks.SpikingDense(4, neuron=NEURON)]
    assert_same_spikes(enliven(Trainer(layers)), tmp_path)
    with pytest.raises(ValueError, match=r"the model is a Doubler; allowed: keras\.Sequential"):
        export_loihi(Doubler(layers), tmp_path / "b.net")

    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(ValueError, match="the model is a Own"):
        export_loihi(Own(), tmp_path / "b.net")


def test_what_follows_the_last_spikes_stays_on_the_host(tmp_path):
    inputs = keras.Input((STEPS, 8))
    spikes = ks.SpikingDense(4, neuron=NEURON)(inputs)
    late = ks.DelayLayer(name="late")(spikes)
    counts = keras.ops.sum(late, axis=1)
    outputs = keras.layers.Dense(3, activation="softmax", name="readout")(counts)
    model = enliven(keras.Model(inputs, outputs))
    x = spikes_for(model)
    labels = np.argmax(model.predict(x, verbose=0), axis=-1)
    report = export_loihi(model, tmp_path / "a.net", calibration=(x, labels))
    assert (report.host_layers[0], report.host_layers[-1]) == ("late", "readout")
    assert f"on the host: {', '.join(report.host_layers)}" in str(report)
    assert report.output_shape == (4,)
    chip = report.calibration.variants[-1]
    assert (chip.name, chip.accuracy, chip.same_decision) == ("chip", 1.0, 1.0)


def srm_model():
    model = chain(
        (6, 5, 2),
        ks.SpikingConv2D(4, 3, neuron=ks.SRM(10.0, tau_response=4.0)),
        ks.SpikingSumPooling2D(2, neuron=ks.SRM(10.0, tau_response=2.0)),
        ks.Flatten(),
        ks.SpikingDense(5, neuron=ks.CUBA(1.25, 0.25, 0.03), name="classes"),
        keras.layers.GlobalAveragePooling1D(name="rates"),
    )
    return enliven(model, mean=2)


def test_conversion_is_refused_until_it_is_asked_for(tmp_path):
    model, x = srm_model(), spikes_for(srm_model(), density=0.3)
    with pytest.raises(ValueError, match=r"to_loihi\(model\).*convert=True"):
        export_loihi(model, tmp_path / "a.net")
    report = export_loihi(model, tmp_path / "a.net", calibration=x, convert=True)
    assert report.converted
    assert "the neurons were converted" in report.warnings[0]
    assert [variant.name for variant in report.calibration.variants] == [
        "as given",
        "quantised",
        "chip",
    ]
    given, quantised, chip = report.calibration.variants
    assert given.differing == 0 < chip.differing
    assert (quantised.differing, quantised.spikes) == (chip.differing, chip.spikes)
    assert report.calibration.differing == 0
    # What was measured is what the converted model does.
    converted = to_loihi(model, x)
    found = LoihiSimulator(tmp_path / "a.net").run(x)
    spikes = x
    for layer in converted.layers[:-1]:
        spikes = layer(spikes)
    np.testing.assert_array_equal(found, np.asarray(spikes))
    assert report.host_layers == ("rates",)


def test_nothing_to_convert_changes_nothing(tmp_path):
    model = enliven(chain((4,), ks.SpikingDense(3, neuron=NEURON)))
    report = export_loihi(model, tmp_path / "a.net", convert=True)
    export_loihi(model, tmp_path / "b.net")
    assert not report.converted
    assert (tmp_path / "a.net").read_bytes() == (tmp_path / "b.net").read_bytes()


# Keras itself, when it saves under NumPy 2.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_reloaded_in_a_fresh_process(tmp_path):
    shape, layers = delays_through_pools()
    model = enliven(functional(shape, *layers, keras.layers.GlobalAveragePooling1D()))
    model.save(tmp_path / "model.keras")
    for suffix in ("net", "nir"):
        export_loihi(model, tmp_path / f"here.{suffix}")
    program = (
        "import sys, keras, keras_slayer\n"
        "model = keras.saving.load_model(sys.argv[1])\n"
        "for path in sys.argv[2:]: model.export_loihi(path)\n"
    )
    arguments = [str(tmp_path / name) for name in ("model.keras", "there.net", "there.nir")]
    subprocess.run([sys.executable, "-c", program, *arguments], check=True, timeout=120)
    for suffix in ("net", "nir"):
        here, there = (tmp_path / f"{side}.{suffix}" for side in ("here", "there"))
        assert here.read_bytes() == there.read_bytes()
