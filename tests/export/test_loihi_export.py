"""Keras model to file to simulator: every spike, every figure of the report, every refusal."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_slayer as ks
from keras_slayer.export import LoihiReport, LoihiSimulator, export_loihi
from keras_slayer.export.formats.netx_reader import read_network

STEPS = 30
NEURON = ks.LoihiCUBA(threshold_mantissa=80, current_decay=1024, voltage_decay=128)
# Synapse and membrane without memory, and nearly without leak.
FAST = ks.LoihiCUBA(threshold_mantissa=100, current_decay=4096, voltage_decay=4096)
SLOW = ks.LoihiCUBA(threshold_mantissa=500, current_decay=300, voltage_decay=10)


def dense():
    return (30,), [
        ks.SpikingDense(25, neuron=NEURON),
        keras.layers.Dropout(0.5),
        ks.SpikingDense(20, neuron=SLOW),
        ks.SpikingDense(10, neuron=FAST),
    ]


def few_bits():
    return (30,), [
        ks.SpikingDense(20, neuron=ks.LoihiCUBA(weight_bits=4)),
        ks.SpikingDense(10, neuron=ks.LoihiCUBA(weight_bits=2, voltage_decay=4096)),
    ]


def conv(shape=(9, 12, 2), filters=6, kernel_size=(3, 2), **options):
    return shape, [ks.SpikingConv2D(filters, kernel_size, neuron=NEURON, **options)]


def cnn():
    # 13 x 10 -> 11 x 9 -> pool 5 x 4 (a row and a column are left over) -> 5 x 4 -> vector.
    return (13, 10, 2), [
        ks.SpikingConv2D(6, (3, 2), neuron=NEURON),
        ks.SpikingSumPooling2D(2, neuron=FAST),
        ks.SpikingConv2D(8, (3, 5), padding="same", groups=2, neuron=NEURON),
        ks.Flatten(),
        ks.SpikingDense(10, neuron=SLOW),
    ]


def flat_image():
    return (4, 5, 3), [
        ks.Flatten(),
        ks.SpikingDense(12, neuron=NEURON),
        ks.Flatten(),  # of a vector: nothing to do
        ks.SpikingDense(7, neuron=NEURON),
    ]


def pools():
    return (7, 10, 3), [
        ks.SpikingSumPooling2D((2, 3), strides=(1, 2), neuron=FAST),
        ks.SpikingSumPooling2D(3, strides=1, padding="same", neuron=FAST, weight=0.2),
    ]


def wide_pool():
    return (4, 4, 130), [ks.SpikingSumPooling2D(2, neuron=NEURON)]


MODELS = {
    "dense": dense(),
    "few_bits": few_bits(),
    "conv": conv(),
    "conv_strides": conv(strides=(2, 2)),
    "conv_dilation": conv(dilation_rate=(2, 3)),
    "conv_groups": conv(shape=(6, 5, 4), filters=8, groups=4),
    "conv_same": conv(kernel_size=(3, 5), padding="same"),
    "conv_same_dilation": conv(kernel_size=(2, 3), padding="same", dilation_rate=2),
    # 9 rows and 13 columns in steps of 2 need one row and one column of zeros on either side.
    "conv_same_strides": conv(shape=(9, 13, 2), kernel_size=3, padding="same", strides=2),
    "conv_1x1": conv(kernel_size=1),
    "cnn": cnn(),
    "flat_image": flat_image(),
    "pools": pools(),
    "wide_pool": wide_pool(),
}


def build(shape, layers, seed=0):
    """A model with fresh layers and random weights that keep it lively, some beyond the range."""
    layers = [type(layer).from_config(layer.get_config()) for layer in layers]
    model = keras.Sequential([keras.Input((STEPS, *shape)), *layers])
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        for variable in layer.trainable_variables:
            fan_in = np.prod(variable.shape[:-1])
            scale = 2 / np.sqrt(fan_in) + 0.2
            variable.assign(rng.normal(0, scale, variable.shape))
    return model


def random_spikes(model, density=0.15, batch=3):
    rng = np.random.default_rng(5)
    return (rng.random((batch, STEPS, *model.input_shape[2:])) < density).astype(np.float32)


@pytest.mark.parametrize("name", MODELS)
def test_every_spike_is_the_models(name, tmp_path):
    model = build(*MODELS[name])
    spikes = random_spikes(model)
    expected = keras.ops.convert_to_numpy(model(spikes))
    assert 0.02 < expected.mean() < 0.8
    export_loihi(model, tmp_path / "a.net")
    for engine in ("native", "numpy"):
        simulator = LoihiSimulator(tmp_path / "a.net", engine=engine)
        assert simulator.input_shape == model.input_shape[2:]
        found = simulator.run(spikes)
        assert found.shape == expected.shape
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["dense", "cnn"])
def test_every_layers_spikes_are_the_models(name, tmp_path):
    model = build(*MODELS[name])
    spikes = random_spikes(model)
    export_loihi(model, tmp_path / "a.net")
    record = LoihiSimulator(tmp_path / "a.net").record(spikes, "spikes")
    probed = iter(record.layers)
    x = spikes
    for layer in model.layers:
        x = keras.ops.convert_to_numpy(layer(x))
        if hasattr(layer, "neuron"):
            np.testing.assert_array_equal(next(probed).spikes, x, err_msg=layer.name)
    assert next(probed, None) is None


# Keras itself, when it saves and loads under NumPy 2.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_trained_and_reloaded_models(tmp_path):
    model = build(*MODELS["cnn"])
    export_loihi(model, tmp_path / "fresh.net")
    spikes = random_spikes(model)
    model.compile("sgd", "mse")
    model.train_on_batch(spikes, np.zeros((3, STEPS, 10)))
    export_loihi(model, tmp_path / "trained.net")
    model.save(tmp_path / "model.keras")
    reloaded = keras.saving.load_model(tmp_path / "model.keras")
    export_loihi(reloaded, tmp_path / "reloaded.net")
    fresh, trained, again = (
        (tmp_path / f"{name}.net").read_bytes() for name in ("fresh", "trained", "reloaded")
    )
    assert fresh != trained
    assert trained == again
    found = LoihiSimulator(tmp_path / "reloaded.net").run(spikes)
    assert found.sum() > 0
    np.testing.assert_array_equal(found, reloaded.predict(spikes, verbose=0))


def test_other_weights_give_another_file(tmp_path):
    for seed in (0, 1):
        export_loihi(build(*MODELS["dense"], seed), tmp_path / f"{seed}.net")
    assert (tmp_path / "0.net").read_bytes() != (tmp_path / "1.net").read_bytes()


def test_integers_are_the_weights_of_the_forward_pass(tmp_path):
    model = build(*MODELS["few_bits"])
    export_loihi(model, tmp_path / "a.net")
    first, second = read_network(tmp_path / "a.net").layers
    expected = np.clip(32 * np.rint(2 * np.asarray(model.layers[0].kernel)), -256, 224)
    np.testing.assert_array_equal(first.weight, expected)
    assert {-128, 0, 128} <= set(np.unique(second.weight)) <= {-256, -128, 0, 128}


def test_report_by_hand(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((None, 2, 2, 1)),
            ks.SpikingSumPooling2D(2, neuron=FAST, name="pool"),
            ks.Flatten(name="flat"),
            ks.SpikingDense(6, neuron=SLOW, name="out"),
        ]
    )
    # On the grid; rounded; to zero; clamped; in range after rounding; clamped.
    model.layers[-1].kernel.assign([[0.5, 0.51, 0.01, 3.99, 3.98, -4.02]])
    report = export_loihi(model, str(tmp_path / "a.net"))
    assert isinstance(report, LoihiReport)
    pool, flat, out = report.layers
    assert (pool.name, pool.type) == ("pool", "SpikingSumPooling2D")
    assert (pool.neurons, pool.weights) == (1, 4)
    assert pool.largest_synaptic_sum == 4 * 110  # 1.1 times its threshold
    assert (flat.name, flat.type, flat.neurons) == ("flat", "Flatten", 0)
    assert (out.neurons, out.weights, out.zero_weights) == (6, 6, 1)
    assert (out.changed_weights, out.out_of_range_weights) == (5, 2)
    assert (out.weight_bits, out.threshold_mantissa) == (8, 500)
    assert (out.current_decay, out.voltage_decay) == (300, 10)
    assert out.largest_synaptic_sum == 256
    assert (report.input_shape, report.output_shape, report.latency_steps) == ((2, 2, 1), (6,), 2)
    assert report.warnings == ()
    assert report.file_bytes == (tmp_path / "a.net").stat().st_size
    assert out.histogram == ((-256, 1), (0, 1), (32, 2), (254, 2))
    assert (report.exact, report.converted, report.host_layers) == (True, False, ())
    assert report.chip == "Loihi 2"
    assert [layer.name for layer in report.mapping.layers] == ["pool", "out"]
    assert report.widths[-1].changed == 0  # of the weights that training used
    lines = [" ".join(line.split()) for line in str(report).splitlines()]
    assert lines[0].startswith("layer type neurons weights zero changed out of range bits")
    assert lines[4] == "out SpikingDense 6 6 1 5 2 8 500 300 10 0 256"
    assert lines[6] == "total 7 10 1 5 2"
    assert lines[8].startswith("layer cores neurons/core axons in axons out synapses KiB")
    assert lines[10].startswith("pool 1 1 ")
    assert lines[12:14] == [lines[9], "total 2"]
    assert lines[15] == "weights in zero changed out of range"
    assert lines[24] == "8 bits 1 0 0"
    assert lines[26] == "(2, 2, 1) -> (6,), latency 2 steps (one per layer)"
    assert lines[27].startswith("Loihi 2: 2 cores on 1 chip")
    assert "spikes exactly as the model does" in lines[28]
    assert lines[29] == f"wrote {tmp_path / 'a.net'} (.net, {report.file_bytes:,} bytes)"
    data = json.loads(report.to_json())
    assert data["layers"][2]["changed_weights"] == 5
    assert data["path"] == str(tmp_path / "a.net")
    assert data["output_shape"] == [6]


def test_report_warns_of_sums_the_chip_cannot_hold(tmp_path):
    model = build((200,), [ks.SpikingDense(3, neuron=NEURON, name="wide")])
    model.layers[0].kernel.assign(np.full((200, 3), 3.0))
    report = export_loihi(model, tmp_path / "a.net")
    (warning,) = report.warnings
    assert warning.startswith("wide: if all inputs of one sign spike in one step")
    assert "reaches 38,400; the chip holds 32,768" in warning
    assert f"warning: {warning}" in str(report)


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
    model.get_layer("plain").bias.assign(np.ones(5))
    model.get_layer("silent").kernel.assign(np.full((5, 4), -1.0))
    message = refusal(model, tmp_path)
    assert "(6 problems), nothing was written" in message.splitlines()[0]
    assert [line.split(";")[0] for line in message.splitlines()[1:]] == [
        "  - first: its neuron is SRM",
        "  - softmax: Softmax has no counterpart on the chip",
        "  - slow: its delays reach from 70 to 70 steps of 1 ms",
        "  - plain: it has a bias",
        "  - plain: its activation is 'relu'",
        "  - silent: no weight is positive",
    ]
    assert "keras_slayer.export.to_loihi(model)" in message


def test_weights_that_are_not_finite(tmp_path):
    model = build((3,), [ks.SpikingDense(2, neuron=NEURON, name="broken")])
    model.layers[0].kernel.assign([[1, 1], [np.nan, 1], [1, 1]])
    message = refusal(model, tmp_path)
    assert "(1 problem)" in message
    assert "broken: 1 of 6 weights are not what the chip can hold (the first: " in message


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


def test_importing_the_package_loads_neither_h5py_nor_the_simulator():
    # In a process of its own; Keras may import h5py itself, so it must not be imported at all.
    code = (
        "import sys\n"
        "import types\n"
        "import importlib.util\n"
        "spec = importlib.util.find_spec('keras_slayer')\n"
        "package = types.ModuleType('keras_slayer')\n"
        "package.__path__ = list(spec.submodule_search_locations)\n"
        "sys.modules['keras_slayer'] = package\n"
        "import keras_slayer.export as export\n"
        "assert 'export_loihi' in dir(export) and 'LoihiSimulator' in export.__all__\n"
        "assert not {'h5py', 'keras', 'keras_slayer.export._simulator'} & set(sys.modules)\n"
        "export.LoihiSimulator\n"
        "assert 'h5py' in sys.modules and 'keras' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
