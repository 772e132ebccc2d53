"""Every loss in Keras: arguments, configs, sample weights, precision, training, saving."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from loss_cases import LABEL_LOSSES, LOSSES, gradient, names, random_spikes

from keras_slayer.losses import SpikeCountLoss, SpikeMaxLoss, SpikeRateLoss, SpikeTimeLoss


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SpikeTimeLoss(tau=0), r"tau must be a number in \(0, inf\). Received: tau=0"),
        (lambda: SpikeTimeLoss(tau=float("nan")), "Received: tau=nan"),
        (lambda: SpikeTimeLoss(dt=-1.0), r"dt must be a number in \(0, inf\). Received: dt=-1.0"),
        (lambda: SpikeTimeLoss(tau="10"), "Received: tau='10'"),
        (lambda: SpikeTimeLoss(tau=True), "Received: tau=True"),
        (lambda: SpikeCountLoss(10, -1), r"false_count must be a number in \[0, inf\). Received"),
        (lambda: SpikeCountLoss(10, 10), r"true_count must be .* in \(10, inf\).*true_count=10"),
        (lambda: SpikeCountLoss(float("inf"), 1), "Received: true_count=inf"),
        (lambda: SpikeRateLoss(1.5, 0.1), r"true_rate must be .* in \(0.1, 1\].*true_rate=1.5"),
        (lambda: SpikeRateLoss(0.1, 0.2), r"true_rate must be .* in \(0.2, 1\].*true_rate=0.1"),
        (lambda: SpikeMaxLoss(scale=0), r"scale must be a number in \(0, inf\).*scale=0"),
        (lambda: SpikeMaxLoss(region=(5, 5)), r"`region` must be .*Received: region=\(5, 5\)"),
        (lambda: SpikeMaxLoss(region=(-1, 5)), r"Received: region=\(-1, 5\)"),
        (lambda: SpikeMaxLoss(region=5), "Received: region=5"),
        (lambda: SpikeMaxLoss(region=(0, None)), r"Received: region=\(0, None\)"),
        (
            lambda: SpikeMaxLoss(region=(0, 5), dt=2),
            r"multiples of dt=2. Received: region=\(0, 5\)",
        ),
        (lambda: SpikeMaxLoss(reduction="median"), "reduction=median"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_numpy_numbers_are_numbers():
    loss = SpikeCountLoss(np.int64(60), np.float32(10), region=np.array([0, 300]))
    assert json.dumps(loss.get_config()) == json.dumps(
        SpikeCountLoss(60, 10, (0, 300)).get_config()
    )


@pytest.mark.parametrize("loss", LOSSES, ids=names)
def test_config_round_trip(loss):
    config = json.loads(json.dumps(keras.losses.serialize(loss)))
    assert config["registered_name"] == f"keras_slayer>{type(loss).__name__}"
    again = keras.losses.get(config)
    assert type(again) is type(loss) and again.get_config() == loss.get_config()
    y_true = [1, 0] if loss in LABEL_LOSSES else random_spikes(2, 12, 3)[::-1]
    assert again(y_true, random_spikes(2, 12, 3)) == loss(y_true, random_spikes(2, 12, 3)) > 0
    other = type(loss).from_config({**loss.get_config(), "dtype": "float64", "reduction": "sum"})
    assert other.get_config() != loss.get_config()
    assert type(loss).from_config(other.get_config()).dtype == "float64"


def test_losses_can_be_named():
    named = keras.losses.get({"class_name": "keras_slayer>SpikeMaxLoss", "config": {"scale": 2.0}})
    assert isinstance(named, SpikeMaxLoss) and named.scale == 2.0


@pytest.mark.parametrize("loss", LOSSES, ids=names)
def test_sample_weights_scale_each_sample(loss):
    spikes = random_spikes(4, 12, 3)
    y_true = [0, 1, 2, 0] if loss in LABEL_LOSSES else random_spikes(4, 12, 3)[::-1]
    each = type(loss).from_config({**loss.get_config(), "reduction": None})(y_true, spikes)
    weights = np.array([0.0, 1.0, 2.0, 0.5], "float32")
    expected = np.mean(each.numpy() * weights)
    np.testing.assert_allclose(loss(y_true, spikes, sample_weight=weights), expected, rtol=1e-6)
    assert len(set(each.numpy())) > 1


@pytest.mark.parametrize("loss", [SpikeCountLoss(8, 2), SpikeRateLoss(), SpikeMaxLoss()], ids=names)
def test_a_recording_of_no_steps_is_one_without_spikes(loss):
    silent = loss([0, 1], np.zeros((2, 1, 3), "float32"))
    assert loss([0, 1], np.zeros((2, 0, 3), "float32")) == silent > 0


@pytest.mark.parametrize("loss", LOSSES, ids=names)
def test_masks_and_weights_of_steps_are_refused(loss):
    """With as many samples as steps, Keras would multiply values of samples by those of steps."""
    spikes = random_spikes(12, 12, 3)
    y_true = np.arange(12) % 3 if loss in LABEL_LOSSES else spikes[::-1].copy()
    assert loss(y_true, spikes, sample_weight=np.ones((12, 1))) == loss(y_true, spikes)
    with pytest.raises(ValueError, match=rf"of {names(loss)} must be one .*shape=\(12, 12\)"):
        loss(y_true, spikes, sample_weight=np.ones((12, 12)))
    relu = keras.layers.TimeDistributed(keras.layers.Dense(3, activation="relu"))
    model = keras.Sequential([keras.Input((12, 3)), keras.layers.Masking(), relu])
    model.compile("sgd", loss, jit_compile=False)
    with pytest.raises(ValueError, match=rf"{names(loss)} has one value .* no mask of time steps"):
        model.fit(spikes, y_true, verbose=0)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("loss", LOSSES, ids=names)
def test_half_precision_spikes_are_counted_in_float32(loss, dtype):
    # A sum in bfloat16 stops at 256 spikes: 1001 of them tell the difference.
    spikes = np.zeros((2, 1001, 2), "float32")
    spikes[..., 0] = 1
    y_true = [0, 1] if loss in LABEL_LOSSES else spikes[:, :, ::-1]
    expected, grad = gradient(loss, y_true, spikes)
    half, half_grad = gradient(loss, y_true, tf.cast(spikes, dtype))
    assert half.dtype == np.float32
    np.testing.assert_allclose(half, expected, rtol=1e-6)
    np.testing.assert_allclose(half_grad.astype("float32"), grad, rtol=1e-2)
    direct = loss.call(tf.constant(y_true), tf.cast(spikes, dtype))
    assert direct.dtype == tf.float32
    assert type(loss).from_config({**loss.get_config(), "dtype": dtype}).dtype == "float32"


def test_half_precision_floatx_does_not_reach_the_loss():
    keras.config.set_floatx("float16")
    try:
        assert SpikeMaxLoss().dtype == "float32"
    finally:
        keras.config.set_floatx("float32")


@pytest.mark.parametrize("loss", LOSSES, ids=names)
def test_empty_batch(loss):
    y_true = np.zeros((0,)) if loss in LABEL_LOSSES else np.zeros((0, 12, 3))
    each = loss.call(tf.constant(y_true), tf.zeros((0, 12, 3)))
    assert each.shape == (0,)


# XLA has no kernel for the filter of SpikeTimeLoss, nor for spiking layers, so that Keras does not
# compile their models with it; the other losses may follow standard layers that it does compile.
@pytest.mark.parametrize(
    ("loss", "options"),
    [(loss, {"run_eagerly": eager}) for loss in LOSSES for eager in (False, True)]
    + [(loss, {"jit_compile": True}) for loss in LABEL_LOSSES],
    ids=lambda value: names(value) if value in LOSSES else str(value),
)
def test_losses_train_a_model(loss, options):
    inputs, labels = random_spikes(8, 12, 5), np.arange(8) % 3
    targets = labels if loss in LABEL_LOSSES else random_spikes(8, 12, 3, rate=0.5)
    model = keras.Sequential([keras.Input((12, 5)), keras.layers.Dense(3, activation="sigmoid")])
    model.compile("adam", loss=loss, **options)
    weights = np.linspace(0.5, 2, 8)
    history = model.fit(inputs, targets, sample_weight=weights, batch_size=3, epochs=3, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]


# Keras' own conversion of variables to NumPy arrays is behind NumPy's.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("loss", LOSSES, ids=names)
def test_compiled_loss_survives_saving(loss, tmp_path):
    model = keras.Sequential([keras.Input((12, 5)), keras.layers.Dense(3, activation="sigmoid")])
    model.compile("adam", loss=loss)
    inputs, labels = random_spikes(4, 12, 5), np.array([0, 1, 2, 0])
    targets = labels if loss in LABEL_LOSSES else random_spikes(4, 12, 3)
    model.fit(inputs, targets, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.loss.get_config() == loss.get_config()
    assert again.evaluate(inputs, targets, verbose=0) == model.evaluate(inputs, targets, verbose=0)
