"""Calibration data that no network can run on."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_slayer as ks
from keras_slayer.export import export_loihi, to_loihi


def model(neuron):
    return keras.Sequential([keras.Input((5, 4)), ks.SpikingDense(3, neuron=neuron)])


def export(data, path):
    export_loihi(model("loihi"), path, calibration=data)


def convert(data, path):
    to_loihi(model("cuba"), data)


def spikes(value=1.0, dtype=np.float32):
    values = np.zeros((20, 5, 4), dtype)
    values[17, 3, 2] = value
    return values


@pytest.mark.parametrize(("use", "value"), [(export, np.nan), (export, np.inf), (convert, -np.inf)])
def test_spikes_that_are_not_finite_are_refused(use, value, tmp_path):
    place = rf"1 of 80 spikes of a batch .* first {value} at \(1, 3, 2\)"
    with pytest.raises(ValueError, match=f"calibration must hold finite spikes.*Received: {place}"):
        use(spikes(value), tmp_path / "a.net")
    with pytest.raises(ValueError, match="calibration must hold finite spikes"):
        use(tf.data.Dataset.from_tensor_slices(spikes(value)).batch(4), tmp_path / "a.net")
    assert not list(tmp_path.iterdir())


def test_labels_that_are_not_finite_are_refused(tmp_path):
    labels = np.array([0.0] * 19 + [np.nan])
    with pytest.raises(ValueError, match="calibration must hold finite labels"):
        export((spikes(), labels), tmp_path / "a.net")
    assert not list(tmp_path.iterdir())


def test_spikes_must_be_numbers(tmp_path):
    with pytest.raises(ValueError, match=r"spikes that are numbers\. Received: .* of type <U1"):
        export(np.full((2, 5, 4), "1"), tmp_path / "a.net")


@pytest.mark.parametrize("dtype", [bool, np.float16])
def test_spikes_may_have_any_type(dtype, tmp_path):
    export(spikes(1, dtype), tmp_path / "a.net")
    assert (tmp_path / "a.net").exists()


@pytest.mark.parametrize("use", [export, convert])
def test_spikes_of_no_step_are_refused(use, tmp_path):
    with pytest.raises(ValueError, match=r"at least one step\. Received: .*shape \(2, 0, 4\)"):
        use(np.zeros((2, 0, 4)), tmp_path / "a.net")
    assert not list(tmp_path.iterdir())


def test_an_endless_dataset_is_refused_where_all_of_it_would_run(tmp_path):
    endless = tf.data.Dataset.from_tensor_slices(spikes()).batch(64).repeat()
    with pytest.raises(
        ValueError, match=r"a dataset that ends: .* take\(n\).* infinite cardinality"
    ):
        export(endless, tmp_path / "a.net")
    assert not list(tmp_path.iterdir())
    to_loihi(model("cuba"), endless)  # which takes the first samples only
