"""Models of every kind that exports: functional, nested, with delays, with layers of Keras."""

import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_slayer as ks
from keras_slayer.export import LoihiSimulator, export_loihi, to_loihi
from keras_slayer.export.formats.netx_reader import read_network

STEPS = 40
NEURON = ks.LoihiCUBA(threshold_mantissa=80, current_decay=1024, voltage_decay=128)
FAST = ks.LoihiCUBA(threshold_mantissa=100, current_decay=4096, voltage_decay=4096)
Uniform = keras.initializers.RandomUniform
TimeDistributed = keras.layers.TimeDistributed


def delay(longest, per="channel", seed=0, **options):
    return ks.DelayLayer(
        longest, per=per, delay_initializer=Uniform(0, longest, seed=seed), **options
    )


def chain(shape, *layers):
    return keras.Sequential([keras.Input((STEPS, *shape)), *layers])


def functional(shape, *layers):
    inputs = value = keras.Input((STEPS, *shape))
    for layer in layers:
        value = layer(value)
    return keras.Model(inputs, value)


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


def enliven(model, seed=0, grid=False, mean=0.15):
    """Random kernels that make the network fire; with ``grid`` of the chip's weights."""
    rng = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        if variable.name in ("kernel", "depthwise_kernel"):
            fan_in = np.prod(variable.shape[:-1])
            kernel = rng.normal(mean, 1.5 / np.sqrt(fan_in) + 0.2, variable.shape)
            variable.assign(np.rint(kernel * 32) / 32 if grid else kernel)
    return model


def spikes_for(model, density=0.15, batch=3):
    rng = np.random.default_rng(5)
    return (rng.random((batch, STEPS, *model.input_shape[2:])) < density).astype(np.float32)


def assert_same_spikes(model, tmp_path):
    """Exports ``model``, and finds every spike of it in the simulator."""
    spikes = spikes_for(model)
    expected = keras.ops.convert_to_numpy(model(spikes))
    assert 0.01 < expected.mean() < 0.9
    report = export_loihi(model, tmp_path / "a.net", calibration=spikes)
    np.testing.assert_array_equal(LoihiSimulator(tmp_path / "a.net").run(spikes), expected)
    assert report.exact
    assert report.calibration.differing == 0
    return report


@pytest.mark.parametrize("build", [chain, functional])
@pytest.mark.parametrize("name", MODELS)
def test_every_spike_is_the_models(name, build, tmp_path):
    shape, layers = MODELS[name]()
    assert_same_spikes(enliven(build(shape, *layers)), tmp_path)


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


def keras_synapses():
    return (7, 6, 2), [
        TimeDistributed(keras.layers.Conv2D(4, (2, 3), use_bias=False)),
        ks.SpikingActivation(NEURON),
        TimeDistributed(keras.layers.DepthwiseConv2D(2, depth_multiplier=2, use_bias=False)),
        keras.layers.Dropout(0.2),
        ks.SpikingActivation(NEURON),
        TimeDistributed(keras.layers.Flatten()),
        keras.layers.Dense(12, use_bias=False),
        ks.SpikingActivation(FAST),
        TimeDistributed(keras.layers.Dense(5, use_bias=False)),
        ks.SpikingActivation(NEURON),
    ]


@pytest.mark.parametrize("build", [chain, functional])
def test_layers_of_keras_on_the_grid_are_exact(build, tmp_path):
    shape, layers = keras_synapses()
    report = assert_same_spikes(enliven(build(shape, *layers), grid=True), tmp_path)
    assert [layer.type for layer in report.layers] == [
        "Conv2D",
        "DepthwiseConv2D",
        "Flatten",
        "Dense",
        "Dense",
    ]
    assert report.layers[0].name == layers[0].name
    assert not report.warnings


def test_float_weights_are_rounded_and_the_damage_is_told(tmp_path):
    shape, layers = keras_synapses()
    model = enliven(chain(shape, *layers), mean=0)
    inner = layers[0].layer.kernel
    kernel = np.array(inner)
    kernel[0, 0, 0, 1] = 9.0
    inner.assign(kernel)
    spikes = spikes_for(model)
    report = export_loihi(model, tmp_path / "a.net", calibration=spikes)
    conv = report.layers[0]
    assert (conv.exact, conv.out_of_range_weights) == (False, 1)
    assert conv.changed_weights > 40
    assert (
        f"{conv.name}: {conv.changed_weights} of 48 weights were rounded to 8 bits, 1 of"
        in (report.warnings[0])
    )
    assert not report.exact
    given, _, quantised, chip = report.calibration.variants
    assert given.differing == 0
    assert quantised.differing == chip.differing > 0
    assert report.calibration.differing == 0  # Keras with these weights agrees with the file
    # The same weights, put into the model, give the file's spikes.
    network = read_network(tmp_path / "a.net")
    inner.assign(network.layers[0].weight / 64)
    layers[2].layer.kernel.assign(network.layers[1].weight.reshape(2, 2, 4, 2) / 64)
    layers[6].kernel.assign(network.layers[3].weight / 64)
    layers[8].layer.kernel.assign(network.layers[4].weight / 64)
    np.testing.assert_array_equal(
        LoihiSimulator(tmp_path / "a.net").run(spikes), keras.ops.convert_to_numpy(model(spikes))
    )


def normalised(center=False):
    model = chain(
        (8,),
        TimeDistributed(keras.layers.Dense(6, use_bias=False)),
        keras.layers.BatchNormalization(center=center, name="norm"),
        ks.SpikingActivation(NEURON),
    )
    norm = model.get_layer("norm")
    # To the last bit powers of two, so that the scaled weights stay on the grid.
    norm.moving_variance.assign(np.array([0.25, 1, 4, 1, 1, 1]) - norm.epsilon)
    norm.gamma.assign([1, 1, 1, 0.5, 2, 1])
    return enliven(model, grid=True)


def test_normalisation_that_only_scales_is_folded(tmp_path):
    model = normalised()
    kernel = np.rint(np.asarray(model.layers[0].layer.kernel) * 16) / 16
    model.layers[0].layer.kernel.assign(kernel)
    assert_same_spikes(model, tmp_path)
    (layer,) = read_network(tmp_path / "a.net").layers
    np.testing.assert_allclose(layer.weight, kernel * 64 * [2, 1, 0.5, 0.5, 2, 1], atol=1e-3)


def test_a_shift_below_half_a_unit_changes_nothing(tmp_path):
    model = normalised()
    kernel = np.rint(np.asarray(model.layers[0].layer.kernel) * 16) / 16
    model.layers[0].layer.kernel.assign(kernel)
    model.get_layer("norm").moving_mean.assign([0, 0.007, -0.007, 0, 0, 0])
    assert_same_spikes(model, tmp_path)


@pytest.mark.parametrize("what", ["mean", "beta"])
def test_normalisation_that_shifts_is_refused(what, tmp_path):
    model = normalised(center=True)
    norm = model.get_layer("norm")
    (norm.moving_mean if what == "mean" else norm.beta).assign([0, 0, 0, 0, 0.01, 0])
    with pytest.raises(ValueError, match=r"norm: it shifts synaptic currents by up to .*/64"):
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
    with pytest.raises(ValueError, match="the model has 1 inputs and 2 outputs"):
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


REFUSED = {
    "branch": "goes to",
    "shared": "is used more than once",
    "noisy": "is called with training=True",
    "unbuilt": "the model is not built",
    "silent": "the model has no spiking layer",
    "rank": r"the input has shape \(None, 40, 4, 4\)",
    "bare": "there are no synapses before its neurons",
    "doubled": "it follows first with no neurons between",
    "late conv": "a delay comes before it that differs from input to input",
    "late end": "a delay comes before it, and no dense layer follows",
    "too late": "the delays before it add up to 80 steps",
    "between": "it stands between the synapses of first and their neurons",
    "axis": "it normalises axis 1 of currents",
    "spikes": "it normalises axis -1 of spikes",
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
    if name in ("branch", "shared", "noisy"):
        inputs = keras.Input((STEPS, 4))
        hidden = dense(inputs)
        if name == "branch":
            return keras.Model(inputs, keras.layers.Add()([hidden, fire(hidden)]))
        if name == "shared":
            return keras.Model(inputs, dense(hidden))
        return keras.Model(inputs, keras.layers.Dropout(0.5)(hidden, training=True))
    if name == "unbuilt":
        return keras.Sequential([dense])
    return {
        "silent": lambda: chain(vector, first),
        "rank": lambda: chain((4, 4), dense),
        "bare": lambda: chain(vector, fire),
        "doubled": lambda: chain(vector, first, keras.layers.Dense(3, use_bias=False), fire),
        "late conv": lambda: chain(image, delay(9, per="neuron"), conv),
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


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name, tmp_path):
    with pytest.raises(ValueError, match=REFUSED[name]):
        export_loihi(refused(name), tmp_path / "a.net")
    assert not list(tmp_path.iterdir())


def srm_model():
    model = chain(
        (6, 5, 2),
        ks.SpikingConv2D(4, 3, neuron=ks.SRM(tau_response=4.0)),
        ks.SpikingSumPooling2D(2, neuron=ks.SRM(tau_response=2.0)),
        ks.Flatten(),
        ks.SpikingDense(5, neuron="cuba", name="classes"),
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
    export_loihi(model, tmp_path / "here.net")
    program = (
        "import sys, keras, keras_slayer\n"
        "keras.saving.load_model(sys.argv[1]).export_loihi(sys.argv[2])\n"
    )
    arguments = [str(tmp_path / name) for name in ("model.keras", "there.net")]
    subprocess.run([sys.executable, "-c", program, *arguments], check=True, timeout=120)
    assert (tmp_path / "here.net").read_bytes() == (tmp_path / "there.net").read_bytes()
