"""The package as a whole: its import, its names, the other backends, the reference ops."""

import importlib
import inspect
import json
import pathlib
import re
import subprocess
import sys
import typing

import keras
import numpy as np
import pytest

import keras_slayer as ks

sys.path.insert(0, str(pathlib.Path(__file__).parent / "layers"))
from layer_cases import subprocess_environment

PACKAGE = pathlib.Path(ks.__file__).parent


def run(program, *arguments, **environment):
    """What a fresh interpreter prints as JSON on its last line."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**subprocess_environment(), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


SUBPACKAGES = ["data_service", "datasets", "distribute", "events", "export", "ops", "visualization"]
IMPORT = """
import json, sys, time
import keras
before = set(sys.modules)
start = time.process_time()
import keras_slayer
seconds = time.process_time() - start
added = sorted(set(sys.modules) - before)
from keras_slayer.ops import library
found = {
    "seconds": seconds,
    "added": added,
    "native": library._loaded is not None,
    "libraries": [line for line in open("/proc/self/maps") if "keras_slayer" in line],
}
names = sys.argv[1:]
found["listed"] = [name for name in names if name in dir(keras_slayer)]
found["resolved"] = [getattr(keras_slayer, name).__name__ for name in names]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def fresh_import():
    return run(IMPORT, *SUBPACKAGES)


def test_import_is_cheap(fresh_import):
    """Measured 0.05 s; the limit leaves room for a busy machine."""
    found = fresh_import
    assert found["seconds"] < 1.0
    assert found["native"] is False and found["libraries"] == []
    foreign = {name.split(".")[0] for name in found["added"]} - {"keras_slayer"}
    heavy = {"matplotlib", "tensorflow_datasets", "h5py", "mlxtend", "pandas", "rich", "scipy"}
    assert not foreign & heavy
    ours = {name for name in found["added"] if name.startswith("keras_slayer")}
    late = ("keras_slayer.datasets", "keras_slayer.events", "keras_slayer.export")
    assert not {name for name in ours if name.startswith((*late, "keras_slayer.visualization"))}


def test_public_names():
    assert sorted(ks.__all__) == sorted(set(ks.__all__))
    for name in ks.__all__:
        assert getattr(ks, name).__doc__, name
    assert re.fullmatch(r"\d+\.\d+\.\d+", ks.__version__)


# What no saved model holds: functions, callbacks, warnings.
NOT_IN_MODELS = {
    "FiringRateMonitor",
    "FiringRateWarning",
    "LayerProfile",
    "Profile",
    "RateInitializer",
    "SetFiringRates",
    "SpikeMatches",
    "SpikeRasterLogger",
    "Stream",
    "accuracy_over_time",
    "firing_rates",
    "from_preset",
    "match_spikes",
    "profile",
    "record",
    "set_firing_rates",
}


@pytest.mark.parametrize("name", sorted(set(ks.__all__) - NOT_IN_MODELS))
def test_everything_public_is_registered_for_loading(name):
    found = keras.saving.get_registered_object(f"keras_slayer>{name}")
    assert found is getattr(ks, name)


def test_every_model_has_export_loihi(tmp_path):
    """The method hands over to keras_slayer.export, arguments included."""
    assert keras.Model.export_loihi and keras.Sequential.export_loihi
    model = keras.Sequential([keras.Input((5, 4)), ks.SpikingDense(3, "loihi")])
    model.export_loihi(tmp_path / "net.net")
    assert (tmp_path / "net.net").stat().st_size > 0
    with pytest.raises(TypeError, match="no_such_option"):
        model.export_loihi(tmp_path / "other.net", no_such_option=1)


def test_subpackages_are_imported_when_used(fresh_import):
    assert fresh_import["listed"] == SUBPACKAGES
    assert fresh_import["resolved"] == [f"keras_slayer.{name}" for name in SUBPACKAGES]
    assert set(ks.__all__) <= set(dir(ks))
    with pytest.raises(AttributeError, match="'keras_slayer' has no attribute 'no_such_name'"):
        _ = ks.no_such_name


def test_names_of_before():
    """The four modules of old are packages, and the callback's old name is the same class."""
    assert ks.RateInitializer is ks.SetFiringRates
    for name in ("losses", "metrics", "rates", "callbacks"):
        package = importlib.import_module(f"keras_slayer.{name}")
        for public in set(package.__all__) & set(ks.__all__):
            assert getattr(package, public) is getattr(ks, public), public
        assert len(package.__all__) >= 3


def test_the_package_is_typed():
    """The marker is there, and every annotation of a public name resolves."""
    assert (PACKAGE / "py.typed").is_file()
    for name in ks.__all__:
        item = getattr(ks, name)
        hints = typing.get_type_hints(item.__init__ if inspect.isclass(item) else item)
        if inspect.isfunction(item):
            assert "return" in hints, name


def test_recorded_model_loads():
    """Configs written when losses and metrics were one module each, by registered names."""
    file = pathlib.Path(__file__).parent / "recorded" / "model_0_1_0.json"
    recorded = json.loads(file.read_text())
    model = keras.saving.deserialize_keras_object(recorded["model"])
    model.build((None, 6, 6, 6, 2))
    kinds = [type(layer) for layer in model.layers]
    assert kinds == [
        ks.WinnerTakeAll,
        ks.SpikingConv2D,
        ks.SpikingSumPooling2D,
        ks.Flatten,
        ks.DelayLayer,
        ks.SpikingDense,
        ks.SpikingActivation,
        ks.TemporalFilter,
    ]
    chip = ks.LoihiCUBA(80, 1024, 128, surrogate_tau=0.3)  # and no dt
    assert model.get_layer("dense").neuron == chip
    assert type(model.optimizer) is ks.ScaledAdam and model.optimizer.factors == {"delay": 10.0}
    assert type(model.loss) is ks.SpikeMaxLoss and model.loss.scale == 0.2
    assert model.loss.label_smoothing == 0.0
    x = (np.random.default_rng(0).random((4, 6, 6, 6, 2)) < 0.3).astype("float32")
    results = model.evaluate(x, np.arange(4), verbose=0, return_dict=True)
    assert set(results) == {"loss", "spike_count_accuracy", "first_spike_accuracy"}

    objects = [keras.saving.deserialize_keras_object(config) for config in recorded["objects"]]
    assert [type(item) for item in objects] == [
        ks.FirstSpikeLoss,
        ks.SpikeCountLoss,
        ks.SpikeRateLoss,
        ks.SpikeTimeLoss,
        ks.VanRossumDistance,
    ]
    for item, config in zip(objects, recorded["objects"], strict=True):
        # Not there when these were saved: labels were not smoothed.
        new = {"label_smoothing": 0.0} if isinstance(item, ks.SpikeMaxLoss) else {}
        assert item.get_config() == {**config["config"], **new}
        assert config["module"] in ("keras_slayer.first_spike_loss", "keras_slayer.losses",
                                    "keras_slayer.metrics")  # fmt: skip


def python_files():
    files = sorted(PACKAGE.rglob("*.py"))
    assert len(files) > 20
    return files


def test_no_private_api():
    """Two earlier Keras spiking libraries died of it at Keras 3."""
    private = re.compile(r"keras\.src|tensorflow\.python|tf\.python\b|from keras import src")
    users = [str(path) for path in python_files() if private.search(path.read_text())]
    assert users == []


def test_no_unfinished_code():
    marks = re.compile(r"\bTODO\b|\bFIXME\b|\bXXX\b|except Exception|except:")
    found = [str(path) for path in python_files() if marks.search(path.read_text())]
    assert found == []


def test_another_backend_is_refused(monkeypatch):
    """Keras itself fails first where the other backend is not installed; this is what follows."""
    for backend in ("torch", "jax"):
        monkeypatch.setattr(keras.backend, "backend", lambda name=backend: name)
        with pytest.raises(ImportError, match="set KERAS_BACKEND=tensorflow") as caught:
            importlib.reload(ks)
        assert f"Received: backend='{backend}'" in str(caught.value)


TRAIN = """
import json
import keras, numpy as np
import keras_slayer as ks
from keras_slayer import ops

def network(neuron, pool):
    return keras.Sequential([
        keras.Input((8, 6, 6, 2)),
        ks.SpikingConv2D(3, 3, neuron=neuron, kernel_initializer=weights(1)),
        ks.SpikingSumPooling2D(2, neuron=pool),
        ks.Flatten(),
        ks.DelayLayer(delay_initializer=keras.initializers.Constant(1.25)),
        ks.SpikingDense(4, neuron, kernel_initializer=weights(2)),
    ])

def weights(seed):
    return keras.initializers.RandomNormal(0.1, 0.4, seed=seed)

random = np.random.default_rng(0)
x = (random.random((6, 8, 6, 6, 2)) < 0.2).astype("float32")
labels = np.arange(6) % 4
losses = {}
for neuron in (
    ks.SRM(threshold=0.5, tau_response=3.0, surrogate_tau=2.0),
    ks.CUBA(threshold=0.5, surrogate_tau=2.0, gradient="exodus"),
    ks.LoihiCUBA(threshold_mantissa=40, surrogate_tau=2.0),
):
    model = network(neuron, neuron)
    model.compile(keras.optimizers.Adam(0.01), ks.SpikeMaxLoss())
    history = model.fit(x, labels, batch_size=2, epochs=2, shuffle=False, verbose=0)
    losses[repr(neuron)] = history.history["loss"]
print(json.dumps({"backend": ops.backend(), "losses": losses}))
"""


def test_reference_ops_train_as_the_native_ones_do():
    """KERAS_SLAYER_OPS=reference: the same losses over six steps."""
    plain = run(TRAIN, KERAS_SLAYER_OPS="reference")
    native = run(TRAIN, KERAS_SLAYER_OPS="native")
    assert (plain["backend"], native["backend"]) == ("reference", "native")
    assert len(plain["losses"]) == 3
    for name, losses in native["losses"].items():
        assert len(set(losses)) > 1 and np.all(np.isfinite(losses)), name
        np.testing.assert_allclose(plain["losses"][name], losses, rtol=1e-5, err_msg=name)


def test_unknown_choice_of_ops():
    program = (
        "import json, keras_slayer.ops as ops\n"
        "try:\n    ops.backend()\n"
        "except ValueError as error:\n    print(json.dumps(str(error)))\n"
    )
    message = run(program, KERAS_SLAYER_OPS="cuda")
    assert "must be 'native', 'reference' or unset" in message
    assert message.endswith("Received: KERAS_SLAYER_OPS='cuda'")
