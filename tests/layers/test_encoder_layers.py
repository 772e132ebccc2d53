"""The encoders as layers and functions: saving, ranges, learning, errors, export."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from encoder_cases import LAYERS, first_steps, series, values

import keras_slayer as ks
from keras_slayer import encoders


@pytest.mark.parametrize("name", LAYERS)
def test_the_functions_give_what_the_layers_give(name):
    """Of a batch, of one sample with axis=0, and within tf.data."""
    layer, x = LAYERS[name], values(name)
    options = {
        k: v for k, v in layer.get_config().items() if k not in ("name", "trainable", "dtype")
    }
    if name == "rate":
        options["seed"] = [options["seed"], 0]
    function = getattr(encoders, f"{name}_spikes")
    expected = np.asarray(layer(x))
    assert expected.any() and expected.dtype == "float32"
    np.testing.assert_array_equal(function(x, **options), expected)
    data = tf.data.Dataset.from_tensor_slices(x).batch(6)
    (spikes,) = data.map(lambda x: function(x, dtype="uint8", **options))
    assert spikes.dtype == "uint8" and spikes.shape[1:] == expected.shape[1:]
    np.testing.assert_array_equal(spikes, expected)
    one = function(x[0], axis=0, **options)
    assert one.shape == expected.shape[1:]
    if name != "rate":  # where the noise depends on the shape
        np.testing.assert_array_equal(one, expected[0])


def test_rate_spikes_in_a_pipeline_are_fresh():
    tf.random.set_seed(1)
    data = tf.data.Dataset.from_tensors(np.full(4, 0.5)).repeat(2)
    first, second = data.map(lambda x: encoders.rate_spikes(x, 50, axis=0))
    assert first.shape == (50, 4) and (first.numpy() != second.numpy()).any()


@pytest.mark.parametrize("name", LAYERS)
def test_save_and_load(name, tmp_path):
    """With what adapt has set, and the same spikes."""
    x = values(name)
    layer = type(LAYERS[name]).from_config(LAYERS[name].get_config())
    model = keras.Sequential([keras.Input(x.shape[1:]), layer, ks.SpikingDense(4)])
    layer.adapt(x)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x), model(x))
    assert np.any(layer(x)) and np.array_equal(loaded.layers[0](x), layer(x))
    assert loaded.layers[0].get_config() == {**layer.get_config(), "name": layer.name}
    before = np.asarray(LAYERS[name](x))
    assert (np.asarray(loaded.layers[0](x)) != before).any()  # another range than the argument's


@pytest.mark.parametrize("name", LAYERS)
def test_images_unknown_batches_and_half_precision(name):
    layer = type(LAYERS[name])(name="encoder")
    shape = (5, 4, 4, 2) if name == "delta" else (4, 4, 2)
    model = keras.Sequential([keras.Input(shape), layer])
    x = np.random.default_rng(0).random((3, *shape))
    spikes = model.predict(x, verbose=0)
    assert spikes.shape == (3, *model.output_shape[1:]) and spikes.any()
    half = type(LAYERS[name])(
        dtype="mixed_float16", **({"seed": layer.seed} if name == "rate" else {})
    )
    assert half(x).dtype == "float16"
    np.testing.assert_array_equal(half(x), layer(x))  # values are not rounded before


def test_adapt_sets_the_range_of_each_feature():
    x = np.array([[1.0, -5.0, 7.0], [3.0, 5.0, 7.0], [2.0, 0.0, 7.0]], "float32")
    batches = tf.data.Dataset.from_tensor_slices((x, [0, 1, 2])).batch(2)
    for data in (x, tf.constant(x), batches, batches.map(lambda x, y: x)):
        layer = ks.LatencyEncoder(11, threshold=0.0)
        layer.adapt(data)
        low, high = layer.get_weights()
        assert low.tolist() == [1, -5, 7] and high.tolist() == [3, 5, 7]
        # A constant feature is at its low end.
        assert first_steps(layer(x)).tolist() == [[10, 10, 10], [0, 0, 10], [5, 5, 10]]
    assert not layer.trainable_weights


def table(samples, seed, scale=1.0):
    """Three classes of six features, two of which are larger in each class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, samples)
    x = rng.uniform(0.0, 0.5, (samples, 6))
    for k in range(2):
        x[np.arange(samples), (2 * labels + k) % 6] += 0.4
    return (scale * x).astype("float32"), labels


@pytest.mark.parametrize(
    "encoder", [ks.RateEncoder, ks.LatencyEncoder, ks.PopulationEncoder], ids=lambda e: e.__name__
)
def test_networks_learn_with_the_defaults(encoder):
    (x, labels), (x_test, test_labels) = table(192, 0, scale=60.0), table(100, 1, scale=60.0)
    encoder = encoder()
    encoder.adapt(x)
    hidden = ks.SpikingDense(32)
    model = keras.Sequential([keras.Input((6,)), encoder, hidden, ks.SpikingDense(3)])
    model.compile(keras.optimizers.Adam(0.02), loss=ks.SpikeMaxLoss())
    model.fit(x, labels, batch_size=32, epochs=12, verbose=0)
    counts = np.sum(model(x_test), axis=1)
    assert np.mean(counts.argmax(axis=1) == test_labels) > 0.85


def test_a_network_learns_from_delta_spikes():
    """Which of two series rises."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 160)
    x = rng.normal(0, 0.02, (160, 60, 2)).cumsum(axis=1)
    x[np.arange(160), :, labels] += np.linspace(0, 1.5, 60)
    encoder = ks.DeltaEncoder()
    model = keras.Sequential([keras.Input((60, 2)), encoder, ks.SpikingDense(2)])
    model.compile(keras.optimizers.Adam(0.02), loss=ks.SpikeMaxLoss())
    model.fit(x[:96], labels[:96], batch_size=32, epochs=10, verbose=0)
    counts = np.sum(model(x[96:]), axis=1)
    assert np.mean(counts.argmax(axis=1) == labels[96:]) > 0.9


# Errors


@pytest.mark.parametrize("encoder", [ks.RateEncoder, ks.LatencyEncoder, ks.PopulationEncoder])
def test_values_of_other_units_are_refused_in_training(encoder):
    layer = encoder(name="spikes")
    pixels = np.zeros((4, 28, 28, 1), "float32")
    pixels[:, 10:20, 10:20] = 255.0  # most are within the range
    message = r"spikes: .*far outside .* adapt\(data\)"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        layer(pixels, training=True)
    layer(pixels)  # at inference they saturate
    layer(pixels / 255, training=True)
    outlier = np.full((4, 28, 28, 1), 0.5, "float32")
    outlier[0, 0, 0] = 900.0
    layer(outlier, training=True)


def test_fit_says_what_to_do():
    x, labels = table(32, 0, scale=60.0)
    model = keras.Sequential([keras.Input((6,)), ks.RateEncoder(), ks.SpikingDense(3)])
    model.compile("adam", loss=ks.SpikeMaxLoss())
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"Call its adapt\(data\)"):
        model.fit(x, labels, verbose=0)


def test_series_that_are_too_fast_are_refused_in_training():
    layer = ks.DeltaEncoder()
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"more than the threshold per step"):
        layer(series(1.0), training=True)
    layer(series(1.0))
    layer(series(0.1), training=True)
    assert layer(series(1.0)[:, :1], training=True).shape == (4, 1, 6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ks.RateEncoder(0), r"steps must be an integer .* Received: steps=0"),
        (lambda: ks.RateEncoder(max_rate=2000.0), r"at most one spike per step, 1000 Hz.*=2000.0"),
        (lambda: ks.RateEncoder(max_rate=-1), r"max_rate must be .* Received: max_rate=-1"),
        (lambda: ks.RateEncoder(method="regular"), r"'bernoulli' or 'poisson'.*method='regular'"),
        (lambda: ks.RateEncoder(seed=-1), r"seed must be an integer .* Received: seed=-1"),
        (lambda: ks.RateEncoder(low=1.0), r"high must be above low.* low=1.0, high=1.0"),
        (lambda: ks.RateEncoder(low=[0, 1], high=[2, 1]), r"high must be above low, feature by"),
        (lambda: ks.RateEncoder(low=[0, 1], high=[2, 3, 4]), r"high must be above low"),
        (lambda: ks.RateEncoder(high=float("nan")), r"high must be a number.*Received: high=nan"),
        (
            lambda: ks.RateEncoder(low=[0, 0.5])(np.zeros((1, 3))),
            r"each of the 3 features.*2 numbers",
        ),
        (lambda: ks.LatencyEncoder(method="log"), r"'linear' or 'logarithmic'. .*method='log'"),
        (lambda: ks.LatencyEncoder(threshold=1.0), r"threshold must be .* threshold=1.0"),
        (lambda: ks.LatencyEncoder(method="logarithmic", threshold=0), r"\(0, 0.99\].*threshold=0"),
        (lambda: ks.LatencyEncoder(tau=0), r"tau must be .* Received: tau=0"),
        (lambda: ks.PopulationEncoder(neurons=2), r"neurons must be .* Received: neurons=2"),
        (lambda: ks.PopulationEncoder(beta=0), r"beta must be .* Received: beta=0"),
        (lambda: ks.PopulationEncoder(cutoff=0), r"cutoff must be .* Received: cutoff=0"),
        (lambda: ks.DeltaEncoder(0.0), r"threshold must be a positive .* threshold=0.0"),
        (lambda: ks.DeltaEncoder([1, 2])(np.zeros((1, 5, 3))), r"one threshold or one for each"),
        (lambda: ks.DeltaEncoder()(np.zeros((5, 3))), r"expected min_ndim=3"),
        (lambda: ks.DeltaEncoder().adapt(np.zeros((2, 1, 3))), r"two steps .*shape=\(2, 1, 3\)"),
        (lambda: ks.RateEncoder().adapt([[1.0, np.nan]]), r"finite data.*1 not finite"),
        (lambda: ks.RateEncoder().adapt(tf.data.Dataset.range(0)), r"at least one batch"),
        (lambda: ks.RateEncoder().build((None, None)), r"a known size"),
    ],
)
def test_errors_of_encoders(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: encoders.rate_spikes([[1.0]], low=10.0, high=0.0), "not be below low.*low=10.0"),
        (lambda: encoders.latency_spikes([[1.0, 2.0]], high=[1.0, -1.0]), r"high=\[1.0, -1.0\]"),
        (lambda: encoders.population_spikes([[1.0]], low=np.nan), "low must be a number.*low=nan"),
        (lambda: encoders.rate_spikes([[1.0]], seed=3), "two integers, or None. Received: seed=3"),
        (lambda: encoders.delta_spikes(np.ones((2, 4))), r"shape \(2, 4\), axis=1"),
        (lambda: encoders.delta_spikes(np.ones((2, 4, 3)), axis=-2), "from 0 on.*axis=-2"),
    ],
)
def test_errors_of_functions(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_constant_feature_of_a_function_is_at_its_low_end():
    ranges = {"low": np.array([1.0, 0.0]), "high": np.array([1.0, 1.0])}
    spikes = encoders.latency_spikes([[1.0, 1.0]], 5, threshold=0.0, **ranges)
    np.testing.assert_array_equal(np.argmax(spikes, axis=1), [[4, 0]])


def test_a_chip_takes_the_network_behind_the_encoder(tmp_path):
    """The encoder stays on the host: a model that begins with one is refused."""
    encoder, x = ks.LatencyEncoder(20), np.random.default_rng(0).random((3, 4))
    network = keras.Sequential([keras.Input((20, 4)), ks.SpikingDense(3, "loihi")])
    model = keras.Sequential([keras.Input((4,)), encoder, network])
    with pytest.raises(
        ValueError, match=r"(?s)cannot be exported.*the input has shape \(None, 4\)"
    ):
        model.export_loihi(tmp_path / "model.net")
    delta = keras.Sequential(
        [keras.Input((20, 2)), ks.DeltaEncoder(name="ups_and_downs"), ks.SpikingDense(3, "loihi")]
    )
    with pytest.raises(ValueError, match=r"(?s)cannot be exported.*ups_and_downs"):
        delta.export_loihi(tmp_path / "model.net")
    network.export_loihi(tmp_path / "network.net")
    np.testing.assert_array_equal(network(encoder(x)), model(x))
