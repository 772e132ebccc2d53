"""FiringRateMonitor in model.fit: logs, warnings, and training left as it was."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from callback_cases import (
    CLASSES,
    INPUTS,
    STEPS,
    compiled,
    data,
    dense,
    fit,
    functional,
    sequential,
)

import keras_slayer as ks
from keras_slayer.callbacks import FiringRateMonitor
from keras_slayer.rates import FiringRateWarning, firing_rates

QUANTITIES = ("rate", "silent", "saturated")


@pytest.mark.parametrize("make", [sequential, functional])
def test_logs_are_the_rates_after_each_epoch(make):
    x, _ = data()
    model, after = compiled(make()), []
    measure = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: after.append(firing_rates(model, x, saturation=0.3))
    )
    monitor = FiringRateMonitor(x, saturation=0.3, warn_saturated=1.0)
    history = fit(model, monitor, measure).history
    assert set(history) == {"loss"} | {f"{q}/{n}" for q in QUANTITIES for n in ("hidden", "out")}
    assert after[0] != after[1]
    for name in ("hidden", "out"):
        for quantity in QUANTITIES:
            expected = [getattr(rates[name], quantity) for rates in after]
            assert history[f"{quantity}/{name}"] == expected
    assert 0 < history["rate/hidden"][0] < 1


@pytest.mark.parametrize(
    "make, policy",
    # (Keras cannot sum a regulariser's loss in float16 with another in float32.)
    [(sequential, "float32"), (sequential, "mixed_float16"), (functional, "float32")],
)
def test_training_is_left_as_it_was(make, policy):
    """Bit-equal weights, losses and random states; the training step is traced as often."""
    x, _ = data()
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        results = []
        for monitored in (False, True):
            keras.utils.set_random_seed(5)
            model = compiled(make())
            traces = []
            call = model.layers[1].call

            def counting(*args, call=call, traces=traces, **kwargs):
                if not tf.executing_eagerly():
                    traces.append(1)
                return call(*args, **kwargs)

            model.layers[1].call = counting
            callbacks = [FiringRateMonitor(x[:4])] if monitored else []
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FiringRateWarning)
                history = fit(model, *callbacks, epochs=3, shuffle=True, validation_split=0.3)
            variables = [v.numpy() for v in (*model.variables, *model.optimizer.variables)]
            after = keras.random.normal((3,)).numpy()
            results.append((variables, history.history["loss"], len(traces), after))
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    (plain, loss, traces, state), (monitored, loss_monitored, traces_monitored, state_monitored) = (
        results
    )
    for one, other in zip(plain, monitored, strict=True):
        np.testing.assert_array_equal(one, other)
    assert loss == loss_monitored and traces == traces_monitored > 0
    np.testing.assert_array_equal(state, state_monitored)


def test_steps_and_data_sets():
    x, y = data()
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)
    model = compiled(sequential())
    monitor = FiringRateMonitor(dataset)
    np.testing.assert_array_equal(monitor.x, x[:4])
    history = model.fit(
        dataset.repeat(), steps_per_epoch=2, epochs=2, verbose=0, shuffle=False, callbacks=[monitor]
    )
    assert len(history.history["rate/out"]) == 2


def test_progress_bar_shows_the_rates(capsys):
    fit(compiled(sequential()), FiringRateMonitor(data()[0]), epochs=1, verbose=2)
    shown = capsys.readouterr().out
    assert "rate/hidden: 0." in shown and "silent/out: " in shown and "saturated/out: " in shown


def test_tensorboard_behind_it_gets_the_rates(tmp_path):
    pytest.importorskip("tensorboard")
    board = keras.callbacks.TensorBoard(tmp_path)
    history = fit(compiled(sequential()), FiringRateMonitor(data()[0]), board).history
    values = {}
    for file in (tmp_path / "train").glob("events.*"):
        for raw in tf.data.TFRecordDataset(str(file)):
            for value in tf.compat.v1.Event.FromString(raw.numpy()).summary.value:
                if value.HasField("tensor") and "/" in value.tag:
                    values.setdefault(value.tag, []).append(float(tf.make_ndarray(value.tensor)))
    assert set(values) >= {f"epoch_{q}/{n}" for q in QUANTITIES for n in ("hidden", "out")}
    np.testing.assert_allclose(values["epoch_rate/hidden"], history["rate/hidden"], rtol=1e-6)


def warnings_of(model, monitor, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(compiled(model), monitor, **options)
    return [str(w.message) for w in caught if w.category is FiringRateWarning]


def test_a_silent_layer_is_named_once_with_what_to_change():
    """Not the layer behind it, which has nothing to fire at."""
    model = sequential(dense(8, scale=0.01, name="hidden"))
    assert warnings_of(model, FiringRateMonitor(data()[0]), epochs=3) == [
        "hidden: it fires nothing on the monitored batch. Try larger weights (set_firing_rates, "
        "or FluctuationDriven with a smaller xi), a lower threshold or a longer tau_response; "
        "if it fired before, a lower learning rate."
    ]


def test_a_layer_that_is_mostly_silent():
    layer = dense(20, scale=0.0, name="hidden")
    model = sequential(layer)
    kernel = np.zeros((INPUTS, 20), "float32")
    kernel[:, 3] = 1
    layer.kernel.assign(kernel)
    (message, *_) = warnings_of(model, FiringRateMonitor(data()[0]), epochs=1)
    assert message.startswith("hidden: 95% of its neurons never fire on the monitored batch. Try")
    layer.kernel.assign(kernel)
    monitor = FiringRateMonitor(data()[0], warn_silent=0.96)
    assert not any("never" in message for message in warnings_of(model, monitor, epochs=1))


@pytest.mark.parametrize(
    "layer, advice",
    [
        (
            ks.SpikingDense(8, "cuba", kernel_initializer="ones", name="hidden"),
            "smaller weights (set_firing_rates, or FluctuationDriven with a larger xi), a higher "
            "threshold or a larger current_decay and voltage_decay.",
        ),
        (
            ks.SpikingActivation(ks.LoihiCUBA(1), name="hidden"),
            "smaller weights in the layer before it, a higher threshold_mantissa or a larger "
            "current_decay and voltage_decay.",
        ),
    ],
)
def test_a_saturated_layer(layer, advice):
    messages = warnings_of(sequential(layer), FiringRateMonitor(data(density=0.5)[0]))
    own = [message for message in messages if message.startswith("hidden")]
    assert own == [
        "hidden: 100% of its neurons fire in more than 50% of the steps on the monitored batch. "
        f"Try {advice}"
    ]


def test_advice_for_a_pool():
    pool = ks.SpikingSumPooling2D(2, weight=0.01, name="pool")
    model = keras.Sequential(
        [keras.Input((STEPS, 4, 3, 1)), pool, ks.Flatten(), ks.SpikingDense(CLASSES)]
    )
    x = data()[0].reshape(-1, STEPS, 4, 3, 1)
    with pytest.warns(FiringRateWarning, match="pool: it fires nothing.* Try a larger weight, a l"):
        compiled(model).fit(x, data()[1], verbose=0, callbacks=[FiringRateMonitor(x)])


def test_a_healthy_network_gets_no_warning():
    assert warnings_of(sequential(), FiringRateMonitor(data()[0])) == []


def test_arguments_of_the_monitor():
    x = data()[0]
    for name in ("saturation", "warn_silent", "warn_saturated"):
        with pytest.raises(ValueError, match=rf"{name} must be a number in \[0, 1\]"):
            FiringRateMonitor(x, **{name: 2})
    plain = keras.Sequential([keras.Input((STEPS, INPUTS)), keras.layers.Dense(CLASSES)])
    with pytest.raises(ValueError, match="no layer with spiking neurons"):
        fit(compiled(plain), FiringRateMonitor(x))


def test_an_empty_batch_is_named_instead_of_a_layer():
    x = np.zeros_like(data()[0])
    assert warnings_of(sequential(), FiringRateMonitor(x), epochs=2) == [
        "the monitored batch holds no spikes: it is all zeros. Check that the recordings have "
        "events within the frame and the duration that were cut out of them."
    ]


def test_weights_that_are_not_finite_are_named_instead_of_a_layer():
    """Their neurons fall silent, and the loss of no spikes is finite."""
    layer = dense(8, name="hidden")
    model = sequential(layer)
    layer.kernel.assign(np.full((INPUTS, 8), np.nan))
    assert np.isfinite(fit(compiled(model)).history["loss"]).all()
    messages = warnings_of(model, FiringRateMonitor(data()[0]), epochs=5)
    assert "weights are not finite (the first: " in messages[0]
    assert f"(the first: {layer.kernel.path})" in messages[0]
    assert len(messages) == 1


def test_at_chance_with_weights_that_are_not_finite():
    model = sequential()
    model.layers[0].kernel.assign(np.full((INPUTS, 8), np.nan))
    x, y = (np.repeat(values, 4, axis=0) for values in data())
    compiled(model, metrics=[ks.SpikeCountAccuracy()], optimizer=keras.optimizers.SGD(0.0))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(x, y, batch_size=4, verbose=0, callbacks=[FiringRateMonitor(x)])
    first, second = (str(w.message) for w in caught if w.category is FiringRateWarning)
    assert "weights are not finite" in first
    assert "The likely cause is weights that are not finite: a warning before names" in second
