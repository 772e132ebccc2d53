"""What export_xylo refuses: with its layer, the limit and what to do, and before it writes."""

import re

import keras
import numpy as np
import pytest
from xylo_cases import STEPS, chain, output_layer, small_model

import keras_slayer as ks
from keras_slayer.export.xylo import XyloDense, XyloLIF, XyloRecurrentDense, export_xylo


def problems(model):
    with pytest.raises(ValueError, match="cannot be exported to Xylo") as error:
        export_xylo(model, None)
    return str(error.value)


def pruned(model, name, keep):
    layer = model.get_layer(name)
    layer.kernel.assign(np.array(layer.kernel) * keep)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([output_layer(9)], "model: it has 1 layer with neurons; allowed: one of hidden"),
        ([XyloDense(2), output_layer(9)], "output: 9 output neurons; allowed: 8 on Xylo Audio 2"),
        ([XyloDense(2, name="last")], "it has 1 layer"),
        (
            [XyloDense(2), XyloDense(2, name="last")],
            r"last: its neurons give up to 31 spikes in a step; allowed: 1, as output neurons.*"
            r"XyloLIF\(max_spikes=1\)",
        ),
        ([output_layer(), XyloDense(2, XyloLIF(max_spikes=1))], "output: .*: 31, as hidden"),
        ([XyloDense(1001), output_layer()], "model: 1001 hidden neurons; allowed: 1000"),
        (
            [XyloRecurrentDense(65, name="wide", recurrent_initializer="ones"), output_layer()],
            "wide: a neuron of it reaches 65 hidden neurons, .* allowed: 64; .*prune",
        ),
        (
            [XyloDense(2), XyloRecurrentDense(2, XyloLIF(max_spikes=1), name="last")],
            "last: its neurons feed each other, and it is the last layer",
        ),
        (
            [ks.SpikingDense(3, "cuba", name="float"), output_layer()],
            "float: its neuron is CUBA; allowed: XyloLIF.*with keras_slayer.export.XyloLIF",
        ),
        (
            [ks.DelayLayer(5), XyloDense(2), output_layer()],
            "DelayLayer has no counterpart.* allowed: XyloDense, .*Activation, Flatten, drop",
        ),
        (
            [
                keras.layers.Dense(2, use_bias=False, name="plain"),
                keras.layers.BatchNormalization(),
                ks.SpikingActivation(XyloLIF()),
                output_layer(),
            ],
            "plain: it has a bias, of its own or of a normalisation; .* without BatchNormalization",
        ),
    ],
)  # fmt: skip
def test_what_the_chip_cannot_do_is_refused(layers, message):
    assert re.search(message, problems(chain(*layers)))


def test_all_problems_show_at_once():
    text = problems(
        chain(
            ks.SpikingRecurrentDense(3, "loihi", name="a"),
            ks.SpikingDense(3, "srm", use_bias=True, name="b"),
            keras.layers.GRU(3, return_sequences=True, name="c"),
            output_layer(),
        )
    )
    assert "(3 problems)" in text and "Loihi" not in text.replace("LoihiCUBA", "")
    for part in ("a: its neuron is LoihiCUBA", "b: its neuron is SRM", "c: GRU has no counterpart"):
        assert part in text


def test_a_synapse_between_hidden_neurons_that_is_zero_takes_no_room():
    model = chain(XyloDense(70, name="a"), XyloDense(70, name="b"), output_layer())
    for name in ("a", "b"):
        layer = model.get_layer(name)
        layer.kernel.assign(np.ones(layer.kernel.shape))
    assert "a: a neuron of it reaches 70 hidden neurons" in problems(model)
    pruned(model, "b", np.arange(70) < 64)
    report = export_xylo(model, None)
    assert (report.layers[0].fan_out, report.synapses) == (64, 70 * 64)


def test_too_many_inputs_and_images():
    assert "hidden: 17 inputs; allowed: 16" in problems(
        chain(XyloDense(2, name="hidden"), output_layer(), inputs=17)
    )
    images = keras.Sequential(
        [keras.Input((STEPS, 2, 2, 4)), XyloDense(2, name="hidden"), output_layer()]
    )
    assert "hidden: it acts on images, pixel by pixel" in problems(images)


def test_too_many_synapses_in_all():
    wide = [XyloDense(190, kernel_initializer="ones", name=f"h{i}") for i in range(5)]
    model = chain(*wide, output_layer())
    for i in range(1, 5):
        kernel = np.zeros((190, 190))
        kernel[:, np.arange(60) + i] = 1
        model.get_layer(f"h{i}").kernel.assign(kernel)
    assert "45,600 synapses between hidden neurons that are not zero; allowed: 32,000" in problems(
        model
    )


def test_weights_that_are_not_finite():
    model = small_model()
    kernel = np.array(model.get_layer("hidden").kernel)
    kernel[2, 3] = np.nan
    model.get_layer("hidden").kernel.assign(kernel)
    assert "hidden: 1 of 320 weights are not finite" in problems(model)
    kernel[2, 3] = -np.inf  # which the forward pass clips
    model.get_layer("hidden").kernel.assign(kernel)
    assert "hidden: 1 of 320 weights are not finite" in problems(model)


def test_no_model():
    with pytest.raises(ValueError, match=r"model must be a keras\.Model\. Received: str"):
        export_xylo("model", None)


def test_nothing_is_written_when_a_model_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    path.write_text("old")
    with pytest.raises(ValueError, match="nothing was written"):
        export_xylo(chain(XyloDense(2)), path)
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(ValueError, match=r"path must end in \.npz"):
        export_xylo(small_model(), tmp_path / "a.json")
    with pytest.raises(ValueError, match="path must be a regular file"):
        export_xylo(small_model(), tmp_path / "no" / "a.npz")
