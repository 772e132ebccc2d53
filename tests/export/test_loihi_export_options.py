"""Arguments of the export, and its one error for all problems."""

import keras
import numpy as np
import pytest
from export_cases import MODELS, NEURON, STEPS, build

import keras_slayer as ks
from keras_slayer.export import LoihiSimulator, export_loihi, write_flat


def refusal(model, tmp_path):
    """The message of the one error, after checking that nothing was written."""
    (tmp_path / "a.net").write_text("precious")
    with pytest.raises(ValueError, match="cannot be exported to Loihi") as error:
        export_loihi(model, tmp_path / "a.net")
    assert [path.name for path in tmp_path.iterdir()] == ["a.net"]
    assert (tmp_path / "a.net").read_text() == "precious"
    return str(error.value)


def test_all_problems_in_one_error(tmp_path):
    layers = [
        ks.SpikingConv2D(4, 2, padding="same", neuron="srm", name="first"),
        keras.layers.Softmax(name="softmax"),
        ks.DelayLayer(name="slow", max_delay=90, delay_initializer=keras.initializers.Constant(70)),
        ks.SpikingSumPooling2D(2, padding="same", neuron=NEURON, name="pool"),
        ks.Flatten(),
        keras.layers.Dense(5, activation="relu", name="plain"),
        ks.SpikingActivation(NEURON),
        ks.SpikingDense(4, neuron=NEURON, name="silent"),
        keras.layers.Dense(3, name="readout"),  # on the host
    ]
    model = keras.Sequential([keras.Input((STEPS, 8, 9, 2)), *layers])
    message = refusal(model, tmp_path)
    assert "(4 problems), nothing was written" in message.splitlines()[0]
    assert [line.split(";")[0] for line in message.splitlines()[1:]] == [
        "  - first: its neuron is SRM",
        "  - softmax: Softmax has no counterpart on the chip",
        "  - slow: its delays reach from 70 to 70 steps of 1 ms",
        "  - plain: its activation is 'relu'",
    ]
    assert "keras_slayer.export.to_loihi(model)" in message


def test_weights_that_are_not_finite(tmp_path):
    model = build((3,), [ks.SpikingDense(2, neuron=NEURON, name="broken")])
    model.layers[0].kernel.assign([[1, 1], [np.nan, 1], [1, 1]])
    message = refusal(model, tmp_path)
    assert "(1 problem)" in message
    assert "broken: 1 of 6 weights are not what the chip can hold (the first: " in message


def test_what_the_forward_pass_clips_must_be_finite_too(tmp_path):
    layer = ks.SpikingDense(2, neuron=NEURON, use_bias=True, name="broken")
    model = build((3,), [layer])
    layer = model.layers[0]
    layer.kernel.assign([[1, 1], [-np.inf, 1], [1, 1]])
    layer.bias.assign([np.inf, 0])
    message = refusal(model, tmp_path)
    assert "broken: 1 of 6 weights are not what the chip can hold (the first: -inf)" in message
    assert "broken: its constant input reaches inf" in message


def test_a_learned_parameter_that_is_not_finite(tmp_path):
    model = build((3,), [ks.SpikingDense(2, neuron=NEURON, learn="threshold_mantissa", name="a")])
    model.layers[0].weights[-1].assign(np.nan)
    assert "'a': threshold_mantissa has become nan; allowed: a finite number" in refusal(
        model, tmp_path
    )


def test_no_model(tmp_path):
    with pytest.raises(ValueError, match=r"model must be a keras\.Model\. Received: NoneType"):
        export_loihi(None, tmp_path / "a.net")


def test_windows_beyond_the_loader(tmp_path):
    model = build((200, 2, 1), [ks.SpikingConv2D(1, (128, 1), neuron=NEURON, name="tall")])
    assert "tall: kernel_size is (128, 1); allowed: at most 127" in refusal(model, tmp_path)


def test_layers_of_users_are_not_trusted(tmp_path):
    class Louder(ks.SpikingDense):
        def call(self, inputs):
            return 1.0 - super().call(inputs)

    class Twice(keras.layers.Layer):  # without compute_output_shape
        def call(self, inputs):
            return keras.ops.concatenate([inputs, inputs], axis=-1)

    # Behind the last spiking layer anything may follow: the host runs it.
    layers = [Twice(name="twice"), Louder(2, neuron=NEURON, name="loud"), Twice(name="host")]
    message = refusal(keras.Sequential([keras.Input((STEPS, 4)), *layers]), tmp_path)
    assert "twice: Twice has no counterpart on the chip" in message
    assert "loud: Louder has no counterpart on the chip" in message


def test_format_comes_from_the_suffix_or_the_argument(tmp_path):
    model = build(*MODELS["dense"])
    assert export_loihi(model, tmp_path / "a.net").format == "net"
    export_loihi(model, tmp_path / "b.h5", format="net")
    assert (tmp_path / "a.net").read_bytes() == (tmp_path / "b.h5").read_bytes()
    assert export_loihi(model, tmp_path / "c.nir").format == "nir"
    export_loihi(model, tmp_path / "d.net", format="nir")
    assert (tmp_path / "c.nir").read_bytes() == (tmp_path / "d.net").read_bytes()
    with pytest.raises(ValueError, match=r"path must end in \.net or \.nir unless .* Received: "):
        export_loihi(model, tmp_path / "e.h5")
    with pytest.raises(ValueError, match=r"format must be one of .* Received: format='onnx'"):
        export_loihi(model, tmp_path / "e.net", format="onnx")
    with pytest.raises(ValueError, match=r"existing folder\. Received: path=.*no folder"):
        export_loihi(model, tmp_path / "absent" / "c.net")
    with pytest.raises(ValueError, match=r"path must be a regular file.* it is a folder"):
        export_loihi(model, tmp_path, format="net")
    with pytest.raises(ValueError, match="path must be given unless dry_run=True"):
        export_loihi(model, None)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["a.net", "b.h5", "c.nir", "d.net"]


def test_the_simulator_takes_the_format_too(tmp_path):
    model = build(*MODELS["dense"])
    spikes = (np.random.default_rng(0).random((2, *model.input_shape[1:])) < 0.3).astype("float32")
    for format in ("net", "nir"):
        path = tmp_path / f"{format}.h5"
        export_loihi(model, path, format=format)
        simulator = LoihiSimulator(path, format=format)
        np.testing.assert_array_equal(simulator.run(spikes), model(spikes))
        write_flat(path, tmp_path / "a.ksn", format=format)
        with pytest.raises(ValueError, match="another suffix need their format"):
            LoihiSimulator(path)
    with pytest.raises(ValueError, match=r"format must be one of .* Received: format='h5'"):
        LoihiSimulator(path, format="h5")
    with pytest.raises(ValueError, match=r"for files: .* Received: .*format='net'"):
        write_flat(simulator.network, tmp_path / "b.ksn", format="net")


@pytest.mark.parametrize("options", [{"chip": "loihi3"}, {"weight_bits": 0}, {"weight_bits": 9}])
def test_bad_options(options, tmp_path):
    (argument,) = options
    with pytest.raises(ValueError, match=argument):
        export_loihi(build(*MODELS["dense"]), tmp_path / "a.net", **options)
    assert not list(tmp_path.iterdir())


def test_a_dry_run_reports_and_writes_nothing(tmp_path):
    model = build(*MODELS["cnn"])
    wet = model.export_loihi(tmp_path / "a.net")
    for path in (None, tmp_path / "b.net", tmp_path / "absent" / "b.net"):
        dry = model.export_loihi(path, dry_run=True)
        assert (dry.path, dry.file_bytes) == (None, 0)
        assert (dry.layers, dry.mapping) == (wet.layers, wet.mapping)
        assert str(dry).splitlines()[-1] == "dry run: no .net file was written"
    assert [path.name for path in tmp_path.iterdir()] == ["a.net"]
    with pytest.raises(ValueError, match="its neuron is SRM"):
        build((4,), [ks.SpikingDense(2)]).export_loihi(None, dry_run=True)
