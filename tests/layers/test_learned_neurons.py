"""Layers that learn the parameters of their neurons."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_slayer as ks
from keras_slayer.export import LoihiSimulator
from keras_slayer.ops import library

STEPS = 14
NEURONS = {
    "srm": lambda: ks.SRM(threshold=1.0),
    "cuba": lambda: ks.CUBA(threshold=2.0),
    "alif": lambda: ks.ALIF(threshold=1.0),
    "loihi": lambda: ks.LoihiCUBA(threshold_mantissa=160),
}


def network(neuron, learn=(), per="layer"):
    """All layers with neurons. The chip's weights would be rounded in no layer of Keras."""
    options = {"neuron": neuron, "learn": learn, "per": per}
    lively = {"kernel_initializer": ks.FluctuationDriven(neuron, xi=1.2, mean=0.1)}
    keras.utils.set_random_seed(1)
    if isinstance(neuron, ks.LoihiCUBA):
        end = [ks.SpikingDense(5, name="out", **options, **lively)]
    else:
        weights = keras.layers.Dense(5, name="weights", use_bias=False, **lively)
        end = [weights, ks.SpikingActivation(name="out", **options)]
    return keras.Sequential(
        [
            keras.Input((STEPS, 8, 8, 2)),
            ks.SpikingConv2D(4, 3, name="conv", **options, **lively),
            ks.SpikingSumPooling2D(2, name="pool", **options),
            ks.Flatten(),
            ks.SpikingDense(64, name="dense", **options, **lively),
            *end,
        ]
    )


def learning(name: str, per: str = "layer"):
    neuron = NEURONS[name]()
    return network(neuron, tuple(neuron.learnable), per)


def spikes(samples: int = 3, density: float = 0.15):
    x = np.random.default_rng(0).random((samples, STEPS, 8, 8, 2)) < density
    return x.astype("float32")


def kernels_from(model, other):
    for layer, source in zip(model.layers, other.layers, strict=True):
        if hasattr(source, "kernel"):
            layer.kernel.assign(source.kernel)


def scatter(model):
    """Moves all learned parameters by some percent, each by another."""
    rng = np.random.default_rng(2)
    for weight in model.trainable_variables:
        if weight.name != "kernel":
            weight.assign(0.1 * rng.normal(size=weight.shape))


def gradients(model, x):
    with tf.GradientTape() as tape:
        y = model(x)
        loss = tf.reduce_sum(y * tf.reshape(tf.range(tf.size(y), dtype=y.dtype), tf.shape(y)))
    return y, dict(
        zip(
            [variable.path for variable in model.trainable_variables],
            tape.gradient(loss, [variable.value for variable in model.trainable_variables]),
            strict=True,
        )
    )


@pytest.mark.parametrize(
    ("name", "per"),
    [
        *((name, "layer") for name in NEURONS),
        ("srm", "channel"),
        ("cuba", "channel"),
        ("alif", "channel"),
    ],
)
def test_starts_as_the_neuron_that_is_given(name, per):
    given, learned = network(NEURONS[name]()), learning(name, per)
    kernels_from(learned, given)
    x = spikes()
    expected = given.predict(x, verbose=0)
    assert 0.005 < expected.mean() < 0.6
    np.testing.assert_array_equal(learned.predict(x, verbose=0), expected)
    for layer in learned.layers:
        if isinstance(layer, ks.SpikingDense):
            shape = {"layer": (), "channel": (64,)}[per]
            values = layer.learned_parameters()
            assert {n: v.shape for n, v in values.items()} == dict.fromkeys(values, shape)
            for parameter, value in values.items():
                np.testing.assert_allclose(value, getattr(layer.neuron, parameter), rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "per"),
    [
        ("srm", "layer"),
        ("srm", "channel"),
        ("cuba", "channel"),
        ("alif", "channel"),
        ("loihi", "layer"),
    ],
)
def test_the_backends_are_equal(name, per, monkeypatch):
    """All layers: fused kernels with parameters per channel, forward and backward."""
    model, x = learning(name, per), spikes(2, 0.3)
    scatter(model)
    got, native = tf.function(gradients)(model, tf.constant(x))
    monkeypatch.setattr(library, "native", lambda: None)
    expected, reference = tf.function(gradients)(model, tf.constant(x))
    assert expected.numpy().mean() > 0.005
    np.testing.assert_array_equal(got, expected)
    for path, want in reference.items():
        scale = np.abs(want).max()
        assert scale > 0, path
        np.testing.assert_allclose(native[path] / scale, want / scale, atol=2e-4, err_msg=path)


def test_training_changes_the_parameters_and_they_are_saved(tmp_path):
    model, x = learning("cuba", "channel"), spikes(4)
    model.compile("adam", ks.SpikeMaxLoss(), metrics=[ks.SpikeCountAccuracy()])
    model.fit(x, np.arange(4), epochs=2, verbose=0)
    dense = model.get_layer("dense")
    for name, value in dense.learned_parameters().items():
        assert np.ptp(value) > 0, name
    assert [w.name for w in dense.weights] == [
        "kernel", "threshold", "current_decay", "voltage_decay",
    ]  # fmt: skip
    model.save(tmp_path / "a.keras")
    loaded = keras.saving.load_model(tmp_path / "a.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy.predict(x, verbose=0), model.predict(x, verbose=0))


def test_a_stream_computes_with_what_was_learned():
    model, x = learning("srm", "channel"), spikes(1)
    scatter(model)
    expected = np.asarray(model(x))
    parts = ks.Stream(model)
    got = [parts(x[:, :5]), parts(x[:, 5:])]
    np.testing.assert_array_equal(np.concatenate(got, axis=1), expected)
    only = keras.Sequential(model.layers[:4])
    expected, stream = np.asarray(only(x)), ks.Stream(only)
    for t in range(STEPS):
        fired = stream.step(np.flatnonzero(x[0, t]))
        np.testing.assert_array_equal(fired, np.flatnonzero(expected[0, t]))


def test_what_loihi_learned_is_exported_exactly(tmp_path):
    model, x = learning("loihi"), spikes(3)
    scatter(model)
    values = model.get_layer("dense").learned_parameters()
    assert values["current_decay"] != ks.LoihiCUBA().current_decay
    assert all(value == np.round(value) for value in values.values())
    model.export_loihi(tmp_path / "a.net")
    expected = model.predict(x, verbose=0)
    assert expected.any()
    np.testing.assert_array_equal(LoihiSimulator(tmp_path / "a.net").run(x), expected)


def test_what_srm_learned_is_converted(tmp_path):
    neuron = NEURONS["srm"]()
    model = network(neuron, "tau_response")
    for layer in model.layers:
        if isinstance(layer, ks.layers.spiking_layer.SpikingLayer):
            layer.weights[-1].assign(0.5)
    settled = model.get_layer("dense").settled()
    assert settled.neuron.tau_response == pytest.approx(neuron.tau_response * np.exp(0.5))
    x = spikes(2)
    report = model.export_loihi(tmp_path / "a.net", convert=True, calibration=x)
    assert (tmp_path / "a.net").exists() and report is not None


def test_parameters_per_channel_are_not_exported(tmp_path):
    model = learning("cuba", "channel")
    scatter(model)
    with pytest.raises(ValueError, match=r"(?s)'dense'.*different parameters.*per='layer'"):
        model.export_loihi(tmp_path / "a.net", convert=True, calibration=spikes(1))
    assert not list(tmp_path.iterdir())


def test_nir_has_what_was_learned():
    model = learning("cuba")
    scatter(model)
    x = spikes(2)
    again = ks.export.from_nir(ks.export.to_nir(model))
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    model = learning("cuba", "channel")
    scatter(model)
    with pytest.raises(ValueError, match="different parameters"):
        ks.export.to_nir(model)


def test_constants_that_differ_and_are_not_learned():
    spread = ks.Learned(keras.initializers.RandomNormal(stddev=0.5, seed=1), trainable=False)
    layer = ks.SpikingDense(400, ks.SRM(), learn={"tau_response": spread}, per="channel")
    layer.build((None, STEPS, 3))
    assert [w.name for w in layer.trainable_weights] == ["kernel"]
    logs = np.log(layer.learned_parameters()["tau_response"] / 5.0)
    assert abs(logs.mean()) < 0.1 and 0.4 < logs.std() < 0.6


def test_parameters_that_share_an_initializer_draw_apart():
    spread = ks.Learned(keras.initializers.RandomNormal(stddev=0.5))
    learn = {"current_decay": spread, "voltage_decay": spread}
    layer = ks.SpikingDense(9, "cuba", learn=learn, per="channel")
    layer.build((None, STEPS, 3))
    current, voltage = (np.asarray(w) for w in layer.weights[1:])
    assert np.abs(current - voltage).min() > 1e-4


def test_regularizers_constraints_and_rates_by_name():
    how = ks.Learned(regularizer=keras.regularizers.L2(2.0), constraint=keras.constraints.NonNeg())
    layer = ks.SpikingDense(3, "cuba", learn={"threshold": how})
    model = keras.Sequential([keras.Input((STEPS, 4)), layer])
    layer.weights[-1].assign(0.5)
    np.testing.assert_allclose(model.losses, [2.0 * 0.25])
    model.compile(ks.ScaledAdam(1e-3, factors={"threshold": 10.0}), "mse")
    model.fit(np.ones((2, STEPS, 4)), np.zeros((2, STEPS, 3)), verbose=0)
    assert float(layer.weights[-1].value) >= 0.0


def test_mixed_precision_keeps_the_parameters_in_float32():
    layer = ks.SpikingDense(64, "cuba", learn="threshold", per="channel", dtype="mixed_bfloat16")
    x = tf.cast(np.random.default_rng(0).random((2, STEPS, 30)) < 0.3, "bfloat16")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.cast(layer(x), "float32"))
    weight = layer.weights[-1]
    grad = tape.gradient(loss, weight.value)
    assert weight.dtype == "float32" and grad.dtype == tf.float32
    assert np.abs(grad).max() > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"learn": "tau"},
            r"learn must be one of 'threshold', .*\(of SRM\)\. Received: learn='tau'",
        ),
        ({"learn": 5}, r"names of parameters.*Received: learn=5"),
        ({"learn": {"threshold": 1.0}}, r"names to Learned.*Received: learn=\{'threshold': 1.0\}"),
        ({"learn": "threshold", "per": "neuron"}, r"per must be 'layer' or 'channel'.*'neuron'"),
        (
            {"learn": "current_decay", "per": "channel", "neuron": "loihi"},
            r"LoihiCUBA learns its parameters per layer",
        ),
        (
            {"learn": "refractory_scale", "neuron": ks.SRM(refractory_scale=0.0)},
            r"refractory_scale must start above 0.*Received: refractory_scale=0.0",
        ),
        (
            {"learn": "voltage_decay", "neuron": ks.CUBA(current_decay=0.1, voltage_decay=0.0)},
            r"voltage_decay must start between 0 and 1",
        ),
        (
            {"learn": "threshold", "neuron": ks.SRM(kernel_cutoff=0.01)},
            r"truncated kernels cannot learn.*leave kernel_cutoff out",
        ),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        ks.SpikingDense(3, **options)


@pytest.mark.parametrize("option", ["initializer", "regularizer", "constraint"])
def test_what_keras_does_not_know_is_refused_at_once(option):
    with pytest.raises(ValueError, match="nope"):
        ks.Learned(**{option: "nope"})


@pytest.mark.parametrize("weight", [12.0, 40.0, 300.0])
def test_a_threshold_far_beyond_the_chips_range_is_its_largest(weight, tmp_path):
    model = keras.Sequential(
        [keras.Input((5, 3)), ks.SpikingDense(2, neuron="loihi", learn="threshold_mantissa")]
    )
    (layer,) = model.layers
    layer.weights[-1].assign(weight)
    assert layer.learned_parameters()["threshold_mantissa"] == 131071
    report = model.export_loihi(tmp_path / "a.nir")
    assert report.layers[0].threshold_mantissa == 131071
