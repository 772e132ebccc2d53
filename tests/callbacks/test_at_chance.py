"""FiringRateMonitor says once that a model is at chance, and what is likely to keep it there."""

import types
import warnings

import keras
import numpy as np
import pytest
from callback_cases import CLASSES, INPUTS, SRM, STEPS, compiled, dense

import keras_slayer as ks
from keras_slayer.callbacks import FiringRateMonitor
from keras_slayer.callbacks.causes import fires_alike
from keras_slayer.callbacks.chance import sign_of_chance

SAMPLES = 96
SEE = "See 'It does not learn' in the documentation."
ACCURACY = (ks.SpikeCountAccuracy,)


def easy_data():
    """Each class has four inputs of its own that spike."""
    random = np.random.default_rng(0)
    labels = np.arange(SAMPLES) % CLASSES
    rates = np.where(np.arange(INPUTS) // 4 == labels[:, None], 0.5, 0.02)
    return (random.random((SAMPLES, STEPS, INPUTS)) < rates[:, None]).astype("float32"), labels


X, LABELS = easy_data()
RANDOM = np.random.default_rng(1).integers(0, CLASSES, SAMPLES)


def network(hidden=None, out=None):
    layers = [hidden or dense(8, name="hidden"), out or dense(CLASSES, name="out")]
    return keras.Sequential([keras.Input((STEPS, INPUTS)), *layers])


def constant(units, weight, neuron=SRM, **options):
    kernel = keras.initializers.Constant(weight)
    return ks.SpikingDense(units, neuron, kernel_initializer=kernel, **options)


def messages(
    model, y=LABELS, x=X, monitored=None, rate=1e-9, loss=None, metrics=ACCURACY, **options
):
    """Of a training that changes nothing, unless ``rate`` is larger."""
    optimizer = keras.optimizers.Adam(rate)
    # New metrics: those of another model would go on counting from what they have.
    metrics = [metric() for metric in metrics]
    compiled(model, optimizer=optimizer, loss=loss or ks.SpikeMaxLoss(), metrics=metrics)
    monitor = FiringRateMonitor(x if monitored is None else monitored)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        options = {"batch_size": 8, "verbose": 0, "shuffle": False, **options}
        model.fit(x, y, callbacks=[monitor], **options)
    return [str(w.message) for w in caught if w.category is ks.FiringRateWarning]


def test_a_silent_layer_is_the_cause():
    """Named before, with what to try: the second warning does not say that again."""
    silent = constant(8, 0.1, ks.SRM(threshold=1000.0), name="hidden")
    assert messages(network(silent), epochs=3) == [
        "hidden: it fires nothing on the monitored batch. Try larger weights (set_firing_rates, "
        "or FluctuationDriven with a smaller xi), a lower threshold or a longer tau_response; "
        "if it fired before, a lower learning rate.",
        "after epoch 1 the model is at chance: spike_count_accuracy is 0.333 for 3 classes. The "
        f"likely cause is hidden, which was found silent: a warning before says what to try. {SEE}",
    ]


def test_a_layer_that_is_more_than_half_silent_is_the_cause():
    """Fewer silent neurons than there is a warning of; that of a model at chance names them."""
    hidden = constant(10, 0.0, name="hidden")
    model = network(hidden)
    hidden.kernel.assign(np.tile([1.0] * 4 + [0.0] * 6, (INPUTS, 1)))
    (message,) = messages(model, RANDOM)
    assert message.startswith("after epoch 1 the model is at chance: spike_count_accuracy is 0.")
    assert message.endswith(
        "The likely cause is hidden: 60% of its neurons never fire on the monitored batch. Try "
        "larger weights (set_firing_rates, or FluctuationDriven with a smaller xi), a lower "
        f"threshold or a longer tau_response. {SEE}"
    )


def test_a_saturated_layer_is_the_cause():
    loud = constant(8, 1.0, ks.CUBA(threshold=0.01, voltage_decay=0.5), name="hidden")
    first, last = messages(network(loud, constant(CLASSES, 0.02, name="out")))
    assert first.startswith("hidden: 100% of its neurons fire in more than 50% of the steps")
    assert "The likely cause is hidden, which was found saturated: a warning before" in last


@pytest.mark.parametrize("weight, change", [(0.06, "larger"), (0.3, "smaller")])
def test_outputs_that_fire_alike_are_the_cause(weight, change):
    """Seldom, or as often as they can."""
    out = constant(CLASSES, weight, name="out")
    (message,) = messages(network(out=out))
    cause = f"The likely cause is out: it fires alike for all classes. Try {change} weights"
    assert cause in message


@pytest.mark.parametrize("neuron, own", [(SRM, "dt"), (ks.CUBA(0.5, 0.25, 0.03), "decays")])
def test_healthy_rates_and_random_labels(neuron, own):
    kernel = keras.initializers.RandomNormal(0.0, 0.5, seed=8)
    out = ks.SpikingDense(CLASSES, neuron, kernel_initializer=kernel, name="out")
    hidden = ks.SpikingDense(8, neuron, kernel_initializer=kernel, name="hidden")
    (message,) = messages(network(hidden, out), RANDOM)
    assert message.endswith(
        "for 3 classes. No layer is silent or saturated. Try a lower learning_rate, then a higher "
        "one, then a larger surrogate_tau; and compare the "
        f"{own} of the neurons with the time step of the data. {SEE}"
    )


def test_an_empty_batch_is_the_cause():
    first, last = messages(network(), RANDOM, monitored=np.zeros_like(X))
    assert first.startswith("the monitored batch holds no spikes")
    assert "The likely cause is the input: a warning before says what to check. " in last


@pytest.mark.parametrize("metrics", [ACCURACY, ()], ids=["accuracy", "loss alone"])
def test_a_network_that_learns_gets_no_warning(metrics):
    assert messages(network(), rate=0.03, batch_size=2, metrics=metrics) == []


def test_the_loss_alone_shows_chance():
    """Of classes as labels: a loss of spike counts says nothing by its height."""
    quiet = constant(CLASSES, 0.12, name="out")
    for loss in (ks.SpikeMaxLoss(), ks.FirstSpikeLoss()):
        (message,) = messages(network(out=quiet), metrics=(), loss=loss)
        assert message.startswith("after epoch 1 the model is at chance: loss is 1.1, and ln(3) is")
    assert messages(network(out=quiet), metrics=(), loss=ks.SpikeRateLoss()) == []


def test_a_loss_of_keras_shows_chance():
    hidden = dense(8, name="hidden")
    average = keras.layers.GlobalAveragePooling1D()
    softmax = keras.layers.Dense(CLASSES, "softmax", kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((STEPS, INPUTS)), hidden, average, softmax])
    options = {"metrics": (), "loss": "sparse_categorical_crossentropy"}
    (message,) = messages(model, RANDOM, **options)
    assert "loss is 1.1, and ln(3) is 1.1. No layer is silent" in message


def test_regression_gets_no_warning():
    """Not even where the squared error happens to be ln(classes)."""
    model = network(out=constant(CLASSES, 0.12, name="out"))
    spikes = model(X).numpy()
    target = spikes + np.sqrt(np.log(CLASSES))
    assert messages(model, target, loss="mse", metrics=()) == []


def test_a_model_of_two_outputs_is_not_judged():
    inputs = keras.Input((STEPS, INPUTS))
    outputs = [constant(CLASSES, 0.12, name=name)(inputs) for name in ("one", "two")]
    model = keras.Model(inputs, outputs)
    options = {"loss": [ks.SpikeMaxLoss()] * 2, "metrics": ACCURACY * 2}
    assert messages(model, [LABELS, LABELS], **options) == []


def test_short_epochs_are_judged_after_ten_steps_or_at_the_end():
    """A few training steps teach no network anything."""
    model = network()
    (message,) = messages(model, RANDOM, batch_size=32, epochs=6)
    assert message.startswith("after epoch 4 ")
    (message,) = messages(network(), RANDOM, batch_size=32, epochs=2)
    assert message.startswith("after epoch 2 ")


def test_few_samples_are_not_judged():
    assert messages(network(), RANDOM[:31], X[:31], epochs=3) == []
    assert len(messages(network(), RANDOM[:32], X[:32], epochs=3)) == 1


def test_validation_leaves_the_samples_of_training_the_ones_that_count():
    """Eight samples of validation would be too few to judge by."""
    (message,) = messages(network(), RANDOM, validation_data=(X[:8], RANDOM[:8]))
    assert "accuracy is 0." in message


def model_with(loss):
    return types.SimpleNamespace(loss=loss)


@pytest.mark.parametrize("samples, limit", [(1600, 0.1 + 2 * 0.3 / 40), (None, 0.15)])
def test_the_limit_of_an_accuracy(samples, limit):
    """Two deviations of a binomial distribution above chance; half as much again if N is not known.

    A good loss does not save it, and a bad one does not condemn a good accuracy.
    """
    model = model_with(ks.SpikeMaxLoss())

    def sign(**logs):
        return sign_of_chance(model, logs, 10, samples)

    assert sign(my_accuracy=limit - 1e-4, loss=0.1).startswith("my_accuracy is 0.1")
    assert sign(acc=limit + 1e-4, loss=np.log(10)) is None
    assert sign(accuracy=0.1, val_accuracy=0.5) is None
    assert sign(accuracy=0.1, top_k_accuracy=0.5) == "accuracy is 0.1 for 10 classes"
    assert sign_of_chance(model, {"accuracy": 0.1}, 1, samples) is None


def test_the_limit_of_a_loss():
    for loss in (ks.SpikeMaxLoss(), "categorical_crossentropy", keras.losses.get(
        "sparse_categorical_crossentropy"), keras.losses.CategoricalCrossentropy()):  # fmt: skip
        for factor, found in ((0.96, False), (0.98, True), (1.02, True), (1.04, False)):
            logs = {"loss": factor * np.log(10)}
            assert (sign_of_chance(model_with(loss), logs, 10, None) is not None) == found
    for loss in (ks.SpikeRateLoss(), "mse", "binary_crossentropy", None, {"a": "mse"}):
        assert sign_of_chance(model_with(loss), {"loss": np.log(10)}, 10, None) is None
    assert sign_of_chance(model_with(ks.SpikeMaxLoss()), {}, 10, None) is None


def test_firing_alike():
    spikes = np.zeros((2, 5, 1, 3))
    spikes[:, 2] = 1
    assert fires_alike(spikes)
    spikes[0, 3, 0, 1] = 1
    assert fires_alike(spikes)  # half a spike apart in the mean
    spikes[1, 4, 0, 2] = 1
    assert not fires_alike(spikes)
    assert not fires_alike(np.full((2, 5, 3), 0.5)) and not fires_alike(np.ones((2, 3)))
