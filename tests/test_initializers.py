"""Weights of fresh networks: their statistics, and spikes in every layer on real recordings."""

import dataclasses
import json
import math
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_slayer as ks
from keras_slayer.events import decode_nmnist, to_spikes
from keras_slayer.neurons import decay_from_tau

# Spikes per neuron and step, the mean of a layer. A pool of four inputs with SLAYER's weight of
# 1.1 thresholds fires several times per input spike when the time constant is long; of ten output
# neurons some draw weights that are positive on the whole.
SILENT = 1e-4
SATURATED, SATURATED_POOL, SATURATED_OUTPUT = 0.5, 0.7, 0.8
TIMINGS = {"300 x 1 ms": (300, 1.0), "100 x 3 ms": (100, 3.0)}


def recordings(folder, steps, dt):
    """Four real samples of four digits."""
    with zipfile.ZipFile(folder / "Test.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".bin"))
        events = [decode_nmnist(archive.read(name)) for name in names[:: len(names) // 4]]
    return tf.constant(np.stack([to_spikes(e, (34, 34, 2), steps, dt) for e in events]))


def make_neuron(kind, threshold, tau, dt):
    if kind == "SRM":
        return ks.SRM(threshold=threshold, tau_response=tau, dt=dt)
    if kind == "CUBA":
        decay = 1 - math.exp(-dt / tau)
        return ks.CUBA(threshold=threshold, current_decay=decay, voltage_decay=decay)
    decay = decay_from_tau(tau, dt)
    return ks.LoihiCUBA(threshold_mantissa=threshold, current_decay=decay, voltage_decay=decay)


def saturated(layer):
    if isinstance(layer, ks.SpikingSumPooling2D):
        return SATURATED_POOL
    return SATURATED_OUTPUT if getattr(layer, "units", None) == 10 else SATURATED


def loud(neuron):
    """Arguments of a layer whose membranes reach threshold often, with fewer inputs than assumed.

    The default xi starts layers quiet, also silent, and leaves it to training to make them fire
    (test_default_networks.py).
    """
    return {"neuron": neuron, "kernel_initializer": ks.FluctuationDriven(neuron, xi=0.9, mean=0.0)}


def mlp(neuron):
    return [ks.Flatten(), ks.SpikingDense(512, **loud(neuron)), ks.SpikingDense(10, **loud(neuron))]


def cnn(neuron):
    pool = neuron
    if isinstance(neuron, ks.LoihiCUBA):
        # Half of what the largest chip weight reaches with one spike.
        reach = int(64 * 2 * neuron.response_kernel().max() / 1.1)
        pool = dataclasses.replace(neuron, threshold_mantissa=min(neuron.threshold_mantissa, reach))
    return [
        ks.SpikingConv2D(12, 5, **loud(neuron)),
        ks.SpikingSumPooling2D(2, neuron=pool),
        ks.SpikingConv2D(64, 5, **loud(neuron)),
        ks.SpikingSumPooling2D(2, neuron=pool),
        ks.Flatten(),
        ks.SpikingDense(10, **loud(neuron)),
    ]


# Loihi's weights end at 4: a high threshold needs a response that adds up over many steps.
NEURONS = [
    *(
        ("SRM", threshold, tau)
        for threshold in (0.5, 10.0, 1000.0)
        for tau in (1.0, 4.0, 10.0, 20.0)
    ),
    *(
        ("CUBA", threshold, tau)
        for threshold in (0.5, 10.0, 1000.0)
        for tau in (1.0, 4.0, 10.0, 20.0)
    ),
    *(("Loihi", mantissa, tau) for mantissa in (80, 640) for tau in (1.0, 4.0, 10.0, 20.0)),
    ("Loihi", 5000, 20.0),
]


@pytest.mark.filterwarnings("ignore:The chip.s weights end at 4:UserWarning")  # they spike, though
@pytest.mark.parametrize("network", [mlp, cnn])
@pytest.mark.parametrize("timing", TIMINGS)
def test_every_layer_of_a_loud_network_spikes(sample_data, network, timing):
    """Whatever neuron, threshold and time constant: not silent, not saturated."""
    steps, dt = TIMINGS[timing]
    x = recordings(sample_data, steps, dt)
    assert 0.004 < float(tf.reduce_mean(x)) < 0.03
    wrong = {}
    for kind, threshold, tau in NEURONS:
        spikes, rates = x, {}
        for layer in network(make_neuron(kind, threshold, tau, dt)):
            spikes = layer(spikes)
            if isinstance(layer, ks.Flatten):
                continue
            rates[layer.name] = float(tf.reduce_mean(spikes))
            if not SILENT < rates[layer.name] < saturated(layer):
                wrong[f"{kind}, threshold {threshold}, tau {tau} ms"] = rates
    assert not wrong, json.dumps(wrong, indent=1)


def test_rates_do_not_depend_on_the_threshold(sample_data):
    """Weights scale with it: the same seed gives the same spikes."""
    x = recordings(sample_data, 100, 3.0)
    rates = []
    for threshold in (0.5, 1000.0):
        keras.utils.set_random_seed(3)
        spikes = x
        for layer in mlp(make_neuron("SRM", threshold, 10.0, 3.0)):
            spikes = layer(spikes)
        rates.append(float(tf.reduce_mean(spikes)))
    assert rates[0] == pytest.approx(rates[1], rel=0.02) and rates[0] > 0


@pytest.mark.parametrize(
    "neuron",
    [ks.SRM(threshold=3.0), ks.CUBA(), ks.LoihiCUBA(threshold_mantissa=640)],
    ids=lambda neuron: type(neuron).__name__,
)
def test_membrane_fluctuates_as_asked(neuron):
    """xi standard deviations from mean to threshold, with Poisson input at the assumed rate."""
    inputs, steps, rate, xi, mean = 400, 400, 0.05, 2.0, -0.5
    initializer = ks.FluctuationDriven(neuron, rate=rate, xi=xi, mean=mean, seed=1)
    layer = ks.SpikingDense(300, neuron, kernel_initializer=initializer)
    x = (np.random.default_rng(0).random((1, steps, inputs)) < rate).astype("float32")
    layer.build(x.shape)
    response = neuron.response(tf.constant(x) @ layer.quantized_kernel())
    settled = response[:, steps // 2 :].numpy()
    assert settled.mean() == pytest.approx(mean * neuron.firing_threshold, rel=0.25)
    # A neuron's own mean potential is random too, so over all neurons.
    kernel = neuron.response_kernel()
    per_weight = inputs * (rate * (1 - rate) * np.sum(kernel**2) + (rate * kernel.sum()) ** 2)
    expected = initializer.deviation(inputs)
    if isinstance(neuron, ks.LoihiCUBA):
        expected = float(np.std(layer.quantized_kernel()))
    assert settled.std() == pytest.approx(expected * math.sqrt(per_weight), rel=0.15)
    distance = (1 - mean) * neuron.firing_threshold
    target = distance / (xi * math.sqrt(inputs * rate * np.sum(kernel**2)))
    assert np.std(layer.quantized_kernel()) == pytest.approx(target, rel=0.03)


def test_thresholds_out_of_the_weights_reach_are_announced():
    """Weights of deviation 4 at most: asked for more, the initialiser says what to change."""
    neuron = ks.LoihiCUBA(threshold_mantissa=20000, current_decay=4096, voltage_decay=4096)
    with pytest.warns(UserWarning, match="may start silent. Give it a lower threshold") as caught:
        deviation = ks.FluctuationDriven(neuron).deviation(50)
    assert "fan_in=50" in str(caught[0].message) and f"neuron={neuron!r}" in str(caught[0].message)
    assert deviation > 4.0


@pytest.mark.parametrize("shape", [(50, 40), (3, 3, 4, 100), (5, 1, 1, 200)])
def test_deviation_follows_the_fan_in(shape):
    initializer = ks.FluctuationDriven("srm", seed=0)
    weights = initializer(shape)
    fan_in = math.prod(shape[:-1])
    assert weights.shape == shape
    assert np.std(weights) == pytest.approx(initializer.deviation(fan_in), rel=0.1)
    assert initializer.deviation(4 * fan_in) == pytest.approx(initializer.deviation(fan_in) / 2)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_deviation_holds_after_rounding(bits):
    """Few bits round most weights to zero; the rest are drawn larger to make up for it."""
    neuron = ks.LoihiCUBA(300, current_decay=2048, voltage_decay=2048, weight_bits=bits)
    layer = ks.SpikingDense(400, neuron)
    layer.build((None, 10, 500))
    initializer = ks.FluctuationDriven(neuron)
    energy = np.sum(neuron.response_kernel() ** 2)
    distance = (1 - initializer.mean) * neuron.firing_threshold
    target = distance / (initializer.xi * math.sqrt(500 * initializer.rate * energy))
    assert np.std(layer.quantized_kernel()) == pytest.approx(target, rel=0.05)


def test_seeds():
    """An integer gives the same weights, None those of the global state."""
    shape = (20, 30)
    one, same = (np.array(ks.FluctuationDriven(seed=7)(shape)) for _ in range(2))
    np.testing.assert_array_equal(one, same)
    assert np.any(one != ks.FluctuationDriven(seed=8)(shape))
    free = ks.FluctuationDriven()
    assert np.any(np.array(free(shape)) != np.array(free(shape)))
    again = []
    for _ in range(2):
        keras.utils.set_random_seed(5)
        again.append(np.array(ks.FluctuationDriven()(shape)))
    np.testing.assert_array_equal(*again)


def test_a_seed_generator_is_saved_with_the_layer(tmp_path):
    initializer = ks.FluctuationDriven(seed=keras.random.SeedGenerator(3))
    layer = ks.SpikingDense(4, kernel_initializer=initializer)
    keras.Sequential([keras.Input((5, 8)), layer]).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras").layers[0]
    np.testing.assert_array_equal(loaded.kernel, layer.kernel)
    again = ks.SpikingDense.from_config(loaded.get_config()).kernel_initializer
    first = ks.FluctuationDriven(seed=keras.random.SeedGenerator(3))((20, 30))
    np.testing.assert_array_equal(again((20, 30)), first)


def test_layers_of_one_model_start_different():
    model = keras.Sequential([keras.Input((5, 8)), ks.SpikingDense(8), ks.SpikingDense(8)])
    assert np.any(model.layers[0].kernel.numpy() != model.layers[1].kernel.numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", None])
def test_dtype(dtype):
    weights = ks.FluctuationDriven()((4, 3), dtype)
    assert keras.backend.standardize_dtype(weights.dtype) == (dtype or "float32")


@pytest.mark.parametrize("neuron", ["srm", ks.CUBA(threshold=2.0), ks.LoihiCUBA(weight_bits=3)])
def test_config_round_trip(neuron):
    initializer = ks.FluctuationDriven(neuron, rate=0.1, xi=1.5, seed=4, mean=-0.5)
    text = json.dumps(keras.initializers.serialize(initializer))
    again = keras.initializers.get(json.loads(text))
    assert type(again) is ks.FluctuationDriven
    assert again.get_config() == initializer.get_config()
    assert (again.neuron, again.rate, again.xi) == (initializer.neuron, 0.1, 1.5)
    assert (again.seed, again.mean) == (4, -0.5)
    np.testing.assert_array_equal(again((6, 5)), initializer((6, 5)))


def test_saved_before_weights_had_a_mean():
    """Such a config means weights of mean 0."""
    config = ks.FluctuationDriven("cuba", xi=3.0, seed=4).get_config()
    del config["mean"]
    again = ks.FluctuationDriven.from_config(config)
    assert again.mean == 0.0
    assert abs(np.mean(again((400, 300)))) < 0.01 * np.std(again((400, 300)))


def test_mean_of_the_weights():
    initializer = ks.FluctuationDriven("cuba", mean=-0.5, seed=1)
    weights = np.asarray(initializer((400, 300)))
    assert weights.mean() == pytest.approx(initializer.mean_weight(400), rel=0.1)
    assert initializer.mean_weight(800) == pytest.approx(initializer.mean_weight(400) / 2)
    assert ks.FluctuationDriven("cuba", mean=0.0).mean_weight(400) == 0.0


@pytest.mark.parametrize(
    "options, allowed",
    [
        ({"neuron": "lif"}, "neuron must be one of"),
        ({"rate": 0}, r"rate must be a number in \(0, 1\]"),
        ({"rate": 1.5}, r"rate must be a number in \(0, 1\]"),
        ({"xi": 0}, r"xi must be a number in \(0, inf\)"),
        ({"mean": 1.0}, r"mean must be a number in \[-10, 0.9\]"),
    ],
)
def test_bad_argument(options, allowed):
    with pytest.raises(ValueError, match=allowed) as caught:
        ks.FluctuationDriven(**options)
    ((name, value),) = options.items()
    assert str(caught.value).endswith(f"Received: {name}={value!r}")
