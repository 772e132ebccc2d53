"""Networks with the defaults alone learn, whatever the neuron, optimiser, depth or density."""

import keras
import numpy as np
import pytest

import keras_slayer as ks
from keras_slayer import neurons

CLASSES, INPUTS, STEPS = 4, 60, 40


def recordings(samples, density=0.05, seed=0, inputs=INPUTS):
    """Spikes and labels: each class has a firing rate of its own for every input."""
    random = np.random.default_rng(7)
    rates = random.random((CLASSES, inputs)) ** 3
    rates *= density / rates.mean()
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, samples)
    x = random.random((samples, STEPS, inputs)) < rates[labels, None]
    return x.astype("uint8"), labels


def network(neuron, layers=2, units=48, inputs=INPUTS):
    hidden = [ks.SpikingDense(units, neuron) for _ in range(layers - 1)]
    shape = keras.Input((STEPS, inputs), dtype="uint8")
    return keras.Sequential([shape, *hidden, ks.SpikingDense(CLASSES, neuron)])


def accuracy_of(model, optimizer, density=0.05, epochs=8, inputs=INPUTS):
    """Share of new recordings that are told right after training."""
    metrics = [ks.SpikeCountAccuracy(name="accuracy")]
    model.compile(optimizer, loss=ks.SpikeMaxLoss(), metrics=metrics)
    model.fit(*recordings(400, density, inputs=inputs), batch_size=8, epochs=epochs, verbose=0)
    test = recordings(100, density, seed=1, inputs=inputs)
    return model.evaluate(*test, verbose=0, return_dict=True)["accuracy"]


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(1)


@pytest.mark.parametrize("optimizer", ["adam", "nadam"])
@pytest.mark.parametrize("neuron", sorted(neurons.BY_NAME))
def test_two_layers_learn(neuron, optimizer):
    assert accuracy_of(network(neuron), optimizer) >= 0.95


@pytest.mark.parametrize("learning_rate", [3e-4, 1e-2])
@pytest.mark.parametrize("neuron", sorted(neurons.BY_NAME))
def test_learning_rates_a_factor_of_thirty_apart(neuron, learning_rate):
    assert accuracy_of(network(neuron), keras.optimizers.Adam(learning_rate)) >= 0.9


@pytest.mark.parametrize(
    ("neuron", "layers", "least"),
    # Resonators pass on what oscillates: a deep network of them learns more slowly.
    [
        *((neuron, 8, 0.9) for neuron in sorted(neurons.BY_NAME) if neuron != "rf"),
        ("rf", 4, 0.7),
        ("cuba", 12, 0.7),
    ],
)
def test_a_deep_network_that_starts_silent_learns(neuron, layers, least):
    model = network(neuron, layers=layers)
    *_, last = ks.firing_rates(model, recordings(8)[0]).values()
    assert last.rate == 0
    assert accuracy_of(model, "adam", epochs=12) >= least


@pytest.mark.parametrize("density", [0.005, 0.2])
@pytest.mark.parametrize("neuron", ["srm", "loihi"])
def test_few_and_many_input_spikes(neuron, density):
    inputs = 300 if density < 0.01 else INPUTS
    assert accuracy_of(network(neuron, inputs=inputs), "adam", density, inputs=inputs) >= 0.8


@pytest.mark.parametrize(
    ("dt", "per_step"), [(0.1, 140), (1.0, 14), (4.0, 3.5), (5.0, 3), (20.0, 3)]
)
@pytest.mark.parametrize(("neuron", "times"), [(ks.SRM, 1), (ks.CUBA, 1), (ks.ALIF, 2)])
def test_where_steady_input_settles(neuron, times, dt, per_step):
    """At 14 thresholds for one spike per ms, and at three or more for one per step."""
    neuron = neuron(dt=dt)
    settled = neuron.response_kernel().sum() / neuron.firing_threshold
    assert settled == pytest.approx(times * per_step, rel=0.01)


@pytest.mark.parametrize("neuron", ["srm", "cuba", "loihi", "alif"])
def test_a_network_in_long_steps_learns(neuron):
    assert accuracy_of(network(neurons.BY_NAME[neuron](dt=10.0)), "adam") >= 0.9


@pytest.mark.parametrize(("bits", "threshold"), [(8, 140), (6, 140), (5, 280), (4, 560), (1, 560)])
def test_coarser_weights_have_a_higher_threshold(bits, threshold):
    assert ks.LoihiCUBA(weight_bits=bits).threshold_mantissa == threshold


def test_weights_of_few_bits_learn():
    assert accuracy_of(network(ks.LoihiCUBA(weight_bits=4)), "adam") >= 0.8


def test_steps_of_unknown_length_count_as_one_millisecond():
    known, unknown = ks.CUBA(), ks.CUBA(current_decay=0.1813, voltage_decay=0.1813)
    assert unknown.dt is None and unknown.threshold == pytest.approx(known.threshold, rel=0.01)


def test_truncated_kernels_have_a_default_threshold_too():
    cut, whole = ks.SRM(kernel_cutoff=1e-3), ks.SRM()
    assert cut.threshold == pytest.approx(whole.threshold, rel=0.01)
    assert 0 < len(cut.kernels[0]) < len(whole.response_kernel())
    assert ks.SRM(kernel_cutoff=0.5).threshold < cut.threshold


def test_a_given_threshold_stays():
    assert ks.SRM(threshold=10.0, tau_response=2.0).threshold == 10.0
    assert ks.CUBA(1.25).threshold == 1.25
    assert ks.ALIF(threshold=1.0, beta=0.2).beta == 0.2
    assert ks.LoihiCUBA(80).threshold_mantissa == 80


def test_thresholds_of_the_chip():
    """That of CUBA in the chip's units, and not so low that a weight's step is large beside it."""
    to_three_digits = pytest.approx(64 * ks.CUBA().threshold, rel=0.01)  # and then to an integer
    assert ks.LoihiCUBA().threshold_mantissa == to_three_digits
    assert ks.LoihiCUBA(dt=20.0).threshold_mantissa == 64 > 64 * ks.CUBA(dt=20.0).threshold


def test_no_default_threshold_without_a_response():
    with pytest.raises(ValueError, match=r"give it one, or a shorter dt\. Received: SRM"):
        ks.SRM(tau_response=0.001)
